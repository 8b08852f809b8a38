//! What a text sees where it is evaluated: every name, made when it is asked for. Reads values, changes none.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::model::{After, Map, Value};
use crate::source::{Node, Problem, Span, Tree};

use super::evaluate::Frame;
use super::input::{BUILT_IN, plain};
use super::keys::is_template;
use super::program::{Host, HostId, Program, Task};
use super::scan::problem_at;
use super::setting::{Layer, Origin};
use super::template::{Named, Names, Outcome, TemplateFault};
use super::values::{Binding, Evaluated, Scope};

/// The names that a text sees.
pub(super) struct View<'a> {
    program: &'a Program,
    frame: Frame<'a>,
    /// Whose inputs it sees.
    scope: Option<&'a Scope>,
    /// The task whose loop variable and registers it sees.
    task: Option<&'a Task>,
    /// Bindings that are being made: to find rings.
    making: &'a RefCell<Vec<(u32, String, Span)>>,
    /// Problems behind faults: the fault says what, the problem also where.
    behind: RefCell<Vec<Problem>>,
    /// Names that are known, but not set here.
    unset: RefCell<Vec<String>>,
    varies: Cell<bool>,
    live: Cell<bool>,
}

impl<'a> View<'a> {
    /// What `task` sees in `frame`.
    pub(super) fn of_task(
        program: &'a Program,
        task: &'a Task,
        frame: Frame<'a>,
        making: &'a RefCell<Vec<(u32, String, Span)>>,
    ) -> Self {
        Self::new(program, frame, program.values.scopes.get(task.scope as usize), Some(task), making)
    }

    /// What a value sees: vars, and the inputs of `scope` if any.
    pub(super) fn of_value(
        program: &'a Program,
        frame: Frame<'a>,
        scope: Option<&'a Scope>,
        making: &'a RefCell<Vec<(u32, String, Span)>>,
    ) -> Self {
        Self::new(program, frame, scope, None, making)
    }

    fn new(
        program: &'a Program,
        frame: Frame<'a>,
        scope: Option<&'a Scope>,
        task: Option<&'a Task>,
        making: &'a RefCell<Vec<(u32, String, Span)>>,
    ) -> Self {
        let (behind, unset) = (RefCell::default(), RefCell::default());
        Self { program, frame, scope, task, making, behind, unset, varies: Cell::new(false), live: Cell::new(false) }
    }

    /// Did anything that was asked for depend on the host (or on a register)?
    pub(super) fn varies(&self) -> bool {
        self.varies.get()
    }

    /// The tree as a value, its templates rendered.
    pub(super) fn node(&self, node: &Node) -> Result<Value, Problem> {
        Ok(match &node.tree {
            Tree::Text(text, _) if is_template(text) => {
                let outcome = self.program.values.templates.render_text(text, self);
                self.outcome(node.span, text, outcome)?.value
            }
            Tree::List(items) => Value::List(items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?),
            Tree::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((key.name.clone(), self.node(value)?)));
                Value::Map(entries.collect::<Result<Map, Problem>>()?)
            }
            _ => plain(node),
        })
    }

    /// The problem that a fault in `text` is, which stands at `span`: the one behind it, if it came from a value.
    pub(super) fn outcome(
        &self,
        span: Span,
        text: &str,
        outcome: Result<Outcome, TemplateFault>,
    ) -> Result<Outcome, Problem> {
        outcome.map_err(|fault| {
            let behind = self.behind.borrow();
            match behind.iter().find(|problem| problem.summary == fault.message) {
                Some(problem) => problem.clone(),
                None => self.undefined(problem_at(&self.program.values.sources, span, text, fault)),
            }
        })
    }

    /// Says which name it is that is not there, where one is known and only not set here.
    fn undefined(&self, mut problem: Problem) -> Problem {
        let unset = self.unset.borrow();
        if let (Some(name), true) = (unset.first(), problem.summary.contains("undefined")) {
            let place = self.host().map_or("the cluster", |(_, host)| &*host.name);
            problem.summary = format!("`{name}` is not set for `{place}`");
            problem.help.insert(0, format!("set it there, or ask first: `when: {name} is defined`"));
        }
        problem
    }

    fn host(&self) -> Option<(HostId, &'a Host)> {
        let id = self.frame.host?;
        Some((id, self.program.environment.hosts.get(id as usize)?))
    }

    fn note(&self, varies: bool, live: bool) {
        self.varies.set(self.varies.get() || varies);
        self.live.set(self.live.get() || live);
    }

    fn built_in(&self, name: &str) -> Result<Named, TemplateFault> {
        match name {
            "groups" => return Ok(Named::Value(self.program.values.groups.clone())),
            "hostvars" => {
                return Ok(Named::Folder(
                    self.program.environment.hosts.iter().map(|host| host.name.clone()).collect(),
                ));
            }
            _ => {}
        }
        let Some((id, host)) = self.host() else {
            return Err(TemplateFault::new(format!("a task of the cluster has no `{name}`"))
                .help(format!("name the host: `hostvars[groups.GROUP[0]].{name}`")));
        };
        self.note(true, name == "facts");
        Ok(Named::from(match name {
            "inventory_hostname" => Value::Text(host.name.clone()),
            "group_names" => Value::List(host.groups.iter().map(|group| Value::text(group.as_str())).collect()),
            _ => self.facts(id),
        }))
    }

    fn facts(&self, host: HostId) -> Value {
        match self.frame.facts.get(host as usize) {
            Some(Some(facts)) => Value::Map(facts.clone()),
            _ => Value::Unknown(After::new("facts")),
        }
    }

    /// A name of the host `name`, as `hostvars` shows it.
    fn of_host(&self, name: &str, rest: &[&str]) -> Result<Option<Named>, TemplateFault> {
        let Some(id) = self.program.values.hosts.get(name).copied() else { return Ok(None) };
        let frame = Frame { host: Some(id), item: None, ..self.frame };
        let view = View::of_value(self.program, frame, None, self.making);
        let Some(name) = rest.first() else {
            let host = view.host();
            let vars = self.program.values.vars.values().filter(|var| var.layer(host).is_some());
            let built_in = BUILT_IN.iter().filter(|name| !matches!(**name, "hostvars" | "item"));
            let names = vars.map(|var| var.name.as_str()).chain(built_in.copied());
            return Ok(Some(Named::Folder(names.map(Arc::from).collect())));
        };
        let found = view.get(&[name]);
        // The host is named: who asks does not matter. Facts may come later, so what read them is not shared.
        self.note(view.live.get(), view.live.get());
        self.behind.borrow_mut().extend(view.behind.take());
        found
    }

    fn binding(&self, binding: &Binding, scope: Option<&'a Scope>) -> Result<Option<Named>, TemplateFault> {
        match self.make(binding, scope) {
            Ok(Some(evaluated)) => {
                self.note(evaluated.varies, evaluated.live);
                Ok(Some(Named::Value(evaluated.value)))
            }
            Ok(None) => {
                self.unset.borrow_mut().push(binding.name.clone());
                Ok(None)
            }
            Err(problem) => {
                // It may be there on other hosts: what comes of it is not for all.
                self.note(true, true);
                let fault = TemplateFault::new(problem.summary.clone());
                self.behind.borrow_mut().push(problem);
                Err(fault)
            }
        }
    }

    /// The value of `binding` here; `None` where nothing sets it.
    pub(super) fn make(&self, binding: &Binding, scope: Option<&'a Scope>) -> Result<Option<Evaluated>, Problem> {
        let values = &self.program.values;
        if let Some(known) = values.remembered(binding.id, self.frame.host) {
            return Ok(Some(known));
        }
        let host = self.host();
        if host.is_none() && binding.differs() {
            return Err(differs(binding));
        }
        let Some(layer) = binding.layer(host) else {
            self.note(binding.differs(), false);
            return Ok(None);
        };
        self.enter(binding, layer)?;
        let view = Self::of_value(
            self.program,
            Frame { item: None, ..self.frame },
            scope.filter(|_| layer.origin == Origin::Default),
            self.making,
        );
        let value = match &layer.given {
            Some(value) => Ok(value.clone()),
            None if layer.literal => Ok(plain(&layer.node)),
            None => view.node(&layer.node),
        };
        self.making.borrow_mut().pop();
        let value = accept(binding, layer, value?)?;
        let (varies, live) = (binding.differs() || view.varies.get(), view.live.get());
        let evaluated = Evaluated { value: Arc::new(value), varies, live };
        values.remember(binding.id, self.frame.host, &evaluated);
        Ok(Some(evaluated))
    }

    /// Notes that `binding` is being made; a ring is a problem.
    fn enter(&self, binding: &Binding, layer: &Layer) -> Result<(), Problem> {
        let mut making = self.making.borrow_mut();
        if let Some(at) = making.iter().position(|(id, ..)| *id == binding.id) {
            // From its first line on, wherever one comes into it: then it is one problem.
            let mut ring = making[at..].to_vec();
            let first = (0..ring.len()).min_by_key(|at| ring[*at].2).unwrap_or_default();
            ring.rotate_left(first);
            let names: Vec<_> = ring.iter().chain(&ring[..1]).map(|(_, name, _)| name.as_str()).collect();
            let summary = format!("the value of `{}` needs itself: {}", names[0], names.join(" -> "));
            let mut problem = Problem::error(ring[0].2, summary).label("begins and ends here");
            for (_, name, span) in &ring[1..] {
                problem = problem.related(*span, format!("through `{name}`"));
            }
            return Err(problem.help("give one of them a value that does not name the others"));
        }
        making.push((binding.id, binding.name.clone(), layer.key));
        Ok(())
    }
}

/// `value` as `binding` holds it.
pub(super) fn accept(binding: &Binding, layer: &Layer, value: Value) -> Result<Value, Problem> {
    let Some(input) = &binding.input else { return Ok(value) };
    input.accept(value, layer.origin == Origin::Default).map_err(|why| {
        let span = if layer.given.is_some() { layer.key } else { layer.node.span };
        let problem = Problem::error(span, format!("`{}` {why}", binding.name)).label("does not fit");
        if input.span == span { problem } else { problem.related(input.span, "declared here") }
    })
}

fn differs(binding: &Binding) -> Problem {
    let layers = binding.groups.values().chain(binding.hosts.values());
    let mut spans = layers.map(|layer| layer.key);
    let summary = format!("a task of the cluster reads `{}`, which groups or hosts set", binding.name);
    let mut problem = Problem::nowhere(summary)
        .label("set for some hosts only")
        .help("set it for the whole environment, or read it as `hostvars[HOST].NAME`");
    problem.span = spans.next();
    problem
}

impl Names for View<'_> {
    fn get(&self, path: &[&str]) -> Result<Option<Named>, TemplateFault> {
        let name = match path {
            ["hostvars", host, rest @ ..] => return self.of_host(host, rest),
            [name] => *name,
            _ => return Ok(None),
        };
        if let Some(task) = self.task {
            if let (Some(item), Some(items)) = (self.frame.item, &task.items)
                && items.variable == name
            {
                self.note(items.items.iter().any(|item| !item.by_host.is_empty()), true);
                return Ok(Some(Named::from(item.clone())));
            }
            let registered = task.register.as_deref() == Some(name) || task.reads.iter().any(|(read, _)| read == name);
            if registered || self.frame.registers.contains_key(name) {
                self.note(true, true);
                let value = self.frame.registers.get(name).cloned();
                return Ok(Some(Named::from(value.unwrap_or_else(|| Value::Unknown(After::new(name))))));
            }
        }
        if let Some(binding) = self.scope.and_then(|scope| scope.inputs.get(name)) {
            return self.binding(binding, self.scope);
        }
        if let Some(binding) = self.program.values.vars.get(name) {
            return self.binding(binding, None);
        }
        if BUILT_IN.contains(&name) && name != "item" {
            return self.built_in(name).map(Some);
        }
        Ok(None)
    }

    fn known(&self) -> Vec<String> {
        let mut names: Vec<String> =
            BUILT_IN.iter().filter(|name| **name != "item").map(|&name| name.to_owned()).collect();
        names.extend(self.scope.iter().flat_map(|scope| scope.inputs.keys().cloned()));
        names.extend(self.program.values.vars.keys().cloned());
        if let Some(task) = self.task {
            names.extend(task.items.iter().map(|items| items.variable.clone()));
            names.extend(task.reads.iter().map(|(name, _)| name.clone()));
        }
        names
    }

    fn file(&self, path: &str) -> Result<Arc<str>, TemplateFault> {
        let folder = self.scope.map_or_else(|| "files".into(), |scope| scope.folder.join("files"));
        let full = folder.join(path);
        let Some(file) = self.program.values.files.get(&full) else {
            return Err(TemplateFault::new(format!("`{}` does not exist", full.display())));
        };
        match std::str::from_utf8(&file.bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(TemplateFault::new(format!("`{}` is not text", full.display()))),
        }
    }
}
