//! What is on its way out, and does not go.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::cluster::project::Project;
use crate::lab_cluster::{Namespace, bare};

const NEVER: &str = "example.dev/never";

fn config_map(name: &str) -> Json {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "finalizers": [NEVER] } })
}

fn playbook(tasks: &str) -> String {
    format!("- name: site\n  tasks:\n{tasks}")
}

async fn lets_go(lab: &Namespace, path: &str) {
    lab.edit(path, &json!({ "metadata": { "finalizers": null } })).await;
}

async fn is_gone(lab: &Namespace, path: &str) {
    let gone = async {
        while lab.get(path).await.is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

/// A delete ends with who holds the object, and is done by the next run when it was let go.
#[tokio::test]
async fn a_finalizer_that_never_goes() {
    let Some(lab) = bare().await else { return };
    let all = format!("/api/v1/namespaces/{}/configmaps", lab.name);
    lab.ask("POST", &all, &config_map("held")).await.unwrap();
    let absent = "    - { name: held, timeout: 3s, manifest: { state: absent, namespace: NS, definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: held } } } }\n";
    let project = Project::new(&lab, "", &playbook(absent));
    for _ in 0..2 {
        let said = project.says(&["apply", "--yes"], 4).await;
        for part in
            ["is not gone after 3 s", "it is being deleted, and held by `example.dev/never`", "is its controller there"]
        {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
    }
    // Declared again: it is made anew, once the old one is gone.
    let present = absent.replace("state: absent, ", "").replace("3s", "20s");
    project.playbook(&playbook(&present));
    let plan = project.says(&["plan"], 0).await;
    assert!(plan.contains("+ site/held") && plan.contains("until the one that is being deleted is gone"), "{plan}");
    let path = format!("{all}/held");
    let before = lab.get(&path).await.unwrap()["metadata"]["uid"].clone();
    let mut run = project.starts();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(run.goes_on());
    lets_go(&lab, &path).await;
    let (code, said) = run.ends_within(20).await;
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(lab.get(&path).await.unwrap()["metadata"]["uid"], before);
    project.converges().await;
    project.playbook(&playbook(absent));
    project.converges().await;
}

/// A namespace that is being deleted: what would live in it says so; one that is declared again is waited for.
#[tokio::test]
async fn a_namespace_that_is_being_deleted() {
    let Some(lab) = bare().await else { return };
    let name = format!("{}-going", lab.name);
    let space = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    lab.ask("POST", "/api/v1/namespaces", &space).await.unwrap();
    let held = format!("/api/v1/namespaces/{name}/configmaps");
    lab.ask("POST", &held, &config_map("held")).await.unwrap();
    let path = format!("/api/v1/namespaces/{name}");
    lab.ask("DELETE", &path, &Json::Null).await.unwrap();

    let inside = "    - { name: inside, manifest: { namespace: NS-going, definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: app } } } }\n";
    let project = Project::new(&lab, "", &playbook(inside));
    let said = project.says(&["plan"], 4).await;
    for part in ["its namespace is being deleted", "wait until it is gone, then run again"] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }

    let both = format!(
        "    - {{ name: space, timeout: 30s, manifest: {{ definition: {{ apiVersion: v1, kind: Namespace, metadata: {{ name: NS-going }} }} }} }}\n{inside}"
    );
    project.playbook(&playbook(&both));
    let plan = project.says(&["plan"], 0).await;
    assert!(plan.contains("2 to create") && plan.contains("until the one that is being deleted is gone"), "{plan}");
    let before = lab.get(&path).await.unwrap()["metadata"]["uid"].clone();
    let mut run = project.starts();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(run.goes_on());
    lets_go(&lab, &format!("{held}/held")).await;
    let (code, said) = run.ends_within(60).await;
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(lab.get(&path).await.unwrap()["metadata"]["uid"], before);
    project.converges().await;

    // Left in it for good: who holds it is said.
    lab.ask("POST", &held, &config_map("held")).await.unwrap();
    let gone = both.lines().next().unwrap().replace("manifest: {", "manifest: { state: absent,").replace("30s", "8s");
    project.playbook(&playbook(&format!("{gone}\n")));
    let said = project.says(&["apply", "--yes"], 4).await;
    for part in ["is not gone after", "it is being deleted", NEVER] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    lets_go(&lab, &format!("{held}/held")).await;
    is_gone(&lab, &path).await;
    project.converges().await;
}
