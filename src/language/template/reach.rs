//! What a template holds in its hands: mappings and lists that give out their leaves one by one, and values that are
//! not known yet. They record nothing themselves: the evaluation they belong to does.

use std::sync::{Arc, PoisonError};

use minijinja::Value as Engine;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};

use crate::model::Value;

use super::run::{RUN, Request, Run};

#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<Run>);

impl Object for Handle {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

#[derive(Debug)]
pub(super) struct Root(pub(super) Arc<Run>);

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        self.get_value_by_str(key.as_str()?)
    }
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Engine> {
        if key == RUN {
            return Some(Engine::from_object(Handle(self.0.clone())));
        }
        if key == super::KEEPER {
            return None;
        }
        self.0.look_up(vec![key.into()])
    }
}

/// A value that is not known yet. Whoever holds it has read it; all it can do is be defined.
#[derive(Debug)]
pub(super) struct Unknown(pub(super) u64);

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A mapping whose entries are asked for one by one.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) run: Arc<Run>,
    pub(super) path: Vec<Arc<str>>,
    pub(super) keys: Vec<Arc<str>>,
}

impl Folder {
    fn inside(&self, key: &Arc<str>) -> Vec<Arc<str>> {
        let mut path = self.path.clone();
        path.push(key.clone());
        path
    }

    /// Each missing entry costs another pass: who has read a few is going through all of them.
    fn ask_for_all(&self) {
        let answers = self.run.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (answered, open): (Vec<Request>, Vec<Request>) = self
            .keys
            .iter()
            .map(|key| Request::Name(self.inside(key)))
            .partition(|request| answers.contains_key(request));
        drop(answers);
        if answered.len() > 2 {
            self.run.seen().missing.extend(open);
        }
    }
}

impl Object for Folder {
    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        self.get_value_by_str(key.as_str()?)
    }
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Engine> {
        let key = self.keys.iter().find(|known| &***known == key)?;
        let value = self.run.look_up(self.inside(key));
        if value.as_ref().is_some_and(|value| value.kind() == ValueKind::Invalid) {
            self.ask_for_all();
        }
        value
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys.iter().cloned().map(Engine::from).collect())
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.keys.len())
    }
}

/// A mapping or a list inside a value. Its leaves count as read when they are taken out.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) run: Arc<Run>,
    pub(super) root: Arc<Value>,
    pub(super) path: Vec<u32>,
    pub(super) mark: Option<u64>,
}

impl Node {
    /// The value it stands for, secrets and unknowns inside it as they are.
    pub(super) fn value(&self) -> &Value {
        let mut here = reveal(&self.root);
        for step in &self.path {
            let step = *step as usize;
            let inner = match here {
                Value::List(items) => items.get(step),
                Value::Map(map) => map.get_index(step).map(|(_, value)| value),
                _ => None,
            };
            here = inner.map_or(&Value::Null, reveal);
        }
        here
    }

    fn child(self: &Arc<Self>, step: usize, value: &Value) -> Option<Engine> {
        let mut path = self.path.clone();
        path.push(u32::try_from(step).ok()?);
        Some(self.run.give(&self.root, path, value))
    }
}

/// What a secret holds; in the way of a path it was read already.
fn reveal(value: &Value) -> &Value {
    match value {
        Value::Secret(secret) => reveal(secret.reveal()),
        other => other,
    }
}

impl Object for Node {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.value() {
            Value::List(_) => ObjectRepr::Seq,
            _ => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        match (self.value(), key.as_str()) {
            (Value::List(items), None) => {
                let at = key.as_usize()?;
                self.child(at, items.get(at)?)
            }
            (Value::Map(_), Some(key)) => self.get_value_by_str(key),
            // YAML's `80: web` has the key `80`, which is text here.
            (Value::Map(_), None) => self.get_value_by_str(&key.as_i64()?.to_string()),
            _ => None,
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Engine> {
        let Value::Map(map) = self.value() else { return None };
        let (at, _, value) = map.get_full(key)?;
        self.child(at, value)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.value() {
            Value::List(items) => Enumerator::Seq(items.len()),
            // Keys only: an entry is read when its value is taken.
            Value::Map(map) => Enumerator::Values(map.keys().map(|key| Engine::from(key.as_str())).collect()),
            _ => Enumerator::Empty,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.value() {
            Value::List(items) => Some(items.len()),
            Value::Map(map) => Some(map.len()),
            _ => Some(0),
        }
    }

    fn render(self: &Arc<Self>, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = Engine::from_dyn_object(self.clone());
        super::convert::print(&whole).map_or(Err(std::fmt::Error), |text| out.write_str(&text))
    }
}
