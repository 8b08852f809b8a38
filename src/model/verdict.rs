//! What a look at a place led to: right, or a change and the steps that make it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{After, Content, Digest, Map, Secret};

/// What a task gives to those that `register` it. Leaves that only the run can know are `Unknown`.
pub type Register = Map;

/// What a resource says of a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<S> {
    /// Nothing to do, and why.
    Right {
        /// Short: `same content`, `creates exists`.
        why: Cow<'static, str>,
        /// What it registers.
        yields: Register,
    },
    /// What would differ, and the steps that make it so.
    Change(Change<S>),
}

impl<S> Verdict<S> {
    /// Right, with nothing to register.
    #[must_use]
    pub fn right(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Right { why: why.into(), yields: Register::new() }
    }
}

/// What would differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<S> {
    /// What sort of change.
    pub action: Action,
    /// Every leaf that changes: this is what is shown, approved and compared at apply.
    pub fields: Vec<Field>,
    /// What is done, in order; it stops at the first that fails.
    pub steps: Vec<S>,
    /// What it registers.
    pub yields: Register,
}

impl<S> Change<S> {
    /// A change of `action` without fields or steps yet.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self { action, fields: Vec::new(), steps: Vec::new(), yields: Register::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, before: Shown, after: Shown) -> Self {
        self.fields.push(Field { name: name.into(), before, after });
        self
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: S) -> Self {
        self.steps.push(step);
        self
    }
}

/// The task that takes away what another one made: what is no longer declared is removed with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// Its resource.
    pub resource: String,
    /// Its parameters. None is secret.
    pub params: BTreeMap<String, String>,
}

impl Undo {
    /// `resource` with `key: value` and `state`.
    #[must_use]
    pub fn new(resource: &str, key: &str, value: impl Into<String>, state: &str) -> Self {
        let params = [(key.to_owned(), value.into()), ("state".to_owned(), state.to_owned())];
        Self { resource: resource.to_owned(), params: params.into() }
    }

    /// `resource` with `key: value` and `state: absent`.
    #[must_use]
    pub fn absent(resource: &str, key: &str, value: impl Into<String>) -> Self {
        Self::new(resource, key, value, "absent")
    }
}

/// Kinds of objects that hold what is lost with them, data or other objects: they are taken away only where somebody said
/// so.
pub const PRECIOUS: &[&str] =
    &["PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition", "Namespace", "Secret"];

/// The sort of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// `-`: something goes away.
    Delete,
    /// `!`: something is run that has no state to return to.
    Run,
    /// `~`: something that is there is altered.
    Update,
    /// `+`: something new.
    Create,
}

impl Action {
    /// Its sign in plans.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Delete => '-',
            Self::Run => '!',
            Self::Update => '~',
            Self::Create => '+',
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Delete => "delete",
            Self::Run => "run",
            Self::Update => "change",
            Self::Create => "create",
        })
    }
}

/// One leaf that changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// `content`, `mode`, `owner`, `spec.replicas` ...
    pub name: Cow<'static, str>,
    /// What is there.
    pub before: Shown,
    /// What will be.
    pub after: Shown,
}

/// One side of a field: what may be shown of it, and what proves it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// Not there.
    Absent,
    /// There, but of no interest (`was there` before a delete).
    Present,
    /// A short value, on one line.
    Value(String),
    /// Text that is shown as a diff by lines.
    Text(String),
    /// Text or a value with a secret in it: `masked` may be shown, `digest` (of the true value; salted in plan
    /// files) proves it is the same.
    Secret {
        /// What may be shown.
        masked: String,
        /// Of the true value.
        digest: Digest,
    },
    /// Content that is no text.
    Binary {
        /// Its length in bytes.
        size: u64,
        /// Its digest.
        digest: Digest,
    },
    /// Not known until a task has run.
    Unknown(After),
}

impl Shown {
    /// A short value.
    #[must_use]
    pub fn value(value: impl fmt::Display) -> Self {
        Self::Value(value.to_string())
    }

    /// Content of a file.
    #[must_use]
    pub fn content(content: &Content) -> Self {
        match std::str::from_utf8(content.bytes()) {
            _ if content.is_secret() => Self::Secret { masked: content.shown().into_owned(), digest: content.digest() },
            Ok(text) if !text.contains('\0') => Self::Text(text.to_owned()),
            _ => Self::Binary { size: content.bytes().len() as u64, digest: content.digest() },
        }
    }

    /// What a place has where `desired` should be: when that holds a secret, lines that are not in it are masked
    /// too, for the old password is one.
    #[must_use]
    pub fn beside(live: &Content, desired: &Content) -> Self {
        if live.is_secret() || !desired.is_secret() || live.digest() == desired.digest() {
            return Self::content(if live.digest() == desired.digest() { desired } else { live });
        }
        let (Ok(text), Ok(raw)) = (std::str::from_utf8(live.bytes()), std::str::from_utf8(desired.bytes())) else {
            return Self::Secret { masked: Secret::MASK.to_owned(), digest: live.digest() };
        };
        let shown = desired.shown();
        let (raw, open): (HashSet<&str>, HashSet<&str>) = (raw.lines().collect(), shown.lines().collect());
        let mut masked = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
            masked.push_str(if raw.contains(body) && open.contains(body) { body } else { Secret::MASK });
            masked.push_str(end);
        }
        Self::Secret { masked, digest: live.digest() }
    }
}
