//! Versions: `v1.30.2+k3s1` is before `v1.30.2+k3s2`, `1.2.0-rc1` before `1.2.0`, `1.9` before `1.10`.

use std::cmp::Ordering;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, Value as Engine};

use super::super::fault::{refuse, wrong};
use super::text_of;

pub(super) fn install(environment: &mut Environment<'static>) {
    for name in ["version", "version_compare"] {
        environment.add_test(name, |value: &Engine, other: &Engine, operator: Option<&str>, kwargs: Kwargs| {
            is_version(value, other, operator, &kwargs)
        });
    }
}

fn is_version(value: &Engine, other: &Engine, operator: Option<&str>, kwargs: &Kwargs) -> Result<bool, Error> {
    let operator = match operator {
        Some(operator) => operator.to_owned(),
        None => kwargs.get::<Option<String>>("operator")?.unwrap_or_else(|| "==".to_owned()),
    };
    kwargs.assert_all_used()?;
    let order = compare(&text_of(value)?, &text_of(other)?)?;
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order.is_eq(),
        "!=" | "<>" | "ne" => order.is_ne(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        other => {
            return Err(refuse(
                format!("`{other}` does not compare versions"),
                "use `<`, `<=`, `==`, `!=`, `>=` or `>`",
            ));
        }
    })
}

/// Numbers, what makes it come before them (`-rc1`), and what comes after (`+k3s1`, `-1ubuntu2`).
fn compare(a: &str, b: &str) -> Result<Ordering, Error> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    let numbers = (0..a.numbers.len().max(b.numbers.len()))
        .map(|at| natural(a.numbers.get(at).unwrap_or(&"0"), b.numbers.get(at).unwrap_or(&"0")))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal);
    let before = match (a.before, b.before) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => natural(a, b),
    };
    Ok(numbers.then(before).then_with(|| natural(a.after, b.after)))
}

struct Version<'a> {
    numbers: Vec<&'a str>,
    before: Option<&'a str>,
    after: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Result<Self, Error> {
        let trimmed = text.trim();
        let bare = trimmed.strip_prefix(['v', 'V']).unwrap_or(trimmed);
        if !bare.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(wrong("what is given is no version: it does not begin with a number"));
        }
        let (core, after) = bare.split_once('+').unwrap_or((bare, ""));
        let end = core.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(core.len());
        let (numbers, rest) = core.split_at(end);
        let rest = rest.trim_start_matches(['-', '~', '.']);
        let before = rest.starts_with(|first: char| first.is_ascii_alphabetic()).then_some(rest);
        let after = if before.is_none() && !rest.is_empty() { rest } else { after };
        Ok(Self { numbers: numbers.split('.').filter(|number| !number.is_empty()).collect(), before, after })
    }
}

/// Digits by their number, anything else by its letters; the shorter first.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (runs(a).into_iter(), runs(b).into_iter());
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (digits(a), digits(b)) {
                (Some(x), Some(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Without leading zeros, so that the longer is the larger.
fn digits(run: &str) -> Option<&str> {
    run.starts_with(|first: char| first.is_ascii_digit()).then(|| run.trim_start_matches('0'))
}

fn runs(text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut rest = text.trim_start_matches(['.', '-']);
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|letter: char| letter.is_ascii_digit() != first.is_ascii_digit() || matches!(letter, '.' | '-'))
            .unwrap_or(rest.len());
        runs.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(['.', '-']);
    }
    runs
}
