//! The one rule, on parts: without `needs` after the one above; with `needs: [..]` exactly after these; with `needs: []`
//! at once. What a part waits for, all below it waits for. Handlers come after all else in their role or play.
//!
//! Every part has a start and an end; the pass sorts these so that each comes after what it waits for, and in the order
//! of the text wherever that leaves a choice. What cannot be sorted is a ring: see `rings`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::outline::{Kind, PartId};
use super::{Draft, rings};

/// A part begins or ends. Numbered by their order in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Start(PartId),
    End(PartId),
}

/// One moment comes before another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) cause: Cause,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The one is a part of the other, or a later section of the same.
    Shape,
    /// The list says so.
    Above { from: PartId, to: PartId },
    /// Index into [`Draft::links`].
    Link(usize),
}

/// All moments of a program and what orders them.
#[derive(Debug, Default)]
pub(super) struct Moments {
    pub(super) all: Vec<Moment>,
    pub(super) start: Vec<usize>,
    pub(super) end: Vec<usize>,
    pub(super) befores: Vec<Before>,
}

pub(super) fn run(draft: &mut Draft<'_>) {
    let mut moments =
        Moments { start: vec![0; draft.parts.len()], end: vec![0; draft.parts.len()], ..Moments::default() };
    for play in &draft.plays {
        number(draft, *play, &mut moments);
    }
    for id in 0..draft.parts.len() {
        rule(draft, id, &mut moments);
    }
    for (at, link) in draft.links.iter().enumerate() {
        let (from, to) = (&draft.parts[link.from], &draft.parts[link.to]);
        let cause = Cause::Link(at);
        moments.befores.push(Before { from: moments.end[link.from], to: moments.start[link.to], cause });
        // A rollout goes through its batches as one: nothing outside comes between them.
        if from.play != to.play {
            let (rolling, awaiting) = (draft.plays[from.play as usize], draft.plays[to.play as usize]);
            if draft.rollout(from.play).is_some() {
                moments.befores.push(Before { from: moments.end[rolling], to: moments.start[link.to], cause });
            }
            if draft.rollout(to.play).is_some() {
                moments.befores.push(Before { from: moments.end[link.from], to: moments.start[awaiting], cause });
            }
        }
    }
    let sorted = sort(&moments);
    if sorted.len() < moments.all.len() {
        let rings = rings::find(draft, &moments, &sorted);
        draft.problems.extend(rings);
    }
    draft.order = sorted.into_iter().map(|at| moments.all[at]).collect();
    draft.moments = moments;
}

fn number(draft: &Draft<'_>, id: PartId, moments: &mut Moments) {
    moments.start[id] = moments.all.len();
    moments.all.push(Moment::Start(id));
    for child in &draft.parts[id].children {
        number(draft, *child, moments);
    }
    moments.end[id] = moments.all.len();
    moments.all.push(Moment::End(id));
}

fn rule(draft: &Draft<'_>, id: PartId, moments: &mut Moments) {
    let part = &draft.parts[id];
    let mut before = |from: usize, to: usize, cause: Cause| moments.befores.push(Before { from, to, cause });
    let (start, end) = (moments.start[id], moments.end[id]);
    before(start, end, Cause::Shape);
    if let Some(parent) = part.parent {
        before(moments.start[parent], start, Cause::Shape);
        before(end, moments.end[parent], Cause::Shape);
    }
    match part.kind {
        Kind::Section | Kind::Handlers | Kind::Between => {
            let siblings = part.parent.map_or(&[][..], |parent| &draft.parts[parent].children);
            for sibling in siblings.iter().take_while(|sibling| **sibling != id) {
                before(moments.end[*sibling], start, Cause::Shape);
            }
        }
        _ => {
            if let (None, Some(above)) = (part.needs, part.above) {
                before(moments.end[above], start, Cause::Above { from: above, to: id });
            }
        }
    }
}

/// The moments that can be sorted, each after what it waits for, the first in the text first.
fn sort(moments: &Moments) -> Vec<usize> {
    let mut waits = vec![0_usize; moments.all.len()];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); moments.all.len()];
    for before in &moments.befores {
        waits[before.to] += 1;
        next[before.from].push(before.to);
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..waits.len()).filter(|at| waits[*at] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(waits.len());
    while let Some(Reverse(at)) = ready.pop() {
        sorted.push(at);
        for to in &next[at] {
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push(Reverse(*to));
            }
        }
    }
    sorted
}
