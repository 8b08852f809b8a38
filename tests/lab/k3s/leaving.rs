//! k3s taken away, with its data or without, and installed again.

use super::{READY, STABLE, hosts, project, task, until};
use crate::lab::Host;

const LEFT: &str = "ls -d /run/k3s /usr/local/bin/* /etc/systemd/system/k3s* /var/lib/cni 2>/dev/null; ps -e -o args= | grep [c]ontainerd-shim; ip -o link show cni0 2>/dev/null; grep -o '/var/lib/kubelet/pods.*' /proc/self/mounts; iptables-save | grep KUBE- || true";
const AUTHORITY: &str = "sha256sum /var/lib/rancher/k3s/server/tls/server-ca.crt";
const SHOP: &str = r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: db }
spec: { accessModes: [ReadWriteOnce], storageClassName: local-path, resources: { requests: { storage: 1Mi } } }
---
apiVersion: v1
kind: Pod
metadata: { name: db }
spec:
  volumes: [{ name: db, persistentVolumeClaim: { claimName: db } }]
  containers: [{ name: db, image: "lions.test/busybox:1", imagePullPolicy: Never, command: [sh, -c, "echo pod began >>/db/said; exec tail -f /dev/null"], volumeMounts: [{ name: db, mountPath: /db }] }]
"#;

/// With its data kept it comes back as the cluster that it was, pods, volumes and all; with its data destroyed, which the plan names, as
/// a new one.
#[test]
fn taken_away_and_installed_again() {
    let Some(mut hosts) = hosts(1) else { return };
    let host: Host = hosts.remove(0);
    let project = project(&host, "{}");
    project.converges();
    let (authority, ready) = (host.ok(AUTHORITY), format!("{}={STABLE},True", host.name()));
    until(&host, "kubectl get sa default -o name", "serviceaccount/default");
    host.ok(&format!("kubectl apply -f - <<'Y'{SHOP}Y"));
    let said = "cat /var/lib/rancher/k3s/storage/pvc-*_default_db/said";
    until(&host, said, "pod began");

    let absent = |more: &str| project.tasks(&format!("{}    state: absent\n{more}", task(STABLE, "{}")));
    absent("");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("/usr/local/bin/k3s") && !plan.contains("volume pvc-"), "{plan}");
    project.converges();
    assert_eq!(host.ok(LEFT), "");
    assert_eq!(host.ok(said), "pod began", "the volume was mounted into a pod, and stays");
    project.tasks(&task(STABLE, "{}"));
    project.converges();
    assert_eq!(host.ok(AUTHORITY), authority);
    assert!(host.ok(READY).contains(&ready));
    until(&host, said, "pod began\npod began");

    absent("    data: destroy\n");
    // What somebody mounted there is not k3s's.
    host.ok("mkdir -p /srv/own /var/lib/rancher/k3s/storage/own; echo mine >/srv/own/file; mount --bind /srv/own /var/lib/rancher/k3s/storage/own");
    let plan = project.says(&["plan"], 4);
    assert!(plan.contains("something is mounted at `/var/lib/rancher/k3s/storage/own`"), "{plan}");
    host.ok("umount /var/lib/rancher/k3s/storage/own; touch /var/lib/rancher/k3s/.mine");
    let plan = project.says(&["plan"], 4);
    assert!(plan.contains("`/var/lib/rancher/k3s/.mine` is not of k3s"), "{plan}");
    host.ok("rm /var/lib/rancher/k3s/.mine");
    let plan = project.says(&["plan"], 0);
    let volume = host.ok("basename /var/lib/rancher/k3s/storage/pvc-*_default_db");
    for part in ["datastore (SQLite)", &format!("volume {volume}"), "/var/lib/rancher/k3s:", "/etc/rancher/k3s:"] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    project.converges();
    assert_eq!(host.ok(LEFT), "");
    assert_eq!(host.ok("ls -d /var/lib/rancher/k3s /etc/rancher/k3s 2>/dev/null; cat /srv/own/file"), "mine");
    project.tasks(&task(STABLE, "{}"));
    project.converges();
    assert_ne!(host.ok(AUTHORITY), authority);
    assert!(host.ok(READY).contains(&ready));
    assert_eq!(host.ok("kubectl get pods,pvc,pv -o name"), "", "a new cluster");
}
