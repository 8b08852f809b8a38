//! Tasks right after each other that only install packages are one transaction at their host: `apt` is slow to begin, and
//! quick to go on. Each is looked at before, and held against what was agreed to; each tells its own change. When the
//! transaction fails, all of them have.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use super::apply::Applier;
use super::journal::Ended as How;
use super::node::{Typed, Visited};
use super::places::Look;
use super::refine::Approval;
use crate::graph::{Graph, NodeId, NodeKind, PlaceId, Reach, Rule};
use crate::model::{Change, Decision, Entry, Fault, Verdict};
use crate::resources::Step;
use crate::targets::host::{self, Packages};

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

impl Applier {
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
        let Some(mut whole) = installs(&change.steps).cloned() else { return Ok(taken) };
        if !alone(visited) {
            return Ok(taken);
        }
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
            self.joined().insert((*node, visited.place), joined);
            taken.push((*node, visited.place));
            last = *node;
        }
        if !taken.is_empty() {
            change.steps = vec![Step::Host(host::Step::Packages(whole))];
        }
        Ok(taken)
    }

    /// What `next` would do, if it can be done together with `first`. What stands in its way is met again in its turn.
    async fn fits(&self, first: &Visited<'_>, next: &Visited<'_>) -> Option<(Joined, Packages)> {
        let Some(Decision::Change(approved)) = self.decision(next) else { return None };
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
        let ready = self.ready(next, &seen).ok()?;
        let judged = self.context.places.judge(next.worker(), &*ready.planned, &next.privilege(), Look::Fresh).await;
        let Ok(Verdict::Change(mut change)) = judged else { return None };
        let packages = installs(&change.steps)?.clone();
        let things = ready.planned.things();
        self.may(next, &Approval::Change(approved), &change, &things).ok()?;
        change.steps.clear();
        let notifies = next.task.notify.iter().map(|(name, _)| name.clone()).collect();
        let fields = change.fields.clone();
        let entry = Entry { action: change.action, things, fields, notifies, owed_since: None, undo: None };
        Some((Joined { ready, change, entry, fault: None }, packages))
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

    /// The fault of a task that was taken into a transaction that failed.
    pub(super) fn failed_jointly(&self, visited: &Visited<'_>) -> Option<Fault> {
        let fault = self.joined().remove(&(visited.node, visited.place))?.fault?;
        let noted = self.journal.ended(visited.address(), &self.context.places.name(visited.place), How::Failed);
        Some(noted.err().unwrap_or(fault))
    }
}

/// Has it nothing of its own that holds for its steps alone?
fn alone(visited: &Visited<'_>) -> bool {
    let task = visited.task;
    !task.guard && !task.optional && !task.handler && task.retries == 0 && task.timeout.is_none()
}
