//! Plans on the shadow of every place, then makes what was approved: looks again before each change.
//! It writes to no terminal; what happens is told as [`Event`]s.

mod ahead;
mod apply;
mod assemble;
mod coming;
mod context;
mod guarded;
mod hold;
mod joining;
pub mod journal;
mod make;
mod node;
mod places;
mod plan;
pub mod planfile;
mod prune;
mod refine;
mod registers;
mod rescue;
mod settle;
mod starts;
mod stop;
mod verify;
mod walk;
mod writers;

pub use apply::apply;
pub use context::{Context, Events, Masks, Options};
pub use hold::clear;
pub use places::{Place, Places, ToCluster, Ways};
pub use plan::{Planned, Unplanned, faults, plan};
pub use refine::Salt;
pub use stop::Stop;
pub use verify::verify;
