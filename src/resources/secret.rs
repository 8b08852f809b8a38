//! `secret`: a Secret of the cluster, whose values are given, or made up once and kept.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::kinds;
use super::manifest::{Looked, Manifest};
use super::member;
use crate::model::decode::Misfit;
use crate::model::{
    After, Arg, Change, Doc, Field, Halt, Map, Register, Resource, Secret as Sealed, Shown, Thing, Undo, Value, Verdict,
};
use crate::targets::cluster::{Cluster, ClusterProbe, Live, Object, ObjectId, Recipe, Step};

/// A Secret of the cluster. Values under `generate` are made up when they are not there, and kept from then on; those who
/// `register` it get them as secrets: `name.data.key`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    /// Its name.
    name: String,
    /// Its namespace.
    #[serde(default = "kinds::default_namespace")]
    namespace: String,
    /// `Opaque`, `kubernetes.io/tls`, `kubernetes.io/dockerconfigjson` ...
    #[serde(default = "opaque", rename = "type")]
    kind: String,
    /// Values by key, as text (not base64).
    #[serde(default)]
    data: IndexMap<String, Arg<String>>,
    /// Values that are made up once.
    #[serde(default)]
    generate: IndexMap<String, Generate>,
    /// Any text: when it is another than the last time, all values of `generate` are made up anew. Let what uses them
    /// restart by `notify`.
    rotate: Option<String>,
}

/// How a value is made up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Generate {
    /// How many characters.
    #[serde(default = "long")]
    length: usize,
    /// Of which: ranges as in `a-zA-Z0-9_`.
    #[serde(default = "alphanumeric")]
    alphabet: String,
}

fn opaque() -> String {
    "Opaque".to_owned()
}

fn long() -> usize {
    32
}

fn alphanumeric() -> String {
    "a-zA-Z0-9".to_owned()
}

/// Where the `rotate` of the last time is kept.
const ROTATED: &str = "lions.dev/rotate";
/// Stands in for a value that is not made up yet, where the API is asked what it would do, and in the shadow.
const TO_COME: &str = "(generated)";

fn to_come() -> Value {
    Value::Secret(Sealed::new(Value::text(BASE64.encode(TO_COME))))
}

/// What is there, and what would come of it.
#[derive(Debug)]
pub(super) struct Seen {
    live: Option<Arc<Live>>,
    /// Keys to make up.
    due: Vec<String>,
    looked: Vec<Looked>,
    /// Of which set it shall be a member.
    set: Option<String>,
}

impl Generate {
    /// The letters of `alphabet`, each once.
    fn letters(&self) -> Vec<char> {
        let all: Vec<char> = self.alphabet.chars().collect();
        let mut letters = Vec::new();
        let mut at = 0;
        while let Some(&first) = all.get(at) {
            let range = all.get(at + 1) == Some(&'-') && all.get(at + 2).is_some_and(|last| first <= *last);
            let last = if range { all[at + 2] } else { first };
            letters.extend((first..=last).filter(|letter| !letters.contains(letter)).collect::<Vec<_>>());
            at += if range { 3 } else { 1 };
        }
        letters
    }

    fn recipe(&self) -> Recipe {
        Recipe { length: self.length, alphabet: self.letters() }
    }
}

impl Secret {
    fn id(&self) -> ObjectId {
        ObjectId {
            api_version: "v1".to_owned(),
            kind: "Secret".to_owned(),
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
        }
    }

    /// Keys whose values have to be made up.
    fn due(&self, live: Option<&Live>) -> Vec<String> {
        let annotations =
            live.and_then(|live| live.value.get("metadata")).and_then(|metadata| metadata.get("annotations"));
        let rotated = annotations.and_then(|annotations| annotations.get(ROTATED)).and_then(Value::as_text);
        let turned = live.is_some() && self.rotate.is_some() && rotated != self.rotate.as_deref();
        let there =
            |key: &str| live.is_some_and(|live| live.value.get("data").and_then(|data| data.get(key)).is_some());
        self.generate.keys().filter(|key| turned || !there(key)).cloned().collect()
    }

    /// The object, with values as they are kept; those that are not made up yet are left out, or stood in for.
    fn object(&self, live: Option<&Live>, due: &[String], stand_in: bool) -> Value {
        let mut metadata = Value::from(json!({ "name": self.name, "namespace": self.namespace }));
        if let (Some(rotate), Value::Map(metadata)) = (&self.rotate, &mut metadata) {
            metadata.insert("annotations".to_owned(), Value::from(json!({ ROTATED: rotate })));
        }
        let mut data = Map::new();
        for key in self.generate.keys() {
            let kept = live.and_then(|live| live.value.get("data")).and_then(|data| data.get(key));
            let value = if due.contains(key) { stand_in.then(to_come) } else { kept.cloned() };
            data.extend(value.map(|value| (key.clone(), value)));
        }
        let given = self.data.iter().map(|(key, value)| {
            let value = match value {
                Arg::Known(text) => Value::text(text.as_str()),
                Arg::Secret(sealed) => {
                    Value::Secret(Sealed::partly(Value::text(sealed.value.as_str()), sealed.shown.as_str()))
                }
                Arg::Unknown(after) => Value::Unknown(after.clone()),
            };
            (key.clone(), value)
        });
        let mut object = Map::from([
            ("apiVersion".to_owned(), Value::text("v1")),
            ("kind".to_owned(), Value::text("Secret")),
            ("metadata".to_owned(), metadata),
            ("type".to_owned(), Value::text(self.kind.as_str())),
        ]);
        if !data.is_empty() {
            object.insert("data".to_owned(), Value::Map(data));
        }
        if !self.data.is_empty() {
            object.insert("stringData".to_owned(), Value::Map(given.collect()));
        }
        Value::Map(object)
    }

    fn manifest(&self, live: Option<&Live>, due: &[String]) -> Manifest {
        Manifest::of(self.object(live, due, true), &self.namespace, Some(false))
    }

    /// What it registers: every value that is known, as a secret.
    fn yields(&self, live: Option<&Live>, due: &[String]) -> Register {
        let kept =
            |key: &String| live.and_then(|live| live.value.get("data")).and_then(|data| data.get(key)).map(decoded);
        let made = self.generate.keys().map(|key| {
            let known = kept(key).filter(|value| !due.contains(key) && *value != decoded(&to_come()));
            let unknown = || Value::Unknown(After::new("it is made up"));
            (key.clone(), known.unwrap_or_else(unknown))
        });
        let given = self.data.iter().map(|(key, value)| {
            let value = match value {
                Arg::Unknown(after) => Value::Unknown(after.clone()),
                Arg::Known(text) => Value::Secret(Sealed::new(Value::text(text.as_str()))),
                Arg::Secret(sealed) => Value::Secret(Sealed::new(Value::text(sealed.value.as_str()))),
            };
            (key.clone(), value)
        });
        Register::from([(DATA.to_owned(), Value::Map(made.chain(given).collect()))])
    }
}

/// Under which name it registers its values.
const DATA: &str = "data";

/// A value of a Secret as text; what is no text stays base64.
fn decoded(value: &Value) -> Value {
    let Value::Secret(secret) = value else { return value.clone() };
    let text = secret.reveal().as_text().and_then(|text| BASE64.decode(text).ok());
    let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
    Value::Secret(Sealed::new(text.map_or_else(|| secret.reveal().clone(), Value::text)))
}

/// How the diff names a key of `data`.
fn field_of(key: &str) -> [String; 2] {
    [format!("data.{key}"), format!("data[\"{key}\"]")]
}

impl Resource for Secret {
    const NAME: &'static str = "secret";
    const DOC: Doc = Doc {
        summary: "a Secret of the cluster, whose values are given, or made up once and kept",
        example: "\
- name: password of the database
  secret:
    name: postgres
    namespace: postgres
    data: { username: keycloak }
    generate: { password: { length: 40 } }
  register: database
- name: keycloak knows it
  secret:
    name: database
    namespace: keycloak
    data: { url: \"postgres://keycloak@postgres\" }
",
    };
    type Target = Cluster;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let names = [kinds::named("name", &self.name), kinds::named("namespace", &self.namespace)];
        let mut misfits: Vec<Misfit> = names.into_iter().flatten().collect();
        let key = |key: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !key.is_empty() && key.bytes().all(fits)
        };
        for name in self.data.keys().chain(self.generate.keys()).filter(|name| !key(name)) {
            misfits.push(Misfit::new("data", format!("{name:?} is not a key: letters, digits, `-`, `_` and `.`")));
        }
        for (key, recipe) in &self.generate {
            if self.data.contains_key(key) {
                misfits.push(Misfit::new("generate", format!("`{key}` is given in `data` already")));
            }
            let letters = recipe.letters().len();
            // Less than 64 bits can be guessed.
            if letters < 2
                || f64::from(u32::try_from(recipe.length).unwrap_or(u32::MAX))
                    * f64::from(u32::try_from(letters).unwrap_or(u32::MAX)).log2()
                    < 64.0
            {
                let why = format!("{} characters out of {letters} can be guessed: take more", recipe.length);
                misfits.push(Misfit::new("generate", why));
            } else if recipe.length > 4096 {
                misfits.push(Misfit::new("generate", format!("`{key}` is longer than 4096 characters")));
            }
        }
        if self.rotate.is_some() && self.generate.is_empty() {
            misfits.push(Misfit::new("rotate", "nothing is generated here"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![self.id().thing()]
    }

    fn undo(&self) -> Option<Undo> {
        Some(member::undo())
    }

    async fn read(&self, probe: &ClusterProbe) -> Result<Seen, Halt> {
        let live = probe.get(&self.id()).await?;
        let due = self.due(live.as_deref());
        let looked = self.manifest(live.as_deref(), &due).read(probe).await?;
        let set = probe.part_of(live.as_deref()).map(str::to_owned);
        Ok(Seen { live, due, looked, set })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let Seen { live, due, looked, set } = current;
        let live = live.as_deref();
        let yields = self.yields(live, due);
        let change = match self.manifest(live, due).plan(looked)? {
            Verdict::Right { why, .. } => return Ok(Verdict::Right { why, yields }),
            Verdict::Change(change) => change,
        };
        let generated: Vec<String> = due.iter().flat_map(|key| field_of(key)).collect();
        let fields = change.fields.into_iter().map(|field| {
            if generated.contains(&field.name.to_string()) {
                Field { after: Shown::value(TO_COME), ..field }
            } else {
                field
            }
        });
        let mut change = Change { fields: fields.collect(), yields, ..change };
        if !due.is_empty() {
            let uid = live.and_then(Live::uid).map(str::to_owned);
            let object = |stand_in| Object::new(self.id(), self.object(live, due, stand_in)).joined(set.as_deref());
            let (object, result) = (object(false), Live::promised(&object(true)));
            let generate = due.iter().filter_map(|key| Some((key.clone(), self.generate.get(key)?.recipe()))).collect();
            change.steps = vec![Step::Generate { object, uid, generate, given: yielded(&change.yields), result }];
        }
        Ok(Verdict::Change(change))
    }
}

/// What is registered beside what is made up.
fn yielded(yields: &Register) -> Map {
    match yields.get(DATA) {
        Some(Value::Map(data)) => data
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Unknown(_)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        _ => Map::new(),
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values that nobody called secret are, here.
        let keys: Vec<&String> = self.data.keys().chain(self.generate.keys()).collect();
        out.debug_struct("Secret").field("name", &self.name).field("keys", &keys).finish_non_exhaustive()
    }
}
