//! The two sorts of places: what can be asked there, what a plan makes of it, and what can be done.

pub mod cluster;
pub mod host;

use crate::model::Map;

/// What a command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 + n for a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// What a step that was done has to tell.
#[derive(Clone, Debug)]
pub enum Said {
    /// It ran a command, which said that.
    Output(Output),
    /// It made values that nobody knew before: for the register, by name.
    Values(Map),
}
