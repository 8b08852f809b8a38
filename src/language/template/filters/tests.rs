//! Tests: what stands after `is`.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value as Engine};

use super::super::fault::refuse;
use super::super::run::Run;
use super::text::regex;
use super::{items_of, text_of};

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_test("defined", |state: &State<'_, '_>, value: &Engine| is_defined(state, value));
    environment.add_test("undefined", |state: &State<'_, '_>, value: &Engine| !is_defined(state, value));
    environment.add_test("match", |value: &Engine, pattern: &str, kwargs: Kwargs| {
        let regex = regex(pattern, &kwargs)?;
        kwargs.assert_all_used()?;
        // Python's `match` begins at the begin.
        Ok::<_, Error>(regex.find(&text_of(value)?).is_some_and(|found| found.start() == 0))
    });
    for name in ["search", "regex"] {
        environment.add_test(name, |value: &Engine, pattern: &str, kwargs: Kwargs| {
            let regex = regex(pattern, &kwargs)?;
            kwargs.assert_all_used()?;
            Ok::<_, Error>(regex.is_match(&text_of(value)?))
        });
    }
    for name in ["subset", "issubset"] {
        environment.add_test(name, |value: &Engine, other: &Engine| is_within(value, other));
    }
    for name in ["superset", "issuperset"] {
        environment.add_test(name, |value: &Engine, other: &Engine| is_within(other, value));
    }
    environment.add_test("contains", |value: &Engine, item: &Engine| match value.kind() {
        ValueKind::String => Ok(text_of(value)?.contains(&text_of(item)?)),
        ValueKind::Map => Ok(value.try_iter()?.any(|key| key == *item)),
        _ => Ok::<_, Error>(items_of(value)?.contains(item)),
    });
    environment.add_test("truthy", |value: &Engine| is_truthy(value));
    environment.add_test("falsy", |value: &Engine| is_truthy(value).map(|truth| !truth));
    environment.add_test("all", |value: &Engine| Ok::<_, Error>(items_of(value)?.iter().all(Engine::is_true)));
    environment.add_test("any", |value: &Engine| Ok::<_, Error>(items_of(value)?.iter().any(Engine::is_true)));
    for name in ["failed", "failure"] {
        environment.add_test(name, |value: &Engine| register(value, "failed"));
    }
    for name in ["succeeded", "success", "successful"] {
        environment.add_test(name, |value: &Engine| register(value, "failed").map(|failed| !failed));
    }
    for name in ["changed", "change"] {
        environment.add_test(name, |value: &Engine| register(value, "changed"));
    }
    for name in ["skipped", "skip"] {
        environment.add_test(name, |value: &Engine| register(value, "skipped"));
    }
}

fn is_defined(state: &State<'_, '_>, value: &Engine) -> bool {
    if let Some(run) = Run::of(state) {
        run.forgive(value);
    }
    !value.is_undefined()
}

fn is_truthy(value: &Engine) -> Result<bool, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(value.is_true())
}

fn is_within(inner: &Engine, outer: &Engine) -> Result<bool, Error> {
    let outer = items_of(outer)?;
    Ok(items_of(inner)?.iter().all(|item| outer.contains(item)))
}

/// One flag of a register. What is not there did not happen.
fn register(value: &Engine, flag: &str) -> Result<bool, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    if value.kind() != ValueKind::Map {
        return Err(refuse(
            format!("`is {flag}` is asked of a {}, not of a register", value.kind()),
            "write the name under which a task has `register:`",
        ));
    }
    Ok(value.get_attr(flag)?.is_true())
}
