//! `package`: packages that should be installed, or not.

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::Names;
use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{
    self, Candidate, Host, Install, PackageState, Packages, Question, Removal, Step, check_package, check_version,
};

/// Packages of Debian or Ubuntu that should be installed, or not. What they need comes along; nothing else goes away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Package {
    /// The name of the package, or a list of names. Those of one task, and of tasks right after each other, are one transaction.
    name: Names,
    /// `present`: installed, whatever version. `latest`: the newest that the lists know. `absent`: not installed.
    #[serde(default)]
    state: State,
    /// The exact version, for one package. It may be older than what is there.
    version: Option<String>,
    /// With `absent`: remove its configuration and data as well?
    #[serde(default)]
    purge: bool,
    /// Refresh the lists of packages first, when there is something to install?
    #[serde(default)]
    update_cache: bool,
    /// With `update_cache`: lists that are at most so many seconds old are not refreshed.
    #[serde(default)]
    cache_valid_time: u64,
}

/// What is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Installed.
    #[default]
    Present,
    /// Installed, in the newest version.
    Latest,
    /// Not installed.
    Absent,
}

/// One package as it is there, and what could be.
#[derive(Debug)]
pub(super) struct Seen {
    packages: Vec<(String, Option<host::Package>)>,
    /// Of those that may change; what is not known yet says after what it is.
    candidates: Vec<Option<Result<Candidate, After>>>,
    removal: Option<Result<Removal, After>>,
    refresh: bool,
}

impl Package {
    /// Is nothing to be done about it, whatever could be installed?
    fn settled(&self, there: Option<&host::Package>) -> bool {
        let there = there.filter(|package| package.state == PackageState::Installed);
        match (self.state, &self.version) {
            (State::Present, None) => there.is_some(),
            (State::Present, Some(version)) => there.is_some_and(|package| package.version.as_ref() == Some(version)),
            (State::Latest | State::Absent, _) => false,
        }
    }

    /// Does it go away?
    fn goes(&self, there: Option<&host::Package>) -> bool {
        there.is_some_and(|package| self.purge || package.state != PackageState::Removed)
    }

    /// The version to install of a package; nothing when it is there already.
    fn wanted(
        &self,
        name: &str,
        there: Option<&host::Package>,
        candidate: &Result<Candidate, After>,
    ) -> Result<Option<Result<String, After>>, Halt> {
        let candidate = match candidate {
            Ok(candidate) => candidate,
            Err(after) => return Ok(Some(self.version.clone().map_or_else(|| Err(after.clone()), Ok))),
        };
        let none = |what: String| {
            let fault = Fault::failed(what);
            if self.update_cache {
                fault.help("add its repository in a task above, or correct its name")
            } else {
                fault.help("say `update_cache: true`, add its repository in a task above, or correct its name")
            }
        };
        if let Some(version) = &self.version {
            if candidate.versions.contains(version) {
                return Ok(Some(Ok(version.clone())));
            }
            let fault = none(format!("there is no version `{version}` of `{name}` to install"));
            return Err(match candidate.versions.join(", ") {
                known if known.is_empty() => fault,
                known => fault.cause(format!("the lists know {known}")),
            }
            .into());
        }
        let installed = there.filter(|package| package.state == PackageState::Installed);
        match (&candidate.version, installed) {
            (Some(version), Some(there)) if there.version.as_ref() == Some(version) => Ok(None),
            (Some(version), _) => Ok(Some(Ok(version.clone()))),
            // Installed by hand, from no repository: there is no newer one.
            (None, Some(_)) => Ok(None),
            (None, None) => Err(none(format!("there is no package `{name}` to install")).into()),
        }
    }

    fn install(&self, seen: &Seen) -> Result<Verdict<Step>, Halt> {
        let mut change = Change::new(Action::Create);
        if seen.refresh {
            change = change.field("lists", Shown::Absent, Shown::value("refreshed"));
        }
        let mut transaction = Packages { update: seen.refresh, ..Packages::default() };
        for ((name, there), candidate) in seen.packages.iter().zip(&seen.candidates) {
            let Some(candidate) = candidate else { continue };
            let there = there.as_ref();
            let Some(version) = self.wanted(name, there, candidate)? else { continue };
            if there.is_some_and(|package| package.held && package.state == PackageState::Installed) {
                return Err(Fault::new(FaultKind::Refused, format!("`{name}` is on hold, and stays as it is"))
                    .help("release it with `apt-mark unhold`, or leave it out")
                    .into());
            }
            let before = before(there);
            if before != Shown::Absent {
                change.action = Action::Update;
            }
            let version = match version {
                Ok(version) => {
                    change = change.field(name.clone(), before, Shown::value(&version));
                    Some(version)
                }
                Err(after) => {
                    change = change.field(name.clone(), before, Shown::Unknown(after));
                    None
                }
            };
            let downgrade = self.version.is_some() && there.is_some();
            transaction.install.push(Install { name: name.clone(), version, downgrade });
        }
        if transaction.install.is_empty() {
            let why = if self.state == State::Latest { "newest version" } else { "installed" };
            return Ok(Verdict::right(why));
        }
        Ok(Verdict::Change(change.step(Step::Packages(transaction))))
    }

    fn remove(&self, seen: &Seen) -> Verdict<Step> {
        let going: Vec<_> = seen.packages.iter().filter(|(_, there)| self.goes(there.as_ref())).collect();
        if going.is_empty() {
            return Verdict::right("not installed");
        }
        let mut change = Change::new(Action::Delete);
        let mut remove: Vec<String> = going.iter().map(|(name, _)| name.clone()).collect();
        for (name, there) in &going {
            change = change.field(name.clone(), before(there.as_ref()), Shown::Absent);
        }
        match &seen.removal {
            None => {}
            // What goes with them is seen at apply, and bound by this.
            Some(Err(after)) => change = change.field("removes", Shown::Absent, Shown::Unknown(after.clone())),
            Some(Ok(removal)) => {
                for (name, version) in &removal.gone {
                    if !remove.contains(name) {
                        change = change.field(format!("removes.{name}"), Shown::value(version), Shown::Absent);
                        remove.push(name.clone());
                    }
                }
                for (name, version) in &removal.come {
                    change = change.field(format!("installs.{name}"), Shown::Absent, Shown::value(version));
                }
            }
        }
        if self.purge {
            change = change.field("purge", Shown::value("their configuration and data"), Shown::Absent);
        }
        let transaction = Packages { remove, purge: self.purge, ..Packages::default() };
        Verdict::Change(change.step(Step::Packages(transaction)))
    }
}

/// What is there of a package.
fn before(there: Option<&host::Package>) -> Shown {
    match there {
        None => Shown::Absent,
        Some(package) => match (package.state, &package.version) {
            (PackageState::Removed, _) => Shown::value("removed, with its configuration left"),
            (PackageState::Broken, Some(version)) => Shown::value(format!("{version}, half installed")),
            (PackageState::Installed, Some(version)) => Shown::value(version),
            (_, None) => Shown::Unknown(After::new("it is installed")),
        },
    }
}

impl Resource for Package {
    const NAME: &'static str = "package";
    const DOC: Doc = Doc {
        summary: "packages that should be installed, or not",
        example: "\
- name: chrony is installed
  package: { name: chrony }
- name: tools are installed
  package: { name: [curl, jq], update_cache: true, cache_valid_time: 3600 }
- name: the old mail server is gone
  package: { name: exim4-base, state: absent, purge: true }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let Names(names) = &self.name;
        let mut misfits: Vec<Misfit> =
            names.iter().filter_map(|name| check_package(name).err()).map(|why| Misfit::new("name", why)).collect();
        if names.is_empty() {
            misfits.push(Misfit::new("name", "it names no package"));
        }
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            misfits.push(Misfit::new("name", format!("`{}` stands there twice", twice.1)));
        }
        if let Some(version) = &self.version {
            misfits.extend(check_version(version).err().map(|why| Misfit::new("version", why)));
            if names.len() > 1 {
                misfits.push(Misfit::new("version", "it is for one package: write a task for each"));
            }
            if self.state != State::Present {
                misfits.push(Misfit::new("version", "it says already what is to be there: leave out `state`"));
            }
        }
        if self.purge && self.state != State::Absent {
            misfits.push(Misfit::new("purge", "it is for `state: absent`"));
        }
        if self.update_cache && self.state == State::Absent {
            misfits.push(Misfit::new("update_cache", "nothing is installed, so no lists are needed"));
        }
        if self.cache_valid_time > 0 && !self.update_cache {
            misfits.push(Misfit::new("cache_valid_time", "it is for `update_cache: true`"));
        }
        if self.update_cache && self.state == State::Latest && self.cache_valid_time == 0 {
            let why =
                "`latest` looks at the lists in every run: say how old they may be, or every run changes something";
            misfits.push(Misfit::new("cache_valid_time", why));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        self.name.0.iter().map(|name| Thing::new("package", name)).collect()
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let Names(names) = &self.name;
        probe.soon(names.iter().map(|name| Question::Package(name.clone())));
        if self.state == State::Latest {
            probe.soon(names.iter().map(|name| Question::Candidate(name.clone())));
        }
        let mut packages = Vec::with_capacity(names.len());
        for name in names {
            packages.push((name.clone(), probe.package(name).await?));
        }
        let mut seen = Seen { packages, candidates: Vec::new(), removal: None, refresh: false };
        if self.state == State::Absent {
            let going = seen.packages.iter().filter(|(_, there)| self.goes(there.as_ref()));
            let going: Vec<String> = going.map(|(name, _)| name.clone()).collect();
            if !going.is_empty() {
                seen.removal = Some(known(probe.removal(going, self.purge).await)?);
            }
            return Ok(seen);
        }
        let open: Vec<bool> = seen.packages.iter().map(|(_, there)| !self.settled(there.as_ref())).collect();
        if open.contains(&true) && self.update_cache {
            let age = if self.cache_valid_time == 0 { None } else { probe.lists().await? };
            seen.refresh = age.is_none_or(|age| age > self.cache_valid_time);
        }
        let asked = names.iter().zip(&open).filter(|(_, open)| **open && !seen.refresh);
        probe.soon(asked.map(|(name, _)| Question::Candidate(name.clone())));
        for (name, open) in names.iter().zip(open) {
            seen.candidates.push(match (open, seen.refresh) {
                (false, _) => None,
                (true, true) => Some(Err(After::new("the lists are refreshed"))),
                (true, false) => Some(known(probe.candidate(name).await)?),
            });
        }
        Ok(seen)
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        if self.state == State::Absent { Ok(self.remove(current)) } else { self.install(current) }
    }
}

/// What is known, or after what it will be.
fn known<T>(look: Result<T, Halt>) -> Result<Result<T, After>, Halt> {
    match look {
        Ok(answer) => Ok(Ok(answer)),
        Err(Halt::Later(after)) => Ok(Err(after)),
        Err(fault) => Err(fault),
    }
}
