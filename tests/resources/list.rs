//! Tests that walk the list of resources.

use lions::resources::catalogue;

#[test]
fn every_resource_is_described() {
    let catalogue = catalogue();
    let names: Vec<_> = catalogue.names().collect();
    assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for kind in catalogue.iter() {
        let name = kind.name;
        assert!(!kind.doc.summary.is_empty() && !kind.doc.summary.ends_with('.'), "{name}: {}", kind.doc.summary);
        assert_eq!(kind.schema["additionalProperties"], false, "{name} takes unknown parameters");
        assert!(!kind.schema.to_string().contains("$ref"), "{name}: sub-schemas are not inlined");
        for (parameter, schema) in kind.schema["properties"].as_object().into_iter().flatten() {
            let described = schema["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described, "{name}: `{parameter}` has no description");
        }
    }
}

#[test]
fn every_example_is_a_task_of_its_resource() {
    for kind in catalogue().iter() {
        let name = kind.name;
        let example: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_saphyr::from_str(kind.doc.example).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!example.is_empty(), "{name} has no example");
        let validator = jsonschema::validator_for(&kind.schema).unwrap();
        for task in example {
            assert!(task.contains_key("name"), "{name}: a task without a name");
            let params = task.get(name).unwrap_or_else(|| panic!("the example of {name} is of something else"));
            let wrong: Vec<String> = validator.iter_errors(params).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:?}");
            let params = lions::model::Value::from(params.clone());
            let misfits = (kind.check)(&params);
            assert!(misfits.is_empty(), "{name}: {misfits:?}");
        }
    }
}

#[test]
fn schemas_take_the_names_that_tasks_take() {
    let catalogue = catalogue();
    for (name, good, bad) in [
        ("line", r#"{"dest": "/a", "value": "x", "regex": "y"}"#, r#"{"path": "/a", "dest": "/a", "line": "x"}"#),
        ("line", r#"{"path": "/a", "line": "x"}"#, r#"{"line": "x"}"#),
        ("block", r#"{"dest": "/a", "content": "x"}"#, r#"{"block": "x"}"#),
        ("link", r#"{"path": "/a", "src": "b"}"#, r#"{"src": "b"}"#),
        ("file", r#"{"dest": "/a", "state": "touch"}"#, r#"{"state": "touch"}"#),
    ] {
        let kind = catalogue.get(name).unwrap();
        let validator = jsonschema::validator_for(&kind.schema).unwrap();
        for (text, fits) in [(good, true), (bad, false)] {
            let params: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(validator.is_valid(&params), fits, "the schema of {name}: {text}");
            let misfits = (kind.check)(&lions::model::Value::from(params));
            assert_eq!(misfits.is_empty(), fits, "{name}: {text}: {misfits:?}");
        }
    }
}

#[test]
fn all_misfits_are_told_at_once() {
    let catalogue = catalogue();
    let params: serde_json::Value =
        serde_json::from_str(r#"{"dest": "a", "mode": 644, "contents": "x", "force": "yes", "owner": [5]}"#).unwrap();
    let misfits = (catalogue.get("copy").unwrap().check)(&lions::model::Value::from(params));
    let mut told: Vec<String> = misfits.iter().map(ToString::to_string).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "`contents`: unknown parameter `contents`, did you mean `content`?",
            "`dest`: `a` is not an absolute path: it must begin with `/`",
            "`force`: `true` or `false` is expected, not the text `yes`",
            "`mode`: a mode must be quoted, like \"0644\": the number `644` does not say whether it is octal",
            "`owner`: text is expected, not a list",
        ]
    );
}
