//! Values, types, limits and faults, without secrets or unknowns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lions::language::template::{Named, Names, TemplateFault};
use lions::model::{Map, Value};
use serde_json::json;

use super::{evaluate, fault, names, outcome, render, templates};

#[test]
fn text_without_code_is_itself() {
    for text in ["", "plain", "{ a: 1 }", "}} {", "{", "100 %}", "nul \0 and \u{1b}[31m"] {
        let outcome = outcome(text, &Map::new()).unwrap();
        assert_eq!(outcome.value, Value::text(text));
        assert!(outcome.read.is_empty());
    }
}

#[test]
fn one_expression_keeps_its_type() {
    let names = names(json!({"i": 3, "f": 1.5, "t": true, "n": null, "s": "x", "l": [1, "a"], "m": {"k": {"d": 1}}}));
    for (name, value) in &names {
        for text in [format!("{{{{ {name} }}}}"), format!("{{{{{name}}}}}"), format!("{{{{- {name} -}}}}")] {
            assert_eq!(&render(&text, &names), value, "{text}");
        }
        assert_eq!(&evaluate(name, &names), value);
        assert_eq!(&evaluate(&format!(" {{{{ {name} }}}} "), &names), value);
    }
    assert_eq!(render("{{ m.k }}", &names), Value::from(json!({"d": 1})));
    assert_eq!(render("{{ [i, {'a': l}] }}", &names), Value::from(json!([3, {"a": [1, "a"]}])));
    assert_eq!(render("{{ l[0] + i }}", &names), Value::Int(4));
}

#[test]
fn more_than_one_expression_is_text() {
    let names = names(json!({"a": 1, "b": true, "n": null, "l": [1, true, null], "m": {"k": "v"}, "u": "é"}));
    for (text, expected) in [
        ("{{ a }}{{ a }}", "11"),
        (" {{ a }}", " 1"),
        ("{{ a }}\n", "1\n"),
        ("{{ b }}-{{ not b }}", "true-false"),
        ("[{{ n }}]", "[]"),
        ("{{ l }} {{ m }}", "[1, true, null] {\"k\": \"v\"}"),
        ("{{ 'a' ~ m }}.", "a{\"k\": \"v\"}."),
        ("{% if b %}\nyes\n{% endif %}\n", "yes\n"),
        ("  {% if b %}\nyes\n  {% endif %}\n", "  yes\n  "),
        ("{# nothing #}x", "x"),
        ("{{ u | upper }}\n\n", "É\n\n"),
        ("{% raw %}{{ a }}{% endraw %}", "{{ a }}"),
        ("{{ '}}' }}{{ '{{' }}", "}}{{"),
        ("{% for k, v in m.items() %}{{ k }}={{ v }}{% endfor %}", "k=v"),
        ("{{ 1.0 }} {{ 2.5 }} {{ 10 / 4 }}", "1.0 2.5 2.5"),
    ] {
        assert_eq!(render(text, &names), Value::text(expected), "{text}");
    }
}

#[test]
fn what_is_read_is_told() {
    let names = names(json!({"a": 1, "b": 2, "c": {"d": 1}}));
    let read = |text: &str| outcome(text, &names).unwrap().read.into_iter().collect::<Vec<_>>();
    assert_eq!(read("{{ a if true else b }}"), ["a"]);
    assert_eq!(read("{{ c.d }}{{ b }}"), ["b", "c"]);
    assert_eq!(read("{% set x = a %}{{ x }}"), ["a"]);
    // On another host it may be there.
    assert_eq!(read("{{ nothing is defined }}"), ["nothing"]);
    assert_eq!(read("{{ range(2) | list }}"), Vec::<String>::new());
    assert_eq!(read("{{ [1, 2] }}"), Vec::<String>::new());
}

#[test]
fn faults_point_at_the_place() {
    let names = names(json!({"host": {"name": "x"}, "hosts": [1], "n": 1}));
    for (text, message, at, help) in [
        ("a {{ hots }}", "`hots` is undefined", "hots", "did you mean `host`?"),
        ("{{ hots }}", "`hots` is undefined", "hots", "did you mean `host`?"),
        (
            "x {{ host.nmae }}",
            "`host.nmae` is undefined",
            "host.nmae",
            "`host` is there, without that part; `| default(...)` gives what to use instead",
        ),
        ("x {{ n == hots.x + 1 }}", "`hots.x` is undefined", "hots.x", "did you mean `host`?"),
        ("{{ n | lowr }}", "unknown filter `lowr`", "lowr", "did you mean `lower`?"),
        ("{{ n is defind }}", "unknown test `defind`", "defind", "did you mean `defined`?"),
        ("x{{ rang(3) }}", "unknown function `rang`", "rang(3)", "did you mean `range`?"),
    ] {
        let fault = fault(text, &names);
        assert_eq!(fault.message, message);
        assert_eq!(&text[fault.range.unwrap()], at, "{text}");
        assert_eq!(fault.help.as_deref(), Some(help));
    }
    for text in
        ["{{ ", "{% if %}", "{{ a b }}", "{% for x in y %}", "{{ 'a }}", "{% nonsense %}", "{{ a | }}", "{{ (a }}"]
    {
        assert!(fault(text, &names).message.starts_with("bad template: "), "{text}: {:?}", fault(text, &names));
    }
    let fault = templates().evaluate("'{{ n }}' == {{ n }}", &names).unwrap_err();
    assert_eq!(fault.help.as_deref(), Some("this is an expression already: write names without `{{ }}`"));
    assert!(templates().evaluate("", &names).is_err());
    assert!(templates().evaluate("a) }}{{ (b", &names).is_err());
}

#[test]
fn limits_are_faults() {
    let names = names(json!({"l": (0..1000).collect::<Vec<_>>()}));
    let endless = "{% for a in l %}{% for b in l %}{% for c in l %}{{ c }}{% endfor %}{% endfor %}{% endfor %}";
    assert_eq!(fault(endless, &names).message, "the template takes too many steps");
    assert!(fault("{{ range(100000000) }}", &names).message.contains("range"));
    let deep = "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}";
    assert!(fault(deep, &names).message.contains("recursion"), "{:?}", fault(deep, &names));
    let large = "{% for a in l %}{{ 'x' * 100000 }}{% endfor %}";
    assert_eq!(fault(large, &names).message, "the template prints more than 16 MiB");
    let captured = "{% set x %}{% for a in l %}{{ 'x' * 100000 }}{% endfor %}{% endset %}y";
    assert_eq!(fault(captured, &names).message, "the template prints more than 16 MiB");
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(fault(&nested, &names).message.contains("recursion"));
    let lists = format!("{{{{ {}1{} }}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(fault(&lists, &names).message.contains("recursion"));
    assert_eq!(fault("{{ 1 / 0 }}", &names).message, "unable to calculate 1 / 0");
    assert_eq!(fault("{{ 1e308 * 10 }}", &names).message, "the result is no finite number");
}

#[test]
fn static_checks_find_names_and_calls() {
    let templates = templates();
    let text = "{{ a.b.c }} {% for x in items %}{{ x.y }}{{ other }}{% endfor %}{{ 'a.b' }}{{ range(n) }}{% set own = a.z %}{{ own }}";
    let reads = templates.undeclared(text);
    let found: Vec<(&str, &str)> =
        reads.iter().map(|read| (read.path.as_str(), &text[read.range.clone().unwrap()])).collect();
    assert_eq!(found, [("a.b.c", "a.b.c"), ("items", "items"), ("other", "other"), ("n", "n"), ("a.z", "a.z")]);
    let reads = templates.undeclared("{{ x.y }}");
    assert_eq!((reads[0].path.as_str(), reads[0].range.clone()), ("x.y", Some(3..6)));
    let reads = templates.undeclared_in_expression(" not x.y");
    assert_eq!((reads[0].path.as_str(), reads[0].range.clone()), ("x.y", Some(5..8)));
    assert!(templates.undeclared("plain").is_empty());

    for (text, at) in [
        ("{{ a | lowr }}", "lowr"),
        ("x{{ a | lower | uper }}", "uper"),
        ("{% if a is defind %}{% endif %}", "defind"),
        ("{% if a is not opd %}{% endif %}", "opd"),
        ("{{ rang(2) }}", "rang"),
        ("{% filter uper %}x{% endfilter %}", "uper"),
        ("{{ x | random }}", "random"),
    ] {
        let faults = templates.check(text);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert_eq!(&text[faults[0].range.clone().unwrap()], at);
        assert!(faults[0].help.is_some(), "{faults:?}");
    }
    for text in [
        "{{ a | lower }}{{ a.lowr }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(1) }}",
        "{% from 'x' import m, k as l %}{{ m(1) }}{{ l(2) }}",
        "{{ x.y(1) }}{{ (a) }}{% if (a) and (b) or not (c) in (d) %}{% elif (e) %}{% endif %}",
        "{% for x in [1] recursive %}{{ loop([]) }}{% endfor %}",
        "{{ ' | nofilter is notest ' }}{# a | nofilter #}{% raw %}{{ a | nofilter }}{% endraw %}",
    ] {
        assert_eq!(templates.check(text), [], "{text}");
    }
    let faults = templates.check_expression("a is defind");
    assert_eq!(faults[0].range, Some(5..11));
}

/// Asks for what it needs only, and computes each name once an evaluation.
struct Counting(AtomicUsize);

impl Names for Counting {
    fn get(&self, path: &[&str]) -> Result<Option<Named>, TemplateFault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(match path {
            ["hostvars"] => Some(Named::Folder((0..50).map(|at| Arc::from(format!("h{at}"))).collect())),
            ["hostvars", host] => Some(Named::Folder(vec!["name".into(), format!("only_{host}").into()])),
            ["hostvars", host, "name"] => Some(Value::text(*host).into()),
            ["broken"] => return Err(TemplateFault::new("broken inside")),
            ["x"] => Some(Value::Int(1).into()),
            _ => None,
        })
    }
    fn known(&self) -> Vec<String> {
        vec!["hostvars".into(), "broken".into(), "x".into()]
    }
}

#[test]
fn folders_are_asked_entry_by_entry() {
    let counting = Counting(AtomicUsize::new(0));
    assert_eq!(render("{{ hostvars['h7'].name }}", &counting), Value::text("h7"));
    assert_eq!(counting.0.swap(0, Ordering::Relaxed), 3);
    assert_eq!(render("{{ hostvars | length }}", &counting), Value::Int(50));
    assert_eq!(counting.0.swap(0, Ordering::Relaxed), 1);
    assert_eq!(render("{% for h in hostvars %}{{ hostvars[h].name }}{% endfor %}", &counting).to_string().len(), 140);
    assert_eq!(render("{{ hostvars.h99 is defined }}", &counting), Value::Bool(false));
    assert_eq!(
        fault("{{ hostvars.h99.name }}", &counting).message,
        "`hostvars.h99.name` is undefined",
        "{:?}",
        fault("{{ hostvars.h99.name }}", &counting)
    );
}

#[test]
fn a_broken_name_counts_only_when_it_is_read() {
    let counting = Counting(AtomicUsize::new(0));
    assert_eq!(render("{{ x if true else broken }}", &counting), Value::Int(1));
    assert_eq!(fault("{{ broken }}", &counting).message, "broken inside");
    assert_eq!(fault("{{ broken is defined }}", &counting).message, "broken inside");
    assert_eq!(fault("{{ broken | default(1) }}", &counting).message, "broken inside");
}

#[test]
fn one_engine_serves_all_threads() {
    let templates = templates();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let templates = &templates;
            scope.spawn(move || {
                for at in 0..50 {
                    let names = names(json!({"x": thread * 1000 + at}));
                    let value = templates.render_text("v{{ x }}", &names).unwrap().value;
                    assert_eq!(value, Value::text(format!("v{}", thread * 1000 + at)));
                }
            });
        }
    });
}

/// What fuzzing starts from, and whatever it ever found.
#[test]
fn the_corpus_of_fuzzing_is_survived() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/templates");
    let names = names(json!({"a": 1, "b": {"c": [1, 2]}, "s": "text"}));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let templates = templates();
        for fault in templates.check(&text) {
            assert!(fault.range.is_none_or(|range| text.get(range).is_some()));
        }
        let _ = templates.render_text(&text, &names);
        let _ = templates.render_file("f", "n", &text, &names);
        let _ = templates.evaluate(&text, &names);
        let _ = templates.undeclared(&text);
        seen += 1;
    }
    assert!(seen >= 10, "the corpus is gone");
}

#[test]
fn a_panic_of_the_engine_is_a_fault_of_the_text() {
    let fault = crate::template::fault("{{ [1][9:][::-1] | list }}", &lions::model::Map::new());
    assert!(fault.message.contains("broke down"), "{fault:?}");
}
