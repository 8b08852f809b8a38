//! Encrypted files of `values/`: every value that comes out of one is a secret. Writes no plain text anywhere, and no
//! problem shows any.

mod age;
mod identities;
mod sops;

use crate::model::{Secret, Value};
use crate::source::{Node, Problem, Problems, Style, Tree};

use super::input::plain;
use super::params::has_template;
use super::setting::Setting;

pub use identities::Identities;

/// A file that was opened.
pub(super) struct Opened {
    /// Names and places; what was encrypted is not in it.
    pub(super) node: Node,
    /// The same as a value, with its secrets.
    pub(super) values: Value,
}

pub(super) use age::{is_age, open as open_age};
pub(super) use sops::{is_sops, open as open_sops, stray};

/// Gives each of `settings`, which `opened` sets, its secrets.
pub(super) fn seal(settings: &mut [Setting], values: &Value, problems: &mut Problems) {
    for setting in settings {
        let of_role = match &setting.role {
            Some(role) => values.get(role),
            None => Some(values),
        };
        let Some(value) = of_role.and_then(|values| values.get(&setting.name)) else { continue };
        if !value.has_secret() && value.unknown().is_none() {
            continue;
        }
        let layer = &mut setting.layer;
        let name = &setting.name;
        if has_template(&layer.node) {
            problems.push(
                Problem::error(layer.node.span, format!("`{name}` mixes encrypted values and templates"))
                    .label("holds both")
                    .help("give the template a name of its own in a plain file, and let it read the encrypted value"),
            );
        }
        if holds_template(value) {
            problems.push(
                Problem::warning(layer.key, format!("a value of `{name}` holds `{{{{`, and is taken as it is"))
                    .label("what was encrypted is no template")
                    .help("write the template in a plain file, and let it read this value"),
            );
        }
        layer.node = Node { span: layer.node.span, tree: Tree::Null };
        layer.given = Some(value.clone());
        layer.reads.clear();
    }
}

fn holds_template(value: &Value) -> bool {
    match value {
        Value::Secret(secret) => {
            secret.reveal().as_text().is_some_and(|text| text.contains("{{") && text.contains("}}"))
        }
        Value::List(items) => items.iter().any(holds_template),
        Value::Map(map) => map.values().any(holds_template),
        _ => false,
    }
}

/// The tree as a value in which every leaf is a secret. That nothing is set is none.
fn secret(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::List(items) => Value::List(items.iter().map(secret).collect()),
        Tree::Map(entries) => Value::Map(entries.iter().map(|(key, node)| (key.name.clone(), secret(node))).collect()),
        _ => Value::Secret(Secret::new(plain(node))),
    }
}

/// The tree without its values: of the same kinds, so that what is said of them is right.
fn hollow(node: &Node) -> Node {
    let tree = match &node.tree {
        Tree::Null => Tree::Null,
        Tree::Bool(_) => Tree::Bool(false),
        Tree::Int(_) => Tree::Int(0),
        Tree::Float(_) => Tree::Float(0.0),
        Tree::Text(..) => Tree::Text(Secret::MASK.to_owned(), Style::Quoted),
        Tree::List(items) => Tree::List(items.iter().map(hollow).collect()),
        Tree::Map(entries) => Tree::Map(entries.iter().map(|(key, node)| (key.clone(), hollow(node))).collect()),
    };
    Node { span: node.span, tree }
}
