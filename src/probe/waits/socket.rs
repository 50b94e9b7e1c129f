//! Sockets: of one machine, where both ends can be seen. Their other end is asked of the kernel:
//! of Unix sockets by sock_diag(7), of TCP by `/proc/PID/net/tcp` (proc_pid_net(5)).

use super::descriptors::Target;
use super::kinds::Fact;
use super::process::Process;
use super::ready::{Direction, for_holders};
use super::scene::Scene;
use crate::model::waits::WaitKind;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A Unix socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unix {
    pub datagrams: bool,
    pub listens: bool,
    pub has_name: bool,
    /// The inode of the other end.
    pub peer: Option<u64>,
    /// Of a connection that has not been accepted: the inode of the listening socket.
    pub door: Option<u64>,
}

/// A TCP connection. Addresses as the kernel writes them, those of IPv4 in the short form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tcp {
    pub local: Box<str>,
    pub remote: Box<str>,
    pub listens: bool,
    pub is_established: bool,
    /// Something was sent that has not arrived.
    pub resends: bool,
    pub inode: u64,
}

/// All TCP connections of one network namespace.
#[derive(Debug, Default)]
pub struct TcpTable {
    by_inode: HashMap<u64, Tcp>,
    by_ends: HashMap<(Box<str>, Box<str>), u64>,
    /// Listening sockets by port.
    doors: HashMap<Box<str>, Vec<u64>>,
    /// Ends of connections that have been made, and that no process has.
    unowned: HashSet<(Box<str>, Box<str>)>,
}

impl TcpTable {
    /// Reads `tcp` or `tcp6` into it.
    pub fn add(&mut self, text: &[u8]) {
        for tcp in text.split(|b| *b == b'\n').skip(1).filter_map(tcp_line) {
            if tcp.listens {
                self.doors.entry(port_of(&tcp.local).into()).or_default().push(tcp.inode);
            } else if tcp.inode == 0 && tcp.is_established {
                self.unowned.insert((tcp.local.clone(), tcp.remote.clone()));
            }
            self.by_ends.insert((tcp.local.clone(), tcp.remote.clone()), tcp.inode);
            self.by_inode.insert(tcp.inode, tcp);
        }
    }

    fn get(&self, inode: u64) -> Option<&Tcp> {
        self.by_inode.get(&inode).filter(|_| inode != 0)
    }

    /// The other end, where it is on this machine and somebody has it.
    fn peer(&self, tcp: &Tcp) -> Option<u64> {
        let ends = (tcp.remote.clone(), tcp.local.clone());
        self.by_ends.get(&ends).copied().filter(|inode| *inode != 0)
    }

    /// The sockets one of which a connection waits at, when it was made and has not been accepted:
    /// all that listen at its port, whatever address they have.
    fn doors(&self, tcp: &Tcp) -> Option<&[u64]> {
        let is_waiting = self.unowned.contains(&(tcp.remote.clone(), tcp.local.clone()));
        let doors = self.doors.get(port_of(&tcp.remote)).filter(|_| is_waiting)?;
        Some(doors)
    }
}

fn port_of(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}

/// `  0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  0  0 5521 1 ...`
fn tcp_line(line: &[u8]) -> Option<Tcp> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1);
    let (local, remote) = (words.next()?, words.next()?);
    let state = words.next()?;
    let timer = words.nth(1)?;
    let inode = words.nth(3)?.parse().ok()?;
    // An IPv4 address in an IPv6 socket.
    let short = |address: &str| -> Box<str> {
        address.strip_prefix("0000000000000000FFFF0000").unwrap_or(address).into()
    };
    Some(Tcp {
        local: short(local),
        remote: short(remote),
        listens: state == "0A",
        is_established: state == "01",
        resends: timer.starts_with("01:"),
        inode,
    })
}

/// Says what has to happen for a socket to have data, or room.
pub fn until_ready(
    scene: &Scene,
    process: &Process,
    fd: i32,
    inode: u64,
    direction: Direction,
) -> Fact {
    let known =
        of_unix(scene, process, inode, direction).or_else(|| of_tcp(scene, process, fd, inode));
    let fact = known.unwrap_or_else(|| {
        let id = format!("socket:[{inode}]");
        Fact::open(WaitKind::Unknown, id, "somebody in another place of the network")
    });
    let name = format!("fd {fd}");
    let fact = if fact.name.is_none() { fact.named(name) } else { fact };
    if direction == Direction::Data { fact.by_signal() } else { fact }
}

fn of_unix(scene: &Scene, process: &Process, inode: u64, direction: Direction) -> Option<Fact> {
    let unix = *scene.unix_sockets(process)?.get(&inode)?;
    let kind = match direction {
        Direction::Data => WaitKind::UnixRecv,
        Direction::Room => WaitKind::UnixSend,
    };
    let id = format!("socket:[{inode}]");
    if unix.listens {
        return Some(Fact::open(kind, id, "a new connection"));
    }
    if unix.datagrams && unix.has_name && direction == Direction::Data {
        return Some(Fact::open(kind, id, "anybody who knows the name of the socket"));
    }
    let named = holders(scene, unix.peer.or(unix.door));
    Some(for_holders(scene, process, Fact::new(kind, id), &named, &holders(scene, Some(inode))))
}

fn of_tcp(scene: &Scene, process: &Process, fd: i32, inode: u64) -> Option<Fact> {
    let table = scene.tcp_sockets(process);
    let tcp = table.get(inode)?;
    let fact = Fact::new(WaitKind::Tcp, format!("socket:[{inode}]"));
    if tcp.listens {
        return Some(fact.need(vec![super::kinds::outside("a new connection")]));
    }
    let fact = fact.named(format!("{} to {}", shown(&tcp.local), shown(&tcp.remote)));
    let named: BTreeSet<i32> = match (table.peer(tcp), table.doors(tcp)) {
        (Some(peer), _) => holders(scene, Some(peer)),
        (None, Some(doors)) => doors.iter().flat_map(|door| holders(scene, Some(*door))).collect(),
        (None, None) => return Some(fact.need(vec![super::kinds::outside("another machine")])),
    };
    let own = holders(scene, Some(inode));
    let mut fact = for_holders(scene, process, fact, &named, &own);
    let peers = table.peer(tcp).map_or(&[][..], |peer| scene.ends(&Target::Socket(peer)));
    let ends = peers.iter().map(|end| (end.pid, end.fd)).chain([(process.pid(), fd)]);
    if tcp.resends || ends.into_iter().any(|(pid, fd)| gives_up(pid, fd)) {
        fact.also(super::kinds::outside("the network"));
    }
    Some(fact)
}

fn holders(scene: &Scene, inode: Option<u64>) -> BTreeSet<i32> {
    let ends = inode.map(|inode| scene.ends(&Target::Socket(inode)));
    ends.into_iter().flatten().map(|end| end.pid).collect()
}

/// `0100007F:1F90` is 127.0.0.1:8080; longer ones are shown as they are.
fn shown(address: &str) -> String {
    let parts = address.split_once(':').and_then(|(host, port)| {
        let port = u16::from_str_radix(port, 16).ok()?;
        let host = u32::from_str_radix(host, 16).ok().filter(|_| host.len() == 8)?;
        Some(format!("{}:{port}", std::net::Ipv4Addr::from(host.to_le_bytes())))
    });
    parts.unwrap_or_else(|| address.to_owned())
}

/// Whether a blocked call on a socket ends by itself, by the limit that the socket was given;
/// `None` where that cannot be asked.
///
/// The descriptor is borrowed for a moment (pidfd_getfd(2)). That does not keep the socket alive:
/// the blocked call does so anyway.
pub fn is_limited(pid: i32, fd: i32, direction: Direction) -> Option<bool> {
    let socket = borrowed(pid, fd)?;
    let option = match direction {
        Direction::Data => libc::SO_RCVTIMEO,
        Direction::Room => libc::SO_SNDTIMEO,
    };
    let mut limit = libc::timeval { tv_sec: 0, tv_usec: 0 };
    if !get_option(&socket, libc::SOL_SOCKET, option, &mut limit) {
        return None;
    }
    Some(limit.tv_sec != 0 || limit.tv_usec != 0)
}

/// A descriptor of another process.
fn borrowed(pid: i32, fd: i32) -> Option<OwnedFd> {
    let owned = |raw: libc::c_long| {
        let raw = i32::try_from(raw).ok().filter(|raw| *raw >= 0)?;
        // SAFETY: the kernel has just made it for us.
        Some(unsafe { OwnedFd::from_raw_fd(raw) })
    };
    // SAFETY: both calls take numbers and give a new descriptor, closed on exec.
    let pidfd = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: as above.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) })
}

/// Whether a connection ends by itself when the other side takes nothing for some time
/// (`TCP_USER_TIMEOUT` of tcp(7)).
fn gives_up(pid: i32, fd: i32) -> bool {
    let mut ms: libc::c_uint = 0;
    let has_it = |socket: &OwnedFd, ms: &mut libc::c_uint| {
        get_option(socket, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, ms)
    };
    borrowed(pid, fd).is_some_and(|socket| has_it(&socket, &mut ms) && ms != 0)
}

/// Asks for an option of a socket that is plain data; `false` when it has none like it.
fn get_option<T: Copy>(socket: &OwnedFd, level: i32, option: i32, into: &mut T) -> bool {
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `into`.
    let failed = unsafe {
        let into = std::ptr::from_mut(into).cast();
        libc::getsockopt(socket.as_raw_fd(), level, option, into, &mut len)
    };
    failed == 0
}

/// Asks the kernel for all Unix sockets of this network namespace, by inode.
///
/// # Errors
/// When it does not answer, as where sock_diag is not built in.
pub fn unix_sockets() -> io::Result<HashMap<u64, Unix>> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const SHOW: u32 = 1 | 4 | 8; // names, peers, and what has not been accepted
    let socket = netlink()?;
    let mut request = Vec::with_capacity(40);
    request.extend(40_u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    request.extend([0; 8]);
    request.extend([libc::AF_UNIX as u8, 0, 0, 0]);
    for word in [u32::MAX, 0, SHOW, 0, 0] {
        request.extend(word.to_ne_bytes());
    }
    // SAFETY: the whole request, which lives until the call is over.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), 40, 0) };
    if sent != 40 {
        return Err(io::Error::last_os_error());
    }
    let mut sockets = HashMap::new();
    let mut waiting = Vec::new();
    let mut answer = vec![0_u8; 64 << 10];
    loop {
        // SAFETY: the kernel writes at most as many bytes as there is room for.
        let n =
            unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        if n == 0 || !unix_answers(&answer[..n], &mut sockets, &mut waiting)? {
            break;
        }
    }
    for (inode, door) in waiting {
        sockets.entry(inode).and_modify(|unix: &mut Unix| unix.door = Some(door));
    }
    Ok(sockets)
}

fn netlink() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers and gives a new descriptor.
    let raw = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it for us.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // The kernel answers at once; should it not, a look must not hang.
    let limit = libc::timeval { tv_sec: 1, tv_usec: 0 };
    // SAFETY: the kernel reads `limit` during the call.
    unsafe {
        let (limit, len) = (std::ptr::from_ref(&limit).cast(), size_of::<libc::timeval>());
        libc::setsockopt(raw, libc::SOL_SOCKET, libc::SO_RCVTIMEO, limit, len as libc::socklen_t);
    }
    Ok(socket)
}

/// Reads one packet of answers (`linux/unix_diag.h`), and which connections wait at which listening
/// socket; `false` when it was the last.
fn unix_answers(
    mut packet: &[u8],
    into: &mut HashMap<u64, Unix>,
    waiting: &mut Vec<(u64, u64)>,
) -> io::Result<bool> {
    const HEADER: usize = 16;
    const MESSAGE: usize = 16;
    while packet.len() >= HEADER {
        let word = |at: usize| super::memory::u32_in(packet, at).unwrap_or(0);
        let (len, kind) = (word(0) as usize, word(4) as u16);
        match i32::from(kind) {
            libc::NLMSG_DONE => return Ok(false),
            libc::NLMSG_ERROR => {
                let code = (word(HEADER) as i32).wrapping_neg();
                return Err(io::Error::from_raw_os_error(code));
            }
            _ => {}
        }
        let Some(body) = packet.get(HEADER..len).filter(|b| b.len() >= MESSAGE) else { break };
        let inode = super::memory::u32_in(body, 4).unwrap_or(0);
        let mut unix = Unix {
            datagrams: i32::from(body[1]) == libc::SOCK_DGRAM,
            // TCP_LISTEN of `net/tcp_states.h`, used for all families.
            listens: body[2] == 10,
            ..Unix::default()
        };
        let mut attributes = &body[MESSAGE..];
        while let Some(header) = attributes.first_chunk::<4>() {
            let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
            let Some(value) = attributes.get(4..len) else { break };
            match u16::from_ne_bytes([header[2], header[3]]) {
                0 => unix.has_name = !value.is_empty(),
                2 => {
                    let peer = super::memory::u32_in(value, 0).unwrap_or(0);
                    unix.peer = (peer != 0).then_some(u64::from(peer));
                }
                3 => {
                    let (ends, _) = value.as_chunks::<4>();
                    let ends = ends.iter().map(|end| u64::from(u32::from_ne_bytes(*end)));
                    waiting.extend(ends.map(|end| (end, u64::from(inode))));
                }
                _ => {}
            }
            attributes = attributes.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        into.insert(u64::from(inode), unix);
        packet = packet.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    fn inode(socket: &impl AsRawFd) -> u64 {
        std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap().ino()
    }

    #[test]
    fn unix_sockets_know_their_other_end() {
        let (a, b) = UnixStream::pair().unwrap();
        let (left, right) = UnixDatagram::pair().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let client = UnixStream::connect(folder.path().join("s")).unwrap();
        let waiting = unix_sockets().unwrap()[&inode(&client)];
        assert_eq!((waiting.peer, waiting.door), (None, Some(inode(&listener))));
        let (server, _) = listener.accept().unwrap();
        let named = UnixDatagram::bind(folder.path().join("d")).unwrap();

        let all = unix_sockets().unwrap();
        assert_eq!(all[&inode(&a)].peer, Some(inode(&b)));
        assert_eq!(all[&inode(&b)], Unix { peer: Some(inode(&a)), ..Unix::default() });
        assert_eq!(all[&inode(&left)].peer, Some(inode(&right)));
        assert!(all[&inode(&left)].datagrams && !all[&inode(&left)].has_name);
        assert!(all[&inode(&listener)].listens);
        assert_eq!(all[&inode(&client)].peer, Some(inode(&server)));
        assert!(all[&inode(&named)].has_name && all[&inode(&named)].datagrams);
    }

    #[test]
    fn tcp_ends_meet() {
        let text = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n\
            0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 70 1\n\
            1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  0 0 71 1\n\
            2: 0100007F:D431 0100007F:1F90 01 00000000:00000000 02:00000AF9 00000000  0 0 72 2\n\
            3: 0100007F:D500 08080808:0035 01 00000001:00000000 01:00000015 00000000  0 0 73 1\n\
            4: 0100007F:1F90 0100007F:D432 01 00000000:00000000 00:00000000 00000000  0 0 0 1\n\
            5: 0100007F:D432 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  0 0 74 1\n\
            6: 0100007F:1F90 0100007F:D433 06 00000000:00000000 00:00000000 00000000  0 0 0 1\n\
            7: 0100007F:D433 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  0 0 75 1\n";
        let six = b"  sl  local_address\n\
            0: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000100007F:D600 01 \
            00000000:00000000 00:00000000 00000000  0 0 81 1\n";
        let mut table = TcpTable::default();
        table.add(text);
        table.add(six);
        assert!(table.get(70).unwrap().listens);
        assert_eq!(table.peer(table.get(71).unwrap()), Some(72));
        assert_eq!(table.peer(table.get(72).unwrap()), Some(71));
        let far = table.get(73).unwrap();
        assert!(far.resends && table.peer(far).is_none());
        assert_eq!(&*table.get(81).unwrap().local, "0100007F:0050");
        assert_eq!(table.get(0), None);
        assert_eq!(table.doors(table.get(74).unwrap()), Some(&[70][..]));
        assert_eq!(table.doors(table.get(75).unwrap()), None, "its other end was closed");
        assert_eq!(table.doors(far), None);
        assert_eq!(shown("0100007F:1F90"), "127.0.0.1:8080");
    }

    #[test]
    fn a_limit_of_a_socket_is_seen() {
        let (a, _b) = UnixStream::pair().unwrap();
        let pid = std::process::id().cast_signed();
        let limited = |direction| is_limited(pid, a.as_raw_fd(), direction);
        assert_eq!(limited(Direction::Data), Some(false));
        a.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!((limited(Direction::Data), limited(Direction::Room)), (Some(true), Some(false)));
        assert_eq!(is_limited(pid, 99_999, Direction::Data), None);

        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(!gives_up(pid, udp.as_raw_fd()));
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!gives_up(pid, tcp.as_raw_fd()));
        let ms: libc::c_uint = 5000;
        // SAFETY: the kernel reads `ms` during the call.
        let failed = unsafe {
            let (ms, len) = (std::ptr::from_ref(&ms).cast(), size_of::<libc::c_uint>());
            let (level, option) = (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT);
            libc::setsockopt(tcp.as_raw_fd(), level, option, ms, len as libc::socklen_t)
        };
        assert_eq!((failed, gives_up(pid, tcp.as_raw_fd())), (0, true));
    }
}
