//! The short way for what most expressions are: `{{ name }}` and `{{ a.b }}`. Gives what the engine would give, or
//! nothing, and then the engine does it.

use std::collections::BTreeSet;

use crate::model::Value;

use super::names::{Named, Names};
use super::{Outcome, TemplateFault};

/// The names of a path without anything else in it.
pub(super) fn of(expression: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = expression.trim().split('.').collect();
    let word = |part: &&str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
    };
    let reserved = [
        "true", "false", "none", "True", "False", "None", "not", "and", "or", "if", "else", "in", "is", "loop", "self",
    ];
    let plain = parts.iter().all(word) && !reserved.contains(&parts[0]);
    plain.then(|| parts.into_iter().map(str::to_owned).collect())
}

/// What is there. `None`: something special is in the way, or nothing is there.
pub(super) fn follow(path: &[String], names: &dyn Names) -> Result<Option<Outcome>, TemplateFault> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut known = 1;
    let value = loop {
        match names.get(&path[..known])? {
            Some(Named::Value(value)) => break value,
            Some(Named::Folder(keys)) if path.get(known).is_some_and(|next| keys.iter().any(|key| &**key == *next)) => {
                known += 1;
            }
            _ => return Ok(None),
        }
    };
    let mut value = &*value;
    for part in &path[known..] {
        value = match value {
            Value::Map(map) => match map.get(*part) {
                Some(inner) => inner,
                None => return Ok(None),
            },
            Value::Unknown(_) => break,
            _ => return Ok(None),
        };
    }
    let simple = match value {
        Value::Float(number) => number.is_finite(),
        Value::Content(_) => false,
        // What a secret holds is made plain by the engine.
        Value::Secret(secret) => matches!(secret.reveal(), Value::Text(_)),
        _ => true,
    };
    Ok(simple.then(|| Outcome { value: value.clone(), read: BTreeSet::from([path[0].to_owned()]) }))
}
