//! Nodes and edges for programs that draw. A solid arrow is named in the text, a dashed one follows from the list; a
//! barrier is a dot. Every name is escaped: it may hold anything.

use std::fmt::Write as _;

use crate::language::program::Program;

use super::{Graph, Node, NodeKind, line, places};

/// For Graphviz.
pub(super) fn dot(graph: &Graph, program: &Program) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = String::from("digraph lions {\n  rankdir=LR;\n  node [shape=box];\n");
    each_play(graph, program, |play, name, nodes| {
        let _ = writeln!(out, "  subgraph cluster_{play} {{\n    label=\"{}\";", escaped(&line(name)));
        for (id, node) in nodes {
            let (first, second) = label(graph, program, node);
            let text = format!("\"{}\\n{}\"", escaped(&first), escaped(&second));
            let _ = match node.kind {
                NodeKind::Task { .. } => writeln!(out, "    n{id} [label={text}];"),
                NodeKind::Handler { .. } => writeln!(out, "    n{id} [label={text}, style=rounded];"),
                NodeKind::Join { .. } => writeln!(out, "    n{id} [shape=point, tooltip=\"{}\"];", escaped(&first)),
            };
        }
        out.push_str("  }\n");
    });
    each_edge(graph, |from, to, named| {
        let style = if named { "" } else { " [style=dashed]" };
        let _ = writeln!(out, "  n{from} -> n{to}{style};");
    });
    out.push_str("}\n");
    out
}

/// For Mermaid.
pub(super) fn mermaid(graph: &Graph, program: &Program) -> String {
    // Mermaid reads entities, and some words and signs as its own even within quotes.
    let escaped = |text: &str| -> String {
        text.chars()
            .map(|c| match c {
                c if c.is_alphanumeric() || " /.,:-_()".contains(c) => c.to_string(),
                c => format!("#{};", c as u32),
            })
            .collect()
    };
    let mut out = String::from("flowchart LR\n");
    each_play(graph, program, |play, name, nodes| {
        let _ = writeln!(out, "  subgraph p{play}[\"{}\"]", escaped(&line(name)));
        for (id, node) in nodes {
            let (first, second) = label(graph, program, node);
            let text = format!("\"{}<br>{}\"", escaped(&first), escaped(&second));
            let _ = match node.kind {
                NodeKind::Task { .. } => writeln!(out, "    n{id}[{text}]"),
                NodeKind::Handler { .. } => writeln!(out, "    n{id}({text})"),
                NodeKind::Join { .. } => writeln!(out, "    n{id}((\" \"))"),
            };
        }
        out.push_str("  end\n");
    });
    each_edge(graph, |from, to, named| {
        let arrow = if named { "-->" } else { "-.->" };
        let _ = writeln!(out, "  n{from} {arrow} n{to}");
    });
    out
}

/// The address without its play, and the places.
fn label(graph: &Graph, program: &Program, node: &Node) -> (String, String) {
    let address = line(node.address.as_str());
    let short = address.split_once('/').map_or(address.as_str(), |(_, rest)| rest).to_owned();
    (short, line(&places(graph, program, &node.places)))
}

fn each_play<'g>(graph: &'g Graph, program: &Program, mut draw: impl FnMut(usize, &str, &[(usize, &'g Node)])) {
    for (at, play) in program.plays.iter().enumerate() {
        let nodes: Vec<_> = graph.nodes.iter().enumerate().filter(|(_, node)| node.play as usize == at).collect();
        if !nodes.is_empty() {
            draw(at, &play.name, &nodes);
        }
    }
}

/// Every edge once, though it may have several rules.
fn each_edge(graph: &Graph, mut draw: impl FnMut(usize, usize, bool)) {
    for (to, node) in graph.nodes.iter().enumerate() {
        let mut from: Vec<(u32, bool)> = Vec::new();
        for edge in &node.after {
            match from.iter_mut().find(|(known, _)| *known == edge.from) {
                Some((_, named)) => *named |= edge.selects,
                None => from.push((edge.from, edge.selects)),
            }
        }
        for (from, named) in from {
            draw(from as usize, to, named);
        }
    }
}
