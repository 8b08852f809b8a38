//! A cluster that is not there yet, as a service under `kube::Client`. While a plan is made it is an empty one; once apply
//! begins it is the one that was brought up meanwhile, and the way to it is gone at the first request. It writes nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value as Json, json};
use tokio::sync::OnceCell;
use tower::{BoxError, Service};

use super::builtin::BUILT_IN;
use crate::model::Fault;

/// The unit whose start brings a cluster up.
pub const UNIT: &str = "k3s.service";

/// Namespaces that every cluster has.
const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// A way to the cluster, once it is there.
pub type Opening = BoxFuture<'static, Result<Client, Fault>>;

/// A cluster that is not there. Clones are the same one.
#[derive(Clone)]
pub struct Absent(Arc<Inner>);

struct Inner {
    why: Fault,
    /// Is there nothing of it at all? Otherwise it is down, and nobody knows what it holds.
    empty: bool,
    open: Box<dyn Fn() -> Opening + Send + Sync>,
    /// Does apply work on it?
    expected: AtomicBool,
    opened: OnceCell<Client>,
}

impl Absent {
    /// Not there because of `why`; `empty`: no server holds anything of it. `open` leads to it once it is there.
    #[must_use]
    pub fn new(why: Fault, empty: bool, open: impl Fn() -> Opening + Send + Sync + 'static) -> Self {
        let (expected, opened) = (AtomicBool::new(false), OnceCell::new());
        Self(Arc::new(Inner { why, empty, open: Box::new(open), expected, opened }))
    }

    /// A client of it. Needs a running Tokio.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    /// Why it is not there.
    #[must_use]
    pub fn why(&self) -> &Fault {
        &self.0.why
    }

    /// Is there nothing of it at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.empty
    }

    /// Is it not there as far as one who asks now is told?
    #[must_use]
    pub fn is_absent(&self) -> bool {
        !self.0.expected.load(Ordering::Relaxed)
    }

    /// From now on it is to be there when it is asked.
    pub fn expect(&self) {
        self.0.expected.store(true, Ordering::Relaxed);
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let said = |fault: Fault| -> BoxError { io::Error::other(fault).into() };
        if !self.is_absent() {
            let client = self.0.opened.get_or_try_init(|| (self.0.open)()).await.map_err(said)?;
            return client.send(request).await.map_err(Into::into);
        }
        if !self.0.empty {
            return Err(said(self.0.why.clone()));
        }
        let (code, body) = empty(request.method(), request.uri().path());
        let body = Body::from(body.to_string().into_bytes());
        Ok(Response::builder().status(code).header(http::header::CONTENT_TYPE, "application/json").body(body)?)
    }
}

impl Service<Request<Body>> for Absent {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.clone().answer(request).boxed()
    }
}

/// What a cluster says in which nothing was made yet.
fn empty(verb: &Method, path: &str) -> (u16, Json) {
    let words: Vec<&str> = path.split('/').skip(1).collect();
    let (version, rest) = match words.as_slice() {
        ["api", version, rest @ ..] => ((*version).to_owned(), rest),
        ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
        _ => return refuse(404, "NotFound", "the server could not find the requested resource"),
    };
    if verb != Method::GET {
        return refuse(405, "MethodNotAllowed", "the cluster is not there yet");
    }
    let list = |items: Vec<Json>| (200, json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }));
    match rest {
        [] => {
            let kinds: Vec<Json> = BUILT_IN
                .iter()
                .filter(|(served, ..)| *served == version)
                .map(|(_, kind, plural, namespaced)| json!({ "kind": kind, "name": plural, "namespaced": namespaced }))
                .collect();
            if kinds.is_empty() {
                return refuse(404, "NotFound", "the server could not find the requested resource");
            }
            (200, json!({ "kind": "APIResourceList", "groupVersion": version, "resources": kinds }))
        }
        ["namespaces"] => list(NAMESPACES.iter().map(|name| namespace(name)).collect()),
        ["namespaces", name] if NAMESPACES.contains(name) => (200, namespace(name)),
        [_] | ["namespaces", _, _] => list(Vec::new()),
        [.., plural, name] => refuse(404, "NotFound", &format!("{plural} \"{name}\" not found")),
    }
}

fn namespace(name: &str) -> Json {
    let status = json!({ "phase": "Active" });
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name }, "status": status })
}

fn refuse(code: u16, reason: &str, message: &str) -> (u16, Json) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str) -> (u16, Json) {
        empty(&Method::GET, path)
    }

    #[test]
    fn it_says_what_a_new_cluster_says() {
        let (code, kinds) = said("/apis/apps/v1");
        assert_eq!((code, &kinds["resources"][2]["kind"]), (200, &json!("Deployment")));
        assert_eq!(said("/apis/cert-manager.io/v1").0, 404);
        assert_eq!(said("/api/v1/namespaces/kube-system").1["metadata"]["name"], "kube-system");
        assert_eq!(said("/api/v1/namespaces/shop").1["message"], "namespaces \"shop\" not found");
        assert_eq!(said("/apis/apps/v1/namespaces/shop/deployments/web").0, 404);
        let (code, pods) = said("/api/v1/namespaces/default/pods");
        assert_eq!((code, &pods["items"]), (200, &json!([])));
        assert_eq!(said("/api/v1/namespaces").1["items"].as_array().unwrap().len(), NAMESPACES.len());
        assert_eq!(empty(&Method::PATCH, "/api/v1/namespaces/shop").0, 405, "nothing can be written");
    }
}
