//! Characters that have no place in a text: found before parsing, so that the parser need not guess.

use super::super::Problem;
use super::text::Text;

/// The first character that may not be there, and how many more there are.
pub(super) fn check(text: &Text<'_>) -> Option<Problem> {
    let bytes = text.whole.as_bytes();
    let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if bytes.iter().all(plain) {
        return None;
    }
    let mut bad = text.whole.char_indices().filter(|(at, character)| match character {
        '\n' | '\t' | '\u{85}' => false,
        '\r' => bytes.get(at + 1) != Some(&b'\n'),
        '\u{feff}' => *at != 0,
        '\u{fffe}' | '\u{ffff}' => true,
        other => other.is_control(),
    });
    let (at, character) = bad.next()?;
    let more = bad.count();
    let name = match character {
        '\0' => "a NUL byte".to_owned(),
        '\r' => "a carriage return without a newline after it".to_owned(),
        '\u{feff}' => "a byte order mark inside the text".to_owned(),
        other => format!("the control character `U+{:04X}`", u32::from(other)),
    };
    let mut problem = Problem::error(text.span(at..at + character.len_utf8()), format!("{name} cannot stand in YAML"));
    if more > 0 {
        problem = problem.label(format!("and {more} more in this file"));
    }
    Some(problem.help(match character {
        '\r' => "save the file with line ends LF or CRLF",
        '\0' => "this does not look like a text file; in a value write it in double quotes, as `\"\\0\"`",
        _ => "remove it; in a value write it in double quotes, as `\"\\uXXXX\"`",
    }))
}
