//! Barriers: they do nothing, but many wait for one that waits for many, so the edges stay few. One closes every role,
//! block and play; one opens a play that comes after others; some gather hosts within.

use std::sync::Arc;

use super::frontier::{Entry, Frontier, Standing, Taker};
use super::outline::{Kind, PartId};
use super::places::{self, Places};
use super::weave::{Pass, Weaver};
use super::{Edge, Node, NodeId, NodeKind, PlaceId, Reach, Rule, Section, Why};

impl Weaver<'_, '_> {
    /// The start of a play: waits for all of each play that it comes after.
    pub(super) fn enter_play(&mut self, part: PartId) {
        let this = &self.draft.parts[part];
        let (hosts, cluster) = (Places::clone(&this.extent.hosts), this.extent.cluster);
        let mut outside = Frontier::default();
        match (this.needs, this.above) {
            (None, Some(above)) => outside = self.state[above].exit.clone().unnamed(),
            (None, None) => {}
            (Some(_), _) => {
                for link in self.links[part].iter().map(|link| self.draft.links[*link]) {
                    let from = &self.draft.parts[link.from];
                    let play = self.draft.plays[from.play as usize];
                    let mut named = if play == link.from { self.state[play].exit.clone() } else { self.own(link.from) };
                    for entry in &mut named.entries {
                        let inside = entry.owner == link.from || self.draft.holds(link.from, entry.owner);
                        entry.named = inside.then_some(link.span);
                        if inside && play != link.from {
                            let failures = self.draft.program.plays[from.play as usize].max_failures;
                            entry.standing = Standing::Play(failures);
                        }
                    }
                    debug_assert!(link.why == Why::Needs, "a play reads and is notified of nothing");
                    outside.union(&named);
                }
            }
        }
        if hosts.is_empty() && !cluster {
            self.state[part].outside = outside;
            return;
        }
        if !outside.entries.is_empty() {
            let mut taken = outside.clone();
            for entry in &mut taken.entries {
                if matches!(entry.standing, Standing::Play(_)) {
                    (entry.at, entry.cluster) = (Places::clone(&hosts), true);
                }
            }
            let edges = taken.edges(&self.draft.graph, &self.taker(part, Places::clone(&hosts), cluster, &[]));
            if !edges.is_empty() {
                let node = self.join(part, &hosts, cluster, edges, None);
                let entry = Entry { node, owner: part, at: hosts, cluster, standing: Standing::Gate, named: None };
                self.state[part].before = Frontier::of(entry);
            }
        }
        self.state[part].outside = outside;
    }

    /// The end of a play: fulfilled within the failures that it allows.
    pub(super) fn leave_play(&mut self, part: PartId) {
        let this = &self.draft.parts[part];
        let (hosts, cluster) = (Places::clone(&this.extent.hosts), this.extent.cluster);
        let mut exit = self.state[part].outside.clone().unnamed();
        let mut frontier = self.inside(part);
        frontier.union(&std::mem::take(&mut self.last_batch));
        let taker = self.taker(part, Places::clone(&hosts), cluster, &[]);
        let mut edges = Vec::new();
        if !hosts.is_empty() || cluster {
            edges = frontier.edges(&self.draft.graph, &taker);
            for entry in &mut exit.entries {
                if matches!(entry.standing, Standing::Play(_)) {
                    let places = &self.draft.graph.nodes[entry.node as usize].places;
                    entry.cluster = self.has_cluster(places);
                    entry.at = self.hosts_of(places);
                    entry.standing = Standing::Past;
                }
                entry.at = places::without(&entry.at, &hosts);
                entry.cluster &= !cluster;
            }
            exit.entries.retain(|entry| entry.cluster || !entry.at.is_empty());
        }
        if !hosts.is_empty() || cluster {
            let standing = Standing::Play(taker.tolerance);
            let node = self.join(part, &hosts, cluster, edges, None);
            exit.union(&Frontier::of(Entry { node, owner: part, at: hosts, cluster: true, standing, named: None }));
        }
        self.state[part].exit = exit;
    }

    /// The end of a role or block.
    pub(super) fn close(&mut self, part: PartId) {
        let this = &self.draft.parts[part];
        let block = if let Kind::Block(block) = this.kind { Some(block) } else { None };
        let play = self.draft.plays[this.play as usize];
        // A task that runs once concerns all hosts of the play, so what closes over one does, too.
        let whole = if this.extent.wide { &self.draft.parts[play].extent.hosts } else { &this.extent.hosts };
        let (hosts, cluster) = match &self.pass {
            Pass::Whole => (Places::clone(whole), this.extent.cluster),
            Pass::Ahead if this.extent.hosts.is_empty() && !self.draft.behind[part] => {
                (Places::default(), this.extent.cluster)
            }
            Pass::Batch(_, batch) if !places::meet(&this.extent.hosts, batch) => (Places::default(), false),
            Pass::Batch(_, batch) => (places::common(whole, batch), false),
            Pass::Behind if self.draft.behind[part] => (Places::clone(whole), this.extent.cluster),
            Pass::Ahead | Pass::Behind => (Places::default(), false),
        };
        let inside = self.inside(part);
        let mut exit = inside.clone();
        if hosts.is_empty() && !cluster {
            self.again(part, &mut exit);
            self.state[part].exit = exit;
            return;
        }
        let sections = self.sections(part);
        let taker = Taker { gathers: false, ..self.taker(part, Places::clone(&hosts), cluster, &sections) };
        let mut edges = inside.edges(&self.draft.graph, &taker);
        if let Some(block) = block.filter(|block| self.draft.graph.blocks[*block as usize].rescued) {
            for edge in &mut edges {
                if self.draft.graph.nodes[edge.from as usize].sections.contains(&(block, Section::Block)) {
                    edge.rule = Rule::Ended;
                }
            }
            let mut seen = Vec::new();
            edges.retain(|edge| {
                !seen.contains(edge) && {
                    seen.push(edge.clone());
                    true
                }
            });
        }
        // What failed inside and was made good is of no concern to those after it.
        let within = |entry: &Entry| {
            let sections = &self.draft.graph.nodes[entry.node as usize].sections;
            sections.iter().any(|(other, _)| Some(*other) == block)
        };
        exit.entries.retain(|entry| !within(entry));
        let lone_cluster = cluster && hosts.is_empty();
        let node = self.join(part, &hosts, cluster, edges, block);
        let standing = if lone_cluster { Standing::Once } else { Standing::Here };
        let at = if lone_cluster { Places::clone(&self.draft.parts[play].extent.hosts) } else { hosts };
        let entry = Entry { node, owner: part, at, cluster: true, standing, named: None };
        let taker = Taker { gathers: lone_cluster, ..taker };
        exit.put(&self.draft.graph, entry.clone(), &taker);
        self.state[part].exit = exit;
        self.state[part].made.push((self.pass.number(), entry));
    }

    /// Where many begin after many, one barrier for the hosts and one for the cluster.
    pub(super) fn gate(&mut self, part: PartId) {
        const MANY: usize = 3;
        let this = &self.draft.parts[part];
        let begins = |child: &&PartId| {
            let child = &self.draft.parts[**child];
            child.above.is_none() || child.needs.is_some_and(<[_]>::is_empty)
        };
        let many = self.state[part].before.entries.len() >= MANY && this.children.iter().filter(begins).count() >= MANY;
        if !many || !matches!(self.pass, Pass::Whole | Pass::Batch(..)) || this.kind == Kind::Handlers {
            return;
        }
        let (hosts, cluster) =
            (Places::clone(&this.extent.hosts), this.extent.cluster && matches!(self.pass, Pass::Whole));
        let hosts = if let Pass::Batch(_, batch) = &self.pass { places::common(&hosts, batch) } else { hosts };
        let sections = self.sections(part);
        let before = self.state[part].before.clone();
        let named = before.entries.iter().find_map(|entry| entry.named);
        let mut after = before.clone();
        for (hosts, cluster) in [(hosts, false), (Places::default(), cluster)] {
            if hosts.is_empty() && !cluster {
                continue;
            }
            let taker = self.taker(part, Places::clone(&hosts), cluster, &sections);
            let edges = before.edges(&self.draft.graph, &taker);
            let node = self.join(part, &hosts, cluster, edges, None);
            let entry = Entry { node, owner: part, at: hosts, cluster, standing: Standing::Gate, named };
            after.put(&self.draft.graph, entry, &taker);
        }
        self.state[part].before = after;
    }

    /// Failures that a play allows are counted over all hosts before a cluster task, so one barrier counts them.
    pub(super) fn tolerate(&mut self, part: PartId, frontier: &mut Frontier) {
        let graph = &self.draft.graph;
        let on_hosts = |entry: &Entry| {
            entry.standing == Standing::Here
                && entry.cluster
                && !self.has_cluster(&graph.nodes[entry.node as usize].places)
        };
        let tolerance = self.draft.program.plays[self.draft.parts[part].play as usize].max_failures;
        if tolerance == 0 || frontier.entries.iter().filter(|entry| on_hosts(entry)).count() < 2 {
            return;
        }
        let (mut edges, mut hosts, mut named) = (Vec::new(), Vec::new(), None);
        let sections = self.sections(part);
        for entry in &mut frontier.entries {
            if on_hosts(entry) {
                let from = &graph.nodes[entry.node as usize];
                hosts.extend(from.places.iter().copied());
                let one = Entry { at: Places::clone(&from.places), ..entry.clone() };
                let taker = self.taker(part, Places::clone(&from.places), false, &sections);
                edges.extend(Frontier::of(one).edges(graph, &taker));
                entry.cluster = false;
                named = named.or(entry.named);
            }
        }
        frontier.entries.retain(|entry| entry.cluster || !entry.at.is_empty());
        let parent = self.draft.parts[part].parent.unwrap_or(part);
        let node = self.join(parent, &places::set(hosts), false, edges, None);
        let at = Places::default();
        frontier.entries.push(Entry { node, owner: part, at, cluster: true, standing: Standing::Here, named });
    }

    pub(super) fn join(
        &mut self,
        part: PartId,
        hosts: &Places,
        cluster: bool,
        after: Vec<Edge>,
        block: Option<u32>,
    ) -> NodeId {
        let cluster = cluster.then_some(self.draft.graph.cluster);
        let places: Arc<[PlaceId]> =
            if cluster.is_none() { Arc::clone(hosts) } else { hosts.iter().copied().chain(cluster).collect() };
        let this = &self.draft.parts[part];
        let (address, play, sections) = (this.address.clone(), this.play, this.sections.to_vec());
        self.add(Node { address, kind: NodeKind::Join { block }, places, done_at: None, after, sections, play })
    }

    /// A barrier's edge at the same place.
    pub(super) const fn same(from: NodeId) -> Edge {
        Edge { from, reach: Reach::Same, rule: Rule::Success, selects: false, span: None }
    }
}
