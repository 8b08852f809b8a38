//! A rollout: cluster tasks that come before the hosts, then each batch through all tasks and through `between`, then
//! cluster tasks that come after. A batch waits for the whole one before it, and failures are counted over all batches.
//! The address of a node does not tell its batch.

use crate::model::Sort;
use crate::source::Problem;

use super::frontier::{Entry, Frontier, Standing, Taker};
use super::order::Moment;
use super::outline::{Kind, PartId};
use super::places::{self, Places};
use super::weave::{Pass, Weaver};
use super::{Draft, NodeId};

/// Tells for each part whether a cluster task in it comes after the hosts of its rollout; one that has hosts before
/// and after it is a problem.
pub(super) fn run(draft: &mut Draft<'_>) {
    draft.behind = vec![false; draft.parts.len()];
    if draft.program.plays.iter().all(|play| play.rollout.is_none()) {
        return;
    }
    let mut problems = Vec::new();
    for play in 0..draft.plays.len() {
        let Some(rollout) = draft.program.plays[play].rollout.as_ref() else { continue };
        let inside = |part: PartId| draft.parts[part].play as usize == play && !between(draft, part);
        let after = reached(draft, |part| (inside(part) && on_hosts(draft, part)).then_some(part), true);
        let ahead = reached(draft, |part| (inside(part) && on_hosts(draft, part)).then_some(part), false);
        let mut behind = Vec::new();
        for part in (0..draft.parts.len()).filter(|part| inside(*part) && on_cluster(draft, *part)) {
            let this = &draft.parts[part];
            match (after[draft.moments.start[part]], ahead[draft.moments.end[part]]) {
                (Some(earlier), Some(later)) => problems.push(
                    Problem::error(this.span, format!("the cluster task `{}` stands between host tasks", this.name))
                        .label("each batch goes through all tasks, so it can only come before or after all of them")
                        .related(draft.parts[earlier].span, "a host task before it")
                        .related(draft.parts[later].span, "a host task after it")
                        .related(rollout.span, "the rollout")
                        .help("add `per_host: true` to run it once a host, inside its batch")
                        .help("or move it before or after all host tasks, or into `between`"),
                ),
                (Some(_), None) => behind.push(part),
                (None, _) => {}
            }
        }
        for part in behind {
            let mut at = Some(part);
            while let Some(id) = at {
                draft.behind[id] = true;
                at = draft.parts[id].parent;
            }
        }
    }
    draft.problems.extend(problems);
}

fn between(draft: &Draft<'_>, part: PartId) -> bool {
    draft.parts[part].parent.is_some_and(|parent| draft.parts[parent].kind == Kind::Between)
}

fn on_cluster(draft: &Draft<'_>, part: PartId) -> bool {
    let task = draft.parts[part].kind.task().map(|task| &draft.program.tasks[task as usize]);
    task.is_some_and(|task| task.sort == Sort::Cluster && !task.per_host)
}

fn on_hosts(draft: &Draft<'_>, part: PartId) -> bool {
    draft.parts[part].kind.task().is_some() && !on_cluster(draft, part)
}

/// For every moment, a part of those that `seed` names that comes before it (`onwards`) or after it.
fn reached(draft: &Draft<'_>, seed: impl Fn(PartId) -> Option<PartId>, onwards: bool) -> Vec<Option<PartId>> {
    let moments = &draft.moments;
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); moments.all.len()];
    for before in &moments.befores {
        let (from, to) = if onwards { (before.from, before.to) } else { (before.to, before.from) };
        next[from].push(to);
    }
    let mut found = vec![None; moments.all.len()];
    let mut open = Vec::new();
    for (at, moment) in moments.all.iter().enumerate() {
        let seeded = match (*moment, onwards) {
            (Moment::End(part), true) | (Moment::Start(part), false) => seed(part),
            _ => None,
        };
        if let Some(part) = seeded {
            open.extend(next[at].iter().map(|to| (*to, part)));
        }
    }
    while let Some((at, part)) = open.pop() {
        if found[at].is_none() {
            found[at] = Some(part);
            open.extend(next[at].iter().map(|to| (*to, part)));
        }
    }
    found
}

impl Weaver<'_, '_> {
    /// Goes through the `moments` of a play's inside batch by batch.
    pub(super) fn roll(&mut self, play: PartId, moments: &[Moment]) {
        let index = self.draft.parts[play].play;
        let Some(rollout) = self.draft.rollout(index) else { return };
        let opened = self.state[play].before.clone();
        let own = |weaver: &Self, moment: &Moment| match *moment {
            Moment::Start(part) | Moment::End(part) => {
                weaver.draft.parts[part].kind == Kind::Between || between(weaver.draft, part)
            }
        };
        let (between, tasks): (Vec<Moment>, Vec<Moment>) = moments.iter().partition(|moment| own(self, moment));
        self.pass = Pass::Ahead;
        for moment in &tasks {
            self.moment(*moment);
        }
        let ahead = self.inside(play);
        let mut former: Option<(NodeId, Frontier)> = None;
        let mut number = 0;
        for batch in &rollout.batches {
            let batch = places::common(&places::set(batch.iter().copied()), &self.draft.parts[play].extent.hosts);
            if batch.is_empty() {
                continue;
            }
            number += 1;
            self.pass = Pass::Batch(number, Places::clone(&batch));
            if let Some((_, waits)) = &former {
                let mut frontier = waits.clone();
                frontier.union(&opened);
                let edges = frontier.edges(&self.draft.graph, &self.taker(play, Places::clone(&batch), false, &[]));
                let node = self.join(play, &batch, false, edges, None);
                self.state[play].before =
                    Frontier::of(Entry { at: Places::clone(&batch), ..self.batch(play, node, Standing::Gate) });
            }
            for moment in &tasks {
                self.moment(*moment);
            }
            let done = self.inside(play);
            let mut barrier = self.end_of_batch(play, &batch, former.as_ref().map(|(node, _)| *node), &done);
            let mut waits = Frontier::of(self.batch(play, barrier, Standing::Batch));
            if !between.is_empty() {
                self.state[play].before = waits;
                for moment in &between {
                    self.moment(*moment);
                }
                let scope = self.draft.parts[play].children.last().copied().unwrap_or(play);
                let mut left = self.state[scope].exit.clone();
                let passed = self.draft.graph.nodes[barrier as usize].places.clone();
                let taker = self.taker(play, Places::clone(&passed), false, &[]);
                let edges = left.edges(&self.draft.graph, &taker);
                left.entries.retain(|entry| entry.node != barrier);
                barrier = self.join(play, &passed, false, edges, None);
                left.put(&self.draft.graph, self.batch(play, barrier, Standing::Batch), &taker);
                waits = left;
            }
            former = Some((barrier, waits));
        }
        self.pass = Pass::Behind;
        self.state[play].before = opened;
        self.last_batch = former.map_or(ahead, |(_, waits)| waits);
        for moment in &tasks {
            self.moment(*moment);
        }
        self.pass = Pass::Whole;
        self.bundle(index);
    }

    /// What is needed from afar has a node a batch: one barrier stands for all of them.
    fn bundle(&mut self, play: u32) {
        for part in 0..self.draft.parts.len() {
            let own = self.own(part);
            if self.draft.parts[part].play != play || !self.sought[part] || own.entries.len() < 2 {
                continue;
            }
            let extent = self.draft.parts[part].extent.clone();
            let taker = Taker { gathers: false, ..self.taker(part, Places::clone(&extent.hosts), extent.cluster, &[]) };
            let edges = own.edges(&self.draft.graph, &taker);
            let node = self.join(part, &extent.hosts, extent.cluster, edges, None);
            let (at, standing) = (extent.hosts, Standing::Here);
            self.state[part].exit = Frontier::of(Entry { node, owner: part, at, cluster: true, standing, named: None });
        }
    }

    /// The barrier that closes a batch. Where failures are allowed, it carries those of the batches before.
    fn end_of_batch(&mut self, play: PartId, batch: &Places, former: Option<NodeId>, done: &Frontier) -> NodeId {
        let taker = self.taker(play, Places::clone(batch), false, &[]);
        let mut edges = done.edges(&self.draft.graph, &taker);
        let mut places = Places::clone(batch);
        if let Some(former) = former.filter(|_| taker.tolerance > 0) {
            edges.push(Self::same(former));
            places = places::either(&places, &self.draft.graph.nodes[former as usize].places);
        }
        self.join(play, &places, false, edges, None)
    }

    fn batch(&self, play: PartId, node: NodeId, standing: Standing) -> Entry {
        let at = Places::clone(&self.draft.parts[play].extent.hosts);
        Entry { node, owner: play, at, cluster: true, standing, named: None }
    }
}
