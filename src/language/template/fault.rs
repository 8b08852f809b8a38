//! What is wrong with a template or failed in it, in the words of the project. Shows no value.

use std::error::Error as _;
use std::ops::Range;

use minijinja::{Error, ErrorKind};

use crate::source::did_you_mean;

use super::scan::Code;

/// What is wrong in a template, where, and the way out. The caller, who knows the file, makes a problem of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// One line of what, names in backticks.
    pub message: String,
    /// Bytes of the given text, if it can be told.
    pub range: Option<Range<usize>>,
    /// The included template it lies in (by the name it was included by), and its line; none: the given text.
    pub file: Option<(String, usize)>,
    /// What to do.
    pub help: Option<String>,
}

impl TemplateFault {
    /// A fault that says only what.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), range: None, file: None, help: None }
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn at(mut self, range: Range<usize>) -> Self {
        self.range = Some(range);
        self
    }

    pub(super) fn meant<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match did_you_mean(name, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// A filter's refusal with advice: the two travel through the engine as one text.
const ADVICE: &str = "\u{1}help: ";

/// The error of a filter, with what to do.
pub(super) fn refuse(message: impl std::fmt::Display, help: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{message}{ADVICE}{help}"))
}

/// The error of a filter.
pub(super) fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// What is known about the text that failed.
pub(super) struct Origin<'a> {
    /// The name the engine knows it by.
    pub(super) key: &'a str,
    /// The text the engine saw.
    pub(super) source: &'a str,
    /// Its part that the caller gave, and where that part lies in the caller's text.
    pub(super) given: Range<usize>,
    pub(super) offset: usize,
}

impl Origin<'_> {
    /// The caller's range for the engine's.
    fn map(&self, range: &Range<usize>) -> Range<usize> {
        let inside = |at: usize| at.clamp(self.given.start, self.given.end) - self.given.start + self.offset;
        // At the end of the text the engine may point into the middle of a letter.
        let (mut start, mut end) = (range.start, range.end);
        while !self.source.is_char_boundary(start.min(self.source.len())) {
            start -= 1;
        }
        while !self.source.is_char_boundary(end.min(self.source.len())) {
            end += 1;
        }
        inside(start)..inside(end.max(start))
    }
}

/// Every name that can be meant.
pub(super) struct Known {
    pub(super) names: Vec<String>,
    pub(super) filters: Vec<String>,
    pub(super) tests: Vec<String>,
    pub(super) functions: Vec<String>,
}

/// The fault that `error` is. `file` tells the name of an included template from the engine's.
pub(super) fn of(
    error: &Error,
    origin: &Origin<'_>,
    known: &Known,
    file: impl Fn(&str) -> Option<String>,
) -> TemplateFault {
    let deepest = deepest(error);
    let inside = deepest.name().filter(|name| *name != origin.key);
    let mut range = deepest.range().filter(|_| inside.is_none());
    if deepest.kind() == ErrorKind::UndefinedError {
        range = range.map(|range| from_root(origin.source, range));
    }
    let slice = range.clone().and_then(|range| origin.source.get(range)).unwrap_or_default();
    let (mut fault, within) = said(deepest, slice, known);
    if let Some(name) = inside {
        fault.file = file(name).map(|name| (name, deepest.line().unwrap_or(1)));
    } else {
        let range = range.map(|range| match within {
            Some(within) => range.start + within.start..range.start + within.end,
            None => range,
        });
        fault.range = range.map(|range| origin.map(&range));
    }
    fault
}

/// Of `a.b.c` the engine may point at `.b.c` only, of `a | filter` and `a is test` at the last word.
fn from_root(source: &str, range: Range<usize>) -> Range<usize> {
    let (Some(slice), Some(before)) = (source.get(range.clone()), source.get(..range.start)) else { return range };
    if slice.starts_with('.') {
        let path = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
        return before.trim_end_matches(path).len()..range.end;
    }
    let words = before.trim_end();
    if words.ends_with('|') || words.ends_with(" is") || words.ends_with(" not") {
        let open = before.rfind("{{").max(before.rfind("{%")).map_or(0, |open| open + 2);
        return open..range.end;
    }
    range
}

fn deepest(error: &Error) -> &Error {
    let mut deepest = error;
    while let Some(cause) = deepest.source().and_then(|cause| cause.downcast_ref::<Error>()) {
        deepest = cause;
    }
    deepest
}

/// The fault, and the part of `slice` that is to blame if that can be told better than by the engine.
fn said(error: &Error, slice: &str, known: &Known) -> (TemplateFault, Option<Range<usize>>) {
    let detail = error.detail().unwrap_or_default();
    let fault = match error.kind() {
        ErrorKind::UndefinedError => return undefined(slice, known),
        ErrorKind::SyntaxError => TemplateFault::new(format!("bad template: {}", first_line(detail))),
        ErrorKind::UnknownFilter => unknown("filter", detail, &known.filters),
        ErrorKind::UnknownTest => unknown("test", detail, &known.tests),
        ErrorKind::UnknownFunction => unknown("function", detail, &known.functions),
        ErrorKind::OutOfFuel => TemplateFault::new("the template takes too many steps")
            .help("it loops over too much, or for ever; make the list that it loops over smaller"),
        ErrorKind::WriteFailure => {
            TemplateFault::new(format!("the template prints more than {} MiB", super::PRINTED >> 20))
                .help("look for a loop or a repetition that prints too much")
        }
        kind if detail.is_empty() => TemplateFault::new(kind.to_string()),
        ErrorKind::InvalidOperation => match detail.split_once(ADVICE) {
            Some((message, help)) => TemplateFault::new(first_line(message)).help(help),
            None => TemplateFault::new(first_line(detail)),
        },
        kind => TemplateFault::new(format!("{kind}: {}", first_line(detail))),
    };
    (fault, None)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The engine points at what could not go on; the name that is missing stands somewhere in it.
fn undefined(slice: &str, known: &Known) -> (TemplateFault, Option<Range<usize>>) {
    let code = Code::of_expression(slice);
    let paths = code.paths();
    let is_known =
        |root: &str| root == super::KEEPER || known.names.iter().chain(&known.functions).any(|known| known == root);
    let missing = paths.iter().find(|(root, _)| !is_known(root));
    // Only one that has parts: then it is a part that is missing.
    let mut with_parts = paths.iter().filter(|(root, range)| is_known(root) && range.len() > root.len());
    let missing = missing.or_else(|| with_parts.next().filter(|_| with_parts.next().is_none()));
    let Some((root, range)) = missing else {
        return (
            TemplateFault::new("something here is undefined").help("`| default(...)` gives what to use instead"),
            None,
        );
    };
    let name = slice.get(range.clone()).unwrap_or(root);
    let fault = TemplateFault::new(format!("`{name}` is undefined"));
    let fault = if is_known(root) {
        fault.help(format!("`{root}` is there, without that part; `| default(...)` gives what to use instead"))
    } else {
        fault.meant(root, known.names.iter().map(String::as_str))
    };
    (fault, Some(range.clone()))
}

fn unknown(what: &str, detail: &str, known: &[String]) -> TemplateFault {
    let detail = detail.strip_suffix(" is unknown").unwrap_or(detail);
    let name = detail.rsplit(' ').next().unwrap_or_default();
    unknown_name(what, name, known)
}

pub(super) fn unknown_name(what: &str, name: &str, known: &[String]) -> TemplateFault {
    match super::filters::refused(name) {
        Some(why) => TemplateFault::new(format!("the {what} `{name}` is not offered")).help(why),
        None => TemplateFault::new(format!("unknown {what} `{name}`")).meant(name, known.iter().map(String::as_str)),
    }
}
