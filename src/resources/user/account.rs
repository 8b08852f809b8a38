//! A user who is wished for: what is there of it, and what differs.

use super::{Update, User};
use crate::model::{Action, After, Change, Content, Digest, Fault, Halt, Secret, Shown, Verdict};
use crate::resources::group;
use crate::resources::path::{Folder, in_the_way, parent};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{self, FileKind, Groups, HOME_MODE, Password, Primary, Question, Step, UserStep};

/// What is there.
#[derive(Debug)]
pub(crate) struct Account {
    pub(super) user: Option<host::User>,
    /// A package that a task above installs may make the user.
    pub(super) coming: Option<After>,
    groups: Groups,
    password: Option<Password>,
    home: Home,
}

/// The home folder.
#[derive(Debug)]
enum Home {
    /// It is there, or nobody wants it.
    Fine,
    /// It is to be made, with these files of `/etc/skel`.
    Missing { path: String, skeleton: Vec<String>, before: Shown },
}

impl User {
    /// Puts what [`Self::account`] asks mostly in the next batch.
    pub(super) fn soon(&self, probe: &HostProbe) {
        probe.soon([Question::User(self.name.clone()), Question::Groups]);
        let home = self.home.as_ref().map_or_else(|| format!("/home/{}", self.name), ToString::to_string);
        if self.state == super::State::Present && self.create_home != Some(false) {
            probe.soon([Question::Stat(parent(&home).to_owned()), Question::Stat(home)]);
        }
        if self.password.is_some() && self.update_password == Update::Always {
            probe.soon([Question::Password(self.name.clone())]);
        }
    }

    pub(super) async fn account(
        &self,
        probe: &HostProbe,
        user: Option<host::User>,
        coming: Option<After>,
    ) -> Result<Account, Halt> {
        let groups = probe.groups().await?;
        let certain = probe.ran().is_none() && probe.coming_with_packages().is_none();
        for name in self.group.iter().chain(self.groups.iter().flatten()) {
            if !groups.contains_key(name) && certain {
                return Err(Fault::failed(format!("there is no group `{name}`"))
                    .help("make it in a task above with `group`, or correct its name")
                    .into());
            }
        }
        let password = match (&user, &self.password, self.update_password) {
            (Some(_), Some(_), Update::Always) => {
                let password = probe.password(&self.name).await?;
                Some(password.ok_or_else(|| {
                    Fault::failed(format!("the password of `{}` cannot be seen", self.name))
                        .help("set `become: true`: only root can see whether it is right")
                })?)
            }
            _ => None,
        };
        let home = self.look_home(probe, user.as_ref()).await?;
        Ok(Account { user, coming, groups, password, home })
    }

    /// Of a user who is there the home is only made when that is said: many users of the system have none.
    async fn look_home(&self, probe: &HostProbe, user: Option<&host::User>) -> Result<Home, Halt> {
        let said = self.create_home.unwrap_or(user.is_none() || self.home.is_some());
        let path = match (&self.home, user) {
            _ if !said => return Ok(Home::Fine),
            (Some(home), _) => home.to_string(),
            (None, Some(user)) => user.home.clone(),
            (None, None) => format!("/home/{}", self.name),
        };
        let skel = || "/etc/skel".to_owned();
        probe.soon([Question::Stat("/etc".to_owned()), Question::Stat(skel()), Question::Tree(skel())]);
        let before = match probe.followed(&path).await {
            Ok((_, Some(stat))) if stat.kind == FileKind::Directory => return Ok(Home::Fine),
            Ok((_, Some(stat))) => {
                return Err(in_the_way(&path, &stat.kind, "a home is a folder: name another one").into());
            }
            Ok((_, None)) => {
                Folder::read(probe, parent(&path)).await?.ready()?;
                Shown::Absent
            }
            Err(Halt::Later(after)) => Shown::Unknown(after),
            Err(fault) => return Err(fault),
        };
        let skeleton = probe.tree("/etc/skel").await?.into_iter().map(|(path, _)| path).collect();
        Ok(Home::Missing { path, skeleton, before })
    }

    fn hash(&self) -> Option<Result<Content, After>> {
        let hash = self.password.as_ref()?;
        Some(hash.value().map(|hash| Content::sealed(hash.as_bytes(), Secret::MASK)))
    }

    pub(super) fn make(&self, account: &Account) -> Verdict<Step> {
        let home = self.home.as_ref().map_or_else(|| format!("/home/{}", self.name), ToString::to_string);
        // The group of its own that a new user gets may be there already.
        let own = account.groups.contains_key(&self.name).then(|| self.name.clone());
        let mut step = UserStep {
            name: self.name.clone(),
            create: true,
            system: self.system,
            uid: self.uid,
            group: self.group.clone().or(own),
            groups: self.groups.clone(),
            home: Some(home.clone()),
            shell: self.shell.as_ref().map(ToString::to_string),
            comment: self.comment.clone(),
            ..UserStep::default()
        };
        let before = account.coming.clone().map_or(Shown::Absent, Shown::Unknown);
        let mut change = Change::new(Action::Create).field("state", before.clone(), Shown::value("user"));
        let texts = [
            ("uid", step.uid.map(|uid| uid.to_string())),
            ("group", Some(step.group.clone().unwrap_or_else(|| self.name.clone()))),
            ("groups", step.groups.as_deref().map(listed)),
            ("home", Some(home)),
            ("shell", step.shell.clone()),
            ("comment", step.comment.clone()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                change = change.field(name, before.clone(), Shown::Value(text));
            }
        }
        change = self.add_password(change, &mut step, before);
        change = add_home(change, &mut step, &account.home);
        Verdict::Change(change.step(Step::User(Box::new(step))))
    }

    pub(super) fn alter(&self, account: &Account, user: &host::User) -> Verdict<Step> {
        let mut step = UserStep { name: self.name.clone(), ..UserStep::default() };
        let mut change = Change::new(Action::Update);
        if let Some(uid) = self.uid.filter(|uid| user.uid != Some(*uid)) {
            change = change.field("uid", group::shown(user.uid), Shown::value(uid));
            step.uid = Some(uid);
        }
        let primary = primary(user, &account.groups);
        if let Some(group) = self.group.as_ref().filter(|group| **group != primary) {
            change = change.field("group", Shown::Value(primary), Shown::value(group));
            step.group = Some(group.clone());
        }
        if let Some(groups) = self.groups_for(account) {
            let (now, wanted) = groups;
            change = change.field("groups", Shown::Value(listed(&now)), Shown::Value(listed(&wanted)));
            step.groups = Some(wanted);
        }
        let home = self.home.as_ref().map(ToString::to_string);
        let shell = self.shell.as_ref().map(ToString::to_string);
        let before = |text: Option<&String>| text.map_or(Shown::Absent, Shown::value);
        if let Some(home) = home.filter(|home| *home != user.home) {
            change = change.field("home", Shown::value(&user.home), Shown::value(&home));
            step.home = Some(home);
        }
        if let Some(shell) = shell.filter(|shell| user.shell.as_ref() != Some(shell)) {
            change = change.field("shell", before(user.shell.as_ref()), Shown::value(&shell));
            step.shell = Some(shell);
        }
        if let Some(comment) = self.comment.as_ref().filter(|comment| **comment != user.comment) {
            change = change.field("comment", Shown::value(&user.comment), Shown::value(comment));
            step.comment = Some(comment.clone());
        }
        if let Some(there) = account.password {
            let same =
                self.password.as_ref().and_then(|hash| hash.value().ok()).map(|hash| Digest::of(hash.as_bytes()));
            if same != Some(there.digest) {
                let before = Shown::Secret { masked: Secret::MASK.to_owned(), digest: there.digest };
                change = self.add_password(change, &mut step, before);
            }
        }
        change = add_home(change, &mut step, &account.home);
        if change.fields.is_empty() {
            return Verdict::right("it exists");
        }
        Verdict::Change(change.step(Step::User(Box::new(step))))
    }

    /// The supplementary groups as they are and as they are to be, if those differ.
    fn groups_for(&self, account: &Account) -> Option<(Vec<String>, Vec<String>)> {
        let mine = account.groups.iter().filter(|(_, group)| group.members.contains(&self.name));
        let now: Vec<String> = mine.map(|(name, _)| name.clone()).collect();
        let mut wanted = self.groups.clone()?;
        if self.append {
            wanted.extend(now.iter().cloned());
        }
        wanted.sort();
        wanted.dedup();
        (wanted != now).then_some((now, wanted))
    }

    fn add_password(&self, change: Change<Step>, step: &mut UserStep, before: Shown) -> Change<Step> {
        match self.hash() {
            None => change,
            Some(Err(after)) => change.field("password", before, Shown::Unknown(after)),
            Some(Ok(hash)) => {
                let after = Shown::Secret { masked: Secret::MASK.to_owned(), digest: hash.digest() };
                step.password = Some(hash);
                change.field("password", before, after)
            }
        }
    }
}

fn add_home(change: Change<Step>, step: &mut UserStep, home: &Home) -> Change<Step> {
    let Home::Missing { path, skeleton, before } = home else { return change };
    step.home = Some(path.clone());
    step.skeleton = Some(skeleton.clone());
    let what = match skeleton.len() {
        0 => format!("{path}, {HOME_MODE:04o}"),
        count => format!("{path}, {HOME_MODE:04o}, with {count} from /etc/skel"),
    };
    change.field("create_home", before.clone(), Shown::Value(what))
}

/// The name of the primary group (its number as text when it has none).
fn primary(user: &host::User, groups: &Groups) -> String {
    match &user.primary {
        Primary::Named(name) => name.clone(),
        Primary::Number(gid) => {
            let found = groups.iter().find(|(_, group)| group.gid == Some(*gid));
            found.map_or_else(|| gid.to_string(), |(name, _)| name.clone())
        }
    }
}

fn listed(groups: &[String]) -> String {
    if groups.is_empty() { "none".to_owned() } else { groups.join(", ") }
}
