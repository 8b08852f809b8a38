//! What failed in a block and was made good by its `rescue`.

use std::collections::BTreeMap;

use super::context::Context;
use crate::graph::{NodeKind, PlaceId, Section};
use crate::model::{Address, Outcome};

/// A block that failed and was rescued counts as done: its failures are told, but are no failures of the run.
pub(super) fn rescue(context: &Context, outcomes: &mut BTreeMap<(Address, PlaceId), Outcome>) {
    let rescues = |block: u32| {
        let nodes = context.graph.nodes.iter().filter(move |node| node.sections.contains(&(block, Section::Rescue)));
        nodes.filter(|node| !matches!(node.kind, NodeKind::Join { .. }))
    };
    for node in &context.graph.nodes {
        for place in node.places.iter() {
            let key = (node.address.clone(), *place);
            let Some(Outcome::Failed(fault)) = outcomes.get(&key) else { continue };
            // The innermost block that holds the failure and has a rescue that held, too.
            let held = node.sections.iter().filter(|(_, section)| *section == Section::Block).any(|(block, _)| {
                let mut ran = rescues(*block).map(|node| outcomes.get(&(node.address.clone(), *place))).peekable();
                ran.peek().is_some()
                    && ran.all(|outcome| {
                        !matches!(outcome, None | Some(Outcome::Failed(_) | Outcome::Blocked(_) | Outcome::NotRun))
                    })
            });
            if held {
                let fault = fault.clone();
                outcomes.insert(key, Outcome::Rescued(fault));
            }
        }
    }
}
