//! The API through a socket of this machine, at whose other end somebody connects to it. All else (whom to trust, as whom
//! to come) is as the kubeconfig says.

use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use tokio::net::UnixStream;
use tower::{BoxError, Service, ServiceBuilder};

/// The client of `config`, whose server is behind `socket`.
///
/// # Errors
/// The certificates or credentials of `config` cannot be used.
pub fn through(config: &Config, socket: &Path) -> Result<Client, kube::Error> {
    let https = config.rustls_https_connector_with_connector(Connector(socket.to_owned()))?;
    let hyper = HyperClient::builder(TokioExecutor::new()).build::<_, Body>(https);
    let auth = config.auth_layer()?;
    let service =
        ServiceBuilder::new().layer(config.base_uri_layer()).option_layer(auth).map_err(BoxError::from).service(hyper);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// Connects to the socket, wherever the address leads.
#[derive(Clone)]
struct Connector(PathBuf);

impl Service<Uri> for Connector {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, std::io::Result<TokioIo<UnixStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = self.0.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }.boxed()
    }
}
