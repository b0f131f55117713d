//! The edits: what is changed in one description of a pair, one thing at a time.
//!
//! Owns their names and their lists. It says of none whether it is legal; that is the judges' business.

mod media;
mod sections;
mod text;
mod transport;

use super::description::Description;

/// Which description of a pair is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Edited {
    Offer,
    Answer,
}

impl Edited {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Answer => "answer",
        }
    }
}

/// Which descriptions an edit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    Offers,
    Answers,
    Both,
}

/// One change of a description.
pub(crate) struct Edit {
    /// What is different afterwards.
    pub(crate) name: &'static str,
    pub(crate) of: For,
    pub(crate) change: Change,
}

/// How it is made.
pub(crate) enum Change {
    Nothing,
    Lines(fn(&mut Description)),
    Text(fn(&str) -> String),
}

impl Edit {
    const fn lines(name: &'static str, of: For, change: fn(&mut Description)) -> Self {
        Self {
            name,
            of,
            change: Change::Lines(change),
        }
    }

    const fn text(name: &'static str, of: For, change: fn(&str) -> String) -> Self {
        Self {
            name,
            of,
            change: Change::Text(change),
        }
    }

    /// The edited text; `None` where there is nothing that the edit could change.
    pub(crate) fn apply(&self, text: &str) -> Option<String> {
        let edited = match &self.change {
            Change::Nothing => return Some(text.to_owned()),
            Change::Lines(change) => {
                let mut description = Description::read(text);
                change(&mut description);
                description.text()
            }
            Change::Text(change) => change(text),
        };
        (edited != text).then_some(edited)
    }
}

/// The pair as its stacks made it.
pub(crate) const AS_IT_IS: Edit = Edit {
    name: "as it is",
    of: For::Both,
    change: Change::Nothing,
};

/// Every edit of this description, the one that changes nothing first.
pub(crate) fn of(edited: Edited) -> impl Iterator<Item = &'static Edit> {
    let lists = [sections::EDITS, transport::EDITS, media::EDITS, text::EDITS];
    std::iter::once(&AS_IT_IS)
        .chain(lists.into_iter().flatten())
        .filter(move |edit| match edit.of {
            For::Both => true,
            For::Offers => edited == Edited::Offer,
            For::Answers => edited == Edited::Answer,
        })
}
