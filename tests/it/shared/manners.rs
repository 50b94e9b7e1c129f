//! Clients without manners: each has a stated answer, and nobody else is held up.

use super::{Client, Stage, until};
use serde_json::{Value, json};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

fn hello() -> Value {
    json!({"type": "hello", "protocol": 2, "role": "client"})
}

#[test]
fn garbage_is_answered_with_the_reason_and_the_end() {
    let stage = Stage::new();
    let long = vec![b'x'; (4 << 20) + 1];
    let cases: [(&[u8], &str); 6] = [
        (b"what?\n", "this is no message"),
        (b"\xff\xfe\n", "this is no message"),
        (b"{\"type\":\"hello\",\"protocol\":3,\"role\":\"client\"}\n", "speaks protocol 2, not 3"),
        (b"{\"type\":\"ask\",\"id\":1,\"op\":\"list\"}\n", "say hello first"),
        (b"{\"type\":\"hello\",\"protocol\":2,\"role\":\"queen\"}\n", "this is no message"),
        (&long, "a message may have"),
    ];
    for (bytes, reason) in cases {
        let mut client = Client::connect(&stage.socket);
        // Refused before the last byte is written.
        let _ = client.write(bytes);
        let answer = client.hear();
        // A connection that ends with unread bytes may lose its last line: unix(7).
        if let Some(answer) = answer {
            assert_eq!(answer["type"], "error", "{answer}");
            assert!(answer["error"].as_str().unwrap().contains(reason), "{answer}");
            assert_eq!(client.hear(), None);
        } else {
            assert!(bytes.len() > 4 << 20, "{reason}");
        }
    }
    let mut client = stage.client();
    client.write(b"{\"type\":\"ask\",\"id\":1,\"op\":\"fly\"}\n").unwrap();
    assert_eq!(client.hear().unwrap()["type"], "error");
    assert_eq!(client.hear(), None);
    // Nonsense that is a message is refused, and the connection stays.
    let mut client = stage.client();
    assert_eq!(client.ask(&json!({"op": "acquire", "names": []}))["error"], "invalid");
    assert_eq!(client.ask(&json!({"op": "acquire", "names": ["a b"]}))["error"], "invalid");
    assert_eq!(client.ask(&json!({"op": "event_set", "name": "e"}))["ok"], true);
    assert_eq!(stage.end(), 0);
}

#[test]
fn a_silent_client_is_told_after_five_seconds_and_one_that_said_hello_may_be_silent() {
    let stage = Stage::new();
    let mut silent = Client::connect(&stage.socket);
    let mut polite = stage.client();
    let answer = silent.hear().unwrap();
    assert!(answer["error"].as_str().unwrap().contains("no hello within 5 seconds"), "{answer}");
    assert_eq!(silent.hear(), None);
    assert_eq!(polite.ask(&json!({"op": "event_set", "name": "e"}))["ok"], true);
    assert_eq!(stage.end(), 0);
}

#[test]
fn who_does_not_read_is_not_read_from_and_holds_up_nobody() {
    let stage = Stage::new();
    let mut slow = stage.client();
    let item = "x".repeat(1 << 20);
    slow.ask(&json!({"op": "value_set", "name": "v", "value": item}));
    // Each answer has a mebibyte: soon the socket is full, then requests are not read any more,
    // and at last writing them does not go on either.
    let mut stream = slow.reader.get_ref().try_clone().unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let ask = b"{\"type\":\"ask\",\"id\":5,\"op\":\"value_get\",\"name\":\"v\"}\n".repeat(1000);
    let mut n = 0;
    use std::io::Write;
    while n < 1000 && stream.write_all(&ask).is_ok() {
        n += 1;
    }
    assert!(n < 1000, "a million requests were read from somebody who reads no answer");
    let mut other = stage.client();
    for _ in 0..100 {
        assert_eq!(other.ask(&json!({"op": "value_add", "name": "n", "n": 1}))["ok"], true);
    }
    let pid = stage.home.json(&["status", "--json"])["supervisor_pid"].as_u64().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 200 << 10, "the supervisor took {kib} KiB for one slow client");
    // It reads at last, and gets its answers.
    assert_eq!(slow.hear().unwrap()["id"], 5);
    drop((slow, stream));
    assert_eq!(stage.end(), 0);
}

#[test]
fn requests_in_flight_are_bounded_and_none_is_lost() {
    let stage = Stage::new();
    let mut client = stage.client();
    for _ in 0..4096 {
        client.begin(&json!({"op": "event_wait", "name": "e"}));
    }
    let one_more = client.ask(&json!({"op": "event_wait", "name": "e"}));
    assert_eq!(one_more["error"], "too_large", "{one_more}");
    stage.home.ok(&["event", "set", "e"]);
    let mut answered: Vec<u64> = Vec::new();
    for _ in 0..4096 {
        let got = client.hear().unwrap();
        assert_eq!(got["ok"], true, "{got}");
        answered.push(got["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (1..=4096).collect::<Vec<u64>>());
    assert_eq!(client.ask(&json!({"op": "event_is_set", "name": "e"}))["is_set"], true);
    assert_eq!(stage.end(), 0);
}

#[test]
fn another_user_is_sent_away() {
    if !rustix::process::getuid().is_root() {
        println!("needs root, to be another user");
        return;
    }
    let stage = Stage::new();
    // Even when somebody has opened the socket and its folder to others.
    use std::os::unix::fs::PermissionsExt;
    let mut path = Some(stage.socket.as_path());
    while let Some(open) = path.filter(|p| p.starts_with(stage.home.path(""))) {
        std::fs::set_permissions(open, PermissionsExt::from_mode(0o777)).unwrap();
        path = open.parent();
    }
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  sys.stdout.write(s.makefile().readline())";
    use std::os::unix::process::CommandExt;
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(&stage.socket)
        .uid(65534)
        .gid(65534)
        .current_dir("/")
        .stderr(Stdio::inherit())
        .output();
    let Ok(output) = output else { return println!("needs python3") };
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("this run belongs to another user"), "{said}");
    assert_eq!(stage.end(), 0);
}

#[test]
fn the_session_of_the_page_works_with_socat() {
    if Command::new("socat").arg("-V").stdout(Stdio::null()).status().is_err() {
        return println!("needs socat");
    }
    let page = include_str!("../../../docs/protocol.md");
    let script = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let stage = Stage::new();
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("GANGER_SOCKET", &stage.socket).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "welcome");
    assert_eq!(lines[1], json!({"type": "got", "id": 1, "ok": true, "value": 1}));
    assert_eq!(stage.end(), 0);
}

#[test]
fn the_end_of_the_run_is_told() {
    let stage = Stage::new();
    let mut client = Client::connect(&stage.socket);
    client.say(&hello());
    client.hear().unwrap();
    client.begin(&json!({"op": "event_wait", "name": "never"}));
    stage.until_waiting("never", 1);
    let waiter = stage.spawn(&["event", "wait", "never"]);
    stage.until_waiting("never", 2);
    assert_eq!(stage.end(), 0);
    until("the run has said goodbye", || client.hear().is_none_or(|m| m["type"] == "bye"));
    let output = waiter.output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!([Some(3), Some(4)].contains(&output.status.code()), "{said}");
    assert!(said.contains("run") && said.contains("end"), "{said}");
}
