//! A part of a file: what `line` and `block` have in common. Links are followed, for the file is meant.

use regex::Regex;
use serde::{Deserialize, de};

use super::attributes::{self, Names, Wanted};
use super::path::{Folder, HostPath, in_the_way, parent};
use super::text::Text;
use crate::model::{Action, After, Change, Content, Fault, Halt, Shown, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Expect, FileKind, Stat, Step};

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) Regex);

impl Pattern {
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match Regex::new(&text) {
            Ok(regex) => Ok(Self(regex)),
            Err(regex::Error::Syntax(why)) => {
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(de::Error::custom(format!("`{text}` is not a regular expression: {why}")))
            }
            Err(why) => Err(de::Error::custom(format!("`{text}` is not a regular expression: {why}"))),
        }
    }
}

impl schemars::JsonSchema for Pattern {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// Where something new goes: `EOF`, `BOF`, or beside the last line that matches.
#[derive(Clone, Debug)]
pub(super) enum Anchor {
    /// At the begin (`BOF`) or the end (`EOF`).
    Edge,
    Line(Pattern),
}

impl Anchor {
    pub(super) fn parse<'de, D: de::Deserializer<'de>>(from: D, edge: &str) -> Result<Option<Self>, D::Error> {
        struct Text<'a>(&'a str);
        impl<'de> de::DeserializeSeed<'de> for Text<'_> {
            type Value = Anchor;
            fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Anchor, D::Error> {
                let text = String::deserialize(from)?;
                if text == self.0 {
                    return Ok(Anchor::Edge);
                }
                Pattern::deserialize(de::value::StringDeserializer::<D::Error>::new(text)).map(Anchor::Line)
            }
        }
        match Option::<String>::deserialize(from)? {
            None => Ok(None),
            Some(text) => {
                de::DeserializeSeed::deserialize(Text(edge), de::value::StringDeserializer::<D::Error>::new(text))
                    .map(Some)
            }
        }
    }
}

pub(super) fn after_anchor<'de, D: de::Deserializer<'de>>(from: D) -> Result<Option<Anchor>, D::Error> {
    Anchor::parse(from, "EOF")
}

pub(super) fn before_anchor<'de, D: de::Deserializer<'de>>(from: D) -> Result<Option<Anchor>, D::Error> {
    Anchor::parse(from, "BOF")
}

/// Where in `text` something new goes. An anchor that no line matches means the end, as in Ansible.
pub(super) fn position(text: &Text, after: Option<&Anchor>, before: Option<&Anchor>) -> usize {
    let last = |pattern: &Pattern| text.lines().iter().rposition(|line| pattern.is_match(&line.body));
    let end = text.lines().len();
    match (after, before) {
        (_, Some(Anchor::Edge)) => 0,
        (_, Some(Anchor::Line(pattern))) => last(pattern).unwrap_or(end),
        (Some(Anchor::Line(pattern)), None) => last(pattern).map_or(end, |at| at + 1),
        (Some(Anchor::Edge) | None, None) => end,
    }
}

/// How the text is to be edited.
pub(super) trait Edit: Sync {
    /// The edit; doing it twice is doing it once.
    fn edit(&self, text: &mut Text) -> Result<(), Fault>;
    /// After which task that will be known, if it is not.
    fn open(&self) -> Option<After>;
    /// Does it only take away, so that a missing file is right?
    fn takes_away(&self) -> bool;
}

/// The wish.
pub(super) struct Editing<'a> {
    pub(super) path: &'a HostPath,
    pub(super) wanted: Wanted<'a>,
    pub(super) validate: Option<&'a str>,
    pub(super) create: bool,
    pub(super) edit: &'a dyn Edit,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Edited {
    real: String,
    stat: Option<Stat>,
    live: Result<Content, After>,
    folder: Folder,
    names: Names,
}

impl Editing<'_> {
    pub(super) async fn read(&self, probe: &HostProbe) -> Result<Edited, Halt> {
        self.wanted.soon(probe);
        probe.soon([crate::targets::host::Question::Content(self.path.to_string())]);
        let (real, stat) = probe.followed(self.path).await?;
        let folder = Folder::read(probe, parent(&real)).await?;
        let names = self.wanted.names(probe, stat.as_ref()).await?;
        let live = match &stat {
            Some(Stat { kind: FileKind::File(_), .. }) => match probe.content(&real).await {
                Ok(content) => Ok(content.unwrap_or_else(|| Content::open([]))),
                Err(Halt::Later(after)) => Err(after),
                Err(fault) => return Err(fault),
            },
            _ => Ok(Content::open([])),
        };
        let edited = Edited { real, stat, live, folder, names };
        if let (Some(validate), Ok(live)) = (self.validate, &edited.live)
            && self.edit.open().is_none()
            && self.applies(&edited)?
        {
            let new = self.edited(live)?;
            if new.digest() != live.digest() {
                match probe.validate(self.path, validate, &new).await {
                    // Something is planned above: it runs at apply, before the file is put into place.
                    Ok(()) | Err(Halt::Later(_)) => {}
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(edited)
    }

    /// Is there something to edit, or to make?
    fn applies(&self, edited: &Edited) -> Result<bool, Fault> {
        match &edited.stat {
            Some(Stat { kind: FileKind::File(_), .. }) => Ok(true),
            Some(stat) => Err(in_the_way(self.path, &stat.kind, "only the text of a file can be edited")),
            None if self.edit.takes_away() => Ok(false),
            None if self.create => Ok(true),
            None => Err(Fault::failed(format!("the file `{}` does not exist", self.path))
                .help("make it in a task above, or say `create: true`")),
        }
    }

    fn edited(&self, live: &Content) -> Result<Content, Fault> {
        let Some(mut text) = Text::of(live) else {
            return Err(
                Fault::failed(format!("`{}` is not text in UTF-8", self.path)).help("write the whole file with `copy`")
            );
        };
        self.edit.edit(&mut text)?;
        Ok(text.content())
    }

    pub(super) fn plan(&self, current: &Edited) -> Result<Verdict<Step>, Halt> {
        self.plan_in(current, &current.folder)
    }

    /// The same, in a folder that a step of the same task makes.
    pub(super) fn plan_in(&self, current: &Edited, folder: &Folder) -> Result<Verdict<Step>, Halt> {
        if !self.applies(current)? {
            return Ok(Verdict::right("not there"));
        }
        let new = match (&current.live, self.edit.open()) {
            (Err(after), _) => Err(after.clone()),
            (Ok(_), Some(after)) => Err(after),
            (Ok(live), None) => Ok(self.edited(live)?),
        };
        let shown = match &new {
            Ok(content) => Shown::content(content),
            Err(after) => Shown::Unknown(after.clone()),
        };
        let step = |attributes, expect| match &new {
            Ok(content) => {
                let (path, validate) = (current.real.clone(), self.validate.map(str::to_owned));
                Step::Write { path, content: content.clone(), attributes, expect, validate }
            }
            Err(after) => Step::Promise { path: current.real.clone(), attributes, after: after.clone() },
        };
        let Some(stat) = &current.stat else {
            let attributes = self.wanted.fresh(attributes::FILE, &current.names, folder.ready()?);
            let change = Change::new(Action::Create).field("content", Shown::Absent, shown);
            let change = attributes::fields(change, &attributes, None);
            return Ok(Verdict::Change(change.step(step(attributes, Expect::Absent))));
        };
        let attributes = self.wanted.differing(stat, &current.names);
        let change = Change::new(Action::Update);
        let (before, expect) = match (&current.live, &new) {
            (Ok(live), Ok(new)) if live.digest() == new.digest() => {
                if attributes::none(&attributes) {
                    return Ok(Verdict::right("already so"));
                }
                let change = attributes::fields(change, &attributes, Some(stat));
                let step = Step::Attributes { path: current.real.clone(), attributes };
                return Ok(Verdict::Change(change.step(step)));
            }
            (Ok(live), Ok(new)) => (Shown::beside(live, new), Expect::File(live.digest())),
            (Ok(live), Err(_)) => (Shown::Present, Expect::File(live.digest())),
            (Err(after), _) => (Shown::Unknown(after.clone()), Expect::Open(after.clone())),
        };
        let change = attributes::fields(change.field("content", before, shown), &attributes, Some(stat));
        Ok(Verdict::Change(change.step(step(attributes, expect))))
    }
}
