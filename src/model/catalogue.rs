//! The names and schemas of all resources, as `language` sees them: it never sees the resources themselves.

use std::collections::BTreeMap;

use super::decode::Misfit;
use super::{Doc, Sort, Value};

/// One resource, described.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its key in a task.
    pub name: &'static str,
    /// What it is.
    pub doc: Doc,
    /// Where it lives.
    pub sort: Sort,
    /// JSON schema of its parameters, sub-schemas inlined.
    pub schema: serde_json::Value,
    /// Types rendered parameters and tells all that does not fit. Unknowns fit everywhere.
    pub check: fn(&Value) -> Vec<Misfit>,
}

/// All resources by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    kinds: BTreeMap<&'static str, Kind>,
}

impl Catalogue {
    /// Of these.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { kinds: kinds.into_iter().map(|kind| (kind.name, kind)).collect() }
    }

    /// The resource of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }
}
