//! What the engine tells while it works; `render` shows it.

use std::time::Duration;

use super::{Address, Decision, Fault, Outcome, PlaceName};

/// Which stream a line of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Something that happened. The engine sends them in order; nothing in them is secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Work begins: `nodes` verdicts or steps are to come.
    Started {
        /// `plan`, `apply`, `drift`.
        doing: &'static str,
        /// How many (task, place) pairs.
        nodes: usize,
    },
    /// A place is being connected to, or first looked at.
    Connecting {
        /// Which.
        place: PlaceName,
    },
    /// A verdict was reached.
    Planned {
        /// The task.
        address: Address,
        /// Where.
        place: PlaceName,
        /// The verdict.
        decision: Decision,
    },
    /// A task begins to change its place.
    Running {
        /// The task.
        address: Address,
        /// Where.
        place: PlaceName,
        /// What it does, in a few words.
        what: String,
    },
    /// What a task has made is not ready yet.
    Waiting {
        /// The task.
        address: Address,
        /// Where.
        place: PlaceName,
        /// What it waits for, masked.
        why: String,
    },
    /// A line of output of a long command, masked.
    Output {
        /// The task.
        address: Address,
        /// Where.
        place: PlaceName,
        /// Of which stream.
        stream: Stream,
        /// Without its line end.
        line: String,
    },
    /// Tried again after a failure.
    Retrying {
        /// The task.
        address: Address,
        /// Where.
        place: PlaceName,
        /// Which try comes now, from 2.
        attempt: u32,
        /// Why the last one failed.
        fault: Fault,
    },
    /// A task ended at a place.
    Done {
        /// The task.
        address: Address,
        /// Where.
        place: PlaceName,
        /// How.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// Worth knowing, stops nothing.
    Warning {
        /// One line.
        what: String,
    },
}
