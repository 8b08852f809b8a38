//! The entries of one mapping when it ends: double keys are named, merge keys (`<<`) are unfolded.

use std::collections::HashMap;

use super::super::{Key, Node, Problem, Tree};
use super::text::Text;

/// One entry as it stands in the text.
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: Node,
    /// The key is a bare `<<`.
    pub(super) merge: bool,
}

/// The entries without double keys, merged ones where their `<<` stood; own keys win, then the first merged.
pub(super) fn close(text: &Text<'_>, entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Vec<(Key, Node)> {
    let mut first: HashMap<String, Key> = HashMap::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(before) = first.get(&entry.key.name) {
            problems.push(doubled(text, before, &entry.key));
            continue;
        }
        first.insert(entry.key.name.clone(), entry.key.clone());
        kept.push(entry);
    }
    if !kept.iter().any(|entry| entry.merge) {
        return kept.into_iter().map(|entry| (entry.key, entry.value)).collect();
    }
    let mut all = Vec::with_capacity(kept.len());
    for entry in kept {
        if !entry.merge {
            all.push((entry.key, entry.value));
            continue;
        }
        for (key, value) in merged(entry.value, problems) {
            if !first.contains_key(&key.name) {
                first.insert(key.name.clone(), key.clone());
                all.push((key, value));
            }
        }
    }
    all
}

/// The entries that a `<<` brings.
fn merged(value: Node, problems: &mut Vec<Problem>) -> Vec<(Key, Node)> {
    let refuse = |node: &Node| {
        Problem::error(node.span, format!("`<<` merges a mapping or a list of mappings, not {}", node.kind()))
            .help("name one with an anchor (`&name`) and write `<<: *name`")
    };
    match value.tree {
        Tree::Map(entries) => entries,
        Tree::List(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.tree {
                    Tree::Map(entries) => all.extend(entries),
                    _ => problems.push(refuse(&item)),
                }
            }
            all
        }
        _ => {
            problems.push(refuse(&value));
            Vec::new()
        }
    }
}

fn doubled(text: &Text<'_>, first: &Key, second: &Key) -> Problem {
    let lines = (text.line(first.span.start as usize), text.line(second.span.start as usize));
    let summary = if lines.0 == lines.1 {
        format!("the key `{}` stands twice in line {}", second.name, lines.0)
    } else {
        format!("the key `{}` stands twice, in lines {} and {}", second.name, lines.0, lines.1)
    };
    Problem::error(second.span, summary).label("again here").related(first.span, "first here").help("keep one of them")
}
