//! As whom the shell runs: the command that starts it, through sudo when it must be another user, and what it means
//! when that fails. One password, one attempt: more could lock an account.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::quote::quote;
use super::worker::Channel;
use crate::model::{Fault, FaultKind, Secret};

/// Another user, through sudo. When one is that user already, nothing is done.
#[derive(Clone, Debug)]
pub struct Elevation {
    user: String,
    password: Option<Secret>,
}

impl Elevation {
    /// To become `user`, without a password unless one is given.
    ///
    /// # Errors
    /// That is no name of a user, or the password is not one line of text.
    pub fn new(user: &str, password: Option<Secret>) -> Result<Self, Fault> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte);
        if user.is_empty() || user.starts_with('-') || !user.bytes().all(plain) {
            return Err(Fault::new(FaultKind::Refused, format!("`{user}` is not a name of a user"))
                .help("correct `become_user`"));
        }
        if let Some(secret) = &password
            && secret.reveal().as_text().is_none_or(|text| text.contains(['\n', '\0']))
        {
            return Err(Fault::new(FaultKind::Refused, "the password for sudo is not one line of text"));
        }
        Ok(Self { user: user.to_owned(), password })
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    fn password(&self) -> Option<&str> {
        self.password.as_ref()?.reveal().as_text()
    }
}

/// Said before sudo is asked: without it, the login shell did not even get there.
const ASKS: &str = "lions asks sudo";
/// The word before the nonce, which is told on the stream: what stands in a command all users there can read, and
/// one who knows the nonce could put an answer of `lions`' own making into a file that is looked at.
pub(super) const NONCE: &str = "nonce";

/// The command that starts the shell, for any login shell. Inside its single quotes stands no quote, `!`, backslash
/// or newline: csh and fish read those even there. `greeting` is what the prompt of sudo and the hello are known by.
pub(super) fn command(shell: &str, greeting: &str, elevation: Option<&Elevation>) -> Result<String, Fault> {
    let hello = if elevation.and_then(Elevation::password).is_some() {
        format!("echo {greeting} hello; ")
    } else {
        String::new()
    };
    let shell_loop = format!(
        "O=${{LC_ALL-}}; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; LC_ALL=C; export PATH LC_ALL; umask 022; {hello}N=; \
         while IFS=\" \" read -r k n; do case $k in {NONCE}) N=${{N:-$n}}; continue ;; \"${{N:-/}}\") ;; *) continue ;; esac; \
         eval \"$(dd bs=\"$n\" count=1 iflag=fullblock 2>/dev/null)\"; done"
    );
    let word = |text: &str| quote(text).map_err(|problem| Fault::failed(problem.to_string()));
    let Some(elevation) = elevation else {
        return Ok(format!("exec {shell} -c {}", word(&shell_loop)?));
    };
    let sudo = if elevation.password().is_some() { format!("-S -p \"{greeting}?\"") } else { "-n".to_owned() };
    // Root is known without a process, by what only root owns; where that says nothing, sudo takes root as well.
    let become_user = format!(
        "if [ \"$1\" = root ] && command -v sudo >/dev/null; then [ -O /proc/sys ]; else [ \"$(id -un)\" = \"$1\" ]; fi \
         && exec {shell} -c \"$2\"; echo {ASKS}; exec sudo {sudo} -u \"$1\" -- {shell} -c \"$2\""
    );
    Ok(format!("exec sh -c {} sh {} {}", word(&become_user)?, word(elevation.user())?, word(&shell_loop)?))
}

/// Gives the password when sudo asks for it, and waits until the shell says hello. Nothing else is sent before: a
/// line too many would be taken for another attempt.
pub(super) async fn greet(
    channel: &mut Channel,
    greeting: &str,
    elevation: &Elevation,
    within: Duration,
) -> Result<(), Fault> {
    let Some(password) = elevation.password() else { return Ok(()) };
    let (prompt, hello) = (format!("{greeting}?"), format!("{greeting} hello\n"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let talk = async {
        let mut given = false;
        loop {
            let ended = tokio::select! {
                read = channel.stdout.read_buf(&mut out) => !matches!(read, Ok(1..)),
                read = channel.stderr.read_buf(&mut err) => !matches!(read, Ok(1..)),
            };
            let asked = times(&err, prompt.as_bytes());
            if times(&out, hello.as_bytes()) > 0 {
                return Ok(());
            }
            if asked > 1 {
                return Err(Some("sudo did not accept the password".to_owned()));
            }
            if asked == 1 && !given {
                given = true;
                let line = zeroize::Zeroizing::new(format!("{password}\n"));
                let sent = channel.stdin.write_all(line.as_bytes()).await;
                if sent.and(channel.stdin.flush().await).is_err() {
                    return Err(None);
                }
            }
            if ended {
                return Err(None);
            }
        }
    };
    let said = match tokio::time::timeout(within, talk).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(said)) => said,
        Err(_) => Some(format!("no answer within {} s", within.as_secs())),
    };
    // Closes the stream, so that sudo ends with this one attempt.
    let (closed, _) = tokio::io::duplex(1);
    channel.stdin = Box::new(closed);
    let noise = [err, out].concat();
    let noise = String::from_utf8_lossy(&noise).replace(&prompt, "").replace(password, Secret::MASK);
    Err(match said {
        Some(said) => refused(elevation, &[said.as_str(), noise.trim()].join("\n")),
        None => refused(elevation, &noise),
    })
}

fn times(text: &[u8], word: &[u8]) -> usize {
    text.windows(word.len()).filter(|window| *window == word).count()
}

/// What it means that no shell said a word of ours.
pub(super) fn no_shell(noise: &str) -> Fault {
    let fault = Fault::new(FaultKind::Unreachable, "no shell came up")
        .help("see that the login shell of that user starts, and that its files (`.bashrc`) neither end it nor read");
    if noise.trim().is_empty() { fault } else { fault.cause(noise.trim()) }
}

/// Why the shell did not start, from what came in its stead.
pub(super) fn refused(elevation: &Elevation, noise: &str) -> Fault {
    let user = elevation.user();
    let Some((before, after)) = noise.split_once(ASKS) else { return no_shell(noise) };
    let noise = &*format!("{}{}", before, after.trim_start());
    let help = if noise.contains("did not accept the password") {
        "check the password: it was tried once"
    } else if noise.contains("password is required") || noise.contains("a terminal is required") {
        "give the password for sudo, or allow this user `NOPASSWD` in sudoers"
    } else if noise.contains("sudo: not found") || noise.contains("sudo: No such file") {
        "install sudo, or connect as that user"
    } else if noise.contains("must have a tty") {
        "set `Defaults:USER !requiretty` in sudoers"
    } else if noise.contains("unknown user") {
        "create that user, or correct `become_user`"
    } else {
        "see what sudo says there: `sudo -l`"
    };
    let fault = Fault::new(FaultKind::Unreachable, format!("could not become `{user}`")).help(help);
    match noise.trim() {
        "" => fault.cause("sudo ended without a word"),
        noise => fault.cause(noise),
    }
}
