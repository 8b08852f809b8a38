//! Which units this run has started, and when: a handler need not start one again that was started after the last
//! change that told it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::apply::Applier;
use super::context::Context;
use super::journal::Ended as How;
use super::node::Visited;
use crate::graph::{NodeId, NodeKind, PlaceId};
use crate::model::{Action, Change, Fault};
use crate::resources::Step;
use crate::targets::host::{self, UnitAction};

/// The order of starts and changes at all places.
#[derive(Debug, Default)]
pub(super) struct Starts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    now: u64,
    started: BTreeMap<(PlaceId, String), u64>,
    changed: BTreeMap<(NodeId, PlaceId), u64>,
}

impl Starts {
    fn tick<T>(&self, note: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.now += 1;
        note(&mut state)
    }

    /// A step was done at `place`.
    pub(super) fn done(&self, place: PlaceId, step: &Step) {
        if let Step::Host(host::Step::Unit { name, action: UnitAction::Start | UnitAction::Restart }) = step {
            self.tick(|state| _ = state.started.insert((place, name.clone()), state.now));
        }
    }

    /// A task changed something at `place`.
    pub(super) fn changed(&self, node: NodeId, place: PlaceId) {
        self.tick(|state| _ = state.changed.insert((node, place), state.now));
    }

    /// The unit that this handler would only start again, if it was started after the last change that told it.
    pub(super) fn covers(&self, context: &Context, handler: &Visited<'_>, units: &[String]) -> bool {
        let NodeKind::Handler { by, .. } = &context.graph.nodes[handler.node as usize].kind else { return false };
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = context.notifiers(by, handler.place).filter_map(|notifier| state.changed.get(&notifier)).max();
        let fresh = |unit: &String| {
            state.started.get(&(handler.worker(), unit.clone())).is_some_and(|start| Some(start) > told)
        };
        !units.is_empty() && units.iter().all(fresh)
    }
}

/// The units that `steps` start anew or let read their configuration, if they do nothing else.
pub(super) fn restarted(action: Action, steps: &[Step]) -> Vec<String> {
    let mut units = Vec::new();
    for step in steps {
        match step {
            Step::Host(host::Step::Unit {
                name,
                action: UnitAction::Start | UnitAction::Restart | UnitAction::Reload,
            }) => {
                units.push(name.clone());
            }
            Step::Host(host::Step::DaemonReload) => {}
            _ => return Vec::new(),
        }
    }
    if action == Action::Run { units } else { Vec::new() }
}

/// Why a handler need not run.
pub(super) fn after_start(unit: &str) -> String {
    format!("`{unit}` is started after the last change")
}

impl Applier {
    /// The unit that a handler would start again, although this run did that after the last change that told it.
    pub(super) fn started_since(&self, visited: &Visited<'_>, change: &Change<Step>) -> Option<String> {
        let units = restarted(change.action, &change.steps);
        self.starts.covers(&self.context, visited, &units).then(|| units.join("`, `"))
    }

    /// A handler that the plan left out because a unit is started anyway: nothing is owed once that is so. Otherwise
    /// it stays owed, and the next plan shows it.
    pub(super) fn pay_started(&self, visited: &Visited<'_>) -> Result<(), Fault> {
        if !visited.task.handler || !self.is_told(visited) {
            return Ok(());
        }
        let seen = self.registers.seen_by(visited.task, visited.place);
        let things = self.ready(visited, &seen)?.planned.things();
        let units: Vec<String> =
            things.into_iter().filter(|thing| thing.kind == "unit").map(|thing| thing.name).collect();
        if self.starts.covers(&self.context, visited, &units) {
            self.journal.ended(visited.address(), &self.context.places.name(visited.place), How::Paid)?;
        }
        Ok(())
    }
}
