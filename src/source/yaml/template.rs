//! A value that begins with `{{` or `{%` and is not quoted: YAML takes it for a mapping, people mean text.

use std::ops::Range;

use super::super::Problem;
use super::text::Text;

/// Does a template begin here?
pub(super) fn begins(text: &str) -> bool {
    text.starts_with("{{") || text.starts_with("{%")
}

/// The whole value that begins at `start`; in brackets (`flow`) it ends before a `,` or a closing bracket.
pub(super) fn value(text: &Text<'_>, start: usize, flow: bool) -> Range<usize> {
    let whole = text.rest_of_line(start);
    let line = &text.whole[whole.clone()];
    if !flow {
        let key = if text.content_start(start) == start { line.find("}}:") } else { None };
        return key.map_or(whole, |closed| start..start + closed + 2);
    }
    let mut end = 0;
    loop {
        let rest = &line[end..];
        let Some(closed) = rest.find("}}").or_else(|| rest.find("%}")) else { return whole };
        end += closed + 2;
        let stop = line[end..].find([',', ']', '}']).unwrap_or(line.len() - end);
        match line[end..end + stop].find("{{") {
            Some(again) => end += again,
            None => return start..start + line[..end + stop].trim_end().len(),
        }
    }
}

/// Says so, with the quoted text.
pub(super) fn unquoted(text: &Text<'_>, value: Range<usize>) -> Problem {
    let written = &text.whole[value.clone()];
    let sign = &written[..2.min(written.len())];
    let what = if text.whole[value.end..].starts_with(':') { "key" } else { "value" };
    let problem =
        Problem::error(text.span(value.clone()), format!("a {what} that begins with `{sign}` must be quoted"))
            .label("YAML takes this for a mapping");
    if written.len() <= 200 && (written.contains("}}") || written.contains("%}")) {
        let line = &text.whole[text.content_start(value.start)..value.start];
        let before = if line.contains(['[', '{', ',']) { "" } else { line };
        problem.help(format!("quote it: `{before}{}`", quoted(written)))
    } else {
        problem.help("put the whole value in quotes")
    }
}

/// `text` in quotes, with as little escaping as can be.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) { format!("'{}'", text.replace('\'', "''")) } else { format!("\"{text}\"") }
}

/// The template at or before `at` that broke the parser, among what stands after `from`: on the same line, or begun on the line before.
pub(super) fn culprit(text: &Text<'_>, at: usize, from: usize, spare: &Range<usize>) -> Option<Range<usize>> {
    let line = text.line_at(at);
    let mut found = last_bare(text, line.start..line.end.min(at + 2), spare);
    if found.is_none() && text.content_start(at) >= at {
        let before = text.previous_content(at)?;
        found = last_bare(text, before.start.max(from)..before.end, spare);
    }
    let start = found?;
    let flow = text.whole[text.line_at(start).start..start].contains(['[', '{']);
    Some(value(text, start, flow))
}

/// The last place in `within` where a value begins with a template, outside quotes and outside `spare`.
fn last_bare(text: &Text<'_>, within: Range<usize>, spare: &Range<usize>) -> Option<usize> {
    let line = text.line_at(within.start);
    let mut quote = None;
    let mut begins_value = true;
    let mut found = None;
    for (offset, character) in text.whole[line.clone()].char_indices() {
        let at = line.start + offset;
        if at >= within.end {
            break;
        }
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if begins_value => quote = Some(character),
            (None, '{') if begins_value && begins(&text.whole[at..]) => {
                if at >= within.start && !spare.contains(&at) {
                    found = Some(at);
                }
                begins_value = false;
            }
            (None, '[' | '{' | ',') => begins_value = true,
            (None, ' ' | '\t') => {
                let before = text.whole[..at].chars().next_back();
                begins_value |= matches!(before, Some(':' | '-' | '?'));
            }
            _ => begins_value = false,
        }
    }
    found
}
