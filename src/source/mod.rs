//! Text to spanned tree. The only folder that names a YAML crate; it knows nothing of playbooks.

mod file;
mod node;
mod place;
mod problem;
mod read;
mod suggest;
mod yaml;

pub use file::{FileId, Sources, Span};
pub use node::{Key, Node, Style, Tree};
pub use problem::{Problem, Problems, Severity};
pub use read::{decode, read_bytes, read_text};
pub use suggest::did_you_mean;
pub use yaml::{Limits, parse};
