//! One task at one place: its frame, its conditions, its typed parameters. Plan and apply share it.

use std::sync::Arc;

use super::context::Context;
use super::registers::Registers;
use crate::graph::{NodeId, NodeKind, PlaceId};
use crate::language::evaluate::{Frame, Truth};
use crate::language::program::{HostId, Task, TaskId};
use crate::model::decode::Misfit;
use crate::model::{Address, After, Fault, Map, Value};
use crate::resources::{self, Planned};
use crate::source::Problem;
use crate::targets::host::Privilege;

/// A task (for one item of its loop) at one place.
pub(super) struct Visited<'a> {
    context: &'a Context,
    pub(super) node: NodeId,
    /// For whom.
    pub(super) place: PlaceId,
    pub(super) task: &'a Task,
    pub(super) item: Option<u32>,
}

/// What its parameters came to.
pub(super) enum Params {
    /// Typed.
    Ready(Arc<dyn Planned>, bool),
    /// They depend on something not yet done.
    Later(After),
}

impl<'a> Visited<'a> {
    /// None for a join.
    pub(super) fn new(context: &'a Context, node: NodeId, place: PlaceId) -> Option<Self> {
        let (task, item) = task_of(&context.graph.nodes[node as usize].kind)?;
        let task = &context.program.tasks[task as usize];
        Some(Self { context, node, place, task, item })
    }

    pub(super) fn address(&self) -> &'a Address {
        &self.context.graph.nodes[self.node as usize].address
    }

    /// Where the work is done.
    pub(super) fn worker(&self) -> PlaceId {
        self.context.graph.nodes[self.node as usize].done_at.unwrap_or(self.place)
    }

    pub(super) fn privilege(&self) -> Privilege {
        self.task.become_user.clone().map_or(Privilege::Login, Privilege::Become)
    }

    /// Is its register seen from every place?
    pub(super) fn is_shared(&self) -> bool {
        self.task.run_once || self.place == self.context.graph.cluster
    }

    /// What others see under its name until it has run.
    pub(super) fn after(&self) -> After {
        After::new(self.task.name.as_str())
    }

    fn host(&self) -> Option<HostId> {
        (self.place != self.context.graph.cluster).then_some(self.place)
    }

    fn frame<'f>(&'f self, registers: &'f Map, facts: &'f [Option<Map>]) -> Frame<'f>
    where
        'a: 'f,
    {
        let item = self.item.and_then(|item| {
            let item = self.task.items.as_ref()?.items.get(item as usize)?;
            self.host().and_then(|host| item.by_host.get(&host)).or(item.shared.as_ref())
        });
        Frame { host: self.host(), item, registers, facts }
    }

    /// Are all its `when` true? The text of the first that is false.
    pub(super) fn when(&self, seen: &Map, facts: &[Option<Map>]) -> Result<Result<(), When>, Fault> {
        let frame = self.frame(seen, facts);
        for condition in &self.task.when {
            match self.context.program.test(self.task, condition, &frame) {
                Ok(Truth::True) => {}
                Ok(Truth::False) => return Ok(Err(When::False(format!("`{}` is false", condition.text)))),
                Ok(Truth::Unknown(after)) => return Ok(Err(When::Unknown(after))),
                Err(problem) => return Err(self.fault(&problem)),
            }
        }
        Ok(Ok(()))
    }

    /// Its parameters, rendered and typed.
    pub(super) fn params(&self, seen: &Map, facts: &[Option<Map>]) -> Result<Params, Fault> {
        let frame = self.frame(seen, facts);
        let rendered = self.context.program.render(self.task, &frame).map_err(|problem| self.fault(&problem))?;
        match resources::decode(self.task.resource, &rendered.value) {
            Ok(planned) => Ok(Params::Ready(planned.into(), rendered.varies)),
            Err(Misfit { unknown: Some(after), .. }) => Ok(Params::Later(after)),
            Err(misfit) => Err(self.fault(&Problem::error(self.task.params.span_at(&misfit.path), misfit.to_string()))),
        }
    }

    /// `changed_when` or `failed_when`, over its own result.
    pub(super) fn result_says(
        &self,
        which: Option<&crate::language::program::Expression>,
        result: &Value,
        seen: &Map,
        facts: &[Option<Map>],
    ) -> Result<Option<Truth>, Fault> {
        let Some(expression) = which else { return Ok(None) };
        let mut seen = seen.clone();
        if let Some(name) = &self.task.register {
            seen.insert(name.clone(), result.clone());
        }
        let frame = self.frame(&seen, facts);
        self.context.program.test(self.task, expression, &frame).map(Some).map_err(|problem| self.fault(&problem))
    }

    /// What it registers reaches those who read it.
    pub(super) fn keep(&self, registers: &Registers, register: Value) {
        registers.keep(self.task, self.item, self.place, register, self.is_shared());
    }

    /// A problem met while running: the text is at fault, the place is where it showed.
    fn fault(&self, problem: &Problem) -> Fault {
        let mut fault = Fault::failed(problem.summary.clone());
        if let Some(span) = problem.span {
            fault = fault.cause(self.context.sources.position(span));
        }
        if problem.help.is_empty() { fault } else { fault.help(problem.help.join("; ")) }
    }
}

/// Why a task does not run now.
pub(super) enum When {
    /// A condition is false.
    False(String),
    /// A condition depends on something not yet done.
    Unknown(After),
}

/// The task of a node, and which item of its loop.
pub(super) fn task_of(kind: &NodeKind) -> Option<(TaskId, Option<u32>)> {
    match kind {
        NodeKind::Task { task, item } => Some((*task, *item)),
        NodeKind::Handler { task, .. } => Some((*task, None)),
        NodeKind::Join { .. } => None,
    }
}
