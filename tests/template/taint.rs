//! What was made from a secret is one; what was made from an unknown is unknown; nothing else is.

use std::sync::Arc;

use lions::language::template::{Named, Names, TemplateFault, Templates};
use lions::model::{After, Map, Secret, Value};
use proptest::prelude::*;
use serde_json::json;

use super::{evaluate, fault, names, outcome, render, revealed, secret, shown, templates, unknown};

fn tainted() -> Map {
    let mut all = names(json!({
        "known": "k", "yes": true, "number": 5, "list": ["a", "b"],
        "reg": {"changed": true, "rc": 0}, "db": {"user": "admin"}
    }));
    all.insert("pw".into(), secret("hunter22"));
    all.insert("pin".into(), secret(4711));
    all.insert("flag".into(), secret(true));
    all.insert("keys".into(), secret(Value::from(json!(["first-key", "second-key"]))));
    all.insert("account".into(), secret(Value::from(json!({"user": "root", "password": "toor-toor"}))));
    all.insert("later".into(), unknown("install"));
    for (map, key, value) in [("reg", "stdout", unknown("probe it")), ("db", "password", secret("s3cret-db"))] {
        if let Some(Value::Map(map)) = all.get_mut(map) {
            map.insert(key.into(), value);
        }
    }
    if let Some(Value::List(list)) = all.get_mut("list") {
        list.push(unknown("third"));
    }
    all
}

#[test]
fn what_read_an_unknown_is_unknown() {
    let names = tainted();
    for text in [
        "{{ later }}",
        "a {{ later }}",
        "{{ later | upper }}",
        "{{ later == 5 }}",
        "{{ 5 == later }}",
        "{{ later ~ 'x' }}",
        "{{ later.part.of.it }}",
        "{{ later[0] }}",
        "{{ later + 1 }}",
        "{{ later | length }}",
        "{{ later | default('x') }}",
        "{{ not later }}",
        "{{ later and true }}",
        "{{ [later] | length }}",
        "{{ later in [1] }}",
        "{{ 1 in later }}",
        "{{ 'a' if later else 'b' }}",
        "{{ later | to_nothing }}",
        "{{ later() }}",
        "{{ later.method() }}",
        "{% if later %}{% endif %}x",
        "{% for x in later %}{% endfor %}x",
        "{% set x = later %}x",
        "{% macro m(a) %}1{% endmacro %}{{ m(later) }}",
        "{% for x in list %}{{ loop.index }}{% endfor %}",
        "{{ later }}{{ typo_after }}",
        "{{ reg }} x",
        "{{ reg | tojson }}",
        "{{ reg == {'changed': true, 'rc': 0, 'stdout': 1} }}",
        "{{ list | join }}",
        "{{ list | sort }}",
        "{{ list | last }}",
        "{{ [later] | select('defined') | list }}",
        "{{ (later | default(1)) is defined }}",
        "{{ (later or 1) is defined }}",
        "{{ later is none }}",
        "{{ later is string }}",
        "{% set x = later %}{% if x is defined %}{{ x == 1 }}{% endif %}",
    ] {
        assert!(matches!(render(text, &names), Value::Unknown(_)), "{text}: {:?}", outcome(text, &names));
    }
    assert_eq!(render("{{ reg.stdout }}!", &names), Value::Unknown(After::new("probe it")));
    assert_eq!(render("{{ later }}{{ pw }}", &names), unknown("install"));
}

#[test]
fn what_read_no_unknown_is_known() {
    let names = tainted();
    for (text, expected) in [
        ("{{ later is defined }}", json!(true)),
        ("{{ later is undefined }}", json!(false)),
        ("{{ later is not defined }}", json!(false)),
        ("{{ reg.stdout is defined and reg['stdout'] is defined }}", json!(true)),
        ("{{ reg.stderr is defined }}", json!(false)),
        ("{% if reg.stdout is defined %}x{% endif %}", json!("x")),
        ("{{ reg is defined }}", json!(true)),
        ("{{ reg.changed }}", json!(true)),
        ("{{ reg.rc == 0 and reg.changed }}", json!(true)),
        ("{{ known if true else later }}", json!("k")),
        ("{{ true or later }}", json!(true)),
        ("{{ false and later }}", json!(false)),
        ("{{ list | length }}{{ list[0] }}{{ list | first }}", json!("3aa")),
        ("{{ reg | length }}", json!(3)),
        ("{% for k in reg %}{{ k }} {% endfor %}", json!("changed rc stdout ")),
        ("{{ db.user }}", json!("admin")),
        ("{{ pw is defined }}", json!(true)),
        ("{{ db.password is defined and account is defined }}", json!(true)),
        ("{{ known if true else pw }}", json!("k")),
    ] {
        assert_eq!(render(text, &names), Value::from(expected), "{text}");
    }
}

#[test]
fn a_mapping_passed_on_keeps_what_is_inside() {
    let names = tainted();
    for name in ["reg", "db", "list"] {
        assert_eq!(&render(&format!("{{{{ {name} }}}}"), &names), &names[name]);
    }
    let both = render("{{ {'a': db, 'b': reg.changed} }}", &names);
    assert_eq!(both.get("a"), names.get("db"));
    assert!(both.has_secret());
}

#[test]
fn errors_before_an_unknown_are_errors() {
    let names = tainted();
    assert_eq!(fault("{{ typo_before }}{{ later }}", &names).message, "`typo_before` is undefined");
    assert_eq!(fault("{{ (known | nofilter) ~ later }}", &names).message, "unknown filter `nofilter`");
}

#[test]
fn what_read_a_secret_is_one() {
    let names = tainted();
    for (text, value, may_show) in [
        ("{{ pw }}", json!("hunter22"), "***"),
        ("{{ pin }}", json!(4711), "***"),
        ("{{ keys }}", json!(["first-key", "second-key"]), "***"),
        ("{{ account.user }}", json!("root"), "***"),
        ("{{ account }}", json!({"user": "root", "password": "toor-toor"}), "***"),
        ("{{ pw | length }}", json!(8), "***"),
        ("{{ pw == 'hunter22' }}", json!(true), "***"),
        ("{{ pin > 5 }}", json!(true), "***"),
        ("{{ [pw, 1] }}", json!(["hunter22", 1]), "***"),
        ("{{ {'a': pw} }}", json!({"a": "hunter22"}), "***"),
        ("{{ db.password | upper }}", json!("S3CRET-DB"), "***"),
        ("password={{ pw }}\nport=5432\n", json!("password=hunter22\nport=5432\n"), "password=***\nport=5432\n"),
        (
            "postgres://admin:{{ pw }}@db:5432/x",
            json!("postgres://admin:hunter22@db:5432/x"),
            "postgres://admin:***@db:5432/x",
        ),
        ("a\n{% if flag %}\nsecret way\n{% endif %}\nb\n", json!("a\nsecret way\nb\n"), "a\n***\nb\n"),
        ("a\n{% if not flag %}\nsecret way\n{% endif %}\nb\n", json!("a\nb\n"), "a\n***\nb\n"),
        (
            "{% for key in keys %}\nk={{ key }}\n{% endfor %}\nend\n",
            json!("k=first-key\nk=second-key\nend\n"),
            "***\nend\n",
        ),
        ("{% set x = pw %}v {{ x[1:] | reverse }} w", json!("v 22retnu w"), "v *** w"),
        ("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(pw) }} {{ known }}", json!("<hunter22> k"), "<***> k"),
        ("{% set b %}{{ pw }}{% endset %}x: {{ b | upper }}", json!("x: HUNTER22"), "x: ***"),
        ("{% filter upper %}x {{ pw }}{% endfilter %}\n{{ known }}\n", json!("X HUNTER22k\n"), "X ***\n"),
        ("{{ 'secret' if flag else 'known' }} way", json!("secret way"), "*** way"),
        ("n={{ pin }};", json!("n=4711;"), "n=***;"),
        (
            "{{ db }} x",
            json!("{\"user\": \"admin\", \"password\": \"s3cret-db\"} x"),
            "{\"user\": \"admin\", \"password\": \"***\"} x",
        ),
    ] {
        let rendered = render(text, &names);
        assert_eq!(revealed(&rendered), &Value::from(value), "{text}");
        assert_eq!(shown(&rendered), may_show, "{text}");
        assert_eq!(format!("{rendered:?}"), "Secret(***)");
    }
}

#[test]
fn a_known_word_that_equals_the_secret_is_masked_too() {
    let rendered = render("user hunter22 has {{ pw }}", &tainted());
    assert_eq!(shown(&rendered), "user *** has ***");
}

#[test]
fn secrets_of_many_lines_show_nothing_of_themselves() {
    let mut names = tainted();
    names.insert("pem".into(), secret("-----BEGIN KEY-----\nMIIEvQ\nabcdefgh\n-----END KEY-----\n"));
    let rendered = render("a: 1\nkey: |\n  {{ pem | indent(2) }}\nb: 2\n", &names);
    assert_eq!(shown(&rendered), "a: 1\nkey: |\n***\nb: 2\n");
}

#[test]
fn a_fault_does_not_tell_the_secret() {
    let names = tainted();
    for text in [
        "{{ pin * 99999999999999999999999999999999999999 * pin }}",
        "{{ pw.missing.part }}",
        "{{ [1][pin].x }}",
        "{{ pin() }}",
        "{{ 1 if pin < pw.a.b }}",
    ] {
        let fault = fault(text, &names);
        let all = format!("{fault:?}");
        assert!(!all.contains("hunter") && !all.contains("4711"), "{all}");
    }
}

/// A bare path takes a shorter way; it must lead to the same.
#[test]
fn a_path_gives_what_the_engine_gives() {
    let names = tainted();
    for path in [
        "known",
        "number",
        "list",
        "reg",
        "reg.changed",
        "reg.stdout",
        "db",
        "db.password",
        "db.user",
        "later",
        "later.x.y",
        "pw",
        "pin",
        "keys",
        "account",
        "account.user",
        "list.x",
        "typo",
        "reg.typo",
        "known.x",
        "reg.changed.x",
        "true",
        "none",
        "range",
    ] {
        let (short, long) =
            (outcome(&format!("{{{{ {path} }}}}"), &names), outcome(&format!("{{{{ ({path}) }}}}"), &names));
        match (short, long) {
            (Ok(short), Ok(long)) => assert_eq!(short, long, "{path}"),
            (Err(short), Err(long)) => assert_eq!(short.message, long.message, "{path}"),
            (short, long) => panic!("{path}: {short:?} and {long:?}"),
        }
    }
}

/// `outer` is itself a template: rendered inside `get`, as the caller of the engine does.
struct Nested<'a> {
    templates: &'a Templates,
    values: Map,
}

impl Names for Nested<'_> {
    fn get(&self, path: &[&str]) -> Result<Option<Named>, TemplateFault> {
        let [name] = path else { return Ok(None) };
        match self.values.get(*name) {
            Some(Value::Text(text)) => {
                self.templates.render_text(text, self).map(|outcome| Some(Named::Value(Arc::new(outcome.value))))
            }
            other => Ok(other.cloned().map(Named::from)),
        }
    }
    fn known(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }
}

#[test]
fn nested_evaluations_leak_nothing() {
    let templates = templates();
    let mut values = names(json!({
        "url": "postgres://u:{{ pw }}@{{ host }}", "host": "db.{{ domain }}", "domain": "lions.dev",
        "status": "{{ 'ok' if done else later }}", "done": true, "waits": "{{ later }}", "fails": "{{ typo }}"
    }));
    values.insert("pw".into(), secret("hunter22"));
    values.insert("later".into(), unknown("install"));
    let names = Nested { templates: &templates, values };
    let value = |text: &str| templates.render_text(text, &names).map(|outcome| outcome.value);
    assert_eq!(value("{{ host }}"), Ok(Value::text("db.lions.dev")));
    assert_eq!(value("{{ host if true else url }}"), Ok(Value::text("db.lions.dev")));
    assert_eq!(value("{{ status }}"), Ok(Value::text("ok")));
    assert_eq!(value("{{ waits }}{{ host }}"), Ok(unknown("install")));
    assert_eq!(value("{{ fails }}").unwrap_err().message, "`typo` is undefined");
    let url = value("url={{ url }}/x").unwrap();
    assert_eq!(revealed(&url), &Value::text("url=postgres://u:hunter22@db.lions.dev/x"));
    assert_eq!(shown(&url), "url=postgres://u:***@db.lions.dev/x");
    // After all that, the same engine still tells known from tainted.
    assert_eq!(value("{{ host }}"), Ok(Value::text("db.lions.dev")));
}

#[test]
fn a_secret_condition_is_a_secret_truth() {
    let value = evaluate("pw == 'hunter22'", &tainted());
    assert_eq!(value, Value::Secret(Secret::new(Value::Bool(true))));
}

fn piece() -> impl Strategy<Value = String> {
    let filters = prop::sample::select(vec![
        "",
        " | upper",
        " | lower",
        " | reverse",
        " | trim",
        " | length",
        " | first",
        " | urlencode",
        " | tojson",
        "[1:]",
        "[:3]",
        " * 2",
        " ~ known",
        " | replace('a', 'b')",
    ]);
    let expression = prop::sample::select(vec!["pw", "other", "known", "conn"]);
    (
        expression,
        filters,
        prop::sample::select(vec![
            "{{ @ }}",
            "k={{ @ }}\n",
            "{% if @ %}\nyes\n{% endif %}\n",
            "{% set x = @ %}{{ x }};",
            "plain text\n",
            "{% for c in @ %}{{ c }}{% endfor %}\n",
            "{% for c in 'ab' %}{{ @ }}\n{% endfor %}",
        ]),
    )
        .prop_map(|(expression, filter, form)| form.replace('@', &format!("({expression}){filter}")))
}

proptest! {
    #![proptest_config(crate::rounds::rounds(300))]

    #[test]
    fn no_form_of_a_secret_is_shown(
        pieces in prop::collection::vec(piece(), 1..6),
        pw in "[!-~]{6,20}",
        other in "[a-zA-Z0-9]{6,12}(\n[a-z0-9]{6,12}){0,3}",
    ) {
        let text = pieces.concat();
        let mut names = names(json!({"known": "well-known"}));
        names.insert("pw".into(), secret(pw.as_str()));
        names.insert("other".into(), secret(other.as_str()));
        names.insert("conn".into(), Value::Secret(Secret::partly(Value::text(format!("db://{pw}@host")), "db://***@host")));
        let Ok(outcome) = outcome(&text, &names) else { return Ok(()) };
        if let Value::Secret(result) = &outcome.value {
            for hidden in [&pw, &other] {
                for form in forms(hidden) {
                    prop_assert!(!result.shown().contains(&form), "{text:?} shows {form:?}: {:?}", result.shown());
                }
            }
        } else {
            prop_assert!(!outcome.value.to_string().contains(&pw), "{text:?} is no secret");
        }
    }

    #[test]
    fn no_text_panics_and_the_same_text_gives_the_same(text in "([{}%#|.() \n'\"a-c0-9=+*~\\[\\]:,-]|\\{\\{|\\}\\}|\\{%|%\\}|if |for |in |set |end|is |defined|known|pw|later|\u{0}|é){0,30}") {
        let names = tainted();
        let templates = templates();
        let first = templates.render_text(&text, &names);
        prop_assert_eq!(&first, &templates.render_text(&text, &names));
        let _ = templates.render_file("f", "n", &text, &names);
        let _ = templates.evaluate(&text, &names);
        for fault in templates.check(&text) {
            if let Some(range) = fault.range {
                prop_assert!(text.get(range).is_some());
            }
        }
        for read in templates.undeclared(&text) {
            prop_assert!(read.range.is_none_or(|range| text.get(range).is_some()));
        }
        // Whoever mentions no secret and no unknown gets a known value.
        if let Ok(outcome) = first && !text.contains("pw") && !text.contains("later") {
            prop_assert!(!matches!(outcome.value, Value::Secret(_) | Value::Unknown(_)), "{:?}", outcome.value);
        }
    }
}

/// Raw, upper, reversed, base64, hex, URL-escaped: whole, and of each line.
fn forms(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    secret
        .lines()
        .flat_map(|line| {
            [
                line.to_owned(),
                line.to_uppercase(),
                line.to_lowercase(),
                line.chars().rev().collect(),
                base64::engine::general_purpose::STANDARD_NO_PAD.encode(line),
                line.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
                line.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat(),
                serde_json::Value::from(line).to_string(),
            ]
        })
        .collect()
}
