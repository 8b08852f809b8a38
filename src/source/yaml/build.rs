//! Events to trees, within limits. What is wrong with the meaning is gathered and never stops the work; only a limit does.

use std::collections::HashMap;

use granit_parser::{Event, ScalarStyle, Span as Range, StructureStyle, Tag};

use super::super::{Key, Node, Problem, Span, Tree};
use super::mapping::{self, Entry};
use super::text::Text;
use super::{Limits, scalar, template};

/// More problems than this in one file help nobody.
const MOST_PROBLEMS: usize = 100;

/// How to go on after an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// With the next event.
    Event,
    /// With the next document.
    Document,
    /// Not at all.
    Stop,
}

/// How much a tree weighs with its aliases unfolded.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
        self.depth = self.depth.max(other.depth + 1);
    }
}

/// A collection that is still open.
struct Frame {
    start: usize,
    end: usize,
    flow: bool,
    anchor: usize,
    weight: Weight,
    /// It is really a `{{ template }}` that lacks its quotes, and was reported as one.
    template: bool,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map(Vec<Entry>, Option<(Key, bool)>),
    /// Its tag was refused, so its content says nothing.
    Refused,
}

struct Anchored {
    node: Node,
    weight: Weight,
    /// Where the value itself stands, which is what a key made from it is called after.
    written: Span,
}

/// Takes events, gives trees.
pub(super) struct Builder<'a> {
    text: &'a Text<'a>,
    limits: Limits,
    pub(super) documents: Vec<Node>,
    pub(super) problems: Vec<Problem>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    names: Vec<String>,
    spent: Weight,
    /// One past the last byte that an event stood for.
    pub(super) seen: usize,
    /// Where the last event began.
    last: usize,
    /// The last scalar.
    pub(super) scalar: std::ops::Range<usize>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a Text<'a>, limits: Limits) -> Self {
        Self {
            text,
            limits,
            documents: Vec::new(),
            problems: Vec::new(),
            frames: Vec::new(),
            anchors: HashMap::new(),
            names: Vec::new(),
            spent: Weight::default(),
            seen: 0,
            last: 0,
            scalar: 0..0,
        }
    }

    /// Where the open collections begin, outermost first, and whether each is in brackets.
    pub(super) fn open(&self) -> impl DoubleEndedIterator<Item = (usize, bool)> {
        self.frames.iter().map(|frame| (frame.start, frame.flow))
    }

    /// Forgets the document that could not be read to its end.
    pub(super) fn abandon(&mut self) {
        self.frames.clear();
        self.anchors.clear();
        self.names.clear();
    }

    /// Takes one event that stands at `range`.
    pub(super) fn take(&mut self, event: &Event<'_>, range: &Range) -> Next {
        let at = range.byte_range().unwrap_or_default();
        if !matches!(event, Event::Anchor(..)) {
            self.last = at.start;
        }
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                self.scalar(value, *style, *anchor, tag.as_deref(), at, range);
            }
            Event::SequenceStart(style, anchor, tag) => {
                return self.begin(Kind::List(Vec::new()), *style, *anchor, tag.as_deref(), at, range);
            }
            Event::MappingStart(style, anchor, tag) => {
                return self.begin(Kind::Map(Vec::new(), None), *style, *anchor, tag.as_deref(), at, range);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at.end),
            Event::Anchor(_, name) => self.names.push(name.to_string()),
            Event::Alias(id) => self.alias(*id, at),
            Event::UnresolvedAlias(name) => self.unresolved(name, at),
            Event::DocumentEnd => self.abandon(),
            _ => {}
        }
        if self.problems.len() >= MOST_PROBLEMS {
            let place = self.text.span(self.text.word(self.last));
            self.problems.push(Problem::error(place, "too many problems: the rest of the file was not looked at"));
            return Next::Stop;
        }
        if self.spent.nodes > self.limits.nodes || self.spent.bytes > self.limits.bytes {
            return self.too_large();
        }
        Next::Event
    }

    fn too_large(&mut self) -> Next {
        let (summary, help) = if self.spent.nodes > self.limits.nodes {
            (format!("the file has more than {} values", self.limits.nodes), "split it")
        } else {
            (
                format!("the file holds more than {} bytes when its aliases are unfolded", self.limits.bytes),
                "use fewer aliases of large values",
            )
        };
        let mut problem =
            Problem::error(self.text.span(self.text.word(self.last)), summary).label("the limit is reached here");
        if !self.anchors.is_empty() {
            problem = problem.help("each alias (`*name`) counts as much as the value it stands for");
        }
        self.problems.push(problem.help(help));
        Next::Stop
    }

    fn scalar(
        &mut self,
        value: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: std::ops::Range<usize>,
        range: &Range,
    ) {
        let empty = at.is_empty() && style == ScalarStyle::Plain;
        let at = if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) { self.block(at) } else { at };
        let span = if empty { self.nothing_at(at.start) } else { self.text.span(at.clone()) };
        self.seen = self.seen.max(at.end);
        self.scalar = at;
        // The parser calls an empty value `~`.
        let value = if empty { "" } else { value };
        let tree = scalar::resolve(value, style, tag).unwrap_or_else(|senseless| {
            let place = range.tag_span().and_then(|tag| tag.byte_range()).filter(|_| tag.is_some());
            let place = place.map_or(span, |place| self.text.span(place));
            self.problems.push(Problem::error(place, senseless.summary).help(senseless.help));
            Tree::Null
        });
        let is_key = matches!(self.frames.last(), Some(Frame { kind: Kind::Map(_, None), .. }));
        let weight = Weight { nodes: usize::from(!is_key), bytes: value.len(), depth: 0 };
        self.spend(weight);
        let node = Node { span, tree };
        self.keep(anchor, &node, weight);
        self.place(node, weight, span, style == ScalarStyle::Plain && tag.is_none());
    }

    /// Where to point for a value that is not there: at its key, else where it would stand.
    fn nothing_at(&self, at: usize) -> Span {
        match self.frames.last() {
            Some(Frame { kind: Kind::Map(_, Some((key, _))), .. }) => key.span,
            _ => self.text.span(at..at),
        }
    }

    /// A block scalar from its `|` or `>` to the last line with content; the parser points at the content alone.
    fn block(&self, content: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let text = self.text.whole;
        let header = self.text.line_at(text[..self.text.floor(content.start)].trim_end().len());
        let from = header.start.max(self.seen.min(header.end));
        let line = &text[from..header.end];
        let start = line.match_indices(['|', '>']).map(|(found, _)| found).find(|found| {
            let before = line[..*found].chars().next_back();
            let after = line[found + 1..].trim_start_matches(|sign: char| sign.is_ascii_digit() || "+-".contains(sign));
            before.is_none_or(char::is_whitespace) && (after.trim().is_empty() || after.trim_start().starts_with('#'))
        });
        let Some(start) = start.map(|found| from + found) else { return content };
        let end = content.start + text[content.clone()].trim_end().len();
        start..if content.is_empty() || end == content.start { header.end } else { end }
    }

    fn begin(
        &mut self,
        kind: Kind,
        style: StructureStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: std::ops::Range<usize>,
        range: &Range,
    ) -> Next {
        self.seen = self.seen.max(at.end);
        if self.frames.len() >= self.limits.depth {
            self.problems.push(too_deep(self.text.span(self.text.word(at.start)), self.limits));
            return Next::Document;
        }
        let wanted = if matches!(kind, Kind::List(_)) { "seq" } else { "map" };
        let mut kind = kind;
        if let Err(senseless) = scalar::collection_tag(tag, wanted) {
            let place = range.tag_span().and_then(|tag| tag.byte_range()).unwrap_or(at.clone());
            self.problems.push(Problem::error(self.text.span(place), senseless.summary).help(senseless.help));
            kind = Kind::Refused;
        }
        self.spend(Weight { nodes: 1, ..Weight::default() });
        let flow = style == StructureStyle::Flow;
        self.frames.push(Frame {
            start: if wanted == "seq" && !flow { self.dash(at.start) } else { at.start },
            end: at.end,
            flow,
            anchor,
            weight: Weight { nodes: 1, bytes: 0, depth: 1 },
            template: false,
            kind,
        });
        Next::Event
    }

    /// Where a block list begins: the parser points past the `-` of one that is not indented.
    fn dash(&self, at: usize) -> usize {
        let text = self.text.whole;
        let before = text[..at].trim_end_matches([' ', '\t', '\n', '\r']);
        if !text[at..].starts_with('-') && before.ends_with('-') { before.len() - 1 } else { at }
    }

    fn end(&mut self, end: usize) {
        let Some(frame) = self.frames.pop() else { return };
        let end = if frame.flow { end } else { frame.end };
        self.seen = self.seen.max(end);
        let span = self.text.span(frame.start..end);
        let tree = match frame.kind {
            _ if frame.template => Tree::Text(String::new(), super::super::Style::Plain),
            Kind::List(items) => Tree::List(items),
            Kind::Map(entries, _) => Tree::Map(mapping::close(self.text, entries, &mut self.problems)),
            Kind::Refused => Tree::Null,
        };
        let node = Node { span, tree };
        self.keep(frame.anchor, &node, frame.weight);
        self.place(node, frame.weight, span, false);
    }

    fn keep(&mut self, anchor: usize, node: &Node, weight: Weight) {
        if anchor == 0 || self.spent.nodes > self.limits.nodes {
            return;
        }
        // A copy is kept for the aliases to come: it costs as much as one of them.
        self.spend(weight);
        self.anchors.insert(anchor, Anchored { node: node.clone(), weight, written: node.span });
    }

    fn spend(&mut self, weight: Weight) {
        self.spent.nodes = self.spent.nodes.saturating_add(weight.nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(weight.bytes);
    }

    fn alias(&mut self, id: usize, at: std::ops::Range<usize>) {
        let span = self.text.span(at.clone());
        self.seen = self.seen.max(at.end);
        let Some(anchored) = self.anchors.get(&id) else {
            let summary = format!("the alias `{}` stands inside the value it names", self.text.slice(span));
            self.problems.push(Problem::error(span, summary).help("a value cannot contain itself: write it out"));
            self.place(Node { span, tree: Tree::Null }, Weight::default(), span, false);
            return;
        };
        let (weight, written) = (anchored.weight, anchored.written);
        if self.frames.len() + weight.depth > self.limits.depth {
            self.problems.push(too_deep(span, self.limits));
            self.place(Node { span, tree: Tree::Null }, Weight::default(), written, false);
            return;
        }
        // Before the copy is made: what is past the limit is never built.
        self.spend(weight);
        if self.spent.nodes > self.limits.nodes || self.spent.bytes > self.limits.bytes {
            return;
        }
        if let Some(anchored) = self.anchors.get(&id) {
            let node = Node { span, tree: anchored.node.tree.clone() };
            self.place(node, weight, written, false);
        }
    }

    fn unresolved(&mut self, name: &str, at: std::ops::Range<usize>) {
        let span = self.text.span(at.clone());
        self.seen = self.seen.max(at.end);
        let problem = Problem::error(span, format!("no value above bears the anchor `&{name}`"))
            .did_you_mean(name, self.names.iter().map(String::as_str))
            .help(format!("if it is text, quote it: `\"*{name}\"`"));
        self.problems.push(problem);
        self.place(Node { span, tree: Tree::Null }, Weight::default(), span, false);
    }

    /// Puts `node` where it belongs. `written` is where its text stands, `plain` says that it is a bare scalar.
    fn place(&mut self, node: Node, weight: Weight, written: Span, plain: bool) {
        let Some(frame) = self.frames.last_mut() else {
            self.documents.push(node);
            return;
        };
        frame.end = frame.end.max(node.span.end as usize);
        frame.weight.add(weight);
        match &mut frame.kind {
            Kind::Refused => {}
            Kind::List(items) => items.push(node),
            Kind::Map(entries, key) => {
                if let Some((key, merge)) = key.take() {
                    entries.push(Entry { key, value: node, merge });
                } else {
                    let merge = plain && node.as_text() == Some("<<");
                    let key = self.key(node, written);
                    if let Some(Frame { kind: Kind::Map(_, slot), .. }) = self.frames.last_mut() {
                        *slot = Some((key, merge));
                    }
                }
            }
        }
    }

    fn key(&mut self, node: Node, written: Span) -> Key {
        let span = node.span;
        let kind = node.kind();
        let name = match node.tree {
            Tree::Text(text, _) => text,
            Tree::List(_) | Tree::Map(_) => {
                self.not_text(span, kind);
                // Stands for nothing and equals no other key.
                format!("\0{}", span.start)
            }
            Tree::Null if written.start == written.end => {
                let word = self.text.span(self.text.word(self.text.content_start(span.start as usize)));
                self.problems.push(Problem::error(word, "a key is missing before the `:`").help("write `name: value`"));
                format!("\0{}", span.start)
            }
            // As written: `1.10` and `0x1f` are names here, not numbers.
            _ => self.text.slice(written).to_owned(),
        };
        Key { name, span }
    }

    fn not_text(&mut self, span: Span, kind: &str) {
        let start = span.start as usize;
        // `{{ x }}` without quotes reads as a mapping whose key is a mapping.
        let parent = self.frames.last_mut().filter(|frame| frame.flow);
        if let Some(frame) = parent.filter(|frame| template::begins(&self.text.whole[frame.start..])) {
            if !frame.template {
                frame.template = true;
                let start = frame.start;
                let flow = self.frames.iter().rev().skip(1).any(|frame| frame.flow);
                self.problems.push(template::unquoted(self.text, template::value(self.text, start, flow)));
            }
            return;
        }
        let first = self.text.word(start);
        self.problems.push(
            Problem::error(
                self.text.span(first.start..first.end.min(span.end as usize)),
                format!("a key must be text, not {kind}"),
            )
            .help("quote it if it is text"),
        );
    }
}

pub(super) fn too_deep(span: Span, limits: Limits) -> Problem {
    Problem::error(span, format!("this is nested deeper than {} levels", limits.depth)).help("write it flatter")
}
