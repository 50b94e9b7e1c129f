//! Starting an attempt: files, terminal, control group, environment, process.

use super::cgroup::Group;
use super::output::{OpenError, Pair, open_stdin, stdin_text};
use super::reactor::{About, Live, Phase, Reactor, token};
use super::shim::{ShimError, ShimOrder};
use super::spawn::{self, Outs, Streams};
use super::tty::Tty;
use crate::clock::{boot_nanos, now};
use crate::model::exec::LimitMeans;
use crate::model::{ExecReport, LaunchOrder, Limits, Now, ProcRef, Stdin};
use rustix::event::epoll;
use rustix::pipe::PipeFlags;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Why an attempt could not be started.
#[derive(Debug)]
struct Failure {
    words: String,
    errno: Option<i32>,
}

impl From<String> for Failure {
    fn from(words: String) -> Failure {
        Failure { words, errno: None }
    }
}

impl Failure {
    fn of_file(what: &str, failed: &OpenError) -> Failure {
        Failure {
            words: spawn::file_words(what, &failed.path, &failed.error),
            errno: failed.error.raw_os_error(),
        }
    }

    fn of_call(what: &str, error: &io::Error) -> Failure {
        let errno = error.raw_os_error();
        let why = match errno {
            Some(libc::EMFILE) => spawn::open_files_words(),
            Some(errno) => spawn::errno_words(errno),
            None => error.to_string(),
        };
        Failure { words: format!("{what}: {why}"), errno }
    }
}

/// A process that has been started, and what belongs to it.
struct Begun {
    leader: ProcRef,
    pidfd: OwnedFd,
    /// Just before it was started: its life, and the CPU time that it uses, begin within the
    /// call that starts it.
    started: Now,
    phase: Phase,
    tty: Option<Tty>,
    own_peak_kib: u64,
}

impl Reactor {
    pub(super) fn launch(&mut self, order: Box<LaunchOrder>) {
        let attempt = order.attempt;
        if let Some((target, inputs)) = &order.creates
            && super::creates::is_up_to_date(&order.workdir, target, inputs)
        {
            return self.report(ExecReport::UpToDate { attempt, at: now() });
        }
        let mut begun = self.begin(&order);
        // What can be mended is tried once more: a program that has moved since it was last
        // found, and a limit of open files that ganger may raise for itself.
        if let Err(failure) = &begun
            && match failure.errno {
                Some(libc::ENOENT) => self.builder.forget_programs(),
                Some(libc::EMFILE) => self.raise_open_files() || self.store.close_idle(),
                _ => false,
            }
        {
            begun = self.begin(&order);
        }
        if let Err(failure) = begun {
            let error = failure.words;
            self.report(ExecReport::SpawnFailed { attempt, error, at: now() });
        }
    }

    fn begin(&mut self, order: &LaunchOrder) -> Result<(), Failure> {
        let pair =
            self.store.open(order).map_err(|failed| Failure::of_file("output file", &failed))?;
        let needs_bound = order.limits.memory_bytes.is_some() || order.limits.processes.is_some();
        let mut group =
            needs_bound.then(|| self.cgroups.create(order.attempt, &order.limits)).flatten();
        match self.start(order, &pair, group.as_ref()) {
            Ok(begun) => {
                let means = needs_bound
                    .then(|| group.as_ref().map_or(LimitMeans::Look, |group| group.means));
                self.enrol(order, pair, group, means, begun);
                Ok(())
            }
            Err(failure) => {
                self.store.release(order.attempt, order.slot_key, pair, false);
                if let Some(group) = &mut group {
                    group.remove();
                }
                Err(failure)
            }
        }
    }

    fn start(
        &mut self,
        order: &LaunchOrder,
        pair: &Pair,
        group: Option<&Group>,
    ) -> Result<Begun, Failure> {
        let workdir = spawn::c_path(&order.workdir)?;
        let program = self.builder.program(order)?;
        let stdin = open_stdin_of(order)?;
        let mut tty = None;
        let mut tty_path = CString::default();
        if let (Some(size), Some(stdout)) = (order.tty, &pair.stdout) {
            let (opened, path) = Tty::open(size, stdout.file.clone())
                .map_err(|e| Failure::of_call("cannot open a terminal for the job", &e))?;
            (tty, tty_path) = (Some(opened), path);
        }
        let stdin_fd = match &stdin {
            Some(file) => Some(file.as_raw_fd()),
            None if tty.is_some() => None,
            None => Some(self.dev_null.as_raw_fd()),
        };
        let stdout = pair.stdout.as_ref().map_or(-1, |sink| sink.file.as_raw_fd());
        let outs = match &pair.stderr {
            _ if tty.is_some() => Outs::Tty(&tty_path),
            Some(stderr) => Outs::Files { stdout, stderr: stderr.file.as_raw_fd() },
            None => Outs::Files { stdout, stderr: stdout },
        };
        let mut streams = Streams { stdin: stdin_fd, outs, status: None };
        let shim = self.shim_order(order, group);
        let own_peak_kib = self.own_peak.kib();
        let started = now();
        let (leader, pidfd, phase) = match shim {
            None => {
                let (leader, pidfd) = self.spawn_plain(order, &program, &workdir, &streams)?;
                (leader, pidfd, Phase::Running)
            }
            Some(shim) => self.spawn_shim(order, &shim, program, &workdir, &mut streams)?,
        };
        Ok(Begun { leader, pidfd, started, phase, tty, own_peak_kib })
    }

    fn spawn_plain(
        &mut self,
        order: &LaunchOrder,
        program: &CStr,
        workdir: &CStr,
        streams: &Streams<'_>,
    ) -> Result<(ProcRef, OwnedFd), Failure> {
        let argv: Vec<&[u8]> = order.argv.iter().map(Vec::as_slice).collect();
        let blocks = self.builder.blocks(order, &argv)?;
        let before = boot_nanos();
        let pid = spawn::spawn(&self.attributes, program, &blocks, workdir, streams).map_err(
            |error| {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let words = spawn::words(order, program, errno, blocks.n_bytes);
                Failure { words, errno: Some(errno) }
            },
        )?;
        identify(pid, before)
    }

    fn spawn_shim(
        &mut self,
        order: &LaunchOrder,
        shim: &ShimOrder,
        program: CString,
        workdir: &CStr,
        streams: &mut Streams<'_>,
    ) -> Result<(ProcRef, OwnedFd, Phase), Failure> {
        let (status, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|e| Failure::of_call("cannot open a pipe for the exec shim", &e.into()))?;
        let shim_args = shim.to_args();
        let mut argv: Vec<&[u8]> = vec![b"ganger", self.shim.verb.as_bytes()];
        argv.extend(shim_args.iter().map(Vec::as_slice));
        argv.extend([b"--".as_slice(), program.as_bytes()]);
        argv.extend(order.argv.iter().map(Vec::as_slice));
        let blocks = self.builder.blocks(order, &argv)?;
        streams.status = Some(theirs.as_raw_fd());
        let shim_program = spawn::c_path(&self.shim.program)?;
        let before = boot_nanos();
        let pid = spawn::spawn(&self.attributes, &shim_program, &blocks, workdir, streams)
            .map_err(|error| {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let words = spawn::words(order, &shim_program, errno, blocks.n_bytes);
                Failure { words, errno: Some(errno) }
            })?;
        let (leader, pidfd) = identify(pid, before)?;
        Ok((leader, pidfd, Phase::Shim { status, program, n_bytes: blocks.n_bytes }))
    }

    /// Returns what the shim has to do; `None`: the job is started without it.
    fn shim_order(&self, order: &LaunchOrder, group: Option<&Group>) -> Option<ShimOrder> {
        let Limits { cpu_time, open_files, file_size_bytes, .. } = order.limits;
        let shim = ShimOrder {
            join: group.map(Group::join_files).unwrap_or_default(),
            nice: order.nice,
            // The kernel counts whole seconds, and zero would mean at once.
            cpu_seconds: cpu_time.map(|t| (t.as_secs() + u64::from(t.subsec_nanos() > 0)).max(1)),
            file_size_bytes,
            open_files,
            restore_open_files: self.open_files_before,
        };
        (shim != ShimOrder::default()).then_some(shim)
    }

    fn enrol(
        &mut self,
        order: &LaunchOrder,
        pair: Pair,
        group: Option<Group>,
        means: Option<LimitMeans>,
        begun: Begun,
    ) {
        self.last_serial += 1;
        let serial = self.last_serial;
        self.watch_fd(begun.pidfd.as_fd(), serial, About::Leader);
        if let Some(tty) = &begun.tty {
            self.watch_fd(tty.as_fd(), serial, About::Tty);
        }
        let is_shim = if let Phase::Shim { status, .. } = &begun.phase {
            self.watch_fd(status.as_fd(), serial, About::ShimStatus);
            true
        } else {
            let (attempt, proc) = (order.attempt, begun.leader);
            self.report(ExecReport::Started { attempt, proc, at: begun.started });
            false
        };
        if means.is_some() {
            self.looking.insert(serial);
        }
        self.serial_of.insert(order.attempt, serial);
        let live = Live {
            attempt: order.attempt,
            slot_key: order.slot_key,
            leader: begun.leader,
            pidfd: begun.pidfd,
            started: begun.started,
            phase: begun.phase,
            order: is_shim.then(|| Box::new(order.clone())),
            limits: order.limits,
            keep_leftovers: order.keep_leftovers,
            pair,
            tty: begun.tty,
            group,
            means,
            own_peak_kib: begun.own_peak_kib,
            sessions: HashSet::from([begun.leader.pid]),
            is_frozen: false,
            is_over_limit: false,
            sweep: None,
            watch: None,
        };
        self.live.insert(serial, live);
    }

    fn watch_fd(&self, fd: impl AsFd, serial: u64, about: About) {
        let data = epoll::EventData::new_u64(token(serial, about));
        // Fails only without kernel memory or beyond fs.epoll.max_user_watches (millions).
        let _ = epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN);
    }

    /// The shim has become the job, or has said why not. `has_ended`: the process is over, so
    /// what it has not said by now it never will. The pipe need not be closed then: a process
    /// that another thread is about to start holds a copy for a moment.
    pub(super) fn on_shim_status(&mut self, serial: u64, has_ended: bool) {
        let Some(live) = self.live.get_mut(&serial) else { return };
        let Phase::Shim { status, program, n_bytes } = &live.phase else { return };
        let mut said = [0_u8; 1024];
        let n = match rustix::io::read(status, &mut said) {
            Ok(n) => n,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) if !has_ended => return,
            Err(_) => 0,
        };
        let attempt = live.attempt;
        if n == 0 {
            // Closed by execve(2), or by a signal that ended the shim, which counts as the job.
            let (proc, at) = (live.leader, live.started);
            live.phase = Phase::Running;
            live.order = None;
            return self.report(ExecReport::Started { attempt, proc, at });
        }
        let error = match (ShimError::parse(said.get(..n).unwrap_or_default()), &live.order) {
            (ShimError::Exec(errno), Some(order)) => spawn::words(order, program, errno, *n_bytes),
            (ShimError::Exec(errno), None) => spawn::errno_words(errno),
            (ShimError::Setup(words), _) => words,
        };
        self.drop_failed_shim(serial);
        self.report(ExecReport::SpawnFailed { attempt, error, at: now() });
    }

    fn drop_failed_shim(&mut self, serial: u64) {
        let Some(mut live) = self.live.remove(&serial) else { return };
        self.serial_of.remove(&live.attempt);
        self.looking.remove(&serial);
        self.sweeping.remove(&serial);
        self.freezing.remove(&serial);
        end_and_reap(live.leader.pid);
        self.store.release(live.attempt, live.slot_key, live.pair, false);
        if let Some(group) = &mut live.group {
            group.remove();
        }
    }

    /// Raises the soft limit of open files to the hard one, once. Jobs get the old one back
    /// from the shim. Returns whether anything was raised.
    fn raise_open_files(&mut self) -> bool {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if self.open_files_before.is_some() || current == maximum || current.is_none() {
            return false;
        }
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
        if raised {
            self.open_files_before = current;
        }
        raised
    }
}

fn open_stdin_of(order: &LaunchOrder) -> Result<Option<File>, Failure> {
    match &order.stdin {
        Stdin::Null => Ok(None),
        Stdin::Text(text) => stdin_text(text)
            .map(Some)
            .map_err(|e| Failure::of_call("cannot hold the text for standard input", &e)),
        Stdin::File(path) => {
            let path = order.workdir.join(path);
            match open_stdin(&path) {
                Ok(file) => Ok(Some(file)),
                Err(error) => Err(Failure::of_file("standard input", &OpenError { path, error })),
            }
        }
    }
}

/// Pins a child that was just started, so that it cannot be mistaken for another.
fn identify(pid: i32, started_after_ns: u64) -> Result<(ProcRef, OwnedFd), Failure> {
    let pidfd = rustix::process::Pid::from_raw(pid)
        .ok_or(rustix::io::Errno::SRCH)
        .and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()));
    match pidfd {
        Ok(pidfd) => Ok((ProcRef { pid, start_ticks: start_ticks(pid, started_after_ns) }, pidfd)),
        Err(errno) => {
            end_and_reap(pid);
            Err(Failure::of_call("cannot watch the job's process", &errno.into()))
        }
    }
}

/// Returns the start time of a child that was started after `before_ns` and before now.
///
/// When both moments are in the same clock tick there is no need to ask `/proc`.
fn start_ticks(pid: i32, before_ns: u64) -> u64 {
    let ns_per_tick = 1_000_000_000 / super::procs::clock_ticks_per_second();
    let (first, last) = (before_ns / ns_per_tick, boot_nanos() / ns_per_tick);
    if first == last {
        return first;
    }
    super::procs::stat_of(pid).map_or(last, |stat| stat.start_ticks)
}

/// Ends a child that nobody has been told of, with its group, and waits for it.
fn end_and_reap(pid: i32) {
    // SAFETY: the child is ours and not reaped, so its pid and group are its own.
    unsafe {
        libc::kill(-pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}
