//! What a task sees at one place, and what its text becomes there.

use crate::model::{After, Map, Value};
use crate::source::Problem;

use super::program::{Expression, HostId, Program, Task};

/// Where a text is rendered: all that can differ from place to place and from moment to moment.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The host whose values are seen; none for a cluster task.
    pub host: Option<HostId>,
    /// The item of the loop (its variable's name is in the task).
    pub item: Option<&'a Value>,
    /// Registers by name, as this place sees them; a value that is not there yet is `Unknown` inside.
    pub registers: &'a Map,
    /// Facts by host, where they were asked for.
    pub facts: &'a [Option<Map>],
}

/// Rendered parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The value; secrets and unknowns travel inside it.
    pub value: Value,
    /// Did it read anything that can differ between hosts (or a register)? If not, it may be shared by all.
    pub varies: bool,
}

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Go on.
    True,
    /// Skip.
    False,
    /// Not known yet.
    Unknown(After),
}

impl Program {
    /// The parameters of `task` in `frame`: templates rendered, files loaded, secrets and unknowns kept as such.
    ///
    /// # Errors
    /// A problem that points into the parameter (or the template file) at fault.
    pub fn render(&self, _task: &Task, _frame: &Frame<'_>) -> Result<Rendered, Problem> {
        Err(Problem::nowhere("not built yet"))
    }

    /// What `condition` says in `frame`.
    ///
    /// # Errors
    /// A problem that points into it, also when it is no truth value.
    pub fn test(&self, _task: &Task, _condition: &Expression, _frame: &Frame<'_>) -> Result<Truth, Problem> {
        Err(Problem::nowhere("not built yet"))
    }

    /// Does any task read `facts` of a host?
    #[must_use]
    pub fn reads_facts(&self) -> bool {
        false
    }
}
