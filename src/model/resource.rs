//! What a resource is: it can look but not touch, and says what should be done as data.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::decode::Misfit;
use super::{Fault, Halt, Thing, Undo, Verdict};

/// The sort of place that a resource lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// Once on every host of the play.
    Host,
    /// Once for the environment's cluster.
    Cluster,
}

/// A sort of place: fixes what can be asked and what can be done there.
pub trait Target: 'static {
    /// Read-only questions.
    type Probe: Send + Sync;
    /// One write, as data.
    type Step: Clone + Debug + Send + Sync;
    /// Its sort.
    const SORT: Sort;
}

/// How long a resource may wait until what it keeps is ready, and who hears what it waits for.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// Then it is a fault, which says what was still missing.
    pub limit: Duration,
    /// Hears what it waits for, in a few words, whenever that changes.
    pub tell: &'a (dyn Fn(&str) + Send + Sync),
}

/// What `lions doc` says of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// One sentence, lower case, no full stop.
    pub summary: &'static str,
    /// A task in YAML, as it would stand in a playbook; a test plans it.
    pub example: &'static str,
}

/// A kind of thing with a desired state.
pub trait Resource: DeserializeOwned + JsonSchema + Debug + Send + Sync + 'static {
    /// Its key in a task.
    const NAME: &'static str;
    /// What it is.
    const DOC: Doc;
    /// Where it lives.
    type Target: Target;
    /// What `read` found.
    type State: Send + Sync;

    /// Rules over several parameters, checked as soon as all of them are known. Each misfit names its parameter.
    fn check(&self) -> Vec<Misfit> {
        Vec::new()
    }

    /// What it keeps on its place: for ordering two writers, and to bind a task that is *later*.
    fn things(&self) -> Vec<Thing>;

    /// Looks only. What the shadow of the place leaves open comes back as [`Halt::Later`].
    fn read(&self, probe: &<Self::Target as Target>::Probe) -> impl Future<Output = Result<Self::State, Halt>> + Send;

    /// Pure: what would differ.
    ///
    /// # Errors
    /// A fault for a state that it will not touch; *later* for one that depends on something not yet done.
    fn plan(&self, current: &Self::State) -> Result<Verdict<<Self::Target as Target>::Step>, Halt>;

    /// What takes away what it made, once nothing declares it any more. Without one it stays, and that is said.
    fn undo(&self) -> Option<Undo> {
        None
    }

    /// What is not ready yet for those who need it, although nothing differs. Looks once.
    ///
    /// # Errors
    /// A fault when the place does not say; *later* when the plan leaves it open.
    fn unready(
        &self,
        _probe: &<Self::Target as Target>::Probe,
    ) -> impl Future<Output = Result<Option<String>, Halt>> + Send {
        std::future::ready(Ok(None))
    }

    /// Waits until what was applied is ready for those who need it. Looks only.
    ///
    /// # Errors
    /// A fault that says why it is not: at once when it never will be, else when patience is over.
    fn settle(
        &self,
        _probe: &<Self::Target as Target>::Probe,
        _patience: &Patience<'_>,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        std::future::ready(Ok(()))
    }
}
