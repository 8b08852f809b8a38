//! Makes what was approved. Looks again before each change: already right, nothing is done; as approved, it is done;
//! anything else stops that branch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::future::BoxFuture;

use super::ahead::{Agenda, agenda};
use super::context::Context;
use super::guarded::{Early, Unproved};
use super::hold::Holds;
use super::joining::{Followers, JoinedTasks, followers};
use super::journal::{Ended as How, Journal};
use super::node::{Params, Typed, Visited, When};
use super::places::Look;
use super::plan::{is_rescue, skipped, unchanged};
use super::prune;
use super::refine::{Approval, Salt};
use super::registers::Registers;
use super::rescue::rescue;
use super::settle::settle;
use super::starts::{Starts, after_start};
use super::walk::{Ended, Gate, Visit, Width, walk};
use crate::graph::{NodeId, NodeKind, PlaceId};
use crate::language::program::ScopeId;
use crate::model::{
    Action, Address, After, Change, Decision, Entry, Event, Fault, FaultKind, Halt, Map, Outcome, Plan, Report, Thing,
    Verdict,
};
use crate::resources::Step;

/// Makes what `approved` says. `salt`: that of the plan file it came from.
///
/// Failures are in the report; they stop only what needs them.
pub async fn apply(context: &Context, approved: &Plan, salt: Option<Salt>, journal: Arc<Journal>) -> Report {
    context.places.forget();
    context.places.expect_cluster();
    let applier = Arc::new(Applier::new(context, approved, salt, journal).await);
    let width = Width { forks: context.options.forks, cluster: AT_ONCE };
    let complete = walk(context.graph.clone(), applier.clone(), width, context.options.stop.clone()).await;
    let mut outcomes = std::mem::take(&mut *applier.outcomes.lock().unwrap_or_else(PoisonError::into_inner));
    for ((node, place), outcome) in applier.untold() {
        outcomes.entry((context.graph.nodes[node as usize].address.clone(), place)).or_insert(outcome);
    }
    rescue(context, &mut outcomes);
    let pruned = prune::apply(context, approved, applier.salt.as_ref(), &applier.holds, &outcomes).await;
    outcomes.extend(pruned);
    applier.holds.release(context).await;
    let rows = approved.rows.iter().map(|row| {
        let address = &approved.tasks[row.task as usize].address;
        let outcome = outcomes.remove(&(address.clone(), row.place)).unwrap_or(Outcome::NotRun);
        (row.task, row.place, outcome)
    });
    Report {
        environment: approved.environment.clone(),
        places: approved.places.clone(),
        tasks: approved.tasks.clone(),
        rows: rows.collect(),
        interrupted: !complete || context.options.stop.asked(),
    }
}

/// Tasks under way at once in the cluster. Most of them wait until something is ready; how many requests are made at
/// once is the business of the API's client.
const AT_ONCE: usize = 64;

pub(super) struct Applier {
    pub(super) context: Context,
    approved: BTreeMap<(Address, PlaceId), Decision>,
    pub(super) salt: Option<Salt>,
    pub(super) journal: Arc<Journal>,
    holds: Holds,
    pub(super) agenda: Agenda,
    pub(super) registers: Registers,
    /// Registers that somebody reads.
    read: BTreeSet<(ScopeId, String)>,
    pub(super) facts: Arc<Vec<Option<Map>>>,
    pub(super) outcomes: Mutex<BTreeMap<(Address, PlaceId), Outcome>>,
    /// Nodes that changed something there, as far as handlers care.
    changed: Mutex<BTreeSet<(NodeId, PlaceId)>>,
    /// Handlers of a notifying node.
    pub(super) handlers: BTreeMap<NodeId, Vec<NodeId>>,
    /// The last start of each unit, and the last change that tells a handler.
    pub(super) starts: Starts,
    /// What comes right after another task, and can be done with it.
    pub(super) followers: Followers,
    /// Done with the task before.
    pub(super) joined: Mutex<JoinedTasks>,
    /// Hosts where tasks are done one by one, although they could be done together.
    pub(super) apart: Mutex<BTreeSet<PlaceId>>,
    /// Handlers that have run inside the guard of a notifier, and what came of it.
    pub(super) early: Mutex<Early>,
    /// Tasks whose host waits for the proof that one can still get in.
    pub(super) unproved: Mutex<Unproved>,
}

impl Applier {
    async fn new(context: &Context, plan: &Plan, salt: Option<Salt>, journal: Arc<Journal>) -> Self {
        let mut handlers: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for (id, node) in (0..).zip(&context.graph.nodes) {
            if let NodeKind::Handler { by, .. } = &node.kind {
                for notifier in by {
                    handlers.entry(*notifier).or_default().push(id);
                }
            }
        }
        let mut facts = vec![None; context.graph.cluster as usize];
        if context.program.reads_facts() {
            for host in context.graph.nodes.iter().flat_map(|node| node.places.iter().copied()).collect::<BTreeSet<_>>()
            {
                if host != context.graph.cluster {
                    // A host that is lost here is met again at its first task, which says so.
                    facts[host as usize] = context.places.facts(host).await.ok();
                }
            }
        }
        let rows = plan.rows.iter();
        let approved = rows
            .map(|row| ((plan.tasks[row.task as usize].address.clone(), row.place), row.decision.clone()))
            .collect();
        Self {
            agenda: agenda(context, &approved),
            approved,
            salt,
            journal,
            holds: Holds::default(),
            registers: Registers::default(),
            read: context
                .program
                .tasks
                .iter()
                .flat_map(|task| task.reads.iter().map(|(name, _)| (task.scope, name.clone())))
                .collect(),
            facts: Arc::new(facts),
            outcomes: Mutex::default(),
            changed: Mutex::default(),
            early: Mutex::default(),
            unproved: Mutex::default(),
            starts: Starts::default(),
            followers: followers(&context.graph),
            joined: Mutex::default(),
            apart: Mutex::default(),
            handlers,
            context: context.clone(),
        }
    }
}

impl Visit for Applier {
    fn visit(&self, node: NodeId, place: PlaceId, gate: Gate) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let Some(visited) = Visited::new(&self.context, node, place) else { return Ended::Good };
            let started = Instant::now();
            let outcome = match gate {
                Gate::Blocked(cause) => match self.failed_jointly(&visited) {
                    Some(fault) => Outcome::Failed(Box::new(fault)),
                    None => Outcome::Blocked(cause),
                },
                Gate::NotNeeded => {
                    visited.keep(&self.registers, skipped());
                    Outcome::Skipped("nothing failed".into())
                }
                Gate::Open => match self.run(&visited).await {
                    Ok(outcome) => outcome,
                    Err(fault) if visited.task.optional => Outcome::Degraded(Box::new(fault)),
                    Err(fault) => Outcome::Failed(Box::new(fault)),
                },
            };
            let ended = match &outcome {
                Outcome::Failed(_) => Ended::Bad,
                Outcome::Blocked(_) => Ended::Blocked,
                _ => Ended::Good,
            };
            self.context.events.tell(|| Event::Done {
                address: visited.address().clone(),
                place: self.context.places.name(place),
                outcome: outcome.clone(),
                took: started.elapsed(),
            });
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            let noted = outcomes.entry((visited.address().clone(), place));
            match outcome {
                // What is known of it already (it was undone) says more.
                Outcome::Blocked(_) => _ = noted.or_insert(outcome),
                _ => _ = noted.insert_entry(outcome),
            }
            ended
        })
    }
}

impl Applier {
    pub(super) async fn run(&self, visited: &Visited<'_>) -> Result<Outcome, Fault> {
        let approval = match self.decision(visited) {
            None => return Err(Fault::new(FaultKind::Refused, "this task is not in the plan")),
            Some(Decision::Failed(fault)) => return Err((**fault).clone()),
            Some(Decision::Blocked(cause)) => return Ok(Outcome::Blocked(cause.clone())),
            Some(Decision::Skipped(why)) => {
                visited.keep(&self.registers, skipped());
                self.pay_started(visited)?;
                return Ok(Outcome::Skipped(why.clone()));
            }
            Some(Decision::Right(_)) => {
                if self.is_read(visited) {
                    self.read_again(visited).await?;
                }
                if visited.task.handler {
                    // Told, and nothing to do: what it restarts is made by this run.
                    self.journal.ended(visited.address(), &self.context.places.name(visited.place), How::Paid)?;
                }
                return Ok(Outcome::Right);
            }
            Some(Decision::Unready(_)) => {
                let begun = Instant::now();
                let ready = self.read_again(visited).await?;
                settle(&self.context, visited, &*ready.planned, begun).await?;
                return Ok(Outcome::Right);
            }
            Some(Decision::Change(entry)) => Approval::Change(entry),
            Some(Decision::Later { things, .. }) => Approval::Later(things),
        };
        if !self.is_told(visited) {
            if let Some((_, outcome)) = self.early().remove(&(visited.node, visited.place)) {
                return Ok(outcome);
            }
            visited.keep(&self.registers, skipped());
            return Ok(Outcome::Skipped("not notified after all".into()));
        }
        let worker = visited.worker();
        self.holds.take(&self.context, worker, || prune::notes(&self.context, &self.approved, worker)).await?;
        let mut attempt = 1;
        loop {
            let fault = match self.attempt(visited, &approval).await {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => fault,
            };
            let again = matches!(fault.kind, FaultKind::Failed | FaultKind::TimedOut | FaultKind::Unreachable);
            if !again || attempt > visited.task.retries || self.context.options.stop.asked() {
                return Err(fault);
            }
            attempt += 1;
            self.context.events.tell(|| Event::Retrying {
                address: visited.address().clone(),
                place: self.context.places.name(visited.place),
                attempt,
                fault,
            });
            tokio::time::sleep(visited.task.delay).await;
        }
    }

    /// A handler runs where one of its notifiers changed something, or where an earlier run owes it.
    pub(super) fn is_told(&self, visited: &Visited<'_>) -> bool {
        let NodeKind::Handler { by, .. } = &self.context.graph.nodes[visited.node as usize].kind else { return true };
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let early = self.early().get(&(visited.node, visited.place)).map(|(notifier, _)| *notifier);
        let debt = (visited.address().clone(), self.context.places.name(visited.place));
        self.context.notifiers(by, visited.place).any(|one| changed.contains(&one) && Some(one.0) != early)
            || self.journal.owed().contains_key(&debt)
    }

    /// It changed something, as far as handlers care.
    pub(super) fn change_of(&self, visited: &Visited<'_>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert((visited.node, visited.place));
        self.starts.changed(visited.node, visited.place);
    }

    /// The decision of the plan.
    pub(super) fn decision(&self, visited: &Visited<'_>) -> Option<&Decision> {
        self.approved.get(&(visited.address().clone(), visited.place))
    }

    /// It changed nothing after all.
    pub(super) fn unchange(&self, visited: &Visited<'_>) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.remove(&(visited.node, visited.place));
    }

    /// Does another task read its register?
    fn is_read(&self, visited: &Visited<'_>) -> bool {
        visited.task.register.as_ref().is_some_and(|name| self.read.contains(&(visited.task.scope, name.clone())))
    }

    /// A right task whose register others read is looked at once more: a saved plan keeps no registers.
    async fn read_again(&self, visited: &Visited<'_>) -> Result<Typed, Fault> {
        let seen = self.registers.seen_by(visited.task, visited.place);
        let ready = self.ready(visited, &seen)?;
        match self.context.places.judge(visited.worker(), &*ready.planned, &visited.privilege(), Look::Fresh).await {
            Ok(Verdict::Right { yields, .. }) => {
                let result = unchanged(yields);
                visited.check_result(&result, &seen, &self.facts)?;
                visited.keep(&self.registers, result);
            }
            Ok(Verdict::Change(_)) => {
                return Err(Fault::new(FaultKind::Stale, "was right when the plan was shown, and is not any more")
                    .help("nothing was done here; plan again and look at the difference"));
            }
            Err(Halt::Fault(fault)) => return Err(fault),
            Err(Halt::Later(after)) => return Err(still_unknown(&after)),
        }
        Ok(ready)
    }

    pub(super) fn ready(&self, visited: &Visited<'_>, seen: &Map) -> Result<Typed, Fault> {
        match visited.params(seen, &self.facts)? {
            Params::Ready(ready) => Ok(ready),
            Params::Later(after) => Err(still_unknown(&after)),
        }
    }

    async fn attempt(&self, visited: &Visited<'_>, approval: &Approval<'_>) -> Result<Outcome, Fault> {
        let begun = Instant::now();
        let work = self.look_and_make(visited, approval);
        let limited = async {
            match visited.task.timeout {
                // Under a guard it is the time of the change alone: the proof comes after it.
                Some(limit) if !visited.task.guard => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                    Err(Fault::new(FaultKind::TimedOut, format!("not done within {} s", limit.as_secs()))
                        .help("it was ended; raise `timeout` if it needs longer"))
                }),
                _ => work.await,
            }
        };
        let (outcome, ready) = tokio::select! {
            made = limited => made?,
            () = self.let_go(visited) => return Err(ended_by_user()),
        };
        if let Some(ready) = ready {
            settle(&self.context, visited, &*ready.planned, begun).await?;
        }
        Ok(outcome)
    }

    /// What came of it, and what has to be ready then.
    async fn look_and_make(
        &self,
        visited: &Visited<'_>,
        approval: &Approval<'_>,
    ) -> Result<(Outcome, Option<Typed>), Fault> {
        let seen = self.registers.seen_by(visited.task, visited.place);
        match visited.when(&seen, &self.facts)? {
            Ok(()) => {}
            Err(When::False(why)) => {
                visited.keep(&self.registers, skipped());
                return Ok((Outcome::Skipped(why.into()), None));
            }
            Err(When::Unknown(after)) => return Err(still_unknown(&after)),
        }
        let joined = self.joined().remove(&(visited.node, visited.place));
        if let Some(joined) = joined {
            let made = match joined.fault {
                Some(fault) => Err(fault),
                None => self.make(visited, joined.change, joined.entry, joined.ready.secret, &seen).await,
            };
            self.ended(visited, &made)?;
            return Ok((made?, Some(joined.ready)));
        }
        let ready = self.ready(visited, &seen)?;
        let things = ready.planned.things();
        let mut change = match self.look(visited, &ready, approval).await {
            Ok(Verdict::Change(change)) => change,
            Ok(Verdict::Right { yields, .. }) => {
                let result = unchanged(yields);
                visited.check_result(&result, &seen, &self.facts)?;
                visited.keep(&self.registers, result);
                if visited.task.handler {
                    self.journal.ended(visited.address(), &self.context.places.name(visited.place), How::Paid)?;
                }
                return Ok((Outcome::AlreadyRight, Some(ready)));
            }
            Err(Halt::Fault(fault)) => return Err(fault),
            Err(Halt::Later(after)) => return Err(still_unknown(&after)),
        };
        self.may(visited, approval, &change, &things)?;
        if let Some(unit) = self.started_since(visited, &change) {
            self.journal.ended(visited.address(), &self.context.places.name(visited.place), How::Paid)?;
            visited.keep(&self.registers, skipped());
            return Ok((Outcome::Skipped(after_start(&unit).into()), None));
        }
        self.begins(visited)?;
        let undo = prune::undo(&*ready.planned, &change);
        let notifies = visited.task.notify.iter().map(|(name, _)| name.clone()).collect();
        let fields = change.fields.clone();
        let entry = Entry { action: change.action, things, fields, notifies, owed_since: None, undo };
        if let Approval::Later(_) = approval
            && let Some(note) = prune::note(&self.context, visited, &entry)
        {
            self.context.places.hold(visited.worker(), &self.context.options.claim, &[note]).await?;
        }
        let made = if visited.task.guard {
            Box::pin(self.make_guarded(visited, change, entry, ready.secret, &seen)).await
        } else {
            match Box::pin(self.join(visited, &mut change)).await {
                Ok(joined) => {
                    let made = self.make(visited, change, entry, ready.secret, &seen).await;
                    self.told_jointly(&joined, made.as_ref().err());
                    made
                }
                Err(fault) => Err(fault),
            }
        };
        self.ended(visited, &made)?;
        Ok((made?, Some(ready)))
    }

    /// Is that change what was agreed to?
    pub(super) fn may(
        &self,
        visited: &Visited<'_>,
        approval: &Approval<'_>,
        change: &Change<Step>,
        things: &[Thing],
    ) -> Result<(), Fault> {
        if is_rescue(&self.context, visited.node) && change.action == Action::Delete {
            return Err(Fault::new(FaultKind::Refused, "a `rescue` may not delete")
                .help("delete in a task of its own, where the plan can show what is lost"));
        }
        approval.holds(change, things, self.salt.as_ref())
    }
}

/// The user did not want to wait until it was done.
pub(super) fn ended_by_user() -> Fault {
    Fault::new(FaultKind::Interrupted, "ended by the user").help("run `lions plan` to see what is left to do")
}

fn still_unknown(after: &After) -> Fault {
    Fault::failed(format!("it needs a value of `{}`, which gave none", after.0))
        .help("look at that task: it was skipped, or gave something else")
}
