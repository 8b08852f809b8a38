//! What a part has to wait for, by place: the last nodes before it that each host, and the cluster, has to see done.
//! Here stands what "after" means between places:
//!
//! - a host waits for the same host: within a play hosts run freely;
//! - a cluster task waits for all hosts, and hosts wait for it; all hosts of the play wait for a `run_once` task;
//! - what comes from another play is waited for as a whole, and hosts that failed there are left out;
//! - a part that has nothing to do at a place hands on what was to be waited for there.

use crate::source::Span;

use super::outline::PartId;
use super::places::{self, Places};
use super::{Edge, Graph, NodeId, Reach, Rule, Section};

/// Nodes to wait for.
#[derive(Clone, Debug, Default)]
pub(super) struct Frontier {
    pub(super) entries: Vec<Entry>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) node: NodeId,
    /// The part it belongs to.
    pub(super) owner: PartId,
    /// Hosts that have still to wait for it.
    pub(super) at: Places,
    /// Has a cluster task still to wait for it?
    pub(super) cluster: bool,
    pub(super) standing: Standing,
    /// Set if the text names it (in `needs`, by a register, in `notify`), and where.
    pub(super) named: Option<Span>,
}

/// How it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// At the same host; by the cluster as a whole.
    Here,
    /// As a whole: a cluster task, or one that runs once for all.
    Once,
    /// As a whole, by name, and from hosts where it does not run.
    Apart,
    /// As a whole, and it must have held at the same host: a batch of a rollout.
    Batch,
    /// At the same place, cluster included: what opens a play or a batch.
    Gate,
    /// From another play, that many failures allowed.
    Play(u32),
    /// From a play before that one: only for hosts that failed there.
    Past,
}

/// Who waits.
#[derive(Clone, Debug)]
pub(super) struct Taker<'a> {
    pub(super) hosts: Places,
    pub(super) cluster: bool,
    /// Is it a cluster task, or does it gather all hosts as one would?
    pub(super) gathers: bool,
    pub(super) sections: &'a [(u32, Section)],
    /// Failures its play allows.
    pub(super) tolerance: u32,
}

impl Frontier {
    pub(super) fn of(entry: Entry) -> Self {
        Self { entries: vec![entry] }
    }

    /// Takes in `other`.
    pub(super) fn union(&mut self, other: &Self) {
        for entry in &other.entries {
            match self.entries.iter_mut().find(|known| known.node == entry.node && known.standing == entry.standing) {
                Some(known) => {
                    known.at = places::either(&known.at, &entry.at);
                    known.cluster |= entry.cluster;
                    known.named = known.named.or(entry.named);
                }
                None => self.entries.push(entry.clone()),
            }
        }
    }

    /// The same, nothing of it named.
    pub(super) fn unnamed(mut self) -> Self {
        for entry in &mut self.entries {
            entry.named = None;
        }
        self
    }

    /// The edges of `taker`.
    pub(super) fn edges(&self, graph: &Graph, taker: &Taker<'_>) -> Vec<Edge> {
        let mut edges = Vec::new();
        for entry in &self.entries {
            let from = &graph.nodes[entry.node as usize];
            let at_cluster = from.places.last() == Some(&graph.cluster);
            let meets = places::meet(&entry.at, &taker.hosts);
            let concerns = meets || (taker.cluster || taker.gathers) && entry.cluster;
            let same_place = at_cluster && taker.cluster || places::meet(&from.places, &taker.hosts);
            let tolerated = if taker.tolerance == 0 { Rule::Success } else { Rule::AtMost(taker.tolerance) };
            let mut add = |reach: Reach, rule: Rule| {
                let rule = if other_section(&from.sections, taker.sections) { Rule::Ended } else { rule };
                let edge = Edge { from: entry.node, reach, rule, selects: entry.named.is_some(), span: entry.named };
                if !edges.contains(&edge) {
                    edges.push(edge);
                }
            };
            match entry.standing {
                Standing::Past if (meets || taker.cluster && entry.cluster) && same_place => {
                    add(Reach::Same, Rule::LeaveOut);
                }
                Standing::Play(failures) if concerns => {
                    let lone_cluster = at_cluster && from.places.len() == 1;
                    add(Reach::All, if lone_cluster { Rule::Success } else { Rule::AtMost(failures) });
                    if same_place && !lone_cluster {
                        add(Reach::Same, Rule::LeaveOut);
                    }
                }
                Standing::Once if concerns => add(Reach::All, Rule::Success),
                Standing::Apart if concerns => add(Reach::All, tolerated),
                Standing::Batch if concerns => {
                    add(Reach::All, tolerated);
                    if same_place && taker.tolerance > 0 {
                        add(Reach::Same, Rule::Success);
                    }
                }
                Standing::Gate if concerns => add(Reach::Same, Rule::Success),
                Standing::Here if taker.gathers && entry.cluster => {
                    add(Reach::All, tolerated);
                    // Tolerance is for hosts: what failed on the cluster itself is not tolerated.
                    if taker.tolerance > 0 && at_cluster && taker.cluster {
                        add(Reach::Same, Rule::Success);
                    }
                }
                Standing::Here if !taker.gathers && (meets || at_cluster && taker.cluster && entry.cluster) => {
                    add(Reach::Same, Rule::Success);
                }
                _ => {}
            }
        }
        edges
    }

    /// Puts `entry`, which `taker` waits with, in the place of what it waits for.
    pub(super) fn put(&mut self, graph: &Graph, entry: Entry, taker: &Taker<'_>) {
        self.entries.retain_mut(|known| {
            let at_cluster = graph.nodes[known.node as usize].places.last() == Some(&graph.cluster);
            let hosts_only = known.standing == Standing::Here && !at_cluster;
            if taker.gathers {
                // Hosts wait for the one that gathers, and that waits for this one.
                if known.standing == Standing::Once {
                    return false;
                }
                known.cluster = false;
            } else {
                let by_hosts = hosts_only || matches!(known.standing, Standing::Play(_) | Standing::Apart);
                let some = !known.at.is_empty();
                known.at = places::without(&known.at, &taker.hosts);
                // All hosts that had to wait for it have something later to show.
                if by_hosts && known.at.is_empty() && (some || hosts_only) {
                    return false;
                }
                known.cluster &= !taker.cluster || hosts_only;
            }
            known.cluster || !known.at.is_empty()
        });
        self.entries.push(entry);
    }
}

/// Is the later in another section of a block that both are in? Then only the order counts.
fn other_section(earlier: &[(u32, Section)], later: &[(u32, Section)]) -> bool {
    earlier.iter().any(|(block, section)| later.iter().any(|(other, at)| other == block && at != section))
}
