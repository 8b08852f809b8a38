//! What the parser could not read, said so that it can be mended. Where the mistake is a local one it also says
//! what to put in its place (of the same length), so that the rest of the text can be looked at in the same run.

use std::ops::Range;

use granit_parser::ErrorKind;

use super::super::Problem;
use super::build::{self, Builder};
use super::text::Text;
use super::{Limits, lex, template};

/// A mistake, and what would let the parser pass it.
pub(super) struct Mistake {
    pub(super) problem: Problem,
    /// Bytes to overwrite, each with this one.
    pub(super) patch: Option<(Range<usize>, u8)>,
}

impl Mistake {
    fn new(problem: Problem) -> Self {
        Self { problem, patch: None }
    }

    fn patched(problem: Problem, range: Range<usize>, with: u8) -> Self {
        Self { problem, patch: Some((range, with)) }
    }
}

/// The place of an error, with all that is known there.
struct Scene<'a> {
    text: &'a Text<'a>,
    at: usize,
    /// One past what the parser has understood.
    seen: usize,
    /// The last scalar it understood.
    scalar: Range<usize>,
    /// Where the open block collections begin.
    blocks: Vec<usize>,
    stretch: lex::Stretch,
}

/// Explains `kind` at byte `at`, after `builder` took all events before it.
pub(super) fn explain(text: &Text<'_>, kind: &ErrorKind, at: usize, builder: &Builder<'_>, limits: Limits) -> Mistake {
    use ErrorKind as K;
    // In an indentation the parser means what comes after it.
    let at = text.floor(at).max(text.content_start(at));
    let seen = text.floor(builder.seen);
    let bracket = |start: usize| text.whole[start..].chars().next().filter(|sign| matches!(sign, '[' | '{'));
    let brackets =
        builder.open().filter(|(_, flow)| *flow).filter_map(|(start, _)| Some((start, bracket(start)?))).collect();
    let scene = Scene {
        text,
        at,
        seen,
        scalar: builder.scalar.clone(),
        blocks: builder.open().filter(|(_, flow)| !flow).map(|(start, _)| start).collect(),
        stretch: lex::read(text.whole, seen.min(at)..at, brackets),
    };
    match kind {
        K::UnclosedQuotedScalar | K::InvalidQuotedScalarIndent | K::DocumentIndicatorInQuotedScalar => {
            scene.unclosed_quote()
        }
        K::RecursionLimitExceeded => Mistake::new(build::too_deep(text.span(text.word(at)), limits)),
        _ => scene.tab(kind).or_else(|| scene.template()).unwrap_or_else(|| scene.by_kind(kind)),
    }
}

impl Scene<'_> {
    fn error(&self, range: Range<usize>, summary: impl Into<String>) -> Problem {
        Problem::error(self.text.span(range), summary)
    }

    /// The character at the error.
    fn sign(&self) -> char {
        self.text.whole[self.at..].chars().next().unwrap_or('\n')
    }

    /// That character's place.
    fn here(&self) -> Range<usize> {
        self.at..(self.at + self.sign().len_utf8()).min(self.text.whole.len())
    }

    fn by_kind(&self, kind: &ErrorKind) -> Mistake {
        use ErrorKind as K;
        match kind {
            K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => self.after_quote(),
            K::UnknownQuotedScalarEscape
            | K::InvalidQuotedScalarHexEscape
            | K::InvalidLowSurrogateHexEscape
            | K::InvalidLowSurrogate
            | K::MissingLowSurrogate
            | K::UnpairedLowSurrogate
            | K::InvalidUnicodeEscape => self.escape(),
            K::DirectiveDisallowed | K::MissingDocumentEndBeforeDirective if self.sign() == '%' => self.directive(),
            K::UnexpectedCharacter { .. } => self.cannot_begin(),
            _ if matches!(self.sign(), ',' | '%' | '@' | '`') && self.stretch.brackets.is_empty() => {
                self.cannot_begin()
            }
            K::SimpleKeyExpected | K::InvalidSimpleKey => self.no_key(),
            K::MappingValueNotAllowed if self.stretch.brackets.is_empty() => self.second_colon(),
            K::MismatchedFlowCollectionEnd { open, close } => Mistake::new(
                self.error(self.here(), format!("`{open}` is closed by `{close}`"))
                    .label("opens here")
                    .help("close each bracket with its own, or quote the text that holds one"),
            ),
            K::MisplacedFlowCollectionEnd => self.closes_nothing(),
            K::BlockSequenceEntryNotAllowed => self.item_on_line(),
            K::MissingAnchorOrAliasName => self.bare_anchor(),
            K::UndeclaredTagHandle => {
                let word = self.text.word(self.at);
                let tag = &self.text.whole[word.clone()];
                let problem = self.error(word.clone(), format!("the tag `{tag}` is not known"));
                Mistake::patched(problem.help("remove the tag; quote the value if it is text"), word, b' ')
            }
            K::InvalidBlockScalarHeader | K::ZeroBlockScalarIndent => self.block_header(),
            _ if !self.stretch.brackets.is_empty() => self.in_brackets(),
            K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry | K::ExpectedDocumentStart => self.misplaced(),
            other => Mistake::new(self.error(self.text.word(self.at), format!("this is not YAML: {other}"))),
        }
    }

    fn tab(&self, kind: &ErrorKind) -> Option<Mistake> {
        use ErrorKind as K;
        let about_tabs = matches!(
            kind,
            K::TabNotAllowed
                | K::TabInBlockIndentation
                | K::TabInIndentation
                | K::TabInPlainScalar
                | K::TabAtBlockScalarStart
                | K::InvalidBlockEntryWhitespace
                | K::InvalidMappingValueWhitespace
        );
        let leading = |line: Range<usize>| {
            let content = &self.text.whole[line.clone()];
            let blank = content.len() - content.trim_start().len();
            content[..blank].find('\t').map(|tab| line.start + tab)
        };
        let line = self.text.line_at(self.at);
        let next = || self.text.next_content(self.at).and_then(leading);
        let within = || self.text.whole[line.clone()].find('\t').map(|tab| line.start + tab);
        let tab =
            if about_tabs { leading(line.clone()).or_else(next).or_else(within)? } else { leading(line.clone())? };
        if !about_tabs && !self.stretch.brackets.is_empty() {
            return None;
        }
        let end = tab + self.text.whole[tab..].bytes().take_while(|byte| *byte == b'\t').count();
        let problem = self.error(tab..end, "tabs cannot indent YAML; use spaces").label("a tab");
        Some(Mistake::new(problem.help("indent with two spaces a level")))
    }

    fn template(&self) -> Option<Mistake> {
        let begin = self.stretch.brackets.first().map_or(self.seen, |(start, _)| self.seen.min(*start));
        let value = template::culprit(self.text, self.at, begin, &self.scalar)?;
        Some(Mistake::patched(template::unquoted(self.text, value.clone()), value, b'x'))
    }

    fn unclosed_quote(&self) -> Mistake {
        // The parser sometimes points before the quote, and the last one to open is the one.
        let ahead = || lex::read(self.text.whole, self.at..self.text.whole.len(), Vec::new()).quote;
        let open = self.stretch.quote.clone().or_else(ahead).map_or(self.at, |quote| quote.start);
        let line = open..self.text.line_at(open).end.max(open);
        let sign = self.text.whole[open..].chars().next().filter(|sign| matches!(sign, '"' | '\'')).unwrap_or('"');
        let mut problem = self.error(line.clone(), format!("the quote `{sign}` that opens here is not closed"));
        if self.at < self.text.whole.len() && self.text.line(self.at) != self.text.line(open) {
            problem = problem.related(self.text.span(self.text.word(self.at)), "this stands inside the quotes");
        }
        problem =
            problem.help(format!("add the closing `{sign}`; text of several lines is indented deeper than its key"));
        Mistake::patched(problem, line, b'x')
    }

    fn after_quote(&self) -> Mistake {
        let rest = self.text.rest_of_line(self.at);
        let Some(quote) = self.stretch.quote.clone() else {
            return Mistake::new(self.error(rest, "text cannot follow a closing quote"));
        };
        let problem = self.error(rest.clone(), "text cannot follow a closing quote");
        let (first, last) = (self.text.line(quote.start), self.text.line(self.at));
        if first != last {
            let line = quote.start..self.text.line_at(quote.start).end;
            let problem = problem
                .related(self.text.span(line.clone()), "the quotes open here")
                .help(format!("the closing quote of line {first} seems to be missing"));
            return Mistake::patched(problem, line, b' ');
        }
        let help = if self.text.whole[quote.clone()].starts_with('\'') {
            "inside single quotes write `''` for a `'`, or use double quotes"
        } else {
            "put all of the value into the quotes; inside double quotes write `\\\"` for a `\"`"
        };
        Mistake::patched(problem.help(help), quote.start..rest.end, b'x')
    }

    fn escape(&self) -> Mistake {
        let rest = &self.text.whole[self.at..];
        let mut characters = rest.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            if character != '\\' {
                continue;
            }
            let Some((_, sign)) = characters.next() else { break };
            let digits = match sign {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                '0' | 'a' | 'b' | 't' | '\t' | 'n' | 'v' | 'f' | 'r' | 'e' | ' ' | '"' | '/' | '\\' | 'N' | '_'
                | 'L' | 'P' | '\n' | '\r' => {
                    continue;
                }
                _ => 0,
            };
            let start = self.at + offset;
            let hex: String = rest[offset + 1 + sign.len_utf8()..].chars().take(digits).collect();
            let good = digits > 0
                && hex.chars().count() == digits
                && hex.bytes().all(|digit| digit.is_ascii_hexdigit())
                && u32::from_str_radix(&hex, 16).is_ok_and(|code| char::from_u32(code).is_some());
            if good {
                continue;
            }
            let (summary, end) = if digits > 0 {
                (format!("`\\{sign}` needs {digits} hexadecimal digits of a character"), start + 2 + hex.len())
            } else {
                (format!("`\\{sign}` is no escape that double quotes know"), start + 1 + sign.len_utf8())
            };
            let end = self.text.floor(end).min(self.text.line_at(start).end);
            let problem = self
                .error(start..end, summary)
                .help("write `\\\\` for a backslash, or use single quotes, which keep it as it is");
            return Mistake::patched(problem, start..start + 1 + sign.len_utf8(), b'x');
        }
        Mistake::new(self.error(self.text.word(self.at), "an escape in these double quotes is wrong"))
    }

    fn directive(&self) -> Mistake {
        let line = self.text.line_at(self.at);
        let problem =
            self.error(line.clone(), "a line that begins with `%` is a directive of YAML, which has no use here");
        Mistake::patched(problem.help("remove the line; if it is text, quote it"), line, b'#')
    }

    fn cannot_begin(&self) -> Mistake {
        let sign = self.sign();
        let name = if sign == '`' { "a backtick".to_owned() } else { format!("`{sign}`") };
        let rest = self.text.rest_of_line(self.at);
        let problem = self
            .error(rest.clone(), format!("text without quotes cannot begin with {name}"))
            .help(format!("quote it: {}", self.quoted(rest.clone())));
        Mistake::patched(problem, rest, b'x')
    }

    /// The line up to `value`, and that in quotes.
    fn quoted(&self, value: Range<usize>) -> String {
        let before = &self.text.whole[self.text.content_start(value.start).min(value.start)..value.start];
        format!("`{before}{}`", template::quoted(&self.text.whole[value]))
    }

    fn no_key(&self) -> Mistake {
        let rest = self.text.rest_of_line(self.at);
        let line = &self.text.whole[rest.clone()];
        let patch = if self.text.content_start(self.at) == self.at { b'#' } else { b'x' };
        if let Some((name, value)) = glued(line) {
            let problem = self.error(rest.clone(), format!("a blank is missing after `{name}:`"));
            return Mistake::patched(problem.help(format!("write `{name}: {value}`")), rest, patch);
        }
        if line.len() > 1024 {
            let problem = self.error(self.text.word(self.at), "a key must be shorter than 1024 characters");
            return Mistake::patched(
                problem.help("if this is text, quote it or write it as a block after `|`"),
                rest,
                patch,
            );
        }
        let problem = self
            .error(rest.clone(), "a `key: value` is expected here")
            .help("if this belongs to the value above, indent it deeper than its key");
        Mistake::patched(problem, rest, patch)
    }

    fn second_colon(&self) -> Mistake {
        let scalar = self.scalar.clone();
        let value = &self.text.whole[scalar.clone()];
        let follows = scalar.end <= self.at && self.text.whole[scalar.end..self.at].trim().is_empty();
        let colon = self.here();
        if !follows || value.is_empty() || value.starts_with(['"', '\'', '|', '>']) {
            let problem = self
                .error(colon.clone(), "a value cannot stand here")
                .help("put each `key: value` on a line of its own");
            return Mistake::patched(problem, colon, b'x');
        }
        let first = scalar.start..scalar.end.min(self.text.line_at(scalar.start).end);
        if first.end == scalar.end {
            let whole = scalar.start..self.text.rest_of_line(self.at).end;
            let problem = self
                .error(whole.clone(), "text without quotes cannot hold `: `")
                .help(format!("quote it: {}", self.quoted(whole.clone())));
            return Mistake::patched(problem, whole, b'x');
        }
        if let Some((name, value)) = glued(&self.text.whole[first.clone()]) {
            let problem = self.error(first.clone(), format!("a blank is missing after `{name}:`"));
            return Mistake::patched(problem.help(format!("write `{name}: {value}`")), first, b'#');
        }
        let key = self.text.content_start(self.at)..self.here().end;
        let name = &self.text.whole[key.clone()];
        let problem = self
            .error(key, format!("`{name}` cannot stand here: the key above has a value already"))
            .related(self.text.span(first.clone()), "this value goes on in the next line")
            .help("indent it like the key above, or remove the value above it; quote it if it is all one text");
        Mistake::patched(problem, first, b' ')
    }

    fn closes_nothing(&self) -> Mistake {
        let problem = self.error(self.here(), format!("`{}` closes nothing", self.sign()));
        Mistake::patched(problem.help("remove it, or quote the text that holds it"), self.here(), b'x')
    }

    fn item_on_line(&self) -> Mistake {
        let rest = self.text.rest_of_line(self.at);
        let item = self.text.whole[rest.clone()].trim_start_matches(['-', ' ']);
        let problem = self
            .error(rest.clone(), "a list item cannot stand on the line of its key")
            .help(format!("put it on the next line, or write `[{item}]`"));
        Mistake::patched(problem, rest, b'x')
    }

    fn bare_anchor(&self) -> Mistake {
        let word = self.text.word(self.at);
        let (sign, what) = if self.sign() == '&' { ("&", "an anchor") } else { ("*", "an alias") };
        let problem = self
            .error(word.clone(), format!("`{sign}` begins {what} and needs a name after it"))
            .help(format!("if it is text, quote it: {}", self.quoted(self.text.rest_of_line(self.at))));
        Mistake::patched(problem, word, b'x')
    }

    fn block_header(&self) -> Mistake {
        let rest = self.text.rest_of_line(self.at);
        let sign = self.sign();
        let problem = self
            .error(rest.clone(), format!("text cannot stand on the line of its `{sign}`"))
            .help(format!("after `{sign}` only `-`, `+` or a digit may stand; the text begins on the next line"));
        Mistake::patched(problem, self.here().end..rest.end, b' ')
    }

    fn in_brackets(&self) -> Mistake {
        let (open, sign) = self.stretch.brackets.last().copied().unwrap_or((self.at, '['));
        let close = if sign == '[' { ']' } else { '}' };
        let word = self.text.word(self.at);
        let far = self.text.line(open) != self.text.line(self.at);
        let never = lex::read(self.text.whole, open..self.text.whole.len(), Vec::new())
            .brackets
            .iter()
            .any(|(at, _)| *at == open);
        if far || never {
            let line = open..self.text.rest_of_line(open).end;
            let mut problem = self.error(open..open + 1, format!("the `{sign}` that opens here is not closed"));
            if far && self.at < self.text.whole.len() {
                let next = self.text.word(self.text.content_start(self.at));
                problem = problem.related(self.text.span(next), format!("`{close}` is missing before this"));
            }
            return Mistake::patched(problem.help(format!("add the closing `{close}`")), line, b'x');
        }
        let problem = self
            .error(word, format!("`,` or `{close}` is expected here"))
            .related(self.text.span(open..open + 1), "opens here")
            .help("quote a text that holds any of `, [ ] { }` or `: `");
        Mistake::new(problem)
    }

    /// A line that fits none of the collections above it.
    fn misplaced(&self) -> Mistake {
        let start = self.text.content_start(self.at);
        let item = self.text.whole[start..].starts_with("- ")
            && self.text.whole[start..self.at].trim_matches(['-', ' ']).is_empty();
        if start != self.at && !item {
            let rest = self.text.rest_of_line(self.at);
            let problem = self
                .error(rest.clone(), "this cannot follow a value that has ended")
                .help("if all of it is one text, quote it; otherwise put it on a line of its own");
            return Mistake::patched(problem, rest, b' ');
        }
        let indent = self.text.indent(self.at);
        let word = self.text.word(start);
        let column = |block: &usize| block - self.text.line_at(*block).start;
        let Some(block) = self.blocks.iter().rev().find(|block| column(block) == indent) else {
            let above = self.text.previous_content(self.at).map(|line| self.text.indent(line.start));
            let mut known: Vec<usize> = self.blocks.iter().map(column).chain(above).collect();
            known.sort_unstable();
            known.dedup();
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            let mut problem =
                self.error(word, format!("no line above is indented like this one, by {}", spaces(indent)));
            if !known.is_empty() {
                problem = problem.help(format!("align it with a line above: {} spaces", known.join(" or ")));
            }
            return Mistake::new(problem);
        };
        let above = self.text.line(*block);
        let is_list = self.text.whole[*block..].starts_with('-');
        let (summary, help) = match (item, is_list) {
            (true, false) => (
                format!("a list item stands among the `key: value` lines that begin in line {above}"),
                "indent it below its key, or remove the `-`",
            ),
            (false, true) => (
                format!("a `key: value` stands among the list items that begin in line {above}"),
                "indent it to belong to the item above, or begin it with `- `",
            ),
            _ => (
                format!("this does not continue what begins in line {above}"),
                "check the indentation of the lines above",
            ),
        };
        Mistake::new(
            self.error(word, summary).related(self.text.span(self.text.word(*block)), "begins here").help(help),
        )
    }
}

/// `1 space`, `2 spaces`.
fn spaces(count: usize) -> String {
    if count == 1 { "1 space".to_owned() } else { format!("{count} spaces") }
}

/// `name:value`, when it looks like a key and not like an address.
fn glued(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("- ").unwrap_or(line);
    let (name, value) = line.split_once(':')?;
    let sound = !name.is_empty() && name.chars().all(|sign| sign.is_alphanumeric() || "_-.".contains(sign));
    (sound && !value.is_empty() && !value.starts_with([' ', '/', ':'])).then_some((name, value))
}
