//! What the README says is so.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{COMMANDS, code, err, lions, out};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn its_first_playbook_plans_as_it_shows() {
    let text = readme();
    let yaml = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = TempDir::new().unwrap();
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let mut current = "";
    for line in yaml.lines() {
        match line.strip_prefix("# ") {
            Some(path) => current = path,
            None => files.entry(current).or_default().extend([line, "\n"]),
        }
    }
    let place = folder.path().join("hello");
    for (path, text) in files {
        let full = folder.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text.replace("/tmp/lions-hello", place.to_str().unwrap())).unwrap();
    }
    let plan = lions(folder.path(), &["plan"]);
    assert_eq!(code(&plan), 0, "{}", err(&plan));
    let shown = text.split("$ lions plan\nlocal").nth(1).unwrap().split("    ...\n").next().unwrap();
    let shown = format!("local{shown}").replace("/tmp/lions-hello", place.to_str().unwrap());
    assert!(out(&plan).starts_with(&shown), "{}\nthe README says:\n{shown}", out(&plan));
}

#[test]
fn its_table_names_every_command() {
    let text = readme();
    let table: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `lions "))
        .filter_map(|line| line.split(['`', ' ']).next())
        .collect();
    let mut known = COMMANDS.to_vec();
    let mut named = table.clone();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, known);
}
