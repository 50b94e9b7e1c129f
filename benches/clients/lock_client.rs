//! Clients of a run's shared primitives, for `benches/locks.sh`.
//!
//!   lock_client pairs SOCKET SECONDS              acquire and release, one after the other
//!   lock_client hammer SOCKET SECONDS N LOCKS     the same from N processes on few locks
//!   lock_client queue SOCKET ITEMS N BATCH        items through a queue, N/2 put and N/2 get,
//!                                                 BATCH in one request
//!   lock_client echo SECONDS                      a byte there and back between two processes:
//!                                                 the floor for any socket

use ganger::clock;
use ganger::control::proto::ClientRole;
use ganger::control::sharer::Sharer;
use ganger::model::locks::{Given, LockKind, Name, Op};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| words.get(at).map(String::as_str).ok_or("a word is missing");
    let number = |at: usize| -> Result<u64> { Ok(word(at)?.parse()?) };
    match word(0)? {
        "pairs" => {
            let before = taken(word(1)?)?;
            let waits = take_turns(word(1)?, number(2)?, 1, 0)?;
            println!("{:.0} pairs/s", waits.len() as f64 / number(2)? as f64);
            counted(word(1)?, before, waits.len())
        }
        "hammer" => hammer(word(1)?, number(2)?, number(3)?, number(4)?),
        "hammer-one" => {
            let waits = take_turns(word(1)?, number(2)?, number(3)?, number(4)?)?;
            waits.iter().for_each(|(at, us)| println!("{at} {us}"));
            Ok(())
        }
        "echo" => echo(number(1)?),
        "echo-one" => echo_one(),
        "queue" => queue(word(1)?, number(2)?, number(3)?, number(4)?),
        "put-one" => put(word(1)?, number(2)?, number(3)?, number(4)?),
        "get-one" => get(word(1)?, number(2)?),
        other => Err(format!("`{other}` is not known").into()),
    }
}

fn ask(sharer: &mut Sharer, op: Op) -> Result<Given> {
    Ok(sharer.ask(op)?.map_err(|refusal| refusal.to_string())?)
}

fn connect(socket: &str) -> Result<Sharer> {
    Ok(Sharer::connect(Path::new(socket), ClientRole::default())?)
}

/// How often the run says that the locks of `hammer` were taken: clients are not believed alone.
fn taken(socket: &str) -> Result<u64> {
    let given = ask(&mut connect(socket)?, Op::List { names: Vec::new() })?;
    let Given::Table { locks } = given else { return Err("no table".into()) };
    let hammered = locks.iter().filter(|lock| lock.name.starts_with("hammer/"));
    Ok(hammered.map(|lock| lock.stats.acquisitions).sum())
}

fn counted(socket: &str, before: u64, turns: usize) -> Result<()> {
    let counted = taken(socket)? - before;
    if counted == turns as u64 {
        return Ok(());
    }
    Err(format!("clients counted {turns} turns, the run {counted}").into())
}

fn echo(seconds: u64) -> Result<()> {
    use std::io::{Read, Write};
    let listener = std::os::unix::net::UnixListener::bind("echo.socket")?;
    let mut child = again(&["echo-one".to_owned()])?;
    let (mut stream, _) = listener.accept()?;
    std::fs::remove_file("echo.socket")?;
    let end = clock::mono() + Duration::from_secs(seconds);
    let (mut n, mut byte) = (0_u64, [0_u8]);
    while clock::mono() < end {
        stream.write_all(&byte)?;
        stream.read_exact(&mut byte)?;
        n += 1;
    }
    drop(stream);
    child.wait()?;
    println!("{:.0} bare round trips/s", n as f64 / seconds as f64);
    Ok(())
}

fn echo_one() -> Result<()> {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect("echo.socket")?;
    let mut byte = [0_u8];
    while stream.read(&mut byte)? == 1 {
        stream.write_all(&byte)?;
    }
    Ok(())
}

/// Takes locks in turn for so long; returns when each take ended and how long it took, in
/// microseconds.
fn take_turns(socket: &str, seconds: u64, n_locks: u64, first: u64) -> Result<Vec<(u64, u64)>> {
    let mut sharer = connect(socket)?;
    let names: Vec<Name> = (0..n_locks).map(|n| format!("hammer/{n}").into()).collect();
    let end = clock::mono() + Duration::from_secs(seconds);
    let mut waits = Vec::new();
    for turn in first.. {
        let from = clock::mono();
        if from >= end {
            break;
        }
        let names = vec![names[(turn % n_locks) as usize].clone()];
        let acquire = Op::Acquire {
            names: names.clone(),
            kind: LockKind::Lock,
            shared: false,
            timeout_ms: None,
        };
        ask(&mut sharer, acquire)?;
        let at = clock::mono();
        waits.push((at.0, at.since(from).as_micros() as u64));
        ask(&mut sharer, Op::Release { names, anyone: false })?;
    }
    Ok(waits)
}

fn again(words: &[String]) -> Result<Child> {
    let program = std::env::current_exe()?;
    Ok(Command::new(program).args(words).stdout(Stdio::piped()).spawn()?)
}

fn lines(child: &mut Child) -> Result<Vec<Vec<u64>>> {
    let out = child.stdout.take().ok_or("no output")?;
    let mut numbers = Vec::new();
    for line in BufReader::new(out).lines() {
        let line = line?;
        let words: std::result::Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        numbers.push(words?);
    }
    if !child.wait()?.success() {
        return Err("a client failed".into());
    }
    Ok(numbers)
}

fn hammer(socket: &str, seconds: u64, n: u64, n_locks: u64) -> Result<()> {
    let word = |n: u64| n.to_string();
    let before = taken(socket)?;
    let began = clock::mono().0;
    let mut children = Vec::new();
    for i in 0..n {
        let head = ["hammer-one".to_owned(), socket.to_owned()];
        let words = [&head[..], &[word(seconds), word(n_locks), word(i)]].concat();
        children.push(again(&words)?);
    }
    // Each is read by a thread: none waits because its pipe is full.
    let readers: Vec<_> = children
        .into_iter()
        .map(|mut child| std::thread::spawn(move || lines(&mut child).map_err(|e| e.to_string())))
        .collect();
    let mut all = Vec::new();
    let mut turns = Vec::new();
    for reader in readers {
        let waits = reader.join().map_err(|_| "a reader panicked")??;
        turns.push(waits.len());
        all.extend(waits.iter().map(|line| (line[0], line[1])));
    }
    counted(socket, before, all.len())?;
    // While the processes start they are not all there: fairness is that of the time after.
    let full = began + 2_000_000;
    let late = |(at, _): &(u64, u64)| *at >= full && *at < began + seconds * 1_000_000;
    let worst = all.iter().max_by_key(|(_, us)| *us).copied().unwrap_or_default();
    let mut waits: Vec<u64> = all.iter().filter(|w| late(w)).map(|(_, us)| *us).collect();
    waits.sort_unstable();
    let at = |q: f64| waits.get(((waits.len() as f64 - 1.0) * q) as usize).copied().unwrap_or(0);
    println!(
        "{:.0} pairs/s of {n} processes on {n_locks} locks, as the run counted too; after 2 s \
         waits: median {} us, p99 {} us, p99.9 {} us, max {} us (max/median {:.1}); longest of \
         all {} us, {:.1} s after the start; turns of a process: {:?} to {:?}",
        all.len() as f64 / seconds as f64,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        at(1.0) as f64 / at(0.5).max(1) as f64,
        worst.1,
        (worst.0 - began) as f64 / 1e6,
        turns.iter().min().unwrap_or(&0),
        turns.iter().max().unwrap_or(&0),
    );
    Ok(())
}

fn items_name(batch: u64) -> Name {
    format!("bench/items/{batch}").into()
}

fn put(socket: &str, from: u64, to: u64, batch: u64) -> Result<()> {
    let mut sharer = connect(socket)?;
    let mut next = from;
    while next < to {
        let end = (next + batch).min(to);
        let items = (next..end).map(|n| n.to_string().into()).collect();
        let max = Some(1000);
        let name = items_name(batch);
        ask(&mut sharer, Op::QueuePut { name, items, max, priority: 0, timeout_ms: None })?;
        next = end;
    }
    Ok(())
}

fn get(socket: &str, batch: u64) -> Result<()> {
    let mut sharer = connect(socket)?;
    let n = u32::try_from(batch)?;
    let mut got = String::new();
    loop {
        let op =
            Op::QueueGet { name: items_name(batch), n, keep: false, tied: false, timeout_ms: None };
        // Closed and empty.
        let Ok(Given::Items { items, .. }) = sharer.ask(op)? else { break };
        for item in items {
            got.push_str(&item.lossy());
            got.push('\n');
        }
    }
    print!("{got}");
    Ok(())
}

fn queue(socket: &str, n_items: u64, n: u64, batch: u64) -> Result<()> {
    let half = (n / 2).max(1);
    let from = clock::mono();
    let command = |verb: &str, words: &[u64]| {
        let head = vec![verb.to_owned(), socket.to_owned()];
        again(&[head, words.iter().map(u64::to_string).collect()].concat())
    };
    let mut getters = Vec::new();
    let mut putters = Vec::new();
    for i in 0..half {
        getters.push(command("get-one", &[batch])?);
        putters.push(command("put-one", &[n_items * i / half, n_items * (i + 1) / half, batch])?);
    }
    for putter in &mut putters {
        lines(putter)?;
    }
    ask(&mut connect(socket)?, Op::QueueClose { name: items_name(batch) })?;
    let mut seen = vec![0_u32; usize::try_from(n_items)?];
    for getter in &mut getters {
        for item in lines(getter)? {
            seen[usize::try_from(item[0])?] += 1;
        }
    }
    let seconds = clock::mono().since(from).as_secs_f64();
    let lost = seen.iter().filter(|n| **n == 0).count();
    let doubled = seen.iter().filter(|n| **n > 1).count();
    println!(
        "{n_items} items from {half} to {half} processes, {batch} in a request, in {seconds:.2} s, \
         {:.0}/s; {lost} lost, {doubled} doubled",
        n_items as f64 / seconds
    );
    if lost + doubled > 0 { Err("items went wrong".into()) } else { Ok(()) }
}
