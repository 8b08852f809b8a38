//! Values of the model to values of the engine and back, and what they print as. Decides nothing about secrets:
//! taking a leaf out of its mapping records it.

use std::io;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value as Engine};
use serde::Serialize;

use crate::model::{Map, Value};

use super::reach::Node;

/// How deep a value may be: more is a mistake, and would be a danger to the stack.
const DEPTH: usize = 100;

/// The value of an expression; what it passes through untouched keeps its secrets and unknowns inside.
pub(super) fn kept(value: &Engine) -> Result<Value, Error> {
    convert(value, true, 0)
}

/// The plain value: everything in it is read.
pub(super) fn plain(value: &Engine) -> Result<Value, Error> {
    convert(value, false, 0)
}

fn convert(value: &Engine, keep: bool, depth: usize) -> Result<Value, Error> {
    if depth > DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("a value is nested more than {DEPTH} deep")));
    }
    if keep && let Some(node) = value.downcast_object_ref::<Node>() {
        return Ok(node.value().clone());
    }
    match value.kind() {
        // An `if` without `else`; a name that is missing was a fault before it came here.
        ValueKind::Undefined if depth == 0 => Ok(Value::text("")),
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => Ok(Value::Text(value.to_str().unwrap_or_default())),
        ValueKind::Bytes => match value.as_str() {
            Some(text) => Ok(Value::text(text)),
            None => Err(Error::new(ErrorKind::InvalidOperation, "bytes that are no text cannot be used here")),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()? {
                items.push(convert(&item, keep, depth + 1)?);
            }
            Ok(Value::List(items))
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                map.insert(text(&key)?, convert(&item, keep, depth + 1)?);
            }
            Ok(Value::Map(map))
        }
        ValueKind::Invalid => Err(invalid(value)),
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("{other} is no value that can be kept"))),
    }
}

/// The error that an invalid value is.
fn invalid(value: &Engine) -> Error {
    let text = value.to_string();
    let text = text.trim_start_matches("<invalid value: ").trim_end_matches('>');
    let text = text.trim_start_matches("invalid operation: ");
    Error::new(ErrorKind::InvalidOperation, text.to_owned())
}

fn number(value: &Engine) -> Result<Value, Error> {
    if value.is_integer() {
        return value
            .as_i64()
            .map(Value::Int)
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "a whole number is too large (more than 64 bits)"));
    }
    match f64::try_from(value.clone()) {
        Ok(number) if number.is_finite() => Ok(Value::Float(number)),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "the result is no finite number")),
    }
}

/// A value of the engine with nothing recorded: for results of filters.
pub(super) fn engine(value: &Value) -> Engine {
    match value {
        Value::Null => Engine::from(()),
        Value::Bool(truth) => Engine::from(*truth),
        Value::Int(number) => Engine::from(*number),
        Value::Float(number) => Engine::from(*number),
        Value::Text(text) => Engine::from(text.clone()),
        Value::List(items) => items.iter().map(engine).collect(),
        Value::Map(map) => Engine::from_pairs(map.iter().map(|(key, value)| (key.as_str(), engine(value)))),
        // Results of filters are plain; anything else would be a fault of the filter.
        other => Engine::from(Error::new(ErrorKind::InvalidOperation, format!("{} in a filter", other.kind()))),
    }
}

/// What a value prints as inside text: booleans as `true` and `false`, nothing as nothing, lists and mappings as JSON.
pub(super) fn text(value: &Engine) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::None => String::new(),
        ValueKind::Bool => (if value.is_true() { "true" } else { "false" }).to_owned(),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => json(&plain(value)?),
        ValueKind::Invalid => return Err(invalid(value)),
        _ => value.to_string(),
    })
}

/// As [`text`], for `Display`, which has no room for a reason.
pub(super) fn print(value: &Engine) -> Option<String> {
    text(value).ok()
}

/// JSON on one line with a space after `,` and `:`, as Ansible writes it.
pub(super) fn json(value: &Value) -> String {
    let mut out = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    // Writing to memory cannot fail, and the keys are text.
    let _ = value.to_shown_json().serialize(&mut writer);
    String::from_utf8(out).unwrap_or_default()
}

struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}
