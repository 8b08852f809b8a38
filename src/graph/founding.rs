//! Who works in a cluster that the same playbook makes comes after the task that makes it: side by side, the plan would come to the
//! work first, and find no cluster. What comes before that task on purpose (a look before an upgrade) is left alone.

use std::collections::BTreeSet;

use crate::language::program::{ClusterWay, Environment, TaskId};
use crate::model::Sort;
use crate::source::Problem;

use super::outline::PartId;
use super::places::{self, Places};
use super::{Draft, NodeKind, Reach};

/// The resource that makes one.
const MAKER: &str = "k3s";

pub(super) fn run(draft: &mut Draft<'_>) {
    let servers = servers(&draft.program.environment);
    let nodes = &draft.graph.nodes;
    let task = |at: usize| match nodes[at].kind {
        NodeKind::Task { task, .. } => draft.program.tasks.get(task as usize).map(|text| (task, text)),
        _ => None,
    };
    let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> { (0..nodes.len()).filter(|at| wanted(*at)).collect() };
    let makers =
        of(&|at| task(at).is_some_and(|(_, text)| text.resource == MAKER) && places::meet(&nodes[at].places, &servers));
    let work = of(&|at| task(at).is_some_and(|(_, text)| text.sort == Sort::Cluster));
    let (Some(first), false) = (makers.first().and_then(|at| task(*at)), work.is_empty()) else { return };
    let (behind, ahead) = (behind(draft, &makers, &servers), ahead(draft, &makers, &servers));
    let aside = work.into_iter().filter(|at| behind[*at].is_empty() && ahead[*at].is_empty());
    let aside: BTreeSet<TaskId> = aside.filter_map(task).map(|(id, _)| id).collect();
    let apart: BTreeSet<(PartId, PartId)> = aside.into_iter().filter_map(|id| apart(draft, id, first.0)).collect();
    let maker = first.1.span;
    for (part, other) in apart {
        let (part, other) = (&draft.parts[part], &draft.parts[other]);
        let what = format!("`{}` works in the cluster beside `{}`, which makes it", part.name, other.name);
        draft.problems.push(
            Problem::error(part.span, what)
                .label("nothing says which of them comes first")
                .related(maker, "this makes the cluster")
                .help(match part.needs {
                    Some([]) => format!(
                        "write `needs: [{}]`, or no `needs` at all: then it comes after the one above",
                        other.name
                    ),
                    Some(_) => format!("add `{}` to its `needs`", other.name),
                    None => format!("write `needs: [{}]`", other.name),
                })
                .help(format!(
                    "if it is to work in a cluster that is there, before `{0}`: let `{0}` need it",
                    other.name
                )),
        );
    }
}

/// The hosts that have the way to the cluster.
fn servers(environment: &Environment) -> Places {
    let Some(ClusterWay::From { hosts, .. }) = environment.cluster.as_ref().map(|cluster| &cluster.way) else {
        return Places::default();
    };
    let named = (0..).zip(&environment.hosts).filter(|(_, host)| *host.name == **hosts).map(|(id, _)| id);
    places::set(environment.groups.get(hosts).into_iter().flatten().copied().chain(named))
}

/// Of each node, the places that wait for one of `makers`.
fn behind(draft: &Draft<'_>, makers: &[usize], servers: &Places) -> Vec<Places> {
    let nodes = &draft.graph.nodes;
    let mut waits: Vec<Places> = vec![Places::default(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        let own =
            if makers.binary_search(&at).is_ok() { places::common(&node.places, servers) } else { Places::default() };
        waits[at] = node.after.iter().fold(own, |all, edge| {
            let before = &waits[edge.from as usize];
            places::either(&all, &reached(edge.reach, before, &node.places))
        });
    }
    waits
}

/// Of each node, the places that one of `makers` waits for.
fn ahead(draft: &Draft<'_>, makers: &[usize], servers: &Places) -> Vec<Places> {
    let nodes = &draft.graph.nodes;
    let mut awaited: Vec<Places> = vec![Places::default(); nodes.len()];
    for (at, node) in nodes.iter().enumerate().rev() {
        if makers.binary_search(&at).is_ok() {
            awaited[at] = places::either(&awaited[at], &places::common(&node.places, servers));
        }
        for edge in &node.after {
            let from = edge.from as usize;
            awaited[from] = places::either(&awaited[from], &reached(edge.reach, &awaited[at], &nodes[from].places));
        }
    }
    awaited
}

/// Those of `there` that an edge joins to any of `here`.
fn reached(reach: Reach, here: &Places, there: &Places) -> Places {
    match reach {
        _ if here.is_empty() => Places::default(),
        Reach::All => Places::clone(there),
        Reach::Same => places::common(here, there),
    }
}

/// The two siblings in which `task` and `other` lie: where the text could order them.
fn apart(draft: &Draft<'_>, task: TaskId, other: TaskId) -> Option<(PartId, PartId)> {
    let (one, two) = (line(draft, task)?, line(draft, other)?);
    one.into_iter().zip(two).find(|(one, two)| one != two)
}

/// The part of a task and all that it stands in, outermost first.
fn line(draft: &Draft<'_>, task: TaskId) -> Option<Vec<PartId>> {
    let part = draft.parts.iter().position(|part| part.kind.task() == Some(task))?;
    let mut line: Vec<PartId> = std::iter::successors(Some(part), |part| draft.parts[*part].parent).collect();
    line.reverse();
    Some(line)
}
