//! When output was there: how long each stream was at each look, and in which order the output
//! of all jobs appeared. Pure: sizes come in, nothing is read.
//!
//! Jobs write straight into files, so growth is seen by looking: twice a second by the probe,
//! at the end of an attempt, and whenever a front end asks. A look takes the time at which the
//! file last changed, so that a line after which a job is silent has its true time.

use crate::model::limits::{GROWTHS, MARKED_ATTEMPTS, MARKS};
use crate::model::query::{Mark, Pace, RecentCursor, Stream};
use crate::model::{AttemptId, Wall};
use std::collections::{HashMap, VecDeque};

/// What a growth costs of an answer at least, in bytes: an answer has an end even when nothing
/// but empty growths is left.
const GROWTH_COST: u64 = 256;

/// The marks of attempts, and the order of growths.
#[derive(Default)]
pub struct Marks {
    attempts: HashMap<AttemptId, Attempt>,
    /// Attempts that have ended and are still known, oldest first.
    ended: VecDeque<AttemptId>,
    growths: VecDeque<Growth>,
    /// Number of the first growth that is still known, and bytes of all before it.
    first: u64,
    bytes_before: u64,
    /// Bytes of the growths that are known.
    bytes: u64,
}

#[derive(Default)]
struct Attempt {
    streams: [Known; 2],
    ended: bool,
}

#[derive(Default)]
struct Known {
    size: u64,
    marks: Vec<Mark>,
}

/// A stream became longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    pub attempt: AttemptId,
    pub stream: Stream,
    pub from: u64,
    pub to: u64,
    pub at: Wall,
    /// Nothing more will come: a line without its end is a line.
    pub last: bool,
}

impl Growth {
    fn bytes(&self) -> u64 {
        self.to - self.from
    }
}

/// A part of a growth to hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub growth: Growth,
    pub from: u64,
    pub to: u64,
    /// Bytes of the growth before `from` that did not fit.
    pub left_out_bytes: u64,
}

/// What to hand out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub pieces: Vec<Piece>,
    pub next: RecentCursor,
    pub left_out_bytes: u64,
    pub more: bool,
}

impl Marks {
    /// Takes in the size of a stream and when it last changed.
    pub fn note(&mut self, attempt: AttemptId, stream: Stream, size: u64, at: Wall) {
        self.grow(attempt, stream, size, at, false);
    }

    /// Takes in the last sizes of an attempt.
    pub fn end(&mut self, attempt: AttemptId, sizes: [Option<u64>; 2], at: Wall) {
        for (stream, size) in [Stream::Stdout, Stream::Stderr].into_iter().zip(sizes) {
            if let Some(size) = size.filter(|size| *size > 0) {
                self.grow(attempt, stream, size, at, true);
            }
        }
        let Some(known) = self.attempts.get_mut(&attempt) else { return };
        known.ended = true;
        self.ended.push_back(attempt);
        if self.ended.len() > MARKED_ATTEMPTS
            && let Some(oldest) = self.ended.pop_front()
        {
            self.attempts.remove(&oldest);
        }
    }

    fn grow(&mut self, attempt: AttemptId, stream: Stream, size: u64, at: Wall, last: bool) {
        let known = self.attempts.entry(attempt).or_default();
        if known.ended {
            return;
        }
        let known = &mut known.streams[stream as usize];
        if size < known.size {
            // The job emptied its file and began anew.
            *known = Known::default();
        }
        if size == known.size && !last {
            return;
        }
        let from = known.size;
        // A job may set the time of its file to anything.
        let at = known.marks.last().map_or(at, |before| before.at.max(at));
        if size > known.size {
            known.marks.push(Mark { at, size });
            thin(&mut known.marks);
        }
        known.size = size;
        self.bytes += size - from;
        self.growths.push_back(Growth { attempt, stream, from, to: size, at, last });
        if self.growths.len() > GROWTHS
            && let Some(oldest) = self.growths.pop_front()
        {
            self.first += 1;
            self.bytes_before += oldest.bytes();
            self.bytes -= oldest.bytes();
        }
    }

    /// Returns the marks that tell when the bytes of a range were written, oldest first.
    pub fn covering(&self, attempt: AttemptId, stream: Stream, from: u64, to: u64) -> Vec<Mark> {
        let Some(attempt) = self.attempts.get(&attempt) else { return Vec::new() };
        let marks = &attempt.streams[stream as usize].marks;
        let first = marks.partition_point(|mark| mark.size <= from);
        let last = marks.partition_point(|mark| mark.size < to);
        marks[first.min(last)..marks.len().min(last + 1)].to_vec()
    }

    /// Returns how long a stream was at a moment, as far as it is known.
    pub fn size_at(&self, attempt: AttemptId, stream: Stream, at: Wall) -> u64 {
        let Some(attempt) = self.attempts.get(&attempt) else { return 0 };
        let marks = &attempt.streams[stream as usize].marks;
        let after = marks.partition_point(|mark| mark.at <= at);
        after.checked_sub(1).map_or(0, |i| marks[i].size)
    }

    /// Chooses what to hand out behind a cursor, at most about `max_bytes`.
    pub fn share(&self, after: Option<RecentCursor>, pace: Pace, max_bytes: u64) -> Share {
        let end = self.first + self.growths.len() as u64;
        let known_from = RecentCursor { growth: self.first, bytes: 0, before: self.bytes_before };
        let start = after.unwrap_or_default();
        let (start, left_out_bytes) = if start.growth < self.first {
            (known_from, self.bytes_before.saturating_sub(start.before + start.bytes))
        } else {
            (RecentCursor { growth: start.growth.min(end), ..start }, 0)
        };
        let skip = usize::try_from(start.growth - self.first).unwrap_or(usize::MAX);
        let mut share = match pace {
            Pace::Newest => self.newest(start, skip, max_bytes),
            Pace::Everything => self.everything(start, skip, max_bytes),
        };
        share.left_out_bytes += left_out_bytes;
        share
    }

    /// The ends of the newest growths. One that grew a lot leaves room for others.
    fn newest(&self, start: RecentCursor, skip: usize, max_bytes: u64) -> Share {
        let most = (max_bytes / 8).max(GROWTH_COST);
        let mut room = max_bytes;
        let mut share = Share::default();
        for (i, growth) in self.growths.iter().enumerate().skip(skip).rev() {
            let done = if i == skip { start.bytes } else { 0 };
            let from = growth.from + done.min(growth.bytes());
            let cost = (growth.to - from).clamp(GROWTH_COST, most);
            if room < cost {
                share.left_out_bytes += growth.to - from;
                continue;
            }
            room -= cost;
            let begin = from.max(growth.to.saturating_sub(most));
            let left_out_bytes = begin - from;
            share.pieces.push(Piece {
                growth: *growth,
                from: begin,
                to: growth.to,
                left_out_bytes,
            });
        }
        share.pieces.reverse();
        share.next = RecentCursor {
            growth: self.first + self.growths.len() as u64,
            bytes: 0,
            before: self.bytes_before + self.bytes,
        };
        share
    }

    fn everything(&self, start: RecentCursor, skip: usize, max_bytes: u64) -> Share {
        let mut share = Share { next: start, ..Share::default() };
        let mut room = max_bytes.max(GROWTH_COST);
        for growth in self.growths.iter().skip(skip) {
            if room < GROWTH_COST {
                share.more = true;
                break;
            }
            let from = growth.from + share.next.bytes.min(growth.bytes());
            let to = growth.to.min(from + room);
            room = room.saturating_sub((to - from).max(GROWTH_COST));
            share.pieces.push(Piece { growth: *growth, from, to, left_out_bytes: 0 });
            if to < growth.to {
                share.next.bytes = to - growth.from;
                share.more = true;
                break;
            }
            share.next = RecentCursor {
                growth: share.next.growth + 1,
                bytes: 0,
                before: share.next.before + growth.bytes(),
            };
        }
        share
    }
}

/// Makes the older half half as dense: what was lately has its time most exactly.
fn thin(marks: &mut Vec<Mark>) {
    if marks.len() <= MARKS {
        return;
    }
    let mut i = 0;
    marks.retain(|_| {
        i += 1;
        // The later of two stays: what the earlier one covered was there by then, too.
        i > MARKS / 2 || i % 2 == 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobNo;

    fn attempt(job: u32) -> AttemptId {
        AttemptId { job: JobNo(job), n: 1 }
    }

    const OUT: Stream = Stream::Stdout;

    fn noted(sizes: &[(i64, u64)]) -> Marks {
        let mut marks = Marks::default();
        for (at, size) in sizes {
            marks.note(attempt(1), OUT, *size, Wall(*at));
        }
        marks
    }

    fn covering(marks: &Marks, from: u64, to: u64) -> Vec<(i64, u64)> {
        marks.covering(attempt(1), OUT, from, to).iter().map(|m| (m.at.0, m.size)).collect()
    }

    #[test]
    fn marks_cover_a_range() {
        let marks = noted(&[(1, 10), (2, 20), (2, 20), (3, 30)]);
        assert_eq!(covering(&marks, 0, 5), [(1, 10)]);
        assert_eq!(covering(&marks, 0, 10), [(1, 10)]);
        assert_eq!(covering(&marks, 5, 15), [(1, 10), (2, 20)]);
        assert_eq!(covering(&marks, 10, 30), [(2, 20), (3, 30)]);
        assert_eq!(covering(&marks, 30, 40), []);
        for (at, size) in [(0, 0), (1, 10), (2, 20), (9, 30)] {
            assert_eq!(marks.size_at(attempt(1), OUT, Wall(at)), size);
        }
    }

    #[test]
    fn a_file_that_became_shorter_begins_anew_and_time_never_goes_back() {
        let marks = noted(&[(5, 100), (6, 10), (2, 20)]);
        assert_eq!(covering(&marks, 0, 20), [(6, 10), (6, 20)]);
    }

    #[test]
    fn old_marks_thin_out_and_still_tell_no_lie() {
        let n = 10_000;
        let marks = noted(&(1..=n).map(|i| (i, i as u64 * 10)).collect::<Vec<_>>());
        let kept = covering(&marks, 0, n as u64 * 10);
        assert!(kept.len() <= MARKS && kept.len() > MARKS / 2, "{}", kept.len());
        assert_eq!(kept.last(), Some(&(n, n as u64 * 10)));
        // The newest quarter is complete, and every byte was there by the time of its mark.
        assert!(kept.windows(2).rev().take(MARKS / 4).all(|w| w[1].0 - w[0].0 == 1));
        assert!(kept.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
        assert!(kept.iter().all(|(at, size)| *at as u64 * 10 == *size));
    }

    #[test]
    fn only_so_many_ended_attempts_are_remembered() {
        let mut marks = Marks::default();
        for job in 1..=MARKED_ATTEMPTS as u32 + 100 {
            marks.note(attempt(job), OUT, 5, Wall(1));
            marks.end(attempt(job), [Some(7), None], Wall(2));
            marks.note(attempt(job), OUT, 9, Wall(3));
        }
        assert_eq!(marks.attempts.len(), MARKED_ATTEMPTS);
        assert!(marks.covering(attempt(1), OUT, 0, 5).is_empty());
        let last = MARKED_ATTEMPTS as u32 + 100;
        assert_eq!(marks.covering(attempt(last), OUT, 0, 7).len(), 2, "nothing after the end");
    }

    fn pieces(share: &Share) -> Vec<(u32, u64, u64)> {
        share.pieces.iter().map(|p| (p.growth.attempt.job.0, p.from, p.to)).collect()
    }

    #[test]
    fn everything_is_handed_out_once_and_in_order() {
        let mut marks = Marks::default();
        marks.note(attempt(1), OUT, 1000, Wall(1));
        marks.note(attempt(2), OUT, 300, Wall(2));
        marks.note(attempt(1), OUT, 1500, Wall(3));
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let share = marks.share(after, Pace::Everything, 400);
            seen.extend(pieces(&share));
            assert_eq!(share.left_out_bytes, 0);
            after = Some(share.next);
            if !share.more {
                break;
            }
        }
        assert_eq!(
            seen,
            [
                (1, 0, 400),
                (1, 400, 800),
                (1, 800, 1000),
                (2, 0, 300),
                (1, 1000, 1400),
                (1, 1400, 1500)
            ]
        );
        assert_eq!(pieces(&marks.share(after, Pace::Everything, 400)), []);
        marks.end(attempt(2), [Some(300), None], Wall(4));
        assert_eq!(pieces(&marks.share(after, Pace::Everything, 400)), [(2, 300, 300)]);
    }

    #[test]
    fn the_newest_is_preferred_and_what_is_left_out_is_counted() {
        let mut marks = Marks::default();
        marks.note(attempt(1), OUT, 1_000_000, Wall(1));
        marks.note(attempt(2), OUT, 100, Wall(2));
        let share = marks.share(None, Pace::Newest, 8000);
        assert_eq!(pieces(&share), [(1, 999_000, 1_000_000), (2, 0, 100)]);
        let after = Some(share.next);
        assert_eq!(pieces(&marks.share(after, Pace::Newest, 8000)), []);
        for i in 1..=100 {
            marks.note(attempt(3), OUT, i * 1000, Wall(3));
        }
        let share = marks.share(after, Pace::Newest, 8000);
        assert_eq!((share.pieces.len(), share.left_out_bytes), (8, 92_000));
    }

    #[test]
    fn who_comes_too_late_is_told_how_much_is_gone() {
        let mut marks = Marks::default();
        marks.note(attempt(1), OUT, 10, Wall(1));
        let after = Some(marks.share(None, Pace::Everything, 1000).next);
        for i in 0..GROWTHS as u64 + 5 {
            marks.note(attempt(1), OUT, 11 + i, Wall(1));
        }
        assert_eq!(marks.growths.len(), GROWTHS);
        assert_eq!(marks.share(after, Pace::Everything, 1000).left_out_bytes, 5);
        let nonsense = RecentCursor { growth: u64::MAX, bytes: u64::MAX, before: u64::MAX };
        assert!(marks.share(Some(nonsense), Pace::Everything, 1000).pieces.is_empty());
    }
}
