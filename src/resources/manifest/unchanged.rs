//! What is provably unchanged, so that nobody need ask the API: every declared leaf is there with its value, and the
//! fields that we own are exactly those that are declared. Then server-side apply does nothing. Whatever is not proved
//! here (another spelling of a quantity, a list of which only the schema tells the keys) is for the API to say.

use crate::model::Value;
use crate::targets::cluster::managed::{Fields, Manager};
use crate::targets::cluster::{Live, Object, reveal};

/// Mappings that have one owner as a whole, so that a set of fields ends at them. The same set is left by one that was
/// declared empty and filled by the API: of any other name only the schema tells which it was.
const WHOLE: &[&str] = &[
    "selector",
    "nodeSelector",
    "labelSelector",
    "podSelector",
    "namespaceSelector",
    "objectSelector",
    "configMapKeyRef",
    "secretKeyRef",
    "fieldRef",
    "resourceFieldRef",
    "secretRef",
    "scaleTargetRef",
    "roleRef",
    "claimRef",
    "dataSource",
    "dataSourceRef",
    "targetRef",
];

/// Would server-side apply of `object` leave `live` as it is? `false`: perhaps.
pub(super) fn unchanged(object: &Object, live: &Live) -> bool {
    let (ours, others): (Vec<&Manager>, Vec<&Manager>) = live.managers.iter().partition(|manager| manager.is_ours());
    let [ours] = ours.as_slice() else { return false };
    // Of another version the API would write down anew what we own.
    if ours.api_version != object.id.api_version {
        return false;
    }
    let (Value::Map(declared), Value::Map(_)) = (&object.body, &live.value) else { return false };
    let metadata = live.value.get("metadata");
    if metadata.is_none_or(|metadata| metadata.get("deletionTimestamp").is_some()) {
        return false;
    }
    // What tells the object from others is nobody's field.
    let mut declared = declared.clone();
    for identity in ["apiVersion", "kind"] {
        declared.shift_remove(identity);
    }
    if let Some(Value::Map(metadata)) = declared.get_mut("metadata") {
        for identity in ["name", "namespace"] {
            metadata.shift_remove(identity);
        }
        if metadata.is_empty() {
            declared.shift_remove("metadata");
        }
    }
    let others: Vec<&Fields> = others.iter().map(|manager| &manager.fields).collect();
    let spot = Spot { name: "", live: Some(&live.value), ours: &ours.fields, others };
    declared.is_empty() && ours.fields.is_empty() || spot.holds(&Value::Map(declared))
}

/// One spot of the object.
struct Spot<'a> {
    /// Its last key.
    name: &'a str,
    live: Option<&'a Value>,
    ours: &'a Fields,
    /// What others own there; those who own nothing there are left out.
    others: Vec<&'a Fields>,
}

impl<'a> Spot<'a> {
    fn below(&self, key: &str, name: &'a str, live: Option<&'a Value>) -> Option<Self> {
        let ours = self.ours.below.get(key)?;
        let others = self.others.iter().filter_map(|fields| fields.below.get(key)).collect();
        Some(Self { name, live, ours, others })
    }

    /// Is all that is declared there, and ours, and nothing else ours?
    fn holds(&self, declared: &Value) -> bool {
        match declared {
            Value::Map(map) if !self.ours.is_empty() => {
                map.len() == self.ours.below.len()
                    && map.iter().all(|(key, value)| {
                        let live = self.live.and_then(|live| live.get(key));
                        self.below(&format!("f:{key}"), key, live).is_some_and(|spot| spot.holds(value))
                    })
            }
            Value::Map(map) => (map.is_empty() || WHOLE.contains(&self.name)) && self.equals(declared),
            Value::List(items) if !self.ours.is_empty() => self.holds_items(items),
            // A list with an owner as a whole; where others own items, it was none.
            Value::List(_) => self.others.iter().all(|fields| fields.is_empty()) && self.equals(declared),
            // What stands for a mapping or a list is not looked into.
            leaf => self.ours.is_empty() && self.equals(leaf),
        }
    }

    /// The items of a list that has an owner an item.
    fn holds_items(&self, items: &[Value]) -> bool {
        let Some(Value::List(live)) = self.live else { return false };
        let mut left: Vec<&Value> = items.iter().collect();
        let found = self.ours.below.iter().all(|(segment, fields)| {
            if let Some(Ok(wanted)) = segment.strip_prefix("v:").map(serde_json::from_str::<serde_json::Value>) {
                let is = |item: &Value| reveal(item).as_ref() == Ok(&wanted);
                return take(&mut left, is).is_some() && live.iter().any(is);
            }
            let Some(Ok(keys)) = segment.strip_prefix("k:").map(serde_json::from_str::<serde_json::Value>) else {
                return false;
            };
            let Some(keys) = keys.as_object() else { return false };
            let is = |item: &Value, defaulted: bool| {
                keys.iter().all(|(key, wanted)| match item.get(key) {
                    Some(value) => reveal(value).as_ref() == Ok(wanted),
                    // A key that is left out has its default; then it is no field of ours.
                    None => defaulted && !fields.below.contains_key(&format!("f:{key}")),
                })
            };
            let Some(declared) = take(&mut left, |item| is(item, true)) else { return false };
            let live = live.iter().find(|item| is(item, false));
            live.is_some() && self.below(segment, "", live).is_some_and(|spot| spot.holds(declared))
        });
        found && left.is_empty()
    }

    fn equals(&self, declared: &Value) -> bool {
        let Some(live) = self.live else { return false };
        // No value at all would take the field away.
        let declared = reveal(declared);
        declared.as_ref().is_ok_and(|declared| !has_null(declared)) && declared == reveal(live)
    }
}

/// The one item that fits; none where several do.
fn take<'v>(items: &mut Vec<&'v Value>, is: impl Fn(&Value) -> bool) -> Option<&'v Value> {
    let at = items.iter().position(|item| is(item))?;
    let item = items.swap_remove(at);
    (!items.iter().any(|other| is(other))).then_some(item)
}

fn has_null(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Array(items) => items.iter().any(has_null),
        serde_json::Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}
