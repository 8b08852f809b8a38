//! As whom the shell runs.
