//! Rings: parts that wait for each other. Names the shortest ring through the first part of each knot, each hop with
//! its line. Decides nothing else.

use std::collections::{HashMap, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::source::{Problem, Span};

use super::order::{Cause, Moments};
use super::outline::PartId;
use super::{Draft, Why};

/// One problem for each knot among the moments that are not in `sorted`.
pub(super) fn find(draft: &Draft<'_>, moments: &Moments, sorted: &[usize]) -> Vec<Problem> {
    let mut left = vec![true; moments.all.len()];
    for at in sorted {
        left[*at] = false;
    }
    let mut graph: DiGraph<usize, Cause> = DiGraph::new();
    let index: HashMap<usize, NodeIndex> =
        (0..left.len()).filter(|at| left[*at]).map(|at| (at, graph.add_node(at))).collect();
    for before in &moments.befores {
        if let (Some(from), Some(to)) = (index.get(&before.from), index.get(&before.to)) {
            graph.add_edge(*from, *to, before.cause);
        }
    }
    let mut knots: Vec<Vec<NodeIndex>> = kosaraju_scc(&graph).into_iter().filter(|knot| knot.len() > 1).collect();
    for knot in &mut knots {
        knot.sort_unstable();
    }
    knots.sort_unstable();
    knots.iter().filter_map(|knot| problem(draft, &hops(draft, &ring(&graph, knot)))).collect()
}

/// The causes along the shortest ring through the first of `knot`, earlier to later.
fn ring(graph: &DiGraph<usize, Cause>, knot: &[NodeIndex]) -> Vec<Cause> {
    let Some(first) = knot.first() else { return Vec::new() };
    let mut came: HashMap<NodeIndex, (NodeIndex, Cause)> = HashMap::new();
    let mut queue = VecDeque::from([*first]);
    'search: while let Some(at) = queue.pop_front() {
        let mut edges: Vec<_> = graph.edges(at).map(|edge| (edge_target(&edge), *edge.weight())).collect();
        edges.sort_by_key(|(to, _)| *to);
        for (to, cause) in edges {
            if knot.binary_search(&to).is_ok() && !came.contains_key(&to) {
                came.insert(to, (at, cause));
                if to == *first {
                    break 'search;
                }
                queue.push_back(to);
            }
        }
    }
    let mut causes = Vec::new();
    let mut at = *first;
    while let Some((from, cause)) = came.get(&at) {
        causes.push(*cause);
        at = *from;
        if at == *first {
            break;
        }
    }
    causes.reverse();
    causes
}

fn edge_target(edge: &petgraph::graph::EdgeReference<'_, Cause>) -> NodeIndex {
    petgraph::visit::EdgeRef::target(edge)
}

/// One hop: `later` waits for `earlier`.
struct Hop {
    later: PartId,
    earlier: PartId,
    span: Span,
    says: String,
}

/// Hops in the order of waiting, from the first part in the text.
fn hops(draft: &Draft<'_>, causes: &[Cause]) -> Vec<Hop> {
    let name = |part: PartId| draft.parts[part].name;
    let mut hops: Vec<Hop> = causes
        .iter()
        .rev()
        .filter_map(|cause| match cause {
            Cause::Shape => None,
            Cause::Above { from, to } => Some(Hop {
                later: *to,
                earlier: *from,
                span: draft.parts[*to].span,
                says: format!("`{}` comes after `{}` in the list", name(*to), name(*from)),
            }),
            Cause::Link(at) => {
                let link = &draft.links[*at];
                let says = match link.why {
                    Why::Needs => format!("`{}` needs `{}`", name(link.to), name(link.from)),
                    Why::Reads => format!("`{}` reads the register of `{}`", name(link.to), name(link.from)),
                    Why::Notifies => format!("`{}` is notified by `{}`", name(link.to), name(link.from)),
                };
                Some(Hop { later: link.to, earlier: link.from, span: link.span, says })
            }
        })
        .collect();
    let first = (0..hops.len()).min_by_key(|at| hops[*at].later).unwrap_or(0);
    hops.rotate_left(first);
    hops
}

fn problem(draft: &Draft<'_>, hops: &[Hop]) -> Option<Problem> {
    let first = hops.first()?;
    let parent = draft.parts[first.later].parent;
    let siblings = hops.iter().flat_map(|hop| [hop.later, hop.earlier]).all(|part| draft.parts[part].parent == parent);
    let name = |part: PartId| {
        if siblings { draft.parts[part].name.to_owned() } else { draft.parts[part].address.to_string() }
    };
    let mut names: Vec<String> = hops.iter().flat_map(|hop| [name(hop.later), name(hop.earlier)]).collect();
    names.push(name(first.later));
    names.dedup();
    let problem = Problem::error(first.span, format!("a ring: `{}`", names.join(" -> "))).label(first.says.as_str());
    let problem = hops.iter().skip(1).fold(problem, |problem, hop| problem.related(hop.span, hop.says.as_str()));
    Some(problem.help("each waits for the next: take one of these out"))
}
