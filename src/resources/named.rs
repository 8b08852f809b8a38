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
