//! Filters, tests and functions of templates, from the table that registers them.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::language::template::filters::{ENTRIES, Entry, Sort};

/// The word for all of them.
pub(super) const ALL: &str = "filters";

/// Those of that name (a filter and a test may share one).
pub(super) fn named(name: &str) -> Vec<&'static Entry> {
    ENTRIES.iter().filter(|entry| entry.name == name).collect()
}

/// All names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

/// The whole table.
pub(super) fn list() -> String {
    let mut text = String::new();
    let width = names().map(str::len).max().unwrap_or_default();
    for (sort, title) in [
        (Sort::Filter, "filters, after `|`"),
        (Sort::Test, "tests, after `is`"),
        (Sort::Function, "functions, with `()`"),
    ] {
        let _ = writeln!(text, "{}{title}:", if text.is_empty() { "" } else { "\n" });
        for entry in ENTRIES.iter().filter(|entry| entry.sort == sort) {
            let _ = writeln!(text, "  {:width$}  {}", entry.name, entry.line);
        }
    }
    text.push_str("\n`lions doc NAME` shows an example of one.\n");
    text
}

/// One of them.
pub(super) fn page(entry: &Entry) -> String {
    let (name, line, example, result) = (entry.name, entry.line, entry.example, entry.result);
    format!("{name}: {line} ({})\n\nexample:\n  {{{{ {example} }}}}\n  gives {result}\n", word(entry.sort))
}

/// One of them for machines.
pub(super) fn as_json(entry: &Entry) -> Json {
    json!({
        "type": "filter", "name": entry.name, "kind": word(entry.sort), "summary": entry.line,
        "example": entry.example, "result": entry.result,
    })
}

fn word(sort: Sort) -> &'static str {
    match sort {
        Sort::Filter => "filter",
        Sort::Test => "test",
        Sort::Function => "function",
    }
}
