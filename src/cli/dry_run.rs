//! `ganger run --dry-run`: the jobs and their commands, without running any.

use super::failure::Failure;
use crate::model::report::CommandText;
use crate::model::{AttemptId, JobNo, PoolIdx, Slot, TaskIdx};
use crate::supervisor::launch::{Place, command};
use crate::supervisor::prepare::{self, PrepareError, Prepared, Request};
use std::io::{self, BufWriter, Write};

/// Prints every job and what it would run.
///
/// # Errors
/// When the task file has errors, or the inputs of a task cannot be read.
pub fn print(text: &[u8], request: Request) -> Result<i32, Failure> {
    let invalid = |PrepareError::Invalid(drawn)| Failure::drawn(2, drawn);
    let (prepared, warnings) = prepare::prepare("RUN", text, request).map_err(invalid)?;
    for warning in warnings {
        let _stderr_may_be_closed = writeln!(io::stderr(), "warning: {warning}");
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match print_tasks(&prepared, &mut out).and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => Ok(code),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Err(e) => Err(Failure::own(format!("cannot print: {e}"))),
    }
}

fn print_tasks(prepared: &Prepared, out: &mut impl Write) -> io::Result<i32> {
    let mut next = 1;
    let mut code = 0;
    for (i, spec) in prepared.plan.tasks.iter().enumerate() {
        let task = TaskIdx(u32::try_from(i).unwrap_or(u32::MAX));
        let name = &spec.rules.name;
        if spec.rules.expand_when_ready {
            writeln!(out, "# {name}: its inputs are read when its needs have ended")?;
            continue;
        }
        let expanded = prepare::expand(prepared, task);
        for warning in &expanded.warnings {
            writeln!(io::stderr(), "warning: {warning}")?;
        }
        let inputs = match expanded.inputs {
            Ok(inputs) => inputs,
            Err(error) => {
                writeln!(io::stderr(), "error: task `{name}` has no jobs: {error}")?;
                code = 1;
                continue;
            }
        };
        for index in 0..inputs.len() {
            let place = Place {
                attempt: AttemptId { job: JobNo(next), n: 1 },
                task,
                index,
                slot: Slot { pool: PoolIdx::DEFAULT, n: 1 },
                pool_size: 1,
            };
            write!(out, ":{next}\t{name}:{}\t", index + 1)?;
            match command(prepared, &inputs, place) {
                Ok(CommandText::Shell(text)) => out.write_all(&text.0)?,
                Ok(CommandText::Argv(words)) => {
                    let words: Vec<Vec<u8>> = words.iter().map(|w| quoted(&w.0)).collect();
                    out.write_all(&words.join(&b' '))?;
                }
                Err(error) => write!(out, "# cannot be filled in: {error}")?,
            }
            writeln!(out)?;
            next += 1;
        }
    }
    Ok(code)
}

/// One word as a shell would take it.
fn quoted(word: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(b) || *b >= 0x80;
    if !word.is_empty() && word.iter().all(plain) {
        return word.to_vec();
    }
    let mut out = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            other => out.push(*other),
        }
    }
    out.push(b'\'');
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_when_they_must_be() {
        for (word, shown) in [("a.b", "a.b"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(String::from_utf8_lossy(&quoted(word.as_bytes())), shown);
        }
    }
}
