//! Bugs made on purpose: in the engine, in what it follows, or in what passes between it and
//! the world.

use crate::engine::{Effect, Fault, Step};
use crate::model::Event;
use crate::plan::Schedule;

/// What a test does to the engine, or to what passes between it and the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// A bug in the engine itself.
    Planted(Fault),
    /// The engine follows a schedule without this, or with more of it.
    NoNeeds,
    NoWeights,
    NoMaxParallel,
    NoPriorities,
    NoTakes,
    BiggerPools,
    NoRetries,
    MoreRetries,
    /// A fact is told twice.
    EndTwice,
    LaunchTwice,
    /// A fact is not told, so that a replay misses it.
    HideRetry,
    HideEnd,
    HidePause,
    HidePriority,
    HideLockChange,
    /// Something to do is left out, or done to a stranger.
    NoKill,
    NoThaw,
    NoLaunch,
    SignalStranger,
    /// Nobody wakes up for deadlines.
    Oversleep,
}

impl Sabotage {
    pub(super) fn schedule(self, schedule: &mut Schedule) {
        for pool in &mut schedule.pools {
            pool.start += u32::from(self == Sabotage::BiggerPools);
        }
        for task in &mut schedule.tasks {
            match self {
                Sabotage::NoNeeds => task.needs.clear(),
                Sabotage::NoWeights => task.weight = 1,
                Sabotage::NoMaxParallel => task.max_parallel = None,
                Sabotage::NoPriorities => task.priority = 0,
                Sabotage::NoTakes => task.takes = Default::default(),
                Sabotage::NoRetries => task.retries.max = 0,
                Sabotage::MoreRetries => task.retries.max += 1,
                _ => {}
            }
        }
    }

    pub(super) fn step(self, step: &mut Step) {
        let event = |found: fn(&Event) -> bool| step.events.iter().position(found);
        let at = match self {
            Sabotage::EndTwice => event(|e| matches!(e, Event::AttemptEnded { .. })),
            Sabotage::LaunchTwice => event(|e| matches!(e, Event::AttemptLaunched { .. })),
            Sabotage::HideRetry => event(|e| matches!(e, Event::JobRetrying { .. })),
            Sabotage::HideEnd => event(|e| matches!(e, Event::JobEnded { .. })),
            Sabotage::HidePause => event(|e| matches!(e, Event::Paused { .. })),
            Sabotage::HideLockChange => event(|e| matches!(e, Event::Shared { .. })),
            Sabotage::HidePriority => event(|e| matches!(e, Event::Prioritized { .. })),
            _ => None,
        };
        if let Some(at) = at {
            if matches!(self, Sabotage::EndTwice | Sabotage::LaunchTwice) {
                step.events.insert(at, step.events[at].clone());
            } else {
                step.events.remove(at);
            }
        }
        step.effects.retain_mut(|effect| match (self, effect) {
            (Sabotage::NoKill, Effect::Kill { .. })
            | (Sabotage::NoThaw, Effect::Thaw { .. })
            | (Sabotage::NoLaunch, Effect::Launch { .. }) => false,
            (Sabotage::SignalStranger, Effect::Signal { attempt, .. }) => {
                attempt.n += 1;
                true
            }
            _ => true,
        });
    }
}
