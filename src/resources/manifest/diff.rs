//! What would differ, leaf by leaf. Of an object that is there, the fields that we own before or afterwards, as the
//! API itself says: what it adds, counts and defaults is nobody's business.

use std::borrow::Cow;

use crate::model::{After, Content, Digest, Field, Halt, Secret, Shown, Value};
use crate::resources::member::label_field;
use crate::targets::cluster::managed::Fields;
use crate::targets::cluster::{FIELD_MANAGER, Live, Object, reveal};

/// Stands for an unknown text where the live object has none: nothing means anything by it.
const STAND_IN: &str = "lions-not-known-yet";

/// The body with a value for every unknown one, so that the API can be asked at all: what is there now, else a word.
pub(super) fn stand_in(declared: &Value, live: Option<&Value>) -> Value {
    match declared {
        Value::Unknown(_) => {
            live.filter(|live| live.unknown().is_none()).cloned().unwrap_or_else(|| Value::text(STAND_IN))
        }
        Value::Map(map) => {
            let below = |key: &str| live.and_then(|live| live.get(key));
            Value::Map(map.iter().map(|(key, value)| (key.clone(), stand_in(value, below(key)))).collect())
        }
        Value::List(items) => {
            let beside = |at: usize, item: &Value| item_beside(item, at, live);
            Value::List(items.iter().enumerate().map(|(at, item)| stand_in(item, beside(at, item))).collect())
        }
        other => other.clone(),
    }
}

/// What the API made of a [`stand_in`], with the unknown values unknown again.
pub(super) fn reopened(result: &Value, declared: &Value) -> Value {
    match (result, declared) {
        (_, Value::Unknown(_)) => declared.clone(),
        (Value::Map(map), Value::Map(_)) => {
            let entry = |(key, value): (&String, &Value)| {
                (key.clone(), declared.get(key).map_or_else(|| value.clone(), |declared| reopened(value, declared)))
            };
            Value::Map(map.iter().map(entry).collect())
        }
        (Value::List(items), Value::List(_)) => {
            let item = |(at, item): (usize, &Value)| {
                item_beside(item, at, Some(declared)).map_or_else(|| item.clone(), |declared| reopened(item, declared))
            };
            Value::List(items.iter().enumerate().map(item).collect())
        }
        _ => result.clone(),
    }
}

/// The item of `list` that is the same as `item`: by name, else by place.
fn item_beside<'a>(item: &Value, at: usize, list: Option<&'a Value>) -> Option<&'a Value> {
    let Some(Value::List(items)) = list else { return None };
    match item.get("name").and_then(Value::as_text) {
        Some(name) => items.iter().find(|other| other.get("name").and_then(Value::as_text) == Some(name)),
        None => items.get(at),
    }
}

/// Every leaf of a new object, as declared: what the API makes of it (`1000m` of CPU is `1`) is not what one wrote.
pub(super) fn created(object: &Object) -> Vec<Field> {
    let mut fields = vec![Field { name: "object".into(), before: Shown::Absent, after: Shown::value(&object.id) }];
    let Value::Map(map) = &object.body else { return fields };
    let mut diff = Diff { tainted: false, fields: Vec::new(), open: None, owners: None };
    for (key, value) in map.iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind")) {
        diff.leaves(Sides { before: None, after: Some(value), declared: Some(value) }, &Name::default().field(key));
    }
    // What tells it from others, and that it is ours, is said by its being made.
    let ours = label_field();
    let said = |field: &Field| matches!(&*field.name, "metadata.name" | "metadata.namespace") || field.name == ours;
    fields.extend(diff.fields.into_iter().filter(|field| !said(field)));
    fields
}

/// Every leaf of ours that would differ.
///
/// # Errors
/// *Later* when what stands in for an unknown value shows through.
pub(super) fn updated(object: &Object, live: &Live, result: &Live) -> Result<Vec<Field>, Halt> {
    let (before, after) = (live.ours(), result.ours());
    let mut diff = Diff {
        tainted: object.body.has_secret(),
        fields: Vec::new(),
        open: object.body.unknown().cloned(),
        owners: Some((live, result)),
    };
    let sides = Sides { before: Some(&live.value), after: Some(&result.value), declared: Some(&object.body) };
    diff.owned(&before.union(&after), sides, &Name::default());
    if let Some(after) = diff.open.take().filter(|_| diff.fields.iter().any(shows_stand_in)) {
        return Err(after.into());
    }
    if diff.fields.is_empty() && before != after {
        let count = |fields: &Fields| format!("{} owned by {FIELD_MANAGER}", count(fields.count()));
        let (mut before, after) = (count(&before), count(&after));
        if before == after {
            before = format!("other {before}");
        }
        diff.fields.push(Field { name: "fields".into(), before: Shown::Value(before), after: Shown::Value(after) });
    }
    Ok(diff.fields)
}

fn count(number: usize) -> String {
    if number == 1 { "1 field".to_owned() } else { format!("{number} fields") }
}

fn shows_stand_in(field: &Field) -> bool {
    field.name.contains(STAND_IN)
        || matches!(&field.after, Shown::Value(text) | Shown::Text(text) if text.contains(STAND_IN))
        || matches!(&field.after, Shown::Secret { digest, .. } if *digest == Digest::of(STAND_IN.as_bytes()))
}

/// One spot of the object: as it is, as it would be, as it is declared.
#[derive(Clone, Copy)]
struct Sides<'a> {
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    declared: Option<&'a Value>,
}

impl<'a> Sides<'a> {
    fn map(self, below: impl Fn(&'a Value) -> Option<&'a Value>) -> Self {
        let Self { before, after, declared } = self;
        Self { before: before.and_then(&below), after: after.and_then(&below), declared: declared.and_then(&below) }
    }
}

/// How a spot is named, for people and for the API.
#[derive(Clone, Default)]
struct Name {
    text: String,
    path: Vec<String>,
}

impl Name {
    fn field(&self, key: &str) -> Self {
        let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let text = match (plain, self.text.is_empty()) {
            (true, true) => key.to_owned(),
            (true, false) => format!("{}.{key}", self.text),
            (false, _) => format!("{}[\"{key}\"]", self.text),
        };
        self.below(text, format!("f:{key}"))
    }

    fn item(&self, name: &str, segment: String) -> Self {
        self.below(format!("{}[{name}]", self.text), segment)
    }

    fn below(&self, text: String, segment: String) -> Self {
        Self { text, path: self.path.iter().cloned().chain([segment]).collect() }
    }
}

struct Diff<'a> {
    /// Does the declaration hold a secret? Then a text of which nobody knows where it comes from is not shown.
    tainted: bool,
    fields: Vec<Field>,
    open: Option<After>,
    /// The object before and after, for who loses a field to us.
    owners: Option<(&'a Live, &'a Live)>,
}

impl Diff<'_> {
    /// Below the fields of a set.
    fn owned(&mut self, fields: &Fields, sides: Sides<'_>, name: &Name) {
        if fields.is_empty() || matches!(sides.declared, Some(Value::Unknown(_))) {
            self.leaves(sides, name);
            return;
        }
        for (segment, below) in &fields.below {
            match segment.split_once(':') {
                Some(("f", key)) => self.owned(below, sides.map(|value| value.get(key)), &name.field(key)),
                Some(("k", keys)) => {
                    let Ok(serde_json::Value::Object(keys)) = serde_json::from_str(keys) else { continue };
                    let said = keys.values().map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned));
                    let said = said.collect::<Vec<_>>().join("/");
                    let name = name.item(&said, segment.clone());
                    let is = |item: &Value| {
                        keys.iter().all(|(key, wanted)| match item.get(key).map(reveal) {
                            Some(Ok(found)) => found == *wanted,
                            // A key that is left out has its default.
                            None => true,
                            Some(Err(_)) => false,
                        })
                    };
                    self.owned(below, sides.map(|value| items(value).iter().find(|item| is(item))), &name);
                }
                Some(("v", wanted)) => {
                    let Ok(wanted) = serde_json::from_str::<serde_json::Value>(wanted) else { continue };
                    let said = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
                    let is = |item: &&Value| reveal(item).as_ref() == Ok(&wanted);
                    self.leaves(sides.map(|value| items(value).iter().find(is)), &name.item(&said, segment.clone()));
                }
                Some(("i", at)) => {
                    let place = at.parse::<usize>().unwrap_or(usize::MAX);
                    let name = name.item(at, segment.clone());
                    self.owned(below, sides.map(|value| items(value).get(place)), &name);
                }
                _ => {}
            }
        }
    }

    /// Every leaf that differs, down to the last.
    fn leaves(&mut self, sides: Sides<'_>, name: &Name) {
        let Sides { before, after, declared } = sides;
        if let Some(Value::Unknown(unknown)) = declared {
            let before = before.map_or(Shown::Absent, |_| Shown::Present);
            self.push(name, before, Shown::Unknown(unknown.clone()));
            // What stands in for it is what is there, so the API sees nobody who would lose it.
            let owners = self.owners.map(|(live, _)| others(live, name)).unwrap_or_default();
            if !owners.is_empty() {
                self.owner(name, &owners, Shown::Unknown(unknown.clone()));
            }
            return;
        }
        let mut keys: Vec<&str> = Vec::new();
        let mut length = 0;
        let (mut maps, mut lists) = (true, true);
        for side in [before, after].into_iter().flatten() {
            match side {
                Value::Map(map) if !map.is_empty() => {
                    lists = false;
                    keys.extend(map.keys().map(String::as_str).filter(|key| !keys.contains(key)).collect::<Vec<_>>());
                }
                Value::List(items) if !items.is_empty() => {
                    maps = false;
                    length = length.max(items.len());
                }
                _ => (maps, lists) = (false, false),
            }
        }
        if before.is_none() && after.is_none() {
            return;
        }
        if maps {
            for key in keys {
                self.leaves(sides.map(|value| value.get(key)), &name.field(key));
            }
        } else if lists {
            self.list(sides, length, name);
        } else {
            self.leaf(sides, name);
        }
    }

    fn list(&mut self, sides: Sides<'_>, length: usize, name: &Name) {
        let of = |side: Option<&Value>| side.and_then(names);
        let named = match (sides.before, sides.after) {
            (Some(before), Some(after)) => of(Some(before)).zip(of(Some(after))).map(|(before, after)| {
                let new: Vec<String> = after.into_iter().filter(|name| !before.contains(name)).collect();
                before.into_iter().chain(new).collect::<Vec<_>>()
            }),
            (one, other) => of(one.or(other)),
        };
        if let Some(named) = named {
            for item in named {
                let is = |other: &&Value| other.get("name").and_then(Value::as_text) == Some(item.as_str());
                let below = sides.map(|value| items(value).iter().find(is));
                self.leaves(below, &name.item(&item, format!("k:{{\"name\":\"{item}\"}}")));
            }
            return;
        }
        for at in 0..length {
            self.leaves(sides.map(|value| items(value).get(at)), &name.item(&at.to_string(), format!("i:{at}")));
        }
    }

    fn leaf(&mut self, sides: Sides<'_>, name: &Name) {
        let Sides { before, after, declared } = sides;
        let known = |side: Option<&Value>| side.map(reveal).transpose();
        if let (Ok(before), Ok(after)) = (known(before), known(after))
            && before == after
        {
            return;
        }
        let sealed = [before, after, declared].into_iter().flatten().any(Value::has_secret);
        let stray = self.tainted && declared.is_none();
        let secret = match declared {
            Some(Value::Secret(secret)) => Some(secret.clone()),
            _ => None,
        };
        let (before, after) = if sealed || stray {
            let after = after.map(|value| content(value, secret.as_ref()));
            let before = before.map(|value| match (plain(value), &after) {
                (Some(text), Some(Ok(after))) if after.is_secret() => Ok(Shown::beside(&text, after)),
                _ => content(value, None).map(|content| Shown::content(&content)),
            });
            let side = |side: Option<Result<Shown, After>>| match side {
                None => Shown::Absent,
                Some(Ok(shown)) => shown,
                Some(Err(after)) => Shown::Unknown(after),
            };
            (side(before), side(after.map(|after| after.map(|content| Shown::content(&content)))))
        } else {
            open(before, after)
        };
        self.push(name, before, after);
        self.losers(name);
    }

    fn push(&mut self, name: &Name, before: Shown, after: Shown) {
        self.fields.push(Field { name: Cow::Owned(name.text.clone()), before, after });
    }

    /// Who had the field and has it no more.
    fn losers(&mut self, name: &Name) {
        let Some((live, result)) = self.owners else { return };
        let left = others(result, name);
        let lost: Vec<String> = others(live, name).into_iter().filter(|name| !left.contains(name)).collect();
        if !lost.is_empty() {
            self.owner(name, &lost, Shown::value(FIELD_MANAGER));
        }
    }

    fn owner(&mut self, name: &Name, before: &[String], after: Shown) {
        let before = Shown::Value(before.join(", "));
        self.fields.push(Field { name: format!("owner of {}", name.text).into(), before, after });
    }
}

/// Who has the field besides us.
fn others(object: &Live, name: &Name) -> Vec<String> {
    let others = object.managers.iter().filter(|manager| manager.name != FIELD_MANAGER);
    others.filter(|manager| manager.fields.owns(&name.path)).map(|manager| manager.name.clone()).collect()
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        _ => &[],
    }
}

/// The names of the items, if each is a mapping with one of its own.
fn names(list: &Value) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for item in items(list) {
        let name = item.get("name")?.as_text()?.to_owned();
        if names.contains(&name) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn text(value: &Value) -> Result<String, After> {
    let json = reveal(value)?;
    Ok(json.as_str().map_or_else(|| json.to_string(), str::to_owned))
}

/// A live text that is not sealed itself.
fn plain(value: &Value) -> Option<Content> {
    if value.has_secret() { None } else { text(value).ok().map(|text| Content::open(text.into_bytes())) }
}

/// A sealed value; `declared` tells how much of it may be shown.
fn content(value: &Value, declared: Option<&Secret>) -> Result<Content, After> {
    let shown = declared.map_or(Secret::MASK, Secret::shown).to_owned();
    Ok(Content::sealed(text(value)?.into_bytes(), shown))
}

/// Both sides of a leaf without secrets.
fn open(before: Option<&Value>, after: Option<&Value>) -> (Shown, Shown) {
    let texts = [before, after].map(|side| side.map(text));
    let long = texts.iter().any(|side| matches!(side, Some(Ok(text)) if text.contains('\n')));
    // `1` and `"1"` are not the same.
    let alike = matches!(&texts, [Some(Ok(before)), Some(Ok(after))] if before == after);
    let side = |value: Option<&Value>| match value.map(|value| (value, text(value))) {
        None => Shown::Absent,
        Some((_, Err(after))) => Shown::Unknown(after),
        Some((value, Ok(_))) if alike => Shown::Value(value.to_shown_json().to_string()),
        Some((_, Ok(text))) if long => Shown::Text(text),
        Some((_, Ok(text))) => Shown::Value(text),
    };
    match (side(before), side(after)) {
        // It may have come from a secret that is no longer declared.
        (Shown::Value(_) | Shown::Text(_), Shown::Absent) if matches!(before, Some(Value::Text(_))) => {
            (Shown::Present, Shown::Absent)
        }
        sides => sides,
    }
}
