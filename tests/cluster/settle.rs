//! Whether what was applied is ready: the rules on recorded objects, and all of it on a real Kubernetes whose pods
//! really fail.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lions::model::{Fault, FaultKind, Patience};
use lions::resources::{Planned, Probe};
use lions::targets::cluster::settle::{Scene, Settled, judge};
use serde_json::{Value as Json, json};

use super::{change, fresh, manifest, perform};
use crate::lab_cluster::{IMAGE, Namespace, namespace};

/// Applies, waits, and tells how it ended, what it told on the way, and how long it took.
struct Ended {
    settled: Result<(), Fault>,
    told: Vec<String>,
    took: Duration,
}

async fn settle(lab: &Namespace, task: &dyn Planned, limit: u64) -> Ended {
    let told = Mutex::new(Vec::new());
    let tell = |why: &str| told.lock().unwrap().push(why.to_owned());
    let patience = Patience { limit: Duration::from_secs(limit), tell: &tell };
    let begun = Instant::now();
    let settled = task.settle(Probe::Cluster(&lab.place().fresh()), &patience).await;
    Ended { settled, told: told.into_inner().unwrap(), took: begun.elapsed() }
}

async fn apply(lab: &Namespace, objects: &Json, limit: u64) -> Ended {
    let task = manifest(json!({ "namespace": lab.name, "definition": objects }));
    let place = lab.place();
    let verdict = fresh(&place, &*task).await.unwrap();
    change(&verdict);
    perform(&place, &verdict).await.unwrap();
    settle(lab, &*task, limit).await
}

fn workload(kind: &str, name: &str, container: &Json, spec: &Json) -> Json {
    let mut container = container.clone();
    container["name"] = name.into();
    if container.get("image").is_none() {
        container["image"] = IMAGE.into();
    }
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "terminationGracePeriodSeconds": 0, "containers": [container] },
            },
        },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

fn deployment(name: &str, container: &Json) -> Json {
    workload("Deployment", name, container, &json!({}))
}

/// The same, of what comes up and dies: without a probe each moment of running would count as ready.
fn dying(name: &str, container: &Json) -> Json {
    let mut object = deployment(name, container);
    object["spec"]["minReadySeconds"] = json!(60);
    object
}

/// It ended because it was certain, not because patience was over, and all of `words` are in what is said.
fn stuck(ended: &Ended, what: &str, words: &[&str]) {
    let fault = ended.settled.as_ref().expect_err("it is not ready");
    let text =
        format!("{}\n{}\n{}", fault.what, fault.cause.as_deref().unwrap_or(""), fault.help.as_deref().unwrap_or(""));
    assert_eq!(fault.kind, FaultKind::Failed, "{text}\ntold: {:#?}", ended.told);
    assert!(fault.what.ends_with(what), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

/// Keeps what the API says of an object now as a case for the rules, when `LIONS_RECORD` is set.
async fn record(lab: &Namespace, name: &str, path: &str) {
    if std::env::var_os("LIONS_RECORD").is_none() {
        return;
    }
    let root = format!("/api/v1/namespaces/{}", lab.name);
    let items = async |path: String, kind: &str| -> Vec<Json> {
        let mut list = lab.get(&path).await.unwrap();
        let mut items = list["items"].as_array_mut().map(std::mem::take).unwrap();
        for item in &mut items {
            item["kind"] = kind.into();
            item["metadata"].as_object_mut().unwrap().remove("managedFields");
        }
        items
    };
    let mut object = lab.get(&path.replace("{ns}", &lab.name)).await.unwrap();
    object["metadata"].as_object_mut().unwrap().remove("managedFields");
    let scene = json!({
        "object": object,
        "pods": items(format!("{root}/pods"), "Pod").await,
        "events": items(format!("{root}/events"), "Event").await,
        "others": items(format!("/apis/apps/v1/namespaces/{}/replicasets", lab.name), "ReplicaSet").await,
    });
    let file = folder().join(format!("{name}.json"));
    std::fs::create_dir_all(folder()).unwrap();
    std::fs::write(file, serde_json::to_string_pretty(&scene).unwrap() + "\n").unwrap();
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/settle")
}

#[tokio::test]
async fn a_deployment_gets_ready_and_says_what_it_waits_for() {
    let Some(lab) = namespace().await else { return };
    let probe = json!({ "exec": { "command": ["test", "-e", "/tmp/up"] }, "periodSeconds": 1 });
    let container = json!({ "command": ["sh", "-c", "sleep 4; touch /tmp/up; sleep 600"], "readinessProbe": probe });
    let object = workload("Deployment", "web", &container, &json!({ "replicas": 2 }));
    let ended = apply(&lab, &object, 60).await;
    ended.settled.unwrap();
    assert!(ended.told.iter().any(|told| told.starts_with("0 of 2 pods ready: `web-")), "{:#?}", ended.told);
    assert!(ended.told.iter().any(|told| told.contains("Readiness probe failed")), "{:#?}", ended.told);
    let task = manifest(json!({ "namespace": lab.name, "definition": object }));
    let place = lab.place();
    assert_eq!(task.unready(Probe::Cluster(&place.probe())).await.unwrap(), None);
    assert_eq!(place.requests().reads, 2, "the kinds, and the object, which says itself that it is ready");
}

#[tokio::test]
async fn a_crash_loop_ends_with_its_last_words() {
    let Some(lab) = namespace().await else { return };
    let container = json!({ "command": ["sh", "-c", "echo starting; echo no database >&2; exit 3"] });
    let ended = apply(&lab, &dying("web", &container), 240).await;
    record(&lab, "crash_loop", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    stuck(
        &ended,
        "Deployment/TEST/web` will not get ready: crash loop".replace("TEST", &lab.name).as_str(),
        &[
            "0 of 1 pod ready",
            "container `web` exited with status 3 (2 restarts)",
            "Error with 3",
            "BackOff Pod",
            "  no database",
            "its last lines tell",
        ],
    );
    // A second run has nothing to change, and does not call it ready.
    let task = manifest(json!({ "namespace": lab.name, "definition": deployment("web", &container) }));
    let why = task.unready(Probe::Cluster(&lab.place().probe())).await.unwrap().unwrap();
    assert!(why.contains("exited with status 3"), "{why}");
}

#[tokio::test]
async fn an_image_that_does_not_come() {
    let Some(lab) = namespace().await else { return };
    let never = json!({ "image": "lions.test/nothing:1", "imagePullPolicy": "Never" });
    let ended = apply(&lab, &deployment("never", &never), 240).await;
    record(&lab, "image_never", "/apis/apps/v1/namespaces/{ns}/deployments/never").await;
    stuck(
        &ended,
        "image pull",
        &["the image `lions.test/nothing:1` of container `never` does not come", "ErrImageNeverPull"],
    );
    let pulled = json!({ "image": "127.0.0.1:9/nothing:1" });
    let ended = apply(&lab, &deployment("pulled", &pulled), 240).await;
    record(&lab, "image_pull", "/apis/apps/v1/namespaces/{ns}/deployments/pulled").await;
    stuck(
        &ended,
        "image pull",
        &["the image `127.0.0.1:9/nothing:1` of container `pulled` does not come", "refused", "registries.yaml"],
    );
}

#[tokio::test]
async fn no_node_has_room() {
    let Some(lab) = namespace().await else { return };
    let container = json!({ "resources": { "requests": { "memory": "900Gi" } } });
    let ended = apply(&lab, &deployment("big", &container), 240).await;
    record(&lab, "pending", "/apis/apps/v1/namespaces/{ns}/deployments/big").await;
    stuck(&ended, "pending for resources", &["Insufficient memory", "FailedScheduling", "ask for less"]);
}

#[tokio::test]
async fn a_readiness_probe_that_fails_until_the_deadline() {
    let Some(lab) = namespace().await else { return };
    let probe = json!({ "httpGet": { "path": "/healthz", "port": 8080 }, "periodSeconds": 1 });
    let container =
        json!({ "command": ["sh", "-c", "echo listening; exec httpd -f -p 8080"], "readinessProbe": probe });
    let object = workload("Deployment", "web", &container, &json!({ "progressDeadlineSeconds": 6 }));
    let ended = apply(&lab, &object, 240).await;
    record(&lab, "readiness", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    stuck(
        &ended,
        "failing probe",
        &[
            "Readiness probe failed",
            "statuscode: 404",
            "`progressDeadlineSeconds` of 6 s",
            "  listening",
            "startupProbe",
        ],
    );
    // Without a deadline it ends when patience does, and says the same.
    let object = workload("StatefulSet", "db", &container, &json!({ "serviceName": "db" }));
    let ended = apply(&lab, &object, 6).await;
    let fault = ended.settled.unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert!(fault.what.ends_with("is not ready after 6 s: failing probe"), "{fault}");
    assert!(fault.to_string().contains("statuscode: 404"), "{fault}");
}

#[tokio::test]
async fn a_liveness_probe_that_ends_it_again_and_again() {
    let Some(lab) = namespace().await else { return };
    let probe =
        json!({ "exec": { "command": ["sh", "-c", "echo dead; exit 1"] }, "periodSeconds": 1, "failureThreshold": 1 });
    let container = json!({ "command": ["sleep", "600"], "livenessProbe": probe, "readinessProbe": probe });
    let ended = apply(&lab, &deployment("web", &container), 240).await;
    record(&lab, "liveness", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    stuck(&ended, "failing probe", &["ended again and again (2 restarts): Liveness probe failed: dead"]);
}

#[tokio::test]
async fn a_job_that_fails() {
    let Some(lab) = namespace().await else { return };
    let template = json!({ "spec": { "restartPolicy": "Never", "containers": [
        { "name": "migrate", "image": IMAGE, "command": ["sh", "-c", "echo column exists >&2; exit 5"] } ] } });
    let job = |limit: i64| json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "migrate" }, "spec": { "backoffLimit": limit, "template": template } });
    let ended = apply(&lab, &job(0), 240).await;
    record(&lab, "job_failed", "/apis/batch/v1/namespaces/{ns}/jobs/migrate").await;
    stuck(&ended, "run failed", &["`: container `migrate` exited with status 5", "  column exists"]);
}

#[tokio::test]
async fn a_job_is_done_when_it_is_complete() {
    let Some(lab) = namespace().await else { return };
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "once" }, "spec": { "template": { "spec": {
        "restartPolicy": "Never", "containers": [{ "name": "once", "image": IMAGE, "command": ["sleep", "3"] }] } } } });
    let ended = apply(&lab, &job, 60).await;
    ended.settled.unwrap();
    assert!(ended.took > Duration::from_secs(2), "it was not waited for: {:?}", ended.took);
    assert!(ended.told.iter().any(|told| told.contains("0 of 1 run done")), "{:#?}", ended.told);
}

#[tokio::test]
async fn a_claim_without_a_volume() {
    let Some(lab) = namespace().await else { return };
    let claim = json!({ "metadata": { "name": "data" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let container = json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
    let object =
        workload("StatefulSet", "db", &container, &json!({ "serviceName": "db", "volumeClaimTemplates": [claim] }));
    let ended = apply(&lab, &object, 240).await;
    record(&lab, "claim", "/apis/apps/v1/namespaces/{ns}/statefulsets/db").await;
    stuck(
        &ended,
        "unbound volume",
        &[
            "unbound immediate PersistentVolumeClaims",
            "no persistent volumes available for this claim",
            "storage class",
        ],
    );
}

#[tokio::test]
async fn a_secret_that_is_not_there() {
    let Some(lab) = namespace().await else { return };
    let container = json!({ "envFrom": [{ "secretRef": { "name": "nowhere" } }] });
    let ended = apply(&lab, &deployment("web", &container), 240).await;
    record(&lab, "no_secret", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    stuck(&ended, "container cannot be made", &["secret \"nowhere\" not found"]);
}

#[tokio::test]
async fn a_volume_of_a_config_map_that_is_not_there() {
    let Some(lab) = namespace().await else { return };
    let container = json!({ "volumeMounts": [{ "name": "c", "mountPath": "/c" }] });
    let mut object = deployment("web", &container);
    object["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "c", "configMap": { "name": "nowhere" } }]);
    let ended = apply(&lab, &object, 240).await;
    record(&lab, "no_config_map", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    stuck(&ended, "container cannot be made", &["configmap \"nowhere\" not found"]);
}

#[tokio::test]
async fn a_quota_that_is_used_up() {
    let Some(lab) = namespace().await else { return };
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" }, "spec": { "hard": { "pods": "0" } } });
    let path = format!("/api/v1/namespaces/{}/resourcequotas", lab.name);
    lab.ask("POST", &path, &quota).await.unwrap();
    while lab.get(&format!("{path}/none")).await.unwrap()["status"]["hard"].is_null() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = apply(&lab, &deployment("web", &json!({})), 240).await;
    record(&lab, "quota_deployment", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    stuck(&ended, "pods refused", &["exceeded quota: none"]);
    let ended = apply(&lab, &workload("StatefulSet", "db", &json!({}), &json!({ "serviceName": "db" })), 240).await;
    record(&lab, "quota_stateful_set", "/apis/apps/v1/namespaces/{ns}/statefulsets/db").await;
    stuck(&ended, "pods refused", &["exceeded quota: none"]);
}

#[tokio::test]
async fn too_much_memory() {
    let Some(lab) = namespace().await else { return };
    let container =
        json!({ "command": ["sh", "-c", "tail /dev/zero"], "resources": { "limits": { "memory": "16Mi" } } });
    let ended = apply(&lab, &dying("web", &container), 240).await;
    record(&lab, "oom", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    stuck(&ended, "crash loop", &["it used more memory than its limit of 16Mi (OOMKilled)"]);
}

#[tokio::test]
async fn a_rollout_that_breaks_names_the_new_pod_and_leaves_the_old_one() {
    let Some(lab) = namespace().await else { return };
    let good = json!({ "command": ["sleep", "600"] });
    apply(&lab, &deployment("web", &good), 60).await.settled.unwrap();
    let ended = apply(&lab, &deployment("web", &json!({ "command": ["/nowhere"] })), 240).await;
    record(&lab, "rollout", "/apis/apps/v1/namespaces/{ns}/deployments/web").await;
    let fault = ended.settled.unwrap_err();
    assert!(fault.to_string().contains("/nowhere"), "{fault}");
}

#[tokio::test]
async fn what_a_finalizer_holds_is_named() {
    let Some(lab) = namespace().await else { return };
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "held", "finalizers": ["lions.test/hold"] } });
    let path = format!("/api/v1/namespaces/{}/configmaps", lab.name);
    lab.ask("POST", &path, &object).await.unwrap();
    let gone = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "held" } });
    let task = manifest(json!({ "namespace": lab.name, "state": "absent", "definition": gone }));
    let place = lab.place();
    perform(&place, &fresh(&place, &*task).await.unwrap()).await.unwrap();
    let ended = settle(&lab, &*task, 3).await;
    lab.edit(&format!("{path}/held"), &json!({ "metadata": { "finalizers": null } })).await;
    let fault = ended.settled.unwrap_err();
    assert!(fault.to_string().contains("held by `lions.test/hold`"), "{fault}");
    settle(&lab, &*task, 10).await.settled.unwrap();
}

/// Recorded objects against the rules: a file each, whose verdicts are one snapshot.
#[test]
fn recorded_objects() {
    let mut files: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut out = String::new();
    let mut scenes: Vec<(String, Scene)> = Vec::new();
    for file in files {
        let (text, name) = (std::fs::read_to_string(&file).unwrap(), file.file_stem().unwrap().to_string_lossy());
        let wrong = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", file.display()) };
        if file.extension().is_some_and(|extension| extension == "json") {
            let scene = serde_json::from_str(&text).unwrap_or_else(|error| wrong(&error));
            scenes.push((name.into_owned(), scene));
        } else {
            let several: indexmap::IndexMap<String, Scene> =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| wrong(&error));
            scenes.extend(several.into_iter().map(|(of, scene)| (format!("{name}: {of}"), scene)));
        }
    }
    for (name, scene) in scenes {
        let verdict = match judge(&scene) {
            Settled::Ready => "ready".to_owned(),
            Settled::Presumed(quiet) => format!("ready if quiet for {} s", quiet.as_secs()),
            Settled::Waiting(why) => format!("waiting: {why}"),
            Settled::Stuck(trouble) => {
                let patience = match trouble.patience {
                    Duration::MAX => "when patience is over".to_owned(),
                    patience => format!("after {} s", patience.as_secs()),
                };
                let suspect = trouble.suspect.map_or(String::new(), |suspect| format!("\n    log: {suspect:?}"));
                format!("stuck ({}, {patience}): {}{suspect}", trouble.case.name(), trouble.why)
            }
        };
        let _ = writeln!(out, "{name}\n    {verdict}");
    }
    insta::assert_snapshot!("settle_recorded", out);
}
