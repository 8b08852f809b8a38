//! The words of the design as types: no I/O, nothing that knows a place, a playbook or a terminal.

mod address;
mod arg;
mod catalogue;
mod content;
pub mod decode;
mod event;
mod fault;
mod mask;
mod plan;
mod resource;
mod secret;
mod value;
mod verdict;

pub use address::{Address, PlaceName, Thing};
pub use arg::{Arg, Sealed};
pub use catalogue::{Catalogue, Kind};
pub use content::{Content, Digest, FileText, FileTexts, KustomizedText, NamedText, TemplateText};
pub use event::{Event, Stream};
pub use fault::{Fault, FaultKind, Halt};
pub use mask::Masker;
pub use plan::{Decision, Entry, Outcome, Plan, Report, Row, Tally, TaskInfo};
pub use resource::{Doc, Patience, Resource, Sort, Target};
pub use secret::Secret;
pub use value::{After, Map, Value};
pub use verdict::{Action, Change, Field, PRECIOUS, Register, Shown, Undo, Verdict};
