//! Finds the project and the playbook that are meant. Reads nothing of them.

use std::path::{Path, PathBuf};

use crate::model::Fault;

/// The folders that make a folder a project.
const MARKS: [&str; 2] = ["playbooks", "inventories"];

/// The nearest folder, upwards from `directory` (or the current one), with `playbooks/` or `inventories/`.
///
/// # Errors
/// There is none.
pub(super) fn find(directory: Option<&Path>) -> Result<PathBuf, Fault> {
    let from = start(directory)?;
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

/// The folder to work in, without links.
///
/// # Errors
/// It is not there.
pub(super) fn start(directory: Option<&Path>) -> Result<PathBuf, Fault> {
    let wanted = directory.unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(wanted)
        .map_err(|error| Fault::failed(format!("cannot work in `{}`", wanted.display())).cause(error))?;
    if folder.is_dir() { Ok(folder) } else { Err(Fault::failed(format!("`{}` is no folder", wanted.display()))) }
}

/// The playbook that `named` means, relative to the project: `site`, or a path from here or from the project.
pub(super) fn playbook(project: &Path, directory: Option<&Path>, named: &str) -> PathBuf {
    let from_here = directory.unwrap_or(Path::new(".")).join(named);
    if is_playbook(named) {
        return std::fs::canonicalize(from_here)
            .ok()
            .and_then(|real| real.strip_prefix(project).map(Path::to_owned).ok())
            .unwrap_or_else(|| PathBuf::from(named));
    }
    Path::new("playbooks").join(format!("{named}.yml"))
}

/// Does `named` look like the path of a playbook (and not like a saved plan)?
pub(super) fn is_playbook(named: &str) -> bool {
    Path::new(named).extension().is_some_and(|end| end == "yml" || end == "yaml")
}
