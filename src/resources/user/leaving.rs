//! A user who goes, and what is lost with it.

use super::User;
use crate::model::{Action, Change, Fault, FaultKind, Halt, Shown, Verdict};
use crate::resources::group;
use crate::resources::path::HostPath;
use crate::resources::removing::{Doomed, Only, Removing};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{self, NoUser, Primary, Step};

/// What is there.
#[derive(Debug)]
pub(crate) struct Leaving {
    user: host::User,
    /// The groups that it is in besides.
    member: Vec<String>,
    /// Does the group of its name go with it?
    group: bool,
    home: Option<(HostPath, Doomed)>,
}

impl User {
    pub(super) async fn leaving(&self, probe: &HostProbe, user: host::User) -> Result<Leaving, Halt> {
        let groups = probe.groups().await?;
        let member = groups.iter().filter(|(_, group)| group.members.contains(&self.name));
        let member = member.map(|(name, _)| name.clone()).collect();
        let own = groups.get(&self.name);
        let primary = |gid| match &user.primary {
            Primary::Named(name) => *name == self.name,
            Primary::Number(number) => gid == Some(*number),
        };
        let alone = |group: &host::Group| group.members.iter().all(|member| *member == self.name);
        let group = own.is_some_and(|group| primary(group.gid) && alone(group));
        let home = if self.remove && user.home.starts_with('/') {
            let path = HostPath::of(user.home.clone());
            let doomed = Removing { path: &path, only: Only::Folder }.read(probe).await?;
            Some((path, doomed))
        } else {
            None
        };
        Ok(Leaving { user, member, group, home })
    }

    pub(super) fn leave(&self, leaving: &Leaving) -> Result<Verdict<Step>, Halt> {
        let Leaving { user, member, group, home } = leaving;
        let refused = |what: String| Fault::new(FaultKind::Refused, what);
        if user.uid == Some(0) {
            return Err(refused(format!("`{}` is root: no system lives without it", self.name)).into());
        }
        let mut change = Change::new(Action::Delete).field("uid", group::shown(user.uid), Shown::Absent);
        if *group {
            change = change.field("group", Shown::value(&self.name), Shown::Absent);
        }
        if !member.is_empty() {
            change = change.field("groups", Shown::Value(member.join(", ")), Shown::Absent);
        }
        change = change.step(Step::NoUser(NoUser { name: self.name.clone(), group: *group }));
        let Some((path, doomed)) = home else { return Ok(Verdict::Change(change)) };
        if let Some(owner) = doomed.owner().filter(|owner| *owner != self.name) {
            return Err(refused(format!("the home `{path}` of `{}` belongs to `{owner}`", self.name))
                .help("leave out `remove`, and take away what is meant in a task of its own")
                .into());
        }
        if let Verdict::Change(part) = (Removing { path, only: Only::Folder }).plan(doomed)? {
            for mut field in part.fields {
                field.name = format!("home {path}").into();
                change.fields.push(field);
            }
            change.steps.extend(part.steps);
        }
        Ok(Verdict::Change(change))
    }
}
