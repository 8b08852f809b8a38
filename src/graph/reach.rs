//! Questions to a finished graph.

use std::collections::BTreeMap;

use super::places::{self, Places};
use super::{Graph, NodeId, PlaceId, Reach};

/// Does the node `later` at its place wait for the node `earlier` at its place, however far back?
#[must_use]
pub fn reachable(graph: &Graph, earlier: (NodeId, PlaceId), later: (NodeId, PlaceId)) -> bool {
    if earlier.0 >= later.0 {
        return false;
    }
    // As edges only go from lower to higher, each node is looked at once, when all of its places are known.
    let mut open: BTreeMap<NodeId, Places> = BTreeMap::from([(later.0, Places::from([later.1]))]);
    while let Some((id, waiting)) = open.pop_last() {
        if id == earlier.0 {
            return waiting.binary_search(&earlier.1).is_ok();
        }
        for edge in graph.nodes[id as usize].after.iter().filter(|edge| edge.from >= earlier.0) {
            let from = &graph.nodes[edge.from as usize].places;
            let reached = match edge.reach {
                Reach::All => Places::clone(from),
                Reach::Same => places::common(&waiting, from),
            };
            if !reached.is_empty() {
                let known = open.entry(edge.from).or_default();
                *known = places::either(known, &reached);
            }
        }
    }
    false
}
