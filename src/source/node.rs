//! The spanned tree: plain data of a YAML document, every key and value with its place in the text.

use super::Span;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands; for an alias, where it is used.
    pub span: Span,
    /// What it is.
    pub tree: Tree,
}

/// What a [`Node`] holds. Scalars follow YAML 1.2 (`yes` and `0644` are text).
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// Text, and how it was written.
    Text(String, Style),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text, without double keys.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its text.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// How a text scalar was written: tells whether offsets into the value are offsets into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In `'` or `"`.
    Quoted,
    /// A `|` or `>` block.
    Block,
}

impl Node {
    /// The text, if it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.tree {
            Tree::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.tree {
            Tree::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.tree {
            Tree::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value under `key`, if it is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|(name, _)| name.name == key).map(|(_, node)| node)
    }

    /// `a mapping`, `text`, ...: for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.tree {
            Tree::Null => "nothing",
            Tree::Bool(_) => "true or false",
            Tree::Int(_) => "a whole number",
            Tree::Float(_) => "a number",
            Tree::Text(..) => "text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a mapping",
        }
    }

    /// The span of the deepest node on `path` (keys, or indices as decimal text) that exists.
    #[must_use]
    pub fn span_at<S: AsRef<str>>(&self, path: &[S]) -> Span {
        let Some((first, rest)) = path.split_first() else { return self.span };
        let child = match &self.tree {
            Tree::Map(_) => self.get(first.as_ref()),
            Tree::List(items) => first.as_ref().parse::<usize>().ok().and_then(|at| items.get(at)),
            _ => None,
        };
        child.map_or(self.span, |node| node.span_at(rest))
    }
}
