//! What is done with an object that a playbook made and declares no longer: it is taken away, if it still is ours alone and
//! nothing is lost with it that nobody spoke of. No task names this: the engine asks for it.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{Planned, Probe, Step};
use crate::model::{Action, Change, Fault, Halt, PRECIOUS, Patience, Shown, Sort, Thing, Undo, Value, Verdict};
use crate::targets::cluster::settle::{Until, Want};
use crate::targets::cluster::{self, ClusterProbe, FIELD_MANAGER, Live, ObjectId, PART_OF, label};

/// What is to be weighed before an object is shown as one that is taken away.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// All that the playbook declares in the cluster.
    pub declared: Vec<ObjectId>,
    /// Kinds (`Namespace`), or objects (`Secret/shop/db`), that may be taken away although something is lost with them.
    pub allow_delete: Vec<String>,
}

/// What takes away what a task made.
pub(super) fn undo() -> Undo {
    Undo { resource: "manifest".to_owned(), params: [("state".to_owned(), "absent".to_owned())].into() }
}

/// How a diff names the label that tells of whose an object is.
pub(super) fn label_field() -> String {
    format!("metadata.labels[\"{PART_OF}\"]")
}

/// Does the change make something, or take over what another playbook made?
#[must_use]
pub fn makes(change: &Change<Step>) -> bool {
    let label = label_field();
    let new = |step: &Step| matches!(step, Step::Cluster(cluster::Step::Apply { uid: None, .. }));
    change.steps.iter().any(new)
        || change.fields.iter().any(|field| field.name.ends_with(&label) && field.after != Shown::Absent)
}

/// `thing`, if it is an object, as one that is to be taken away. Without terms they were weighed already.
#[must_use]
pub fn member(thing: &Thing, terms: Option<Terms>) -> Option<Box<dyn Planned>> {
    let id = (thing.kind == ObjectId::THING).then(|| ObjectId::parse(&thing.name)).flatten()?;
    Some(Box::new(Member { id, terms }))
}

#[derive(Debug)]
struct Member {
    id: ObjectId,
    terms: Option<Terms>,
}

impl Member {
    async fn judge(&self, probe: &ClusterProbe) -> Result<Verdict<Step>, Halt> {
        let id = &self.id;
        // A kind that nobody serves has no objects.
        let live = if probe.serves(id).await? { probe.get(id).await? } else { None };
        let Some(live) = live else { return Ok(Verdict::right("gone")) };
        if let Some(terms) = &self.terms
            && self.is_declared(&live, terms, probe).await?
        {
            return Ok(Verdict::right("declared by another name of its kind"));
        }
        if let Some(why) = Self::not_ours(&live, probe) {
            return Ok(Verdict::right(format!("left: {why}")));
        }
        if let Some(terms) = &self.terms
            && let Some(why) = self.holds(&live, terms, probe).await?
        {
            return Ok(Verdict::right(format!("left: {why}")));
        }
        let uid = live.uid().unwrap_or_default();
        let change = Change::new(Action::Delete)
            .field("object", Shown::value(id), Shown::Absent)
            // Another one of the same name is not what was shown.
            .field("metadata.uid", Shown::value(uid), Shown::Absent)
            .step(Step::Cluster(cluster::Step::Delete { id: id.clone(), uid: Some(uid.to_owned()) }));
        Ok(Verdict::Change(change))
    }

    /// Is it the same object as one that is declared, in another version or group of its kind?
    async fn is_declared(&self, live: &Live, terms: &Terms, probe: &ClusterProbe) -> Result<bool, Halt> {
        let id = &self.id;
        let namesake = |other: &&ObjectId| other.kind == id.kind && other.name == id.name;
        for other in terms.declared.iter().filter(namesake) {
            let other = probe.locate(other.clone()).await?;
            if other.namespace != id.namespace {
                continue;
            }
            let same = other.group() == id.group() || probe.get(&other).await?.is_some_and(|it| it.uid() == live.uid());
            if same {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why it is not ours alone.
    fn not_ours(live: &Live, probe: &ClusterProbe) -> Option<String> {
        let Some(set) = probe.set() else { return Some("it belongs to nobody".to_owned()) };
        if !set.holds(live) {
            return Some(match label(&live.value) {
                Some(_) => format!("its label `{PART_OF}` says that it belongs to somebody else by now"),
                None => format!("it has lost its label `{PART_OF}`, so others have made it anew or keep it"),
            });
        }
        let owners = live.value.get("metadata").and_then(|metadata| metadata.get("ownerReferences"));
        if let Some(Value::List(owners)) = owners
            && let Some(owner) = owners.first()
        {
            let word = |key: &str| owner.get(key).and_then(Value::as_text).unwrap_or_default();
            return Some(format!("it belongs to {} `{}`, and goes with it", word("kind"), word("name")));
        }
        if let Some(keeper) = live.keeper() {
            return Some(format!("{keeper} keeps it by now"));
        }
        let adopts = |manager: &&cluster::managed::Manager| {
            let applies = manager.applied && manager.subresource.is_empty() && manager.name != FIELD_MANAGER;
            applies || manager.name == "kubectl-client-side-apply"
        };
        live.managers.iter().find(adopts).map(|manager| format!("`{}` applies it as well", manager.name))
    }

    /// Why it is not taken away: what would be lost with it.
    async fn holds(&self, live: &Live, terms: &Terms, probe: &ClusterProbe) -> Result<Option<String>, Halt> {
        let id = &self.id;
        let inside = |other: &&ObjectId| id.kind == "Namespace" && other.namespace.as_deref() == Some(&*id.name);
        if let Some(other) = terms.declared.iter().find(inside) {
            return Ok(Some(format!("`{other}`, which is declared, lives in it")));
        }
        if id.defines_kinds() {
            let spec = live.value.get("spec");
            let word = |value: Option<&Value>| value.and_then(Value::as_text).map(str::to_owned);
            let group = word(spec.and_then(|spec| spec.get("group")));
            let kind = word(spec.and_then(|spec| spec.get("names")).and_then(|names| names.get("kind")));
            let brought =
                |other: &&ObjectId| kind.as_ref() == Some(&other.kind) && group.as_deref() == Some(other.group());
            if let Some(other) = terms.declared.iter().find(brought) {
                return Ok(Some(format!("`{other}`, which is declared, is of its kind")));
            }
        }
        if !PRECIOUS.contains(&id.kind.as_str()) {
            return Ok(None);
        }
        let short = short(id);
        let allowed = |word: &str| terms.allow_delete.iter().any(|allowed| allowed == word);
        if !allowed(&id.kind) && !allowed(&short) {
            return Ok(Some(format!(
                "what it holds would be lost with it; `allow_delete: [{short}]` under `cluster:` of the environment deletes it"
            )));
        }
        if id.kind == "Namespace" {
            let claim = ObjectId {
                api_version: "v1".to_owned(),
                kind: "PersistentVolumeClaim".to_owned(),
                namespace: Some(id.name.clone()),
                name: String::new(),
            };
            let claims = probe.with_labels(&claim, &BTreeMap::new()).await?;
            let kept = claims.iter().map(self::short).find(|claim| !allowed(&claim_kind(claim)) && !allowed(claim));
            if let Some(claim) = kept {
                return Ok(Some(format!(
                    "`{claim}` would be lost with it; `allow_delete: [{short}, {claim}]` under `cluster:` of the environment deletes both"
                )));
            }
        }
        Ok(None)
    }
}

fn claim_kind(short: &str) -> String {
    short.split('/').next().unwrap_or_default().to_owned()
}

/// `Secret/shop/db`: as `allow_delete` names it.
fn short(id: &ObjectId) -> String {
    let namespace = id.namespace.as_ref().map_or(String::new(), |namespace| format!("{namespace}/"));
    format!("{}/{namespace}{}", id.kind, id.name)
}

fn probe_of(probe: Probe<'_>) -> Result<&ClusterProbe, Fault> {
    match probe {
        Probe::Cluster(probe) => Ok(probe),
        Probe::Host(_) => Err(Fault::failed("an object of the cluster was looked for on a host")
            .help("this is a defect of lions: report it")),
    }
}

impl Planned for Member {
    fn name(&self) -> &'static str {
        "manifest"
    }

    fn sort(&self) -> Sort {
        Sort::Cluster
    }

    fn things(&self) -> Vec<Thing> {
        vec![self.id.thing()]
    }

    fn undo(&self) -> Option<Undo> {
        None
    }

    fn look<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, ()> {
        Planned::judge(self, probe).map(drop).boxed()
    }

    fn judge<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, Result<Verdict<Step>, Halt>> {
        async move { self.judge(probe_of(probe)?).await }.boxed()
    }

    fn unready<'a>(&'a self, _: Probe<'a>) -> BoxFuture<'a, Result<Option<String>, Halt>> {
        std::future::ready(Ok(None)).boxed()
    }

    fn settle<'a>(&'a self, probe: Probe<'a>, patience: &'a Patience<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        let want = Want { id: self.id.clone(), until: Until::Gone };
        async move { probe_of(probe)?.settle(&[want], patience).await }.boxed()
    }
}
