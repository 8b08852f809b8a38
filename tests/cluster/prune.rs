//! What leaves a playbook is taken away on a real Kubernetes, by the program itself; what others took over stays.

use std::time::Duration;

use serde_json::json;

use super::project::Project;
use crate::lab_cluster::{self, Namespace};

const TASKS: &str = "
- name: platform
  tasks:
    - name: settings
      tags: [some]
      manifest:
        namespace: NS
        definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: settings }, data: { level: info } }
";
const MORE: &str = r#"
    - name: database
      manifest:
        namespace: NS
        definition:
          - apiVersion: apps/v1
            kind: StatefulSet
            metadata: { name: db }
            spec:
              serviceName: db
              selector: { matchLabels: { app: db } }
              template:
                metadata: { labels: { app: db } }
                spec:
                  terminationGracePeriodSeconds: 0
                  containers: [{ name: db, image: IMAGE, command: [sleep, "600"] }]
          - apiVersion: v1
            kind: Service
            metadata: { name: db }
            spec: { clusterIP: None, selector: { app: db }, ports: [{ port: 80 }] }
    - name: claim
      manifest:
        namespace: NS
        definition:
          apiVersion: v1
          kind: PersistentVolumeClaim
          metadata: { name: data }
          spec: { accessModes: [ReadWriteOnce], storageClassName: none, resources: { requests: { storage: 1Gi } } }
    - name: password
      secret: { name: db, namespace: NS, generate: { password: {} } }
    - name: report
      job: { name: report, namespace: NS, image: IMAGE, command: ["true"] }
    - name: theirs
      manifest:
        namespace: NS
        definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: theirs }, data: { a: b } }
    - name: held
      manifest:
        namespace: NS
        definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: held }, data: { a: b } }
"#;

struct Lab {
    lab: Namespace,
    project: Project,
}

impl Lab {
    fn new(lab: Namespace) -> Self {
        let project = Project::new(&lab, "", &format!("{TASKS}{MORE}"));
        Self { lab, project }
    }

    fn path(&self, of: &str) -> String {
        let (group, rest) = of.split_once(' ').unwrap();
        format!("/{group}/namespaces/{}/{rest}", self.lab.name)
    }

    async fn there(&self, of: &str) -> bool {
        self.lab.get(&self.path(of)).await.is_some()
    }

    fn playbook(&self, text: &str) {
        self.project.playbook(text);
    }

    fn allow(&self, words: &str) {
        let (kubeconfig, name) = (self.lab.kubeconfig.display(), &self.lab.name);
        self.project.environment(
            &format!("{{ kubeconfig: {kubeconfig}, lock_namespace: {name}, allow_delete: [{words}] }}"),
            "",
        );
    }
}

const GONE: &[&str] = &["apis/apps/v1 statefulsets/db", "api/v1 services/db", "apis/batch/v1 jobs/report"];

#[tokio::test]
async fn what_leaves_the_playbook_is_taken_away() {
    let Some(lab) = lab_cluster::namespace().await else { return };
    let lab = Lab::new(lab);
    lab.project.says(&["apply", "--yes"], 0).await;
    lab.project.says(&["plan", "--detailed-exitcode"], 0).await;
    let member = lab.lab.get(&lab.path("apis/batch/v1 jobs/report")).await.unwrap();
    let set = member["metadata"]["labels"]["applyset.kubernetes.io/part-of"].as_str().unwrap().to_owned();
    assert!(set.starts_with("applyset-") && set.ends_with("-v1"), "{set}");
    let parents = format!("{}?labelSelector=applyset.kubernetes.io%2Fid%3D{set}", lab.path("api/v1 configmaps"));
    let parents = lab.lab.get(&parents).await.unwrap();
    let annotations = &parents["items"][0]["metadata"]["annotations"];
    let kinds = "ConfigMap,Job.batch,PersistentVolumeClaim,Secret,Service,StatefulSet.apps";
    assert_eq!(annotations["applyset.kubernetes.io/contains-group-kinds"], kinds);

    // Others take one over, and hold another fast.
    let mut theirs =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "theirs" }, "data": { "a": "b" } });
    lab.lab.put("argocd-controller", &lab.path("api/v1 configmaps/theirs"), &theirs).await;
    theirs["metadata"] = json!({ "finalizers": ["example.dev/forever"] });
    lab.lab
        .edit(&lab.path("api/v1 configmaps/held"), &json!({ "metadata": { "finalizers": ["example.dev/forever"] } }))
        .await;

    // A part of the playbook takes nothing away.
    lab.playbook(TASKS);
    let part = lab.project.says(&["plan", "--tags", "some", "--detailed-exitcode"], 0).await;
    assert!(!part.contains("to delete"), "{part}");

    let plan = lab.project.says(&["plan", "--detailed-exitcode"], 2).await;
    for part in [
        "4 to delete",
        "PersistentVolumeClaim/NS/data` is no longer declared, and stays on `cluster`",
        "`allow_delete: [PersistentVolumeClaim/NS/data]` under `cluster:`",
        "Secret/NS/db` is no longer declared, and stays",
        "ConfigMap/NS/theirs` is no longer declared, and stays on `cluster`: left: `argocd-controller` applies it as well",
    ] {
        let part = part.replace("NS", &lab.lab.name);
        assert!(plan.contains(&part), "{part:?} is not in\n{plan}");
    }
    for of in GONE {
        assert!(lab.there(of).await, "plan changes nothing: {of}");
    }

    // What a finaliser holds is waited for, with its name, and the run can be ended.
    let run = lab.project.starts();
    let held = lab.path("api/v1 configmaps/held");
    for _ in 0..600 {
        if lab.lab.get(&held).await.is_none_or(|held| !held["metadata"]["deletionTimestamp"].is_null()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    run.interrupt();
    tokio::time::sleep(Duration::from_millis(300)).await;
    run.interrupt();
    let (_, said) = run.ends_within(60).await;
    assert!(said.contains("example.dev/forever"), "{said}");
    let again = lab.project.says(&["plan", "--detailed-exitcode"], 2).await;
    assert!(again.contains("ConfigMap") && again.contains("held"), "{again}");
    let _ = lab.lab.ask("EDIT", &held, &json!({ "metadata": { "finalizers": null } })).await;
    lab.project.says(&["apply", "--yes"], 0).await;
    for of in GONE {
        assert!(!lab.there(of).await, "{of} is still there");
    }
    for of in [
        "api/v1 configmaps/theirs",
        "api/v1 persistentvolumeclaims/data",
        "api/v1 secrets/db",
        "api/v1 configmaps/settings",
    ] {
        assert!(lab.there(of).await, "{of} is lost");
    }
    lab.project.says(&["plan", "--detailed-exitcode"], 0).await;

    // With a word of its own.
    lab.allow("PersistentVolumeClaim, Secret/NS/db".replace("NS", &lab.lab.name).as_str());
    let plan = lab.project.says(&["plan", "--detailed-exitcode"], 2).await;
    assert!(plan.contains("2 to delete"), "{plan}");
    lab.project.says(&["apply", "--yes"], 0).await;
    assert!(!lab.there("api/v1 persistentvolumeclaims/data").await && !lab.there("api/v1 secrets/db").await);
    lab.project.says(&["plan", "--detailed-exitcode"], 0).await;
}

#[tokio::test]
async fn a_run_killed_anywhere_leaves_nothing_that_is_not_known() {
    let Some(lab) = lab_cluster::namespace().await else { return };
    let lab = Lab::new(lab);
    for pause in [150, 400, 900] {
        lab.playbook(&format!("{TASKS}{MORE}"));
        lab.allow("PersistentVolumeClaim, Secret");
        let run = lab.project.starts();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        run.kill();
        lab.playbook(TASKS);
        let run = lab.project.starts();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        run.kill();
        lab.project.says(&["apply", "--yes", "--lock-wait", "60"], 0).await;
        for of in
            GONE.iter().chain(&["api/v1 persistentvolumeclaims/data", "api/v1 secrets/db", "api/v1 configmaps/theirs"])
        {
            assert!(!lab.there(of).await, "{of} is left after {pause} ms");
        }
        lab.project.says(&["plan", "--detailed-exitcode"], 0).await;
    }
}
