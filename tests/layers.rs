//! Holds the layer table of `ARCHITECTURE.md` against the `use` lines and paths of every file in `src/`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From low to high: a layer may name those before it.
const LAYERS: [&str; 10] =
    ["source", "model", "transport", "targets", "resources", "language", "graph", "engine", "render", "cli"];

/// Layers that may see less than all below them.
const NARROWED: [(&str, &[&str]); 3] =
    [("language", &["source", "model"]), ("graph", &["source", "model", "language"]), ("render", &["source", "model"])];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Path below `src/`, and the text without its unit tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources: Vec<_> = files(&root)
        .into_iter()
        .filter(|path| !path.to_string_lossy().ends_with("_tests.rs"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            (path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text)
        })
        .collect();
    assert!(sources.len() > 100, "the sources were found");
    sources
}

fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"))
}

/// Layers that a file names: in paths (`crate::model::X`) and in grouped imports (`use crate::{graph, model}`).
fn named(text: &str) -> BTreeSet<String> {
    let code = code(text).collect::<Vec<_>>().join(" ");
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let group = rest.strip_prefix('{').map(|group| group.split('}').next().unwrap_or_default());
        for name in group.unwrap_or(rest).split(',').take(if group.is_some() { usize::MAX } else { 1 }) {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.insert(name);
        }
    }
    names
}

fn layer(path: &str) -> Option<&str> {
    path.split_once('/').map(|(layer, _)| layer)
}

#[test]
fn no_layer_names_a_higher_one() {
    let rank = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in sources() {
        let Some(own) = layer(&path) else { continue };
        assert!(rank(own).is_some(), "`{own}` is no layer of the table");
        let narrowed = NARROWED.iter().find(|(layer, _)| *layer == own).map(|(_, may)| *may);
        for name in named(&text) {
            let Some(other) = rank(&name) else { continue };
            seen += 1;
            let may = narrowed.map_or(Some(other) <= rank(own), |may| name == own || may.contains(&name.as_str()));
            if !may {
                wrong.push(format!("{path} names `{name}`"));
            }
        }
    }
    assert!(seen > 200, "paths were read: {seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_its_duty_and_is_no_longer_than_four_hundred_lines() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{path} does not begin with its duty");
        let lines = code(&text).count();
        assert!(lines <= 400, "{path} has {lines} lines of code");
    }
}

#[test]
fn only_render_writes_to_the_terminal() {
    for (path, text) in sources().iter().filter(|(path, _)| layer(path) != Some("render")) {
        for word in ["println!", "eprintln!", "print!(", "eprint!(", "io::stdout", "io::stderr"] {
            assert!(!code(text).any(|line| line.contains(word)), "{path} has `{word}`");
        }
    }
}

#[test]
fn only_source_names_the_yaml_parser_and_only_hands_perform() {
    for (path, text) in sources() {
        let has = |word: &str| code(&text).any(|line| line.contains(word));
        // The filters `to_yaml` and `from_yaml` write and read values of templates.
        let yaml = layer(&path) == Some("source") || path.starts_with("language/template/");
        assert!(yaml || !has("granit_parser") && !has("serde_saphyr"), "{path} names a YAML crate");
        // A change of a place goes through a link (`perform`) or the API's write; resources have neither.
        let looks_only = matches!(layer(&path), Some("resources" | "language" | "graph" | "render"));
        assert!(!looks_only || !has(".perform("), "{path} performs");
    }
}

#[test]
fn the_reader_of_names_finds_what_it_must() {
    let text =
        "//! crate::cli\nuse crate::{graph, render};\nfn x() { crate::engine::plan() }\nuse crate::model::Fault;\n";
    let names: Vec<String> = named(text).into_iter().collect();
    assert_eq!(names, ["engine", "graph", "model", "render"]);
}
