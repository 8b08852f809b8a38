//! What a file holds, or should hold: bytes, their digest, and what may be shown of them.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{After, Value};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let mut out = [0; 32];
        // A sign is no digit, though numbers may have one.
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(out))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(from)?;
        Self::from_hex(&hex).ok_or_else(|| serde::de::Error::custom("64 hexadecimal digits expected"))
    }
}

/// The content of a file. Cheap to clone. `Debug` shows no content.
#[derive(Clone)]
pub struct Content {
    bytes: Arc<[u8]>,
    /// Text with `***` in the place of secrets; `None` when there is no secret in it.
    masked: Option<Arc<str>>,
    digest: Arc<OnceLock<Digest>>,
}

impl Content {
    /// Content without secrets.
    #[must_use]
    pub fn open(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { bytes: bytes.into(), masked: None, digest: Arc::default() }
    }

    /// Content with secrets, and what may be shown of it.
    #[must_use]
    pub fn sealed(bytes: impl Into<Arc<[u8]>>, masked: impl Into<Arc<str>>) -> Self {
        Self { bytes: bytes.into(), masked: Some(masked.into()), digest: Arc::default() }
    }

    /// The bytes, secrets and all.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Does it hold a secret?
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.masked.is_some()
    }

    /// What may be shown: the text, masked; binary content is described, not shown.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        match (&self.masked, std::str::from_utf8(&self.bytes)) {
            (Some(masked), _) => Cow::Borrowed(masked),
            (None, Ok(text)) if !text.contains('\0') => Cow::Borrowed(text),
            _ => Cow::Owned(format!("({} bytes, not text)", self.bytes.len())),
        }
    }

    /// The digest of the bytes, computed once.
    #[must_use]
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(&self.bytes))
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.masked == other.masked
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Content({} bytes)", self.bytes.len())
    }
}

/// A parameter that names a file of the role's (or project's) `files/`: `language` loads it, the resource
/// gets its content. In the text and in the schema it is a path.
#[derive(Clone, Debug, PartialEq)]
pub struct FileText(pub Content);

/// A parameter that names a template of the role's (or project's) `templates/`: `language` loads and renders
/// it for the place, the resource gets the result. In the text and in the schema it is a path.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateText(pub Content);

/// A parameter that names a file of the role's (or project's) `files/` or `templates/`, or a folder there with YAML files:
/// `language` loads them, and renders those whose names end in `.j2`. In the text and in the schema it is a path.
#[derive(Clone, Debug, PartialEq)]
pub struct FileTexts(pub Vec<NamedText>);

/// A file of [`FileTexts`].
#[derive(Clone, Debug, PartialEq)]
pub struct NamedText {
    /// Its path in the project; empty where nobody knows it.
    pub path: String,
    /// Its text; what it will be known after, if it is not yet.
    pub content: Result<Content, After>,
}

impl NamedText {
    /// Under which keys of a mapping `language` hands them on.
    pub const KEYS: (&'static str, &'static str) = ("path", "content");

    /// From what `language` hands on.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let (path, content) = Self::KEYS;
        if let Value::Content(content) = value {
            return Some(Self { path: String::new(), content: Ok(content.clone()) });
        }
        let content = match value.get(content)? {
            Value::Content(content) => Ok(content.clone()),
            Value::Unknown(after) => Err(after.clone()),
            _ => return None,
        };
        Some(Self { path: value.get(path)?.as_text()?.to_owned(), content })
    }
}

/// A parameter that names a folder of the role's (or project's) `files/` with a kustomization: the resource gets what it comes
/// to. In the text and in the schema it is a path.
#[derive(Clone, Debug, PartialEq)]
pub struct KustomizedText(pub Content);

macro_rules! source_parameter {
    ($name:ident, $folder:literal) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "x-lions-source": $folder })
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                super::decode::content(from).map(Self)
            }
        }
    };
}
source_parameter!(FileText, "files");
source_parameter!(TemplateText, "templates");
source_parameter!(KustomizedText, "kustomize");

impl JsonSchema for FileTexts {
    fn schema_name() -> Cow<'static, str> {
        "FileTexts".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-lions-source": "manifests" })
    }
}

impl<'de> Deserialize<'de> for FileTexts {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        super::decode::texts(from).map(Self)
    }
}
