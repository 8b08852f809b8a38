//! The cluster of an environment: objects and steps as data, and the way to its API.
//!
//! All goes through one `kube::Client`: a fake in memory, a kubeconfig or a tunnel are only other services under it.

mod absent;
mod api;
mod away;
mod builtin;
mod exec;
pub mod fake;
mod faults;
mod hands;
mod keeper;
mod kinds;
mod lease;
pub mod managed;
mod members;
mod object;
mod place;
mod probe;
mod rounds;
pub mod settle;
mod shadow;
mod shelves;
pub mod tunnel;

pub use absent::{Absent, Opening, UNIT};
pub use api::Requests;
pub use exec::{Exec, Pods};
pub use keeper::Keeper;
pub use lease::LeaseName;
pub use members::{ApplySet, PART_OF, label};
use object::established;
pub use object::{Live, Object, ObjectId, reveal};
pub use place::ClusterPlace;
pub use probe::{ClusterProbe, DryRun};

use crate::model::{Map, Sort, Target};

/// As whom fields are owned: stable, so that a later run knows its own.
pub const FIELD_MANAGER: &str = "lions";

/// The target of cluster resources.
#[derive(Debug)]
pub struct Cluster;

impl Target for Cluster {
    type Probe = ClusterProbe;
    type Step = Step;
    const SORT: Sort = Sort::Cluster;
}

/// One write, as data. `hands` does it, the shadow imitates it. Secrets in it stay sealed.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Server-side apply as [`FIELD_MANAGER`].
    Apply {
        /// What is declared. While a leaf of it is unknown, `hands` refuses it.
        object: Object,
        /// What the look that led to this step found: the object must still be that one. `None`: it was not there.
        uid: Option<String>,
        /// Take fields from other managers.
        force: bool,
        /// What the API said it would be afterwards, for the shadow; `None` when the API could not be asked.
        result: Option<Live>,
    },
    /// Deletes exactly the object that was seen, and makes it anew: for one that cannot be changed, and holds nothing.
    Replace {
        /// What is declared.
        object: Object,
        /// As it was seen.
        uid: String,
        /// For the shadow.
        result: Live,
    },
    /// Sets how many pods a workload has, through its `scale` part: nobody's field is taken but that one.
    Scale {
        /// Which.
        id: ObjectId,
        /// As it was seen.
        uid: Option<String>,
        /// How many.
        replicas: i64,
        /// What it will be then, for the shadow.
        result: Live,
    },
    /// Has all pods of a workload made anew, as `kubectl rollout restart` does.
    Restart {
        /// Which.
        id: ObjectId,
        /// As it was seen.
        uid: Option<String>,
    },
    /// Runs a command in a pod.
    Exec(Exec),
    /// The same as [`Step::Apply`], with values of `data` that are made up when it is done, and told then.
    Generate {
        /// What is declared; `generate` is not in it yet.
        object: Object,
        /// As it was seen; `None`: it was not there.
        uid: Option<String>,
        /// What is made up: key and recipe.
        generate: Vec<(String, Recipe)>,
        /// What is told beside it.
        given: Map,
        /// For the shadow: with what is not known yet.
        result: Live,
    },
    /// Deletes exactly the object that was seen, and what it owns in the background.
    Delete {
        /// Which.
        id: ObjectId,
        /// As it was seen: another one of the same name is not touched. `None` only for one that the plan itself makes.
        uid: Option<String>,
    },
}

/// How a value is made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// How many characters.
    pub length: usize,
    /// Of which, each as likely as the others.
    pub alphabet: Vec<char>,
}
