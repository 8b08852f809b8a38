//! `user`: a user that should be there, or not.

mod account;
mod leaving;

use schemars::JsonSchema;
use serde::Deserialize;

use self::account::Account;
use self::leaving::Leaving;
use super::path::HostPath;
use crate::model::decode::Misfit;
use crate::model::{After, Arg, Doc, Halt, Resource, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step, check_account};

/// A user that should be there, or not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    /// The name.
    name: String,
    /// `present`: the user is there. `absent`: not.
    #[serde(default)]
    state: State,
    /// The number. When it changes, only files in the home folder follow.
    uid: Option<u32>,
    /// The name of the primary group, which must exist. Without it a new user gets a group of its own.
    group: Option<String>,
    /// Supplementary groups: these and no others, unless `append`. They must exist.
    groups: Option<Vec<String>>,
    /// Leave the user in other groups, too?
    #[serde(default)]
    append: bool,
    /// Home folder. A new user without it gets `/home/NAME`.
    home: Option<HostPath>,
    /// Make the home folder (mode 0750, with what is in `/etc/skel`) if it is missing? For a new user it is made unless this is `false`.
    create_home: Option<bool>,
    /// Login shell.
    shell: Option<HostPath>,
    /// Whole name, or whatever else is worth saying.
    comment: Option<String>,
    /// When the user is made: give it a number from those for the system?
    #[serde(default)]
    system: bool,
    /// The hash of the password (`{{ x | password_hash('sha512', salt) }}`), or `!` so that no password fits. It is never shown.
    password: Option<Arg<String>>,
    /// `always`: the password is as said here. `on_create`: only that of a new user.
    #[serde(default)]
    update_password: Update,
    /// With `absent`: take the home folder away as well? All that is in it is lost.
    #[serde(default)]
    remove: bool,
}

/// Is the user to be there?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Yes.
    #[default]
    Present,
    /// No.
    Absent,
}

/// When the password is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Update {
    /// Whenever it differs.
    #[default]
    Always,
    /// When the user is made.
    OnCreate,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    Account(Box<Account>),
    Leaving(Box<Leaving>),
    /// Nobody of that name, and nobody is wished for.
    Nobody,
    /// A package that a task above installs may make one who is not wished for.
    Maybe(After),
}

impl User {
    /// Those who are wished for have what others do not.
    fn check_absent(&self) -> Vec<Misfit> {
        let given = [
            ("uid", self.uid.is_some()),
            ("group", self.group.is_some()),
            ("groups", self.groups.is_some()),
            ("home", self.home.is_some()),
            ("create_home", self.create_home.is_some()),
            ("shell", self.shell.is_some()),
            ("comment", self.comment.is_some()),
            ("password", self.password.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        given.map(|(name, _)| Misfit::new(name, "it is for a user who is to be there")).collect()
    }

    fn check_password(&self) -> Option<Misfit> {
        let hash = self.password.as_ref()?.value().ok()?;
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        let parts = hash.strip_prefix('$').map_or(0, |rest| rest.split('$').filter(|part| !part.is_empty()).count());
        let good = matches!(hash.as_str(), "!" | "*" | "!*") || hash.bytes().all(plain) && parts >= 3;
        let why =
            "it is no hash of a password: make one, as in `{{ x | password_hash('sha512', salt) }}`, or write \"!\"";
        (!good).then(|| Misfit::new("password", why))
    }
}

impl Resource for User {
    const NAME: &'static str = "user";
    const DOC: Doc = Doc {
        summary: "a user that should be there, or not",
        example: "\
- name: user of the application
  user: { name: app, system: true, home: /srv/app, shell: /usr/sbin/nologin }
- name: ann may read logs
  user: { name: ann, comment: Ann Example, groups: [adm], append: true, shell: /bin/bash }
- name: bob has left
  user: { name: bob, state: absent, remove: true }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> =
            check_account(&self.name).err().map(|why| Misfit::new("name", why)).into_iter().collect();
        let groups = self.group.iter().map(|group| ("group", group));
        for (parameter, group) in groups.chain(self.groups.iter().flatten().map(|group| ("groups", group))) {
            misfits.extend(check_account(group).err().map(|why| Misfit::new(parameter, why)));
        }
        if self.append && self.groups.is_none() {
            misfits.push(Misfit::new("append", "it is for `groups`"));
        }
        if self.comment.as_ref().is_some_and(|comment| comment.contains([':', '\n', '\0'])) {
            misfits.push(Misfit::new("comment", "it may hold neither `:` nor a line break"));
        }
        for (parameter, path) in [("home", &self.home), ("shell", &self.shell)] {
            if path.as_ref().is_some_and(|path| path.contains([':', '\n'])) {
                misfits.push(Misfit::new(parameter, "it may hold neither `:` nor a line break"));
            }
        }
        if self.uid == Some(u32::MAX) {
            misfits.push(Misfit::new("uid", "this number means `none`"));
        }
        misfits.extend(self.check_password());
        if self.state == State::Absent {
            misfits.extend(self.check_absent());
        } else if self.remove {
            misfits.push(Misfit::new("remove", "it is for `state: absent`"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::new("user", self.name.as_str())]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        self.soon(probe);
        let (user, coming) = match probe.user(&self.name).await {
            Ok(user) => (user, None),
            Err(Halt::Later(after)) => (None, Some(after)),
            Err(fault) => return Err(fault),
        };
        match (user, coming, self.state) {
            (user, coming, State::Present) => Ok(Seen::Account(Box::new(self.account(probe, user, coming).await?))),
            (_, Some(after), State::Absent) => Ok(Seen::Maybe(after)),
            (None, None, State::Absent) => Ok(Seen::Nobody),
            (Some(user), None, State::Absent) => Ok(Seen::Leaving(Box::new(self.leaving(probe, user).await?))),
        }
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        match current {
            Seen::Nobody => Ok(Verdict::right("not there")),
            Seen::Leaving(leaving) => self.leave(leaving),
            Seen::Account(account) => match &account.user {
                None => Ok(self.make(account)),
                Some(user) => Ok(self.alter(account, user)),
            },
            Seen::Maybe(after) => Err(after.clone().into()),
        }
    }
}
