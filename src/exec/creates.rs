//! `creates`: whether what a job makes is there and newer than what it is made from.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Whether `target` exists and is newer than every one of `inputs`. Relative paths count from
/// `workdir`.
///
/// An input that is missing, or as old as the target, makes it out of date: running once too
/// often is safer than not at all.
pub(super) fn is_up_to_date(workdir: &Path, target: &Path, inputs: &[PathBuf]) -> bool {
    let Some(made) = modified(&workdir.join(target)) else { return false };
    inputs.iter().all(|input| modified(&workdir.join(input)).is_some_and(|at| at < made))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn up_to_date_means_there_and_newer_than_every_input() {
        let dir = tempfile::tempdir().unwrap();
        let touch = |name: &str, nanos: u64| {
            let file = std::fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)).unwrap();
        };
        touch("old", 1_000_000_000_000);
        touch("same", 1_000_000_000_001);
        touch("out", 1_000_000_000_001);
        touch("new", 1_000_000_000_002);
        for (target, inputs, expected) in [
            ("out", &[][..], true),
            ("out", &["old"], true),
            ("out", &["old", "same"], false),
            ("out", &["old", "new"], false),
            ("out", &["old", "missing"], false),
            ("missing", &[], false),
            (".", &[], true),
        ] {
            let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
            assert_eq!(
                is_up_to_date(dir.path(), Path::new(target), &inputs),
                expected,
                "{target} of {inputs:?}"
            );
        }
    }
}
