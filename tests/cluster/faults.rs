//! What is said when the API does not do what it is asked: golden text. Below it, faults of a real one.

mod away;
mod inside;
mod keepers;
mod kills;
mod leaving;
mod logins;
mod webhooks;

use std::fmt::Write as _;
use std::time::Duration;

use lions::model::Fault;
use lions::targets::cluster::ClusterPlace;
use lions::targets::cluster::fake::{Failure, FakeApi};
use serde_json::json;

use super::{fault, fresh, manifest, perform, plan};

fn said(out: &mut String, name: &str, fault: &Fault) {
    let kind = format!("{:?}", fault.kind).to_lowercase();
    let (cause, help) = (fault.cause.as_deref().unwrap_or("-"), fault.help.as_deref().unwrap_or("-"));
    writeln!(out, "{name} ({kind})\n  {}\n  because: {cause}\n  help: {help}\n", fault.what).unwrap();
}

/// What a real server says: code, reason, message.
const STATUSES: &[(&str, u16, &str, &str)] = &[
    ("wrong credentials", 401, "Unauthorized", "Unauthorized"),
    (
        "no right",
        403,
        "Forbidden",
        "configmaps \"app\" is forbidden: User \"lions\" cannot patch resource \"configmaps\" in API group \"\" in the namespace \"default\"",
    ),
    (
        "namespace on its way out",
        403,
        "Forbidden",
        "configmaps \"app\" is forbidden: unable to create new content in namespace default because it is being terminated",
    ),
    (
        "quota",
        403,
        "Forbidden",
        "pods \"app\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3",
    ),
    (
        "webhook denies",
        400,
        "BadRequest",
        "admission webhook \"policy.example.dev\" denied the request: no image without a digest",
    ),
    ("webhook cannot be asked", 400, "BadRequest", "admission webhook \"policy.example.dev\" does not support dry run"),
    (
        "unknown field",
        400,
        "BadRequest",
        "failed to create typed patch object (default/app; /v1, Kind=ConfigMap): .dta: field not declared in schema",
    ),
    ("too large", 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"),
    (
        "invalid",
        422,
        "Invalid",
        "ConfigMap \"app\" is invalid: metadata.name: Invalid value: \"App\": a lowercase RFC 1123 subdomain must consist of",
    ),
    ("failed", 500, "InternalError", "Internal error occurred: etcdserver: leader changed"),
    (
        "webhook that hangs",
        500,
        "InternalError",
        "Internal error occurred: failed calling webhook \"policy.example.dev\": Post \"https://policy.apps.svc:443/check?timeout=10s\": context deadline exceeded",
    ),
    (
        "webhook that is not there",
        500,
        "InternalError",
        "Internal error occurred: failed calling webhook \"policy.example.dev\": Post \"https://policy.apps.svc:443/check?timeout=10s\": dial tcp 10.43.7.7:443: connect: connection refused",
    ),
    ("not ready", 503, "ServiceUnavailable", "apiserver not ready"),
    (
        "late behind",
        504,
        "Timeout",
        "Timeout: request did not complete within requested timeout - context deadline exceeded",
    ),
    ("strange", 418, "", "I'm a teapot"),
];

#[tokio::test]
async fn every_no_has_its_words() {
    let task = manifest(json!({ "definition": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" }, "data": { "LEVEL": "info" },
    } }));
    let mut out = String::new();
    let mut failures: Vec<(&str, Failure)> = Vec::new();
    for (name, code, reason, message) in STATUSES {
        failures.push((name, Failure::Status(*code, reason, (*message).to_owned())));
    }
    let busy = json!({ "kind": "Status", "code": 429, "reason": "TooManyRequests", "details": { "retryAfterSeconds": 7 },
        "message": "the server has received too many requests and has asked us to try again later" });
    failures.push(("busy", Failure::Body(429, busy)));
    failures.push(("nothing listens", Failure::Refused));
    failures.push(("connection lost", Failure::Lost));
    failures.push(("not trusted", Failure::Tls));
    failures.push(("no JSON", Failure::Garbage));
    for (name, failure) in failures {
        let api = FakeApi::new();
        api.fail(move |_, seen| (seen.verb == "PATCH").then(|| failure.clone()));
        // What may pass is waited for, here not for long.
        let place = ClusterPlace::with_deadline(api.client(), Duration::from_millis(200));
        said(&mut out, name, &fault(plan(&place, &*task).await.unwrap_err()));
    }
    let api = FakeApi::new();
    api.fail_all(Failure::Hang);
    let place = ClusterPlace::with_deadline(api.client(), Duration::from_millis(20));
    said(&mut out, "no answer", &fault(plan(&place, &*task).await.unwrap_err()));
    // Even the first question: which kinds there are.
    let api = FakeApi::new();
    api.fail_all(Failure::Status(401, "Unauthorized", "Unauthorized".to_owned()));
    said(&mut out, "wrong credentials at the first question", &fault(plan(&api.place(), &*task).await.unwrap_err()));
    insta::assert_snapshot!("every_no", out);
}

#[tokio::test]
async fn what_a_cluster_does_not_have() {
    let mut out = String::new();
    let api = FakeApi::new();
    let object = |version: &str, kind: &str, namespace: &str| {
        manifest(json!({ "namespace": namespace, "definition": {
            "apiVersion": version, "kind": kind, "metadata": { "name": "app" },
        } }))
    };
    for (name, task) in [
        ("namespace", object("v1", "ConfigMap", "nowhere")),
        ("kind", object("apps/v1", "Deploymnt", "default")),
        ("group", object("example.dev/v1", "Pond", "default")),
    ] {
        said(&mut out, name, &fault(plan(&api.place(), &*task).await.unwrap_err()));
    }
    insta::assert_snapshot!("missing", out);
}

fn web() -> serde_json::Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": {
        "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
        "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "web", "image": "nginx:1.29" }] },
        },
    } })
}

#[tokio::test]
async fn conflicts_and_what_cannot_change() {
    let mut out = String::new();
    let api = FakeApi::new();
    let place = api.place();
    perform(&place, &fresh(&place, &*manifest(json!({ "definition": web() }))).await.unwrap()).await.unwrap();
    let mut other = web();
    other["spec"]["selector"]["matchLabels"]["app"] = json!("site");
    let task = manifest(json!({ "definition": other }));
    said(&mut out, "immutable", &fault(plan(&place, &*task).await.unwrap_err()));

    let edited = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": {
        "replicas": 5, "template": { "spec": { "containers": [{ "name": "web", "image": "nginx:1.30" }] } },
    } });
    api.put("kubectl-edit", &edited).unwrap();
    let task = manifest(json!({ "definition": web() }));
    said(&mut out, "conflict", &fault(plan(&api.place(), &*task).await.unwrap_err()));
    insta::assert_snapshot!("refused", out);
}
