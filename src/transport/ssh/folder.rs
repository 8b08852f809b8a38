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

/// The right to make the connection at a socket. Nothing is left of it.
pub(super) struct Turn {
    path: PathBuf,
    _file: File,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // While it is locked: who waits for it sees that it is gone, and takes a new one.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Waits until no other run makes the connection at `socket`; others wait until this is dropped.
pub(super) async fn turn(socket: &Path) -> Result<Turn, Fault> {
    let path = socket.with_extension("lock");
    let cannot = |cause: std::io::Error| Fault::failed(format!("`{}` cannot be locked", path.display())).cause(cause);
    for _ in 0..1200 {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(cannot)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_at(&file, &path).map_err(cannot)? => return Ok(Turn { path, _file: file }),
            // Its holder has just taken it away.
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => return Err(cannot(error.into())),
        }
    }
    Err(Fault::new(FaultKind::Locked, "another run has been connecting to the same host for a minute")
        .help(format!("see what holds `{}`", path.display())))
}

/// Is that file still the one at `path`?
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    let held = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn one_at_a_time_has_its_turn_and_nothing_is_left() {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let folder = tempfile::TempDir::new().unwrap();
        let socket = folder.path().join("socket");
        let turns = (0..8).map(|_| {
            let socket = socket.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let _turn = turn(&socket).await.unwrap();
                    assert!(!TAKEN.swap(true, Ordering::SeqCst), "two have it");
                    tokio::task::yield_now().await;
                    TAKEN.store(false, Ordering::SeqCst);
                }
            })
        });
        for turn in turns.collect::<Vec<_>>() {
            turn.await.unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
