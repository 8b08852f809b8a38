//! Finds the project and the playbook that are meant. Reads nothing of them.

use std::path::{Path, PathBuf};

use crate::model::Fault;

/// The folders that make a folder a project.
const MARKS: [&str; 2] = ["playbooks", "inventories"];

/// The nearest folder, upwards from the current one, with `playbooks/` or `inventories/`.
///
/// # Errors
/// There is none.
pub(super) fn find() -> Result<PathBuf, Fault> {
    let from = start()?;
    from.ancestors().find(|folder| MARKS.iter().any(|mark| folder.join(mark).is_dir())).map(Path::to_owned).ok_or_else(
        || {
            Fault::failed(format!(
                "no project: neither `playbooks/` nor `inventories/` in `{}` or above",
                from.display()
            ))
            .help("`lions init` makes a project, `-C DIR` names one")
        },
    )
}

/// The current folder, without links.
///
/// # Errors
/// It is not there.
pub(super) fn start() -> Result<PathBuf, Fault> {
    std::fs::canonicalize(".").map_err(|error| Fault::failed("cannot work in this folder").cause(error))
}

/// The playbook that `named` means, relative to the project: `site`, or a path from here or from the project.
pub(super) fn playbook(project: &Path, named: &str) -> PathBuf {
    if is_playbook(named) {
        return std::fs::canonicalize(named)
            .ok()
            .and_then(|real| real.strip_prefix(project).map(Path::to_owned).ok())
            .unwrap_or_else(|| PathBuf::from(named));
    }
    Path::new("playbooks").join(format!("{named}.yml"))
}

/// The names of all playbooks.
pub(super) fn playbooks(project: &Path) -> Vec<String> {
    // A folder that cannot be read has no names to offer: this only helps to find what was meant.
    let entries = std::fs::read_dir(project.join("playbooks")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok()?.strip_suffix(".yml").map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

/// Does `named` look like the path of a playbook (and not like a saved plan)?
pub(super) fn is_playbook(named: &str) -> bool {
    Path::new(named).extension().is_some_and(|end| end == "yml" || end == "yaml")
}

/// `path` as one would type it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+".contains(letter);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
