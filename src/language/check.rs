//! What can be known before any place is asked: every value made once, every task rendered and typed. Decides nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::model::{Catalogue, Map, Sort, Value};
use crate::source::{Problem, Problems, Severity, Span};

use super::evaluate::{Frame, Truth};
use super::input::plain;
use super::names::Seen;
use super::params::{has_template, has_wrong_keys, report};
use super::program::{HostId, Program, ScopeId, Task, TaskId};
use super::values::{Binding, Scope};
use super::view::{View, accept};

fn frame<'f>(host: Option<HostId>, item: Option<&'f Value>, registers: &'f Map) -> Frame<'f> {
    Frame { host, item, registers, facts: &[] }
}

/// Every var: what it reads is there, and it can be made on every host that has it.
pub(super) fn vars(program: &Program, problems: &mut Problems) {
    let seen = Seen::values(program, None);
    let hosts: Vec<Option<HostId>> = (0..).take(program.environment.hosts.len()).map(Some).collect();
    for binding in program.values.vars.values() {
        if layers(binding, &seen, problems) {
            made(program, binding, None, &hosts, problems);
        }
    }
}

/// What the layers of `binding` read must be there; is it?
fn layers(binding: &Binding, seen: &Seen<'_>, problems: &mut Problems) -> bool {
    let before = problems.len();
    for read in binding.layers_anywhere().flat_map(|layer| &layer.reads) {
        seen.check(read, problems);
    }
    problems.len() == before
}

/// Values without templates fit their inputs, whether they hold or not.
pub(super) fn literals(program: &Program, problems: &mut Problems) {
    for binding in program.values.scopes.iter().flat_map(|scope| scope.inputs.values()) {
        for layer in binding.layers_anywhere().filter(|layer| layer.literal || !has_template(&layer.node)) {
            let value = layer.given.clone().unwrap_or_else(|| plain(&layer.node));
            if let Err(problem) = accept(binding, layer, value) {
                problems.push(problem);
            }
        }
    }
}

/// Adds `problem`, unless something was said of its very place already.
fn say(problem: Problem, problems: &mut Problems) {
    if !problems.iter().any(|said| said.severity == Severity::Error && said.span.is_some() && said.span == problem.span)
    {
        problems.push(problem);
    }
}

/// The inputs of a role where a play uses it at `span`, for the hosts (or the cluster) of its `tasks`.
pub(super) fn inputs(program: &Program, scope: ScopeId, span: Span, tasks: &[&Task], problems: &mut Problems) {
    let Some(inputs) = program.values.scopes.get(scope as usize) else { return };
    let seen = Seen::values(program, Some(scope));
    let hosts: BTreeSet<HostId> = tasks.iter().flat_map(|task| task.hosts.iter().copied()).collect();
    let cluster = tasks.iter().any(|task| task.sort == Sort::Cluster && !task.per_host);
    let places: Vec<Option<HostId>> = hosts.into_iter().map(Some).collect();
    for binding in inputs.inputs.values() {
        let known = layers(binding, &seen, problems);
        required(program, inputs, binding, span, &places, cluster, problems);
        if known {
            made(program, binding, Some(inputs), &places, problems);
        }
    }
}

fn required(
    program: &Program,
    scope: &Scope,
    binding: &Binding,
    span: Span,
    places: &[Option<HostId>],
    cluster: bool,
    problems: &mut Problems,
) {
    let host = |id: &HostId| Some((*id, program.environment.hosts.get(*id as usize)?));
    let lacking = places.iter().flatten().find(|id| binding.layer(host(id)).is_none());
    let on = match lacking.and_then(host) {
        Some((_, host)) => format!(" for `{}`", host.name),
        None if cluster && binding.layer(None).is_none() && !binding.differs() => String::new(),
        None => return,
    };
    let role = scope.role.as_deref().unwrap_or_default();
    let name = &binding.name;
    let mut problem = Problem::error(span, format!("the role `{role}` needs the input `{name}`{on}"))
        .label(format!("`{name}` is not set"))
        .help(format!("give it here with `with: {{ {name}: ... }}`, or in the environment: `vars: {{ {role}: {{ {name}: ... }} }}`"));
    if let Some(input) = &binding.input {
        let doc = if input.doc.is_empty() { "required here" } else { &input.doc };
        problem = problem.related(input.span, doc.to_owned());
    }
    problems.push(problem);
}

/// Makes the value of `binding` at `places`; the first problem is enough.
fn made(
    program: &Program,
    binding: &Binding,
    scope: Option<&Scope>,
    places: &[Option<HostId>],
    problems: &mut Problems,
) {
    let registers = Map::new();
    for place in places {
        if let Some(problem) = two_groups(program, binding, *place) {
            problems.push(problem);
            return;
        }
        let making = RefCell::default();
        let view = View::of_value(program, frame(*place, None, &registers), scope, &making);
        match view.make(binding, scope) {
            Ok(Some(value)) if !value.varies => return,
            Ok(_) => {}
            Err(problem) => {
                say(problem, problems);
                return;
            }
        }
    }
}

/// Two groups of one host must not set the same name: which of them wins would be a guess.
fn two_groups(program: &Program, binding: &Binding, place: Option<HostId>) -> Option<Problem> {
    let id = place?;
    let host = program.environment.hosts.get(id as usize)?;
    if binding.hosts.contains_key(&id) || binding.with.is_some() || binding.set.is_some() {
        return None;
    }
    let mut setting = host.groups.iter().filter_map(|group| Some((group, binding.groups.get(group)?)));
    let (first_group, first) = setting.next()?;
    let (second_group, second) = setting.next()?;
    Some(
        Problem::error(second.key, format!("two groups of `{}` set `{}`", host.name, binding.name))
            .label(format!("by `{second_group}`"))
            .related(first.key, format!("by `{first_group}`"))
            .help("set it at the host, or in one of the groups only"),
    )
}

/// No input bears the name of a var: one would hide the other.
pub(super) fn shadowed(program: &Program, problems: &mut Problems) {
    for binding in program.values.scopes.iter().flat_map(|scope| scope.inputs.values()) {
        let (Some(var), Some(input)) = (program.values.vars.get(&binding.name), &binding.input) else { continue };
        let Some(set) = var.layers_anywhere().next() else { continue };
        problems.push(
            Problem::error(input.span, format!("the input `{}` bears the name of a var", input.name))
                .label("which of them is meant?")
                .related(set.key, "the var")
                .help("rename the input, or set it under the role's name instead of the var"),
        );
    }
}

/// Vars that nothing in the whole project reads.
pub(super) fn unused(program: &Program, used: &BTreeSet<String>, roles: &[&str], problems: &mut Problems) {
    for binding in program.values.vars.values().filter(|var| !used.contains(&var.name)) {
        let Some(layer) = binding.layers_anywhere().next() else { continue };
        let mut problem = Problem::error(layer.key, format!("nothing in the project reads the var `{}`", binding.name))
            .label("never used")
            .did_you_mean(&binding.name, used.iter().map(String::as_str).chain(roles.iter().copied()));
        if problem.help.is_empty() {
            problem = problem.help("use it in a role, a playbook or another value, or remove it");
        }
        problems.push(problem);
    }
}

/// Renders and types every task as far as it can be known now.
pub(super) fn tasks(program: &Program, catalogue: &Catalogue, wrong: &BTreeSet<TaskId>, problems: &mut Problems) {
    for (id, task) in (0..).zip(&program.tasks) {
        if wrong.contains(&id) {
            continue;
        }
        let places: Vec<Option<HostId>> = match task.sort {
            Sort::Cluster if !task.per_host => vec![None],
            _ => task.hosts.iter().copied().map(Some).collect(),
        };
        // The same is said of every place: the first that says something is enough.
        for place in places {
            match at_place(program, catalogue, task, place) {
                Ok(true) => {}
                Ok(false) => break,
                Err(found) => {
                    for problem in found {
                        say(problem, problems);
                    }
                    break;
                }
            }
        }
    }
}

/// Is there anything left to look at on other places?
fn at_place(
    program: &Program,
    catalogue: &Catalogue,
    task: &Task,
    place: Option<HostId>,
) -> Result<bool, Vec<Problem>> {
    let mut varies = false;
    let Some(items) = &task.items else {
        return once(program, catalogue, task, place, None, &mut varies).map(|()| varies);
    };
    for item in &items.items {
        let value = place.and_then(|host| item.by_host.get(&host)).or(item.shared.as_ref());
        varies |= !item.by_host.is_empty();
        if let Some(value) = value {
            once(program, catalogue, task, place, Some(value), &mut varies)?;
        }
    }
    Ok(varies)
}

fn once(
    program: &Program,
    catalogue: &Catalogue,
    task: &Task,
    place: Option<HostId>,
    item: Option<&Value>,
    varies: &mut bool,
) -> Result<(), Vec<Problem>> {
    let registers = Map::new();
    let frame = frame(place, item, &registers);
    let mut open = false;
    for condition in &task.when {
        let (truth, differs) = program.test_varying(task, condition, &frame).map_err(|problem| vec![problem])?;
        *varies |= differs;
        match truth {
            Truth::True => {}
            Truth::False => return Ok(()),
            // What stands under it may be meant for other places only.
            Truth::Unknown(_) => open = true,
        }
    }
    if !has_template(&task.params) && !is_marked(program, task) {
        return Ok(());
    }
    let rendered = match program.render(task, &frame) {
        Ok(rendered) => rendered,
        Err(_) if open => return Ok(()),
        Err(problem) => return Err(vec![problem]),
    };
    *varies |= rendered.varies;
    let Some(kind) = catalogue.get(task.resource) else { return Ok(()) };
    if has_wrong_keys(kind, &task.params) {
        return Ok(());
    }
    let mut misfits = Problems::default();
    for misfit in (kind.check)(&rendered.value) {
        report(task.resource, task.span, &task.params, &misfit, &mut misfits);
    }
    if misfits.is_empty() { Ok(()) } else { Err(misfits.into_iter().collect()) }
}

fn is_marked(program: &Program, task: &Task) -> bool {
    let marked = program.values.marked.get(task.resource);
    marked.into_iter().flatten().any(|marked| !marked.nodes(&task.params).is_empty())
}
