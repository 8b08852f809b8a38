//! Which objects of a cluster a playbook made: an `ApplySet` (KEP-3659). Each bears the label of its set; the parent of the
//! set, a ConfigMap beside the lock, says which kinds and namespaces they are of, and lists them, so that what is no
//! longer declared is found with one request.
//!
//! The label, applied by us, tells what is a member; the list only where to look. So it holds an object before it is made,
//! and loses it after it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex as Plain, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::api::{Api, Trouble};
use super::kinds::Kinds;
use super::{FIELD_MANAGER, Live, Object, ObjectId, shelves};
use crate::model::{Address, Digest, Fault, Map, Undo, Value};
use crate::targets::host::ledger::{Ledger, Line, Made, Owner};

/// The label of a member.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// The label of a parent, with the same value.
const ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
/// To whom the set belongs, for people.
const OWNER: &str = "lions.dev/owner";
/// The key of the parent's data with the list: for each task, what it made.
const MEMBERS: &str = "members";

/// The set of one playbook in the cluster of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplySet {
    owner: Owner,
    namespace: String,
    name: String,
    id: String,
}

impl ApplySet {
    /// Whose parent lies in `namespace`.
    #[must_use]
    pub fn of(owner: &Owner, namespace: &str) -> Self {
        const SHORT: usize = 40;
        let Owner { project, environment, playbook } = owner;
        let whole = Digest::of(format!("{project}\0{environment}\0{playbook}").as_bytes()).to_string();
        let stem = playbook.rsplit('/').next().unwrap_or_default();
        let stem = stem.strip_suffix(".yml").or_else(|| stem.strip_suffix(".yaml")).unwrap_or(stem);
        let plain = |text: &str| -> String {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
            text.chars().take(SHORT).map(plain).collect()
        };
        let digits: String = whole.chars().take(8).collect();
        let name = format!("lions-{}-{}-{digits}", plain(environment), plain(stem));
        // As the proposal says: of the parent's name, namespace, kind and group.
        let id = BASE64.encode(Sha256::digest(format!("{name}.{namespace}.ConfigMap.")));
        let id = format!("applyset-{id}-v1");
        Self { owner: owner.clone(), namespace: namespace.to_owned(), name, id }
    }

    /// The value of the label.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Is `live` a member by its label, which we applied?
    #[must_use]
    pub fn holds(&self, live: &Live) -> bool {
        label(&live.value) == Some(&self.id) && applied(live)
    }

    fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps/{}", self.namespace, self.name)
    }

    fn parent(&self) -> String {
        format!("`v1/ConfigMap/{}/{}`, which lists what `lions` made", self.namespace, self.name)
    }

    fn body(&self, members: &Listed) -> Json {
        let kinds: BTreeSet<String> = members
            .keys()
            .map(|id| if id.group().is_empty() { id.kind.clone() } else { format!("{}.{}", id.kind, id.group()) })
            .collect();
        let namespaces: BTreeSet<&str> =
            members.keys().filter_map(|id| id.namespace.as_deref()).filter(|other| *other != self.namespace).collect();
        let join = |all: Vec<&str>| all.join(",");
        let mut tasks: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (id, task) in members {
            tasks.entry(task.as_str()).or_default().push(id.to_string());
        }
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": self.name, "namespace": self.namespace, "labels": { ID: self.id },
                "annotations": {
                    TOOLING: tooling(),
                    KINDS: join(kinds.iter().map(String::as_str).collect()),
                    NAMESPACES: join(namespaces.into_iter().collect()),
                    OWNER: json!(self.owner).to_string(),
                },
            },
            "data": { MEMBERS: json!(tasks).to_string() },
        })
    }
}

fn tooling() -> String {
    format!("{FIELD_MANAGER}/v{}", env!("CARGO_PKG_VERSION"))
}

/// The set that an object says it is a member of.
#[must_use]
pub fn label(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("labels")?.get(PART_OF)?.as_text()
}

/// Is the label one that we applied? One that others wrote says nothing of who made the object.
fn applied(live: &Live) -> bool {
    let path = ["f:metadata".to_owned(), "f:labels".to_owned(), format!("f:{PART_OF}")];
    live.ours().owns(&path)
}

/// The label that an object shall bear: what we make, or made (in another set perhaps), is in the set of the playbook that
/// declares it. What was there before is nobody's.
pub(super) fn part_of<'s>(set: Option<&'s ApplySet>, live: Option<&Live>) -> Option<&'s str> {
    let set = set?;
    live.is_none_or(applied).then_some(&*set.id)
}

impl Object {
    /// The same with the label of a set.
    #[must_use]
    pub fn joined(mut self, set: Option<&str>) -> Self {
        let Some(set) = set else { return self };
        let Value::Map(body) = &mut self.body else { return self };
        let empty = || Value::Map(Map::new());
        let below = |map: &mut Map, key: &str| {
            if matches!(map.get(key), None | Some(Value::Null)) {
                map.insert(key.to_owned(), empty());
            }
        };
        below(body, "metadata");
        if let Some(Value::Map(metadata)) = body.get_mut("metadata") {
            below(metadata, "labels");
            // Labels that are not known yet will be when it is made.
            if let Some(Value::Map(labels)) = metadata.get_mut("labels") {
                labels.insert(PART_OF.to_owned(), Value::text(set));
            }
        }
        self
    }
}

/// What was made, and by which task.
type Listed = BTreeMap<ObjectId, Address>;

/// The members of the set, as its parent lists them.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) set: Option<ApplySet>,
    /// Once it was read.
    listed: Mutex<Option<Listed>>,
    /// Deleted since; left in the list until we are done, and they are gone.
    gone: Plain<BTreeSet<ObjectId>>,
}

impl Members {
    pub(super) fn of(set: Option<ApplySet>) -> Self {
        Self { set, ..Self::default() }
    }

    fn gone(&self) -> std::sync::MutexGuard<'_, BTreeSet<ObjectId>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes objects that are going to be made, and that others are gone: lines of a ledger.
    pub(super) async fn note(&self, api: &Api, lines: &[String]) -> Result<(), Fault> {
        let mut made = Vec::new();
        for line in lines {
            let line = serde_json::from_str(line).map_err(|error| {
                Fault::failed("what is to be noted of an object cannot be read")
                    .cause(error)
                    .help("nothing was made; this is a defect of lions: report it")
            })?;
            let things = match &line {
                Line::Made(Made { things, .. }) | Line::Gone { things, .. } => things,
            };
            let ids = things.iter().filter(|thing| thing.kind == ObjectId::THING);
            let ids: Vec<ObjectId> = ids.filter_map(|thing| ObjectId::parse(&thing.name)).collect();
            match line {
                Line::Made(Made { task, .. }) => made.extend(ids.into_iter().map(|id| (id, task.clone()))),
                Line::Gone { .. } => self.gone().extend(ids),
            }
        }
        self.add(api, made).await
    }

    /// Notes `object` if it is to be a member and nobody did yet.
    pub(super) async fn expect(&self, api: &Api, object: &Object) -> Result<(), Fault> {
        let ours = self.set.as_ref().is_some_and(|set| label(&object.body) == Some(&set.id));
        if ours { self.add(api, vec![(object.id.clone(), Address::new(""))]).await } else { Ok(()) }
    }

    /// Notes that an object was deleted.
    pub(super) fn lost(&self, id: &ObjectId) {
        self.gone().insert(id.clone());
    }

    async fn add(&self, api: &Api, made: Vec<(ObjectId, Address)>) -> Result<(), Fault> {
        let Some(set) = self.set.as_ref().filter(|_| !made.is_empty()) else { return Ok(()) };
        let mut listed = self.listed.lock().await;
        // A list that could not be written is read anew.
        let (mut all, read) = match listed.take() {
            Some(all) => (all, false),
            None => (read(api, set).await?, true),
        };
        let before = all.len();
        for (id, task) in made {
            self.gone().remove(&id);
            // A kind that lives beside namespaces is only known to the cluster.
            let beside = ObjectId { namespace: None, ..id.clone() };
            if !all.contains_key(&beside) {
                all.entry(id).or_insert(task);
            }
        }
        if all.len() > before || read {
            write(api, set, &all).await?;
        }
        *listed = Some(all);
        Ok(())
    }

    /// What the parent lists.
    pub(super) async fn ledger(&self, api: &Api) -> Result<Ledger, Fault> {
        let Some(set) = &self.set else { return Ok(Ledger::default()) };
        let listed = read(api, set).await?;
        let made = listed.into_iter().map(|(id, task)| Made {
            owner: set.owner.clone(),
            task,
            things: vec![id.thing()],
            undo: Some(Undo::absent("manifest", "object", id.to_string())),
        });
        Ok(Ledger { made: made.collect(), unread: 0 })
    }

    /// Takes from the list what is gone. One that still holds too much only costs a look.
    pub(super) async fn close(&self, api: &Api, kinds: &Kinds) {
        let deleted = std::mem::take(&mut *self.gone());
        let Some(set) = self.set.as_ref().filter(|_| !deleted.is_empty()) else { return };
        let mut gone = BTreeSet::new();
        for id in deleted {
            // A finaliser may hold it still: then the next run has to look for it.
            let held = match kinds.served(api, &id, false).await {
                Ok(served) => match served.as_deref().and_then(|kinds| kinds.get(&id.kind)) {
                    Some(kind) => shelves::one(api, kind, &id).await.map_or(true, |live| live.is_some()),
                    None => false,
                },
                Err(_) => true,
            };
            if !held {
                gone.insert(id);
            }
        }
        let mut listed = self.listed.lock().await;
        let all = match listed.take() {
            Some(all) => Ok(all),
            None => read(api, set).await,
        };
        let Ok(mut all) = all else { return };
        let before = all.len();
        all.retain(|id, _| !gone.contains(id));
        if all.len() < before && write(api, set, &all).await.is_ok() {
            *listed = Some(all);
        }
    }
}

/// The list, as it is now; empty where there is none yet.
async fn read(api: &Api, set: &ApplySet) -> Result<Listed, Fault> {
    let parent = match api.get(&set.path()).await {
        Ok(parent) => parent,
        Err(Trouble::Said(status)) if status.code == 404 => return Ok(Listed::new()),
        Err(trouble) => return Err(cannot(set, "read", trouble)),
    };
    let refused = |what: &str| {
        Fault::failed(format!("{} {what}", set.parent()))
            .help("somebody else wrote it: move it out of the way, and run again")
    };
    let tooling = parent["metadata"]["annotations"][TOOLING].as_str().unwrap_or_default();
    if tooling.split('/').next() != Some(FIELD_MANAGER) {
        return Err(refused(&format!("belongs to {tooling:?}")));
    }
    let text = parent["data"][MEMBERS].as_str().unwrap_or("{}");
    let tasks: BTreeMap<String, Vec<String>> =
        serde_json::from_str(text).map_err(|_| refused("cannot be understood"))?;
    let entries = tasks.iter().flat_map(|(task, ids)| ids.iter().map(move |id| (id, task)));
    let listed = entries.map(|(id, task)| Some((ObjectId::parse(id)?, Address::new(task.as_str()))));
    listed.collect::<Option<Listed>>().ok_or_else(|| refused("cannot be understood"))
}

async fn write(api: &Api, set: &ApplySet, members: &Listed) -> Result<(), Fault> {
    let written = api.apply(&set.path(), &set.body(members), true, false).await;
    written.map(drop).map_err(|trouble| cannot(set, "write", trouble))
}

fn cannot(set: &ApplySet, doing: &str, trouble: Trouble) -> Fault {
    let forbidden = matches!(&trouble, Trouble::Said(status) if status.code == 403);
    let fault = trouble.fault(doing, &set.parent());
    if !forbidden {
        return fault;
    }
    fault.help(format!(
        "give the user of the kubeconfig the verbs get and patch on `configmaps` in `{}`, or name another namespace with `lock_namespace` under `cluster:`",
        set.namespace
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_named_as_the_proposal_says() {
        let owner = |playbook: &str| Owner {
            project: "lions".to_owned(),
            environment: "Dev_1".to_owned(),
            playbook: playbook.to_owned(),
        };
        let set = ApplySet::of(&owner("playbooks/site.yml"), "kube-system");
        assert!(set.name.starts_with("lions-dev-1-site-"), "{}", set.name);
        // 32 bytes are 43 letters; a label holds 63.
        assert_eq!(set.id.len(), "applyset-".len() + 43 + "-v1".len());
        let again = BASE64.encode(Sha256::digest(format!("{}.kube-system.ConfigMap.", set.name)));
        assert_eq!(set.id, format!("applyset-{again}-v1"));
        assert_ne!(set, ApplySet::of(&owner("playbooks/other.yml"), "kube-system"));
    }

    #[test]
    fn a_parent_says_which_kinds_and_namespaces() {
        let owner = Owner { project: "p".to_owned(), environment: "e".to_owned(), playbook: "site.yml".to_owned() };
        let set = ApplySet::of(&owner, "kube-system");
        let ids = ["v1/ConfigMap/shop/a", "apps/v1/Deployment/shop/b", "v1/Namespace/shop", "v1/Secret/kube-system/c"];
        let listed = ids.iter().map(|id| (ObjectId::parse(id).unwrap(), Address::new("play/role/task"))).collect();
        let body = set.body(&listed);
        assert_eq!(body["metadata"]["annotations"][KINDS], "ConfigMap,Deployment.apps,Namespace,Secret");
        assert_eq!(body["metadata"]["annotations"][NAMESPACES], "shop");
        assert_eq!(body["metadata"]["labels"][ID], set.id);
        assert!(body["data"][MEMBERS].as_str().unwrap().contains("play/role/task"));
    }
}
