//! Questions to one host: answered by the shadow, then by what is known, then by the host, all that is ready in
//! one batch.

/// What resources ask. Read-only by construction.
#[derive(Debug)]
pub struct HostProbe {}
