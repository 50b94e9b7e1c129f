//! Lines on their way to one client: bounded, so that who does not read costs little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Notify, mpsc};

/// Bytes that may wait for one client.
const WAITING_BYTES: usize = 64 << 20;
/// A client whose answers wait like this is not read from until it has taken some.
const SLOW_LINES: usize = 256;
const SLOW_BYTES: usize = 1 << 20;
/// Written at a time: many small answers make one call.
const CHUNK_BYTES: usize = 64 << 10;

/// Where lines for a client are put.
#[derive(Clone, Debug)]
pub struct Outbox {
    lines: mpsc::UnboundedSender<Arc<[u8]>>,
    backlog: Arc<Backlog>,
}

/// How far behind a client is.
#[derive(Debug)]
pub struct Backlog {
    max_lines: usize,
    lines: AtomicUsize,
    bytes: AtomicUsize,
    written: Notify,
}

/// The other end, which writes.
pub struct Postman {
    lines: mpsc::UnboundedReceiver<Arc<[u8]>>,
    backlog: Arc<Backlog>,
}

/// Makes the way to one client, which may be `max_lines` behind.
pub fn outbox(max_lines: usize) -> (Outbox, Postman) {
    let (to, lines) = mpsc::unbounded_channel();
    let backlog = Arc::new(Backlog {
        max_lines,
        lines: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        written: Notify::new(),
    });
    (Outbox { lines: to, backlog: Arc::clone(&backlog) }, Postman { lines, backlog })
}

impl Outbox {
    /// Puts one line on its way; `false` when the client is too far behind, or gone.
    pub fn try_send(&self, line: Arc<[u8]>) -> bool {
        let (lines, bytes) = self.backlog.size();
        if lines >= self.backlog.max_lines || (lines > 0 && bytes + line.len() > WAITING_BYTES) {
            return false;
        }
        self.backlog.lines.store(lines + 1, Relaxed);
        self.backlog.bytes.store(bytes + line.len(), Relaxed);
        self.lines.send(line).is_ok()
    }

    /// Returns once everything has been written.
    pub async fn emptied(&self) {
        self.backlog.until(|lines, _| lines == 0, &self.lines).await;
    }

    /// Returns at once for a client that reads its answers, and else when it has read some.
    pub async fn caught_up(&self) {
        self.backlog
            .until(|lines, bytes| lines < SLOW_LINES && bytes < SLOW_BYTES, &self.lines)
            .await;
    }
}

// One thread does all of this (the supervisor's loop): the counters are atomic only to be
// shared between its tasks.
impl Backlog {
    fn size(&self) -> (usize, usize) {
        (self.lines.load(Relaxed), self.bytes.load(Relaxed))
    }

    fn took(&self, bytes: usize, lines: usize) {
        self.lines.fetch_sub(lines, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
        self.written.notify_waiters();
    }

    async fn until(
        &self,
        enough: impl Fn(usize, usize) -> bool,
        to: &mpsc::UnboundedSender<Arc<[u8]>>,
    ) {
        loop {
            let written = self.written.notified();
            let (lines, bytes) = self.size();
            if enough(lines, bytes) || to.is_closed() {
                return;
            }
            tokio::select! {
                () = written => {}
                () = to.closed() => return,
            }
        }
    }
}

impl Postman {
    /// Writes lines until all senders or the client are gone.
    pub async fn deliver(mut self, mut write: OwnedWriteHalf) {
        let mut chunk = Vec::new();
        while let Some(line) = self.lines.recv().await {
            let (mut n_lines, mut n_bytes) = (1, line.len());
            let more = if n_bytes < CHUNK_BYTES { self.lines.try_recv().ok() } else { None };
            let written = if let Some(next) = more {
                chunk.clear();
                chunk.extend_from_slice(&line);
                chunk.extend_from_slice(&next);
                n_lines += 1;
                while chunk.len() < CHUNK_BYTES
                    && let Ok(next) = self.lines.try_recv()
                {
                    chunk.extend_from_slice(&next);
                    n_lines += 1;
                }
                n_bytes = chunk.len();
                write.write_all(&chunk).await
            } else {
                write.write_all(&line).await
            };
            self.backlog.took(n_bytes, n_lines);
            if written.is_err() {
                return;
            }
        }
        let _client_may_be_gone = write.shutdown().await;
    }
}
