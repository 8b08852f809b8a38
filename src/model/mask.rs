//! Finds secrets in any text (output of commands, errors, logs) and puts `***` in their place. Knows values, not
//! where they came from.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::{Secret, Value};

/// Shorter secrets are not searched for: `on` or `123` stands in every second line for other reasons, and to mask
/// it there would hide the text and tell the secret.
const SHORTEST: usize = 4;

/// Searches for secrets in raw, base64, URL-escaped, JSON-escaped, shell-quoted and hexadecimal form, and for each line of a
/// secret of many lines.
#[derive(Clone, Default)]
pub struct Masker {
    forms: BTreeSet<Vec<u8>>,
    searcher: OnceLock<Option<AhoCorasick>>,
}

impl Masker {
    /// Searches for `secret` too. Of text that is only partly secret, only the secret parts are learnt.
    pub fn learn(&mut self, secret: &Secret) {
        match secret.reveal() {
            Value::Text(text) if secret.shown() != Secret::MASK => {
                for part in hidden(text, secret.shown()) {
                    self.learn_text(part);
                }
            }
            value => self.learn_leaves(value),
        }
    }

    /// Searches for every secret inside `value`.
    pub fn learn_from(&mut self, value: &Value) {
        match value {
            Value::Secret(secret) => self.learn(secret),
            Value::List(items) => items.iter().for_each(|item| self.learn_from(item)),
            Value::Map(map) => map.values().for_each(|item| self.learn_from(item)),
            Value::Content(content) if content.is_secret() => {
                if let Ok(text) = std::str::from_utf8(content.bytes()) {
                    self.learn(&Secret::partly(Value::text(text), content.shown().into_owned()));
                }
            }
            _ => {}
        }
    }

    fn learn_leaves(&mut self, value: &Value) {
        match value {
            Value::Text(text) => self.learn_text(text),
            Value::Int(_) | Value::Float(_) => self.learn_text(&value.to_string()),
            Value::List(items) => items.iter().for_each(|item| self.learn_leaves(item)),
            Value::Map(map) => map.values().for_each(|item| self.learn_leaves(item)),
            other => self.learn_from(other),
        }
    }

    fn learn_text(&mut self, text: &str) {
        let trimmed = text.trim();
        let mut forms = BTreeSet::new();
        for whole in [text, trimmed] {
            forms_of(whole, &mut forms);
        }
        if trimmed.contains(['\n', '\r']) {
            for line in trimmed.lines() {
                forms_of(line.trim(), &mut forms);
            }
        }
        self.forms.extend(forms);
        self.searcher = OnceLock::new();
    }

    /// Is there nothing to search for?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// `text` with `***` where a secret stands.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.mask_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Forms are text, so what is left between them is text.
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The same for output that may be no text.
    #[must_use]
    pub fn mask_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(searcher) = self.searcher() else { return Cow::Borrowed(bytes) };
        let mut masked: Option<Vec<u8>> = None;
        let mut from = 0;
        for (start, end) in merged(searcher, bytes) {
            let out = masked.get_or_insert_with(|| Vec::with_capacity(bytes.len()));
            out.extend_from_slice(&bytes[from..start]);
            out.extend_from_slice(Secret::MASK.as_bytes());
            from = end;
        }
        match masked {
            None => Cow::Borrowed(bytes),
            Some(mut out) => {
                out.extend_from_slice(&bytes[from..]);
                Cow::Owned(out)
            }
        }
    }

    fn searcher(&self) -> Option<&AhoCorasick> {
        self.searcher
            .get_or_init(|| {
                if self.forms.is_empty() {
                    return None;
                }
                AhoCorasick::builder().match_kind(MatchKind::Standard).build(&self.forms).ok()
            })
            .as_ref()
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Masker({} forms)", self.forms.len())
    }
}

/// All places, overlapping ones as one: two secrets that share letters must both go.
fn merged(searcher: &AhoCorasick, bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut places: Vec<(usize, usize)> = Vec::new();
    for found in searcher.find_overlapping_iter(bytes) {
        let (mut start, end) = (found.start(), found.end());
        // Found in the order of their ends; a longer one may swallow those before.
        while let Some((before, _)) = places.pop_if(|(_, last)| *last > start) {
            start = start.min(before);
        }
        places.push((start, end));
    }
    places
}

/// The parts of `text` that `shown` has `***` for; all of it if that cannot be told.
fn hidden<'a>(text: &'a str, shown: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut known = shown.split(Secret::MASK).peekable();
    let Some(mut rest) = known.next().and_then(|first| text.strip_prefix(first)) else { return vec![text] };
    while let Some(next) = known.next() {
        let end = if known.peek().is_none() { rest.strip_suffix(next).map(str::len) } else { rest.find(next) };
        let Some(end) = end else { return vec![text] };
        parts.push(&rest[..end]);
        rest = &rest[end + next.len()..];
    }
    parts
}

fn forms_of(text: &str, forms: &mut BTreeSet<Vec<u8>>) {
    if text.chars().count() < SHORTEST {
        return;
    }
    forms.insert(text.as_bytes().to_vec());
    let mut add = |form: String| {
        if form.len() >= SHORTEST {
            forms.insert(form.into_bytes());
        }
    };
    for engine in [&STANDARD, &URL_SAFE] {
        for form in base64_forms(engine, text.as_bytes()) {
            add(form);
        }
    }
    for upper in [true, false] {
        add(url_escaped(text, upper, "%20"));
        add(url_escaped(text, upper, "+"));
    }
    let json = serde_json::Value::from(text).to_string();
    add(json[1..json.len() - 1].to_owned());
    add(json[1..json.len() - 1].replace('/', "\\/"));
    add(text.replace('\'', "'\\''"));
    let hex = each_byte(text, |byte| format!("{byte:02x}"));
    add(hex.to_uppercase());
    add(hex);
}

/// Base64 of `bytes` wherever it stands in what was encoded: at each of three places in a group, with what follows
/// unknown, and as the end, with and without padding; for long secrets also line by line as `base64` wraps it.
fn base64_forms(engine: &base64::engine::GeneralPurpose, bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for (before, skip) in [(0, 0), (1, 2), (2, 3)] {
        let mut padded = vec![0; before];
        padded.extend_from_slice(bytes);
        let encoded = engine.encode(&padded);
        let sure = padded.len() * 8 / 6;
        for end in [sure, encoded.trim_end_matches('=').len(), encoded.len()] {
            forms.push(encoded[skip..end].to_owned());
        }
        for width in [64, 76] {
            if encoded.len() > width {
                forms.extend(encoded.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()));
            }
        }
    }
    forms
}

fn url_escaped(text: &str, upper: bool, space: &str) -> String {
    each_byte(text, |byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => space.to_owned(),
        _ if upper => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    })
}

fn each_byte(text: &str, form: impl Fn(u8) -> String) -> String {
    text.bytes().map(form).collect::<Vec<_>>().concat()
}
