//! Plans, runs, problems and reports as people and machines read them; the only writer to the terminal. It decides
//! nothing and reaches no place. Every text from outside is made safe on its way.

mod ask;
mod board;
mod diff;
mod field;
pub mod json;
mod live;
mod paint;
mod plan;
pub mod problem;
mod report;
mod show;
mod terminal;

pub use ask::{approve, password, trust};
pub use paint::one_line;
pub use plan::{Look, plan};
pub use report::{Counts, report};
pub use show::{Format, Show};
pub use terminal::{Colour, Terminal};
