//! Problems as people read them: summary, place, excerpt with a caret, and what to do. Makes text, writes nothing.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::paint::{count, safe};
use crate::source::{Problem, Problems, Severity, Sources, Span};

/// Related lines that are no further than this from the problem are shown in one excerpt with it.
const ONE_EXCERPT: usize = 64 << 10;

/// More letters of a message or bytes under a caret than this say nothing.
const LONGEST: usize = 300;

/// One problem with its excerpts, without a newline at the end.
#[must_use]
pub fn problem(sources: &Sources, problem: &Problem, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(short(&problem.summary)));
    if problem.span.is_none() {
        // Without an excerpt there is nothing that a gutter could lead to.
        let mut out = renderer.render(&[group]);
        for help in &problem.help {
            let help = renderer.render(&[Group::with_title(Level::HELP.primary_title(short(help)))]);
            out.push_str("\n = ");
            out.push_str(&help);
        }
        return out;
    }
    for excerpt in excerpts(sources, problem) {
        group = group.element(excerpt);
    }
    for help in &problem.help {
        group = group.element(Level::HELP.message(short(help)));
    }
    let whole = renderer.render(&[group]);
    // An empty line of an excerpt would end in blanks.
    whole.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// All problems in the order of files and lines, then how many there are. Nothing if there are none.
#[must_use]
pub fn problems(sources: &Sources, problems: &Problems, colour: bool) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| problem.span);
    let mut out = String::new();
    for one in sorted {
        out.push_str(&problem(sources, one, colour));
        out.push_str("\n\n");
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    let counts = [(errors, count(errors, "problem", "problems")), (warnings, count(warnings, "warning", "warnings"))];
    let counts: Vec<String> = counts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
    out.push_str(&counts.join(", "));
    out.push('\n');
    out
}

/// A place with its word.
struct Mark<'a> {
    span: Span,
    kind: AnnotationKind,
    label: &'a str,
}

fn excerpts<'a>(sources: &'a Sources, problem: &'a Problem) -> Vec<Snippet<'a, Annotation<'a>>> {
    let Some(span) = problem.span else { return Vec::new() };
    let mut groups = vec![vec![Mark { span, kind: AnnotationKind::Primary, label: &problem.label }]];
    for (place, label) in &problem.related {
        let mark = Mark { span: *place, kind: AnnotationKind::Context, label };
        let near = groups.iter_mut().find(|group| {
            group.iter().all(|other| {
                other.span.file == place.file && other.span.start.abs_diff(place.start) as usize <= ONE_EXCERPT
            })
        });
        match near {
            Some(group) => group.push(mark),
            None => groups.push(vec![mark]),
        }
    }
    groups.iter().filter_map(|group| excerpt(sources, group)).collect()
}

/// The lines from the first mark to the last; lines between them are folded away.
fn excerpt<'a>(sources: &'a Sources, marks: &[Mark<'a>]) -> Option<Snippet<'a, Annotation<'a>>> {
    let first = marks.iter().min_by_key(|mark| mark.span.start)?;
    let last = marks.iter().max_by_key(|mark| mark.span.start)?;
    let text: &'a str = sources.text(first.span.file);
    let from = line_of(text, first.span.start as usize).start;
    let to = line_of(text, last.span.start as usize).end;
    let path = safe(&sources.path(first.span.file).display().to_string()).into_owned();
    let mut snippet = Snippet::source(&text[from..to]).line_start(text[..from].matches('\n').count() + 1).path(path);
    for mark in marks {
        let line = line_of(text, mark.span.start as usize);
        // Only what stands in the first line is marked: a whole file under carets says nothing.
        let start = floor(text, mark.span.start as usize).clamp(line.start, line.end);
        let end = ceil(text, (mark.span.end as usize).min(start + LONGEST)).clamp(start, line.end);
        let mut annotation = mark.kind.span(start - from..end - from);
        if !mark.label.is_empty() {
            annotation = annotation.label(short(mark.label));
        }
        snippet = snippet.annotation(annotation);
    }
    Some(snippet)
}

/// The line that holds byte `at`, without its end.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let at = floor(text, at);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
    start..end
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// `text`, made safe, without what is too long to be read.
fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}...", safe(&text[..end]))),
        None => safe(text),
    }
}
