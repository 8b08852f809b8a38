//! Parameters that a template may leave open.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::After;

/// A parameter that may be known, secret, or not known yet. In YAML and in the schema it is a `T`.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg<T> {
    /// A value that may be shown.
    Known(T),
    /// A value that may not.
    Secret(Sealed<T>),
    /// A value that a task that has not run yet will give.
    Unknown(After),
}

/// A typed secret, and what may be shown of it.
#[derive(Clone, PartialEq)]
pub struct Sealed<T> {
    /// The secret.
    pub value: T,
    /// What may be shown: `***`, or text in which the secret part is `***`.
    pub shown: String,
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(super::Secret::MASK)
    }
}

impl<T> Arg<T> {
    /// The value, secret or not; the reason when it is not known.
    ///
    /// # Errors
    /// What it will be known after.
    pub fn value(&self) -> Result<&T, After> {
        match self {
            Self::Known(value) | Self::Secret(Sealed { value, .. }) => Ok(value),
            Self::Unknown(after) => Err(after.clone()),
        }
    }

    /// Is it a secret?
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

impl<T: JsonSchema> JsonSchema for Arg<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
