//! Which names a text reads, and where exactly they stand. Evaluates nothing.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::source::{Node, Problem, Problems, Sources, Span, Tree};

use super::keys::is_template;
use super::program::Expression;
use super::template::{Reads, TemplateFault, Templates};

/// A name that a text reads, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The root of the expression: `facts` of `facts.os`.
    pub(super) name: String,
    /// Where it stands.
    pub(super) span: Span,
    /// Does the text read facts, of its own host or of others?
    pub(super) facts: bool,
    /// Does it stand in a template that may only be included? Then the name may come from the one that includes it.
    pub(super) included: bool,
}

/// What reading texts needs.
pub(super) struct Scanner<'a> {
    pub(super) templates: &'a Templates,
    pub(super) sources: &'a Sources,
    pub(super) problems: &'a mut Problems,
    /// Words of texts that read `hostvars`, or that are wrong: any of them may be the name of a value.
    pub(super) words: &'a mut BTreeSet<String>,
    /// Set when a text looks up files.
    pub(super) looks_up: &'a mut bool,
}

impl Scanner<'_> {
    /// Every name that the templates in `node` read; bad ones are problems.
    pub(super) fn node(&mut self, node: &Node, reads: &mut Vec<Read>) {
        match &node.tree {
            Tree::Text(text, _) if is_template(text) => self.text(text, node.span, reads),
            Tree::List(items) => items.iter().for_each(|item| self.node(item, reads)),
            Tree::Map(entries) => {
                for (key, value) in entries {
                    if is_template(&key.name) {
                        self.problems.push(
                            Problem::error(key.span, "a key may not hold a template")
                                .label("keys are as they are written")
                                .help("make the whole mapping with one template: `\"{{ {name: value} }}\"`"),
                        );
                    }
                    self.node(value, reads);
                }
            }
            _ => {}
        }
    }

    /// Every name that the template `text` reads, which stands at `span`.
    pub(super) fn text(&mut self, text: &str, span: Span, reads: &mut Vec<Read>) {
        let faults = self.templates.check(text);
        self.take(text, span, faults, |templates| templates.undeclared(text), reads);
    }

    /// Every name that `expression` reads.
    pub(super) fn expression(&mut self, expression: &Expression, reads: &mut Vec<Read>) {
        let text = expression.text.as_str();
        let faults = self.templates.check_expression(text);
        self.take(text, expression.span, faults, |templates| templates.undeclared_in_expression(text), reads);
    }

    /// Keeps every word of the texts in `node`, which could not be understood.
    pub(super) fn words_in(&mut self, node: &Node) {
        match &node.tree {
            Tree::Text(text, _) => self.words_of(text),
            Tree::List(items) => items.iter().for_each(|item| self.words_in(item)),
            Tree::Map(entries) => entries.iter().for_each(|(_, node)| self.words_in(node)),
            _ => {}
        }
    }

    fn words_of(&mut self, text: &str) {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        self.words.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }

    fn take(
        &mut self,
        text: &str,
        span: Span,
        faults: Vec<TemplateFault>,
        undeclared: impl FnOnce(&Templates) -> Vec<Reads>,
        reads: &mut Vec<Read>,
    ) {
        if !faults.is_empty() {
            // What it would read cannot be told: nothing that it names is called unused.
            self.words_of(text);
            let sources = self.sources;
            self.problems.extend(faults.into_iter().map(|fault| problem_at(sources, span, text, fault)));
            return;
        }
        *self.looks_up |= text.contains("lookup");
        for Reads { path, range } in undeclared(self.templates) {
            let name = path.split('.').next().unwrap_or_default().to_owned();
            if name == "hostvars" {
                self.words_of(text);
            }
            let facts = name == "facts" || (name == "hostvars" && text.contains("facts"));
            let at = range.map_or(span, |range| point(self.sources, span, text, &range));
            if !reads.iter().any(|read| read.name == name && read.span == at) {
                reads.push(Read { name, span: at, facts, included: false });
            }
        }
    }
}

/// The problem that `fault` is, pointing into the `text` that stands at `span`.
pub(super) fn problem_at(sources: &Sources, span: Span, text: &str, fault: TemplateFault) -> Problem {
    let at = fault.range.map_or(span, |range| point(sources, span, text, &range));
    let mut problem = Problem::error(at, fault.message);
    if let Some((file, line)) = fault.file {
        problem = problem.label(format!("in line {line} of `{file}`, which this includes"));
    }
    problem.help.extend(fault.help);
    problem
}

/// The place in the file of `range` in `text`, a scalar that stands at `span`. Where the text was written with
/// escapes or folded, the whole scalar.
pub(super) fn point(sources: &Sources, span: Span, text: &str, range: &Range<usize>) -> Span {
    let written = sources.slice(span);
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    for lead in [0, 1] {
        if written.get(lead..lead + text.len()) == Some(text) {
            let start = span.start + offset(lead + range.start);
            return Span::new(span.file, start, start.max(span.start + offset(lead + range.end)));
        }
    }
    line_of_block(written, text, range)
        .map_or(span, |(start, end)| Span::new(span.file, span.start + offset(start), span.start + offset(end)))
}

/// The same for a block scalar, whose lines are indented in the file.
fn line_of_block(written: &str, text: &str, range: &Range<usize>) -> Option<(usize, usize)> {
    let before = text.get(..range.start)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[range.start..].find('\n').map_or(text.len(), |at| range.start + at);
    let line = &text[line_start..line_end];
    let nth = before[..line_start].lines().filter(|other| *other == line).count();
    let mut at = 0;
    let mut seen = 0;
    for raw in written.split_inclusive('\n') {
        let stripped = raw.trim_end_matches(['\n', '\r']);
        if stripped.ends_with(line) && stripped.trim_start() == line.trim_start() {
            if seen == nth {
                let start = at + (stripped.len() - line.len()) + (range.start - line_start);
                return Some((start, start + (range.end.min(line_end) - range.start)));
            }
            seen += 1;
        }
        at += raw.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointed(file: &str, written: Range<usize>, text: &str, what: &str) -> String {
        let mut sources = Sources::default();
        let id = sources.add("a.yml", file);
        let span = Span::new(id, u32::try_from(written.start).unwrap(), u32::try_from(written.end).unwrap());
        let start = text.find(what).unwrap();
        let found = point(&sources, span, text, &(start..start + what.len()));
        format!("{} {}", sources.position(found), sources.slice(found))
    }

    #[test]
    fn points_into_plain_quoted_and_block_scalars() {
        assert_eq!(pointed("a: x {{ b }}\n", 3..12, "x {{ b }}", "b"), "a.yml:1:9 b");
        assert_eq!(pointed("a: \"x {{ b }}\"\n", 3..14, "x {{ b }}", "b"), "a.yml:1:10 b");
        let block = "a: |\n  one {{ x }}\n  one {{ x }}\n  two {{ y }}\n";
        let text = "one {{ x }}\none {{ x }}\ntwo {{ y }}\n";
        assert_eq!(pointed(block, 3..block.len(), text, "y"), "a.yml:4:10 y");
    }

    #[test]
    fn escaped_text_is_pointed_at_as_a_whole() {
        assert_eq!(pointed("a: \"x\\n{{ b }}\"\n", 3..15, "x\n{{ b }}", "b"), "a.yml:1:4 \"x\\n{{ b }}\"");
    }
}
