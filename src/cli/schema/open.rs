//! Opens the schema of parameters for templates: where a number, a truth value or one of some words is expected,
//! `"{{ ... }}"` will do as well. Text takes templates anyway.

use serde_json::{Value as Json, json};

/// The schema of a mapping of parameters, each of which may be a template.
pub(super) fn inside(schema: &Json) -> Json {
    let mut schema = schema.clone();
    for holder in ["properties", "$defs"] {
        if let Some(parts) = schema.get_mut(holder).and_then(Json::as_object_mut) {
            for part in parts.values_mut() {
                *part = if holder == "properties" { open(part) } else { inside(part) };
            }
        }
    }
    for holder in ["items", "additionalProperties"] {
        if let Some(part) = schema.get_mut(holder).filter(|part| part.is_object()) {
            *part = open(part);
        }
    }
    for holder in ["anyOf", "oneOf", "allOf"] {
        if let Some(parts) = schema.get_mut(holder).and_then(Json::as_array_mut) {
            for part in parts {
                *part = inside(part);
            }
        }
    }
    schema
}

/// `schema`, or a template.
fn open(schema: &Json) -> Json {
    let inner = inside(schema);
    if takes_any_text(&inner) {
        return inner;
    }
    let mut opened = json!({});
    let mut inner = inner;
    // Editors show what stands at the parameter itself.
    for shown in ["description", "default", "title"] {
        if let Some(value) = inner.as_object_mut().and_then(|object| object.remove(shown)) {
            opened[shown] = value;
        }
    }
    opened["anyOf"] = json!([inner, { "$ref": "#/$defs/template" }]);
    opened
}

/// Is every text good already?
fn takes_any_text(schema: &Json) -> bool {
    let text = match &schema["type"] {
        Json::String(name) => name == "string",
        Json::Array(names) => names.iter().any(|name| name == "string"),
        Json::Null => schema.get("$ref").is_none(),
        _ => false,
    };
    let narrowed = ["enum", "const", "pattern", "format"].iter().any(|key| schema.get(key).is_some());
    let alternatives = ["anyOf", "oneOf"].iter().find_map(|key| schema[*key].as_array());
    match alternatives {
        Some(alternatives) => alternatives.iter().any(takes_any_text),
        None => text && !narrowed,
    }
}
