//! A whole component on a real cluster, by the program itself: planned on an empty cluster in one go, applied, ready,
//! planned again, altered by others and mended.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::json;
use tempfile::TempDir;

use crate::cli::lions;
use crate::lab_cluster::{self, IMAGE, Namespace};

const TASKS: &str = r#"
- name: volume
  manifest:
    definition:
      apiVersion: v1
      kind: PersistentVolume
      metadata: { name: NAME }
      spec:
        capacity: { storage: 1Gi }
        accessModes: [ReadWriteOnce]
        storageClassName: NAME
        persistentVolumeReclaimPolicy: Retain
        hostPath: { path: /var/lib/kubelet/NAME, type: DirectoryOrCreate }
- name: namespace
  manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: NAME-app } } }
- name: kinds
  manifest:
    definition:
      apiVersion: apiextensions.k8s.io/v1
      kind: CustomResourceDefinition
      metadata: { name: ponds.NAME.example.dev }
      spec:
        group: NAME.example.dev
        scope: Namespaced
        names: { kind: Pond, plural: ponds, singular: pond }
        versions:
          - name: v1
            served: true
            storage: true
            schema: { openAPIV3Schema: { type: object, properties: { spec: { type: object, properties: { depth: { type: integer } } } } } }
- name: pond
  manifest:
    namespace: NAME-app
    definition: { apiVersion: NAME.example.dev/v1, kind: Pond, metadata: { name: north }, spec: { depth: 3 } }
- name: settings
  manifest:
    namespace: NAME-app
    force_conflicts: FORCE
    definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: settings }, data: { level: info, port: "5432" } }
- name: password
  manifest:
    namespace: NAME-app
    definition: { apiVersion: v1, kind: Secret, metadata: { name: db }, stringData: { password: "PASSWORD" } }
- name: database
  manifest:
    namespace: NAME-app
    definition:
      - apiVersion: apps/v1
        kind: StatefulSet
        metadata: { name: db }
        spec:
          serviceName: GOVERNOR
          replicas: 1
          selector: { matchLabels: { app: db } }
          template:
            metadata: { labels: { app: db } }
            spec:
              terminationGracePeriodSeconds: 0
              containers:
                - name: db
                  image: IMAGE
                  command: [sh, -c, "date > /data/since; exec httpd -f -p 5432 -h /data"]
                  envFrom: [{ configMapRef: { name: settings } }, { secretRef: { name: db } }]
                  ports: [{ containerPort: 5432 }]
                  readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 1 }
                  volumeMounts: [{ name: data, mountPath: /data }]
          volumeClaimTemplates:
            - metadata: { name: data }
              spec: { accessModes: [ReadWriteOnce], storageClassName: NAME, resources: { requests: { storage: 1Gi } } }
      - apiVersion: v1
        kind: Service
        metadata: { name: db }
        spec: { selector: { app: db }, ports: [{ port: 80, targetPort: 5432 }] }
      - apiVersion: networking.k8s.io/v1
        kind: Ingress
        metadata: { name: db }
        spec:
          rules:
            - host: db.example.dev
              http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: db, port: { number: 80 } } } }] }
- name: schema
  manifest:
    namespace: NAME-app
    definition:
      apiVersion: batch/v1
      kind: Job
      metadata: { name: schema }
      spec:
        template:
          spec:
            restartPolicy: Never
            containers: [{ name: schema, image: IMAGE, command: [wget, -qO-, "http://$(DB_SERVICE_HOST)/since"] }]
"#;

struct Component {
    namespace: Namespace,
    folder: TempDir,
}

impl Component {
    fn new(namespace: Namespace) -> Self {
        let folder = TempDir::new().unwrap();
        let component = Self { namespace, folder };
        let name = &component.namespace.name;
        component.file("playbooks/site.yml", "- name: platform\n  roles: [database]\n");
        let cluster = format!("hosts: {{}}\ncluster: {{ kubeconfig: {:?} }}\n", component.namespace.kubeconfig);
        component.file(&format!("inventories/{name}/environment.yml"), &cluster);
        component.tasks(&[]);
        component
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The tasks with other words for some.
    fn tasks(&self, instead: &[(&str, &str)]) {
        let usual = [
            ("FORCE", "false"),
            ("PASSWORD", "correct-horse"),
            ("GOVERNOR", "db"),
            ("IMAGE", IMAGE),
            ("NAME", &self.namespace.name),
        ];
        let text = instead.iter().chain(&usual).fold(TASKS.to_owned(), |text, (from, to)| text.replace(from, to));
        self.file("roles/database/tasks.yml", &text);
    }

    /// Runs `lions` with these words; its output must not hold the password.
    fn lions(&self, words: &[&str], code: i32) -> String {
        let output = lions(self.folder.path(), words);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
        assert!(!text.contains("correct-horse") && !text.contains("Y29ycmVjdC1ob3JzZQ"), "{text}");
        text
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn a_component_from_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(namespace) = runtime.block_on(lab_cluster::bare()) else { return };
    let component = Component::new(namespace);
    let (name, app) = (component.namespace.name.clone(), format!("{}-app", component.namespace.name));
    let get = |path: &str| runtime.block_on(component.namespace.get(path));

    // On an empty cluster everything is a create, in one plan that writes nothing.
    let plan = component.lions(&["plan", "--detailed-exitcode"], 2);
    holds(&plan, &["8 to create", "spec.depth: 3", "data.level: info", "data.password", "***"]);
    assert!(get(&format!("/api/v1/namespaces/{app}")).is_none());

    component.lions(&["apply", "--yes"], 0);
    let job = get(&format!("/apis/batch/v1/namespaces/{app}/jobs/schema")).unwrap();
    assert_eq!(job["status"]["succeeded"], json!(1), "the job was waited for, and reached the database by its service");
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/lions-{name}");
    assert!(get(&lease).is_none(), "no lock is left");
    let again = component.lions(&["plan", "--detailed-exitcode"], 0);
    assert!(!again.contains("to create"), "{again}");

    // Another manager writes over a field of ours: it is named, nothing is done, unless we may take it.
    let settings = format!("/api/v1/namespaces/{app}/configmaps/settings");
    runtime.block_on(component.namespace.edit(&settings, &json!({ "data": { "level": "debug", "theirs": "stays" } })));
    let conflict = component.lions(&["plan"], 4);
    holds(&conflict, &["`kubectl-edit` has set `data.level`", "force_conflicts: true"]);
    component.tasks(&[("FORCE", "true")]);
    let plan = component.lions(&["plan", "--detailed-exitcode"], 2);
    holds(&plan, &["1 to change", "data.level: debug -> info", "owner of data.level: kubectl-edit -> lions"]);
    component.lions(&["apply", "--yes"], 0);
    let data = get(&settings).unwrap()["data"].clone();
    assert_eq!(data, json!({ "level": "info", "port": "5432", "theirs": "stays" }));
    component.lions(&["plan", "--detailed-exitcode"], 0);

    // A Secret changes: that is all that is told.
    component.tasks(&[("FORCE", "true"), ("PASSWORD", "battery-staple")]);
    let plan = component.lions(&["plan", "--detailed-exitcode"], 2);
    holds(&plan, &["data.password", "***"]);
    assert!(!plan.contains("battery") && !plan.contains("YmF0dGVyeS"), "{plan}");

    // What cannot change is said, with what a new one would cost; nothing is replaced.
    component.tasks(&[("FORCE", "true"), ("GOVERNOR", "other")]);
    let plan = component.lions(&["plan"], 4);
    holds(&plan, &["StatefulSet", "cannot be changed once it is there", "while its volumes and their claims stay"]);

    // All of it goes again, what was made last first.
    let absent = TASKS
        .replace("manifest:\n", "manifest:\n    state: absent\n")
        .replace("manifest: {", "manifest: { state: absent,");
    let mut tasks: Vec<&str> = absent.split("\n- ").filter(|task| !task.trim().is_empty()).collect();
    tasks.reverse();
    let text: String = tasks.iter().map(|task| format!("- {}\n", task.trim_start_matches("- "))).collect();
    let usual = [("FORCE", "true"), ("PASSWORD", "x"), ("GOVERNOR", "db"), ("IMAGE", IMAGE), ("NAME", &*name)];
    component.file("roles/database/tasks.yml", &usual.iter().fold(text, |text, (from, to)| text.replace(from, to)));
    let plan = component.lions(&["plan", "--detailed-exitcode"], 2);
    holds(&plan, &["8 to delete"]);
    component.lions(&["apply", "--yes"], 0);
    component.lions(&["plan", "--detailed-exitcode"], 0);
    assert!(get(&format!("/api/v1/namespaces/{app}")).is_none());
    assert!(Path::new(component.folder.path()).exists());
}
