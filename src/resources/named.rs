//! Names that become names of files in the system's folders.

use crate::model::decode::Misfit;

/// A name that every reader of such a folder takes: `run-parts`, cron and sudo pass over names with a dot or a `~`
/// without a word.
pub(super) fn check(name: &str, folder: &str) -> Option<Misfit> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let good = !name.is_empty() && name.len() <= 200 && !name.starts_with('-') && name.bytes().all(plain);
    let why = || format!("`{name}` would be passed over in `{folder}`: use letters, digits, `-` and `_` only");
    (!good).then(|| Misfit::new("name", why()))
}

/// The name of a user, as a system makes them.
pub(super) fn check_user(name: &str) -> Option<Misfit> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let good = !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain);
    (!good).then(|| Misfit::new("user", format!("`{}` is not the name of a user", name.escape_debug())))
}

/// The name of a variable of an environment.
pub(super) fn variable(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(plain);
    if good { Ok(()) } else { Err(format!("`{name}` is not the name of a variable")) }
}
