//! From a place in the value of a text scalar to its place in the file: quotes, escapes, folding and indentation between them.

use std::ops::Range;

use super::{Node, Span, Style, Tree};

impl Node {
    /// Where the bytes `range` of this text stand in its file, whose whole text is `source`: what a template engine says
    /// about the value can so be shown in the file. The whole node if it is no text, or stands elsewhere (an alias).
    #[must_use]
    pub fn place(&self, source: &str, range: Range<usize>) -> Span {
        let written = source.get(self.span.start as usize..self.span.end as usize);
        let (Tree::Text(value, style), Some(written)) = (&self.tree, written) else { return self.span };
        let Some(places) = places(value, written, *style) else { return self.span };
        let last = Place { start: written.len(), end: written.len() };
        let place = |at: usize| places.get(at).copied().unwrap_or(last);
        let start = place(range.start).start;
        // The end of the last byte, not the start of the next: between them may lie a line end and an indentation.
        let end = if range.end > range.start { place(range.end - 1).end } else { start };
        let [start, end] = [start, end.max(start)].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Span::new(self.span.file, self.span.start.saturating_add(start), self.span.start.saturating_add(end))
    }
}

/// Where one byte of a value comes from.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

/// The place in `written` of each byte of `value`; none if the two do not fit together. Blanks are followed loosely
/// (folding and indentation change them), all else exactly.
fn places(value: &str, written: &str, style: Style) -> Option<Vec<Place>> {
    let quote = written.chars().next().filter(|sign| style == Style::Quoted && matches!(sign, '"' | '\''));
    let mut at = match style {
        Style::Block => written.find('\n')?,
        Style::Plain | Style::Quoted => usize::from(quote.is_some()),
    };
    let mut places = Vec::with_capacity(value.len());
    for character in value.chars() {
        if !character.is_whitespace() {
            while let Some(blank) = blank(&written[at..], quote) {
                at += blank;
            }
        }
        let rest = &written[at..];
        let taken = match quote {
            Some('"') if rest.starts_with('\\') => escape(rest),
            Some('\'') if character == '\'' && rest.starts_with("''") => 2,
            _ if rest.starts_with(character) => character.len_utf8(),
            _ if character.is_whitespace() => 0,
            _ => return None,
        };
        places.extend(std::iter::repeat_n(Place { start: at, end: at + taken }, character.len_utf8()));
        at += taken;
    }
    Some(places)
}

/// The length of a blank, or of a line end that a backslash hides.
fn blank(rest: &str, quote: Option<char>) -> Option<usize> {
    let hidden = ["\\\n", "\\\r\n"].into_iter().find(|end| quote == Some('"') && rest.starts_with(end));
    let blank = rest.chars().next().filter(|sign| sign.is_whitespace());
    hidden.map(str::len).or(blank.map(char::len_utf8))
}

/// The length of the escape that `rest` begins with; a pair of surrogates is one.
fn escape(rest: &str) -> usize {
    let length = match rest[1..].chars().next() {
        Some('x') => 4,
        Some('u') if matches!(rest.get(2..4), Some("d8" | "d9" | "da" | "db" | "D8" | "D9" | "DA" | "DB")) => 12,
        Some('u') => 6,
        Some('U') => 10,
        Some(sign) => 1 + sign.len_utf8(),
        None => 1,
    };
    if rest.is_char_boundary(length) { length } else { rest.len() }
}
