//! The schema for editors: valid itself, takes what is right, and rejects typos where they stand.

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{lions, out};

fn schema(files: &[&str]) -> Json {
    let folder = TempDir::new().unwrap();
    let words: Vec<&str> = std::iter::once("schema").chain(files.iter().copied()).collect();
    serde_json::from_str(&out(&lions(folder.path(), &words))).unwrap()
}

/// What is wrong with `document`, as `path: message`.
fn wrong(schema: &Json, document: &Json) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn copy() -> Json {
    json!({ "name": "a", "copy": { "dest": "/a", "content": "x", "mode": "0644" } })
}

fn playbook() -> Json {
    json!([{
        "name": "servers", "hosts": "web:!old", "needs": [], "tags": "t", "become": true, "when": ["a", true],
        "rollout": { "batch": [1, "25%"], "max_failures": 1, "between": [copy()] },
        "roles": ["base", { "role": "db", "needs": ["base"], "with": { "size": "{{ size }}" } }],
        "tasks": [
            copy(),
            { "copy": { "dest": "{{ folder }}/b", "content": "x", "force": "{{ really }}" }, "loop": "{{ many }}",
              "loop_control": { "loop_var": "one" }, "register": "b", "notify": ["h"], "retries": 2, "delay": "5s",
              "timeout": 60, "run_once": true, "delegate_to": "{{ first }}", "optional": true, "changed_when": false },
            { "name": "together", "block": [copy()], "rescue": [copy()], "always": [copy()] },
        ],
        "handlers": [copy()],
    }])
}

#[test]
fn it_is_a_valid_schema() {
    for files in [&[][..], &["playbook"], &["tasks"], &["inputs"], &["environment"]] {
        let schema = schema(files);
        jsonschema::meta::validate(&schema).unwrap();
        // Every reference leads somewhere: a validator cannot be built otherwise.
        jsonschema::draft202012::new(&schema).unwrap();
    }
}

#[test]
fn it_takes_what_is_right() {
    let all = schema(&[]);
    let tasks = json!([copy(), { "block": [copy()] }]);
    let inputs = json!({
        "size": { "type": "int", "default": 3, "doc": "how big" },
        "level": { "choices": ["low", "high"], "default": "low", "doc": "how loud" },
        "token": { "type": "secret", "required": true, "doc": "who we are" },
    });
    let environment = json!({
        "hosts": {
            "vps-1": { "address": "203.0.113.10", "port": 22225, "user": "lions", "groups": ["servers"] },
            "here": { "connection": "local", "vars": { "disk": "/dev/sdb" } },
        },
        "groups": { "servers": { "vars": { "base": { "swappiness": 60 } } } },
        "become": true, "ssh": { "config": "ssh_config" }, "cluster": { "kubeconfig_from": "servers" },
        "vars": { "domain": "dev.lions.dev" },
    });
    for (files, document) in
        [("playbook", &playbook()), ("tasks", &tasks), ("inputs", &inputs), ("environment", &environment)]
    {
        assert_eq!(wrong(&all, document), Vec::<String>::new(), "{files} by the schema of all");
        assert_eq!(wrong(&schema(&[files]), document), Vec::<String>::new(), "{files} by its own");
    }
}

#[test]
fn it_rejects_typos() {
    let all = schema(&[]);
    let typo = |change: &dyn Fn(&mut Json)| {
        let mut document = playbook();
        change(&mut document[0]);
        wrong(&all, &document)
    };
    assert!(!typo(&|play| play["hsots"] = json!("all")).is_empty());
    assert!(!typo(&|play| play["tasks"][0]["whne"] = json!("x")).is_empty());
    assert!(!typo(&|play| play["tasks"][0]["copy"]["dset"] = json!("x")).is_empty());
    assert!(!typo(&|play| play["tasks"][0]["copy"]["force"] = json!("perhaps")).is_empty());
    assert!(!typo(&|play| play["tasks"][0]["copy"]["force"] = json!(3)).is_empty());
    assert!(!typo(&|play| play["tasks"][0]["cpoy"] = json!({})).is_empty());
    assert!(!typo(&|play| drop(play["tasks"][0].as_object_mut().unwrap().remove("copy"))).is_empty(), "no resource");
    assert!(!typo(&|play| drop(play["tasks"][0]["copy"].as_object_mut().unwrap().remove("dest"))).is_empty());
    assert!(!typo(&|play| play["tasks"][0]["rescue"] = json!([])).is_empty(), "a rescue without a block");
    assert!(!typo(&|play| play["tasks"][2]["register"] = json!("x")).is_empty(), "a block registers nothing");
    assert!(!typo(&|play| play["rollout"]["batch"] = json!("many")).is_empty());
    assert!(!typo(&|play| play["roles"][1]["wiht"] = json!({})).is_empty());
    assert!(!typo(&|play| play["tasks"][0]["name"] = json!("a/b")).is_empty());
    assert!(!wrong(&all, &json!({ "hosts": { "a": { "adress": "x" } } })).is_empty());
    assert!(!wrong(&all, &json!({ "size": { "type": "string", "default": 1, "doc": "x" } })).is_empty());
    assert!(!wrong(&all, &json!({ "size": { "type": "int", "doc": "x" } })).is_empty(), "neither default nor required");
}

#[test]
fn editors_are_told_what_things_are() {
    let all = schema(&[]);
    let definitions = all["$defs"].as_object().unwrap();
    for kind in lions::resources::catalogue().iter() {
        let resource = &definitions[&format!("resource-{}", kind.name)];
        assert!(resource["description"].as_str().unwrap().contains(kind.doc.summary), "{}", kind.name);
        for (name, parameter) in resource["properties"].as_object().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "`{}.{name}` has no word for editors", kind.name);
        }
    }
}
