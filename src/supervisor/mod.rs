//! The shell around the engine: one loop that feeds it everything that happens, performs what
//! it asks for and publishes what came of it.
//!
//! [`prepare`] turns a task file's text into a run, [`launch`] a job's number into a launch
//! order, [`ledger`] keeps what became of jobs, [`publish`] makes snapshots, [`answer`] answers
//! queries, [`marks`] keeps when output appeared, [`recent`] and [`search`] hand it out, [`finish`]
//! writes the report, [`shared`] takes requests for what jobs share to the engine and back, [`waits`] what x-ray sees. For people: [`history`] keeps what they look back at, [`acts`] what they asked for and how it is taken back, [`flow`] rates, [`alerts`] what to look
//! at now. Decisions are the engine's.

pub mod acts;
pub mod alerts;
pub mod answer;
mod cells;
pub mod finish;
pub mod flow;
pub mod history;
pub mod launch;
pub mod ledger;
pub mod marks;
pub mod observe;
mod perform;
pub mod prepare;
pub mod publish;
mod recent;
pub mod search;
mod shared;
mod waits;
pub mod xray;

use crate::broker::Broker;
use crate::clock;
use crate::control::proto::{PROTOCOL, Role, ToClient, ToServer};
use crate::control::report_file::ReportTarget;
use crate::control::runs::RunFolder;
use crate::control::server::{self, Clients, FromClient, IN_PROCESS};
use crate::engine::{Effect, Engine, Input, Step};
use crate::exec::{self, Backend, Local, LocalOptions, Outputs};
use crate::model::exec::{ExecReport, Finding, RunLocation};
use crate::model::limits::SHORTAGE_INTERVAL;
use crate::model::locks::Name;
use crate::model::query::Query;
use crate::model::sentence;
use crate::model::waits::SharedWaits;
use crate::model::{
    Answer, Asked, Command, Event, Mono, Now, PauseTarget, ProcRef, Requester, RunInfo, Sample,
    Snapshot, StopHow, TaskInfo,
};
use crate::plan::inputs::InputSet;
use crate::probe::{Probe, Shortage, WatchList, core_infos, machine_info};
use acts::Acts;
use answer::Scans;
use cells::Cells;
use history::History;
use launch::Launcher;
use ledger::Ledger;
use marks::Marks;
use prepare::{Expanded, Prepared};
use publish::Publisher;
use search::{Searched, Searches};
use shared::Request;
use std::io;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use waits::{Previewed, Waits};

/// Things that have happened and wait for their turn.
const QUEUE: usize = 4096;
/// Taken from the queue at a time, so that a busy back end cannot starve front ends.
const BATCH: usize = 256;
/// How long guests may look at a run that has ended.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long the run's own screen may take to connect before it is given up.
const SCREEN_PATIENCE: Duration = Duration::from_secs(10);

/// Signals that would end or stop ganger and leave its jobs alone with themselves.
const SIGNALS: [i32; 7] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGTSTP,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Why a supervisor could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error("cannot {what}: {error}")]
    Io { what: String, error: io::Error },
    #[error(transparent)]
    Runs(#[from] crate::control::runs::RunsError),
}

impl SuperviseError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> SuperviseError {
        let what = what.into();
        move |error| SuperviseError::Io { what, error }
    }
}

/// Who shows the run.
pub enum Front {
    /// A front end in this process.
    InProcess { to: std_mpsc::Sender<Vec<ToClient>>, from: mpsc::UnboundedReceiver<ToServer> },
    /// A screen in another process, which connects as the owner. `ready` is called once it can.
    Screen { ready: Box<dyn FnOnce(&RunInfo)> },
}

/// A run to supervise.
pub struct Setup {
    pub prepared: Prepared,
    /// Problems of the task file that are no errors, drawn.
    pub warnings: Vec<String>,
    pub folder: RunFolder,
    pub front: Front,
    pub report: Option<ReportTarget>,
}

/// Everything that can happen to a supervisor.
enum Message {
    Exec(ExecReport),
    Sample(Arc<Sample>),
    Shortage(Shortage),
    Finding(Finding),
    Expanded(Vec<Expanded>),
    Client(FromClient),
    Front(ToServer),
    FrontGone,
    Signal(i32),
    Searched(Searched),
    ProcessEnded(ProcRef),
    /// All jobs only wait, as was asked under this number.
    NoHelp(u64),
    Waits(xray::Told),
    /// X-ray asks for what clients wait for.
    SharedWaits(std_mpsc::SyncSender<SharedWaits>),
    Previewed(Previewed),
}

impl From<FromClient> for Message {
    fn from(from: FromClient) -> Message {
        Message::Client(from)
    }
}

/// Whether the run's own front end is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// In this very process.
    Within,
    AwaitedUntil(Mono),
    Connected,
    Gone,
}

/// When memory and disk are looked at next. One look at a time: it may block for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextLook {
    At(Mono),
    UnderWay,
}

/// A supervisor at work.
struct Supervisor {
    prepared: Arc<Prepared>,
    engine: Engine,
    /// Inputs of the tasks, once read.
    inputs: Vec<Option<Arc<InputSet>>>,
    launcher: Launcher,
    backend: Local,
    outputs: Outputs,
    watch: WatchList,
    clients: Clients,
    broker: Broker<Message>,
    cells: Cells,
    /// Cells that the engine wants closed.
    to_close: Vec<Name>,
    ledger: Ledger,
    publisher: Publisher,
    scans: Scans,
    marks: Marks,
    searches: Searches,
    history: History,
    shortage: NextLook,
    info: Arc<RunInfo>,
    queue: mpsc::Sender<Message>,
    owner: Owner,
    /// SIGINT so far.
    n_interrupts: u32,
    /// Threads that read inputs.
    n_reading: u32,
    report: Option<ReportTarget>,
    folder: RunFolder,
    /// Set when the run has ended.
    exit_code: Option<i32>,
    trouble: Option<String>,
    /// Until when guests may look, once all is over.
    farewell: Option<Mono>,
}

/// Runs a prepared run to its end and returns its exit code.
///
/// # Errors
/// When the socket, the back end or the run's folder cannot be set up: nothing was started.
pub fn supervise(setup: Setup) -> Result<i32, SuperviseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SuperviseError::io("start the supervisor's event loop"))?;
    let code = runtime.block_on(run(setup));
    // A thread that still reads a source of inputs must not keep ganger from ending.
    runtime.shutdown_background();
    code
}

async fn run(setup: Setup) -> Result<i32, SuperviseError> {
    let (queue, mut messages) = mpsc::channel(QUEUE);
    let mark = mark(&setup.folder.id);
    let info = Arc::new(info(&setup));
    let listening = server::listen(&setup.folder.socket)
        .map_err(SuperviseError::io(format!("open `{}`", setup.folder.socket.display())))?;
    watch_signals(&queue)?;
    let (mut supervisor, probe, from, ready) = start(setup, &mark, &info, &queue)?;
    // Not earlier: a run that could not be set up has nothing that anybody should look after.
    supervisor.folder.claim(&mark, &info.name, &info.file, info.started_at)?;
    let serving = server::serve(&listening, Arc::clone(&info), queue.clone());
    if let Some(from) = from {
        let hello = ToClient::Hello { protocol: PROTOCOL, info: Box::new((*info).clone()) };
        supervisor.clients.send(IN_PROCESS, &hello);
        tokio::spawn(forward_front(from, queue.clone()));
    }
    if let Some(ready) = ready {
        ready(&info);
    }
    let code = tokio::select! {
        code = supervisor.work(&mut messages) => code,
        () = serving => 3,
    };
    drop(messages);
    drop(probe);
    supervisor.backend.shutdown();
    if supervisor.n_reading > 0 {
        // A command that still prints inputs.
        exec::sweep_run(&mark);
    }
    supervisor.clients.flush().await;
    Ok(code)
}

type Started = (
    Supervisor,
    Probe,
    Option<mpsc::UnboundedReceiver<ToServer>>,
    Option<Box<dyn FnOnce(&RunInfo)>>,
);

fn start(
    setup: Setup,
    mark: &str,
    info: &Arc<RunInfo>,
    queue: &mpsc::Sender<Message>,
) -> Result<Started, SuperviseError> {
    let prepared = Arc::new(setup.prepared);
    let location = RunLocation {
        mark: mark.to_owned(),
        dir: setup.folder.dir.clone(),
        socket: setup.folder.socket.clone(),
    };
    let to = queue.clone();
    let backend = Local::start(
        location,
        LocalOptions::default(),
        Box::new(move |report| drop(to.blocking_send(Message::Exec(report)))),
    )
    .map_err(SuperviseError::io("start the back end"))?;
    let watch = WatchList::default();
    let (to_sample, to_finding) = (queue.clone(), queue.clone());
    let probe = Probe::start(
        watch.clone(),
        // A sample that finds the queue full is missed: the next one is better anyway.
        move |sample| drop(to_sample.try_send(Message::Sample(sample))),
        move |finding| drop(to_finding.blocking_send(Message::Finding(finding))),
    )
    .map_err(SuperviseError::io("start the probe"))?;
    let waits = Waits::start(prepared.plan.xray, queue);
    let mut clients = Clients::new();
    let (owner, from, ready) = match setup.front {
        Front::InProcess { to, from } => {
            clients.add_in_process(to);
            (Owner::Within, Some(from), None)
        }
        Front::Screen { ready } => {
            (Owner::AwaitedUntil(clock::mono() + SCREEN_PATIENCE), None, Some(ready))
        }
    };
    let supervisor = Supervisor {
        engine: Engine::new(prepared.schedule.clone(), SEED),
        inputs: vec![None; prepared.plan.tasks.len()],
        launcher: Launcher::new(Arc::clone(&prepared), mark, &setup.folder),
        outputs: backend.outputs(),
        backend,
        watch,
        clients,
        broker: Broker::new(queue.clone()),
        cells: Cells::default(),
        to_close: Vec::new(),
        ledger: Ledger::default(),
        publisher: Publisher::new(Arc::clone(&prepared), setup.warnings, waits),
        scans: Scans::default(),
        marks: Marks::default(),
        searches: Searches::default(),
        history: History::default(),
        shortage: NextLook::At(Mono::default()),
        info: Arc::clone(info),
        queue: queue.clone(),
        owner,
        n_interrupts: 0,
        n_reading: 0,
        report: setup.report,
        folder: setup.folder,
        exit_code: None,
        trouble: None,
        farewell: None,
        prepared,
    };
    Ok((supervisor, probe, from, ready))
}

/// For the jitter of retries: the same in every run, so that runs can be compared.
const SEED: u64 = 0x67616e676572;

/// GANGER_RUN of the jobs: this run's id behind the outer runs'.
pub fn mark(id: &str) -> String {
    match std::env::var("GANGER_RUN") {
        Ok(outer) if !outer.is_empty() => format!("{outer}/{id}"),
        _ => id.to_owned(),
    }
}

fn info(setup: &Setup) -> RunInfo {
    let prepared = &setup.prepared;
    let now = clock::now();
    let tasks = prepared.plan.tasks.iter().map(|task| TaskInfo {
        name: task.rules.name.clone(),
        description: task.description.clone(),
        pool: task.rules.pool.0,
    });
    RunInfo {
        run: prepared.run.clone(),
        name: prepared.plan.name.clone(),
        description: prepared.plan.description.clone(),
        file: prepared.request.file.clone(),
        supervisor_pid: std::process::id().cast_signed(),
        started_at: now.wall,
        started_mono: now.mono,
        dir: setup.folder.dir.display().to_string(),
        tasks: tasks.collect(),
        pools: prepared.schedule.pools.iter().map(|p| p.name.clone()).collect(),
        machine: machine_info(),
        cores: core_infos(),
        observes: None,
    }
}

fn watch_signals(queue: &mpsc::Sender<Message>) -> Result<(), SuperviseError> {
    for number in SIGNALS {
        let mut stream = signal(SignalKind::from_raw(number))
            .map_err(SuperviseError::io("watch for signals"))?;
        let queue = queue.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if queue.send(Message::Signal(number)).await.is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

async fn forward_front(mut from: mpsc::UnboundedReceiver<ToServer>, queue: mpsc::Sender<Message>) {
    while let Some(message) = from.recv().await {
        if queue.send(Message::Front(message)).await.is_err() {
            return;
        }
    }
    let _supervisor_may_be_done = queue.send(Message::FrontGone).await;
}

impl Supervisor {
    /// Works until the run has ended and its front end has seen enough; returns the exit code.
    async fn work(&mut self, messages: &mut mpsc::Receiver<Message>) -> i32 {
        self.begin();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if let Some(code) = self.exit_code
                && self.owner == Owner::Gone
                && self.has_taken_leave(code)
            {
                return code;
            }
            self.clients.hand_over();
            let wake = self.next_wake();
            let due = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(clock::tokio_instant(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                n = messages.recv_many(&mut batch, BATCH) => {
                    if n == 0 {
                        return self.exit_code.unwrap_or(3);
                    }
                    for message in batch.drain(..) {
                        self.take(message);
                    }
                }
                () = due => {}
                // Lets those who read and write sockets have their turn between two slices.
                () = tokio::task::yield_now(), if !self.scans.is_empty() => {}
            }
            self.look_at_the_clock();
            self.scan_on();
        }
    }

    /// Tells guests that it is over; `true` once they have gone, or had their time. Whoever
    /// follows a job has a last look at its output.
    fn has_taken_leave(&mut self, exit_code: i32) -> bool {
        let now = clock::mono();
        let until = *self.farewell.get_or_insert_with(|| {
            self.clients.push_all(&ToClient::Bye { exit_code, trouble: self.trouble.clone() });
            now + FAREWELL
        });
        self.clients.is_empty() || now >= until
    }

    /// Starts the run, and reads the inputs of the tasks that have theirs at start.
    fn begin(&mut self) {
        self.input(Input::Start);
        let tasks = prepare::read_at_start(&self.prepared);
        self.read_inputs(tasks);
    }

    fn next_wake(&self) -> Option<Mono> {
        let awaited = match self.owner {
            Owner::AwaitedUntil(at) => Some(at),
            _ => None,
        };
        let publish = if self.clients.want_snapshots() { self.publisher.due() } else { None };
        let (cells, waits) = (self.cells.due(), self.publisher.waits.deadline());
        let all = [self.engine.next_deadline(), publish, awaited, self.farewell, cells, waits];
        all.into_iter().flatten().min()
    }

    fn look_at_the_clock(&mut self) {
        let now = clock::now();
        if self.engine.next_deadline().is_some_and(|at| at <= now.mono) {
            self.input(Input::Tick);
        }
        self.look_at_cells(now.mono);
        if matches!(self.owner, Owner::AwaitedUntil(at) if at <= now.mono) {
            self.lose_owner();
        }
        self.steer_waits(now.mono);
        if self.clients.want_snapshots() && self.publisher.due().is_some_and(|at| at <= now.mono) {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let snapshot = self.snapshot();
        self.clients.push_snapshot(snapshot);
    }

    /// What the run looks like now.
    fn snapshot(&mut self) -> Snapshot {
        let now = clock::now();
        let mut snapshot = self.publisher.snapshot(now, &self.engine, &self.inputs, &self.outputs);
        for view in &mut snapshot.shared.locks {
            self.cells.complete(self.engine.state().locks(), view);
        }
        snapshot
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Exec(report) => self.input(Input::Exec(report)),
            Message::Sample(sample) => self.sampled(sample),
            Message::Shortage(shortage) => {
                self.shortage = NextLook::At(clock::mono() + SHORTAGE_INTERVAL);
                self.publisher.shortage(clock::mono(), shortage);
            }
            Message::Finding(finding) => self.input(Input::Finding(finding)),
            Message::Expanded(all) => self.expanded(all),
            Message::Client(from) => self.client(from),
            Message::Front(message) => self.said(IN_PROCESS, message),
            Message::FrontGone => {
                self.scans.leave(IN_PROCESS);
                self.clients.leave(IN_PROCESS);
                self.lose_owner();
            }
            Message::Signal(libc::SIGTSTP) => self.suspend(),
            Message::Signal(number) => self.signalled(number),
            Message::Searched(searched) => self.searched(searched),
            Message::ProcessEnded(proc) => self.process_ended(proc),
            Message::NoHelp(no) => self.input(Input::NoHelp { no }),
            Message::Waits(told) => self.saw_waits(told),
            Message::Previewed(previewed) => self.previewed(previewed),
            Message::SharedWaits(to) => drop(to.try_send(self.shared_waits())),
        }
    }

    /// Feeds the engine and performs what it asks for.
    fn input(&mut self, input: Input) {
        let now = clock::now();
        let step = self.engine.handle(now, input);
        self.perform(step, now);
        self.close_cells();
    }

    /// Does what somebody asked for, if everything that it names is there.
    fn request(&mut self, by: Requester, command: Command) -> Answer {
        let (command, is_undo) = match command {
            Command::Undo { act } => match self.publisher.acts.take_back(act) {
                Ok(back) => (back, true),
                Err(why) => return Answer::Refused(why),
            },
            command => (command, false),
        };
        match self.check(&command) {
            Ok(()) => self.ask(by, command, is_undo),
            Err(why) => {
                let begun = Acts::begin(self.engine.state(), by.clone(), &command, is_undo);
                let answer = Answer::Refused(why);
                self.keep_act(begun, by, &command, &answer, clock::now());
                answer
            }
        }
    }

    fn ask(&mut self, by: Requester, command: Command, is_undo: bool) -> Answer {
        let now = clock::now();
        let begun = Acts::begin(self.engine.state(), by.clone(), &command, is_undo);
        let asked = Asked { by: by.clone(), command: command.clone() };
        let asked = match &command {
            Command::ResizeSemaphore { name, .. } => {
                let table = self.engine.state().locks();
                let found = self.cells.look(table, std::slice::from_ref(name), now.mono);
                Input::AskedOfCells { found, asked }
            }
            _ => Input::Asked(asked),
        };
        let mut step = self.engine.handle(now, asked);
        let answer = step.answer.take();
        let answer =
            answer.unwrap_or_else(|| Answer::Refused("the engine gave no answer".to_owned()));
        self.keep_act(begun, by, &command, &answer, now);
        self.perform(step, now);
        self.close_cells();
        answer
    }

    /// Keeps a request and its answer for people to look back.
    fn keep_act(
        &mut self,
        begun: acts::Begun,
        by: Requester,
        command: &Command,
        answer: &Answer,
        now: Now,
    ) {
        self.publisher.changed();
        let act = self.publisher.acts.end(begun, answer, now.mono);
        let text = sentence::of_request(&act.asked, &by, answer);
        self.history.note_asked(by, text, command.about(), now);
    }

    fn perform(&mut self, mut step: Step, now: Now) {
        step.events.retain(|event| !event.is_record_only());
        for event in &step.events {
            self.ledger.note(event);
            self.note_end(event);
            self.publisher.note(event, now.mono, &self.engine);
            self.follow(event);
        }
        // What is to be done comes before what is to be told: a worker may be waiting.
        for effect in step.effects {
            if let Effect::Kill { attempt } = &effect {
                self.publisher.stops.killed(*attempt, now.mono);
            }
            self.effect(effect);
        }
        let (engine, inputs) = (&self.engine, &self.inputs);
        self.clients.push_events(&step.events, |event| publish::inputs_of(event, engine, inputs));
        let end = match step.events.last() {
            Some(Event::RunEnded { outcome, exit_code, at }) => Some((*outcome, *exit_code, *at)),
            _ => None,
        };
        for event in step.events {
            self.history.note(event, now, self.engine.state());
        }
        if let Some((outcome, exit_code, at)) = end {
            self.ended(outcome, exit_code, at);
        }
    }

    /// Takes in the inputs of tasks, read together.
    fn expanded(&mut self, all: Vec<Expanded>) {
        self.n_reading -= 1;
        // All inputs first: a task may stand before the one that its jobs need one by one.
        for expanded in &all {
            self.inputs[expanded.task.0 as usize] = expanded.inputs.clone().ok();
        }
        let mut together = Vec::new();
        for expanded in all {
            let (input, links) = prepare::input_for(&self.prepared, &expanded, &self.inputs);
            for warning in expanded.warnings.into_iter().chain(links) {
                self.publisher.notice(warning);
            }
            together.push(input);
        }
        self.input(Input::Together(together));
    }

    fn sampled(&mut self, sample: Arc<Sample>) {
        for tree in &sample.trees {
            self.ledger.note_peak(tree.attempt, tree.peak_rss_bytes);
        }
        self.note_outputs(&sample);
        let now = clock::mono();
        self.publisher.sampled(sample, now, self.engine.state());
        if matches!(self.shortage, NextLook::At(at) if at <= now) {
            self.shortage = NextLook::UnderWay;
            self.read_shortage();
        }
    }

    fn signalled(&mut self, number: i32) {
        self.n_interrupts += u32::from(number == libc::SIGINT);
        let how = match (number, self.n_interrupts) {
            (libc::SIGUSR1 | libc::SIGUSR2, _) => return,
            (libc::SIGINT, 1) if self.owner == Owner::Within => StopHow::Drain,
            (libc::SIGINT, 3..) | (libc::SIGQUIT, _) => StopHow::Kill,
            // A second stop is a kill: the engine sees to that.
            _ => StopHow::Stop,
        };
        if self.exit_code.is_some() {
            // The run has ended; only its front end is still looking or printing.
            self.owner = Owner::Gone;
            return;
        }
        self.stop(Requester::Signal { signal: number }, how);
    }

    /// The screen leaves because of a signal, which decides how the run ends.
    fn screen_signalled(&mut self, number: i32) {
        // A terminal that goes away asks nobody twice: a stop that is under way keeps its grace.
        if number != libc::SIGHUP || !self.is_stopping() {
            self.signalled(number);
        }
    }

    fn is_stopping(&self) -> bool {
        self.engine.state().ending().is_some_and(|ending| ending.how >= StopHow::Stop)
    }

    /// Ctrl-Z: the jobs stand still with ganger, and their clocks too, until it goes on.
    fn suspend(&mut self) {
        let by = Requester::Signal { signal: libc::SIGTSTP };
        let was_paused = self.engine.state().run_paused().is_some();
        if !was_paused {
            self.ask(by.clone(), Command::Pause { target: PauseTarget::Run }, false);
        }
        self.backend.flush();
        // Returns when somebody has sent SIGCONT.
        let _stopping_oneself_cannot_fail =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        if !was_paused {
            self.ask(by, Command::Resume { target: PauseTarget::Run }, false);
        }
    }

    fn stop(&mut self, by: Requester, how: StopHow) {
        if self.exit_code.is_none() {
            self.ask(by, Command::Stop { how }, false);
        }
    }

    fn client(&mut self, from: FromClient) {
        match from {
            FromClient::Joined { client, role, peer, lines } => {
                self.meet(client, &role, peer);
                if role == Role::Owner {
                    self.owner = Owner::Connected;
                }
                self.clients.join(client, role, lines);
            }
            FromClient::Left { client } => {
                self.scans.leave(client);
                self.searches.cancel(client);
                self.part(client);
                if self.clients.leave(client) == Some(Role::Owner) {
                    self.lose_owner();
                }
            }
            FromClient::Said { client, message } => self.said(client, message),
        }
    }

    /// The run's own front end is gone: a run that nobody can see or leave is stopped.
    fn lose_owner(&mut self) {
        self.owner = Owner::Gone;
        // Asking twice would be a kill: a stop that is under way keeps its grace.
        if !self.is_stopping() {
            self.stop(Requester::Ganger, StopHow::Stop);
        }
    }

    fn said(&mut self, client: u64, message: ToServer) {
        match message {
            ToServer::Hello { .. } => {}
            ToServer::Subscribe { snapshots, events } => {
                if self.clients.subscribe(client, snapshots, events) {
                    self.catch_up(client);
                }
                self.publisher.changed();
            }
            ToServer::Command { id, command } => {
                let by = match self.clients.role(client) {
                    Some(Role::Guest { pid }) => Requester::Cli { pid },
                    _ => Requester::Screen,
                };
                let answer = self.request(by, command);
                self.clients.send(client, &ToClient::Answer { id, answer });
            }
            ToServer::Query { id, query: Query::Search(search) } => self.search(client, id, search),
            ToServer::Query { id, query: Query::KillPreview { attempts } } => {
                self.preview_kill(client, id, attempts);
            }
            ToServer::Query { id, query } => self.answer_to(client, id, &query),
            ToServer::Signalled { signal } if self.clients.role(client) == Some(Role::Owner) => {
                self.screen_signalled(signal);
            }
            ToServer::Signalled { .. } => {}
            ToServer::Ask { id, thread, owner, op } => {
                self.ask_shared(client, Request { id, thread, owner, op });
            }
        }
    }
}
