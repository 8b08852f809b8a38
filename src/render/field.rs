//! One leaf of a change: `mode: 0600 -> 0644`, or a diff of its text. It also holds the rule for secrets: where one
//! side holds a secret, a line of the other side that is not in it is not shown either.

use std::borrow::Cow;

use super::diff;
use super::paint::{Paint, Tone, count, safe, size};
use crate::model::{Action, Field, Secret, Shown};

/// Lines of one text that are shown unless all are asked for.
const LONG: usize = 200;

/// The lines that show `field` of a change of sort `action`, without indent.
pub(super) fn lines(paint: Paint, action: Action, field: &Field, full: bool) -> Vec<String> {
    let name = paint.text(Tone::Strong, &field.name);
    let before = visible(&field.before, &field.after);
    let (before, after) = (&*before, &field.after);
    let new = matches!(action, Action::Create | Action::Run);
    if let (Some(old), Some(wanted)) = (text(before), text(after))
        && (is_long(before) || is_long(after))
    {
        if old == wanted {
            let what = match (before, after) {
                (Shown::Secret { .. }, _) | (_, Shown::Secret { .. }) => "secret changed, the rest is the same",
                _ => "same text",
            };
            return vec![format!("{name}: {what}")];
        }
        let mut out = diff::lines(paint, old, wanted);
        // The place of the only hunk of a text that is all new, or all gone, says nothing.
        if !out.is_empty() && (matches!(before, Shown::Absent) || matches!(after, Shown::Absent)) {
            out.remove(0);
        }
        if !full && out.len() > LONG + 2 {
            let more = out.len() - LONG;
            out.truncate(LONG);
            out.push(paint.text(Tone::Faint, &format!("... {more} more lines, `--full` shows them")));
        }
        let mut lines = vec![format!("{name}:")];
        lines.extend(out.into_iter().map(|line| format!("  {line}")));
        return lines;
    }
    let line = match (before, after) {
        (Shown::Secret { masked, .. }, Shown::Secret { masked: wanted, .. }) if masked == wanted => {
            format!("{}, secret changed", safe(masked))
        }
        (Shown::Absent, Shown::Absent) => "(none)".to_owned(),
        // What it is now is as open as what it will be, and for the same reason: once is enough.
        (Shown::Unknown(now), Shown::Unknown(then)) if now == then => short(paint, after),
        (Shown::Absent, after) if new => short(paint, after),
        (before, Shown::Absent) if action == Action::Delete => short(paint, before),
        (before, after) => {
            format!("{} {} {}", short(paint, before), paint.text(Tone::Faint, "->"), short(paint, after))
        }
    };
    vec![format!("{name}: {line}")]
}

/// What may be shown of `before` beside `after`.
pub(super) fn visible<'a>(before: &'a Shown, after: &Shown) -> Cow<'a, Shown> {
    match (before, after) {
        (Shown::Text(text) | Shown::Value(text), Shown::Secret { masked, .. }) => {
            let known: std::collections::HashSet<&str> = masked.lines().collect();
            let shown: String = text
                .split_inclusive('\n')
                .map(|line| match line.strip_suffix('\n') {
                    Some(bare) if !known.contains(bare) => format!("{}\n", Secret::MASK),
                    None if !known.contains(line) => Secret::MASK.to_owned(),
                    _ => line.to_owned(),
                })
                .collect();
            Cow::Owned(match before {
                Shown::Value(_) => Shown::Value(shown),
                _ => Shown::Text(shown),
            })
        }
        _ => Cow::Borrowed(before),
    }
}

/// The text of a side that can be diffed.
fn text(side: &Shown) -> Option<&str> {
    match side {
        Shown::Text(text) | Shown::Value(text) => Some(text),
        Shown::Secret { masked, .. } => Some(masked),
        Shown::Absent => Some(""),
        _ => None,
    }
}

/// Is it shown by lines?
fn is_long(side: &Shown) -> bool {
    match side {
        Shown::Text(text) => !text.is_empty(),
        Shown::Secret { masked, .. } => masked.contains('\n'),
        Shown::Value(value) => value.trim_end_matches('\n').contains('\n'),
        _ => false,
    }
}

fn short(paint: Paint, side: &Shown) -> String {
    match side {
        Shown::Absent => paint.text(Tone::Faint, "(none)"),
        Shown::Present => paint.text(Tone::Faint, "(there)"),
        Shown::Value(value) if value.is_empty() => paint.text(Tone::Faint, "(empty)"),
        Shown::Value(value) => safe(value).into_owned(),
        Shown::Text(text) if text.is_empty() => paint.text(Tone::Faint, "(empty)"),
        Shown::Text(text) => paint.text(Tone::Faint, &format!("({})", count(text.lines().count(), "line", "lines"))),
        Shown::Secret { masked, .. } => safe(masked).into_owned(),
        Shown::Binary { size: bytes, digest } => {
            let digest = digest.to_string();
            paint.text(Tone::Faint, &format!("({}, not text, sha256 {})", size(*bytes), &digest[..12]))
        }
        Shown::Unknown(after) => paint.text(Tone::Faint, &after.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{After, Digest};

    fn show(action: Action, before: Shown, after: Shown) -> String {
        let field = Field { name: "f".into(), before, after };
        lines(Paint { colour: false }, action, &field, false).join("\n")
    }

    fn secret(masked: &str, true_value: &str) -> Shown {
        Shown::Secret { masked: masked.into(), digest: Digest::of(true_value.as_bytes()) }
    }

    #[test]
    fn short_values_stand_on_one_line() {
        let value = |text: &str| Shown::Value(text.into());
        assert_eq!(show(Action::Update, value("0600"), value("0644")), "f: 0600 -> 0644");
        assert_eq!(show(Action::Create, Shown::Absent, value("0644")), "f: 0644");
        assert_eq!(show(Action::Update, Shown::Absent, value("x")), "f: (none) -> x");
        assert_eq!(show(Action::Delete, Shown::Present, Shown::Absent), "f: (there)");
        assert_eq!(show(Action::Update, value("a\x1bb"), Shown::Absent), "f: a\\u{1b}b -> (none)");
        let unknown = Shown::Unknown(After::new("read token"));
        assert_eq!(
            show(Action::Update, Shown::Text("a\nb\n".into()), unknown),
            "f: (2 lines) -> (known after: read token)"
        );
        let open = |task: &str| Shown::Unknown(After::new(task));
        assert_eq!(show(Action::Update, open("x"), open("x")), "f: (known after: x)");
        assert_eq!(show(Action::Update, open("x"), open("y")), "f: (known after: x) -> (known after: y)");
        let binary = Shown::Binary { size: 2048, digest: Digest::of(b"x") };
        assert_eq!(show(Action::Create, Shown::Absent, binary), "f: (2.0 KiB, not text, sha256 2d711642b726)");
    }

    #[test]
    fn secrets_show_that_they_changed_and_never_what() {
        assert_eq!(show(Action::Update, secret("***", "a"), secret("***", "b")), "f: ***, secret changed");
        assert_eq!(
            show(Action::Update, secret("user: x\npass: ***\n", "a"), secret("user: x\npass: ***\n", "b")),
            "f: secret changed, the rest is the same"
        );
        assert_eq!(
            show(Action::Update, secret("user: x\npass: ***\n", "a"), secret("user: y\npass: ***\n", "b")),
            "f:\n  @@ -1,2 +1,2 @@\n  -user: x\n  +user: y\n   pass: ***"
        );
    }

    #[test]
    fn the_old_password_is_a_secret_too() {
        let shown = show(
            Action::Update,
            Shown::Text("user: x\npass: old-one\n".into()),
            secret("user: x\npass: ***\nhost: h\n", "new"),
        );
        assert_eq!(shown, "f:\n  @@ -1,2 +1,3 @@\n   user: x\n  -***\n  +pass: ***\n  +host: h");
    }

    #[test]
    fn long_new_text_is_cut_unless_all_is_asked_for() {
        let text = (0..500).map(|at| format!("{at}\n")).collect::<Vec<_>>().concat();
        let field = Field { name: "f".into(), before: Shown::Absent, after: Shown::Text(text) };
        let paint = Paint { colour: false };
        let cut = lines(paint, Action::Create, &field, false);
        assert_eq!(cut.len(), LONG + 2);
        assert_eq!(cut.last().unwrap(), "  ... 300 more lines, `--full` shows them");
        assert_eq!(lines(paint, Action::Create, &field, true).len(), 501);
    }
}
