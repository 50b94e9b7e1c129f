//! What starts when a worker is free.

use super::{Effect, Engine, Fault};
use crate::model::{AttemptId, Event, PoolIdx, Slot, TaskIdx};

/// The job that starts next in a pool.
struct Pick {
    task: TaskIdx,
    index: u32,
    weight: u32,
}

impl Engine {
    /// Starts everything that can start now.
    pub(super) fn start_ready(&mut self) {
        let state = &self.state;
        if state.started().is_none() || state.ending().is_some() || state.run_paused().is_some() {
            return;
        }
        for pool in 0..self.state.pools().len() as u16 {
            while let Some(pick) = self.pick(PoolIdx(pool)) {
                if !self.must_await(pick.task) {
                    self.launch(PoolIdx(pool), &pick);
                }
            }
        }
    }

    /// The first ready job of a pool, when there is room for it. A job that does not fit makes
    /// the pool wait: otherwise lighter jobs would overtake it for ever.
    fn pick(&self, pool_idx: PoolIdx) -> Option<Pick> {
        let pool = self.state.pool(pool_idx);
        let blind = self.has(Fault::IgnoreRoom);
        if pool.paused().is_some() || pool.weight_used() >= pool.size() + u32::from(blind) {
            return None;
        }
        let (task, index) = self.state.next_start(pool_idx)?;
        let weight = pool.effective_weight(self.state.rules(task).weight);
        (blind || pool.weight_used() + weight <= pool.size()).then_some(Pick {
            task,
            index,
            weight,
        })
    }

    fn launch(&mut self, pool: PoolIdx, pick: &Pick) {
        let Pick { task, index, weight } = *pick;
        let Some(job) = self.state.job_of(task, index) else { return };
        let attempt = AttemptId { job, n: self.state.attempts(job) + 1 };
        let slot = Slot { pool, n: self.state.pool(pool).free_slot() };
        self.emit(Event::AttemptLaunched { attempt, task, slot, weight, at: self.now });
        self.effect(Effect::Launch { attempt, task, index, slot });
    }
}
