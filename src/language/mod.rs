//! Playbooks, roles, inventories: tree to program, every name resolved. Touches no place.

mod ansible;
mod check;
mod condition;
pub mod evaluate;
mod files;
mod home;
mod input;
mod inventory;
mod keys;
mod layers;
mod load;
mod loops;
mod names;
mod needs;
mod params;
mod pattern;
mod playbook;
pub mod program;
mod reading;
mod resolve;
mod role;
mod scan;
mod secrets;
mod setting;
mod step;
mod task;
mod task_files;
mod task_resource;
pub mod template;
mod values;
mod view;

pub use files::Files;
pub use layers::{Traced, TracedLayer};
pub use load::{Checked, DEFAULT_PLAYBOOK, Failure, Loaded, Wanted, load, validate};
pub use secrets::Secrets;
pub use values::Values;
