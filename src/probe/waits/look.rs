//! One look: from threads that wait to all that could let them go on.

use super::kinds::{self, Fact, Wait};
use super::process::{Process, Thread, counters, read_thread};
use super::scene::{Lent, Scene};
use super::syscall::{Line, Machine, Sys};
use super::tracker::Tracker;
use super::{Insight, Scope};
use crate::model::waits::{
    Look, ProcessFact, ThreadFact, ThreadRef, ThreadState, WaitFact, WaitKind, Waker,
};
use crate::model::{Mono, limits};
use crate::probe::files::{Folder, Keep};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

/// Looks at all threads, or at suspects, and at whatever they lead to.
pub fn look(tracker: &mut Tracker, now: Mono, scope: Scope) -> Look {
    // Threads first, then the processes of the system: whoever is started in between comes from
    // somebody who is seen to be able to run.
    let mut tree = read_tree(tracker, now, &HashSet::new());
    let stats = tracker.list(now);
    let known: HashSet<i32> = tree.iter().map(Process::pid).collect();
    tree.extend(read_tree(tracker, now, &known));
    tree.retain(|process| stats.contains_key(&process.pid()));

    let mut starts = Vec::new();
    for process in &tree {
        let tracked = tracker.processes.get(&process.pid());
        for thread in &process.threads {
            let seen = tracked.and_then(|p| p.threads.get(&thread.tid));
            if scope == Scope::All || seen.is_some_and(|t| t.is_suspect(now)) {
                starts.push(process.thread_ref(thread.tid));
            }
        }
    }
    let pids: Vec<i32> = tree.iter().map(Process::pid).collect();
    let folder = std::mem::replace(&mut tracker.folder, Folder::open(Path::new("/proc")));
    let lent = Lent { folder, callers: std::mem::take(&mut tracker.callers) };
    let scene = Scene::new(stats, tree, lent);
    let mut insights = std::mem::take(&mut tracker.insights);
    let mut search = Search::new(&scene, &mut insights, tracker.with_frames);
    search.follow(starts);
    let mut waits = search.waits;
    let leads: BTreeSet<i32> = search.seen.iter().map(|who| who.proc.pid).collect();
    tracker.insights = insights;

    let stood = still_standing(tracker, &scene, &waits);
    waits.retain(|wait| stood.contains(&wait.waiter));
    let processes = facts(tracker, &scene, now, &pids, &waits, &leads);
    let not_visible = scene.not_visible.take().into_iter().collect();
    let lent = scene.into_lent();
    (tracker.folder, tracker.callers) = (lent.folder, lent.callers);
    Look { at: now, processes, waits, not_visible }
}

/// Reads all threads of the trees except of processes that were read already.
fn read_tree(tracker: &mut Tracker, now: Mono, known: &HashSet<i32>) -> Vec<Process> {
    let Tracker { processes, folder, family, .. } = tracker;
    let mut read = Vec::new();
    for (pid, tracked) in processes.iter_mut().filter(|(pid, _)| !known.contains(pid)) {
        tracked.list_threads(folder, now, &mut Vec::new());
        let mut readings = Vec::with_capacity(tracked.threads.len());
        tracked.threads.retain(|tid, thread| {
            let reading = read_thread(folder, &mut thread.files, *pid, *tid, Keep::All);
            let Some(reading) = reading else { return false };
            thread.saw((reading.stamp.run_ns, reading.stamp.turns), now);
            readings.push((*tid, reading));
            true
        });
        let text = folder.read(&mut None, *pid, "stat", Keep::Nothing).ok();
        let Some(stat) = text.and_then(super::status::Stat::parse) else { continue };
        if stat.start_ticks != tracked.proc.start_ticks || readings.is_empty() {
            continue;
        }
        let mut process = Process::new(*pid, stat, readings);
        process.in_tree = true;
        process.attempt = family.get(*pid).and_then(|member| member.attempt);
        read.push(process);
    }
    read
}

/// Follows waits from thread to thread.
struct Search<'s> {
    scene: &'s Scene,
    insights: &'s mut [Box<dyn Insight>],
    with_frames: bool,
    queue: Vec<ThreadRef>,
    seen: HashSet<ThreadRef>,
    whole: HashSet<i32>,
    waits: Vec<WaitFact>,
}

impl<'s> Search<'s> {
    fn new(
        scene: &'s Scene,
        insights: &'s mut [Box<dyn Insight>],
        with_frames: bool,
    ) -> Search<'s> {
        insights.iter_mut().for_each(|insight| insight.begin_look());
        Search {
            scene,
            insights,
            with_frames,
            queue: Vec::new(),
            seen: HashSet::new(),
            whole: HashSet::new(),
            waits: Vec::new(),
        }
    }

    fn follow(&mut self, starts: Vec<ThreadRef>) {
        self.seen.extend(&starts);
        self.queue = starts;
        while let Some(who) = self.queue.pop() {
            let Some(process) = self.scene.process(who.proc.pid) else { continue };
            let Some(thread) = process.thread(who.tid).cloned() else { continue };
            let Some(mut wait) = self.wait_of(&process, &thread) else { continue };
            self.lead_on(&mut wait);
            self.waits.push(wait);
        }
    }

    /// Goes on to those who could end a wait, where that decides whether it ends.
    fn lead_on(&mut self, wait: &mut WaitFact) {
        for need in &mut wait.needs {
            let is_open = |waker: &Waker| matches!(waker, Waker::Outside(_));
            if wait.timeout || need.wakers.iter().any(is_open) {
                continue;
            }
            let mut doubts = BTreeSet::new();
            for waker in &need.wakers {
                if !self.lead_to(waker)
                    && let Waker::Thread(ThreadRef { proc, .. }) | Waker::Process(proc) = waker
                {
                    doubts.insert(format!("process {}, which is not visible", proc.pid));
                }
            }
            need.wakers.extend(doubts.into_iter().map(Waker::Outside));
        }
    }

    /// `false` when what it waits for cannot be seen.
    fn lead_to(&mut self, waker: &Waker) -> bool {
        let (proc, tid) = match waker {
            Waker::Thread(who) => (who.proc, Some(who.tid)),
            Waker::Process(proc) => (*proc, None),
            Waker::Outside(_) => return true,
        };
        if !self.whole.contains(&proc.pid) && self.whole.len() >= limits::XRAY_PROCESSES {
            return false;
        }
        let Some(process) = self.scene.process(proc.pid) else { return false };
        if let Some(why) = &process.hidden {
            self.scene.note(proc.pid, "waits", why);
            return false;
        }
        let threads = process.threads.iter().filter(|t| tid.is_none_or(|tid| t.tid == tid));
        for thread in threads {
            let who = process.thread_ref(thread.tid);
            if self.seen.insert(who) {
                self.queue.push(who);
            }
        }
        if tid.is_none() {
            self.whole.insert(proc.pid);
        }
        true
    }

    /// Says what a thread waits for; `None` when it does not wait, or when nothing can be said.
    fn wait_of(&mut self, process: &Rc<Process>, thread: &Thread) -> Option<WaitFact> {
        let is_still = matches!(thread.state, ThreadState::Blocked | ThreadState::Uninterruptible);
        if !is_still {
            return None;
        }
        let who = process.thread_ref(thread.tid);
        let channel = channel(process.pid(), thread.tid);
        let unknown = |by: &str, name: Option<String>| {
            let id = format!("{}:{}", process.pid(), thread.tid);
            Fact::open(WaitKind::Unknown, id, by).named(name).into_wait_fact(who, false)
        };
        if let Some(why) = &process.hidden {
            self.scene.note(process.pid(), "waits", why);
            let mut fact = unknown("somebody that is not visible", channel.clone());
            fact.resource.kind = channel.as_deref().map_or(WaitKind::Unknown, kind_of_channel);
            return Some(fact);
        }
        match process.machine() {
            Some(Machine::Other) => {
                self.scene.note(process.pid(), "waits", "32-bit programs are not supported");
                return None;
            }
            None => {
                self.scene.note(process.pid(), "waits", "kind of program not known");
                return None;
            }
            Some(_) => {}
        }
        let call = match process.line(thread)? {
            Line::Call(call) => call,
            Line::Running => return None,
            Line::NoCall => return Some(unknown("the kernel", channel)),
        };
        let is_vfork = matches!(call.sys, Sys::Vfork | Sys::Clone);
        if thread.state == ThreadState::Uninterruptible && !is_vfork {
            return Some(unknown("the kernel", channel));
        }
        // In a call, but held up by somebody who watches calls or pages of the process.
        if let Some(words) = channel.as_deref().and_then(held_up_by) {
            return Some(unknown(words, channel));
        }
        let status = process.status_of(thread.tid)?;
        let wait = Wait { process: Rc::clone(process), thread: thread.clone(), call, status };
        let mut fact = kinds::collect(self.scene, &wait).into_wait_fact(who, call.is_timed());
        if matches!(call.sys, Sys::Futex | Sys::FutexWait | Sys::FutexWaitv) {
            for insight in self.insights.iter_mut() {
                insight.refine(self.scene, process, thread, &mut fact);
            }
        }
        if fact.resource.kind == WaitKind::PipeRead {
            let mut insights = self.insights.iter_mut();
            fact.fill = insights.find_map(|insight| insight.queue(process, thread));
        }
        // Where strangers stand is nobody's question, and costs more than all the rest.
        if self.with_frames && process.in_tree {
            let frames = self.insights.iter_mut().map(|insight| insight.frames(process, thread));
            fact.frames = frames.into_iter().find(|f| !f.is_empty()).unwrap_or_default();
        }
        Some(fact)
    }
}

/// Where in the kernel a thread waits; `None` where that may not be known.
fn channel(pid: i32, tid: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/wchan")).ok()?;
    (text != "0" && !text.is_empty()).then_some(text)
}

/// What a thread waits for, as far as the place in the kernel says it: where nothing else may be
/// read. Names of places differ between kernels.
fn kind_of_channel(channel: &str) -> WaitKind {
    const KINDS: [(&str, WaitKind); 13] = [
        ("pipe_read", WaitKind::PipeRead),
        ("pipe_write", WaitKind::PipeWrite),
        ("unix_stream_read", WaitKind::UnixRecv),
        ("sock_alloc_send", WaitKind::UnixSend),
        ("locks_lock_inode_wait", WaitKind::FileLock),
        ("fcntl_setlk", WaitKind::FileLock),
        ("do_wait", WaitKind::WaitChild),
        ("poll_schedule", WaitKind::Poll),
        ("ep_poll", WaitKind::Poll),
        ("epoll_wait", WaitKind::Poll),
        ("nanosleep", WaitKind::Time),
        ("semtimedop", WaitKind::SysvSem),
        ("msgrcv", WaitKind::MessageQueue),
    ];
    let found = KINDS.iter().find(|(part, _)| channel.contains(part));
    found.map_or(WaitKind::Unknown, |(_, kind)| *kind)
}

fn held_up_by(channel: &str) -> Option<&'static str> {
    const OTHERS: [(&str, &str); 4] = [
        ("seccomp", "whoever supervises its calls"),
        ("userfault", "whoever gives it its memory"),
        ("ptrace", "its debugger"),
        ("freezer", "whoever has frozen it"),
    ];
    OTHERS.iter().find(|(part, _)| channel.contains(part)).map(|(_, words)| *words)
}

/// Those of the waiting threads that have not run since they were read: all that was read of them
/// was true at one moment.
fn still_standing(tracker: &mut Tracker, scene: &Scene, waits: &[WaitFact]) -> HashSet<ThreadRef> {
    let mut standing = HashSet::new();
    for wait in waits {
        let ThreadRef { proc, tid } = wait.waiter;
        let known = tracker.processes.get_mut(&proc.pid).filter(|p| p.proc == proc);
        let mut none = super::process::Files::default();
        let files = known.and_then(|p| p.threads.get_mut(&tid)).map_or(&mut none, |t| &mut t.files);
        let now = counters(&mut tracker.folder, files, proc.pid, tid, Keep::Nothing);
        let process = scene.process(proc.pid);
        let then = process.as_ref().and_then(|p| p.thread(tid)).map(|t| &t.stamp);
        if then.is_some_and(|then| now == Some((then.run_ns, then.turns))) {
            standing.insert(wait.waiter);
        }
    }
    standing
}

/// What was seen of the processes of the trees, and of those that waits name.
fn facts(
    tracker: &mut Tracker,
    scene: &Scene,
    now: Mono,
    tree: &[i32],
    waits: &[WaitFact],
    leads: &BTreeSet<i32>,
) -> Vec<ProcessFact> {
    let mut named = BTreeSet::new();
    for wait in waits {
        named.extend(wait.holders.iter().map(|holder| holder.proc.pid));
        let wakers = wait.needs.iter().flat_map(|need| &need.wakers);
        named.extend(wakers.filter_map(|waker| match waker {
            Waker::Thread(who) => Some(who.proc.pid),
            Waker::Process(proc) => Some(proc.pid),
            Waker::Outside(_) => None,
        }));
    }
    named.extend(leads);
    let blocked: HashMap<ThreadRef, WaitKind> =
        waits.iter().map(|wait| (wait.waiter, wait.resource.kind)).collect();
    let mut strangers = HashMap::new();
    let mut found = Vec::new();
    let all: BTreeSet<i32> = tree.iter().copied().chain(named.iter().copied()).collect();
    for process in all.into_iter().filter_map(|pid| scene.process(pid)) {
        let tracked = tracker.processes.get(&process.pid()).map(|p| &p.threads);
        let thread = |thread: &Thread| {
            let who = process.thread_ref(thread.tid);
            let counters = (thread.stamp.run_ns, thread.stamp.turns);
            let since = match tracked.and_then(|threads| threads.get(&thread.tid)) {
                Some(tracked) => tracked.since,
                None => match tracker.strangers.get(&who) {
                    Some((then, since)) if *then == counters => *since,
                    _ => now,
                },
            };
            // It waits for its child, whatever the kernel calls that.
            let is_vfork = blocked.get(&who) == Some(&WaitKind::WaitChild);
            let state = if is_vfork { ThreadState::Blocked } else { thread.state };
            ThreadFact {
                tid: thread.tid,
                name: thread.name.to_string(),
                state,
                stamp: thread.stamp.clone(),
                still_since: (state != ThreadState::Running).then_some(since),
            }
        };
        let threads: Vec<ThreadFact> = process.threads.iter().map(thread).collect();
        if !process.in_tree {
            strangers.extend(threads.iter().map(|t| {
                let counters = (t.stamp.run_ns, t.stamp.turns);
                (process.thread_ref(t.tid), (counters, t.still_since.unwrap_or(now)))
            }));
        }
        // Where nobody asks it does not matter; where it is not known, they might.
        let catches_signals = !named.contains(&process.pid())
            || process.status().is_none_or(|s| s.catches_signals(process.is_python()));
        found.push(ProcessFact {
            proc: process.proc,
            parent: process.stat.parent,
            name: process.stat.name.to_string(),
            in_tree: process.in_tree,
            attempt: process.attempt,
            catches_signals,
            threads,
        });
    }
    tracker.strangers = strangers;
    found
}
