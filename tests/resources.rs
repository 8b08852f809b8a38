//! Every resource against its cases, and tests that walk the list of resources.

mod case;
mod list;
mod random;

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// Every case file of the resource `name`.
fn cases(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder().join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs every case of host resources; `LIONS_CASE=part/of/name` for some.
#[test]
fn cases_of_host_resources() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wanted = std::env::var("LIONS_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    let mut run = 0;
    for kind in lions::resources::catalogue().iter().filter(|kind| kind.sort == lions::model::Sort::Host) {
        for file in cases(kind.name) {
            let name = file.strip_prefix(folder()).unwrap().display().to_string();
            if !name.contains(&wanted) {
                continue;
            }
            run += 1;
            let text = std::fs::read_to_string(&file).unwrap();
            if let Err(why) = runtime.block_on(case::run(&text)) {
                failed.push(format!("{name}: {why}"));
            }
        }
    }
    assert!(run > 0, "no case was run");
    assert!(failed.is_empty(), "{} of {run} cases failed\n\n{}", failed.len(), failed.join("\n\n"));
}
