//! A small catalogue with the sorts of parameters there are: what the language does must not depend on real resources.

use lions::model::decode::{self, Misfit};
use lions::model::{Arg, Catalogue, Doc, FileText, Kind, Sort, TemplateText, Value};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Copy {
    dest: Arg<String>,
    #[serde(default)]
    src: Option<FileText>,
    #[serde(default)]
    content: Option<Arg<String>>,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    state: Option<State>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Present,
    Absent,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Template {
    src: TemplateText,
    dest: Arg<String>,
    #[serde(default)]
    mode: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Package {
    name: Arg<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Service {
    name: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Command {
    cmd: Arg<String>,
    #[serde(default)]
    creates: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Facts {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape counts")]
struct Manifest {
    definition: Arg<serde_json::Value>,
    #[serde(default)]
    namespace: Option<Arg<String>>,
}

fn check<T: DeserializeOwned>(value: &Value) -> Vec<Misfit> {
    decode::decode::<T>(value).err().into_iter().collect()
}

fn kind<T: DeserializeOwned + JsonSchema>(name: &'static str, sort: Sort) -> Kind {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    Kind { name, doc: Doc { summary: "for tests", example: "" }, sort, schema, check: check::<T> }
}

pub(super) fn catalogue() -> Catalogue {
    Catalogue::new([
        kind::<Copy>("copy", Sort::Host),
        kind::<Template>("template", Sort::Host),
        kind::<Package>("package", Sort::Host),
        kind::<Service>("service", Sort::Host),
        kind::<Command>("command", Sort::Host),
        kind::<Facts>("facts", Sort::Host),
        // A manifest takes any value, secrets and unknowns inside it.
        Kind { check: |_| Vec::new(), ..kind::<Manifest>("manifest", Sort::Cluster) },
    ])
}
