//! Host keys: which one a host offers, which are known, and keeping one. Who may be trusted is the user's decision:
//! nothing here is kept unless it was asked for.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use super::{Destination, patience, said};
use crate::model::{Fault, FaultKind};

/// The key of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// The name it is kept under, as in a `known_hosts` file.
    pub name: String,
    /// Its type and its bits: `ssh-ed25519 AAAA...`.
    pub key: String,
    /// What one compares: `256 SHA256:... (ED25519)`.
    pub fingerprint: String,
}

/// What is known of a host so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The file where keys are kept.
    pub file: PathBuf,
    /// Keys that are known for that name.
    pub keys: Vec<String>,
}

fn failed(what: &str, error: impl std::fmt::Display) -> Fault {
    Fault::failed(what.to_owned()).cause(error)
}

/// The key that the host offers now: the one that a connection would be checked against. It is asked for with the
/// user's configuration, so jump hosts are gone through.
///
/// # Errors
/// The host cannot be reached.
pub async fn offered(to: &Destination) -> Result<HostKey, Fault> {
    let cannot = |error: std::io::Error| failed("`ssh` could not ask for the host key", error);
    let folder = tempfile::tempdir().map_err(cannot)?;
    let file = folder.path().join("known");
    let mut ssh = Command::new("ssh");
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", quoted(&file.display().to_string())));
    for option in [
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=accept-new",
        "HashKnownHosts=no",
        "UpdateHostKeys=no",
        "BatchMode=yes",
        "ControlMaster=no",
        "ControlPath=none",
        "PreferredAuthentications=none",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "CheckHostIP=no",
        "LogLevel=ERROR",
    ] {
        ssh.args(["-o", option]);
    }
    let (option, login) = patience(to).await?;
    ssh.args(option).arg("-N").args(to.words());
    ssh.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(login, ssh.output()).await;
    let output = ended.map_err(|_| failed("the host did not offer its key", "no answer"))?.map_err(cannot)?;
    // Nobody is let in without a way to log in: only the key counts.
    let Ok(text) = std::fs::read_to_string(&file) else {
        return Err(said::fault(to, &String::from_utf8_lossy(&output.stderr)));
    };
    let line = text.lines().last().unwrap_or_default();
    let (name, key) = line.split_once(' ').ok_or_else(|| failed("the host key cannot be read", line))?;
    let fingerprint = fingerprint(key).await?;
    Ok(HostKey { name: name.to_owned(), key: key.to_owned(), fingerprint })
}

/// What one compares of `key`.
async fn fingerprint(key: &str) -> Result<String, Fault> {
    let mut file = tempfile::NamedTempFile::new().map_err(|error| failed("the host key cannot be read", error))?;
    writeln!(file, "{key}").map_err(|error| failed("the host key cannot be read", error))?;
    let said = tool("ssh-keygen", &["-l", "-f", &file.path().display().to_string()]).await?;
    // `256 SHA256:... comment (ED25519)`
    let words: Vec<&str> = said.split_whitespace().collect();
    match words[..] {
        [bits, digest, .., kind] => Ok(format!("{bits} {digest} {kind}")),
        _ => Err(failed("the host key cannot be read", said)),
    }
}

/// What is known of the host called `name` (as [`HostKey::name`]), and where its key would be kept.
///
/// # Errors
/// The configuration of `ssh` cannot be read.
pub async fn known(to: &Destination, name: &str) -> Result<Known, Fault> {
    let words = to.words();
    let words: Vec<&str> = std::iter::once("-G").chain(words.iter().map(String::as_str)).collect();
    let said = tool("ssh", &words).await?;
    let settings: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once(' ')).collect();
    let first = settings.get("userknownhostsfile").and_then(|files| files.split_whitespace().next());
    let Some(file) = first.filter(|file| *file != "none" && *file != "/dev/null") else {
        return Err(Fault::new(FaultKind::Refused, "the ssh configuration keeps no host keys")
            .help("set `UserKnownHostsFile` to a file"));
    };
    let file = match file.strip_prefix("~/") {
        Some(rest) => home()?.join(rest),
        None => PathBuf::from(file),
    };
    let mut keys = Vec::new();
    if file.exists() {
        let mut find = Command::new("ssh-keygen");
        find.args(["-F", name, "-f"]).arg(&file).stdin(Stdio::null());
        let output = find.output().await.map_err(|error| failed("`ssh-keygen` could not be started", error))?;
        // Status 1: not found.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            keys.extend(line.split_once(' ').map(|(_, key)| key.trim().to_owned()));
        }
    }
    Ok(Known { file, keys })
}

fn home() -> Result<PathBuf, Fault> {
    std::env::home_dir().ok_or_else(|| Fault::failed("this user has no home folder").help("set `HOME`"))
}

/// Keeps `key`; with `replace`, other keys of that host are taken out first (`ssh-keygen -R` leaves a copy, `.old`).
///
/// # Errors
/// The file cannot be written.
pub async fn trust(key: &HostKey, known: &Known, replace: bool) -> Result<(), Fault> {
    let file = &known.file;
    if replace && !known.keys.is_empty() {
        tool("ssh-keygen", &["-R", &key.name, "-f", &file.display().to_string()]).await?;
    }
    let cannot = |error: std::io::Error| failed(&format!("`{}` cannot be written", file.display()), error);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(cannot(error)),
    };
    let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut out = OpenOptions::new().append(true).create(true).open(file).map_err(cannot)?;
    out.write_all(format!("{line_end}{} {}\n", key.name, key.key).as_bytes()).map_err(cannot)
}

/// What a tool of OpenSSH prints.
pub(super) async fn tool(program: &str, words: &[&str]) -> Result<String, Fault> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| failed(&format!("`{program}` could not be started"), error))?;
    if !output.status.success() {
        return Err(failed(&format!("`{program}` failed"), String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As a word of an ssh configuration: a path may have blanks.
fn quoted(path: &str) -> String {
    if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path.to_owned() }
}
