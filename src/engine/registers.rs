//! What tasks gave to those that read their registers, by role (or play), name and place.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::graph::PlaceId;
use crate::language::program::{ScopeId, Task};
use crate::model::{Map, Secret, Value};
use crate::resources::register_of;
use crate::targets::Said;

/// Who sees a register: its scope and its name.
type Name = (ScopeId, String);

/// What a step that was done gives to its register; what a command makes of a secret is one.
pub(super) fn told(said: Said, secret: bool) -> Map {
    match said {
        Said::Values(values) => values,
        Said::Output(output) => {
            let seal = |value| if secret { Value::Secret(Secret::new(value)) } else { value };
            register_of(&output).into_iter().map(|(name, value)| (name, seal(value))).collect()
        }
    }
}

/// All registers of a run.
#[derive(Debug, Default)]
pub(super) struct Registers {
    slots: Mutex<BTreeMap<Name, Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// One entry an item of the task's loop; without a loop, one.
    places: BTreeMap<PlaceId, BTreeMap<u32, Value>>,
    /// `run_once` and cluster tasks: every place sees it.
    shared: Option<PlaceId>,
    looped: bool,
}

impl Registers {
    /// Keeps what `task` (for that item) gave at `place`. `shared`: everyone sees it.
    pub(super) fn keep(&self, task: &Task, item: Option<u32>, place: PlaceId, register: Value, shared: bool) {
        let Some(name) = &task.register else { return };
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry((task.scope, name.clone())).or_default();
        slot.looped = item.is_some();
        slot.shared = shared.then_some(place);
        slot.places.entry(place).or_default().insert(item.unwrap_or_default(), register);
    }

    /// The registers that `task` reads, as `place` sees them.
    pub(super) fn seen_by(&self, task: &Task, place: PlaceId) -> Map {
        if task.reads.is_empty() {
            return Map::new();
        }
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        task.reads
            .iter()
            .filter_map(|(name, _)| {
                let slot = slots.get(&(task.scope, name.clone()))?;
                let items = slot.places.get(&slot.shared.unwrap_or(place))?;
                Some((name.clone(), slot.value(items)))
            })
            .collect()
    }
}

impl Slot {
    /// As Ansible: the register itself, or `results` and whether any changed for a loop.
    fn value(&self, items: &BTreeMap<u32, Value>) -> Value {
        if !self.looped {
            return items.values().next().cloned().unwrap_or(Value::Null);
        }
        let flags = || {
            items
                .values()
                .filter_map(|item| if let Value::Unknown(_) = item { Some(item) } else { item.get("changed") })
        };
        let changed = flags()
            .find(|flag| **flag == Value::Bool(true))
            .or_else(|| flags().find(|flag| flag.unknown().is_some()))
            .cloned()
            .unwrap_or(Value::Bool(false));
        let results = items.values().cloned().collect();
        Value::Map(Map::from([("changed".to_owned(), changed), ("results".to_owned(), Value::List(results))]))
    }
}
