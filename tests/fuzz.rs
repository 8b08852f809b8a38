//! Fuzzing on the stable toolchain: every text that comes from outside is mangled at random, for a short fixed time.
//!
//! A target is one line here and a folder of good inputs in `tests/fuzz/corpus/`. An input that makes it panic, or takes
//! more than two seconds, is kept in `tests/fuzz/found/` and replayed first in every later run, for good.
//!
//! `LIONS_FUZZ_SECONDS` (2) is the time for each target, `LIONS_FUZZ_SEED` repeats a run, e.g. for half an hour:
//! `LIONS_FUZZ_SECONDS=1800 cargo test --test main fuzz::`.

mod harness;

use std::path::Path;

use harness::target;

#[test]
fn yaml() {
    target("yaml", |bytes| {
        if let Ok(text) = lions::source::decode(Path::new("a.yml"), bytes.to_vec()) {
            crate::source::random::swallow(&text);
        }
    });
}

#[test]
fn projects() {
    target("projects", |bytes| crate::language::swallow(&String::from_utf8_lossy(bytes)));
}
