//! The settings that `server` and `agent` know, and since which release: what k3s would refuse at its start is refused
//! when the playbook is read. Pure.

use super::version::Version;
use crate::model::{Secret, Value};
use crate::source::did_you_mean;

/// Settings of a server that an agent has no use for.
const SERVER: &[&str] = &[
    "datastore-endpoint",
    "datastore-cafile",
    "datastore-certfile",
    "datastore-keyfile",
    "cluster-init",
    "etcd-disable-snapshots",
    "etcd-snapshot-name",
    "etcd-snapshot-schedule-cron",
    "etcd-snapshot-retention",
    "etcd-snapshot-dir",
    "etcd-snapshot-compress",
    "etcd-s3",
    "etcd-s3-endpoint",
    "etcd-s3-endpoint-ca",
    "etcd-s3-skip-ssl-verify",
    "etcd-s3-access-key",
    "etcd-s3-secret-key",
    "etcd-s3-bucket",
    "etcd-s3-region",
    "etcd-s3-folder",
    "etcd-s3-proxy",
    "etcd-s3-config-secret",
    "etcd-s3-insecure",
    "etcd-s3-timeout",
    "etcd-expose-metrics",
    "etcd-arg",
    "agent-token",
    "agent-token-file",
    "https-listen-port",
    "advertise-address",
    "advertise-port",
    "tls-san",
    "tls-san-security",
    "write-kubeconfig",
    "write-kubeconfig-mode",
    "write-kubeconfig-group",
    "write-kubeconfig-name",
    "cluster-cidr",
    "service-cidr",
    "service-node-port-range",
    "cluster-dns",
    "cluster-domain",
    "flannel-backend",
    "flannel-ipv6-masq",
    "flannel-external-ip",
    "egress-selector-mode",
    "servicelb-namespace",
    "disable",
    "disable-scheduler",
    "disable-cloud-controller",
    "disable-kube-proxy",
    "disable-network-policy",
    "disable-helm-controller",
    "disable-apiserver",
    "disable-controller-manager",
    "disable-etcd",
    "disable-agent",
    "embedded-registry",
    "supervisor-metrics",
    "helm-job-image",
    "helm-controller-arg",
    "kube-apiserver-arg",
    "kube-controller-manager-arg",
    "kube-scheduler-arg",
    "kube-cloud-controller-manager-arg",
    "secrets-encryption",
    "secrets-encryption-provider",
    "default-local-storage-path",
    "system-default-registry",
];

/// Settings of both.
const NODE: &[&str] = &[
    "bind-address",
    "flannel-iface",
    "flannel-conf",
    "flannel-cni-conf",
    "kubelet-arg",
    "kube-proxy-arg",
    "data-dir",
    "debug",
    "log",
    "v",
    "node-name",
    "with-node-id",
    "node-label",
    "node-taint",
    "node-ip",
    "node-external-ip",
    "node-internal-dns",
    "node-external-dns",
    "resolv-conf",
    "lb-server-port",
    "disable-default-registry-endpoint",
    "snapshotter",
    "container-runtime-endpoint",
    "image-service-endpoint",
    "default-runtime",
    "pause-image",
    "selinux",
    "protect-kernel-defaults",
    "prefer-bundled-bin",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "nonroot-devices",
    "vpn-auth",
    "vpn-auth-file",
    "docker",
];

/// Settings of an agent only.
const AGENT: &[&str] = &["disable-apiserver-lb"];

/// Settings that not every release has: which minor release brought them.
const SINCE: &[(&str, u64)] = &[("write-kubeconfig-name", 37)];

/// Settings that a parameter of the task says.
const PARAMETERS: &[(&str, &str)] = &[
    ("token", "token"),
    ("token-file", "token"),
    ("server", "server"),
    ("private-registry", "registries"),
    ("config", "config"),
];

/// Settings that are secret, or hold a password.
const SECRET: &[&str] = &["datastore-endpoint", "agent-token", "etcd-s3-access-key", "etcd-s3-secret-key", "vpn-auth"];

/// `value` of `key` as it may be shown.
pub(super) fn seal(key: &str, value: Value) -> Value {
    match value {
        Value::Text(_) if SECRET.contains(&key.strip_suffix('+').unwrap_or(key)) => Value::Secret(Secret::new(value)),
        other => other,
    }
}

/// The last minor release whose settings are known here.
const KNOWN: (u64, u64) = (1, 37);

/// Why `key` is no setting of such a node.
pub(super) fn refuse(key: &str, server: bool, version: &Version) -> Option<String> {
    // `key+` adds to what another file says.
    let name = key.strip_suffix('+').unwrap_or(key);
    if let Some((_, parameter)) = PARAMETERS.iter().find(|(setting, _)| *setting == name) {
        return Some(format!("`{name}` is said by the parameter `{parameter}` of the task"));
    }
    if !server && SERVER.contains(&name) {
        return Some(format!("`{name}` is a setting of a server, and this is an agent"));
    }
    if server && AGENT.contains(&name) {
        return Some(format!("`{name}` is a setting of an agent, and this is a server"));
    }
    if let Some((_, since)) = SINCE.iter().find(|(setting, since)| *setting == name && version.minor() < (1, *since)) {
        return Some(format!("{version} does not know `{name}`, which came with v1.{since}"));
    }
    let known = || NODE.iter().chain(if server { SERVER } else { AGENT }).copied();
    if known().any(|known| known == name) || version.minor() > KNOWN {
        return None;
    }
    let near = did_you_mean(name, known()).map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
    Some(format!("k3s {version} does not know `{name}`{near}"))
}
