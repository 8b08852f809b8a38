//! Walks the graph: every (node, place) once, after what it waits for, one at a time on a host, many hosts at once.
//! It decides who may go, who is blocked and by whom; what is done there is the visitor's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc};

use super::stop::Stop;
use crate::graph::{Graph, Node, NodeId, NodeKind, PlaceId, Reach, Rule, Section};
use crate::model::Address;

/// May the visitor go ahead?
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Gate {
    /// Yes.
    Open,
    /// No: the task at that address failed.
    Blocked(Address),
    /// No: it belongs to a `rescue`, and what it would rescue did not fail.
    NotNeeded,
}

/// How a visit ended, as far as others care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Those after it may go.
    Good,
    /// Those that need it are blocked.
    Bad,
    /// It could not go because of another's failure: blocks like that failure, but is not counted as one more.
    Blocked,
}

/// What is done at each node.
pub(super) trait Visit: Send + Sync + 'static {
    /// Visits one node at one place. Never called for joins.
    fn visit(&self, node: NodeId, place: PlaceId, gate: Gate) -> BoxFuture<'_, Ended>;
}

/// How much at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// Places in progress.
    pub forks: usize,
    /// Visits at once in the cluster.
    pub cluster: usize,
}

/// Visits all of `graph`. After `stop`, what runs is finished and nothing new begins; gives back whether every
/// node was visited.
pub(super) async fn walk<V: Visit>(graph: Arc<Graph>, visitor: Arc<V>, width: Width, stop: Stop) -> bool {
    let (sender, mut freed) = mpsc::unbounded_channel();
    let walker = Arc::new(Walker {
        state: Mutex::new(State::new(&Arc::new(Shape::new(graph)), width)),
        forks: Semaphore::new(width.forks.max(1)),
        visitor,
        stop,
        running: sender,
    });
    let first = walker.lock().ready_places();
    walker.launch(&first);
    let mut running = 0;
    while running > 0 || !freed.is_empty() {
        running += freed.recv().await.unwrap_or(-running);
    }
    walker.lock().left == 0
}

struct Walker<V> {
    visitor: Arc<V>,
    state: Mutex<State>,
    forks: Semaphore,
    stop: Stop,
    running: mpsc::UnboundedSender<i64>,
}

impl<V: Visit> Walker<V> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a runner for each of `workers` that has a free seat and something to do.
    fn launch(self: &Arc<Self>, workers: &BTreeSet<PlaceId>) {
        for worker in workers {
            while self.lock().take_seat(*worker) {
                let (walker, running) = (self.clone(), Running::new(&self.running));
                let worker = *worker;
                tokio::spawn(async move {
                    walker.run(worker).await;
                    // In this order: when nothing runs any more, nothing is held any more (the journal's lock).
                    drop(walker);
                    drop(running);
                });
            }
        }
    }

    /// Works off what is ready at one place, lowest node first, until nothing is.
    async fn run(self: &Arc<Self>, worker: PlaceId) {
        // The cluster has its own number of seats, and takes none from the hosts.
        let is_host = worker != self.lock().shape.graph.cluster;
        let _fork = if is_host { self.forks.acquire().await.ok() } else { None };
        loop {
            if self.stop.asked() {
                self.lock().leave_seat(worker);
                return;
            }
            let Some((node, place, gate)) = self.lock().next(worker) else { return };
            let ended = self.visitor.visit(node, place, gate).await;
            let woken = {
                let mut state = self.lock();
                let mut woken = state.end(node, place, ended, None);
                woken.extend(state.settle_joins());
                woken
            };
            // The cluster has several seats: others may take what this one made ready there.
            self.launch(&woken);
        }
    }
}

/// Counts a runner up when it is made and down when it is gone, even by a panic, so that no walk waits for ever. A
/// runner starts others before it is gone, so the count is nothing only at the end.
struct Running(mpsc::UnboundedSender<i64>);

impl Running {
    fn new(sender: &mpsc::UnboundedSender<i64>) -> Self {
        // The receiver is gone only when the walk is over.
        let _ = sender.send(1);
        Self(sender.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.send(-1);
    }
}

/// What does not change during a walk.
struct Shape {
    graph: Arc<Graph>,
    /// First instance of a node: instances are numbered by node, then place.
    offset: Vec<u32>,
    /// Who waits for a node, and how far the edge reaches.
    later: Vec<Vec<(NodeId, Reach)>>,
    /// Nodes of each block by section.
    sections: BTreeMap<u32, [Vec<NodeId>; 3]>,
}

/// Why a node was not done at a place.
#[derive(Clone, Debug)]
struct Cause {
    /// The task that failed.
    address: Address,
    /// The place was only left out, because it failed in an earlier play: that is not counted again.
    left_out: bool,
}

/// Which (node, place) waits for how many, and how each ended.
struct State {
    shape: Arc<Shape>,
    waiting: Vec<u32>,
    cause: BTreeMap<usize, Cause>,
    /// Instances of a node that have not ended.
    open: Vec<u32>,
    /// Instances of a node that failed or were blocked.
    bad: Vec<u32>,
    ready: Vec<BTreeSet<(NodeId, PlaceId)>>,
    joins: Vec<(NodeId, PlaceId)>,
    seats: Vec<u32>,
    left: usize,
}

impl Shape {
    fn new(graph: Arc<Graph>) -> Self {
        let mut offset = Vec::with_capacity(graph.nodes.len() + 1);
        offset.push(0);
        let mut later = vec![Vec::new(); graph.nodes.len()];
        let mut sections: BTreeMap<u32, [Vec<NodeId>; 3]> = BTreeMap::new();
        let mut total = 0;
        for (id, node) in (0..).zip(&graph.nodes) {
            total += count(&node.places);
            offset.push(total);
            for (block, section) in &node.sections {
                sections.entry(*block).or_default()[*section as usize].push(id);
            }
            for edge in &node.after {
                later[edge.from as usize].push((id, edge.reach));
            }
        }
        Self { graph, offset, later, sections }
    }

    fn node(&self, node: NodeId) -> &Node {
        &self.graph.nodes[node as usize]
    }

    fn instance(&self, node: NodeId, place: PlaceId) -> Option<usize> {
        let at = self.node(node).places.binary_search(&place).ok()?;
        Some(self.offset[node as usize] as usize + at)
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

impl State {
    fn new(shape: &Arc<Shape>, width: Width) -> Self {
        let nodes = &shape.graph.nodes;
        let places = shape.graph.cluster as usize + 1;
        let total = shape.offset.last().copied().unwrap_or_default() as usize;
        let mut seats = vec![1; places];
        seats[shape.graph.cluster as usize] = u32::try_from(width.cluster.max(1)).unwrap_or(1);
        let mut state = Self {
            waiting: vec![0; total],
            cause: BTreeMap::new(),
            open: nodes.iter().map(|node| count(&node.places)).collect(),
            bad: vec![0; nodes.len()],
            ready: vec![BTreeSet::new(); places],
            joins: Vec::new(),
            seats,
            left: total,
            shape: shape.clone(),
        };
        for (id, node) in (0..).zip(nodes) {
            for (at, place) in node.places.iter().enumerate() {
                let waits = node.after.iter().filter(|edge| match edge.reach {
                    Reach::Same => shape.instance(edge.from, *place).is_some(),
                    Reach::All => !shape.node(edge.from).places.is_empty(),
                });
                let waits = u32::try_from(waits.count()).unwrap_or(u32::MAX);
                state.waiting[shape.offset[id as usize] as usize + at] = waits;
                if waits == 0 {
                    state.make_ready(id, *place);
                }
            }
        }
        state.settle_joins();
        state
    }

    /// Places that have something to do.
    fn ready_places(&self) -> BTreeSet<PlaceId> {
        (0..).zip(&self.ready).filter(|(_, ready)| !ready.is_empty()).map(|(place, _)| place).collect()
    }

    fn make_ready(&mut self, node: NodeId, place: PlaceId) -> Option<PlaceId> {
        let found = self.shape.node(node);
        if matches!(found.kind, NodeKind::Join { .. }) {
            self.joins.push((node, place));
            return None;
        }
        let worker = found.done_at.unwrap_or(place);
        self.ready[worker as usize].insert((node, place));
        Some(worker)
    }

    fn take_seat(&mut self, worker: PlaceId) -> bool {
        let free = self.seats[worker as usize] > 0 && !self.ready[worker as usize].is_empty();
        if free {
            self.seats[worker as usize] -= 1;
        }
        free
    }

    fn leave_seat(&mut self, worker: PlaceId) {
        self.seats[worker as usize] += 1;
    }

    /// The next at that place, and whether it may go; the seat is given up when there is none.
    fn next(&mut self, worker: PlaceId) -> Option<(NodeId, PlaceId, Gate)> {
        let Some((node, place)) = self.ready[worker as usize].pop_first() else {
            self.leave_seat(worker);
            return None;
        };
        Some((node, place, self.gate(node, place)))
    }

    fn gate(&self, node: NodeId, place: PlaceId) -> Gate {
        if let Some(cause) = self.blocked_by(node, place) {
            return Gate::Blocked(cause.address);
        }
        let mut rescues = self.shape.node(node).sections.iter().filter(|(_, section)| *section == Section::Rescue);
        let failed = |block| self.section_cause(block, Section::Block, place).is_some_and(|cause| !cause.left_out);
        if rescues.any(|(block, _)| !failed(*block)) {
            return Gate::NotNeeded;
        }
        Gate::Open
    }

    /// Why it may not go, if it may not. A failure that counts comes before one that only leaves the place out.
    fn blocked_by(&self, node: NodeId, place: PlaceId) -> Option<Cause> {
        let causes = self.shape.node(node).after.iter().filter_map(|edge| {
            let allowed = match edge.rule {
                Rule::Success => 0,
                Rule::AtMost(failures) => failures,
                Rule::LeaveOut => {
                    return self.cause_of(edge.from, place).map(|cause| Cause { left_out: true, ..cause });
                }
                Rule::Ended => return None,
            };
            match edge.reach {
                Reach::All if self.bad[edge.from as usize] > allowed => {
                    let places = &self.shape.node(edge.from).places;
                    let mut causes = places.iter().filter_map(|place| self.cause_of(edge.from, *place));
                    causes.find(|cause| !cause.left_out)
                }
                Reach::All => None,
                Reach::Same => self.cause_of(edge.from, place),
            }
        });
        causes.min_by_key(|cause| cause.left_out)
    }

    /// Why that node was not done at that place, if it was not.
    fn cause_of(&self, node: NodeId, place: PlaceId) -> Option<Cause> {
        self.cause.get(&self.shape.instance(node, place)?).cloned()
    }

    /// Why that section of the block was not done at that place, if it was not.
    fn section_cause(&self, block: u32, section: Section, place: PlaceId) -> Option<Cause> {
        let nodes = &self.shape.sections.get(&block)?[section as usize];
        nodes.iter().filter_map(|node| self.cause_of(*node, place)).min_by_key(|cause| cause.left_out)
    }

    /// Ends what needs no visit: joins. Gives back the places that got something to do.
    fn settle_joins(&mut self) -> BTreeSet<PlaceId> {
        let mut woken = BTreeSet::new();
        while let Some((node, place)) = self.joins.pop() {
            let cause = match self.shape.node(node).kind {
                NodeKind::Join { block: Some(block) } => {
                    let rescued = self.shape.graph.blocks.get(block as usize).is_some_and(|info| info.rescued);
                    let tried = self.section_cause(block, Section::Block, place);
                    let cause = match tried {
                        // The rescue made good what failed, unless it failed itself.
                        Some(cause) if rescued && !cause.left_out => self.section_cause(block, Section::Rescue, place),
                        other => other,
                    };
                    cause.or_else(|| self.section_cause(block, Section::Always, place))
                }
                _ => None,
            };
            let cause = cause.or_else(|| self.blocked_by(node, place));
            woken.extend(self.end(node, place, if cause.is_some() { Ended::Blocked } else { Ended::Good }, cause));
        }
        woken
    }

    /// Records how it ended; gives back the places that got something to do.
    fn end(&mut self, node: NodeId, place: PlaceId, ended: Ended, cause: Option<Cause>) -> BTreeSet<PlaceId> {
        let mut woken = BTreeSet::new();
        let shape = self.shape.clone();
        let Some(instance) = shape.instance(node, place) else { return woken };
        self.left -= 1;
        if ended != Ended::Good {
            let cause = cause.or_else(|| self.blocked_by(node, place)).filter(|_| ended == Ended::Blocked);
            let own = || Cause { address: shape.node(node).address.clone(), left_out: false };
            let cause = cause.unwrap_or_else(own);
            self.bad[node as usize] += u32::from(!cause.left_out);
            self.cause.insert(instance, cause);
        }
        self.open[node as usize] -= 1;
        let all_ended = self.open[node as usize] == 0;
        for (later, reach) in &shape.later[node as usize] {
            match reach {
                Reach::Same => woken.extend(self.one_less(*later, place)),
                Reach::All if all_ended => {
                    for place in shape.node(*later).places.iter() {
                        woken.extend(self.one_less(*later, *place));
                    }
                }
                Reach::All => {}
            }
        }
        woken
    }

    fn one_less(&mut self, node: NodeId, place: PlaceId) -> Option<PlaceId> {
        let instance = self.shape.instance(node, place)?;
        self.waiting[instance] -= 1;
        if self.waiting[instance] == 0 { self.make_ready(node, place) } else { None }
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
