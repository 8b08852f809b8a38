//! A secret is a type, not a habit.

use std::fmt;
use std::sync::Arc;

use super::Value;

/// A value that must not be shown. It prints as `***`; only [`Secret::reveal`] gives it out, and only
/// what writes it to its place (or renders a template) may call that.
#[derive(Clone, PartialEq)]
pub struct Secret {
    value: Arc<Value>,
    /// What may be seen of it: `***`, or text in which only the secret part is `***`.
    shown: Arc<str>,
}

impl Secret {
    /// The word that stands for a secret wherever one would print.
    pub const MASK: &'static str = "***";

    /// A secret of which nothing may be seen.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value: Arc::new(value), shown: Self::MASK.into() }
    }

    /// A secret made from known text and others: `shown` is the same with the secret parts masked.
    #[must_use]
    pub fn partly(value: Value, shown: impl Into<Arc<str>>) -> Self {
        Self { value: Arc::new(value), shown: shown.into() }
    }

    /// What it holds.
    #[must_use]
    pub fn reveal(&self) -> &Value {
        &self.value
    }

    /// What may be seen.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(Self::MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(Self::MASK)
    }
}
