//! From the plan and the number of a job to everything that one attempt needs to start.

use super::prepare::Prepared;
use crate::control::runs::RunFolder;
use crate::inputs::read_env_file;
use crate::model::query::{EnvFrom, EnvVar};
use crate::model::report::CommandText;
use crate::model::{AttemptId, LaunchOrder, Slot, Stdin, Stdout, TaskIdx, Text};
use crate::plan::TaskSpec;
use crate::plan::inputs::InputSet;
use crate::plan::spec::{MARKS, OUTER_JOBS, Run, StdinSpec, Threads};
use crate::plan::template::{Name, RenderError, Template};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name and value of environment variables.
pub type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// Variables to be shown, and the files that some of them come from.
pub type ShownEnv = (Vec<EnvVar>, Vec<Text>);

/// Variables that tell numeric libraries how many threads to start.
const THREAD_VARIABLES: [&str; 5] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
];

/// Which job, where and for which time.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub attempt: AttemptId,
    pub task: TaskIdx,
    /// Position in its task, from 0.
    pub index: u32,
    pub slot: Slot,
    /// Workers that the slot's pool has now, for `threads: auto`.
    pub pool_size: u32,
}

/// Returns the threads that `threads` of a task gives a job in a pool of that size; `None`
/// without the key.
pub fn threads_of(prepared: &Prepared, task: &TaskSpec, pool_size: u32) -> Option<u32> {
    Some(match task.threads? {
        Threads::Exactly(n) => n,
        Threads::Auto => (prepared.cpus.count / pool_size.max(1)).max(1),
    })
}

/// Makes launch orders; keeps what all jobs share.
pub struct Launcher {
    prepared: Arc<Prepared>,
    /// ganger's own environment without the marks of an outer run.
    inherited: Arc<Variables>,
    /// GANGER_RUN, GANGER_SOCKET, GANGER_BIN and GANGER_OUTER_JOBS, the same for all jobs.
    run_marks: Variables,
    env_files: HashMap<PathBuf, Result<Variables, String>>,
}

impl Launcher {
    pub fn new(prepared: Arc<Prepared>, mark: &str, folder: &RunFolder) -> Launcher {
        let is_mark = |name: &OsString| {
            let name = name.as_bytes();
            name.starts_with(b"GANGER_VAR_") || MARKS.iter().any(|m| m.as_bytes() == name)
        };
        let mut inherited: Variables = std::env::vars_os()
            .filter(|(name, _)| !is_mark(name))
            .map(|(name, value)| (name.into_vec(), value.into_vec()))
            .collect();
        let mut run_marks = vec![
            pair("GANGER_RUN", mark),
            (b"GANGER_SOCKET".to_vec(), folder.socket.as_os_str().as_bytes().to_vec()),
        ];
        if let Some((binary, bin)) = own_binary(folder) {
            run_marks.push((b"GANGER_BIN".to_vec(), binary.into_os_string().into_vec()));
            put_first(&mut inherited, bin.as_os_str().as_bytes());
        }
        if let (Ok(_), Ok(job)) = (std::env::var("GANGER_RUN"), std::env::var("GANGER_JOB")) {
            let outer = match std::env::var(OUTER_JOBS) {
                Ok(jobs) => format!("{jobs}/{job}"),
                Err(_) => job,
            };
            run_marks.push(pair(OUTER_JOBS, &outer));
        }
        Launcher { prepared, inherited: Arc::new(inherited), run_marks, env_files: HashMap::new() }
    }

    /// Makes the order for one attempt.
    ///
    /// # Errors
    /// In words, when a value holds a NUL byte or an `env_file` cannot be read.
    pub fn order(&mut self, place: Place, inputs: &InputSet) -> Result<LaunchOrder, String> {
        let prepared = Arc::clone(&self.prepared);
        let task = &prepared.plan.tasks[place.task.0 as usize];
        let fill = Fill { prepared: &prepared, inputs, place };
        let workdir = fill.workdir(task)?;
        let at = |t: &Template| fill.path(&workdir, t);
        let stream = |t: &Option<Template>| match t {
            None => Ok(Stdout::Kept),
            Some(t) => at(t).map(Stdout::File),
        };
        let mut job_env = Vec::new();
        for file in &task.env_file {
            job_env.extend(self.env_file(&at(file)?)?);
        }
        fill.env(task, &mut job_env)?;
        self.marks(&fill, task, &mut job_env);
        Ok(LaunchOrder {
            attempt: place.attempt,
            slot_key: (u64::from(place.slot.pool.0) << 32) | u64::from(place.slot.n),
            argv: fill.argv(task)?,
            env: Arc::clone(&self.inherited),
            job_env,
            stdin: match &task.stdin {
                StdinSpec::Null => Stdin::Null,
                StdinSpec::Text(t) => Stdin::Text(fill.text(t)?),
                StdinSpec::File(t) => Stdin::File(at(t)?),
            },
            stdout: stream(&task.stdout)?,
            stderr: stream(&task.stderr)?,
            tty: task.tty,
            creates: match &task.creates {
                None => None,
                Some(t) => Some((at(t)?, fill.file_inputs(&workdir))),
            },
            nice: task.nice,
            limits: task.limits,
            keep_leftovers: task.keep_leftovers,
            workdir,
        })
    }

    fn marks(&self, fill: &Fill<'_>, task: &TaskSpec, env: &mut Variables) {
        env.extend(self.run_marks.iter().cloned());
        fill.marks(task, env);
    }

    /// Returns what a job's environment has besides the inherited one, to be shown: of files
    /// only the names, and only of those that some attempt has read; and all the files.
    ///
    /// # Errors
    /// In words, when a value holds a NUL byte.
    pub fn shown_env(&self, place: Place, inputs: &InputSet) -> Result<ShownEnv, String> {
        let task = &self.prepared.plan.tasks[place.task.0 as usize];
        let fill = Fill { prepared: &self.prepared, inputs, place };
        let workdir = fill.workdir(task)?;
        let mut shown = Vec::new();
        let mut files = Vec::new();
        for file in &task.env_file {
            let path = fill.path(&workdir, file)?;
            if let Some(Ok(pairs)) = self.env_files.get(&path) {
                shown.extend(pairs.iter().map(|(name, _)| EnvVar {
                    name: Text(name.clone()),
                    value: None,
                    from: EnvFrom::EnvFile,
                }));
            }
            files.push(Text(path.into_os_string().into_vec()));
        }
        let (mut of_task, mut of_ganger) = (Vec::new(), Vec::new());
        fill.env(task, &mut of_task)?;
        self.marks(&fill, task, &mut of_ganger);
        for (from, pairs) in [(EnvFrom::Task, of_task), (EnvFrom::Ganger, of_ganger)] {
            let var = |(name, value)| EnvVar { name: Text(name), value: Some(Text(value)), from };
            shown.extend(pairs.into_iter().map(var));
        }
        Ok((shown, files))
    }

    /// How many variables every job inherits.
    pub fn n_inherited(&self) -> u32 {
        u32::try_from(self.inherited.len()).unwrap_or(u32::MAX)
    }

    /// What a file of NAME=VALUE lines says; read once per run.
    fn env_file(&mut self, path: &Path) -> Result<Variables, String> {
        let known = self.env_files.entry(path.to_owned()).or_insert_with(|| {
            read_env_file(path)
                .map(|pairs| pairs.into_iter().map(|(n, v)| (n.into_bytes(), v)).collect())
                .map_err(|e| e.to_string())
        });
        known.clone()
    }
}

/// What would run for a job: text for the shell or a list, every placeholder filled in.
///
/// # Errors
/// In words, when a value holds a NUL byte.
pub fn command(
    prepared: &Prepared,
    inputs: &InputSet,
    place: Place,
) -> Result<CommandText, String> {
    let fill = Fill { prepared, inputs, place };
    match &prepared.plan.tasks[place.task.0 as usize].run {
        Run::Shell { text, .. } => Ok(CommandText::Shell(Text(fill.text(text)?))),
        Run::Argv(words) => {
            let words: Result<Vec<_>, _> = words.iter().map(|w| fill.text(w).map(Text)).collect();
            Ok(CommandText::Argv(words?))
        }
    }
}

/// The folder a job runs in.
///
/// # Errors
/// In words, when a value holds a NUL byte.
pub fn workdir(prepared: &Prepared, inputs: &InputSet, place: Place) -> Result<PathBuf, String> {
    Fill { prepared, inputs, place }.workdir(&prepared.plan.tasks[place.task.0 as usize])
}

/// The running ganger, and a folder in which nothing but a link to it is. Jobs have that folder
/// first on their PATH, so that they speak to the supervisor with the very ganger that it is,
/// installed or not, and find everything else where they always do.
fn own_binary(folder: &RunFolder) -> Option<(PathBuf, PathBuf)> {
    let binary = std::env::current_exe().ok()?;
    let bin = folder.dir.join("bin");
    std::fs::create_dir(&bin).ok()?;
    std::os::unix::fs::symlink(&binary, bin.join("ganger")).ok()?;
    Some((binary, bin))
}

/// Puts a folder before all others of PATH.
fn put_first(variables: &mut Variables, bin: &[u8]) {
    match variables.iter_mut().find(|(name, _)| name == b"PATH") {
        Some((_, path)) => *path = [bin, path].join(&b':'),
        // What execvp(3) looks through without PATH.
        None => variables.push((b"PATH".to_vec(), [bin, b"/bin:/usr/bin"].join(&b':'))),
    }
}

/// Fills placeholders in for one attempt.
struct Fill<'a> {
    prepared: &'a Prepared,
    inputs: &'a InputSet,
    place: Place,
}

impl Fill<'_> {
    fn lookup(&self, name: &Name) -> Option<Cow<'_, [u8]>> {
        let number = |n: u32| Some(Cow::Owned(n.to_string().into_bytes()));
        match (name.base.as_str(), name.field.as_deref()) {
            ("vars", Some(field)) => {
                let vars = &self.prepared.plan.vars;
                vars.iter().find(|(n, _)| n == field).map(|(_, v)| Cow::Borrowed(v.as_slice()))
            }
            ("job", None) => number(self.place.attempt.job.0),
            ("attempt", None) => number(self.place.attempt.n),
            ("slot", None) => number(self.place.slot.n),
            ("run", None) => Some(Cow::Borrowed(self.prepared.run.as_bytes())),
            _ => self.inputs.lookup(self.place.index, name),
        }
    }

    fn text(&self, template: &Template) -> Result<Vec<u8>, String> {
        if let Some(text) = template.as_literal() {
            return Ok(text.as_bytes().to_vec());
        }
        template.render(&|name| self.lookup(name)).map_err(|e: RenderError| e.to_string())
    }

    fn path(&self, base: &Path, template: &Template) -> Result<PathBuf, String> {
        Ok(base.join(OsString::from_vec(self.text(template)?)))
    }

    fn workdir(&self, task: &TaskSpec) -> Result<PathBuf, String> {
        match &task.workdir {
            None => Ok(self.prepared.plan.workdir.clone()),
            Some(t) => self.path(&self.prepared.plan.workdir, t),
        }
    }

    fn argv(&self, task: &TaskSpec) -> Result<Vec<Vec<u8>>, String> {
        match &task.run {
            Run::Shell { shell, text } => {
                let mut argv: Vec<_> = shell.iter().map(|w| w.clone().into_bytes()).collect();
                argv.push(self.text(text)?);
                Ok(argv)
            }
            Run::Argv(words) => words.iter().map(|w| self.text(w)).collect(),
        }
    }

    fn env(&self, task: &TaskSpec, env: &mut Variables) -> Result<(), String> {
        if let Some(n) = threads_of(self.prepared, task, self.place.pool_size) {
            env.extend(THREAD_VARIABLES.iter().map(|name| pair(name, &n.to_string())));
        }
        for (name, value) in &task.env {
            env.push((name.clone().into_bytes(), self.text(value)?));
        }
        Ok(())
    }

    fn marks(&self, task: &TaskSpec, env: &mut Variables) {
        let AttemptId { job, n } = self.place.attempt;
        env.push(pair("GANGER_JOB", &job.0.to_string()));
        env.push(pair("GANGER_TASK", &task.rules.name));
        env.push(pair("GANGER_ATTEMPT", &n.to_string()));
        env.push(pair("GANGER_SLOT", &self.place.slot.n.to_string()));
        env.push(pair("GANGER_SEED", &seed(job.0).to_string()));
        for (name, value) in self.inputs.vars(self.place.index) {
            env.push((format!("GANGER_VAR_{name}").into_bytes(), value.into_owned()));
        }
    }

    /// The files that `creates` must be newer than.
    fn file_inputs(&self, workdir: &Path) -> Vec<PathBuf> {
        self.inputs
            .file_inputs(self.place.index)
            .into_iter()
            .map(|input| (workdir.join(std::ffi::OsStr::from_bytes(&input.path)), input.from_glob))
            .filter(|(path, from_glob)| *from_glob || path.is_file())
            .map(|(path, _)| path)
            .collect()
    }
}

fn pair(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

/// GANGER_SEED of a job: the same in every run of the file, different for every job.
///
/// The finalizer of MurmurHash3 maps 32-bit numbers one to one, so no two jobs share a seed;
/// 32 bits because many random generators (numpy's among them) take no more.
pub fn seed(job: u32) -> u32 {
    let mut h = job.wrapping_add(0x9e37_79b9);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::seed;
    use std::collections::HashSet;

    #[test]
    fn seeds_repeat_and_differ() {
        let seeds: HashSet<u32> = (1..=100_000).map(seed).collect();
        assert_eq!(seeds.len(), 100_000);
        assert_eq!(seed(1), seed(1));
    }
}
