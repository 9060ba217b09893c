//! The default notifier: one line of JSON per notice at the end of `notices.log`, for people to read and scripts to
//! follow. One thread writes; a batch is flushed to the system, not to the disk, since the notice itself is kept in the
//! journal.

use super::{Fault, Message, Notifier, Way};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
};
use tokio::sync::{mpsc, oneshot};

/// Notices that wait for the thread: some seconds of a rush hour. One more is refused, and sent again later.
const QUEUE: usize = 4096;
/// Notices per flush, so that nobody's answer waits for an endless batch.
const BATCH: usize = 256;
/// The log's size at which it is put aside as `notices.log.1`, in place of the one before: some hundred thousand notices.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

type Waiting = (Message, oneshot::Sender<Result<(), Fault>>);

/// A notifier that writes to a file.
pub struct Log {
    thread: mpsc::Sender<Waiting>,
}

impl Log {
    /// Opens `notices.log` in this folder, or begins it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::open_with(dir, MAX_BYTES)
    }

    pub(super) fn open_with(dir: &Path, max_bytes: u64) -> io::Result<Self> {
        let mut pages = Pages::open(dir.join("notices.log"), max_bytes)?;
        let (thread, mut waiting) = mpsc::channel::<Waiting>(QUEUE);
        thread::Builder::new().name("notices".into()).spawn(move || {
            let mut batch = Vec::with_capacity(BATCH);
            while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
                let written = pages.write(batch.iter().map(|(message, _)| message));
                if let Err(fault) = &written {
                    tracing::warn!(%fault, notices = batch.len(), "notices.log takes nothing");
                }
                for (_, answer) in batch.drain(..) {
                    // Whoever sent it may have left.
                    let _ = answer.send(written.as_ref().map_or(Err(Fault::Broken), |()| Ok(())));
                }
            }
        })?;
        Ok(Self { thread })
    }
}

impl Notifier for Log {
    fn way(&self) -> Way {
        Way::Log
    }

    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>> {
        async move {
            let (answer, answered) = oneshot::channel();
            self.thread.try_send((message, answer)).map_err(|no| match no {
                mpsc::error::TrySendError::Full(_) => Fault::Full,
                mpsc::error::TrySendError::Closed(_) => Fault::Broken,
            })?;
            answered.await.unwrap_or(Err(Fault::Broken))
        }
        .boxed()
    }
}

/// The file, and how much is in it.
struct Pages {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
}

impl Pages {
    fn open(path: PathBuf, max_bytes: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        // A line that was cut short by a crash must not swallow the next one.
        let mut last = [b'\n'];
        if bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(Self { path, file, bytes, max_bytes })
    }

    fn write<'a>(&mut self, messages: impl Iterator<Item = &'a Message>) -> io::Result<()> {
        if self.bytes >= self.max_bytes {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(self.path.clone(), self.max_bytes)?;
        }
        let mut lines = BufWriter::new(&self.file);
        for message in messages {
            let line = serde_json::to_vec(message)?;
            lines.write_all(&line)?;
            lines.write_all(b"\n")?;
            self.bytes += line.len() as u64 + 1;
        }
        lines.flush()
    }
}
