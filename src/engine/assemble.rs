//! Verdicts of nodes, as the plan that is shown and saved.

use std::collections::BTreeMap;

use super::context::Context;
use super::node::task_of;
use super::plan::{Decisions, is_rescue};
use crate::model::{Plan, Row, TaskInfo};

/// The plan in the order of the graph.
pub(super) fn assemble(context: &Context, decisions: Decisions) -> Plan {
    let mut plan = Plan {
        environment: context.program.environment.name.clone(),
        places: context.places.names(),
        tasks: Vec::new(),
        rows: Vec::with_capacity(decisions.len()),
    };
    let mut index = BTreeMap::new();
    let mut known = BTreeMap::new();
    for (id, node) in (0..).zip(&context.graph.nodes) {
        let Some((task, _)) = task_of(&node.kind) else { continue };
        let task = &context.program.tasks[task as usize];
        // A rollout has a node a batch for one task: one address, other hosts.
        let at = *known.entry(&node.address).or_insert(plan.tasks.len());
        index.insert(id, u32::try_from(at).unwrap_or(u32::MAX));
        if at < plan.tasks.len() {
            continue;
        }
        plan.tasks.push(TaskInfo {
            address: node.address.clone(),
            name: task.name.clone(),
            resource: task.resource.to_owned(),
            position: context.sources.position(task.span),
            handler: task.handler,
            on_failure: is_rescue(context, id),
        });
    }
    for ((node, place), decision) in decisions {
        if let Some(task) = index.get(&node) {
            plan.rows.push(Row { task: *task, place, decision });
        }
    }
    plan
}
