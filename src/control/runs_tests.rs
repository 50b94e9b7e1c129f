use super::*;
use std::os::unix::fs::PermissionsExt;

fn dirs() -> (tempfile::TempDir, RunsDir) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("state/ganger/runs");
    let runtime = temp.path().join("runtime");
    (temp, RunsDir::at(root, Some(runtime)))
}

/// Makes a run that ended at `started` seconds and whose supervisor is gone.
fn ended_run(runs: &RunsDir, started: i64, bytes: u64) -> RunFolder {
    let folder = runs.create("pictures", "pictures.yaml").unwrap();
    let ended = EndedInfo {
        exit_code: 0,
        outcome: RunOutcome::Succeeded,
        ended_at: Wall(started),
        counts: Counts::default(),
        trouble: None,
    };
    folder.finish(ended).unwrap();
    bury(&folder, started);
    fs::write(folder.dir.join(SIZE), bytes.to_string()).unwrap();
    folder
}

/// Makes it look as if the supervisor had been killed.
fn bury(folder: &RunFolder, started: i64) {
    let mut record = read_record(&folder.dir).unwrap();
    record.supervisor.start_ticks += 1;
    record.started_at = Wall(started);
    record.preparing = false;
    folder.write(&record).unwrap();
}

#[test]
fn a_new_run_is_private_claimed_and_found() {
    let (_temp, runs) = dirs();
    let folder = runs.create("pictures", "pictures.yaml").unwrap();
    for path in [&runs.root, &folder.dir, folder.socket.parent().unwrap()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
    }
    folder.claim("outer/inner", "pictures", "tasks/pictures.yaml", Wall(5)).unwrap();
    let found = runs.find(None).unwrap();
    assert_eq!(found.id, folder.id);
    assert_eq!(found.socket, folder.socket);
    assert_eq!((found.name.as_str(), found.mark.as_str()), ("pictures", "outer/inner"));
    assert_eq!(found.pid, std::process::id().cast_signed());
    assert!(found.alive && !found.is_lost());
    assert_eq!(runs.open(&folder.id).unwrap().socket, folder.socket);
}

#[test]
fn a_run_is_found_by_prefix_and_by_its_nested_name() {
    let (_temp, runs) = dirs();
    let a = runs.create("pictures", "pictures.yaml").unwrap();
    let by = |name: &str| runs.find(Some(name)).map(|run| run.id);
    assert_eq!(by(&a.id), Ok(a.id.clone()));
    assert_eq!(by(&a.id[..6]), Ok(a.id.clone()));
    assert_eq!(by(&format!("outer-run-2345/{}", a.id)), Ok(a.id.clone()));
    let mut mistyped = a.id.clone();
    mistyped.insert(3, 'q');
    assert_eq!(
        by(&mistyped),
        Err(FindError::Unknown { name: mistyped.clone(), nearest: Some(a.id.clone()) })
    );
    assert!(by("").is_err());
    runs.create("pictures", "pictures.yaml").unwrap();
    assert!(matches!(runs.find(None), Err(FindError::Several(two)) if two.len() == 2));
}

#[test]
fn a_live_run_is_meant_before_an_ended_one_with_the_same_prefix() {
    let run = |id: &str, alive| KnownRun {
        id: id.into(),
        dir: PathBuf::new(),
        socket: PathBuf::new(),
        name: String::new(),
        file: String::new(),
        mark: id.into(),
        pid: 1,
        start_ticks: 1,
        started_at: Wall(0),
        alive,
        elsewhere: false,
        ended: None,
        swept: false,
        preparing: false,
    };
    let runs = || vec![run("brave-otter-aaaa", false), run("brave-otter-bbbb", true)];
    assert_eq!(find_named(runs(), "brave").map(|r| r.id), Ok("brave-otter-bbbb".into()));
    assert_eq!(find_named(runs(), "brave-otter-a").map(|r| r.id), Ok("brave-otter-aaaa".into()));
    let two = vec![run("a-b-1", true), run("a-b-2", true)];
    assert!(matches!(find_named(two, "a"), Err(FindError::Ambiguous { .. })));
}

#[test]
fn a_killed_supervisor_shows_as_lost() {
    let (_temp, runs) = dirs();
    let folder = runs.create("pictures", "pictures.yaml").unwrap();
    bury(&folder, 1);
    assert!(runs.list()[0].is_lost());
    let error = runs.find(None).unwrap_err();
    assert_eq!(error, FindError::NoneLive { lost: vec![folder.id.clone()] });
    assert!(error.to_string().contains(&folder.id), "{error}");
    assert!(error.hint().contains(&format!("ganger stop {}", folder.id)), "{}", error.hint());
    folder.mark_swept().unwrap();
    assert_eq!(runs.find(None), Err(FindError::NoneLive { lost: Vec::new() }));
}

#[test]
fn a_run_that_never_began_is_not_shown_and_is_pruned() {
    let (_temp, runs) = dirs();
    let folder = runs.create("pictures", "pictures.yaml").unwrap();
    let listed = runs.list();
    assert_eq!((listed[0].name.as_str(), listed[0].preparing), ("pictures", true));
    assert_eq!(runs.prune().unwrap(), 0, "it is still beginning");
    let mut record = read_record(&folder.dir).unwrap();
    record.supervisor.start_ticks += 1;
    folder.write(&record).unwrap();
    assert_eq!(runs.list(), []);
    assert_eq!(runs.find(None), Err(FindError::NoneLive { lost: Vec::new() }));
    runs.prune().unwrap();
    assert!(!folder.dir.exists());
}

#[test]
fn the_socket_goes_where_its_path_is_short_enough() {
    let temp = tempfile::tempdir().unwrap();
    let deep = temp.path().join("d".repeat(100));
    let inside = RunsDir::at(temp.path().join("r"), Some(deep.clone()))
        .create("pictures", "pictures.yaml")
        .unwrap();
    assert_eq!(inside.socket, inside.dir.join("sock"));
    let unset =
        RunsDir::at(temp.path().join("r"), None).create("pictures", "pictures.yaml").unwrap();
    assert_eq!(unset.socket, unset.dir.join("sock"));
    let short = RunsDir::at(deep, None).create("pictures", "pictures.yaml").unwrap();
    assert!(short.socket.starts_with("/tmp"), "{:?}", short.socket);
    assert!(short.socket.as_os_str().len() <= SOCKET_PATH_BYTES);
}

#[test]
fn a_runtime_folder_that_others_may_enter_is_not_used() {
    let (temp, runs) = dirs();
    let open = temp.path().join("runtime/ganger");
    fs::create_dir_all(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = runs.create("pictures", "pictures.yaml").unwrap();
    assert_eq!(folder.socket, folder.dir.join("sock"));
}

#[test]
fn pruning_keeps_the_newest_runs_and_every_live_one() {
    let (_temp, runs) = dirs();
    let live = runs.create("pictures", "pictures.yaml").unwrap();
    live.claim(&live.id, "live", "f", Wall(0)).unwrap();
    let old = ended_run(&runs, 1, 10);
    for n in 0..KEPT_RUNS {
        ended_run(&runs, 10 + i64::try_from(n).unwrap(), 10);
    }
    assert_eq!(runs.prune().unwrap(), 1);
    let left = runs.list();
    assert_eq!(left.len(), KEPT_RUNS + 1);
    assert!(left.iter().any(|run| run.id == live.id));
    assert!(left.iter().all(|run| run.id != old.id));
}

#[test]
fn pruning_bounds_the_bytes_but_keeps_the_newest_ended_run() {
    let (_temp, runs) = dirs();
    let small = ended_run(&runs, 1, 1);
    let big = ended_run(&runs, 2, KEPT_BYTES + 1);
    assert_eq!(runs.prune().unwrap(), 1);
    let left = ids(&runs.list());
    assert_eq!(left, [big.id]);
    assert!(!small.dir.exists());
}

#[test]
fn only_one_process_prunes_and_a_killed_one_is_finished_later() {
    let (_temp, runs) = dirs();
    let turn = runs.turn_to_prune().unwrap();
    ended_run(&runs, 1, KEPT_BYTES);
    ended_run(&runs, 2, KEPT_BYTES);
    assert_eq!(runs.prune().unwrap(), 0);
    drop(turn);
    fs::create_dir(runs.root.join(".trash-x")).unwrap();
    assert_eq!(runs.prune().unwrap(), 1);
    assert!(!runs.root.join(".trash-x").exists());
}

#[test]
fn start_ticks_are_those_of_a_living_process() {
    let me = std::process::id().cast_signed();
    assert!(start_ticks(me).unwrap() > 0);
    assert_eq!(start_ticks(0), None);
}
