//! A deadlock on a real terminal, and a person who ends it.

use super::pty::Pty;
use std::path::Path;
use std::process::Command;

#[test]
fn philosophers_are_rescued_by_hand() {
    let home = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tasks/philosophers.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganger"));
    command.arg("run").arg(file).current_dir(home.path());
    for name in ["XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
        command.env(name, home.path());
    }
    let mut pty = Pty::start(&mut command, 120, 40);
    // The circle is told without a key, with the words, and with the key to press.
    let shown = pty.wait_for("DEADLOCK");
    assert!(shown.contains("wants fork/1") && shown.contains("wants fork/5"), "{shown}");
    assert!(shown.contains("5 wait for each other") && shown.contains(" asked for fork/"));
    // `o` leads to one of them, `o` again to who has what it waits for.
    pty.send("9");
    pty.wait_for("v matrix");
    pty.send("o");
    let shown = pty.wait("one of them", |text| text.contains("▸ ■") || text.contains("▸ ○"));
    assert!(shown.contains("o next  K kill w"), "{shown}");
    pty.send("v");
    pty.wait("the matrix", |text| text.matches('■').count() >= 6 && text.contains(" worker "));
    pty.send("vK");
    let shown = pty.wait_for("breaks the circle: the others go on");
    assert!(shown.contains("frees fork/") && shown.contains("gets it next"), "{shown}");
    pty.send("\r");
    // The others eat.
    pty.wait("no circle any more", |text| !text.contains("DEADLOCK"));
    pty.wait("the end", |text| text.contains("4 done") && text.contains("1 cancelled"));
    pty.send("q");
    assert_eq!(pty.exit_code(), 1);
}
