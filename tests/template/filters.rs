//! Filters and tests: a table of cases, the examples of the documentation, and that taint passes through all of them.

use std::sync::Arc;

use lions::language::template::filters::{ENTRIES, Sort};
use lions::language::template::{Named, Names, TemplateFault};
use lions::model::{Map, Value};
use lions::source::{Limits, Node, Sources, Tree, parse};
use proptest::prelude::*;
use serde_json::json;

use super::{names, secret, templates, unknown};

struct Files(Map);

impl Names for Files {
    fn get(&self, path: &[&str]) -> Result<Option<Named>, TemplateFault> {
        Names::get(&self.0, path)
    }
    fn known(&self) -> Vec<String> {
        self.0.known()
    }
    fn file(&self, path: &str) -> Result<Arc<str>, TemplateFault> {
        match path {
            "motd" => Ok("text of motd\n".into()),
            _ => Err(TemplateFault::new(format!("there is no file `{path}`"))),
        }
    }
}

fn usual() -> Files {
    Files(names(json!({
        "n": null, "t": true, "l": [3, 1, 2], "m": {"a": 1, "b": {"c": 2}}, "s": "Hello World",
        "reg": {"changed": true, "failed": false, "skipped": false, "rc": 0, "stdout": "ok"},
        "users": [{"name": "ann", "age": 40, "admin": true, "keys": ["k1", "k2"]}, {"name": "bob", "age": 30}],
    })))
}

fn plain(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::Bool(truth) => Value::Bool(*truth),
        Tree::Int(number) => Value::Int(*number),
        Tree::Float(number) => Value::Float(*number),
        Tree::Text(text, _) => Value::text(text.as_str()),
        Tree::List(items) => Value::List(items.iter().map(plain).collect()),
        Tree::Map(entries) => Value::Map(entries.iter().map(|(key, node)| (key.name.clone(), plain(node))).collect()),
    }
}

#[test]
fn each_case_gives_what_it_says() {
    let text = include_str!("filters.yaml");
    let mut sources = Sources::default();
    let file = sources.add("filters.yaml", text);
    let cases = parse(file, text, Limits::default()).unwrap().remove(0);
    let (templates, names) = (templates(), usual());
    let mut wrong = Vec::new();
    for case in cases.as_list().unwrap() {
        let [expression, expected] = case.as_list().unwrap() else { panic!("{}", sources.position(case.span)) };
        let expression = expression.as_text().unwrap();
        let result = templates.evaluate(expression, &names).map(|outcome| outcome.value);
        let right = match (&result, expected.get("fault")) {
            (Err(fault), Some(message)) => fault.message.starts_with(message.as_text().unwrap()),
            (Ok(value), None) => *value == plain(expected),
            _ => false,
        };
        if !right {
            wrong.push(format!("{}: `{expression}` gives {result:?}", sources.position(case.span)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_example_of_the_table_is_true() {
    let (templates, names) = (templates(), usual());
    let mut wrong = Vec::new();
    for (at, entry) in ENTRIES.iter().enumerate() {
        assert!(
            ENTRIES[..at].iter().all(|other| (other.name, other.sort) != (entry.name, entry.sort)),
            "{}",
            entry.name
        );
        assert!(entry.example.contains(entry.name) && !entry.line.is_empty(), "{}", entry.name);
        assert_eq!(templates.check_expression(entry.example), [], "{}", entry.example);
        let expected = Value::from(serde_json::from_str::<serde_json::Value>(entry.result).unwrap());
        let result = templates.evaluate(entry.example, &names).map(|outcome| outcome.value);
        if result.as_ref() != Ok(&expected) {
            wrong.push(format!("`{}` gives {result:?}, not {expected:?}", entry.example));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is not in the table cannot be found in the documentation, and a misspelt name would not lead to it.
#[test]
fn the_table_is_complete() {
    // Those of the engine, by its documentation; ours are called in the cases above.
    let engines = [
        (
            Sort::Filter,
            "lower upper title capitalize replace length count dictsort items reverse trim join split default d round \
            abs int float attr first last min max sort list string bool batch slice sum indent select reject selectattr \
            rejectattr map groupby unique zip format tojson urlencode",
        ),
        (
            Sort::Test,
            "defined undefined none boolean odd even divisibleby number integer int float string sequence iterable \
            mapping startingwith endingwith lower upper sameas eq equalto ne lt lessthan le gt greaterthan ge in true false",
        ),
        (Sort::Function, "range dict namespace lookup"),
    ];
    for (sort, all) in engines {
        for name in all.split_whitespace() {
            assert!(ENTRIES.iter().any(|entry| entry.sort == sort && entry.name == name), "{name}");
        }
    }
    let (templates, names) = (templates(), usual());
    for removed in ["safe", "escape", "e", "pprint", "chain", "lines"] {
        assert!(templates.evaluate(&format!("'x' | {removed}"), &names).is_err(), "{removed}");
    }
    assert!(templates.evaluate("debug()", &names).is_err());
}

/// Every filter and test, on a secret and on an unknown: the result is one, or it fails without telling.
#[test]
fn no_filter_washes_taint_off() {
    let templates = templates();
    let mut names = Map::new();
    names.insert("pw".into(), secret("hunter22"));
    names.insert("pws".into(), secret(Value::from(json!(["hunter22"]))));
    names.insert("pwm".into(), secret(Value::from(json!({"a": "hunter22"}))));
    names.insert("later".into(), unknown("install"));
    names.insert("mixed".into(), Value::List(vec![secret("hunter22"), unknown("install")]));
    for entry in ENTRIES {
        let arguments = match entry.name {
            "ternary" => "('hunter', 2)",
            "replace" => "('a', 'b')",
            "regex_replace" | "regex_search" | "regex_findall" | "match" | "search" | "regex" => "('.')",
            "hash" => "('sha256')",
            "divisibleby" => "(2)",
            "in" | "subset" | "superset" | "issubset" | "issuperset" => "(['hunter22'])",
            "in_network" => "('10.0.0.0/8')",
            _ if matches!(entry.sort, Sort::Test) && entry.example.contains('(') => "('hunter22')",
            _ => "",
        };
        let of = |name: &str| match entry.sort {
            Sort::Filter => format!("{name} | {}{arguments}", entry.name),
            Sort::Test => format!("{name} is {}{arguments}", entry.name),
            Sort::Function => format!("{}({name})", entry.name),
        };
        let harmless = matches!(entry.name, "defined" | "undefined");
        for name in ["pw", "pws", "pwm"] {
            match templates.evaluate(&of(name), &names) {
                Ok(outcome) => assert!(harmless || matches!(outcome.value, Value::Secret(_)), "{}", of(name)),
                Err(fault) => assert!(!format!("{fault:?}").contains("hunter22"), "{}: {fault:?}", of(name)),
            }
        }
        let outcome = templates.evaluate(&of("later"), &names);
        assert!(
            harmless || matches!(outcome.as_ref().unwrap().value, Value::Unknown(_)),
            "{}: {outcome:?}",
            of("later")
        );
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "[ -~]{0,12}".prop_map(Value::text),
        "\\PC{0,6}".prop_map(Value::text),
        "[a-z0-9:# \n\t'\"-]{0,8}".prop_map(Value::text),
        prop::sample::select(vec![
            "yes",
            "No",
            "~",
            "null",
            "0x1F",
            "0o7",
            "1_000",
            "1e5",
            ".5",
            "2024-01-01",
            "12:30:45",
            "=",
            "<<",
            "-",
            "---",
            "...",
            "? a",
            "a: ",
            "\u{feff}x",
            "\u{85}"
        ])
        .prop_map(Value::text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(("[ -~]{0,8}", inner), 0..4)
                .prop_map(|entries| Value::Map(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(crate::rounds::rounds(300))]

    #[test]
    fn yaml_and_json_come_back_the_same(value in any_value(), indent in 1..6_i64) {
        let names = Map::from_iter([("v".to_owned(), value.clone()), ("i".to_owned(), Value::Int(indent))]);
        let templates = templates();
        let result = |expression: &str| templates.evaluate(expression, &names).map(|outcome| outcome.value);
        for expression in ["v", "v | to_yaml | from_yaml", "v | to_yaml(indent=i) | from_yaml", "v | to_nice_yaml | from_yaml", "v | to_json | from_json", "v | to_nice_json | from_json"] {
            prop_assert_eq!(result(expression), Ok(value.clone()), "{} of {:?}", expression, result("v | to_yaml(indent=i)"));
        }
    }
}
