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

/// Typed parameters.
#[derive(Clone)]
pub(super) struct Typed {
    pub(super) planned: Arc<dyn Planned>,
    /// They may differ between hosts.
    pub(super) varies: bool,
    /// There is a secret in them: what a command says of it is one.
    pub(super) secret: bool,
}

/// What its parameters came to.
pub(super) enum Params {
    /// Typed.
    Ready(Typed),
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
            Ok(planned) => {
                let secret = rendered.value.has_secret();
                Ok(Params::Ready(Typed { planned: planned.into(), varies: rendered.varies, secret }))
            }
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

    /// Did the command that gave `result` fail? As `failed_when` says, else by its status. Its last lines are the cause.
    pub(super) fn check_result(&self, result: &Value, seen: &Map, facts: &[Option<Map>]) -> Result<(), Fault> {
        const LINES: usize = 20;
        let Some(Value::Int(status)) = result.get("rc").map(open) else { return Ok(()) };
        let fault = match self.result_says(self.task.failed_when.as_ref(), result, seen, facts)? {
            Some(Truth::True) => Fault::failed("`failed_when` is true"),
            Some(Truth::False) => return Ok(()),
            Some(Truth::Unknown(after)) => return Err(Fault::failed(format!("`failed_when` is not known {after}"))),
            None if *status == 0 => return Ok(()),
            None => Fault::failed(format!("exited with status {status}")),
        };
        let said = ["stderr", "stdout"].into_iter().filter_map(|name| match result.get(name) {
            Some(Value::Secret(secret)) => Some(secret.shown().to_owned()),
            Some(Value::Text(text)) => Some(self.context.masks.mask(text)),
            _ => None,
        });
        let Some(said) = said.into_iter().find(|said| !said.trim().is_empty()) else {
            return Err(fault.cause("it said nothing"));
        };
        let lines: Vec<&str> = said.lines().collect();
        Err(fault.cause(lines[lines.len().saturating_sub(LINES)..].join("\n")))
    }

    /// What it registers reaches those who read it.
    pub(super) fn keep(&self, registers: &Registers, register: Value) {
        self.context.masks.learn(&register);
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

/// What is inside a secret, for a decision that shows nothing of it.
fn open(value: &Value) -> &Value {
    match value {
        Value::Secret(secret) => secret.reveal(),
        open => open,
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
