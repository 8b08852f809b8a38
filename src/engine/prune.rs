//! What earlier runs made and nothing declares any more is taken away: shown as deletes, done last, and only what
//! `lions` itself noted that it made. A playbook takes away what it made, when all of it is run; what a skipped, later
//! or failed task may still declare stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::StreamExt as _;

use super::apply::ended_by_user;
use super::context::Context;
use super::hold::Holds;
use super::node::Visited;
use super::places::Look;
use super::refine::{Salt, refines};
use crate::graph::PlaceId;
use crate::model::{
    Action, Address, After, Change, Decision, Entry, Event, Fault, Halt, Outcome, Patience, Plan, Row, Sort, Stream,
    TaskInfo, Thing, Undo, Value, Verdict,
};
use crate::resources::{self, Planned, Terms};
use crate::targets::cluster::ObjectId;
use crate::targets::host::Privilege;
use crate::targets::host::ledger::Made;

/// What tasks declare at one place.
#[derive(Clone, Default)]
pub(super) struct Declared {
    things: BTreeSet<Thing>,
    /// A task of which is not known yet what it declares.
    open: Option<Address>,
}

/// What tasks declare, by place.
pub(super) struct Declarations(Vec<Mutex<Declared>>);

impl Declared {
    /// What objects of the cluster are weighed by.
    fn terms(&self, context: &Context) -> Terms {
        let cluster = context.program.environment.cluster.as_ref();
        let declared = self.things.iter().filter(|thing| thing.kind == ObjectId::THING);
        Terms {
            declared: declared.filter_map(|thing| ObjectId::parse(&thing.name)).collect(),
            allow_delete: cluster.map(|cluster| cluster.allow_delete.clone()).unwrap_or_default(),
        }
    }
}

impl Declarations {
    pub(super) fn new(places: PlaceId) -> Self {
        Self((0..=places).map(|_| Mutex::default()).collect())
    }

    fn at(&self, place: PlaceId) -> std::sync::MutexGuard<'_, Declared> {
        self.0[place as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn things(&self, place: PlaceId, things: &[Thing]) {
        self.at(place).things.extend(things.iter().cloned());
    }

    pub(super) fn open(&self, place: PlaceId, task: &Address) {
        self.at(place).open.get_or_insert_with(|| task.clone());
    }
}

/// Where the addresses of what is taken away begin: no play has that name, since `/` parts names.
const ADDRESS: &str = "no longer declared/";

fn address(things: &[Thing]) -> Address {
    let names: Vec<String> = things.iter().map(ToString::to_string).collect();
    Address::new(format!("{ADDRESS}{}", names.join(", ")))
}

/// Is that the row of something that is taken away?
pub(super) fn is_prune(address: &Address) -> bool {
    address.as_str().starts_with(ADDRESS)
}

/// What takes it away. Nothing else than that is done for a line of a ledger, whatever it says.
fn planned(context: &Context, place: PlaceId, made: &Made, declared: Option<&Declared>) -> Option<Box<dyn Planned>> {
    if place == context.graph.cluster {
        let [thing] = made.things.as_slice() else { return None };
        return resources::member(thing, declared.map(|declared| declared.terms(context)));
    }
    let undo = made.undo.as_ref()?;
    let takes_away = undo.params.get("state").is_some_and(|state| state.starts_with("absent"));
    let params = undo.params.iter().map(|(name, value)| (name.clone(), Value::text(value.as_str()))).collect();
    let planned = resources::decode(&undo.resource, &Value::Map(params)).ok()?;
    (takes_away && planned.sort() == Sort::Host).then_some(planned)
}

/// What of `made` is ours and nobody declares, what lies deepest first: folders are empty when their turn comes.
fn left<'m>(context: &Context, made: &'m [Made], declared: &Declared) -> Vec<&'m Made> {
    let ours = |one: &&Made| {
        context.options.owner.as_ref() == Some(&one.owner)
            && !one.things.iter().any(|thing| declared.things.contains(thing))
    };
    let mut left: Vec<&Made> = made.iter().filter(ours).collect();
    left.sort_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| other.things.cmp(&one.things)));
    left
}

/// What holds other things goes after them: a claim waits for its pods, a namespace and a definition of kinds for all.
fn rank(made: &Made) -> usize {
    const LATER: &[&str] = &["PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition", "Namespace"];
    let object = made.things.iter().find(|thing| thing.kind == ObjectId::THING);
    let kind = object.and_then(|thing| ObjectId::parse(&thing.name)).map(|id| id.kind);
    kind.and_then(|kind| LATER.iter().position(|later| *later == kind)).map_or(0, |at| at + 1)
}

/// Adds to `plan` what is to be taken away. The shadows show what all tasks will have made.
pub(super) async fn plan(context: &Context, plan: &mut Plan, declarations: &Declarations) {
    if context.options.owner.is_none() || !context.options.whole {
        return;
    }
    let visited: BTreeSet<PlaceId> = plan.rows.iter().map(|row| row.place).collect();
    let lost: BTreeSet<PlaceId> = plan
        .rows
        .iter()
        .filter(|row| matches!(row.decision, Decision::Failed(_) | Decision::Blocked(_)))
        .map(|row| row.place)
        .collect();
    let places = visited.difference(&lost).copied();
    let looks = places.map(|place| async move { (place, at_place(context, place, declarations).await) });
    let mut looks = futures::stream::iter(looks.collect::<Vec<_>>()).buffered(context.options.forks.max(1));
    let mut index: BTreeMap<Address, u32> = BTreeMap::new();
    while let Some((place, deletes)) = looks.next().await {
        for (made, entry) in deletes {
            let what = address(&made.things);
            let task = *index.entry(what.clone()).or_insert_with(|| {
                plan.tasks.push(info(&made, what));
                u32::try_from(plan.tasks.len() - 1).unwrap_or(u32::MAX)
            });
            plan.rows.push(Row { task, place, decision: Decision::Change(Box::new(entry)) });
        }
    }
}

/// What is to be taken away at one place.
async fn at_place(context: &Context, place: PlaceId, declarations: &Declarations) -> Vec<(Made, Entry)> {
    let name = context.places.name(place);
    let warn = |what: String| context.events.tell(|| Event::Warning { what });
    let ledger = match context.places.ledger(place, Look::Shadow).await {
        Ok(ledger) => ledger,
        Err(fault) => {
            warn(format!("what was made on `{name}` earlier cannot be read, so nothing is taken away: {fault}"));
            return Vec::new();
        }
    };
    if ledger.unread > 0 {
        warn(format!("{} lines of the ledger of `{name}` say nothing, and are left alone", ledger.unread));
    }
    let declared = declarations.at(place).clone();
    let left: Vec<Made> = left(context, &ledger.made, &declared).into_iter().cloned().collect();
    if let (Some(task), false) = (&declared.open, left.is_empty()) {
        warn(format!("nothing is taken away on `{name}`: what `{task}` declares is not known yet"));
        return Vec::new();
    }
    let mut deletes = Vec::new();
    for made in left {
        match delete(context, place, &made, Some(&declared)).await {
            Ok(None) => {}
            Ok(Some(Deletion { change, .. })) => {
                for step in &change.steps {
                    context.places.imitate(place, step, &After::new(made.task.as_str()));
                }
                let entry = entry(&made, change.fields);
                deletes.push((made, entry));
            }
            Err(why) => warn(format!("`{}` is no longer declared, and stays on `{name}`: {why}", names(&made))),
        }
    }
    deletes
}

fn names(made: &Made) -> String {
    made.things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn info(made: &Made, address: Address) -> TaskInfo {
    TaskInfo {
        address,
        name: format!("{} is no longer declared", names(made)),
        resource: made.undo.as_ref().map(|undo| undo.resource.clone()).unwrap_or_default(),
        position: format!("made by {}", made.task),
        handler: false,
        on_failure: false,
    }
}

fn entry(made: &Made, fields: Vec<crate::model::Field>) -> Entry {
    let things = made.things.clone();
    Entry { action: Action::Delete, things, fields, notifies: Vec::new(), owed_since: None, undo: None }
}

/// How something is taken away.
struct Deletion {
    planned: Box<dyn Planned>,
    change: Change<resources::Step>,
    privilege: Privilege,
}

/// What taking it away would do; nothing, if it is gone already. Else why it stays. `declared`: where it is planned.
async fn delete(
    context: &Context,
    place: PlaceId,
    made: &Made,
    declared: Option<&Declared>,
) -> Result<Option<Deletion>, String> {
    if made.undo.is_none() {
        return Err("nothing takes such a thing away".to_owned());
    }
    let look = if declared.is_some() { Look::Shadow } else { Look::Fresh };
    let planned = planned(context, place, made, declared);
    let planned = planned.ok_or("the ledger names no task that takes something away")?;
    let privilege = context.places.keeps_as(place).ok_or("there is no way there")?;
    match context.places.judge(place, &*planned, &privilege, look).await {
        Ok(Verdict::Right { why, .. }) if why.starts_with("left") => Err(why.into_owned()),
        Ok(Verdict::Right { .. }) => Ok(None),
        Ok(Verdict::Change(change)) if change.action == Action::Delete => {
            Ok(Some(Deletion { planned, change, privilege }))
        }
        Ok(Verdict::Change(_)) => Err("it would not only be taken away".to_owned()),
        Err(Halt::Later(after)) => Err(after.to_string()),
        Err(Halt::Fault(fault)) => Err(fault.to_string()),
    }
}

/// Takes away what was approved, at the places where all else went well. Gives the outcomes.
pub(super) async fn apply(
    context: &Context,
    approved: &Plan,
    salt: Option<&Salt>,
    holds: &Holds,
    outcomes: &BTreeMap<(Address, PlaceId), Outcome>,
) -> BTreeMap<(Address, PlaceId), Outcome> {
    let mut by_place: BTreeMap<PlaceId, Vec<(&Address, &Entry)>> = BTreeMap::new();
    for row in &approved.rows {
        let address = &approved.tasks[row.task as usize].address;
        if let (Decision::Change(entry), true) = (&row.decision, is_prune(address)) {
            by_place.entry(row.place).or_default().push((address, entry));
        }
    }
    let works = by_place.into_iter().map(|(place, entries)| async move {
        let bad = outcomes.iter().find(|((_, at), outcome)| {
            *at == place && matches!(outcome, Outcome::Failed(_) | Outcome::Blocked(_) | Outcome::NotRun)
        });
        let mut done = Vec::new();
        for (address, entry) in entries {
            let begun = Instant::now();
            let outcome = match bad {
                Some(((cause, _), _)) => Outcome::Blocked(cause.clone()),
                None if context.options.stop.asked() => Outcome::NotRun,
                None => match one(context, place, address, entry, salt, holds).await {
                    Ok(outcome) => outcome,
                    Err(fault) => Outcome::Failed(Box::new(fault)),
                },
            };
            context.events.tell(|| Event::Done {
                address: address.clone(),
                place: context.places.name(place),
                outcome: outcome.clone(),
                took: begun.elapsed(),
            });
            done.push(((address.clone(), place), outcome));
        }
        done
    });
    let works = futures::stream::iter(works.collect::<Vec<_>>()).buffer_unordered(context.options.forks.max(1));
    works.flat_map(futures::stream::iter).collect().await
}

async fn one(
    context: &Context,
    place: PlaceId,
    address: &Address,
    entry: &Entry,
    salt: Option<&Salt>,
    holds: &Holds,
) -> Result<Outcome, Fault> {
    holds.take(context, place, Vec::new).await?;
    let ledger = context.places.ledger(place, Look::Fresh).await?;
    let owner = context.options.owner.as_ref();
    let made = ledger.made.into_iter().find(|made| owner == Some(&made.owner) && made.things == entry.things);
    let Some(made) = made else { return Ok(Outcome::AlreadyRight) };
    let outcome = match delete(context, place, &made, None).await.map_err(Fault::failed)? {
        None => Outcome::AlreadyRight,
        Some(Deletion { planned, change, privilege }) => {
            refines(entry, &change, &made.things, salt)?;
            let quiet = |_: Stream, _: &str| ();
            for step in &change.steps {
                context.places.perform(place, step, &privilege, &quiet).await?;
            }
            let held = Mutex::new(None);
            let tell = |why: &str| {
                let (address, place, why) = (address.clone(), context.places.name(place), context.masks.mask(why));
                *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
                context.events.tell(|| Event::Waiting { address, place, why });
            };
            let patience = Patience { limit: super::settle::LIMIT, tell: &tell };
            tokio::select! {
                settled = context.places.settle(place, &*planned, &privilege, &patience) => settled?,
                () = context.options.stop.ended() => {
                    let held = held.lock().unwrap_or_else(PoisonError::into_inner).take();
                    return Err(match held {
                        Some(why) => ended_by_user().cause(format!("it was deleted, and is still there: {why}")),
                        None => ended_by_user(),
                    });
                }
            }
            Outcome::Changed(Box::new(self::entry(&made, change.fields)))
        }
    };
    context.places.hold(place, &context.options.claim, &[made.gone()]).await?;
    Ok(outcome)
}

/// The lines that note what an approved plan is going to make at `place`. What is done there for another host is not
/// noted: it is not known there what that host declares.
pub(super) fn notes(
    context: &Context,
    approved: &BTreeMap<(Address, PlaceId), Decision>,
    place: PlaceId,
) -> Vec<String> {
    let delegated: BTreeSet<&Address> =
        context.graph.nodes.iter().filter(|node| node.done_at.is_some()).map(|node| &node.address).collect();
    let here = approved.iter().filter(|((address, at), _)| *at == place && !delegated.contains(address));
    here.filter_map(|((address, _), decision)| match decision {
        Decision::Change(entry) => line(context, place, address, entry),
        _ => None,
    })
    .collect()
}

/// What takes away what `change` makes: what is only altered by it is not its to take.
pub(super) fn undo(planned: &dyn Planned, change: &Change<resources::Step>) -> Option<Undo> {
    let makes = match (change.action, planned.sort()) {
        (Action::Create, _) | (Action::Run, Sort::Cluster) => true,
        (Action::Update, Sort::Cluster) => resources::makes(change),
        _ => false,
    };
    planned.undo().filter(|_| makes)
}

/// The line that notes what `entry` makes, if it makes anything.
pub(super) fn note(context: &Context, visited: &Visited<'_>, entry: &Entry) -> Option<String> {
    (visited.worker() == visited.place).then(|| line(context, visited.place, visited.address(), entry))?
}

fn line(context: &Context, place: PlaceId, task: &Address, entry: &Entry) -> Option<String> {
    let owner = context.options.owner.clone()?;
    // On a host, what was not there before. In the cluster, what a task says that it can take away again.
    let made = if place == context.graph.cluster { entry.undo.is_some() } else { entry.action == Action::Create };
    if !made || entry.things.is_empty() {
        return None;
    }
    Some(Made { owner, task: task.clone(), things: entry.things.clone(), undo: entry.undo.clone() }.line())
}
