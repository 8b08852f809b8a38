//! Program to DAG, by small passes. Tasks with sets of places, not their product. Reaches no place and renders no value.

mod absent;
mod draft;
mod founding;
mod frontier;
mod handlers;
mod joins;
mod needs;
mod nodes;
mod order;
mod outline;
mod places;
mod reach;
mod registers;
mod rings;
mod rollout;
mod select;
mod show;
mod weave;

use std::sync::Arc;

use crate::language::program::{HostId, Program, TaskId};
use crate::model::Address;
use crate::source::{Problems, Span};

use draft::{Draft, Link, Why};
pub use reach::reachable;
pub use select::Selection;
pub use show::{Format, show};

/// A pass: adds to the draft, or to its problems.
type Pass = fn(&mut Draft<'_>);

/// From the text to what orders it. All of these run, so that all problems show at once.
const READ: [Pass; 5] = [
    outline::run,   // the text as a tree of parts with addresses and places
    needs::run,     // names in `needs` to parts
    registers::run, // who reads whose register
    handlers::run,  // who notifies whom
    order::run,     // the one rule, and rings
];

/// From there to nodes and edges, when nothing was wrong.
const MAKE: [Pass; 5] = [
    outline::extent, // places of every part, of what is selected
    select::missing, // registers that the selection leaves out
    rollout::run,    // cluster tasks before or after the batches
    weave::run,      // nodes and edges, place by place
    founding::run,   // work in a cluster after what makes it
];

/// The graph of all that `program` says (tasks tagged `never` included: leaving them out is a selection).
///
/// # Errors
/// Everything that is wrong with its order: unknown names, rings, cluster tasks in the middle of a rollout.
pub fn build(program: &Program) -> Result<Graph, Problems> {
    made(program, select::everything)
}

/// The graph of what is selected of `program`, with the addresses and the order that it has in the whole. May be empty.
///
/// # Errors
/// As [`build`]; and names in `selection` that are not there, and registers that it leaves out but are read.
pub fn select(program: &Program, selection: &Selection) -> Result<Graph, Problems> {
    made(program, |draft| select::choose(draft, selection))
}

fn made(program: &Program, choose: impl FnOnce(&mut Draft<'_>)) -> Result<Graph, Problems> {
    let mut draft = Draft::new(program);
    for pass in READ {
        pass(&mut draft);
    }
    choose(&mut draft);
    for pass in MAKE {
        if draft.problems.has_errors() {
            return Err(draft.problems);
        }
        pass(&mut draft);
    }
    if draft.problems.has_errors() { Err(draft.problems) } else { Ok(draft.graph) }
}

/// Index into [`Graph::nodes`].
pub type NodeId = u32;

/// Index of a place: a host's id, or [`Graph::cluster`].
pub type PlaceId = u32;

/// The DAG. `nodes` are in an order that every edge follows (from lower to higher), and that is the order of the
/// text wherever edges leave a choice.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// The place of cluster tasks: one past the last host.
    pub cluster: PlaceId,
    /// Blocks, for rescue.
    pub blocks: Vec<BlockInfo>,
}

/// A task (for one item of its loop), or a barrier that only joins.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its address; that of a barrier is its play's, role's or block's.
    pub address: Address,
    /// What it is.
    pub kind: NodeKind,
    /// For whom it runs: hosts (whose values it sees), or the cluster. Sorted, often shared between nodes. A
    /// `run_once` task has one. A barrier may have hosts and the cluster; it reaches neither.
    pub places: Arc<[PlaceId]>,
    /// Where the work is done, if not there: `delegate_to`, or the cluster for a `per_host` cluster task.
    pub done_at: Option<PlaceId>,
    /// What comes before it.
    pub after: Vec<Edge>,
    /// In which part of which block it stands, innermost first.
    pub sections: Vec<(u32, Section)>,
    /// The play it belongs to (index into the program's plays).
    pub play: u32,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A task.
    Task {
        /// Which.
        task: TaskId,
        /// Index into its items.
        item: Option<u32>,
    },
    /// A handler: runs at a place where one of `by` changed something there. A notifier that does not run at that
    /// place (host task and cluster handler, or the other way round) counts wherever it changed something.
    Handler {
        /// Which.
        task: TaskId,
        /// Nodes that notify it.
        by: Vec<NodeId>,
    },
    /// Joins what is inside a play, role or block (index into [`Graph::blocks`]).
    Join {
        /// The block it closes, if it closes one. Then it is done at a place where its `Block` section held, or
        /// failed and its `Rescue` section ran there and held; and its `Always` section held. (Its edges from a
        /// section that another one makes good are [`Rule::Ended`], so that only this decides.)
        block: Option<u32>,
    },
}

/// A block's name, for messages.
#[derive(Clone, Debug)]
pub struct BlockInfo {
    /// Its address.
    pub address: Address,
    /// Has it a `rescue`?
    pub rescued: bool,
}

/// A part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What is tried.
    Block,
    /// What runs where the block failed.
    Rescue,
    /// What runs in any case.
    Always,
}

/// Comes before.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The earlier node.
    pub from: NodeId,
    /// Which places of it are waited for.
    pub reach: Reach,
    /// What its failure means.
    pub rule: Rule,
    /// Does it select (`--component`, `--tags`): explicit `needs`, registers and handlers do, list order does not.
    pub selects: bool,
    /// Where the text says so.
    pub span: Option<Span>,
}

/// Which places of the earlier node are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The same place only (nothing, if the earlier node does not run there).
    Same,
    /// All of its places.
    All,
}

/// What the earlier node's failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The later node is blocked.
    Success,
    /// The later node is blocked when more than that many places failed or were blocked. Places that were left
    /// out do not count.
    AtMost(u32),
    /// Where the earlier node failed, was blocked or left out, the later one is left out: the host is out of what
    /// comes after its play, and is not counted again. (With [`Reach::Same`] only. What follows at the same place
    /// by [`Rule::Success`] is left out, too; to [`Reach::All`] a place that was left out is no failure.)
    LeaveOut,
    /// Nothing: only the order counts (`always`, `rescue`).
    Ended,
}

/// Hosts of a place set (the cluster left out).
#[must_use]
pub fn hosts(graph: &Graph, node: &Node) -> Vec<HostId> {
    node.places.iter().copied().filter(|place| *place != graph.cluster).collect()
}
