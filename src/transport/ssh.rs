//! The way to another machine: one `ssh` master a host, kept for a minute after use, and channels on it. The user's ssh
//! configuration, agent, jump hosts and known hosts hold. What runs on a channel is the worker's business.
//!
//! `ssh` itself starts the master, so that its options can be given; the `openssh` crate opens channels on it without
//! a process for each. Runs find the master of the run before by the name of its socket, which is made of all that
//! decides where the connection leads.

mod configured;
mod folder;
mod forward;
mod keys;
mod said;

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use openssh::{Session, Stdio as Pipe};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::elevate::{self, Elevation};
use super::nonce::nonce;
use super::worker::{Channel, Worker};
use crate::model::{Fault, FaultKind};
pub use keys::{HostKey, Known, known, offered, trust};

/// How long a host may take to answer at all, in seconds, where the ssh configuration does not say it.
const CONNECT: u32 = 10;
/// How long a connection may take from then on until one is logged in.
const LOGIN: Duration = Duration::from_secs(35);
/// How long the first shell on a new connection may take to come up: slow files of a login shell are read there.
const SHELL: Duration = Duration::from_secs(45);
/// How long a master that was there already may take to bring up a shell: longer, and its network is gone.
const ATTACH: Duration = Duration::from_secs(6);
/// How long a connection is kept when nobody uses it, in seconds.
const PERSIST: u32 = 60;

/// Where a connection leads. What is `None` is left to the ssh configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Address, or alias of the ssh configuration.
    pub address: String,
    /// Port.
    pub port: Option<u16>,
    /// User to log in as.
    pub user: Option<String>,
    /// A configuration to use instead of the user's own.
    pub config: Option<PathBuf>,
}

impl std::fmt::Display for Destination {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(user) = &self.user {
            write!(out, "{user}@")?;
        }
        out.write_str(&self.address)?;
        self.port.map_or(Ok(()), |port| write!(out, ":{port}"))
    }
}

impl Destination {
    /// Options that name it, the address last.
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(config) = &self.config {
            words.extend(["-F".to_owned(), config.display().to_string()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        words.extend(["--".to_owned(), self.address.clone()]);
        words
    }

    /// A name that differs when anything differs that decides where it leads.
    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let config = self.config.as_deref().map(|path| (path, std::fs::read(path).unwrap_or_default()));
        hasher.update(format!("{:?}", (&self.address, self.port, &self.user, config)));
        hasher.finalize().iter().take(8).fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
    }
}

/// The connection to one host. Nothing is opened before it is used.
#[derive(Debug)]
pub struct Connection {
    to: Destination,
}

/// May a connection of an earlier run be used?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// If it still answers.
    Allowed,
    /// No: what is asked is whether one can still get in.
    Never,
}

/// A shell that was started.
pub struct Started {
    /// The shell.
    pub worker: Worker,
    /// Was the connection there already? Then its network may be gone without a sign.
    pub reused: bool,
}

impl Connection {
    /// To `to`.
    ///
    /// # Errors
    /// The address or the user could be taken for an option of `ssh`.
    pub fn new(to: Destination) -> Result<Self, Fault> {
        let plain = |text: &str| {
            !text.is_empty() && !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if !plain(&to.address) || to.address.contains('@') {
            return Err(Fault::new(FaultKind::Refused, format!("`{}` is not an address", to.address))
                .help("correct `address`; the user and the port have words of their own"));
        }
        if to.user.as_deref().is_some_and(|user| !plain(user)) {
            return Err(Fault::new(FaultKind::Refused, format!("`{to}` names no user")).help("correct `user`"));
        }
        Ok(Self { to })
    }

    /// Where it leads.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.to
    }

    /// A shell on that host, on a connection that is there or a new one.
    ///
    /// # Errors
    /// The host cannot be reached, does not let one in, its key is not the known one, or sudo refused.
    pub async fn start(&self, elevation: Option<Elevation>, reuse: Reuse) -> Result<Started, Fault> {
        let folder = folder::sockets()?;
        let name = self.to.digest();
        let (socket, reused) = match reuse {
            Reuse::Allowed => (folder.join(&name), true),
            Reuse::Never => (folder.join(format!("{name}-{}", &nonce()?[..8])), false),
        };
        let greeting = nonce()?;
        let command = elevate::command("sh", &greeting, elevation.as_ref())?;
        if reused && let Ok(channel) = channel(&socket, &command, None).await {
            let worker = Worker::open(channel, &greeting, elevation, ATTACH).await?;
            return Ok(Started { worker, reused: true });
        }
        let keep = (reuse == Reuse::Never).then(|| Master { to: self.to.clone(), socket: socket.clone() });
        self.launch(&socket).await?;
        let channel = match channel(&socket, &command, keep).await {
            Ok(channel) => channel,
            // `MaxSessions 1`: another shell of ours has this connection for itself.
            Err(error) if refused(&error) => {
                let who = elevation.as_ref().map_or("", Elevation::user);
                let socket = folder.join(format!("{name}-{who}"));
                self.launch(&socket).await?;
                self::channel(&socket, &command, None).await.map_err(|error| self.no_channel(&error))?
            }
            Err(error) => return Err(self.no_channel(&error)),
        };
        Ok(Started { worker: Worker::open(channel, &greeting, elevation, SHELL).await?, reused: false })
    }

    /// Ends the connection that other runs would find.
    ///
    /// # Errors
    /// There is no place for sockets.
    pub async fn end(&self) -> Result<(), Fault> {
        end(&self.to, &folder::sockets()?.join(self.to.digest())).await;
        Ok(())
    }

    fn no_channel(&self, error: &openssh::Error) -> Fault {
        Fault::new(FaultKind::Unreachable, format!("`{}` lets us in, but opens no shell", self.to))
            .cause(chain(error))
            .help("see `MaxSessions` and the log of sshd there")
    }

    /// Starts a master that listens at `socket`, unless another run just did.
    async fn launch(&self, socket: &Path) -> Result<(), Fault> {
        let _turn = folder::turn(socket).await?;
        if Session::resume_mux(socket.into(), None).check().await.is_ok() {
            return Ok(());
        }
        let cannot = |error: std::io::Error| {
            let fault = Fault::new(FaultKind::Unreachable, "`ssh` could not be started").cause(&error);
            if error.kind() == std::io::ErrorKind::NotFound { fault.help("install OpenSSH's client") } else { fault }
        };
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        // A file, not a pipe: the master, which stays, might hold a pipe open.
        let mut log = tempfile::tempfile().map_err(cannot)?;
        let mut ssh = Command::new("ssh");
        let (option, login) = patience(&self.to).await?;
        ssh.args(["-fN", "-S"]).arg(socket).args(options()).args(option).args(self.to.words());
        ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.try_clone().map_err(cannot)?);
        // Ctrl-C on the terminal is for `lions`.
        ssh.process_group(0).kill_on_drop(true);
        let status = match tokio::time::timeout(login, ssh.status()).await {
            Ok(status) => status.map_err(cannot)?,
            Err(_) => {
                return Err(Fault::new(FaultKind::Unreachable, format!("could not log in at `{}`", self.to))
                    .cause(format!("no answer within {} s", login.as_secs()))
                    .help("see what hangs: `ssh -v` to it"));
            }
        };
        if status.success() {
            return Ok(());
        }
        Err(said::fault(&self.to, &read(&mut log).map_err(cannot)?))
    }
}

/// The option for how long the host may take to answer, and how long it may take until one is logged in.
async fn patience(to: &Destination) -> Result<(Option<String>, Duration), Fault> {
    let configured = configured::connect_timeout(to).await?;
    let option = configured.is_none().then(|| format!("-oConnectTimeout={CONNECT}"));
    Ok((option, LOGIN + Duration::from_secs(configured.unwrap_or(CONNECT).into())))
}

/// What holds for every connection, whatever the configuration says: it asks nothing, notices a dead peer, and gives
/// the host no way back to this machine (agent, display, forwarded ports).
fn options() -> impl Iterator<Item = String> {
    let fixed = [
        "BatchMode=yes",
        "ControlMaster=yes",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "LogLevel=ERROR",
    ];
    let set = [format!("ControlPersist={PERSIST}")];
    fixed.into_iter().map(str::to_owned).chain(set).flat_map(|option| ["-o".to_owned(), option])
}

/// Runs `command` on a channel of the master at `socket`. `keep` is dropped with the channel.
async fn channel(socket: &Path, command: &str, keep: Option<Master>) -> Result<Channel, openssh::Error> {
    let session = Arc::new(Session::resume_mux(socket.into(), None));
    let mut remote = session.arc_raw_command(command);
    let mut child = remote.stdin(Pipe::piped()).stdout(Pipe::piped()).stderr(Pipe::piped()).spawn().await?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin().take(), child.stdout().take(), child.stderr().take())
    else {
        return Err(openssh::Error::ChildIo(std::io::Error::other("its streams are missing")));
    };
    Ok(Channel {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        keep: Box::new((child, keep)),
    })
}

/// A master that nobody else uses: it ends with what holds it.
struct Master {
    to: Destination,
    socket: PathBuf,
}

impl Drop for Master {
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (to, socket) = (self.to.clone(), self.socket.clone());
            runtime.spawn(async move { end(&to, &socket).await });
        }
    }
}

/// Ends the master at `socket`, also one whose network is gone.
async fn end(to: &Destination, socket: &Path) {
    let mut ssh = Command::new("ssh");
    ssh.args(["-O", "exit", "-S"]).arg(socket).args(to.words());
    ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // One that does not even hear this ends by itself; without its socket nobody finds it.
    let _ = tokio::time::timeout(Duration::from_secs(2), ssh.status()).await;
    let _ = std::fs::remove_file(socket);
}

fn refused(error: &openssh::Error) -> bool {
    chain(error).contains("refused by peer")
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn read(log: &mut File) -> std::io::Result<String> {
    log.rewind()?;
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
