//! Which names mean something where: every name that is read must be among them. Evaluates nothing.

use std::collections::BTreeSet;

use crate::source::{Problem, Problems, Span};

use super::input::BUILT_IN;
use super::program::{Program, ScopeId};
use super::scan::Read;
use super::values::{Binding, Scope};

/// The names that a text sees.
pub(super) struct Seen<'p> {
    program: &'p Program,
    scope: Option<&'p Scope>,
    pub(super) registers: Option<&'p BTreeSet<String>>,
    /// The loop's variable.
    pub(super) variable: Option<&'p str>,
    /// No host stands behind it.
    pub(super) cluster: bool,
}

impl<'p> Seen<'p> {
    /// Vars, and the inputs of `scope`.
    pub(super) fn values(program: &'p Program, scope: Option<ScopeId>) -> Self {
        let scope = scope.and_then(|scope| program.values.scopes.get(scope as usize));
        Self { program, scope, registers: None, variable: None, cluster: false }
    }

    fn binding(&self, name: &str) -> Option<&'p Binding> {
        self.scope.and_then(|scope| scope.inputs.get(name)).or_else(|| self.program.values.vars.get(name))
    }

    /// Where the value `name` is declared or set.
    pub(super) fn value_span(&self, name: &str) -> Option<Span> {
        let binding = self.binding(name)?;
        let declared = binding.input.as_ref().map(|input| input.span);
        declared.or_else(|| {
            let layers = binding.environment.iter().chain(binding.groups.values()).chain(binding.hosts.values());
            layers.chain(&binding.set).map(|layer| layer.key).next()
        })
    }

    /// Says what is wrong with `read`, if anything is.
    pub(super) fn check(&self, read: &Read, problems: &mut Problems) {
        let name = read.name.as_str();
        if self.variable == Some(name) || self.registers.is_some_and(|registers| registers.contains(name)) {
            return;
        }
        if let Some(binding) = self.binding(name) {
            if self.cluster && binding.differs() {
                problems.push(differs(binding, read));
            }
            return;
        }
        if BUILT_IN.contains(&name) && name != "item" {
            if self.cluster && matches!(name, "inventory_hostname" | "group_names" | "facts") {
                problems.push(
                    Problem::error(read.span, format!("a task of the cluster has no `{name}`"))
                        .label("there is no host here")
                        .help(format!("name the host: `hostvars[groups.GROUP[0]].{name}`")),
                );
            }
            return;
        }
        if read.included || self.program.values.broken.contains(name) {
            return;
        }
        problems.push(self.unknown(read));
    }

    fn unknown(&self, read: &Read) -> Problem {
        let name = read.name.as_str();
        let problem = Problem::error(read.span, format!("unknown name `{name}`")).label("means nothing here");
        match name {
            "item" => return problem.help("`item` is there in a task with `loop`, under its `loop_var` if it has one"),
            "ansible_facts" | "ansible_local" => return problem.help("facts are under `facts`"),
            _ if name.starts_with("ansible_") => {
                return problem.help("facts are under `facts`, what is set under its own name");
            }
            _ => {}
        }
        let mut known: BTreeSet<&str> = BUILT_IN.iter().copied().filter(|known| *known != "item").collect();
        known.extend(self.program.values.vars.keys().map(String::as_str));
        known.extend(self.scope.iter().flat_map(|scope| scope.inputs.keys().map(String::as_str)));
        known.extend(self.registers.iter().flat_map(|registers| registers.iter().map(String::as_str)));
        known.extend(self.variable);
        let problem = problem.did_you_mean(name, known);
        if !problem.help.is_empty() {
            return problem;
        }
        match self.scope.and_then(|scope| scope.role.as_deref()) {
            Some(role) => problem.help(format!(
                "declare it in `roles/{role}/inputs.yml`, set it in the environment's `vars:`, or register it in this role"
            )),
            None => problem.help("set it in the environment's `vars:`; a register is seen in its own role or play only"),
        }
    }
}

fn differs(binding: &Binding, read: &Read) -> Problem {
    let layers = binding.groups.values().chain(binding.hosts.values());
    let mut problem =
        Problem::error(read.span, format!("a task of the cluster reads `{}`, which groups or hosts set", read.name))
            .label("whose value?")
            .help(format!("set it for the whole environment, or read it as `hostvars[HOST].{}`", read.name));
    for layer in layers.take(3) {
        problem = problem.related(layer.key, "set for some hosts only");
    }
    problem
}
