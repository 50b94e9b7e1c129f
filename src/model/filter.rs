//! The language in which lists of jobs are filtered: `failed cpu>1 /resize:.*png/`.
//!
//! [`Filter::parse`] reads a text, [`Filter::matches`] tells whether a job is wanted. Reads no
//! state: who holds a job gathers its [`JobFacts`]. The language is described in
//! `docs/filter.md`; a test reads every example there.

mod lexer;
mod parser;
mod words;

use super::ids::{JobNo, PoolIdx, TaskIdx};
use super::outcome::{Exit, Outcome};
use super::snapshot::{RunInfo, WorkerState};
use super::time::Wall;
use regex::Regex;
use std::cmp::Ordering;
use std::ops::Range;
use std::time::Duration;
pub use words::{FIELDS, Field, WORDS, Word};

/// Where a job stands, as far as filters and lists tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Blocked,
    Ready,
    BackingOff,
    Running(WorkerState),
    Ended(Outcome),
}

impl Standing {
    /// The standing's one word: `blocked`, `ready`, `backing_off`, `running`, or the word of the
    /// outcome.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Blocked => "blocked",
            Standing::Ready => "ready",
            Standing::BackingOff => "backing_off",
            Standing::Running(_) => "running",
            Standing::Ended(outcome) => outcome.word(),
        }
    }
}

/// What is known of a job. What is not known is `None` and matches no comparison.
#[derive(Clone, Copy)]
pub struct JobFacts<'a> {
    pub job: JobNo,
    pub task: TaskIdx,
    /// Number in its task, from 1.
    pub index: u32,
    pub pool: PoolIdx,
    pub standing: Standing,
    /// It is paused: itself, or frozen while it runs.
    pub paused: bool,
    pub attempts: u32,
    /// How the leader of its last attempt ended.
    pub exit: Option<Exit>,
    /// From the start of the first attempt to the end of the last, or to now.
    pub wall: Option<Duration>,
    /// Start of the first attempt.
    pub started_at: Option<Wall>,
    /// End of the last attempt; `None` while it runs.
    pub ended_at: Option<Wall>,
    /// CPU time of all attempts.
    pub cpu: Option<Duration>,
    pub max_rss_bytes: Option<u64>,
    /// Of both streams of the last attempt.
    pub output_bytes: Option<u64>,
    /// Returns the job's label (`resize:3`) and its inputs; asked only where a term reads them,
    /// since making them costs more than all other facts together.
    pub texts: &'a dyn Fn() -> JobTexts,
}

/// What text terms look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobTexts {
    /// `resize:3`
    pub label: String,
    /// The values of its inputs, blanks between them.
    pub inputs: String,
}

/// The names that a filter may use.
#[derive(Clone, Debug, Default)]
pub struct Names<'a> {
    /// By [`TaskIdx`].
    pub tasks: Vec<&'a str>,
    /// By [`PoolIdx`].
    pub pools: Vec<&'a str>,
}

impl<'a> From<&'a RunInfo> for Names<'a> {
    fn from(info: &'a RunInfo) -> Names<'a> {
        Names {
            tasks: info.tasks.iter().map(|task| task.name.as_str()).collect(),
            pools: info.pools.iter().map(String::as_str).collect(),
        }
    }
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause} (at character {})", .column + 1)]
pub struct FilterError {
    /// The part of the text that is wrong, in bytes.
    pub span: Range<usize>,
    /// Where it begins, in characters from 0.
    pub column: usize,
    /// What is wrong.
    pub cause: String,
    /// What to try, as a sentence.
    pub fix: String,
}

/// A filter, ready to be asked.
#[derive(Clone, Debug)]
pub struct Filter {
    /// `None`: every job.
    expr: Option<Expr>,
}

impl Filter {
    /// Reads a filter. A blank text lets every job through.
    ///
    /// # Errors
    /// With the place, the cause and what to try, when it cannot be understood.
    pub fn parse(text: &str, names: &Names<'_>) -> Result<Filter, FilterError> {
        parser::parse(text, names).map(|expr| Filter { expr })
    }

    /// Whether it lets every job through.
    pub fn is_everything(&self) -> bool {
        self.expr.is_none()
    }

    /// Whether a job is wanted.
    pub fn matches(&self, job: &JobFacts<'_>) -> bool {
        let Some(expr) = &self.expr else { return true };
        let texts = std::cell::OnceCell::new();
        let holds = |term: &Term| Some(term.matches(job, || texts.get_or_init(job.texts)));
        expr.holds(&holds).unwrap_or(false)
    }

    /// Whether some job of a task may be wanted: `false` lets all of them be passed over.
    pub fn may_match(&self, task: TaskIdx, pool: PoolIdx) -> bool {
        let holds = |term: &Term| match term {
            Term::Task(wanted) => Some(*wanted == task),
            Term::Pool(wanted) => Some(*wanted == pool),
            Term::OfTask(wanted, _) if *wanted != task => Some(false),
            _ => None,
        };
        self.expr.as_ref().is_none_or(|expr| expr.holds(&holds) != Some(false))
    }

    /// Returns the numbers that bound those of the jobs that may be wanted, both included.
    pub fn job_bounds(&self) -> (i64, i64) {
        self.expr.as_ref().map_or(EVERY_JOB, Expr::job_bounds)
    }

    /// Whether some term reads labels or inputs, which makes it dear.
    pub fn reads_texts(&self) -> bool {
        self.expr.as_ref().is_some_and(Expr::reads_texts)
    }
}

const EVERY_JOB: (i64, i64) = (i64::MIN, i64::MAX);

/// A filter taken apart.
#[derive(Clone, Debug)]
enum Expr {
    Term(Term),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

impl Expr {
    /// Whether it holds, when `of` says that of each term; `None`: it cannot be told.
    fn holds(&self, of: &impl Fn(&Term) -> Option<bool>) -> Option<bool> {
        match self {
            Expr::Term(term) => of(term),
            Expr::Not(inner) => inner.holds(of).map(|holds| !holds),
            Expr::And(all) => decided_by(all, false, of),
            Expr::Or(any) => decided_by(any, true, of),
        }
    }

    fn job_bounds(&self) -> (i64, i64) {
        match self {
            Expr::Term(Term::Compare { field: Field::Job, is, to }) => match is {
                Comparison::Less => (i64::MIN, to.saturating_sub(1)),
                Comparison::LessOrEqual => (i64::MIN, *to),
                Comparison::Equal => (*to, *to),
                Comparison::NotEqual => EVERY_JOB,
                Comparison::GreaterOrEqual => (*to, i64::MAX),
                Comparison::Greater => (to.saturating_add(1), i64::MAX),
            },
            Expr::Term(_) | Expr::Not(_) => EVERY_JOB,
            Expr::And(parts) => {
                let bounds = parts.iter().map(Expr::job_bounds);
                bounds.fold(EVERY_JOB, |(low, high), (l, h)| (low.max(l), high.min(h)))
            }
            Expr::Or(parts) => {
                let bounds = parts.iter().map(Expr::job_bounds);
                bounds.reduce(|(low, high), (l, h)| (low.min(l), high.max(h))).unwrap_or(EVERY_JOB)
            }
        }
    }

    fn reads_texts(&self) -> bool {
        match self {
            Expr::Term(term) => matches!(term, Term::Text { .. } | Term::Regex(_)),
            Expr::Not(inner) => inner.reads_texts(),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().any(Expr::reads_texts),
        }
    }
}

/// The first part that is `decisive` decides; without one the others do, if all can be told.
fn decided_by(parts: &[Expr], decisive: bool, of: &impl Fn(&Term) -> Option<bool>) -> Option<bool> {
    let mut all_known = true;
    for part in parts {
        match part.holds(of) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!decisive)
}

/// One condition.
#[derive(Clone, Debug)]
enum Term {
    Is(Word),
    Task(TaskIdx),
    Pool(PoolIdx),
    OfTask(TaskIdx, u32),
    Compare {
        field: Field,
        is: Comparison,
        to: i64,
    },
    /// Text somewhere in the label or the inputs.
    Text {
        /// In small letters when `any_case`.
        text: String,
        any_case: bool,
    },
    Regex(Regex),
}

impl Term {
    fn matches<'t>(&self, job: &JobFacts<'_>, texts: impl Fn() -> &'t JobTexts) -> bool {
        match self {
            Term::Is(word) => word.holds(job.standing, job.paused),
            Term::Task(task) => job.task == *task,
            Term::Pool(pool) => job.pool == *pool,
            Term::OfTask(task, index) => job.task == *task && job.index == *index,
            Term::Compare { field, is, to } => {
                field.of(job).is_some_and(|value| is.holds(value.cmp(to)))
            }
            Term::Text { text, any_case: false } => {
                let texts = texts();
                texts.label.contains(text.as_str()) || texts.inputs.contains(text.as_str())
            }
            Term::Text { text, any_case: true } => {
                let texts = texts();
                let holds = |hay: &str| hay.to_lowercase().contains(text.as_str());
                holds(&texts.label) || holds(&texts.inputs)
            }
            Term::Regex(regex) => {
                let texts = texts();
                regex.is_match(&texts.label) || regex.is_match(&texts.inputs)
            }
        }
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::GreaterOrEqual => order.is_ge(),
            Comparison::Greater => order.is_gt(),
        }
    }
}

#[cfg(test)]
mod tests;
