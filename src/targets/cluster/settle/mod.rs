//! Is an object ready for those who need it? From what the API says of it, of its pods and of what happened, to ready,
//! waiting (why) or stuck (why, and which case of the runbook it is): that is pure. `scene` asks for what is missing, `wait` asks again
//! until it is over, `report` gathers what tells why.
//!
//! Rules for every kind come from kstatus (`sigs.k8s.io/cli-utils`) and the API conventions on conditions: the
//! controller must have seen the last change (`observedGeneration`), `Reconciling` waits, `Stalled` is stuck, then the rule
//! of the kind, then `Ready`. Rules of a kind are in the file of its family. Where kstatus calls something current
//! that others cannot use yet (a Job that runs), this does not.

mod addon;
mod case;
mod job;
mod kinds;
mod network;
mod pod;
mod policy;
mod read;
mod report;
mod scene;
mod storage;
mod wait;
mod workload;

use std::time::Duration;

use serde_json::Value as Json;

pub use case::Case;
pub(super) use pod::is_ready;
use read::{condition, number, text};
pub(super) use scene::selector;
pub use wait::{Until, Want};

/// All that is known of one object.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The object.
    pub object: Json,
    /// Pods that belong to it, of every revision.
    #[serde(default)]
    pub pods: Vec<Json>,
    /// What happened to it and to what belongs to it, in any order.
    #[serde(default)]
    pub events: Vec<Json>,
    /// What else tells of it: the ReplicaSets of a Deployment, the StorageClass of a claim, the Job of a chart.
    #[serde(default)]
    pub others: Vec<Json>,
}

impl Scene {
    /// Of an object of which nothing else is known.
    #[must_use]
    pub fn alone(object: Json) -> Self {
        Self { object, ..Self::default() }
    }
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// Others can use it.
    Ready,
    /// Nothing says that it is not ready; of something new that means little, so it has to stay like that for so long.
    Presumed(Duration),
    /// Not yet.
    Waiting(String),
    /// Not without help.
    Stuck(Trouble),
}

/// Why something will not get ready.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Which case of the runbook.
    pub case: Case,
    /// One line.
    pub why: String,
    /// Whose log tells more.
    pub suspect: Option<Suspect>,
    /// It may pass by itself: it is certain when it has lasted for so long; [`Duration::MAX`]: never by itself.
    pub patience: Duration,
}

impl Trouble {
    fn new(case: Case, why: impl Into<String>) -> Self {
        Self { case, why: why.into(), suspect: None, patience: Duration::ZERO }
    }

    fn lasting(mut self, seconds: u64) -> Self {
        self.patience = Duration::from_secs(seconds);
        self
    }

    /// It may pass at any time: only who has waited long enough says that it is certain.
    fn doubtful(mut self) -> Self {
        self.patience = Duration::MAX;
        self
    }

    fn of(mut self, suspect: impl Into<Option<Suspect>>) -> Self {
        self.suspect = suspect.into();
        self
    }
}

/// A container that says what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its pod, in the namespace of the object.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// It was started anew since: the log of the run before tells.
    pub previous: bool,
}

/// A custom resource whose controller says nothing looks ready as soon as it is there.
const QUIET: Duration = Duration::from_secs(3);

/// Is the object of `scene` ready?
#[must_use]
pub fn judge(scene: &Scene) -> Settled {
    let object = &scene.object;
    if let Some(going) = leaving(object) {
        return Settled::Waiting(going);
    }
    let (group, kind) = (group(object), text(object, "/kind").unwrap_or_default());
    if let Some(early) = seen(object, group, kind) {
        // A StatefulSet whose first pod is refused never says that it has seen anything.
        return workload::refused(scene, object).filter(|_| group == "apps").map_or(early, Settled::Stuck);
    }
    match (group, kind) {
        ("apps", "Deployment") => workload::deployment(scene),
        ("apps", "StatefulSet") => workload::stateful_set(scene),
        ("apps", "DaemonSet") => workload::daemon_set(scene),
        ("apps", "ReplicaSet") => workload::replica_set(scene),
        ("batch", "Job") => job::job(scene),
        ("", "Pod") => pod::pod(scene),
        ("", "Node") => by_conditions(object).unwrap_or(Settled::Ready),
        ("", "Service") => network::service(scene),
        ("networking.k8s.io" | "extensions", "Ingress") => network::ingress(object),
        ("", "PersistentVolumeClaim") => storage::claim(scene),
        ("", "Namespace") => kinds::namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => kinds::definition(object),
        ("apiregistration.k8s.io", "APIService") => kinds::service(object),
        ("autoscaling", "HorizontalPodAutoscaler") => policy::autoscaler(object),
        ("helm.cattle.io", "HelmChart") => addon::helm_chart(scene),
        ("cert-manager.io", "Certificate") => addon::certificate(object),
        // A CronJob, a PodDisruptionBudget and all that only holds data is ready as soon as it is there.
        ("" | "apps" | "batch" | "policy", _) => Settled::Ready,
        (group, _) if group.ends_with(".k8s.io") => by_conditions(object).unwrap_or(Settled::Ready),
        _ => by_conditions(object).unwrap_or(Settled::Presumed(QUIET)),
    }
}

/// The kinds that are waited for when nobody says otherwise: those that run something.
#[must_use]
pub fn runs_something(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job")
            | ("", "Pod")
            | ("helm.cattle.io", "HelmChart")
    )
}

/// Why the object is on its way out, if it is.
#[must_use]
pub fn leaving(object: &Json) -> Option<String> {
    text(object, "/metadata/deletionTimestamp")?;
    let finalizers = object.pointer("/metadata/finalizers").and_then(Json::as_array).into_iter().flatten();
    let mut finalizers: Vec<&str> = finalizers.filter_map(Json::as_str).collect();
    if text(object, "/kind") == Some("Namespace") {
        // What keeps it stands in its conditions: objects that are left, and kinds that cannot be asked about.
        finalizers.clear();
        if let Some(why) = kinds::remains(object) {
            return Some(format!("it is being deleted: {why}"));
        }
    }
    Some(match finalizers.as_slice() {
        [] => "it is being deleted".to_owned(),
        names => format!("it is being deleted, and held by {}", quoted(names)),
    })
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn group(object: &Json) -> &str {
    text(object, "/apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
}

/// What holds for every kind: kstatus, before the rule of the kind.
fn seen(object: &Json, group: &str, kind: &str) -> Option<Settled> {
    let (generation, observed) = (number(object, "/metadata/generation"), number(object, "/status/observedGeneration"));
    // These always say what they have seen; without it they have not looked yet.
    let says = matches!((group, kind), ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"));
    if generation.is_some() && (says || observed.is_some()) && observed != generation {
        return Some(Settled::Waiting("its controller has not seen the change yet".to_owned()));
    }
    if let Some(reconciling) = condition(object, "Reconciling").filter(|condition| condition.holds()) {
        return Some(Settled::Waiting(reconciling.says("its controller is at work")));
    }
    let stalled = condition(object, "Stalled").filter(|condition| condition.holds())?;
    Some(Settled::Stuck(Trouble::new(Case::Controller, stalled.says("its controller has given up"))))
}

/// What a `Ready` (or `Available`) condition says; nothing without one.
fn by_conditions(object: &Json) -> Option<Settled> {
    let found = condition(object, "Ready").or_else(|| condition(object, "Available"))?;
    if found.is_older_than(object) {
        return Some(Settled::Waiting("its controller has not seen the change yet".to_owned()));
    }
    Some(if found.holds() { Settled::Ready } else { Settled::Waiting(found.says("it says that it is not ready")) })
}
