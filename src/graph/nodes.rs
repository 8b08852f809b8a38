//! What a task becomes: a node for each item of its loop, one after the other, with the places where it runs. A
//! `run_once` task runs at its first host, and all hosts of the play wait for it. A handler waits for those that notify it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::language::program::{Task, TaskId};
use crate::model::Sort;

use super::frontier::{Entry, Frontier, Standing, Taker};
use super::outline::{Kind, PartId};
use super::places::{self, Places};
use super::weave::{Pass, Weaver};
use super::{Edge, Node, NodeId, NodeKind, PlaceId, Rule, Section, Why};

impl Weaver<'_, '_> {
    /// Makes the nodes of a task or handler, if this pass is theirs.
    pub(super) fn leaf(&mut self, part: PartId) {
        let Some(id) = self.draft.parts[part].kind.task() else { return };
        let program = self.draft.program;
        let task = &program.tasks[id as usize];
        let mut frontier = self.state[part].before.clone();
        let (hosts, cluster) = self.here(part, task);
        if hosts.is_empty() && !cluster {
            self.again(part, &mut frontier);
            if !self.draft.chosen[part] || self.draft.limit.is_some() {
                self.pass_on(part, task, &mut frontier);
            }
        } else if let Kind::Handler(_) = self.draft.parts[part].kind {
            self.handler(part, id, &hosts, cluster, &mut frontier);
        } else {
            if matches!(self.pass, Pass::Behind) {
                self.behind_all(&mut frontier);
            }
            match &task.items {
                None => self.make(part, id, None, &hosts, cluster, &mut frontier),
                Some(items) => {
                    for (at, item) in items.items.iter().enumerate() {
                        let here = if item.shared.is_some() || cluster {
                            Places::clone(&hosts)
                        } else {
                            hosts.iter().copied().filter(|host| item.by_host.contains_key(host)).collect()
                        };
                        if cluster || !here.is_empty() {
                            self.make(part, id, u32::try_from(at).ok(), &here, cluster, &mut frontier);
                        }
                    }
                }
            }
        }
        self.state[part].exit = frontier;
    }

    /// The hosts at which a task runs in this pass; or does it run on the cluster?
    fn here(&self, part: PartId, task: &Task) -> (Places, bool) {
        let this = &self.draft.parts[part];
        let between = this.parent.is_some_and(|parent| self.draft.parts[parent].kind == Kind::Between);
        let (hosts, cluster) = match &self.pass {
            Pass::Whole => (Places::clone(&this.extent.hosts), this.extent.cluster),
            Pass::Ahead => (Places::default(), this.extent.cluster && !between && !self.draft.behind[part]),
            Pass::Batch(_, batch) => (places::common(&this.extent.hosts, batch), this.extent.cluster && between),
            Pass::Behind => (Places::default(), this.extent.cluster && !between && self.draft.behind[part]),
        };
        if !task.run_once || hosts.is_empty() {
            return (hosts, cluster);
        }
        let done = self.state[part].made.iter().any(|(pass, _)| *pass != self.pass.number());
        (if done { Places::default() } else { hosts[..1].into() }, cluster)
    }

    /// After a rollout the last batch, which waits for all before it, stands for what hosts did.
    fn behind_all(&self, frontier: &mut Frontier) {
        for entry in &mut frontier.entries {
            let on_hosts = !self.has_cluster(&self.draft.graph.nodes[entry.node as usize].places);
            entry.cluster &= !(on_hosts && entry.standing == Standing::Here && entry.named.is_none());
        }
        frontier.union(&self.last_batch);
    }

    /// Puts nodes of earlier passes into `frontier` that count in this one.
    pub(super) fn again(&self, part: PartId, frontier: &mut Frontier) {
        let made = self.state[part].made.iter().filter(|(pass, entry)| self.counts(part, *pass, entry));
        let made: Vec<&Entry> = made.map(|(_, entry)| entry).collect();
        if !made.iter().all(|entry| entry.standing == Standing::Here) {
            for entry in made {
                let places = &self.draft.graph.nodes[entry.node as usize].places;
                let taker = self.taker(part, self.hosts_of(places), self.has_cluster(places), &[]);
                frontier.put(&self.draft.graph, entry.clone(), &taker);
            }
            return;
        }
        // Batches are many: all of their nodes at once, at each host the last.
        let mut seen = BTreeSet::new();
        let last = made.iter().rev().map(|entry| {
            let at = entry.at.iter().copied().filter(|host| seen.insert(*host)).collect();
            Entry { at, ..(*entry).clone() }
        });
        let mut last: Vec<Entry> = last.filter(|entry| !entry.at.is_empty()).collect();
        last.reverse();
        if let Some(end) = last.pop() {
            let hosts = seen.into_iter().collect();
            frontier.put(&self.draft.graph, end.clone(), &self.taker(part, hosts, false, &[]));
            frontier.entries.pop();
            frontier.entries.extend(last.into_iter().chain([end]));
        }
    }

    fn make(
        &mut self,
        part: PartId,
        id: TaskId,
        item: Option<u32>,
        hosts: &Places,
        cluster: bool,
        frontier: &mut Frontier,
    ) {
        let task = &self.draft.program.tasks[id as usize];
        let mut address = self.draft.parts[part].address.clone();
        if let Some(item) = item.and_then(|at| task.items.as_ref()?.items.get(at as usize)) {
            address = address.item(&item.key);
        }
        // A cluster task of `between` runs once a batch on the one cluster: only the batch tells its runs apart.
        if let (Pass::Batch(number, _), true) = (&self.pass, cluster) {
            address = address.item(&format!("batch {number}"));
        }
        if cluster {
            self.tolerate(part, frontier);
        }
        let sections = self.sections(part);
        let taker = self.taker(part, Places::clone(hosts), cluster, &sections);
        let mut edges = frontier.edges(&self.draft.graph, &taker);
        self.linked(part, &taker, &mut edges);
        let node = Node {
            address,
            kind: NodeKind::Task { task: id, item },
            places: if cluster { [self.draft.graph.cluster].into() } else { Places::clone(hosts) },
            done_at: if task.sort == Sort::Cluster {
                task.per_host.then_some(self.draft.graph.cluster)
            } else {
                task.delegate_to
            },
            after: edges,
            sections: sections.to_vec(),
            play: self.draft.parts[part].play,
        };
        let node = self.add(node);
        let play = self.draft.plays[self.draft.parts[part].play as usize];
        let (at, standing) = if cluster || task.run_once {
            (Places::clone(&self.draft.parts[play].extent.hosts), Standing::Once)
        } else {
            (Places::clone(hosts), Standing::Here)
        };
        let entry = Entry { node, owner: part, at, cluster: true, standing, named: None };
        frontier.put(&self.draft.graph, entry.clone(), &taker);
        self.state[part].made.push((self.pass.number(), entry));
    }

    fn handler(&mut self, part: PartId, id: TaskId, hosts: &Places, cluster: bool, frontier: &mut Frontier) {
        let mut by: Vec<NodeId> = Vec::new();
        for link in self.links[part].iter().map(|link| self.draft.links[*link]) {
            if link.why == Why::Notifies {
                let made = self.state[link.from].made.iter();
                by.extend(
                    made.filter(|(pass, entry)| self.counts(link.from, *pass, entry)).map(|(_, entry)| entry.node),
                );
            }
        }
        by.sort_unstable();
        by.dedup();
        let graph = &self.draft.graph;
        let anywhere = by.iter().any(|node| self.has_cluster(&graph.nodes[*node as usize].places));
        let notified = places::set(by.iter().flat_map(|node| graph.nodes[*node as usize].places.iter().copied()));
        let here = if cluster || anywhere { Places::clone(hosts) } else { places::common(hosts, &notified) };
        if by.is_empty() || (here.is_empty() && !cluster) {
            return;
        }
        self.make(part, id, None, &here, cluster, frontier);
        if let Some((_, entry)) = self.state[part].made.last() {
            self.draft.graph.nodes[entry.node as usize].kind = NodeKind::Handler { task: id, by };
        }
    }

    /// Edges from those whose register `part` reads, and from those that notify it.
    fn linked(&self, part: PartId, taker: &Taker<'_>, edges: &mut Vec<Edge>) {
        let graph = &self.draft.graph;
        for link in self.links[part].iter().map(|link| self.draft.links[*link]) {
            if link.why == Why::Needs {
                continue;
            }
            let mut own = self.own(link.from);
            for entry in &mut own.entries {
                entry.named = Some(link.span);
            }
            for mut edge in own.edges(graph, taker) {
                let from = &graph.nodes[edge.from as usize];
                if link.why == Why::Notifies && self.made_good(&from.sections, taker.sections) {
                    edge.rule = Rule::Ended;
                }
                let twin =
                    |known: &&mut Edge| (known.from, known.reach, known.rule) == (edge.from, edge.reach, edge.rule);
                match edges.iter_mut().find(twin) {
                    Some(known) => (known.selects, known.span) = (true, known.span.or(edge.span)),
                    None => edges.push(edge),
                }
            }
        }
    }

    /// Does a rescue make good what fails at `from`, seen from `to`?
    fn made_good(&self, from: &[(u32, Section)], to: &[(u32, Section)]) -> bool {
        from.iter().any(|(block, section)| {
            *section == Section::Block
                && self.draft.graph.blocks[*block as usize].rescued
                && !to.iter().any(|(other, _)| other == block)
        })
    }

    pub(super) fn taker<'a>(
        &self,
        part: PartId,
        hosts: Places,
        cluster: bool,
        sections: &'a [(u32, Section)],
    ) -> Taker<'a> {
        let tolerance = self.draft.program.plays[self.draft.parts[part].play as usize].max_failures;
        Taker { gathers: cluster && hosts.is_empty(), hosts, cluster, sections, tolerance }
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.draft.graph.nodes.push(node);
        NodeId::try_from(self.draft.graph.nodes.len() - 1).unwrap_or(NodeId::MAX)
    }

    pub(super) fn has_cluster(&self, places: &[PlaceId]) -> bool {
        places.last() == Some(&self.draft.graph.cluster)
    }

    pub(super) fn hosts_of(&self, places: &Places) -> Places {
        if self.has_cluster(places) { places[..places.len() - 1].into() } else { Arc::clone(places) }
    }
}
