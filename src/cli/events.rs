//! `ganger events`: what has happened in a run, in sentences, and who asked for it.

use super::args::EventsArgs;
use super::failure::Failure;
use super::{exit, print, reach};
use crate::control::client;
use crate::control::proto::{Role, ToClient, ToServer};
use crate::model::query::{Query, Reply};
use crate::model::{EventFilter, EventPage, EventRow, EventsFrom, RunInfo};
use crate::report::json::who;
use crate::report::{Link, SocketLink};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Rows asked for at a time.
const PAGE: u32 = 500;
/// Nothing is waited for but messages; this only bounds one wait.
const WAIT: Duration = Duration::from_secs(3600);
/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the newest events of a live run, and with `--follow` all that come.
///
/// # Errors
/// When the run is not there or has ended.
pub fn events(args: &EventsArgs) -> Result<i32, Failure> {
    let known = reach::find(args.run.as_deref())?;
    let mut reached = reach::connect(known)?;
    let job = match &args.job {
        Some(job) => Some(reached.job(job)?.row.job),
        None => None,
    };
    let filter = EventFilter {
        text: args.text.clone(),
        kind: args.kind.clone(),
        job,
        task: args.task.clone(),
        by: args.by.clone(),
    };
    let pid = std::process::id().cast_signed();
    let (sender, receiver, info) = client::connect(&reached.known.socket, Role::Guest { pid })
        .map_err(|e| reach::unreachable(&reached.known.id, &e))?;
    let link = SocketLink::new(sender, receiver);
    Live { args, filter, info, link, next_id: 0, over: false }.print()
}

struct Live<'a> {
    args: &'a EventsArgs,
    filter: EventFilter,
    info: RunInfo,
    link: SocketLink,
    next_id: u64,
    /// The run has ended.
    over: bool,
}

impl Live<'_> {
    fn print(mut self) -> Result<i32, Failure> {
        if self.args.follow {
            let subscribe = ToServer::Subscribe { snapshots: false, events: true };
            self.link.send(subscribe).map_err(|_| gone())?;
        }
        let first = self.newest()?;
        let mut seen = first.newest;
        self.show(&first.rows)?;
        while self.args.follow && !self.over {
            match self.link.receive(WAIT) {
                Ok(message) => self.over = matches!(message, Some(ToClient::Bye { .. })),
                Err(_) => return Err(gone()),
            }
            loop {
                let page = self.page(EventsFrom::After(seen), PAGE)?;
                self.show(&page.rows)?;
                seen = page.looked_to.max(seen);
                if seen >= page.newest {
                    break;
                }
            }
        }
        Ok(exit::OK)
    }

    /// The newest rows, as many as are wanted, from as many pages as that takes.
    fn newest(&mut self) -> Result<EventPage, Failure> {
        let mut all = self.page(EventsFrom::Newest, self.args.lines.min(PAGE))?;
        loop {
            let n = u32::try_from(all.rows.len()).unwrap_or(u32::MAX);
            let left = self.args.lines.saturating_sub(n);
            if left == 0 || all.looked_to <= all.oldest {
                return Ok(all);
            }
            let older = self.page(EventsFrom::Before(all.looked_to), left.min(PAGE))?;
            all.looked_to = older.looked_to;
            all.oldest = older.oldest;
            all.rows.splice(0..0, older.rows);
        }
    }

    fn page(&mut self, from: EventsFrom, limit: u32) -> Result<EventPage, Failure> {
        self.next_id += 1;
        let id = self.next_id;
        let query = Query::Events { filter: self.filter.clone(), from, limit };
        self.link.send(ToServer::Query { id, query }).map_err(|_| gone())?;
        loop {
            match self.link.receive(PATIENCE).map_err(|_| gone())? {
                Some(ToClient::Reply { id: of, reply }) if of == id => {
                    return match *reply {
                        Reply::Events(page) => Ok(page),
                        _ => Err(reach::misunderstood()),
                    };
                }
                Some(ToClient::Bye { .. }) => self.over = true,
                Some(_) => {}
                None => return Err(Failure::own("the supervisor does not answer")),
            }
        }
    }

    fn show(&self, rows: &[EventRow]) -> Result<(), Failure> {
        let mut text = String::new();
        for row in rows {
            if self.args.json {
                let _ = writeln!(text, "{}", self.as_json(row));
            } else {
                let _ = writeln!(text, "{}  {}", row.at.wall.rfc3339(), row.text);
            }
        }
        print::bytes(text.as_bytes())
    }

    fn as_json(&self, row: &EventRow) -> Value {
        let task = row.task.and_then(|task| self.info.tasks.get(task.0 as usize));
        let pool = row.pool.and_then(|pool| self.info.pools.get(usize::from(pool.0)));
        json!({
            "id": row.id,
            "at": row.at.wall.rfc3339(),
            "kind": row.kind,
            "job": row.job,
            "task": task.map(|task| &task.name),
            "pool": pool,
            "by": row.by.as_ref().map(who),
            "text": row.text,
        })
    }
}

fn gone() -> Failure {
    Failure::own("the supervisor ended without a word")
}
