//! Program to DAG, by small passes. Tasks with sets of places, not their product.

use crate::language::program::{HostId, TaskId};
use crate::model::Address;
use crate::source::Span;

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
    /// For whom it runs: hosts (whose values it sees), or the cluster. Sorted. A `run_once` task has one.
    pub places: Vec<PlaceId>,
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
    /// A handler: runs at a place where one of `by` changed something there.
    Handler {
        /// Which.
        task: TaskId,
        /// Nodes that notify it.
        by: Vec<NodeId>,
    },
    /// Joins what is inside a play, role or block (index into [`Graph::blocks`]).
    Join {
        /// The block it closes, if it closes one: then a rescued block counts as done.
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
    /// The later node is blocked when more than that many places failed.
    AtMost(u32),
    /// Nothing: only the order counts (`always`, `rescue`).
    Ended,
}

/// Hosts of a place set (the cluster left out).
#[must_use]
pub fn hosts(graph: &Graph, node: &Node) -> Vec<HostId> {
    node.places.iter().copied().filter(|place| *place != graph.cluster).collect()
}
