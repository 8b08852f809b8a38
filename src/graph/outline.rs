//! First pass: the text as a tree of parts. Plays hold roles, roles hold blocks and tasks, each with a stable address
//! (`play/role/block/task`) and the places below it. A block's `rescue` and `always`, the `handlers` of a role or play
//! and the `between` of a rollout are parts of their own. Two parts must not share an address: it names what they did.
//!
//! Orders nothing. Places come by a later pass (`extent`), when it is known what is selected.

use std::collections::HashMap;
use std::sync::Arc;

use crate::language::program::{Needed, Part as Text, Play, TaskId};
use crate::model::{Address, Sort};
use crate::source::{Problem, Span};

use super::places::{self, Places};
use super::{BlockInfo, Draft, Section};

/// Index into [`Draft::parts`].
pub(super) type PartId = usize;

/// A part of the text.
#[derive(Clone, Debug)]
pub(super) struct Part<'p> {
    pub(super) kind: Kind,
    pub(super) name: &'p str,
    pub(super) address: Address,
    pub(super) span: Span,
    pub(super) parent: Option<PartId>,
    pub(super) children: Vec<PartId>,
    /// The sibling above it in its list.
    pub(super) above: Option<PartId>,
    pub(super) needs: Option<&'p [Needed]>,
    pub(super) play: u32,
    /// Innermost first.
    pub(super) sections: Arc<[(u32, Section)]>,
    /// Hosts of what is selected in it.
    pub(super) hosts: Places,
    /// Is a selected cluster task in it?
    pub(super) cluster: bool,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Play,
    Role,
    Block(u32),
    Section,
    Task(TaskId),
    Handlers,
    Handler(TaskId),
    Between,
}

impl Kind {
    /// The task or handler.
    pub(super) const fn task(self) -> Option<TaskId> {
        match self {
            Self::Task(task) | Self::Handler(task) => Some(task),
            _ => None,
        }
    }
}

pub(super) fn run(draft: &mut Draft<'_>) {
    let program = draft.program;
    for (at, play) in program.plays.iter().enumerate() {
        let above = draft.plays.last().copied();
        let root = Part {
            kind: Kind::Play,
            name: &play.name,
            address: Address::new(play.name.as_str()),
            span: play.span,
            parent: None,
            children: Vec::new(),
            above,
            needs: play.needs.as_deref(),
            play: u32::try_from(at).unwrap_or(u32::MAX),
            sections: Arc::default(),
            hosts: Places::default(),
            cluster: false,
        };
        draft.parts.push(root);
        let id = draft.parts.len() - 1;
        draft.plays.push(id);
        inside_play(draft, id, play);
    }
    doubles(draft);
}

fn inside_play<'p>(draft: &mut Draft<'p>, id: PartId, play: &'p Play) {
    body(draft, id, &play.body);
    handlers(draft, id, &play.handlers);
    if let Some(rollout) = &play.rollout
        && !rollout.between.is_empty()
    {
        let scope = child(draft, id, Kind::Between, "between", rollout.span, None, None);
        for task in &rollout.between {
            leaf(draft, scope, *task, Kind::Task(*task));
        }
    }
}

fn body<'p>(draft: &mut Draft<'p>, parent: PartId, parts: &'p [Text]) {
    for part in parts {
        match part {
            Text::Task(task) => leaf(draft, parent, *task, Kind::Task(*task)),
            Text::Role(role) => {
                let id = child(draft, parent, Kind::Role, &role.name, role.span, role.needs.as_deref(), None);
                body(draft, id, &role.body);
                handlers(draft, id, &role.handlers);
            }
            Text::Block(block) => {
                let number = u32::try_from(draft.graph.blocks.len()).unwrap_or(u32::MAX);
                let kind = Kind::Block(number);
                let id = child(draft, parent, kind, &block.name, block.span, block.needs.as_deref(), None);
                let address = draft.parts[id].address.clone();
                draft.graph.blocks.push(BlockInfo { address, rescued: !block.rescue.is_empty() });
                let sections = [
                    (Section::Block, "", &block.block),
                    (Section::Rescue, "rescue", &block.rescue),
                    (Section::Always, "always", &block.always),
                ];
                for (section, name, parts) in sections {
                    if !parts.is_empty() {
                        let kind = Kind::Section;
                        let scope = child(draft, id, kind, name, block.span, None, Some((number, section)));
                        body(draft, scope, parts);
                    }
                }
            }
        }
    }
}

fn handlers<'p>(draft: &mut Draft<'p>, parent: PartId, handlers: &'p [TaskId]) {
    if handlers.is_empty() {
        return;
    }
    let span = draft.parts[parent].span;
    let scope = child(draft, parent, Kind::Handlers, "handlers", span, None, None);
    for task in handlers {
        leaf(draft, scope, *task, Kind::Handler(*task));
    }
}

fn leaf(draft: &mut Draft<'_>, parent: PartId, task: TaskId, kind: Kind) {
    let program = draft.program;
    let text = &program.tasks[task as usize];
    child(draft, parent, kind, &text.name, text.span, text.needs.as_deref(), None);
}

/// Adds a part below `parent`; an empty name keeps the parent's address.
fn child<'p>(
    draft: &mut Draft<'p>,
    parent: PartId,
    kind: Kind,
    name: &'p str,
    span: Span,
    needs: Option<&'p [Needed]>,
    section: Option<(u32, Section)>,
) -> PartId {
    let id = draft.parts.len();
    let outer = &draft.parts[parent];
    let address = if name.is_empty() { outer.address.clone() } else { outer.address.join(name) };
    let sections = match section {
        Some(inner) => std::iter::once(inner).chain(outer.sections.iter().copied()).collect(),
        None => Arc::clone(&outer.sections),
    };
    let part = Part {
        kind,
        name,
        address,
        span,
        parent: Some(parent),
        children: Vec::new(),
        above: outer.children.last().copied(),
        needs,
        play: outer.play,
        sections,
        hosts: Places::default(),
        cluster: false,
    };
    draft.parts.push(part);
    draft.parts[parent].children.push(id);
    id
}

/// A later pass: the places of every part, of what is selected in it, from the tasks upwards.
pub(super) fn extent(draft: &mut Draft<'_>) {
    let mut shared: HashMap<Places, Places> = HashMap::new();
    // Parents stand before their children.
    let mut gathered: Vec<Vec<Places>> = vec![Vec::new(); draft.parts.len()];
    for id in (0..draft.parts.len()).rev() {
        let hosts = match draft.parts[id].kind.task() {
            Some(task) if draft.chosen[id] => {
                let task = &draft.program.tasks[task as usize];
                if task.sort == Sort::Cluster && !task.per_host {
                    draft.parts[id].cluster = draft.cluster;
                    Places::default()
                } else {
                    draft.limited(&places::set(task.hosts.iter().copied()))
                }
            }
            Some(_) => Places::default(),
            None => {
                let mut below = std::mem::take(&mut gathered[id]);
                below.sort_unstable();
                below.dedup();
                match below.as_slice() {
                    [one] => Arc::clone(one),
                    many => places::set(many.iter().flat_map(|set| set.iter().copied())),
                }
            }
        };
        let hosts = Arc::clone(shared.entry(Arc::clone(&hosts)).or_insert(hosts));
        let cluster = draft.parts[id].cluster;
        if let Some(parent) = draft.parts[id].parent {
            draft.parts[parent].cluster |= cluster;
            if !hosts.is_empty() && gathered[parent].last() != Some(&hosts) {
                gathered[parent].push(Arc::clone(&hosts));
            }
        }
        draft.parts[id].hosts = hosts;
    }
}

fn doubles(draft: &mut Draft<'_>) {
    let mut seen: HashMap<&Address, PartId> = HashMap::new();
    for (id, part) in draft.parts.iter().enumerate() {
        if part.kind == Kind::Section && part.name.is_empty() {
            continue;
        }
        if let Some(first) = seen.insert(&part.address, id) {
            let problem = Problem::error(part.span, format!("two parts have the address `{}`", part.address))
                .label("the second")
                .related(draft.parts[first].span, "the first")
                .help("give one of them another `name`");
            draft.problems.push(problem);
        }
    }
}
