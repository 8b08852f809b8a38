//! The tree that people read: plays, roles, blocks and tasks in the order of the text, each with its places. What
//! comes after the line above says nothing; what does not says `after:`, or `at once`.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::language::program::{Block, Needed, Part, Play, Program, Rollout, TaskId};
use crate::source::Span;

use super::{Graph, Node, NodeKind, line, places};

pub(super) fn write(graph: &Graph, program: &Program) -> String {
    let mut nodes: HashMap<TaskId, Vec<&Node>> = HashMap::new();
    for node in &graph.nodes {
        if let NodeKind::Task { task, .. } | NodeKind::Handler { task, .. } = &node.kind {
            nodes.entry(*task).or_default().push(node);
        }
    }
    let mut tree = Tree { graph, program, nodes, out: String::new() };
    for play in &program.plays {
        tree.play(play);
    }
    if tree.out.is_empty() {
        tree.out.push_str("nothing is selected\n");
    }
    tree.out
}

struct Tree<'g> {
    graph: &'g Graph,
    program: &'g Program,
    nodes: HashMap<TaskId, Vec<&'g Node>>,
    out: String,
}

impl Tree<'_> {
    fn play(&mut self, play: &Play) {
        let between = play.rollout.as_ref().map_or(&[][..], |rollout: &Rollout| &rollout.between);
        if !self.shown(&play.body) && !between.iter().any(|task| self.nodes.contains_key(task)) {
            return;
        }
        let mut notes = Vec::new();
        if let Some(rollout) = &play.rollout {
            let most = rollout.batches.iter().map(Vec::len).max().unwrap_or_default();
            notes.push(format!("batches of {most}"));
        }
        match play.max_failures {
            0 => {}
            1 => notes.push("1 failure allowed".to_owned()),
            many => notes.push(format!("{many} failures allowed")),
        }
        notes.extend(after(play.needs.as_deref()));
        self.line(0, "play", &play.name, &notes);
        self.body(1, &play.body);
        self.tasks(1, "handlers", &play.handlers);
        self.tasks(1, "after each batch", between);
    }

    fn body(&mut self, depth: usize, parts: &[Part]) {
        for part in parts {
            match part {
                _ if !self.shown(std::slice::from_ref(part)) => {}
                Part::Task(task) => self.task(depth, *task),
                Part::Role(role) => {
                    self.line(depth, "role", &role.name, &after(role.needs.as_deref()));
                    self.body(depth + 1, &role.body);
                    self.tasks(depth + 1, "handlers", &role.handlers);
                }
                Part::Block(block) => self.block(depth, block),
            }
        }
    }

    fn block(&mut self, depth: usize, block: &Block) {
        self.line(depth, "block", &block.name, &after(block.needs.as_deref()));
        self.body(depth + 1, &block.block);
        for (title, parts) in [("on failure", &block.rescue), ("in any case", &block.always)] {
            if self.shown(parts) {
                let _ = writeln!(self.out, "{}{title}:", "  ".repeat(depth + 1));
                self.body(depth + 2, parts);
            }
        }
    }

    fn tasks(&mut self, depth: usize, title: &str, tasks: &[TaskId]) {
        if tasks.iter().any(|task| self.nodes.contains_key(task)) {
            let _ = writeln!(self.out, "{}{title}:", "  ".repeat(depth));
            for task in tasks {
                self.task(depth + 1, *task);
            }
        }
    }

    fn task(&mut self, depth: usize, id: TaskId) {
        let Some(found) = self.nodes.get(&id) else { return };
        let task = &self.program.tasks[id as usize];
        let all = found.iter().flat_map(|node| node.places.iter().copied()).collect::<std::collections::BTreeSet<_>>();
        let all: Vec<_> = all.into_iter().collect();
        let mut remarks = vec![line(&places(self.graph, self.program, &all))];
        if task.run_once {
            remarks.push("once".to_owned());
        }
        if task.per_host {
            remarks.push("once a host, on the cluster".to_owned());
        } else if let Some(host) = task.delegate_to {
            remarks.push(format!("done at {}", line(&self.program.environment.hosts[host as usize].name)));
        }
        let mut items: Vec<&str> = Vec::new();
        for node in found {
            if let NodeKind::Task { item: Some(item), .. } = node.kind {
                items.extend(task.items.as_ref().and_then(|all| all.items.get(item as usize)).map(|item| &*item.key));
            }
        }
        items.sort_unstable();
        items.dedup();
        match items.len() {
            0 => {}
            1..=3 => remarks.push(format!("for {}", items.iter().map(|key| line(key)).collect::<Vec<_>>().join(", "))),
            many => remarks.push(format!("for {many} items")),
        }
        let listed = |names: &[(String, Span)]| names.iter().map(|(name, _)| line(name)).collect::<Vec<_>>().join(", ");
        if !task.reads.is_empty() {
            remarks.push(format!("reads {}", listed(&task.reads)));
        }
        if !task.notify.is_empty() {
            remarks.push(format!("notifies {}", listed(&task.notify)));
        }
        remarks.extend(after(task.needs.as_deref()));
        self.line(depth, "", &task.name, &remarks);
    }

    fn line(&mut self, depth: usize, kind: &str, name: &str, notes: &[String]) {
        let gap = if kind.is_empty() { "" } else { " " };
        let colon = if notes.is_empty() { "" } else { ": " };
        let indent = "  ".repeat(depth);
        let _ = writeln!(self.out, "{indent}{kind}{gap}{}{colon}{}", line(name), notes.join("; "));
    }

    /// Is anything of these in the graph?
    fn shown(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| match part {
            Part::Task(task) => self.nodes.contains_key(task),
            Part::Role(role) => self.shown(&role.body),
            Part::Block(block) => self.shown(&block.block) || self.shown(&block.rescue) || self.shown(&block.always),
        })
    }
}

fn after(needs: Option<&[Needed]>) -> Vec<String> {
    match needs {
        None => Vec::new(),
        Some([]) => vec!["at once".to_owned()],
        Some(names) => {
            vec![format!("after: {}", names.iter().map(|needed| line(&needed.name)).collect::<Vec<_>>().join(", "))]
        }
    }
}
