//! `file`: what is at a path, whatever sort of thing it is.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{self, Mode, Names, Wanted};
use super::folder::{Ground, Making, check_recurse};
use super::link::check_target;
use super::linking::{Linked, Linking};
use super::path::{HostPath, in_the_way};
use super::removing::{self, Doomed, Only, Removing};
use super::writing::{Writing, Written};
use crate::model::decode::Misfit;
use crate::model::{Action, Change, Content, Doc, Fault, Halt, Resource, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{FileKind, Host, Stat, Step};

/// What is at a path, whatever sort of thing it is: owner, group, mode, or that nothing is there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Absolute path on the host.
    #[serde(alias = "dest")]
    #[schemars(extend("x-lions-aliases" = ["dest"]))]
    path: HostPath,
    /// `file`: a file that must exist already. `touch`: a file, empty if it is new. `directory`: a folder, with those above it.
    /// `link`, `hard`: a link to `src`. `absent`: nothing, whatever was there. Without it: what is there gets the attributes.
    state: Option<State>,
    /// Where a link points.
    src: Option<String>,
    /// Permissions, quoted: "0644".
    mode: Option<Mode>,
    /// The user it belongs to, by name or number.
    owner: Option<String>,
    /// The group it belongs to, by name or number.
    group: Option<String>,
    /// For a folder: give `owner` and `group` to everything below it too (links left out)?
    #[serde(default)]
    recurse: bool,
    /// For a link: replace a file that is there? Its content is lost.
    #[serde(default)]
    force: bool,
}

/// What is to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// A file that must exist already.
    File,
    /// A file, empty if it is new.
    Touch,
    /// A folder.
    Directory,
    /// A symbolic link.
    Link,
    /// A hard link.
    Hard,
    /// Nothing.
    Absent,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    There { real: String, stat: Option<Stat>, names: Names },
    Written(Written),
    Ground(Ground),
    Linked(Linked),
    Doomed(Doomed),
}

impl File {
    fn wanted(&self) -> Wanted<'_> {
        Wanted::new(self.mode, self.owner.as_ref(), self.group.as_ref())
    }

    fn touching(&self) -> Writing<'_> {
        Writing {
            path: &self.path,
            content: Ok(Content::open([])),
            wanted: self.wanted(),
            validate: None,
            force: false,
        }
    }

    fn making(&self) -> Making<'_> {
        Making { path: &self.path, wanted: self.wanted(), parents: true, recurse: self.recurse }
    }

    fn linking(&self) -> Linking<'_> {
        let target = self.src.as_deref().unwrap_or_default();
        Linking { path: &self.path, target, hard: self.state == Some(State::Hard), force: self.force }
    }

    fn removing(&self) -> Removing<'_> {
        Removing { path: &self.path, only: Only::Anything }
    }

    fn adjust(&self, real: &str, stat: Option<&Stat>, names: &Names) -> Result<Verdict<Step>, Halt> {
        let Some(stat) = stat else {
            return Err(Fault::failed(format!("there is nothing at `{}`", self.path))
                .help("make it in a task above, or say what it is to be: `state: touch`, `state: directory`")
                .into());
        };
        if self.state == Some(State::File) && !matches!(stat.kind, FileKind::File(_)) {
            return Err(in_the_way(&self.path, &stat.kind, "`state: file` is for a file that is there").into());
        }
        let attributes = self.wanted().differing(stat, names);
        if attributes::none(&attributes) {
            return Ok(Verdict::right("same attributes"));
        }
        let change = attributes::fields(Change::new(Action::Update), &attributes, Some(stat));
        Ok(Verdict::Change(change.step(Step::Attributes { path: real.to_owned(), attributes })))
    }
}

impl Resource for File {
    const NAME: &'static str = "file";
    const DOC: Doc = Doc {
        summary: "what is at a path: its owner, group and mode, or that nothing is there",
        example: "\
- name: key is private
  file: { path: /etc/ssl/private/app.key, mode: \"0600\", owner: root }
- name: default site is gone
  file: { path: /etc/nginx/sites-enabled/default, state: absent }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let attributes = self.mode.is_some() || self.owner.is_some() || self.group.is_some();
        match self.state {
            Some(State::Absent) => removing::check(&self.path, "path").into_iter().collect(),
            Some(State::Link | State::Hard) => {
                let extra = attributes.then(|| {
                    Misfit::new(
                        "state",
                        "a link has no owner, group or mode of its own: set those of what it points to",
                    )
                });
                check_target(self.src.as_ref(), self.state == Some(State::Hard)).into_iter().chain(extra).collect()
            }
            _ if self.src.is_some() => {
                vec![Misfit::new("src", "only a link points somewhere: say `state: link`, or use `copy` for a file")]
            }
            Some(State::Directory) => check_recurse(self.recurse, self.mode).into_iter().collect(),
            _ if self.recurse => vec![Misfit::new("recurse", "it is for folders: say `state: directory`")],
            None | Some(State::File) if !attributes => {
                vec![Misfit::new("", "nothing is wished for: say `mode`, `owner`, `group` or `state`")]
            }
            _ => Vec::new(),
        }
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.path)]
    }

    fn undo(&self) -> Option<Undo> {
        let path = &*self.path;
        match self.state? {
            State::Touch | State::Link | State::Hard => Some(Undo::absent(Self::NAME, "path", path)),
            State::Directory => Some(Undo::new("directory", "path", path, "absent_if_empty")),
            State::File | State::Absent => None,
        }
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        match self.state {
            None | Some(State::File) => {
                self.wanted().soon(probe);
                let (real, stat) = probe.followed(&self.path).await?;
                let names = self.wanted().names(probe, stat.as_ref()).await?;
                Ok(Seen::There { real, stat, names })
            }
            Some(State::Touch) => self.touching().read(probe).await.map(Seen::Written),
            Some(State::Directory) => self.making().read(probe).await.map(Seen::Ground),
            Some(State::Link | State::Hard) => self.linking().read(probe).await.map(Seen::Linked),
            Some(State::Absent) => self.removing().read(probe).await.map(Seen::Doomed),
        }
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        match current {
            Seen::There { real, stat, names } => self.adjust(real, stat.as_ref(), names),
            Seen::Written(written) => self.touching().plan(written),
            Seen::Ground(ground) => self.making().plan(ground),
            Seen::Linked(linked) => self.linking().plan(linked),
            Seen::Doomed(doomed) => self.removing().plan(doomed),
        }
    }
}
