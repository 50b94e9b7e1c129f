//! What an attempt was doing, and whether it takes more than it was given. Pure.

use crate::model::Activity;

/// Looks in a row with too many threads before an attempt counts as oversubscribed: compilers
/// and the like go above for a moment.
const LOOKS: u32 = 4;
/// Looks that [`Load::io_wait`] remembers.
const REMEMBERED: u32 = 8;
/// A share below which an attempt mostly sleeps, in percent.
const LITTLE: f32 = 10.0;

/// States of the processes of an attempt at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// Some process is on a CPU or could be.
    pub runnable: bool,
    /// Some process is in uninterruptible sleep, which is nearly always I/O.
    pub blocked: bool,
    /// All processes are stopped.
    pub stopped: bool,
}

/// Shares of the time since the look before, in percent of one core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    pub cpu: Option<f32>,
    pub cpu_wait: Option<f32>,
    /// As the kernel counts it; `None` where it does not.
    pub io_wait: Option<f32>,
}

/// What an attempt did most.
pub fn activity(states: States, shares: Shares) -> Activity {
    if states.stopped {
        return Activity::Stopped;
    }
    let (cpu, wait) = (shares.cpu.unwrap_or(0.0), shares.cpu_wait.unwrap_or(0.0));
    // Blocked right now outweighs a little CPU on the way to it.
    let io = shares.io_wait.unwrap_or(0.0).max(if states.blocked { LITTLE } else { 0.0 });
    let most = cpu.max(wait).max(io);
    if most < LITTLE {
        return if states.runnable && most <= 0.0 { Activity::Running } else { Activity::Sleeping };
    }
    if most <= io {
        Activity::WaitingIo
    } else if most <= cpu {
        Activity::Running
    } else {
        Activity::WaitingCpu
    }
}

/// What is remembered of earlier looks at an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// One bit per look, the newest lowest: some process was blocked.
    blocked: u8,
    n_looks: u32,
    above: u32,
}

impl Load {
    /// Takes in one look: threads that ran or could have, against those allotted.
    pub fn look(&mut self, states: States, running: f32, allotted: u32) {
        self.blocked = self.blocked << 1 | u8::from(states.blocked);
        self.n_looks = (self.n_looks + 1).min(REMEMBERED);
        // A thread beside the allotted ones that does a little of the work is no second worker.
        let is_above = running > allotted as f32 + 0.5;
        self.above = if is_above { self.above.saturating_add(1) } else { 0 };
    }

    pub fn is_oversubscribed(&self) -> bool {
        self.above >= LOOKS
    }

    /// The share of the last looks that saw a blocked process, in percent.
    pub fn io_wait(&self) -> Option<f32> {
        (self.n_looks > 1).then(|| self.blocked.count_ones() as f32 * 100.0 / self.n_looks as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_that_of_the_largest_share() {
        let still = States::default();
        let check = |states, cpu, cpu_wait, io_wait, wanted| {
            let shares = Shares { cpu, cpu_wait, io_wait };
            assert_eq!(activity(states, shares), wanted, "{states:?} {shares:?}");
        };
        check(still, Some(90.0), Some(10.0), None, Activity::Running);
        check(still, Some(30.0), Some(60.0), None, Activity::WaitingCpu);
        check(still, Some(30.0), Some(10.0), Some(50.0), Activity::WaitingIo);
        check(still, Some(3.0), Some(1.0), Some(0.0), Activity::Sleeping);
        check(still, None, None, None, Activity::Sleeping);
        let runnable = States { runnable: true, ..still };
        check(runnable, None, None, None, Activity::Running);
        let blocked = States { blocked: true, ..still };
        check(blocked, Some(2.0), Some(0.0), None, Activity::WaitingIo);
        check(blocked, Some(80.0), Some(0.0), None, Activity::Running);
        let stopped = States { stopped: true, ..still };
        check(stopped, Some(40.0), None, None, Activity::Stopped);
    }

    #[test]
    fn a_moment_above_is_not_oversubscribed() {
        let mut load = Load::default();
        let mut look = |running: f32| {
            load.look(States::default(), running, 2);
            load.is_oversubscribed()
        };
        for running in [4.0, 4.0, 4.0, 2.0, 4.0, 4.0, 4.0] {
            assert!(!look(running));
        }
        assert!(look(3.0), "four in a row");
        assert!(look(3.0));
        assert!(!look(2.4), "two and a little is two");
    }

    #[test]
    fn blocked_looks_are_a_share_of_the_last_ones() {
        let mut load = Load::default();
        let mut look = |blocked| {
            load.look(States { blocked, ..States::default() }, 0.0, 1);
            load.io_wait()
        };
        assert_eq!(look(true), None, "one look is no share");
        assert_eq!(look(false), Some(50.0));
        for _ in 0..6 {
            look(false);
        }
        assert_eq!(look(true), Some(12.5), "the first has left");
    }
}
