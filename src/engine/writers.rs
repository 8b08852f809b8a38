//! Two writers of one thing on one place: they must be ordered, and they are judged together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::context::Context;
use super::node::{Visited, task_of};
use super::plan::Decisions;
use crate::graph::{Graph, NodeId, PlaceId, Reach};
use crate::model::{Action, Decision, Thing};
use crate::source::{Problem, Problems};

/// A task at a place (for whom).
type Writer = (NodeId, PlaceId);

/// Who keeps which thing at one place.
pub(super) type Keepers = BTreeMap<Thing, Vec<Writer>>;

/// Things at one place that hang together: one thing with several writers, or a folder that a task takes away and
/// all that others keep below it.
pub(super) struct Joint {
    place: PlaceId,
    things: Vec<Thing>,
    writers: Vec<Writer>,
    /// Pairs that must be ordered, and the thing that they meet at.
    pairs: Vec<(Writer, Writer, Thing)>,
}

/// What more than one task keeps.
pub(super) fn joints(keepers: &[Mutex<Keepers>], decisions: &Decisions) -> Vec<Joint> {
    let mut joints = Vec::new();
    for (place, keepers) in (0..).zip(keepers) {
        let keepers = keepers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut covered = BTreeSet::new();
        for (thing, writers) in keepers.iter() {
            if covered.contains(thing) {
                continue;
            }
            let mut joint =
                Joint { place, things: vec![thing.clone()], writers: writers.clone(), pairs: in_turn(thing, writers) };
            let deletes = writers.iter().copied().filter(|writer| is_delete(decisions, *writer));
            for deleter in deletes.collect::<Vec<_>>() {
                let below = format!("{}/", thing.name);
                let from = Thing { kind: thing.kind.clone(), name: below.clone() };
                for (other, others) in keepers.range(from..).take_while(|(other, _)| other.name.starts_with(&below)) {
                    joint.pairs.extend(others.iter().map(|writer| (deleter, *writer, other.clone())));
                    if covered.insert(other.clone()) {
                        joint.things.push(other.clone());
                        joint.writers.extend(others);
                        joint.pairs.extend(in_turn(other, others));
                    }
                }
            }
            joint.writers.sort_unstable();
            joint.writers.dedup();
            if joint.writers.len() > 1 {
                joints.push(joint);
            }
        }
    }
    joints
}

/// Writers of one thing, each with the next.
fn in_turn(thing: &Thing, writers: &[Writer]) -> Vec<(Writer, Writer, Thing)> {
    let mut writers = writers.to_vec();
    writers.sort_unstable();
    writers.windows(2).map(|pair| (pair[0], pair[1], thing.clone())).collect()
}

fn is_delete(decisions: &Decisions, writer: Writer) -> bool {
    matches!(decisions.get(&writer), Some(Decision::Change(entry)) if entry.action == Action::Delete)
}

/// Every two writers of one thing must be ordered: otherwise which one wins is chance.
pub(super) fn ordered(context: &Context, joints: &[Joint]) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for Joint { place, pairs, .. } in joints {
        for (one, other, thing) in pairs {
            let (first, later) = if one <= other { (*one, *other) } else { (*other, *one) };
            if first == later || comes_before(&context.graph, first, later) {
                continue;
            }
            let task = |node: NodeId| {
                task_of(&context.graph.nodes[node as usize].kind).map(|(task, _)| &context.program.tasks[task as usize])
            };
            let (Some(one), Some(other)) = (task(first.0), task(later.0)) else { continue };
            problems.push(
                Problem::error(
                    other.span,
                    format!("`{}` and `{}` both keep {thing}, in no order", one.name, other.name),
                )
                .label(format!("on `{}`", context.places.name(*place)))
                .related(one.span, "the other one")
                .help(format!("let one need the other (`needs: [\"{}\"]`), or keep {thing} in one task", one.name)),
            );
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Writers whose changes cancel out: together they leave each thing that they keep as it is already.
pub(super) async fn agreed(context: &Context, joints: &[Joint], decisions: &Decisions) -> BTreeSet<Writer> {
    let mut agreed = BTreeSet::new();
    for Joint { place, things, writers, .. } in joints {
        let mut changes = false;
        // A task that keeps other things besides may have work to do there.
        let joined = writers.iter().all(|writer| match decisions.get(writer) {
            Some(Decision::Change(entry)) => {
                changes = true;
                entry.things.iter().all(|thing| things.contains(thing))
            }
            Some(Decision::Right(_) | Decision::Unready(_)) => true,
            _ => false,
        });
        // Seen with the eyes of the last to write.
        let last = writers.last().and_then(|(node, place)| Visited::new(context, *node, *place));
        let Some(last) = last.filter(|_| joined && changes) else { continue };
        let mut same = true;
        for thing in things {
            same = same && context.places.same_as_place(*place, &last.privilege(), thing).await;
        }
        if same {
            // Those that are right only because of what the others do, too.
            agreed.extend(writers);
        }
    }
    agreed
}

/// Does `later` wait for `first`, however far back?
fn comes_before(graph: &Graph, first: Writer, later: Writer) -> bool {
    let mut seen = BTreeSet::new();
    let mut back = vec![later];
    while let Some((node, place)) = back.pop() {
        for edge in &graph.nodes[node as usize].after {
            // Nodes are numbered in an order that every edge follows.
            if edge.from < first.0 {
                continue;
            }
            for from in graph.nodes[edge.from as usize].places.iter().copied() {
                let reached = edge.reach == Reach::All || from == place;
                if reached && (edge.from, from) == first {
                    return true;
                }
                if reached && seen.insert((edge.from, from)) {
                    back.push((edge.from, from));
                }
            }
        }
    }
    false
}
