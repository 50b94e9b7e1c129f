//! A plan on a machine: worker counts become numbers.

use super::rules::{PoolRules, Schedule};
use super::spec::{Plan, PoolSpec, WorkerCount};
use crate::model::limits;

impl Plan {
    /// Returns what the engine needs to know, for a machine that gives this process `cpus` CPUs.
    ///
    /// `jobs` is `-j`: it takes the place of the start of the pool `default`, and widens its
    /// bounds where they would not let it. `cpus_reason` tells where the number of CPUs comes
    /// from: "2 cores", "cgroup quota of 1.5 CPUs". The second result says for each pool why it
    /// starts with as many workers as it does.
    pub fn schedule(
        &self,
        cpus: u32,
        cpus_reason: &str,
        jobs: Option<WorkerCount>,
    ) -> (Schedule, Vec<String>) {
        let pools = self.pools.iter().enumerate();
        let schedule = Schedule {
            pools: pools.map(|(i, p)| pool_rules(p, cpus, jobs.filter(|_| i == 0))).collect(),
            tasks: self.tasks.iter().map(|t| t.rules.clone()).collect(),
            fail_fast: self.fail_fast,
            shared: self.shared.clone(),
        };
        (schedule, self.worker_reasons(cpus, cpus_reason, jobs))
    }

    fn worker_reasons(&self, cpus: u32, cpus_why: &str, jobs: Option<WorkerCount>) -> Vec<String> {
        let reason = |count: WorkerCount| match count {
            WorkerCount::Auto => format!("auto: {cpus_why}"),
            WorkerCount::Exactly(_) => "set in the file".to_owned(),
            WorkerCount::Percent(percent) => format!("{percent}% of {cpus} CPUs ({cpus_why})"),
            WorkerCount::CoresMinus(n) => format!("{cpus} CPUs minus {n} ({cpus_why})"),
        };
        let pools = self.pools.iter().enumerate();
        pools
            .map(|(i, pool)| match jobs.filter(|_| i == 0) {
                Some(WorkerCount::Exactly(_)) => "set with -j".to_owned(),
                Some(count) => format!("-j {}", reason(count)),
                None => reason(pool.workers.start),
            })
            .collect()
    }
}

fn pool_rules(pool: &PoolSpec, cpus: u32, jobs: Option<WorkerCount>) -> PoolRules {
    let resolve = |count: WorkerCount| count.resolve(cpus).clamp(1, limits::WORKERS);
    let max = pool.workers.max.map_or(limits::WORKERS, resolve);
    // `cores-1` may fall below a fixed `min` on a small machine: `max` wins, as the safer one.
    let min = pool.workers.min.map_or(1, resolve).min(max);
    let name = pool.name.clone();
    match jobs.map(resolve) {
        Some(start) => PoolRules { name, min: min.min(start), max: max.max(start), start },
        None => PoolRules { name, min, max, start: resolve(pool.workers.start).clamp(min, max) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::spec::Workers;

    fn rules(start: WorkerCount, min: u32, max: u32, jobs: Option<u32>) -> (u32, u32, u32) {
        let bounds = |n: u32| (n > 0).then_some(WorkerCount::Exactly(n));
        let workers = Workers { start, min: bounds(min), max: bounds(max) };
        let pool = PoolSpec { name: "p".into(), workers };
        let r = pool_rules(&pool, 8, jobs.map(WorkerCount::Exactly));
        (r.min, r.start, r.max)
    }

    #[test]
    fn the_start_stays_within_bounds_and_j_widens_them() {
        let exactly = WorkerCount::Exactly;
        assert_eq!(rules(exactly(4), 0, 0, None), (1, 4, limits::WORKERS));
        assert_eq!(rules(exactly(4), 5, 9, None), (5, 5, 9));
        assert_eq!(rules(exactly(4), 1, 2, None), (1, 2, 2));
        assert_eq!(rules(exactly(4), 9, 3, None), (3, 3, 3));
        assert_eq!(rules(exactly(4), 2, 6, Some(8)), (2, 8, 8));
        assert_eq!(rules(exactly(4), 2, 6, Some(1)), (1, 1, 6));
    }
}
