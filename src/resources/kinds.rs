//! Objects that a task names by kind and name: which version their kind has when nobody says, and looking for them.

use crate::model::decode::Misfit;
use crate::model::{Fault, Halt, Patience};
use crate::targets::cluster::settle::{Until, Want};
use crate::targets::cluster::{ClusterProbe, Live, ObjectId};

/// Kinds that every cluster has, or that `k3s` and the platform bring.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "v1",
        &[
            "ConfigMap",
            "Endpoints",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("apps/v1", &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("batch/v1", &["CronJob", "Job"]),
    ("networking.k8s.io/v1", &["Ingress", "IngressClass", "NetworkPolicy"]),
    ("policy/v1", &["PodDisruptionBudget"]),
    ("autoscaling/v2", &["HorizontalPodAutoscaler"]),
    ("storage.k8s.io/v1", &["StorageClass"]),
    ("apiextensions.k8s.io/v1", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io/v1", &["APIService"]),
    ("helm.cattle.io/v1", &["HelmChart"]),
    ("cert-manager.io/v1", &["Certificate", "ClusterIssuer", "Issuer"]),
];

/// The version of `kind`, as said or as known.
pub(super) fn version(api_version: Option<&str>, kind: &str) -> Result<String, Misfit> {
    if let Some(said) = api_version {
        return Ok(said.to_owned());
    }
    let known = KNOWN.iter().find(|(_, kinds)| kinds.contains(&kind));
    known.map(|(version, _)| (*version).to_owned()).ok_or_else(|| {
        let near = crate::source::did_you_mean(kind, KNOWN.iter().flat_map(|(_, kinds)| kinds.iter().copied()));
        let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? Otherwise "));
        Misfit::new("kind", format!("which API version `{kind}` has is not known: {near}say `api_version`"))
    })
}

/// A name that may stand in a path of the API.
pub(super) fn named(parameter: &str, name: &str) -> Option<Misfit> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_');
    let fits = !name.is_empty() && !matches!(name, "." | "..") && name.bytes().all(plain);
    (!fits).then(|| Misfit::new(parameter, format!("{name:?} is not the name of an object")))
}

/// A workload of `apps/v1`.
pub(super) fn workload(kind: &str, namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        api_version: "apps/v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

/// An object that has to be there.
pub(super) async fn present(probe: &ClusterProbe, id: &ObjectId) -> Result<std::sync::Arc<Live>, Halt> {
    probe.get(id).await?.ok_or_else(|| {
        // It may come of a chart, or of what another task makes there.
        if let Some(after) = id.namespace.as_deref().and_then(|namespace| probe.stirs(namespace)) {
            return after.into();
        }
        Fault::failed(format!("there is no `{id}`"))
            .help("is its name right, and its namespace? Or let the task that makes it come before this one")
            .into()
    })
}

/// What `id` is not ready for.
pub(super) async fn unready(probe: &ClusterProbe, id: &ObjectId) -> Result<Option<String>, Halt> {
    probe.unsettled(&Want { id: id.clone(), until: Until::Ready }).await
}

/// Waits until `id` is ready.
pub(super) async fn settle(probe: &ClusterProbe, id: ObjectId, patience: &Patience<'_>) -> Result<(), Fault> {
    probe.settle(&[Want { id, until: Until::Ready }], patience).await
}

pub(super) fn default_namespace() -> String {
    "default".to_owned()
}

pub(super) const fn yes() -> bool {
    true
}
