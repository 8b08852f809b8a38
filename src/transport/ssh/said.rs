//! What it means when `ssh` does not connect: its words, and the way out. OpenSSH has one exit status for all of it.

use super::Destination;
use crate::model::{Fault, FaultKind};

/// What `ssh` says, and what one can do.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of `{}` is not the one that is known: it was installed anew, or somebody stands in between",
        "ask who runs it; if it was installed anew: `lions hosts trust --replace`",
    ),
    (
        "Host key verification failed",
        "the host key of `{}` is not known",
        "compare its fingerprint and keep it: `lions hosts trust`",
    ),
    (
        "Permission denied",
        "`{}` does not let this user in",
        "see `user`, and which keys are offered: `ssh-add -l`; a key with a passphrase must be in the agent",
    ),
    ("Too many authentication failures", "`{}` does not let this user in", "offer fewer keys: `IdentitiesOnly yes`"),
    ("Could not resolve hostname", "the address of `{}` is not known", "correct `address`, or see the name server"),
    ("Connection refused", "`{}` refuses connections", "see that sshd runs there, and `port`"),
    ("timed out", "`{}` does not answer", "see that it is up, its firewall, `address` and `port`"),
    ("No route to host", "there is no way to `{}`", "see that it is up, and the network"),
    ("Network is unreachable", "there is no way to `{}`", "see the network of this machine"),
    ("Bad owner or permissions", "`ssh` does not accept its configuration", "correct the owner and mode of that file"),
    ("Bad configuration option", "`ssh` does not accept its configuration", "correct that line"),
    (
        "no matching",
        "`ssh` and `{}` have no algorithm in common",
        "see `KexAlgorithms`, `Ciphers`, `HostKeyAlgorithms`",
    ),
    ("Connection closed", "`{}` closed the connection before one was logged in", "see the log of sshd there"),
    ("Connection reset", "`{}` closed the connection before one was logged in", "see the log of sshd there"),
];

/// The fault that `log` tells of.
pub(super) fn fault(to: &Destination, log: &str) -> Fault {
    let known = KNOWN.iter().find(|(sign, ..)| log.contains(sign));
    let (what, help) =
        known.map_or(("could not connect to `{}`", "see `ssh -v` to it"), |(_, what, help)| (what, help));
    let fault = Fault::new(FaultKind::Unreachable, what.replace("{}", &to.to_string())).help(help);
    let cause: Vec<&str> =
        log.lines().map(|line| line.trim().trim_end_matches('.')).filter(|line| tells(line)).collect();
    if cause.is_empty() { fault.cause("`ssh` ended without a word") } else { fault.cause(cause.join("; ")) }
}

/// Is that a line that tells something? The frame around a changed key is not.
fn tells(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("@@@") && !line.starts_with("Warning: Permanently added")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_it_is() {
        let to =
            Destination { address: "web-1".to_owned(), port: Some(2222), user: Some("ops".to_owned()), config: None };
        for (log, what) in [
            ("ssh: connect to host web-1 port 2222: Connection refused\r\n", "`ops@web-1:2222` refuses connections"),
            ("ssh: connect to host web-1 port 2222: Connection timed out\r\n", "`ops@web-1:2222` does not answer"),
            ("ops@web-1: Permission denied (publickey).\r\n", "`ops@web-1:2222` does not let this user in"),
            (
                "No ED25519 host key is known for web-1 and you have requested strict checking.\r\nHost key verification failed.\r\n",
                "the host key of `ops@web-1:2222` is not known",
            ),
        ] {
            let fault = fault(&to, log);
            assert_eq!(fault.what, what);
            assert!(fault.help.is_some() && !fault.cause.unwrap_or_default().contains('\r'));
        }
        assert!(
            fault(
                &to,
                "@@@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed."
            )
            .what
            .contains("somebody stands in between")
        );
        assert_eq!(fault(&to, "").cause.as_deref(), Some("`ssh` ended without a word"));
    }
}
