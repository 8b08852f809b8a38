//! Tests of `template`.

#[path = "template/files.rs"]
mod files;
#[path = "template/filters.rs"]
mod filters;
#[path = "template/masking.rs"]
mod masking;
#[path = "template/plain.rs"]
mod plain;
#[path = "template/taint.rs"]
mod taint;

use lions::language::template::{Names, Outcome, TemplateFault, Templates};
use lions::model::{After, Map, Secret, Value};

/// Templates without any other templates.
fn templates() -> Templates {
    Templates::new(|_, _| Ok(None))
}

/// Names from JSON.
fn names(json: serde_json::Value) -> Map {
    match Value::from(json) {
        Value::Map(map) => map,
        other => panic!("{other} is no mapping"),
    }
}

fn secret(value: impl Into<Value>) -> Value {
    Value::Secret(Secret::new(value.into()))
}

fn unknown(task: &str) -> Value {
    Value::Unknown(After::new(task))
}

fn render(text: &str, names: &dyn Names) -> Value {
    outcome(text, names).unwrap_or_else(|fault| panic!("{text}: {fault:?}")).value
}

fn outcome(text: &str, names: &dyn Names) -> Result<Outcome, TemplateFault> {
    templates().render_text(text, names)
}

fn fault(text: &str, names: &dyn Names) -> TemplateFault {
    match outcome(text, names) {
        Err(fault) => fault,
        Ok(outcome) => panic!("`{text}` gave {:?}", outcome.value),
    }
}

fn evaluate(expression: &str, names: &dyn Names) -> Value {
    templates().evaluate(expression, names).unwrap_or_else(|fault| panic!("{expression}: {fault:?}")).value
}

/// What a secret value may show; the test fails if it is none.
fn shown(value: &Value) -> &str {
    match value {
        Value::Secret(secret) => secret.shown(),
        other => panic!("{other:?} is no secret"),
    }
}

/// What a secret value is.
fn revealed(value: &Value) -> &Value {
    match value {
        Value::Secret(secret) => secret.reveal(),
        other => panic!("{other:?} is no secret"),
    }
}
