//! Fields of an object by path, as `managedFields` names them: which leaves a declaration holds, reading, setting and
//! removing one.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

/// `f:spec`, `f:containers`, `k:{"name":"web"}`, `f:image`.
pub(super) type Path = Vec<String>;

/// A key of an item, and what it is when it is left out.
type Key = (&'static str, Option<&'static str>);

/// The lists whose items have keys, by the name of the list.
const KEYED: &[(&str, &[Key])] = &[
    ("containers", &[("name", None)]),
    ("initContainers", &[("name", None)]),
    ("env", &[("name", None)]),
    ("volumes", &[("name", None)]),
    ("volumeMounts", &[("mountPath", None)]),
    ("imagePullSecrets", &[("name", None)]),
    ("conditions", &[("type", None)]),
];

/// The keys of the items of the list at `path`, if it is such a list.
fn keys(path: &[String]) -> Option<&'static [Key]> {
    let name = path.last()?.strip_prefix("f:")?;
    if name == "ports" {
        let in_container = path.iter().any(|segment| segment.starts_with("k:"));
        return Some(if in_container {
            &[("containerPort", None), ("protocol", Some("TCP"))]
        } else {
            &[("port", None), ("protocol", Some("TCP"))]
        });
    }
    // A definition's schema has properties of these names that are no lists; only lists come here.
    KEYED.iter().find(|(list, _)| *list == name).map(|(_, keys)| *keys)
}

fn item_key(item: &Json, keys: &[Key]) -> Json {
    let entries = keys.iter().map(|(key, default)| {
        let value = item.get(*key).cloned().or_else(|| default.map(Json::from)).unwrap_or(Json::Null);
        ((*key).to_owned(), value)
    });
    Json::Object(entries.collect())
}

/// The leaves of `declared`: what server-side apply of it would own.
pub(super) fn leaves(declared: &Json) -> BTreeSet<Path> {
    fn walk(value: &Json, path: &mut Path, out: &mut BTreeSet<Path>) {
        match value {
            Json::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    path.push(format!("f:{key}"));
                    walk(value, path, out);
                    path.pop();
                }
            }
            Json::Array(items) if !items.is_empty() && keys(path).is_some() => {
                for item in items {
                    path.push(format!("k:{}", item_key(item, keys(path).unwrap_or_default())));
                    // The item itself: shown as `.`.
                    out.insert(path.clone());
                    walk(item, path, out);
                    path.pop();
                }
            }
            _ => {
                out.insert(path.clone());
            }
        }
    }
    let mut body = declared.clone();
    if let Some(map) = body.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
        if let Some(metadata) = map.get_mut("metadata").and_then(Json::as_object_mut) {
            for identity in ["name", "namespace", "uid", "resourceVersion"] {
                metadata.remove(identity);
            }
        }
    }
    let mut out = BTreeSet::new();
    walk(&body, &mut Vec::new(), &mut out);
    // Nothing but an identity leaves the empty `metadata`: no field.
    out.retain(|path| path != &["f:metadata".to_owned()] && !path.is_empty());
    out
}

/// As `fieldsV1`.
pub(super) fn fields_v1(paths: &BTreeSet<Path>) -> Json {
    let mut root = Map::new();
    for path in paths {
        let item = path.last().filter(|last| last.starts_with("k:")).map(|_| ".");
        let mut at = &mut root;
        for segment in path.iter().map(String::as_str).chain(item) {
            let next = at.entry(segment).or_insert_with(|| json!({}));
            let Json::Object(map) = next else { break };
            at = map;
        }
    }
    Json::Object(root)
}

/// `.spec.containers[name="web"].image`, as conflicts name it.
pub(super) fn named(path: &[String]) -> String {
    path.iter().fold(String::new(), |text, segment| match segment.split_once(':') {
        Some(("k", keys)) => {
            let keys: Map<String, Json> = serde_json::from_str(keys).unwrap_or_default();
            let keys = keys.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
            format!("{text}[{}]", keys.join(","))
        }
        Some((_, name)) => format!("{text}.{name}"),
        None => text,
    })
}

fn is_item(item: &Json, segment: &str) -> bool {
    let keys: Map<String, Json> = serde_json::from_str(&segment[2..]).unwrap_or_default();
    // A key that is not written has its default.
    keys.iter().all(|(key, value)| item.get(key).map_or(key == "protocol", |found| found == value))
}

/// What is at `path`.
pub(super) fn get<'a>(object: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(object, |at, segment| match segment.strip_prefix("f:") {
        Some(name) => at.get(name),
        None => at.as_array()?.iter().find(|item| is_item(item, segment)),
    })
}

/// Sets what is at `path`, making what holds it.
pub(super) fn set(object: &mut Json, path: &[String], value: Json) {
    let Some((first, rest)) = path.split_first() else {
        // An item is made by its keys, a leaf by its value.
        if !(object.is_object() && value.is_object()) {
            *object = value;
        }
        return;
    };
    if let Some(name) = first.strip_prefix("f:") {
        if !object.is_object() {
            *object = json!({});
        }
        if let Some(map) = object.as_object_mut() {
            let entry = map.entry(name).or_insert(Json::Null);
            if rest.is_empty() { *entry = value } else { set(entry, rest, value) }
        }
    } else {
        if !object.is_array() {
            *object = json!([]);
        }
        let Some(items) = object.as_array_mut() else { return };
        let at = items.iter().position(|item| is_item(item, first));
        let at = at.unwrap_or_else(|| {
            items.push(serde_json::from_str(&first[2..]).unwrap_or_default());
            items.len() - 1
        });
        set(&mut items[at], rest, value);
    }
}

/// Removes what is at `path`, and what is empty then.
pub(super) fn remove(object: &mut Json, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let Some(name) = first.strip_prefix("f:") {
        let Some(map) = object.as_object_mut() else { return };
        if let (false, Some(below)) = (rest.is_empty(), map.get_mut(name)) {
            remove(below, rest);
            if !below.as_object().is_some_and(Map::is_empty) && !below.as_array().is_some_and(Vec::is_empty) {
                return;
            }
        }
        map.remove(name);
    } else {
        let Some(items) = object.as_array_mut() else { return };
        let Some(at) = items.iter().position(|item| is_item(item, first)) else { return };
        if rest.is_empty() {
            items.remove(at);
        } else {
            remove(&mut items[at], rest);
        }
    }
}
