//! What every name means at every place: layers of inputs and vars, and their values.

/// Inputs, vars, templates and files that the tasks of a program see.
#[derive(Debug, Default)]
pub struct Values {}
