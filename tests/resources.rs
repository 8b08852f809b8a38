//! Tests of `resources`.
