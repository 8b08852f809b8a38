//! `group`: a group of users that should be there, or not.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{self, GroupStep, Host, Step, check_account};

/// A group of users that should be there, or not. Who is in it is said by `user`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    /// Its name.
    name: String,
    /// Its number. When it gets another one, files keep the old number.
    gid: Option<u32>,
    /// `present`: it is there. `absent`: it is not.
    #[serde(default)]
    state: State,
    /// When it is made: give it a number from those for the system?
    #[serde(default)]
    system: bool,
}

/// Is it to be there?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Yes.
    #[default]
    Present,
    /// No.
    Absent,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    Known(Option<host::Group>),
    /// A package that a task above installs may bring it.
    Maybe(After),
}

/// The number, or when it will be known.
pub(super) fn shown(number: Option<u32>) -> Shown {
    number.map_or_else(|| Shown::Unknown(After::new("it is made")), Shown::value)
}

impl Group {
    fn make(&self, before: &Shown) -> Verdict<Step> {
        let mut change = Change::new(Action::Create).field("state", before.clone(), Shown::value("group"));
        if let Some(gid) = self.gid {
            change = change.field("gid", before.clone(), Shown::value(gid));
        }
        let step = GroupStep { name: self.name.clone(), create: true, system: self.system, gid: self.gid };
        Verdict::Change(change.step(Step::Group(step)))
    }

    fn remove(&self, group: &host::Group) -> Result<Verdict<Step>, Halt> {
        if group.gid == Some(0) {
            return Err(Fault::new(
                FaultKind::Refused,
                format!("`{}` is a part of the system that is never taken away", self.name),
            )
            .into());
        }
        let mut change = Change::new(Action::Delete).field("gid", shown(group.gid), Shown::Absent);
        if !group.members.is_empty() {
            change = change.field("members", Shown::value(group.members.join(", ")), Shown::Absent);
        }
        Ok(Verdict::Change(change.step(Step::NoGroup(self.name.clone()))))
    }
}

impl Resource for Group {
    const NAME: &'static str = "group";
    const DOC: Doc = Doc {
        summary: "a group of users that should be there, or not",
        example: "\
- name: group of the application
  group: { name: app, system: true }
- name: group of those who deploy
  group: { name: deploy, gid: 2000 }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> =
            check_account(&self.name).err().map(|why| Misfit::new("name", why)).into_iter().collect();
        if self.state == State::Absent && self.gid.is_some() {
            misfits.push(Misfit::new("gid", "what is not there has no number"));
        }
        if self.gid == Some(u32::MAX) {
            misfits.push(Misfit::new("gid", "this number means `none`"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::new("group", self.name.as_str())]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        match probe.group(&self.name).await {
            Ok(group) => Ok(Seen::Known(group)),
            Err(Halt::Later(after)) => Ok(Seen::Maybe(after)),
            Err(halt) => Err(halt),
        }
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let group = match (current, self.state) {
            (Seen::Maybe(after), State::Present) => return Ok(self.make(&Shown::Unknown(after.clone()))),
            (Seen::Maybe(after), State::Absent) => return Err(after.clone().into()),
            (Seen::Known(None), State::Present) => return Ok(self.make(&Shown::Absent)),
            (Seen::Known(None), State::Absent) => return Ok(Verdict::right("not there")),
            (Seen::Known(Some(group)), State::Absent) => return self.remove(group),
            (Seen::Known(Some(group)), State::Present) => group,
        };
        let Some(gid) = self.gid.filter(|gid| group.gid != Some(*gid)) else { return Ok(Verdict::right("it exists")) };
        let step = GroupStep { name: self.name.clone(), create: false, system: false, gid: Some(gid) };
        let change = Change::new(Action::Update).field("gid", shown(group.gid), Shown::value(gid));
        Ok(Verdict::Change(change.step(Step::Group(step))))
    }
}
