//! Random trees and random texts: what is written is read back, and nothing makes the reader fall over.

use lions::render::problem::problems;
use lions::source::{Limits, Node, Sources, Tree, parse};
use proptest::prelude::*;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A value without places.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Plain>),
    Map(Vec<(String, Plain)>),
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => out.serialize_unit(),
            Self::Bool(truth) => out.serialize_bool(*truth),
            Self::Int(number) => out.serialize_i64(*number),
            Self::Float(number) => out.serialize_f64(*number),
            Self::Text(text) => out.serialize_str(text),
            Self::List(items) => {
                let mut list = out.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Map(entries) => {
                let mut map = out.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

fn plain(node: &Node) -> Plain {
    match &node.tree {
        Tree::Null => Plain::Null,
        Tree::Bool(truth) => Plain::Bool(*truth),
        Tree::Int(number) => Plain::Int(*number),
        Tree::Float(number) => Plain::Float(*number),
        Tree::Text(text, _) => Plain::Text(text.clone()),
        Tree::List(items) => Plain::List(items.iter().map(plain).collect()),
        Tree::Map(entries) => Plain::Map(entries.iter().map(|(key, value)| (key.name.clone(), plain(value))).collect()),
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{0,8}",
        // What looks like something else.
        2 => prop::sample::select(vec![
            "yes", "on", "n", "~", "null", "true", "0644", "1_000", "0o644", "1e3", ".inf", "-", "- a", "a: b", "a:b", "#a", "a #b", "{{ a }}",
            "[a]", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a`", "'", "\"", "'a'", "\\", "<<", "---", "...", "? a", ": a", "2026-01-02", "0x1f",
        ]).prop_map(str::to_owned),
        2 => "[ -~\n\t]{0,40}",
        1 => "\\PC{0,20}",
        1 => any::<String>(),
        1 => "(  )?[a-z]{1,5}(\n{1,3} {0,3}[a-z#:-]{0,5}){0,4}\n{0,3}",
        1 => "[a-z ]{60,200}",
    ]
}

fn tree() -> impl Strategy<Value = Plain> {
    let leaf = prop_oneof![
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::Bool),
        any::<i64>().prop_map(Plain::Int),
        prop::num::f64::NORMAL.prop_map(Plain::Float),
        text().prop_map(Plain::Text),
        text().prop_map(Plain::Text),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Plain::List),
            prop::collection::vec((text(), inner), 0..6).prop_map(|entries| {
                let mut unique: Vec<(String, Plain)> = Vec::new();
                for (key, value) in entries {
                    if unique.iter().all(|(other, _)| *other != key) {
                        unique.push((key, value));
                    }
                }
                Plain::Map(unique)
            }),
        ]
    })
}

/// Reads `text`, shows what is wrong with it, and looks at every span. Panics are what this is about.
pub(crate) fn swallow(text: &str) {
    let mut sources = Sources::default();
    let file = sources.add("a.yml", text);
    match parse(file, text, Limits::default()) {
        Ok(documents) => documents.iter().for_each(|node| inside(text, node)),
        Err(found) => {
            assert!(found.has_errors(), "{text:?} is refused without a reason");
            for problem in found.iter() {
                let span = problem.span.expect("a problem of a text has a place");
                assert!(text.get(span.start as usize..span.end as usize).is_some(), "{problem:?} in {text:?}");
            }
            let shown = problems(&sources, &found, true);
            assert!(!shown.contains('\0') && !problems(&sources, &found, false).contains('\u{1b}'), "{shown:?}");
        }
    }
}

/// Every span lies between characters of the text, and every part within its whole (but for what an alias brings).
fn inside(text: &str, node: &Node) {
    let written = text.get(node.span.start as usize..node.span.end as usize);
    assert!(written.is_some(), "{node:?} in {text:?}");
    if let Some(value) = node.as_text() {
        for (at, character) in value.char_indices() {
            let place = node.place(text, at..at + character.len_utf8());
            assert!(text.get(place.start as usize..place.end as usize).is_some(), "{place:?} in {text:?}");
        }
    }
    node.as_list().unwrap_or_default().iter().for_each(|item| inside(text, item));
    for (key, value) in node.as_map().unwrap_or_default() {
        assert!(text.get(key.span.start as usize..key.span.end as usize).is_some(), "{key:?} in {text:?}");
        inside(text, value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(tree in tree()) {
        let text = serde_saphyr::to_string(&tree).unwrap();
        let file = Sources::default().add("a.yml", text.as_str());
        let documents = parse(file, &text, Limits::default());
        let read = documents.as_ref().map(|documents| documents.iter().map(plain).collect::<Vec<_>>());
        prop_assert_eq!(read, Ok(vec![tree]), "{}", text);
    }

    #[test]
    fn any_text_is_swallowed(text in any::<String>()) {
        swallow(&text);
    }

    #[test]
    fn any_text_of_signs_is_swallowed(text in "([-?:,\\[\\]{}#&*!|>'\"%@`\\\\ \t\r\n~<.=a0é]|: |- |\\{\\{|\\}\\}|\n  |---\n|!!str |<<: ){0,60}") {
        swallow(&text);
    }

    #[test]
    fn any_cut_of_a_good_text_is_swallowed(tree in tree(), from in 0_usize..=100, to in 0_usize..=100) {
        let text = serde_saphyr::to_string(&tree).unwrap();
        let cut = |percent: usize| text.floor_char_boundary(text.len() * percent / 100);
        let (from, to) = (cut(from), cut(to));
        swallow(&text[from.min(to)..from.max(to)]);
    }
}
