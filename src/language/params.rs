//! Parameters against the schema of their resource, as far as the text alone tells. Renders nothing.

use std::path::Path;

use serde_json::Value as Json;

use crate::model::decode::Misfit;
use crate::model::{After, Kind, Map, Value};
use crate::source::{Node, Problem, Problems, Span, Tree};

use super::keys::is_template;

/// What the language does with a parameter before the resource gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It names a file of `files/`.
    Files,
    /// It names a file of `templates/`.
    Templates,
    /// It names a file or a folder of either; what ends in `.j2` is a template, too.
    Manifests,
    /// It names a folder of `files/` with a kustomization.
    Kustomize,
    /// It is a condition.
    Condition,
}

impl Mark {
    /// The folders whose files it names, the first that has it.
    pub(super) fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Files | Self::Kustomize => &["files"],
            Self::Templates => &["templates"],
            Self::Manifests => &["files", "templates"],
            Self::Condition => &[],
        }
    }

    /// Is the file of that name in `folder` a template?
    pub(super) fn renders(self, folder: &Path, name: &str) -> bool {
        let says_so = || folder.ends_with("templates") || Path::new(name).extension().is_some_and(|end| end == "j2");
        self == Self::Templates || self == Self::Manifests && says_so()
    }
}

/// A marked parameter; `*` in its path stands for every item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) path: Vec<String>,
    pub(super) mark: Mark,
}

impl Marked {
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

fn walk(schema: &Json, path: &mut Vec<String>, found: &mut Vec<Marked>) {
    let mark = match schema.get("x-lions-source").and_then(Json::as_str) {
        Some("files") => Some(Mark::Files),
        Some("templates") => Some(Mark::Templates),
        Some("manifests") => Some(Mark::Manifests),
        Some("kustomize") => Some(Mark::Kustomize),
        _ if schema.get("x-lions-condition") == Some(&Json::Bool(true)) => Some(Mark::Condition),
        _ => None,
    };
    if let Some(mark) = mark {
        let marked = Marked { path: path.clone(), mark };
        if !found.contains(&marked) {
            found.push(marked);
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
            Problem::error(
                params.span,
                format!("the parameters of `{}` are a mapping, not {}", kind.name, params.kind()),
            )
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
        for misfit in (kind.check)(&opened(params, &Marked::all(&kind.schema), 0)) {
            report(kind.name, key, params, &misfit, problems);
        }
    }
}

/// Are keys of `params` unknown or missing? That was said when the text was read.
pub(super) fn has_wrong_keys(kind: &Kind, params: &Node) -> bool {
    let mut problems = Problems::default();
    check_keys(&kind.schema, params, kind.name, params.span, true, &mut problems);
    !problems.is_empty()
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
                Problem::error(at, format!("`{what}` needs the parameter `{name}`"))
                    .label(format!("`{name}` is missing")),
            );
        }
    }
}

/// The tree as a value in which everything that a template or a condition decides is unknown.
fn opened(node: &Node, marked: &[Marked], depth: usize) -> Value {
    if marked.iter().any(|marked| marked.mark == Mark::Condition && marked.path.len() == depth) {
        return match &node.tree {
            Tree::Text(..) => Value::Unknown(After::new("load")),
            _ => super::input::plain(node),
        };
    }
    match &node.tree {
        Tree::Text(text, _) if is_template(text) => Value::Unknown(After::new("load")),
        Tree::List(items) => {
            let below = below(marked, depth, "*");
            Value::List(items.iter().map(|item| opened(item, &below, depth + 1)).collect())
        }
        Tree::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, node)| (key.name.clone(), opened(node, &below(marked, depth, &key.name), depth + 1)));
            Value::Map(entries.collect::<Map>())
        }
        _ => super::input::plain(node),
    }
}

/// Those of `marked` that lie below `segment`, one level deeper than `depth`.
pub(super) fn below(marked: &[Marked], depth: usize, segment: &str) -> Vec<Marked> {
    marked.iter().filter(|marked| marked.path.get(depth).is_some_and(|own| own == segment)).cloned().collect()
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
