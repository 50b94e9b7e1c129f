//! What a person should look at now. Rules over what is known, with numbers; an alert rises when
//! its rule has held for a while and goes when it has not for a while, so that none flickers.
//!
//! Pure: time and readings come in as arguments.

mod shared;
mod slow;

use super::history::StateNames;
use crate::engine::{Attempt, State};
use crate::model::alert::{Alert, AlertKind, AlertLevel};
use crate::model::limits::SNAPSHOT_ALERTS;
use crate::model::locks::WaitFor;
use crate::model::sentence::Names;
use crate::model::words::{count, duration, size};
use crate::model::{
    AttemptId, Counts, Event, JobNo, MachineSample, Mono, Outcome, PoolIdx, RunState, Sample,
    TaskIdx, TreeSample,
};
use crate::probe::Shortage;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// An alert stays for this long after its rule held last.
const LINGER: Duration = Duration::from_secs(5);
/// Means forget what is older than about this.
const MEMORY: Duration = Duration::from_secs(5);
/// A job without a `quiet` rule that is still for so long may hang, or may just wait.
const STILL: Duration = Duration::from_secs(60);
/// Outcomes of a task that are looked at.
const RECENT: usize = 20;
/// As many failures one after the other are no accident.
const ALL_BAD: usize = 5;
/// As many outcomes must be known before a share of them says something.
const ENOUGH: usize = 10;

/// What tells one alert from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: AlertKind,
    job: Option<JobNo>,
    task: Option<TaskIdx>,
    pool: Option<PoolIdx>,
}

impl Key {
    fn of(kind: AlertKind) -> Key {
        Key { kind, job: None, task: None, pool: None }
    }
}

/// What one rule says at one moment.
#[derive(Clone, Debug)]
struct Verdict {
    key: Key,
    level: AlertLevel,
    text: String,
    hint: String,
    /// It is bad enough to raise the alert; otherwise only to keep one that is raised.
    raises: bool,
}

/// An alert, or what may become one.
struct Candidate {
    alert: Alert,
    held: Mono,
    shown: bool,
}

/// Means of the last seconds.
#[derive(Clone, Debug, Default)]
struct Means {
    at: Mono,
    /// Percent of all cores.
    busy: f32,
    /// Percent of one core that an attempt of each pool uses.
    of_pool: BTreeMap<PoolIdx, f32>,
}

/// Watches a run and keeps its alerts.
#[derive(Default)]
pub struct Alerts {
    means: Means,
    /// Of each task, whether its last jobs ended well, oldest first.
    recent: BTreeMap<TaskIdx, VecDeque<bool>>,
    shortage: Shortage,
    shortage_at: Option<Mono>,
    swapped_per_s: f32,
    candidates: BTreeMap<Key, Candidate>,
    crowds: shared::Crowds,
    paces: slow::Paces,
}

/// What an attempt waits for, as far as that is known.
type WaitOf<'a> = dyn Fn(AttemptId) -> Option<WaitFor> + 'a;

/// Everything that the rules look at.
struct Facts<'a> {
    now: Mono,
    state: &'a State,
    sample: &'a Sample,
    names: StateNames<'a>,
    waits: &'a WaitOf<'a>,
}

impl Alerts {
    /// Takes in one fact.
    pub fn note(&mut self, event: &Event) {
        self.paces.note(event);
        let Event::JobEnded { task, outcome, attempts: 1.., .. } = event else { return };
        if *outcome == Outcome::Cancelled {
            return;
        }
        let recent = self.recent.entry(*task).or_default();
        recent.push_back(outcome.is_success());
        if recent.len() > RECENT {
            recent.pop_front();
        }
    }

    /// Takes in how short the disk is and how much the machine swaps.
    pub fn note_shortage(&mut self, now: Mono, shortage: Shortage) {
        let passed = self.shortage_at.map_or(0.0, |at| now.since(at).as_secs_f32());
        let pages = shortage.swapped_pages.zip(self.shortage.swapped_pages);
        let swapped = pages.map_or(0, |(new, old)| new.saturating_sub(old));
        self.swapped_per_s = if passed > 0.0 { swapped as f32 / passed } else { 0.0 };
        (self.shortage, self.shortage_at) = (shortage, Some(now));
    }

    /// Looks at everything once more.
    pub fn look(&mut self, now: Mono, state: &State, sample: &Sample, waits: &WaitOf<'_>) {
        if matches!(state.run_state(), RunState::Ended { .. }) {
            self.candidates.clear();
            return;
        }
        let facts = Facts { now, state, sample, names: StateNames(state), waits };
        self.means.take(&facts);
        let mut verdicts = hung_jobs(&facts);
        verdicts.extend(self.paces.verdicts(&facts, &verdicts));
        verdicts.extend(self.failing_tasks(&facts));
        verdicts.extend(self.machine(&sample.machine));
        self.crowds.take(now, state);
        verdicts.extend(shared::deadlocks(&facts));
        verdicts.extend(shared::stuck(&facts));
        verdicts.extend(self.crowds.verdict(&facts));
        if state.run_state() == RunState::Running {
            verdicts.extend(self.workers(&facts));
        }
        self.judge(now, verdicts);
    }

    fn judge(&mut self, now: Mono, verdicts: Vec<Verdict>) {
        let mut held = BTreeSet::new();
        for Verdict { key, level, text, hint, raises } in verdicts {
            let Key { kind, job, task, pool } = key;
            let known = self.candidates.get(&key);
            let (since, shown) = match known {
                Some(candidate) if candidate.shown => (candidate.alert.since, true),
                Some(candidate) if raises => (candidate.alert.since, false),
                None if raises => (now, false),
                _ => continue,
            };
            held.insert(key);
            let shown = shown || now.since(since) >= patience(kind);
            let alert = Alert { level, kind, text, hint, job, task, pool, since };
            self.candidates.insert(key, Candidate { alert, held: now, shown });
        }
        self.candidates.retain(|key, candidate| {
            let lingers = candidate.shown && now.since(candidate.held) < LINGER;
            // A circle, or a job that does not move, is there or not: it never flickers.
            held.contains(key) || (lingers && !is_there_or_not(key.kind))
        });
    }

    /// For snapshots: the worst first, then by kind.
    pub fn views(&self) -> Vec<Alert> {
        let shown = self.candidates.values().filter(|candidate| candidate.shown);
        let mut alerts: Vec<Alert> = shown.map(|candidate| candidate.alert.clone()).collect();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.level));
        let more = alerts.len().saturating_sub(SNAPSHOT_ALERTS);
        alerts.truncate(SNAPSHOT_ALERTS);
        if let Some(last) = alerts.last_mut().filter(|_| more > 0) {
            last.text += &format!(" (and {more} alerts more)");
        }
        alerts
    }

    // ---- rules

    fn failing_tasks(&self, facts: &Facts<'_>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for (task, recent) in &self.recent {
            let counts = facts.state.task_counts(*task);
            if counts.waiting() + counts.running == 0 {
                // Too late to do anything about it.
                continue;
            }
            let bad = recent.iter().filter(|good| !**good).count();
            let in_a_row = recent.iter().rev().take_while(|good| !**good).count();
            let share = bad * 100 / recent.len().max(1);
            let raises = in_a_row >= ALL_BAD || (recent.len() >= ENOUGH && share > 20);
            if !raises && share <= 10 {
                continue;
            }
            let name = facts.names.task(*task);
            let text = if in_a_row >= ALL_BAD {
                format!("task {name}: its last {in_a_row} jobs failed")
            } else {
                format!("task {name}: {bad} of its last {} jobs failed ({share} %)", recent.len())
            };
            let left = count(counts.waiting(), "job");
            let wait = if counts.waiting() == 1 { "waits" } else { "wait" };
            verdicts.push(Verdict {
                key: Key { task: Some(*task), ..Key::of(AlertKind::FailingTask) },
                level: AlertLevel::Warning,
                text: format!("{text}; {left} {wait}"),
                hint: "Look at the output of one that failed; pause the run until it is mended."
                    .to_owned(),
                raises,
            });
        }
        verdicts
    }

    fn machine(&self, machine: &MachineSample) -> Vec<Verdict> {
        let mut verdicts: Vec<Verdict> = memory(machine).into_iter().collect();
        if self.swapped_per_s >= 50.0 {
            let (used, all) = (machine.swap_used_bytes, machine.swap_total_bytes);
            let used = match all {
                0 => String::new(),
                all => format!(", {} of {} swap in use", size(used), size(all)),
            };
            verdicts.push(Verdict {
                key: Key::of(AlertKind::Swapping),
                level: AlertLevel::Warning,
                text: format!("the machine swaps: {:.0} pages/s{used}", self.swapped_per_s),
                hint: "Use fewer workers: swapping costs more than they bring.".to_owned(),
                raises: self.swapped_per_s >= 200.0,
            });
        }
        let s = &self.shortage;
        if let Some((free, all)) = s.disk_free_bytes.zip(s.disk_total_bytes) {
            let tight = |bytes: u64, share: f32| free < bytes && percent(free, all) < share;
            if tight(3 << 29, 7.0) || free < 150 << 20 {
                verdicts.push(Verdict {
                    key: Key::of(AlertKind::DiskFull),
                    level: level_of(free < 100 << 20),
                    text: format!(
                        "the disk of the run's folder is nearly full: {} of {} free",
                        size(free),
                        size(all)
                    ),
                    hint: "Output of jobs goes there: make room, or pause the run.".to_owned(),
                    raises: tight(1 << 30, 5.0) || free < 100 << 20,
                });
            }
        }
        verdicts
    }

    fn workers(&self, facts: &Facts<'_>) -> Vec<Verdict> {
        let crowd = self.oversubscribed(facts);
        let crowded = crowd.as_ref().is_some_and(|verdict| verdict.raises);
        let mut verdicts: Vec<Verdict> = crowd.into_iter().collect();
        for pool in (0..).zip(facts.state.pools()).map(|(idx, _)| PoolIdx(idx)) {
            if facts.state.pool(pool).paused().is_some() {
                continue;
            }
            verdicts.extend(self.cpu_full(facts, pool).filter(|_| !crowded));
            verdicts.extend(self.waits_for_io(facts, pool));
            verdicts.extend(idle_workers(facts, pool));
        }
        verdicts
    }

    fn oversubscribed(&self, facts: &Facts<'_>) -> Option<Verdict> {
        let machine = &facts.sample.machine;
        let (cores, load) = (machine.cores.len(), machine.load[0]);
        let crowd = load / cores.max(1) as f32;
        let threads: usize = facts.sample.trees.iter().map(|t| t.threads_running as usize).sum();
        // What others do to the machine is not for fewer workers to mend.
        let own: f32 = facts.sample.trees.iter().filter_map(|tree| tree.cpu_percent).sum();
        if own < 50.0 * cores as f32 {
            return None;
        }
        if cores == 0 || crowd < 1.5 || self.means.busy < 90.0 || threads <= cores {
            return None;
        }
        let running = count(facts.state.counts().running, "job");
        let worst = facts.sample.trees.iter().filter(|tree| tree.oversubscribed);
        let worst = worst.max_by_key(|tree| tree.threads_running).map(|tree| {
            let (job, n) = (facts.names.job(tree.attempt.job), tree.threads_running);
            format!("; {job} runs {n} of its {}", tree.threads_allotted)
        });
        Some(Verdict {
            key: Key::of(AlertKind::Oversubscribed),
            level: AlertLevel::Warning,
            text: format!(
                "more threads want to run than there are cores: load {load:.1} on {cores} cores, \
                 {running} run {threads} threads{}",
                worst.unwrap_or_default()
            ),
            hint: "Use fewer workers, or fewer threads in each job (OMP_NUM_THREADS, -j)."
                .to_owned(),
            raises: crowd > 2.0 && self.means.busy > 95.0,
        })
    }

    /// All cores work: more workers would only share them.
    fn cpu_full(&self, facts: &Facts<'_>, pool: PoolIdx) -> Option<Verdict> {
        let machine = &facts.sample.machine;
        let view = facts.state.pool(pool);
        let taken = view.ready() > 0 && view.weight_used() >= view.size();
        if machine.cores.is_empty() || !taken || self.means.busy < 90.0 {
            return None;
        }
        Some(Verdict {
            key: Key { pool: Some(pool), ..Key::of(AlertKind::CpuFull) },
            level: AlertLevel::Advice,
            text: format!(
                "more workers in pool {} would not help: CPU is full ({}, load {:.1} of {}, {} \
                 ready)",
                facts.names.pool(pool),
                self.busy_words(machine),
                machine.load[0],
                machine.cores.len(),
                count(view.ready(), "job"),
            ),
            hint: "Leave the pool as it is.".to_owned(),
            raises: self.means.busy >= 95.0,
        })
    }

    /// Cores are idle, workers are taken and hardly compute: they wait.
    fn waits_for_io(&self, facts: &Facts<'_>, pool: PoolIdx) -> Option<Verdict> {
        let machine = &facts.sample.machine;
        let (view, of_jobs) = (facts.state.pool(pool), *self.means.of_pool.get(&pool)?);
        let rules = facts.state.schedule().pools.get(usize::from(pool.0))?;
        let taken = view.ready() > 0 && view.weight_used() >= view.size();
        let can_grow = view.size() < rules.max;
        let is_idle = self.means.busy < 60.0 && of_jobs < 60.0;
        if machine.cores.is_empty() || !taken || !can_grow || !is_idle {
            return None;
        }
        // What is not blocked on a disk waits for a network, a timer or another program.
        let disk = io_wait(facts, pool).filter(|percent| *percent >= 20.0);
        let what = disk.map_or("wait, not for a CPU".to_owned(), |percent| {
            format!("wait for disks {percent:.0} % of the time")
        });
        Some(Verdict {
            key: Key { pool: Some(pool), ..Key::of(AlertKind::WaitsForIo) },
            level: AlertLevel::Advice,
            text: format!(
                "workers of pool {} {what}: add some ({}, {} running with {of_jobs:.0} % CPU each, \
                 {} ready)",
                rules.name,
                self.busy_words(machine),
                count(view.running(), "job"),
                count(view.ready(), "job"),
            ),
            hint: format!("Add workers one by one, up to {}, and watch the rate.", rules.max),
            raises: self.means.busy <= 50.0 && of_jobs <= 50.0,
        })
    }

    fn busy_words(&self, machine: &MachineSample) -> String {
        format!("{} cores {:.0} % busy", machine.cores.len(), self.means.busy)
    }
}

/// How much of the time the attempts of a pool were blocked on disks; `None`: not known.
fn io_wait(facts: &Facts<'_>, pool: PoolIdx) -> Option<f32> {
    let of_pool = |tree: &&TreeSample| {
        let attempt = facts.state.attempt(tree.attempt.job);
        attempt.is_some_and(|attempt| attempt.slot.pool == pool)
    };
    let waits = facts.sample.trees.iter().filter(of_pool).filter_map(|tree| tree.io_wait_percent);
    let (sum, n) = waits.fold((0.0, 0u32), |(sum, n), percent| (sum + percent, n + 1));
    (n > 0).then(|| sum / n as f32)
}

/// Whether it comes and goes at once, as what it is about does.
fn is_there_or_not(kind: AlertKind) -> bool {
    matches!(kind, AlertKind::Deadlock | AlertKind::Stuck | AlertKind::HungJob | AlertKind::SlowJob)
}

/// For how long a rule must hold.
fn patience(kind: AlertKind) -> Duration {
    match kind {
        AlertKind::HungJob
        | AlertKind::SlowJob
        | AlertKind::FailingTask
        | AlertKind::DiskFull
        | AlertKind::Deadlock
        | AlertKind::Stuck => Duration::ZERO,
        AlertKind::MemoryPressure => Duration::from_secs(2),
        AlertKind::Swapping
        | AlertKind::Oversubscribed
        | AlertKind::CpuFull
        | AlertKind::WaitsForIo
        | AlertKind::IdleWorkers
        | AlertKind::Contention => Duration::from_secs(5),
    }
}

fn level_of(critical: bool) -> AlertLevel {
    if critical { AlertLevel::Critical } else { AlertLevel::Warning }
}

fn percent(part: u64, all: u64) -> f32 {
    if all == 0 { 100.0 } else { (part as f64 * 100.0 / all as f64) as f32 }
}

/// Something waits for memory, or little is left.
fn memory(machine: &MachineSample) -> Option<Verdict> {
    let pressure = machine.pressure.unwrap_or_default();
    let (some, full) = (pressure.memory_some, pressure.memory_full);
    let all = machine.memory_total_bytes;
    let free = all.saturating_sub(machine.memory_used_bytes);
    let free_percent = percent(free, all);
    if some <= 5.0 && full <= 2.0 && free_percent >= 8.0 {
        return None;
    }
    let left = match all {
        0 => String::new(),
        all => format!("{} of {} available, ", size(free), size(all)),
    };
    Some(Verdict {
        key: Key::of(AlertKind::MemoryPressure),
        level: level_of(full >= 10.0 || free_percent < 2.0),
        text: format!(
            "memory is short: {left}something waited for memory {some:.0} % of the last 10 s, \
             everything {full:.0} %"
        ),
        hint: "Use fewer workers, or give the task a higher weight.".to_owned(),
        raises: some >= 10.0 || full >= 5.0 || free_percent < 5.0,
    })
}

fn hung_jobs(facts: &Facts<'_>) -> Vec<Verdict> {
    let tree_of = |a: &Attempt| facts.sample.trees.iter().find(|tree| tree.attempt == a.id);
    let mut verdicts = Vec::new();
    for attempt in facts.state.attempts_running() {
        if attempt.stopping.is_some() || attempt.is_frozen() {
            continue;
        }
        let still = tree_of(attempt).and_then(|tree| tree.quiet_since);
        let still = still.filter(|since| facts.now.since(*since) >= STILL);
        let (level, word, since) = match (attempt.quiet_since, still) {
            (Some(since), _) => (AlertLevel::Warning, "hangs", since),
            (None, Some(since)) => (AlertLevel::Advice, "is still", since),
            (None, None) => continue,
        };
        let job = attempt.id.job;
        let pid = attempt.proc().map_or(String::new(), |proc| format!(" (pid {})", proc.pid));
        let (name, age) = (facts.names.job(job), duration(facts.now.since(since)));
        verdicts.push(Verdict {
            key: Key { job: Some(job), task: Some(attempt.task), ..Key::of(AlertKind::HungJob) },
            level,
            // Why comes first: on narrow screens the end is cut.
            text: match (facts.waits)(attempt.id) {
                Some(wait) => {
                    format!("{name} {word}: waits for {}, for {age}{pid}", wait.words())
                }
                None => format!("{name} {word}: no CPU, no output, no I/O for {age}{pid}"),
            },
            hint: format!("`ganger why {job}` says more; kill it when it does not go on."),
            raises: true,
        });
    }
    verdicts
}

/// Workers that have nothing to do although jobs wait, and what those wait for.
fn idle_workers(facts: &Facts<'_>, pool: PoolIdx) -> Option<Verdict> {
    let view = facts.state.pool(pool);
    let idle = view.size().saturating_sub(view.weight_used());
    if idle == 0 || view.ready() + view.blocked() == 0 {
        return None;
    }
    let why = if view.ready() == 0 { blockers(facts, pool) } else { full_tasks(facts, pool) };
    if why.is_empty() {
        return None;
    }
    Some(Verdict {
        key: Key { pool: Some(pool), ..Key::of(AlertKind::IdleWorkers) },
        level: AlertLevel::Advice,
        text: format!(
            "{idle} of {} of pool {} idle: {}",
            count(view.size(), "worker"),
            facts.names.pool(pool),
            why.join(", "),
        ),
        hint: "Move what others wait for to the front, or use the workers elsewhere.".to_owned(),
        raises: true,
    })
}

/// What the blocked jobs of a pool wait for, the first few.
fn blockers(facts: &Facts<'_>, pool: PoolIdx) -> Vec<String> {
    let state = facts.state;
    let mut ups: BTreeMap<TaskIdx, u32> = BTreeMap::new();
    for (task, rules) in (0..).map(TaskIdx).zip(&state.schedule().tasks) {
        let blocked = state.task_counts(task).blocked;
        if rules.pool != pool || blocked == 0 {
            continue;
        }
        for need in &rules.needs {
            if state.task_ended(need.task).is_none() {
                *ups.entry(need.task).or_default() += blocked;
            }
        }
    }
    let words = |(up, blocked): (TaskIdx, u32)| {
        let Counts { running, .. } = state.task_counts(up);
        let left = state.task_counts(up).waiting() + running;
        let jobs = count(blocked, "job");
        let wait = if blocked == 1 { "waits" } else { "wait" };
        format!("{jobs} {wait} for {} ({left} left, {running} running)", facts.names.task(up))
    };
    ups.into_iter().take(3).map(words).collect()
}

/// Tasks with ready jobs that run as many as they may.
fn full_tasks(facts: &Facts<'_>, pool: PoolIdx) -> Vec<String> {
    let state = facts.state;
    let tasks = (0..).map(TaskIdx).zip(&state.schedule().tasks);
    let full = tasks.filter_map(|(task, rules)| {
        let counts = state.task_counts(task);
        let max = rules.max_parallel.filter(|max| counts.running >= *max)?;
        let is_full = rules.pool == pool && counts.ready > 0;
        let ready = count(counts.ready, "job");
        is_full.then(|| format!("{} is at its max_parallel of {max} ({ready} ready)", rules.name))
    });
    full.take(3).collect()
}

impl Means {
    fn take(&mut self, facts: &Facts<'_>) {
        let machine = &facts.sample.machine;
        if machine.cores.is_empty() || facts.sample.at <= self.at {
            return;
        }
        let passed = facts.sample.at.since(self.at).as_secs_f32();
        let first = self.at == Mono::default();
        let new = if first { 1.0 } else { 1.0 - (-passed / MEMORY.as_secs_f32()).exp() };
        self.at = facts.sample.at;
        let busy: f32 = machine.cores.iter().map(crate::model::CoreShares::busy).sum();
        self.busy += new * (busy / machine.cores.len() as f32 - self.busy);
        let mut seen: BTreeMap<PoolIdx, (f32, u32)> = BTreeMap::new();
        for tree in &facts.sample.trees {
            let pool = facts.state.attempt(tree.attempt.job).map(|attempt| attempt.slot.pool);
            let (Some(pool), Some(cpu)) = (pool, tree.cpu_percent) else { continue };
            let (sum, n) = seen.entry(pool).or_default();
            (*sum, *n) = (*sum + cpu, *n + 1);
        }
        // Nothing is known of a pool whose jobs are over before anybody can look.
        self.of_pool.retain(|pool, _| seen.contains_key(pool));
        for (pool, (sum, n)) in seen {
            let now = sum / n as f32;
            let mean = self.of_pool.entry(pool).or_insert(now);
            *mean += new * (now - *mean);
        }
    }
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
