//! The ledger as a file: written by the broadcaster's process, followed by the viewers'.
//!
//! Owns the file handling only; [`crate::media::ledger`] owns the format.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::media::ledger::{Ledger, LedgerEntry, LedgerError, MAX_LINE};

/// Lines that may wait for the disk: one a frame, four minutes at 30 fps.
const QUEUE: usize = 8_192;

/// How often a followed file is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Most bytes read from a followed file at once.
const CHUNK: u64 = 1 << 20;

/// A ledger file that cannot be written or followed.
#[derive(Debug, Error)]
pub enum LedgerFileError {
    /// The file system says no.
    #[error("ledger {path}: {reason}; choose another place with --ledger")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// Its content is not a ledger.
    #[error("{path}: {error}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: LedgerError,
    },
}

/// Takes entries for the file; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LedgerWriter {
    lines: mpsc::Sender<String>,
}

/// Writes the ledger file until every [`LedgerWriter`] is gone.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
    task: JoinHandle<std::io::Result<()>>,
}

impl LedgerFile {
    /// Starts a new file; an older one of that name is replaced, so that a follower notices.
    pub(crate) fn create(path: &Path) -> Result<(Self, LedgerWriter), LedgerFileError> {
        let failed = |error: std::io::Error| LedgerFileError::Io {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        refuse_to_replace_a_stranger(path)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = std::fs::File::create_new(path).map_err(failed)?;
        let (lines, mut queue) = mpsc::channel::<String>(QUEUE);
        let task = tokio::spawn(async move {
            let mut batch = String::new();
            while let Some(line) = queue.recv().await {
                batch.push_str(&line);
                while let Ok(line) = queue.try_recv() {
                    batch.push_str(&line);
                }
                file.write_all(batch.as_bytes())?;
                batch.clear();
            }
            Ok(())
        });
        Ok((
            Self {
                path: path.to_owned(),
                task,
            },
            LedgerWriter { lines },
        ))
    }

    /// Waits until everything is written; every [`LedgerWriter`] must be dropped before.
    pub(crate) async fn finish(self) -> Result<(), LedgerFileError> {
        let written = self
            .task
            .await
            .map_err(std::io::Error::other)
            .and_then(|result| result);
        written.map_err(|error| LedgerFileError::Io {
            path: self.path,
            reason: error.to_string(),
        })
    }
}

/// A ledger may replace an older ledger or an empty file, and nothing else.
fn refuse_to_replace_a_stranger(path: &Path) -> Result<(), LedgerFileError> {
    let failed = |reason: String| LedgerFileError::Io {
        path: path.to_owned(),
        reason,
    };
    let Ok(file) = std::fs::File::open(path) else {
        return Ok(());
    };
    let mut start = Vec::new();
    file.take(64)
        .read_to_end(&mut start)
        .map_err(|error| failed(error.to_string()))?;
    if start.is_empty() || start.starts_with(br#"{"entry":"header","greenroom_ledger":"#) {
        return Ok(());
    }
    Err(failed(
        "this file exists and is not a ledger; it is left as it is".to_owned(),
    ))
}

impl LedgerWriter {
    /// Queues an entry.
    pub(crate) fn write(&self, entry: &LedgerEntry) {
        match serde_json::to_string(entry) {
            Ok(mut line) => {
                line.push('\n');
                if self.lines.try_send(line).is_err() {
                    log::error!("the disk does not keep up with the ledger; frames will be missing from it");
                }
            }
            Err(error) => log::error!("a ledger entry cannot be written: {error}"),
        }
    }
}

/// Follows a ledger file that another process writes; ends when dropped.
#[derive(Debug)]
pub(crate) struct LedgerFollower {
    error: Arc<Mutex<Option<LedgerFileError>>>,
    task: JoinHandle<()>,
}

impl LedgerFollower {
    /// Reads what is there, and then whatever is added. A file that does not exist yet is waited for.
    ///
    /// # Errors
    ///
    /// When the file exists and is not a ledger.
    pub(crate) fn start(path: &Path, book: Arc<Mutex<Ledger>>) -> Result<Self, LedgerFileError> {
        let mut follow = Follow {
            path: path.to_owned(),
            book,
            file: None,
            identity: (0, 0),
            partial: Vec::new(),
        };
        follow.poll()?;
        let error = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&error);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(POLL).await;
                if let Err(error) = follow.poll() {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        });
        Ok(Self { error, task })
    }

    /// The error that ended the following, if any.
    pub(crate) fn take_error(&self) -> Option<LedgerFileError> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for LedgerFollower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follow {
    path: PathBuf,
    book: Arc<Mutex<Ledger>>,
    file: Option<std::fs::File>,
    identity: (u64, u64),
    partial: Vec<u8>,
}

impl Follow {
    fn poll(&mut self) -> Result<(), LedgerFileError> {
        self.reopen_if_replaced()?;
        let failed = |error: std::io::Error| LedgerFileError::Io {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        let Some(file) = &mut self.file else { return Ok(()) };
        while file.take(CHUNK).read_to_end(&mut self.partial).map_err(failed)? > 0 {
            let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            let complete = self
                .partial
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |last| last + 1);
            for line in self.partial[..complete]
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                book.apply_line(&String::from_utf8_lossy(line)).map_err(|error| {
                    LedgerFileError::Content {
                        path: self.path.clone(),
                        error,
                    }
                })?;
            }
            self.partial.drain(..complete);
            if self.partial.len() > MAX_LINE {
                // No line ends within the longest entry: refuse it as the line that it would be.
                return book
                    .apply_line(&String::from_utf8_lossy(&self.partial))
                    .map_err(|error| LedgerFileError::Content {
                        path: self.path.clone(),
                        error,
                    });
            }
        }
        Ok(())
    }

    /// A broadcaster that starts anew replaces the file; then everything starts anew here too.
    fn reopen_if_replaced(&mut self) -> Result<(), LedgerFileError> {
        let identity = match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => {
                let reason = "this is a directory; expected a file".to_owned();
                return Err(LedgerFileError::Io {
                    path: self.path.clone(),
                    reason,
                });
            }
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(_) => return Ok(()),
        };
        if self.file.is_some() && identity == self.identity {
            return Ok(());
        }
        let file = std::fs::File::open(&self.path).map_err(|error| LedgerFileError::Io {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        *self.book.lock().unwrap_or_else(PoisonError::into_inner) = Ledger::default();
        self.file = Some(file);
        self.identity = identity;
        self.partial.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Codec;
    use crate::media::ledger::{LEDGER_VERSION, LedgerHeader};

    fn header(epoch_unix_us: u64) -> LedgerEntry {
        LedgerEntry::Header(LedgerHeader {
            greenroom_ledger: LEDGER_VERSION,
            video: Codec::H264,
            audio: None,
            frame_rate: 30.0,
            clip: String::new(),
            epoch_unix_us,
            boot_id: None,
        })
    }

    fn epoch(book: &Mutex<Ledger>) -> Option<u64> {
        book.lock().unwrap().header().map(|header| header.epoch_unix_us)
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_reads_what_is_added_and_notices_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let book = Arc::new(Mutex::new(Ledger::default()));
        let follower = LedgerFollower::start(&path, Arc::clone(&book)).unwrap();
        for generation in [7, 8] {
            let (file, writer) = LedgerFile::create(&path).unwrap();
            writer.write(&header(generation));
            drop(writer);
            file.finish().await.unwrap();
            tokio::time::sleep(POLL * 2).await;
            assert_eq!(epoch(&book), Some(generation));
        }
        assert!(follower.take_error().is_none());
    }

    #[tokio::test]
    async fn a_line_that_is_written_in_two_pieces_is_read_once_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let line = serde_json::to_string(&header(5)).unwrap();
        let (first, second) = line.split_at(10);
        std::fs::write(&path, first).unwrap();
        let book = Arc::new(Mutex::new(Ledger::default()));
        let mut follow = Follow {
            path: path.clone(),
            book: Arc::clone(&book),
            file: None,
            identity: (0, 0),
            partial: Vec::new(),
        };
        follow.poll().unwrap();
        assert_eq!(epoch(&book), None);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        writeln!(file, "{second}").unwrap();
        follow.poll().unwrap();
        assert_eq!(epoch(&book), Some(5));
    }

    #[tokio::test]
    async fn a_file_that_is_no_ledger_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("thesis.txt");
        std::fs::write(&path, "years of work").unwrap();
        let refused = LedgerFile::create(&path).unwrap_err().to_string();
        assert!(refused.contains("left as it is"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "years of work");
    }

    #[tokio::test]
    async fn what_is_not_a_ledger_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |content: &[u8]| {
            let path = dir.path().join("ledger.jsonl");
            std::fs::write(&path, content).unwrap();
            let book = Arc::new(Mutex::new(Ledger::default()));
            LedgerFollower::start(&path, book)
                .map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
        };
        assert!(refused(b"hello\n").contains("line 1"));
        assert!(refused(&[b'x'; MAX_LINE + 1]).contains("longer than"));
        assert!(refused(&[0xff, 0xfe, b'\n']).contains("line 1"));
        let directory = LedgerFollower::start(dir.path(), Arc::new(Mutex::new(Ledger::default())));
        assert!(directory.unwrap_err().to_string().contains("directory"));
    }
}
