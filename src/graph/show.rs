//! A graph as text for people and for other programs. Writes to no terminal.

mod drawing;
mod text;

use crate::language::program::Program;
use crate::model::PlaceName;

use super::{Graph, Node, NodeKind, PlaceId, Reach, Rule, Section};

/// What `lions graph` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A tree to read.
    #[default]
    Text,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
    /// For other programs: nodes, places and edges.
    Json,
}

/// `graph`, made of `program`, as `format`; ends with a line break.
#[must_use]
pub fn show(graph: &Graph, program: &Program, format: Format) -> String {
    match format {
        Format::Text => text::write(graph, program),
        Format::Dot => drawing::dot(graph, program),
        Format::Mermaid => drawing::mermaid(graph, program),
        Format::Json => json(graph, program),
    }
}

fn place<'p>(graph: &Graph, program: &'p Program, id: PlaceId) -> &'p str {
    if id == graph.cluster { PlaceName::CLUSTER } else { &program.environment.hosts[id as usize].name }
}

/// One place by name, several by number.
fn places(graph: &Graph, program: &Program, ids: &[PlaceId]) -> String {
    match ids {
        [one] => place(graph, program, *one).to_owned(),
        [.., last] if *last == graph.cluster => format!("{} hosts, {}", ids.len() - 1, PlaceName::CLUSTER),
        many => format!("{} hosts", many.len()),
    }
}

/// On one line, whatever it holds.
fn line(name: &str) -> String {
    name.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn json(graph: &Graph, program: &Program) -> String {
    let nodes: Vec<_> = graph.nodes.iter().enumerate().map(|(id, node)| node_json(graph, program, id, node)).collect();
    let mut text =
        serde_json::json!({ "version": 1, "environment": program.environment.name, "nodes": nodes }).to_string();
    text.push('\n');
    text
}

fn node_json(graph: &Graph, program: &Program, id: usize, node: &Node) -> serde_json::Value {
    use serde_json::json;
    let names = |ids: &[PlaceId]| ids.iter().map(|id| place(graph, program, *id)).collect::<Vec<_>>();
    let after: Vec<_> = node
        .after
        .iter()
        .map(|edge| {
            let rule = match edge.rule {
                Rule::Success => json!("success"),
                Rule::AtMost(failures) => json!({ "at_most": failures }),
                Rule::LeaveOut => json!("leave_out"),
                Rule::Ended => json!("ended"),
            };
            let reach = if edge.reach == Reach::All { "all" } else { "same" };
            json!({ "from": edge.from, "reach": reach, "rule": rule, "selects": edge.selects })
        })
        .collect();
    let sections: Vec<_> = node
        .sections
        .iter()
        .map(|(block, section)| {
            let section = match section {
                Section::Block => "block",
                Section::Rescue => "rescue",
                Section::Always => "always",
            };
            json!({ "block": graph.blocks[*block as usize].address, "section": section })
        })
        .collect();
    let mut out = json!({
        "id": id,
        "address": node.address,
        "kind": match node.kind {
            NodeKind::Task { .. } => "task",
            NodeKind::Handler { .. } => "handler",
            NodeKind::Join { .. } => "join",
        },
        "places": names(&node.places),
        "after": after,
    });
    if let Some(at) = node.done_at {
        out["done_at"] = json!(place(graph, program, at));
    }
    if let NodeKind::Handler { by, .. } = &node.kind {
        out["by"] = json!(by);
    }
    if !sections.is_empty() {
        out["sections"] = json!(sections);
    }
    out
}
