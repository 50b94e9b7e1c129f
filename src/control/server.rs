//! The server half: takes connections, checks who they are, moves messages. Decides nothing.

use super::outbox::{Outbox, outbox};
use super::peer::Peer;
use super::proto::{PROTOCOL, Role, ToClient, ToServer};
use crate::model::limits::{ASKS_IN_FLIGHT, CLIENTS, FRAME_BYTES, SHARERS};
use crate::model::{Event, RunInfo, Snapshot, Text};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Lines that may wait for one client. A client that falls further behind misses snapshots,
/// and is dropped when it would miss anything else.
const WAITING_LINES: usize = 1024;
/// The same for one that shares primitives: what it may ask in flight, and what was asked before
/// it stopped reading.
const WAITING_ANSWERS: usize = 4 * ASKS_IN_FLIGHT;
/// When no descriptor is left for a connection, how long until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A client that has not said hello by then is dropped.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// How long the last messages may take to leave.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);

/// Number of a connection, never reused.
pub type ClientId = u64;

/// What the server half tells the supervisor.
#[derive(Debug)]
pub enum FromClient {
    Joined { client: ClientId, role: Role, peer: Peer, lines: Outbox },
    Said { client: ClientId, message: ToServer },
    Left { client: ClientId },
}

/// The values of a job, by name.
pub type Inputs = Vec<(String, Text)>;

/// Where a client's messages go.
enum Sink {
    Socket(Outbox),
    /// A front end in this very process. What is said in one turn is handed over in one piece, at its end: the
    /// one who reads it would wake up for every message, in the middle of the turn.
    Memory {
        batch: Vec<ToClient>,
        to: std_mpsc::Sender<Vec<ToClient>>,
    },
}

struct Client {
    role: Role,
    snapshots: bool,
    events: bool,
    sink: Sink,
}

/// The clients of a run, and what each has asked for.
pub struct Clients {
    clients: HashMap<ClientId, Client>,
}

/// The id of the front end in this process, if there is one.
pub const IN_PROCESS: ClientId = 0;

/// A socket that nobody else may use; removed when dropped.
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _gone_already_is_fine = std::fs::remove_file(&self.path);
        let _mostly_there_is_none = std::fs::remove_dir_all(super::runs::beside(&self.path));
    }
}

/// Opens the run's socket, mode 0600.
///
/// # Errors
/// When the folder cannot be written or the path is longer than a socket's may be.
pub fn listen(path: &Path) -> io::Result<Listening> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Listening { listener, path: path.to_owned() })
}

/// Connections of each kind that are open.
#[derive(Default)]
struct Open {
    front_ends: AtomicUsize,
    sharers: AtomicUsize,
}

/// A connection that counts as one of its kind while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Open {
    /// Counts one more, unless there are too many of its kind.
    fn enter(&self, role: &Role) -> Result<Counted<'_>, String> {
        let (open, most, kind) = match role {
            Role::Client(_) => (&self.sharers, SHARERS, "clients"),
            Role::Owner | Role::Guest { .. } => (&self.front_ends, CLIENTS, "front ends"),
        };
        if open.fetch_add(1, Relaxed) >= most {
            open.fetch_sub(1, Relaxed);
            return Err(format!("{most} {kind} are connected already"));
        }
        Ok(Counted(open))
    }
}

/// Takes connections until dropped. Everything they say goes to `to`.
pub async fn serve<M>(listening: &Listening, info: Arc<RunInfo>, to: mpsc::Sender<M>)
where
    M: From<FromClient> + Send + 'static,
{
    let own_uid = rustix::process::getuid().as_raw();
    let open = Arc::new(Open::default());
    let mut connections: JoinSet<()> = JoinSet::new();
    let mut next_id = IN_PROCESS;
    loop {
        tokio::select! {
            accepted = listening.listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of descriptors, most likely. Give others the time to close some.
                    let ended = connections.join_next();
                    let _none_in_time = tokio::time::timeout(ACCEPT_PAUSE, ended).await;
                    continue;
                };
                next_id += 1;
                let (info, open, to) = (Arc::clone(&info), Arc::clone(&open), to.clone());
                connections.spawn(async move {
                    match Peer::of(&stream).filter(|peer| peer.uid == own_uid) {
                        Some(peer) => connection(stream, next_id, peer, &info, &open, to).await,
                        None => turn_away(stream).await,
                    }
                });
            }
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn turn_away(stream: UnixStream) {
    let (_read, mut write) = stream.into_split();
    refuse(&mut write, "this run belongs to another user".to_owned()).await;
}

/// One connection, from hello to its end.
async fn connection<M: From<FromClient>>(
    stream: UnixStream,
    client: ClientId,
    peer: Peer,
    info: &RunInfo,
    open: &Open,
    to: mpsc::Sender<M>,
) {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    let mut line = Vec::new();
    let role = match hello(&mut reader, &mut line).await {
        Ok(Some(role)) => role,
        Ok(None) => return,
        Err(why) => return refuse(&mut write, why).await,
    };
    let _counted = match open.enter(&role) {
        Ok(counted) => counted,
        Err(why) => return refuse(&mut write, why).await,
    };
    let is_sharer = matches!(role, Role::Client(_));
    let (lines, postman) = outbox(if is_sharer { WAITING_ANSWERS } else { WAITING_LINES });
    let hello = if is_sharer {
        ToClient::Welcome { protocol: PROTOCOL, run: info.run.clone() }
    } else {
        ToClient::Hello { protocol: PROTOCOL, info: Box::new(info.clone()) }
    };
    if !lines.try_send(encode(&hello)) {
        return;
    }
    let writer = tokio::spawn(postman.deliver(write));
    let mut fate = Ok(());
    let joined = FromClient::Joined { client, role, peer, lines: lines.clone() };
    if to.send(joined.into()).await.is_ok() {
        let throttle = is_sharer.then_some(&lines);
        fate = read_messages(&mut reader, &mut line, client, throttle, &to).await;
        let _supervisor_may_be_gone = to.send(FromClient::Left { client }.into()).await;
    }
    if let Err(why) = fate {
        let _full_or_gone = lines.try_send(encode(&ToClient::Error { error: why }));
    }
    drop(lines);
    let _writer_ends_by_itself = writer.await;
}

/// Waits for the first message. `Ok(None)` at the end of the connection, `Err` with words for
/// the client.
async fn hello(
    reader: &mut BufReader<OwnedReadHalf>,
    line: &mut Vec<u8>,
) -> Result<Option<Role>, String> {
    match tokio::time::timeout(HELLO_PATIENCE, next_message(reader, line)).await {
        Ok(Ok(Some(ToServer::Hello { protocol: PROTOCOL, role }))) => Ok(Some(role)),
        Ok(Ok(Some(ToServer::Hello { protocol, .. }))) => {
            Err(format!("the supervisor speaks protocol {PROTOCOL}, not {protocol}"))
        }
        Ok(Ok(Some(_))) => Err("say hello first".to_owned()),
        Ok(Ok(None)) => Ok(None),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("no hello within {} seconds", HELLO_PATIENCE.as_secs())),
    }
}

async fn read_messages<M: From<FromClient>>(
    reader: &mut BufReader<OwnedReadHalf>,
    line: &mut Vec<u8>,
    client: ClientId,
    throttle: Option<&Outbox>,
    to: &mpsc::Sender<M>,
) -> Result<(), String> {
    loop {
        // Who does not read its answers is not asked for more questions: that bounds what waits.
        // A front end may be behind with what is pushed and still say that it has to stop.
        if let Some(lines) = throttle {
            lines.caught_up().await;
        }
        let Some(message) = next_message(reader, line).await? else { return Ok(()) };
        if to.send(FromClient::Said { client, message }.into()).await.is_err() {
            return Ok(());
        }
    }
}

/// Reads one line. `Ok(None)` at the end of the connection, `Err` with words for the client.
async fn next_message(
    reader: &mut BufReader<OwnedReadHalf>,
    line: &mut Vec<u8>,
) -> Result<Option<ToServer>, String> {
    line.clear();
    let n = reader.take(FRAME_BYTES as u64).read_until(b'\n', line).await;
    match n {
        Ok(0) | Err(_) => Ok(None),
        Ok(_) if line.last() != Some(&b'\n') && line.len() >= FRAME_BYTES => {
            Err(format!("a message may have {FRAME_BYTES} bytes, this one has more"))
        }
        Ok(_) => serde_json::from_slice(line)
            .map(Some)
            .map_err(|e| format!("this is no message of protocol {PROTOCOL}: {e}")),
    }
}

async fn refuse(write: &mut OwnedWriteHalf, error: String) {
    let _client_may_be_gone = write.write_all(&encode(&ToClient::Error { error })).await;
}

/// One message as one line.
fn encode(message: &ToClient) -> Arc<[u8]> {
    // Serialising these types cannot fail: no map with other keys than strings, no own errors.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

impl Clients {
    /// No clients yet.
    pub fn new() -> Clients {
        Clients { clients: HashMap::new() }
    }

    /// Adds the front end of this very process. It hears everything from the first event on.
    pub fn add_in_process(&mut self, to: std_mpsc::Sender<Vec<ToClient>>) {
        let sink = Sink::Memory { batch: Vec::new(), to };
        let client = Client { role: Role::Owner, snapshots: true, events: true, sink };
        self.clients.insert(IN_PROCESS, client);
    }

    /// Adds a client that joined over the socket.
    pub fn join(&mut self, id: ClientId, role: Role, lines: Outbox) {
        let client = Client { role, snapshots: false, events: false, sink: Sink::Socket(lines) };
        self.clients.insert(id, client);
    }

    /// Forgets a client and returns its role.
    pub fn leave(&mut self, id: ClientId) -> Option<Role> {
        self.clients.remove(&id).map(|c| c.role)
    }

    /// Returns the role of a client.
    pub fn role(&self, id: ClientId) -> Option<Role> {
        self.clients.get(&id).map(|c| c.role.clone())
    }

    /// Sets what a client wants pushed. Returns whether it wants events and did not before.
    pub fn subscribe(&mut self, id: ClientId, snapshots: bool, events: bool) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        client.snapshots = snapshots;
        let wanted_before = std::mem::replace(&mut client.events, events);
        events && !wanted_before
    }

    /// Whether anybody wants snapshots.
    pub fn want_snapshots(&self) -> bool {
        self.clients.values().any(|c| c.snapshots)
    }

    /// Whether anybody wants events.
    pub fn want_events(&self) -> bool {
        self.clients.values().any(|c| c.events)
    }

    /// Pushes a snapshot to all who want them; who lags behind misses this one.
    pub fn push_snapshot(&mut self, snapshot: Snapshot) {
        let message = ToClient::Snapshot { snapshot: Box::new(snapshot) };
        let mut line = None;
        for client in self.clients.values_mut().filter(|c| c.snapshots) {
            match &mut client.sink {
                Sink::Memory { batch, .. } => batch.push(message.clone()),
                Sink::Socket(lines) => {
                    let line = line.get_or_insert_with(|| encode(&message));
                    let _missed = !lines.try_send(line.clone());
                }
            }
        }
    }

    /// Pushes events to all who want them, with the values of their jobs; who lags too far
    /// behind is dropped.
    pub fn push_events(&mut self, events: &[Event], inputs_of: impl Fn(&Event) -> Inputs) {
        if !self.want_events() {
            return;
        }
        for event in events {
            let inputs = inputs_of(event);
            let message = ToClient::Event { event: Box::new(event.clone()), inputs };
            self.push(|c| c.events, &message);
        }
    }

    /// Sends one message to one client.
    pub fn send(&mut self, id: ClientId, message: &ToClient) {
        self.send_with(id, message, None);
    }

    /// Sends one message to one client, and a file descriptor with it.
    pub fn send_with(&mut self, id: ClientId, message: &ToClient, fd: Option<Arc<OwnedFd>>) {
        let lost = self.clients.get_mut(&id).is_some_and(|c| !c.sink.send(message, fd));
        if lost {
            self.clients.remove(&id);
        }
    }

    /// Sends one message to the run's own front end.
    pub fn send_to_owner(&mut self, message: &ToClient) {
        self.push(|client| client.role == Role::Owner, message);
    }

    /// Sends one message to everybody.
    pub fn push_all(&mut self, message: &ToClient) {
        self.push(|_| true, message);
    }

    /// Hands over what the front end of this process has to hear. To be called at the end of
    /// each turn.
    pub fn hand_over(&mut self) {
        let Some(client) = self.clients.get_mut(&IN_PROCESS) else { return };
        let Sink::Memory { batch, to } = &mut client.sink else { return };
        if !batch.is_empty() && to.send(std::mem::take(batch)).is_err() {
            self.clients.remove(&IN_PROCESS);
        }
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Forgets everybody, and waits, a little, until what was sent has left.
    pub async fn flush(&mut self) {
        self.hand_over();
        let mut closing = JoinSet::new();
        for (_, client) in self.clients.drain() {
            if let Sink::Socket(lines) = client.sink {
                closing.spawn(async move { lines.emptied().await });
            }
        }
        let all = async { while closing.join_next().await.is_some() {} };
        let _late_ones_lose = tokio::time::timeout(GOODBYE_PATIENCE, all).await;
    }

    fn push(&mut self, wanted: impl Fn(&Client) -> bool, message: &ToClient) {
        let mut line = None;
        self.clients.retain(|_, client| {
            if !wanted(client) {
                return true;
            }
            match &mut client.sink {
                Sink::Memory { batch, .. } => {
                    batch.push(message.clone());
                    true
                }
                Sink::Socket(lines) => {
                    let line = line.get_or_insert_with(|| encode(message));
                    lines.try_send(line.clone())
                }
            }
        });
    }
}

impl Default for Clients {
    fn default() -> Clients {
        Clients::new()
    }
}

impl Sink {
    fn send(&mut self, message: &ToClient, fd: Option<Arc<OwnedFd>>) -> bool {
        match self {
            Sink::Memory { batch, .. } => {
                batch.push(message.clone());
                true
            }
            Sink::Socket(lines) => lines.try_send_with(encode(message), fd),
        }
    }
}
