//! A file that comes from the network, as data.

use std::fmt;

use super::{Attributes, Command, Expect};
use crate::model::{Digest, Fault};

/// A regular file fetched over HTTP by the host itself. What was fetched so far waits beside it for the next try.
#[derive(Clone, PartialEq, Eq)]
pub struct Download {
    /// Absolute path.
    pub path: String,
    /// Where it comes from; it may hold a secret.
    pub url: String,
    /// What of `url` may be shown.
    pub shown: String,
    /// What is sent with the request; the values may be secret.
    pub headers: Vec<(String, String)>,
    /// What it must be.
    pub digest: Digest,
    /// Owner, group, mode; what is `None` stays as it is on a file that is there.
    pub attributes: Attributes,
    /// What must be there at that moment.
    pub expect: Expect,
}

impl fmt::Debug for Download {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Download({} from {})", self.path, self.shown)
    }
}

/// Gives a script the proxies of the host's environment.
pub(super) const PROXIES: &str = include_str!("sh/proxies.sh");

/// What one may be led to from `url`.
pub(super) fn next(url: &str) -> &'static str {
    if url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) { "https" } else { "http,https" }
}

/// What the look at an address ends with when the server does not give it.
pub const NOT_GIVEN: i32 = 64;
/// What it ends with when the host has nothing to fetch with.
pub const NO_TOOL: i32 = 65;

/// Prints the short text at `url`, as the host can reach it; nothing is kept.
#[must_use]
pub fn look(url: &str) -> Command {
    let script = format!("{PROXIES}{}", include_str!("sh/fetch.sh"));
    Command { timeout: Some(90), ..Command::script("fetch", &script, &[url, next(url)]) }
}

/// The host has nothing to fetch with.
#[must_use]
pub fn no_tool() -> Fault {
    Fault::failed("the host has neither `curl` nor `wget`").help("install one with `package` in a task above")
}
