//! Playbooks as written: a list of plays. Knows no environment and looks into no role.

use std::path::{Path, PathBuf};

use crate::source::{Node, Problem, Span, Tree};

use super::keys::{self, Keys};
use super::reading::Reading;
use super::scan::Read;
use super::task::{Common, Home, StepText, TaskText, common, entry_span, handlers, steps};

/// A play as written.
#[derive(Clone, Debug)]
pub(super) struct PlayText {
    pub(super) common: Common,
    pub(super) max_failures: u32,
    pub(super) rollout: Option<RolloutText>,
    pub(super) roles: Vec<RoleUse>,
    pub(super) tasks: Vec<StepText>,
    pub(super) handlers: Vec<TaskText>,
}

/// `rollout` as written.
#[derive(Clone, Debug)]
pub(super) struct RolloutText {
    pub(super) batch: Vec<Batch>,
    pub(super) between: Vec<StepText>,
    pub(super) span: Span,
}

/// The size of a batch; the last one of a list goes on to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    Hosts(u32),
    Percent(u32),
}

/// A role where a play names it.
#[derive(Clone, Debug)]
pub(super) struct RoleUse {
    /// Its folder's name.
    pub(super) role: String,
    pub(super) role_span: Span,
    pub(super) common: Common,
    /// Inputs given here: name, where the name stands, value.
    pub(super) with: Vec<(String, Span, Node)>,
    /// Names that they read.
    pub(super) with_reads: Vec<Read>,
}

/// The plays of the playbook at `path`.
pub(super) fn read(reading: &mut Reading<'_>, path: &Path) -> Option<Vec<PlayText>> {
    let before = reading.problems.len();
    let Some(node) = reading.document(path) else {
        if reading.problems.len() == before {
            missing(reading, path);
        }
        return None;
    };
    if node.tree == Tree::Null {
        reading.problems.push(
            Problem::error(node.span, format!("`{}` is empty", path.display()))
                .help("a playbook is a list of plays: `- { name: ..., hosts: ..., roles: [...] }`"),
        );
        return None;
    }
    let plays = keys::list(&node, "a playbook", &mut reading.problems)?;
    Some(plays.iter().filter_map(|play_node| play(reading, play_node)).collect())
}

fn missing(reading: &mut Reading<'_>, path: &Path) {
    let known = all(reading);
    let shown = path.display().to_string();
    let names: Vec<_> = known.iter().map(|path| path.display().to_string()).collect();
    let mut problem = Problem::nowhere(format!("there is no playbook `{shown}`"))
        .did_you_mean(&shown, names.iter().map(String::as_str));
    if problem.help.is_empty() {
        problem = problem.help(match names.as_slice() {
            [] => "`lions init` writes a first project; playbooks are in `playbooks/`".to_owned(),
            names => format!("playbooks are `{}`", names.join("`, `")),
        });
    }
    reading.problems.push(problem);
}

/// All playbooks of the project.
pub(super) fn all(reading: &mut Reading<'_>) -> Vec<PathBuf> {
    let folder = Path::new("playbooks");
    let entries = reading.list(folder);
    let yaml = |name: &str| {
        matches!(Path::new(name).extension().and_then(|extension| extension.to_str()), Some("yml" | "yaml"))
    };
    entries
        .into_iter()
        .filter(|entry| !entry.folder && yaml(&entry.name))
        .map(|entry| folder.join(entry.name))
        .collect()
}

fn play(reading: &mut Reading<'_>, node: &Node) -> Option<PlayText> {
    let mut keys = Keys::open(node, "a play", &mut reading.problems)?;
    let fallback = node.get("hosts").and_then(Node::as_text).filter(|hosts| !hosts.contains('/')).unwrap_or("cluster");
    let common = common(reading, &mut keys, "a play", (fallback.to_owned(), entry_span(node)));
    let max_failures_node = keys.take("max_failures");
    let mut max_failures = max_failures_node.and_then(|node| failures(reading, node));
    let rollout = keys.take("rollout").and_then(|node| {
        let (rollout, more) = rollout(reading, node)?;
        if let (Some(more), Some(first)) = (more, max_failures_node) {
            reading.problems.push(
                Problem::error(more.span, "`max_failures` is set twice")
                    .label("again here")
                    .related(first.span, "first here")
                    .help("keep one: both mean the play"),
            );
        }
        if let Some(more) = more {
            max_failures = failures(reading, more);
        }
        Some(rollout)
    });
    let roles = keys.take("roles").map(|node| roles(reading, node)).unwrap_or_default();
    let home = Home { folder: PathBuf::new(), handlers: false, rescue: false };
    let tasks = keys.take("tasks").map(|node| steps(reading, node, "`tasks`", &home)).unwrap_or_default();
    let handlers = keys.take("handlers").map(|node| handlers(reading, node, Path::new(""))).unwrap_or_default();
    let unknown = !keys.rest().is_empty();
    keys.close(&mut reading.problems);
    if !unknown && roles.is_empty() && tasks.is_empty() && node.get("roles").is_none() && node.get("tasks").is_none() {
        reading
            .problems
            .push(Problem::error(common.span, "a play with nothing to do").help("give it `roles:` or `tasks:`"));
    }
    Some(PlayText { common, max_failures: max_failures.unwrap_or_default(), rollout, roles, tasks, handlers })
}

fn failures(reading: &mut Reading<'_>, node: &Node) -> Option<u32> {
    keys::count(node, 0, "`max_failures`", &mut reading.problems)
}

fn rollout<'n>(reading: &mut Reading<'_>, node: &'n Node) -> Option<(RolloutText, Option<&'n Node>)> {
    let mut keys = Keys::open(node, "`rollout`", &mut reading.problems)?;
    let batch = match keys.take("batch") {
        Some(node) => {
            let sizes = node.as_list().unwrap_or(std::slice::from_ref(node));
            sizes.iter().filter_map(|size| batch(reading, size)).collect()
        }
        None => vec![Batch::Hosts(1)],
    };
    let max_failures = keys.take("max_failures");
    let home = Home { folder: PathBuf::new(), handlers: false, rescue: false };
    let between = keys.take("between").map(|node| steps(reading, node, "`between`", &home)).unwrap_or_default();
    keys.close(&mut reading.problems);
    Some((RolloutText { batch, between, span: entry_span(node) }, max_failures))
}

fn batch(reading: &mut Reading<'_>, node: &Node) -> Option<Batch> {
    let size = match &node.tree {
        Tree::Int(hosts) => u32::try_from(*hosts).ok().filter(|hosts| *hosts > 0).map(Batch::Hosts),
        Tree::Text(text, _) => text
            .strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .filter(|percent| (1..=100).contains(percent))
            .map(Batch::Percent),
        _ => None,
    };
    if size.is_none() {
        reading.problems.push(
            Problem::error(node.span, "`batch` is a number of hosts, a share such as `25%`, or a list of both")
                .label("a number from 1 on is expected"),
        );
    }
    size
}

fn roles(reading: &mut Reading<'_>, node: &Node) -> Vec<RoleUse> {
    let Some(items) = keys::list(node, "`roles`", &mut reading.problems) else { return Vec::new() };
    items.iter().filter_map(|item| role_use(reading, item)).collect()
}

fn role_use(reading: &mut Reading<'_>, node: &Node) -> Option<RoleUse> {
    if node.as_text().is_some() {
        let role = keys::name(node, "the name of a role", &mut reading.problems)?.to_owned();
        let common = Common::named(role.clone(), node.span);
        return Some(RoleUse { role, role_span: node.span, common, with: Vec::new(), with_reads: Vec::new() });
    }
    let mut keys = Keys::open(node, "a role", &mut reading.problems)?;
    let Some(role_node) = keys.take("role") else {
        reading.problems.push(
            Problem::error(entry_span(node), "an entry of `roles` that names no role")
                .help("write the name alone, or `{ role: name, needs: [...], with: {...} }`"),
        );
        return None;
    };
    let role = keys::name(role_node, "the name of a role", &mut reading.problems)?.to_owned();
    let common = common(reading, &mut keys, "a role", (role.clone(), role_node.span));
    let mut with = Vec::new();
    let mut with_reads = Vec::new();
    if let Some(inputs) = keys.take("with") {
        reading.scanner().node(inputs, &mut with_reads);
        match &inputs.tree {
            Tree::Map(entries) => {
                with = entries.iter().map(|(key, node)| (key.name.clone(), key.span, node.clone())).collect();
            }
            _ => reading.problems.push(
                Problem::error(inputs.span, format!("`with` is a mapping of inputs, not {}", inputs.kind()))
                    .help("write `with: { input: value }`"),
            ),
        }
    }
    keys.close(&mut reading.problems);
    Some(RoleUse { role, role_span: role_node.span, common, with, with_reads })
}
