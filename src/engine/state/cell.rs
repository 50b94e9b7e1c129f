//! One job in eight bytes: a million jobs cost eight megabytes, and pages that no job has
//! touched yet cost nothing (a zeroed cell is an untouched job).

use crate::model::{Outcome, TaskIdx};

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Never tried, not looked at one by one: in the queue by its task's cursor, or, in a task
    /// with job-to-job needs, waiting for them.
    Idle,
    /// In its task's set of queued jobs.
    Queued,
    BackingOff,
    Running,
    /// Its attempt has ended; the next event says what becomes of it.
    Between,
    Ended(Outcome),
}

/// Attempts of a job beyond this are not counted any more.
const ATTEMPTS_MAX: u32 = (1 << 24) - 1;

/// Packs a place and a number of attempts: kind in bits 0..8, attempts in 8..32, the
/// outcome's number in 32..64.
pub(super) fn pack(place: Place, attempts: u32) -> u64 {
    let (kind, number) = match place {
        Place::Idle => (0, 0),
        Place::Queued => (1, 0),
        Place::BackingOff => (2, 0),
        Place::Running => (3, 0),
        Place::Between => (4, 0),
        Place::Ended(outcome) => match outcome {
            Outcome::Succeeded => (16, 0),
            Outcome::UpToDate => (17, 0),
            Outcome::Failed { code } => (18, code.cast_unsigned()),
            Outcome::Signaled { signal } => (19, signal.cast_unsigned()),
            Outcome::TimedOut => (20, 0),
            Outcome::OutOfMemory => (21, 0),
            Outcome::SpawnFailed => (22, 0),
            Outcome::Cancelled => (23, 0),
            Outcome::Skipped { upstream } => (24, upstream.0),
            Outcome::Lost => (25, 0),
        },
    };
    u64::from(number) << 32 | u64::from(attempts.min(ATTEMPTS_MAX)) << 8 | kind
}

/// Returns the place in a cell.
pub(super) fn place(cell: u64) -> Place {
    let number = (cell >> 32) as u32;
    Place::Ended(match cell & 0xff {
        0 => return Place::Idle,
        1 => return Place::Queued,
        2 => return Place::BackingOff,
        3 => return Place::Running,
        4 => return Place::Between,
        16 => Outcome::Succeeded,
        17 => Outcome::UpToDate,
        18 => Outcome::Failed { code: number.cast_signed() },
        19 => Outcome::Signaled { signal: number.cast_signed() },
        20 => Outcome::TimedOut,
        21 => Outcome::OutOfMemory,
        22 => Outcome::SpawnFailed,
        23 => Outcome::Cancelled,
        24 => Outcome::Skipped { upstream: TaskIdx(number) },
        _ => Outcome::Lost,
    })
}

/// Whether the cell holds [`Place::Idle`].
pub(super) fn is_idle(cell: u64) -> bool {
    cell & 0xff == 0
}

/// Returns the number of attempts in a cell.
pub(super) fn attempts(cell: u64) -> u32 {
    (cell >> 8) as u32 & ATTEMPTS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_reads_back_as_packed() {
        let outcomes = [
            Outcome::Succeeded,
            Outcome::UpToDate,
            Outcome::Failed { code: -1 },
            Outcome::Failed { code: 255 },
            Outcome::Signaled { signal: 9 },
            Outcome::TimedOut,
            Outcome::OutOfMemory,
            Outcome::SpawnFailed,
            Outcome::Cancelled,
            Outcome::Skipped { upstream: TaskIdx(u32::MAX) },
            Outcome::Lost,
        ];
        let waiting =
            [Place::Idle, Place::Queued, Place::BackingOff, Place::Running, Place::Between];
        for p in waiting.into_iter().chain(outcomes.map(Place::Ended)) {
            for n in [0, 1, ATTEMPTS_MAX] {
                assert_eq!((place(pack(p, n)), attempts(pack(p, n))), (p, n));
            }
        }
        assert_eq!(pack(Place::Idle, 0), 0);
        assert_eq!(attempts(pack(Place::Queued, u32::MAX)), ATTEMPTS_MAX);
    }
}
