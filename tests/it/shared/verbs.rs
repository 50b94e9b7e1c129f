//! Every verb, its output and its exit code.

use super::{Stage, until};
use serde_json::{Value, json};
use std::fs;

/// Calls verbs one after the other, each with its exit code and what it prints.
fn check(stage: &Stage, calls: &[(&str, i32, &str)]) {
    for (line, code, printed) in calls {
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = stage.home.output(&words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "ganger {line}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), *printed, "ganger {line}: {said}");
        if *code > 1 && *code < 128 && !line.contains("exit") {
            assert!(said.contains("error: "), "ganger {line}: {said}");
        }
    }
}

#[test]
fn every_verb_does_what_it_says() {
    let stage = Stage::new();
    check(
        &stage,
        &[
            ("lock db -- echo hi", 0, "hi\n"),
            ("lock a b a --timeout 5s -- echo both", 0, "both\n"),
            ("lock db --shared -- echo together", 0, "together\n"),
            ("sem api --max 2 -n 2 -- echo permitted", 0, "permitted\n"),
            ("sem api --max 2 -n 3 --try -- true", 75, ""),
            ("event wait ready --timeout 10ms", 124, ""),
            ("event wait ready --try", 75, ""),
            ("event set ready", 0, ""),
            ("event wait ready", 0, ""),
            ("event clear ready", 0, ""),
            ("event wait ready --try", 75, ""),
            ("barrier wait alone --parties 1", 0, "0\n"),
            ("barrier wait two --parties 2 --timeout 10ms", 124, ""),
            ("barrier wait two --parties 2", 1, ""),
            ("barrier reset two", 0, ""),
            ("queue put q a b c --max 3", 0, ""),
            ("queue put q d --timeout 10ms", 124, ""),
            ("queue put q d --try", 75, ""),
            ("queue len q", 0, "3\n"),
            ("queue get q -n 2", 0, "a\nb\n"),
            ("queue join q --timeout 10ms", 124, ""),
            ("queue done q", 0, ""),
            ("queue done q -n 7", 2, ""),
            ("queue close q", 0, ""),
            ("queue put q d", 4, ""),
            ("queue get q --raw", 0, "c"),
            ("queue get q", 4, ""),
            ("queue done q -n 2", 0, ""),
            ("queue join q", 0, ""),
            ("value get n", 1, ""),
            ("value add n", 0, "1\n"),
            ("value add n -5", 0, "-4\n"),
            ("value cas n -4 x", 0, ""),
            ("value cas n -4 x", 1, ""),
            ("value get n", 0, "x\n"),
            ("value add n", 2, ""),
            ("value cas m --absent 7", 0, ""),
            ("value cas m --absent 7", 1, ""),
            ("value set m 007", 0, ""),
            ("value get m", 0, "007\n"),
            ("kv set t k v", 0, ""),
            ("kv add t n 3", 0, "3\n"),
            ("kv get t k", 0, "v\n"),
            ("kv list t", 0, "k\tv\nn\t3\n"),
            ("kv del t k", 0, ""),
            ("kv del t k", 1, ""),
            ("kv get t k", 1, ""),
            ("lock q -- true", 125, ""),
            ("event set db", 2, ""),
            ("deadlocks", 0, ""),
        ],
    );
    let rows = stage.home.json(&["locks", "--json"]);
    let row = |name: &str| rows.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap();
    assert_eq!((&row("db")["kind"], &row("db")["acquisitions"]), (&json!("rwlock"), &json!(2)));
    assert_eq!((&row("q")["closed"], &row("q")["capacity"]), (&json!(true), &json!(3)));
    let table = stage.home.ok(&["locks"]);
    assert!(table.starts_with("NAME") && table.contains("0 of 3, closed"), "{table}");
    assert_eq!(stage.end(), 0);
}

#[test]
fn a_command_keeps_its_exit_code_and_gets_the_signals() {
    let stage = Stage::new();
    let dir = stage.home.path("");
    check(
        &stage,
        &[
            ("lock db -- /nonexistent/program", 127, ""),
            (&format!("lock db -- {}", dir.display()), 126, ""),
            ("lock db --", 125, ""),
            ("lock --help-me", 125, ""),
            ("queue each q", 125, ""),
            ("queue get", 2, ""),
        ],
    );
    for (script, code) in [("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let output = stage.home.output(&["lock", "db", "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}: {output:?}");
    }
    let script = "trap 'exit 7' TERM; trap 'echo usr' USR1; echo up; while :; do sleep 0.02; done";
    let mut running = stage.spawn(&["lock", "db", "--", "sh", "-c", script]);
    assert_eq!(running.line(), "up");
    let busy = stage.home.output(&["lock", "db", "--try", "--", "true"]);
    assert_eq!(busy.status.code(), Some(75));
    let late = stage.home.output(&["lock", "db", "--timeout", "20ms", "--", "true"]);
    assert_eq!(late.status.code(), Some(124));
    let said = String::from_utf8(late.stderr).unwrap();
    assert!(said.contains("held by sh -c trap"), "{said}");
    running.signal(rustix::process::Signal::USR1);
    assert_eq!(running.line(), "usr");
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.output().status.code(), Some(7));
    assert_eq!(stage.home.ok(&["lock", "db", "--try", "--", "echo", "free"]), "free\n");
    assert_eq!(stage.end(), 0);
}

#[test]
fn a_lock_passes_inside_of_itself() {
    let stage = Stage::new();
    let ganger = env!("CARGO_BIN_EXE_ganger");
    let inner = format!("\"{ganger}\" lock x db --try -- echo inner");
    let script = format!("'{ganger}' lock db x --try -- sh -c '{inner}'");
    assert_eq!(stage.home.ok(&["lock", "db", "--", "sh", "-c", &script]), "inner\n");
    let shared = format!("'{ganger}' lock db --shared -- echo inner; '{ganger}' lock db -- true");
    let output = stage.home.output(&["lock", "db", "--shared", "--", "sh", "-c", &shared]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(125), &b"inner\n"[..]));
    // A mark that outlived its process lets nobody in.
    let mark = stage.home.ok(&["lock", "db", "--", "sh", "-c", "echo $GANGER_LOCKS"]);
    let mut holder = stage.spawn(&["lock", "db", "--", "sh", "-c", "echo up; read x"]);
    assert_eq!(holder.line(), "up");
    let mut command = stage.home.command(&["lock", "db", "--try", "--", "true"]);
    assert_eq!(command.env("GANGER_LOCKS", mark.trim_end()).status().unwrap().code(), Some(75));
    assert!(holder.output().status.code().is_some());
    assert_eq!(stage.end(), 0);
}

#[test]
fn a_lock_is_held_for_a_process_that_goes_on() {
    let stage = Stage::new();
    let mut shell = stage.spawn(&["lock", "unused", "--", "sh", "-c", "echo $$; read x"]);
    let pid = shell.line();
    check(
        &stage,
        &[
            (&format!("lock hold db index --pid {pid}"), 0, ""),
            ("lock db --try -- true", 75, ""),
            (&format!("lock release db --pid {pid}"), 0, ""),
            (&format!("lock release db --pid {pid}"), 1, ""),
            ("lock db --try -- echo free", 0, "free\n"),
            ("lock release index", 1, ""),
            ("lock release index --anyone", 0, ""),
            (&format!("lock hold db --pid {pid}"), 0, ""),
            ("lock hold x --pid 0", 2, ""),
            ("lock hold x --pid 2147483647", 1, ""),
        ],
    );
    let mut waiter = stage.spawn(&["lock", "db", "--", "echo", "mine"]);
    stage.until_waiting("db", 1);
    shell.child.stdin.take();
    assert_eq!(waiter.line(), "mine");
    let output = waiter.output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the last owner of `db` ended"), "{said}");
    assert_eq!(shell.output().status.code(), Some(1), "read ends with 1 at the end of its input");
    assert_eq!(stage.end(), 0);
}

#[test]
fn items_are_bytes_and_each_runs_once_for_every_one() {
    let stage = Stage::new();
    let put = |words: &[&str], input: &[u8]| {
        let words: Vec<&str> = ["queue", "put", "q"].iter().chain(words).copied().collect();
        let output = stage.fed(&words, input);
        assert!(output.status.success(), "{output:?}");
    };
    put(&["a b"], b"");
    put(&[], b"line\n\nlast");
    put(&["-0"], b"x\ny\0\xff\0");
    put(&["--raw"], b"\0\n\xfe");
    let get = |words: &[&str]| {
        let words: Vec<&str> = ["queue", "get", "q"].iter().chain(words).copied().collect();
        stage.home.output(&words).stdout
    };
    assert_eq!(get(&["-n", "4"]), b"a b\nline\n\nlast\n");
    assert_eq!(get(&["-n", "2", "-0"]), b"x\ny\0\xff\0");
    assert_eq!(get(&["--raw"]), b"\0\n\xfe");

    let big = vec![b'x'; (2 << 20) + 1];
    assert_eq!(stage.fed(&["queue", "put", "q", "--raw"], &big).status.code(), Some(2));
    assert_eq!(stage.fed(&["queue", "put", "q", "--raw"], &big[1..]).status.code(), Some(0));
    assert_eq!(get(&["--raw"]).len(), 2 << 20);

    put(&["1", "2 2", "3"], b"");
    stage.home.ok(&["queue", "close", "q"]);
    let output = stage.home.output(&["queue", "each", "q", "--", "sh", "-c", "echo '{}{}'"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3, "{output:?}");
    // Those that were got for good nobody has called done yet.
    stage.home.ok(&["queue", "done", "q", "-n", "8"]);
    stage.home.ok(&["queue", "join", "q", "--timeout", "20s"]);
    stage.home.ok(&["queue", "put", "r", "1", "2 2", "3"]);
    stage.home.ok(&["queue", "close", "r"]);
    let output = stage.home.output(&[
        "queue",
        "each",
        "r",
        "--",
        "sh",
        "-c",
        "test \"$1\" != 3 && echo \"$1\"",
        "x",
    ]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b"1\n2 2\n"[..]));
    stage.home.ok(&["queue", "put", "s", "1"]);
    stage.home.ok(&["queue", "close", "s"]);
    let output = stage.home.output(&["queue", "each", "s", "--", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(127));
    until("its item is there again", || stage.home.ok(&["queue", "len", "s"]) == "1\n");
    assert_eq!(stage.end(), 0);
}

#[test]
fn without_a_run_there_is_an_error_with_a_hint() {
    let home = crate::cli::Home::new();
    for (words, code) in [
        (&["lock", "db", "--", "true"][..], 125),
        (&["queue", "get", "q"], 2),
        (&["value", "get", "n", "-r", "nobody"], 2),
        (&["locks"], 2),
        (&["deadlocks"], 2),
    ] {
        assert!(home.fails(code, words).contains("hint: "), "{words:?}");
    }
    let mut command = home.command(&["value", "get", "n"]);
    let output = command.env("GANGER_SOCKET", home.path("nobody")).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("its supervisor died"));
}

const IN_JOBS: &str = r#"
workers: 4
semaphores: {api: 1}
tasks:
  - name: stand
    run: |
      echo "$GANGER_SOCKET" > socket.tmp && mv socket.tmp socket
      ganger lock mine -- sh -c 'touch held; until test -e go; do sleep 0.05; done'
  - name: with-a-lock
    locks: [db]
    run: ganger lock db --try -- touch passed
  - name: takes
    retries: 1
    run: |
      item=$(ganger queue get q)
      echo "$GANGER_ATTEMPT $item" >> got
      test "$GANGER_ATTEMPT" = 2
"#;

#[test]
fn jobs_find_their_run_and_are_known_by_their_number() {
    let stage = Stage::of(IN_JOBS);
    until("the job holds its lock", || stage.home.path("held").exists());
    let rows = stage.home.json(&["locks", "--json"]);
    let holder = rows.as_array().unwrap().iter().find(|row| row["name"] == "mine").unwrap();
    let mine = holder["holders"].as_array().unwrap();
    assert_eq!((&holder["name"], &mine[0]["job"]), (&json!("mine"), &json!(1)), "{holder}");
    assert_eq!(mine[0]["attempt"], 1);
    until("a job's own lock lets its processes in", || stage.home.path("passed").exists());
    // An item of a job that failed is handed out again.
    stage.home.ok(&["queue", "put", "q", "a"]);
    until("the second attempt got it", || {
        fs::read_to_string(stage.home.path("got")).is_ok_and(|got| got == "1 a\n2 a\n")
    });
    stage.home.ok(&["queue", "join", "q", "--timeout", "20s"]);
    // Nobody is believed that an attempt is theirs which does not run.
    let mut liar = super::Client::connect(&stage.socket);
    let role = json!({"client": {"job": 77, "attempt": 1}});
    liar.say(&json!({"type": "hello", "protocol": 2, "role": role}));
    assert_eq!(liar.hear().unwrap()["type"], "welcome");
    liar.ask(&json!({"op": "acquire", "names": ["lie"]}));
    let party = &stage.row("lie")["holders"][0]["party"];
    assert_eq!((&party["attempt"], &party["label"]), (&Value::Null, &json!(":77#1")), "{party}");
    assert_eq!(stage.end(), 0);
}

/// Each takes one lock inside of the other: by the command, and by what the task takes.
const INVERTED: &str = r#"
locks: [a, b, c]
workers: 1
tasks:
  - name: nested
    run: GANGER lock a -- GANGER lock b -- GANGER lock c -- true
  - name: reversed
    run: GANGER lock b -- GANGER lock a -- true
  - name: declared
    locks: [c]
    run: GANGER lock a -- true
"#;

#[test]
fn plain_output_warns_of_locks_that_are_taken_in_both_orders() {
    let home = crate::cli::Home::new();
    let text = INVERTED.replace("GANGER", env!("CARGO_BIN_EXE_ganger"));
    let file = home.file("tasks.yaml", &text);
    let output = home.output(&["run", file.to_str().unwrap(), "--plain"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let warned = |first: &str, second: &str| {
        said.lines().any(|line| {
            line.starts_with("warning: nested:1 (pid ")
                && line.contains(&format!(") took {first} and then {second}, "))
                && line.ends_with(" the other way round: they can block each other")
        })
    };
    assert!(warned("a", "b") && warned("a", "c"), "{said}");
    assert_eq!(said.matches("warning: ").count(), 2, "{said}");
}
