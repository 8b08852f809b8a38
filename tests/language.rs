//! Tests of `language`: projects on disk and in memory, loaded against a small catalogue.

#[path = "language/bad.rs"]
mod bad;
#[path = "language/catalogue.rs"]
mod catalogue;
#[path = "language/encrypted.rs"]
mod encrypted;
#[path = "language/good.rs"]
mod good;
#[path = "language/places.rs"]
mod places;
#[path = "language/rules.rs"]
mod rules;
#[path = "language/speed.rs"]
mod speed;
#[path = "language/values.rs"]
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lions::language::evaluate::{Frame, Rendered};
use lions::language::program::{Program, Task};
use lions::language::{Failure, Files, Loaded, Wanted, load};
use lions::model::{Map, Value};

use catalogue::catalogue;

/// A fixture project.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/projects").join(name)
}

/// A project in memory.
fn project(texts: &[(&str, &str)]) -> Files {
    Files::kept(texts.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect())
}

/// What is said of a failure, as people see it.
fn said(failure: &Failure) -> String {
    lions::render::problem::problems(&failure.sources, &failure.problems, false)
}

fn good(files: &Files, wanted: &Wanted) -> Loaded {
    load(files, wanted, &catalogue()).unwrap_or_else(|failure| panic!("{}", said(&failure)))
}

fn bad(files: &Files, wanted: &Wanted) -> String {
    match load(files, wanted, &catalogue()) {
        Err(failure) => said(&failure),
        Ok(_) => panic!("it loads"),
    }
}

fn task<'p>(program: &'p Program, name: &str) -> &'p Task {
    program.tasks.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("no task `{name}`"))
}

fn render(program: &Program, task: &Task, host: Option<u32>, item: Option<&Value>) -> Rendered {
    let registers = Map::new();
    program.render(task, &Frame { host, item, registers: &registers, facts: &[] }).unwrap()
}

/// The text or number at `path` in rendered parameters.
fn at(rendered: &Rendered, path: &[&str]) -> String {
    let mut value = &rendered.value;
    for key in path {
        value = value.get(key).unwrap_or_else(|| panic!("no `{key}` in {value:?}"));
    }
    value.to_string()
}

/// The texts of a project with one role and one host, `changes` put over them.
fn small(changes: &[(&str, &str)]) -> Files {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::from([
        ("inventories/dev/environment.yml", "hosts: { a: { groups: [web] }, b: {} }\n"),
        ("playbooks/site.yml", "- { name: all, hosts: all, roles: [app] }\n"),
        ("roles/app/tasks.yml", "- { name: run, command: { cmd: run } }\n"),
    ]);
    texts.extend(changes.iter().copied());
    project(&texts.into_iter().filter(|(_, text)| !text.is_empty()).collect::<Vec<_>>())
}

/// A whole project in one text, whatever it is: it loads, or says why not. `=== path` begins a file.
pub(crate) fn swallow(text: &str) {
    let mut texts = BTreeMap::new();
    for part in text.split("=== ").skip(1) {
        let (path, text) = part.split_once('\n').unwrap_or((part, ""));
        texts.insert(PathBuf::from(path), text.as_bytes().to_vec());
    }
    let checked = lions::language::validate(&Files::kept(texts), &Wanted::default(), &catalogue());
    let _ = lions::render::problem::problems(&checked.sources, &checked.problems, false);
    for program in &checked.programs {
        let _ = program.secrets();
    }
}
