//! Template files: white space as in Ansible, and other templates of the role.

use lions::language::template::Templates;
use lions::model::{Map, Value};
use serde_json::json;

use super::{names, revealed, secret, shown};

fn role() -> Templates {
    Templates::new(|folder, name| {
        Ok(match (folder, name) {
            (_, "header.j2") => Some(format!("# {folder} {{{{ managed }}}}\n")),
            (_, "sub/macros.j2") => Some("{% macro line(k, v) %}{{ k }}={{ v }}{% endmacro %}".into()),
            (_, "bad.j2") => Some("ok\n{{ typo }}\n".into()),
            (_, "syntax.j2") => Some("ok\n{{ ( }}\n".into()),
            (_, "self.j2") => Some("{% include 'self.j2' %}".into()),
            (_, "unreadable.j2") => return Err("permission denied".into()),
            _ => None,
        })
    })
}

#[test]
fn white_space_is_ansibles() {
    let text = "a\n{% if x %}\n  b\n  {% endif %}\nc\n{# note #}\nd {{ x }}\n\n";
    let value = role().render_file("f", "n", text, &names(json!({"x": 1}))).unwrap().value;
    assert_eq!(value, Value::text("a\n  b\n  c\nd 1\n\n"));
    // A file is text, also when it is one expression.
    assert_eq!(role().render_file("f", "n", "{{ x }}", &names(json!({"x": 1}))).unwrap().value, Value::text("1"));
}

#[test]
fn templates_of_the_same_role_are_included() {
    let templates = role();
    let names = names(json!({"managed": "by lions"}));
    let text = "{% include 'header.j2' %}{% from 'sub/macros.j2' import line %}{{ line('a', 1) }}\n";
    for role in ["one", "two"] {
        let outcome = templates.render_file(role, "x.j2", text, &names).unwrap();
        assert_eq!(outcome.value, Value::text(format!("# {role} by lions\na=1\n")));
        assert!(outcome.read.contains("managed"), "names read by an included template count");
    }
    let mut tainted = Map::new();
    tainted.insert("managed".into(), secret("very-secret"));
    let value = templates.render_file("one", "x.j2", text, &tainted).unwrap().value;
    assert_eq!(revealed(&value), &Value::text("# one very-secret\na=1\n"));
    assert_eq!(shown(&value), "# one ***\na=1\n");
}

#[test]
fn paths_out_of_the_role_are_refused() {
    for path in ["../x", "/etc/passwd", "a/../../x", "./header.j2", "a\\b", "", "a//b", "x\0y"] {
        let names = names(json!({"path": path}));
        let fault = role().render_file("f", "n", "{% include path %}", &names).unwrap_err();
        assert!(fault.message.contains("is not the name of a template"), "{path:?}: {fault:?}");
    }
}

#[test]
fn faults_of_included_templates_name_them() {
    let names = Map::new();
    let fault = |text: &str| role().render_file("f", "n", text, &names).unwrap_err();
    assert_eq!(fault("x\n{% include 'bad.j2' %}").file, Some(("bad.j2".into(), 2)));
    assert_eq!(fault("{% include 'syntax.j2' %}").file, Some(("syntax.j2".into(), 2)));
    assert_eq!(fault("{% include 'none.j2' %}").message, "there is no template `none.j2` in `f`");
    assert_eq!(
        fault("{% include 'unreadable.j2' %}").message,
        "the template `unreadable.j2` cannot be read: permission denied"
    );
    assert!(fault("{% include 'self.j2' %}").message.contains("recursion"));
    let text = "first\n{{ typo }}\n";
    assert_eq!(&text[fault(text).range.unwrap()], "typo");
    let inline = role().render_text("a {% include 'header.j2' %}", &names).unwrap_err();
    assert_eq!(inline.message, "a value cannot include a template");
}
