//! Parameters against the schema of their resource, as far as the text alone tells. Renders nothing.

use serde_json::Value as Json;

use crate::model::decode::Misfit;
use crate::model::{After, Kind, Map, Value};
use crate::source::{Node, Problem, Problems, Span, Tree};

use super::keys::is_template;

/// A folder that a parameter names a file of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folder {
    Files,
    Templates,
}

impl Folder {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Templates => "templates",
        }
    }
}

/// A parameter that names a file of the project; `*` in its path stands for every item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loadable {
    pub(super) path: Vec<String>,
    pub(super) folder: Folder,
}

impl Loadable {
    /// All that `schema` marks.
    pub(super) fn all(schema: &Json) -> Vec<Self> {
        let mut found = Vec::new();
        walk(schema, &mut Vec::new(), &mut found);
        found
    }

    /// The nodes of `params` that this means.
    pub(super) fn nodes<'n>(&self, params: &'n Node) -> Vec<&'n Node> {
        let mut nodes = vec![params];
        for segment in &self.path {
            nodes = match segment.as_str() {
                "*" => nodes.into_iter().filter_map(Node::as_list).flatten().collect(),
                key => nodes.into_iter().filter_map(|node| node.get(key)).collect(),
            };
        }
        nodes.retain(|node| node.tree != Tree::Null);
        nodes
    }
}

fn walk(schema: &Json, path: &mut Vec<String>, found: &mut Vec<Loadable>) {
    let folder = match schema.get("x-lions-source").and_then(Json::as_str) {
        Some("files") => Some(Folder::Files),
        Some("templates") => Some(Folder::Templates),
        _ => None,
    };
    if let Some(folder) = folder {
        let loadable = Loadable { path: path.clone(), folder };
        if !found.contains(&loadable) {
            found.push(loadable);
        }
        return;
    }
    for either in ["anyOf", "oneOf", "allOf"] {
        for part in schema.get(either).and_then(Json::as_array).into_iter().flatten() {
            walk(part, path, found);
        }
    }
    for (name, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        path.push(name.clone());
        walk(property, path, found);
        path.pop();
    }
    if let Some(items) = schema.get("items") {
        path.push("*".to_owned());
        walk(items, path, found);
        path.pop();
    }
}

/// Unknown and missing parameters, and literals of the wrong type. `key` is where the resource is named.
pub(super) fn check_literal(kind: &Kind, key: Span, params: &Node, problems: &mut Problems) {
    let empty = Node { span: key, tree: Tree::Map(Vec::new()) };
    let params = if params.tree == Tree::Null { &empty } else { params };
    if !matches!(params.tree, Tree::Map(_)) {
        let example = kind.schema.get("properties").and_then(Json::as_object).and_then(|all| all.keys().next());
        problems.push(
            Problem::error(params.span, format!("the parameters of `{}` are a mapping, not {}", kind.name, params.kind()))
                .label("a mapping is expected")
                .help(format!(
                    "write `{}: {{ {}: ... }}`; `lions doc {}` shows an example",
                    kind.name,
                    example.map_or("name", String::as_str),
                    kind.name
                )),
        );
        return;
    }
    let before = problems.len();
    check_keys(&kind.schema, params, kind.name, key, true, problems);
    if problems.len() == before {
        for misfit in (kind.check)(&opened(params)) {
            report(kind.name, key, params, &misfit, problems);
        }
    }
}

/// One misfit of `params`, unless it is only that a value is not known yet.
pub(super) fn report(resource: &str, key: Span, params: &Node, misfit: &Misfit, problems: &mut Problems) {
    if misfit.unknown.is_some() {
        return;
    }
    let span = if misfit.path.is_empty() { key } else { params.span_at(&misfit.path) };
    let what = if misfit.path.is_empty() {
        format!("`{resource}`: {}", misfit.why)
    } else {
        format!("`{}` of `{resource}`: {}", misfit.path.join("."), misfit.why)
    };
    problems.push(Problem::error(span, what).label("does not fit").help(format!("see `lions doc {resource}`")));
}

fn check_keys(schema: &Json, node: &Node, what: &str, at: Span, strict: bool, problems: &mut Problems) {
    if let (Some(items), Some(schema)) = (node.as_list(), schema.get("items")) {
        for item in items {
            check_keys(schema, item, what, item.span, false, problems);
        }
    }
    let (Some(entries), Some(properties)) = (node.as_map(), schema.get("properties").and_then(Json::as_object)) else {
        return;
    };
    let strict = strict || schema.get("additionalProperties") == Some(&Json::Bool(false));
    for (key, value) in entries {
        match properties.get(&key.name) {
            Some(property) => check_keys(property, value, &format!("{what}.{}", key.name), key.span, false, problems),
            None if strict => {
                let mut problem = Problem::error(key.span, format!("`{what}` has no parameter `{}`", key.name))
                    .label("unknown parameter")
                    .did_you_mean(&key.name, properties.keys().map(String::as_str));
                if problem.help.is_empty() {
                    let known: Vec<_> = properties.keys().map(|name| format!("`{name}`")).collect();
                    problem = problem.help(format!("its parameters are {}", known.join(", ")));
                }
                problems.push(problem);
            }
            None => {}
        }
    }
    for name in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
        if !entries.iter().any(|(key, _)| key.name == name) {
            problems.push(
                Problem::error(at, format!("`{what}` needs the parameter `{name}`")).label(format!("`{name}` is missing")),
            );
        }
    }
}

/// The tree as a value in which everything that a template decides is unknown.
fn opened(node: &Node) -> Value {
    match &node.tree {
        Tree::Text(text, _) if is_template(text) => Value::Unknown(After::new("load")),
        Tree::List(items) => Value::List(items.iter().map(opened).collect()),
        Tree::Map(entries) => {
            Value::Map(entries.iter().map(|(key, node)| (key.name.clone(), opened(node))).collect::<Map>())
        }
        _ => super::input::plain(node),
    }
}

/// Does any text in `node` hold a template?
pub(super) fn has_template(node: &Node) -> bool {
    match &node.tree {
        Tree::Text(text, _) => is_template(text),
        Tree::List(items) => items.iter().any(has_template),
        Tree::Map(entries) => entries.iter().any(|(_, node)| has_template(node)),
        _ => false,
    }
}
