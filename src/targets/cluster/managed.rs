//! Who owns which fields of an object: `metadata.managedFields`, read. It compares nothing and asks nobody.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::FIELD_MANAGER;

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub struct Manager {
    /// `lions`, `kubectl-edit`, `helm` ...
    pub name: String,
    /// In which version of its kind it knows the fields.
    pub api_version: String,
    /// By server-side apply? Otherwise by an ordinary update.
    pub applied: bool,
    /// `status`, `scale`; empty for the object itself.
    pub subresource: String,
    /// Which fields.
    pub fields: Fields,
}

impl Manager {
    /// What we declare ourselves, by server-side apply.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.applied && self.name == FIELD_MANAGER && self.subresource.is_empty()
    }
}

/// A set of fields, as a tree. Its keys are those of the API: `f:name` for a field, `k:{...}` for the item of a
/// list with those keys, `v:...` for an item of a set, `i:0` for an item by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// What is owned below; empty for a leaf, which is owned with all that it holds.
    pub below: BTreeMap<String, Fields>,
}

impl Fields {
    /// From `fieldsV1`.
    #[must_use]
    pub fn new(json: &Json) -> Self {
        let entries = json.as_object().into_iter().flatten();
        // `.` says that the thing itself is owned: its leaves say so too, and an empty item is a leaf here.
        Self {
            below: entries.filter(|(key, _)| *key != ".").map(|(key, below)| (key.clone(), Self::new(below))).collect(),
        }
    }

    /// Nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.below.is_empty()
    }

    /// How many leaves.
    #[must_use]
    pub fn count(&self) -> usize {
        self.below.values().map(|below| below.count().max(1)).sum()
    }

    /// All of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (key, below) in &other.below {
            let both = all.below.get(key).map_or_else(|| below.clone(), |mine| mine.union(below));
            all.below.insert(key.clone(), both);
        }
        all
    }

    /// Is the leaf at that path, or what holds it, owned?
    #[must_use]
    pub fn owns(&self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else { return true };
        match self.below.get(first) {
            Some(below) => below.is_empty() || below.owns(rest),
            None => false,
        }
    }
}

/// The entries of an object's `managedFields`.
#[must_use]
pub fn managers(object: &Json) -> Vec<Manager> {
    let entries = object.pointer("/metadata/managedFields").and_then(Json::as_array).into_iter().flatten();
    let text = |entry: &Json, key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    entries
        .map(|entry| Manager {
            name: text(entry, "manager"),
            api_version: text(entry, "apiVersion"),
            applied: text(entry, "operation") == "Apply",
            subresource: text(entry, "subresource"),
            fields: entry.get("fieldsV1").map(Fields::new).unwrap_or_default(),
        })
        .collect()
}
