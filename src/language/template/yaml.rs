//! Values as YAML that reads back the same, under YAML 1.1 (kubectl) and 1.2: what could be taken for something else is
//! quoted. Block style, no anchors, no long lines broken.

use crate::model::{Map, Value};

/// `value` as YAML, with a newline at the end. Lists in mappings are not indented, as usual in manifests.
pub(super) fn write(value: &Value, indent: usize, sort_keys: bool) -> String {
    let mut value = value.clone();
    if sort_keys {
        sort(&mut value);
    }
    let mut out = String::new();
    block(&value, 0, indent, &mut out);
    out
}

/// Sorts the keys of every mapping.
pub(super) fn sort(value: &mut Value) {
    match value {
        Value::Map(map) => {
            map.sort_keys();
            map.values_mut().for_each(sort);
        }
        Value::List(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}

/// A value that begins where the cursor is, `depth` spaces in; ends with a newline.
fn block(value: &Value, depth: usize, indent: usize, out: &mut String) {
    match value {
        Value::Map(map) if !map.is_empty() => entries(map, depth, indent, out),
        Value::List(items) if !items.is_empty() => list(items, depth, indent, out),
        scalar => {
            out.push_str(&plain(scalar));
            out.push('\n');
        }
    }
}

fn entries(map: &Map, depth: usize, indent: usize, out: &mut String) {
    for (at, (key, value)) in map.iter().enumerate() {
        if at > 0 {
            out.push_str(&" ".repeat(depth));
        }
        out.push_str(&text(key));
        out.push(':');
        match value {
            Value::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(depth + indent));
                entries(inner, depth + indent, indent, out);
            }
            Value::List(items) if !items.is_empty() => {
                out.push('\n');
                out.push_str(&" ".repeat(depth));
                list(items, depth, indent, out);
            }
            scalar => {
                out.push(' ');
                block(scalar, depth, indent, out);
            }
        }
    }
}

fn list(items: &[Value], depth: usize, indent: usize, out: &mut String) {
    // The dash takes the place of the indentation.
    let inner = indent.max(2);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(&" ".repeat(depth));
        }
        out.push('-');
        let nested =
            matches!(item, Value::Map(map) if !map.is_empty()) || matches!(item, Value::List(list) if !list.is_empty());
        out.push_str(&" ".repeat(if nested { inner - 1 } else { 1 }));
        block(item, depth + inner, indent, out);
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(content) => text(content),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// Text, quoted where it could be read as anything else.
fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let ordinary =
        |letter: char| letter.is_ascii_alphanumeric() || " _./-+@%=,()~".contains(letter) || (letter.is_alphanumeric());
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    (first.is_alphabetic() || matches!(first, '/' | '_'))
        && !text.ends_with(' ')
        && text.chars().all(ordinary)
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

/// JSON's quoting is YAML's too, but for a few letters that YAML wants escaped.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
        .replace('\u{85}', "\\u0085")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .replace('\u{feff}', "\\ufeff")
}
