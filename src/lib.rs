//! `lions` brings Linux hosts and a k3s cluster to the state that a repository of YAML files describes.
//!
//! Layers, lower never names higher (`tests/layers.rs` holds the table):
//! `source < model < transport < targets < resources < language < graph < engine < render < cli`.

pub mod cli;
pub mod engine;
pub mod graph;
pub mod language;
pub mod model;
pub mod render;
pub mod resources;
pub mod source;
pub mod targets;
pub mod transport;
