//! The way in: a project's files to a program, or everything that is wrong with them.

use std::path::PathBuf;

use crate::model::Catalogue;
use crate::source::{Problem, Problems, Sources};

use super::files::Files;
use super::program::Program;

/// The playbook that runs when none is named.
pub const DEFAULT_PLAYBOOK: &str = "playbooks/site.yml";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The environment; may be left out when the project has only one.
    pub environment: Option<String>,
    /// The playbook, relative to the project; [`DEFAULT_PLAYBOOK`] when none is named.
    pub playbook: Option<PathBuf>,
    /// `--set name=value`, in the order given.
    pub set: Vec<(String, String)>,
    /// `--component`: `--set storage=20Gi` then means `--set component.storage=20Gi`.
    pub component: Option<String>,
}

/// A program, and the texts that it points into.
#[derive(Debug)]
pub struct Loaded {
    /// The program.
    pub program: Program,
    /// Every text that was read.
    pub sources: Sources,
    /// What is worth saying, but stops nothing.
    pub warnings: Problems,
}

/// Everything that is wrong, and the texts that it points into.
#[derive(Debug)]
pub struct Failure {
    /// Every text that was read.
    pub sources: Sources,
    /// All problems, warnings included.
    pub problems: Problems,
}

/// Reads the project and resolves `wanted` to a program.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load(_files: &Files, _wanted: &Wanted, _catalogue: &Catalogue) -> Result<Loaded, Box<Failure>> {
    let problems = Problem::nowhere("not built yet").into();
    Err(Box::new(Failure { sources: Sources::default(), problems }))
}
