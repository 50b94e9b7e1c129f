//! The loop that watches for threads that can never go on: a cheap tick, a look when somebody
//! seems stuck, a second look that proves it.
//!
//! It runs on a thread of its own, since looking at others may block, and tells what it found
//! through a callback. [`look_at`] is the same once, for `ganger why PID`.

use crate::clock;
use crate::model::limits::XRAY_APART;
use crate::model::waits::Look;
use crate::model::waits::report::Report;
use crate::model::{Mono, ProcRef};
use crate::probe::waits::{Root, Scope, Tick, Tracker};
use crate::xray;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// Time between ticks.
const TICK: Duration = Duration::from_millis(500);
/// The same while somebody looks at what waits.
const TICK_WATCHED: Duration = Duration::from_millis(200);
/// The longest time between looks at threads that have been suspects for long: what they wait
/// for may lose the last one who could end it without any of them moving.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A look is followed by a rest of so many times what it took, so that looking at very many
/// processes costs no more than a tenth of a core.
const REST: u32 = 10;
/// How long a finding has to stand before a single question is answered with it, as long as
/// threads have to be still to become suspects of the loop.
const STANDING: Duration = Duration::from_millis(500);

/// What the loop looks with.
pub trait Looks: Send {
    /// Looks at these and everything below them from now on.
    fn set_roots(&mut self, roots: Vec<Root>);
    /// Sees who has not run, cheaply.
    fn tick(&mut self, now: Mono) -> Tick;
    /// Sees what the suspects, or all, wait for.
    fn look(&mut self, now: Mono, scope: Scope) -> Look;
}

impl Looks for Tracker {
    fn set_roots(&mut self, roots: Vec<Root>) {
        Tracker::set_roots(self, roots);
    }

    fn tick(&mut self, now: Mono) -> Tick {
        Tracker::tick(self, now)
    }

    fn look(&mut self, now: Mono, scope: Scope) -> Look {
        Tracker::look(self, now, scope)
    }
}

/// Adds to a look what is known besides, such as of ganger's own primitives. Called after each
/// look, so that what it adds is not older than the look.
pub type Complete = Box<dyn FnMut(&mut Look) + Send>;

/// A running loop. It ends when this is dropped.
pub struct Xray {
    orders: Sender<Order>,
}

enum Order {
    Roots(Vec<Root>),
    Watched(bool),
    End,
}

impl Xray {
    /// Starts the loop; `told` gets every report that differs from the one before, and while
    /// somebody watches every one.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        looks: impl FnOnce() -> Box<dyn Looks> + Send + 'static,
        complete: Option<Complete>,
        told: impl FnMut(Report) + Send + 'static,
    ) -> std::io::Result<Xray> {
        let (orders, coming) = mpsc::channel();
        let thread = std::thread::Builder::new().name("xray".to_owned());
        thread.spawn(move || run(&mut Loop::new(looks(), complete), &coming, told))?;
        Ok(Xray { orders })
    }

    /// Looks at these trees from now on.
    pub fn follow(&self, roots: Vec<Root>) {
        let _it_has_ended = self.orders.send(Order::Roots(roots));
    }

    /// Says whether somebody looks at what waits: then all waits are seen, more often.
    pub fn watch(&self, watched: bool) {
        let _it_has_ended = self.orders.send(Order::Watched(watched));
    }
}

impl Drop for Xray {
    fn drop(&mut self) {
        let _it_has_ended = self.orders.send(Order::End);
    }
}

fn run(
    state: &mut Loop,
    coming: &mpsc::Receiver<Order>,
    mut told: impl FnMut(Report) + Send + 'static,
) {
    loop {
        let now = clock::mono();
        if state.wake_at <= now {
            if let Some(report) = state.turn(now, clock::mono) {
                told(report);
            }
            continue;
        }
        match coming.recv_timeout(state.wake_at.since(now)) {
            Ok(Order::Roots(roots)) => state.follow(roots),
            Ok(Order::Watched(watched)) => state.watch(watched),
            Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The loop without its thread.
struct Loop {
    looks: Box<dyn Looks>,
    complete: Option<Complete>,
    has_roots: bool,
    is_watched: bool,
    wake_at: Mono,
    /// A look that showed somebody who seems stuck, until a second one tells.
    suspicion: Option<Look>,
    /// Who was suspected at the last look, and when that was.
    looked: Option<(Tick, Mono)>,
    /// How long unchanged suspects are left alone.
    patience: Duration,
    told: Option<Report>,
}

impl Loop {
    fn new(looks: Box<dyn Looks>, complete: Option<Complete>) -> Loop {
        Loop {
            looks,
            complete,
            has_roots: false,
            is_watched: false,
            // Nothing to do before somebody says whom to look at.
            wake_at: Mono(0),
            suspicion: None,
            looked: None,
            patience: TICK,
            told: None,
        }
    }

    fn follow(&mut self, roots: Vec<Root>) {
        self.has_roots = !roots.is_empty();
        self.looks.set_roots(roots);
    }

    fn watch(&mut self, watched: bool) {
        if watched && !self.is_watched {
            self.wake_at = Mono(0);
        }
        self.is_watched = watched;
    }

    /// Does what is due, and returns what is to be told.
    fn turn(&mut self, now: Mono, clock: impl Fn() -> Mono) -> Option<Report> {
        let pace = if self.is_watched { TICK_WATCHED } else { TICK };
        self.wake_at = now + pace;
        if !self.has_roots {
            self.suspicion = None;
            self.told.as_ref()?;
            return self.news(Report { at: now, ..Report::default() });
        }
        let first = self.suspicion.take();
        if first.is_none() && !self.is_due(now) {
            return None;
        }
        let look = self.look(now);
        let done = clock();
        self.wake_at = self.wake_at.max(done + done.since(now) * REST);
        let report = match first {
            Some(first) => xray::judge(&first, &look),
            None if xray::is_suspicious(&look) => {
                self.suspicion = Some(look);
                self.wake_at = done + XRAY_APART;
                return None;
            }
            None => xray::judge(&look, &look),
        };
        self.news(report)
    }

    /// Ticks, and says whether it is time for a look.
    fn is_due(&mut self, now: Mono) -> bool {
        let tick = self.looks.tick(now);
        let is_quiet = tick.suspects == 0 && self.told.as_ref().is_none_or(is_empty);
        let is_same = self
            .looked
            .as_ref()
            .is_some_and(|(before, at)| *before == tick && now.since(*at) < self.patience);
        if !self.is_watched && (is_quiet || is_same) {
            return false;
        }
        let unchanged = self.looked.as_ref().is_some_and(|(before, _)| *before == tick);
        self.patience = if unchanged { (self.patience * 2).min(LOOK_AGAIN) } else { TICK };
        self.looked = Some((tick, now));
        true
    }

    fn look(&mut self, now: Mono) -> Look {
        let scope = if self.is_watched { Scope::All } else { Scope::Suspects };
        let mut look = self.looks.look(now, scope);
        if let Some(complete) = &mut self.complete {
            complete(&mut look);
        }
        look
    }

    /// A report that is worth telling.
    fn news(&mut self, report: Report) -> Option<Report> {
        let is_news =
            self.is_watched || self.told.as_ref().is_none_or(|told| differ(told, &report));
        self.told = Some(report.clone());
        is_news.then_some(report)
    }
}

fn is_empty(report: &Report) -> bool {
    report.findings.is_empty() && report.waits.is_empty()
}

/// Whether two reports say different things; times do not count.
pub fn differ(one: &Report, other: &Report) -> bool {
    let core = |report: &Report| -> Vec<_> {
        let findings = report.findings.iter();
        findings.map(|knot| (knot.kind, knot.core.clone(), knot.behind.clone())).collect()
    };
    let waits = |report: &Report| -> Vec<_> {
        let waits = report.waits.iter();
        waits.map(|wait| (wait.who.clone(), wait.resource.clone(), wait.holders.clone())).collect()
    };
    core(one) != core(other) || waits(one) != waits(other) || one.not_visible != other.not_visible
}

// ---- once

/// Why a process could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    #[error("cannot look at process {pid}: it has ended")]
    Gone { pid: i32 },
    #[error("cannot look at process {pid}: what it waits for is not visible: {why}")]
    Hidden { pid: i32, why: String },
}

/// The two looks that a report is made of.
pub struct Proof {
    pub first: Look,
    pub second: Look,
}

impl Proof {
    /// Returns what follows.
    pub fn report(&self) -> Report {
        xray::judge(&self.first, &self.second)
    }
}

/// Looks at these trees until it is proven that somebody is stuck, or `patience` is over.
///
/// A hang is told after about half a second: the looks that prove it are so far apart.
pub fn look_at(
    looks: &mut dyn Looks,
    complete: &mut dyn FnMut(&mut Look),
    patience: Duration,
) -> Proof {
    let mut look = |at: Mono| {
        let mut look = looks.look(at, Scope::All);
        complete(&mut look);
        look
    };
    let begin = clock::mono();
    let mut first = look(begin);
    loop {
        let is_suspicious = xray::is_suspicious(&first);
        clock::pause(if is_suspicious { XRAY_APART } else { patience.min(XRAY_APART * 2) });
        let second = look(clock::mono());
        if !xray::judge(&first, &second).findings.is_empty() {
            clock::pause(STANDING.saturating_sub(clock::mono().since(first.at)));
            return Proof { second: look(clock::mono()), first };
        }
        // A second look at who seems stuck that proves nothing is looked into once more.
        let is_over = clock::mono().since(begin) >= patience;
        if is_over || (!is_suspicious && !xray::is_suspicious(&second)) {
            return Proof { first, second };
        }
        first = second;
    }
}

/// Says why a report about one process tells nothing, if so.
///
/// # Errors
/// When the process is not there, or nothing of its tree can be seen.
pub fn is_seen(root: ProcRef, look: &Report) -> Result<(), LookError> {
    let pid = root.pid;
    if look.processes == 0 {
        return Err(LookError::Gone { pid });
    }
    let hidden = |pid| look.not_visible.iter().find(|h| h.pid == pid && h.what == "waits");
    let sees_nothing = look.waits.iter().all(|wait| hidden(wait.who.proc.pid).is_some());
    match hidden(pid) {
        Some(hidden) if sees_nothing => Err(LookError::Hidden { pid, why: hidden.why.clone() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "xray_tests.rs"]
mod tests;
