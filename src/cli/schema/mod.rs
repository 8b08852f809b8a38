//! `lions schema`: one complete JSON schema of a project's YAML files, for editors. Parameters come from the
//! resources themselves; the words of the language stand in `words`.

mod open;
mod words;

use serde_json::{Map, Value as Json, json};

use super::Ended;
use super::exit::Exit;
use crate::model::{Catalogue, Kind, Sort};
use crate::render::Show;

const EXAMPLES: &str = "\
Examples:
  lions schema > lions.schema.json            any file of a project
  lions schema tasks > tasks.schema.json      for `roles/*/tasks.yml` and `handlers.yml` only

In VS Code with the YAML extension, in .vscode/settings.json:
  \"yaml.schemas\": { \"lions.schema.json\": [\"playbooks/*.yml\", \"roles/*/*.yml\", \"inventories/*/environment.yml\"] }";

/// Print a JSON schema of a project's files, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Which files; all of them when left out
    #[arg(value_enum)]
    files: Option<Files>,
}

/// A sort of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Files {
    /// `playbooks/*.yml`
    Playbook,
    /// `roles/*/tasks.yml`, `roles/*/handlers.yml`
    Tasks,
    /// `roles/*/inputs.yml`
    Inputs,
    /// `inventories/*/environment.yml`
    Environment,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    show.text(&format!("{:#}\n", schema(&crate::resources::catalogue(), args.files)))?;
    Ok(Exit::Done)
}

/// The schema of one sort of file, or of all.
fn schema(catalogue: &Catalogue, files: Option<Files>) -> Json {
    let reference = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
    let mut schema = match files {
        Some(Files::Playbook) => reference("playbook"),
        Some(Files::Tasks) => reference("tasks"),
        Some(Files::Inputs) => reference("inputs"),
        Some(Files::Environment) => reference("environment"),
        // Told apart by what only one of them can hold, so that a typo is reported against the right one.
        None => json!({
            "type": ["array", "object", "null"],
            "if": { "type": "array" },
            "then": {
                "if": { "contains": words::looks_like_a_play(), "minContains": 1 },
                "then": reference("playbook"),
                "else": reference("tasks"),
            },
            "else": {
                "if": words::looks_like_an_environment(),
                "then": reference("environment"),
                "else": reference("inputs"),
            },
        }),
    };
    let mut definitions = words::definitions();
    definitions.insert("task".to_owned(), task(catalogue));
    for kind in catalogue.iter() {
        definitions.insert(definition(kind), resource(kind));
    }
    schema["$schema"] = Json::from("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = Json::from("lions");
    schema["$defs"] = Json::Object(definitions);
    schema
}

fn definition(kind: &Kind) -> String {
    format!("resource-{}", kind.name)
}

/// A task: its own keys, and exactly one resource; or a block of tasks.
fn task(catalogue: &Catalogue) -> Json {
    let mut properties = words::task_keys();
    let mut one_of = Vec::new();
    for kind in catalogue.iter() {
        let reference = json!({ "$ref": format!("#/$defs/{}", definition(kind)) });
        // `block` is the name of a resource and, as a list, of a part of the language.
        if kind.name != words::BLOCK {
            properties.insert(kind.name.to_owned(), reference);
            one_of.push(json!({ "required": [kind.name] }));
        }
    }
    let block = json!({ "type": "array" });
    let mut alternatives = vec![words::block_tasks()];
    if let Some(kind) = catalogue.get(words::BLOCK) {
        alternatives.push(json!({ "$ref": format!("#/$defs/{}", definition(kind)) }));
    }
    properties.insert(words::BLOCK.to_owned(), json!({ "anyOf": alternatives }));
    one_of.push(json!({ "required": [words::BLOCK] }));
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "oneOf": one_of,
        "if": { "required": [words::BLOCK], "properties": { words::BLOCK: block } },
        "then": { "propertyNames": { "enum": words::BLOCK_KEYS } },
        "else": { "properties": { "rescue": false, "always": false } },
    })
}

/// The parameters of a resource: any of them may be a template instead.
fn resource(kind: &Kind) -> Json {
    let place = match kind.sort {
        Sort::Host => "on every host of the play",
        Sort::Cluster => "once, in the cluster",
    };
    let mut schema = open::inside(&kind.schema);
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
        let doc = format!("{} ({place})\n\n{}", kind.doc.summary, kind.doc.example.trim_matches('\n'));
        object.insert("description".to_owned(), Json::from(doc));
    } else {
        schema = Json::Object(Map::new());
    }
    schema
}
