//! Every way in which a text can be bad, as people see it.

use lions::render::problem::problems;
use lions::source::{Limits, Sources, parse};

/// What is said about `text`.
fn said(text: &str) -> String {
    said_within(text, Limits::default())
}

fn said_within(text: &str, limits: Limits) -> String {
    let mut sources = Sources::default();
    let file = sources.add("roles/base/tasks.yml", text);
    match parse(file, text, limits) {
        Ok(documents) => panic!("read without a problem: {documents:?}"),
        Err(found) => problems(&sources, &found, false),
    }
}

/// One golden file a case.
macro_rules! bad {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            let text: &str = $text;
            insta::assert_snapshot!(concat!("bad_", stringify!($name)), said(text), &format!("{text:?}"));
        }
    )*};
}

bad! {
    template_alone: "a: 1\ndest: {{ base }}\nb: {{ one }}   # why\n";
    template_and_text: "- copy:\n    dest: {{ base }}/chrony.conf\n    src: {{ \"x\" }}-y\n    mode: \"0644\"\n";
    template_in_brackets: "all: [{{ one }}, {{ two }}/x, three]\nand: {a: {{ one }}}\n";
    template_statement: "a: {% if b %}c{% endif %}\n";
    template_unfinished: "a: {{ b }\nc: 1\n";
    template_key: "{{ name }}: 1\n";
    tab_indent: "a:\n\tb: 1\n";
    tab_later: "a:\n  b: 1\n\tc: 2\n";
    tab_after_dash: "a:\n  -\t- x\n";
    no_blank_after_colon: "a: 1\nname:chrony\nb: 2\n";
    no_blank_after_first_colon: "name:chrony\nstate: started\n";
    second_colon: "a: 1\nname: install: chrony\nb: c: d\n";
    value_and_children: "package: chrony\n  name: x\n  state: y\n";
    at_sign: "a: @home\nb: `date`\nc: %x\n";
    comma: "a: ,b\n";
    double_quote_open: "a: \"one\nb: 2\nc: \"3\"\n";
    single_quote_open: "- a: 'one\n- b: 2\n";
    quote_open_at_end: "a: 'one\n  two\n";
    quote_closed_by_another: "a: \"one\n  b: \"two\"\n";
    apostrophe: "a: 'it's here'\n";
    after_quote: "a: \"one\" two\n";
    escape: "a: \"C:\\dir\"\nb: \"\\u12\"\nc: \"\\ud800\"\nd: \"\\x+1\"\n";
    directive: "%YAML 1.2\n---\na: 1\n";
    double_key: "a: 1\nb:\n  x: 1\n  y: 2\n  x: 3\na: 2\n";
    double_key_far: concat!("a: 1\n", "# filler\n# filler\n# filler\n# filler\n# filler\n# filler\n", "a: 2\n");
    double_key_in_braces: "a: {b: 1, b: 2}\n";
    key_list: "? [a, b]\n: c\nd: 1\n";
    key_missing: ": a\n";
    unknown_tags: "a: !vault |\n  $ANSIBLE_VAULT;1.1\nb: !include x.yml\nc: !thing {x: 1}\nd: !!binary aGk=\ne: !e!x y\n";
    wrong_tags: "a: !!int abc\nb: !!map [x]\n";
    alias_unknown: "base: &base {a: 1}\nb: *bse\nc: *.log\n";
    alias_inside_itself: "a: &x [1, *x]\n";
    alias_without_name: "a: * \nb: &\n";
    merge_of_text: "a: {<<: b, c: 1}\n";
    number_too_large: "a: 9223372036854775808\nb: 0xffffffffffffffffff\nc: 1e999\n";
    bracket_open: "a: [b, c\nd: 1\n";
    brace_open: "a: {b: 1\nd: 1\n";
    bracket_open_at_end: "a: [b, c";
    bracket_wrong: "a: [b, c}\n";
    bracket_alone: "a: ]\n";
    bracket_and_text: "a: [b] c\nd: 1\n";
    missing_comma: "a: {b: [c] d}\n";
    indent_odd: "a:\n    b: 1\n  c: 2\n";
    item_among_keys: "a: 1\n- b\n";
    key_among_items: "- a\nb: 1\n";
    item_on_line: "a: - b\n";
    text_on_block_line: "a: | some text\n  more\nb: 1\n";
    block_then_text: "a: |\n  text\nmore\n";
    nul_byte: "a: 1\nb: \0\0\n";
    control_character: "a: \u{1b}[31mred\n";
    lone_carriage_return: "a: 1\rb: 2\r";
    byte_order_mark_inside: "a: 1\n\u{feff}b: 2\n";
    two_documents: "a: {{ b }}\n---\na:\n\tb\n---\na: 1\na: 2\n";
    windows_line_ends: "a: 1\r\nb: {{ c }}\r\na: 2\r\n";
    wide_characters: "名前: 日本\n鍵: {{ 値 }}\t# ö\n";
}

#[test]
fn a_text_that_is_too_long() {
    let limits = Limits { bytes: 10, ..Limits::default() };
    insta::assert_snapshot!("bad_too_long", said_within("a: 12345678\n", limits));
}

#[test]
fn a_text_that_is_too_deep() {
    let limits = Limits { depth: 3, ..Limits::default() };
    insta::assert_snapshot!(
        "bad_too_deep",
        said_within("a:\n  b:\n    c:\n      d: 1\n---\na: {b: {c: [1]}}\n", limits)
    );
}

#[test]
fn a_text_with_too_many_values() {
    let limits = Limits { nodes: 5, ..Limits::default() };
    insta::assert_snapshot!("bad_too_many", said_within("a: [1, 2, 3]\nb: [4, 5]\n", limits));
}

#[test]
fn a_bomb_of_aliases_is_never_built() {
    let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned()];
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        lines.push(format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let text = lines.concat();
    let began = std::time::Instant::now();
    insta::assert_snapshot!("bad_bomb", said(&text));
    assert!(began.elapsed().as_secs() < 5, "took {:?}", began.elapsed());
}

#[test]
fn a_bomb_of_long_texts_is_never_built() {
    let aliases = vec!["*a"; 1000].join(", ");
    let text = format!("a: &a {}\nb: [{aliases}]\n", "x".repeat(100_000));
    let found = said(&text);
    assert!(
        found.starts_with("error: the file holds more than 8388608 bytes when its aliases are unfolded\n"),
        "{found}"
    );
}

#[test]
fn fifty_thousand_brackets_are_too_deep_and_quick() {
    for open in ["[", "{", "- ", "? ", "{a: "] {
        let began = std::time::Instant::now();
        let found = said(&open.repeat(50_000));
        assert!(found.contains("this is nested deeper than 64 levels"), "{open}: {}", &found[..200]);
        assert!(began.elapsed().as_secs() < 5, "{open} took {:?}", began.elapsed());
    }
}

#[test]
fn a_hundred_problems_are_enough() {
    let text = "a: *b\n".repeat(50_000);
    let began = std::time::Instant::now();
    let found = said(&text);
    assert!(found.contains("too many problems"), "{}", &found[found.len() - 500..]);
    assert!(began.elapsed().as_secs() < 5, "took {:?}", began.elapsed());
}
