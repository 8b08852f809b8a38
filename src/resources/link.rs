//! `link`: a symbolic or hard link.

use schemars::JsonSchema;
use serde::Deserialize;

use super::linking::{Linked, Linking};
use super::path::HostPath;
use super::removing::{Doomed, Only, Removing};
use crate::model::decode::Misfit;
use crate::model::{Doc, Halt, Resource, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// A symbolic or hard link.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// Where it points: any path for a symbolic link (it need not exist), a file for a hard one.
    src: Option<String>,
    /// Absolute path of the link on the host.
    #[serde(alias = "path")]
    #[schemars(extend("x-lions-aliases" = ["path"]))]
    dest: HostPath,
    /// `link`: a symbolic link. `hard`: a hard link. `absent`: no link.
    #[serde(default)]
    state: State,
    /// Replace a file that is there? Its content is lost.
    #[serde(default)]
    force: bool,
}

/// Is it to be there?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// A symbolic link.
    #[default]
    Link,
    /// A hard link.
    Hard,
    /// None.
    Absent,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    Linked(Box<Linked>),
    Doomed(Doomed),
}

/// Rules about where a link points.
pub(super) fn check_target(src: Option<&String>, hard: bool) -> Option<Misfit> {
    match src.map(String::as_str) {
        None => Some(Misfit::new("", "the parameter `src`, where the link points, is missing")),
        Some("") => Some(Misfit::new("src", "a link must point somewhere")),
        Some(src) if src.contains('\0') => Some(Misfit::new("src", "a path may not hold a NUL byte")),
        Some(src) if hard && !src.starts_with('/') => {
            Some(Misfit::new("src", format!("`{src}` is not an absolute path: a hard link needs one")))
        }
        Some(_) => None,
    }
}

impl Link {
    fn linking(&self) -> Linking<'_> {
        let target = self.src.as_deref().unwrap_or_default();
        Linking { path: &self.dest, target, hard: self.state == State::Hard, force: self.force }
    }

    fn removing(&self) -> Removing<'_> {
        Removing { path: &self.dest, only: Only::Link }
    }
}

impl Resource for Link {
    const NAME: &'static str = "link";
    const DOC: Doc = Doc {
        summary: "a symbolic or hard link",
        example: "\
- name: current release
  link: { src: /srv/app/releases/7, dest: /srv/app/current }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        match self.state {
            State::Absent => Vec::new(),
            state => check_target(self.src.as_ref(), state == State::Hard).into_iter().collect(),
        }
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.dest)]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", &*self.dest))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        match self.state {
            State::Link | State::Hard => self.linking().read(probe).await.map(|linked| Seen::Linked(Box::new(linked))),
            State::Absent => self.removing().read(probe).await.map(Seen::Doomed),
        }
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        match current {
            Seen::Linked(linked) => self.linking().plan(linked),
            Seen::Doomed(doomed) => self.removing().plan(doomed),
        }
    }
}
