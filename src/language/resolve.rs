//! Plays as written to a program: hosts chosen, values bound, tasks numbered. Renders nothing but loops.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::source::{Problem, Problems, Span};

use super::names::Seen;
use super::playbook::{Batch, PlayText, RoleUse};
use super::program::{HostId, Part, Play, Program, Role, Rollout, ScopeId, Task, TaskId};
use super::role::RoleText;
use super::scan::Read;
use super::setting::{Layer, Origin, unknown_input};
use super::step::Steps;
use super::task::Common;
use super::values::{Binding, Scope};

/// The layers of every role's inputs that the environment and `--set` give: by role, name and layer.
pub(super) type RoleLayers = BTreeMap<String, Vec<(String, Arc<Layer>)>>;

/// Resolves plays, one after the other.
pub(super) struct Resolver<'r> {
    pub(super) program: &'r mut Program,
    pub(super) roles: &'r [RoleText],
    pub(super) layers: &'r RoleLayers,
    pub(super) problems: &'r mut Problems,
    /// The next id of a binding.
    pub(super) next: &'r mut u32,
    /// Tasks of which enough is said: they are not rendered.
    pub(super) wrong: &'r mut BTreeSet<TaskId>,
}

/// What a step has from what it stands in.
#[derive(Clone, Debug)]
pub(super) struct Above {
    /// None: the play has no hosts, and nothing narrowed it yet.
    pub(super) hosts: Option<Vec<HostId>>,
    pub(super) when: Vec<super::program::Expression>,
    pub(super) when_reads: Vec<Read>,
    pub(super) tags: Vec<String>,
    pub(super) become_user: Option<Arc<str>>,
    pub(super) scope: ScopeId,
    /// The play's name.
    pub(super) play: String,
}

impl Above {
    /// The same, one level deeper.
    pub(super) fn under(&self, common: &Common, program: &Program, problems: &mut Problems) -> Self {
        let mut below = self.clone();
        below.when.extend(common.when.iter().cloned());
        below.when_reads.extend(common.when_reads.iter().cloned());
        for tag in &common.tags {
            if !below.tags.contains(tag) {
                below.tags.push(tag.clone());
            }
        }
        below.become_user = match (common.becomes, &common.become_user) {
            (Some(false), _) => None,
            (_, Some(user)) => Some(user.as_str().into()),
            (Some(true), None) => self.become_user.clone().or_else(|| Some("root".into())),
            (None, None) => self.become_user.clone(),
        };
        if let Some(pattern) = &common.hosts {
            let mut chosen = pattern.resolve(&program.environment, problems);
            let named = !chosen.is_empty();
            if let Some(hosts) = &self.hosts {
                chosen.retain(|host| hosts.contains(host));
            }
            let empty = pattern.empty_groups(&program.environment);
            if chosen.is_empty() && self.hosts.as_ref().is_none_or(|hosts| !hosts.is_empty()) {
                let environment = &program.environment.name;
                if named {
                    // A role may hold tasks for hosts that another play gives it.
                    problems.push(
                        Problem::warning(pattern.span, "`hosts` selects none of the hosts of what it stands in")
                            .label("nothing runs here"),
                    );
                } else if let Some(group) = empty.first() {
                    problems.push(
                        Problem::warning(pattern.span, format!("`hosts` selects no host in `{environment}`"))
                            .label(format!("the group `{group}` is empty there")),
                    );
                } else if !problems.iter().any(|problem| problem.span.is_some_and(|span| within(span, pattern.span))) {
                    problems.push(
                        Problem::error(pattern.span, format!("`hosts` selects no host in `{environment}`"))
                            .label("nothing would run")
                            .help("change the pattern, or add hosts to `environment.yml`"),
                    );
                }
            }
            below.hosts = Some(chosen);
        }
        below
    }
}

fn within(inner: Span, outer: Span) -> bool {
    inner.file == outer.file && inner.start >= outer.start && inner.end <= outer.end
}

impl Resolver<'_> {
    pub(super) fn play(&mut self, text: &PlayText) {
        let top = Above {
            hosts: None,
            when: Vec::new(),
            when_reads: Vec::new(),
            tags: Vec::new(),
            become_user: self.program.environment.becomes.then(|| "root".into()),
            scope: 0,
            play: text.common.name.clone(),
        };
        let above = top.under(&text.common, self.program, self.problems);
        let mut body: Vec<Part> = text.roles.iter().filter_map(|role| self.role(role, &above)).collect();
        let mut own = Steps::new(self, &above, &text.tasks, &text.handlers);
        body.extend(own.steps(&text.tasks, &above));
        let between: Vec<Part> = text.rollout.iter().flat_map(|rollout| own.steps(&rollout.between, &above)).collect();
        let handlers = own.handlers(&text.handlers, &above);
        let hosts = above.hosts.clone().unwrap_or_default();
        if text.common.hosts.is_none()
            && let Some(rollout) = &text.rollout
        {
            self.problems.push(
                Problem::error(rollout.span, "`rollout` in a play without hosts").help("add `hosts:` to the play"),
            );
        }
        let rollout = text.rollout.as_ref().map(|rollout| {
            let between = between
                .into_iter()
                .filter_map(|part| match part {
                    Part::Task(task) => Some(task),
                    Part::Block(block) => {
                        self.problems.push(
                            Problem::error(block.span, "a block in `between`").help("write its tasks themselves there"),
                        );
                        None
                    }
                    Part::Role(_) => None,
                })
                .collect();
            Rollout { batches: batches(&hosts, &rollout.batch), between, span: rollout.span }
        });
        let play = Play {
            name: text.common.name.clone(),
            span: text.common.span,
            hosts,
            needs: text.common.needs.clone(),
            tags: text.common.tags.clone(),
            rollout,
            max_failures: text.max_failures,
            body,
            handlers,
        };
        super::needs::cluster_in_rollout(self.program, &play, self.problems);
        self.program.plays.push(play);
    }

    fn role(&mut self, used: &RoleUse, above: &Above) -> Option<Part> {
        let Some(role) = self.roles.iter().find(|role| role.name == used.role) else {
            let known = self.roles.iter().map(|role| role.name.as_str());
            let mut problem = Problem::error(used.role_span, format!("unknown role `{}`", used.role))
                .label("no such role")
                .did_you_mean(&used.role, known);
            if problem.help.is_empty() {
                problem = problem.help(format!("create `roles/{}/tasks.yml`", used.role));
            }
            self.problems.push(problem);
            return None;
        };
        let above = above.under(&used.common, self.program, self.problems);
        let seen = Seen::values(self.program, None);
        for read in used.common.when_reads.iter().chain(&used.with_reads) {
            seen.check(read, self.problems);
        }
        let scope = self.scope(role, used, format!("{}/{}", above.play, used.common.name));
        let above = Above { scope, ..above };
        let mut steps = Steps::new(self, &above, &role.tasks, &role.handlers);
        let body = steps.steps(&role.tasks, &above);
        let handlers = steps.handlers(&role.handlers, &above);
        super::check::inputs(self.program, scope, used.role_span, &tasks_of(self.program, &body), self.problems);
        Some(Part::Role(Role {
            name: used.common.name.clone(),
            span: used.common.span,
            needs: used.common.needs.clone(),
            tags: used.common.tags.clone(),
            body,
            handlers,
        }))
    }

    /// The inputs of `role` where a play uses it.
    fn scope(&mut self, role: &RoleText, used: &RoleUse, at: String) -> ScopeId {
        let mut scope = base_scope(role, self.layers, self.next);
        for (name, key, node) in &used.with {
            let Some(binding) = scope.inputs.get_mut(name) else {
                self.problems.push(unknown_input(role, name, Some(*key)));
                continue;
            };
            // Which of them reads what was checked for all of `with` together.
            let layer = Layer {
                node: node.clone(),
                given: None,
                typed: false,
                literal: false,
                key: *key,
                origin: Origin::With,
                reads: Vec::new(),
            };
            binding.put(Arc::new(layer));
        }
        scope.at = Some(at);
        let scopes = &mut self.program.values.scopes;
        scopes.push(scope);
        u32::try_from(scopes.len() - 1).unwrap_or(u32::MAX)
    }
}

/// The inputs of `role`, without any `with:`.
pub(super) fn base_scope(role: &RoleText, layers: &RoleLayers, next: &mut u32) -> Scope {
    let mut inputs = BTreeMap::new();
    for (input, reads) in role.inputs.iter().zip(&role.default_reads) {
        *next += 1;
        let mut binding = Binding::new(*next, &input.name, Some(Arc::new(input.clone())));
        if let Some(node) = &input.default {
            binding.put(Arc::new(Layer {
                node: node.clone(),
                given: None,
                typed: false,
                literal: false,
                key: input.span,
                origin: Origin::Default,
                reads: reads.clone(),
            }));
        }
        inputs.insert(input.name.clone(), binding);
    }
    for (name, layer) in layers.get(&role.name).into_iter().flatten() {
        if let Some(binding) = inputs.get_mut(name) {
            binding.put(layer.clone());
        }
    }
    Scope { at: None, role: Some(role.name.clone()), folder: role.folder.clone(), inputs }
}

/// The scope of the own tasks of plays.
pub(super) fn play_scope() -> Scope {
    Scope { folder: PathBuf::new(), ..Scope::default() }
}

/// Every task in `body`.
pub(super) fn tasks_of<'p>(program: &'p Program, body: &[Part]) -> Vec<&'p Task> {
    let mut all = Vec::new();
    for part in body {
        match part {
            Part::Task(id) => all.extend(program.tasks.get(*id as usize)),
            Part::Role(role) => all.extend(tasks_of(program, &role.body)),
            Part::Block(block) => {
                for section in [&block.block, &block.rescue, &block.always] {
                    all.extend(tasks_of(program, section));
                }
            }
        }
    }
    all
}

fn batches(hosts: &[HostId], sizes: &[Batch]) -> Vec<Vec<HostId>> {
    let mut batches = Vec::new();
    let mut left = hosts;
    for at in 0.. {
        if left.is_empty() {
            break;
        }
        let size = match sizes.get(at).or(sizes.last()) {
            Some(Batch::Hosts(size)) => *size as usize,
            // Rounded down as in Ansible, but never to nothing.
            Some(Batch::Percent(percent)) => (hosts.len() * *percent as usize / 100).max(1),
            None => hosts.len(),
        };
        let (batch, rest) = left.split_at(size.min(left.len()));
        batches.push(batch.to_vec());
        left = rest;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_as_written_and_the_last_size_goes_on() {
        let hosts: Vec<_> = (0..10).collect();
        let sizes = |sizes: &[Batch]| batches(&hosts, sizes).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&[Batch::Hosts(1), Batch::Hosts(3)]), [1, 3, 3, 3]);
        assert_eq!(sizes(&[Batch::Percent(25)]), [2, 2, 2, 2, 2]);
        assert_eq!(sizes(&[Batch::Percent(1)]), [1; 10]);
        assert_eq!(sizes(&[Batch::Hosts(99)]), [10]);
    }
}
