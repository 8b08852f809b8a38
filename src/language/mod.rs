//! Playbooks, roles, inventories: tree to program, every name resolved. Touches no place.

pub mod evaluate;
mod files;
mod load;
pub mod program;
pub mod template;
mod values;

pub use files::Files;
pub use load::{DEFAULT_PLAYBOOK, Failure, Loaded, Wanted, load};
pub use values::Values;
