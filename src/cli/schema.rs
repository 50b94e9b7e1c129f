//! `ganger schema`: a JSON Schema of task files, for editors.

use super::failure::Failure;
use crate::plan::schema::json_schema;
use std::io::{self, Write};

/// Prints the schema.
///
/// # Errors
/// When standard output cannot be written.
pub fn print() -> Result<i32, Failure> {
    let text = serde_json::to_string_pretty(&json_schema())
        .map_err(|e| Failure::own(format!("cannot write the schema: {e}")))?;
    match writeln!(io::stdout().lock(), "{text}") {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("cannot print: {e}")))
        }
        _ => Ok(0),
    }
}
