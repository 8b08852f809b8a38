//! The filters, tests and functions of templates, as Ansible names them, and their registration. Pure: nothing here
//! reads a clock, a random number, the environment or a file that the caller did not give.

mod data;
mod files;
mod net;
mod sets;
mod table;
mod tests;
mod text;
mod time;
mod units;
mod version;

use minijinja::{Environment, Error, ErrorKind, Value as Engine};

use crate::model::Value;

use super::convert;

pub use table::{ENTRIES, Entry, Sort};

/// What Ansible has and a plan must not: its result cannot be foreseen, or it looks at the wrong machine.
const REFUSED: &[(&str, &str)] = &[
    ("random", "its result changes from run to run; declare an input, or let a `secret` task generate the value once"),
    ("shuffle", "its result changes from run to run; use `sort`"),
    ("now", "its result changes from run to run; declare an input and give it with `--set`"),
    (
        "password_hash",
        "its salt changes from run to run; let a `secret` task generate the hash once, or give it as an input",
    ),
    (
        "hash_password",
        "its salt changes from run to run; let a `secret` task generate the hash once, or give it as an input",
    ),
    ("vault", "encrypted values belong in a file of `values/`, and are read as inputs"),
    ("unvault", "encrypted values belong in a file of `values/`, and are read as inputs"),
    ("md5", "it is broken; use `hash('sha256')`"),
    ("sha1", "it is broken; use `hash('sha256')`"),
    ("checksum", "it is SHA-1, which is broken; use `hash('sha256')`"),
    ("json_query", "use `map`, `selectattr` and `[...]` instead"),
    (
        "realpath",
        "it looks at the machine that plans, not at the host; ask the host with a `command` that is `read_only`",
    ),
    ("expanduser", "it looks at the machine that plans, not at the host; write the path out"),
    ("expandvars", "it looks at the machine that plans, not at the host; declare an input"),
    ("fileglob", "it looks at the machine that plans, not at the host; list the files in an input"),
    ("exists", "it looks at the machine that plans, not at the host; register a `command` that is `read_only`"),
    ("file", "it looks at the machine that plans, not at the host; register a `command` that is `read_only`"),
    ("directory", "it looks at the machine that plans, not at the host; register a `command` that is `read_only`"),
    ("query", "use `lookup('file', path)`, inputs, or a loop over a list"),
    ("q", "use `lookup('file', path)`, inputs, or a loop over a list"),
];

/// Why `name` is refused, if it is.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why)
}

/// All filters and all tests by name.
pub(super) fn names() -> (Vec<String>, Vec<String>) {
    let of =
        |sort: Sort| ENTRIES.iter().filter(|entry| entry.sort == sort).map(|entry| entry.name.to_owned()).collect();
    (of(Sort::Filter), of(Sort::Test))
}

/// Puts all of them into `environment`.
pub(super) fn install(environment: &mut Environment<'static>) {
    text::install(environment);
    data::install(environment);
    sets::install(environment);
    files::install(environment);
    net::install(environment);
    time::install(environment);
    units::install(environment);
    version::install(environment);
    tests::install(environment);
    for name in ["pprint", "safe", "escape", "e", "chain", "lines"] {
        environment.remove_filter(name);
    }
    for name in ["safe", "escaped", "filter", "test"] {
        environment.remove_test(name);
    }
    environment.remove_global("debug");
}

/// An argument that must be there, as text.
fn text_of(value: &Engine) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    convert::text(value)
}

/// An argument that must be there, read as a whole.
fn data_of(value: &Engine) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    convert::plain(value)
}

/// The items of a list.
fn items_of(value: &Engine) -> Result<Vec<Engine>, Error> {
    use minijinja::value::ValueKind::{Iterable, Seq, Undefined};
    match value.kind() {
        Undefined => Err(ErrorKind::UndefinedError.into()),
        Seq | Iterable => value.try_iter()?.checked().collect(),
        other => Err(super::fault::wrong(format!("a list is expected, not a {other}"))),
    }
}
