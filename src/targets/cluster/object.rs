//! Objects as values: what is declared, and what was found. Data of Secrets is sealed as soon as it is read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;

use super::FIELD_MANAGER;
use super::managed::{self, Fields, Manager};
use crate::model::{After, Fault, Map, Secret, Thing, Value};

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `ConfigMap`.
    pub kind: String,
    /// `None` for what lives beside namespaces.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectId {
    /// The group: empty for the core.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The namespace `name`.
    #[must_use]
    pub fn of_namespace(name: &str) -> Self {
        Self { api_version: "v1".into(), kind: "Namespace".into(), namespace: None, name: name.into() }
    }

    /// The kind of [`Thing`] that objects are.
    pub const THING: &'static str = "object";

    /// As a thing that a task keeps.
    #[must_use]
    pub fn thing(&self) -> Thing {
        Thing::new(Self::THING, self.to_string())
    }

    /// From its text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let segments: Vec<&str> = text.split('/').collect();
        // Kinds begin with a capital, versions do not: that tells where the group version ends.
        let kind_at =
            segments.iter().position(|segment| segment.starts_with(|first: char| first.is_ascii_uppercase()))?;
        let api_version = segments[..kind_at].join("/");
        let (kind, namespace, name) = match &segments[kind_at..] {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some((*namespace).to_owned()), name),
            _ => return None,
        };
        Some(Self { api_version, kind: (*kind).to_owned(), namespace, name: (*name).to_owned() })
    }

    /// Does it bring kinds?
    #[must_use]
    pub fn defines_kinds(&self) -> bool {
        self.kind == "CustomResourceDefinition" && self.group() == "apiextensions.k8s.io"
    }

    /// Is it a Secret, whose data is never shown?
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.kind == "Secret" && self.api_version == "v1"
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/", self.api_version, self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(out, "{namespace}/")?;
        }
        out.write_str(&self.name)
    }
}

/// What is declared of an object. Leaves may be secret or not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Which.
    pub id: ObjectId,
    /// All that is declared, `apiVersion` and `kind` included.
    pub body: Value,
}

impl Object {
    /// The object `id` with that body. Data of a Secret is sealed, and its `stringData` becomes `data`: the API
    /// would do so too, but leave the ownership of fields behind that nobody can read.
    #[must_use]
    pub fn new(id: ObjectId, mut body: Value) -> Self {
        if let (true, Value::Map(map)) = (id.is_secret(), &mut body) {
            seal_data(map);
        }
        Self { id, body }
    }
}

/// An object as the API gave it, or as it would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Everything but `managedFields`.
    pub value: Value,
    /// Who owns which fields.
    pub managers: Vec<Manager>,
}

impl Live {
    /// From what the API answered.
    #[must_use]
    pub fn new(id: &ObjectId, mut json: Json) -> Self {
        let managers = managed::managers(&json);
        if let Some(metadata) = json.get_mut("metadata").and_then(Json::as_object_mut) {
            metadata.remove("managedFields");
            if id.is_secret()
                && let Some(annotations) = metadata.get_mut("annotations").and_then(Json::as_object_mut)
            {
                // `kubectl apply` keeps a copy of the whole Secret there.
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        }
        let mut value = Value::from(json);
        if let (true, Value::Map(map)) = (id.is_secret(), &mut value) {
            seal_data(map);
        }
        Self { value, managers }
    }

    /// What an object would be that the API cannot be asked about: what is declared, all of it ours.
    #[must_use]
    pub fn promised(object: &Object) -> Self {
        let fields = fields_of(&object.body);
        let api_version = object.id.api_version.clone();
        let name = FIELD_MANAGER.to_owned();
        let ours = Manager { name, api_version, applied: true, subresource: String::new(), fields };
        Self { value: object.body.clone(), managers: vec![ours] }
    }

    /// Tells one object from a later one of the same name.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        self.value.get("metadata")?.get("uid")?.as_text()
    }

    /// Is it on its way out?
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.value.get("metadata").is_some_and(|metadata| metadata.get("deletionTimestamp").is_some())
    }

    /// Is `other` the same but for what the API counts and reports by itself?
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let declared = |live: &Self| {
            let mut json = reveal(&live.value).ok()?;
            let object = json.as_object_mut()?;
            object.remove("status");
            if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) {
                for counted in ["resourceVersion", "generation", "creationTimestamp", "uid"] {
                    metadata.remove(counted);
                }
            }
            Some((json, live.ours()))
        };
        declared(self).is_some_and(|mine| declared(other) == Some(mine))
    }

    /// What we own by server-side apply.
    #[must_use]
    pub fn ours(&self) -> Fields {
        let ours = self.managers.iter().find(|manager| manager.is_ours());
        ours.map(|manager| manager.fields.clone()).unwrap_or_default()
    }
}

/// The leaves of a declaration as fields that it would own; lists as a whole, for their keys are the API's to know.
fn fields_of(body: &Value) -> Fields {
    fn below(value: &Value, top: bool) -> Fields {
        let Value::Map(map) = value else { return Fields::default() };
        let identity = |key: &str| top && matches!(key, "apiVersion" | "kind");
        let entries = map.iter().filter(|(key, _)| !identity(key));
        Fields { below: entries.map(|(key, value)| (format!("f:{key}"), below(value, false))).collect() }
    }
    let mut fields = below(body, true);
    if let Some(metadata) = fields.below.get_mut("f:metadata") {
        metadata.below.remove("f:name");
        metadata.below.remove("f:namespace");
        if metadata.is_empty() {
            fields.below.remove("f:metadata");
        }
    }
    fields
}

/// Can the kinds of this definition be used?
///
/// # Errors
/// A fault when they never will be.
pub(super) fn established(definition: &Value) -> Result<bool, Fault> {
    let conditions = definition.get("status").and_then(|status| status.get("conditions"));
    let conditions = match conditions {
        Some(Value::List(conditions)) => conditions.as_slice(),
        _ => &[],
    };
    let text =
        |condition: &Value, key: &str| condition.get(key).and_then(Value::as_text).unwrap_or_default().to_owned();
    let find = |name: &str| conditions.iter().find(|condition| text(condition, "type") == name);
    if let Some(refused) = find("NamesAccepted").filter(|condition| text(condition, "status") == "False") {
        return Err(Fault::failed("the cluster does not accept the names of a definition of kinds")
            .cause(text(refused, "message"))
            .help("another definition has one of these names: remove it, or choose others"));
    }
    Ok(find("Established").is_some_and(|condition| text(condition, "status") == "True"))
}

/// `value` behind every seal, for comparing and sending; the reason when something in it is not known yet.
///
/// # Errors
/// What the first unknown leaf will be known after.
pub fn reveal(value: &Value) -> Result<Json, After> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Text(text) => Json::from(&**text),
        Value::List(items) => Json::Array(items.iter().map(reveal).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| Ok((key.clone(), reveal(value)?)));
            Json::Object(entries.collect::<Result<_, After>>()?)
        }
        Value::Content(content) => Json::from(String::from_utf8_lossy(content.bytes()).into_owned()),
        Value::Secret(secret) => reveal(secret.reveal())?,
        Value::Unknown(after) => return Err(after.clone()),
    })
}

fn seal(value: &Value) -> Value {
    match value {
        Value::Secret(secret) => Value::Secret(Secret::new(secret.reveal().clone())),
        Value::Unknown(_) => value.clone(),
        other => Value::Secret(Secret::new(other.clone())),
    }
}

/// Seals `data`, and moves `stringData` there.
fn seal_data(map: &mut Map) {
    let encode = |value: &Value| match value {
        Value::Text(text) => Value::text(BASE64.encode(text.as_bytes())),
        // Not text: the API says so better.
        other => other.clone(),
    };
    let string_data = map.shift_remove("stringData");
    if let Some(data) = map.get_mut("data") {
        *data = sealed_entries(data, &Value::clone);
    }
    let Some(string_data) = string_data else { return };
    let encoded = sealed_entries(&string_data, &encode);
    match (map.get_mut("data"), encoded) {
        (Some(Value::Map(data)), Value::Map(more)) => data.extend(more),
        (_, encoded) => {
            map.insert("data".to_owned(), encoded);
        }
    }
}

fn sealed_entries(value: &Value, change: &dyn Fn(&Value) -> Value) -> Value {
    match value {
        Value::Map(map) => {
            let entry = |value: &Value| match value {
                Value::Secret(secret) => seal(&change(secret.reveal())),
                Value::Unknown(_) => value.clone(),
                other => seal(&change(other)),
            };
            Value::Map(map.iter().map(|(key, value)| (key.clone(), entry(value))).collect())
        }
        Value::Secret(secret) if matches!(secret.reveal(), Value::Map(_)) => sealed_entries(secret.reveal(), change),
        other => seal(other),
    }
}
