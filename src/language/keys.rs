//! Takes mappings apart: known keys are asked for by name, what is left over is a problem. Knows no key itself.

use std::time::Duration;

use crate::source::{Key, Node, Problem, Problems, Span, Tree};

use super::ansible;

/// A mapping that is being taken apart.
pub(super) struct Keys<'n> {
    entries: &'n [(Key, Node)],
    asked: Vec<&'static str>,
    /// `a play`, `a task` ...: for messages.
    what: &'static str,
}

impl<'n> Keys<'n> {
    /// `node` as a mapping of `what`.
    pub(super) fn open(node: &'n Node, what: &'static str, problems: &mut Problems) -> Option<Self> {
        let Tree::Map(entries) = &node.tree else {
            problems.push(
                Problem::error(node.span, format!("{what} is a mapping, not {}", node.kind()))
                    .label("a mapping of keys and values is expected"),
            );
            return None;
        };
        Some(Self { entries, asked: Vec::new(), what })
    }

    /// The value of `name`.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// Where the key `name` stands.
    pub(super) fn key_span(&self, name: &str) -> Option<Span> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(key, _)| key.span)
    }

    /// What nobody asked for.
    pub(super) fn rest(&self) -> Vec<&'n (Key, Node)> {
        self.entries.iter().filter(|(key, _)| !self.asked.contains(&key.name.as_str())).collect()
    }

    /// The keys asked for.
    pub(super) fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Reports what nobody asked for.
    pub(super) fn close(self, problems: &mut Problems) {
        for (key, _) in self.rest() {
            problems.push(unknown_key(key, self.what, self.asked.iter().copied()));
        }
    }
}

/// The problem of a key that `what` does not have.
pub(super) fn unknown_key<'a>(key: &Key, what: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Problem {
    let problem = Problem::error(key.span, format!("unknown key `{}` in {what}", key.name)).label("not known here");
    if let Some(instead) = ansible::instead_of_key(&key.name) {
        return problem.help(instead);
    }
    let before = problem.help.len();
    let problem = problem.did_you_mean(&key.name, known.clone());
    if problem.help.len() > before {
        return problem;
    }
    let mut known: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    known.sort_unstable();
    problem.help(format!("known keys are {}", known.join(", ")))
}

fn wrong(node: &Node, expected: &str, what: &str, problems: &mut Problems) {
    problems.push(
        Problem::error(node.span, format!("{what} is {expected}, not {}", node.kind()))
            .label(format!("{expected} is expected")),
    );
}

/// `node` as text without templates.
pub(super) fn text<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Option<&'n str> {
    let Some(text) = node.as_text() else {
        wrong(node, "text", what, problems);
        return None;
    };
    if is_template(text) {
        problems.push(
            Problem::error(node.span, format!("{what} may not hold a template"))
                .label("this must be the same in every run")
                .help("write the text itself"),
        );
        return None;
    }
    Some(text)
}

/// `node` as a name: text without `/`, line ends and surrounding blanks.
pub(super) fn name<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Option<&'n str> {
    let text = text(node, what, problems)?;
    let why = if text.is_empty() {
        "is empty"
    } else if text.contains('/') {
        "holds a `/`, which separates names in addresses"
    } else if text.ends_with(']') {
        "ends with `]`, which marks an item of a loop in addresses"
    } else if text.chars().any(char::is_control) {
        "holds a control character"
    } else if text.trim() != text {
        "begins or ends with a blank"
    } else {
        return Some(text);
    };
    problems.push(Problem::error(node.span, format!("{what} {why}")).label("choose another name"));
    None
}

/// `node` as `true` or `false`.
pub(super) fn flag(node: &Node, what: &str, problems: &mut Problems) -> Option<bool> {
    if let Tree::Bool(truth) = node.tree {
        return Some(truth);
    }
    let mut problem = Problem::error(node.span, format!("{what} is `true` or `false`, not {}", node.kind()));
    problem = match node.as_text().map(str::to_ascii_lowercase).as_deref() {
        Some("yes" | "on" | "true") => problem.label("write `true`").help("YAML 1.2 knows only `true` and `false`"),
        Some("no" | "off" | "false") => problem.label("write `false`").help("YAML 1.2 knows only `true` and `false`"),
        _ => problem.label("`true` or `false` is expected"),
    };
    problems.push(problem);
    None
}

/// `node` as a whole number from `least` on.
pub(super) fn count(node: &Node, least: u32, what: &str, problems: &mut Problems) -> Option<u32> {
    if let Tree::Int(number) = node.tree
        && let Ok(number) = u32::try_from(number)
        && number >= least
    {
        return Some(number);
    }
    problems.push(
        Problem::error(node.span, format!("{what} is a whole number from {least} on"))
            .label(format!("a whole number from {least} on is expected")),
    );
    None
}

/// `node` as a list.
pub(super) fn list<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Option<&'n [Node]> {
    if let Tree::List(items) = &node.tree {
        return Some(items);
    }
    wrong(node, "a list", what, problems);
    None
}

/// `node` as one text, or a list of them; each with its place.
pub(super) fn words(node: &Node, what: &str, problems: &mut Problems) -> Vec<(String, Span)> {
    let items = match &node.tree {
        Tree::List(items) => items.as_slice(),
        Tree::Text(..) => std::slice::from_ref(node),
        _ => {
            wrong(node, "text or a list of texts", what, problems);
            return Vec::new();
        }
    };
    let mut words: Vec<(String, Span)> = Vec::new();
    for item in items {
        let Some(word) = text(item, what, problems) else { continue };
        if let Some((_, first)) = words.iter().find(|(known, _)| known == word) {
            problems.push(
                Problem::error(item.span, format!("`{word}` is named twice"))
                    .label("again here")
                    .related(*first, "first named here"),
            );
            continue;
        }
        words.push((word.to_owned(), item.span));
    }
    words
}

/// `node` as a duration: seconds, or text such as `90s`, `5m`, `1h`.
pub(super) fn duration(node: &Node, what: &str, problems: &mut Problems) -> Option<Duration> {
    let seconds = match &node.tree {
        Tree::Int(seconds) => u64::try_from(*seconds).ok(),
        Tree::Text(text, _) => seconds(text),
        _ => None,
    };
    // A year bounds what can be added to a clock without overflow.
    if let Some(seconds) = seconds.filter(|seconds| *seconds <= 31_536_000) {
        return Some(Duration::from_secs(seconds));
    }
    problems.push(
        Problem::error(node.span, format!("{what} is a number of seconds, or such as `90s`, `5m` or `1h`"))
            .label("a duration of at most a year is expected"),
    );
    None
}

/// Seconds of a text such as `90s`, `5m` or `1h`.
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..unit].parse().ok()?;
    let factor = match &text[unit..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Does `text` hold anything that the template engine would act on?
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations() {
        assert_eq!(seconds("90"), Some(90));
        assert_eq!(seconds("5m"), Some(300));
        assert_eq!(seconds("1h"), Some(3600));
        assert_eq!(seconds("1 h"), None);
        assert_eq!(seconds("h"), None);
        assert_eq!(seconds("99999999999999999999"), None);
        assert_eq!(seconds("9999999999999999d"), None);
    }
}
