//! The nouns that everything shares: ids, time, events, commands, snapshots, samples, limits.
//!
//! Pure data. Imports nothing of ganger, touches nothing outside the process.

pub mod act;
pub mod alert;
pub mod bytes;
pub mod command;
pub mod drawn;
pub mod durations;
pub mod each;
pub mod event;
pub mod exec;
pub mod filter;
pub mod hangs;
pub mod harmless;
pub mod ids;
pub mod limits;
pub mod locks;
pub mod nearest;
pub mod outcome;
pub mod pattern;
pub mod query;
pub mod record;
pub mod report;
pub mod sample;
pub mod sentence;
pub mod snapshot;
pub mod style;
pub mod time;
pub mod timeline;
pub mod units;
pub mod waits;
pub mod words;

pub use act::{Act, StopProof};
pub use alert::{Alert, AlertKind, AlertLevel};
pub use bytes::Text;
pub use command::{Answer, Asked, Command, PauseTarget, Rank, Requester, StopHow};
pub use durations::Histogram;
pub use event::Event;
pub use exec::{ExecReport, LaunchOrder, Limits, RunLocation, Stdin, Stdout, TtySize, Usage};
pub use hangs::Hangs;
pub use ids::{AttemptId, JobNo, JobPlace, JobRef, PoolIdx, ProcRef, Slot, TaskIdx};
pub use outcome::{Exit, Outcome, RunOutcome, StopReason, signal_name, signal_number};
pub use pattern::{Case, Matcher, Pattern};
pub use record::{EventFilter, EventPage, EventRow, EventsFrom};
pub use report::{CommandText, JobReport, RunReport, Totals};
pub use sample::{
    Activity, CoreInfo, CoreKind, CoreShares, MachineSample, OutputSample, OwnUse, Pressure,
    Sample, TreeSample,
};
pub use snapshot::{
    Counts, FailureView, MachineInfo, PoolView, RunInfo, RunState, Snapshot, TaskInfo, TaskView,
    WorkerState, WorkerView,
};
pub use style::{JobColor, JobStyle};
pub use time::{Mono, Now, Wall};
pub use timeline::{Bar, Lane, LaneWork, Stretch, Timeline};
