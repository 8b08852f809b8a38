//! The tasks of one role (or the own tasks of one play) to tasks of the program. Decides no order.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Map, Sort, Value};
use crate::source::{Node, Problem, Problems, Span};

use super::evaluate::{Frame, Truth};
use super::home;
use super::loops;
use super::names::Seen;
use super::program::{Block, HostId, Items, Part, Task, TaskId};
use super::resolve::{Above, Resolver};
use super::scan::Read;
use super::task::{BlockText, StepText, TaskText};
use super::view::View;

/// One body that is being resolved.
pub(super) struct Steps<'s, 'r> {
    resolver: &'s mut Resolver<'r>,
    /// Names that its tasks register.
    registers: BTreeSet<String>,
}

impl<'s, 'r> Steps<'s, 'r> {
    pub(super) fn new(
        resolver: &'s mut Resolver<'r>,
        above: &Above,
        steps: &[StepText],
        handlers: &[TaskText],
    ) -> Self {
        let mut registers = BTreeMap::new();
        home::each(steps, &mut |_, task| registers.extend(task.and_then(|task| task.register.clone())));
        let names = registers.iter().map(|(name, span)| (name.as_str(), *span, "register"));
        let mut variables = Vec::new();
        for task in home::tasks(steps).into_iter().chain(handlers) {
            if let Some(items) = &task.items
                && task.variable != "item"
            {
                variables.push((task.variable.as_str(), items.span, "loop variable"));
            }
        }
        let seen = Seen::values(resolver.program, Some(above.scope));
        for (name, span, what) in names.chain(variables) {
            if let Some(other) = seen.value_span(name) {
                resolver.problems.push(
                    Problem::error(span, format!("the {what} `{name}` bears the name of a value"))
                        .label("which of them is meant?")
                        .related(other, "set here")
                        .help("choose another name"),
                );
            }
        }
        let registers = registers.into_keys().collect();
        Self { resolver, registers }
    }

    pub(super) fn steps(&mut self, steps: &[StepText], above: &Above) -> Vec<Part> {
        steps
            .iter()
            .map(|step| match step {
                StepText::Task(task) => Part::Task(self.task(task, above, false)),
                StepText::Block(block) => Part::Block(self.block(block, above)),
            })
            .collect()
    }

    pub(super) fn handlers(&mut self, handlers: &[TaskText], above: &Above) -> Vec<TaskId> {
        handlers.iter().map(|handler| self.task(handler, above, true)).collect()
    }

    fn block(&mut self, text: &BlockText, above: &Above) -> Block {
        let above = above.under(&text.common, self.resolver.program, self.resolver.problems);
        Block {
            name: text.common.name.clone(),
            span: text.common.span,
            needs: text.common.needs.clone(),
            tags: text.common.tags.clone(),
            block: self.steps(&text.block, &above),
            rescue: self.steps(&text.rescue, &above),
            always: self.steps(&text.always, &above),
        }
    }

    fn task(&mut self, text: &TaskText, above: &Above, handler: bool) -> TaskId {
        let before = self.resolver.problems.len();
        let below = above.under(&text.common, self.resolver.program, self.resolver.problems);
        let hosts = self.hosts(text, above, &below);
        let mut all_reads: Vec<Read> = below.when_reads.clone();
        all_reads.extend(text.all_reads().cloned());
        self.names(text, &below, &all_reads, &hosts);
        self.resolver.program.values.reads_facts |= all_reads.iter().any(|read| read.facts);
        let own = text.register.as_ref().map(|(name, _)| name.as_str());
        let mut reads: Vec<(String, Span)> = Vec::new();
        for read in &all_reads {
            let known = reads.iter().any(|(name, _)| *name == read.name);
            if self.registers.contains(&read.name) && Some(read.name.as_str()) != own && !known {
                reads.push((read.name.clone(), read.span));
            }
        }
        let mut task = Task {
            name: text.common.name.clone(),
            span: text.common.span,
            resource: text.resource,
            sort: text.sort,
            params: text.params.clone(),
            scope: below.scope,
            items: None,
            hosts,
            needs: text.common.needs.clone(),
            when: below.when.clone(),
            register: text.register.as_ref().map(|(name, _)| name.clone()),
            reads,
            notify: text.notify.clone(),
            tags: below.tags.clone(),
            become_user: if text.sort == Sort::Host { below.become_user.clone() } else { None },
            retries: text.retries,
            delay: text.delay,
            timeout: text.timeout,
            run_once: text.run_once,
            delegate_to: text.delegate_to.as_ref().and_then(|node| self.delegate(node)),
            per_host: text.per_host,
            guard: text.guard,
            optional: text.optional,
            changed_when: text.changed_when.clone(),
            failed_when: text.failed_when.clone(),
            handler,
        };
        task.items = text.items.as_ref().map(|node| self.items(node, text, &below, &task));
        let tasks = &mut self.resolver.program.tasks;
        tasks.push(task);
        let id = u32::try_from(tasks.len() - 1).unwrap_or(u32::MAX);
        let broken = all_reads.iter().any(|read| self.resolver.program.values.broken.contains(&read.name));
        if broken || self.resolver.problems.len() > before {
            self.resolver.wrong.insert(id);
        }
        id
    }

    fn hosts(&mut self, text: &TaskText, above: &Above, below: &Above) -> Vec<HostId> {
        let environment = &self.resolver.program.environment;
        let of_hosts = text.sort == Sort::Host || text.per_host;
        if text.sort == Sort::Cluster && environment.cluster.is_none() {
            self.resolver.problems.push(
                Problem::error(text.key, format!("the environment `{}` has no cluster", environment.name))
                    .label(format!("`{}` needs one", text.resource))
                    .help("add `cluster: { kubeconfig_from: GROUP }` to `environment.yml`"),
            );
        }
        if !of_hosts {
            if let Some(pattern) = &text.common.hosts {
                self.resolver.problems.push(
                    Problem::error(pattern.span, format!("`hosts` on `{}`, which is for the cluster", text.resource))
                        .help("leave it out, or add `per_host: true`"),
                );
            }
            return Vec::new();
        }
        if below.hosts.is_none() && above.hosts.is_none() {
            let problem = Problem::error(text.key, format!("`{}` is for hosts, and its play has none", text.resource))
                .label("on which hosts?")
                .help("add `hosts:` to the play, the role, the block or the task");
            self.resolver.problems.push(problem);
        }
        below.hosts.clone().unwrap_or_default()
    }

    /// Every name that is read must mean something.
    fn names(&mut self, text: &TaskText, below: &Above, reads: &[Read], hosts: &[HostId]) {
        let resolver = &mut *self.resolver;
        let mut seen = Seen::values(resolver.program, Some(below.scope));
        seen.registers = Some(&self.registers);
        seen.variable = text.items.is_some().then_some(text.variable.as_str());
        seen.cluster = hosts.is_empty() && text.sort == Sort::Cluster;
        for read in reads {
            seen.check(read, resolver.problems);
        }
    }

    /// Does `when` say no there already, without an item?
    fn ruled_out(&self, task: &Task, host: Option<HostId>) -> bool {
        let registers = Map::new();
        let frame = Frame { host, item: None, registers: &registers, facts: &[] };
        // A condition that asks for the item fails here, and is asked again for each.
        task.when.iter().any(|when| self.resolver.program.test(task, when, &frame) == Ok(Truth::False))
    }

    fn items(&mut self, node: &Node, text: &TaskText, below: &Above, task: &Task) -> Items {
        let places: Vec<Option<HostId>> = match text.sort {
            Sort::Cluster if !text.per_host => vec![None],
            _ => task.hosts.iter().copied().map(Some).collect(),
        };
        let open: Vec<_> = places.iter().copied().filter(|place| !self.ruled_out(task, *place)).collect();
        let empty = Items { items: Vec::new(), variable: text.variable.clone() };
        // What is wrong with these names was said already.
        if text.early.iter().any(|read| read.facts || self.registers.contains(&read.name)) {
            return empty;
        }
        let resolver = &mut *self.resolver;
        let Some(scope) = resolver.program.values.scopes.get(below.scope as usize) else { return empty };
        if open.is_empty() {
            // Skipped everywhere: its items are shown as skipped where they can be made, and are nobody's problem else.
            let mut unsaid = Problems::default();
            return loops::items(resolver.program, scope, node, &text.variable, &places, &mut unsaid);
        }
        loops::items(resolver.program, scope, node, &text.variable, &open, resolver.problems)
    }

    fn delegate(&mut self, node: &Node) -> Option<HostId> {
        let resolver = &mut *self.resolver;
        let (registers, making) = (Map::new(), std::cell::RefCell::default());
        let frame = Frame { host: None, item: None, registers: &registers, facts: &[] };
        let view = View::of_value(resolver.program, frame, None, &making);
        let name = match view.node(node) {
            Ok(Value::Text(name)) => name,
            Ok(other) => {
                let what = format!("`delegate_to` is the name of a host, not {}", other.kind());
                resolver.problems.push(Problem::error(node.span, what).label("a host of the environment is expected"));
                return None;
            }
            Err(problem) => {
                resolver.problems.push(problem);
                return None;
            }
        };
        let id = resolver.program.values.hosts.get(&name).copied();
        if id.is_none() {
            let known: Vec<_> = resolver.program.environment.hosts.iter().map(|host| &*host.name).collect();
            let mut problem = Problem::error(node.span, format!("unknown host `{name}`"))
                .label(format!("not in the environment `{}`", resolver.program.environment.name))
                .did_you_mean(&name, known);
            if &*name == "localhost" || &*name == "127.0.0.1" {
                problem = problem.help("write this machine into `environment.yml`: `localhost: { connection: local }`");
            }
            resolver.problems.push(problem);
        }
        id
    }
}
