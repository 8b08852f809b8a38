//! A component from nothing to a rotated password, through the command line, on a real Kubernetes.

use super::project::Project;
use crate::lab_cluster::namespace;

const COMPONENT: &str = r#"
- name: shop
  tasks:
    - name: password
      secret:
        name: database
        namespace: NS
        data: { user: shop }
        generate: { password: { length: 24 } }
        rotate: "{{ rotate }}"
      register: database
      notify: database restarts
    - name: its address
      secret:
        name: address
        namespace: NS
        data: { url: "postgres://{{ database.data.user }}:{{ database.data.password }}@db" }
    - name: database
      manifest:
        namespace: NS
        definition:
          apiVersion: apps/v1
          kind: StatefulSet
          metadata: { name: db }
          spec:
            serviceName: db
            selector: { matchLabels: { app: db } }
            template:
              metadata: { labels: { app: db } }
              spec:
                terminationGracePeriodSeconds: 0
                containers:
                  - name: db
                    image: IMAGE
                    command: [sh, -c, "sleep 600"]
                    envFrom: [{ secretRef: { name: database } }]
    - name: schema
      exec:
        workload: StatefulSet/db
        namespace: NS
        command: [sh, -c, "cat > /schema"]
        stdin: "owner {{ database.data.password }}"
        unless: [test, -e, /schema]
    - name: two of them
      scale: { kind: StatefulSet, name: db, namespace: NS, replicas: 2 }
    - name: report
      job:
        name: report
        namespace: NS
        image: IMAGE
        command: [sh, -c, 'test -n "$password"']
        env_from: [database]
    - name: all pods
      wait: { kind: Pod, selector: { app: db }, namespace: NS }
  handlers:
    - name: database restarts
      restart: { kind: StatefulSet, name: db, namespace: NS }
"#;

#[tokio::test]
async fn a_component_from_nothing_to_a_rotated_password() {
    let Some(lab) = namespace().await else { return };
    let project = Project::new(&lab, "vars: { rotate: first }\n", COMPONENT);
    let password = async || {
        let secret = lab.get(&format!("/api/v1/namespaces/{}/secrets/database", lab.name)).await.unwrap();
        secret["data"]["password"].as_str().unwrap().to_owned()
    };
    let environment = async || {
        let path = format!("/api/v1/namespaces/{}/pods/db-0", lab.name);
        lab.get(&path).await.unwrap()["metadata"]["uid"].clone()
    };

    let shown = project.says(&["plan"], 0).await;
    for part in
        ["data.password: (generated)", "(known after: password)", "? shop/schema", "replicas: 1 -> 2", "! shop/report"]
    {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(!shown.contains("! shop/handlers/database restarts"), "what is made now need not restart:\n{shown}");

    let first = project.says(&["apply", "--yes"], 0).await;
    let made = password().await;
    let plain = String::from_utf8(base64(&made)).unwrap();
    assert_eq!(plain.len(), 24);
    assert!(!first.contains(&plain) && !first.contains(&made), "{first}");
    let address = lab.get(&format!("/api/v1/namespaces/{}/secrets/address", lab.name)).await.unwrap();
    let url = String::from_utf8(base64(address["data"]["url"].as_str().unwrap())).unwrap();
    assert_eq!(url, format!("postgres://shop:{plain}@db"));

    let again = project.says(&["plan", "--detailed-exitcode"], 0).await;
    assert!(again.starts_with("nothing to do"), "{again}");
    assert_eq!(password().await, made, "what was made up is kept");

    let pod = environment().await;
    let turned = project.says(&["plan", "--set", "rotate=second"], 0).await;
    for part in ["data.password: *** -> (generated)", "! shop/handlers/database restarts", "data.url"] {
        assert!(turned.contains(part), "{part:?} is not in\n{turned}");
    }
    project.says(&["apply", "--yes", "--set", "rotate=second"], 0).await;
    assert_ne!(password().await, made);
    assert_ne!(environment().await, pod, "its pods know the new one");
}

const LEAK: &str = r#"
- name: shop
  tasks:
    - name: password
      secret: { name: database, namespace: NS, generate: { password: {} } }
    - name: database
      manifest:
        namespace: NS
        definition:
          apiVersion: apps/v1
          kind: Deployment
          metadata: { name: db }
          spec:
            selector: { matchLabels: { app: db } }
            template:
              metadata: { labels: { app: db } }
              spec:
                terminationGracePeriodSeconds: 0
                containers:
                  - name: db
                    image: IMAGE
                    command: [sh, -c, 'echo "cannot log in with $password"; exit 1']
                    envFrom: [{ secretRef: { name: database } }]
    - name: after it
      manifest: { definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: after, namespace: NS } } }
"#;

#[tokio::test]
async fn a_failure_is_told_without_the_secret_and_is_one_again() {
    let Some(lab) = namespace().await else { return };
    let project = Project::new(&lab, "", LEAK);
    let said = project.says(&["apply", "--yes"], 4).await;
    for part in
        ["will not get ready: crash loop", "cannot log in with ***", "1 task not run because of it: shop/after it"]
    {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    // Nothing is left to change there, and yet it is not well.
    let plan = project.says(&["plan"], 0).await;
    assert!(plan.contains("* shop/database") && plan.contains("not ready: 0 of 1 pod ready"), "{plan}");
    let again = project.says(&["apply", "--yes"], 4).await;
    assert!(again.contains("will not get ready: crash loop"), "{again}");
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}
