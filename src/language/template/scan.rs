//! The words of a template, without evaluating it: which code it holds, where names, filters, tests and functions
//! stand. Best effort on purpose: the engine has the last word.

use std::ops::Range;

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{{` or `{%`.
    Open,
    /// `}}` or `%}`.
    Close,
    /// A name or a keyword.
    Word,
    /// A quoted text.
    Text,
    /// A number.
    Number,
    /// Any other character.
    Sign,
}

/// A piece of code and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// The code of a template.
pub(super) struct Code<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
}

/// Does `text` hold template code at all?
pub(super) fn has_code(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'{' && matches!(pair[1], b'{' | b'%' | b'#'))
}

/// The inside of `{{ ... }}` where that seems to be the whole text; the caller checks that it is one expression.
pub(super) fn whole(text: &str) -> Option<Range<usize>> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let mut start = 2;
    let mut end = start + inner.len();
    if inner.starts_with(['-', '+']) {
        start += 1;
    }
    if end > start && inner.ends_with('-') {
        end -= 1;
    }
    Some(start..end)
}

impl<'a> Code<'a> {
    /// The code of a template text.
    pub(super) fn of_template(text: &'a str) -> Self {
        let mut code = Self { text, pieces: Vec::new() };
        let mut at = 0;
        while let Some(open) = text[at..].find('{').map(|found| at + found) {
            match text.as_bytes().get(open + 1) {
                Some(b'#') => at = text[open..].find("#}").map_or(text.len(), |end| open + end + 2),
                Some(b'{' | b'%') => at = code.block(open),
                _ => at = open + 1,
            }
        }
        code
    }

    /// The code of an expression.
    pub(super) fn of_expression(text: &'a str) -> Self {
        let mut code = Self { text, pieces: Vec::new() };
        code.words(0, None);
        code
    }

    pub(super) fn str(&self, at: usize) -> &'a str {
        self.pieces.get(at).and_then(|piece| self.text.get(piece.range.clone())).unwrap_or_default()
    }

    pub(super) fn kind(&self, at: usize) -> Option<Kind> {
        self.pieces.get(at).map(|piece| piece.kind)
    }

    fn push(&mut self, kind: Kind, range: Range<usize>) {
        self.pieces.push(Piece { kind, range });
    }

    /// Reads a block that opens at `open`; gives where the text goes on.
    fn block(&mut self, open: usize) -> usize {
        let statement = self.text.as_bytes().get(open + 1) == Some(&b'%');
        let first = self.pieces.len() + 1;
        self.push(Kind::Open, open..open + 2);
        let end = self.words(open + 2, Some(if statement { "%}" } else { "}}" }));
        let raw = statement && self.str(first) == "raw";
        if !raw {
            return end;
        }
        // Nothing is code until the matching end.
        let mut at = end;
        while let Some(open) = self.text[at..].find("{%").map(|found| at + found) {
            let inside = self.text[open + 2..].trim_start_matches(['-', '+']).trim_start();
            if inside.starts_with("endraw") {
                return self.text[open..].find("%}").map_or(self.text.len(), |end| open + end + 2);
            }
            at = open + 2;
        }
        self.text.len()
    }

    fn words(&mut self, mut at: usize, close: Option<&str>) -> usize {
        while let Some(letter) = self.text[at..].chars().next() {
            let rest = &self.text[at..];
            if let Some(close) = close.filter(|close| rest.starts_with(*close)) {
                self.push(Kind::Close, at..at + close.len());
                return at + close.len();
            }
            let length = match letter {
                '\'' | '"' => quoted(rest, letter),
                _ if letter.is_alphabetic() || letter == '_' => {
                    rest.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(rest.len())
                }
                _ if letter.is_ascii_digit() => {
                    rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len())
                }
                _ => letter.len_utf8(),
            };
            let kind = match letter {
                '\'' | '"' => Kind::Text,
                _ if letter.is_alphabetic() || letter == '_' => Kind::Word,
                _ if letter.is_ascii_digit() => Kind::Number,
                _ => Kind::Sign,
            };
            if !letter.is_whitespace() {
                self.push(kind, at..at + length);
            }
            at += length;
        }
        self.text.len()
    }
}

/// The length of a quoted text, quotes and escapes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What an expression calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Filter,
    Test,
    Function,
}

impl Code<'_> {
    /// Filters, tests and functions by name, and where. Names that the text itself declares are left out.
    pub(super) fn calls(&self) -> Vec<(Role, &str, Range<usize>)> {
        let mut calls = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if piece.kind != Kind::Word {
                continue;
            }
            let before = |back: usize| at.checked_sub(back).map_or("", |at| self.str(at));
            let role = match (before(1), self.str(at + 1)) {
                ("|", _) => Role::Filter,
                ("filter", _) if before(2) == "{%" => Role::Filter,
                ("is", _) if self.str(at) != "not" => Role::Test,
                ("not", _) if before(2) == "is" => Role::Test,
                (".", _) => continue,
                (_, "(") if !self.is_declared(at) && !is_keyword(self.str(at)) => Role::Function,
                _ => continue,
            };
            calls.push((role, self.str(at), piece.range.clone()));
        }
        calls
    }

    /// `{% macro x() %}`, `{% from .. import x %}`, `{% set x %}`, or the `(` belongs to `in (`, `and (` ...
    fn is_declared(&self, at: usize) -> bool {
        let name = self.str(at);
        if matches!(name, "caller" | "loop" | "super" | "self") {
            return true;
        }
        self.pieces.iter().enumerate().any(|(there, _)| {
            let after = |word: &str| there > 0 && self.str(there - 1) == word;
            self.str(there) == name
                && (after("macro") || after("import") || after("as") || after("set") || after("for") || {
                    // Later names of an import list or a loop.
                    let opened = (0..there).rev().find(|back| self.kind(*back) == Some(Kind::Open));
                    opened
                        .is_some_and(|opened| matches!(self.str(opened + 1), "from" | "set" | "for" | "macro" | "call"))
                        && there != at
                })
        })
    }

    /// Names that an expression reads, with their plain parts: the root, and the range of all.
    pub(super) fn paths(&self) -> Vec<(&str, Range<usize>)> {
        let mut paths = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            let before = at.checked_sub(1).map_or("", |at| self.str(at));
            let named = self.str(at + 1) == "=" && self.str(at + 2) != "=";
            if piece.kind != Kind::Word
                || is_keyword(self.str(at))
                || is_constant(self.str(at))
                || named
                || matches!(before, "." | "|" | "is")
            {
                continue;
            }
            let mut end = at;
            while self.str(end + 1) == "." && self.kind(end + 2) == Some(Kind::Word) {
                end += 2;
            }
            paths.push((self.str(at), piece.range.start..self.pieces[end].range.end));
        }
        paths
    }

    /// Where `path` (a name, or names with `.` between) is read first.
    pub(super) fn first(&self, path: &str) -> Option<Range<usize>> {
        let parts: Vec<&str> = path.split('.').collect();
        (0..self.pieces.len()).find_map(|at| {
            let before = at.checked_sub(1).map_or("", |at| self.str(at));
            if self.kind(at) != Some(Kind::Word) || matches!(before, "." | "|" | "is") {
                return None;
            }
            let fits = parts.iter().enumerate().all(|(step, part)| {
                self.str(at + 2 * step) == *part && (step == 0 || self.str(at + 2 * step - 1) == ".")
            });
            // A keyword argument bears a name, it does not read it.
            let named = self.str(at + 1) == "=" && self.str(at + 2) != "=" && parts.len() == 1 && before != "set";
            (fits && !named).then(|| self.pieces[at].range.start..self.pieces[at + 2 * (parts.len() - 1)].range.end)
        })
    }

    /// Does every `x is defined` stand where `x` is a path that goes nowhere else? Then it reads nothing.
    /// Statements that bind names could use the same value twice, and `select` keeps what it tests.
    pub(super) fn forgives_defined(&self) -> bool {
        self.pieces.iter().enumerate().all(|(at, piece)| match piece.kind {
            Kind::Open if self.str(at) == "{%" => {
                let word = if matches!(self.str(at + 1), "-" | "+") { at + 2 } else { at + 1 };
                matches!(self.str(word), "if" | "elif" | "else" | "endif" | "raw" | "endraw")
            }
            Kind::Word if self.str(at) == "is" => {
                let test = if self.str(at + 1) == "not" { at + 2 } else { at + 1 };
                !matches!(self.str(test), "defined" | "undefined") || self.is_path_before(at)
            }
            Kind::Word => !matches!(self.str(at), "select" | "reject" | "selectattr" | "rejectattr"),
            _ => true,
        })
    }

    fn is_path_before(&self, at: usize) -> bool {
        let back = |by: usize| at.checked_sub(by).map_or("", |at| self.str(at));
        let kind = |by: usize| at.checked_sub(by).and_then(|at| self.kind(at));
        match kind(1) {
            Some(Kind::Word) => !matches!(back(2), "|" | "is") && !is_keyword(back(1)) && back(3) != "is",
            Some(Kind::Sign) if back(1) == "]" => {
                matches!(kind(2), Some(Kind::Text | Kind::Number | Kind::Word))
                    && back(3) == "["
                    && (matches!(back(4), "]" | ")") || kind(4) == Some(Kind::Word) && !is_keyword(back(4)))
            }
            _ => false,
        }
    }
}

fn is_constant(word: &str) -> bool {
    matches!(word, "true" | "false" | "none" | "True" | "False" | "None")
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "if" | "elif" | "else" | "in" | "and" | "or" | "not" | "is" | "for" | "set" | "call" | "with" | "return"
    )
}
