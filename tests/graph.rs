//! Tests of `graph`.

mod build;
mod founding;
mod naive;
mod properties;
mod random;
mod select;
mod show;
mod size;
mod text;

use lions::graph::{Graph, NodeKind, Reach, Rule};

use text::Parsed;

/// Every node with its edges, one a line: the whole of a graph, for golden text.
fn dump(parsed: &Parsed, graph: &Graph) -> String {
    use std::fmt::Write as _;
    let hosts = &parsed.program.environment.hosts;
    let place = |id: u32| if id == graph.cluster { "cluster".to_owned() } else { hosts[id as usize].name.to_string() };
    let mut out = String::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let places: Vec<String> = node.places.iter().copied().map(place).collect();
        let what = match &node.kind {
            NodeKind::Task { .. } => String::new(),
            NodeKind::Handler { by, .. } => format!(" handler by {by:?}"),
            NodeKind::Join { block: None } => " join".into(),
            NodeKind::Join { block: Some(block) } => format!(" join of block {block}"),
        };
        write!(out, "{id} {} @{}{what}", node.address, places.join(",")).unwrap();
        if let Some(at) = node.done_at {
            write!(out, " done at {}", place(at)).unwrap();
        }
        for (block, section) in &node.sections {
            write!(out, " in {block}:{section:?}").unwrap();
        }
        for edge in &node.after {
            let reach = if edge.reach == Reach::All { " all" } else { "" };
            let rule = match edge.rule {
                Rule::Success => String::new(),
                Rule::AtMost(most) => format!(" most {most}"),
                Rule::LeaveOut => " leave out".into(),
                Rule::Ended => " ended".into(),
            };
            let selects = if edge.selects { " *" } else { "" };
            write!(out, " <- {}{reach}{rule}{selects}", edge.from).unwrap();
        }
        out.push('\n');
    }
    out
}

/// The graph of a text, dumped.
fn graph_of(text: &str) -> String {
    let parsed = text::parse(text);
    let graph = lions::graph::build(&parsed.program).unwrap_or_else(|problems| panic!("{problems:?}"));
    dump(&parsed, &graph)
}

/// The problems of a text: summary, line, then related places and help.
fn problems_of(text: &str) -> String {
    let parsed = text::parse(text);
    lines_of(&parsed, lions::graph::build(&parsed.program).expect_err("problems"))
}

fn lines_of(parsed: &Parsed, problems: lions::source::Problems) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for problem in problems {
        let line = problem.span.map_or("-".into(), |span| parsed.sources.position(span));
        writeln!(out, "{line}: {}: {}", problem.summary, problem.label).unwrap();
        for (span, label) in &problem.related {
            writeln!(out, "  {}: {label}", parsed.sources.position(*span)).unwrap();
        }
        for help in &problem.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}
