//! One plan from a bare host to what runs in its cluster: shown in full before anything exists, done as it was shown, at rest
//! afterwards, and finished by the next run when it is killed anywhere.

use std::time::Duration;

use super::kills::killed;
use super::{MIRROR, READY, STABLE, hosts, sum, sum_of};
use crate::lab::story::{assert_done_as_planned, rows};
use crate::lab::{Host, Project};

/// What goes into the cluster; each task needs what those before it left.
const PLATFORM: &str = r#"
- name: platform
  tasks:
    - name: nodes are ready
      wait: { kind: Node, name: HOST, for: condition=Ready }
    - name: space
      manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { tier: lab } } } }
    - name: of every cluster
      manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: default, labels: { tier: none } } } }
    - name: password
      secret: { name: key, namespace: shop, data: { user: app }, generate: { password: { length: 40 } } }
      register: key
    - name: who else knows it
      secret: { name: copy, namespace: shop, data: { url: "db://app:{{ key.data.password }}@db" } }
    - name: kinds
      manifest:
        definition:
          apiVersion: apiextensions.k8s.io/v1
          kind: CustomResourceDefinition
          metadata: { name: ponds.lions.test }
          spec:
            group: lions.test
            scope: Namespaced
            names: { kind: Pond, plural: ponds, singular: pond }
            versions: [{ name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }]
    - name: pond
      manifest: { namespace: shop, definition: { apiVersion: lions.test/v1, kind: Pond, metadata: { name: north }, spec: { depth: 3 } } }
    - name: web
      timeout: 3m
      manifest:
        namespace: shop
        definition:
          apiVersion: apps/v1
          kind: Deployment
          metadata: { name: web }
          spec:
            replicas: 2
            selector: { matchLabels: { app: web } }
            template:
              metadata: { labels: { app: web } }
              spec:
                terminationGracePeriodSeconds: 1
                containers: [{ name: web, image: "lions.test/busybox:1", imagePullPolicy: Never, command: [tail, -f, /dev/null], envFrom: [{ secretRef: { name: key } }] }]
    - name: it runs
      exec: { workload: Deployment/web, namespace: shop, command: [sh, -c, "[ $(printf %s $password | wc -c) = 40 ]"], read_only: true }
      register: runs
    - name: a job
      timeout: 3m
      job: { name: once, namespace: shop, spec: { template: { spec: { restartPolicy: Never, containers: [{ name: once, image: "lions.test/busybox:1", imagePullPolicy: Never, command: ["true"] }] } } } }
    - name: what it said
      manifest: { namespace: shop, definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: said }, data: { rc: "{{ runs.rc | string }}" } } }
"#;

/// A server, and what goes into its cluster.
fn project(host: &Host) -> Project {
    let project = Project::new(&[host]);
    project.environment(&format!("cluster: {{ kubeconfig_from: {} }}\n", host.name()));
    let server = format!(
        "- name: server\n  hosts: all\n  tasks:\n    - name: k3s\n      timeout: 5m\n      k3s:\n        version: {STABLE}\n        sha256: {}\n        mirror: {MIRROR}\n        images:\n          - {{ name: k3s-airgap-images-amd64.tar.gz, sha256: {} }}\n          - {{ name: busybox.tar, sha256: {}, url: \"http://mirror.lab/mine/k3s/images/busybox.tar\" }}\n",
        sum(STABLE, "k3s"),
        sum(STABLE, "k3s-airgap-images-amd64.tar.gz"),
        sum_of("images/busybox.tar"),
    );
    project.write("playbooks/site.yml", &(server + &PLATFORM.replace("HOST", host.name())));
    project
}

/// What is in the cluster.
fn assert_there(host: &Host) {
    assert!(host.ok(READY).contains(&format!("{}={STABLE},True", host.name())));
    let all = "kubectl -n shop get deployment web -o 'jsonpath={.status.readyReplicas} '; kubectl -n shop get job once -o 'jsonpath={.status.succeeded} '; kubectl -n shop get pond north -o 'jsonpath={.spec.depth} '; kubectl -n shop get configmap said -o 'jsonpath={.data.rc}'";
    assert_eq!(host.ok(all), "2 1 3 0");
    let of = |name: &str, key: &str| {
        host.ok(&format!("kubectl -n shop get secret {name} -o 'jsonpath={{.data.{key}}}' | base64 -d"))
    };
    assert_eq!(of("copy", "url"), format!("db://app:{}@db", of("key", "password")));
}

#[test]
fn a_bare_host_shows_its_cluster_and_all_that_goes_into_it() {
    let Some(mut hosts) = hosts(1) else { return };
    let host = hosts.remove(0);
    let project = project(&host);
    let plan = project.says(&["plan", "--output", "json", "-o", "whole.plan"], 0);
    assert_eq!(host.ok("ls -d /etc/rancher /usr/local/bin/k3s /var/lib/rancher/k3s 2>/dev/null || true"), "");
    let verdicts = rows(&plan, "verdict");
    let of = |word: &str| -> Vec<&str> {
        let all = verdicts.values().filter(|row| row["place"] == "cluster" && row["verdict"] == word);
        all.filter_map(|row| row["address"].as_str()?.rsplit('/').next()).collect()
    };
    // What is run in a pod can only be said when there is one.
    assert_eq!(of("later"), ["it runs"]);
    assert_eq!(of("change").len(), 9, "{plan}");
    assert_eq!(of("failed").len() + of("blocked").len(), 0, "{plan}");

    assert_done_as_planned(&plan, &project.says(&["apply", "whole.plan", "--output", "json"], 0));
    assert_there(&host);
    assert!(project.says(&["plan", "--detailed-exitcode"], 0).starts_with("nothing to do: "));
    assert!(project.says(&["drift"], 0).starts_with("nothing to do: "));
    assert_eq!(host.logins("ops"), 2, "booting is one, all of this the other");

    // It is down, and the plan starts it: what it holds is known then.
    host.ok("systemctl stop k3s");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("decided after: `k3s.service` runs on"), "{plan}");
    project.converges();
    // Nobody starts one that is declared elsewhere.
    host.ok("systemctl stop k3s");
    project.write("playbooks/other.yml", &PLATFORM.replace("HOST", host.name()));
    let said = project.says(&["plan", "other"], 5);
    assert!(said.contains("the API of the cluster cannot be reached"), "{said}");
    host.ok("k3s-killall.sh; rm -rf /etc/rancher /var/lib/rancher/k3s/server");
    let said = project.says(&["plan", "other"], 5);
    assert!(said.contains("the kubeconfig cannot be fetched"), "{said}");
}

/// Killed anywhere between a bare host and the last object: the next run ends in the same, and the lock is given back.
#[test]
fn killed_anywhere_on_the_way_into_the_cluster() {
    killed(Duration::from_secs(20), project, |host| {
        assert_there(host);
        assert_eq!(host.ok("kubectl -n kube-system get leases -o name | grep lions || true"), "");
    });
}
