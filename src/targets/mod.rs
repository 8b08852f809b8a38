//! The two sorts of places: what can be asked there, what a plan makes of it, and what can be done.

pub mod cluster;
pub mod host;
