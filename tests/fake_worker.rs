//! Plays difficult workers for tests: `fake_worker 'print ready; ignore TERM; hang'`.
//!
//! Commands are separated by `;`. What stands in braces is done by another process.
//!
//! | command | does |
//! |---|---|
//! | `print TEXT`, `eprint TEXT` | prints a line |
//! | `flood BYTES` | prints that many bytes |
//! | `pid` | prints `pid N` |
//! | `fds` | prints the open descriptors |
//! | `status FIELD` | prints a line of `/proc/self/status` |
//! | `limit NAME` | prints a line of `/proc/self/limits` |
//! | `tty` | prints session, controlling terminal and window size |
//! | `env NAME` | prints `NAME=value` |
//! | `cwd` | prints the working directory |
//! | `cat` | copies standard input to standard output |
//! | `reopen TEXT` | prints a line through `/dev/stdout`, which truncates a file |
//! | `ignore SIGNAL` | ignores a signal (`TERM`, `HUP`, ...) |
//! | `raise SIGNAL` | sends itself a signal |
//! | `setsid` | leaves session and group |
//! | `fork {...}` | a child does it |
//! | `daemon {...}` | a grandchild in a session of its own does it; its parent is gone |
//! | `bare {...}` | goes on with it after clearing its environment |
//! | `wait` | waits for all children |
//! | `orphans N` | leaves N processes that end at once to whoever adopts them |
//! | `bomb DEPTH` | forks two children in sessions of their own, to that depth; all hang |
//! | `eat BYTES` | takes memory and touches it |
//! | `spin SECONDS` | burns CPU time |
//! | `sleep SECONDS` | waits |
//! | `until PATH` | waits until a file exists |
//! | `hang` | waits for ever |
//! | `exit CODE` | exits |

#![allow(clippy::unwrap_used, clippy::expect_used)]
// One thread, no memory shared: each call is a plain system call with valid arguments.
#![allow(clippy::undocumented_unsafe_blocks)]

use std::ffi::CString;
use std::io::{Read, Write};
use std::process::{ExitCode, exit};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|arg| arg == ganger::exec::SHIM_VERB).is_some() {
        return ganger::exec::shim_main(args);
    }
    let script = args.next().expect("usage: fake_worker 'SCRIPT'");
    play(script.to_str().expect("the script is text"));
    ExitCode::SUCCESS
}

/// Splits `a; b {c; d}; e` at the semicolons outside braces.
fn commands(script: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in script.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => {
                found.push(script[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(script[start..].trim());
    found.retain(|command| !command.is_empty());
    found
}

fn play(script: &str) {
    for command in commands(script) {
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        let inner = rest.strip_prefix('{').and_then(|r| r.strip_suffix('}')).unwrap_or_default();
        match word {
            "fork" => {
                fork_to(|| play(inner));
            }
            "daemon" => daemon(inner),
            "bare" => bare(inner),
            "setsid" => assert!(unsafe { libc::setsid() } > 0),
            "wait" => while unsafe { libc::wait(std::ptr::null_mut()) } > 0 {},
            "orphans" => (0..number(rest)).for_each(|_| {
                let child = fork_to(|| {
                    fork_to(|| ());
                });
                unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            }),
            "bomb" => bomb(number(rest)),
            "ignore" => assert!(unsafe { libc::signal(signal(rest), libc::SIG_IGN) } != usize::MAX),
            "raise" => assert!(unsafe { libc::raise(signal(rest)) } == 0),
            "eat" => eat(number(rest)),
            "spin" => {
                let until = Instant::now() + Duration::from_secs_f64(rest.parse().unwrap());
                while Instant::now() < until {}
            }
            "sleep" => std::thread::sleep(Duration::from_secs_f64(rest.parse().unwrap())),
            "until" => {
                while !std::path::Path::new(rest).exists() {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            "hang" => loop {
                unsafe { libc::pause() };
            },
            "exit" => exit(rest.parse().unwrap()),
            _ => say(word, rest),
        }
    }
}

/// The commands that only print.
fn say(word: &str, rest: &str) {
    match word {
        "print" => line(rest),
        "eprint" => eprintln!("{rest}"),
        "flood" => flood(number(rest)),
        "pid" => line(&format!("pid {}", std::process::id())),
        "fds" => {
            let mut fds: Vec<String> = std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            fds.sort();
            // The listing itself holds the last one.
            fds.pop();
            line(&format!("fds {}", fds.join(" ")));
        }
        "status" => line(&line_of("/proc/self/status", &format!("{rest}:"))),
        "limit" => line(&line_of("/proc/self/limits", rest)),
        "env" => line(&format!("{rest}={}", std::env::var(rest).unwrap_or_default())),
        "cwd" => line(std::env::current_dir().unwrap().to_str().unwrap()),
        "tty" => tty(),
        "cat" => {
            std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()).unwrap();
        }
        "reopen" => {
            std::fs::write("/dev/stdout", format!("{rest}\n")).unwrap();
        }
        _ => panic!("unknown command `{word} {rest}`"),
    }
}

fn line(text: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap()
}

fn signal(name: &str) -> i32 {
    ganger::model::signal_number(name.trim()).unwrap()
}

fn line_of(path: &str, start: &str) -> String {
    let mut text = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    let found = text.lines().find(|line| line.starts_with(start)).unwrap();
    found.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Forks a child that does something and exits; returns its pid.
fn fork_to(act: impl FnOnce()) -> i32 {
    match unsafe { libc::fork() } {
        0 => {
            act();
            exit(0);
        }
        pid => {
            assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
            pid
        }
    }
}

fn daemon(script: &str) {
    let child = fork_to(|| {
        assert!(unsafe { libc::setsid() } > 0);
        fork_to(|| play(script));
    });
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
}

fn bare(script: &str) {
    let program = CString::new("/proc/self/exe").unwrap();
    let words = [CString::new("bare").unwrap(), CString::new(script).unwrap()];
    let argv = [words[0].as_ptr(), words[1].as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null()];
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    panic!("execve: {}", std::io::Error::last_os_error());
}

fn bomb(depth: u64) {
    for _ in 0..2 {
        if depth > 0 {
            fork_to(|| {
                unsafe { libc::setsid() };
                bomb(depth - 1);
            });
        }
    }
    play("hang");
}

fn eat(bytes: u64) {
    let mut memory = vec![0_u8; bytes as usize];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
    std::mem::forget(memory);
}

fn flood(bytes: u64) {
    let part = [b'x'; 1 << 16];
    let mut left = bytes as usize;
    let mut out = std::io::stdout();
    while left > 0 {
        let n = left.min(part.len());
        out.write_all(&part[..n]).unwrap();
        left -= n;
    }
    out.flush().unwrap();
}

fn tty() {
    let me = unsafe { (libc::getpid(), libc::getsid(0)) };
    let has_terminal = std::fs::File::open("/dev/tty").is_ok();
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    unsafe { libc::ioctl(1, libc::TIOCGWINSZ, &mut size) };
    let is_tty: Vec<i32> = (0..3).map(|fd| unsafe { libc::isatty(fd) }).collect();
    line(&format!(
        "leads_session={} terminal={has_terminal} tty={is_tty:?} size={}x{}",
        me.0 == me.1,
        size.ws_col,
        size.ws_row
    ));
}
