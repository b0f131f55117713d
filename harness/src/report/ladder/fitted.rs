//! As much of a drawing as has room.
//!
//! Owns the choice of what is left out, and says how much that is.

/// What a step takes of the drawing.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) lines: Vec<String>,
    /// A cause or a rule names it, or something is odd about it.
    pub(super) important: bool,
}

/// As many blocks as have room: those that matter, the first ones and the last ones.
pub(super) fn fitted(blocks: Vec<Block>, room: usize) -> Vec<String> {
    let total: usize = blocks.iter().map(|block| block.lines.len()).sum();
    if total <= room {
        return blocks.into_iter().flat_map(|block| block.lines).collect();
    }
    // A block that is kept by itself costs a line more, which says what is left out before it.
    let mut kept = vec![false; blocks.len()];
    let mut left = room.saturating_sub(2);
    let mut take = |number: usize, most: usize, cost: usize| {
        let fits = room.saturating_sub(left) + cost <= most && cost <= left;
        if fits && !kept[number] {
            kept[number] = true;
            left -= cost;
        }
        fits
    };
    for (number, block) in blocks.iter().enumerate() {
        if block.important {
            take(number, room / 2, block.lines.len() + 1);
        }
    }
    for (number, block) in blocks.iter().enumerate() {
        if !take(number, room * 4 / 5, block.lines.len()) {
            break;
        }
    }
    for (number, block) in blocks.iter().enumerate().rev() {
        if !take(number, room, block.lines.len()) {
            break;
        }
    }
    let mut lines = Vec::new();
    let mut gap: Option<(u64, u64, usize)> = None;
    let tell = |gap: &mut Option<(u64, u64, usize)>, lines: &mut Vec<String>| {
        if let Some((first, last, count)) = gap.take() {
            lines.push(format!(
                "           … {count} steps are left out here, #{first} to #{last} …"
            ));
        }
    };
    for (block, kept) in blocks.into_iter().zip(kept) {
        if kept {
            tell(&mut gap, &mut lines);
            lines.extend(block.lines);
        } else {
            let (first, _, count) = gap.unwrap_or((block.number, block.number, 0));
            gap = Some((first, block.number, count + 1));
        }
    }
    tell(&mut gap, &mut lines);
    lines
}
