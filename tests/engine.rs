//! Tests of the engine: on fakes for speed and faults; the local worker proves it on this machine.

mod coming;
mod contract;
mod hold;
mod joining;
mod journal;
mod local;
mod members;
mod planfile;
mod prune;
mod random;
mod ready;
pub(crate) mod stage;
mod trips;
