//! `scale`: how many pods a workload has.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{kept, kinds};
use crate::model::decode::Misfit;
use crate::model::{Action, Change, Doc, Fault, Halt, Map, Patience, Resource, Shown, Thing, Value, Verdict};
use crate::targets::cluster::{Cluster, ClusterProbe, Live, ObjectId, Step};

/// How many pods a workload has. A `manifest` of the same workload then leaves `spec.replicas` out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scale {
    /// What sort of workload.
    kind: Scaled,
    /// Its name.
    name: String,
    /// Its namespace.
    #[serde(default = "kinds::default_namespace")]
    namespace: String,
    /// How many pods.
    replicas: u32,
    /// Also when Argo CD, Flux or Helm keep it? They may turn that back; otherwise it is a fault that names them.
    #[serde(default)]
    shared: bool,
    /// Is the task done only when they are ready?
    #[serde(default = "kinds::yes")]
    wait: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
enum Scaled {
    Deployment,
    StatefulSet,
    ReplicaSet,
}

impl Scale {
    fn id(&self) -> ObjectId {
        kinds::workload(&format!("{:?}", self.kind), &self.namespace, &self.name)
    }
}

fn replicas(live: &Live) -> i64 {
    match live.value.get("spec").and_then(|spec| spec.get("replicas")) {
        Some(Value::Int(number)) => *number,
        // What the API sets when nothing is declared.
        _ => 1,
    }
}

/// The same with another count.
fn scaled(live: &Live, replicas: i64) -> Live {
    let mut live = live.clone();
    if let Value::Map(object) = &mut live.value {
        let spec = object.entry("spec".to_owned()).or_insert_with(|| Value::Map(Map::new()));
        if let Value::Map(spec) = spec {
            spec.insert("replicas".to_owned(), Value::Int(replicas));
        }
    }
    live
}

impl Resource for Scale {
    const NAME: &'static str = "scale";
    const DOC: Doc = Doc {
        summary: "how many pods a workload has",
        example: "\
- name: the database has no clients while it is restored
  scale: { kind: Deployment, name: keycloak, namespace: keycloak, replicas: 0 }
",
    };
    type Target = Cluster;
    type State = Arc<Live>;

    fn check(&self) -> Vec<Misfit> {
        [kinds::named("name", &self.name), kinds::named("namespace", &self.namespace)].into_iter().flatten().collect()
    }

    fn things(&self) -> Vec<Thing> {
        vec![self.id().thing()]
    }

    async fn read(&self, probe: &ClusterProbe) -> Result<Arc<Live>, Halt> {
        kinds::present(probe, &self.id()).await
    }

    fn plan(&self, current: &Arc<Live>) -> Result<Verdict<Step>, Halt> {
        let (before, after) = (replicas(current), i64::from(self.replicas));
        if before == after {
            return Ok(Verdict::right(format!("{after} replicas")));
        }
        let uid = current.uid().map(str::to_owned);
        let step = Step::Scale { id: self.id(), uid, replicas: after, result: scaled(current, after) };
        let change = Change::new(Action::Update).field("replicas", Shown::value(before), Shown::value(after));
        kept::allowed(&self.id(), Some(current), self.shared, change.step(step)).map(Verdict::Change)
    }

    async fn unready(&self, probe: &ClusterProbe) -> Result<Option<String>, Halt> {
        if self.wait { kinds::unready(probe, &self.id()).await } else { Ok(None) }
    }

    async fn settle(&self, probe: &ClusterProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        if self.wait { kinds::settle(probe, self.id(), patience).await } else { Ok(()) }
    }
}
