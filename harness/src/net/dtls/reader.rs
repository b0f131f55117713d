//! Reads the numbers and vectors that TLS structures are made of.
//!
//! Owns the cursor and its bounds; knows no structure but the list of extensions, which both hellos end with.

/// What is left to read, in the notation of RFC 5246 section 4; `None` where bytes are missing.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u24(&mut self) -> Option<usize> {
        let [high, middle, low] = self.array()?;
        usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()
    }

    pub(super) fn vector8(&mut self) -> Option<Self> {
        let length = self.u8()?;
        self.take(usize::from(length)).map(Self)
    }

    pub(super) fn vector16(&mut self) -> Option<Self> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(Self)
    }

    pub(super) fn vector24(&mut self) -> Option<Self> {
        let length = self.u24()?;
        self.take(length).map(Self)
    }

    /// All that is left, as numbers; `None` when half a one remains.
    pub(super) fn numbers(self) -> Option<Vec<u16>> {
        let (pairs, rest) = self.0.as_chunks::<2>();
        rest.is_empty()
            .then(|| pairs.iter().copied().map(u16::from_be_bytes).collect())
    }

    /// The extensions at the end of a hello, which may lack them (RFC 5246 section 7.4.1.2).
    pub(super) fn extensions(&mut self) -> Option<Vec<(u16, Self)>> {
        let mut extensions = Vec::new();
        if !self.0.is_empty() {
            let mut list = self.vector16()?;
            while !list.0.is_empty() {
                extensions.push((list.u16()?, list.vector16()?));
            }
        }
        Some(extensions)
    }
}
