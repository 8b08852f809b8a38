//! What the steps planned so far leave behind of users, groups, packages and units: what they set, over what the place
//! answers. It asks nothing itself.

mod units;

use std::collections::BTreeMap;

use self::units::UnitTrace;
use super::{Candidate, Group, Groups, Package, PackageState, Packages, Password, Primary, Step, User, UserStep};
use crate::model::{After, Thing};

/// All that was planned of them.
#[derive(Debug, Default)]
pub(super) struct Census {
    users: BTreeMap<String, Trace<UserStep>>,
    groups: BTreeMap<String, Trace<Option<u32>>>,
    packages: BTreeMap<String, Trace<Option<String>>>,
    units: BTreeMap<String, UnitTrace>,
    /// Systemd reads the files of all units again.
    reloaded: bool,
    /// The last task that installs something: it may make what is absent now.
    installed: Option<After>,
    /// The last task that refreshes the lists of packages.
    refreshed: Option<After>,
    /// The last task that changes where packages come from.
    sources: Option<After>,
}

/// What steps leave of one thing.
#[derive(Clone, Debug)]
enum Trace<T> {
    /// It is taken away.
    Gone,
    /// It is there, and this was set.
    There(T),
    /// Not known before that task.
    Open(After),
}

/// What the shadow makes of what the place says.
pub(super) type Seen<T> = Result<T, After>;

impl Census {
    /// The last task that installs something: it may make what is absent now.
    pub(super) fn installed(&self) -> Option<&After> {
        self.installed.as_ref()
    }

    /// Takes in what `step` will have done.
    pub(super) fn imitate(&mut self, step: &Step, after: &After) {
        match step {
            Step::Packages(packages) => self.transact(packages, after),
            Step::User(user) => self.set(user),
            Step::NoUser(user) => {
                self.users.insert(user.name.clone(), Trace::Gone);
                if user.group {
                    self.groups.insert(user.name.clone(), Trace::Gone);
                }
            }
            Step::Group(group) => {
                let before = match self.groups.get(&group.name) {
                    Some(Trace::There(gid)) => *gid,
                    _ => None,
                };
                self.groups.insert(group.name.clone(), Trace::There(group.gid.or(before)));
            }
            Step::NoGroup(name) => _ = self.groups.insert(name.clone(), Trace::Gone),
            Step::Unit { name, action } => self.units.entry(name.clone()).or_default().act(*action, after),
            Step::DaemonReload => {
                self.reloaded = true;
                self.units.values_mut().for_each(UnitTrace::reload);
            }
            Step::Write { path, .. } | Step::Remove { path, .. } if path.starts_with("/etc/apt/sources.list.d/") => {
                self.sources = Some(after.clone());
            }
            _ => units::file(&mut self.units, step, after),
        }
    }

    fn transact(&mut self, packages: &Packages, after: &After) {
        if packages.update {
            self.refreshed = Some(after.clone());
        }
        for name in &packages.remove {
            self.packages.insert(name.clone(), Trace::Gone);
        }
        for install in &packages.install {
            self.packages.insert(install.name.clone(), Trace::There(install.version.clone()));
            self.installed = Some(after.clone());
        }
    }

    fn set(&mut self, step: &UserStep) {
        if step.create {
            if step.group.is_none() {
                self.groups.insert(step.name.clone(), Trace::There(None));
            }
            self.users.insert(step.name.clone(), Trace::There(step.clone()));
            return;
        }
        let before = match self.users.remove(&step.name) {
            Some(Trace::There(before)) => before,
            _ => UserStep { name: step.name.clone(), ..UserStep::default() },
        };
        let step = step.clone();
        let merged = UserStep {
            uid: step.uid.or(before.uid),
            group: step.group.or(before.group),
            groups: step.groups.or(before.groups),
            home: step.home.or(before.home),
            shell: step.shell.or(before.shell),
            comment: step.comment.or(before.comment),
            password: step.password.or(before.password),
            ..before
        };
        self.users.insert(step.name, Trace::There(merged));
    }

    /// A task that is decided later may touch `thing`.
    pub(super) fn open(&mut self, thing: &Thing, after: &After) {
        let name = thing.name.clone();
        match &*thing.kind {
            "user" => _ = self.users.insert(name, Trace::Open(after.clone())),
            "group" => _ = self.groups.insert(name, Trace::Open(after.clone())),
            "package" => _ = self.packages.insert(name, Trace::Open(after.clone())),
            "unit" => self.units.entry(name).or_default().open(after),
            _ => {}
        }
    }

    /// Does a step decide about `thing`?
    pub(super) fn touches(&self, thing: &Thing) -> bool {
        match &*thing.kind {
            "user" => self.users.contains_key(&thing.name),
            "group" => self.groups.contains_key(&thing.name),
            "package" => self.packages.contains_key(&thing.name),
            "unit" => self.units.contains_key(&thing.name),
            _ => false,
        }
    }

    /// What is absent may come with a package.
    fn maybe<T>(&self, place: Option<T>) -> Seen<Option<T>> {
        match (&self.installed, place) {
            (Some(after), None) => Err(after.clone()),
            (_, place) => Ok(place),
        }
    }

    pub(super) fn user(&self, name: &str, place: Option<User>) -> Seen<Option<User>> {
        match self.users.get(name) {
            None => self.maybe(place),
            Some(Trace::Gone) => Ok(None),
            Some(Trace::Open(after)) => Err(after.clone()),
            Some(Trace::There(step)) => {
                let new = || User {
                    uid: None,
                    primary: Primary::Named(name.to_owned()),
                    home: String::new(),
                    shell: None,
                    comment: String::new(),
                };
                let before = place.filter(|_| !step.create).unwrap_or_else(new);
                Ok(Some(User {
                    uid: step.uid.or(before.uid),
                    primary: step.group.clone().map_or(before.primary, Primary::Named),
                    home: step.home.clone().unwrap_or(before.home),
                    shell: step.shell.clone().or(before.shell),
                    comment: step.comment.clone().unwrap_or(before.comment),
                }))
            }
        }
    }

    /// What stands in the place of a password: of a new user without one, that nobody can log in with one.
    pub(super) fn password(&self, name: &str, place: Option<Password>) -> Seen<Option<Password>> {
        match self.users.get(name) {
            None => Ok(place),
            Some(Trace::Gone) => Ok(None),
            Some(Trace::Open(after)) => Err(after.clone()),
            Some(Trace::There(UserStep { password: Some(hash), .. })) => {
                Ok(Some(Password::of(&String::from_utf8_lossy(hash.bytes()))))
            }
            Some(Trace::There(UserStep { create: true, .. })) => Ok(Some(Password::of("!"))),
            Some(Trace::There(_)) => Ok(place),
        }
    }

    /// Does a step set that user's password, or make or take away the user?
    pub(super) fn sets_password(&self, name: &str) -> bool {
        match self.users.get(name) {
            Some(Trace::There(step)) => step.create || step.password.is_some(),
            Some(Trace::Gone | Trace::Open(_)) => true,
            None => false,
        }
    }

    pub(super) fn group(&self, name: &str, place: Option<Group>) -> Seen<Option<Group>> {
        let place = match self.groups.get(name) {
            None => place,
            Some(Trace::Open(after)) => return Err(after.clone()),
            Some(Trace::Gone) => return Ok(None),
            Some(Trace::There(gid)) => {
                let group = place.unwrap_or(Group { gid: None, members: Vec::new() });
                Some(Group { gid: gid.or(group.gid), ..group })
            }
        };
        let Some(mut group) = self.maybe(place)? else { return Ok(None) };
        self.join(name, &mut group);
        Ok(Some(group))
    }

    /// All groups that are known to be there; what packages bring is not among them.
    pub(super) fn all_groups(&self, place: Groups) -> Groups {
        let mut groups = place;
        for (name, trace) in &self.groups {
            match trace {
                Trace::Gone => _ = groups.remove(name),
                Trace::Open(_) => {}
                Trace::There(gid) => {
                    let group = groups.entry(name.clone()).or_insert(Group { gid: None, members: Vec::new() });
                    group.gid = gid.or(group.gid);
                }
            }
        }
        for (name, group) in &mut groups {
            self.join(name, group);
        }
        groups
    }

    /// The members of a group as steps leave them.
    fn join(&self, name: &str, group: &mut Group) {
        for (user, trace) in &self.users {
            let member = match trace {
                Trace::Open(_) => continue,
                Trace::Gone => false,
                Trace::There(UserStep { groups: Some(groups), .. }) => groups.iter().any(|group| group == name),
                Trace::There(step) if step.create => false,
                Trace::There(_) => continue,
            };
            if !member {
                group.members.retain(|there| there != user);
            } else if !group.members.contains(user) {
                group.members.push(user.clone());
            }
        }
    }

    /// A package that is absent may come with another one; then it is right at apply already, and nothing is lost.
    pub(super) fn package(&self, name: &str, place: Option<Package>) -> Seen<Option<Package>> {
        match self.packages.get(name) {
            None => Ok(place),
            Some(Trace::Open(after)) => Err(after.clone()),
            Some(Trace::Gone) => Ok(None),
            Some(Trace::There(version)) => {
                let held = place.is_some_and(|package| package.held);
                Ok(Some(Package { version: version.clone(), state: PackageState::Installed, held }))
            }
        }
    }

    pub(super) fn candidate(&self, place: Candidate) -> Seen<Candidate> {
        self.refreshed.clone().or_else(|| self.sources.clone()).map_or(Ok(place), Err)
    }

    /// What goes away with packages may be more when others come or go.
    pub(super) fn removal<T>(&self, place: T) -> Seen<T> {
        self.installed.clone().map_or(Ok(place), Err)
    }

    pub(super) fn lists(&self, place: Option<u64>) -> Option<u64> {
        if self.refreshed.is_some() { Some(0) } else { place }
    }
}
