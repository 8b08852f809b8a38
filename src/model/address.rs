//! Stable names: of a task, of a place, of a thing that a task keeps.

use std::fmt;
use std::sync::Arc;

/// `play/role/task` or `play/role/task[item]`: the same from run to run, whatever the hosts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Address(Arc<str>);

impl Address {
    /// From its text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One level deeper.
    #[must_use]
    pub fn join(&self, segment: &str) -> Self {
        if self.0.is_empty() { Self::new(segment) } else { Self::new(format!("{}/{segment}", self.0)) }
    }

    /// The same task for one item of its loop.
    #[must_use]
    pub fn item(&self, key: &str) -> Self {
        Self::new(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The name of a real place: a host's name, or the environment's `cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", from = "String")]
pub struct PlaceName(Arc<str>);

impl PlaceName {
    /// The one cluster of an environment.
    pub const CLUSTER: &'static str = "cluster";

    /// From its text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlaceName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One thing on a place that a task keeps: two tasks that keep the same thing there must be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Thing {
    /// `path`, `object`, `user` ...: things of different kinds never meet.
    pub kind: std::borrow::Cow<'static, str>,
    /// `/etc/hosts`, `v1/ConfigMap/default/app` ...
    pub name: String,
}

impl Thing {
    /// The thing of `kind` named `name`.
    #[must_use]
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }

    /// A file, link or folder.
    #[must_use]
    pub fn path(path: impl Into<String>) -> Self {
        Self::new("path", path)
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind, self.name)
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Address> for String {
    fn from(name: Address) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl From<String> for PlaceName {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<PlaceName> for String {
    fn from(name: PlaceName) -> Self {
        name.0.as_ref().to_owned()
    }
}
