//! Nobody notices that ganger looks.

use super::manifest::Program;
use super::stage::{Stage, User};

/// A debugger that attaches makes semop(2) and epoll_wait(2) fail with EINTR, and these programs
/// would see it.
#[test]
fn no_call_of_a_program_is_interrupted_by_looking_at_it() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/clients/undisturbed.c");
    let program = Program {
        build: Some(format!("cc -O1 -pthread -o {{out}} {source}")),
        run: "{out} eintr".into(),
        ..Program::named("undisturbed")
    };
    let stage = Stage::shared();
    for user in User::all() {
        let mut session = stage.start(&program, user).unwrap();
        session.line_after("ready").unwrap();
        for _ in 0..4 {
            let (report, code) = stage.why(session.pid(), user).unwrap();
            assert_eq!((report["verdict"].as_str(), code), (Some("healthy"), 0), "{report}");
            assert!(report["target"]["threads"].as_u64() >= Some(7), "{report}");
        }
        session.say("enough\n");
        assert_eq!(session.line_after("eintr").unwrap(), "0", "calls that ended with EINTR");
    }
}
