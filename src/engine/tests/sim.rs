//! A random schedule in a random world: processes that hang, ignore TERM, leave children
//! behind, cannot be started; reports that come twice, too late or about nobody; people who
//! press every key.

use super::sabotage::Sabotage;
use super::watch::Watch;
use super::world::{Dice, World};
use crate::engine::{Effect, Engine, Input, JobState, Step, inverse};
use crate::model::each::EachMap;
use crate::model::exec::Finding;
use crate::model::locks::{LockChange, LockKind, Member, Name, Op, Party};
use crate::model::waits::ThreadRef;
use crate::model::waits::report::Verdict;
use crate::model::waits::stuck::{Sighting, Stuck};
use crate::model::{
    Asked, AttemptId, Command, Event, ExecReport, Exit, JobNo, Mono, Now, PauseTarget, PoolIdx,
    ProcRef, Rank, Requester, StopHow, StopReason, TaskIdx, Usage, Wall,
};
use crate::plan::TaskRules;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// Inputs with people and chance in play; then everything is let go to its end.
const WILD_INPUTS: u32 = 100;
/// More inputs than any run of this size needs to end once it is let go.
const INPUTS_MAX: u32 = 3000;

/// How a process behaves.
#[derive(Clone, Debug)]
struct Process {
    leader_gone: bool,
    stopped: bool,
    ignores_term: bool,
    hangs: bool,
    leftovers: u32,
    exit: Exit,
}

/// One run.
pub(super) struct Sim {
    dice: Dice,
    engine: Engine,
    watch: Watch,
    sabotage: Option<Sabotage>,
    /// Jobs of each task, known to the world before the engine hears of them; `None`: its
    /// inputs cannot be read.
    sizes: Vec<Option<u32>>,
    maps: BTreeMap<(u32, usize), EachMap>,
    told: BTreeSet<u32>,
    now: Mono,
    /// What is about to be reported, by time and a number that keeps the order.
    coming: BTreeMap<(Mono, u64), Input>,
    serial: u64,
    /// Nobody interferes any more.
    calm: bool,
    processes: BTreeMap<AttemptId, Process>,
    /// What happened, for people; kept when wanted.
    pub(super) transcript: Option<String>,
    pub(super) steps: Vec<Step>,
    pub(super) inputs: u32,
}

impl Sim {
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>, talk: bool) -> Sim {
        let mut dice = Dice::new(seed);
        let mut world = World::random(&mut dice);
        let watch = Watch::new(&world.schedule);
        let mut fault = None;
        match sabotage {
            Some(Sabotage::Planted(planted)) => fault = Some(planted),
            Some(sabotage) => sabotage.schedule(&mut world.schedule),
            None => {}
        }
        let mut engine = Engine::new(world.schedule, seed);
        engine.fault = fault;
        Sim {
            dice,
            engine,
            watch,
            sabotage,
            sizes: world.sizes,
            maps: world.maps,
            told: BTreeSet::new(),
            now: Mono(1),
            coming: BTreeMap::new(),
            serial: 0,
            calm: false,
            processes: BTreeMap::new(),
            transcript: talk.then(String::new),
            steps: Vec::new(),
            inputs: 0,
        }
    }

    /// Plays the run to its end; an error says which promise was broken.
    pub(super) fn play(&mut self) -> Result<(), String> {
        self.later(1000, Input::Start);
        for task in 0..self.sizes.len() as u32 {
            if !self.rules(task).expand_when_ready && !self.waits_for_axes(task) {
                self.tell_inputs(task);
            }
        }
        while self.engine.state().ended().is_none() {
            if self.inputs > INPUTS_MAX {
                return Err(format!("no end after {INPUTS_MAX} inputs"));
            }
            let idle = self.coming.is_empty() && self.engine.next_deadline().is_none();
            if !self.calm && (self.inputs >= WILD_INPUTS || idle) {
                self.let_go()?;
            } else {
                let wild = !self.calm && self.dice.chance(30);
                let input = match wild {
                    true if self.dice.chance(40) => self.lock_whim(),
                    true => self.whim(),
                    false => self.next_input()?,
                };
                self.feed(input)?;
            }
        }
        // Nothing happens after the end.
        for input in [Input::Tick, self.whim()] {
            self.feed(input)?;
        }
        self.watch.replay_from_json()
    }

    fn rules(&self, task: u32) -> TaskRules {
        self.engine.state().schedule().tasks[task as usize].clone()
    }

    fn feed(&mut self, input: Input) -> Result<(), String> {
        self.inputs += 1;
        if let Input::Exec(ExecReport::LeaderEnded { attempt, .. }) = &input
            && let Some(process) = self.processes.get_mut(attempt)
        {
            process.leader_gone = true;
        }
        let now = Now { mono: self.now, wall: Wall(self.now.0 as i64) };
        let mut step = self.engine.handle(now, input.clone());
        if let Some(sabotage) = self.sabotage {
            sabotage.step(&mut step);
        }
        if let Some(text) = &mut self.transcript {
            let _ = writeln!(text, "{:>9} {input:?}", self.now.0);
            for event in &step.events {
                let _ = writeln!(text, "            {event:?}");
            }
            for effect in &step.effects {
                let _ = writeln!(text, "            -> {effect:?}");
            }
        }
        self.watch.step(now, &input, &step, &self.engine)?;
        for effect in &step.effects {
            self.perform(effect);
        }
        for event in &step.events {
            // Nothing of an attempt is left: somebody notices, a little later.
            if let Event::AttemptEnded { attempt, .. } = event {
                let proc = proc_of(*attempt);
                self.later(40, Input::Locks(vec![LockChange::Died { proc }]));
            }
            if matches!(
                event,
                Event::JobsAdded { .. } | Event::InputsFailed { .. } | Event::TaskEnded { .. }
            ) {
                for task in 0..self.sizes.len() as u32 {
                    if !self.told.contains(&task) && !self.rules(task).expand_when_ready {
                        self.tell_inputs(task);
                    }
                }
            }
        }
        self.steps.push(step);
        Ok(())
    }

    fn later(&mut self, max_ms: u32, input: Input) {
        let at = self.now + self.dice.millis(max_ms);
        self.serial += 1;
        self.coming.insert((at, self.serial), input);
    }

    /// What happens next: a report, or a deadline, perhaps noticed late.
    fn next_input(&mut self) -> Result<Input, String> {
        let deadline =
            self.engine.next_deadline().filter(|_| self.sabotage != Some(Sabotage::Oversleep));
        let report = self.coming.first_key_value().map(|(key, _)| *key);
        match (deadline, report) {
            (None, None) => Err("the run waits for nothing".to_owned()),
            (Some(at), report) if report.is_none_or(|(r, _)| at <= r) => {
                let late =
                    if self.dice.chance(20) { self.dice.millis(300) } else { Duration::ZERO };
                self.now = self.now.max(at + late);
                Ok(Input::Tick)
            }
            (_, Some(key)) => {
                self.now = self.now.max(key.0);
                Ok(self.coming.remove(&key).unwrap_or(Input::Tick))
            }
            (Some(_), None) => Err("a deadline got lost".to_owned()),
        }
    }

    // ---- inputs of tasks

    /// Links to a task that is read late cannot be known before.
    fn waits_for_axes(&self, task: u32) -> bool {
        let needs = self.rules(task).needs;
        needs.iter().any(|n| {
            let late = n.each && self.rules(n.task.0).expand_when_ready;
            late && !self.told.contains(&n.task.0) && !self.engine.state().is_void(n.task)
        })
    }

    fn tell_inputs(&mut self, task: u32) {
        if self.waits_for_axes(task) || !self.told.insert(task) {
            return;
        }
        let Some(count) = self.sizes[task as usize] else {
            let error = "no such file".to_owned();
            return self.later(800, Input::InputsFailed { task: TaskIdx(task), error });
        };
        let mut each = Vec::new();
        for (position, need) in self.rules(task).needs.iter().enumerate() {
            if need.each && !self.engine.state().is_void(need.task) {
                each.extend(self.maps.get(&(task, position)).cloned());
            }
        }
        self.later(800, Input::JobsAdded { task: TaskIdx(task), count, each });
    }

    // ---- processes

    fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::Launch { attempt, .. } => self.launch(*attempt),
            Effect::Signal { attempt, signal } => self.signal(*attempt, *signal),
            Effect::Kill { attempt } => self.kill(*attempt),
            Effect::Freeze { attempt } => self.set_stopped(*attempt, true),
            Effect::Thaw { attempt } => self.set_stopped(*attempt, false),
            Effect::Tell { .. }
            | Effect::LookForHelp { .. }
            | Effect::OpenCell { .. }
            | Effect::CloseCell { .. } => {}
            Effect::Expand { task } => {
                self.told.remove(&task.0);
                self.tell_inputs(task.0);
            }
        }
    }

    fn launch(&mut self, attempt: AttemptId) {
        let at = Now { mono: self.now, wall: Wall(0) };
        let fate = self.dice.below(100);
        if fate < 4 {
            let error = "program not found".to_owned();
            return self.later(50, Input::Exec(ExecReport::SpawnFailed { attempt, error, at }));
        }
        if fate < 8 {
            return self.later(50, Input::Exec(ExecReport::UpToDate { attempt, at }));
        }
        let codes = [Exit::Code(0), Exit::Code(0), Exit::Code(1), Exit::Code(2), Exit::Signal(11)];
        let process = Process {
            leader_gone: false,
            stopped: false,
            ignores_term: self.dice.chance(25),
            hangs: self.dice.chance(10) && !self.calm,
            leftovers: if self.dice.chance(15) { 1 + self.dice.below(3) } else { 0 },
            exit: self.dice.pick(&codes),
        };
        self.processes.insert(attempt, process);
        let proc = proc_of(attempt);
        let delay = if self.dice.chance(10) { 900 } else { 30 };
        self.later(delay, Input::Exec(ExecReport::Started { attempt, proc, at }));
        self.plan_exit(attempt, 1500);
    }

    /// Lets the leader exit by itself after a while.
    fn plan_exit(&mut self, attempt: AttemptId, max_ms: u32) {
        let Some(process) = self.processes.get(&attempt).filter(|p| !p.leader_gone) else { return };
        let (exit, leftovers) = (process.exit, process.leftovers);
        if !process.hangs {
            self.leader_ends(attempt, exit, leftovers, 60 + max_ms);
        }
    }

    fn leader_ends(&mut self, attempt: AttemptId, exit: Exit, leftovers: u32, max_ms: u32) {
        let at = Now { mono: self.now, wall: Wall(0) };
        let oom = [None, None, Some(false), Some(true)];
        let oom_killed = self.dice.pick(&oom);
        let usage = Usage::default();
        let exit = (!self.dice.chance(2)).then_some(exit);
        let report = ExecReport::LeaderEnded { attempt, exit, usage, leftovers, oom_killed, at };
        if self.dice.chance(3) {
            self.later(max_ms + 50, Input::Exec(report.clone()));
        }
        self.later(max_ms, Input::Exec(report));
    }

    fn set_stopped(&mut self, attempt: AttemptId, stopped: bool) {
        if let Some(process) = self.processes.get_mut(&attempt) {
            process.stopped = stopped;
        }
        if stopped {
            // What it was about to do does not happen.
            self.coming.retain(|_, input| {
                !matches!(input, Input::Exec(ExecReport::LeaderEnded { attempt: a, .. }) if *a == attempt)
            });
        } else {
            self.plan_exit(attempt, 500);
        }
    }

    fn signal(&mut self, attempt: AttemptId, signal: i32) {
        self.set_stopped(attempt, false);
        let Some(process) = self.processes.get(&attempt).cloned() else { return };
        if process.ignores_term {
            return;
        }
        let gone = ExecReport::TreeGone {
            attempt,
            swept: process.leftovers,
            unkillable: 0,
            at: Now { mono: self.now, wall: Wall(0) },
        };
        if !process.leader_gone {
            let exit = if self.dice.chance(30) { Exit::Code(0) } else { Exit::Signal(signal) };
            let left = if self.dice.chance(80) { 0 } else { process.leftovers };
            self.leader_ends(attempt, exit, left, 300);
            if left > 0 {
                self.later(600, Input::Exec(gone));
            }
        } else {
            self.later(300, Input::Exec(gone));
        }
    }

    fn kill(&mut self, attempt: AttemptId) {
        let Some(process) = self.processes.get(&attempt).cloned() else { return };
        let at = Now { mono: self.now, wall: Wall(0) };
        if !process.leader_gone {
            self.leader_ends(attempt, Exit::Signal(9), process.leftovers, 10);
        }
        let unkillable = u32::from(self.dice.chance(2));
        let swept = process.leftovers;
        let gone = ExecReport::TreeGone { attempt, swept, unkillable, at };
        self.later(200, Input::Exec(gone));
        self.serial += 1;
        let late = self.now + Duration::from_secs(1);
        let gone = ExecReport::TreeGone { attempt, swept: 0, unkillable: 0, at };
        self.coming.insert((late, self.serial), Input::Exec(gone));
    }

    // ---- people and chance

    fn any_job(&mut self) -> JobNo {
        let total = self.engine.state().counts().total;
        let beyond = u32::from(self.dice.chance(3));
        JobNo(1 + self.dice.below(total + beyond))
    }

    /// Mostly a job that ended badly, if there is one.
    fn any_failed_job(&mut self) -> JobNo {
        let state = self.engine.state();
        let bad = |job: &JobNo| {
            let Some(JobState::Ended { outcome }) = state.job_state(*job) else { return false };
            !outcome.is_success()
        };
        let failed: Vec<JobNo> = (1..=state.counts().total).map(JobNo).filter(bad).collect();
        if failed.is_empty() || self.dice.chance(10) {
            return self.any_job();
        }
        self.dice.pick(&failed)
    }

    fn any_attempt(&mut self) -> AttemptId {
        let running: Vec<AttemptId> =
            self.engine.state().attempts_running().map(|a| a.id).collect();
        if running.is_empty() || self.dice.chance(10) {
            return AttemptId { job: self.any_job(), n: 1 + self.dice.below(3) };
        }
        self.dice.pick(&running)
    }

    fn any_target(&mut self) -> PauseTarget {
        match self.dice.below(4) {
            0 => PauseTarget::Run,
            1 => PauseTarget::Pool(self.any_pool()),
            _ => PauseTarget::Job(self.any_job()),
        }
    }

    fn any_pool(&mut self) -> PoolIdx {
        let pools = self.engine.state().pools().len() as u32;
        PoolIdx(self.dice.below(pools) as u16)
    }

    fn any_move(&mut self) -> Command {
        let to = match self.dice.below(4) {
            0 | 1 => Rank::First,
            2 => Rank::Priority(self.dice.below(4) as i32 - 2),
            _ => Rank::OfTask,
        };
        Command::Prioritize { job: self.any_job(), to }
    }

    /// What people do to many jobs at once.
    fn any_small_act(&mut self) -> Command {
        match self.dice.below(5) {
            0 => Command::Kill { job: self.any_job(), now: self.dice.chance(20) },
            1 => Command::Retry { job: self.any_failed_job() },
            2 => Command::Pause { target: PauseTarget::Job(self.any_job()) },
            3 => Command::Resume { target: PauseTarget::Job(self.any_job()) },
            _ => self.any_move(),
        }
    }

    fn any_undo(&mut self) -> Option<Command> {
        let act = self.any_small_act();
        inverse(self.engine.state(), &act)
    }

    /// A process of a job wants something of a shared primitive, or its connection ends.
    fn lock_whim(&mut self) -> Input {
        if self.dice.chance(10) {
            return self.sighting();
        }
        let attempt = self.any_attempt();
        let proc = self.engine.state().attempt(attempt.job).and_then(|a| a.proc());
        let Some(proc) = proc else { return Input::Tick };
        let client = u64::from(attempt.job.0);
        if self.dice.chance(4) {
            return Input::Locks(vec![LockChange::Left { client }]);
        }
        self.serial += 1;
        let party = Party { proc: Some(proc), attempt: Some(attempt), ..Party::default() };
        let op = self.any_lock_op();
        Input::Locks(vec![LockChange::Asked { client, id: self.serial, party, op }])
    }

    /// X-ray says something, true or not.
    fn sighting(&mut self) -> Input {
        if self.dice.chance(30) {
            return Input::Seen(Sighting::Gone { id: u64::from(self.dice.below(6)) });
        }
        let (now, attempts) = (self.now, [self.any_attempt(), self.any_attempt()]);
        let member = |attempt: AttemptId| {
            let proc = Some(ProcRef { pid: attempt.job.0 as i32, start_ticks: 1 });
            Member {
                party: Party { proc, attempt: Some(attempt), ..Party::default() },
                job: Some(attempt.job),
                task: None,
                holds: Vec::new(),
                wants: Vec::new(),
                since: now,
            }
        };
        let members = attempts.map(member).to_vec();
        let threads = members.iter().filter_map(|m| m.party.proc);
        let threads = threads.map(|proc| ThreadRef { proc, tid: proc.pid }).collect();
        let kind = self.dice.pick(&[Verdict::Deadlock, Verdict::Abandoned, Verdict::Stalled]);
        let (at, text) = (self.now, "stuck".to_owned());
        let stuck = Stuck { id: 0, kind, at, members, behind: 0, threads, text };
        Input::Seen(Sighting::Found(Box::new(stuck)))
    }

    fn any_lock_op(&mut self) -> Op {
        let timeout_ms = self.dice.chance(25).then(|| u64::from(self.dice.below(200)));
        let name: Name = self.dice.pick(&["x", "y", "z"]).into();
        let permits: Name = "s".into();
        match self.dice.below(12) {
            0..=6 => {
                let mut names = vec![name];
                if self.dice.chance(15) && *names[0] != *"z" {
                    names.push("z".into());
                }
                let kind = self.dice.pick(&[LockKind::Lock, LockKind::Rlock]);
                Op::Acquire { names, kind, shared: self.dice.chance(20), timeout_ms }
            }
            7 => Op::Release { names: vec![name], anyone: false },
            8 => {
                // A permit that belongs to nobody would be lost with its process.
                let (max, bounded, tied) = (None, true, true);
                Op::SemaphoreAcquire { name: permits, max, bounded, n: 1, tied, timeout_ms }
            }
            9 => Op::SemaphoreRelease { name: permits, max: None, bounded: true, n: 1 },
            10 => Op::QueuePut {
                name: "q".into(),
                items: vec!["item".into()],
                max: Some(2),
                priority: 0,
                timeout_ms,
            },
            _ => Op::QueueGet { name: "q".into(), n: 1, keep: true, tied: false, timeout_ms },
        }
    }

    /// Something that nobody could foresee.
    fn whim(&mut self) -> Input {
        self.now = self.now + self.dice.millis(100);
        let at = Now { mono: self.now, wall: Wall(0) };
        let command = match self.dice.below(19) {
            16 => self.any_move(),
            17 => Command::Many {
                commands: (0..self.dice.below(5)).map(|_| self.any_small_act()).collect(),
            },
            18 => match self.any_undo() {
                Some(command) => command,
                None => return Input::Tick,
            },
            0..=2 => Command::Scale {
                pool: self.any_pool(),
                size: self.dice.below(6),
                now: self.dice.chance(50),
            },
            3 | 4 => Command::Pause { target: self.any_target() },
            5 | 6 => Command::Resume { target: self.any_target() },
            7 => Command::Kill { job: self.any_job(), now: self.dice.chance(30) },
            8 => Command::Kill { job: self.any_attempt().job, now: self.dice.chance(30) },
            9..=11 => Command::Retry { job: self.any_failed_job() },
            12 if self.dice.chance(60) => {
                Command::Signal { job: self.any_attempt().job, signal: 10 }
            }
            12 if self.dice.chance(20) => Command::Stop {
                how: self.dice.pick(&[StopHow::Drain, StopHow::Stop, StopHow::Kill]),
            },
            13 => {
                let (attempt, quiet) = (self.any_attempt(), self.dice.chance(70));
                return Input::Finding(Finding { attempt, quiet_since: self.now, quiet });
            }
            14 => {
                let reasons = [StopReason::MemoryLimit, StopReason::ProcessLimit];
                let (attempt, reason) = (self.any_attempt(), self.dice.pick(&reasons));
                return Input::Exec(ExecReport::OverLimit { attempt, reason, at });
            }
            15 => {
                // A report about an attempt that has ended, or never was.
                let attempt = AttemptId { job: self.any_job(), n: 9 };
                let proc = ProcRef { pid: 1, start_ticks: 1 };
                return Input::Exec(ExecReport::Started { attempt, proc, at });
            }
            _ => return Input::Tick,
        };
        let whos = [
            Requester::Screen,
            Requester::Cli { pid: 1 },
            Requester::Signal { signal: 15 },
            Requester::Ganger,
        ];
        Input::Asked(Asked { by: self.dice.pick(&whos), command })
    }

    /// From now on nobody interferes, nothing is paused and no process hangs for ever.
    fn let_go(&mut self) -> Result<(), String> {
        self.calm = true;
        let mut targets = vec![PauseTarget::Run];
        let pools = self.engine.state().pools().len() as u16;
        targets.extend((0..pools).map(|p| PauseTarget::Pool(PoolIdx(p))));
        let jobs = self.engine.state().counts().total;
        targets.extend((1..=jobs).map(|j| PauseTarget::Job(JobNo(j))));
        let mut commands: Vec<Command> =
            targets.into_iter().map(|target| Command::Resume { target }).collect();
        for pool in (0..pools).map(PoolIdx) {
            let max = self.engine.state().schedule().pools[pool.0 as usize].max;
            if self.engine.state().pool(pool).size() == 0 {
                commands.push(Command::Scale { pool, size: max.min(2), now: false });
            }
        }
        for command in commands {
            self.feed(Input::Asked(Asked { by: Requester::Screen, command }))?;
        }
        let ids: Vec<AttemptId> = self.processes.keys().copied().collect();
        for id in ids {
            if let Some(process) = self.processes.get_mut(&id).filter(|p| p.hangs) {
                process.hangs = false;
                if !process.stopped {
                    self.plan_exit(id, 100);
                }
            }
        }
        Ok(())
    }
}

/// The leader of an attempt.
fn proc_of(attempt: AttemptId) -> ProcRef {
    ProcRef { pid: attempt.job.0 as i32, start_ticks: u64::from(attempt.n) }
}
