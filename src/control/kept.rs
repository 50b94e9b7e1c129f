//! Which jobs each task of an ended run had: `resize:3` can be named when nobody supervises the
//! run any more. Written once, at its end. Talks to nobody.

use super::runs::write_atomically;
use crate::model::{JobNo, JobPlace};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// The file in a run's folder.
const FILE: &str = "tasks.json";

/// The jobs of a task, which are numbered in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTask {
    pub name: String,
    pub first: JobNo,
    pub n_jobs: u32,
}

/// The tasks of an ended run that had jobs.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptTasks(pub Vec<KeptTask>);

impl KeptTasks {
    /// Writes them into the folder of their run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        write_atomically(&folder.join(FILE), &serde_json::to_vec(self)?)
    }

    /// Reads those of a run; `None` when it never came to its end.
    pub fn read(folder: &Path) -> Option<KeptTasks> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Finds the number of a job.
    ///
    /// # Errors
    /// In words, when there is no such job.
    pub fn find(&self, place: &JobPlace) -> Result<JobNo, String> {
        let of = |name: &str| {
            let task = self.0.iter().find(|task| task.name == *name);
            task.ok_or_else(|| format!("no task `{name}` had jobs in this run"))
        };
        match place {
            JobPlace::Number(job) => Ok(*job),
            JobPlace::OfTask { task, index } => {
                let KeptTask { first, n_jobs, .. } = *of(task)?;
                if (1..=n_jobs).contains(index) {
                    return Ok(JobNo(first.0 + index - 1));
                }
                let last = format!("`{task}:{n_jobs}` is the last one");
                Err(format!("no job `{task}:{index}` was in this run: {last}"))
            }
            JobPlace::OnlyOf { task } => match *of(task)? {
                KeptTask { first, n_jobs: 1, .. } => Ok(first),
                KeptTask { n_jobs: n, .. } => {
                    Err(format!("task `{task}` had {n} jobs: name one, `{task}:1` to `{task}:{n}`"))
                }
            },
        }
    }

    /// Returns how a job is called: `resize:3`, `prepare` when it was the only one of its task,
    /// or `:17` when that is not known.
    pub fn label(&self, job: JobNo) -> String {
        let has =
            |task: &&KeptTask| job.0.checked_sub(task.first.0).is_some_and(|n| n < task.n_jobs);
        match self.0.iter().find(has) {
            Some(KeptTask { name, n_jobs: 1, .. }) => name.clone(),
            Some(task) => format!("{}:{}", task.name, job.0 - task.first.0 + 1),
            None => job.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_found_by_task_and_called_by_it() {
        let task =
            |name: &str, first, n_jobs| KeptTask { name: name.into(), first: JobNo(first), n_jobs };
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(KeptTasks::read(dir.path()), None);
        let kept = KeptTasks(vec![task("a", 1, 1), task("b", 2, 3)]);
        kept.write(dir.path()).unwrap();
        assert_eq!(KeptTasks::read(dir.path()).as_ref(), Some(&kept));
        let find = |text: &str| kept.find(&text.parse::<crate::model::JobRef>().unwrap().place);
        assert_eq!(find("a"), Ok(JobNo(1)));
        assert_eq!(find("b:3"), Ok(JobNo(4)));
        assert_eq!(find(":9"), Ok(JobNo(9)));
        assert!(find("b").unwrap_err().contains("`b:1` to `b:3`"));
        assert!(find("b:4").unwrap_err().contains("`b:3` is the last"));
        assert!(find("c:1").is_err());
        let none = JobPlace::OfTask { task: "b".into(), index: 0 };
        assert!(kept.find(&none).is_err());
        assert_eq!(["a", "b:1", "b:3", ":5"], [1, 2, 4, 5].map(|n| kept.label(JobNo(n))));
    }
}
