//! Attempts as bars over workers: what ran when, how long, and where nothing ran.

use super::ids::{AttemptId, Slot, TaskIdx};
use super::limits::{SNAPSHOT_WORKERS, TIMELINE_BARS, TIMELINE_LONGEST};
use super::outcome::Outcome;
use super::time::Mono;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One attempt on the axis of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub attempt: AttemptId,
    pub task: TaskIdx,
    /// Number of the job in its task, from 1.
    pub index: u32,
    pub slot: Slot,
    /// Workers' worth it takes; the others stand empty beside it.
    pub weight: u32,
    pub start: Mono,
    /// `None` while it runs.
    pub end: Option<Mono>,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
}

impl Bar {
    /// How long it ran, or has run until `now`.
    pub fn length(&self, now: Mono) -> Duration {
        self.end.unwrap_or(now).since(self.start)
    }

    /// Whether it ran at some moment of a range, both ends included: a range of one moment
    /// gives what ran then.
    pub fn overlaps(&self, from: Mono, to: Mono) -> bool {
        self.start <= to && self.end.is_none_or(|end| end >= from)
    }
}

/// Many bars of one lane in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    pub start: Mono,
    pub end: Mono,
    /// Attempts that began in it, or before the range and go on in it.
    pub count: u32,
    /// Of these, how many ended badly.
    pub bad: u32,
    /// Percent of the stretch in which something ran.
    pub busy_percent: f32,
    /// The task that ran longest in it.
    pub task: Option<TaskIdx>,
}

/// What one worker did in a range of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    pub slot: Slot,
    pub work: LaneWork,
    /// Attempts in the range.
    pub count: u32,
    /// Percent of the time in which the worker existed and was idle; `None` when it did not
    /// exist in the range.
    pub idle_percent: Option<f32>,
}

/// Bars one by one, or merged when there are too many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneWork {
    /// By start.
    Bars(Vec<Bar>),
    /// Stretches of equal length, by start, without those in which nothing ran.
    Merged(Vec<Stretch>),
}

/// The answer to `Query::Timeline`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    pub from: Mono,
    pub to: Mono,
    /// Attempts that ended before this moment are not kept any more; `None`: all are.
    pub since: Option<Mono>,
    /// By pool, then slot. At most [`super::limits::SNAPSHOT_WORKERS`].
    pub lanes: Vec<Lane>,
    /// Lanes that did not fit.
    pub lanes_left_out: u32,
    /// The longest attempts that overlap the range, longest first: the long poles.
    pub longest: Vec<Bar>,
}

/// What a timeline is to show.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub from: Mono,
    pub to: Mono,
    pub now: Mono,
    /// Bars of one lane before they are merged.
    pub max_bars: u32,
}

impl Timeline {
    /// Lays bars out in lanes. `slots` are the workers that existed in the range, each with how
    /// long it did; bars outside of the range are left out.
    pub fn lay_out(range: Range, slots: &[(Slot, Duration)], bars: Vec<Bar>) -> Timeline {
        let mut of_slot: BTreeMap<Slot, (Duration, Vec<Bar>)> = BTreeMap::new();
        for (slot, lived) in slots {
            of_slot.entry(*slot).or_default().0 = *lived;
        }
        let mut longest = Vec::new();
        for bar in bars.into_iter().filter(|bar| bar.overlaps(range.from, range.to)) {
            keep_longest(&mut longest, bar, range.now);
            of_slot.entry(bar.slot).or_default().1.push(bar);
        }
        let n_lanes = u32::try_from(of_slot.len().min(SNAPSHOT_WORKERS)).unwrap_or(u32::MAX);
        let most = (TIMELINE_BARS / n_lanes.max(1)).min(range.max_bars).max(1);
        let left_out = of_slot.len().saturating_sub(SNAPSHOT_WORKERS);
        let lanes = of_slot.into_iter().take(SNAPSHOT_WORKERS);
        Timeline {
            from: range.from,
            to: range.to,
            since: None,
            lanes: lanes
                .map(|(slot, (lived, bars))| lane(range, slot, lived, bars, most))
                .collect(),
            lanes_left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
            longest,
        }
    }
}

fn keep_longest(longest: &mut Vec<Bar>, bar: Bar, now: Mono) {
    let place = longest.partition_point(|other| other.length(now) >= bar.length(now));
    if place < TIMELINE_LONGEST {
        longest.insert(place, bar);
        longest.truncate(TIMELINE_LONGEST);
    }
}

fn lane(range: Range, slot: Slot, lived: Duration, mut bars: Vec<Bar>, most: u32) -> Lane {
    bars.sort_unstable_by_key(|bar| (bar.start, bar.attempt));
    let busy: Duration = bars.iter().map(|bar| seen(range, bar)).map(|(a, b)| b.since(a)).sum();
    // It may have gone on beyond its time, when its pool was made smaller.
    let lived = lived.max(busy);
    let idle = (lived - busy).as_secs_f64() / lived.as_secs_f64();
    let count = u32::try_from(bars.len()).unwrap_or(u32::MAX);
    Lane {
        slot,
        count,
        idle_percent: (!lived.is_zero()).then_some((idle * 100.0) as f32),
        work: if count <= most {
            LaneWork::Bars(bars)
        } else {
            LaneWork::Merged(merge(range, &bars, most))
        },
    }
}

/// The part of a bar that lies in the range.
fn seen(range: Range, bar: &Bar) -> (Mono, Mono) {
    let end = bar.end.unwrap_or(range.now).min(range.to);
    (bar.start.max(range.from).min(end), end)
}

/// Merges bars into at most `n` equal stretches; those in which nothing ran are left out.
fn merge(range: Range, bars: &[Bar], n: u32) -> Vec<Stretch> {
    let span = range.to.0.saturating_sub(range.from.0);
    let width = span.div_ceil(u64::from(n.max(1))).max(1);
    let place = |at: Mono| (at.0.saturating_sub(range.from.0) / width).min(u64::from(n) - 1);
    let mut sums: BTreeMap<u64, Sum> = BTreeMap::new();
    for bar in bars {
        let (start, end) = seen(range, bar);
        let first = sums.entry(place(start)).or_default();
        first.count += 1;
        first.bad += u32::from(bar.outcome.is_some_and(is_bad));
        for i in place(start)..=place(end) {
            let from = Mono(range.from.0 + i * width);
            let until = Mono(from.0 + width).min(end);
            let micros = until.0.saturating_sub(from.max(start).0);
            if micros > 0 {
                *sums.entry(i).or_default().micros.entry(bar.task).or_default() += micros;
            }
        }
    }
    let stretch = |(i, sum): (u64, Sum)| {
        let start = Mono(range.from.0 + i * width);
        let end = Mono(start.0 + width).min(range.to);
        let busy: u64 = sum.micros.values().sum();
        let busy = busy as f64 * 100.0 / end.0.saturating_sub(start.0).max(1) as f64;
        Stretch {
            start,
            end,
            count: sum.count,
            bad: sum.bad,
            busy_percent: busy.min(100.0) as f32,
            task: sum.micros.iter().max_by_key(|(_, micros)| **micros).map(|(task, _)| *task),
        }
    };
    sums.into_iter().map(stretch).collect()
}

#[derive(Default)]
struct Sum {
    count: u32,
    bad: u32,
    micros: BTreeMap<TaskIdx, u64>,
}

fn is_bad(outcome: Outcome) -> bool {
    !outcome.is_success() && outcome != Outcome::Cancelled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobNo, PoolIdx};

    fn slot(n: u32) -> Slot {
        Slot { pool: PoolIdx::DEFAULT, n }
    }

    /// A bar on a lane, times in milliseconds.
    fn bar(job: u32, lane: u32, start: u64, end: Option<u64>) -> Bar {
        Bar {
            attempt: AttemptId { job: JobNo(job), n: 1 },
            task: TaskIdx(job % 2),
            index: job,
            slot: slot(lane),
            weight: 1,
            start: Mono(start * 1000),
            end: end.map(|end| Mono(end * 1000)),
            outcome: end.map(|_| Outcome::Succeeded),
        }
    }

    fn range(from: u64, to: u64, now: u64, max_bars: u32) -> Range {
        Range { from: Mono(from * 1000), to: Mono(to * 1000), now: Mono(now * 1000), max_bars }
    }

    fn jobs(lane: &Lane) -> Vec<u32> {
        match &lane.work {
            LaneWork::Bars(bars) => bars.iter().map(|bar| bar.attempt.job.0).collect(),
            LaneWork::Merged(_) => panic!("merged: {lane:?}"),
        }
    }

    #[test]
    fn bars_stand_in_their_lanes_and_idle_time_is_told() {
        let bars = vec![
            bar(3, 1, 600, None),
            bar(1, 1, 0, Some(500)),
            bar(2, 2, 100, Some(200)),
            bar(9, 2, 2_000, Some(2_100)),
        ];
        let lived = Duration::from_secs(1);
        let slots = [(slot(1), lived), (slot(2), lived), (slot(3), lived)];
        let t = Timeline::lay_out(range(0, 1_000, 1_000, 100), &slots, bars);
        assert_eq!(t.lanes.iter().map(jobs).collect::<Vec<_>>(), [vec![1, 3], vec![2], vec![]]);
        let idle: Vec<_> = t.lanes.iter().map(|l| l.idle_percent.unwrap().round()).collect();
        assert_eq!(idle, [10.0, 90.0, 100.0]);
        let longest: Vec<u32> = t.longest.iter().map(|bar| bar.attempt.job.0).collect();
        assert_eq!(longest, [1, 3, 2]);
    }

    #[test]
    fn one_moment_gives_what_ran_then() {
        let bars = vec![
            bar(1, 1, 0, Some(500)),
            bar(2, 1, 500, Some(900)),
            bar(3, 2, 0, None),
            bar(4, 3, 501, None),
        ];
        let t = Timeline::lay_out(range(500, 500, 1_000, 9), &[], bars);
        assert_eq!(t.lanes.iter().map(jobs).collect::<Vec<_>>(), [vec![1, 2], vec![3]]);
        assert_eq!(t.lanes[0].idle_percent, None);
    }

    #[test]
    fn a_hundred_thousand_short_jobs_become_density() {
        // One millisecond of work, one of rest; the second half of the range is empty.
        let bars = (0..50_000).map(|n| {
            let start = u64::from(n) * 2;
            Bar {
                outcome: Some(if n == 7 {
                    Outcome::Failed { code: 1 }
                } else {
                    Outcome::Succeeded
                }),
                ..bar(n + 1, 1, start, Some(start + 1))
            }
        });
        let t = Timeline::lay_out(range(0, 200_000, 200_000, 100), &[], bars.collect());
        let LaneWork::Merged(parts) = &t.lanes[0].work else { panic!("{:?}", t.lanes[0].work) };
        assert_eq!((t.lanes[0].count, parts.len()), (50_000, 50));
        assert_eq!(parts.iter().map(|part| part.count).sum::<u32>(), 50_000);
        assert_eq!(parts.iter().map(|part| part.bad).collect::<Vec<_>>()[..2], [1, 0]);
        assert!(parts.iter().all(|part| (part.busy_percent - 50.0).abs() < 0.1), "{parts:?}");
        assert_eq!((parts[1].start, parts[1].end), (Mono(2_000_000), Mono(4_000_000)));
        assert_eq!(t.longest.len(), TIMELINE_LONGEST);
    }

    #[test]
    fn a_long_job_among_short_ones_fills_its_stretches_and_counts_once() {
        let mut bars: Vec<Bar> =
            (0..10).map(|n| bar(n + 2, 1, u64::from(n), Some(u64::from(n)))).collect();
        bars.push(bar(1, 1, 10, None));
        let t = Timeline::lay_out(range(0, 100, 60, 10), &[], bars);
        let LaneWork::Merged(parts) = &t.lanes[0].work else { panic!("{:?}", t.lanes[0].work) };
        let shown: Vec<(u32, f32)> = parts.iter().map(|p| (p.count, p.busy_percent)).collect();
        let full = |n: usize| vec![(0, 100.0); n];
        assert_eq!(shown[..6], [vec![(10, 0.0), (1, 100.0)], full(4)].concat()[..]);
        assert_eq!(parts.len(), 6, "nothing ran yet after now: {parts:?}");
        assert_eq!(parts[2].task, Some(TaskIdx(1)));
    }

    #[test]
    fn an_answer_fits_a_frame_whatever_is_asked() {
        let bars: Vec<Bar> = (0..600 * 80)
            .map(|n| bar(n + 1, n % 600 + 1, u64::from(n), Some(u64::from(n) + 1)))
            .collect();
        let t = Timeline::lay_out(range(0, 50_000, 50_000, u32::MAX), &[], bars);
        assert_eq!((t.lanes.len(), t.lanes_left_out), (SNAPSHOT_WORKERS, 88));
        let bytes = serde_json::to_vec(&t).unwrap().len();
        assert!(bytes < crate::model::limits::FRAME_BYTES, "{bytes}");
    }
}
