//! X-ray in a run: its loop looks at the running attempts on a thread of its own; what it finds
//! enters the engine as an input, and what it saw joins at publishing.

mod found;
mod kill;

use super::xray::{Complete, Told, Xray};
use super::{Message, Supervisor};
use crate::clock;
use crate::engine::{Input, State};
use crate::model::locks::WaitFor;
use crate::model::query::Reply;
use crate::model::waits::foreign::ForeignLock;
use crate::model::waits::report::Report;
use crate::model::waits::stuck::XrayView;
use crate::model::waits::text::{self, Words};
use crate::model::{AttemptId, Mono};
use crate::probe::waits::Tracker;
use crate::xray::{self, Contention};
pub use found::{circles, view as short};
pub use kill::Previewed;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::sync::mpsc;

/// After somebody asked what waits, it is looked at more often for so long.
const WATCHED_FOR: Duration = Duration::from_secs(3);
/// Jobs may be very short: the loop of x-ray hears of all that have begun at most so often.
const FOLLOW: Duration = Duration::from_millis(200);
/// How long the loop of x-ray waits for the table of what jobs share. A supervisor that takes
/// longer has ended, or is stopped: then the look goes without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What x-ray sees of a run.
#[derive(Default)]
pub struct Waits {
    xray: Option<Xray>,
    /// Why nobody looks.
    why_not: Option<String>,
    report: Option<Report>,
    view: Option<XrayView>,
    contention: Contention,
    watched_until: Option<Mono>,
    /// Other attempts run than the loop of x-ray knows of.
    is_behind: bool,
    followed_at: Mono,
}

impl Waits {
    /// Starts looking, unless the task file says not to.
    pub(super) fn start(wanted: bool, queue: &mpsc::Sender<Message>) -> Waits {
        if !wanted {
            let why_not = Some("x-ray is off in the task file (`xray: false`)".to_owned());
            return Waits { why_not, ..Waits::default() };
        }
        let (of_told, of_shared) = (queue.clone(), queue.clone());
        let told = move |told| drop(of_told.blocking_send(Message::Waits(told)));
        let tracker = || {
            let mut tracker = Tracker::new();
            tracker.set_frames(true);
            Box::new(tracker) as Box<dyn super::xray::Looks>
        };
        let started = Xray::start(tracker, Some(complete(of_shared)), told);
        match started {
            Ok(xray) => Waits { xray: Some(xray), ..Waits::default() },
            Err(e) => Waits {
                why_not: Some(format!("x-ray could not be started: {e}")),
                ..Waits::default()
            },
        }
    }

    /// What it saw in short; `None` when nobody looks.
    pub fn view(&self) -> Option<XrayView> {
        self.xray.as_ref()?;
        Some(self.view.clone().unwrap_or_default())
    }

    /// What an attempt waits for, as far as its processes show it.
    pub fn of(&self, attempt: AttemptId, state: &State) -> Option<WaitFor> {
        found::wait_for(self.report.as_ref()?, attempt, Some(state))
    }

    /// Locks that are not ganger's own, and how many of them are remembered.
    pub fn foreign(&self) -> (Vec<ForeignLock>, u32) {
        self.contention.view()
    }

    /// Attempts have begun or ended.
    pub fn changed(&mut self) {
        self.is_behind = self.xray.is_some();
    }

    /// Nothing runs any more.
    pub fn stop(&mut self) {
        (self.xray, self.report, self.view) = (None, None, None);
        (self.is_behind, self.watched_until) = (false, None);
        self.contention.nobody_waits();
        self.why_not = Some("nothing runs: the run has ended".to_owned());
    }

    /// Looks at the running attempts from now on.
    fn follow(&mut self, state: &State, now: Mono) {
        (self.is_behind, self.followed_at) = (false, now);
        let Some(xray) = &self.xray else { return };
        xray.follow(kill::roots(state));
    }

    fn watch(&mut self, until: Option<Mono>) {
        if let Some(xray) = &self.xray
            && self.watched_until.is_some() != until.is_some()
        {
            xray.watch(until.is_some());
        }
        self.watched_until = until;
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let follow = self.is_behind.then(|| self.followed_at + FOLLOW);
        [self.watched_until, follow].into_iter().flatten().min()
    }
}

/// What one process of a tree that belongs to no run waits for.
pub fn wait_for_process(report: &Report, process: AttemptId) -> Option<WaitFor> {
    found::wait_for(report, process, None)
}

/// Puts a report about processes of no run into words.
pub fn named(report: &mut Report) {
    let words = Words::new(report.at);
    for wait in &mut report.waits {
        wait.text = words.wait(wait);
    }
    text::tell_knots(report, &words);
}

/// Adds to a look what the supervisor's clients wait for.
fn complete(queue: mpsc::Sender<Message>) -> Complete {
    Box::new(move |look| {
        let (to, from) = sync_channel(1);
        let asked = queue.blocking_send(Message::SharedWaits(to));
        let shared = asked.ok().and_then(|()| from.recv_timeout(PATIENCE).ok());
        xray::join(look, &shared.unwrap_or_default());
    })
}

impl Supervisor {
    /// Takes in what x-ray saw.
    pub(super) fn saw_waits(&mut self, told: Told) {
        if self.exit_code.is_some() {
            return;
        }
        let waits = &mut self.publisher.waits;
        let mut report = match (told, &waits.report) {
            (Told::News(report), _) => *report,
            (Told::Same(at), Some(report)) => return waits.contention.still(at, report),
            (Told::Same(_), None) => return,
        };
        waits.contention.see(&mut report);
        found::name(&mut report, self.engine.state());
        let sightings = found::sightings(&report, self.engine.state());
        let waits = &mut self.publisher.waits;
        waits.view = Some(found::view(&report));
        waits.report = Some(report);
        self.publisher.changed();
        for sighting in sightings {
            self.input(Input::Seen(sighting));
        }
    }

    /// The whole of what x-ray saw last; while it is asked for, it looks more often.
    pub(super) fn waits(&mut self) -> Reply {
        let waits = &mut self.publisher.waits;
        waits.watch(Some(clock::mono() + WATCHED_FOR));
        let (report, why_not) = (waits.report.clone().map(Box::new), waits.why_not.clone());
        Reply::Waits { report, why_not }
    }

    /// Tells the loop of x-ray what it has to know by now.
    pub(super) fn steer_waits(&mut self, now: Mono) {
        let waits = &mut self.publisher.waits;
        if waits.watched_until.is_some_and(|until| until <= now) {
            // Nobody asks any more: less often is enough.
            waits.watch(None);
        }
        if waits.is_behind && waits.followed_at + FOLLOW <= now {
            waits.follow(self.engine.state(), now);
        }
    }
}
