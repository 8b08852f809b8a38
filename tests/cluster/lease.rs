//! The lease on a real API: one holder, told who it is, taken over when it is dead or silent.

use std::time::Duration;

use lions::model::FaultKind;
use lions::targets::cluster::{ClusterPlace, LeaseName};
use serde_json::json;

use super::{fresh, manifest, perform};
use crate::lab_cluster::{self, Namespace};

fn lease(namespace: &Namespace) -> LeaseName {
    LeaseName::of("Test_1", Some(&namespace.name))
}

fn place(namespace: &Namespace) -> ClusterPlace {
    namespace.place().locked_by(Some(lease(namespace)))
}

fn path(namespace: &Namespace) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/lions-test-1", namespace.name)
}

/// Plans something there.
async fn looked(namespace: &Namespace, place: &ClusterPlace) {
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" } });
    fresh(place, &*manifest(json!({ "namespace": namespace.name, "definition": object }))).await.unwrap();
}

#[tokio::test]
async fn one_run_at_a_time() {
    let Some(namespace) = lab_cluster::bare().await else { return };
    let (ours, theirs) = (place(&namespace), place(&namespace));
    ours.hold("run-1", "ada@desk since noon").await.unwrap();
    // Asked again, as each task does, it costs nothing.
    let asked = ours.requests();
    ours.hold("run-1", "ada@desk since noon").await.unwrap();
    assert_eq!(ours.requests(), asked);
    let fault = theirs.hold("run-2", "bob").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Locked);
    let said = format!("{fault} {}", fault.help.as_deref().unwrap());
    for part in ["ada@desk since noon", "last heard of", "--lock-wait", "its lock ends in"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    ours.release().await;
    assert!(namespace.get(&path(&namespace)).await.is_none(), "no lock is left");
    theirs.hold("run-2", "bob").await.unwrap();
    theirs.release().await;
}

#[tokio::test]
async fn many_at_once_and_one_has_it() {
    let Some(namespace) = lab_cluster::bare().await else { return };
    let places: Vec<_> = (0..8).map(|_| place(&namespace)).collect();
    let names: Vec<_> = (0..8).map(|at| format!("run-{at}")).collect();
    let tries = places.iter().zip(&names).map(|(place, name)| place.hold(name, name));
    let held = futures::future::join_all(tries).await;
    assert_eq!(held.iter().filter(|held| held.is_ok()).count(), 1, "{held:?}");
}

#[tokio::test]
async fn a_dead_or_silent_holder_is_followed_at_once() {
    let Some(namespace) = lab_cluster::bare().await else { return };
    let all = path(&namespace).replace("/lions-test-1", "");
    let body = |renewed: &str, process: &str| {
        json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "lions-test-1", "annotations": { "lions.dev/who": "ada", "lions.dev/process": process } },
            "spec": { "holderIdentity": "run-0", "leaseDurationSeconds": 30, "renewTime": renewed, "leaseTransitions": 4 } })
    };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let dead = format!("{} {} {} 1", boot.trim(), space.display(), std::process::id());
    for (renewed, process) in
        [("2020-01-01T00:00:00.000000Z", "elsewhere x 1 1"), ("2999-01-01T00:00:00.000000Z", &*dead)]
    {
        namespace.ask("POST", &all, &body(renewed, process)).await.unwrap();
        let place = place(&namespace);
        place.hold("run-1", "bob").await.unwrap();
        let lease = namespace.get(&path(&namespace)).await.unwrap();
        assert_eq!(
            (&lease["spec"]["holderIdentity"], &lease["spec"]["leaseTransitions"]),
            (&json!("run-1"), &json!(5))
        );
        place.release().await;
        // Whoever has nothing to change takes it away, if the cluster was asked at all.
        namespace.ask("POST", &all, &body(renewed, process)).await.unwrap();
        let place = self::place(&namespace);
        place.clear().await;
        assert!(namespace.get(&path(&namespace)).await.is_some());
        looked(&namespace, &place).await;
        place.clear().await;
        assert!(namespace.get(&path(&namespace)).await.is_none(), "{renewed} {process}");
    }
    // One of the same moment elsewhere lives.
    namespace.ask("POST", &all, &body("2999-01-01T00:00:00.000000Z", "elsewhere x 1 1")).await.unwrap();
    let ours = place(&namespace);
    looked(&namespace, &ours).await;
    ours.clear().await;
    assert!(namespace.get(&path(&namespace)).await.is_some());
    assert_eq!(place(&namespace).hold("run-1", "bob").await.unwrap_err().kind, FaultKind::Locked);
}

#[tokio::test]
async fn it_is_renewed_and_what_was_lost_writes_no_more() {
    let Some(namespace) = lab_cluster::bare().await else { return };
    let place = place(&namespace);
    place.hold("run-1", "ada").await.unwrap();
    let before = namespace.get(&path(&namespace)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = namespace.get(&path(&namespace)).await.unwrap();
    assert_ne!(before["spec"]["renewTime"], after["spec"]["renewTime"]);
    assert_eq!(before["spec"]["acquireTime"], after["spec"]["acquireTime"]);
    // Somebody takes it by hand.
    let theirs =
        json!({ "metadata": { "annotations": { "lions.dev/who": "bob" } }, "spec": { "holderIdentity": "run-2" } });
    namespace.edit(&path(&namespace), &theirs).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" } });
    let change = fresh(&place, &*manifest(json!({ "namespace": namespace.name, "definition": object }))).await.unwrap();
    let fault = perform(&place, &change).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Locked);
    assert!(fault.cause.as_deref().is_some_and(|cause| cause.contains("taken by bob")), "{fault}");
    assert!(namespace.get(&format!("/api/v1/namespaces/{}/configmaps/app", namespace.name)).await.is_none());
    // It is not ours to give back either.
    place.release().await;
    assert!(namespace.get(&path(&namespace)).await.is_some());
}

#[tokio::test]
async fn who_may_not_lock_is_told_what_is_missing() {
    let Some(namespace) = lab_cluster::bare().await else { return };
    let client = lab_cluster::client(&namespace.nobody()).await;
    let fault = ClusterPlace::new(client).locked_by(Some(lease(&namespace))).hold("run-1", "ada").await.unwrap_err();
    assert!(
        fault.help.as_deref().is_some_and(|help| help.contains("`leases`") && help.contains("lock_namespace")),
        "{fault:?}"
    );
    let nowhere = LeaseName::of("test", Some("nowhere"));
    let fault = namespace.place().locked_by(Some(nowhere)).hold("run-1", "ada").await.unwrap_err();
    assert!(fault.help.as_deref().is_some_and(|help| help.contains("lock_namespace")), "{fault:?}");
}
