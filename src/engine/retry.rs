//! Whether and when a job is tried again.

use super::{Engine, Fault};
use crate::model::{AttemptId, JobNo, Mono, Outcome, StopReason, TaskIdx};
use crate::plan::{QuietAction, Retries};
use std::time::Duration;

/// No delay is longer: far beyond any run, and safely inside every clock.
const LONGEST_DELAY_S: f64 = 10.0 * 365.0 * 86_400.0;

impl Engine {
    /// Returns when a job may start again after an attempt ended so; `None`: not at all.
    pub(super) fn retry_at(
        &self,
        attempt: AttemptId,
        task: TaskIdx,
        outcome: Outcome,
        reason: Option<StopReason>,
    ) -> Option<Mono> {
        if self.state.ending().is_some() || outcome.is_success() {
            return None;
        }
        if self.has(Fault::LoseShrunk) && reason == Some(StopReason::Shrink) {
            return None;
        }
        match reason {
            Some(StopReason::Shrink) if outcome == Outcome::Cancelled => {
                return Some(self.state.clock());
            }
            Some(StopReason::Kill | StopReason::Abort | StopReason::RunStop) => return None,
            _ => {}
        }
        let rules = self.state.rules(task);
        let by_quiet = reason == Some(StopReason::Quiet) && outcome == Outcome::TimedOut;
        let max = match rules.quiet.map(|quiet| quiet.action) {
            Some(QuietAction::Stop) if by_quiet => 0,
            // The rule asks for another try, whatever `retries` covers otherwise.
            Some(QuietAction::Retry) if by_quiet => rules.retries.max.max(1),
            _ if covers(&rules.retries, outcome) => rules.retries.max,
            _ => 0,
        };
        let tries = self.state.attempts_counted(attempt.job);
        if tries > max {
            return None;
        }
        let draw = draw(self.seed, attempt.job, attempt.n);
        let delay = delay(&rules.retries, tries, draw);
        // The time of the last fact, not of this input: it is what a replay knows.
        let start = if delay.is_zero() { self.state.clock() } else { self.now.mono };
        Some(start + delay)
    }
}

fn covers(retries: &Retries, outcome: Outcome) -> bool {
    match (&retries.exit_codes, outcome) {
        (_, Outcome::Cancelled | Outcome::Skipped { .. }) => false,
        (None, _) => true,
        (Some(codes), Outcome::Failed { code }) => codes.contains(&code),
        (Some(_), _) => false,
    }
}

/// Returns the delay after the n-th try; `draw` is a number from 0 to 1.
fn delay(retries: &Retries, tries: u32, draw: f64) -> Duration {
    let cap = retries.max_delay.map_or(LONGEST_DELAY_S, |max| max.as_secs_f64());
    let exponent = i32::try_from(tries.saturating_sub(1)).unwrap_or(i32::MAX);
    let base = (retries.delay.as_secs_f64() * retries.factor.max(1.0).powi(exponent)).min(cap);
    let seconds = (base * (1.0 + retries.jitter * (2.0 * draw - 1.0))).min(cap);
    if seconds.is_finite() && seconds > 0.0 {
        Duration::from_secs_f64(seconds.min(LONGEST_DELAY_S))
    } else {
        Duration::ZERO
    }
}

/// Draws a number from 0 to 1 that depends on nothing but its arguments (splitmix64).
fn draw(seed: u64, job: JobNo, attempt: u32) -> f64 {
    let mut x = seed ^ (u64::from(job.0) << 32 | u64::from(attempt));
    for _ in 0..2 {
        x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
    }
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_the_longest() {
        let retries = Retries {
            max: 9,
            delay: Duration::from_secs(1),
            factor: 2.0,
            max_delay: Some(Duration::from_secs(5)),
            ..Retries::default()
        };
        let seconds: Vec<u64> = (1..6).map(|n| delay(&retries, n, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 5, 5]);
        assert_eq!(delay(&retries, u32::MAX, 0.5).as_secs(), 5);
    }

    #[test]
    fn jitter_stays_within_its_share_and_under_the_longest() {
        let retries = Retries { delay: Duration::from_secs(10), jitter: 0.2, ..Retries::default() };
        for n in 0..1000 {
            let d = delay(&retries, 1, draw(7, JobNo(n), 1)).as_secs_f64();
            assert!((8.0..=12.0).contains(&d), "{d}");
        }
        let capped = Retries { max_delay: Some(Duration::from_secs(10)), ..retries };
        assert_eq!(delay(&capped, 1, 1.0), Duration::from_secs(10));
    }

    #[test]
    fn absurd_numbers_do_no_harm() {
        for factor in [f64::NAN, f64::INFINITY, 1e300, -1.0] {
            let retries =
                Retries { delay: Duration::MAX, factor, jitter: f64::NAN, ..Retries::default() };
            assert!(delay(&retries, 3, 0.5).as_secs_f64() <= LONGEST_DELAY_S);
        }
    }

    #[test]
    fn draws_differ_by_seed_job_and_attempt_and_repeat() {
        let first = draw(1, JobNo(1), 1);
        assert_eq!(first, draw(1, JobNo(1), 1));
        for other in [draw(2, JobNo(1), 1), draw(1, JobNo(2), 1), draw(1, JobNo(1), 2)] {
            assert_ne!(first, other);
        }
    }
}
