//! `lions doc`: what a resource is, its parameters and an example, from the same schema that checks playbooks; and
//! what templates can do.

mod filters;

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::Ended;
use super::exit::Exit;
use crate::language::template::filters::ENTRIES;
use crate::model::{Catalogue, Fault, Kind, Sort};
use crate::render::{Format, Show};
use crate::source::did_you_mean;

const EXAMPLES: &str = "\
Examples:
  lions doc              all resources
  lions doc template     one of them: parameters and an example
  lions doc filters      what templates can do
  lions doc combine      one filter, test or function";

/// Explain a resource or a filter, with an example
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A resource, `filters`, or one of them; all resources are listed when left out
    name: Option<String>,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let catalogue = crate::resources::catalogue();
    let Some(name) = &args.name else {
        list(&catalogue, show)?;
        return Ok(Exit::Done);
    };
    if let Some(kind) = catalogue.get(name) {
        match show.format() {
            Format::Text => show.text(&page(kind))?,
            Format::Json => show.json(&as_json(kind))?,
        }
        return Ok(Exit::Done);
    }
    let entries = if name == filters::ALL { ENTRIES.iter().collect() } else { filters::named(name) };
    if entries.is_empty() {
        let known = catalogue.names().chain(filters::names()).chain([filters::ALL]);
        let help = match did_you_mean(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`lions doc` lists all resources, `lions doc filters` what templates can do".to_owned(),
        };
        show.fault(&Fault::failed(format!("no resource and no filter is called `{name}`")).help(help));
        return Ok(Exit::Usage);
    }
    match show.format() {
        Format::Json => entries.iter().try_for_each(|entry| show.json(&filters::as_json(entry)))?,
        Format::Text if name == filters::ALL => show.text(&filters::list())?,
        Format::Text => {
            let pages: Vec<String> = entries.into_iter().map(filters::page).collect();
            show.text(&pages.join("\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn list(catalogue: &Catalogue, show: &Show) -> Result<(), Fault> {
    if show.format() == Format::Json {
        return catalogue.iter().try_for_each(|kind| show.json(&as_json(kind)));
    }
    let mut text = String::new();
    let width = catalogue.names().map(str::len).max().unwrap_or_default();
    for (sort, title) in [(Sort::Host, "on hosts"), (Sort::Cluster, "in the cluster")] {
        let kinds: Vec<_> = catalogue.iter().filter(|kind| kind.sort == sort).collect();
        if kinds.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}{title}:", if text.is_empty() { "" } else { "\n" });
        for kind in kinds {
            let _ = writeln!(text, "  {:width$}  {}", kind.name, kind.doc.summary);
        }
    }
    text.push_str(
        "\n`lions doc NAME` shows the parameters of one and an example; `lions doc filters` what templates can do.\n",
    );
    show.text(&text)
}

fn page(kind: &Kind) -> String {
    let place = match kind.sort {
        Sort::Host => "on every host of the play",
        Sort::Cluster => "once, in the cluster",
    };
    let mut text = format!("{}: {} ({place})\n\nparameters:\n", kind.name, kind.doc.summary);
    let parameters = parameters(&kind.schema);
    if parameters.is_empty() {
        text.push_str("  none\n");
    }
    let width = parameters.iter().map(|parameter| parameter.name.len()).max().unwrap_or_default();
    for parameter in &parameters {
        let mut kind = parameter.kind.clone();
        if parameter.required {
            kind.push_str(", required");
        }
        if let Some(default) = &parameter.default {
            let _ = write!(kind, ", default {default}");
        }
        let _ = writeln!(text, "  {:width$}  {kind}", parameter.name);
        for line in parameter.doc.lines().filter(|line| !line.trim().is_empty()) {
            let _ = writeln!(text, "  {:width$}    {line}", "");
        }
    }
    let _ = writeln!(text, "\nexample:");
    for line in kind.doc.example.trim_matches('\n').lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn as_json(kind: &Kind) -> Json {
    let parameters: Vec<Json> = parameters(&kind.schema)
        .into_iter()
        .map(|parameter| {
            json!({
                "name": parameter.name, "kind": parameter.kind, "required": parameter.required,
                "default": parameter.default, "doc": parameter.doc,
            })
        })
        .collect();
    let sort = match kind.sort {
        Sort::Host => "host",
        Sort::Cluster => "cluster",
    };
    json!({
        "type": "resource", "name": kind.name, "on": sort, "summary": kind.doc.summary,
        "parameters": parameters, "example": kind.doc.example.trim_matches('\n'),
    })
}

/// A parameter as people read it.
struct Parameter {
    name: String,
    kind: String,
    required: bool,
    default: Option<String>,
    doc: String,
}

/// The required ones first, then in the order of the schema.
fn parameters(schema: &Json) -> Vec<Parameter> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    let mut found: Vec<_> = properties
        .iter()
        .map(|(name, schema)| Parameter {
            name: name.clone(),
            kind: kind_of(schema),
            required: required.contains(&name.as_str()),
            default: schema.get("default").filter(|default| !default.is_null()).map(word),
            doc: schema["description"].as_str().unwrap_or_default().to_owned(),
        })
        .collect();
    found.sort_by_key(|parameter| !parameter.required);
    found
}

/// `text`, `list of text`, `present or absent` ...
fn kind_of(schema: &Json) -> String {
    if let Some(folder) = schema["x-lions-source"].as_str() {
        return match folder {
            "manifests" => "the name of a file or a folder in `files/` or `templates/`".to_owned(),
            "kustomize" => "the name of a folder in `files/`".to_owned(),
            folder => format!("the name of a file in `{folder}/`"),
        };
    }
    if schema["x-lions-condition"] == true {
        return "condition".to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        return either(words.iter().filter(|word| !word.is_null()).map(word).collect());
    }
    if let Some(constant) = schema.get("const") {
        return word(constant);
    }
    for alternatives in [&schema["oneOf"], &schema["anyOf"]] {
        if let Some(alternatives) = alternatives.as_array() {
            return either(alternatives.iter().filter(|one| one["type"] != "null").map(kind_of).collect());
        }
    }
    let of_type = |name: &str| match name {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "whole number".to_owned(),
        "number" => "number".to_owned(),
        "array" => format!("list of {}", kind_of(&schema["items"])),
        "object" => "mapping".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Json::String(name) => of_type(name),
        Json::Array(names) => {
            either(names.iter().filter_map(Json::as_str).filter(|name| *name != "null").map(of_type).collect())
        }
        _ => "anything".to_owned(),
    }
}

fn word(word: &Json) -> String {
    word.as_str().map_or_else(|| word.to_string(), |word| format!("`{word}`"))
}

fn either(mut words: Vec<String>) -> String {
    words.dedup();
    match words.split_last() {
        None => "anything".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Doc;

    #[test]
    fn a_page_reads_well() {
        let schema = json!({
            "required": ["path", "state"],
            "properties": {
                "owner": { "type": ["string", "null"], "description": "Who owns it.\n\nBy name." },
                "path": { "type": "string", "description": "Where." },
                "state": { "enum": ["file", "absent"] },
                "mode": { "anyOf": [{ "type": "integer" }, { "type": "string" }, { "type": "null" }], "default": null },
                "paths": { "type": "array", "items": { "type": "string" }, "default": [] },
                "how": { "oneOf": [{ "const": "soft", "description": "x" }, { "const": "hard" }], "default": "soft" },
                "src": { "type": "string", "x-lions-source": "templates" },
                "more": {},
            },
        });
        let doc = Doc { summary: "a thing", example: "\n- name: a\n  thing: { path: /a }\n" };
        let kind = Kind { name: "thing", doc, sort: Sort::Host, schema, check: |_| Vec::new() };
        insta::assert_snapshot!(page(&kind), @r"
        thing: a thing (on every host of the play)

        parameters:
          path   text, required
                   Where.
          state  `file` or `absent`, required
          owner  text
                   Who owns it.
                   By name.
          mode   whole number or text
          paths  list of text, default []
          how    `soft` or `hard`, default `soft`
          src    the name of a file in `templates/`
          more   anything

        example:
          - name: a
            thing: { path: /a }
        ");
    }
}
