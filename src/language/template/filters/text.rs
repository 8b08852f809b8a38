//! Text: regular expressions, encodings, quoting, paths.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, Value as Engine};
use regex::{Regex, RegexBuilder};
use sha2::Digest as _;

use super::super::fault::{refuse, wrong};
use super::text_of;

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("string", |value: &Engine| text_of(value));
    environment.add_filter("join", join);
    environment.add_filter("regex_replace", regex_replace);
    environment.add_filter("regex_search", regex_search);
    environment.add_filter("regex_findall", regex_findall);
    environment.add_filter("regex_escape", |value: &Engine| Ok::<_, Error>(regex::escape(&text_of(value)?)));
    environment.add_filter("b64encode", |value: &Engine| Ok::<_, Error>(STANDARD.encode(text_of(value)?)));
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("hash", hash);
    environment.add_filter("quote", quote);
    environment.add_filter("comment", comment);
    environment.add_filter("basename", |path: &Engine| Ok::<_, Error>(split_path(&text_of(path)?).1.to_owned()));
    environment.add_filter("dirname", |path: &Engine| Ok::<_, Error>(split_path(&text_of(path)?).0.to_owned()));
    environment.add_filter("splitext", splitext);
    environment.add_filter("path_join", path_join);
}

fn join(value: &Engine, with: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let attribute = kwargs.get::<Option<String>>("attribute")?;
    kwargs.assert_all_used()?;
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let mut texts = Vec::new();
    for item in value.try_iter()?.checked() {
        let item = item?;
        texts.push(match &attribute {
            Some(attribute) => text_of(&item.get_attr(attribute)?)?,
            None => text_of(&item)?,
        });
    }
    Ok(texts.join(with.unwrap_or_default()))
}

/// A regular expression, compiled once.
pub(super) fn regex(pattern: &str, kwargs: &Kwargs) -> Result<Regex, Error> {
    type Compiled = Mutex<HashMap<(String, bool, bool), Regex>>;
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    let ignorecase = kwargs.get::<Option<bool>>("ignorecase")?.unwrap_or(false);
    let multiline = kwargs.get::<Option<bool>>("multiline")?.unwrap_or(false);
    let key = (pattern.to_owned(), ignorecase, multiline);
    let mut compiled = COMPILED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(&key) {
        return Ok(regex.clone());
    }
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(ignorecase)
        .multi_line(multiline)
        .build()
        .map_err(|error| bad_regex(pattern, &error))?;
    // Patterns stand in the project's text, so there are few; made ones must not pile up.
    if compiled.len() > 500 {
        compiled.clear();
    }
    compiled.insert(key, regex.clone());
    Ok(regex)
}

fn bad_regex(pattern: &str, error: &regex::Error) -> Error {
    let why = error.to_string();
    let why = why.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
    let message = format!("bad regular expression `{pattern}`: {why}");
    if why.contains("look-around") || why.contains("backreferences") {
        return refuse(message, "match more and take a group, or test twice");
    }
    wrong(message)
}

/// Python's `\1` and `\g<name>` as the engine writes them.
fn replacement(text: &str) -> String {
    static GROUP: OnceLock<Option<Regex>> = OnceLock::new();
    let escaped = text.replace('$', "$$");
    match GROUP.get_or_init(|| Regex::new(r"\\(?:g<(\w+)>|(\d{1,2})|(\\))").ok()) {
        Some(group) => group
            .replace_all(&escaped, |found: &regex::Captures<'_>| match (found.get(1).or(found.get(2)), found.get(3)) {
                (Some(name), _) => format!("${{{}}}", name.as_str()),
                _ => "\\".to_owned(),
            })
            .into_owned(),
        None => escaped,
    }
}

fn regex_replace(value: &Engine, pattern: &str, with: Option<&Engine>, kwargs: Kwargs) -> Result<String, Error> {
    let regex = regex(pattern, &kwargs)?;
    let count = kwargs.get::<Option<usize>>("count")?.unwrap_or(0);
    kwargs.assert_all_used()?;
    let with = with.map(text_of).transpose()?.unwrap_or_default();
    Ok(regex.replacen(&text_of(value)?, count, replacement(&with)).into_owned())
}

fn regex_search(value: &Engine, pattern: &str, groups: Rest<Engine>, kwargs: Kwargs) -> Result<Engine, Error> {
    let regex = regex(pattern, &kwargs)?;
    kwargs.assert_all_used()?;
    let text = text_of(value)?;
    let Some(found) = regex.captures(&text) else { return Ok(Engine::from(())) };
    if groups.is_empty() {
        return Ok(Engine::from(found.get(0).map_or("", |all| all.as_str())));
    }
    let mut parts = Vec::new();
    for group in groups.iter() {
        let group = text_of(group)?;
        let name = group.trim_start_matches('\\').trim_start_matches("g<").trim_end_matches('>');
        let part = match name.parse::<usize>() {
            Ok(number) if number < regex.captures_len() => found.get(number),
            _ if regex.capture_names().flatten().any(|known| known == name) => found.name(name),
            _ => return Err(wrong(format!("the regular expression `{pattern}` has no group `{name}`"))),
        };
        parts.push(part.map_or(Engine::from(()), |part| Engine::from(part.as_str())));
    }
    Ok(Engine::from(parts))
}

fn regex_findall(value: &Engine, pattern: &str, kwargs: Kwargs) -> Result<Engine, Error> {
    let regex = regex(pattern, &kwargs)?;
    kwargs.assert_all_used()?;
    let text = text_of(value)?;
    let group = |found: &regex::Captures<'_>, at: usize| Engine::from(found.get(at).map_or("", |part| part.as_str()));
    Ok(regex
        .captures_iter(&text)
        .map(|found| match found.len() {
            1 => group(&found, 0),
            2 => group(&found, 1),
            many => (1..many).map(|at| group(&found, at)).collect(),
        })
        .collect())
}

fn b64decode(value: &Engine) -> Result<String, Error> {
    let text: String = text_of(value)?.split_ascii_whitespace().collect();
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let bytes = engine.decode(&text).map_err(|_| wrong("the text is not base64"))?;
    String::from_utf8(bytes).map_err(|_| wrong("what base64 decodes to is not text"))
}

fn hash(value: &Engine, kind: Option<&str>) -> Result<String, Error> {
    fn hex(bytes: impl AsRef<[u8]>) -> String {
        bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }
    let text = text_of(value)?;
    Ok(match kind {
        Some("sha256") => hex(sha2::Sha256::digest(text)),
        Some("sha512") => hex(sha2::Sha512::digest(text)),
        Some("sha384") => hex(sha2::Sha384::digest(text)),
        Some("sha224") => hex(sha2::Sha224::digest(text)),
        Some(other) => {
            return Err(refuse(format!("the hash `{other}` is not offered"), "use `sha256`, `sha384` or `sha512`"));
        }
        None => return Err(refuse("`hash` needs the name of a hash", "write `hash('sha256')`")),
    })
}

fn quote(value: &Engine) -> Result<String, Error> {
    let text = text_of(value)?;
    if text.contains('\0') {
        return Err(wrong("a text with a NUL byte cannot be given to a shell"));
    }
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "@%+=:,./_-".contains(letter);
    Ok(if !text.is_empty() && text.chars().all(safe) { text } else { format!("'{}'", text.replace('\'', "'\"'\"'")) })
}

fn comment(value: &Engine, style: Option<&str>) -> Result<String, Error> {
    let (mark, first, last) = match style.unwrap_or("plain") {
        "plain" => ("# ", "#", "#"),
        "c" => ("// ", "//", "//"),
        "cblock" => (" * ", "/*", " */"),
        "erlang" => ("% ", "%", "%"),
        "xml" => (" - ", "<!--", "-->"),
        other => {
            return Err(refuse(
                format!("there is no style of comment `{other}`"),
                "use `plain`, `c`, `cblock`, `erlang` or `xml`",
            ));
        }
    };
    let text = text_of(value)?;
    let lines = text.lines().map(|line| format!("{mark}{line}").trim_end().to_owned());
    Ok([first.to_owned()].into_iter().chain(lines).chain([last.to_owned()]).collect::<Vec<_>>().join("\n"))
}

/// Folder and name, as Python splits a path.
fn split_path(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (folder, name) = path.split_at(at);
    let trimmed = folder.trim_end_matches('/');
    (if trimmed.is_empty() { folder } else { trimmed }, name)
}

fn splitext(value: &Engine) -> Result<Vec<String>, Error> {
    let path = text_of(value)?;
    let name = split_path(&path).1;
    let stem = name.trim_start_matches('.');
    let at = stem.rfind('.').map_or(path.len(), |dot| path.len() - stem.len() + dot);
    Ok(vec![path[..at].to_owned(), path[at..].to_owned()])
}

fn path_join(value: &Engine) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let mut path = String::new();
    for part in super::items_of(value)? {
        let part = text_of(&part)?;
        if part.starts_with('/') {
            path = part;
        } else {
            if !path.is_empty() && !path.ends_with('/') {
                path.push('/');
            }
            path.push_str(&part);
        }
    }
    Ok(path)
}
