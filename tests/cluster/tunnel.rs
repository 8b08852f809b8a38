//! The cluster by way of a server: its kubeconfig fetched over SSH as root, and the API reached through that connection.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::lab::{self, Project};
use crate::lab_cluster;

/// The API as that host alone reaches it; it ends with this.
struct Door(Child);

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_api_is_reached_through_the_server_that_the_kubeconfig_came_from() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(namespace) = runtime.block_on(lab_cluster::bare()) else { return };
    let Some(host) = lab::host() else { return };
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
    let _door = Door(door);
    let text =
        text.replace(server, &format!("{here}:{port}")).replace("server: ", "tls-server-name: localhost, server: ");
    let project = Project::new(&[&host]);
    project.write("k3s.yaml", &text);
    project.environment(&format!(
        "cluster: {{ kubeconfig_from: {}, lock_namespace: {} }}\n",
        host.name(),
        namespace.name
    ));
    project.write(
        "playbooks/site.yml",
        &format!(
            "- name: platform\n  tasks:\n    - name: settings\n      manifest: {}\n",
            json!({ "namespace": namespace.name, "definition": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" }, "data": { "a": "1" } } })
        ),
    );
    let missing = project.says(&["plan"], 5);
    assert!(
        missing.contains("there is no `/etc/rancher/k3s/k3s.yaml`") && missing.contains("kubeconfig_path"),
        "{missing}"
    );

    let write =
        format!("mkdir -p /etc/rancher/k3s && umask 077 && cat > /etc/rancher/k3s/k3s.yaml <<'END'\n{text}\nEND");
    host.ok(&write);
    let said = project.converges();
    assert!(said.contains("settings"), "{said}");
    let app = runtime.block_on(namespace.get(&format!("/api/v1/namespaces/{}/configmaps/app", namespace.name)));
    assert_eq!(app.unwrap()["data"]["a"], "1");
    // The way was through the host: it let `ops` in once, and kept the connection.
    assert_eq!(host.logins("ops"), 2, "one when it was booted, one for all runs");

    // What is no kubeconfig is not quoted.
    host.ok("printf 'certificate-authority-data: [c2VjcmV0' > /etc/rancher/k3s/k3s.yaml");
    let broken = project.says(&["plan"], 5);
    assert!(broken.contains("is no kubeconfig") && !broken.contains("c2VjcmV0"), "{broken}");
}
