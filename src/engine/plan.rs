//! A verdict for every node, reached by looking only. What an earlier task will leave behind is asked of the
//! shadow of its place, so a bare host shows its whole plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures::StreamExt as _;
use futures::future::BoxFuture;

use super::assemble::assemble;
use super::context::Context;
use super::node::{Params, Typed, Visited, When, task_of};
use super::places::Look;
use super::prune::{self, Declarations};
use super::registers::Registers;
use super::starts::{Starts, after_start, restarted};
use super::walk::{Ended, Gate, Visit, Width, walk};
use super::writers;
use crate::graph::{NodeId, NodeKind, PlaceId, Section};
use crate::model::{
    Address, After, Decision, Entry, Event, Fault, FaultKind, Halt, Map, Plan, Register, Row, Shown, Thing, Value,
    Verdict,
};
use crate::source::Problems;

/// A plan, and what apply needs besides.
#[derive(Debug)]
pub struct Planned {
    /// What is shown, and kept in plan files.
    pub plan: Plan,
    /// Facts of hosts, where they were asked for.
    pub facts: Arc<Vec<Option<Map>>>,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum Unplanned {
    /// Problems of the text that only show when all places are known: two tasks that keep one thing, not ordered.
    Problems(Problems),
    /// The user stopped it.
    Interrupted,
}

/// Makes the plan. The only thing that is ever done at a place is to look.
///
/// # Errors
/// See [`Unplanned`].
pub async fn plan(context: &Context) -> Result<Planned, Unplanned> {
    let first = first_look(context).await;
    let mut settled = BTreeSet::new();
    loop {
        let planner = Arc::new(Planner {
            context: context.clone(),
            registers: Registers::default(),
            decisions: Mutex::new(BTreeMap::new()),
            writers: (0..=context.graph.cluster).map(|_| Mutex::default()).collect(),
            settled,
            declarations: Declarations::new(context.graph.cluster),
            starts: Starts::default(),
            first: first.clone(),
        });
        // One visit at a time in the cluster: its shadow, too, is read in order.
        let width = Width { forks: context.options.forks, cluster: 1 };
        if !walk(context.graph.clone(), planner.clone(), width, context.options.stop.clone()).await {
            return Err(Unplanned::Interrupted);
        }
        let decisions = std::mem::take(&mut *planner.lock());
        let joints = writers::joints(&planner.writers, &decisions);
        writers::ordered(context, &joints).map_err(Unplanned::Problems)?;
        let agreed = writers::agreed(context, &joints, &decisions).await;
        if agreed.is_subset(&planner.settled) {
            let mut plan = assemble(context, decisions);
            prune::plan(context, &mut plan, &planner.declarations).await;
            return Ok(Planned { plan, facts: first.facts });
        }
        // Together they end where the place is already: plan again with all of them right. Everything that was
        // asked is known, so this costs no round trip.
        settled = planner.settled.union(&agreed).copied().collect();
        context.places.forget_shadows();
    }
}

/// Typed parameters of the tasks of one place.
type TypedTasks = BTreeMap<NodeId, Typed>;

/// How many tasks could not be planned at a place that answers: with one of them, what was shown is not whole, so
/// nothing is to be applied. A host that is away holds up nobody else; an `optional` task may fail.
#[must_use]
pub fn faults(context: &Context, plan: &Plan) -> usize {
    let optional: BTreeSet<&Address> = context
        .graph
        .nodes
        .iter()
        .filter(|node| task_of(&node.kind).is_some_and(|(task, _)| context.program.tasks[task as usize].optional))
        .map(|node| &node.address)
        .collect();
    let counts = |row: &&Row| match &row.decision {
        Decision::Failed(fault) => {
            fault.kind != FaultKind::Unreachable && !optional.contains(&plan.tasks[row.task as usize].address)
        }
        _ => false,
    };
    plan.rows.iter().filter(counts).count()
}

/// What was learnt before planning began: facts, and typed parameters that did not need any register.
#[derive(Clone)]
pub(super) struct First {
    pub(super) facts: Arc<Vec<Option<Map>>>,
    typed: Arc<BTreeMap<PlaceId, TypedTasks>>,
    /// Why a host could not be looked at.
    lost: Arc<BTreeMap<PlaceId, Fault>>,
}

/// All first questions of a place in one batch, all places at once.
async fn first_look(context: &Context) -> First {
    let shared: Vec<OnceLock<Typed>> = (0..context.graph.nodes.len()).map(|_| OnceLock::new()).collect();
    let mut by_place: BTreeMap<PlaceId, Vec<(NodeId, PlaceId)>> = BTreeMap::new();
    for (id, node) in (0..).zip(&context.graph.nodes) {
        if matches!(node.kind, NodeKind::Task { .. }) && !is_rescue(context, id) {
            for place in node.places.iter() {
                by_place.entry(node.done_at.unwrap_or(*place)).or_default().push((id, *place));
            }
        }
    }
    let forks = context.options.forks.max(1);
    let mut facts = vec![None; context.graph.cluster as usize];
    let mut lost = BTreeMap::new();
    if context.program.reads_facts() {
        let hosts = by_place.keys().copied().filter(|place| *place != context.graph.cluster);
        let mut asked = futures::stream::iter(hosts.collect::<Vec<_>>())
            .map(|host| async move { (host, context.places.facts(host).await) })
            .buffer_unordered(forks);
        while let Some((host, answer)) = asked.next().await {
            match answer {
                Ok(answer) => facts[host as usize] = Some(answer),
                Err(fault) => _ = lost.insert(host, fault),
            }
        }
    }
    let facts = Arc::new(facts);
    let shared = Arc::new(shared);
    let mut looks = futures::stream::iter(by_place)
        .map(|(worker, nodes)| {
            let (context, facts, shared) = (context.clone(), facts.clone(), shared.clone());
            tokio::spawn(async move { (worker, look(&context, worker, nodes, &facts, &shared).await) })
        })
        .buffer_unordered(forks);
    let mut typed = BTreeMap::new();
    while let Some(look) = looks.next().await {
        // A look that panicked has typed nothing: planning meets the same trouble in order, and says so.
        if let Ok((worker, found)) = look {
            typed.insert(worker, found);
        }
    }
    drop(looks);
    First { facts, typed: Arc::new(typed), lost: Arc::new(lost) }
}

/// The first look at one place.
async fn look(
    context: &Context,
    worker: PlaceId,
    nodes: Vec<(NodeId, PlaceId)>,
    facts: &[Option<Map>],
    shared: &[OnceLock<Typed>],
) -> TypedTasks {
    context.events.tell(|| Event::Connecting { place: context.places.name(worker) });
    let mut typed = BTreeMap::new();
    let mut looks = Vec::new();
    let none = Map::new();
    for (node, place) in nodes {
        let Some(visited) = Visited::new(context, node, place) else { continue };
        // What depends on a register is looked at when its turn comes; so is what fails here, to fail in order.
        if !visited.task.reads.is_empty() || !matches!(visited.when(&none, facts), Ok(Ok(()))) {
            continue;
        }
        let ready = match shared[node as usize].get() {
            Some(ready) => ready.clone(),
            None => match visited.params(&none, facts) {
                Ok(Params::Ready(ready)) => {
                    if !ready.varies {
                        let _ = shared[node as usize].set(ready.clone());
                    }
                    ready
                }
                _ => continue,
            },
        };
        looks.push((ready.planned.clone(), visited.privilege()));
        // A delegated task is done here once for each of several hosts: those differ, so they are not kept.
        if visited.worker() == place {
            typed.insert(node, ready);
        }
    }
    if context.options.whole {
        context.places.ledger_soon(worker);
    }
    context.places.prefetch(worker, looks).await;
    typed
}

pub(super) type Decisions = BTreeMap<(NodeId, PlaceId), Decision>;

pub(super) struct Planner {
    pub(super) context: Context,
    pub(super) registers: Registers,
    decisions: Mutex<Decisions>,
    /// By place: who keeps which thing.
    writers: Vec<Mutex<writers::Keepers>>,
    /// Writers that together leave a thing as it is.
    settled: BTreeSet<(NodeId, PlaceId)>,
    declarations: Declarations,
    /// Starts of units that are certain.
    starts: Starts,
    pub(super) first: First,
}

impl Visit for Planner {
    fn visit(&self, node: NodeId, place: PlaceId, gate: Gate) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let Some(visited) = Visited::new(&self.context, node, place) else { return Ended::Good };
            let decision = match gate {
                Gate::Blocked(cause) => Decision::Blocked(cause),
                Gate::Open | Gate::NotNeeded => match self.decide(&visited).await {
                    Ok(decision) => decision,
                    Err(fault) => Decision::Failed(Box::new(fault)),
                },
            };
            self.declare(&visited, &decision);
            let ended = match &decision {
                Decision::Failed(_) if visited.task.optional => Ended::Good,
                Decision::Failed(_) => Ended::Bad,
                Decision::Blocked(_) => Ended::Blocked,
                _ => Ended::Good,
            };
            self.context.events.tell(|| Event::Planned {
                address: visited.address().clone(),
                place: self.context.places.name(place),
                decision: decision.clone(),
            });
            self.lock().insert((node, place), decision);
            ended
        })
    }
}

/// Is a handler told to run?
enum Notice {
    No,
    Yes,
    Maybe(After),
    Owed(String),
}

impl Planner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Decisions> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn decide(&self, visited: &Visited<'_>) -> Result<Decision, Fault> {
        let worker = visited.worker();
        if let Some(fault) = self.first.lost.get(&worker) {
            return Err(fault.clone());
        }
        let seen = self.registers.seen_by(visited.task, visited.place);
        let facts = &self.first.facts;
        if is_rescue(&self.context, visited.node) {
            let after = After::new("a failure");
            let things = self.things(visited, &seen);
            visited.keep(&self.registers, Value::Unknown(after.clone()));
            return Ok(Decision::Later { after, things });
        }
        let notice = self.notice(visited);
        if matches!(notice, Notice::No) {
            return Ok(Decision::Skipped("not notified".into()));
        }
        match visited.when(&seen, facts)? {
            Ok(()) => {}
            Err(When::False(why)) => {
                visited.keep(&self.registers, skipped());
                return Ok(Decision::Skipped(why.into()));
            }
            Err(When::Unknown(after)) => return Ok(self.later(visited, after, self.things(visited, &seen))),
        }
        let ready = match self.first.typed.get(&worker).and_then(|typed| typed.get(&visited.node)) {
            Some(ready) if worker == visited.place => ready.clone(),
            _ => match visited.params(&seen, facts)? {
                Params::Ready(ready) => ready,
                Params::Later(after) => return Ok(self.later(visited, after, Vec::new())),
            },
        };
        let things = ready.planned.things();
        self.note_writer(visited, &things);
        if let Notice::Maybe(after) = notice {
            return Ok(self.later(visited, after, things));
        }
        if self.settled.contains(&(visited.node, visited.place)) {
            visited.keep(&self.registers, unchanged(Register::new()));
            return Ok(Decision::Right("right together with the others that keep it".into()));
        }
        match self.context.places.judge(worker, &*ready.planned, &visited.privilege(), Look::Shadow).await {
            Err(Halt::Later(after)) => Ok(self.later(visited, after, things)),
            Err(Halt::Fault(fault)) => Err(fault),
            Ok(Verdict::Right { why, yields }) => {
                let result = unchanged(yields);
                visited.check_result(&result, &seen, facts)?;
                visited.keep(&self.registers, result);
                let unready = self.context.places.unready(worker, &*ready.planned, &visited.privilege()).await;
                if !matches!(unready, Ok(None)) {
                    self.context.places.awaited.note(worker, things);
                }
                Ok(match unready {
                    Ok(None) => Decision::Right(why),
                    Ok(Some(what)) => Decision::Unready(self.context.masks.mask(&what)),
                    Err(Halt::Later(after)) => Decision::Unready(format!("decided after: {}", after.0)),
                    Err(Halt::Fault(fault)) => return Err(fault),
                })
            }
            Ok(Verdict::Change(change)) => {
                let units = restarted(change.action, &change.steps);
                if self.starts.covers(&self.context, visited, &units) {
                    visited.keep(&self.registers, skipped());
                    return Ok(Decision::Skipped(after_start(&units.join("`, `")).into()));
                }
                if visited.task.guard {
                    self.can_undo(visited, &change.steps).await?;
                }
                let after = visited.after();
                let certain = change.fields.iter().all(|field| !matches!(field.before, Shown::Unknown(_)));
                for step in &change.steps {
                    self.context.places.imitate(worker, step, &after);
                    if certain {
                        self.starts.done(worker, step);
                    }
                }
                self.starts.changed(visited.node, visited.place);
                let undo = prune::undo(&*ready.planned, &change);
                let mut result = change.yields;
                name_unknowns(&mut result, &after);
                result.insert("changed".to_owned(), Value::Bool(true));
                let result = Value::Map(result);
                let changed = visited.result_says(visited.task.changed_when.as_ref(), &result, &seen, facts)?;
                let result = with_changed(result, changed.as_ref(), &after);
                let notifies = match result.get("changed") {
                    Some(Value::Bool(false)) => Vec::new(),
                    _ => visited.task.notify.iter().map(|(name, _)| name.clone()).collect(),
                };
                visited.keep(&self.registers, result);
                let owed_since = if let Notice::Owed(since) = notice { Some(since) } else { None };
                let entry = Entry { action: change.action, things, fields: change.fields, notifies, owed_since, undo };
                Ok(Decision::Change(Box::new(entry)))
            }
        }
    }

    /// What a task declares is not taken away, whether it is to run now or not.
    fn declare(&self, visited: &Visited<'_>, decision: &Decision) {
        if !self.context.options.whole {
            return;
        }
        let worker = visited.worker();
        match decision {
            Decision::Change(entry) => self.declarations.things(worker, &entry.things),
            _ => match visited.params(&self.registers.seen_by(visited.task, visited.place), &self.first.facts) {
                Ok(Params::Ready(ready)) => self.declarations.things(worker, &ready.planned.things()),
                _ => self.declarations.open(worker, visited.address()),
            },
        }
    }

    fn note_writer(&self, visited: &Visited<'_>, things: &[Thing]) {
        let mut keepers = self.writers[visited.worker() as usize].lock().unwrap_or_else(PoisonError::into_inner);
        for thing in things {
            keepers.entry(thing.clone()).or_default().push((visited.node, visited.place));
        }
    }

    /// Decided when another task has run. What it may touch is open from here on.
    fn later(&self, visited: &Visited<'_>, after: After, things: Vec<Thing>) -> Decision {
        self.context.places.leave_open(visited.worker(), &things, &visited.after());
        self.starts.changed(visited.node, visited.place);
        visited.keep(&self.registers, Value::Unknown(visited.after()));
        Decision::Later { after, things }
    }

    /// What a task that is later may touch, as far as its parameters tell already.
    fn things(&self, visited: &Visited<'_>, seen: &Map) -> Vec<Thing> {
        match visited.params(seen, &self.first.facts) {
            Ok(Params::Ready(ready)) => ready.planned.things(),
            _ => Vec::new(),
        }
    }

    /// Is it a handler that is not told to run?
    fn notice(&self, visited: &Visited<'_>) -> Notice {
        let NodeKind::Handler { by, .. } = &self.context.graph.nodes[visited.node as usize].kind else {
            return Notice::Yes;
        };
        let decisions = self.lock();
        let mut maybe = None;
        for (notifier, place) in self.context.notifiers(by, visited.place) {
            match decisions.get(&(notifier, place)) {
                Some(Decision::Change(entry)) if !entry.notifies.is_empty() => {
                    let task = task_of(&self.context.graph.nodes[notifier as usize].kind)
                        .map(|(task, _)| &self.context.program.tasks[task as usize]);
                    match task {
                        Some(task) if task.changed_when.is_some() => maybe = Some(After::new(task.name.as_str())),
                        _ => return Notice::Yes,
                    }
                }
                Some(Decision::Later { .. }) => {
                    let address = &self.context.graph.nodes[notifier as usize].address;
                    maybe = maybe.or_else(|| Some(After::new(address.as_str())));
                }
                _ => {}
            }
        }
        let debt = (visited.address().clone(), self.context.places.name(visited.place));
        if let Some(since) = self.context.options.owed.get(&debt) {
            return Notice::Owed(since.clone());
        }
        maybe.map_or(Notice::No, Notice::Maybe)
    }
}

pub(super) fn is_rescue(context: &Context, node: NodeId) -> bool {
    context.graph.nodes[node as usize].sections.iter().any(|(_, section)| *section == Section::Rescue)
}

/// The register of a task that was skipped: as in Ansible.
pub(super) fn skipped() -> Value {
    Value::Map(Map::from([("changed".to_owned(), Value::Bool(false)), ("skipped".to_owned(), Value::Bool(true))]))
}

/// The register of a task that found everything right.
pub(super) fn unchanged(mut yields: Register) -> Value {
    yields.insert("changed".to_owned(), Value::Bool(false));
    Value::Map(yields)
}

/// A resource does not know its task's name: the unknowns that it leaves get it here.
fn name_unknowns(register: &mut Register, after: &After) {
    for value in register.values_mut() {
        match value {
            Value::Unknown(_) => *value = Value::Unknown(after.clone()),
            Value::Map(below) => name_unknowns(below, after),
            _ => {}
        }
    }
}

/// Sets `changed` as `changed_when` said.
pub(super) fn with_changed(result: Value, says: Option<&crate::language::evaluate::Truth>, after: &After) -> Value {
    use crate::language::evaluate::Truth;
    let Value::Map(mut map) = result else { return result };
    match says {
        Some(Truth::True) => _ = map.insert("changed".to_owned(), Value::Bool(true)),
        Some(Truth::False) => _ = map.insert("changed".to_owned(), Value::Bool(false)),
        Some(Truth::Unknown(_)) => _ = map.insert("changed".to_owned(), Value::Unknown(after.clone())),
        None => {}
    }
    Value::Map(map)
}
