//! What is done to workloads, on a real Kubernetes with real pods: commands in them, more and fewer of them, new ones.

use std::sync::Mutex;
use std::time::Duration;

use lions::model::{Fault, FaultKind, Halt, Patience, Stream, Value, Verdict};
use lions::resources::{Planned, Probe, Step, decode};
use lions::targets::Said;
use serde_json::{Value as Json, json};

use super::{change, fault, fresh, manifest, perform, plan};
use crate::lab_cluster::{IMAGE, Namespace, namespace};

fn task(name: &str, params: Json) -> Box<dyn Planned> {
    decode(name, &Value::from(params)).unwrap_or_else(|misfit| panic!("{misfit}"))
}

async fn settle(lab: &Namespace, task: &dyn Planned) -> Result<(), Fault> {
    let patience = Patience { limit: Duration::from_secs(90), tell: &|_| {} };
    task.settle(Probe::Cluster(&lab.place().fresh()), &patience).await
}

/// Looks, does it, waits.
async fn apply(lab: &Namespace, task: &dyn Planned) {
    let place = lab.place();
    let verdict = fresh(&place, task).await.unwrap();
    perform(&place, &verdict).await.unwrap();
    settle(lab, task).await.unwrap();
}

fn stateful_set(replicas: i64) -> Json {
    let container =
        json!({ "name": "db", "image": IMAGE, "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"] });
    json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" }, "spec": {
        "replicas": replicas, "serviceName": "db", "podManagementPolicy": "Parallel",
        "selector": { "matchLabels": { "app": "db" } },
        "template": { "metadata": { "labels": { "app": "db" } }, "spec": { "terminationGracePeriodSeconds": 1, "containers": [container] } },
    } })
}

/// Runs a task whose only step is a command, and tells what it said.
async fn run(lab: &Namespace, params: Json) -> Result<(lions::targets::Output, Vec<(Stream, String)>), Fault> {
    let task = task("exec", params.clone());
    let verdict = fresh(&lab.place(), &*task).await.map_err(fault)?;
    let [Step::Cluster(step)] = change(&verdict).steps.as_slice() else { panic!("{verdict:?}") };
    let lines = Mutex::new(Vec::new());
    let told = |stream: Stream, line: &str| lines.lock().unwrap().push((stream, line.to_owned()));
    let place = lab.place();
    let done = tokio::time::timeout(Duration::from_secs(20), place.perform(step, &told)).await;
    let said = done.unwrap_or_else(|_| panic!("{} does not end: {lines:?}", params["command"]))?;
    let Some(Said::Output(output)) = said else { panic!("{said:?}") };
    Ok((output, lines.into_inner().unwrap()))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn commands_in_pods() {
    let Some(lab) = namespace().await else { return };
    let ns = &lab.name;
    apply(&lab, &*manifest(json!({ "namespace": ns, "definition": stateful_set(1) }))).await;

    let script = "echo one; echo wrong >&2; printf two; exit 7";
    let (output, lines) =
        run(&lab, json!({ "workload": "StatefulSet/db", "namespace": ns, "command": ["sh", "-c", script] }))
            .await
            .unwrap();
    assert_eq!((output.status, text(&output.stdout), text(&output.stderr)), (7, "one\ntwo", "wrong\n"));
    assert!(lines.contains(&(Stream::Out, "one".to_owned())) && lines.contains(&(Stream::Out, "two".to_owned())));
    assert!(lines.contains(&(Stream::Err, "wrong".to_owned())), "{lines:?}");

    // No shell reads its words.
    let odd = "a b; $(id) 'c' \"d\" \\ é";
    let (output, _) =
        run(&lab, json!({ "pod": "db-0", "namespace": ns, "command": ["printf", "%s", odd] })).await.unwrap();
    assert_eq!((output.status, text(&output.stdout)), (0, odd));

    // What reads to the end of its input ends, though this API cannot say where that is; what reads none of it, too.
    let input = "0123456789abcdef".repeat(16 * 1024);
    let params = json!({ "selector": { "app": "db" }, "namespace": ns, "command": ["cat"], "stdin": input });
    let (output, _) = run(&lab, params).await.unwrap();
    assert!(output.status == 0 && text(&output.stdout) == input, "{} bytes back", output.stdout.len());
    let params = json!({ "pod": "db-0", "namespace": ns, "command": ["sh", "-c", "exit 3"], "stdin": input });
    assert_eq!(run(&lab, params).await.unwrap().0.status, 3);

    // `unless`, in plan and at apply.
    let made = task(
        "exec",
        json!({
            "workload": "sts/db", "namespace": ns, "command": ["touch", "/made"], "unless": ["test", "-e", "/made"],
        }),
    );
    let place = lab.place();
    assert!(matches!(plan(&place, &*made).await, Ok(Verdict::Change(_))));
    perform(&place, &fresh(&place, &*made).await.unwrap()).await.unwrap();
    assert!(matches!(plan(&lab.place(), &*made).await, Ok(Verdict::Right { .. })));
    let known = task("exec", json!({ "pod": "db-0", "namespace": ns, "command": ["hostname"], "read_only": true }));
    match plan(&lab.place(), &*known).await {
        Ok(Verdict::Right { yields, .. }) => assert_eq!(yields["stdout"], Value::text("db-0")),
        other => panic!("{other:?}"),
    }

    // What cannot be run says why.
    for (params, part) in [
        (json!({ "pod": "db-7", "namespace": ns, "command": ["true"] }), "not found"),
        (json!({ "pod": "db-0", "namespace": ns, "container": "nothing", "command": ["true"] }), "nothing"),
        (
            json!({ "selector": { "app": "x" }, "namespace": ns, "command": ["true"] }),
            "no pod is ready to run a command: pods with `app=x`",
        ),
        (json!({ "pod": "db-0", "namespace": ns, "command": ["/nowhere"] }), "/nowhere"),
    ] {
        match run(&lab, params.clone()).await {
            Ok((output, _)) => {
                assert!(output.status != 0 && text(&output.stderr).contains(part), "{params}: {output:?}");
            }
            Err(fault) => {
                let said = format!("{fault} {}", fault.help.as_deref().unwrap_or_default());
                assert!(said.contains(part), "{params}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn more_pods_fewer_pods_new_pods() {
    let Some(lab) = namespace().await else { return };
    let ns = &lab.name;
    let path = format!("/apis/apps/v1/namespaces/{ns}/statefulsets/db");
    let mut object = stateful_set(1);
    object["spec"].as_object_mut().unwrap().remove("replicas");
    let declared = manifest(json!({ "namespace": ns, "definition": object }));
    apply(&lab, &*declared).await;

    let scale = |replicas: i64| {
        task("scale", json!({ "kind": "StatefulSet", "name": "db", "namespace": ns, "replicas": replicas }))
    };
    apply(&lab, &*scale(3)).await;
    let status = lab.get(&path).await.unwrap()["status"].clone();
    assert_eq!(status["readyReplicas"], 3, "it was waited for: {status}");
    assert!(matches!(plan(&lab.place(), &*scale(3)).await, Ok(Verdict::Right { .. })));
    // What the manifest does not declare is not its business.
    assert!(matches!(plan(&lab.place(), &*declared).await, Ok(Verdict::Right { .. })));
    apply(&lab, &*scale(1)).await;
    assert_eq!(lab.get(&path).await.unwrap()["status"]["replicas"], 1);

    let uid = async || lab.get(&format!("/api/v1/namespaces/{ns}/pods/db-0")).await.unwrap()["metadata"]["uid"].clone();
    let before = uid().await;
    let restart = task("restart", json!({ "kind": "StatefulSet", "name": "db", "namespace": ns }));
    apply(&lab, &*restart).await;
    assert_ne!(uid().await, before, "the pod is a new one");
    assert!(matches!(plan(&lab.place(), &*declared).await, Ok(Verdict::Right { .. })), "nor is the annotation");

    // Another object of that name is not touched.
    let place = lab.place();
    let (up, again) = (fresh(&place, &*scale(2)).await.unwrap(), fresh(&place, &*restart).await.unwrap());
    lab.ask("DELETE", &path, &Json::Null).await.unwrap();
    while lab.get(&path).await.is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lab.ask("POST", path.strip_suffix("/db").unwrap(), &stateful_set(1)).await.unwrap();
    for verdict in [up, again] {
        assert_eq!(perform(&place, &verdict).await.unwrap_err().kind, FaultKind::Stale);
    }
    assert_eq!(lab.get(&path).await.unwrap()["spec"]["replicas"], 1);
}

#[tokio::test]
async fn a_job_runs_once_for_each_version_and_again_when_it_failed() {
    let Some(lab) = namespace().await else { return };
    let ns = &lab.name;
    let job = |script: &str| {
        task("job", json!({ "name": "migrate", "namespace": ns, "image": IMAGE, "command": ["sh", "-c", script] }))
    };
    let good = job("exit 0");
    apply(&lab, &*good).await;
    let path = format!("/apis/batch/v1/namespaces/{ns}/jobs/migrate");
    assert_eq!(lab.get(&path).await.unwrap()["status"]["succeeded"], 1);
    assert!(matches!(plan(&lab.place(), &*good).await, Ok(Verdict::Right { .. })));

    let bad = job("echo 'no such table' >&2; exit 9");
    let place = lab.place();
    perform(&place, &fresh(&place, &*bad).await.unwrap()).await.unwrap();
    let failed = settle(&lab, &*bad).await.unwrap_err();
    let said = failed.to_string();
    assert!(said.contains("exited with status 9") && said.contains("no such table"), "{said}");
    // The same again runs again: it failed.
    let again = plan(&lab.place(), &*bad).await.unwrap();
    assert_eq!(change(&again).fields[0].before, lions::model::Shown::value("failed"));
    // Set right it is another version, and takes the place of the one before.
    let mended = job("exit 0 # mended");
    apply(&lab, &*mended).await;
    assert!(matches!(plan(&lab.place(), &*mended).await, Ok(Verdict::Right { .. })));
}

#[tokio::test]
async fn waiting_for_what_others_make() {
    let Some(lab) = namespace().await else { return };
    let ns = &lab.name;
    let wait = |params: Json| {
        let mut params = params;
        params["namespace"] = ns.as_str().into();
        task("wait", params)
    };
    let pods = wait(json!({ "kind": "Pod", "selector": { "app": "late" } }));
    let why = pods.unready(Probe::Cluster(&lab.place().probe())).await.unwrap();
    assert_eq!(why.unwrap(), format!("there is no Pod with `app=late` in `{ns}` yet"));
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "late", "labels": { "app": "late" } }, "spec": {
        "containers": [{ "name": "late", "image": IMAGE, "command": ["sleep", "600"] }], "terminationGracePeriodSeconds": 0 } });
    let path = format!("/api/v1/namespaces/{ns}/pods");
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        lab.ask("POST", &path, &pod).await.unwrap();
    };
    let (settled, ()) = futures::future::join(settle(&lab, &*pods), later).await;
    settled.unwrap();
    assert_eq!(pods.unready(Probe::Cluster(&lab.place().probe())).await.unwrap(), None);
    settle(&lab, &*wait(json!({ "kind": "Pod", "name": "late", "for": "condition=PodScheduled" }))).await.unwrap();
    let node = lab.get("/api/v1/nodes").await.unwrap()["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    for until in ["ready", "condition=Ready", "condition=MemoryPressure=False"] {
        settle(&lab, &*wait(json!({ "kind": "Node", "name": node, "for": until }))).await.unwrap();
    }
    lab.ask("DELETE", &format!("{path}/late"), &Json::Null).await.unwrap();
    settle(&lab, &*wait(json!({ "kind": "Pod", "name": "late", "for": "deleted" }))).await.unwrap();

    // In plan it waits for what is planned above.
    let place = lab.place();
    let above = manifest(
        json!({ "namespace": ns, "definition": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } } }),
    );
    super::imitate(&place, &plan(&place, &*above).await.unwrap(), "above");
    let later = pods.unready(Probe::Cluster(&place.probe())).await;
    assert!(matches!(&later, Err(Halt::Later(after)) if &*after.0 == "above"), "{later:?}");
}
