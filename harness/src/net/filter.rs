//! What becomes of a datagram before it leaves, for faults on purpose.
//!
//! Owns the words for it, those of signaling's frames. Who decides knows what a datagram is; nothing here does.

use std::sync::Arc;

/// What becomes of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatagramFate {
    /// It leaves as it is.
    Pass,
    /// These leave in its place, to the same address; without any it is lost.
    Instead(Vec<Vec<u8>>),
}

type Decide = dyn Fn(&[u8]) -> DatagramFate + Send + Sync;

/// Decides about each datagram that is about to leave a connection's socket.
///
/// It is asked again about one that passes and for which the socket has no room yet.
#[derive(Clone)]
pub struct DatagramFilter(Arc<Decide>);

impl DatagramFilter {
    /// A filter that asks `fate`; called on the connection's own task, so it must be quick.
    pub fn new(fate: impl Fn(&[u8]) -> DatagramFate + Send + Sync + 'static) -> Self {
        Self(Arc::new(fate))
    }

    pub(crate) fn fate(&self, datagram: &[u8]) -> DatagramFate {
        (self.0)(datagram)
    }
}

impl std::fmt::Debug for DatagramFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatagramFilter")
    }
}
