//! `job`: something that runs to its end in the cluster, once for every version of it.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{kinds, member};
use crate::model::decode::{Data, Misfit};
use crate::model::{Action, Change, Doc, Fault, Halt, Patience, Resource, Shown, Thing, Undo, Value, Verdict};
use crate::targets::cluster::settle::{Scene, Settled, judge};
use crate::targets::cluster::{Cluster, ClusterProbe, Live, Object, ObjectId, Step, label, reveal};

/// Something that runs to its end in the cluster: done when it is complete. A Job cannot be changed, so another version of it
/// takes the place of the one before (with its pods and their logs) and runs anew; so does one that failed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    /// Its name.
    name: String,
    /// Its namespace.
    #[serde(default = "kinds::default_namespace")]
    namespace: String,
    /// The image of its only container. Either this or `spec`.
    image: Option<String>,
    /// The program and its arguments; without it the image's own.
    command: Option<Vec<String>>,
    /// Variables of its environment. They stand in the Job for everyone to read: what is secret comes by `env_from`.
    #[serde(default)]
    env: IndexMap<String, String>,
    /// Secrets whose keys are variables of its environment.
    #[serde(default)]
    env_from: Vec<String>,
    /// As whom it speaks to the cluster.
    service_account: Option<String>,
    /// How often it is tried again when it fails.
    #[serde(default)]
    backoff_limit: u32,
    /// The whole `spec` of the Job, for what the others cannot say.
    spec: Option<Data>,
}

/// Where a Job keeps what was declared: the API adds to it what it likes.
const DECLARED: &str = "lions.dev/declared";

impl Job {
    fn id(&self) -> ObjectId {
        let mut id = kinds::workload("Job", &self.namespace, &self.name);
        "batch/v1".clone_into(&mut id.api_version);
        id
    }

    fn spec(&self) -> Result<Json, Halt> {
        if let Some(spec) = &self.spec {
            return reveal(&spec.0).map_err(Halt::Later);
        }
        let mut container = json!({ "name": self.name, "image": self.image });
        if let Some(command) = &self.command {
            container["command"] = json!(command);
        }
        if !self.env.is_empty() {
            container["env"] = self.env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        }
        if !self.env_from.is_empty() {
            let secrets = self.env_from.iter().map(|name| json!({ "secretRef": { "name": name } }));
            container["envFrom"] = secrets.collect();
        }
        let mut pod = json!({ "restartPolicy": "Never", "containers": [container] });
        if let Some(account) = &self.service_account {
            pod["serviceAccountName"] = account.as_str().into();
        }
        Ok(json!({ "backoffLimit": self.backoff_limit, "template": { "spec": pod } }))
    }

    fn object(&self, spec: &Json) -> Object {
        let annotations = json!({ DECLARED: spec.to_string() });
        let body = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": self.name, "namespace": self.namespace, "annotations": annotations }, "spec": spec,
        });
        Object::new(self.id(), Value::from(body))
    }
}

/// What is there, and of which set it shall be a member: made anew, and as it is.
#[derive(Debug)]
pub(super) struct Seen {
    live: Option<Arc<Live>>,
    new: Option<String>,
    kept: Option<String>,
}

/// What was declared when a Job was made.
fn declared(live: &Live) -> Option<Json> {
    let annotations = live.value.get("metadata")?.get("annotations")?;
    serde_json::from_str(annotations.get(DECLARED)?.as_text()?).ok()
}

/// A specification as text that can be compared by lines.
fn lines(spec: &Json) -> Shown {
    Shown::Text(format!("{spec:#}\n"))
}

impl Resource for Job {
    const NAME: &'static str = "job";
    const DOC: Doc = Doc {
        summary: "something that runs to its end in the cluster, once for every version of it",
        example: "\
- name: the schema is migrated
  job:
    name: migrate
    namespace: shop
    image: registry.lions.dev/shop:1.4.2
    command: [/app/migrate, --all]
    env_from: [database]
",
    };
    type Target = Cluster;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let names = [kinds::named("name", &self.name), kinds::named("namespace", &self.namespace)];
        let mut misfits: Vec<Misfit> = names.into_iter().flatten().collect();
        match (&self.image, &self.spec) {
            (None, None) => misfits.push(Misfit::new("", "say what it runs: `image` or `spec`")),
            (Some(_), Some(_)) => misfits.push(Misfit::new("spec", "either `image` or `spec`, not both")),
            (Some(_), None) => {}
            (None, Some(spec)) => {
                let own = self.command.is_some() || !self.env.is_empty() || !self.env_from.is_empty();
                if own || self.service_account.is_some() || self.backoff_limit != 0 {
                    misfits.push(Misfit::new("spec", "it says everything: leave the others out"));
                }
                if spec.0.has_secret() {
                    let why = "a Job is no Secret, everyone can read it: put what is secret into a `secret`, and let the pod read that";
                    misfits.push(Misfit::new("spec", why));
                }
                if spec.0.get("ttlSecondsAfterFinished").is_some() {
                    let why = "a Job that goes away by itself would run anew at every run: leave `ttlSecondsAfterFinished` out";
                    misfits.push(Misfit::new("spec", why));
                }
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![self.id().thing()]
    }

    fn undo(&self) -> Option<Undo> {
        Some(member::undo())
    }

    async fn read(&self, probe: &ClusterProbe) -> Result<Seen, Halt> {
        let live = probe.get(&self.id()).await?;
        let set = |live: Option<&Live>| probe.part_of(live).map(str::to_owned);
        let (new, kept) = (set(None), set(live.as_deref()));
        Ok(Seen { live, new, kept })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let spec = self.spec()?;
        let object = self.object(&spec).joined(current.new.as_deref());
        let result = || Live::promised(&object);
        let Some(live) = &current.live else {
            let step = Step::Apply { object: object.clone(), uid: None, force: false, result: Some(result()) };
            let change = Change::new(Action::Run).field("run", Shown::Absent, lines(&spec));
            return Ok(Verdict::Change(change.step(step)));
        };
        let before = declared(live);
        let status = reveal(&live.value).map(|json| judge(&Scene::alone(json)));
        let failed = matches!(status, Ok(Settled::Stuck(_)));
        if before.as_ref() == Some(&spec) && !failed {
            let set = label(&live.value);
            if let Some(kept) = current.kept.as_deref().filter(|kept| set != Some(*kept)) {
                let uid = live.uid().map(str::to_owned);
                let step = Step::Apply { object: object.clone(), uid, force: false, result: Some(result()) };
                let before = set.map_or(Shown::Absent, Shown::value);
                let name = member::label_field();
                return Ok(Verdict::Change(
                    Change::new(Action::Update).field(name, before, Shown::value(kept)).step(step),
                ));
            }
            return Ok(Verdict::right("this version of it was run"));
        }
        let Some(uid) = live.uid() else {
            return Err(Fault::failed(format!("`{}` is made by two tasks of one run", self.id()))
                .help("give each Job a name of its own")
                .into());
        };
        let step = Step::Replace { object: object.clone(), uid: uid.to_owned(), result: result() };
        let before = match before {
            // The same again: it failed.
            Some(before) if before == spec => Shown::value("failed"),
            Some(before) => lines(&before),
            None => Shown::value("a Job that others made"),
        };
        Ok(Verdict::Change(Change::new(Action::Run).field("run", before, lines(&spec)).step(step)))
    }

    async fn unready(&self, probe: &ClusterProbe) -> Result<Option<String>, Halt> {
        kinds::unready(probe, &self.id()).await
    }

    async fn settle(&self, probe: &ClusterProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        kinds::settle(probe, self.id(), patience).await
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Job").field("name", &self.name).field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
