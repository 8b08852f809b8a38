//! Inputs of roles: `inputs.yml`, their types, and what fits them. Knows nothing of layers.

use crate::model::{Secret, Value};
use crate::source::{Key, Node, Problem, Problems, Span, Tree, did_you_mean};

use super::keys::{self, Keys};

/// An input as a role declares it.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) name: String,
    /// Its key.
    pub(super) span: Span,
    pub(super) kind: InputKind,
    pub(super) choices: Vec<Value>,
    pub(super) default: Option<Node>,
    pub(super) doc: String,
}

/// The type of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputKind {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list.
    List,
    /// A mapping.
    Map,
    /// An absolute path on a host.
    Path,
    /// Anything, which prints as `***` everywhere.
    Secret,
    /// What was declared wrongly: nothing more is said of it.
    Broken,
}

const KINDS: [(&str, InputKind); 8] = [
    ("text", InputKind::Text),
    ("int", InputKind::Int),
    ("number", InputKind::Number),
    ("bool", InputKind::Bool),
    ("list", InputKind::List),
    ("map", InputKind::Map),
    ("path", InputKind::Path),
    ("secret", InputKind::Secret),
];

/// What others call the same thing.
const OTHER_WORDS: [(&str, &str); 11] = [
    ("str", "text"),
    ("string", "text"),
    ("integer", "int"),
    ("float", "number"),
    ("boolean", "bool"),
    ("array", "list"),
    ("sequence", "list"),
    ("dict", "map"),
    ("object", "map"),
    ("mapping", "map"),
    ("password", "secret"),
];

impl Input {
    /// The inputs in the tree of an `inputs.yml`.
    pub(super) fn parse_all(node: &Node, problems: &mut Problems) -> Vec<Self> {
        if node.tree == Tree::Null {
            return Vec::new();
        }
        let Tree::Map(entries) = &node.tree else {
            problems.push(
                Problem::error(node.span, format!("`inputs.yml` is a mapping of inputs, not {}", node.kind()))
                    .help("write `name: { type: text, default: ..., doc: ... }`, one an input"),
            );
            return Vec::new();
        };
        let parse = |(key, node): &(Key, Node)| {
            Self::parse(&key.name, key.span, node, problems).unwrap_or_else(|| Self {
                name: key.name.clone(),
                span: key.span,
                kind: InputKind::Broken,
                choices: Vec::new(),
                default: Some(Node { span: key.span, tree: Tree::Null }),
                doc: String::new(),
            })
        };
        entries.iter().map(parse).collect()
    }

    fn parse(name: &str, span: Span, node: &Node, problems: &mut Problems) -> Option<Self> {
        check_name(name, span, "an input", problems);
        if !matches!(node.tree, Tree::Map(_)) {
            problems.push(
                Problem::error(node.span, format!("the input `{name}` is described by a mapping, not {}", node.kind()))
                    .help(format!("write `{name}: {{ type: text, default: ..., doc: ... }}`")),
            );
            return None;
        }
        let mut keys = Keys::open(node, "an input", problems)?;
        let choices = keys.take("choices").and_then(|node| keys::list(node, "`choices`", problems)).unwrap_or_default();
        let choices: Vec<_> = choices.iter().map(plain).collect();
        let kind = match keys.take("type") {
            Some(node) => kind_of(node, problems)?,
            None if !choices.is_empty() => InputKind::Text,
            None => {
                let known: Vec<_> = KINDS.iter().map(|(name, _)| format!("`{name}`")).collect();
                problems.push(
                    Problem::error(span, format!("the input `{name}` has no type"))
                        .help(format!("add `type:`, one of {}", known.join(", "))),
                );
                return None;
            }
        };
        let default = keys.take("default").cloned();
        let required_at = keys.take("required");
        let required = required_at.and_then(|node| keys::flag(node, "`required`", problems));
        let doc = keys.take("doc").and_then(|node| keys::text(node, "`doc`", problems)).unwrap_or_default().to_owned();
        if doc.trim().is_empty() {
            problems.push(
                Problem::error(span, format!("the input `{name}` has no `doc`")).help("say in one line what it is for"),
            );
        }
        match (&default, required) {
            (Some(default), Some(true)) => problems.push(
                Problem::error(default.span, format!("the input `{name}` is required and has a default"))
                    .label("never used")
                    .help("keep one of the two"),
            ),
            (None, None | Some(false)) => problems.push(
                Problem::error(span, format!("the input `{name}` has neither a default nor `required: true`"))
                    .help("add one of the two; `default: null` stands for nothing"),
            ),
            _ => {}
        }
        keys.close(problems);
        let input = Self { name: name.to_owned(), span, kind, choices, default, doc };
        for choice in &input.choices {
            if let Err(why) = input.kind.fits(choice) {
                problems.push(Problem::error(span, format!("a choice of `{name}` is no {}: {why}", input.kind.name())));
            }
        }
        Some(input)
    }

    /// `value` as this input holds it.
    ///
    /// # Errors
    /// Why it does not fit, in words that follow "`name` ".
    pub(super) fn accept(&self, value: Value, is_default: bool) -> Result<Value, String> {
        if matches!(value, Value::Unknown(_)) || (is_default && value == Value::Null) {
            return Ok(value);
        }
        let inner = match &value {
            Value::Secret(secret) => secret.reveal(),
            open => open,
        };
        self.kind.fits(inner)?;
        if !self.choices.is_empty() && !self.choices.contains(inner) {
            let known: Vec<_> = self.choices.iter().map(|choice| format!("`{choice}`")).collect();
            let near =
                inner.as_text().and_then(|text| did_you_mean(text, self.choices.iter().filter_map(Value::as_text)));
            let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("is one of {}{near}", known.join(", ")));
        }
        Ok(match (self.kind, value) {
            (InputKind::Secret, value @ Value::Secret(_)) => value,
            (InputKind::Secret, open) => Value::Secret(Secret::new(open)),
            (_, value) => value,
        })
    }
}

impl InputKind {
    /// The word for it.
    fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    fn fits(self, value: &Value) -> Result<(), String> {
        let fits = match (self, value) {
            (_, Value::Unknown(_))
            | (Self::Broken, _)
            | (Self::Text, Value::Text(_))
            | (Self::Int | Self::Number, Value::Int(_))
            | (Self::Number, Value::Float(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::List, Value::List(_))
            | (Self::Map, Value::Map(_)) => true,
            (Self::Secret, value) => *value != Value::Null,
            (Self::Path, Value::Text(path)) => {
                if path.starts_with('/') && !path.contains('\0') {
                    return Ok(());
                }
                return Err("is an absolute path, it begins with `/`".to_owned());
            }
            (_, Value::Secret(secret)) => return self.fits(secret.reveal()),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let quote = match (self, value) {
            (Self::Text | Self::Path, Value::Int(_) | Value::Float(_) | Value::Bool(_)) => "; put it in quotes",
            _ => "",
        };
        Err(format!("is {}, not {}{quote}", self.words(), value.kind()))
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "a whole number",
            Self::Number => "a number",
            Self::Bool => "`true` or `false`",
            Self::List => "a list",
            Self::Map => "a mapping",
            Self::Path => "an absolute path",
            Self::Secret => "a secret",
            Self::Broken => "something else",
        }
    }
}

fn kind_of(node: &Node, problems: &mut Problems) -> Option<InputKind> {
    let word = keys::text(node, "`type`", problems)?;
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word) {
        return Some(*kind);
    }
    let problem = Problem::error(node.span, format!("unknown type `{word}`"));
    let problem = match OTHER_WORDS.iter().find(|(other, _)| *other == word) {
        Some((_, ours)) => problem.help(format!("write `{ours}`")),
        None => problem.did_you_mean(word, KINDS.iter().map(|(name, _)| *name)),
    };
    let known: Vec<_> = KINDS.iter().map(|(name, _)| format!("`{name}`")).collect();
    problems.push(problem.help(format!("types are {}", known.join(", "))));
    None
}

/// Names that mean something everywhere, and words of the template language.
pub(super) const BUILT_IN: [&str; 6] = ["inventory_hostname", "groups", "group_names", "hostvars", "item", "facts"];
const RESERVED: [&str; 21] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "for",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "range",
    "dict",
    "namespace",
    "self",
    "loop",
    "super",
];

/// Can `name` be read in a template?
pub(super) fn check_name(name: &str, span: Span, what: &str, problems: &mut Problems) {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let near: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        problems.push(
            Problem::error(span, format!("`{name}` cannot be the name of {what}"))
                .label("letters, digits and `_`, not beginning with a digit")
                .help(format!("write `{near}`")),
        );
    } else if BUILT_IN.contains(&name) || RESERVED.contains(&name) {
        problems.push(
            Problem::error(span, format!("`{name}` cannot be the name of {what}: it is built in"))
                .label("choose another name"),
        );
    }
}

/// The tree as a value, templates as they are written.
pub(super) fn plain(node: &Node) -> Value {
    match &node.tree {
        Tree::Null => Value::Null,
        Tree::Bool(truth) => Value::Bool(*truth),
        Tree::Int(number) => Value::Int(*number),
        Tree::Float(number) => Value::Float(*number),
        Tree::Text(text, _) => Value::text(text.as_str()),
        Tree::List(items) => Value::List(items.iter().map(plain).collect()),
        Tree::Map(entries) => Value::Map(entries.iter().map(|(key, node)| (key.name.clone(), plain(node))).collect()),
    }
}
