//! The program: what the text says, every name resolved. Made by `resolve`, read by `graph` and `engine`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Sort, Value};
use crate::source::{Node, Span};

/// Index into [`Environment::hosts`].
pub type HostId = u32;
/// Index into [`Program::tasks`].
pub type TaskId = u32;
/// Index into the program's scopes: which inputs a task sees.
pub type ScopeId = u32;

/// An environment: `inventories/<name>/`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Its folder's name.
    pub name: String,
    /// Its hosts, in the order of the text.
    pub hosts: Vec<Host>,
    /// Groups and their hosts.
    pub groups: BTreeMap<String, Vec<HostId>>,
    /// Its cluster, if it has one.
    pub cluster: Option<Cluster>,
    /// `become` for tasks that do not say.
    pub becomes: bool,
    /// `ssh: { config: path }`.
    pub ssh_config: Option<String>,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name in the inventory.
    pub name: Arc<str>,
    /// Its entry.
    pub span: Span,
    /// How it is reached.
    pub connection: Connection,
    /// Its groups, in the order of the text.
    pub groups: Vec<String>,
}

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Over SSH.
    Ssh {
        /// Address or alias of the ssh configuration.
        address: String,
        /// Port, if not left to the ssh configuration.
        port: Option<u16>,
        /// User, if not left to the ssh configuration.
        user: Option<String>,
    },
    /// `connection: local`.
    Local,
}

/// The cluster of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// How it is reached.
    pub way: ClusterWay,
    /// The namespace of the Lease that keeps two runs apart, if not the usual one.
    pub lock_namespace: Option<String>,
    /// Kinds and objects that may be taken away although something is lost with them.
    pub allow_delete: Vec<String>,
}

/// How a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterWay {
    /// A kubeconfig file and a context by name.
    Kubeconfig {
        /// Path.
        path: String,
        /// Context.
        context: Option<String>,
    },
    /// Fetched from that host, or the first host that answers of that group, and reached through it.
    From {
        /// Host or group.
        hosts: String,
        /// Where the kubeconfig lies there, if not where k3s writes it.
        path: Option<String>,
    },
    /// The one that this process runs in, as its service account.
    Inside,
}

/// A whole playbook, resolved for one environment.
#[derive(Debug, Default)]
pub struct Program {
    /// Where it runs.
    pub environment: Environment,
    /// Its plays, in order.
    pub plays: Vec<Play>,
    /// Every task and handler.
    pub tasks: Vec<Task>,
    /// What the tasks see: only `evaluate` looks inside. Tests that make a program by hand leave it at its default.
    pub values: super::Values,
}

/// A play.
#[derive(Clone, Debug)]
pub struct Play {
    /// Its name: unique in the playbook, without `/`.
    pub name: String,
    /// Its entry.
    pub span: Span,
    /// Its hosts; empty for a play of cluster tasks.
    pub hosts: Vec<HostId>,
    /// Names of other plays; `None`: the one above.
    pub needs: Option<Vec<Needed>>,
    /// Tags.
    pub tags: Vec<String>,
    /// Batches.
    pub rollout: Option<Rollout>,
    /// How many hosts may fail and the play still be fulfilled.
    pub max_failures: u32,
    /// Roles, then tasks.
    pub body: Vec<Part>,
    /// Its own handlers (those of roles are in the role).
    pub handlers: Vec<TaskId>,
}

/// A name in `needs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// A sibling's name, or `play/role/task` from afar.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// `rollout`.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Hosts at a time: each inner list is one batch.
    pub batches: Vec<Vec<HostId>>,
    /// Tasks after each batch.
    pub between: Vec<TaskId>,
    /// Its entry.
    pub span: Span,
}

/// A part of a body.
#[derive(Clone, Debug)]
pub enum Part {
    /// A role.
    Role(Role),
    /// A task.
    Task(TaskId),
    /// A block.
    Block(Block),
}

/// A role where a play names it.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its name (or the `name` given where it is used): unique among its siblings.
    pub name: String,
    /// Where it is named.
    pub span: Span,
    /// Siblings it needs; `None`: the one above.
    pub needs: Option<Vec<Needed>>,
    /// Tags.
    pub tags: Vec<String>,
    /// Its tasks.
    pub body: Vec<Part>,
    /// Its handlers.
    pub handlers: Vec<TaskId>,
}

/// `block`, `rescue`, `always`.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its name: unique among its siblings.
    pub name: String,
    /// Its entry.
    pub span: Span,
    /// Siblings it needs; `None`: the one above.
    pub needs: Option<Vec<Needed>>,
    /// Tags.
    pub tags: Vec<String>,
    /// What is tried.
    pub block: Vec<Part>,
    /// What runs at a place where the block failed.
    pub rescue: Vec<Part>,
    /// What runs afterwards in any case.
    pub always: Vec<Part>,
}

/// A task or handler. `when`, `become`, `tags` and hosts of what it stands in are merged in.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the language, and they are independent")]
pub struct Task {
    /// Its name: unique among its siblings, without `/`.
    pub name: String,
    /// Its entry.
    pub span: Span,
    /// The resource's name in the catalogue.
    pub resource: &'static str,
    /// Where that lives.
    pub sort: Sort,
    /// Its parameters, not rendered yet.
    pub params: Node,
    /// Which inputs it sees, and where its files and templates lie.
    pub scope: ScopeId,
    /// Its hosts, narrowed (empty for a cluster task that is not `per_host`).
    pub hosts: Vec<HostId>,
    /// Siblings it needs; `None`: the one above.
    pub needs: Option<Vec<Needed>>,
    /// All must be true.
    pub when: Vec<Expression>,
    /// Items known at load.
    pub items: Option<Items>,
    /// The name under which others in the same role (or the play's own tasks) see its result.
    pub register: Option<String>,
    /// Registers it reads, by name, and where.
    pub reads: Vec<(String, Span)>,
    /// Handlers of the same role (or play) it notifies, and where.
    pub notify: Vec<(String, Span)>,
    /// Tags, its own and inherited.
    pub tags: Vec<String>,
    /// `become`, `become_user`: the user to become.
    pub become_user: Option<Arc<str>>,
    /// Tried again that often, with that pause.
    pub retries: u32,
    /// Pause before the next try.
    pub delay: Duration,
    /// Until when a try must be done.
    pub timeout: Option<Duration>,
    /// Once, at the first selected host.
    pub run_once: bool,
    /// The host that does it instead.
    pub delegate_to: Option<HostId>,
    /// A cluster task that runs once a host.
    pub per_host: bool,
    /// The host undoes it by itself unless one can still get in afterwards.
    pub guard: bool,
    /// A failure is reported as degraded.
    pub optional: bool,
    /// Decides whether it changed something.
    pub changed_when: Option<Expression>,
    /// Decides whether it failed.
    pub failed_when: Option<Expression>,
    /// Is it a handler?
    pub handler: bool,
}

/// An expression as written, without `{{ }}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// The items of a loop: keys are unique and stable; an item may be there on some hosts only.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// Key and its value by host. A cluster task uses [`Item::shared`] only.
    pub items: Vec<Item>,
    /// The variable's name, `item` by default.
    pub variable: String,
}

/// One item of a loop.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its key: the text of a scalar, the key of a mapping, the `name` (or the index) of a list entry.
    pub key: String,
    /// Its value where it does not vary by host.
    pub shared: Option<Value>,
    /// Its value by host where it does.
    pub by_host: BTreeMap<HostId, Value>,
}
