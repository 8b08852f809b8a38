//! The three contracts, and what a plan promises of things that are not there yet.

use lions::model::{Shown, Verdict};
use lions::targets::cluster::fake::{Failure, FakeApi};
use serde_json::json;

use super::{change, fault, fresh, imitate, manifest, perform, plan};

fn settings() -> serde_json::Value {
    json!({ "definition": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" }, "data": { "LEVEL": "info", "PORT": "80" },
    } })
}

#[tokio::test]
async fn a_plan_writes_nothing_and_a_plan_after_apply_is_empty() {
    let api = FakeApi::new();
    let before = api.snapshot();
    let task = manifest(settings());
    let planned = plan(&api.place(), &*task).await.unwrap();
    assert_eq!(change(&planned).action.to_string(), "create");
    assert_eq!((api.snapshot(), api.writes()), (before, 0));

    let place = api.place();
    let applied = fresh(&place, &*task).await.unwrap();
    assert_eq!(change(&applied).fields, change(&planned).fields);
    perform(&place, &applied).await.unwrap();
    assert_eq!(api.writes(), 1);
    assert_eq!(api.object("v1/ConfigMap/default/app").unwrap()["data"], json!({ "LEVEL": "info", "PORT": "80" }));

    let version = api.object("v1/ConfigMap/default/app").unwrap()["metadata"]["resourceVersion"].clone();
    let again = plan(&api.place(), &*task).await.unwrap();
    assert_eq!(again, Verdict::right("as declared"));
    let now = api.object("v1/ConfigMap/default/app").unwrap();
    assert_eq!((api.writes(), &now["metadata"]["resourceVersion"]), (1, &version));
}

#[tokio::test]
async fn looking_twice_asks_once() {
    let api = FakeApi::new();
    let (place, task) = (api.place(), manifest(settings()));
    task.look(lions::resources::Probe::Cluster(&place.probe())).await;
    let asked = api.seen().len();
    plan(&place, &*task).await.unwrap();
    assert_eq!(api.seen().len(), asked);
    let requests = place.requests();
    assert_eq!((requests.reads, requests.dry_runs, requests.writes), (3, 1, 0), "{:?}", api.seen());
}

/// A definition of kinds, a namespace, an object of that kind in that namespace: each in its own task.
fn operator() -> [serde_json::Value; 3] {
    [
        json!({ "definition": {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": "ponds.example.dev" },
            "spec": {
                "group": "example.dev", "scope": "Namespaced",
                "names": { "kind": "Pond", "plural": "ponds", "singular": "pond" },
                "versions": [{ "name": "v1", "served": true, "storage": true }],
            },
        } }),
        json!({ "definition": { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "garden" } } }),
        json!({ "namespace": "garden", "definition": {
            "apiVersion": "example.dev/v1", "kind": "Pond", "metadata": { "name": "north" }, "spec": { "depth": 3 },
        } }),
    ]
}

#[tokio::test]
async fn kinds_and_namespaces_of_the_same_plan_are_there_for_what_comes_after() {
    let api = FakeApi::new();
    let place = api.place();
    let tasks = operator().map(manifest);
    let mut planned = Vec::new();
    for (at, task) in tasks.iter().enumerate() {
        let verdict = plan(&place, &**task).await.unwrap();
        imitate(&place, &verdict, &format!("task {at}"));
        planned.push(verdict);
    }
    assert!(planned.iter().all(|verdict| change(verdict).action.to_string() == "create"));
    let depth = change(&planned[2]).fields.iter().find(|field| field.name == "spec.depth").unwrap();
    assert_eq!(depth.after, Shown::value(3));
    assert!(
        !api.seen().iter().any(|seen| seen.path.contains("ponds/")),
        "asked of what cannot be there: {:?}",
        api.seen()
    );

    // On the shadow of its own steps each is right.
    for task in &tasks {
        assert!(matches!(plan(&place, &**task).await.unwrap(), Verdict::Right { .. }));
    }
    // The kinds need a while before they can be used.
    api.establish_after(3);
    for (task, planned) in tasks.iter().zip(&planned) {
        let applied = fresh(&place, &**task).await.unwrap();
        assert_eq!(change(&applied).fields, change(planned).fields);
        perform(&place, &applied).await.unwrap();
    }
    let place = api.place();
    for task in &tasks {
        assert_eq!(plan(&place, &**task).await.unwrap(), Verdict::right("as declared"));
    }
}

#[tokio::test]
async fn the_same_within_one_task() {
    let api = FakeApi::new();
    let place = api.place();
    let objects: Vec<_> = operator().iter().map(|task| task["definition"].clone()).collect();
    let task = manifest(json!({ "namespace": "garden", "definition": objects }));
    let planned = plan(&place, &*task).await.unwrap();
    assert!(change(&planned).fields.iter().any(|field| field.name == "Pond garden/north spec.depth"), "{planned:?}");
    let applied = fresh(&place, &*task).await.unwrap();
    assert_eq!(change(&applied).fields, change(&planned).fields);
    perform(&place, &applied).await.unwrap();
    assert_eq!(plan(&api.place(), &*task).await.unwrap(), Verdict::right("as declared"));
    assert!(api.object("example.dev/v1/Pond/garden/north").is_some());
}

#[tokio::test]
async fn an_interrupted_apply_is_finished_by_the_next_run() {
    let objects: Vec<_> = operator().iter().map(|task| task["definition"].clone()).collect();
    let task = manifest(json!({ "namespace": "garden", "definition": objects }));
    let mut whole = None;
    // Without a failure, then lost at every request of the apply, before and after it was done.
    for nth in 0..40 {
        for failure in [Failure::Lost, Failure::LostAnswer] {
            let api = FakeApi::new();
            if nth > 0 {
                api.fail_nth(nth, failure);
            }
            let place = api.place();
            if let Ok(verdict) = fresh(&place, &*task).await {
                let _ = perform(&place, &verdict).await;
            }
            api.heal();
            let place = api.place();
            let verdict = fresh(&place, &*task).await.unwrap();
            perform(&place, &verdict).await.unwrap();
            assert_eq!(plan(&api.place(), &*task).await.unwrap(), Verdict::right("as declared"), "lost at {nth}");
            let end = api.snapshot();
            assert_eq!(whole.get_or_insert_with(|| end.clone()), &end, "lost at {nth}");
        }
    }
}

#[tokio::test]
async fn an_object_that_was_deleted_meanwhile_does_not_rise_again() {
    let api = FakeApi::new();
    let place = api.place();
    perform(&place, &fresh(&place, &*manifest(settings())).await.unwrap()).await.unwrap();
    let mut other = settings();
    other["definition"]["data"]["LEVEL"] = json!("debug");
    let change = fresh(&place, &*manifest(other)).await.unwrap();
    api.remove("v1/ConfigMap/default/app");
    let fault = perform(&place, &change).await.unwrap_err();
    assert_eq!(fault.kind, lions::model::FaultKind::Stale, "{fault}");
    assert!(api.object("v1/ConfigMap/default/app").is_none());
}

#[tokio::test]
async fn another_object_of_the_same_name_is_not_deleted() {
    let api = FakeApi::new();
    let place = api.place();
    let object = settings()["definition"].clone();
    api.put("kubectl-create", &object).unwrap();
    let task = manifest(json!({ "state": "absent", "definition": object }));
    let change = fresh(&place, &*task).await.unwrap();
    api.remove("v1/ConfigMap/default/app");
    api.put("kubectl-create", &object).unwrap();
    let fault = perform(&place, &change).await.unwrap_err();
    assert_eq!(fault.kind, lions::model::FaultKind::Stale, "{fault}");
    assert!(api.object("v1/ConfigMap/default/app").is_some());
}

#[tokio::test]
async fn two_appliers_of_one_name_end_where_the_last_one_ends() {
    let api = FakeApi::new();
    let first = manifest(settings());
    let mut params = settings();
    params["definition"]["data"] = json!({ "LEVEL": "debug" });
    let second = manifest(params);
    let things = second.things();
    for round in 0..2 {
        let place = api.place();
        for (at, task) in [&first, &second].into_iter().enumerate() {
            let verdict = plan(&place, &**task).await.unwrap();
            imitate(&place, &verdict, &format!("task {at}"));
        }
        assert!(place.touched(&things[0]));
        assert_eq!(place.same_as_place(&things[0]).await.unwrap(), round == 1, "round {round}");
        for task in [&first, &second] {
            let verdict = fresh(&place, &**task).await.unwrap();
            perform(&place, &verdict).await.unwrap();
        }
        assert_eq!(api.object("v1/ConfigMap/default/app").unwrap()["data"], json!({ "LEVEL": "debug" }));
    }
}

#[tokio::test]
async fn secrets_are_shown_nowhere() {
    const OLD: &str = "correct-horse";
    const NEW: &str = "battery-staple";
    let api = FakeApi::new();
    let secret = |text: &str| {
        manifest(json!({ "definition": {
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db" }, "stringData": { "password": text },
        } }))
    };
    let place = api.place();
    let first = fresh(&place, &*secret(OLD)).await.unwrap();
    perform(&place, &first).await.unwrap();
    let stored = api.object("v1/Secret/default/db").unwrap();
    assert_eq!(stored["data"]["password"], "Y29ycmVjdC1ob3JzZQ==");
    assert!(stored.get("stringData").is_none());
    let second = fresh(&place, &*secret(NEW)).await.unwrap();
    let [field] = change(&second).fields.as_slice() else { panic!("{second:?}") };
    assert_eq!(field.name, "data.password");
    let everything = format!("{first:?} {second:?} {:?} {:?}", secret(NEW), place.probe());
    for hidden in [OLD, NEW, "Y29ycmVjdC1ob3JzZQ", "YmF0dGVyeS1zdGFwbGU"] {
        assert!(!everything.contains(hidden), "{hidden} in {everything}");
    }
    let (Shown::Secret { digest: before, .. }, Shown::Secret { digest: after, .. }) = (&field.before, &field.after)
    else {
        panic!("{field:?}")
    };
    assert_ne!(before, after);

    // The API quotes what it does not like.
    let quoted =
        format!("Secret \"db\" is invalid: data.password: Invalid value: \"{NEW}\": too short (YmF0dGVyeS1zdGFwbGU=)");
    api.fail(move |_, seen| (seen.verb == "PATCH").then(|| Failure::Status(422, "Invalid", quoted.clone())));
    let fault = fault(plan(&api.place(), &*secret(NEW)).await.unwrap_err());
    let said = format!("{fault:?}");
    assert!(said.contains("Invalid value: \\\"***\\\"") && !said.contains(NEW) && !said.contains("YmF0"), "{said}");
}

#[tokio::test]
async fn many_objects_are_looked_for_in_one_list() {
    let api = FakeApi::new();
    let objects: Vec<_> = (0..700)
        .map(|at| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("app-{at}") }, "data": { "a": "1" } }))
        .collect();
    let task = manifest(json!({ "definition": objects }));
    let place = api.place();
    perform(&place, &fresh(&place, &*task).await.unwrap()).await.unwrap();
    let place = api.place();
    assert_eq!(plan(&place, &*task).await.unwrap(), Verdict::right("as declared"));
    // The kinds, and two pages.
    let requests = place.requests();
    assert_eq!((requests.reads, requests.dry_runs), (3, 0));
    // A few among many are asked for one by one, after the first page said how many there are.
    let few = manifest(json!({ "definition": objects[690..695] }));
    let more: Vec<_> = (0..10)
        .map(|at| {
            manifest(json!({ "definition": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("zero-{at}") },
    } }))
        })
        .collect();
    for (task, reads) in [(&few, 1 + 1 + 5), (&more[0], 1 + 1 + 1)] {
        let place = api.place();
        plan(&place, &**task).await.unwrap();
        assert_eq!(place.requests().reads, reads);
    }
}

#[tokio::test]
async fn where_lists_are_not_allowed_each_is_asked_for() {
    let api = FakeApi::new();
    let objects: Vec<_> = (0..5)
        .map(|at| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("app-{at}") } }))
        .collect();
    let task = manifest(json!({ "definition": objects }));
    let place = api.place();
    perform(&place, &fresh(&place, &*task).await.unwrap()).await.unwrap();
    let why = "configmaps is forbidden: User \"lions\" cannot list resource \"configmaps\"";
    api.fail(move |_, seen| {
        seen.path.ends_with("/configmaps").then(|| Failure::Status(403, "Forbidden", why.to_owned()))
    });
    let place = api.place();
    assert_eq!(plan(&place, &*task).await.unwrap(), Verdict::right("as declared"));
    assert_eq!(place.requests().reads, 1 + 1 + 5 + 1);
}

/// To look at once at what was just written, and was not ready by the answer, would tell nothing new.
#[tokio::test]
async fn what_was_just_written_is_looked_at_a_little_later() {
    use std::time::Duration;

    let api = FakeApi::new();
    let place = api.place();
    let mut web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "default" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } }, "template": {
            "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "web", "readinessProbe": {} }] },
        } },
    });
    let task = manifest(json!({ "definition": web }));
    perform(&place, &fresh(&place, &*task).await.unwrap()).await.unwrap();
    let patience = lions::model::Patience { limit: Duration::from_secs(20), tell: &|_| {} };
    let probe = place.watching();
    let settle = || task.settle(lions::resources::Probe::Cluster(&probe), &patience);
    let looked = || api.seen().iter().filter(|seen| seen.path.contains("/deployments")).count();
    let before = looked();
    assert!(tokio::time::timeout(Duration::from_millis(100), settle()).await.is_err());
    assert_eq!(looked(), before);
    web["status"] = json!({ "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1 });
    api.put("kube-controller-manager", &web).unwrap();
    settle().await.unwrap();
    assert_eq!(looked(), before + 1);
}
