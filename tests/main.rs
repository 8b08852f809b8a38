//! One binary for all integration tests: it links once. Files mirror `src/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// Text put together in a test is short, and a story is told in one piece. A cluster ends itself when its users are gone.
#![allow(clippy::format_collect, clippy::format_push_string, clippy::too_many_lines, clippy::zombie_processes)]
#![allow(clippy::unnecessary_debug_formatting, clippy::similar_names, clippy::semicolon_if_nothing_returned)]

mod cli;
mod cluster;
mod engine;
mod firewalls;
mod fuzz;
mod graph;
mod guards;
mod host;
mod lab;
mod lab_cluster;
mod language;
mod layers;
mod model;
mod project;
mod render;
mod resources;
mod rounds;
mod source;
mod template;
mod transport;
mod waits;
