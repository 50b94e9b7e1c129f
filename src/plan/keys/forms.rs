//! What single values look like: durations, sizes, names and the like.

use super::{Bare, Form, Names};
use crate::model::locks::is_name;
use crate::model::signal_number;
use crate::plan::{read, units};

const ANY_DURATION: Form = Form {
    what: "a duration",
    pattern: r"^\s*([0-9]+(\.[0-9]+)?\s*[a-zA-Zµ]+\s*)+$",
    bare: Bare::None,
    check: |text| units::parse_duration(text).map(drop),
    hint: "Durations have a unit: `30s`, `1m30s`, `500ms`.",
};
pub(super) static DURATION: Form = ANY_DURATION;
pub(super) static LASTING: Form = Form {
    what: "a duration longer than zero",
    check: |text| match units::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err(String::new()),
        other => other.map(drop),
    },
    ..ANY_DURATION
};
pub(super) static SIZE: Form = Form {
    what: "a size of more than zero",
    pattern: r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtTpP][iI]?)?[bB]?\s*$",
    bare: Bare::WholeFrom(1),
    check: |text| match units::parse_size(text) {
        Ok(0) => Err(String::new()),
        other => other.map(drop),
    },
    hint: "Sizes look like `64MiB`, `1.5G` or `4096` (bytes).",
};
pub(super) static WORKER_COUNT: Form = Form {
    what: "a number of workers",
    pattern: r"^\s*(auto|[0-9]+|[0-9]+(\.[0-9]+)?\s*%|cores\s*-\s*[0-9]+)\s*$",
    bare: Bare::WholeFrom(1),
    check: |text| units::parse_workers(text).map(drop),
    hint: "Write `auto`, a number such as `4`, a share of the CPUs such as `50%`, or `cores-1`.",
};
pub(super) static RANGE: Form = Form {
    what: "a range",
    pattern: r"^\s*[-+]?[0-9]+\s*\.\.\s*[-+]?[0-9]+\s*$",
    bare: Bare::None,
    // Whether it fits its step is judged where the step is known.
    check: |text| match is_range(text) {
        true => Ok(()),
        false => units::parse_range(text, None).map(drop),
    },
    hint: "Write the first and the last number: `1..100`.",
};
pub(super) static FAIL_FAST: Form = Form {
    what: "a number of jobs or a share of them, more than zero",
    pattern: r"^([0-9]+|[0-9]+(\.[0-9]+)?\s*%)$",
    bare: Bare::WholeFrom(1),
    check: |text| read::fail_fast(text).map(drop),
    hint: "Write how many failed jobs are enough, such as `1` or `10%`.",
};
pub(super) static SIGNAL: Form = Form {
    what: "a signal",
    pattern: r"^([A-Za-z0-9]+)$",
    bare: Bare::WholeFrom(1),
    check: |text| match signal_number(text) {
        Some(_) => Ok(()),
        None => Err(String::new()),
    },
    hint: "Signals have names such as `TERM`, `INT` or `USR1`, and numbers from 1 to 64.",
};
pub(super) static THREADS: Form = Form {
    what: "a number of threads",
    pattern: r"^(auto|[0-9]+)$",
    bare: Bare::WholeFrom(1),
    check: |text| read::threads(text).map(drop),
    hint: "Write `auto` or a number such as `4`.",
};
pub(super) static NAME: Form = Form {
    what: "a name",
    pattern: r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
    bare: Bare::Any,
    check: |text| plain_name(text).map_err(|_| String::new()),
    hint: "Names are made of letters, digits, `_`, `.` and `-`, and do not start with `.` or `-`.",
};
pub(super) static LINE: Form = Form {
    what: "one line of text",
    pattern: r"^[^\r\n]+$",
    bare: Bare::Any,
    check: |text| match text.trim().is_empty() || text.contains(['\n', '\r']) {
        true => Err(String::new()),
        false => Ok(()),
    },
    hint: "Write a short name.",
};

pub(super) static SHARED_NAME: Form = Form {
    what: "a name",
    pattern: SHARED_PATTERN,
    bare: Bare::Any,
    check: |text| shared_name(text).map_err(|_| String::new()),
    hint: "Names are made of letters, digits, `_`, `.`, `:`, `/` and `-`, and do not start with \
           `.`, `:`, `/` or `-`.",
};
pub(super) static LOCK_NAMES: Names =
    Names { what: "a shared primitive", pattern: SHARED_PATTERN, taken: &[], check: shared_name };

pub(super) static POOL_NAMES: Names = Names {
    what: "a pool",
    pattern: r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
    taken: &["default"],
    check: plain_name,
};
pub(super) static VAR_NAMES: Names = Names {
    what: "a variable",
    pattern: r"^[A-Za-z_][A-Za-z0-9_]*$",
    taken: &[],
    check: identifier,
};
pub(super) static INPUT_NAMES: Names = Names {
    what: "a variable",
    pattern: r"^[A-Za-z_][A-Za-z0-9_]*$",
    taken: &BUILT_IN,
    check: identifier,
};
pub(super) static ENV_NAMES: Names = Names {
    what: "an environment variable",
    pattern: r"^[^=]+$",
    taken: &[],
    check: |name| match name.is_empty() || name.contains(['=', '\0']) {
        true => Err("is not empty and holds no `=`".to_owned()),
        false => Ok(()),
    },
};

/// Names of placeholders that no variable can have.
pub const BUILT_IN: [&str; 5] = ["vars", "job", "slot", "attempt", "run"];

const MADE_OF: &str =
    "is made of letters, digits, `_`, `.` and `-`, and does not start with `.` or `-`";

/// Tells whether a text has the form of a range; whether it ends depends on its step.
pub fn is_range(text: &str) -> bool {
    let is_whole = |end: &str| end.trim().parse::<i64>().is_ok();
    text.split_once("..").is_some_and(|(first, last)| is_whole(first) && is_whole(last))
}

const SHARED_PATTERN: &str = r"^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,199}$";

fn shared_name(text: &str) -> Result<(), String> {
    match is_name(text) {
        true => Ok(()),
        false => {
            Err("is made of letters, digits, `_`, `.`, `:`, `/` and `-`, does not start with \
                      `.`, `:`, `/` or `-`, and has at most 200 bytes"
                .to_owned())
        }
    }
}

fn plain_name(text: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.is_empty() || text.starts_with(['.', '-']) || !text.chars().all(inner) {
        return Err(MADE_OF.to_owned());
    }
    Ok(())
}

fn identifier(text: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(inner)
    {
        return Err(
            "is made of letters, digits and `_`, and does not start with a digit".to_owned()
        );
    }
    Ok(())
}
