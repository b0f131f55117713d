//! The drawing: lifelines, arrows, marks and notes on lines of a fixed width.
//!
//! Owns where characters stand. What is drawn, others decide.

use super::frame::clipped;

/// Columns of a line.
pub(super) const WIDTH: usize = 110;
/// Columns of the time and the event number.
const GUTTER: usize = 20;
/// Where the first lifeline stands.
const FIRST: usize = 26;
/// Lines that one step takes at most.
const MAX_LINES: usize = 5;

/// Where the lifelines stand.
#[derive(Debug)]
pub(super) struct Canvas {
    columns: Vec<usize>,
    spacing: usize,
}

/// What is drawn between or at the lifelines.
#[derive(Debug)]
pub(super) enum Shape {
    /// Between two columns, with a label; a broken one does not get there.
    Arrow {
        from: usize,
        to: usize,
        label: String,
        broken: bool,
    },
    /// At a column.
    Mark { at: usize, text: String },
    /// Across the whole diagram.
    Banner(String),
}

impl Canvas {
    pub(super) fn of(columns: usize) -> Self {
        let spacing = match columns {
            0..=3 => 26,
            4 => 20,
            5 => 16,
            _ => 13,
        };
        Self {
            columns: (0..columns).map(|number| FIRST + number * spacing).collect(),
            spacing,
        }
    }

    /// A line of names, each over its lifeline.
    pub(super) fn names<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> String {
        let mut line = vec![' '; WIDTH];
        for (x, name) in self.columns.iter().zip(names) {
            let name = clipped(name, self.spacing - 1);
            put(&mut line, x.saturating_sub(name.chars().count() / 2), &name);
        }
        finished(line)
    }

    /// A line with nothing but lifelines.
    pub(super) fn empty(&self) -> String {
        finished(self.lifelines())
    }

    /// One step: a line, and more if its notes do not fit beside it.
    pub(super) fn step(
        &self,
        at_us: u64,
        number: Option<u64>,
        shape: &Shape,
        notes: &[String],
    ) -> Vec<String> {
        let mut line = self.lifelines();
        let number = number.map_or_else(String::new, |number| format!("#{number}"));
        let time = format!("{}.{}", at_us / 1_000, at_us % 1_000 / 100);
        put(&mut line, 0, &clipped(&format!("{time:>10} {number:>8}"), GUTTER));
        let end = self.columns.last().map_or(FIRST, |x| x + 1);
        let mut below = Vec::new();
        let used = match shape {
            Shape::Arrow {
                from,
                to,
                label,
                broken,
            } => {
                let x = |column: &usize| self.columns.get(*column).copied().unwrap_or(FIRST);
                let beside = x(from).max(x(to)) + 2;
                let length = label.chars().count();
                if self.arrow(&mut line, (*from, *to), label, *broken) {
                    end
                } else if beside + length <= WIDTH {
                    // Across the lifelines of others, as a mark's text.
                    put(&mut line, beside, &format!("{label} "));
                    end.max(beside + length)
                } else {
                    below.push(label.clone());
                    end
                }
            }
            Shape::Mark { at, text } => {
                let x = self.columns.get(*at).copied().unwrap_or(FIRST);
                put(&mut line, x, "*");
                let (start, rest) = place(x, text);
                put(&mut line, start, text);
                below.extend(rest);
                end.max(start + text.chars().count())
            }
            Shape::Banner(text) => {
                let text = format!("── {text} ");
                put(&mut line, GUTTER, &format!("{text:─<90}"));
                if text.chars().count() > WIDTH - GUTTER {
                    put(&mut line, WIDTH - 1, "…");
                }
                WIDTH
            }
        };
        below.extend(notes.iter().cloned());
        let notes = below.join("  ");
        if notes.is_empty() {
            return vec![finished(line)];
        }
        if used + 2 + notes.chars().count() <= WIDTH {
            put(&mut line, used + 2, &notes);
            return vec![finished(line)];
        }
        let mut lines = vec![finished(line)];
        lines.extend(self.under(shape, &notes));
        lines
    }

    /// Notes below a step: they point at where its arrow ends, or at its mark.
    fn under(&self, shape: &Shape, notes: &str) -> Vec<String> {
        let at = match shape {
            Shape::Arrow { to, .. } => *to,
            Shape::Mark { at, .. } => *at,
            Shape::Banner(_) => 0,
        };
        let x = self.columns.get(at).copied().unwrap_or(FIRST);
        let texts = wrapped(notes, WIDTH - FIRST - 4);
        let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let start = (x + 2).min(WIDTH.saturating_sub(longest)).max(FIRST);
        let mut lines = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            if number == 0 && start == x + 2 {
                lines.push(format!("{:x$}^ {text}", ""));
                continue;
            }
            if number == 0 {
                // The text has no room beside the sign.
                lines.push(format!("{:x$}^", ""));
            }
            lines.push(format!("{:start$}{text}", ""));
        }
        lines.truncate(MAX_LINES - 1);
        lines
    }

    fn lifelines(&self) -> Vec<char> {
        let mut line = vec![' '; WIDTH];
        for x in &self.columns {
            if let Some(cell) = line.get_mut(*x) {
                *cell = '│';
            }
        }
        line
    }

    /// Whether the label had room in it.
    fn arrow(&self, line: &mut [char], (from, to): (usize, usize), label: &str, broken: bool) -> bool {
        let x = |column: usize| self.columns.get(column).copied().unwrap_or(FIRST);
        let (start, target) = (x(from), x(to));
        let (low, high) = (start.min(target), start.max(target));
        let right = start < target;
        // A broken arrow ends before its target.
        let (first, last) = match (right, broken) {
            (_, false) => (low + 1, high.saturating_sub(1)),
            (true, true) => (low + 1, high.saturating_sub(4)),
            (false, true) => (low + 4, high.saturating_sub(1)),
        };
        for cell in line.iter_mut().take(last + 1).skip(first) {
            *cell = '─';
        }
        let head = match (right, broken) {
            (_, true) => 'x',
            (true, false) => '>',
            (false, false) => '<',
        };
        if let Some(cell) = line.get_mut(if right { last } else { first }) {
            *cell = head;
        }
        let label = format!(" {label} ");
        let length = label.chars().count();
        let room = (last + 1).saturating_sub(first + 2);
        if length > room {
            return false;
        }
        put(line, first + 1 + (room - length) / 2, &label);
        true
    }
}

/// Where a mark's text begins, and the text if it has no room beside the mark.
fn place(x: usize, text: &str) -> (usize, Option<String>) {
    let length = text.chars().count();
    if x + 2 + length <= WIDTH {
        (x + 2, None)
    } else if x > GUTTER + 2 + length {
        (x - 1 - length, None)
    } else {
        (WIDTH, Some(text.to_owned()))
    }
}

fn put(line: &mut [char], x: usize, text: &str) {
    for (cell, c) in line.iter_mut().skip(x).zip(text.chars()) {
        *cell = c;
    }
}

fn finished(line: Vec<char>) -> String {
    line.into_iter().collect::<String>().trim_end().to_owned()
}

/// Words in lines of at most so many columns. A word that is longer is cut.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let word = clipped(word, columns);
        let length = word.chars().count();
        if width > 0 && width + 1 + length > columns {
            lines.push(std::mem::take(&mut line));
            width = 0;
        }
        if width > 0 {
            line.push(' ');
            width += 1;
        }
        line.push_str(&word);
        width += length;
    }
    if width > 0 {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(from: usize, to: usize, label: &str, broken: bool) -> Shape {
        Shape::Arrow {
            from,
            to,
            label: label.to_owned(),
            broken,
        }
    }

    #[test]
    fn an_arrow_reaches_its_column_unless_it_is_broken() {
        let canvas = Canvas::of(3);
        let line = |shape| canvas.step(1_500, Some(7), &shape, &[]).join("\n");
        assert_eq!(
            line(arrow(0, 1, "offer to v2", false)),
            "       1.5       #7       │────── offer to v2 ─────>│                         │"
        );
        assert_eq!(
            line(arrow(2, 1, "answer", true)),
            "       1.5       #7       │                         │   x────── answer ───────│"
        );
    }

    #[test]
    fn what_does_not_fit_stands_below_and_no_line_is_too_long() {
        for columns in 1..=6 {
            let canvas = Canvas::of(columns);
            let last = columns - 1;
            let long = "word ".repeat(200);
            let shapes = [
                arrow(0, last, &long, false),
                Shape::Mark {
                    at: last,
                    text: long.clone(),
                },
                Shape::Banner(long.clone()),
            ];
            for shape in shapes {
                let lines = canvas.step(u64::MAX, Some(u64::MAX), &shape, std::slice::from_ref(&long));
                assert!(lines.len() <= MAX_LINES);
                for line in lines {
                    assert!(line.chars().count() <= WIDTH, "{line}");
                }
            }
        }
    }
}
