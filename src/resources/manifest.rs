//! `manifest`: objects of the cluster as declared, by server-side apply; the diff is what the API says it would do.

mod declared;
mod diff;
mod unchanged;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{kept, kinds, member};
use crate::model::decode::{Data, Misfit};
use crate::model::{
    Action, After, Arg, Change, Doc, Fault, FileTexts, Halt, KustomizedText, NamedText, Patience, Resource, Shown,
    Thing, Undo, Value, Verdict,
};
use crate::targets::cluster::settle::{Until, Want, runs_something};
use crate::targets::cluster::{Cluster, ClusterProbe, DryRun, Live, Object, ObjectId, Step};

/// Objects of the cluster as declared.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// An object, or a list of objects. Either this, `src` or `kustomize`.
    definition: Option<Data>,
    /// A YAML file with objects, or a folder of such files, in `files/` or `templates/` of the role or the project. What lies in
    /// `templates/`, or ends in `.j2`, is rendered.
    src: Option<Arg<FileTexts>>,
    /// A folder with a `kustomization.yaml` in `files/` of the role or the project; `kubectl` or `kustomize` of this machine reads
    /// it.
    kustomize: Option<Arg<KustomizedText>>,
    /// Shall they be there, or not?
    #[serde(default)]
    state: Wished,
    /// The namespace of objects that name none.
    #[serde(default = "default_namespace")]
    namespace: String,
    /// Take fields that others have set to other values; otherwise that is a fault that names them.
    #[serde(default)]
    force_conflicts: bool,
    /// Change objects that Argo CD, Flux or Helm keep, too? They may turn that back; otherwise it is a fault that names them.
    #[serde(default)]
    shared: bool,
    /// Is the task done only when all of them are ready (or gone)? Without it that holds for what runs something
    /// (Deployments, Jobs, charts ...) and for what is to be gone. The `timeout` of the task bounds it, else five minutes.
    wait: Option<bool>,
    /// Are they taken away when the playbook declares them no longer? Only what was made here is. What holds data or other
    /// objects (claims, volumes, Namespaces, Secrets, definitions of kinds) stays, unless `allow_delete` under `cluster` of the
    /// environment names it.
    #[serde(default = "kinds::yes")]
    prune: bool,
    #[serde(skip)]
    #[schemars(skip)]
    objects: OnceLock<Result<Vec<Object>, Vec<Misfit>>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Wished {
    #[default]
    Present,
    Absent,
}

fn default_namespace() -> String {
    "default".to_owned()
}

/// One object as it is and as it would be.
#[derive(Debug)]
pub(super) struct Looked {
    /// With the namespace that the cluster gives it.
    object: Object,
    live: Option<Arc<Live>>,
    /// What the API says; `None` where only the declaration tells.
    result: Option<Live>,
}

impl Manifest {
    /// One object, for resources that are made of one.
    pub(super) fn of(object: Value, namespace: &str, wait: Option<bool>) -> Self {
        Self {
            definition: Some(Data(object)),
            src: None,
            kustomize: None,
            state: Wished::Present,
            namespace: namespace.to_owned(),
            force_conflicts: false,
            shared: false,
            wait,
            prune: true,
            objects: OnceLock::new(),
        }
    }

    fn objects(&self) -> Result<&[Object], &[Misfit]> {
        let late = |name: &str, after: &After| Err(vec![declared::not_known(name, "the file", after)]);
        let read = || match (&self.definition, &self.src, &self.kustomize) {
            (Some(definition), ..) => declared::from_value("definition", &definition.0, &self.namespace),
            (None, Some(src), _) => match src.value() {
                Ok(files) => declared::from_files("src", &files.0, &self.namespace),
                Err(after) => late("src", &after),
            },
            (None, None, Some(kustomize)) => match kustomize.value() {
                Ok(text) => {
                    let text = NamedText { path: String::new(), content: Ok(text.0.clone()) };
                    declared::from_files("kustomize", &[text], &self.namespace)
                }
                Err(after) => late("kustomize", &after),
            },
            (None, None, None) => Ok(Vec::new()),
        };
        self.objects.get_or_init(read).as_deref().map_err(Vec::as_slice)
    }

    /// What has to be ready, or gone, before the task is done.
    async fn wants(&self, probe: &ClusterProbe) -> Result<Vec<Want>, Halt> {
        let mut wants = Vec::new();
        for Object { id, .. } in self.objects().unwrap_or_default() {
            let until = match self.state {
                Wished::Present => Until::Ready,
                Wished::Absent => Until::Gone,
            };
            let runs = until == Until::Gone || runs_something(id.group(), &id.kind);
            // A kind that nobody serves has no objects.
            if self.wait.unwrap_or(runs) && (until == Until::Ready || probe.serves(id).await?) {
                wants.push(Want { id: probe.locate(id.clone()).await?, until });
            }
        }
        Ok(wants)
    }

    async fn look(&self, probe: &ClusterProbe, declared: &Object) -> Result<Option<Looked>, Halt> {
        if self.state == Wished::Absent && !probe.serves(&declared.id).await? {
            return Ok(None);
        }
        let object = Object { id: probe.locate(declared.id.clone()).await?, body: declared.body.clone() };
        let live = probe.get(&object.id).await?;
        if self.state == Wished::Absent {
            return Ok(Some(Looked { object, live, result: None }));
        }
        let set = probe.part_of(live.as_deref()).filter(|_| self.prune);
        let object = object.joined(set);
        let unknown = object.body.unknown();
        if live.as_ref().is_some_and(|live| live.is_leaving()) {
            return Ok(Some(Looked { object, live, result: None }));
        }
        let result = if unknown.is_some() {
            // Of a new object the declaration says all that can be said; a stand-in would only be refused.
            let Some(live) = &live else { return Ok(Some(Looked { object, live: None, result: None })) };
            let stand_in = Object { id: object.id.clone(), body: diff::stand_in(&object.body, Some(&live.value)) };
            probe.dry_run(&object, self.force_conflicts, Some(&stand_in)).await?
        } else {
            match &live {
                Some(live) if unchanged::unchanged(&object, live) => DryRun::Result((**live).clone()),
                // Just before it is made, the API says at the write itself whether it can be.
                None if !probe.plans() => return Ok(Some(Looked { object, live, result: None })),
                _ => probe.dry_run(&object, self.force_conflicts, None).await?,
            }
        };
        let result = match result {
            DryRun::Result(result) => Some(result),
            DryRun::Unverified(_) => None,
            DryRun::Open(after) => return Err(after.into()),
        };
        Ok(Some(Looked { object, live, result }))
    }

    /// What makes of `looked` what is declared, if anything does.
    fn change(&self, looked: &Looked) -> Result<Option<Change<Step>>, Halt> {
        let Looked { object, live, result } = looked;
        let id = &object.id;
        let uid = live.as_ref().and_then(|live| live.uid()).map(str::to_owned);
        if self.state == Wished::Absent {
            let gone = |change: Change<Step>| change.field("object", Shown::value(id), Shown::Absent);
            let step = Step::Delete { id: id.clone(), uid };
            let Some(live) = live else { return Ok(None) };
            return kept::allowed(id, Some(live), self.shared, gone(Change::new(Action::Delete)).step(step)).map(Some);
        }
        if let (Some(live), Some(uid)) = (live.as_ref().filter(|live| live.is_leaving()), &uid) {
            // What is applied to it would go with it.
            let change = Change { fields: diff::created(object), ..Change::new(Action::Create) };
            let waits = Shown::Value("until the one that is being deleted is gone".to_owned());
            let step = Step::Replace { object: object.clone(), uid: uid.clone(), result: Live::promised(object) };
            let change = change.field("waits", Shown::Absent, waits).step(step);
            return kept::allowed(id, Some(live), self.shared, change).map(Some);
        }
        let reopened = |result: &Live| Live { value: diff::reopened(&result.value, &object.body), ..result.clone() };
        let leaves = result.as_ref().map(reopened);
        let step = Step::Apply { object: object.clone(), uid, force: self.force_conflicts, result: leaves };
        let (action, fields) = match live {
            None => (Action::Create, diff::created(object)),
            Some(live) => {
                let promised = || Cow::Owned(Live::promised(object));
                let result = result.as_ref().map_or_else(promised, Cow::Borrowed);
                (Action::Update, diff::updated(object, live, &result)?)
            }
        };
        let change = Change { fields, ..Change::new(action) };
        if change.fields.is_empty() {
            return Ok(None);
        }
        kept::allowed(id, live.as_deref(), self.shared, change.step(step)).map(Some)
    }
}

impl Resource for Manifest {
    const NAME: &'static str = "manifest";
    const DOC: Doc = Doc {
        summary: "objects of the cluster as declared",
        example: "\
- name: settings of the application
  manifest:
    namespace: app
    definition:
      apiVersion: v1
      kind: ConfigMap
      metadata:
        name: settings
      data:
        LOG_LEVEL: info
",
    };
    type Target = Cluster;
    type State = Vec<Looked>;

    fn check(&self) -> Vec<Misfit> {
        let given = [self.definition.is_some(), self.src.is_some(), self.kustomize.is_some()];
        let source = match given.into_iter().filter(|given| *given).count() {
            0 => Some(Misfit::new("", "one of the parameters `definition`, `src` and `kustomize` is missing")),
            1 => None,
            _ if self.src.is_some() => {
                Some(Misfit::new("src", "one of `definition`, `src` and `kustomize`, not several"))
            }
            _ => Some(Misfit::new("kustomize", "one of `definition`, `src` and `kustomize`, not several")),
        };
        let objects = self.objects().err().unwrap_or_default();
        source.into_iter().chain(objects.iter().cloned()).collect()
    }

    fn things(&self) -> Vec<Thing> {
        self.objects().unwrap_or_default().iter().map(|object| object.id.thing()).collect()
    }

    fn undo(&self) -> Option<Undo> {
        (self.prune && self.state == Wished::Present).then(member::undo)
    }

    async fn read(&self, probe: &ClusterProbe) -> Result<Vec<Looked>, Halt> {
        let objects = self.objects().map_err(|misfits| match misfits.first() {
            Some(Misfit { unknown: Some(after), .. }) => Halt::Later(after.clone()),
            first => Fault::failed("the manifest cannot be read")
                .cause(first.map(ToString::to_string).unwrap_or_default())
                .help("correct it; `lions validate` shows where")
                .into(),
        })?;
        let after = After::new("the same task");
        let mut probe = probe.clone();
        let mut all = Vec::with_capacity(objects.len());
        // All together, but an object may live in the namespace, or be of the kind, that one before it brings.
        for together in objects.chunk_by(|one, next| !brings_others(&one.id) && !brings_others(&next.id)) {
            let looks = together.iter().map(|declared| self.look(&probe, declared));
            for looked in futures::future::join_all(looks).await {
                let Some(looked) = looked? else { continue };
                if brings_others(&looked.object.id)
                    && let Some(change) = self.change(&looked)?
                {
                    probe = change.steps.iter().fold(probe, |probe, step| probe.after(step, &after));
                }
                all.push(looked);
            }
        }
        Ok(all)
    }

    fn plan(&self, current: &Vec<Looked>) -> Result<Verdict<Step>, Halt> {
        let mut whole: Option<Change<Step>> = None;
        let several = current.len() > 1;
        // What was made last goes first.
        let order: Vec<&Looked> = match self.state {
            Wished::Present => current.iter().collect(),
            Wished::Absent => current.iter().rev().collect(),
        };
        for looked in order {
            let Some(mut change) = self.change(looked)? else { continue };
            if several {
                for field in &mut change.fields {
                    field.name = format!("{} {}", short(&looked.object.id), field.name).into();
                }
            }
            whole = Some(match whole {
                None => change,
                Some(mut whole) => {
                    // Something new beside something altered: altered says more.
                    whole.action = if whole.action == change.action { change.action } else { Action::Update };
                    whole.fields.append(&mut change.fields);
                    whole.steps.append(&mut change.steps);
                    whole
                }
            });
        }
        Ok(whole.map_or_else(
            || Verdict::right(if self.state == Wished::Absent { "not there" } else { "as declared" }),
            Verdict::Change,
        ))
    }

    async fn unready(&self, probe: &ClusterProbe) -> Result<Option<String>, Halt> {
        let wants = self.wants(probe).await?;
        for want in &wants {
            if let Some(why) = probe.unsettled(want).await? {
                return Ok(Some(if wants.len() == 1 { why } else { format!("{}: {why}", short(&want.id)) }));
            }
        }
        Ok(None)
    }

    async fn settle(&self, probe: &ClusterProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        match self.wants(probe).await {
            Ok(wants) => probe.settle(&wants, patience).await,
            Err(Halt::Fault(fault)) => Err(fault),
            Err(Halt::Later(after)) => Err(Fault::failed(format!("what is to be ready is not known {after}"))),
        }
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A definition may hold the data of a Secret as plain text.
        out.debug_struct("Manifest").field("things", &self.things()).field("state", &self.state).finish_non_exhaustive()
    }
}

fn brings_others(id: &ObjectId) -> bool {
    id.defines_kinds() || *id == ObjectId::of_namespace(&id.name)
}

/// `ConfigMap default/app`: enough within one task.
fn short(id: &ObjectId) -> String {
    let namespace = id.namespace.as_ref().map_or(String::new(), |namespace| format!("{namespace}/"));
    format!("{} {namespace}{}", id.kind, id.name)
}
