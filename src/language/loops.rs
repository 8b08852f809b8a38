//! Items of loops: known at load, with keys that stay the same from run to run.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::model::{Map, Value};
use crate::source::{Node, Problem, Problems};

use super::evaluate::Frame;
use super::program::{HostId, Item, Items, Program};
use super::values::Scope;
use super::view::View;

/// The items of `node` for each of `hosts` (none: for the cluster).
pub(super) fn items(
    program: &Program,
    scope: &Scope,
    node: &Node,
    variable: &str,
    hosts: &[Option<HostId>],
    problems: &mut Problems,
) -> Items {
    let mut items = Items { items: Vec::new(), variable: variable.to_owned() };
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    let registers = Map::new();
    for host in hosts {
        let making = RefCell::default();
        let frame = Frame { host: *host, item: None, registers: &registers, facts: &[] };
        let view = View::of_value(program, frame, Some(scope), &making);
        let found = view.node(node).and_then(|value| keyed(node, value));
        let found = match found {
            Ok(found) => found,
            Err(problem) => {
                problems.push(problem);
                // The others fail in the same way, or in one that is seen when this is mended.
                return items;
            }
        };
        let shared = !view.varies() || host.is_none();
        for (key, value) in found {
            let index = *at.entry(key.clone()).or_insert_with(|| {
                items.items.push(Item { key, shared: None, by_host: BTreeMap::new() });
                items.items.len() - 1
            });
            match host {
                Some(host) if !shared => drop(items.items[index].by_host.insert(*host, value)),
                _ => items.items[index].shared = Some(value),
            }
        }
        if shared {
            break;
        }
    }
    items
}

/// Each item and its key.
fn keyed(node: &Node, value: Value) -> Result<Vec<(String, Value)>, Problem> {
    let wrong = |what: String| Err(Problem::error(node.span, what).label("a list or a mapping is expected"));
    let items: Vec<(String, Value)> = match value {
        Value::List(items) => items.into_iter().enumerate().map(|(index, item)| (key_of(&item, index), item)).collect(),
        Value::Map(map) => {
            let pair = |(key, value): (String, Value)| {
                let item = Map::from_iter([("key".to_owned(), Value::text(key.as_str())), ("value".to_owned(), value)]);
                (key, Value::Map(item))
            };
            map.into_iter().map(pair).collect()
        }
        Value::Unknown(after) => {
            return Err(Problem::error(
                node.span,
                format!("the items of a `loop` must be known at load, these are {after}"),
            )
            .label("not known yet")
            .help("loop over a list from an input or a var, so that the plan can show every item"));
        }
        Value::Secret(_) => {
            return Err(Problem::error(node.span, "a `loop` over a secret would show its items in addresses")
                .label("a secret")
                .help("loop over names, and look the secret up in the task"));
        }
        other => return wrong(format!("a `loop` takes a list or a mapping, not {}", other.kind())),
    };
    let mut seen = std::collections::BTreeSet::new();
    for (key, _) in &items {
        if !seen.insert(key) {
            return Err(Problem::error(node.span, format!("the `loop` has the item `{key}` twice"))
                .label("two items with one key")
                .help("items are known by their text, their key, or their `name`: each must be there once"));
        }
    }
    Ok(items)
}

/// What an entry of a list is known by: its text, its `name` or `key`, else its index.
fn key_of(item: &Value, index: usize) -> String {
    match item {
        Value::Text(text) if text.chars().any(char::is_control) => index.to_string(),
        Value::Text(_) | Value::Int(_) | Value::Bool(_) | Value::Float(_) => item.to_string(),
        Value::Map(map) => match map.get("name").or_else(|| map.get("key")) {
            Some(name @ (Value::Text(_) | Value::Int(_) | Value::Bool(_))) => name.to_string(),
            _ => index.to_string(),
        },
        _ => index.to_string(),
    }
}
