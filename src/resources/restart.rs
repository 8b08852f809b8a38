//! `restart`: all pods of a workload, made anew one after the other. For handlers.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::kinds;
use crate::model::decode::Misfit;
use crate::model::{Action, Change, Doc, Fault, FaultKind, Halt, Patience, Resource, Shown, Thing, Value, Verdict};
use crate::targets::cluster::{Cluster, ClusterProbe, Live, ObjectId, Step};

/// All pods of a workload are made anew, as by `kubectl rollout restart`: for a handler, when a ConfigMap or a Secret that
/// they read has changed. One that the same run makes is not restarted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restart {
    /// What sort of workload.
    kind: Restarted,
    /// Its name.
    name: String,
    /// Its namespace.
    #[serde(default = "kinds::default_namespace")]
    namespace: String,
    /// Is the task done only when they are ready?
    #[serde(default = "kinds::yes")]
    wait: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
enum Restarted {
    Deployment,
    StatefulSet,
    DaemonSet,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    /// It is made by a task above.
    New,
    /// It is there.
    There(Arc<Live>),
}

impl Restart {
    fn id(&self) -> ObjectId {
        kinds::workload(&format!("{:?}", self.kind), &self.namespace, &self.name)
    }
}

impl Resource for Restart {
    const NAME: &'static str = "restart";
    const DOC: Doc = Doc {
        summary: "all pods of a workload, made anew",
        example: "\
- name: keycloak restarts
  restart: { kind: StatefulSet, name: keycloak, namespace: keycloak }
",
    };
    type Target = Cluster;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        [kinds::named("name", &self.name), kinds::named("namespace", &self.namespace)].into_iter().flatten().collect()
    }

    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    async fn read(&self, probe: &ClusterProbe) -> Result<Seen, Halt> {
        let id = self.id();
        if probe.is_new(&id) {
            return Ok(Seen::New);
        }
        kinds::present(probe, &id).await.map(Seen::There)
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let Seen::There(live) = current else { return Ok(Verdict::right("made by this run")) };
        let id = self.id();
        let spec = live.value.get("spec");
        let never = |why: &str, help: &str| {
            let fault = Fault::new(FaultKind::Refused, format!("`{id}` would not restart: {why}"));
            Err(Halt::Fault(fault.help(help)))
        };
        if spec.and_then(|spec| spec.get("paused")) == Some(&Value::Bool(true)) {
            return never("it is paused", "take `spec.paused` away");
        }
        let strategy = spec.and_then(|spec| spec.get("updateStrategy")).and_then(|strategy| strategy.get("type"));
        if strategy.and_then(Value::as_text) == Some("OnDelete") {
            return never("its pods are updated by hand (`OnDelete`)", "delete its pods, or give it `RollingUpdate`");
        }
        let step = Step::Restart { id: id.clone(), uid: live.uid().map(str::to_owned) };
        let what = format!("{} {}/{}", id.kind, self.namespace, self.name);
        Ok(Verdict::Change(Change::new(Action::Run).field("restart", Shown::Absent, Shown::Value(what)).step(step)))
    }

    async fn settle(&self, probe: &ClusterProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        if self.wait { kinds::settle(probe, self.id(), patience).await } else { Ok(()) }
    }
}
