//! Tests of `language`.
