//! What an API server says when it does not do what it is asked, in clear words and with the way out.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::core::Status;
use kube::core::response::StatusCause;

use super::{Object, ObjectId, reveal};
use crate::model::{Fault, FaultKind, Secret, Value};

const UNREACHABLE: &str = "the API of the cluster cannot be reached";

/// No answer within the deadline.
pub(super) fn late(deadline: Duration) -> Fault {
    let what = format!("the API of the cluster did not answer within {} s", deadline.as_secs_f32());
    Fault::new(FaultKind::TimedOut, what).help("look at the load of its servers: `systemctl status k3s`")
}

/// An answer that is none.
pub(super) fn garbled(error: &serde_json::Error) -> Fault {
    // Only where it broke: the text around it may hold secrets.
    let place = format!("no JSON at line {}, column {}", error.line(), error.column());
    Fault::failed("the API of the cluster gave an answer that cannot be read")
        .cause(place)
        .help("is it a Kubernetes API that the kubeconfig names, and no proxy or login page before it?")
}

/// What an error says from the outside in, and of what sort it is if the system said it.
fn chain(error: &kube::Error) -> (Vec<String>, Option<io::ErrorKind>) {
    let mut chain = vec![error.to_string()];
    let mut io_kind = None;
    let mut source = error.source();
    while let Some(cause) = source {
        io_kind = io_kind.or_else(|| cause.downcast_ref::<io::Error>().map(io::Error::kind));
        chain.push(cause.to_string());
        source = cause.source();
    }
    // What HTTP calls a connection that broke before the answer was whole.
    let cut = || chain.iter().any(|text| text.contains("connection closed before message completed"));
    if io_kind.is_none() && cut() {
        io_kind = Some(io::ErrorKind::UnexpectedEof);
    }
    (chain, io_kind)
}

/// Is nobody there, or did the connection break? A server that is restarted looks like that for a while.
pub(super) fn is_away(error: &kube::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected, UnexpectedEof};
    let (chain, io_kind) = chain(error);
    let away = [ConnectionRefused, ConnectionReset, UnexpectedEof, BrokenPipe, NotConnected];
    !matches!(error, kube::Error::Auth(_))
        && !chain.iter().any(|text| text.contains("certificate"))
        && io_kind.is_some_and(|kind| away.contains(&kind))
}

/// What was said of the server that the API is reached through.
fn on_the_way(error: &kube::Error) -> Option<&Fault> {
    let mut source = error.source();
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(fault) = inner.and_then(|inner| inner.downcast_ref::<Fault>()) {
            return Some(fault);
        }
        source = cause.source();
    }
    None
}

/// May the same be answered otherwise in a while? What stands behind the API is not there yet, or not any more.
pub(super) fn passes(status: &Status) -> bool {
    let of_etcd = || ["etcdserver: ", "rpc error: code = Unavailable"].iter().any(|sign| status.message.contains(sign));
    matches!(status.code, 502 | 503) || (status.code == 500 && of_etcd())
}

/// No answer at all.
pub(super) fn lost(error: &kube::Error) -> Fault {
    if let Some(fault) = on_the_way(error) {
        return fault.clone();
    }
    let (chain, io_kind) = chain(error);
    let cause = chain.last().cloned().unwrap_or_default();
    if matches!(error, kube::Error::Auth(_)) {
        return Fault::new(FaultKind::Unreachable, "the credentials for the cluster cannot be read")
            .cause(cause)
            .help("look at the user of the kubeconfig: its file or its `exec` program");
    }
    if let Some(certificate) = chain.iter().rev().find(|text| text.contains("certificate")) {
        return Fault::new(FaultKind::Unreachable, "the API of the cluster and we do not trust each other (TLS)")
            .cause(certificate)
            .help("the cluster may be another one than the kubeconfig was made for, or its certificates have expired: fetch the kubeconfig again");
    }
    let help = match io_kind {
        Some(io::ErrorKind::ConnectionRefused) => "nothing listens there: is `k3s` running on the server?",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => {
            "the connection broke: the server may be restarting; run again"
        }
        Some(io::ErrorKind::TimedOut) => "no answer to the connection: a firewall between, or the host is down?",
        _ => "look at the address in the kubeconfig and at the way there",
    };
    Fault::new(FaultKind::Unreachable, UNREACHABLE).cause(cause).help(help)
}

/// The API said no to `doing` (`read`, `plan`, `apply`, `delete`) of `thing`.
pub(super) fn said(doing: &str, thing: &str, status: &Status) -> Fault {
    let refused = |why: &str| Fault::failed(format!("cannot {doing} {thing}: {why}")).cause(message(status));
    match status.code {
        401 => refused("the cluster does not accept our credentials").help(
            "they may have expired, or be those of an earlier cluster: fetch the kubeconfig again",
        ),
        403 if status.message.contains("is being terminated") => {
            refused("its namespace is being deleted").help("wait until it is gone, then run again")
        }
        403 if status.message.contains("exceeded quota") => {
            refused("a quota of its namespace is used up").help("raise the ResourceQuota, or ask for less")
        }
        400 | 403 if status.message.contains("does not support dry run") => {
            refused("a webhook of the cluster cannot be asked in a dry run, so the change cannot be shown first")
                .help("give the webhook `sideEffects: None` or `NoneOnDryRun`")
        }
        400 | 403 if status.message.starts_with("admission webhook") => {
            refused("a webhook of the cluster denies it").help("change what it complains of, or its rule")
        }
        403 => refused("the cluster does not allow it").help("give the user of the kubeconfig a role with that verb"),
        404 if missing_namespace(status).is_some() => {
            let namespace = missing_namespace(status).unwrap_or_default();
            refused(&format!("the namespace `{namespace}` does not exist"))
                .help(format!("declare it before: a `manifest` of kind `Namespace` named `{namespace}`"))
        }
        404 => refused("the API does not know it"),
        409 if conflicts(status).next().is_some() => conflict(doing, thing, status),
        409 => refused("it is not the object that the plan has seen").help("plan again and look at the difference").of_kind(FaultKind::Stale),
        422 if another(status) => refused("it is not the object that the plan has seen").help("plan again and look at the difference").of_kind(FaultKind::Stale),
        422 if immutable(status) => refused("a field of it cannot be changed once it is there")
            .help(format!("only a new object can have the new value, and `lions` replaces none by itself: {}. Keep the old value, or take the object away by a task with `state: absent` before", loss(thing)))
            .of_kind(FaultKind::Refused),
        400 | 422 => refused("the API finds it invalid").help("correct the manifest"),
        500 if untyped(status) => refused("the API finds it invalid").help("correct the manifest"),
        413 => refused("it is too large for the API").help("split it, or keep large content elsewhere"),
        429 => refused("the API is overloaded and asks to come back later").help(match retry_after(status) {
            Some(seconds) => format!("run again in {seconds} s"),
            None => "run again later".to_owned(),
        }),
        500 if status.message.contains("failed calling webhook") => webhook(doing, thing, status),
        500 => refused("the API failed").help("look at its log: `journalctl -u k3s`"),
        502 | 503 => refused("the API is not ready")
            .help("it may be starting, or what stands behind it is down: `kubectl get --raw /readyz?verbose`")
            .of_kind(FaultKind::Unreachable),
        504 => refused("the API did not manage it in time")
            .help("look at its load and at webhooks that hang")
            .of_kind(FaultKind::TimedOut),
        code => refused(&format!("the API answered with {code}")),
    }
}

/// Does a field have the wrong type or name? Up to 1.21 that comes as an internal error.
fn untyped(status: &Status) -> bool {
    status.code == 500 && status.message.contains("failed to create typed patch object")
}

/// May the complaint be about the values that were sent, rather than about anything else?
pub(super) fn about_values(status: &Status) -> bool {
    matches!(status.code, 400 | 403 | 422) || untyped(status)
}

/// The namespace that would have to be there.
fn missing_namespace(status: &Status) -> Option<&str> {
    let details = status.details.as_ref()?;
    (status.code == 404 && details.kind == "namespaces").then_some(details.name.as_str())
}

/// Fields that another manager has, and what the API says of each.
fn conflicts(status: &Status) -> impl Iterator<Item = &StatusCause> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.filter(|cause| cause.reason == "FieldManagerConflict")
}

fn conflict(doing: &str, thing: &str, status: &Status) -> Fault {
    let mut owners = String::new();
    for cause in conflicts(status) {
        // `conflict with "kubectl-edit" using apps/v1`
        let owner = cause.message.split('"').nth(1).unwrap_or(&cause.message);
        let separator = if owners.is_empty() { "" } else { ", " };
        let field = cause.field.strip_prefix('.').unwrap_or(&cause.field);
        let _ = write!(owners, "{separator}`{owner}` has set `{field}`");
    }
    Fault::new(FaultKind::Refused, format!("cannot {doing} {thing}: others own fields of it"))
        .cause(owners)
        .help("leave these fields out of the manifest, or take them with `force_conflicts: true`")
}

/// Would its identity change? Then it is another object of that name.
fn another(status: &Status) -> bool {
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.field == "metadata.uid")
}

fn immutable(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes).map(|cause| cause.message.as_str());
    causes.chain([status.message.as_str()]).any(|text| {
        ["immutable", "may not change once set", "updates to statefulset spec for fields other than"]
            .iter()
            .any(|sign| text.contains(sign))
    })
}

/// What is lost with an object of the kind of `thing`.
fn loss(thing: &str) -> &'static str {
    let id = ObjectId::parse(thing.trim_matches('`'));
    match id.as_ref().map(|id| id.kind.as_str()) {
        Some("PersistentVolumeClaim" | "PersistentVolume") => "with the old one its data may go",
        Some("StatefulSet") => "with the old one its pods end, while its volumes and their claims stay",
        Some("Deployment" | "DaemonSet" | "ReplicaSet" | "Pod") => "with the old one its pods end",
        Some("Job") => "with the old one its pods, their logs and that it was done are gone",
        Some("Service") => "with the old one its address is gone, and connections break",
        Some("CustomResourceDefinition") => "with the old one all objects of its kinds go",
        Some("Namespace") => "with the old one all that is in it goes",
        Some("StorageClass" | "CSIDriver") => "volumes that are there keep what they have",
        Some("RoleBinding" | "ClusterRoleBinding") => "until the new one is there, nobody has its rights",
        _ => "what it holds is lost with the old one",
    }
}

/// A webhook that the API has to ask does not answer.
fn webhook(doing: &str, thing: &str, status: &Status) -> Fault {
    let cause = message(status);
    let late = ["deadline exceeded", "Timeout exceeded", "i/o timeout"].iter().any(|sign| cause.contains(sign));
    let name = cause.split_once("failed calling webhook \"").and_then(|(_, rest)| rest.split('"').next());
    let name = name.map_or_else(|| "a webhook of the cluster".to_owned(), |name| format!("the webhook `{name}`"));
    let (kind, why) =
        if late { (FaultKind::TimedOut, "does not answer in time") } else { (FaultKind::Failed, "cannot be asked") };
    Fault::new(kind, format!("cannot {doing} {thing}: {name} {why}"))
        .cause(cause)
        .help("look at what runs behind it; while that is gone nothing it watches over can be changed: mend it, or delete its webhook configuration")
}

pub(super) fn retry_after(status: &Status) -> Option<u32> {
    status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0)
}

/// What it said, on one line.
pub(super) fn message(status: &Status) -> String {
    let text = if status.message.is_empty() { &status.reason } else { &status.message };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Fault {
    fn of_kind(mut self, kind: FaultKind) -> Self {
        self.kind = kind;
        self
    }
}

/// The same without what is secret in `object`: the API quotes values that it does not like.
pub(super) fn masked(mut fault: Fault, object: &Object) -> Fault {
    let mut secrets = Vec::new();
    collect(&object.body, false, &mut secrets);
    // The longest first: one secret may hold another.
    secrets.sort_by_key(|text| std::cmp::Reverse(text.len()));
    for text in [Some(&mut fault.what), fault.cause.as_mut(), fault.help.as_mut()].into_iter().flatten() {
        for secret in &secrets {
            *text = text.replace(secret, Secret::MASK);
        }
    }
    fault
}

fn collect(value: &Value, sealed: bool, secrets: &mut Vec<String>) {
    match value {
        Value::Secret(secret) => collect(secret.reveal(), true, secrets),
        Value::List(items) => items.iter().for_each(|item| collect(item, sealed, secrets)),
        Value::Map(map) => map.values().for_each(|item| collect(item, sealed, secrets)),
        Value::Null | Value::Unknown(_) => {}
        leaf if sealed => {
            let Ok(json) = reveal(leaf) else { return };
            let text = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
            let decoded = BASE64.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            for text in [Some(text), decoded].into_iter().flatten() {
                let escaped = serde_json::Value::from(text.as_str()).to_string();
                secrets.push(escaped.trim_matches('"').to_owned());
                // Shorter lines (`}`) would only garble the message.
                secrets.extend(text.lines().map(|line| line.trim().to_owned()).filter(|line| line.len() > 3));
                secrets.push(text);
            }
            secrets.retain(|secret| !secret.is_empty());
        }
        _ => {}
    }
}
