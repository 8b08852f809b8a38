//! The API through the SSH connection of a server, which connects to it from there, and is made again when it was lost.
//! All else (whom to trust, as whom to come) is as the kubeconfig says.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tower::{BoxError, Service, ServiceBuilder};

use crate::transport::ssh::Connection;

/// The client of `config`, whose server is reached from where `connection` leads.
///
/// # Errors
/// The certificates or credentials of `config` cannot be used.
pub fn through(config: &Config, connection: Arc<Connection>) -> Result<Client, kube::Error> {
    let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = config.cluster_url.port_u16().unwrap_or(443);
    let connector = Connector(Arc::new(Way { connection, host, port, socket: Mutex::default() }));
    let https = config.rustls_https_connector_with_connector(connector)?;
    let hyper = HyperClient::builder(TokioExecutor::new()).build::<_, Body>(https);
    let auth = config.auth_layer()?;
    let service =
        ServiceBuilder::new().layer(config.base_uri_layer()).option_layer(auth).map_err(BoxError::from).service(hyper);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// The way from this machine to the API.
struct Way {
    connection: Arc<Connection>,
    /// The API as the server sees it.
    host: String,
    port: u16,
    /// Of this machine; who connects to it is connected there. It goes with the connection.
    socket: Mutex<Option<PathBuf>>,
}

impl Way {
    async fn connect(&self) -> io::Result<UnixStream> {
        // One at a time: the way is made once.
        let mut socket = self.socket.lock().await;
        if let Some(socket) = &*socket
            && let Ok(stream) = UnixStream::connect(socket).await
        {
            return Ok(stream);
        }
        let made = self.connection.forward(&self.host, self.port).await;
        let made = made.map_err(|fault| io::Error::new(io::ErrorKind::NotConnected, fault))?;
        let stream = UnixStream::connect(&made).await?;
        *socket = Some(made);
        Ok(stream)
    }
}

/// Connects that way, wherever the address leads.
#[derive(Clone)]
struct Connector(Arc<Way>);

impl Service<Uri> for Connector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<UnixStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let way = self.0.clone();
        async move { way.connect().await.map(TokioIo::new) }.boxed()
    }
}
