//! Starts the shell on this machine, for `connection: local`. Everything after that is as over a connection.

use std::process::Stdio;

use tokio::process::Command;

use super::elevate::{self, Elevation};
use super::nonce::nonce;
use super::worker::{Channel, PATIENCE, Worker};
use crate::model::{Fault, FaultKind};

/// A worker on this machine, as oneself or as another user.
///
/// # Errors
/// The shell could not be started, or sudo refused.
pub async fn start(elevation: Option<Elevation>) -> Result<Worker, Fault> {
    start_in("sh", elevation, |_| ()).await
}

/// The same with another POSIX shell than `sh` in its place, and `prepare` for its process: tests try every shell,
/// and start as users who are not root.
///
/// # Errors
/// As [`start`].
pub async fn start_in(
    shell: &str,
    elevation: Option<Elevation>,
    prepare: impl FnOnce(&mut Command),
) -> Result<Worker, Fault> {
    let greeting = nonce()?;
    let command = elevate::command(shell, &greeting, elevation.as_ref())?;
    let failed = |cause: std::io::Error| {
        Fault::new(FaultKind::Unreachable, "could not start a shell on this machine").cause(cause)
    };
    let mut process = Command::new("sh");
    process
        .arg("-c")
        .arg(command)
        // What opens encrypted values is for `lions` alone.
        .env_remove("SOPS_AGE_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C on the terminal is for `lions`, which then ends what runs in order.
        .process_group(0);
    prepare(&mut process);
    let mut child = process.spawn().map_err(failed)?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed(std::io::Error::other("its streams are missing")));
    };
    let channel =
        Channel { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), keep: Box::new(child) };
    Worker::open(channel, &greeting, elevation, PATIENCE).await
}
