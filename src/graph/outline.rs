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
use super::{BlockInfo, Draft, Section, Why};

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
    /// Where what is selected in it runs.
    pub(super) extent: Extent,
    /// Where all that is in it would run.
    pub(super) text: Extent,
}

/// Where a part runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Extent {
    pub(super) hosts: Places,
    /// Does a cluster task stand in it?
    pub(super) cluster: bool,
    /// Does something stand in it that all hosts of the play wait for: a cluster task, or one that runs once?
    pub(super) wide: bool,
}

impl Extent {
    /// Does nothing of it run?
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && !self.cluster
    }
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
            extent: Extent::default(),
            text: Extent::default(),
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
        extent: Extent::default(),
        text: Extent::default(),
    };
    draft.parts.push(part);
    draft.parts[parent].children.push(id);
    id
}

/// A later pass: where every part runs, from the tasks upwards.
pub(super) fn extent(draft: &mut Draft<'_>) {
    let (mut all, mut selected): (Vec<Extent>, Vec<Extent>) = (Vec::new(), Vec::new());
    let mut by: Vec<Vec<PartId>> = vec![Vec::new(); draft.parts.len()];
    for link in draft.links.iter().filter(|link| link.why == Why::Notifies) {
        by[link.to].push(link.from);
    }
    for (id, by) in by.iter().enumerate() {
        let mut text = of_task(draft, id);
        let mut chosen = Extent::default();
        if draft.chosen[id] {
            let (hosts, cluster) = (draft.limited(&text.hosts), text.cluster && draft.cluster);
            chosen = Extent { wide: text.wide && (cluster || !hosts.is_empty()), hosts, cluster };
        }
        if let Kind::Handler(_) = draft.parts[id].kind {
            // Those that notify it stand above it.
            notified(&mut text, by.iter().map(|task| &all[*task]));
            notified(&mut chosen, by.iter().map(|task| &selected[*task]));
        }
        all.push(text);
        selected.push(chosen);
    }
    let (selected, all) = (upwards(draft, selected), upwards(draft, all));
    for ((part, extent), text) in draft.parts.iter_mut().zip(selected).zip(all) {
        (part.extent, part.text) = (extent, text);
    }
}

/// A handler runs only where something notifies it.
fn notified<'a>(handler: &mut Extent, by: impl Iterator<Item = &'a Extent> + Clone) {
    handler.cluster &= by.clone().any(|task| !task.is_empty());
    if !by.clone().any(|task| task.cluster) {
        let there = places::set(by.flat_map(|task| task.hosts.iter().copied()));
        handler.hosts = places::common(&handler.hosts, &there);
    }
    handler.wide &= !handler.is_empty();
}

/// Where a task would run; nowhere for other parts.
fn of_task(draft: &Draft<'_>, id: PartId) -> Extent {
    let Some(task) = draft.parts[id].kind.task() else { return Extent::default() };
    let task = &draft.program.tasks[task as usize];
    let some = task.items.as_ref().is_none_or(|items| !items.items.is_empty());
    if task.sort == Sort::Cluster && !task.per_host {
        return Extent { hosts: Places::default(), cluster: some, wide: some };
    }
    let mut hosts = places::set(task.hosts.iter().copied());
    if let Some(items) = task.items.as_ref().filter(|items| items.items.iter().all(|item| item.shared.is_none())) {
        let with = places::set(items.items.iter().flat_map(|item| item.by_host.keys().copied()));
        hosts = places::common(&hosts, &with);
    }
    Extent { wide: task.run_once && !hosts.is_empty(), hosts, cluster: false }
}

/// From the extents of tasks to those of all parts. Equal sets are shared.
fn upwards(draft: &Draft<'_>, mut extents: Vec<Extent>) -> Vec<Extent> {
    let mut shared: HashMap<Places, Places> = HashMap::new();
    let mut gathered: Vec<Vec<Places>> = vec![Vec::new(); draft.parts.len()];
    // Parents stand before their children.
    for id in (0..extents.len()).rev() {
        let mut below = std::mem::take(&mut gathered[id]);
        below.sort_unstable();
        below.dedup();
        match below.as_slice() {
            [] => {}
            [one] => extents[id].hosts = Arc::clone(one),
            many => extents[id].hosts = places::set(many.iter().flat_map(|set| set.iter().copied())),
        }
        let hosts = Arc::clone(&extents[id].hosts);
        let hosts = Arc::clone(shared.entry(Arc::clone(&hosts)).or_insert(hosts));
        extents[id].hosts = Arc::clone(&hosts);
        if let Some(parent) = draft.parts[id].parent {
            let (cluster, wide) = (extents[id].cluster, extents[id].wide);
            extents[parent].cluster |= cluster;
            extents[parent].wide |= wide;
            if !hosts.is_empty() && gathered[parent].last() != Some(&hosts) {
                gathered[parent].push(hosts);
            }
        }
    }
    extents
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
