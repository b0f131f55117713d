//! Dialects by data: reading a file, recording a session, drafting a file from it and proving one against it.
//!
//! Owns what surrounds the file. How it is spoken is the signaling crate's (`signaling/src/dialect/data/`);
//! docs/dialects.md is the page for people.

mod choice;
mod draft;
mod file;
mod prove;
#[cfg(feature = "cli")]
pub(crate) mod record;
mod recording;

pub use choice::DialectChoice;
pub(crate) use choice::Spoken;
pub use draft::{DraftError, draft};
pub use file::{DialectError, read_dialect};
pub use prove::{Proof, prove};
pub use recording::{RecordedFrame, RecordingError, Side, read_recording};
