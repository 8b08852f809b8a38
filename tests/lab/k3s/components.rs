//! The components of the platform, by their roles, in a cluster of k3s: planned in full, ready, answering to who knows the
//! password and to nobody else, and holding what was given to them.

use std::path::Path;

use super::{MIRROR, READY, STABLE, hosts, install, until};
use crate::lab::{Host, Project};

/// What the mirror's images for components are called: see `images/build.sh`.
const VARS: &str = "\
vars:
  postgres: { image: \"lions.test/postgres:15\", database: lions }
  redis: { image: \"lions.test/redis:7\" }
  registry: { image: \"lions.test/registry:2\", htpasswd_image: \"lions.test/registry:2\" }
";

const PLAYS: &str = "\
- name: platform
  roles:
    - namespaces
    - { role: postgres, needs: [namespaces] }
    - { role: redis, needs: [namespaces] }
    - { role: registry, needs: [namespaces] }
";

pub(super) fn copy(project: &Project, folder: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in std::fs::read_dir(from).unwrap() {
        let name = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
        if path.is_dir() {
            copy(project, &name);
        } else {
            project.write(&name, &std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Gives a host the images of the components.
fn components(host: &Host) {
    let images = "/var/lib/rancher/k3s/agent/images";
    let bundle = MIRROR.replace("releases/download", "images/components.tar");
    host.ok(&format!("mkdir -p {images}; curl -sSf -o {images}/components.tar {bundle}"));
}

fn secret(host: &Host, name: &str) -> String {
    host.ok(&format!("kubectl -n platform get secret {name} -o 'jsonpath={{.data.password}}' | base64 -d"))
}

/// What a program in a pod says to who gives that password on its standard input, by that variable.
fn asked(host: &Host, pod: &str, variable: &str, password: &str, command: &str) -> String {
    let script = format!("read -r {variable}; export {variable}; exec {command}");
    let output = host.exec(&format!("echo '{password}' | kubectl -n platform exec -i {pod} -- sh -c '{script}' 2>&1"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn components_are_ready_answer_and_keep_what_they_hold() {
    let Some(mut hosts) = hosts(1) else { return };
    let host = hosts.remove(0);
    components(&host);
    install(&host, "k3s", STABLE, "write-kubeconfig-mode: \"0600\"");
    host.ok("ln -s k3s /usr/local/bin/kubectl");
    until(&host, "kubectl get storageclass", "local-path (default)");
    until(&host, READY, ",True");

    let project = Project::new(&[&host]);
    for role in ["namespaces", "postgres", "redis", "registry"] {
        copy(&project, &format!("roles/{role}"));
    }
    project.write("playbooks/site.yml", PLAYS);
    project.environment(&format!("cluster: {{ kubeconfig_from: {} }}\n{VARS}", host.name()));
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("to create") && plan.contains("data.password: (generated)"), "{plan}");
    assert!(!plan.contains("later"), "{plan}");
    project.converges();
    // Done is ready: nothing is waited for here.
    let ready =
        "kubectl -n platform get pods -o 'jsonpath={range .items[*]}{.status.containerStatuses[0].ready} {end}'";
    assert_eq!(host.ok(ready).trim(), "true true true");

    let names = ["postgres", "redis", "registry"];
    let passwords = names.map(|name| secret(&host, name));
    let [postgres, redis, registry] = &passwords;
    let sql = |password: &str, statement: &str| {
        let command = format!("psql -h postgres -U postgres -d lions -Atc \"{statement}\"");
        asked(&host, "postgres-0", "PGPASSWORD", password, &command)
    };
    let cache = |password: &str, words: &str| {
        asked(&host, "redis-0", "REDISCLI_AUTH", password, &format!("redis-cli -h redis {words}"))
    };
    let service = "$(kubectl -n platform get svc registry -o 'jsonpath={.spec.clusterIP}'):5000";
    let http = |password: &str, words: &str, path: &str| {
        let user = if password.is_empty() { String::new() } else { format!("-u 'lions:{password}'") };
        host.ok(&format!("curl -sS -o /dev/null -w '%{{http_code}}' {user} {words} \"http://{service}{path}\""))
    };
    assert_eq!(sql(postgres, "create table kept as select 42 as answer"), "SELECT 1");
    assert!(sql("guessed", "select 1").contains("password authentication failed"));
    assert_eq!(cache(redis, "set kept 42"), "OK");
    assert!(cache("guessed", "get kept").contains("NOAUTH"));
    assert_eq!(http(registry, "", "/v2/"), "200");
    assert_eq!((http("", "", "/v2/"), http("guessed", "", "/v2/")), ("401".to_owned(), "401".to_owned()));
    // Half a push: a layer.
    let digest = host.ok("head -c 100000 /dev/urandom >/tmp/layer; sha256sum </tmp/layer | cut -c1-64");
    let upload = host.ok(&format!(
        "curl -sS -u 'lions:{registry}' -X POST -D - -o /dev/null http://{service}/v2/kept/blobs/uploads/ | tr -d '\\r' | sed -n 's/^Location: *//Ip'"
    ));
    let put = format!(
        "curl -sS -u 'lions:{registry}' -T /tmp/layer -H 'Content-Type: application/octet-stream' -o /dev/null -w '%{{http_code}}' '{upload}&digest=sha256:{digest}'"
    );
    assert_eq!(host.ok(&put), "201", "{upload}");

    // What was generated is in Secrets and in files of those who need it, nowhere else.
    let told = host.ok("kubectl get configmaps,pods,services,statefulsets,deployments,events -A -o yaml; ps -e -o args=; journalctl -q -o cat; for pod in postgres-0 redis-0 deploy/registry; do kubectl -n platform logs $pod; done");
    for password in &passwords {
        assert_eq!(password.len(), 40);
        assert!(!told.contains(password.as_str()));
    }

    // The pods go, what they held does not, and nothing is left to do.
    host.ok("kubectl -n platform delete pods --all");
    until(&host, ready, "true true true");
    project.converges();
    assert_eq!(names.map(|name| secret(&host, name)), passwords, "generated once");
    assert_eq!(sql(postgres, "select answer from kept"), "42");
    assert_eq!(cache(redis, "get kept"), "42");
    assert_eq!(http(registry, "-I", &format!("/v2/kept/blobs/sha256:{digest}")), "200");

    // One that is gone comes back, with what it held.
    host.ok("kubectl -n platform delete statefulset postgres");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("+ platform/postgres/server") && plan.contains("1 to create"), "{plan}");
    project.converges();
    assert_eq!(sql(postgres, "select answer from kept"), "42");
}
