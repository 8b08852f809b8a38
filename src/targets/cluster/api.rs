//! Requests to the API server: paths, one deadline each, counts. Nothing is retried here, so nothing hangs silently;
//! bodies never reach a log, for they may hold secrets.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::AsyncBufRead;
use http::header::{ACCEPT, CONTENT_TYPE, DATE};
use http::{Method, Request};
use jiff::Timestamp;
use kube::client::Body;
use kube::core::Status;
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

use super::kinds::Kind;
use super::{FIELD_MANAGER, ObjectId, faults};
use crate::model::Fault;

/// How many requests are under way at once.
const LANES: usize = 8;

/// How long one request may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

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
    /// There was no answer.
    Lost(Fault),
}

impl Trouble {
    /// As a fault of what was being done: `read`, `apply` ... `thing`.
    pub(super) fn fault(self, doing: &str, thing: &str) -> Fault {
        match self {
            Self::Said(status) => faults::said(doing, thing, &status),
            Self::Lost(fault) => fault,
        }
    }
}

/// The API of one cluster.
pub(super) struct Api {
    pub(super) client: kube::Client,
    deadline: Duration,
    /// Each request under way holds one: more at once are slower, and an API server turns a crowd away.
    lanes: Semaphore,
    reads: AtomicU64,
    dry_runs: AtomicU64,
    writes: AtomicU64,
}

impl Api {
    pub(super) fn new(client: kube::Client, deadline: Duration) -> Self {
        let (reads, dry_runs, writes) = Default::default();
        Self { client, deadline, lanes: Semaphore::new(LANES), reads, dry_runs, writes }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn requests(&self) -> Requests {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests { reads: count(&self.reads), dry_runs: count(&self.dry_runs), writes: count(&self.writes) }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Json, Trouble> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.ask(Request::get(path), Vec::new()).await
    }

    /// One page of all objects beside `id`.
    pub(super) async fn list(&self, kind: &Kind, id: &ObjectId, from: Option<&str>) -> Result<Page, Trouble> {
        self.reads.fetch_add(1, Ordering::Relaxed);
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
        let counter = if dry_run { &self.dry_runs } else { &self.writes };
        counter.fetch_add(1, Ordering::Relaxed);
        let dry_run = if dry_run { "&dryRun=All" } else { "" };
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&force={force}&fieldValidation=Strict{dry_run}");
        let request = Request::patch(path).header(CONTENT_TYPE, "application/apply-patch+yaml");
        self.ask(request, body.to_string().into_bytes()).await
    }

    /// Sets some fields, whoever has them.
    pub(super) async fn merge(&self, path: &str, body: &Json) -> Result<Json, Trouble> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let request = Request::patch(format!("{path}?fieldManager={FIELD_MANAGER}"));
        let request = request.header(CONTENT_TYPE, "application/merge-patch+json");
        self.ask(request, body.to_string().into_bytes()).await
    }

    /// Deletes, in the background, the object with that `uid`.
    pub(super) async fn delete(&self, path: &str, uid: Option<&str>) -> Result<Json, Trouble> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut options = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background" });
        if let Some(uid) = uid {
            options["preconditions"] = json!({ "uid": uid });
        }
        let request = Request::delete(path).header(CONTENT_TYPE, "application/json");
        self.ask(request, options.to_string().into_bytes()).await
    }

    /// What is no JSON: a log.
    pub(super) async fn text(&self, path: &str) -> Result<String, Trouble> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.answer(Request::get(path), Vec::new()).await
    }

    /// Changes as they come, a line each, for as long as the server says them.
    pub(super) async fn watch(&self, path: &str) -> Result<impl AsyncBufRead + use<>, Trouble> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let request = Request::get(path).header(ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|error| Trouble::Lost(faults::lost(&kube::Error::HttpError(error))))?;
        match tokio::time::timeout(self.deadline, self.client.request_stream(request)).await {
            Err(_) => Err(Trouble::Lost(faults::late(self.deadline))),
            Ok(Err(kube::Error::Api(status))) => Err(Trouble::Said(status)),
            Ok(Err(error)) => Err(Trouble::Lost(faults::lost(&error))),
            Ok(Ok(stream)) => Ok(stream),
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
            Ok(request) => request.map(Body::from),
            Err(error) => return (Err(Trouble::Lost(faults::lost(&kube::Error::HttpError(error)))), None),
        };
        let _lane = self.lanes.acquire().await;
        let mut clock = None;
        let asked = async {
            let response = self.client.send(request).await.map_err(|error| Trouble::Lost(faults::lost(&error)))?;
            clock = response.headers().get(DATE).and_then(|date| date.to_str().ok()).and_then(clock_of);
            let status = response.status();
            let text = response.into_body().collect_bytes().await;
            let text = text.map_err(|error| Trouble::Lost(faults::lost(&error)))?;
            if status.is_success() {
                return serde_json::from_slice(&text).map_err(|error| Trouble::Lost(faults::garbled(&error)));
            }
            let said = serde_json::from_slice::<Status>(&text);
            let said = said.unwrap_or_else(|_| Status::failure(&status.to_string(), "")).with_code(status.as_u16());
            Err(Trouble::Said(said.boxed()))
        };
        let said = tokio::time::timeout(self.deadline, asked).await;
        (said.unwrap_or_else(|_| Err(Trouble::Lost(faults::late(self.deadline)))), clock)
    }

    async fn ask(&self, request: http::request::Builder, body: Vec<u8>) -> Result<Json, Trouble> {
        let answer = self.answer(request.header(ACCEPT, "application/json"), body).await?;
        serde_json::from_str(&answer).map_err(|error| Trouble::Lost(faults::garbled(&error)))
    }

    async fn answer(&self, request: http::request::Builder, body: Vec<u8>) -> Result<String, Trouble> {
        let request = request.body(body);
        let request = request.map_err(|error| Trouble::Lost(faults::lost(&kube::Error::HttpError(error))))?;
        let _lane = self.lanes.acquire().await;
        // Not `Client::request`: that logs the whole answer when it is no JSON.
        match tokio::time::timeout(self.deadline, self.client.request_text(request)).await {
            Err(_) => Err(Trouble::Lost(faults::late(self.deadline))),
            Ok(Err(kube::Error::Api(status))) => Err(Trouble::Said(status)),
            Ok(Err(error)) => Err(Trouble::Lost(faults::lost(&error))),
            Ok(Ok(text)) => Ok(text),
        }
    }
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
