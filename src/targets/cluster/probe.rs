//! Questions to the API of a cluster: answered by the shadow, then by the API. Read-only by construction: what it
//! sends reads, or is a dry run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::core::Status;
use serde_json::Value as Json;
use tokio::sync::OnceCell;

use super::api::{Api, Trouble, encode, group_path, kind_path, object_path};
use super::kinds::{Kind, Kinds};
use super::members::{self, ApplySet, Members};
use super::rounds::Rounds;
use super::shadow::{Ghost, Shadow};
use super::shelves::{self, Shelves};
use super::{Exec, Live, Object, ObjectId, Step, exec, faults, reveal};
use crate::model::{After, Fault, Halt};
use crate::source::did_you_mean;
use crate::targets::Output;

/// What resources ask.
#[derive(Clone)]
pub struct ClusterProbe {
    pub(super) api: Arc<Api>,
    pub(super) kinds: Arc<Kinds>,
    pub(super) members: Arc<Members>,
    /// What the plan leaves behind so far; `None` for a look at what is there now.
    pub(super) shadow: Option<Arc<Mutex<Shadow>>>,
    /// What the API answered while the plan is made; `None` for a look at what is there now.
    pub(super) answers: Option<Arc<Answers>>,
    /// Lists for looks just before a write.
    pub(super) recent: Option<Arc<Shelves>>,
    /// Looks at what is waited for.
    pub(super) rounds: Arc<Rounds>,
}

/// What the API said so far: the engine looks twice, once at everything together and once in order.
#[derive(Default)]
pub(super) struct Answers {
    live: Mutex<BTreeMap<ObjectId, Option<Arc<Live>>>>,
    lists: Shelves,
    /// With the body that was asked about.
    dry_runs: Mutex<BTreeMap<(ObjectId, bool), (Json, Live)>>,
    /// Namespaces, with what the API said of those that are not there.
    namespaces: Mutex<BTreeMap<String, Nowhere>>,
    runs: Mutex<Vec<(Exec, Output)>>,
}

/// What the API says when asked for a namespace that is not there.
type Nowhere = Arc<OnceCell<Option<Box<Status>>>>;

/// What the API says that an object would be after server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub enum DryRun {
    /// That.
    Result(Live),
    /// The API cannot say: its kind or its namespace is there only after that task.
    Unverified(After),
    /// The API does not take a value that stands in for an unknown one.
    Open(After),
}

/// Where a kind comes from.
enum Origin {
    Served(Kind),
    Planned(Kind, After),
}

impl ClusterProbe {
    /// `id` as the cluster has it: without a namespace when its kind lives beside them.
    ///
    /// # Errors
    /// A fault for a kind that neither the cluster nor the plan so far knows.
    pub async fn locate(&self, mut id: ObjectId) -> Result<ObjectId, Halt> {
        let (Origin::Served(kind) | Origin::Planned(kind, _)) = self.kind(&id).await?;
        if !kind.namespaced {
            id.namespace = None;
        }
        Ok(id)
    }

    /// The object, if it is there.
    ///
    /// # Errors
    /// A fault when the API does not say; *later* when the plan leaves it open.
    pub async fn get(&self, id: &ObjectId) -> Result<Option<Arc<Live>>, Halt> {
        if let Some(shadow) = &self.shadow {
            let shadow = lock(shadow);
            match shadow.ghost(id) {
                Some(Ghost::There { live, .. }) => return Ok(Some(live.clone())),
                Some(Ghost::Gone(_)) => return Ok(None),
                Some(Ghost::Open(after)) => return Err(after.clone().into()),
                None => {}
            }
            match shadow.namespace(id) {
                Some(Ghost::There { new: true, .. } | Ghost::Gone(_)) => return Ok(None),
                Some(Ghost::Open(after)) => return Err(after.clone().into()),
                _ => {}
            }
        }
        if let Some(live) = self.answers.as_ref().and_then(|answers| lock(&answers.live).get(id).cloned()) {
            return Ok(live);
        }
        let lists = self.answers.as_ref().map(|answers| &answers.lists).or(self.recent.as_deref());
        if let Some(lists) = lists {
            lists.want(id);
        }
        let kind = match self.kind(id).await? {
            Origin::Served(kind) => kind,
            Origin::Planned(..) => return Ok(None),
        };
        let live = match lists {
            Some(lists) => lists.get(&self.api, &kind, id).await,
            None => shelves::one(&self.api, &kind, id).await,
        };
        let live = live.map_err(|trouble| trouble.fault("read", &format!("`{id}`")))?;
        if let Some(answers) = &self.answers {
            lock(&answers.live).insert(id.clone(), live.clone());
        }
        Ok(live)
    }

    /// The set of the playbook, if what is made belongs to any.
    #[must_use]
    pub fn set(&self) -> Option<&ApplySet> {
        self.members.set.as_ref()
    }

    /// The set that an object shall be a member of by its label: where we make it, or made what is there.
    #[must_use]
    pub fn part_of(&self, live: Option<&Live>) -> Option<&str> {
        members::part_of(self.set(), live)
    }

    /// Is this a look for a plan, which promises? Otherwise a write follows at once, and its answer is the proof.
    #[must_use]
    pub fn plans(&self) -> bool {
        self.answers.is_some()
    }

    /// What server-side apply of `object` would lead to. Writes nothing.
    ///
    /// `stand_in` is the body with a value in the place of every unknown one, where the declaration has any.
    ///
    /// # Errors
    /// A fault when the API would not apply it, or does not say.
    pub async fn dry_run(&self, object: &Object, force: bool, stand_in: Option<&Object>) -> Result<DryRun, Halt> {
        let id = &object.id;
        let kind = match self.kind(id).await? {
            Origin::Served(kind) => kind,
            Origin::Planned(_, after) => return Ok(DryRun::Unverified(after)),
        };
        if self.api.is_absent() {
            return Ok(DryRun::Unverified(After::new("the cluster is there")));
        }
        if let Some(after) = self.unsayable(id) {
            return Ok(DryRun::Unverified(after));
        }
        let sent = stand_in.unwrap_or(object);
        let body = reveal(&sent.body)?;
        let key = (id.clone(), force);
        if let Some(answers) = &self.answers
            && let Some((_, live)) = lock(&answers.dry_runs).get(&key).filter(|(asked, _)| *asked == body)
        {
            return Ok(DryRun::Result(live.clone()));
        }
        let said = match self.nowhere(id).await {
            // What lives there would be refused one by one.
            Some(status) => Err(Trouble::Said(status)),
            None => self.api.apply(&object_path(&kind, id), &body, force, true).await,
        };
        match said {
            Ok(json) => {
                let live = Live::new(id, json);
                if let Some(answers) = &self.answers {
                    lock(&answers.dry_runs).insert(key, (body, live.clone()));
                }
                Ok(DryRun::Result(live))
            }
            Err(trouble) => {
                // The complaint may be about what stands in for an unknown value: only the true one can tell.
                let doubtful = matches!(&trouble, Trouble::Said(status) if faults::about_values(status));
                match object.body.unknown() {
                    Some(after) if doubtful => Ok(DryRun::Open(after.clone())),
                    _ => Err(faults::masked(trouble.fault("apply", &format!("`{id}`")), sent).into()),
                }
            }
        }
    }

    /// What the API says of the namespace of `id` while a plan is made, if it is not there.
    async fn nowhere(&self, id: &ObjectId) -> Option<Box<Status>> {
        let (answers, name) = (self.answers.as_ref()?, id.namespace.as_ref()?);
        let known = lock(&answers.namespaces).entry(name.clone()).or_default().clone();
        let path = format!("{}/namespaces/{}", group_path("v1"), encode(name));
        let look = async {
            match self.api.get(&path).await {
                Err(Trouble::Said(status)) if status.code == 404 => Some(status),
                // There, or not ours to see: the dry run tells.
                _ => None,
            }
        };
        known.get_or_init(|| look).await.clone()
    }

    /// The task after which only the API could say what an apply of `id` leads to.
    fn unsayable(&self, id: &ObjectId) -> Option<After> {
        let shadow = lock(self.shadow.as_ref()?);
        // An object that another task applies is asked about as it is now: what one manager applies last is all that
        // it owns, whatever it applied before.
        if let Some(Ghost::Gone(after) | Ghost::There { after, verified: false, .. }) = shadow.ghost(id) {
            return Some(after.clone());
        }
        match shadow.namespace(id)? {
            Ghost::There { after, new: true, .. } | Ghost::Gone(after) => Some(after.clone()),
            _ => None,
        }
    }

    /// The task that plans something for `id`, or for the namespace that it lives in.
    pub(super) fn planned(&self, id: &ObjectId) -> Option<After> {
        let shadow = lock(self.shadow.as_ref()?);
        let of = |ghost: &Ghost| match ghost {
            Ghost::There { after, .. } | Ghost::Gone(after) | Ghost::Open(after) => after.clone(),
        };
        shadow.ghost(id).map(of).or_else(|| match shadow.namespace(id)? {
            Ghost::There { new: false, .. } => None,
            ghost => Some(of(ghost)),
        })
    }

    /// Does the plan make that object?
    #[must_use]
    pub fn is_new(&self, id: &ObjectId) -> bool {
        let Some(shadow) = &self.shadow else { return false };
        matches!(lock(shadow).ghost(id), Some(Ghost::There { new: true, .. }))
    }

    /// The task that may change what runs in a namespace, if the plan has one so far.
    #[must_use]
    pub fn stirs(&self, namespace: &str) -> Option<After> {
        lock(self.shadow.as_ref()?).stirs(namespace)
    }

    /// What a command says that is declared to change nothing.
    ///
    /// # Errors
    /// A fault when it cannot be run; *later* while a plan is made that may change what it would say, or when no pod is ready
    /// that may get so.
    pub async fn run(&self, order: &Exec) -> Result<Output, Halt> {
        if let Some(after) = self.stirs(&order.namespace) {
            return Err(after.into());
        }
        let known = self.answers.as_ref().and_then(|answers| {
            lock(&answers.runs).iter().find(|(asked, _)| asked == order).map(|(_, output)| output.clone())
        });
        if let Some(output) = known {
            return Ok(output);
        }
        let pod = match exec::choose(&self.api, order).await? {
            Ok(pod) => pod,
            Err(_) if self.answers.is_some() => {
                return Err(After::new(format!("a pod is ready: {}", order.pods)).into());
            }
            Err(none) => return Err(none.into()),
        };
        let output = exec::run(&self.api, order, &pod, &|_, _| {}).await?;
        if let Some(answers) = &self.answers {
            lock(&answers.runs).push((order.clone(), output.clone()));
        }
        Ok(output)
    }

    /// The objects beside `like` (of its kind, in its namespace) that have these labels.
    ///
    /// # Errors
    /// A fault when the API does not say.
    pub async fn with_labels(
        &self,
        like: &ObjectId,
        labels: &BTreeMap<String, String>,
    ) -> Result<Vec<ObjectId>, Fault> {
        let served = self.kinds.served(&self.api, like, self.answers.is_none()).await?;
        let Some(kind) = served.and_then(|kinds| kinds.get(&like.kind).cloned()) else { return Ok(Vec::new()) };
        let mut like = like.clone();
        if !kind.namespaced {
            like.namespace = None;
        }
        let selector = encode(&exec::selector(labels));
        let path = format!("{}?limit=500&labelSelector={selector}", kind_path(&kind, &like));
        let what = format!("the {} of `{}`", kind.plural, like.namespace.as_deref().unwrap_or("the cluster"));
        let answer = self.api.get(&path).await.map_err(|trouble| trouble.fault("read", &what))?;
        let items = answer.get("items").and_then(Json::as_array).into_iter().flatten();
        let names = items.filter_map(|item| item.pointer("/metadata/name").and_then(Json::as_str));
        Ok(names.map(|name| ObjectId { name: name.to_owned(), ..like.clone() }).collect())
    }

    /// Is the group version of `id` there, or planned? Where it is not, nothing of it is.
    ///
    /// # Errors
    /// A fault when the API does not say.
    pub async fn serves(&self, id: &ObjectId) -> Result<bool, Halt> {
        let planned = self.shadow.as_ref().is_some_and(|shadow| lock(shadow).kind(&id.api_version, &id.kind).is_some());
        Ok(planned || self.kinds.served(&self.api, id, self.answers.is_none()).await?.is_some())
    }

    /// The same probe as if `step` had been done: for what one task does in several steps.
    #[must_use]
    pub fn after(&self, step: &Step, after: &After) -> Self {
        let mut shadow = match &self.shadow {
            Some(shadow) => lock(shadow).clone(),
            None => Shadow::default(),
        };
        shadow.imitate(step, after);
        Self { shadow: Some(Arc::new(Mutex::new(shadow))), ..self.clone() }
    }

    async fn kind(&self, id: &ObjectId) -> Result<Origin, Halt> {
        // While a plan is made kinds do not change; an apply brings new ones.
        let served = self.kinds.served(&self.api, id, self.answers.is_none()).await?;
        if let Some(kind) = served.as_ref().and_then(|kinds| kinds.get(&id.kind)) {
            return Ok(Origin::Served(kind.clone()));
        }
        let planned = self.shadow.as_ref().and_then(|shadow| {
            let shadow = lock(shadow);
            shadow.kind(&id.api_version, &id.kind).cloned()
        });
        if let Some((kind, after)) = planned {
            return Ok(Origin::Planned(kind, after));
        }
        if let Some(after) = self.shadow.as_ref().and_then(|shadow| lock(shadow).installs.clone()) {
            return Err(after.into());
        }
        let (api_version, kind) = (&id.api_version, &id.kind);
        let help = "is it written right, and is its `CustomResourceDefinition` applied by a task before this one?";
        let fault = match served {
            None => {
                Fault::failed(format!("the cluster does not serve `{api_version}`, the version of `{id}`")).help(help)
            }
            Some(kinds) => {
                let what = format!("the cluster has no kind `{kind}` in `{api_version}`");
                let near = did_you_mean(kind, kinds.keys().map(String::as_str));
                Fault::failed(what).help(near.map_or_else(|| help.to_owned(), |near| format!("did you mean `{near}`?")))
            }
        };
        Err(fault.into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for ClusterProbe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.answers.is_some() { "ClusterProbe(plan)" } else { "ClusterProbe(now)" })
    }
}
