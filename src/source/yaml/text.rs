//! Where things stand in a text: lines, columns, indentation. Knows nothing of YAML.

use std::ops::Range;

use super::super::{FileId, Span};

/// A text with an index of its lines.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) file: FileId,
    pub(super) whole: &'a str,
    starts: Vec<usize>,
}

impl<'a> Text<'a> {
    pub(super) fn new(file: FileId, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, whole: text, starts }
    }

    /// `range` as a place of this file, moved to where characters begin.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let (start, end) = (self.floor(range.start), self.floor(range.end));
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(self.file, short(start), short(end.max(start)))
    }

    pub(super) fn slice(&self, span: Span) -> &'a str {
        self.whole.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The nearest character start at or before `at`.
    pub(super) fn floor(&self, at: usize) -> usize {
        let mut at = at.min(self.whole.len());
        while !self.whole.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// The number of the line that holds `at`, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// Line `number` (from 1) without its end.
    pub(super) fn bounds(&self, number: usize) -> Range<usize> {
        let start = self.starts.get(number.saturating_sub(1)).copied().unwrap_or(self.whole.len());
        let end = self.starts.get(number).map_or(self.whole.len(), |next| next - 1);
        let end = if self.whole[start..end].ends_with('\r') { end - 1 } else { end };
        start..end
    }

    /// The line that holds `at`, without its end.
    pub(super) fn line_at(&self, at: usize) -> Range<usize> {
        self.bounds(self.line(at))
    }

    /// The first place of the line of `at` that is not blank.
    pub(super) fn content_start(&self, at: usize) -> usize {
        let line = self.line_at(at);
        line.end - self.whole[line].trim_start().len()
    }

    /// Blanks before the content of the line of `at`.
    pub(super) fn indent(&self, at: usize) -> usize {
        self.content_start(at) - self.line_at(at).start
    }

    /// From `at` to the next blank or the end of the line: what a caret stands under.
    pub(super) fn word(&self, at: usize) -> Range<usize> {
        let at = self.floor(at);
        let line = self.line_at(at);
        let rest = &self.whole[at.min(line.end)..line.end];
        at..at + rest.find([' ', '\t']).unwrap_or(rest.len())
    }

    /// From `at` to the end of its line, without a comment and the blanks before it.
    pub(super) fn rest_of_line(&self, at: usize) -> Range<usize> {
        let at = self.floor(at);
        let line = self.line_at(at);
        let rest = &self.whole[at.min(line.end)..line.end];
        let comment = rest.match_indices('#').find(|(found, _)| rest[..*found].ends_with([' ', '\t']));
        let rest = comment.map_or(rest, |(found, _)| &rest[..found]);
        at..at + rest.trim_end().len()
    }

    /// The next line after that of `at` that is not blank.
    pub(super) fn next_content(&self, at: usize) -> Option<Range<usize>> {
        let number = self.line(at);
        (number + 1..=self.starts.len())
            .map(|next| self.bounds(next))
            .find(|line| !self.whole[line.clone()].trim().is_empty())
    }

    /// The last line before that of `at` that is not blank.
    pub(super) fn previous_content(&self, at: usize) -> Option<Range<usize>> {
        let number = self.line(at);
        (1..number).rev().map(|before| self.bounds(before)).find(|line| !self.whole[line.clone()].trim().is_empty())
    }
}
