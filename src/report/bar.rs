//! The progress bar on standard error.

use crate::model::limits::SNAPSHOT_INTERVAL;
use crate::model::{RunState, Snapshot, StopHow};
use crate::report::words;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A progress bar that is not there unless standard error is a terminal.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// Returns a bar; `hidden` where nothing may be drawn at all.
    pub(super) fn new(hidden: bool) -> Bar {
        let draws_per_s = u8::try_from(1000 / SNAPSHOT_INTERVAL.as_millis()).unwrap_or(10);
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(draws_per_s)
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("[{bar:20}] {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        Bar { bar }
    }

    /// Shows where the run stands.
    pub(super) fn show(&self, snapshot: &Snapshot) {
        if self.bar.is_hidden() {
            return;
        }
        let counts = &snapshot.counts;
        self.bar.set_length(u64::from(counts.total));
        self.bar.set_message(line(snapshot));
        self.bar.set_position(u64::from(counts.ended()));
    }

    /// Takes the bar away while something is printed.
    pub(super) fn without<T>(&self, print: impl FnOnce() -> T) -> T {
        if self.bar.is_hidden() { print() } else { self.bar.suspend(print) }
    }

    /// Takes the bar away for good.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The words beside the bar: `12/? done, 1 failed, 4 running, 0m 12s, 8s left`.
fn line(snapshot: &Snapshot) -> String {
    let counts = &snapshot.counts;
    let unknown = if counts.tasks_unread > 0 { "?" } else { "" };
    let mut words = vec![
        format!("{}/{}{unknown} done", counts.ended(), counts.total),
        format!("{} failed", counts.bad()),
        format!("{} running", counts.running),
        words::duration(Duration::from_millis(snapshot.elapsed_ms)),
    ];
    if let Some(left_ms) = snapshot.eta_ms {
        words.push(format!("{} left", words::duration(Duration::from_millis(left_ms))));
    }
    match snapshot.state {
        RunState::Paused => words.push("paused".into()),
        RunState::Ending(StopHow::Drain) => words.push("draining".into()),
        RunState::Ending(_) => words.push("stopping".into()),
        RunState::Running | RunState::Ended { .. } => {}
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Counts;

    #[test]
    fn the_line_says_where_the_run_stands() {
        let counts = Counts { total: 9, succeeded: 3, failed: 1, running: 2, ..Counts::default() };
        let mut snapshot = Snapshot { counts, elapsed_ms: 1500, ..Snapshot::default() };
        assert_eq!(line(&snapshot), "4/9 done, 1 failed, 2 running, 1.5s");
        snapshot.counts.tasks_unread = 1;
        snapshot.eta_ms = Some(90_000);
        snapshot.state = RunState::Paused;
        assert_eq!(line(&snapshot), "4/9? done, 1 failed, 2 running, 1.5s, 1m 30s left, paused");
    }
}
