//! The masker: secrets in text that the engine did not make.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lions::model::{Masker, Secret, Value};
use proptest::prelude::*;

use super::secret;

fn masker(values: &[&str]) -> Masker {
    let mut masker = Masker::default();
    for value in values {
        masker.learn_from(&secret(*value));
    }
    masker
}

#[test]
fn every_form_is_found() {
    let pw = "p/ss wörd'\"1";
    let masker = masker(&[pw]);
    let quoted = pw.replace('\'', "'\\''");
    for text in [
        format!("x {pw} y"),
        format!("x {} y", STANDARD.encode(pw)),
        format!("x {} y", URL_SAFE_NO_PAD.encode(pw)),
        "x p%2Fss%20w%C3%B6rd%27%221 y".to_owned(),
        "x p%2fss+w%c3%b6rd%27%221 y".to_owned(),
        format!("x {} y", serde_json::Value::from(pw)).replace("\"p", "p").replace("1\"", "1"),
        format!("x {quoted} y"),
    ] {
        assert_eq!(masker.mask(&text), "x *** y", "{text}");
    }
}

#[test]
fn many_lines_short_ones_and_overlaps() {
    let masker = masker(&["line one\nline two\nabc", "abcd", "bcdefg", "on"]);
    assert_eq!(masker.mask("line two, line one\nabc on"), "***, ***\nabc on");
    assert_eq!(masker.mask("xabcdefgx"), "x***x");
    assert_eq!(masker.mask("nothing"), "nothing");
    assert_eq!(masker.mask_bytes(b"\xff abcd \xfe").as_ref(), b"\xff *** \xfe");
    assert!(!format!("{masker:?}").contains("abcd"));
    assert!(Masker::default().is_empty());
}

#[test]
fn of_partly_secret_text_only_the_secret_is_learnt() {
    let text = "user=admin\npassword=hunter22\nport=5432\n";
    let mut masker = Masker::default();
    masker.learn(&Secret::partly(Value::text(text), "user=admin\npassword=***\nport=5432\n"));
    assert_eq!(masker.mask("port=5432 user=admin hunter22"), "port=5432 user=admin ***");
    let mut untold = Masker::default();
    untold.learn(&Secret::partly(Value::text("abcdefgh"), "something else"));
    assert_eq!(untold.mask("abcdefgh"), "***");
}

#[test]
fn large_text_is_fast() {
    let masker = masker(&["hunter22", "another-secret"]);
    let text = "an ordinary line of output, nothing in it\n".repeat(200_000);
    let begin = std::time::Instant::now();
    assert!(matches!(masker.mask(&text), std::borrow::Cow::Borrowed(_)));
    assert!(begin.elapsed().as_secs() < 2, "{:?} for 8 MB", begin.elapsed());
}

proptest! {
    #![proptest_config(crate::rounds::rounds(200))]

    #[test]
    fn base64_is_found_wherever_it_stands(before in prop::collection::vec(any::<u8>(), 0..8), pw in "[ -~]{6,90}", after in prop::collection::vec(any::<u8>(), 0..8)) {
        let whole = [before.as_slice(), pw.as_bytes(), after.as_slice()].concat();
        let encoded = STANDARD.encode(&whole);
        let masked = masker(&[&pw]).mask(&encoded).into_owned();
        prop_assert!(masked.contains("***"), "{encoded}");
        // At most the letters that are shared with what stands around it are left.
        let left = masked.len() - 3;
        prop_assert!(left <= (before.len() + after.len()) * 8 / 6 + 6, "{encoded} -> {masked}");
        let raw = format!("{}{pw}{}", String::from_utf8_lossy(&before), String::from_utf8_lossy(&after));
        prop_assert!(!masker(&[&pw]).mask(&raw).contains(&pw));
    }
}
