//! One binary for all integration tests: it links once. Files mirror `src/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

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
mod source;
mod template;
mod transport;
mod waits;
