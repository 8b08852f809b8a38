//! A socket here that leads through a connection to a port as the other machine reaches it. It lies where only this user
//! may come, stays as long as the connection, and is found again by the next run.

use std::path::PathBuf;

use openssh::{ForwardType, Session, Socket};
use sha2::{Digest as _, Sha256};
use tokio::net::UnixStream;

use super::{Connection, chain, folder};
use crate::model::{Fault, FaultKind};

impl Connection {
    /// The socket that leads to `port` of `host`, as the other machine sees them.
    ///
    /// # Errors
    /// The other machine cannot be reached, or lets nobody through.
    pub async fn forward(&self, host: &str, port: u16) -> Result<PathBuf, Fault> {
        let folder = folder::sockets()?;
        let name = self.to.digest();
        let master = folder.join(&name);
        let place = Sha256::digest(format!("{host} {port}"));
        let socket = folder.join(format!("{name}-{:02x}{:02x}{:02x}", place[0], place[1], place[2]));
        let there = Session::resume_mux(master.clone().into(), None).check().await.is_ok();
        if there && UnixStream::connect(&socket).await.is_ok() {
            return Ok(socket);
        }
        self.launch(&master).await?;
        let cannot = |cause: String| {
            Fault::new(FaultKind::Unreachable, format!("`{}` lets us in, but not through to `{host}:{port}`", self.to))
                .cause(cause)
                .help("see `AllowTcpForwarding` and `PermitOpen` of sshd there")
        };
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error.to_string())),
            _ => {}
        }
        let session = Session::resume_mux(master.into(), None);
        let (from, to) = (Socket::from(socket.as_path()), Socket::new(host, port));
        let asked = session.request_port_forward(ForwardType::Local, from, to).await;
        asked.map_err(|error| cannot(chain(&error)))?;
        Ok(socket)
    }
}
