//! Data: YAML and JSON, mappings, truth.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, Value as Engine};

use crate::model::{Map, Value};
use crate::source::{self, Node, Sources, Tree};

use super::super::convert;
use super::super::fault::{refuse, wrong};
use super::super::yaml;
use super::{data_of, items_of, text_of};

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("to_yaml", |value: &Engine, kwargs: Kwargs| to_yaml(value, &kwargs, 2));
    environment.add_filter("to_nice_yaml", |value: &Engine, kwargs: Kwargs| to_yaml(value, &kwargs, 4));
    environment.add_filter("from_yaml", from_yaml);
    environment
        .add_filter("from_yaml_all", |value: &Engine| Ok::<_, Error>(convert::engine(&Value::List(documents(value)?))));
    for name in ["to_json", "tojson"] {
        environment.add_filter(name, |value: &Engine| Ok::<_, Error>(convert::json(&data_of(value)?)));
    }
    environment.add_filter("to_nice_json", to_nice_json);
    environment.add_filter("from_json", from_json);
    environment.add_filter("combine", combine);
    environment.add_filter("dict2items", dict2items);
    environment.add_filter("items2dict", items2dict);
    environment.add_filter("ternary", ternary);
    environment.add_filter("mandatory", mandatory);
    environment.add_filter("bool", truth);
    environment.add_filter("int", |value: &Engine, default: Option<Engine>, kwargs: Kwargs| {
        number(value, default, &kwargs, true)
    });
    environment.add_filter("float", |value: &Engine, default: Option<Engine>, kwargs: Kwargs| {
        number(value, default, &kwargs, false)
    });
}

fn to_yaml(value: &Engine, kwargs: &Kwargs, indent: usize) -> Result<String, Error> {
    let indent = kwargs.get::<Option<usize>>("indent")?.unwrap_or(indent);
    if !(1..=16).contains(&indent) {
        return Err(wrong("`indent` is from 1 to 16"));
    }
    let sort = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    // How PyYAML breaks lines is given in many templates; nothing is broken here.
    let _ = (kwargs.get::<Option<usize>>("width")?, kwargs.get::<Option<bool>>("default_flow_style")?);
    kwargs.assert_all_used()?;
    Ok(yaml::write(&data_of(value)?, indent, sort))
}

fn from_yaml(value: &Engine) -> Result<Engine, Error> {
    let mut documents = documents(value)?;
    match documents.len() {
        0 => Ok(Engine::from(())),
        1 => Ok(convert::engine(&documents.remove(0))),
        many => Err(refuse(format!("the text has {many} YAML documents"), "use `from_yaml_all`")),
    }
}

fn documents(value: &Engine) -> Result<Vec<Value>, Error> {
    let text = text_of(value)?;
    let mut sources = Sources::default();
    let file = sources.add("text", text.as_str());
    match source::parse(file, &text, source::Limits::default()) {
        Ok(nodes) => Ok(nodes.iter().map(value_of).collect()),
        Err(problems) => {
            let why = problems.iter().next().map_or_else(String::new, |problem| problem.summary.clone());
            Err(wrong(format!("the text is not YAML: {why}")))
        }
    }
}

fn value_of(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::Bool(truth) => Value::Bool(*truth),
        Tree::Int(number) => Value::Int(*number),
        Tree::Float(number) => Value::Float(*number),
        Tree::Text(text, _) => Value::text(text.as_str()),
        Tree::List(items) => Value::List(items.iter().map(value_of).collect()),
        Tree::Map(entries) => {
            Value::Map(entries.iter().map(|(key, node)| (key.name.clone(), value_of(node))).collect())
        }
    }
}

fn to_nice_json(value: &Engine, kwargs: Kwargs) -> Result<String, Error> {
    let indent = kwargs.get::<Option<usize>>("indent")?.unwrap_or(4).min(16);
    let sort = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let mut value = data_of(value)?;
    if sort {
        yaml::sort(&mut value);
    }
    let spaces = " ".repeat(indent);
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
    let mut writer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(&value.to_shown_json(), &mut writer).map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(out).map_err(|error| wrong(error.to_string()))
}

fn from_json(value: &Engine) -> Result<Engine, Error> {
    let json: serde_json::Value = serde_json::from_str(&text_of(value)?).map_err(|error| {
        wrong(format!("the text is not JSON: it fails at line {}, column {}", error.line(), error.column()))
    })?;
    Ok(convert::engine(&Value::from(json)))
}

fn map_of(value: &Engine) -> Result<Map, Error> {
    match data_of(value)? {
        Value::Map(map) => Ok(map),
        other => Err(wrong(format!("a mapping is expected, not {}", other.kind()))),
    }
}

/// How lists that both have are joined.
#[derive(Clone, Copy)]
enum Lists {
    Replace,
    Keep,
    Append,
    Prepend,
}

fn combine(value: &Engine, others: Rest<Engine>, kwargs: Kwargs) -> Result<Engine, Error> {
    let recursive = kwargs.get::<Option<bool>>("recursive")?.unwrap_or(false);
    let lists = match kwargs.get::<Option<String>>("list_merge")?.as_deref().unwrap_or("replace") {
        "replace" => Lists::Replace,
        "keep" => Lists::Keep,
        "append" => Lists::Append,
        "prepend" => Lists::Prepend,
        other => {
            return Err(refuse(
                format!("`list_merge` is not `{other}`"),
                "use `replace`, `keep`, `append` or `prepend`",
            ));
        }
    };
    kwargs.assert_all_used()?;
    // A list of mappings is combined too.
    let mut maps = Vec::new();
    for value in [value].into_iter().chain(others.iter()) {
        match value.kind() {
            minijinja::value::ValueKind::Seq => maps.extend(items_of(value)?),
            _ => maps.push(value.clone()),
        }
    }
    let mut all = Map::new();
    for map in &maps {
        merge(&mut all, map_of(map)?, recursive, lists);
    }
    Ok(convert::engine(&Value::Map(all)))
}

fn merge(into: &mut Map, from: Map, recursive: bool, lists: Lists) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Map(old)), Value::Map(new)) if recursive => merge(old, new, recursive, lists),
            (Some(Value::List(old)), Value::List(mut new)) => match lists {
                Lists::Replace => *old = new,
                Lists::Keep => {}
                Lists::Append => old.append(&mut new),
                Lists::Prepend => {
                    new.append(old);
                    *old = new;
                }
            },
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn key_names(kwargs: &Kwargs) -> Result<(String, String), Error> {
    let key = kwargs.get::<Option<String>>("key_name")?.unwrap_or_else(|| "key".to_owned());
    let value = kwargs.get::<Option<String>>("value_name")?.unwrap_or_else(|| "value".to_owned());
    kwargs.assert_all_used()?;
    Ok((key, value))
}

fn dict2items(value: &Engine, kwargs: Kwargs) -> Result<Engine, Error> {
    let (key_name, value_name) = key_names(&kwargs)?;
    let entry = |(key, value): (String, Value)| {
        Value::Map(Map::from_iter([(key_name.clone(), Value::text(key)), (value_name.clone(), value)]))
    };
    Ok(convert::engine(&Value::List(map_of(value)?.into_iter().map(entry).collect())))
}

fn items2dict(value: &Engine, kwargs: Kwargs) -> Result<Engine, Error> {
    let (key_name, value_name) = key_names(&kwargs)?;
    let mut map = Map::new();
    for item in items_of(value)? {
        let (key, value) = (item.get_attr(&key_name)?, item.get_attr(&value_name)?);
        if key.is_undefined() || value.is_undefined() {
            return Err(wrong(format!("an item has no `{key_name}` or no `{value_name}`")));
        }
        map.insert(text_of(&key)?, data_of(&value)?);
    }
    Ok(convert::engine(&Value::Map(map)))
}

fn ternary(value: &Engine, yes: Engine, no: Engine, none: Option<Engine>) -> Result<Engine, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(match none {
        Some(none) if value.is_none() => none,
        _ if value.is_true() => yes,
        _ => no,
    })
}

fn mandatory(value: &Engine, message: Option<&str>, kwargs: Kwargs) -> Result<Engine, Error> {
    let message = kwargs.get::<Option<String>>("msg")?.or(message.map(str::to_owned));
    kwargs.assert_all_used()?;
    if !value.is_undefined() {
        return Ok(value.clone());
    }
    Err(message.map_or_else(|| ErrorKind::UndefinedError.into(), wrong))
}

fn truth(value: &Engine) -> Result<bool, Error> {
    match data_of(value)? {
        Value::Bool(truth) => Ok(truth),
        Value::Null => Ok(false),
        Value::Int(number @ (0 | 1)) => Ok(number == 1),
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
            "false" | "no" | "off" | "0" | "n" | "f" | "" => Ok(false),
            _ => Err(refuse(
                "a text is neither true nor false",
                "write `true` or `false`; Ansible takes any other text for false",
            )),
        },
        other => Err(wrong(format!("{} is neither true nor false", other.kind()))),
    }
}

/// Jinja makes 0 of what is no number; here that is a fault unless a default is given.
fn number(value: &Engine, default: Option<Engine>, kwargs: &Kwargs, whole: bool) -> Result<Engine, Error> {
    let default = default.map_or_else(|| kwargs.get::<Option<Engine>>("default"), |given| Ok(Some(given)))?;
    let base = kwargs.get::<Option<u32>>("base")?.unwrap_or(10);
    kwargs.assert_all_used()?;
    if !(2..=36).contains(&base) {
        return Err(wrong("`base` is from 2 to 36"));
    }
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "that is what is asked for")]
    let found = match data_of(value)? {
        Value::Bool(truth) => {
            Some(if whole { Engine::from(i64::from(truth)) } else { Engine::from(f64::from(u8::from(truth))) })
        }
        Value::Int(number) => Some(if whole { Engine::from(number) } else { Engine::from(number as f64) }),
        Value::Float(number) => Some(if whole { Engine::from(number as i64) } else { Engine::from(number) }),
        Value::Text(text) => {
            let text = text.trim().replace('_', "");
            let float = || text.parse::<f64>().ok().filter(|number| number.is_finite());
            match whole {
                true if base != 10 => i64::from_str_radix(digits(&text, base), base).ok().map(Engine::from),
                true => text.parse::<i64>().ok().or_else(|| float().map(|number| number as i64)).map(Engine::from),
                false => float().map(Engine::from),
            }
        }
        _ => None,
    };
    let what = if whole { "whole number" } else { "number" };
    found
        .or(default)
        .ok_or_else(|| refuse(format!("what is given is no {what}"), "give what to use instead: `| int(0)`"))
}

/// Without the sign that says which base it is.
fn digits(text: &str, base: u32) -> &str {
    let prefix = match base {
        16 => ["0x", "0X"],
        8 => ["0o", "0O"],
        2 => ["0b", "0B"],
        _ => return text,
    };
    prefix.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}
