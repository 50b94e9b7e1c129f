//! How fast jobs join the queue of each pool and leave its workers.

use crate::engine::State;
use crate::model::{Event, Mono, PoolIdx};
use std::collections::VecDeque;
use std::time::Duration;

/// Rates are those of this time.
const SPAN: Duration = Duration::from_secs(10);
/// Between two readings.
const STEP: Duration = Duration::from_millis(500);

/// What has gone through one pool so far.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    launched: u64,
    ended: u64,
}

/// Counts attempts of every pool and remembers the counts of the last ten seconds.
#[derive(Default)]
pub struct Flow {
    pools: Vec<Passed>,
    /// Per pool: jobs that had joined its queue, attempts that had ended. Oldest first.
    readings: VecDeque<(Mono, Vec<(u64, u64)>)>,
}

impl Flow {
    /// Takes in one fact.
    pub fn note(&mut self, event: &Event, state: &State) {
        match event {
            Event::AttemptLaunched { slot, .. } => self.pool(slot.pool).launched += 1,
            Event::AttemptEnded { task, .. } => {
                let rules = state.schedule().tasks.get(task.0 as usize);
                let Some(pool) = rules.map(|rules| rules.pool) else { return };
                self.pool(pool).ended += 1;
            }
            _ => {}
        }
    }

    fn pool(&mut self, pool: PoolIdx) -> &mut Passed {
        let place = usize::from(pool.0);
        if self.pools.len() <= place {
            self.pools.resize(place + 1, Passed::default());
        }
        &mut self.pools[place]
    }

    /// Reads the counts, if the last reading is old enough.
    pub fn read(&mut self, now: Mono, state: &State) {
        if self.readings.back().is_some_and(|(at, _)| now.since(*at) < STEP) {
            return;
        }
        let counts = self.counts(state);
        self.readings.push_back((now, counts));
        // The last one beyond the span stays: rates are measured from there.
        while self.readings.get(1).is_some_and(|(at, _)| now.since(*at) >= SPAN) {
            self.readings.pop_front();
        }
    }

    /// What is in the queue now has joined it, and so has what was launched.
    fn counts(&self, state: &State) -> Vec<(u64, u64)> {
        let passed = |i: usize| self.pools.get(i).copied().unwrap_or_default();
        let pools = state.pools().iter().enumerate();
        pools
            .map(|(i, pool)| {
                let Passed { launched, ended } = passed(i);
                (launched + u64::from(pool.ready()), ended)
            })
            .collect()
    }

    /// Jobs that joined the queue of a pool, and attempts that ended in it, per second.
    pub fn rates(&self, pool: PoolIdx, now: Mono, state: &State) -> (f32, f32) {
        let place = usize::from(pool.0);
        let Some((at, before)) = self.readings.front() else { return (0.0, 0.0) };
        let seconds = now.since(*at).as_secs_f32();
        let counts = self.counts(state);
        let (Some(old), Some(new)) = (before.get(place), counts.get(place)) else {
            return (0.0, 0.0);
        };
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        // Jobs that were cancelled in the queue have left it again.
        let per_second = |old: u64, new: u64| new.saturating_sub(old) as f32 / seconds;
        (per_second(old.0, new.0), per_second(old.1, new.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Input};
    use crate::model::{AttemptId, ExecReport, Exit, JobNo, Now, TaskIdx, Usage};
    use crate::plan::{PoolRules, Schedule, TaskRules};

    #[test]
    fn rates_are_those_of_the_last_ten_seconds() {
        let pool = PoolRules { name: "default".into(), min: 1, max: 9, start: 1 };
        let schedule = Schedule {
            pools: vec![pool],
            tasks: vec![TaskRules::default()],
            fail_fast: None,
            ..Schedule::default()
        };
        let (mut engine, mut flow) = (Engine::new(schedule, 1), Flow::default());
        let now = |s: u64| Now { mono: Mono(s * 1_000_000), ..Now::default() };
        let mut feed = |flow: &mut Flow, s: u64, input: Input| {
            for event in engine.handle(now(s), input).events {
                flow.note(&event, engine.state());
            }
            flow.read(now(s).mono, engine.state());
            flow.rates(PoolIdx(0), now(s).mono, engine.state())
        };
        feed(&mut flow, 0, Input::Start);
        let jobs = Input::JobsAdded { task: TaskIdx(0), count: 100, each: vec![] };
        assert_eq!(feed(&mut flow, 5, jobs), (20.0, 0.0));
        for second in 6..=30 {
            let attempt = AttemptId { job: JobNo(second - 5), n: 1 };
            let (exit, usage, at) = (Some(Exit::Code(0)), Usage::default(), now(u64::from(second)));
            let (leftovers, oom_killed) = (0, None);
            let report =
                ExecReport::LeaderEnded { attempt, exit, usage, leftovers, oom_killed, at };
            feed(&mut flow, u64::from(second), Input::Exec(report));
        }
        assert_eq!(feed(&mut flow, 30, Input::Tick), (0.0, 1.0));
        assert_eq!(feed(&mut flow, 35, Input::Tick), (0.0, 0.5));
        assert_eq!(feed(&mut flow, 45, Input::Tick).1, 0.0);
        assert!(flow.readings.len() < 25, "{}", flow.readings.len());
    }
}
