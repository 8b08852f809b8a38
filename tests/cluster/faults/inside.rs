//! `lions` in a pod of the cluster that it manages, as its service account: the program of this machine, with the
//! libraries that it needs, mounted into a pod.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::cluster::project::Project;
use crate::lab_cluster::{IMAGE, Namespace, namespace};

/// Folders that hold what a program loads when it starts.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let output = std::process::Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let files = text.split_whitespace().filter(|word| word.starts_with('/'));
    files.map(|file| Path::new(file).parent().unwrap().to_owned()).collect()
}

/// What `lions WORDS` says in a pod, and how it ends.
async fn says(lab: &Namespace, project: &Project, name: &str, words: &[&str]) -> (i64, String) {
    let program = assert_cmd::cargo::cargo_bin!("lions");
    let mut folders: Vec<(PathBuf, PathBuf)> =
        libraries(program).into_iter().map(|folder| (folder.clone(), folder)).collect();
    folders.push((program.parent().unwrap().to_owned(), "/program".into()));
    folders.push((project.path().to_owned(), "/project".into()));
    let named = || folders.iter().enumerate().map(|(at, (from, to))| (format!("folder-{at}"), from, to));
    let volumes: Vec<Json> =
        named().map(|(name, from, _)| json!({ "name": name, "hostPath": { "path": from } })).collect();
    let mounts: Vec<Json> = named().map(|(name, _, to)| json!({ "name": name, "mountPath": to })).collect();
    let command: Vec<&str> = ["/program/lions"].iter().chain(words).copied().collect();
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": {
        "restartPolicy": "Never", "serviceAccountName": "operator", "volumes": volumes,
        "containers": [{ "name": "lions", "image": IMAGE, "command": command, "workingDir": "/project",
            "volumeMounts": mounts, "env": [{ "name": "XDG_RUNTIME_DIR", "value": "/tmp" }, { "name": "HOME", "value": "/tmp" }] }],
    } });
    let pods = format!("/api/v1/namespaces/{}/pods", lab.name);
    lab.ask("POST", &pods, &pod).await.unwrap();
    let ended = async {
        loop {
            let pod = lab.get(&format!("{pods}/{name}")).await.unwrap();
            if let Some(code) = pod.pointer("/status/containerStatuses/0/state/terminated/exitCode") {
                return code.as_i64().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let code = tokio::time::timeout(Duration::from_mins(1), ended).await.unwrap();
    let request = http::Request::get(format!("{pods}/{name}/log")).body(Vec::new()).unwrap();
    (code, lab.client.request_text(request).await.unwrap())
}

#[tokio::test]
async fn in_a_pod_as_its_service_account() {
    let Some(lab) = namespace().await else { return };
    let playbook = format!(
        "- name: site\n  tasks:\n    - {{ name: app, manifest: {} }}\n",
        json!({ "namespace": "NS", "definition": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" }, "data": { "a": "1" } } })
    );
    let project = Project::new(&lab, "", &playbook);
    project.environment(&format!("{{ in_cluster: true, lock_namespace: {} }}", lab.name), "");
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "operator" } });
    lab.ask("POST", &format!("/api/v1/namespaces/{}/serviceaccounts", lab.name), &account).await.unwrap();

    // Here is no pod.
    let said = project.says(&["plan"], 1).await;
    for part in ["the service account of this pod cannot be used", "elsewhere name a `kubeconfig`"] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    // There it is somebody, who may do nothing yet.
    let (code, said) = says(&lab, &project, "without-role", &["plan"]).await;
    assert_eq!(code, 4, "{said}");
    let who = format!("User \"system:serviceaccount:{}:operator\" cannot", lab.name);
    assert!(said.contains(&who) && said.contains("a role with that verb"), "{said}");

    let rules = json!([
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "patch"] },
        { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "delete"] },
    ]);
    let group = "rbac.authorization.k8s.io";
    let role = json!({ "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": { "name": "operator" }, "rules": rules });
    let binding = json!({ "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": { "name": "operator" },
        "roleRef": { "apiGroup": group, "kind": "Role", "name": "operator" },
        "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": lab.name }] });
    let root = format!("/apis/{group}/v1/namespaces/{}", lab.name);
    lab.ask("POST", &format!("{root}/roles"), &role).await.unwrap();
    lab.ask("POST", &format!("{root}/rolebindings"), &binding).await.unwrap();
    let (code, said) = says(&lab, &project, "applies", &["apply", "--yes"]).await;
    assert_eq!(code, 0, "{said}");
    let app = lab.get(&format!("/api/v1/namespaces/{}/configmaps/app", lab.name)).await.unwrap();
    assert_eq!((&app["data"]["a"], &app["metadata"]["managedFields"][0]["manager"]), (&json!("1"), &json!("lions")));
    let (code, said) = says(&lab, &project, "again", &["plan", "--detailed-exitcode"]).await;
    assert!(code == 0 && said.starts_with("nothing to do"), "{code}: {said}");
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", lab.name);
    assert_eq!(lab.get(&leases).await.unwrap()["items"], json!([]), "a lock is left");
}
