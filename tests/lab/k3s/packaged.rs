//! What k3s brings along, as far as pods need it: names of Services, and volumes for claims.

use super::{STABLE, hosts, install, left_out, real, until};

const CLAIM: &str = r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: None, selector: { app: web }, ports: [{ port: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: front }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: web }
spec:
  serviceName: web
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      nodeSelector: { tier: data }
      containers:
        - name: web
          image: lions.test/busybox:1
          command: [sh, -c, "echo ran once >>/data/starts; exec httpd -f -p 8080 -h /data"]
          volumeMounts: [{ name: data, mountPath: /data }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: data } }]
---
apiVersion: v1
kind: Pod
metadata: { name: asks }
spec:
  terminationGracePeriodSeconds: 0
  nodeSelector: { node-role.kubernetes.io/control-plane: "true" }
  containers: [{ name: asks, image: lions.test/busybox:1, command: [tail, -f, /dev/null] }]
"#;

#[test]
fn claims_get_volumes_and_services_have_names() {
    if real() {
        // Names of the lab's hosts are not in its DNS, and more than this runs in `kube-system`.
        return left_out("what the stand-in for k3s has in the place of CoreDNS and the local-path provisioner");
    }
    let Some(hosts) = hosts(2) else { return };
    let [server, agent] = &hosts[..] else { unreachable!() };
    install(server, "k3s", STABLE, "token: correct-horse");
    install(
        agent,
        "k3s-agent",
        STABLE,
        &format!("server: https://{}:6443\ntoken: correct-horse\nnode-label: [tier=data]", server.address()),
    );
    until(server, "k3s kubectl get storageclass", "local-path (default)");
    until(server, "k3s kubectl get sa default -o name", "serviceaccount/default");
    // Without a pod that wants it, a claim waits.
    server.ok(&format!("cat >/tmp/all.yaml <<'Y'{CLAIM}\nY\nk3s kubectl apply -f /tmp/all.yaml"));
    for ready in ["sts web", "pod asks"] {
        until(server, &format!("k3s kubectl get {ready}"), "1/1");
    }
    until(server, "k3s kubectl get pod web-0 -o wide", agent.name());
    let folders = "ls /var/lib/rancher/k3s/storage 2>/dev/null || true";
    let folder = agent.ok(folders);
    assert!(folder.starts_with("pvc-") && folder.ends_with("_default_data"), "{folder}");
    assert_eq!(server.ok(folders), "");

    let ask = |what: &str| format!("k3s kubectl exec asks -- {what}");
    for url in ["web:8080", "front", "web-0.web.default.svc.cluster.local:8080", "front.default"] {
        until(server, &ask(&format!("wget -q -O - http://{url}/starts")), "ran once\n");
    }
    let name = |name: &str| {
        let output = server.exec(&ask(&format!("nslookup {name}")));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(name("web-1.web.default.svc.cluster.local").contains("NXDOMAIN"));
    assert!(name("web.kube-system.svc.cluster.local").contains("NXDOMAIN"));
    assert!(name("kubernetes.default.svc.cluster.local").contains("10.43.0.1\n"));
    // As the host knows it.
    assert!(name("mirror.lab").contains("Name:"));

    // What a pod wrote is there for the next one, until the claim goes.
    server.ok("k3s kubectl delete pod web-0");
    until(server, "k3s kubectl get sts web", "1/1");
    until(server, &ask("wget -q -O - http://web:8080/starts"), "ran once\nran once\n");
    server.ok("k3s kubectl delete sts/web pvc/data");
    for gone in ["pv", "-n kube-system pods"] {
        until(server, &format!("k3s kubectl get {gone}"), "No resources found");
    }
    assert_eq!(agent.ok("ls /var/lib/rancher/k3s/storage"), "");

    // Switched off, they go.
    server.ok("echo 'disable: [coredns, local-storage]' >>/etc/rancher/k3s/config.yaml; systemctl restart k3s");
    for gone in ["storageclasses", "-n kube-system services"] {
        until(server, &format!("k3s kubectl get {gone}"), "No resources found");
    }
}
