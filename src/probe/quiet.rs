//! When an attempt counts as quiet: a pure little machine per attempt.

use crate::model::Mono;
use std::time::Duration;

/// What one look saw of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub at: Mono,
    /// CPU, output, I/O or the set of its processes changed since the look before.
    pub moved: bool,
    /// Time paused, or spent waiting for one of ganger's own locks, does not count.
    pub paused: bool,
}

/// How long an attempt has been still.
#[derive(Clone, Debug, Default)]
pub struct Stillness {
    last: Option<Seen>,
    /// Time without a movement and without pauses.
    still: Duration,
    /// Looks in a row that saw no movement.
    looks: u32,
    reported: bool,
}

impl Stillness {
    /// Takes in one look. Returns `Some(true)` when the attempt becomes quiet by `after`,
    /// `Some(false)` when a quiet one moves again.
    pub fn look(&mut self, seen: Seen, after: Option<Duration>) -> Option<bool> {
        let before = self.last.replace(seen)?;
        if seen.moved {
            self.still = Duration::ZERO;
            self.looks = 0;
            return std::mem::take(&mut self.reported).then_some(false);
        }
        if seen.paused || before.paused {
            return None;
        }
        self.still += seen.at.since(before.at);
        self.looks += 1;
        // One look may fall between two steps of a job that works; two in a row are a sign.
        let quiet = after.is_some_and(|after| self.still >= after) && self.looks >= 2;
        if quiet && !self.reported {
            self.reported = true;
            return Some(true);
        }
        None
    }

    /// Since when it has been still, pauses left out; `None` while it moves or is paused.
    pub fn since(&self) -> Option<Mono> {
        let last = self.last?;
        (self.looks > 0 && !last.paused).then(|| last.at - self.still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter a second: `m` moves, `s` is still, `p` is paused. Returns what was reported.
    fn story(letters: &str, after_s: u64) -> Vec<(usize, bool)> {
        let mut stillness = Stillness::default();
        let look = |(second, letter)| {
            let seen = Seen {
                at: Mono(second as u64 * 1_000_000),
                moved: letter == 'm',
                paused: letter == 'p',
            };
            let report = stillness.look(seen, Some(Duration::from_secs(after_s)))?;
            Some((second, report))
        };
        letters.chars().enumerate().filter_map(look).collect()
    }

    #[test]
    fn it_is_reported_once_and_taken_back_when_it_moves() {
        assert_eq!(story("mmsssssss", 3), [(4, true)]);
        assert_eq!(story("msssssmmmssss", 3), [(3, true), (6, false), (11, true)]);
        assert_eq!(story("mssmssmssm", 3), []);
    }

    #[test]
    fn two_looks_are_needed_however_short_the_rule_is() {
        assert_eq!(story("ms", 0), []);
        assert_eq!(story("mss", 0), [(2, true)]);
    }

    #[test]
    fn time_paused_does_not_count() {
        assert_eq!(story("msspppppppss", 3), [(11, true)]);
        assert_eq!(story("mspppppppppppp", 3), []);
    }

    #[test]
    fn still_time_is_shown_without_the_pauses() {
        let mut stillness = Stillness::default();
        let mut at = |second: u64, moved, paused| {
            stillness.look(Seen { at: Mono(second * 1_000_000), moved, paused }, None);
            stillness.since().map(|m| m.0 / 1_000_000)
        };
        assert_eq!(at(10, true, false), None);
        assert_eq!(at(11, false, false), Some(10));
        assert_eq!(at(12, false, false), Some(10));
        assert_eq!(at(13, false, true), None);
        assert_eq!(at(20, false, false), Some(18), "two seconds of stillness so far");
        assert_eq!(at(21, false, false), Some(18));
        assert_eq!(at(22, true, false), None);
    }
}
