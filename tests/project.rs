//! Tests of `project`.
