//! Something failed while running.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::After;

/// The sort of a fault: decides the exit code and what is said next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// A step or a look failed.
    Failed,
    /// The place could not be reached, or was lost.
    Unreachable,
    /// It took longer than allowed.
    TimedOut,
    /// The user stopped it.
    Interrupted,
    /// The place is not what the plan was made on.
    Stale,
    /// `lions` will not do that.
    Refused,
    /// Another run holds the place.
    Locked,
    /// A guard undid it: one could not get in any more.
    Undone,
}

/// Something failed while running: what, why, and the way out. The place and the line of the task are added
/// where they are known, by the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// Its sort.
    pub kind: FaultKind,
    /// One line of what, in lower case, names in backticks.
    pub what: String,
    /// The cause as the system said it (never with a secret in it).
    pub cause: Option<String>,
    /// The way out.
    pub help: Option<String>,
}

impl Fault {
    /// A fault of `kind`.
    #[must_use]
    pub fn new(kind: FaultKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cause: None, help: None }
    }

    /// A step or a look failed.
    #[must_use]
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, what)
    }

    /// With the cause.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// With the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)?;
        if let Some(cause) = &self.cause {
            write!(out, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// Why a look did not lead to a verdict.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// It failed.
    Fault(Fault),
    /// It depends on something not yet done: the task is *later*.
    Later(After),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<After> for Halt {
    fn from(after: After) -> Self {
        Self::Later(after)
    }
}
