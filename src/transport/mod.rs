//! How bytes reach a place: one long-lived POSIX `sh` a (host, privilege), fed exact-length requests.
//! It knows nothing of files, resources or plans; only how that shell is started differs between this machine and
//! another one.

mod elevate;
pub mod local;
mod nonce;
mod quote;
mod request;
mod scan;
pub mod ssh;
mod worker;

pub use elevate::Elevation;
pub use quote::{Unquotable, quote};
pub use request::Request;
pub use worker::{Channel, Reply, Worker};
