//! What scalars, keys, anchors and merges mean.

use lions::source::{Limits, Node, Sources, Tree, did_you_mean, parse};

fn read(text: &str) -> Vec<Node> {
    let file = Sources::default().add("a.yml", text);
    parse(file, text, Limits::default()).unwrap_or_else(|found| panic!("{text:?}: {found:?}"))
}

/// A tree without places, as text.
fn plain(node: &Node) -> String {
    match &node.tree {
        Tree::Null => "null".to_owned(),
        Tree::Bool(truth) => truth.to_string(),
        Tree::Int(number) => number.to_string(),
        Tree::Float(number) => format!("{number:?}"),
        Tree::Text(text, _) => format!("{text:?}"),
        Tree::List(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Tree::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", key.name, plain(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn meaning(text: &str) -> String {
    read(text).iter().map(plain).collect::<Vec<_>>().join(" --- ")
}

#[test]
fn scalars_follow_the_core_schema() {
    for (text, expected) in [
        ("yes", "\"yes\""),
        ("on", "\"on\""),
        ("No", "\"No\""),
        ("y", "\"y\""),
        ("true", "true"),
        ("True", "true"),
        ("FALSE", "false"),
        ("tRue", "\"tRue\""),
        ("~", "null"),
        ("null", "null"),
        ("NULL", "null"),
        ("nULL", "\"nULL\""),
        ("0", "0"),
        ("-0", "0"),
        ("+12", "12"),
        ("0644", "\"0644\""),
        ("-007", "\"-007\""),
        ("00", "\"00\""),
        ("01.5", "\"01.5\""),
        ("1_000", "\"1_000\""),
        ("1,000", "\"1,000\""),
        ("12:30", "\"12:30\""),
        ("0o644", "420"),
        ("0o8", "\"0o8\""),
        ("0o", "\"0o\""),
        ("0x1F", "31"),
        ("0xg", "\"0xg\""),
        ("-0x1", "\"-0x1\""),
        ("0b1", "\"0b1\""),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.5", "1.5"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("-.5e-3", "-0.0005"),
        ("1e3", "1000.0"),
        ("1e", "\"1e\""),
        ("1e+", "\"1e+\""),
        ("e3", "\"e3\""),
        (".", "\".\""),
        ("-", "[null]"),
        ("+", "\"+\""),
        ("1.2.3", "\"1.2.3\""),
        ("v1.36.3+k3s1", "\"v1.36.3+k3s1\""),
        ("2026-01-02", "\"2026-01-02\""),
        ("-.INF", "-inf"),
        (".nan", "NaN"),
        ("infinity", "\"infinity\""),
        ("nan", "\"nan\""),
        ("'12'", "\"12\""),
        ("\"true\"", "\"true\""),
        ("|\n 12", "\"12\\n\""),
        ("!!str 12", "\"12\""),
        ("!!str", "\"\""),
        ("! 12", "\"12\""),
        ("!!int '12'", "12"),
        ("!!float 1", "1.0"),
        ("!!bool 'true'", "true"),
        ("!!null ''", "null"),
        ("!<tag:yaml.org,2002:str> 1", "\"1\""),
        ("!!seq [1]", "[1]"),
        ("!!map {a: 1}", "{a: 1}"),
    ] {
        assert_eq!(meaning(text), expected, "{text}");
    }
}

#[test]
fn an_empty_text_has_no_document() {
    for text in ["", "\n\n", "# only this\n", "\u{feff}", "  \n\t\n", "\r\n"] {
        assert_eq!(read(text), [], "{text:?}");
    }
    assert_eq!(meaning("---\n"), "null");
    assert_eq!(meaning("---\n---\na\n"), "null --- \"a\"");
}

#[test]
fn keys_become_the_text_that_was_written() {
    assert_eq!(
        meaning("80: a\n1.10: b\n0x10: c\ntrue: d\n~: e\n'': f\non: g\n2026: h\n"),
        "{80: \"a\", 1.10: \"b\", 0x10: \"c\", true: \"d\", ~: \"e\", : \"f\", on: \"g\", 2026: \"h\"}"
    );
    assert_eq!(meaning("a: &k 80\nb: {*k : x}\n"), "{a: 80, b: {80: \"x\"}}");
}

#[test]
fn aliases_stand_for_what_they_name() {
    assert_eq!(meaning("a: &x [1, {b: 2}]\nc: *x\nd: [*x]\n"), "{a: [1, {b: 2}], c: [1, {b: 2}], d: [[1, {b: 2}]]}");
    assert_eq!(meaning("a: &x 1\nb: *x\nc: &x 2\nd: *x\n"), "{a: 1, b: 1, c: 2, d: 2}");
    assert_eq!(meaning("- &x\n- *x\n"), "[null, null]");
}

#[test]
fn merge_keys_give_way_to_own_keys_and_to_earlier_ones() {
    let base = "one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\n";
    let of = |text: &str| {
        let documents = read(&format!("{base}got:\n{text}"));
        plain(documents[0].get("got").unwrap())
    };
    assert_eq!(of("  <<: *one\n  b: own\n"), "{a: 1, b: \"own\"}");
    assert_eq!(of("  b: own\n  <<: *one\n"), "{b: \"own\", a: 1}");
    assert_eq!(of("  <<: [*two, *one]\n  d: own\n"), "{b: 2, c: 2, a: 1, d: \"own\"}");
    assert_eq!(of("  <<: {x: 1}\n"), "{x: 1}");
    assert_eq!(of("  '<<': text\n"), "{<<: \"text\"}");
    assert_eq!(of("  !!str <<: text\n"), "{<<: \"text\"}");
    // A merge of a merge.
    assert_eq!(of("  <<: {<<: *one, c: 3}\n"), "{a: 1, b: 1, c: 3}");
}

#[test]
fn anchors_end_with_their_document() {
    let text = "a: &x 1\n---\nb: *x\n";
    let file = Sources::default().add("a.yml", text);
    let found = parse(file, text, Limits::default()).unwrap_err();
    assert_eq!(
        found.iter().map(|problem| problem.summary.as_str()).collect::<Vec<_>>(),
        ["no value above bears the anchor `&x`"]
    );
}

#[test]
fn limits_are_the_most_that_is_read() {
    let within = |text: &str, limits: Limits| {
        let file = Sources::default().add("a.yml", text);
        parse(file, text, limits).is_ok()
    };
    // The mapping, its two values and the list's three.
    let text = "a: 1\nb: [1, 2, 3]\n";
    assert!(within(text, Limits { nodes: 6, ..Limits::default() }));
    assert!(!within(text, Limits { nodes: 5, ..Limits::default() }));
    assert!(within(text, Limits { bytes: text.len(), ..Limits::default() }));
    assert!(!within(text, Limits { bytes: text.len() - 1, ..Limits::default() }));
    assert!(within(text, Limits { depth: 2, ..Limits::default() }));
    assert!(!within(text, Limits { depth: 1, ..Limits::default() }));
    // What an alias brings counts where it stands.
    let text = "a: &a [[1]]\nb: {c: *a}\n";
    assert!(within(text, Limits { depth: 4, ..Limits::default() }));
    assert!(!within(text, Limits { depth: 3, ..Limits::default() }));
}

#[test]
fn near_names_are_suggested_and_far_ones_are_not() {
    let known = ["package", "service", "template", "directory", "copy", "link"];
    for (name, near) in [
        ("pakcage", Some("package")),
        ("packages", Some("package")),
        ("Service", Some("service")),
        ("templates", Some("template")),
        ("dir", None),
        ("cp", None),
        ("lnik", Some("link")),
        ("copy", None),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(did_you_mean(name, known), near, "{name}");
    }
}
