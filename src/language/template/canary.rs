//! Stand-ins for secrets, and what may be shown of a text that was made from one: the same template is rendered
//! with a stand-in, and only what is equal in both may be shown. Never evaluates anything.

use sha2::{Digest as _, Sha256};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::model::{Masker, Secret, Value};

/// A value of the same type that shares nothing with the secret: text of private-use characters, other numbers,
/// the opposite truth, one more item.
pub(super) fn of(secret: &Secret) -> Value {
    match secret.reveal() {
        // What may be shown of it is the known text around the inner secret.
        Value::Text(text) if secret.shown() != Secret::MASK => {
            Value::text(secret.shown().replace(Secret::MASK, &private_use(text)))
        }
        value => stand_in(value),
    }
}

fn stand_in(value: &Value) -> Value {
    match value {
        Value::Null => Value::text(private_use("")),
        Value::Bool(truth) => Value::Bool(!truth),
        // Other digits, another sign and another length.
        Value::Int(number) => Value::Int(number.checked_mul(-1371).map_or(7, |other| other.wrapping_sub(7))),
        Value::Float(number) => Value::Float(number * -1371.5 - 7.25),
        Value::Text(text) => Value::text(private_use(text)),
        Value::List(items) => {
            let extra = Value::text(private_use("one more"));
            Value::List(items.iter().map(stand_in).chain([items.last().map_or(extra, stand_in)]).collect())
        }
        Value::Map(map) => {
            let extra = private_use("one more");
            let more = (extra.clone(), Value::text(extra));
            Value::Map(map.iter().map(|(key, value)| (key.clone(), stand_in(value))).chain([more]).collect())
        }
        Value::Content(content) => Value::text(private_use(&String::from_utf8_lossy(content.bytes()))),
        Value::Secret(secret) => of(secret),
        Value::Unknown(after) => Value::Unknown(after.clone()),
    }
}

/// Text of another length in characters that no keyboard has; the same for the same secret.
fn private_use(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let length = text.chars().count().min(200) + 3;
    digest
        .iter()
        .cycle()
        .take(length)
        .enumerate()
        // The place is mixed in, so that no two neighbours are equal and reversing changes it.
        .filter_map(|(at, byte)| char::from_u32(0xE000 + u32::from(*byte) + 256 * u32::try_from(at % 20).unwrap_or(0)))
        .collect()
}

/// What may be shown of `real`, of which `canary` is the same with stand-ins in the place of `secrets`.
pub(super) fn shown<'a>(real: &str, canary: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    let mut masker = Masker::default();
    for secret in secrets {
        masker.learn(secret);
    }
    masker.mask(&compare(real, canary)).into_owned()
}

/// The lines that are equal, and of changed lines the equal begin and end.
fn compare(real: &str, canary: &str) -> String {
    let (real, canary): (Vec<&str>, Vec<&str>) = (split(real), split(canary));
    let mut shown = String::new();
    for op in capture_diff_slices(Algorithm::Myers, &real, &canary) {
        match op {
            DiffOp::Equal { old_index, len, .. } => shown.extend(real[old_index..old_index + len].iter().copied()),
            DiffOp::Replace { old_index, old_len, new_index, new_len } if old_len == new_len => {
                for at in 0..old_len {
                    shown.push_str(&line(real[old_index + at], canary[new_index + at]));
                }
            }
            DiffOp::Replace { old_index, old_len, .. } | DiffOp::Delete { old_index, old_len, .. } => {
                shown.push_str(Secret::MASK);
                if real[old_index + old_len - 1].ends_with('\n') {
                    shown.push('\n');
                }
            }
            DiffOp::Insert { .. } => {
                if !shown.is_empty() && !shown.ends_with('\n') {
                    shown.push('\n');
                }
                shown.push_str(Secret::MASK);
                shown.push('\n');
            }
        }
    }
    shown
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// One line, with `***` from the first to the last difference, widened to whole words: a letter that is equal by
/// chance is part of the secret.
fn line(real: &str, canary: &str) -> String {
    let mut start = real
        .char_indices()
        .zip(canary.chars())
        .find(|((_, a), b)| a != b)
        .map_or(real.len().min(canary.len()), |((at, _), _)| at);
    let mut same = 0;
    for (a, b) in real[start..].chars().rev().zip(canary[start..].chars().rev()) {
        if a != b {
            break;
        }
        same += a.len_utf8();
    }
    let mut end = real.len() - same;
    while let Some(before) = real[..start].chars().next_back().filter(|letter| letter.is_alphanumeric()) {
        start -= before.len_utf8();
    }
    while let Some(after) = real[end..].chars().next().filter(|letter| letter.is_alphanumeric()) {
        end += after.len_utf8();
    }
    format!("{}{}{}", &real[..start], Secret::MASK, &real[end..])
}
