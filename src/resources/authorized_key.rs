//! `authorized_key`: who may log in as a user. Keys are told apart by what they are, not by how their line is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{Mode, Wanted};
use super::editing::{Edit, Edited, Editing};
use super::folder::{Ground, Making};
use super::line::State;
use super::named;
use super::owned::together;
use super::path::{Folder, HostPath, in_the_way};
use super::public_key::{self, PublicKey};
use super::text::Text;
use crate::model::decode::Misfit;
use crate::model::{After, Doc, Fault, Halt, Resource, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{FileKind, Host, Primary, Stat, Step};

/// Who may log in as a user. Keys are told apart by what they are: another comment is no difference, other options are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorizedKey {
    /// The user.
    user: String,
    /// One public key a line, as `ssh-keygen` writes it; options may stand before it.
    key: String,
    /// `present`: these keys may log in. `absent`: they may not.
    #[serde(default)]
    state: State,
    /// May no other key log in? Lines of other keys go away.
    #[serde(default)]
    exclusive: bool,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    paths: Paths,
    /// The name of the user's group, or its number.
    group: String,
    folder: Ground,
    /// Is the folder there?
    there: bool,
    file: Edited,
}

/// Below the user's home.
#[derive(Debug)]
struct Paths {
    folder: HostPath,
    file: HostPath,
}

struct Keys<'a> {
    wished: Vec<PublicKey<'a>>,
    state: State,
    exclusive: bool,
}

impl Edit for Keys<'_> {
    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        let wished = |line: &str| {
            let key = public_key::parse(line).ok()?;
            self.wished.iter().find(|wished| wished.blob == key.blob)
        };
        if self.state == State::Absent {
            text.retain(|line| wished(line).is_none());
            return Ok(());
        }
        for key in &self.wished {
            let lines: Vec<String> = text.lines().iter().map(|line| line.body.clone()).collect();
            let same = |line: &String| {
                public_key::parse(line)
                    .ok()
                    .filter(|there| there.blob == key.blob)
                    .map(|there| there.options == key.options)
            };
            if lines.iter().any(|line| same(line) == Some(true)) {
                // The first line of a key counts: others could give it more than was wished for.
                text.retain(|line| same(&line.to_owned()) != Some(false));
            } else if let Some(at) = lines.iter().position(|line| same(line) == Some(false)) {
                text.replace(at, key.line, None);
                let mut first = true;
                text.retain(|line| same(&line.to_owned()).is_none() || std::mem::take(&mut first));
            } else {
                text.insert(lines.len(), key.line, None);
            }
        }
        if self.exclusive {
            // What cannot be read may be a key all the same.
            text.retain(|line| line.trim().is_empty() || line.trim_start().starts_with('#') || wished(line).is_some());
        }
        Ok(())
    }

    fn open(&self) -> Option<After> {
        None
    }

    fn takes_away(&self) -> bool {
        self.state == State::Absent
    }
}

impl AuthorizedKey {
    fn keys(&self) -> Keys<'_> {
        let lines = self.key.lines().filter(|line| !line.trim().is_empty());
        let keys = lines.filter_map(|line| public_key::parse(line).ok()).collect();
        Keys { wished: keys, state: self.state, exclusive: self.exclusive }
    }

    fn wanted<'a>(&'a self, mode: u32, group: &'a str) -> Wanted<'a> {
        Wanted { mode: Some(Mode(mode)), owner: Some(&self.user), group: Some(group) }
    }

    fn making<'a>(&'a self, paths: &'a Paths, group: &'a str) -> Making<'a> {
        Making { path: &paths.folder, wanted: self.wanted(0o700, group), parents: false, recurse: false }
    }

    fn editing<'a>(&'a self, paths: &'a Paths, group: &'a str, edit: &'a Keys<'_>) -> Editing<'a> {
        Editing { path: &paths.file, wanted: self.wanted(0o600, group), validate: None, create: true, edit }
    }
}

/// The user's folder may hold links of the user's: where they lead, root would write.
async fn no_link(probe: &HostProbe, path: &str) -> Result<Option<Stat>, Halt> {
    match probe.stat(path).await? {
        Some(Stat { kind: kind @ FileKind::Link(_), .. }) => {
            let help = "whoever owns the folder could lead the keys elsewhere: take the link away first";
            Err(in_the_way(path, &kind, help).into())
        }
        stat => Ok(stat),
    }
}

impl Resource for AuthorizedKey {
    const NAME: &'static str = "authorized_key";
    const DOC: Doc = Doc {
        summary: "who may log in as a user",
        example: "\
- name: only this key logs in
  authorized_key:
    user: lions
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops@lions.dev
    exclusive: true
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = named::check_user(&self.user).into_iter().collect();
        let lines = self.key.lines().filter(|line| !line.trim().is_empty());
        misfits.extend(lines.filter_map(|line| public_key::parse(line).err()).map(|why| Misfit::new("key", why)));
        if self.key.trim().is_empty() {
            misfits.push(Misfit::new("key", "it is empty"));
        }
        if self.exclusive && self.state == State::Absent {
            misfits.push(Misfit::new("exclusive", "it is for keys that are to be there"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::new("keys", &*self.user)]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let Some(user) = probe.user(&self.user).await? else {
            return Err(match probe.ran() {
                Some(after) => after.into(),
                None => Fault::failed(format!("there is no user `{}`", self.user))
                    .help("make it in a task above, or correct `user`")
                    .into(),
            });
        };
        let home = user.home.trim_end_matches('/');
        let paths = Paths {
            folder: HostPath::of(format!("{home}/.ssh")),
            file: HostPath::of(format!("{home}/.ssh/authorized_keys")),
        };
        let (at_home, folder, file) =
            futures::join!(probe.followed(&user.home), no_link(probe, &paths.folder), no_link(probe, &paths.file));
        let (there, _) = (folder?.is_some(), file?);
        // A name where there is one: that of the group that the home belongs to, mostly.
        let at_home = at_home?;
        let group = match (user.primary, at_home) {
            (Primary::Named(group), _) => group,
            (Primary::Number(gid), (_, Some(stat)))
                if probe.group(&stat.group).await?.is_some_and(|group| group.gid == Some(gid)) =>
            {
                stat.group
            }
            (Primary::Number(gid), _) => gid.to_string(),
        };
        let keys = self.keys();
        let (making, editing) = (self.making(&paths, &group), self.editing(&paths, &group, &keys));
        let (folder, file) = futures::join!(making.read(probe), editing.read(probe));
        let (folder, file) = (folder?, file?);
        Ok(Seen { paths, group, folder, there, file })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let Seen { paths, group, folder, there, file } = current;
        let keys = self.keys();
        if self.state == State::Absent {
            let file = self.editing(paths, group, &keys).plan(file)?;
            return Ok(together([(paths.file.to_string(), file)]));
        }
        let folder = self.making(paths, group).plan(folder)?;
        let editing = self.editing(paths, group, &keys);
        let file = if *there {
            editing.plan(file)?
        } else {
            editing.plan_in(file, &Folder::to_come(&paths.folder, &self.user, group))?
        };
        Ok(together([(paths.folder.to_string(), folder), (paths.file.to_string(), file)]))
    }
}
