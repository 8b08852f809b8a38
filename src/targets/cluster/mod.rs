//! The cluster of an environment: objects and steps as data, and the way to its API.
//!
//! All goes through one `kube::Client`: a fake in memory, a kubeconfig or a tunnel are only other services under it.

mod api;
pub mod fake;
mod faults;
mod hands;
mod kinds;
mod lease;
pub mod managed;
mod object;
mod place;
mod probe;
pub mod settle;
mod shadow;
mod shelves;
pub mod tunnel;

pub use api::Requests;
pub use lease::LeaseName;
use object::established;
pub use object::{Live, Object, ObjectId, reveal};
pub use place::ClusterPlace;
pub use probe::{ClusterProbe, DryRun};

use crate::model::{Sort, Target};

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
    /// Deletes exactly the object that was seen, and what it owns in the background.
    Delete {
        /// Which.
        id: ObjectId,
        /// As it was seen: another one of the same name is not touched. `None` only for one that the plan itself makes.
        uid: Option<String>,
    },
}
