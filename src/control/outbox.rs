//! Lines on their way to one client: bounded, so that who does not read costs little.

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Notify, mpsc};

/// Bytes that may wait for one client.
const WAITING_BYTES: usize = 64 << 20;
/// A client whose answers wait like this is not read from until it has taken some.
const SLOW_LINES: usize = 256;
const SLOW_BYTES: usize = 1 << 20;
/// Written at a time: many small answers make one call.
const CHUNK_BYTES: usize = 64 << 10;

/// A line, and a file descriptor that goes with it.
type Line = (Arc<[u8]>, Option<Arc<OwnedFd>>);

/// Where lines for a client are put.
#[derive(Clone, Debug)]
pub struct Outbox {
    lines: mpsc::UnboundedSender<Line>,
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
    lines: mpsc::UnboundedReceiver<Line>,
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
        self.try_send_with(line, None)
    }

    /// The same with a file descriptor, which arrives with the line.
    pub fn try_send_with(&self, line: Arc<[u8]>, fd: Option<Arc<OwnedFd>>) -> bool {
        let (lines, bytes) = self.backlog.size();
        if lines >= self.backlog.max_lines || (lines > 0 && bytes + line.len() > WAITING_BYTES) {
            return false;
        }
        self.backlog.lines.store(lines + 1, Relaxed);
        self.backlog.bytes.store(bytes + line.len(), Relaxed);
        self.lines.send((line, fd)).is_ok()
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

    async fn until(&self, enough: impl Fn(usize, usize) -> bool, to: &mpsc::UnboundedSender<Line>) {
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
        let mut kept = None;
        while let Some((line, fd)) = match kept.take() {
            Some(line) => Some(line),
            None => self.lines.recv().await,
        } {
            let (mut n_lines, mut n_bytes) = (1, line.len());
            let mut written = Ok(());
            let mut rest: &[u8] = &line;
            if let Some(fd) = fd {
                written = send_with_fd(&write, &line, &fd).await.map(|n| rest = &line[n..]);
            } else {
                chunk.clear();
                while chunk.len() + n_bytes < CHUNK_BYTES
                    && let Ok(next) = self.lines.try_recv()
                {
                    // A descriptor goes with the first byte of its own line.
                    if next.1.is_some() {
                        kept = Some(next);
                        break;
                    }
                    if chunk.is_empty() {
                        chunk.extend_from_slice(&line);
                        n_bytes = 0;
                    }
                    chunk.extend_from_slice(&next.0);
                    n_lines += 1;
                }
                if !chunk.is_empty() {
                    n_bytes = chunk.len();
                    rest = &chunk;
                }
            }
            if written.is_ok() {
                written = write.write_all(rest).await;
            }
            self.backlog.took(n_bytes, n_lines);
            if written.is_err() {
                return;
            }
        }
        let _client_may_be_gone = write.shutdown().await;
    }
}

/// Sends as much of a line as there is room for, and a file descriptor with it: unix(7),
/// SCM_RIGHTS. The other end gets a copy of its own.
async fn send_with_fd(write: &OwnedWriteHalf, line: &[u8], fd: &OwnedFd) -> io::Result<usize> {
    let stream = write.as_ref();
    let send = || {
        let fds = [fd.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        Ok(sendmsg(stream, &[IoSlice::new(line)], &mut control, SendFlags::NOSIGNAL)?)
    };
    stream.async_io(Interest::WRITABLE, send).await
}
