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

/// Templates: as a text of YAML, as a file, and as an expression. Whatever comes, it ends and leaks no secret.
#[test]
fn templates() {
    use lions::language::template::Templates;
    use lions::model::{Map, Secret, Value};
    const SECRET: &str = "s3cr3t-canary";
    let templates = Templates::new(|_, _| Ok(None));
    let names = Map::from([
        ("host".to_owned(), Value::Map(Map::from([("name".to_owned(), Value::from("h1"))]))),
        ("items".to_owned(), Value::List(vec![Value::Int(1), Value::from("two"), Value::Null])),
        ("later".to_owned(), Value::Unknown(lions::model::After::new("task"))),
        ("password".to_owned(), Value::Secret(Secret::new(Value::from(SECRET)))),
    ]);
    target("templates", move |bytes| {
        let text = String::from_utf8_lossy(bytes);
        drop(templates.check(&text));
        drop(templates.undeclared(&text));
        let results = [
            templates.render_text(&text, &names),
            templates.evaluate(&text, &names),
            templates.render_file("templates", "fuzz.j2", &text, &names),
        ];
        for outcome in results.into_iter().flatten() {
            let shown = outcome.value.to_shown_json().to_string();
            assert!(text.contains(SECRET) || !shown.contains(SECRET), "{shown}");
        }
    });
}

/// Plan files: read or refused; what is read is written again the same.
#[test]
fn plans() {
    use lions::engine::planfile::PlanFile;
    target("plans", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        // As found, and with a checksum that fits, so that what is behind it is reached, too.
        let body = text.split_once('\n').map_or(&*text, |(_, body)| body);
        let digest = lions::model::Digest::of(body.as_bytes());
        let fitting = format!("lions-plan 1 {} {digest}\n{body}", env!("CARGO_PKG_VERSION"));
        for text in [&*text, &fitting] {
            if let Ok(file) = PlanFile::from_text(text) {
                let again = file.to_text().unwrap();
                assert_eq!(PlanFile::from_text(&again).unwrap(), file);
                drop(file.files(None));
            }
        }
    });
}
