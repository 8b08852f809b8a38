//! A text by lines, each with its own end and with what may be shown of it: edits touch the lines they mean.

use crate::model::{Content, Secret};

/// A text by lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text {
    lines: Vec<Line>,
}

/// A line without its end.
#[derive(Clone, PartialEq)]
pub(super) struct Line {
    pub(super) body: String,
    /// What may be shown, where that is not the body.
    pub(super) shown: Option<String>,
    end: &'static str,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}", self.shown.as_ref().unwrap_or(&self.body))
    }
}

fn split(text: &str) -> impl Iterator<Item = (&str, &'static str)> {
    text.split_inclusive('\n').map(|line| match line.strip_suffix('\n') {
        None => (line, ""),
        Some(body) => body.strip_suffix('\r').map_or((body, "\n"), |body| (body, "\r\n")),
    })
}

impl Text {
    /// Of a file's content; `None` when it is no text.
    pub(super) fn of(content: &Content) -> Option<Self> {
        let raw = std::str::from_utf8(content.bytes()).ok().filter(|text| !text.contains('\0'))?;
        let mut lines: Vec<Line> =
            split(raw).map(|(body, end)| Line { body: body.to_owned(), shown: None, end }).collect();
        if content.is_secret() {
            let shown = content.shown();
            let shown: Vec<&str> = split(&shown).map(|(body, _)| body).collect();
            let aligned = shown.len() == lines.len();
            for (at, line) in lines.iter_mut().enumerate() {
                // A secret of several lines is one `***`: then nobody can say which line is which.
                let shown = if aligned { shown[at] } else { Secret::MASK };
                line.shown = (shown != line.body).then(|| shown.to_owned());
            }
        }
        Some(Self { lines })
    }

    /// As content; sealed when any line is.
    pub(super) fn content(&self) -> Content {
        let (mut raw, mut shown) = (String::new(), String::new());
        for line in &self.lines {
            raw.push_str(&line.body);
            raw.push_str(line.end);
            shown.push_str(line.shown.as_ref().unwrap_or(&line.body));
            shown.push_str(line.end);
        }
        let sealed = self.lines.iter().any(|line| line.shown.is_some());
        if sealed { Content::sealed(raw.into_bytes(), shown) } else { Content::open(raw.into_bytes()) }
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The end that a new line gets: as the first line has it.
    fn end(&self) -> &'static str {
        self.lines.first().map(|line| line.end).filter(|end| !end.is_empty()).unwrap_or("\n")
    }

    /// A new line at `at`. A last line without an end gets one when a line comes after it.
    pub(super) fn insert(&mut self, at: usize, body: &str, shown: Option<&str>) {
        let end = self.end();
        if at == self.lines.len()
            && let Some(last) = self.lines.last_mut().filter(|last| last.end.is_empty())
        {
            last.end = end;
        }
        let shown = shown.filter(|shown| *shown != body).map(str::to_owned);
        self.lines.insert(at, Line { body: body.to_owned(), shown, end });
    }

    /// Another body for the line at `at`; its end stays.
    pub(super) fn replace(&mut self, at: usize, body: &str, shown: Option<&str>) {
        if let Some(line) = self.lines.get_mut(at) {
            line.shown = shown.filter(|shown| *shown != body).map(str::to_owned);
            body.clone_into(&mut line.body);
        }
    }

    /// Takes the lines from `from` to before `to` away.
    pub(super) fn remove(&mut self, from: usize, to: usize) {
        self.lines.drain(from..to);
    }

    /// Keeps the lines that `wanted` says.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        self.lines.retain(|line| wanted(&line.body));
    }
}
