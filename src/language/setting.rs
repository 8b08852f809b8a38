//! What an environment, a play or `--set` sets: one entry a name, with its place. Evaluates nothing.

use std::collections::BTreeMap;

use crate::model::{Secret, Value};
use crate::source::{Limits, Node, Problem, Problems, Span, Style, Tree, parse};

use super::input::{InputKind, check_name};
use super::load::Wanted;
use super::program::HostId;
use super::reading::Reading;
use super::role::RoleText;
use super::scan::Read;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Default,
    Environment,
    Group(String),
    Host(HostId),
    With,
    Set,
}

/// A value as written, and where.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) node: Node,
    /// A secret from the command line (`--set x=@file` too); then `node` is empty.
    pub(super) given: Option<Value>,
    /// Was that secret typed in clear on the command line?
    pub(super) typed: bool,
    /// May it hold templates? What comes from the command line is taken as it is.
    pub(super) literal: bool,
    /// The name that is set.
    pub(super) key: Span,
    pub(super) origin: Origin,
    pub(super) reads: Vec<Read>,
}

/// One entry: a var, or the input of a role.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) role: Option<String>,
    pub(super) name: String,
    pub(super) layer: Layer,
}

/// All that the mapping `node` sets: under the name of a role its inputs, anything else is a var.
pub(super) fn settings(
    reading: &mut Reading<'_>,
    node: &Node,
    origin: &Origin,
    roles: &[RoleText],
    all: &mut Vec<Setting>,
) {
    let Tree::Map(entries) = &node.tree else {
        reading.problems.push(
            Problem::error(node.span, format!("values are a mapping, not {}", node.kind()))
                .help("write `name: value`, or `role: { input: value }`"),
        );
        return;
    };
    for (key, value) in entries {
        let Some(role) = roles.iter().find(|role| role.name == key.name) else {
            let before = reading.problems.len();
            check_name(&key.name, key.span, "a var", &mut reading.problems);
            if reading.problems.len() > before {
                continue;
            }
            add(reading, None, &key.name, key.span, value, origin, all);
            continue;
        };
        let Tree::Map(inputs) = &value.tree else {
            reading.problems.push(
                Problem::error(
                    value.span,
                    format!("`{}` is a role: its inputs are a mapping, not {}", role.name, value.kind()),
                )
                .help(format!("write `{}: {{ input: value }}`", role.name)),
            );
            continue;
        };
        for (input, value) in inputs {
            if role.input(&input.name).is_none() {
                reading.problems.push(unknown_input(role, &input.name, Some(input.span)));
                continue;
            }
            add(reading, Some(&role.name), &input.name, input.span, value, origin, all);
        }
    }
}

fn add(
    reading: &mut Reading<'_>,
    role: Option<&str>,
    name: &str,
    key: Span,
    node: &Node,
    origin: &Origin,
    all: &mut Vec<Setting>,
) {
    let mut reads = Vec::new();
    reading.scanner().node(node, &mut reads);
    let layer =
        Layer { node: node.clone(), given: None, typed: false, literal: false, key, origin: origin.clone(), reads };
    all.push(Setting { role: role.map(str::to_owned), name: name.to_owned(), layer });
}

/// What is set twice in one layer.
pub(super) fn twice(all: &[Setting], problems: &mut Problems) {
    let mut seen: BTreeMap<(&Option<String>, &str, &Origin), Span> = BTreeMap::new();
    for setting in all {
        let layer = &setting.layer;
        if let Some(first) = seen.insert((&setting.role, &setting.name, &layer.origin), layer.key) {
            problems.push(
                Problem::error(layer.key, format!("`{}` is set twice", shown(setting)))
                    .label("again here")
                    .related(first, "first set here")
                    .help("keep one of the two"),
            );
        }
    }
}

fn shown(setting: &Setting) -> String {
    match &setting.role {
        Some(role) => format!("{role}.{}", setting.name),
        None => setting.name.clone(),
    }
}

/// The problem of an input that `role` does not have.
pub(super) fn unknown_input(role: &RoleText, name: &str, span: Option<Span>) -> Problem {
    let known: Vec<_> = role.inputs.iter().map(|input| input.name.as_str()).collect();
    let mut problem = Problem::nowhere(format!("the role `{}` has no input `{name}`", role.name))
        .label("unknown input")
        .did_you_mean(name, known.iter().copied());
    problem.span = span;
    if problem.help.is_empty() {
        let shown: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        problem = problem.help(match shown.as_slice() {
            [] => format!("it has none; declare it in `{}`", role.folder.join("inputs.yml").display()),
            shown => format!("its inputs are {}", shown.join(", ")),
        });
    }
    problem
}

/// `--set`, one setting each; the last of one name holds.
pub(super) fn from_command_line(
    reading: &mut Reading<'_>,
    wanted: &Wanted,
    component_role: Option<&str>,
    roles: &[RoleText],
    vars: &dyn Fn(&str) -> bool,
) -> Vec<Setting> {
    let mut all: Vec<Setting> = Vec::new();
    for (name, value) in &wanted.set {
        let Some((role, input)) = meant(reading, name, component_role, roles, vars) else { continue };
        let declared = role.as_deref().and_then(|role| roles.iter().find(|known| known.name == role));
        let kind = declared.and_then(|role| role.input(&input)).map(|input| input.kind);
        let Some(layer) = layer(reading, name, value, kind) else { continue };
        all.retain(|other| (&other.role, &other.name) != (&role, &input));
        all.push(Setting { role, name: input, layer });
    }
    all
}

fn meant(
    reading: &mut Reading<'_>,
    name: &str,
    component_role: Option<&str>,
    roles: &[RoleText],
    vars: &dyn Fn(&str) -> bool,
) -> Option<(Option<String>, String)> {
    let find = |role: &str| roles.iter().find(|known| known.name == role);
    if let Some((role_name, input)) = name.split_once('.') {
        let Some(role) = find(role_name) else {
            reading.problems.push(
                Problem::nowhere(format!("`--set {name}`: unknown role `{role_name}`"))
                    .did_you_mean(role_name, roles.iter().map(|role| role.name.as_str()))
                    .help("write `--set role.input=value`, or `--set var=value`"),
            );
            return None;
        };
        if role.input(input).is_none() {
            reading.problems.push(unknown_input(role, input, None));
            return None;
        }
        return Some((Some(role_name.to_owned()), input.to_owned()));
    }
    if let Some(role) = component_role.and_then(find)
        && role.input(name).is_some()
    {
        return Some((Some(role.name.clone()), name.to_owned()));
    }
    if vars(name) {
        return Some((None, name.to_owned()));
    }
    let mut problem = Problem::nowhere(format!("`--set {name}`: the environment has no var `{name}`"));
    let holders: Vec<_> = roles.iter().filter(|role| role.input(name).is_some()).collect();
    for role in &holders {
        problem = problem.help(format!("did you mean `--set {}.{name}=...`?", role.name));
    }
    if let Some(role) = component_role.and_then(find) {
        problem = problem.did_you_mean(name, role.inputs.iter().map(|input| input.name.as_str()));
    }
    if problem.help.is_empty() {
        problem = problem.help("set what the environment's `vars:` or a role's `inputs.yml` names");
    }
    reading.problems.push(problem);
    None
}

fn layer(reading: &mut Reading<'_>, name: &str, value: &str, kind: Option<InputKind>) -> Option<Layer> {
    let set = |key: Span, node: Node, given, typed| {
        Some(Layer { node, given, typed, literal: true, key, origin: Origin::Set, reads: Vec::new() })
    };
    let title = format!("--set {name}");
    if let Some(path) = value.strip_prefix('@') {
        let file = reading.sources.add(title, format!("@{path}"));
        let span = Span::new(file, 0, u32::try_from(path.len() + 1).unwrap_or(u32::MAX));
        // Read from where the user says: it is the user's own word, and a secret has no place in the project.
        return match std::fs::read_to_string(path) {
            Ok(mut text) => {
                while text.ends_with(['\n', '\r']) {
                    text.pop();
                }
                let secret = Value::Secret(Secret::new(Value::text(text)));
                set(span, Node { span, tree: Tree::Null }, Some(secret), false)
            }
            Err(cause) => {
                reading.problems.push(Problem::error(span, format!("`{path}` cannot be read: {cause}")));
                None
            }
        };
    }
    if kind == Some(InputKind::Secret) {
        // The texts that were read are shown around problems, and kept.
        let file = reading.sources.add(title, Secret::MASK);
        let span = Span::new(file, 0, u32::try_from(Secret::MASK.len()).unwrap_or(u32::MAX));
        let secret = Value::Secret(Secret::new(Value::text(value)));
        return set(span, Node { span, tree: Tree::Null }, Some(secret), true);
    }
    let file = reading.sources.add(title, value);
    let span = Span::new(file, 0, u32::try_from(value.len()).unwrap_or(u32::MAX));
    let as_typed = Node { span, tree: Tree::Text(value.to_owned(), Style::Plain) };
    let wants_text = matches!(kind, Some(InputKind::Text | InputKind::Path));
    match parse(file, value, Limits::default()) {
        Ok(documents) => {
            let node = documents.into_iter().next().unwrap_or(Node { span, tree: Tree::Null });
            // `1.10` is meant as it was typed where text is wanted.
            let keep = wants_text && !matches!(node.tree, Tree::Text(..));
            set(span, if keep { as_typed } else { node }, None, false)
        }
        Err(_) if wants_text => set(span, as_typed, None, false),
        Err(problems) => {
            reading.problems.extend(problems);
            None
        }
    }
}
