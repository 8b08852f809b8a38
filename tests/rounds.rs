//! How often a property is tried.

use proptest::prelude::ProptestConfig;

/// As many times as `PROPTEST_CASES` says (`make soak`), or `few`.
pub(crate) fn rounds(few: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { few };
    ProptestConfig { cases, failure_persistence: None, ..usual }
}
