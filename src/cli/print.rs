//! Printing on standard output, for readers that may leave early.

use super::failure::Failure;
use std::io::{self, Write};

/// Prints bytes. A closed pipe is no error: the reader has seen enough.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Prints a JSON value with line breaks.
///
/// # Errors
/// As [`bytes`].
pub fn json(value: &serde_json::Value) -> Result<(), Failure> {
    bytes(format!("{value:#}\n").as_bytes())
}

/// Returns rows as text with aligned columns; the last one is as long as it is. Numbers in
/// `right` count columns that are aligned to the right.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n_columns)
        .map(|i| {
            rows.iter().filter_map(|row| row.get(i)).map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[i] - width(cell));
            if i > 0 {
                line.push_str("  ");
            }
            if right.contains(&i) {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["run", "n", "name"]), row(["é", "100", "x"]), row(["brave", "7", ""])];
        assert_eq!(table(&rows, &[1]), "run      n  name\né      100  x\nbrave    7\n");
    }
}
