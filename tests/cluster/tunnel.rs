//! The cluster by way of a server: its kubeconfig fetched over SSH as root, and the API reached through that connection.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::lab::{self, Host, Project};
use crate::lab_cluster::{self, Namespace};

/// The API as that host alone reaches it; it ends with this.
struct Door(Child);

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cluster behind a host, and a project for it.
struct Behind {
    runtime: Runtime,
    namespace: Namespace,
    host: Host,
    project: Project,
    kubeconfig: String,
    _door: Door,
}

impl Behind {
    fn new(count: usize) -> Option<Self> {
        let runtime = Runtime::new().unwrap();
        let namespace = runtime.block_on(lab_cluster::bare())?;
        let host = lab::host()?;
        // The API listens on this machine only. Here is a way to it for that host, and for nobody else.
        let here = format!("{}.0.1", host.address().split('.').take(2).collect::<Vec<_>>().join("."));
        let port = std::net::TcpListener::bind((&*here, 0)).unwrap().local_addr().unwrap().port();
        let text = std::fs::read_to_string(&namespace.kubeconfig).unwrap();
        let server = text.split("server: \"https://").nth(1).unwrap().split('"').next().unwrap();
        let door = Command::new("socat")
            .arg(format!("TCP-LISTEN:{port},bind={here},range={}/32,reuseaddr,fork", host.address()))
            .arg(format!("TCP:{server}"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let kubeconfig =
            text.replace(server, &format!("{here}:{port}")).replace("server: ", "tls-server-name: localhost, server: ");
        let project = Project::new(&[&host]);
        project.environment(&format!(
            "cluster: {{ kubeconfig_from: {}, lock_namespace: {} }}\n",
            host.name(),
            namespace.name
        ));
        let tasks = (0..count).map(|at| {
            let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("app-{at}") }, "data": { "a": "1" } });
            format!("    - {{ name: settings {at}, manifest: {} }}\n", json!({ "namespace": namespace.name, "definition": object }))
        });
        let playbook = format!("- name: platform\n  tasks:\n{}", tasks.collect::<String>());
        project.write("playbooks/site.yml", &playbook);
        Some(Self { runtime, namespace, host, project, kubeconfig, _door: Door(door) })
    }

    /// As k3s leaves it on a server.
    fn write(&self) {
        let text = &self.kubeconfig;
        self.host.ok(&format!(
            "mkdir -p /etc/rancher/k3s && umask 077 && cat > /etc/rancher/k3s/k3s.yaml <<'END'\n{text}\nEND"
        ));
    }

    fn get(&self, path: &str) -> Option<Json> {
        self.runtime.block_on(self.namespace.get(path))
    }

    fn app(&self, at: usize) -> Option<Json> {
        self.get(&format!("/api/v1/namespaces/{}/configmaps/app-{at}", self.namespace.name))
    }
}

#[test]
fn the_api_is_reached_through_the_server_that_the_kubeconfig_came_from() {
    let Some(behind) = Behind::new(1) else { return };
    let Behind { host, project, .. } = &behind;
    let missing = project.says(&["plan"], 5);
    assert!(
        missing.contains("there is no `/etc/rancher/k3s/k3s.yaml`") && missing.contains("kubeconfig_path"),
        "{missing}"
    );

    behind.write();
    let said = project.converges();
    assert!(said.contains("settings"), "{said}");
    assert_eq!(behind.app(0).unwrap()["data"]["a"], "1");
    // The way was through the host: it let `ops` in once, and kept the connection.
    assert_eq!(host.logins("ops"), 2, "one when it was booted, one for all runs");

    // What is no kubeconfig is not quoted.
    host.ok("printf 'certificate-authority-data: [c2VjcmV0' > /etc/rancher/k3s/k3s.yaml");
    let broken = project.says(&["plan"], 5);
    assert!(broken.contains("is no kubeconfig") && !broken.contains("c2VjcmV0"), "{broken}");
}

/// The connection is lost in the middle: another one is made, and the run goes on where it was.
#[test]
fn a_connection_that_is_lost_is_made_again() {
    let Some(behind) = Behind::new(60) else { return };
    behind.write();
    let Behind { host, project, .. } = &behind;
    let run = project
        .command(&["apply", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while behind.app(5).is_none() {
        assert!(began.elapsed() < Duration::from_mins(1), "it does nothing");
    }
    host.fault("cut");
    assert!(behind.app(59).is_none(), "it was through already");
    let output = run.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!((0..60).all(|at| behind.app(at).is_some()));
    let plan = project.says(&["plan", "--detailed-exitcode"], 0);
    assert!(plan.starts_with("nothing to do"), "{plan}");
    assert_eq!(host.logins("ops"), 3, "one when it was booted, one for the run, one when that was lost");
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", behind.namespace.name);
    assert_eq!(behind.get(&leases).unwrap()["items"], json!([]), "a lock is left");

    // A server that is away, too: said of the server, at once.
    host.fault("sshd-stop");
    host.fault("cut");
    let said = project.says(&["plan"], 5);
    assert!(said.contains("refuses connections") && said.contains(host.name()), "{said}");
    host.fault("sshd-start");
    project.converges();
}
