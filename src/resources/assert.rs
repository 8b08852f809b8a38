//! `assert`: conditions that must hold before the next task runs.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de};

use crate::model::decode::Misfit;
use crate::model::{Arg, Doc, Fault, Halt, Resource, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// Conditions that must hold before the next task runs: looked at in plan already.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assert {
    /// Conditions, all of which must be true.
    that: Vec<Arg<Condition>>,
    /// What to say when one is not.
    #[serde(alias = "msg")]
    #[schemars(extend("x-lions-aliases" = ["msg"]))]
    fail_msg: Option<String>,
    /// What to say when all are.
    success_msg: Option<String>,
}

/// A condition, evaluated by the language: `true`, `false`, or with its text.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    holds: bool,
    text: Option<String>,
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Condition;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a condition, `true` or `false`,")
            }
            fn visit_bool<E: de::Error>(self, holds: bool) -> Result<Condition, E> {
                Ok(Condition { holds, text: None })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Condition, E> {
                Err(E::custom(format!(
                    "a condition is `true` or `false`, not text: write it as `\"{{{{ {text} }}}}\"`"
                )))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Condition, A::Error> {
                let (mut holds, mut text) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "holds" => holds = Some(map.next_value()?),
                        "text" => text = Some(map.next_value()?),
                        _ => return Err(de::Error::custom("a condition is `true` or `false`, not a mapping")),
                    }
                }
                let holds =
                    holds.ok_or_else(|| de::Error::custom("a condition is `true` or `false`, not a mapping"))?;
                Ok(Condition { holds, text })
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The keyword tells `language` that a text here is an expression, as in `when`.
        json_schema!({ "type": ["boolean", "string"], "x-lions-condition": true })
    }
}

impl Resource for Assert {
    const NAME: &'static str = "assert";
    const DOC: Doc = Doc {
        summary: "conditions that must hold before the next task runs",
        example: "\
- name: enough memory
  assert:
    that: [true]
    fail_msg: a server needs 2 GB of memory
",
    };
    type Target = Host;
    type State = ();

    fn check(&self) -> Vec<Misfit> {
        if self.that.is_empty() { vec![Misfit::new("that", "it names no condition")] } else { Vec::new() }
    }

    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    async fn read(&self, _: &HostProbe) -> Result<(), Halt> {
        Ok(())
    }

    fn plan(&self, (): &()) -> Result<Verdict<Step>, Halt> {
        let mut open = None;
        let mut broken = Vec::new();
        for (at, condition) in self.that.iter().enumerate() {
            match condition.value() {
                Err(after) => open = open.or(Some(after)),
                Ok(Condition { holds: true, .. }) => {}
                Ok(Condition { text: Some(text), .. }) => broken.push(format!("`{text}` does not hold")),
                Ok(Condition { text: None, .. }) => broken.push(format!("condition {} does not hold", at + 1)),
            }
        }
        if !broken.is_empty() {
            let broken = broken.join("; ");
            return Err(Halt::Fault(match &self.fail_msg {
                Some(message) => Fault::failed(message.as_str()).cause(broken),
                None => Fault::failed(broken),
            }));
        }
        match open {
            Some(after) => Err(Halt::Later(after)),
            None => Ok(Verdict::right(self.success_msg.clone().unwrap_or_else(|| "all holds".to_owned()))),
        }
    }
}
