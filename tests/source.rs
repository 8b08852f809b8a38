//! `source`: text to spanned trees, and every way in which a text can be bad.

mod bad;
mod files;
pub(crate) mod random;
mod shown;
mod spans;
mod values;
