//! Does the steps of one change, and says what came of it: to those who read it, and to the journal.

use super::apply::Applier;
use super::journal::Ended as How;
use super::node::Visited;
use super::plan::with_changed;
use super::registers::told;
use crate::model::{Address, Change, Entry, Event, Fault, Map, Outcome, Secret, Stream, Value};
use crate::resources::Step;

impl Applier {
    /// Does the steps of a change that was agreed to.
    pub(super) async fn make(
        &self,
        visited: &Visited<'_>,
        change: Change<Step>,
        entry: Entry,
        secret: bool,
        seen: &Map,
    ) -> Result<Outcome, Fault> {
        let place = self.context.places.name(visited.place);
        let address = visited.address();
        self.context.events.tell(|| Event::Running {
            address: address.clone(),
            place: place.clone(),
            what: format!("{} {}", change.action, visited.task.resource),
        });
        let tell = |stream: Stream, line: &str| {
            self.context.events.tell(|| Event::Output {
                address: address.clone(),
                place: place.clone(),
                stream,
                line: if secret { Secret::MASK.to_owned() } else { self.context.masks.mask(line) },
            });
        };
        let mut result = change.yields;
        for step in &change.steps {
            let said = self.context.places.perform(visited.worker(), step, &visited.privilege(), &tell).await;
            let said = said.map_err(|fault| self.masked(fault))?;
            self.starts.done(visited.worker(), step);
            result.extend(said.map_or_else(Map::new, |said| told(said, secret)));
        }
        result.insert("changed".to_owned(), Value::Bool(true));
        let result = Value::Map(result);
        let after = visited.after();
        visited.check_result(&result, seen, &self.facts)?;
        let says = visited.result_says(visited.task.changed_when.as_ref(), &result, seen, &self.facts)?;
        let result = with_changed(result, says.as_ref(), &after);
        let counts = result.get("changed") == Some(&Value::Bool(true));
        visited.keep(&self.registers, result);
        if !counts {
            return Ok(Outcome::AlreadyRight);
        }
        self.change_of(visited);
        Ok(Outcome::Changed(Box::new(entry)))
    }

    /// From now on it owes its handlers to that place.
    pub(super) fn begins(&self, visited: &Visited<'_>) -> Result<(), Fault> {
        let place = self.context.places.name(visited.place);
        self.journal.begins(visited.address(), &place, &self.handlers_of(visited))
    }

    pub(super) fn ended(&self, visited: &Visited<'_>, made: &Result<Outcome, Fault>) -> Result<(), Fault> {
        let how = match made {
            Ok(_) if visited.task.handler => How::Paid,
            Ok(Outcome::Changed(_)) => How::Changed,
            Ok(_) => How::Right,
            Err(_) => How::Failed,
        };
        self.journal.ended(visited.address(), &self.context.places.name(visited.place), how)
    }

    fn handlers_of(&self, visited: &Visited<'_>) -> Vec<Address> {
        let handlers = self.handlers.get(&visited.node).into_iter().flatten();
        handlers
            .map(|handler| &self.context.graph.nodes[*handler as usize])
            .filter(|handler| handler.places.binary_search(&visited.place).is_ok())
            .map(|handler| handler.address.clone())
            .collect()
    }

    /// What a program said may hold what nobody may see.
    fn masked(&self, fault: Fault) -> Fault {
        let cause = fault.cause.as_ref().map(|cause| self.context.masks.mask(cause));
        Fault { cause, ..fault }
    }
}
