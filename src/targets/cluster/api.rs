//! Requests to the API server: paths, one deadline each, counts. An API that goes away is waited for (`away` says how
//! long, and tells it); bodies never reach a log, for they may hold secrets.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::AsyncBufRead;
use http::header::{ACCEPT, CONTENT_TYPE, DATE};
use http::{Method, Request};
use jiff::Timestamp;
use kube::client::Body;
use kube::core::Status;
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

use super::absent::Absent;
use super::away::{Away, Patience};
use super::kinds::Kind;
use super::{FIELD_MANAGER, ObjectId, faults};
use crate::model::Fault;

/// How many requests are under way at once.
const LANES: usize = 8;

/// How long one request may take. An API server gives up after 34 s, and a webhook has 30 s at most: longer than both,
/// so that it is them who say what was late.
pub(super) const DEADLINE: Duration = Duration::from_secs(40);

/// How many requests were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// That read.
    pub reads: u64,
    /// That asked what a write would do.
    pub dry_runs: u64,
    /// That wrote.
    pub writes: u64,
}

/// A part of a list.
pub(super) struct Page {
    pub(super) items: Vec<Json>,
    /// Where the next one begins, if there is one.
    pub(super) next: Option<String>,
    /// How many come after this part, as far as the API says.
    pub(super) remaining: usize,
}

/// Why there is no answer to use.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The API said no: the caller knows what some of these mean.
    Said(Box<Status>),
    /// There was no answer, and another try would end the same.
    Lost(Fault),
    /// Nobody was there, or the connection broke: it may be back in a while.
    Away(Fault),
}

impl Trouble {
    /// As a fault of what was being done: `read`, `apply` ... `thing`.
    pub(super) fn fault(self, doing: &str, thing: &str) -> Fault {
        match self {
            Self::Said(status) => faults::said(doing, thing, &status),
            Self::Lost(fault) | Self::Away(fault) => fault,
        }
    }
}

/// The API of one cluster.
pub(super) struct Api {
    pub(super) client: kube::Client,
    deadline: Duration,
    counts: Arc<Counts>,
    /// For an API that goes away. Without it every trouble is told at once.
    away: Option<Arc<Away>>,
    /// For a cluster that is not there when it is planned.
    absent: Option<Absent>,
}

/// What all who ask the same API share.
struct Counts {
    /// Each request under way holds one: more at once are slower, and an API server turns a crowd away.
    lanes: Semaphore,
    reads: AtomicU64,
    dry_runs: AtomicU64,
    writes: AtomicU64,
}

impl Api {
    pub(super) fn new(client: kube::Client, deadline: Duration, away: Arc<Away>) -> Self {
        let (reads, dry_runs, writes) = Default::default();
        let counts = Arc::new(Counts { lanes: Semaphore::new(LANES), reads, dry_runs, writes });
        Self { client, deadline, counts, away: Some(away), absent: None }
    }

    /// The same, for a cluster that may not be there when it is planned.
    pub(super) fn of_absent(self, absent: Option<Absent>) -> Self {
        Self { absent, ..self }
    }

    /// The same for one who asks again and again anyway.
    pub(super) fn hasty(&self) -> Self {
        let (client, counts) = (self.client.clone(), self.counts.clone());
        Self { client, deadline: self.deadline, counts, away: None, absent: self.absent.clone() }
    }

    pub(super) fn absent(&self) -> Option<&Absent> {
        self.absent.as_ref()
    }

    /// Is there no cluster yet to be asked what it would do?
    pub(super) fn is_absent(&self) -> bool {
        self.absent.as_ref().is_some_and(Absent::is_absent)
    }

    pub(super) fn away(&self) -> Option<&Arc<Away>> {
        self.away.as_ref()
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn requests(&self) -> Requests {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counts { reads, dry_runs, writes, .. } = &*self.counts;
        Requests { reads: count(reads), dry_runs: count(dry_runs), writes: count(writes) }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Json, Trouble> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        self.ask(Request::get(path), Vec::new()).await
    }

    /// One page of all objects beside `id`.
    pub(super) async fn list(&self, kind: &Kind, id: &ObjectId, from: Option<&str>) -> Result<Page, Trouble> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        let mut path = format!("{}?limit=500", kind_path(kind, id));
        if let Some(from) = from {
            let _ = write!(path, "&continue={}", encode(from));
        }
        let mut list = self.ask(Request::get(path), Vec::new()).await?;
        let metadata = list.get("metadata");
        let next = metadata.and_then(|metadata| metadata.get("continue")).and_then(Json::as_str);
        let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
        let remaining = metadata.and_then(|metadata| metadata.get("remainingItemCount")).and_then(Json::as_u64);
        let remaining = remaining.and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        let items = match list.get_mut("items").map(Json::take) {
            Some(Json::Array(items)) => items,
            _ => Vec::new(),
        };
        // The items of a list do not say what they are.
        let named = items.into_iter().map(|mut item| {
            if let Some(item) = item.as_object_mut() {
                item.insert("apiVersion".to_owned(), id.api_version.clone().into());
                item.insert("kind".to_owned(), id.kind.clone().into());
            }
            item
        });
        Ok(Page { items: named.collect(), next, remaining })
    }

    /// Server-side apply, or what it would do.
    pub(super) async fn apply(&self, path: &str, body: &Json, force: bool, dry_run: bool) -> Result<Json, Trouble> {
        let counter = if dry_run { &self.counts.dry_runs } else { &self.counts.writes };
        counter.fetch_add(1, Ordering::Relaxed);
        let dry_run = if dry_run { "&dryRun=All" } else { "" };
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&force={force}&fieldValidation=Strict{dry_run}");
        let request = Request::patch(path).header(CONTENT_TYPE, "application/apply-patch+yaml");
        self.ask(request, body.to_string().into_bytes()).await
    }

    /// Sets some fields, whoever has them.
    pub(super) async fn merge(&self, path: &str, body: &Json) -> Result<Json, Trouble> {
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        let request = Request::patch(format!("{path}?fieldManager={FIELD_MANAGER}"));
        let request = request.header(CONTENT_TYPE, "application/merge-patch+json");
        self.ask(request, body.to_string().into_bytes()).await
    }

    /// Deletes, in the background, the object with that `uid`.
    pub(super) async fn delete(&self, path: &str, uid: Option<&str>) -> Result<Json, Trouble> {
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        let mut options = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background" });
        if let Some(uid) = uid {
            options["preconditions"] = json!({ "uid": uid });
        }
        let request = Request::delete(path).header(CONTENT_TYPE, "application/json");
        self.ask(request, options.to_string().into_bytes()).await
    }

    /// What is no JSON: a log.
    pub(super) async fn text(&self, path: &str) -> Result<String, Trouble> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        self.answer(Request::get(path), Vec::new()).await
    }

    /// Changes as they come, a line each, for as long as the server says them.
    pub(super) async fn watch(&self, path: &str) -> Result<impl AsyncBufRead + use<>, Trouble> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        let request = Request::get(path).header(ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|error| lost(&kube::Error::HttpError(error)))?;
        match tokio::time::timeout(self.deadline, self.client.request_stream(request)).await {
            Err(_) => Err(Trouble::Lost(faults::late(self.deadline))),
            Ok(answer) => answer.map_err(troubled),
        }
    }

    /// A request with a body, as it is: for what is no object of a task.
    pub(super) async fn send(&self, verb: Method, path: &str, body: &Json) -> Result<Json, Trouble> {
        self.clocked(verb, path, body).await.0
    }

    /// The same, with the time of the server.
    pub(super) async fn clocked(
        &self,
        verb: Method,
        path: &str,
        body: &Json,
    ) -> (Result<Json, Trouble>, Option<Timestamp>) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(verb).uri(path);
        let request = request.header(ACCEPT, "application/json").header(CONTENT_TYPE, "application/json").body(body);
        let request = match request {
            Ok(request) => request,
            Err(error) => return (Err(lost(&kube::Error::HttpError(error))), None),
        };
        let clock = Mutex::new(None);
        let said = self.patiently(|| async {
            let request = request.clone().map(Body::from);
            let response = self.client.send(request).await.map_err(|error| lost(&error))?;
            let now = response.headers().get(DATE).and_then(|date| date.to_str().ok()).and_then(clock_of);
            *clock.lock().unwrap_or_else(PoisonError::into_inner) = now;
            let status = response.status();
            let text = response.into_body().collect_bytes().await;
            let text = text.map_err(|error| lost(&error))?;
            if status.is_success() {
                return serde_json::from_slice(&text).map_err(|error| Trouble::Lost(faults::garbled(&error)));
            }
            let said = serde_json::from_slice::<Status>(&text);
            let said = said.unwrap_or_else(|_| Status::failure(&status.to_string(), "")).with_code(status.as_u16());
            Err(Trouble::Said(said.boxed()))
        });
        (said.await, clock.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(&self, request: http::request::Builder, body: Vec<u8>) -> Result<Json, Trouble> {
        let answer = self.answer(request.header(ACCEPT, "application/json"), body).await?;
        serde_json::from_str(&answer).map_err(|error| Trouble::Lost(faults::garbled(&error)))
    }

    async fn answer(&self, request: http::request::Builder, body: Vec<u8>) -> Result<String, Trouble> {
        let request = request.body(body).map_err(|error| lost(&kube::Error::HttpError(error)))?;
        // Not `Client::request`: that logs the whole answer when it is no JSON.
        self.patiently(|| async { self.client.request_text(request.clone()).await.map_err(troubled) }).await
    }

    /// Asks until there is an answer, or patience is over. Each try has its own deadline.
    async fn patiently<T, F: Future<Output = Result<T, Trouble>>>(&self, ask: impl Fn() -> F) -> Result<T, Trouble> {
        let mut patience = self.away.as_ref().map(|away| away.patience());
        loop {
            let answer = {
                let _lane = self.counts.lanes.acquire().await;
                let late = || Err(Trouble::Lost(faults::late(self.deadline)));
                let mut asked = std::pin::pin!(tokio::time::timeout(self.deadline, ask()));
                let word = patience.as_ref().and_then(Patience::word);
                let said = async {
                    match word {
                        Some(due) => tokio::time::sleep(due).await,
                        None => std::future::pending().await,
                    }
                };
                let answer = tokio::select! {
                    answer = &mut asked => answer,
                    () = said => {
                        if let Some(patience) = &patience {
                            patience.say();
                        }
                        asked.await
                    }
                };
                answer.unwrap_or_else(|_| late())
            };
            let trouble = match answer {
                Ok(answer) => {
                    if let Some(away) = &self.away {
                        away.back();
                    }
                    return Ok(answer);
                }
                Err(trouble) => trouble,
            };
            match patience.as_mut().and_then(|patience| patience.pause(&trouble)) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(trouble),
            }
        }
    }
}

fn troubled(error: kube::Error) -> Trouble {
    match error {
        kube::Error::Api(status) => Trouble::Said(status),
        error => lost(&error),
    }
}

/// No answer: is it worth another try?
fn lost(error: &kube::Error) -> Trouble {
    let fault = faults::lost(error);
    if faults::is_away(error) { Trouble::Away(fault) } else { Trouble::Lost(fault) }
}

/// The time in the head of an answer.
fn clock_of(date: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

/// The path of all kinds of `api_version`.
pub(super) fn group_path(api_version: &str) -> String {
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    let segments = api_version.split('/').map(|segment| format!("/{}", encode(segment)));
    segments.fold(root.to_owned(), |path, segment| path + &segment)
}

/// The path of all objects of the kind of `id`, in its namespace if it has one.
pub(super) fn kind_path(kind: &Kind, id: &ObjectId) -> String {
    let mut path = group_path(&id.api_version);
    if let Some(namespace) = &id.namespace {
        let _ = write!(path, "/namespaces/{}", encode(namespace));
    }
    path + "/" + &encode(&kind.plural)
}

/// The path of one object.
pub(super) fn object_path(kind: &Kind, id: &ObjectId) -> String {
    kind_path(kind, id) + "/" + &encode(&id.name)
}

/// One segment of a path: what is not plain is escaped, so that no name reaches another object.
pub(super) fn encode(segment: &str) -> String {
    let mut out = String::new();
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
