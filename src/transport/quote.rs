//! Text to a word of a POSIX shell. Every value that reaches a shell goes through here.

/// Text that no shell can hold: it has a NUL in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NUL byte cannot be part of a command, a path or a variable")]
pub struct Unquotable;

/// `text` as one word, in single quotes: newlines, quotes and `$()` included, nothing in it is read by the shell.
///
/// # Errors
/// `text` holds a NUL.
pub fn quote(text: &str) -> Result<String, Unquotable> {
    if text.contains('\0') {
        return Err(Unquotable);
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}
