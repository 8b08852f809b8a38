//! A small reader of quotes and brackets, for the stretch of text that the parser gave up in. It explains, it decides nothing.

use std::ops::Range;

/// What is open, or was last closed, at the end of a stretch.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// Brackets that are open, outermost first.
    pub(super) brackets: Vec<(usize, char)>,
    /// The last quoted text, from quote to quote, or to the end of the stretch if it is open.
    pub(super) quote: Option<Range<usize>>,
}

/// Reads `within` of `text`, which begins outside quotes, after `brackets` were opened.
pub(super) fn read(text: &str, within: Range<usize>, brackets: Vec<(usize, char)>) -> Stretch {
    let mut stretch = Stretch { brackets, quote: None };
    let mut open: Option<char> = None;
    let mut skip = 0;
    let mut comment = false;
    // A quote or a bracket means something only where a value or a key may begin.
    let mut begins = true;
    let mut before = '\n';
    for (offset, character) in text[within.clone()].char_indices() {
        let at = within.start + offset;
        let previous = std::mem::replace(&mut before, character);
        if skip > 0 {
            skip -= 1;
            continue;
        }
        if comment {
            comment = character != '\n';
            begins = true;
            continue;
        }
        if let Some(quote) = open {
            if let Some(range) = &mut stretch.quote {
                range.end = at + 1;
            }
            let next = text[at + character.len_utf8()..].chars().next();
            match character {
                '\\' if quote == '"' => skip = 1,
                '\'' if quote == '\'' && next == Some('\'') => skip = 1,
                _ if character == quote => {
                    open = None;
                    begins = next == Some(':');
                }
                _ => {}
            }
            continue;
        }
        match character {
            '#' if previous.is_whitespace() => comment = true,
            '"' | '\'' if begins => {
                open = Some(character);
                stretch.quote = Some(at..at + 1);
            }
            '[' | '{' if begins => stretch.brackets.push((at, character)),
            ',' if !stretch.brackets.is_empty() => begins = true,
            ']' | '}' => {
                stretch.brackets.pop();
                begins = false;
            }
            '\n' => begins |= stretch.brackets.is_empty(),
            _ if character.is_whitespace() => begins |= matches!(previous, ':' | '-' | '?'),
            ':' if begins => {}
            _ => begins = false,
        }
    }
    if open.is_some()
        && let Some(range) = &mut stretch.quote
    {
        range.end = within.end;
    }
    stretch
}
