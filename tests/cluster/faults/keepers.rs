//! Objects that something else keeps, on a real API: refused, or changed with a word.

use serde_json::{Value as Json, json};

use crate::cluster::project::Project;
use crate::lab_cluster::bare;

fn playbook(replicas: i64, shared: bool) -> String {
    let definition = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "level": "info" } });
    let manifest = json!({ "namespace": "NS", "shared": shared, "force_conflicts": true, "definition": definition });
    let scale = json!({ "kind": "Deployment", "name": "web", "namespace": "NS", "replicas": replicas, "shared": shared, "wait": false });
    format!(
        "- name: site\n  tasks:\n    - {{ name: settings, manifest: {manifest} }}\n    - {{ name: web, needs: [], scale: {scale} }}\n"
    )
}

#[tokio::test]
async fn what_others_keep_is_left_to_them() {
    let Some(lab) = bare().await else { return };
    let ns = &lab.name;
    let tracked = json!({ "argocd.argoproj.io/tracking-id": format!("shop:/ConfigMap:{ns}/settings") });
    let path = format!("/api/v1/namespaces/{ns}/configmaps/settings");
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "annotations": tracked }, "data": { "level": "debug" } });
    lab.put("argocd-controller", &path, &object).await;
    let labels = json!({ "app": "web" });
    let web = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "labels": { "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" } },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "web", "image": "lions.test/none:1" }] } } } });
    lab.put("kustomize-controller", &format!("/apis/apps/v1/namespaces/{ns}/deployments/web"), &web).await;

    let project = Project::new(&lab, "", &playbook(1, false));
    let plan = project.says(&["plan"], 4).await;
    for part in [
        "it is kept by Argo CD (its application `shop`)",
        "it is kept by Flux (its Kustomization `apps`)",
        "change it where its application `shop` is declared",
        "`shared: true`",
    ] {
        assert!(plan.contains(part), "{part:?} is not in\n{plan}");
    }
    project.says(&["apply", "--yes"], 4).await;
    assert_eq!(lab.get(&path).await.unwrap()["data"]["level"], "debug");

    project.playbook(&playbook(1, true));
    let plan = project.says(&["plan"], 0).await;
    for part in [
        "kept by: Argo CD (its application `shop`) -> shared, and may turn this back",
        "owner of data.level: argocd-controller -> lions",
    ] {
        assert!(plan.contains(part), "{part:?} is not in\n{plan}");
    }
    project.converges().await;
    // Nothing is changed: then nobody need say anything.
    project.playbook(&playbook(1, false));
    let plan = project.says(&["plan", "--detailed-exitcode"], 0).await;
    assert!(plan.starts_with("nothing to do"), "{plan}");
    assert_eq!(lab.ask("GET", &path, &Json::Null).await.unwrap()["data"]["level"], "info");
}
