//! Tasks right after each other that are done together at their host. Those that only install packages are one
//! transaction: `apt` is slow to begin, and quick to go on; when it fails, all of them have. Those that only make new
//! files and folders are one request, which makes all or nothing: then they are done one by one, and tell why. Each is
//! looked at before, and held against what was agreed to; each tells its own change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use super::ahead::is_open;
use super::apply::{Applier, ended_by_user};
use super::journal::Ended as How;
use super::node::{Typed, Visited};
use super::places::Look;
use super::prune;
use super::refine::Approval;
use crate::graph::{Graph, NodeId, NodeKind, PlaceId, Reach, Rule};
use crate::model::{Change, Decision, Entry, Fault, Outcome, Verdict};
use crate::resources::Step;
use crate::targets::host::{self, Packages, Together};

/// A task whose steps were done with those of the one before.
pub(super) struct Joined {
    pub(super) ready: Typed,
    /// Without its steps.
    pub(super) change: Change<Step>,
    pub(super) entry: Entry,
    pub(super) fault: Option<Fault>,
}

pub(super) type JoinedTasks = BTreeMap<(NodeId, PlaceId), Joined>;

/// By node: the one that waits for it, and for nothing else.
pub(super) type Followers = BTreeMap<NodeId, NodeId>;

pub(super) fn followers(graph: &Graph) -> Followers {
    let mut followers = Followers::new();
    for (id, node) in (0..).zip(&graph.nodes) {
        let ([edge], NodeKind::Task { .. }) = (&node.after[..], &node.kind) else { continue };
        let before = &graph.nodes[edge.from as usize];
        let plain = edge.reach == Reach::Same && edge.rule == Rule::Success;
        if plain && matches!(before.kind, NodeKind::Task { .. }) && before.sections == node.sections {
            followers.entry(edge.from).or_insert(id);
        }
    }
    followers
}

/// The one transaction, if these steps install packages and do nothing else.
fn installs(steps: &[Step]) -> Option<&Packages> {
    match steps {
        [Step::Host(host::Step::Packages(packages))] if packages.remove.is_empty() => Some(packages),
        _ => None,
    }
}

/// What is made so far and `steps`, if those make nothing but new files and folders.
fn with(all: &Together, steps: &[Step]) -> Option<Together> {
    let steps: Option<Vec<host::Step>> =
        steps.iter().map(|step| if let Step::Host(step) = step { Some(step.clone()) } else { None }).collect();
    all.and(&steps?)
}

impl Applier {
    /// Hosts that do not make things together: they did not take it once, for a reason that single steps tell.
    fn apart(&self) -> MutexGuard<'_, BTreeSet<PlaceId>> {
        self.apart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn joined(&self) -> MutexGuard<'_, JoinedTasks> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what follows into the transaction of `change`; gives back who was taken in.
    pub(super) async fn join(
        &self,
        visited: &Visited<'_>,
        change: &mut Change<Step>,
    ) -> Result<Vec<(NodeId, PlaceId)>, Fault> {
        let mut taken = Vec::new();
        if !alone(visited) {
            return Ok(taken);
        }
        let Some(mut whole) = installs(&change.steps).cloned() else { return self.join_new(visited, change).await };
        let mut last = visited.node;
        while let Some(node) = self.followers.get(&last) {
            let Some(next) = Visited::new(&self.context, *node, visited.place) else { break };
            // A try before this one may have left something.
            self.joined().remove(&(*node, visited.place));
            let Some((joined, packages)) = self.fits(visited, &next).await else { break };
            if packages.update && !whole.update {
                break;
            }
            self.begins(&next)?;
            whole.install.extend(packages.install);
            let joined = Joined { fault: Some(under_way(visited)), ..joined };
            self.joined().insert((*node, visited.place), joined);
            taken.push((*node, visited.place));
            last = *node;
        }
        if !taken.is_empty() {
            change.steps = vec![Step::Host(host::Step::Packages(whole))];
        }
        Ok(taken)
    }

    /// Makes what is new in `change` together with what follows; gives back who was taken in.
    async fn join_new(
        &self,
        visited: &Visited<'_>,
        change: &mut Change<Step>,
    ) -> Result<Vec<(NodeId, PlaceId)>, Fault> {
        let (places, worker, mut taken) = (&self.context.places, visited.worker(), Vec::new());
        let Some(mut all) = with(&Together::default(), &change.steps) else { return Ok(taken) };
        if self.apart().contains(&worker) {
            return Ok(taken);
        }
        places.did(worker, &change.steps);
        let (mut last, mut joined) = (visited.node, Vec::new());
        while let Some(node) = self.followers.get(&last) {
            let Some(next) = Visited::new(&self.context, *node, visited.place) else { break };
            self.joined().remove(&(*node, visited.place));
            let Some((fitting, steps)) = self.fits_new(visited, &next) else { break };
            let Some(more) = with(&all, &steps) else { break };
            self.begins(&next)?;
            places.did(worker, &steps);
            (all, last) = (more, *node);
            joined.push(Joined { fault: Some(under_way(visited)), ..fitting });
            taken.push((*node, visited.place));
        }
        if taken.is_empty() {
            return Ok(taken);
        }
        self.joined().extend(taken.iter().copied().zip(joined));
        let made = places.make_together(worker, &all, &visited.privilege()).await;
        if matches!(made, Ok(false)) {
            self.apart().insert(worker);
            for (node, place) in taken {
                self.joined().remove(&(node, place));
                let address = &self.context.graph.nodes[node as usize].address;
                self.journal.ended(address, &self.context.places.name(place), How::Right)?;
            }
            return Ok(Vec::new());
        }
        change.steps.clear();
        self.told_jointly(&taken, made.as_ref().err());
        made.map(|_| taken)
    }

    /// What `next` would do, if it can be done together with `first`. What stands in its way is met again in its turn.
    async fn fits(&self, first: &Visited<'_>, next: &Visited<'_>) -> Option<(Joined, Packages)> {
        let ready = self.may_join(first, next)?;
        let judged = self.context.places.judge(next.worker(), &*ready.planned, &next.privilege(), Look::Fresh).await;
        let Ok(Verdict::Change(change)) = judged else { return None };
        let packages = installs(&change.steps)?.clone();
        self.taken_in(next, ready, change).map(|(joined, _)| (joined, packages))
    }

    /// The same of what is new, as far as a look that was made for several tasks tells.
    fn fits_new(&self, first: &Visited<'_>, next: &Visited<'_>) -> Option<(Joined, Vec<Step>)> {
        let ready = self.may_join(first, next)?;
        let judged = self.context.places.judge_known(next.worker(), &*ready.planned, &next.privilege());
        let Some(Ok(Verdict::Change(change))) = judged else { return None };
        if is_open(&change) {
            return None;
        }
        self.taken_in(next, ready, change)
    }

    /// The parameters of `next`, if it may be done together with `first`.
    fn may_join(&self, first: &Visited<'_>, next: &Visited<'_>) -> Option<Typed> {
        let Some(Decision::Change(_)) = self.decision(next) else { return None };
        let here = self.context.graph.nodes[next.node as usize].places.binary_search(&next.place).is_ok();
        if !here || !alone(next) || next.worker() != first.worker() || next.privilege() != first.privilege() {
            return None;
        }
        // What it reads may be what the first one gives.
        if !next.task.reads.is_empty() || self.context.options.stop.asked() {
            return None;
        }
        let seen = self.registers.seen_by(next.task, next.place);
        if !matches!(next.when(&seen, &self.facts), Ok(Ok(()))) {
            return None;
        }
        self.ready(next, &seen).ok()
    }

    /// `next` without its steps, and those, if it is what was agreed to.
    fn taken_in(&self, next: &Visited<'_>, ready: Typed, mut change: Change<Step>) -> Option<(Joined, Vec<Step>)> {
        let Some(Decision::Change(approved)) = self.decision(next) else { return None };
        let things = ready.planned.things();
        self.may(next, &Approval::Change(approved), &change, &things).ok()?;
        let undo = prune::undo(&*ready.planned, &change);
        let steps = std::mem::take(&mut change.steps);
        let notifies = next.task.notify.iter().map(|(name, _)| name.clone()).collect();
        let fields = change.fields.clone();
        let entry = Entry { action: change.action, things, fields, notifies, owed_since: None, undo };
        Some((Joined { ready, change, entry, fault: None }, steps))
    }

    /// How the transaction ended, for those who were taken in.
    pub(super) fn told_jointly(&self, taken: &[(NodeId, PlaceId)], fault: Option<&Fault>) {
        let mut joined = self.joined();
        for key in taken {
            if let Some(joined) = joined.get_mut(key) {
                joined.fault = fault.cloned();
            }
        }
    }

    /// What came of those who were taken in, and had no turn of their own any more.
    pub(super) fn untold(&self) -> Vec<((NodeId, PlaceId), Outcome)> {
        let left = std::mem::take(&mut *self.joined());
        let told = left.into_iter().map(|((node, place), joined)| {
            let address = &self.context.graph.nodes[node as usize].address;
            let how = if joined.fault.is_some() { How::Failed } else { How::Changed };
            let noted = self.journal.ended(address, &self.context.places.name(place), how);
            let outcome = match joined.fault.or(noted.err()) {
                Some(fault) => Outcome::Failed(Box::new(fault)),
                None => Outcome::Changed(Box::new(joined.entry)),
            };
            ((node, place), outcome)
        });
        told.collect()
    }

    /// The fault of a task that was taken into a transaction that failed.
    pub(super) fn failed_jointly(&self, visited: &Visited<'_>) -> Option<Fault> {
        let fault = self.joined().remove(&(visited.node, visited.place))?.fault?;
        let noted = self.journal.ended(visited.address(), &self.context.places.name(visited.place), How::Failed);
        Some(noted.err().unwrap_or(fault))
    }
}

/// Of those who are taken in: while it is not told how it ended, nobody knows.
fn under_way(first: &Visited<'_>) -> Fault {
    ended_by_user().cause(format!("it was under way together with `{}`: it may have been done", first.task.name))
}

/// Has it nothing of its own that holds for its steps alone?
fn alone(visited: &Visited<'_>) -> bool {
    let task = visited.task;
    !task.guard && !task.optional && !task.handler && task.retries == 0 && task.timeout.is_none()
}
