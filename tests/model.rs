//! Tests of `model`: parameters from values, and what may be shown of secrets.

use lions::model::decode::decode;
use lions::model::{After, Arg, Content, Digest, Map, Secret, Shown, Value};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    text: Option<Arg<String>>,
    plain: Option<String>,
    number: Option<Arg<u16>>,
    words: Option<Vec<String>>,
    switch: Option<bool>,
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    Value::Map(Map::from([(name.to_owned(), value.into())]))
}

fn misfit(name: &str, value: impl Into<Value>) -> String {
    decode::<Params>(&with(name, value)).unwrap_err().to_string()
}

#[test]
fn a_parameter_may_be_known_secret_or_open() {
    let get = |value: Value| decode::<Params>(&with("text", value)).unwrap().text.unwrap();
    assert_eq!(get("a".into()), Arg::Known("a".to_owned()));
    let Arg::Secret(sealed) = get(Value::Secret(Secret::partly("a=b".into(), "a=***"))) else { panic!() };
    assert_eq!((sealed.value.as_str(), sealed.shown.as_str()), ("a=b", "a=***"));
    assert_eq!(format!("{sealed:?}"), "***");
    assert_eq!(get(Value::Unknown(After::new("task"))), Arg::Unknown(After::new("task")));
    assert!(decode::<Params>(&with("text", Value::Null)).unwrap().text.is_none());
    let params = decode::<Params>(&with("number", 7)).unwrap();
    assert!(params.plain.is_none() && params.words.is_none() && params.switch.is_none());
    assert_eq!(params.number, Some(Arg::Known(7)));
}

#[test]
fn a_misfit_names_its_parameter_and_the_way_out() {
    assert_eq!(misfit("plain", Map::new()), "`plain`: text is expected, not a mapping");
    assert_eq!(misfit("number", "5"), "`number`: a whole number is expected, not the text `5`");
    assert_eq!(misfit("switch", "yes"), "`switch`: `true` or `false` is expected, not the text `yes`");
    assert_eq!(misfit("words", vec![Value::from("a"), Value::Null]), "`words.1`: text is expected, not nothing");
    assert_eq!(misfit("words", "a"), "`words`: a list is expected, not the text `a`");
    assert_eq!(misfit("plian", "a"), "`plian`: unknown parameter `plian`, did you mean `plain`?");
    assert_eq!(
        misfit("plain", Value::Secret(Secret::new("a".into()))),
        "`plain`: this parameter is shown in plans and may not be a secret"
    );
}

#[test]
fn a_secret_that_does_not_fit_is_not_told() {
    let why = misfit("number", Value::Secret(Secret::new("hunter2".into())));
    assert_eq!(why, "`number`: the secret, which is text, does not fit here");
}

#[test]
fn an_unknown_in_a_plain_parameter_says_after_what() {
    let misfit = decode::<Params>(&with("plain", Value::Unknown(After::new("task")))).unwrap_err();
    assert_eq!(misfit.unknown, Some(After::new("task")));
    assert_eq!(misfit.path, ["plain"]);
}

#[test]
fn old_lines_beside_a_secret_are_masked() {
    let desired = Content::sealed("user=a\npassword=new\n".as_bytes(), "user=a\npassword=***\n");
    let masked = |live: &str| match Shown::beside(&Content::open(live.as_bytes()), &desired) {
        Shown::Secret { masked, .. } => masked,
        other => panic!("{other:?}"),
    };
    assert_eq!(masked("user=a\npassword=old\n"), "user=a\n***\n");
    assert_eq!(masked("password=new\nuser=a"), "***\nuser=a", "the new secret in another order is one as well");
    assert_eq!(masked("user=a\npassword=new\n"), "user=a\npassword=***\n");
    let binary = Shown::beside(&Content::open([0xff, 0xfe].as_slice()), &desired);
    assert!(matches!(binary, Shown::Secret { masked, .. } if masked == "***"));
    let open = Content::open(b"new".as_slice());
    assert_eq!(Shown::beside(&Content::open(b"old".as_slice()), &open), Shown::Text("old".to_owned()));
}

#[test]
fn a_digest_is_read_from_digits_alone() {
    let digits = "0f".repeat(32);
    assert_eq!(Digest::from_hex(&digits).unwrap().to_string(), digits);
    assert_eq!(Digest::from_hex(&digits.to_uppercase()), Digest::from_hex(&digits));
    for (at, odd) in [(0, "+"), (62, "+"), (63, "g"), (5, " "), (5, "-")] {
        let mut other = digits.clone();
        other.replace_range(at..=at, odd);
        assert_eq!(Digest::from_hex(&other), None, "{other}");
    }
    assert_eq!(Digest::from_hex(&digits[1..]), None);
}
