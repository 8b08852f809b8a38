//! Values of variables, registers and rendered parameters: data, or a secret, or not known yet.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Content, Secret};

/// A mapping of values, in order.
pub type Map = IndexMap<String, Value>;

/// After which task a value will be known: what the plan shows as `(known after: task)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", from = "String")]
pub struct After(pub Arc<str>);

impl After {
    /// Known after the task of that name or address.
    #[must_use]
    pub fn new(task: impl Into<Arc<str>>) -> Self {
        Self(task.into())
    }
}

impl From<String> for After {
    fn from(task: String) -> Self {
        Self(task.into())
    }
}

impl From<After> for String {
    fn from(after: After) -> Self {
        after.0.as_ref().to_owned()
    }
}

impl fmt::Display for After {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "(known after: {})", self.0)
    }
}

/// A value. Its `Debug` and `Display` never show what a secret holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Map),
    /// A file of the project, loaded or rendered (only where a resource asks for one).
    Content(Content),
    /// A secret, whatever it is inside.
    Secret(Secret),
    /// Not known yet.
    Unknown(After),
}

impl Value {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The text, if it is plain text (not a secret).
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entry of a plain mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The first unknown inside, however deep.
    #[must_use]
    pub fn unknown(&self) -> Option<&After> {
        match self {
            Self::Unknown(after) => Some(after),
            Self::List(items) => items.iter().find_map(Self::unknown),
            Self::Map(map) => map.values().find_map(Self::unknown),
            _ => None,
        }
    }

    /// Is there a secret inside, however deep?
    #[must_use]
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Secret(_) => true,
            Self::Content(content) => content.is_secret(),
            Self::List(items) => items.iter().any(Self::has_secret),
            Self::Map(map) => map.values().any(Self::has_secret),
            _ => false,
        }
    }

    /// `text`, `a mapping` ...: for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Content(_) => "a file",
            Self::Secret(_) => "a secret",
            Self::Unknown(_) => "a value that is not known yet",
        }
    }

    /// As JSON for people and machines: secrets as `***`, unknowns as `(known after: task)`.
    #[must_use]
    pub fn to_shown_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Int(number) => Json::from(*number),
            Self::Float(number) => Json::from(*number),
            Self::Text(text) => Json::from(&**text),
            Self::List(items) => items.iter().map(Self::to_shown_json).collect(),
            Self::Map(map) => {
                Json::Object(map.iter().map(|(key, value)| (key.clone(), value.to_shown_json())).collect())
            }
            Self::Content(content) => Json::from(content.shown().into_owned()),
            Self::Secret(secret) => Json::from(secret.shown()),
            Self::Unknown(after) => Json::from(after.to_string()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            other => write!(out, "{}", other.to_shown_json()),
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(items)
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(truth),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(map) => Self::Map(map.into_iter().map(|(key, value)| (key, Self::from(value))).collect()),
        }
    }
}
