//! From the command line to a program: finds the project, loads it, and shows what is wrong with it.

use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::options::Source;
use super::{keys, project};
use crate::language::{Files, Loaded, Wanted, load};
use crate::model::Fault;
use crate::render::Show;

/// A project that was loaded without an error.
#[derive(Debug)]
pub(super) struct Session {
    /// The project's folder.
    pub(super) root: PathBuf,
    /// Its files, and all that was read of them.
    pub(super) files: Files,
    /// What was asked of it.
    pub(super) wanted: Wanted,
    /// What it says.
    pub(super) loaded: Loaded,
}

/// Loads what is meant. Problems are shown here; then there is no session, but an exit code.
///
/// # Errors
/// There is no project.
pub(super) fn open(source: &Source, playbook: Option<&str>, show: &Show) -> Result<Result<Session, Exit>, Fault> {
    let root = project::find()?;
    let wanted = wanted(source, playbook, &root);
    let files = Files::disk(&root).with_identities(keys::identities());
    let catalogue = crate::resources::catalogue();
    Ok(match load(&files, &wanted, &catalogue) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                show.problems(&loaded.sources, &loaded.warnings);
            }
            Ok(Session { root, files, wanted, loaded })
        }
        Err(failure) => {
            show.problems(&failure.sources, &failure.problems);
            Err(Exit::Fault)
        }
    })
}

/// What the command line asks of the project in `root`.
pub(super) fn wanted(source: &Source, playbook: Option<&str>, root: &Path) -> Wanted {
    Wanted {
        environment: source.env.clone(),
        playbook: playbook.map(|named| project::playbook(root, named)),
        set: source.set.clone(),
        component: source.component.clone(),
    }
}
