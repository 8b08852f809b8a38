//! Nodes and edges. Goes through the sorted moments once (a rollout goes through those of its play once a batch) and
//! keeps for every part what it had to wait for and what those after it have to wait for. As nodes are made in sorted
//! order, every edge goes from a lower node to a higher one.
//!
//! What "after" means between two places stands in `frontier`, what a task becomes in `nodes`, where many meet in `joins`.

use super::frontier::{Entry, Frontier, Standing};
use super::order::Moment;
use super::outline::{Kind, PartId};
use super::places::{self, Places};
use super::{Draft, Section, Why};

/// Goes through the moments.
pub(super) struct Weaver<'d, 'p> {
    pub(super) draft: &'d mut Draft<'p>,
    pub(super) state: Vec<State>,
    /// Links by their later part, as indices.
    pub(super) links: Vec<Vec<usize>>,
    /// Does a sibling wait for that part?
    pub(super) followed: Vec<bool>,
    /// Does something need that part from afar?
    pub(super) sought: Vec<bool>,
    pub(super) pass: Pass,
    /// What the tasks after all batches wait for besides: the last batch.
    pub(super) last_batch: Frontier,
}

/// What is known of a part.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What its first nodes wait for.
    pub(super) before: Frontier,
    /// What those after it wait for.
    pub(super) exit: Frontier,
    /// The nodes that stand for it to those after it, each with the pass that made it.
    pub(super) made: Vec<(usize, Entry)>,
    /// For a play: what it waits for in other plays.
    pub(super) outside: Frontier,
}

/// Which nodes are made just now.
#[derive(Clone, Debug)]
pub(super) enum Pass {
    /// All of them.
    Whole,
    /// Of a rollout: cluster tasks before the hosts.
    Ahead,
    /// Of a rollout: one batch, counted from 1.
    Batch(usize, Places),
    /// Of a rollout: cluster tasks after the hosts.
    Behind,
}

impl Pass {
    pub(super) const fn number(&self) -> usize {
        match self {
            Self::Whole | Self::Ahead => 0,
            Self::Batch(number, _) => *number,
            Self::Behind => usize::MAX,
        }
    }
}

pub(super) fn run(draft: &mut Draft<'_>) {
    let mut links = vec![Vec::new(); draft.parts.len()];
    let mut followed = vec![false; draft.parts.len()];
    let mut sought = followed.clone();
    for (at, link) in draft.links.iter().enumerate() {
        links[link.to].push(at);
        let siblings = draft.parts[link.from].parent == draft.parts[link.to].parent;
        followed[link.from] |= link.why == Why::Needs && siblings;
        sought[link.from] |= link.why == Why::Needs && !siblings;
    }
    for part in &draft.parts {
        let listed = !matches!(part.kind, Kind::Section | Kind::Handlers | Kind::Between);
        if let (true, None, Some(above)) = (listed, part.needs, part.above) {
            followed[above] = true;
        }
    }
    let state = vec![State::default(); draft.parts.len()];
    let order = std::mem::take(&mut draft.order);
    let mut weaver =
        Weaver { draft, state, links, followed, sought, pass: Pass::Whole, last_batch: Frontier::default() };
    let mut at = 0;
    while let Some(moment) = order.get(at) {
        at += 1;
        match *moment {
            Moment::Start(part) if weaver.draft.parts[part].kind == Kind::Play => {
                weaver.enter_play(part);
                // The moments of a rollout stand together: see `order`.
                if weaver.draft.rollout(weaver.draft.parts[part].play).is_some() {
                    let inside = order[at..].iter().take_while(|moment| **moment != Moment::End(part)).count();
                    weaver.roll(part, &order[at..at + inside]);
                    at += inside;
                }
            }
            moment => weaver.moment(moment),
        }
    }
    weaver.draft.order = order;
}

impl Weaver<'_, '_> {
    pub(super) fn moment(&mut self, moment: Moment) {
        match moment {
            Moment::Start(part) => {
                self.state[part].before = self.before(part);
                if self.draft.parts[part].kind.task().is_some() {
                    self.leaf(part);
                } else {
                    self.gate(part);
                }
            }
            Moment::End(part) => match self.draft.parts[part].kind {
                Kind::Task(_) | Kind::Handler(_) => {}
                Kind::Play => self.leave_play(part),
                Kind::Role | Kind::Block(_) => self.close(part),
                Kind::Section | Kind::Handlers | Kind::Between => self.state[part].exit = self.inside(part),
            },
        }
    }

    /// What `part` waits for by the one rule.
    fn before(&self, part: PartId) -> Frontier {
        let draft = &*self.draft;
        let this = &draft.parts[part];
        let Some(parent) = this.parent else { return Frontier::default() };
        let outer = &self.state[parent].before;
        let siblings = &draft.parts[parent].children;
        match this.kind {
            Kind::Section => {
                let mut before = outer.clone();
                for section in siblings.iter().take_while(|sibling| **sibling != part) {
                    before.union(&self.state[*section].exit.clone().unnamed());
                }
                before
            }
            Kind::Handlers => self.ends(parent, |child| child < part),
            Kind::Between => outer.clone(),
            _ => match (this.needs, this.above) {
                (None, None) => outer.clone(),
                (None, Some(above)) => self.state[above].exit.clone().unnamed(),
                (Some(_), _) => self.needed(part, outer),
            },
        }
    }

    /// What `part` waits for by its `needs`.
    fn needed(&self, part: PartId, outer: &Frontier) -> Frontier {
        let mut before = Frontier::default();
        let mut outside = true;
        // What stands for all hosts needs what it names on all of them.
        let once =
            self.draft.parts[part].kind.task().is_some_and(|task| self.draft.program.tasks[task as usize].run_once);
        for link in self.links[part].iter().map(|link| self.draft.links[*link]) {
            if link.why != Why::Needs {
                continue;
            }
            let (from, this) = (&self.draft.parts[link.from], &self.draft.parts[part]);
            let mut own = self.own(link.from);
            let mut apart = Vec::new();
            for entry in &mut own.entries {
                entry.named = Some(link.span);
                if from.play != this.play {
                    let failures = self.draft.program.plays[from.play as usize].max_failures;
                    entry.standing = Standing::Play(failures);
                    (entry.at, entry.cluster) = (Places::clone(&this.extent.hosts), !this.extent.is_empty());
                } else if entry.standing == Standing::Here
                    && (once || !from.text.wide && !places::meet(&from.text.hosts, &this.text.hosts))
                {
                    let at = Places::clone(&this.extent.hosts);
                    apart.push(Entry { at, cluster: false, standing: Standing::Apart, ..entry.clone() });
                }
            }
            if from.parent == this.parent {
                // A sibling began after what is outside, and hands that on.
                before.union(&self.state[link.from].exit.clone().unnamed());
                outside = false;
            } else if from.play == this.play && (from.kind.task().is_none() || own.entries.is_empty()) {
                before.union(&self.handed_on(link.from));
            }
            // What a sibling hands on of the same node stays, where this part has nothing to do.
            own.entries.extend(apart);
            before.union(&own);
        }
        if outside {
            before.union(outer);
        }
        before
    }

    /// The nodes of `part` itself that those after it wait for.
    pub(super) fn own(&self, part: PartId) -> Frontier {
        let inside = |entry: &&Entry| entry.owner == part || self.draft.holds(part, entry.owner);
        Frontier { entries: self.state[part].exit.entries.iter().filter(inside).cloned().collect() }.unnamed()
    }

    /// What is to be waited for when all inside `part` is done.
    pub(super) fn inside(&self, part: PartId) -> Frontier {
        let children = &self.draft.parts[part].children;
        if let Kind::Block(block) = self.draft.parts[part].kind {
            let rescued = self.draft.graph.blocks[block as usize].rescued;
            let mut exit = self.state[part].before.clone();
            // Where something of the block runs, that waited for what is before; a failure that is made good hides it.
            for entry in children.iter().flat_map(|section| self.own(*section).entries) {
                if !rescued && entry.standing == Standing::Here {
                    for known in &mut exit.entries {
                        known.at = places::without(&known.at, &entry.at);
                    }
                }
            }
            for section in children {
                exit.union(&self.state[*section].exit);
            }
            return exit.unnamed();
        }
        match children.iter().find(|child| self.draft.parts[**child].kind == Kind::Handlers) {
            Some(handlers) => self.state[*handlers].exit.clone().unnamed(),
            None => self.ends(part, |_| true),
        }
    }

    /// What is to be waited for when all children of `scope` that are `asked` for are done.
    fn ends(&self, scope: PartId, asked: impl Fn(PartId) -> bool) -> Frontier {
        let mut exit = Frontier::default();
        let mut any = false;
        for child in &self.draft.parts[scope].children {
            let task = !matches!(self.draft.parts[*child].kind, Kind::Between | Kind::Handlers);
            if asked(*child) && task && !self.followed[*child] {
                exit.union(&self.state[*child].exit);
                any = true;
            }
        }
        if any { exit.unnamed() } else { self.state[scope].before.clone() }
    }

    /// Does a node of an earlier pass count in this one?
    pub(super) fn counts(&self, part: PartId, pass: usize, entry: &Entry) -> bool {
        let task = self.draft.parts[part].kind.task().map(|task| &self.draft.program.tasks[task as usize]);
        match self.pass {
            Pass::Whole | Pass::Behind => true,
            Pass::Ahead => pass == 0,
            Pass::Batch(number, _) => {
                let once = pass == 0 || task.is_some_and(|task| task.run_once);
                pass == number || entry.standing == Standing::Once && once
            }
        }
    }

    /// Sections of the part `id`, as its nodes carry them.
    pub(super) fn sections(&self, id: PartId) -> std::sync::Arc<[(u32, Section)]> {
        std::sync::Arc::clone(&self.draft.parts[id].sections)
    }
}
