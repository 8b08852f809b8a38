//! Typed parameters from rendered values. A value knows secrets and unknowns, serde does not: `Arg` and
//! `Content` parameters come through newtype names that only this deserializer and those types know.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{After, Arg, Content, NamedText, Sealed, Value};

/// A parameter that does not fit: where in the parameters, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    /// Keys and indices from the task's parameters inwards.
    pub path: Vec<String>,
    /// Lower case, names in backticks.
    pub why: String,
    /// Set when the only trouble is that the value is not known yet.
    pub unknown: Option<After>,
}

impl Misfit {
    /// The parameter `name` does not fit because of `why`.
    #[must_use]
    pub fn new(name: &str, why: impl Into<String>) -> Self {
        let path = if name.is_empty() { Vec::new() } else { vec![name.to_owned()] };
        Self { path, why: why.into(), unknown: None }
    }

    fn under(mut self, segment: impl Into<String>) -> Self {
        self.path.insert(0, segment.into());
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(out, "`{}`: ", self.path.join("."))?;
        }
        out.write_str(&self.why)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: Vec::new(), why: message.to_string(), unknown: None }
    }
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let why = match crate::source::did_you_mean(field, expected.iter().copied()) {
            Some(near) => format!("unknown parameter `{field}`, did you mean `{near}`?"),
            None => format!("unknown parameter `{field}`, known are {}", list(expected)),
        };
        Self { path: vec![field.to_owned()], why, unknown: None }
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!("`{variant}` is not one of {}", list(expected)))
    }
    fn invalid_type(got: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        use de::Unexpected;
        let got = match got {
            Unexpected::Str(text) => format!("the text `{text}`"),
            Unexpected::Bool(truth) => format!("`{truth}`"),
            Unexpected::Signed(number) => format!("the number `{number}`"),
            Unexpected::Unsigned(number) => format!("the number `{number}`"),
            Unexpected::Float(number) => format!("the number `{number}`"),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a mapping".to_owned(),
            Unexpected::Unit => "nothing".to_owned(),
            other => other.to_string(),
        };
        let expected = match expected.to_string().as_str() {
            "a string" => "text".to_owned(),
            "a boolean" => "`true` or `false`".to_owned(),
            "a sequence" => "a list".to_owned(),
            "a map" => "a mapping".to_owned(),
            "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
            other => other.strip_prefix("struct ").map_or_else(|| other.to_owned(), |_| "a mapping".to_owned()),
        };
        Self::custom(format!("{expected} is expected, not {got}"))
    }
    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the parameter `{field}` is missing"))
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `value` as a `T`.
///
/// # Errors
/// The first parameter that does not fit.
pub fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    T::deserialize(Decoder(value))
}

const ARG: &str = "$lions::Arg";
const CONTENT: &str = "$lions::Content";
const TEXTS: &str = "$lions::Texts";
const DATA: &str = "$lions::Data";
/// The key under which [`Pair`] brings an unknown, and the one that what may be shown of a secret follows.
const UNKNOWN: &str = "unknown";
const SECRET: &str = "secret ";

/// Takes a [`Content`] parameter.
pub(super) fn content<'de, D: de::Deserializer<'de>>(from: D) -> Result<Content, D::Error> {
    match from.deserialize_newtype_struct(CONTENT, SlotVisitor)? {
        Value::Content(content) => Ok(content),
        _ => Err(de::Error::custom("a file of the project is expected")),
    }
}

/// Takes a [`FileTexts`](super::FileTexts) parameter.
pub(super) fn texts<'de, D: de::Deserializer<'de>>(from: D) -> Result<Vec<NamedText>, D::Error> {
    let wrong = || de::Error::custom("files of the project are expected");
    match from.deserialize_newtype_struct(TEXTS, SlotVisitor)? {
        Value::List(files) => files.iter().map(NamedText::from_value).collect::<Option<_>>().ok_or_else(wrong),
        one => NamedText::from_value(&one).map(|one| vec![one]).ok_or_else(wrong),
    }
}

/// A parameter that is a mapping or a list of any form: secrets and unknowns stay where they are inside.
#[derive(Clone, Debug, PartialEq)]
pub struct Data(pub Value);

impl<'de> de::Deserialize<'de> for Data {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_newtype_struct(DATA, SlotVisitor).map(Self)
    }
}

impl JsonSchema for Data {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Data".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "array"] })
    }
}

thread_local! {
    // A value cannot travel through serde's data model, so it is left in a slot of this thread.
    static SLOT: std::cell::RefCell<Option<Value>> = const { std::cell::RefCell::new(None) };
}

struct SlotVisitor;

impl Visitor<'_> for SlotVisitor {
    type Value = Value;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a file or data of the project")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        SLOT.take().ok_or_else(|| E::custom("a file or data of the project is expected"))
    }
}

impl<'de, T: de::Deserialize<'de>> de::Deserialize<'de> for Arg<T> {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_newtype_struct(ARG, ArgVisitor(std::marker::PhantomData))
    }
}

struct ArgVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: de::Deserialize<'de>> Visitor<'de> for ArgVisitor<T> {
    type Value = Arg<T>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }
    fn visit_newtype_struct<D: de::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        T::deserialize(from).map(Arg::Known)
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let key = entries.next_key::<String>()?.unwrap_or_default();
        match key.strip_prefix(SECRET) {
            Some(shown) => Ok(Arg::Secret(Sealed { shown: shown.to_owned(), value: entries.next_value::<T>()? })),
            None => Ok(Arg::Unknown(After::new(entries.next_value::<String>()?))),
        }
    }
}

/// Hands one `Value` to serde.
struct Decoder<'a>(&'a Value);

impl Decoder<'_> {
    fn wrong(&self, expected: &dyn de::Expected) -> Misfit {
        let got = match self.0 {
            Value::Text(text) => format!("the text `{text}`"),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => format!("`{}`", self.0),
            other => other.kind().to_owned(),
        };
        de::Error::custom(format!("{expected} is expected, not {got}"))
    }
}

impl<'de> de::Deserializer<'de> for Decoder<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Map(map) => visitor.visit_map(Entries { entries: map.iter(), value: None }),
            Value::Content(_) => Err(de::Error::custom("a file is not expected here")),
            Value::Secret(_) => Err(de::Error::custom("this parameter is shown in plans and may not be a secret")),
            Value::Unknown(after) => {
                Err(Misfit { path: Vec::new(), why: format!("not known yet {after}"), unknown: Some(after.clone()) })
            }
        }
    }

    /// As in Ansible, a number or a truth value is welcome where text is wanted: `"{{ port }}"` keeps its type.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => visitor.visit_string(self.0.to_string()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        match (name, self.0) {
            (ARG, Value::Unknown(after)) => {
                let after = Value::Text(after.0.clone());
                visitor.visit_map(Pair { key: Some(UNKNOWN.to_owned()), value: &after })
            }
            (ARG, Value::Secret(secret)) => {
                let key = format!("{SECRET}{}", secret.shown());
                let kind = secret.reveal().kind();
                // What a visitor says of a value that does not fit holds the value.
                visitor
                    .visit_map(Pair { key: Some(key), value: secret.reveal() })
                    .map_err(|_| de::Error::custom(format!("the secret, which is {kind}, does not fit here")))
            }
            (DATA, Value::Map(_) | Value::List(_))
            | (CONTENT, Value::Content(_))
            | (TEXTS, Value::Content(_) | Value::List(_)) => {
                SLOT.set(Some(self.0.clone()));
                visitor.visit_unit()
            }
            (DATA, Value::Secret(secret)) if matches!(secret.reveal(), Value::Map(_) | Value::List(_)) => {
                SLOT.set(Some(self.0.clone()));
                visitor.visit_unit()
            }
            (DATA | CONTENT | TEXTS, Value::Unknown(_)) => self.deserialize_any(visitor),
            (DATA, _) => Err(self.wrong(&"a mapping or a list")),
            // A literal that `validate` types before any file is loaded.
            (CONTENT, Value::Text(_)) => {
                SLOT.set(Some(Value::Content(Content::open(Vec::new()))));
                visitor.visit_unit()
            }
            (TEXTS, Value::Text(_)) => {
                SLOT.set(Some(Value::List(Vec::new())));
                visitor.visit_unit()
            }
            (CONTENT, _) => Err(self.wrong(&"the name of a file")),
            (TEXTS, _) => Err(self.wrong(&"the name of a file or a folder")),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Text(text) => visitor.visit_enum(IntoDeserializer::<Misfit>::into_deserializer(&**text)),
            Value::Map(map) if map.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries { entries: map.iter(), value: None }))
            }
            Value::Unknown(_) | Value::Secret(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong(&"one of a few words")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char
        bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Misfit;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        self.items
            .next()
            .map(|(at, item)| seed.deserialize(Decoder(item)).map_err(|misfit| misfit.under(at.to_string())))
            .transpose()
    }
}

struct Entries<'a> {
    entries: indexmap::map::Iter<'a, String, Value>,
    value: Option<(&'a str, &'a Value)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Misfit;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, value));
        seed.deserialize(IntoDeserializer::<Misfit>::into_deserializer(key.as_str())).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Misfit> {
        let (key, value) = self.value.take().ok_or_else(|| <Misfit as de::Error>::custom("a value without a key"))?;
        seed.deserialize(Decoder(value)).map_err(|misfit| misfit.under(key))
    }
}

/// One key and its value, as a mapping: how secrets and unknowns reach [`ArgVisitor`].
struct Pair<'a> {
    key: Option<String>,
    value: &'a Value,
}

impl<'de> de::MapAccess<'de> for Pair<'_> {
    type Error = Misfit;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some(key) = self.key.take() else { return Ok(None) };
        seed.deserialize(IntoDeserializer::<Misfit>::into_deserializer(key)).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(Decoder(self.value))
    }
}
