//! `helm_chart`: a chart that the HelmChart controller of k3s installs.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::kinds;
use super::manifest::{Looked, Manifest};
use super::member;
use crate::model::decode::{Data, Misfit};
use crate::model::{Doc, Fault, Halt, Map, Patience, Resource, Thing, Undo, Value, Verdict};
use crate::targets::cluster::{Cluster, ClusterProbe, Step};

/// A chart that the cluster itself installs, upgrades and (with `manifest`, `state: absent`) uninstalls: the HelmChart
/// controller of k3s does it. Done when its install Job is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HelmChart {
    /// The name of the release.
    name: String,
    /// Where the HelmChart itself and its Job live.
    #[serde(default = "system")]
    namespace: String,
    /// The chart: a name in `repo`, or the address of a packed one, or `oci://...`.
    chart: String,
    /// The address of the chart's repository.
    repo: Option<String>,
    /// The version of the chart. Without one the newest is installed, whenever that is.
    version: Option<String>,
    /// Where what it installs lives; made when it is not there.
    target_namespace: Option<String>,
    /// Values for the chart. They stand in the HelmChart for everyone to read, so no secret may be among them.
    values: Option<Data>,
    /// Secrets whose keys hold values as YAML: name and keys.
    #[serde(default)]
    values_secrets: BTreeMap<String, Vec<String>>,
    /// What is done when an upgrade fails: nothing more, or a new try. `reinstall` uninstalls the release first, with what it
    /// holds, and is what the cluster does when nobody says.
    #[serde(default)]
    failure_policy: FailurePolicy,
    /// How long helm itself waits for one step: `10m`.
    helm_timeout: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum FailurePolicy {
    #[default]
    Abort,
    Retry,
    Reinstall,
}

fn system() -> String {
    "kube-system".to_owned()
}

impl HelmChart {
    fn manifest(&self) -> Manifest {
        let mut spec = Map::new();
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                spec.insert(key.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.as_deref().map(Value::text);
        add("chart", Some(Value::text(self.chart.as_str())));
        add("repo", text(&self.repo));
        add("version", text(&self.version));
        add("targetNamespace", text(&self.target_namespace));
        add("createNamespace", self.target_namespace.as_ref().map(|_| Value::Bool(true)));
        // JSON is YAML, and every controller knows this field. An unknown value leaves all of it unknown.
        add(
            "valuesContent",
            self.values.as_ref().map(|values| match values.0.unknown() {
                Some(after) => Value::Unknown(after.clone()),
                None => Value::text(format!("{:#}\n", values.0.to_shown_json())),
            }),
        );
        let secrets = self.values_secrets.iter().map(|(name, keys)| Value::from(json!({ "name": name, "keys": keys })));
        let secrets: Vec<Value> = secrets.collect();
        add("valuesSecrets", (!secrets.is_empty()).then_some(Value::List(secrets)));
        add("failurePolicy", Some(Value::text(format!("{:?}", self.failure_policy).to_lowercase())));
        add("timeout", text(&self.helm_timeout));
        let metadata = Value::from(json!({ "name": self.name, "namespace": self.namespace }));
        let object = Map::from([
            ("apiVersion".to_owned(), Value::text("helm.cattle.io/v1")),
            ("kind".to_owned(), Value::text("HelmChart")),
            ("metadata".to_owned(), metadata),
            ("spec".to_owned(), Value::Map(spec)),
        ]);
        Manifest::of(Value::Map(object), &self.namespace, None)
    }
}

impl Resource for HelmChart {
    const NAME: &'static str = "helm_chart";
    const DOC: Doc = Doc {
        summary: "a chart that the HelmChart controller of k3s installs",
        example: "\
- name: cert-manager
  helm_chart:
    name: cert-manager
    chart: cert-manager
    repo: https://charts.jetstack.io
    version: v1.18.2
    target_namespace: cert-manager
    values:
      crds: { enabled: true }
",
    };
    type Target = Cluster;
    type State = Vec<Looked>;

    fn check(&self) -> Vec<Misfit> {
        let names = [kinds::named("name", &self.name), kinds::named("namespace", &self.namespace)];
        let mut misfits: Vec<Misfit> = names.into_iter().flatten().collect();
        if self.values.as_ref().is_some_and(|values| values.0.has_secret()) {
            let why = "a HelmChart is no Secret, everyone can read it: put what is secret into a `secret`, and name that in `values_secrets`";
            misfits.push(Misfit::new("values", why));
        }
        if self.chart.trim().is_empty() {
            misfits.push(Misfit::new("chart", "it is empty"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        Resource::things(&self.manifest())
    }

    fn undo(&self) -> Option<Undo> {
        Some(member::undo())
    }

    async fn read(&self, probe: &ClusterProbe) -> Result<Vec<Looked>, Halt> {
        self.manifest().read(probe).await
    }

    fn plan(&self, current: &Vec<Looked>) -> Result<Verdict<Step>, Halt> {
        self.manifest().plan(current)
    }

    async fn unready(&self, probe: &ClusterProbe) -> Result<Option<String>, Halt> {
        Resource::unready(&self.manifest(), probe).await
    }

    async fn settle(&self, probe: &ClusterProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        Resource::settle(&self.manifest(), probe, patience).await
    }
}

impl fmt::Debug for HelmChart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HelmChart").field("name", &self.name).field("chart", &self.chart).finish_non_exhaustive()
    }
}
