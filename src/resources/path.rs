//! Paths on a host, as parameters: absolute, without surprises.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de};

use super::attributes::Wanted;
use crate::model::{After, Change, Fault, FaultKind, Halt, Shown};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{FileKind, Stat};

/// An absolute path, without `..`, doubled or trailing slashes: one path has one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPath(String);

impl HostPath {
    /// A path that `lions` itself made of checked parts.
    pub(super) fn of(path: String) -> Self {
        Self(path)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("a path may not hold a NUL byte".to_owned());
        }
        if !text.starts_with('/') {
            return Err(format!("`{text}` is not an absolute path: it must begin with `/`"));
        }
        let mut path = String::with_capacity(text.len());
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(format!("`{text}` goes up with `..`: write the path that is meant")),
                part => {
                    path.push('/');
                    path.push_str(part);
                }
            }
        }
        Ok(Self(if path.is_empty() { "/".to_owned() } else { path }))
    }

    /// The folder it is in.
    pub(super) fn parent(&self) -> &str {
        parent(&self.0)
    }
}

/// The folder that `path` is in; `/` is in itself.
pub(super) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

impl Deref for HostPath {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostPath {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for HostPath {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HostPath".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// The folder that something new is to be in.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    stat: Option<Stat>,
}

impl Folder {
    /// Looks at the folder at `path`, links followed.
    pub(super) async fn read(probe: &HostProbe, path: &str) -> Result<Self, Halt> {
        let ((_, stat), coming) = or_coming(probe, path, probe.followed(path).await).await?;
        // A folder that a package brings is like most of them; if it brings none, apply says so.
        let stat = if coming.is_some() { Some(Self::brought()) } else { stat };
        Ok(Self { path: path.to_owned(), stat })
    }

    /// A folder as packages bring them.
    pub(super) fn brought() -> Stat {
        let root = || "root".to_owned();
        Stat { kind: FileKind::Directory, mode: 0o755, owner: root(), group: root(), size: 0, node: None }
    }

    /// The folder at `path` as a step of the same task will have made it, for its owner alone.
    pub(super) fn to_come(path: &str, owner: &str, group: &str) -> Self {
        let (owner, group) = (owner.to_owned(), group.to_owned());
        Self {
            path: path.to_owned(),
            stat: Some(Stat { kind: FileKind::Directory, mode: 0o700, owner, group, size: 0, node: None }),
        }
    }

    /// It, if something new can be in it.
    pub(super) fn ready(&self) -> Result<&Stat, Fault> {
        match &self.stat {
            Some(stat) if stat.kind == FileKind::Directory => Ok(stat),
            Some(_) => Err(Fault::failed(format!("`{}` is not a folder", self.path))),
            None => Err(Fault::failed(format!("the folder `{}` does not exist", self.path)).help(
                "make it in a task above with `directory`; if a `command` above makes it, name it in its `changes`",
            )),
        }
    }
}

/// What a look at `path` found; nothing, and after what there may be something, when a package planned above may bring it.
pub(super) async fn or_coming<T: Default>(
    probe: &HostProbe,
    path: &str,
    look: Result<T, Halt>,
) -> Result<(T, Option<After>), Halt> {
    match look {
        Ok(found) => Ok((found, None)),
        Err(Halt::Later(after)) if probe.coming(path).await?.is_some() => Ok((T::default(), Some(after))),
        Err(halt) => Err(halt),
    }
}

/// A change of something that is not there, unless a package planned above brings it: what is there before is not known, nor
/// what becomes of an attribute that nobody wished for.
pub(super) fn unless_brought<S>(mut change: Change<S>, after: &After, wanted: &Wanted<'_>) -> Change<S> {
    for field in &mut change.fields {
        field.before = Shown::Unknown(after.clone());
        let wished = match &*field.name {
            "mode" => wanted.mode.is_some(),
            "owner" => wanted.owner.is_some(),
            "group" => wanted.group.is_some(),
            _ => true,
        };
        if !wished {
            field.after = Shown::Unknown(after.clone());
        }
    }
    change
}

/// What is there, in a word.
pub(super) fn what(kind: &FileKind) -> &'static str {
    match kind {
        FileKind::File(_) => "a file",
        FileKind::Directory => "a folder",
        FileKind::Link(_) => "a symbolic link",
        FileKind::Other => "a socket, device or pipe",
    }
}

/// `lions` will not put something in the place of what is there.
pub(super) fn in_the_way(path: &str, kind: &FileKind, help: &str) -> Fault {
    let what = match kind {
        FileKind::Link(target) => format!("`{path}` is a symbolic link to `{target}`"),
        kind => format!("`{path}` is {}", what(kind)),
    };
    Fault::new(FaultKind::Refused, what).help(help)
}
