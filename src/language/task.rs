//! Tasks and blocks as written: their keys, and what the text alone tells. Knows no environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Sort;
use crate::source::{Node, Problem, Problems, Span, Tree};

use super::condition;
use super::input::check_name;
use super::keys::{self, Keys};
use super::params;
use super::pattern::Pattern;
use super::program::{Expression, Needed};
use super::reading::Reading;
use super::scan::Read;
use super::task_files;
use super::task_resource::{default_name, resource};

/// Where tasks are written: fixes where their files lie and what they may say.
#[derive(Clone, Debug)]
pub(super) struct Home {
    /// `roles/base`, or nothing for tasks of a playbook.
    pub(super) folder: PathBuf,
    pub(super) handlers: bool,
    pub(super) rescue: bool,
}

/// What roles, blocks and tasks can all say.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) name: String,
    /// Its name, or what stands for it.
    pub(super) span: Span,
    pub(super) hosts: Option<Pattern>,
    pub(super) needs: Option<Vec<Needed>>,
    pub(super) tags: Vec<String>,
    pub(super) when: Vec<Expression>,
    /// Names that `when` reads.
    pub(super) when_reads: Vec<Read>,
    pub(super) becomes: Option<bool>,
    pub(super) become_user: Option<String>,
}

impl Common {
    /// That says nothing but its name.
    pub(super) fn named(name: String, span: Span) -> Self {
        Self {
            name,
            span,
            hosts: None,
            needs: None,
            tags: Vec::new(),
            when: Vec::new(),
            when_reads: Vec::new(),
            becomes: None,
            become_user: None,
        }
    }
}

/// A task or a block.
#[derive(Clone, Debug)]
pub(super) enum StepText {
    Task(Box<TaskText>),
    Block(Box<BlockText>),
}

/// A block as written.
#[derive(Clone, Debug)]
pub(super) struct BlockText {
    pub(super) common: Common,
    pub(super) block: Vec<StepText>,
    pub(super) rescue: Vec<StepText>,
    pub(super) always: Vec<StepText>,
}

/// A task as written.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of its own in the text")]
pub(super) struct TaskText {
    pub(super) common: Common,
    pub(super) resource: &'static str,
    pub(super) sort: Sort,
    /// Where the resource is named.
    pub(super) key: Span,
    pub(super) params: Node,
    pub(super) items: Option<Node>,
    pub(super) variable: String,
    pub(super) register: Option<(String, Span)>,
    pub(super) notify: Vec<(String, Span)>,
    pub(super) retries: u32,
    pub(super) delay: Duration,
    pub(super) timeout: Option<Duration>,
    pub(super) run_once: bool,
    pub(super) delegate_to: Option<Node>,
    pub(super) per_host: bool,
    pub(super) guard: bool,
    pub(super) optional: bool,
    pub(super) changed_when: Option<Expression>,
    pub(super) failed_when: Option<Expression>,
    /// Names that it reads itself, those of its template files included.
    pub(super) reads: Vec<Read>,
    /// Names that must be known at load: of `loop` and `delegate_to`.
    pub(super) early: Vec<Read>,
    /// Names that `changed_when` and `failed_when` read: its own register may be one.
    pub(super) outcome_reads: Vec<Read>,
}

impl TaskText {
    /// Every name that it reads.
    pub(super) fn all_reads(&self) -> impl Iterator<Item = &Read> {
        self.reads.iter().chain(&self.outcome_reads)
    }
}

/// The pause between tries when the text does not say.
const DELAY: Duration = Duration::from_secs(5);

/// The list of tasks in `node`.
pub(super) fn steps(reading: &mut Reading<'_>, node: &Node, what: &str, home: &Home) -> Vec<StepText> {
    let Some(items) = keys::list(node, what, &mut reading.problems) else { return Vec::new() };
    items.iter().filter_map(|item| step(reading, item, home)).collect()
}

fn step(reading: &mut Reading<'_>, node: &Node, home: &Home) -> Option<StepText> {
    let is_block = node.get("block").is_some_and(|block| matches!(block.tree, Tree::List(_)));
    if !is_block {
        return task(reading, node, home).map(|task| StepText::Task(Box::new(task)));
    }
    if home.handlers {
        reading.problems.push(
            Problem::error(entry_span(node), "a handler cannot be a block")
                .help("write its tasks as handlers of their own"),
        );
        return None;
    }
    block(reading, node, home).map(|block| StepText::Block(Box::new(block)))
}

/// The handlers in `node`.
pub(super) fn handlers(reading: &mut Reading<'_>, node: &Node, folder: &Path) -> Vec<TaskText> {
    let home = Home { folder: folder.to_owned(), handlers: true, rescue: false };
    let steps = steps(reading, node, "`handlers`", &home);
    steps
        .into_iter()
        .filter_map(|step| match step {
            StepText::Task(task) => Some(*task),
            StepText::Block(_) => None,
        })
        .collect()
}

/// What all parts can say; `fallback` names those that do not say it.
pub(super) fn common(reading: &mut Reading<'_>, keys: &mut Keys<'_>, what: &str, fallback: (String, Span)) -> Common {
    let problems = &mut reading.problems;
    let (name, span) = match keys.take("name") {
        Some(node) => match keys::name(node, &format!("the name of {what}"), problems) {
            Some(name) => (name.to_owned(), node.span),
            None => (fallback.0, node.span),
        },
        None => fallback,
    };
    let hosts = keys.take("hosts").and_then(|node| Pattern::parse(node, problems));
    let needs = keys.take("needs").map(|node| needs(node, problems));
    let tags = keys.take("tags").map(|node| keys::words(node, "`tags`", problems)).unwrap_or_default();
    let becomes = keys.take("become").and_then(|node| keys::flag(node, "`become`", problems));
    let become_user =
        keys.take("become_user").and_then(|node| keys::text(node, "`become_user`", problems)).map(str::to_owned);
    if let (Some(span), Some(false)) = (keys.key_span("become_user"), becomes) {
        problems.push(Problem::error(span, "`become_user` with `become: false`").help("leave one of the two out"));
    }
    let when = keys.take("when").map(|node| condition::parse(node, "`when`", problems)).unwrap_or_default();
    let when_reads = condition::reads_of_when(reading, &when);
    let tags = tags.into_iter().map(|(tag, _)| tag).collect();
    Common { name, span, hosts, needs, tags, when, when_reads, becomes, become_user }
}

/// The names in `needs`.
pub(super) fn needs(node: &Node, problems: &mut Problems) -> Vec<Needed> {
    if !matches!(node.tree, Tree::List(_)) {
        let name = node.as_text().unwrap_or("name");
        problems.push(
            Problem::error(node.span, format!("`needs` is a list, not {}", node.kind()))
                .label("a list of names is expected")
                .help(format!("write `needs: [{name}]`")),
        );
        return Vec::new();
    }
    keys::words(node, "`needs`", problems).into_iter().map(|(name, span)| Needed { name, span }).collect()
}

fn block(reading: &mut Reading<'_>, node: &Node, home: &Home) -> Option<BlockText> {
    let mut keys = Keys::open(node, "a block", &mut reading.problems)?;
    let fallback = ("block".to_owned(), entry_span(node));
    let common = common(reading, &mut keys, "a block", fallback);
    let mut section = |name: &'static str, rescue: bool| {
        let home = Home { rescue, ..home.clone() };
        keys.take(name).map(|node| steps(reading, node, &format!("`{name}`"), &home)).unwrap_or_default()
    };
    let block = section("block", home.rescue);
    let rescue = section("rescue", true);
    let always = section("always", home.rescue);
    if block.is_empty() {
        reading
            .problems
            .push(Problem::error(common.span, "a block without tasks").help("give it tasks, or leave it out"));
    }
    for (key, _) in keys.rest() {
        let mut problem = keys::unknown_key(key, "a block", keys.asked().iter().copied());
        if TASK_KEYS.contains(&key.name.as_str()) {
            problem.help = vec![format!("write `{}` at the tasks inside", key.name)];
        }
        reading.problems.push(problem);
    }
    Some(BlockText { common, block, rescue, always })
}

/// Every key of a task that is not a resource.
pub(super) const TASK_KEYS: [&str; 22] = [
    "name",
    "hosts",
    "needs",
    "tags",
    "become",
    "become_user",
    "when",
    "loop",
    "loop_control",
    "register",
    "notify",
    "retries",
    "delay",
    "timeout",
    "run_once",
    "delegate_to",
    "per_host",
    "guard",
    "optional",
    "changed_when",
    "failed_when",
    "block",
];

fn task(reading: &mut Reading<'_>, node: &Node, home: &Home) -> Option<TaskText> {
    let what = if home.handlers { "a handler" } else { "a task" };
    let mut keys = Keys::open(node, what, &mut reading.problems)?;
    let Some((kind, key, params)) = resource(reading, node, what) else {
        reading.scanner().words_in(node);
        let names = ["name", "register"].into_iter().filter_map(|key| node.get(key)?.as_text());
        reading.broken.extend(names.map(str::to_owned));
        return None;
    };
    let (kind_name, sort) = (kind.name, kind.sort);
    params::check_literal(kind, key.span, params, &mut reading.problems);
    let others = reading.catalogue.names().filter(|name| *name == kind_name || node.get(name).is_some());
    for name in others {
        keys.take(name);
    }
    let common = common(reading, &mut keys, what, (default_name(kind_name, params), key.span));
    let problems = &mut reading.problems;
    let mut number = |keys: &mut Keys<'_>, name, least| {
        keys.take(name).and_then(|node| keys::count(node, least, &format!("`{name}`"), problems))
    };
    let retries = number(&mut keys, "retries", 0).unwrap_or_default();
    let mut span_of_time = |keys: &mut Keys<'_>, name| {
        keys.take(name).and_then(|node| keys::duration(node, &format!("`{name}`"), problems))
    };
    let (delay, timeout) = (span_of_time(&mut keys, "delay"), span_of_time(&mut keys, "timeout"));
    let mut flag = |keys: &mut Keys<'_>, name| {
        keys.take(name).and_then(|node| keys::flag(node, &format!("`{name}`"), problems)).unwrap_or_default()
    };
    let (run_once, per_host, optional) =
        (flag(&mut keys, "run_once"), flag(&mut keys, "per_host"), flag(&mut keys, "optional"));
    let guard = keys.take("guard").is_some_and(|node| guard(node, problems));
    let register = keys.take("register").and_then(|node| {
        let name = keys::text(node, "`register`", problems)?;
        check_name(name, node.span, "a register", problems);
        Some((name.to_owned(), node.span))
    });
    let notify = keys.take("notify").map(|node| keys::words(node, "`notify`", problems)).unwrap_or_default();
    let items = keys.take("loop").cloned();
    let variable = loop_variable(&mut keys, items.is_some(), problems);
    let changed_when = condition::outcome(&mut keys, "changed_when", problems);
    let failed_when = condition::outcome(&mut keys, "failed_when", problems);
    let delegate_to = keys.take("delegate_to").cloned();
    if home.handlers {
        for name in ["needs", "notify", "register", "guard"] {
            if let Some(span) = keys.key_span(name) {
                problems.push(
                    Problem::error(span, format!("a handler has no `{name}`"))
                        .help("handlers run in the order of their text, after the tasks of their role"),
                );
            }
        }
    }
    if sort == Sort::Cluster {
        for name in ["become", "become_user", "delegate_to", "run_once", "guard"] {
            if let Some(span) = keys.key_span(name) {
                problems.push(
                    Problem::error(span, format!("`{name}` means nothing for `{kind_name}`, which is for the cluster"))
                        .help("leave it out"),
                );
            }
        }
    } else if let Some(span) = keys.key_span("per_host") {
        problems.push(
            Problem::error(span, format!("`per_host` means nothing for `{kind_name}`, which is for hosts"))
                .help("leave it out: it runs once on every host anyway"),
        );
    }
    if home.rescue && params.get("state").and_then(Node::as_text) == Some("absent") {
        problems.push(
            Problem::error(params.span_at(&["state"]), "`rescue` may not delete")
                .label("this takes something away after a failure")
                .help("put back or report there; delete in a task of its own, which the plan shows"),
        );
    }
    keys.close(problems);
    let mut task = TaskText {
        common,
        resource: kind_name,
        sort,
        key: key.span,
        params: params.clone(),
        items,
        variable,
        register,
        notify,
        retries,
        delay: delay.unwrap_or(DELAY),
        timeout,
        run_once,
        delegate_to,
        per_host,
        guard,
        optional,
        changed_when,
        failed_when,
        reads: Vec::new(),
        early: Vec::new(),
        outcome_reads: Vec::new(),
    };
    task_files::scan(reading, &mut task, &home.folder);
    Some(task)
}

/// The one guard that there is.
fn guard(node: &Node, problems: &mut Problems) -> bool {
    keys::text(node, "`guard`", problems).is_some_and(|text| {
        if text != "connectivity" {
            problems.push(
                Problem::error(node.span, format!("there is no guard `{text}`"))
                    .label("not known here")
                    .help("write `guard: connectivity`: the host undoes the change unless one can still get in"),
            );
        }
        text == "connectivity"
    })
}

fn loop_variable(keys: &mut Keys<'_>, looped: bool, problems: &mut Problems) -> String {
    let default = "item".to_owned();
    let Some(node) = keys.take("loop_control") else { return default };
    if !looped {
        problems.push(Problem::error(node.span, "`loop_control` without `loop`").help("leave it out, or add `loop:`"));
    }
    let Some(mut control) = Keys::open(node, "`loop_control`", problems) else { return default };
    let variable = control.take("loop_var").and_then(|node| {
        let name = keys::text(node, "`loop_var`", problems)?;
        if name != default {
            check_name(name, node.span, "a loop variable", problems);
        }
        Some(name.to_owned())
    });
    if let Some(label) = control.take("label") {
        problems.push(
            Problem::error(label.span, "`label` is not known here")
                .help("items are named by their text, their key, or their `name`"),
        );
    }
    control.close(problems);
    variable.unwrap_or(default)
}

/// What a mapping of a list is pointed at by: its first key, with its value where that is short.
pub(super) fn entry_span(node: &Node) -> Span {
    match node.as_map().and_then(<[_]>::first) {
        Some((key, value)) if matches!(value.tree, Tree::Map(_) | Tree::List(_) | Tree::Null) => key.span,
        Some((key, value)) => Span::new(key.span.file, key.span.start, value.span.end.max(key.span.end)),
        None => node.span,
    }
}
