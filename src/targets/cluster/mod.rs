//! The cluster of an environment.
