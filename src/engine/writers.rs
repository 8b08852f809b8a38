//! Two writers of one thing on one place: they must be ordered, and they are judged together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::context::Context;
use super::node::{Visited, task_of};
use super::plan::Decisions;
use crate::graph::{Graph, NodeId, PlaceId, Reach};
use crate::model::{Decision, Thing};
use crate::source::{Problem, Problems};

/// A task at a place (for whom).
type Writer = (NodeId, PlaceId);

/// Who keeps which thing at one place.
pub(super) type Keepers = BTreeMap<Thing, Vec<Writer>>;

/// Things that more than one task keeps, by the place where they are.
pub(super) type SharedThings = Vec<(PlaceId, Thing, Vec<Writer>)>;

/// The things with more than one writer.
pub(super) fn shared(keepers: &[Mutex<Keepers>]) -> SharedThings {
    let mut shared = SharedThings::new();
    for (place, keepers) in (0..).zip(keepers) {
        let keepers = keepers.lock().unwrap_or_else(PoisonError::into_inner);
        for (thing, writers) in keepers.iter().filter(|(_, writers)| writers.len() > 1) {
            let mut writers = writers.clone();
            writers.sort_unstable();
            shared.push((place, thing.clone(), writers));
        }
    }
    shared
}

/// Every two writers of one thing must be ordered: otherwise which one wins is chance.
pub(super) fn ordered(context: &Context, shared: &SharedThings) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for (place, thing, writers) in shared {
        for pair in writers.windows(2) {
            let [(first, first_for), (second, second_for)] = [pair[0], pair[1]];
            if comes_before(&context.graph, (first, first_for), (second, second_for)) {
                continue;
            }
            let task = |node: NodeId| {
                task_of(&context.graph.nodes[node as usize].kind).map(|(task, _)| &context.program.tasks[task as usize])
            };
            let (Some(one), Some(other)) = (task(first), task(second)) else { continue };
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

/// Writers whose changes cancel out: together they leave each thing that they keep as it is already.
pub(super) async fn agreed(context: &Context, shared: &SharedThings, decisions: &Decisions) -> BTreeSet<Writer> {
    let mut agreed = BTreeSet::new();
    for (place, thing, writers) in shared {
        let decided = writers
            .iter()
            .all(|writer| matches!(decisions.get(writer), Some(Decision::Change(_) | Decision::Right(_))));
        let changing: Vec<Writer> = writers
            .iter()
            .copied()
            .filter(|writer| matches!(decisions.get(writer), Some(Decision::Change(_))))
            .collect();
        // Seen with the eyes of the last to write.
        let Some(last) = changing.last().and_then(|(node, place)| Visited::new(context, *node, *place)) else {
            continue;
        };
        if decided && context.places.same_as_place(*place, &last.privilege(), thing).await {
            agreed.extend(changing.into_iter().filter(|writer| only_keeps(decisions, *writer, thing)));
        }
    }
    agreed
}

/// A task that keeps other things besides may have work to do there.
fn only_keeps(decisions: &Decisions, writer: Writer, thing: &Thing) -> bool {
    matches!(decisions.get(&writer), Some(Decision::Change(entry)) if entry.things == [thing.clone()])
}
