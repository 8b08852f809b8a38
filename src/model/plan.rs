//! The plan and the report as data: what `render` shows and plan files keep.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Action, Address, After, Fault, Field, PlaceName, Thing, Undo};

/// A task of the graph as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Its address, item included.
    pub address: Address,
    /// Its name, as written.
    pub name: String,
    /// Its resource.
    pub resource: String,
    /// `file:line:column` of the task.
    pub position: String,
    /// Is it a handler?
    pub handler: bool,
    /// Is it part of a `rescue`: shown as `on failure:`?
    pub on_failure: bool,
}

/// A verdict for every node: `rows` in the order of the graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The environment.
    pub environment: String,
    /// Every place, in the order of the inventory, the cluster last.
    pub places: Vec<PlaceName>,
    /// Every task of the graph, in its order.
    pub tasks: Vec<TaskInfo>,
    /// One row a (task, place).
    pub rows: Vec<Row>,
}

/// The verdict for one task at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Index into [`Plan::tasks`].
    pub task: u32,
    /// Index into [`Plan::places`].
    pub place: u32,
    /// The verdict.
    pub decision: Decision,
}

/// What the plan says of one task at one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Nothing to do, and why.
    Right(Cow<'static, str>),
    /// Nothing to do, but not ready for those who need it, and why: apply waits for it.
    Unready(String),
    /// Its `when` is false, it was not notified, or its play does not reach it.
    Skipped(Cow<'static, str>),
    /// What would differ. Boxed: a host that is right costs little.
    Change(Box<Entry>),
    /// Decided only when another task has run; `things` are all that it may touch then.
    Later {
        /// After which task.
        after: After,
        /// What it may touch.
        things: Vec<Thing>,
    },
    /// Could not be planned.
    Failed(Box<Fault>),
    /// Not planned because of another task's failure at that address.
    Blocked(Address),
}

/// A change as planned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// What sort.
    pub action: Action,
    /// What it keeps.
    pub things: Vec<Thing>,
    /// Every leaf that changes.
    pub fields: Vec<Field>,
    /// Handlers that it notifies.
    pub notifies: Vec<String>,
    /// Since which run it has been owed, for a handler that an earlier run did not come to.
    pub owed_since: Option<String>,
    /// What takes away what a create makes, where that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// How a task ended at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing was to be done.
    Right,
    /// Changed as planned.
    Changed(Box<Entry>),
    /// Planned as a change (or as later), found right when looked at again.
    AlreadyRight,
    /// Skipped, and why.
    Skipped(Cow<'static, str>),
    /// Failed.
    Failed(Box<Fault>),
    /// Failed in a task that is `optional`.
    Degraded(Box<Fault>),
    /// Failed in a block that was rescued: the block counts as done.
    Rescued(Box<Fault>),
    /// Not done because of another task's failure at that address.
    Blocked(Address),
    /// Not reached before the run was interrupted.
    NotRun,
}

/// What a run did: one outcome for every row of the plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The environment.
    pub environment: String,
    /// As in the plan.
    pub places: Vec<PlaceName>,
    /// As in the plan.
    pub tasks: Vec<TaskInfo>,
    /// (task, place, outcome).
    pub rows: Vec<(u32, u32, Outcome)>,
    /// Did the user stop it?
    pub interrupted: bool,
}

/// Counts of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Deletes.
    pub delete: usize,
    /// Runs (commands, handlers, restarts).
    pub run: usize,
    /// Changes of what is there.
    pub update: usize,
    /// Creates.
    pub create: usize,
    /// Later.
    pub later: usize,
    /// Right, but not ready.
    pub unready: usize,
    /// Right.
    pub right: usize,
    /// Skipped.
    pub skipped: usize,
    /// Failed or blocked.
    pub failed: usize,
}

impl Plan {
    /// Counts the rows; rescue tasks, which only run on failure, are not counted.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for row in &self.rows {
            if self.tasks.get(row.task as usize).is_some_and(|task| task.on_failure) {
                continue;
            }
            *match &row.decision {
                Decision::Right(_) => &mut tally.right,
                Decision::Unready(_) => &mut tally.unready,
                Decision::Skipped(_) => &mut tally.skipped,
                Decision::Later { .. } => &mut tally.later,
                Decision::Failed(_) | Decision::Blocked(_) => &mut tally.failed,
                Decision::Change(entry) => match entry.action {
                    Action::Delete => &mut tally.delete,
                    Action::Run => &mut tally.run,
                    Action::Update => &mut tally.update,
                    Action::Create => &mut tally.create,
                },
            } += 1;
        }
        tally
    }

    /// Is there nothing to change, and nothing that failed?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Tally { delete, run, update, create, later, failed, .. } = self.tally();
        delete + run + update + create + later + failed == 0
    }
}
