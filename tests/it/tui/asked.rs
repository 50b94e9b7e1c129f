//! A supervisor that answers questions about jobs, built in code.

use super::fixtures::now;
use ganger::control::proto::{ToClient, ToServer};
use ganger::model::filter::{Filter, JobFacts, JobTexts, Names, Standing};
use ganger::model::query::*;
use ganger::model::*;
use ganger::tui::model::Model;
use ganger::tui::update::{Action, Msg, update};
use std::time::Duration;

const M: u64 = 1 << 20;

/// A run with this many jobs.
pub struct Fake {
    pub n: u32,
    /// Everything that was asked.
    pub asked: Vec<Query>,
    /// Jobs that have ended since, however they stood before.
    pub ended: Vec<u32>,
    /// What it does not answer stays here.
    pub held_back: Vec<(u64, Query)>,
    pub answers: bool,
}

impl Fake {
    pub fn new(n: u32) -> Fake {
        Fake { n, asked: Vec::new(), ended: Vec::new(), held_back: Vec::new(), answers: true }
    }

    /// Answers all questions among the actions, and those that follow from the answers.
    pub fn answer(&mut self, model: &mut Model, actions: Vec<Action>) {
        let mut left = actions;
        for _ in 0..200 {
            let questions: Vec<(u64, Query)> = left.drain(..).filter_map(question).collect();
            if questions.is_empty() {
                return;
            }
            for (id, query) in questions {
                self.asked.push(query.clone());
                if !self.answers {
                    self.held_back.push((id, query));
                    continue;
                }
                let Some(reply) = self.reply(&query) else { continue };
                left.extend(tell(model, id, reply));
            }
        }
        panic!("it asks for ever: {:?}", self.asked.last());
    }

    /// Answers what was held back.
    pub fn catch_up(&mut self, model: &mut Model) {
        self.answers = true;
        for (id, query) in std::mem::take(&mut self.held_back) {
            let Some(reply) = self.reply(&query) else { continue };
            let actions = tell(model, id, reply);
            self.answer(model, actions);
        }
    }

    /// The most rows that one question about jobs asked for.
    pub fn most_rows(&self) -> u32 {
        let rows = self.asked.iter().map(|query| match query {
            Query::Jobs { limit, .. } => *limit,
            _ => 0,
        });
        rows.max().unwrap_or(0)
    }

    pub fn lists(&self) -> usize {
        self.asked.iter().filter(|query| matches!(query, Query::Jobs { .. })).count()
    }

    fn reply(&self, query: &Query) -> Option<Reply> {
        Some(match query {
            Query::Jobs { list, offset, limit } => {
                Reply::Jobs(self.page(list, *offset as usize, *limit as usize))
            }
            Query::Tasks { .. } => Reply::Tasks { total: 4, rows: tasks(self.n) },
            Query::Job { job } => match job.place {
                JobPlace::Number(job) => Reply::Job { job: Box::new(self.detail(job)) },
                JobPlace::OfTask { .. } | JobPlace::OnlyOf { .. } => return None,
            },
            _ => return None,
        })
    }

    fn page(&self, list: &JobList, offset: usize, limit: usize) -> JobPage {
        let everything = list.filter.is_empty() && list.sort == JobSort::Number;
        let mut numbers: Vec<u32>;
        if everything {
            let all = 1..=self.n;
            let page: Vec<u32> = match list.descending {
                false => all.skip(offset).take(limit).collect(),
                true => all.rev().skip(offset).take(limit).collect(),
            };
            let rows = page.into_iter().map(|job| self.row(job)).collect();
            return JobPage { total: self.n, of: self.n, scanned: 0, cut_at: None, rows };
        }
        let info = super::fixtures::info();
        let filter = Filter::parse(&list.filter, &Names::from(&info)).unwrap();
        numbers = (1..=self.n).filter(|job| fits(&filter, &self.row(*job))).collect();
        let total = numbers.len() as u32;
        let key = |job: &u32| {
            let row = self.row(*job);
            match list.sort {
                JobSort::Cpu => row.cpu_ms,
                JobSort::Time => row.wall_ms,
                JobSort::Rss => row.max_rss_bytes,
                _ => Some(u64::from(*job)),
            }
        };
        match list.descending {
            true => numbers.sort_by_key(|job| std::cmp::Reverse(key(job))),
            false => numbers.sort_by_key(|job| (key(job).is_none(), key(job))),
        }
        let cut_at = (list.sort != JobSort::Number && total > 10_000).then_some(10_000);
        let rows = numbers.iter().take(10_000).skip(offset).take(limit);
        let rows = rows.map(|job| self.row(*job)).collect();
        JobPage { total, of: self.n, scanned: self.n, cut_at, rows }
    }

    /// A job of the run that the fixtures show.
    pub fn row(&self, job: u32) -> JobRow {
        let (task, index) = match job {
            1 => (0, 1),
            job if job == self.n => (3, 1),
            job => (1, job - 1),
        };
        let name = ["prepare", "thumb", "upload", "index"][task as usize];
        let mut row = JobRow::bare(JobNo(job), TaskIdx(task), index, format!("{name}:{index}"));
        if task == 1 {
            row.inputs =
                format!("IMG_{job:04}.jpg {}", if job.is_multiple_of(2) { 64 } else { 256 });
        }
        let state = match job {
            _ if self.ended.contains(&job) => "succeeded",
            1_201 => "failed",
            998 => "timed_out",
            1_310 => "out_of_memory",
            1_311 => "cancelled",
            1_290 | 1_317 | 1_320..=1_323 => "running",
            1..=17 => "up_to_date",
            18..1_320 => "succeeded",
            1_324..=1_326 => "backing_off",
            job if job == self.n => "blocked",
            _ => "ready",
        };
        row.state = state.to_owned();
        row.doing = (state == "running").then_some(match job {
            1_290 => WorkerState::Quiet,
            1_317 => WorkerState::Stopping,
            1_321 => WorkerState::Paused,
            _ => WorkerState::Running,
        });
        row.paused = job == 1_321 && state == "running" || job == 1_330;
        let begun = !matches!(state, "ready" | "blocked" | "up_to_date");
        if begun {
            let second = 748 + i64::from(job) / 6;
            row.attempts = if matches!(job, 998 | 1_201 | 1_317 | 1_324) { 3 } else { 1 };
            row.started_at = Some(Wall(second * 1_000_000));
            row.wall_ms = Some(1_000 + u64::from(job * 7_919 % 2_500));
            row.max_rss_bytes = (job % 5 != 4).then(|| u64::from(job * 31 % 90 + 4) * M);
            if state != "running" {
                row.ended_at = Some(Wall((second + 1) * 1_000_000));
                row.cpu_ms = Some(u64::from(job * 7_919 % 1_900));
                row.stdout_bytes = Some(u64::from(job % 900));
                row.stderr_bytes = Some(if state == "succeeded" { 0 } else { 312 });
                row.exit = Some(match state {
                    "succeeded" => Exit::Code(0),
                    "failed" => Exit::Code(2),
                    "out_of_memory" => Exit::Signal(libc::SIGKILL),
                    _ => Exit::Signal(libc::SIGTERM),
                });
            }
        }
        row
    }

    pub fn detail(&self, job: JobNo) -> JobDetail {
        let row = self.row(job.0);
        let env = |name: &str, value: Option<&str>, from| EnvVar {
            name: Text::from(name),
            value: value.map(Text::from),
            from,
        };
        let attempt = |n: u32| AttemptRow {
            n,
            slot: Slot { pool: PoolIdx(0), n: 2 },
            started_at: Wall((900 + i64::from(n) * 8) * 1_000_000),
            wall_ms: 2_413,
            outcome: match (n == row.attempts, row.state.as_str()) {
                (true, "running") => None,
                _ if n == 1 => Some(Outcome::TimedOut),
                _ => Some(Outcome::Failed { code: 2 }),
            },
            exit: Some(if n == 1 { Exit::Signal(15) } else { Exit::Code(2) }),
            cpu_user_ms: Some(1_912),
            cpu_system_ms: Some(88),
            max_rss_bytes: Some(84 * M),
            stdout_bytes: Some(0),
            stderr_bytes: Some(312),
            swept: u32::from(n == 1) * 2,
            oom_killed: Some(false),
            reason: (n == 1).then_some(StopReason::Timeout),
            error: None,
        };
        let need = |task: &str, ended| NeedRow {
            task: task.to_owned(),
            when: "succeeded".to_owned(),
            each: false,
            ended,
        };
        JobDetail {
            command: vec![Text::from(
                "convert 'holidays at the sea/logo.svg' -resize 256 -quality 80 -strip \\\n  \
                 out/logo-256.png\nexiftool -overwrite_original -all= out/logo-256.png\n",
            )],
            shell: true,
            workdir: Text::from("/srv/pictures"),
            inputs: vec![
                ("file".to_owned(), Text::from("holidays at the sea/logo.svg")),
                ("size".to_owned(), Text::from("256")),
            ],
            env: vec![
                env("MAGICK_THREAD_LIMIT", Some("1"), EnvFrom::Task),
                env("QUALITY", Some("80"), EnvFrom::Task),
                env("UPLOAD_TOKEN", None, EnvFrom::EnvFile),
                env("GANGER_JOB", Some("1201"), EnvFrom::Ganger),
                env("GANGER_TASK", Some("thumb"), EnvFrom::Ganger),
            ],
            env_files: vec![Text::from("secrets.env")],
            n_inherited_env: 42,
            attempts: (1..=row.attempts).map(attempt).collect(),
            limits: Limits { memory_bytes: Some(1 << 30), ..Limits::default() },
            limits_by: Some(ganger::model::exec::LimitMeans::CgroupV2),
            why: match row.state.as_str() {
                "running" => vec!["It runs on worker 1 of pool `default`.".to_owned()],
                _ => vec![
                    "It has ended: it failed with exit code 2 after 3 attempts.".to_owned(),
                    "Its retries are used up, or do not cover this outcome.".to_owned(),
                ],
            },
            holds: (row.state == "running").then_some(Holding {
                slot: Slot { pool: PoolIdx(0), n: 1 },
                weight: 1,
                pool_size: 6,
            }),
            pool: "default".to_owned(),
            needs: vec![need("prepare", true)],
            needed_by: vec!["upload".to_owned(), "index".to_owned()],
            ..JobDetail::bare(row)
        }
    }
}

/// What the tasks' jobs add up to.
fn tasks(n: u32) -> Vec<TaskRow> {
    let task = |task: u32, name: &str, counts: Counts| TaskRow {
        task: TaskIdx(task),
        name: name.to_owned(),
        pool: PoolIdx(0),
        counts,
        unread: task == 2,
        attempts: u64::from(counts.ended()),
        durations: (counts.succeeded > 0).then_some(Durations {
            count: u64::from(counts.succeeded),
            mean_us: 1_400_000,
            p50_us: 1_310_000,
            p90_us: 2_210_000,
            p95_us: 2_480_000,
            max_us: 130_000_000,
        }),
        cpu_ms: u64::from(counts.succeeded) * 912,
        max_rss_bytes: (counts.succeeded > 0).then_some(93 * M),
        eta_ms: (counts.ready > 0 && counts.succeeded > 0).then_some(160_000),
    };
    let one = |counts: Counts| Counts { total: 1, ..counts };
    let thumb = Counts {
        total: n - 2,
        ready: 766,
        backing_off: 3,
        running: 6,
        succeeded: 1_300,
        up_to_date: 17,
        failed: 1,
        timed_out: 1,
        ..Counts::default()
    };
    vec![
        task(0, "prepare", one(Counts { succeeded: 1, ..Counts::default() })),
        task(1, "thumb", thumb),
        task(2, "upload", Counts::default()),
        task(3, "index", one(Counts { blocked: 1, ..Counts::default() })),
    ]
}

fn question(action: Action) -> Option<(u64, Query)> {
    match action {
        Action::Send(ToServer::Query { id, query }) => Some((id, query)),
        _ => None,
    }
}

fn tell(model: &mut Model, id: u64, reply: Reply) -> Vec<Action> {
    let now = model.now;
    let message = ToClient::Reply { id, reply: Box::new(reply) };
    update(model, Msg::Server(Box::new(message)), now)
}

fn fits(filter: &Filter, row: &JobRow) -> bool {
    let standing = match row.state.as_str() {
        "blocked" => Standing::Blocked,
        "ready" => Standing::Ready,
        "backing_off" => Standing::BackingOff,
        "running" => Standing::Running(row.doing.unwrap_or_default()),
        "succeeded" => Standing::Ended(Outcome::Succeeded),
        "up_to_date" => Standing::Ended(Outcome::UpToDate),
        "timed_out" => Standing::Ended(Outcome::TimedOut),
        "out_of_memory" => Standing::Ended(Outcome::OutOfMemory),
        "cancelled" => Standing::Ended(Outcome::Cancelled),
        _ => Standing::Ended(Outcome::Failed { code: 2 }),
    };
    let texts = || JobTexts { label: row.label.clone(), inputs: row.inputs.clone() };
    filter.matches(&JobFacts {
        job: row.job,
        task: row.task,
        index: row.index,
        pool: PoolIdx(0),
        standing,
        paused: row.paused,
        attempts: row.attempts,
        exit: row.exit,
        wall: row.wall_ms.map(Duration::from_millis),
        started_at: row.started_at,
        ended_at: row.ended_at,
        cpu: row.cpu_ms.map(Duration::from_millis),
        max_rss_bytes: row.max_rss_bytes,
        output_bytes: row.stdout_bytes,
        texts: &texts,
    })
}

/// A snapshot of a run with so many jobs, so many seconds after [`now`].
pub fn later(mut snapshot: Snapshot, n: u32, seconds: u64) -> Snapshot {
    snapshot.counts.total = n;
    snapshot.seq += seconds + 1;
    snapshot.at = Now {
        mono: now().mono + Duration::from_secs(seconds),
        wall: Wall(now().wall.0 + seconds as i64 * 1_000_000),
    };
    snapshot
}
