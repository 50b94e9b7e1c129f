//! Runs as text: a plan, then lines of `time input => events | effects | answer`.
//!
//! Attempts are reported as started at once, unless the plan says `started by hand`. What is
//! said twice is left out: jobs whose end is the end of an attempt, the ends of tasks.

use super::watch::Watch;
use crate::engine::{Effect, Engine, Input, Step};
use crate::model::each::{Axis, EachMap, ProductMap, SharedAxis};
use crate::model::exec::Finding;
use crate::model::locks::{Given, LockChange, LockKind, LockNotice, Member, Name, Op, Party};
use crate::model::waits::ThreadRef;
use crate::model::waits::report::Verdict;
use crate::model::waits::stuck::{Sighting, Stuck};
use crate::model::{
    Answer, Asked, AttemptId, Command, Event, ExecReport, Exit, JobNo, Mono, Now, Outcome,
    PauseTarget, PoolIdx, ProcRef, Rank, Requester, StopHow, StopReason, TaskIdx, Usage, Wall,
    signal_name, signal_number,
};
use crate::plan::{
    Declared, FailFast, Need, NeedWhen, OnDeadlock, OnFailure, PoolRules, QuietAction, QuietRule,
    Schedule, TaskRules,
};
use std::time::Duration;

pub(super) struct Story {
    pub engine: Engine,
    watch: Watch,
    counts: Vec<u32>,
    auto_start: bool,
    with_slots: bool,
    now: Now,
}

/// Plays a story and compares it line by line.
pub(super) fn check_run(script: &str) -> Story {
    let mut story = Story::of_plan(script);
    let (mut told, mut played) = (String::new(), String::new());
    for line in script.lines().map(str::trim) {
        if line.is_empty() || line.starts_with("plan ") || line.starts_with('#') {
            continue;
        }
        let (input, expected) = line.split_once("=>").unwrap_or_else(|| panic!("no => in {line}"));
        let squeezed = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut want: Vec<String> = expected.split('|').map(squeezed).collect();
        want.resize(3, String::new());
        let got = story.play(&squeezed(input));
        // Of an answer a part is enough.
        let answer = if got[2].contains(&want[2]) { want[2].clone() } else { got[2].clone() };
        let show = |parts: [&str; 3]| format!("{} => {}\n", squeezed(input), parts.join(" | "));
        told += &show([&want[0], &want[1], &want[2]]);
        played += &show([&got[0], &got[1], &answer]);
        assert_eq!(told, played, "the story was told as the left and played as the right");
    }
    story
}

pub(super) fn duration(text: &str) -> Duration {
    let seconds = text.trim_end_matches('s').parse();
    Duration::from_secs_f64(seconds.unwrap_or_else(|_| panic!("`{text}` is no time")))
}

/// The map between tasks of so many jobs, one number a multiple of the other.
pub(super) fn each_map(ups: u32, downs: u32) -> EachMap {
    let shared = ups.min(downs);
    let (a, b) = (ups / shared.max(1), downs / shared.max(1));
    EachMap::Product(ProductMap {
        shared: vec![SharedAxis { len: shared, up_stride: a, down_stride: b }],
        up_only: vec![Axis { len: a, stride: 1 }],
        down_only: vec![Axis { len: b, stride: 1 }],
    })
}

impl Story {
    fn of_plan(script: &str) -> Story {
        let pool =
            |name: &str, size| PoolRules { name: name.into(), min: 0, max: 100, start: size };
        let mut schedule = Schedule { pools: vec![pool("default", 1)], ..Schedule::default() };
        let (mut counts, mut auto_start, mut with_slots) = (Vec::new(), true, false);
        for line in script.lines().filter_map(|l| l.trim().strip_prefix("plan ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["workers", size] => schedule.pools[0].start = size.parse().unwrap(),
                ["workers", size, min, max] => {
                    let number = |s: &str| s.split_once('=').unwrap().1.parse().unwrap();
                    let pool = &mut schedule.pools[0];
                    pool.start = size.parse().unwrap();
                    (pool.min, pool.max) = (number(min), number(max));
                }
                ["pool", name, size] => schedule.pools.push(pool(name, size.parse().unwrap())),
                ["fail_fast", limit] => {
                    schedule.fail_fast = Some(match limit.strip_suffix('%') {
                        Some(percent) => FailFast::Percent(percent.parse().unwrap()),
                        None => FailFast::Jobs(limit.parse().unwrap()),
                    });
                }
                ["started", "by", "hand"] => auto_start = false,
                ["semaphore", name, max] => {
                    let max = max.parse().unwrap();
                    schedule.shared.declared.push((name.into(), Declared::Semaphore { max }));
                }
                ["on_deadlock", what] => {
                    schedule.shared.on_deadlock = match what {
                        "stop_youngest" => OnDeadlock::StopYoungest,
                        "stop" => OnDeadlock::Stop,
                        _ => OnDeadlock::Report,
                    };
                }
                ["with", "slots"] => with_slots = true,
                _ => {
                    let (name, options) = line.split_once(':').unwrap();
                    let (rules, count) = task_rules(&schedule, name.trim(), options);
                    schedule.tasks.push(rules);
                    counts.push(count);
                }
            }
        }
        let watch = Watch::new(&schedule);
        let engine = Engine::new(schedule, 1);
        let mut story =
            Story { engine, watch, counts, auto_start, with_slots, now: Now::default() };
        for t in 0..story.counts.len() as u32 {
            let late = story.engine.state.rules(TaskIdx(t)).expand_when_ready;
            if !late && story.counts[t as usize] != u32::MAX {
                let input = story.jobs_of(TaskIdx(t), story.counts[t as usize]);
                story.handle(input);
            }
        }
        story
    }

    fn jobs_of(&self, task: TaskIdx, count: u32) -> Input {
        let rules = self.engine.state.rules(task);
        let linked = rules.needs.iter().filter(|n| n.each && !self.engine.state.is_void(n.task));
        let each = linked.map(|n| each_map(self.counts[n.task.0 as usize], count)).collect();
        Input::JobsAdded { task, count, each }
    }

    fn handle(&mut self, input: Input) -> Step {
        let step = self.engine.handle(self.now, input.clone());
        if let Err(e) = self.watch.step(self.now, &input, &step, &self.engine) {
            panic!("{e}\n  at {:?} {input:?}", self.now.mono);
        }
        step
    }

    /// Plays one line; returns its events, effects and answer.
    fn play(&mut self, line: &str) -> [String; 3] {
        let (time, words) = line.split_once(' ').unwrap();
        let micros = duration(time).as_micros() as u64;
        self.now = Now { mono: Mono(micros), wall: Wall(micros as i64) };
        let input = self.input(words);
        let mut step = self.handle(input);
        let mut i = 0;
        while i < step.effects.len() {
            if let (Effect::Launch { attempt, .. }, true) = (&step.effects[i], self.auto_start) {
                let (pid, at) = (attempt.job.0 as i32 + 100, self.now);
                let proc = ProcRef { pid, start_ticks: 1 };
                let report = ExecReport::Started { attempt: *attempt, proc, at };
                let more = self.handle(Input::Exec(report));
                let quiet = |e: &Event| !matches!(e, Event::AttemptStarted { .. });
                step.events.extend(more.events.into_iter().filter(quiet));
                step.effects.extend(more.effects);
            }
            i += 1;
        }
        let events: Vec<String> =
            (0..step.events.len()).filter_map(|i| self.event(&step.events, i)).collect();
        let effects: Vec<String> = step.effects.iter().map(|e| self.effect(e)).collect();
        let answer = match step.answer {
            None => String::new(),
            Some(Answer::Done(words)) => format!("done: {words}"),
            Some(Answer::Refused(words)) => format!("refused: {words}"),
        };
        [events.join(", "), effects.join(", "), answer]
    }

    // ---- words to inputs

    fn input(&self, words: &str) -> Input {
        let (words, by) = match words.split_once(" by ") {
            Some((words, "screen")) => (words, Requester::Screen),
            Some((words, signal)) => {
                (words, Requester::Signal { signal: signal_number(signal).unwrap() })
            }
            None => (words, Requester::Cli { pid: 7 }),
        };
        let at = self.now;
        let words: Vec<&str> = words.split(' ').collect();
        let command = match words[..] {
            ["tick"] if self.engine.state.started().is_none() => return Input::Start,
            ["tick"] => return Input::Tick,
            ["jobs", task, count] => {
                return self.jobs_of(self.task(task), count.parse().unwrap());
            }
            ["no-inputs", task] => {
                let error = "file gone".to_owned();
                return Input::InputsFailed { task: self.task(task), error };
            }
            [
                "lock" | "unlock" | "died" | "put" | "get" | "wait" | "set" | "meet",
                job,
                ref names @ ..,
            ] => {
                return Input::Locks(vec![self.lock_change(words[0], self.job(job), names)]);
            }
            ["no-help", no] => return Input::NoHelp { no: no.parse().unwrap() },
            ["saw", ref words @ ..] => return Input::Seen(self.sighting(words)),
            ["quiet" | "moves", attempt] => {
                let (attempt, quiet) = (self.attempt(attempt), words[0] == "quiet");
                return Input::Finding(Finding { attempt, quiet_since: at.mono, quiet });
            }
            ["scale", pool, size, ref rest @ ..] => Command::Scale {
                pool: self.pool(pool),
                size: size.parse().unwrap(),
                now: rest == ["now"],
            },
            ["permits", name, max] => {
                Command::ResizeSemaphore { name: name.into(), max: max.parse().unwrap() }
            }
            ["close", name] => Command::CloseQueue { name: name.into() },
            ["pause", ref what @ ..] => Command::Pause { target: self.target(what) },
            ["resume", ref what @ ..] => Command::Resume { target: self.target(what) },
            ["kill", job, ref rest @ ..] => {
                Command::Kill { job: self.job(job), now: rest == ["now"] }
            }
            ["signal", job, signal] => {
                Command::Signal { job: self.job(job), signal: signal_number(signal).unwrap() }
            }
            ["priority", job, "first"] => {
                Command::Prioritize { job: self.job(job), to: Rank::First }
            }
            ["priority", job, "of-task"] => {
                Command::Prioritize { job: self.job(job), to: Rank::OfTask }
            }
            ["priority", job, n] => {
                Command::Prioritize { job: self.job(job), to: Rank::Priority(n.parse().unwrap()) }
            }
            ["many", ref all @ ..] => Command::Many { commands: self.many(all) },
            ["retry", job] => Command::Retry { job: self.job(job) },
            ["drain"] => Command::Stop { how: StopHow::Drain },
            ["stop"] => Command::Stop { how: StopHow::Stop },
            ["kill-all"] => Command::Stop { how: StopHow::Kill },
            _ => return Input::Exec(self.report(&words)),
        };
        Input::Asked(Asked { by, command })
    }

    /// Reads `lock a:1 x y`, `unlock a:1 x`, `died a:1`: the leader of the job asks.
    fn lock_change(&self, what: &str, job: JobNo, names: &[&str]) -> LockChange {
        let proc = ProcRef { pid: job.0 as i32 + 100, start_ticks: 1 };
        let names: Vec<Name> = names.iter().map(|name| (*name).into()).collect();
        let op = match what {
            "died" => return LockChange::Died { proc },
            "unlock" => Op::Release { names, anyone: false },
            "put" => Op::QueuePut {
                name: names[0].clone(),
                items: vec![crate::model::Text(b"item".to_vec())],
                max: Some(1),
                priority: 0,
                timeout_ms: None,
            },
            "get" => Op::QueueGet {
                name: names[0].clone(),
                n: 1,
                keep: false,
                tied: false,
                timeout_ms: None,
            },
            "wait" => Op::EventWait { name: names[0].clone(), timeout_ms: None },
            "set" => Op::EventSet { name: names[0].clone() },
            "meet" => Op::BarrierWait {
                name: names[0].clone(),
                parties: Some(3),
                act: false,
                timeout_ms: None,
            },
            _ => Op::Acquire { names, kind: LockKind::Lock, shared: false, timeout_ms: None },
        };
        let attempt = self.engine.state.attempt(job).map(|a| a.id);
        let party = Party { proc: Some(proc), attempt, ..Party::default() };
        LockChange::Asked { client: u64::from(job.0), id: self.now.mono.0, party, op }
    }

    /// Reads `saw deadlock a:1#1 b#1`, `saw gone 1`: from outside, the leaders of these.
    fn sighting(&self, words: &[&str]) -> Sighting {
        let kind = match words[0] {
            "gone" => return Sighting::Gone { id: words[1].parse().unwrap() },
            "deadlock" => Verdict::Deadlock,
            "abandoned" => Verdict::Abandoned,
            _ => Verdict::Stalled,
        };
        let member = |name: &&str| {
            let attempt = self.attempt(name);
            let proc = Some(ProcRef { pid: attempt.job.0 as i32 + 100, start_ticks: 1 });
            Member {
                party: Party { proc, attempt: Some(attempt), ..Party::default() },
                job: Some(attempt.job),
                task: self.engine.state.task_of(attempt.job).map(|(task, _)| task),
                holds: Vec::new(),
                wants: Vec::new(),
                since: self.now.mono,
            }
        };
        let members: Vec<Member> = words[1..].iter().map(member).collect();
        let proc = members.iter().filter_map(|m| m.party.proc);
        let threads = proc.map(|proc| ThreadRef { proc, tid: proc.pid }).collect();
        let (at, text) = (self.now.mono, words[1..].join(" and "));
        Sighting::Found(Box::new(Stuck { id: 0, kind, at, members, behind: 0, threads, text }))
    }

    /// Reads `kill a:1 + kill a:2 + retry b`.
    fn many(&self, words: &[&str]) -> Vec<Command> {
        let command = |words: &[&str]| match self.input(&words.join(" ")) {
            Input::Asked(asked) => asked.command,
            other => panic!("{other:?} is no command"),
        };
        words.split(|word| *word == "+").map(command).collect()
    }

    fn report(&self, words: &[&str]) -> ExecReport {
        let (at, attempt) = (self.now, self.attempt(words[1]));
        let option = |name: &str| {
            let value = words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
            value.map(|v| v.parse::<u32>().unwrap())
        };
        match words[0] {
            "started" => {
                let proc = ProcRef { pid: 1, start_ticks: 1 };
                ExecReport::Started { attempt, proc, at }
            }
            "up-to-date" => ExecReport::UpToDate { attempt, at },
            "spawn-failed" => {
                ExecReport::SpawnFailed { attempt, error: "not found".to_owned(), at }
            }
            "exit" => ExecReport::LeaderEnded {
                attempt,
                exit: match (words[2], words[2].parse()) {
                    ("unseen", _) => None,
                    (_, Ok(code)) => Some(Exit::Code(code)),
                    (word, Err(_)) => Some(Exit::Signal(signal_number(word).unwrap())),
                },
                usage: Usage::default(),
                leftovers: option("left").unwrap_or(0),
                oom_killed: words.contains(&"oom").then_some(true),
                at,
            },
            "gone" => ExecReport::TreeGone {
                attempt,
                swept: option("swept").unwrap_or(0),
                unkillable: option("unkillable").unwrap_or(0),
                at,
            },
            "over" => {
                let reason = match words[2] {
                    "memory" => StopReason::MemoryLimit,
                    _ => StopReason::ProcessLimit,
                };
                ExecReport::OverLimit { attempt, reason, at }
            }
            _ => panic!("{words:?} is no input"),
        }
    }

    fn task(&self, name: &str) -> TaskIdx {
        let tasks = &self.engine.state.schedule().tasks;
        TaskIdx(tasks.iter().position(|t| t.name == name).unwrap() as u32)
    }

    fn pool(&self, name: &str) -> PoolIdx {
        let pools = &self.engine.state.schedule().pools;
        PoolIdx(pools.iter().position(|p| p.name == name).unwrap() as u16)
    }

    pub(super) fn job(&self, name: &str) -> JobNo {
        let (task, index) = name.split_once(':').unwrap_or((name, "1"));
        let index: u32 = index.parse().unwrap();
        self.engine.state.job_of(self.task(task), index - 1).unwrap_or(JobNo(999))
    }

    fn attempt(&self, name: &str) -> AttemptId {
        let (job, n) = name.split_once('#').unwrap();
        AttemptId { job: self.job(job), n: n.parse().unwrap() }
    }

    fn target(&self, words: &[&str]) -> PauseTarget {
        match words {
            ["run"] => PauseTarget::Run,
            ["pool", name] => PauseTarget::Pool(self.pool(name)),
            _ => PauseTarget::Job(self.job(words[0])),
        }
    }

    // ---- facts to words

    fn name(&self, job: JobNo) -> String {
        let (task, index) = self.engine.state.task_of(job).unwrap();
        let name = &self.engine.state.rules(task).name;
        match self.engine.state.task_counts(task).total {
            1 => name.clone(),
            _ => format!("{name}:{}", index + 1),
        }
    }

    fn id(&self, attempt: AttemptId) -> String {
        format!("{}#{}", self.name(attempt.job), attempt.n)
    }

    fn event(&self, events: &[Event], i: usize) -> Option<String> {
        let task = |t: &TaskIdx| self.engine.state.rules(*t).name.clone();
        let seconds = |at: &Mono| format!("{}s", at.0 as f64 / 1e6);
        Some(match &events[i] {
            Event::RunStarted { .. }
            | Event::TaskEnded { .. }
            | Event::Linked { .. }
            | Event::Shared { .. }
            | Event::Signalled { .. } => return None,
            Event::JobsAdded { task: t, count, .. } => format!("added {} {count}", task(t)),
            Event::InputsFailed { task: t, .. } => format!("no-inputs {}", task(t)),
            Event::Expanding { task: t } => format!("expanding {}", task(t)),
            Event::AttemptLaunched { attempt, .. } => format!("launched {}", self.id(*attempt)),
            Event::AttemptStarted { attempt, .. } => format!("started {}", self.id(*attempt)),
            Event::AttemptStopping { attempt, reason, .. } => {
                format!("stopping {} {}", self.id(*attempt), reason_word(*reason))
            }
            Event::LeaderEnded { attempt, .. } => format!("leaderless {}", self.id(*attempt)),
            Event::AttemptQuiet { attempt, quiet, .. } => {
                format!("{} {}", if *quiet { "quiet" } else { "moves" }, self.id(*attempt))
            }
            Event::AttemptEnded { attempt, outcome, swept, .. } => {
                let swept = if *swept > 0 { format!(" swept={swept}") } else { String::new() };
                format!("ended {} {}{swept}", self.id(*attempt), word(*outcome))
            }
            Event::JobRetrying { job, ready_at, .. } => {
                let at = match ready_at.since(self.now.mono) {
                    Duration::ZERO => String::new(),
                    _ => format!(" at {}", seconds(ready_at)),
                };
                format!("retrying {}{at}", self.name(*job))
            }
            Event::BackoffOver { job } => format!("ready {}", self.name(*job)),
            Event::Unskipped { task: t, job, .. } => match job {
                Some(job) => format!("unskipped {}", self.name(*job)),
                None => format!("unskipped {}", task(t)),
            },
            Event::JobEnded { job, outcome, .. } => {
                let before = i.checked_sub(1).map(|i| &events[i]);
                if matches!(before, Some(Event::AttemptEnded { attempt, outcome: o, .. })
                    if attempt.job == *job && o == outcome)
                {
                    return None;
                }
                format!("{} {}", word(*outcome), self.name(*job))
            }
            Event::RestEnded { task: t, outcome, count, .. } => {
                format!("{} {count} of {}", word(*outcome), task(t))
            }
            Event::Scaled { from, to, .. } => format!("scaled {from} to {to}"),
            Event::Prioritized { job, to, .. } => match to {
                Some(to) => format!("priority {} {to}", self.name(*job)),
                None => format!("priority {} of-task", self.name(*job)),
            },
            Event::Paused { .. } => "paused".to_owned(),
            Event::Resumed { .. } => "resumed".to_owned(),
            Event::LocksAwaited { task: t, .. } => format!("awaits {}", task(t)),
            Event::LocksFree { task: t } => format!("free {}", task(t)),
            Event::LockNoticed { notice, .. } => match &**notice {
                LockNotice::OwnerDied { names, .. } => format!("owner-died {}", names.join("+")),
                LockNotice::OrderInverted { first, second, .. } => {
                    format!("inverted {first}+{second}")
                }
                LockNotice::HeldLong { name, .. } => format!("held-long {name}"),
                LockNotice::WaitsLong { name, .. } => format!("waits-long {name}"),
            },
            Event::DeadlockFound { deadlock, .. } => format!("deadlock {}", deadlock.text),
            Event::DeadlockGone { id, .. } => format!("deadlock-gone {id}"),
            Event::StuckFound { stuck, .. } => format!("{} {}", stuck.kind.word(), stuck.text),
            Event::StuckGone { id, .. } => format!("stuck-gone {id}"),
            Event::RunStopping { how, .. } => format!("run-stopping {how:?}").to_lowercase(),
            Event::RunEnded { outcome, exit_code, .. } => {
                format!("run {outcome:?} {exit_code}").to_lowercase()
            }
        })
    }

    fn effect(&self, effect: &Effect) -> String {
        match effect {
            Effect::Launch { attempt, slot, .. } if self.with_slots => {
                format!("launch {} @{}", self.id(*attempt), slot.n)
            }
            Effect::Launch { attempt, .. } => format!("launch {}", self.id(*attempt)),
            Effect::Signal { attempt, signal } => {
                let name = signal_name(*signal).trim_start_matches("SIG").to_lowercase();
                format!("{name} {}", self.id(*attempt))
            }
            Effect::Kill { attempt } => format!("kill {}", self.id(*attempt)),
            Effect::Freeze { attempt } => format!("freeze {}", self.id(*attempt)),
            Effect::Thaw { attempt } => format!("thaw {}", self.id(*attempt)),
            Effect::Expand { task } => format!("expand {}", self.engine.state.rules(*task).name),
            Effect::LookForHelp { no, .. } => format!("look {no}"),
            Effect::CloseCell { name } => format!("close {name}"),
            Effect::OpenCell { name, permits } => format!("open {name} {permits}"),
            Effect::Tell { client, result, .. } => {
                let fate = match result {
                    Ok(Given::Locks { owner_died }) if !owner_died.is_empty() => {
                        format!("died={}", owner_died.join("+"))
                    }
                    Ok(_) => "ok".to_owned(),
                    Err(refusal) => format!("{:?}", refusal.error).to_lowercase(),
                };
                format!("tell {} {fate}", self.name(JobNo(*client as u32)))
            }
        }
    }
}

fn word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { code } => format!("failed({code})"),
        Outcome::Signaled { signal } => format!("signaled({})", signal_name(signal)),
        other => other.word().replace('_', "-"),
    }
}

fn reason_word(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Leftovers => "leftovers",
        StopReason::Quiet => "quiet",
        StopReason::Timeout => "timeout",
        StopReason::Deadlock => "deadlock",
        StopReason::ProcessLimit => "processes",
        StopReason::MemoryLimit => "memory",
        StopReason::Shrink => "shrink",
        StopReason::Kill => "kill",
        StopReason::Abort => "abort",
        StopReason::RunStop => "run-stop",
    }
}

/// Reads `jobs=3 needs=a+b:each timeout=5s`; the number of jobs is 1 unless told, `?` for a
/// task whose inputs come later.
fn task_rules(schedule: &Schedule, name: &str, options: &str) -> (TaskRules, u32) {
    let mut rules = TaskRules { name: name.to_owned(), ..TaskRules::default() };
    let mut count = 1;
    let codes = |text: &str| text.split('+').map(|c| c.parse().unwrap()).collect();
    for option in options.split_whitespace() {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key {
            "jobs" => count = value.parse().unwrap_or(u32::MAX),
            "needs" => rules.needs = value.split('+').map(|n| need(schedule, n)).collect(),
            "pool" => {
                let place = schedule.pools.iter().position(|p| p.name == value).unwrap();
                rules.pool = PoolIdx(place as u16);
            }
            "max" => rules.max_parallel = Some(value.parse().unwrap()),
            "weight" => rules.weight = value.parse().unwrap(),
            "priority" => rules.priority = value.parse().unwrap(),
            "timeout" => rules.timeout = Some(duration(value)),
            "grace" => rules.stop.grace = duration(value),
            "signal" => rules.stop.signal = signal_number(value).unwrap(),
            "retries" => rules.retries.max = value.parse().unwrap(),
            "delay" => rules.retries.delay = duration(value),
            "factor" => rules.retries.factor = value.parse().unwrap(),
            "max_delay" => rules.retries.max_delay = Some(duration(value)),
            "codes" => rules.retries.exit_codes = Some(codes(value)),
            "ok" => rules.ok_codes = codes(value),
            "on_failure" => {
                rules.on_failure = match value {
                    "stop" => OnFailure::Stop,
                    "abort" => OnFailure::Abort,
                    _ => OnFailure::Continue,
                }
            }
            "quiet" => {
                let action = match value {
                    "stop" => QuietAction::Stop,
                    "retry" => QuietAction::Retry,
                    _ => QuietAction::Report,
                };
                rules.quiet = Some(QuietRule { after: Duration::from_secs(1), action });
            }
            "late" => rules.expand_when_ready = true,
            "locks" => {
                let lock = |text: &str| match text.strip_suffix(":shared") {
                    Some(name) => (name.into(), true),
                    None => (text.into(), false),
                };
                rules.takes.locks = value.split('+').map(lock).collect();
            }
            "uses" => {
                let (name, n) = value.split_once(':').unwrap();
                rules.takes.uses = vec![(name.into(), n.parse().unwrap())];
            }
            _ => panic!("`{option}` is no option"),
        }
    }
    (rules, count)
}

fn need(schedule: &Schedule, text: &str) -> Need {
    let mut parts = text.split(':');
    let name = parts.next().unwrap();
    let task = schedule.tasks.iter().position(|t| t.name == name).unwrap();
    let mut need = Need { task: TaskIdx(task as u32), when: NeedWhen::Succeeded, each: false };
    for part in parts {
        match part {
            "each" => need.each = true,
            "failed" => need.when = NeedWhen::Failed,
            "always" => need.when = NeedWhen::Always,
            _ => panic!("`{part}` is no way to need"),
        }
    }
    need
}
