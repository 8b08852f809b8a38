//! `directory`: a folder that is there, or is not.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{Mode, Wanted};
use super::copy::yes;
use super::folder::{Ground, Making, check_recurse};
use super::path::HostPath;
use super::removing::{self, Doomed, Only, Removing};
use crate::model::decode::Misfit;
use crate::model::{Doc, Halt, Resource, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// A folder that is there, or is not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    /// Absolute path of the folder on the host.
    path: HostPath,
    /// `directory`: it is there. `absent`: neither it nor what is below it is. `absent_if_empty`: it is not, unless
    /// anything is in it.
    #[serde(default)]
    state: State,
    /// Permissions, quoted: "0755". Without it, a new folder gets "0755" and one that is there keeps its own.
    mode: Option<Mode>,
    /// The user it belongs to, by name or number.
    owner: Option<String>,
    /// The group it belongs to, by name or number.
    group: Option<String>,
    /// Make missing folders above it too, with the permissions that the system gives?
    #[serde(default = "yes")]
    parents: bool,
    /// Give `owner` and `group` to everything below it too (links left out)?
    #[serde(default)]
    recurse: bool,
}

/// Is it to be there?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It is there.
    #[default]
    Directory,
    /// It is not.
    Absent,
    /// It is not, unless anything is in it.
    AbsentIfEmpty,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    Ground(Box<Ground>),
    Doomed(Doomed),
}

impl Directory {
    fn making(&self) -> Making<'_> {
        let wanted = Wanted::new(self.mode, self.owner.as_ref(), self.group.as_ref());
        Making { path: &self.path, wanted, parents: self.parents, recurse: self.recurse }
    }

    fn removing(&self) -> Removing<'_> {
        Removing {
            path: &self.path,
            only: if self.state == State::AbsentIfEmpty { Only::EmptyFolder } else { Only::Folder },
        }
    }
}

impl Resource for Directory {
    const NAME: &'static str = "directory";
    const DOC: Doc = Doc {
        summary: "a folder that is there, or is not",
        example: "\
- name: data folder
  directory:
    path: /srv/app/data
    mode: \"0750\"
    owner: app
    group: app
- name: old data are gone
  directory: { path: /srv/old, state: absent }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        match self.state {
            State::Absent | State::AbsentIfEmpty => removing::check(&self.path, "path").into_iter().collect(),
            State::Directory => check_recurse(self.recurse, self.mode).into_iter().collect(),
        }
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.path)]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::new(Self::NAME, "path", &*self.path, "absent_if_empty"))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        match self.state {
            State::Directory => self.making().read(probe).await.map(|ground| Seen::Ground(Box::new(ground))),
            State::Absent | State::AbsentIfEmpty => self.removing().read(probe).await.map(Seen::Doomed),
        }
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        match current {
            Seen::Ground(ground) => self.making().plan(ground),
            Seen::Doomed(doomed) => self.removing().plan(doomed),
        }
    }
}
