//! Where a value comes from: every layer that sets it, and which one holds. For `lions vars`.

use std::cell::RefCell;

use crate::model::{Map, Value};
use crate::source::{Problem, Span};

use super::evaluate::Frame;
use super::input::plain;
use super::program::{Host, HostId, Program};
use super::setting::{Layer, Origin};
use super::values::{Binding, Scope};
use super::view::View;

/// A name, where a role is used, and what sets it there.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// `play/role`; nothing for a var, and for a role that the playbook does not use.
    pub at: Option<String>,
    /// Every layer that sets it, in rising order: the last one holds. Empty: nothing sets it here.
    pub layers: Vec<TracedLayer>,
}

/// One layer that sets a name.
#[derive(Clone, Debug, PartialEq)]
pub struct TracedLayer {
    /// `default`, `environment`, `group web`, `host a`, `with`, `--set`.
    pub origin: String,
    /// Where it stands.
    pub span: Span,
    /// The value, templates rendered; it shows no secret.
    pub value: Value,
    /// Is it the one that holds?
    pub holds: bool,
}

impl Program {
    /// Everything that sets `name` (a var, or `role.input`) for `host`, or for the cluster when none is named.
    ///
    /// # Errors
    /// An unknown host or name, or a layer whose value cannot be made.
    pub fn trace(&self, host: Option<&str>, name: &str) -> Result<Vec<Traced>, Problem> {
        let host = host.map(|host| self.host_id(host)).transpose()?;
        let Some((role, input)) = name.split_once('.') else {
            let Some(var) = self.values.vars.get(name) else { return Err(self.unknown_var(name)) };
            return Ok(vec![Traced { at: None, layers: self.layers(var, None, host)? }]);
        };
        let scopes: Vec<&Scope> =
            self.values.scopes.iter().filter(|scope| scope.role.as_deref() == Some(role)).collect();
        if scopes.is_empty() {
            let known = self.values.scopes.iter().filter_map(|scope| scope.role.as_deref());
            return Err(Problem::nowhere(format!("unknown role `{role}`")).did_you_mean(role, known));
        }
        let mut traced = Vec::new();
        for scope in &scopes {
            let Some(binding) = scope.inputs.get(input) else {
                return Err(Problem::nowhere(format!("the role `{role}` has no input `{input}`"))
                    .did_you_mean(input, scope.inputs.keys().map(String::as_str)));
            };
            traced.push(Traced { at: scope.at.clone(), layers: self.layers(binding, Some(scope), host)? });
        }
        Ok(traced)
    }

    fn host_id(&self, name: &str) -> Result<(HostId, &Host), Problem> {
        let hosts = &self.environment.hosts;
        let found = (0..).zip(hosts).find(|(_, host)| &*host.name == name);
        found.ok_or_else(|| {
            Problem::nowhere(format!("the environment `{}` has no host `{name}`", self.environment.name))
                .did_you_mean(name, hosts.iter().map(|host| &*host.name))
        })
    }

    fn unknown_var(&self, name: &str) -> Problem {
        let mut problem = Problem::nowhere(format!("the environment `{}` has no var `{name}`", self.environment.name));
        let mut roles: Vec<_> = self.values.scopes.iter().filter(|scope| scope.inputs.contains_key(name)).collect();
        roles.dedup_by(|a, b| a.role == b.role);
        for role in roles.iter().filter_map(|scope| scope.role.as_deref()) {
            problem = problem.help(format!("did you mean `{role}.{name}`?"));
        }
        problem.did_you_mean(name, self.values.vars.keys().map(String::as_str))
    }

    fn layers(
        &self,
        binding: &Binding,
        scope: Option<&Scope>,
        host: Option<(HostId, &Host)>,
    ) -> Result<Vec<TracedLayer>, Problem> {
        let holds = binding.layer(host).map(|layer| (layer.key, layer.origin.clone()));
        let layers = binding.layers(host).into_iter();
        layers
            .map(|layer| {
                Ok(TracedLayer {
                    origin: self.origin(&layer.origin),
                    span: layer.key,
                    value: self.layer_value(binding, layer, scope, host.map(|(id, _)| id))?,
                    holds: holds.as_ref() == Some(&(layer.key, layer.origin.clone())),
                })
            })
            .collect()
    }

    fn layer_value(
        &self,
        binding: &Binding,
        layer: &Layer,
        scope: Option<&Scope>,
        host: Option<HostId>,
    ) -> Result<Value, Problem> {
        let (registers, making) = (Map::new(), RefCell::default());
        let frame = Frame { host, item: None, registers: &registers, facts: &[] };
        let view = View::of_value(self, frame, scope.filter(|_| layer.origin == Origin::Default), &making);
        let value = match &layer.given {
            Some(value) => value.clone(),
            None if layer.literal => plain(&layer.node),
            None => view.node(&layer.node)?,
        };
        super::view::accept(binding, layer, value)
    }

    fn origin(&self, origin: &Origin) -> String {
        match origin {
            Origin::Default => "default".to_owned(),
            Origin::Environment => "environment".to_owned(),
            Origin::Group(group) => format!("group {group}"),
            Origin::Host(id) => {
                let host = self.environment.hosts.get(*id as usize).map(|host| &*host.name);
                format!("host {}", host.unwrap_or_default())
            }
            Origin::With => "with".to_owned(),
            Origin::Set => "--set".to_owned(),
        }
    }
}
