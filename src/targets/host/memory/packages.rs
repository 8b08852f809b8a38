//! The packages of a host in memory, and where it gets more.

use std::collections::BTreeMap;

use super::machine::Machine;
use crate::model::{Fault, FaultKind};
use crate::targets::host::{Candidate, Package, PackageState, Packages, Removal};

/// A package that the host in memory can get.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Its version.
    pub version: String,
    /// Packages that it needs.
    pub depends: Vec<String>,
    /// Files that it brings.
    pub files: Vec<(String, String)>,
    /// Units that it brings: they run and are enabled once it is installed.
    pub units: Vec<String>,
    /// Users that it makes.
    pub users: Vec<(String, u32)>,
}

/// What is installed and what can be.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) installed: BTreeMap<String, Package>,
    pub(super) offers: BTreeMap<String, Offer>,
    /// How old the lists are; without lists nothing can be got.
    pub(super) lists: Option<u64>,
}

impl Shelf {
    pub(super) fn candidate(&self, name: &str) -> Candidate {
        let there = self.installed.get(name).filter(|package| package.state == PackageState::Installed);
        let offer = self.offers.get(name).filter(|_| self.lists.is_some()).map(|offer| offer.version.clone());
        let version = offer.or_else(|| there.and_then(|package| package.version.clone()));
        Candidate { versions: version.iter().cloned().collect(), version }
    }

    /// Those that cannot stay without the packages `names`, and these.
    pub(super) fn removal(&self, names: &[String]) -> Removal {
        let mut going: Vec<String> = names.to_vec();
        let mut at = 0;
        while let Some(name) = going.get(at).cloned() {
            let needs = |other: &String| self.offers.get(other).is_some_and(|offer| offer.depends.contains(&name));
            let more = self.installed.keys().filter(|other| needs(other) && !going.contains(other));
            let more: Vec<String> = more.cloned().collect();
            going.extend(more);
            at += 1;
        }
        let version = |name: &String| self.installed.get(name).and_then(|package| package.version.clone());
        let gone = going.iter().map(|name| (name.clone(), version(name).unwrap_or_default())).collect();
        Removal { gone, come: Vec::new() }
    }
}

impl Machine {
    pub(super) fn transact(&mut self, packages: &Packages) -> Result<(), Fault> {
        if packages.update {
            self.shelf.lists = Some(0);
        }
        for (name, _) in self.shelf.removal(&packages.remove).gone {
            if !packages.remove.contains(&name) {
                return Err(Fault::new(FaultKind::Stale, format!("`{name}` would go away as well")));
            }
            if packages.purge {
                self.shelf.installed.remove(&name);
            } else if let Some(package) = self.shelf.installed.get_mut(&name) {
                package.state = PackageState::Removed;
            }
            for unit in self.shelf.offers.get(&name).into_iter().flat_map(|offer| &offer.units) {
                self.units.remove(unit);
            }
        }
        for install in &packages.install {
            let offered = self.shelf.candidate(&install.name).version;
            if offered.is_none() || install.version.is_some() && install.version != offered {
                return Err(Fault::failed(format!("could not install `{}`", install.name)));
            }
            self.install(&install.name);
        }
        Ok(())
    }

    fn install(&mut self, name: &str) {
        let Some(offer) = self.shelf.offers.get(name).cloned() else { return };
        for other in &offer.depends {
            if !self.shelf.installed.contains_key(other) {
                self.install(other);
            }
        }
        let package = Package { version: Some(offer.version), state: PackageState::Installed, held: false };
        self.shelf.installed.insert(name.to_owned(), package);
        for (path, content) in &offer.files {
            if !self.has(path) {
                self.put(path, content);
            }
        }
        for unit in offer.units {
            self.units.insert(unit, super::units::Kept::running());
        }
        for (user, number) in offer.users {
            self.add_user(&user, number, &user);
        }
    }
}
