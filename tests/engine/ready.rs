//! A task is done when what it made is ready: waited for, told, and not forgotten by the next run.

use lions::model::{Event, FaultKind, Outcome};
use lions::targets::cluster::fake::FakeApi;
use serde_json::{Value as Json, json};

use super::stage::{Stage, plan_lines, report_lines};

const TASKS: &str = "
- name: site
  tasks:
    - name: web
      manifest:
        definition:
          apiVersion: apps/v1
          kind: Deployment
          metadata: { name: web, namespace: default }
          spec: { replicas: 1, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: web, readinessProbe: {} }] } } }
      timeout: 1
    - name: after it
      manifest: { definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: after, namespace: default } } }
";

fn status(api: &FakeApi, status: &Json) {
    status_of(api, "web", status);
}

fn status_of(api: &FakeApi, name: &str, status: &Json) {
    let object =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "status": status });
    api.put("kube-controller-manager", &object).unwrap();
}

fn ready() -> Json {
    json!({ "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1 })
}

#[test]
fn what_does_not_get_ready_fails_and_is_shown_until_it_is() {
    let api = FakeApi::new();
    let stage = Stage::playbook(0, TASKS).cluster(api.clone());
    let (events, mut told) = lions::engine::Events::channel();
    let context = lions::engine::Context { events, ..stage.context() };
    let plan = stage.plan_in(&context);
    let report = stage.apply_in(&context, &plan);
    let (_, _, outcome) = &report.rows[0];
    let Outcome::Failed(fault) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert_eq!(fault.what, "`apps/v1/Deployment/default/web` is not ready after 1 s");
    assert_eq!(report_lines(&report)[1], "after it@cluster blocked by site/web");
    let mut waits = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let Event::Waiting { why, .. } = event {
            waits.push(why);
        }
    }
    assert_eq!(waits, ["0 of 1 pod ready: its pods are being made"]);

    // Nothing differs, and still it is not done: the next run says so, waits again, and fails again.
    let again = stage.plan();
    assert_eq!(
        plan_lines(&again),
        ["web@cluster not ready: 0 of 1 pod ready: its pods are being made", "after it@cluster create"]
    );
    let (_, report) = stage.converge();
    assert!(matches!(&report.rows[0].2, Outcome::Failed(_)), "{:?}", report_lines(&report));

    // Once it is ready, it is as if nothing had been.
    status(&api, &ready());
    let (plan, report) = stage.converge();
    assert_eq!(plan_lines(&plan), ["after it@cluster create"]);
    assert_eq!(report_lines(&report), ["after it@cluster create"]);
    assert!(stage.plan().is_empty());
}

#[test]
fn what_gets_ready_while_it_is_waited_for_is_done() {
    let api = FakeApi::new();
    let stage = Stage::playbook(0, TASKS).cluster(api.clone());
    let plan = stage.plan();
    let controller = std::thread::spawn(move || {
        while api.object("apps/v1/Deployment/default/web").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        status(&api, &ready());
    });
    let report = stage.apply(&plan);
    controller.join().unwrap();
    assert_eq!(report_lines(&report), ["web@cluster create", "after it@cluster create"]);
}

#[test]
fn nothing_is_waited_for_when_that_is_declared() {
    let api = FakeApi::new();
    let tasks =
        TASKS.replacen("manifest:\n        definition:\n", "manifest:\n        wait: false\n        definition:\n", 1);
    let stage = Stage::playbook(0, &tasks).cluster(api);
    let (_, report) = stage.converge();
    assert_eq!(report_lines(&report), ["web@cluster create", "after it@cluster create"]);
    assert!(stage.plan().is_empty());
}

/// Who waits at the same time looks together; nobody is told what was there before it asked.
#[tokio::test]
async fn many_that_are_waited_for_are_looked_at_together() {
    use lions::model::Patience;
    use lions::targets::cluster::ObjectId;
    use lions::targets::cluster::settle::{Until, Want};

    let api = FakeApi::new();
    let deployment = |at: usize| {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": format!("web-{at}") }, "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "web", "readinessProbe": {} }] } },
        }, "status": ready() })
    };
    let id = |at: usize| ObjectId {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: Some("default".into()),
        name: format!("web-{at}"),
    };
    (0..20).for_each(|at| drop(api.put("kube-controller-manager", &deployment(at)).unwrap()));
    let place = api.place();
    let probe = place.watching();
    let patience = Patience { limit: std::time::Duration::from_secs(20), tell: &|_| {} };
    let settle = |at: usize| {
        let (probe, patience) = (probe.clone(), &patience);
        async move { probe.settle(&[Want { id: id(at), until: Until::Ready }], patience).await }
    };
    for done in futures::future::join_all((0..20).map(settle)).await {
        done.unwrap();
    }
    // The kinds; the first by itself, as it was alone until then; all others.
    assert_eq!(place.requests().reads, 3, "{:?}", api.seen());

    // One that is alone again, and one that is not ready any more.
    settle(0).await.unwrap();
    status_of(
        &api,
        "web-1",
        &json!({ "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 0 }),
    );
    let late = tokio::time::timeout(std::time::Duration::from_millis(700), settle(1)).await;
    assert!(late.is_err(), "it was told what had been there");
}
