//! `ganger queue`: items from arguments and lines into a queue, and out of it.

use super::failure::Failure;
use super::shared::{Shared, of_wrapper, refused, text};
use super::shared_args::{EachArgs, GetArgs, PutArgs, QueueArgs, QueueVerb, SharedRun};
use super::{exit, print, wrapped};
use crate::model::Text;
use crate::model::limits::{ITEM_BYTES, NAMES_AT_ONCE};
use crate::model::locks::{Failure as Why, Given, Name, Op};
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Bytes of items in one request: their base64 fits a frame.
const BATCH_BYTES: usize = 1 << 20;

/// Does what follows `ganger queue`.
///
/// # Errors
/// When the queue is closed or it is refused, or there is no run.
pub fn queue(args: &QueueArgs) -> Result<i32, Failure> {
    match &args.verb {
        QueueVerb::Put(args) => put(args),
        QueueVerb::Get(args) => get(args),
        QueueVerb::Each(args) => each(args).map_err(of_wrapper),
        QueueVerb::Len { name, on } => {
            let given = connect(on, "queue len")?.ask(Op::QueueLen { name: named(name) })?;
            if let Given::Len { len, .. } = given {
                print::bytes(format!("{len}\n").as_bytes())?;
            }
            Ok(exit::OK)
        }
        QueueVerb::Close { name, on } => {
            connect(on, "queue close")?.ask(Op::QueueClose { name: named(name) })?;
            Ok(exit::OK)
        }
        QueueVerb::Done { name, tickets, n, on } => {
            let n = n.unwrap_or(u32::from(tickets.is_empty()));
            let op = Op::QueueDone { name: named(name), tickets: tickets.clone(), n };
            connect(on, "queue done")?.ask(op)?;
            Ok(exit::OK)
        }
        QueueVerb::Join { name, patience, on } => {
            let op = Op::QueueJoin { name: named(name), timeout_ms: patience.timeout_ms() };
            connect(on, "queue join")?.ask(op)?;
            Ok(exit::OK)
        }
    }
}

fn named(name: &str) -> Name {
    Name::from(name)
}

fn connect(on: &SharedRun, verb: &str) -> Result<Shared, Failure> {
    Shared::connect(on.run.as_deref(), &format!("ganger {verb}"))
}

/// Items on their way into a queue, some at a time.
struct Putter<'a> {
    run: Shared,
    args: &'a PutArgs,
    items: Vec<Text>,
    bytes: usize,
    stored: u64,
}

impl Putter<'_> {
    fn add(&mut self, item: Text) -> Result<(), Failure> {
        let is_full = self.items.len() >= NAMES_AT_ONCE
            || self.bytes.saturating_add(item.0.len()) > BATCH_BYTES;
        if is_full {
            self.send()?;
        }
        self.bytes += item.0.len();
        self.items.push(item);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Failure> {
        if self.items.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let n = self.items.len() as u64;
        let answer = self.run.try_ask(Op::QueuePut {
            name: named(&self.args.name),
            items: std::mem::take(&mut self.items),
            max: self.args.max,
            priority: self.args.priority,
            timeout_ms: self.args.patience.timeout_ms(),
        })?;
        if let Err(mut refusal) = answer {
            // Whoever tries again must not put them twice.
            match self.stored + refusal.stored {
                0 => {}
                1 => refusal.text += "; 1 item was stored before",
                n => refusal.text += &format!("; {n} items were stored before"),
            }
            return Err(refused(&refusal));
        }
        self.stored += n;
        Ok(())
    }
}

fn put(args: &PutArgs) -> Result<i32, Failure> {
    let from_stdin = args.items.is_empty() || args.items == ["-"];
    if !from_stdin && (args.null || args.raw) {
        let option = if args.null { "-0" } else { "--raw" };
        return Err(Failure::usage(
            format!("`{option}` says how to read standard input, but the items are given"),
            format!("Leave out `{option}` or the items."),
        ));
    }
    let run = connect(&args.on, "queue put")?;
    let mut putter = Putter { run, args, items: Vec::new(), bytes: 0, stored: 0 };
    if !from_stdin {
        args.items.iter().try_for_each(|item| putter.add(text(item)))?;
    } else if args.raw {
        let mut item = Vec::new();
        // One byte more than an item may have: that it is too large is the run's to say.
        let limit = ITEM_BYTES as u64 + 1;
        io::stdin().lock().take(limit).read_to_end(&mut item).map_err(|e| unread(&e))?;
        putter.add(Text(item))?;
    } else {
        let end = if args.null { 0 } else { b'\n' };
        let mut input = BufReader::new(io::stdin().lock());
        while let Some(item) = next_item(&mut input, end)? {
            putter.add(item)?;
            // Nothing more has come yet: what is there does not wait for it.
            if input.buffer().is_empty() {
                putter.send()?;
            }
        }
    }
    putter.send()?;
    Ok(exit::OK)
}

/// The next item on standard input, without its end.
fn next_item(input: &mut impl BufRead, end: u8) -> Result<Option<Text>, Failure> {
    let mut item = Vec::new();
    let limit = ITEM_BYTES as u64 + 2;
    let n = input.take(limit).read_until(end, &mut item).map_err(|e| unread(&e))?;
    if n == 0 {
        return Ok(None);
    }
    if item.last() == Some(&end) {
        item.pop();
    }
    if item.len() > ITEM_BYTES {
        let text = format!("an item on standard input has more than {ITEM_BYTES} bytes");
        return Err(Failure::usage(text, "Put the name of a file into the queue instead."));
    }
    Ok(Some(Text(item)))
}

fn unread(e: &io::Error) -> Failure {
    Failure::own(format!("cannot read standard input: {e}"))
}

fn get(args: &GetArgs) -> Result<i32, Failure> {
    let mut run = connect(&args.on, "queue get")?;
    // Without a job the taker is this process, which ends now: that would hand it out again.
    let keep = args.tickets || (run.in_job && !args.for_good);
    let given = run.ask(Op::QueueGet {
        name: named(&args.name),
        n: args.n,
        keep,
        tied: false,
        timeout_ms: args.patience.timeout_ms(),
    })?;
    let Given::Items { items, tickets } = given else { return Ok(exit::OK) };
    let mut out = Vec::new();
    for (i, item) in items.iter().enumerate() {
        if args.tickets
            && let Some(ticket) = tickets.get(i)
        {
            out.extend(format!("{ticket}\t").into_bytes());
        }
        out.extend_from_slice(&item.0);
        if !args.raw {
            out.push(if args.null { 0 } else { b'\n' });
        }
    }
    print::bytes(&out)?;
    Ok(exit::OK)
}

/// Runs a command for each item. An item counts as dealt with once its command has ended,
/// however; one whose command was not started, or that was being worked on when this process is
/// ended, is handed out again.
fn each(args: &EachArgs) -> Result<i32, Failure> {
    let mut run = Shared::for_command(args.on.run.as_deref(), &args.cmd)?;
    let name = named(&args.name);
    let mut worst = exit::OK;
    loop {
        let get = Op::QueueGet {
            name: name.clone(),
            n: 1,
            keep: true,
            tied: false,
            timeout_ms: args.patience.timeout_ms(),
        };
        let (items, tickets) = match run.try_ask(get)? {
            Ok(Given::Items { items, tickets }) => (items, tickets),
            Ok(_) => return Err(Failure::own("the supervisor's answer does not fit the question")),
            Err(refusal) if refusal.error == Why::Closed => return Ok(worst),
            Err(refusal) => return Err(refused(&refusal)),
        };
        for item in &items {
            let cmd = filled(&args.cmd, item)?;
            let ended = wrapped::run(&cmd, None)?;
            if ended.told_to_end {
                return Ok(ended.code.max(exit::NO));
            }
            worst = worst.max(i32::from(ended.code != exit::OK));
        }
        run.ask(Op::QueueDone { name: name.clone(), tickets, n: 0 })?;
    }
}

/// The command for an item: in place of `{}`, else behind the last word.
fn filled(cmd: &[OsString], item: &Text) -> Result<Vec<OsString>, Failure> {
    if item.0.contains(&0) {
        let hint = "Get it with `ganger queue get --raw`, on standard output.";
        return Err(Failure::usage("an item with a NUL byte cannot be an argument", hint));
    }
    let mut any = false;
    let mut filled: Vec<OsString> = Vec::with_capacity(cmd.len() + 1);
    for word in cmd {
        let (word, was_there) = replaced(word.as_bytes(), &item.0);
        any |= was_there;
        filled.push(OsString::from_vec(word));
    }
    if !any {
        filled.push(OsStr::from_bytes(&item.0).to_owned());
    }
    Ok(filled)
}

fn replaced(word: &[u8], item: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(word.len() + item.len());
    let (mut rest, mut any) = (word, false);
    while let Some(at) = rest.windows(2).position(|pair| pair == b"{}") {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(item);
        rest = &rest[at + 2..];
        any = true;
    }
    out.extend_from_slice(rest);
    (out, any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_item_stands_for_braces_or_behind() {
        for (cmd, words) in [
            (&["cp", "{}", "{}.bak"][..], &["cp", "a b", "a b.bak"][..]),
            (&["echo"], &["echo", "a b"]),
            (&["x{}{}y"], &["xa ba by"]),
        ] {
            let cmd: Vec<OsString> = cmd.iter().map(OsString::from).collect();
            assert_eq!(filled(&cmd, &"a b".into()).unwrap(), words);
        }
        assert!(filled(&["x".into()], &Text(vec![0])).is_err());
    }

    #[test]
    fn items_on_standard_input_may_lack_the_last_end() {
        let mut input = &b"a\n\nb\xff"[..];
        let mut next = || next_item(&mut input, b'\n').unwrap().map(|item| item.0);
        assert_eq!(next(), Some(b"a".to_vec()));
        assert_eq!(next(), Some(Vec::new()));
        assert_eq!(next(), Some(b"b\xff".to_vec()));
        assert_eq!(next(), None);
        assert!(next_item(&mut &vec![b'x'; ITEM_BYTES + 2][..], b'\n').is_err());
    }
}
