//! Playbooks, roles, inventories: tree to program, every name resolved. Touches no place.

pub mod evaluate;
pub mod program;
