//! What the steps planned so far leave behind in a cluster: objects, and the kinds that definitions among them bring.
//! It asks nothing itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kinds::Kind;
use super::{Live, Object, ObjectId, Step};
use crate::model::{After, Value};

/// What is planned of one object.
#[derive(Clone, Debug)]
pub(super) enum Ghost {
    /// It will be like that.
    There {
        live: Arc<Live>,
        after: After,
        /// Is it the plan that makes it?
        new: bool,
        /// Did the API say so?
        verified: bool,
    },
    /// It will be gone.
    Gone(After),
    /// Nobody knows yet.
    Open(After),
}

/// All that is planned.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadow {
    ghosts: BTreeMap<ObjectId, Ghost>,
    /// By (group version, kind).
    kinds: BTreeMap<(String, String), (Kind, After)>,
    /// Namespaces in which something is run, and the task that does it.
    stirred: BTreeMap<String, After>,
    /// The task that has a chart installed, which may bring kinds that nobody knows yet.
    pub(super) installs: Option<After>,
}

impl Shadow {
    pub(super) fn is_empty(&self) -> bool {
        self.ghosts.is_empty() && self.stirred.is_empty()
    }

    pub(super) fn ghost(&self, id: &ObjectId) -> Option<&Ghost> {
        self.ghosts.get(id)
    }

    /// What is planned of `id` as a task names it: it may give a namespace to what has none.
    pub(super) fn find(&self, id: &ObjectId) -> Option<(ObjectId, Ghost)> {
        let beside = ObjectId { namespace: None, ..id.clone() };
        let (id, ghost) = self.ghosts.get_key_value(id).or_else(|| self.ghosts.get_key_value(&beside))?;
        Some((id.clone(), ghost.clone()))
    }

    /// The kind that a planned definition brings, and the task that plans it.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<&(Kind, After)> {
        self.kinds.get(&(api_version.to_owned(), kind.to_owned()))
    }

    /// The task that makes, or takes away, the namespace of `id`.
    pub(super) fn namespace(&self, id: &ObjectId) -> Option<&Ghost> {
        self.ghosts.get(&ObjectId::of_namespace(id.namespace.as_deref()?))
    }

    pub(super) fn imitate(&mut self, step: &Step, after: &After) {
        match step {
            Step::Apply { object, uid, result, .. } => {
                let live = result.clone().unwrap_or_else(|| Live::promised(object));
                if object.id.kind == "HelmChart" {
                    // What it installs only helm knows: kinds, and objects in its namespace.
                    let target = object.body.get("spec").and_then(|spec| spec.get("targetNamespace"));
                    let target = target.and_then(Value::as_text).or(object.id.namespace.as_deref());
                    self.stir(target, after);
                    self.installs = Some(after.clone());
                }
                if object.id.defines_kinds() {
                    let defined = defined(&object.body).into_iter();
                    self.kinds.extend(defined.map(|(key, kind)| (key, (kind, after.clone()))));
                }
                let ghost = Ghost::There {
                    live: Arc::new(live),
                    after: after.clone(),
                    new: self.is_new(&object.id, uid.as_deref()),
                    verified: result.is_some(),
                };
                self.ghosts.insert(object.id.clone(), ghost);
            }
            Step::Replace { object, result, .. } => {
                let live = Arc::new(result.clone());
                let ghost = Ghost::There { live, after: after.clone(), new: true, verified: false };
                self.ghosts.insert(object.id.clone(), ghost);
            }
            Step::Scale { id, uid, result, .. } | Step::Generate { object: Object { id, .. }, uid, result, .. } => {
                let new = self.is_new(id, uid.as_deref());
                let live = Arc::new(result.clone());
                self.ghosts.insert(id.clone(), Ghost::There { live, after: after.clone(), new, verified: true });
            }
            Step::Restart { id, .. } => self.stir(id.namespace.as_deref(), after),
            Step::Exec(exec) => self.stir(Some(&exec.namespace), after),
            Step::Delete { id, .. } => {
                self.ghosts.insert(id.clone(), Ghost::Gone(after.clone()));
            }
        }
    }

    /// Is it the plan that makes it, now or above?
    fn is_new(&self, id: &ObjectId, uid: Option<&str>) -> bool {
        // A dry run gives an object that is not there a `uid`, too.
        matches!(self.ghost(id), Some(Ghost::There { new: true, .. })) || uid.is_none()
    }

    fn stir(&mut self, namespace: Option<&str>, after: &After) {
        self.stirred.insert(namespace.unwrap_or_default().to_owned(), after.clone());
    }

    /// The task that may change what runs in a namespace: it writes there, or runs something there.
    pub(super) fn stirs(&self, namespace: &str) -> Option<After> {
        let of = |ghost: &Ghost| match ghost {
            Ghost::There { after, .. } | Ghost::Gone(after) | Ghost::Open(after) => after.clone(),
        };
        let written = self
            .ghosts
            .iter()
            .find(|(id, _)| id.namespace.as_deref() == Some(namespace) || **id == ObjectId::of_namespace(namespace));
        self.stirred.get(namespace).cloned().or_else(|| written.map(|(_, ghost)| of(ghost)))
    }

    pub(super) fn open(&mut self, id: ObjectId, after: After) {
        self.ghosts.insert(id, Ghost::Open(after));
    }
}

/// The kinds of a definition, one a version; what is not known of it yet defines nothing.
fn defined(definition: &Value) -> Vec<((String, String), Kind)> {
    fn read(definition: &Value) -> Option<Vec<((String, String), Kind)>> {
        let spec = definition.get("spec")?;
        let names = spec.get("names")?;
        let group = spec.get("group")?.as_text()?;
        let kind = names.get("kind")?.as_text()?;
        let plural = names.get("plural")?.as_text()?.to_owned();
        let namespaced = spec.get("scope")?.as_text()? == "Namespaced";
        let Value::List(versions) = spec.get("versions")? else { return None };
        let served = versions.iter().filter(|version| version.get("served") != Some(&Value::Bool(false)));
        let names = served.filter_map(|version| version.get("name")?.as_text());
        let entry = |version: &str| {
            ((format!("{group}/{version}"), kind.to_owned()), Kind { plural: plural.clone(), namespaced })
        };
        Some(names.map(entry).collect())
    }
    read(definition).unwrap_or_default()
}
