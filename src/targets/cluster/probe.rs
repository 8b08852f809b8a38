//! Questions to the API of a cluster: answered by the shadow, then by the API. Read-only by construction.

/// What resources ask.
#[derive(Clone, Debug)]
pub struct ClusterProbe {}
