//! The environment and argument blocks of an attempt, and its program on PATH.
//!
//! Jobs of one task share most of their environment: that part is laid out once.

use crate::model::LaunchOrder;
use std::collections::HashMap;
use std::ffi::{CString, OsStr, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// Shared environments kept laid out; beyond this all are dropped and laid out anew. Each
/// task has one, and few tasks run at the same time.
const KEPT_ENVS: usize = 64;
/// Programs whose place is remembered.
const KEPT_PROGRAMS: usize = 1024;

/// A block of strings that end in NUL, as execve(2) takes them.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Block {
    fn push(&mut self, parts: &[&[u8]]) {
        self.starts.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
    }

    /// The pointers are good as long as the block is neither changed nor dropped.
    fn pointer(&self, idx: usize) -> *mut c_char {
        match self.starts.get(idx).and_then(|start| self.bytes.get(*start..)) {
            Some(text) => text.as_ptr().cast_mut().cast(),
            None => std::ptr::null_mut(),
        }
    }
}

/// The environment that all jobs of a task share.
#[derive(Debug)]
struct SharedEnv {
    /// Keeps the address, by which it is found, from being used again.
    _source: Arc<Variables>,
    block: Block,
    place_of: HashMap<Vec<u8>, usize>,
}

/// Arguments and environment, ready for execve(2).
#[derive(Debug)]
pub(super) struct ExecBlocks {
    _argv: Block,
    _job_env: Block,
    argv_ptrs: Vec<*mut c_char>,
    envp_ptrs: Vec<*mut c_char>,
    /// Bytes of arguments and environment, for the words of E2BIG.
    pub(super) n_bytes: usize,
}

impl ExecBlocks {
    pub(super) fn argv(&self) -> *const *mut c_char {
        self.argv_ptrs.as_ptr()
    }

    pub(super) fn envp(&self) -> *const *mut c_char {
        self.envp_ptrs.as_ptr()
    }
}

/// Lays out environments and finds programs. Owned by the thread that starts attempts.
#[derive(Debug, Default)]
pub(super) struct ExecBuilder {
    envs: HashMap<usize, SharedEnv>,
    programs: HashMap<(Vec<u8>, Vec<u8>), PathBuf>,
}

impl ExecBuilder {
    /// Lays out `argv` and the environment of `order`.
    ///
    /// The environment's pointers go into this builder: use them before the next call.
    pub(super) fn blocks(
        &mut self,
        order: &LaunchOrder,
        argv: &[&[u8]],
    ) -> Result<ExecBlocks, String> {
        check_words(order, argv)?;
        let shared = self.shared_env(&order.env)?;
        let mut args = Block::default();
        for word in argv {
            args.push(&[word]);
        }
        let mut job_env = Block::default();
        let mut envp_ptrs: Vec<*mut c_char> =
            (0..shared.block.starts.len()).map(|idx| shared.block.pointer(idx)).collect();
        // Positions in `envp`; a name that comes twice keeps the last value.
        let mut places = Vec::with_capacity(order.job_env.len());
        for (idx, (name, value)) in order.job_env.iter().enumerate() {
            job_env.push(&[name, b"=", value]);
            let earlier = order.job_env.iter().take(idx).position(|(n, _)| n == name);
            let place = match (earlier.and_then(|i| places.get(i)), shared.place_of.get(name)) {
                (Some(place), _) | (None, Some(place)) => *place,
                (None, None) => {
                    envp_ptrs.push(std::ptr::null_mut());
                    envp_ptrs.len() - 1
                }
            };
            places.push(place);
        }
        for (idx, place) in places.iter().enumerate() {
            if let Some(slot) = envp_ptrs.get_mut(*place) {
                *slot = job_env.pointer(idx);
            }
        }
        envp_ptrs.push(std::ptr::null_mut());
        let mut argv_ptrs: Vec<*mut c_char> =
            (0..args.starts.len()).map(|idx| args.pointer(idx)).collect();
        argv_ptrs.push(std::ptr::null_mut());
        let n_bytes = args.bytes.len() + job_env.bytes.len() + shared.block.bytes.len();
        Ok(ExecBlocks { _argv: args, _job_env: job_env, argv_ptrs, envp_ptrs, n_bytes })
    }

    fn shared_env(&mut self, source: &Arc<Variables>) -> Result<&SharedEnv, String> {
        let key = Arc::as_ptr(source).addr();
        if !self.envs.contains_key(&key) {
            if self.envs.len() >= KEPT_ENVS {
                self.envs.clear();
            }
            check_variables(source)?;
        }
        Ok(self.envs.entry(key).or_insert_with(|| {
            let mut block = Block::default();
            let mut place_of: HashMap<Vec<u8>, usize> = HashMap::new();
            // Last value wins, in the place of the first: walk backwards, skip seen names.
            for (name, value) in source.iter().rev() {
                if !place_of.contains_key(name) {
                    place_of.insert(name.clone(), block.starts.len());
                    block.push(&[name, b"=", value]);
                }
            }
            SharedEnv { _source: source.clone(), block, place_of }
        }))
    }

    /// Finds the program of an order in the PATH of its environment, as execvp(3) does.
    pub(super) fn program(&mut self, order: &LaunchOrder) -> Result<CString, String> {
        let name = order.argv.first().map(Vec::as_slice).unwrap_or_default();
        if name.is_empty() {
            return Err("the command is empty".to_owned());
        }
        if name.contains(&b'/') {
            // Relative to the working directory, which the child enters before it executes.
            return CString::new(name).map_err(|_| nul_in("the program's name"));
        }
        // Execvp's own default when PATH is unset.
        let search = variable(order, b"PATH").unwrap_or(b"/bin:/usr/bin");
        let key = (search.to_vec(), name.to_vec());
        if let Some(path) = self.programs.get(&key) {
            return cstring(path);
        }
        let found = search_path(search, name, &order.workdir)?;
        // A relative entry gives another program in another folder: do not remember those.
        if search.split(|b| *b == b':').all(|entry| entry.starts_with(b"/")) {
            if self.programs.len() >= KEPT_PROGRAMS {
                self.programs.clear();
            }
            self.programs.insert(key, found.clone());
        }
        cstring(&found)
    }

    /// Forgets where programs are; `false` when nothing was remembered.
    pub(super) fn forget_programs(&mut self) -> bool {
        let any = !self.programs.is_empty();
        self.programs.clear();
        any
    }
}

/// Returns a variable as the attempt will see it.
fn variable<'a>(order: &'a LaunchOrder, name: &[u8]) -> Option<&'a [u8]> {
    let find = |vars: &'a Variables| vars.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v);
    find(&order.job_env).or_else(|| find(&order.env)).map(Vec::as_slice)
}

fn cstring(path: &Path) -> Result<CString, String> {
    CString::new(path.as_os_str().to_owned().into_vec()).map_err(|_| nul_in("the program's name"))
}

fn nul_in(what: &str) -> String {
    format!("{what} contains a NUL byte")
}

fn check_words(order: &LaunchOrder, argv: &[&[u8]]) -> Result<(), String> {
    if let Some(idx) = argv.iter().position(|word| word.contains(&0)) {
        return Err(nul_in(&format!("argument {idx} of the command")));
    }
    check_variables(&order.job_env)
}

fn check_variables(variables: &Variables) -> Result<(), String> {
    for (name, value) in variables {
        let shown = String::from_utf8_lossy(name);
        if name.is_empty() || name.contains(&b'=') {
            return Err(format!("`{shown}` cannot be the name of an environment variable"));
        }
        if name.contains(&0) || value.contains(&0) {
            return Err(nul_in(&format!("environment variable `{shown}`")));
        }
    }
    Ok(())
}

fn search_path(search: &[u8], name: &[u8], workdir: &Path) -> Result<PathBuf, String> {
    let mut denied: Option<PathBuf> = None;
    for entry in search.split(|b| *b == b':') {
        // An empty entry means the current folder, which is the job's by then.
        let path = workdir.join(OsStr::from_bytes(entry)).join(OsStr::from_bytes(name));
        if !path.is_file() {
            continue;
        }
        if is_executable(&path) {
            return Ok(path);
        }
        denied.get_or_insert(path);
    }
    let name = String::from_utf8_lossy(name);
    Err(match denied {
        Some(path) => {
            format!("program `{name}` found at `{}` but not executable", path.display())
        }
        None => format!("program `{name}` not found on PATH"),
    })
}

/// Whether this process may execute the file, with its effective ids.
pub(super) fn is_executable(path: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD};
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::testing::order;
    use std::ffi::CStr;

    fn strings(mut at: *const *mut c_char) -> Vec<String> {
        let mut all = Vec::new();
        // SAFETY: the blocks under test end with a null pointer and hold C strings.
        unsafe {
            while !(*at).is_null() {
                all.push(CStr::from_ptr(*at).to_string_lossy().into_owned());
                at = at.add(1);
            }
        }
        all
    }

    fn pairs(text: &str) -> Variables {
        text.split_whitespace()
            .filter_map(|p| p.split_once('='))
            .map(|(n, v)| (n.into(), v.into()))
            .collect()
    }

    #[test]
    fn the_jobs_own_variables_win_and_the_last_of_two_wins() {
        let mut order = order(Path::new("/"), &["a", "b c"]);
        order.env = Arc::new(pairs("A=1 B=2 A=3"));
        order.job_env = pairs("B=4 C=5 C=6");
        let mut builder = ExecBuilder::default();
        for _ in 0..2 {
            let blocks = builder.blocks(&order, &[b"a", b"b c"]).unwrap();
            assert_eq!(strings(blocks.argv()), ["a", "b c"]);
            let mut env = strings(blocks.envp());
            env.sort();
            assert_eq!(env, ["A=3", "B=4", "C=6"]);
        }
    }

    #[test]
    fn what_execve_could_not_carry_is_refused_in_words() {
        let mut builder = ExecBuilder::default();
        let mut bad = order(Path::new("/"), &["a"]);
        assert!(builder.blocks(&bad, &[b"a\0"]).unwrap_err().contains("argument 0"));
        bad.job_env = vec![(b"X".to_vec(), b"\0".to_vec())];
        assert!(builder.blocks(&bad, &[b"a"]).unwrap_err().contains("variable `X`"));
        bad.job_env = vec![(b"X=Y".to_vec(), Vec::new())];
        assert!(builder.blocks(&bad, &[b"a"]).unwrap_err().contains("cannot be the name"));
    }

    #[test]
    fn programs_are_found_on_the_path_of_the_job() {
        let dir = tempfile::tempdir().unwrap();
        let tool = dir.path().join("tool");
        std::fs::write(&tool, "").unwrap();
        let mut builder = ExecBuilder::default();
        let mut order = order(Path::new("/"), &["tool"]);
        order.job_env = vec![(b"PATH".to_vec(), dir.path().as_os_str().as_bytes().to_vec())];
        assert!(builder.program(&order).unwrap_err().contains("not executable"));
        std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        assert_eq!(builder.program(&order).unwrap().as_bytes(), tool.as_os_str().as_bytes());
        order.argv = vec![b"tol".to_vec()];
        assert_eq!(builder.program(&order).unwrap_err(), "program `tol` not found on PATH");
        order.argv = vec![Vec::new()];
        assert!(builder.program(&order).is_err());
    }
}
