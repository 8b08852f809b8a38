//! Where the sockets of masters lie: a folder that is nobody else's, with a short name, since a socket's path may have
//! 107 bytes (`sockaddr_un`, unix(7)) and `ssh` adds 17 while it makes one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use crate::model::{Fault, FaultKind};

/// The longest path of the folder: with it, `/`, a name and what `ssh` adds a socket can still be made.
const LONGEST: usize = 50;

/// The folder, made when it is not there.
///
/// # Errors
/// It cannot be made, or is another user's.
pub(super) fn sockets() -> Result<PathBuf, Fault> {
    let user = geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = runtime.filter(|path| path.is_dir() && path.as_os_str().len() + "/lions".len() <= LONGEST);
    let folder = runtime.map_or_else(|| PathBuf::from(format!("/tmp/lions-{user}")), |path| path.join("lions"));
    let cannot = |cause: &dyn std::fmt::Display| {
        Fault::failed(format!("`{}` cannot hold the sockets of connections", folder.display()))
            .cause(cause)
            .help("it must be a folder that only this user can read; take it away, or set `XDG_RUNTIME_DIR`")
    };
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(cannot(&error)),
        _ => {}
    }
    let there = std::fs::symlink_metadata(&folder).map_err(|error| cannot(&error))?;
    if !there.is_dir() || there.uid() != user || there.mode() & 0o077 != 0 {
        return Err(cannot(&"it is not a folder of this user's alone"));
    }
    Ok(folder)
}

/// Waits until no other run makes the connection at `socket`; others wait until this is dropped.
pub(super) async fn turn(socket: &Path) -> Result<File, Fault> {
    let path = socket.with_extension("lock");
    let cannot = |cause: std::io::Error| Fault::failed(format!("`{}` cannot be locked", path.display())).cause(cause);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(cannot)?;
    for _ in 0..1200 {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => return Err(cannot(error.into())),
        }
    }
    Err(Fault::new(FaultKind::Locked, "another run has been connecting to the same host for a minute")
        .help(format!("see what holds `{}`", path.display())))
}
