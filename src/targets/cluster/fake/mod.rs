//! An API server in memory for tests and benchmarks: a service under `kube::Client`. It behaves like a real one
//! where `lions` depends on it: server-side apply with owners by leaf, conflicts, defaults, dry runs that write
//! nothing, namespaces that must be there, definitions that bring kinds, preconditions. It is no proof that a real
//! one does the same.

mod answer;
mod defaults;
mod merge;
mod paths;
mod store;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use kube::client::Body;
use serde_json::Value as Json;
use tower::{BoxError, Service};

use self::answer::Answer;
use self::store::Store;
use super::ClusterPlace;

/// A request as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `PATCH`, `DELETE`.
    pub verb: String,
    /// Without its query.
    pub path: String,
    /// Did it only ask what a write would do?
    pub dry_run: bool,
}

impl Seen {
    /// Would it change the cluster?
    #[must_use]
    pub fn writes(&self) -> bool {
        self.verb != "GET" && !self.dry_run
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The API says no: with that status, reason and message.
    Status(u16, &'static str, String),
    /// The API says no with that `Status`, as it stands.
    Body(u16, Json),
    /// No answer ever comes.
    Hang,
    /// Nothing listens.
    Refused,
    /// The connection breaks before anything is done.
    Lost,
    /// It is done, but the connection breaks before the answer comes.
    LostAnswer,
    /// The certificate is not trusted.
    Tls,
    /// The answer is no JSON.
    Garbage,
}

/// The API server. Clones are the same one.
#[derive(Clone, Default)]
pub struct FakeApi(Arc<Mutex<State>>);

type Rule = Box<dyn Fn(usize, &Seen) -> Option<Failure> + Send>;

#[derive(Default)]
struct State {
    store: Store,
    seen: Vec<Seen>,
    rules: Vec<Rule>,
}

impl FakeApi {
    /// One with the namespaces and kinds that every cluster has.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A client of it. Needs a running Tokio.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// It as a place. Needs a running Tokio.
    #[must_use]
    pub fn place(&self) -> ClusterPlace {
        ClusterPlace::new(self.client())
    }

    /// What another manager does behind our back: creates the object, or sets these fields of it.
    ///
    /// # Errors
    /// What the API would say to it.
    pub fn put(&self, manager: &str, object: &Json) -> Result<Json, String> {
        let answer = self.lock().store.update(manager, object);
        if answer.code < 300 { Ok(answer.body) } else { Err(answer.body.to_string()) }
    }

    /// The object `v1/ConfigMap/default/app`, as a `GET` would give it.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Json> {
        self.lock().store.object(id)
    }

    /// From now on new kinds can be used only after their definition was read that often.
    pub fn establish_after(&self, reads: u32) {
        self.lock().store.slow = reads;
    }

    /// Takes an object away.
    pub fn remove(&self, id: &str) {
        self.lock().store.remove(id);
    }

    /// All objects by name, without what the API counts: for comparing two moments.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(String, Json)> {
        self.lock().store.snapshot()
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// How many requests so far would change the cluster.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.lock().seen.iter().filter(|seen| seen.writes()).count()
    }

    /// Lets requests fail: `rule` gets their number, from 1, and what they are.
    pub fn fail(&self, rule: impl Fn(usize, &Seen) -> Option<Failure> + Send + 'static) {
        self.lock().rules.push(Box::new(rule));
    }

    /// Lets the request of that number fail, counted from 1 over all.
    pub fn fail_nth(&self, nth: usize, failure: Failure) {
        self.fail(move |number, _| (number == nth).then(|| failure.clone()));
    }

    /// Lets all requests fail.
    pub fn fail_all(&self, failure: Failure) {
        self.fail(move |_, _| Some(failure.clone()));
    }

    /// Lets no request fail any more.
    pub fn heal(&self) {
        self.lock().rules.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let query = head.uri.query().unwrap_or_default().to_owned();
        // A merge patch sets what it holds; any other patch is a server-side apply.
        let merge = head.headers.get("content-type").is_some_and(|kind| kind == "application/merge-patch+json");
        let seen = Seen {
            verb: head.method.to_string(),
            path: head.uri.path().to_owned(),
            dry_run: query.contains("dryRun=All"),
        };
        let failure = {
            let mut state = self.lock();
            state.seen.push(seen.clone());
            let number = state.seen.len();
            state.rules.iter().find_map(|rule| rule(number, &seen))
        };
        let broken = |kind: io::ErrorKind, text: &str| Err(io::Error::new(kind, text.to_owned()).into());
        match failure {
            None => Ok(self.lock().store.handle(&seen, &query, &body, merge).response()?),
            Some(Failure::Status(code, reason, message)) => Ok(Answer::refuse(code, reason, message).response()?),
            Some(Failure::Body(code, body)) => Ok(Answer { code, body }.response()?),
            Some(Failure::Hang) => std::future::pending().await,
            Some(Failure::Refused) => broken(io::ErrorKind::ConnectionRefused, "Connection refused (os error 111)"),
            Some(Failure::Lost) => broken(io::ErrorKind::ConnectionReset, "Connection reset by peer (os error 104)"),
            Some(Failure::LostAnswer) => {
                self.lock().store.handle(&seen, &query, &body, merge);
                broken(io::ErrorKind::ConnectionReset, "Connection reset by peer (os error 104)")
            }
            Some(Failure::Tls) => broken(io::ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer"),
            Some(Failure::Garbage) => Ok(Response::new(Body::from(b"<html>password=hunter2</html>".to_vec()))),
        }
    }
}

impl Service<Request<Body>> for FakeApi {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl std::fmt::Debug for FakeApi {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FakeApi({} requests)", self.lock().seen.len())
    }
}
