//! Two texts as a unified diff, line by line, with the differing words marked. It knows nothing of secrets: what it
//! gets may be shown.

use std::time::{Duration, Instant};

use similar::{ChangeTag, InlineChange, TextDiff};

use super::paint::{Paint, Tone, safe};

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// A diff takes no longer than that: past it, it is coarser, never wrong.
const DEADLINE: Duration = Duration::from_millis(300);

/// The lines of the diff from `before` to `after`, without indent.
pub(super) fn lines(paint: Paint, before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::configure().timeout(DEADLINE).diff_lines(before, after);
    let words_until = Instant::now() + DEADLINE;
    let mut out = Vec::new();
    for group in diff.grouped_ops(CONTEXT) {
        if let (Some(first), Some(last)) = (group.first(), group.last()) {
            let range = |start: usize, end: usize| match end - start {
                0 => format!("{start},0"),
                1 => format!("{}", start + 1),
                many => format!("{},{many}", start + 1),
            };
            let old = range(first.old_range().start, last.old_range().end);
            let new = range(first.new_range().start, last.new_range().end);
            out.push(paint.text(Tone::Faint, &format!("@@ -{old} +{new} @@")));
        }
        for op in &group {
            for change in diff.iter_inline_changes_deadline(op, Some(words_until)) {
                line(paint, &change, &mut out);
            }
        }
    }
    out
}

fn line(paint: Paint, change: &InlineChange<'_, str>, out: &mut Vec<String>) {
    let (sign, tone, part) = match change.tag() {
        ChangeTag::Equal => (" ", None, None),
        ChangeTag::Delete => ("-", Some(Tone::Bad), Some(Tone::BadPart)),
        ChangeTag::Insert => ("+", Some(Tone::Good), Some(Tone::GoodPart)),
    };
    let mut pieces: Vec<(bool, &str)> = change.values().to_vec();
    if let Some((_, last)) = pieces.last_mut() {
        *last = last.strip_suffix('\n').unwrap_or(last);
    }
    let mut text = tone.map_or_else(|| sign.to_owned(), |tone| paint.text(tone, sign));
    // White space at the end of a changed line would not be seen.
    let trailing = if tone.is_some() { trailing_blanks(&mut pieces) } else { String::new() };
    // A line that changed as a whole needs no mark on each of its words.
    let marked = pieces.iter().any(|(differs, _)| !differs);
    for (differs, piece) in pieces {
        match if differs && marked { part } else { tone } {
            Some(tone) => text.push_str(&paint.text(tone, piece)),
            None => text.push_str(&safe(piece)),
        }
    }
    if let Some(part) = part {
        text.push_str(&paint.text(part, &trailing));
    }
    out.push(text);
    if change.missing_newline() {
        out.push(paint.text(Tone::Faint, "\\ no line end at the end of the text"));
    }
}

/// Takes the blanks at the end of the line away, and gives them back as signs that can be seen.
fn trailing_blanks(pieces: &mut [(bool, &str)]) -> String {
    let mut seen = String::new();
    for (_, piece) in pieces.iter_mut().rev() {
        let kept = piece.trim_end_matches([' ', '\t']);
        seen = piece[kept.len()..].replace(' ', "·").replace('\t', "→") + &seen;
        *piece = kept;
        if !kept.is_empty() {
            break;
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colour: false };

    #[test]
    fn context_is_three_lines_and_hunks_are_apart() {
        let before = (1..=20).map(|at| format!("line {at}\n")).collect::<Vec<_>>().concat();
        let after = before.replace("line 2\n", "line two\n").replace("line 18\n", "");
        assert_eq!(
            lines(PLAIN, &before, &after).join("\n"),
            "@@ -1,5 +1,5 @@\n line 1\n-line 2\n+line two\n line 3\n line 4\n line 5\n\
             @@ -15,6 +15,5 @@\n line 15\n line 16\n line 17\n-line 18\n line 19\n line 20"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_spelled_out() {
        assert_eq!(
            lines(PLAIN, "a\nb \t\nc", "a\r\nb\nc\x1b[0m\n").join("\n"),
            "@@ -1,3 +1,3 @@\n-a\n-b·→\n-c\n\\ no line end at the end of the text\n+a\\r\n+b\n+c\\u{1b}[0m"
        );
    }

    #[test]
    fn words_that_differ_are_marked() {
        let shown = lines(Paint { colour: true }, "server a.example iburst\n", "server b.example iburst\n");
        assert!(shown[1].contains("\x1b[1m\x1b[4m\x1b[31ma."), "{shown:?}");
    }

    #[test]
    fn big_texts_end_in_time() {
        let before = (0..60_000_u64).map(|at| format!("{}\n", at * 7919 % 60_013)).collect::<Vec<_>>().concat();
        let after = (0..60_000_u64).map(|at| format!("{}\n", at * 104_729 % 60_013)).collect::<Vec<_>>().concat();
        let start = Instant::now();
        assert!(!lines(PLAIN, &before, &after).is_empty());
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}
