//! Every node and key stands where its span says.

use lions::source::{Limits, Node, Sources, Style, Tree, parse};

fn read(text: &str) -> (Sources, Vec<Node>) {
    let mut sources = Sources::default();
    let file = sources.add("a.yml", text);
    let documents = parse(file, text, Limits::default()).unwrap_or_else(|found| panic!("{found:?}"));
    (sources, documents)
}

/// Each key and value of the first document with the text under its span.
fn written(text: &str) -> Vec<String> {
    fn walk(sources: &Sources, path: &str, node: &Node, out: &mut Vec<String>) {
        out.push(format!("{path} = {:?}", sources.slice(node.span)));
        for (key, value) in node.as_map().unwrap_or_default() {
            let path = format!("{path}.{}", key.name);
            out.push(format!("{path}: {:?}", sources.slice(key.span)));
            walk(sources, &path, value, out);
        }
        for (at, item) in node.as_list().unwrap_or_default().iter().enumerate() {
            walk(sources, &format!("{path}.{at}"), item, out);
        }
    }
    let (sources, documents) = read(text);
    let mut out = Vec::new();
    walk(&sources, "", &documents[0], &mut out);
    out
}

#[test]
fn every_style_of_scalar() {
    let text = concat!(
        "plain: one\n",
        "'single': 'it''s'   # why\n",
        "\"double\": \"a\\nb\"\n",
        "lines: one\n  two\n",
        "literal: | # why\n  one\n   two\n\n\n",
        "folded: >-\n\n  one\n\n  two\n",
        "number:   12\n",
        "? asked\n: answered\n",
    );
    insta::assert_snapshot!(written(text).join("\n"), @r#"
     = "plain: one\n'single': 'it''s'   # why\n\"double\": \"a\\nb\"\nlines: one\n  two\nliteral: | # why\n  one\n   two\n\n\nfolded: >-\n\n  one\n\n  two\nnumber:   12\n? asked\n: answered"
    .plain: "plain"
    .plain = "one"
    .single: "'single'"
    .single = "'it''s'"
    .double: "\"double\""
    .double = "\"a\\nb\""
    .lines: "lines"
    .lines = "one\n  two"
    .literal: "literal"
    .literal = "| # why\n  one\n   two"
    .folded: "folded"
    .folded = ">-\n\n  one\n\n  two"
    .number: "number"
    .number = "12"
    .asked: "asked"
    .asked = "answered"
    "#);
}

#[test]
fn collections_reach_from_their_first_to_their_last_value() {
    let text = "a: [1, {b: c, d}, ]\ne:\n  - f: g\n    h:\n  -\n  - i   \nj: {}\n\n# the end\n";
    insta::assert_snapshot!(written(text).join("\n"), @r#"
     = "a: [1, {b: c, d}, ]\ne:\n  - f: g\n    h:\n  -\n  - i   \nj: {}"
    .a: "a"
    .a = "[1, {b: c, d}, ]"
    .a.0 = "1"
    .a.1 = "{b: c, d}"
    .a.1.b: "b"
    .a.1.b = "c"
    .a.1.d: "d"
    .a.1.d = "d"
    .e: "e"
    .e = "- f: g\n    h:\n  -\n  - i"
    .e.0 = "f: g\n    h"
    .e.0.f: "f"
    .e.0.f = "g"
    .e.0.h: "h"
    .e.0.h = "h"
    .e.1 = ""
    .e.2 = "i"
    .j: "j"
    .j = "{}"
    "#);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark() {
    let text = "\u{feff}ä: ü\r\nb: |\r\n  one\r\n  two\r\nc: x\r\n  y\r\nd: z\r\n";
    let (_, documents) = read(text);
    assert_eq!(documents[0].get("b").and_then(Node::as_text), Some("one\ntwo\n"));
    insta::assert_snapshot!(written(text)[1..].join("\n"), @r#"
    .ä: "ä"
    .ä = "ü"
    .b: "b"
    .b = "|\r\n  one\r\n  two"
    .c: "c"
    .c = "x\r\n  y"
    .d: "d"
    .d = "z"
    "#);
}

#[test]
fn tags_and_anchors_are_not_part_of_a_value() {
    let text = "a: &one !!str 12\nb: !!map\n  c: d\ne: *one\nf: &two\n- 1\ng: !!str\nk|: >\n  x\nh|: !<tag:yaml.org,2002:str> |\n  y\n";
    insta::assert_snapshot!(written(text)[1..].join("\n"), @r#"
    .a: "a"
    .a = "12"
    .b: "b"
    .b = "c: d"
    .b.c: "c"
    .b.c = "d"
    .e: "e"
    .e = "*one"
    .f: "f"
    .f = "- 1"
    .f.0 = "1"
    .g: "g"
    .g = "g"
    .k|: "k|"
    .k| = ">\n  x"
    .h|: "h|"
    .h| = "|\n  y"
    "#);
}

#[test]
fn documents_have_their_own_places() {
    let (sources, documents) = read("---\na: 1\n---\n---\nb\n...\n# nothing\n---\n[c]\n");
    let written: Vec<&str> = documents.iter().map(|node| sources.slice(node.span)).collect();
    assert_eq!(written, ["a: 1", "", "b", "[c]"]);
}

#[test]
fn merged_entries_stand_where_they_were_written() {
    let text = "base: &base {a: 1, b: 2}\nuse:\n  b: 3\n  <<: *base\n";
    insta::assert_snapshot!(written(text)[8..].join("\n"), @r#"
    .use = "b: 3\n  <<: *base"
    .use.b: "b"
    .use.b = "3"
    .use.a: "a"
    .use.a = "1"
    "#);
}

/// The text of `a` and the file's text under the place of `part` in it.
fn placed(text: &str, part: &str) -> String {
    let (sources, documents) = read(text);
    let node = documents[0].get("a").expect("`a`");
    let value = node.as_text().expect("text");
    let at = value.find(part).unwrap_or_else(|| panic!("{part:?} is not in {value:?}"));
    sources.slice(node.place(text, at..at + part.len())).to_owned()
}

#[test]
fn a_part_of_a_text_is_found_in_the_file() {
    for (text, part, expected) in [
        ("a: one {{ two }} three\n", "{{ two }}", "{{ two }}"),
        ("a: one\n  two {{ three }}\n", "three", "three"),
        ("a: one\n\n  two\n", "two", "two"),
        ("a: 'it''s {{ two }}'\n", "'s {{ two }}", "''s {{ two }}"),
        ("a: \"x\\ty \\u00e9 {{ \\\"two\\\" }} ü\"\n", "{{ \"two\" }} ü", "{{ \\\"two\\\" }} ü"),
        ("a: \"\\ud83d\\ude00x\"\n", "x", "x"),
        ("a: \"one \\\n  two\"\n", "two", "two"),
        ("a: |\n  one\n    {{ two }}\n\n  three\n", "{{ two }}", "{{ two }}"),
        ("a: |2-\n    one\n  two\n", "two", "two"),
        ("a: |\r\n  one\r\n  two\r\n", "two", "two"),
        ("a: >\n  one\n  two\n\n  three four\n", "three", "three"),
        ("a: >\n  one\n  two {{ x\n  }}\n", "{{ x }}", "{{ x\n  }}"),
        ("a: |\n  one\n  two\n", "one\ntwo", "one\n  two"),
    ] {
        assert_eq!(placed(text, part), expected, "{part:?} in {text:?}");
    }
}

#[test]
fn a_part_of_an_alias_is_the_alias() {
    assert_eq!(
        placed("b: &b {c: one two}\na: *c\n".replace("{c: one two}", "one two").replace("*c", "*b").as_str(), "two"),
        "*b"
    );
}

#[test]
fn styles_are_kept() {
    let (_, documents) = read("- a\n- 'a'\n- \"a\"\n- |\n  a\n- >\n  a\n- !!str 1\n");
    let styles: Vec<Style> = documents[0]
        .as_list()
        .unwrap()
        .iter()
        .map(|node| match &node.tree {
            Tree::Text(_, style) => *style,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(styles, [Style::Plain, Style::Quoted, Style::Quoted, Style::Block, Style::Block, Style::Plain]);
}
