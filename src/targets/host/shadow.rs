//! What the steps planned so far leave behind on a host: a copy-on-write view over what the place answered.
//! It asks nothing itself: what it would have to know first comes back as [`Stop::Ask`].

use std::collections::BTreeMap;

use super::download::Download;
use super::ghost::{Below, Ghost, Sort, There, View, What, root};
use super::{Attributes, FileKind, Node, Stat, Step};
use crate::model::{After, Content, Fault};

/// Links followed in one path before it is called a loop, as the kernel does.
const MAX_LINKS: usize = 40;

/// What the place answered so far about a path (links not followed): `None` when it was not asked yet.
pub(super) trait Base {
    fn stat(&self, path: &str) -> Option<&Result<Option<Stat>, Fault>>;

    /// Which file is there, if the place answered anything that tells.
    fn node(&self, path: &str) -> Option<Node>;
}

/// Why a path cannot be judged now.
#[derive(Debug)]
pub(super) enum Stop {
    /// The place must say first what is there.
    Ask(String),
    /// A step left it open.
    Open(After),
    /// The place could not say, or there is a loop of links.
    Fault(Fault),
}

/// All that the steps planned so far leave behind.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    /// By physical path: no part but the last is a link.
    pub(super) ghosts: BTreeMap<String, Ghost>,
    /// Folders below which something new may have come.
    pub(super) adds: Vec<(String, After)>,
    /// Owner, group and mode that steps set on files of the place: whatever else bears the number has them too.
    worn: BTreeMap<Node, Attributes>,
    /// How many things steps made.
    made: u32,
    /// The last task that installs packages.
    pub(super) installed: Option<After>,
}

/// A path, with every link but perhaps the last resolved, and what is there.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) path: String,
    pub(super) found: Found,
    /// Does a step planned so far decide what is there?
    pub(super) planned: bool,
    /// The uppermost part of the path that is missing.
    pub(super) gap: Option<String>,
}

#[derive(Debug)]
pub(super) enum Found {
    Absent,
    There {
        stat: Stat,
        source: Source,
    },
    Open(After),
    /// Absent, unless a package brings it.
    Maybe(After),
}

/// Which file it is, whatever its name.
#[derive(PartialEq)]
enum Identity {
    /// The place's own.
    Place(Node),
    /// What a step makes.
    Made(u32),
}

/// Where the bytes of a file come from.
#[derive(Debug)]
pub(super) enum Source {
    /// From the place, at that path.
    Place(String),
    /// From a planned write.
    Planned(Content),
    /// Nobody knows yet.
    Promise(After),
    /// It is no file.
    None,
}

impl Shadow {
    /// Where `path` leads and what is there; the last part is followed if it is a link and `follow` says so.
    pub(super) fn walk<'a>(&'a self, base: &'a dyn Base, path: &'a str, follow: bool) -> Result<Spot, Stop> {
        let mut at = String::with_capacity(path.len());
        let mut levels: Vec<(usize, Below)> = Vec::new();
        let mut below = Below::Place;
        let mut todo: Vec<&str> = path.split('/').rev().collect();
        let mut links = 0;
        let mut here = There { ghost: None, base: None, worn: None };
        while let Some(part) = todo.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    if let Some((start, before)) = levels.pop() {
                        at.truncate(start);
                        below = before;
                    }
                    here = There { ghost: self.ghosts.get(&at), base: self.known(base, &at), worn: None };
                    continue;
                }
                _ => {}
            }
            let start = at.len();
            at.push('/');
            at.push_str(part);
            let last = todo.iter().all(|part| part.is_empty() || *part == ".");
            let there = match self.view(base, &at, below)? {
                View::There(there) => there,
                View::Absent => return Ok(self.absent(at, &todo, below)),
                View::Open(after) if last => {
                    return Ok(Spot { path: at, found: Found::Open(after.clone()), planned: true, gap: None });
                }
                View::Open(after) => return Err(Stop::Open(after.clone())),
                View::Maybe(after) => {
                    let spot = self.absent(at, &todo, below);
                    return Ok(Spot { found: Found::Maybe(after.clone()), ..spot });
                }
            };
            match there.sort() {
                Sort::Link(target) if !last || follow => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Stop::Fault(Fault::failed(format!("`{path}` goes round in a loop of links"))));
                    }
                    at.truncate(start);
                    if target.starts_with('/') {
                        at.clear();
                        levels.clear();
                        below = Below::Place;
                    }
                    todo.extend(target.split('/').rev());
                }
                Sort::Directory => {
                    levels.push((start, below));
                    below = there.below();
                    here = there;
                }
                // A file has nothing below it.
                _ if !last => return Ok(self.absent(at, &todo, below)),
                _ => {
                    let planned = there.ghost.is_some() || there.worn.is_some() || below == Below::Nothing;
                    return Ok(Spot { found: there.found(&at), path: at, planned, gap: None });
                }
            }
        }
        if at.is_empty() {
            return Ok(Spot {
                found: Found::There { stat: root(), source: Source::None },
                path: "/".to_owned(),
                planned: false,
                gap: None,
            });
        }
        Ok(Spot { found: here.found(&at), planned: here.ghost.is_some(), path: at, gap: None })
    }

    fn absent(&self, mut at: String, todo: &[&str], below: Below) -> Spot {
        let planned = below == Below::Nothing || self.ghosts.contains_key(&at);
        let gap = Some(at.clone());
        for part in todo.iter().rev() {
            match *part {
                "" | "." => {}
                ".." => at.truncate(at.rfind('/').unwrap_or(0)),
                part => {
                    at.push('/');
                    at.push_str(part);
                }
            }
        }
        Spot { path: at, found: Found::Absent, planned, gap }
    }

    fn known<'a>(&self, base: &'a dyn Base, path: &str) -> Option<&'a Stat> {
        let path = self.ghosts.get(path).map_or(path, |ghost| ghost.under.as_deref().unwrap_or(path));
        base.stat(path).and_then(|answer| answer.as_ref().ok()).and_then(Option::as_ref)
    }

    fn view<'a>(&'a self, base: &'a dyn Base, path: &str, below: Below) -> Result<View<'a>, Stop> {
        let ghost = self.ghosts.get(path);
        let under = match ghost {
            None if below == Below::Nothing => return Ok(View::Absent),
            None if below == Below::Packages => return Ok(self.none(path)),
            None => Some(path),
            Some(Ghost { what: What::Absent, porous: false, .. }) => return Ok(View::Absent),
            Some(Ghost { what: What::Absent, .. }) => return Ok(self.none(path)),
            Some(Ghost { what: What::Open(after), .. }) => return Ok(View::Open(after)),
            Some(ghost) => ghost.under.as_deref(),
        };
        let base = match under.map(|under| (under, base.stat(under))) {
            None => None,
            Some((under, None)) => return Err(Stop::Ask(under.to_owned())),
            Some((_, Some(Err(fault)))) => return Err(Stop::Fault(fault.clone())),
            Some((_, Some(Ok(stat)))) => stat.as_ref(),
        };
        match (ghost, base) {
            (None | Some(Ghost { what: What::Place, .. }), None) => Ok(self.none(path)),
            (ghost, base) => {
                let own = ghost.is_none_or(|ghost| ghost.made.is_none());
                let worn = base.and_then(|stat| stat.node).filter(|_| own).and_then(|node| self.worn.get(&node));
                Ok(View::There(There { ghost, base, worn }))
            }
        }
    }

    /// The physical path of `path`, its last part not followed; as it stands when the place was not asked.
    pub(super) fn locate(&self, base: &dyn Base, path: &str, follow: bool) -> String {
        self.walk(base, path, follow).map_or_else(|_| path.to_owned(), |spot| spot.path)
    }

    /// The last task that planned to install something, which may bring any file.
    pub(super) fn installed(&self) -> Option<&After> {
        self.installed.as_ref()
    }

    /// Takes in what `step` will have done.
    pub(super) fn imitate(&mut self, base: &dyn Base, step: &Step, after: &After) {
        match step {
            Step::Write { path, content, attributes, .. } => {
                let path = self.ground(base, path);
                self.put(base, path, What::File(content.clone()), attributes);
            }
            Step::Promise { path, attributes, after } => {
                let path = self.ground(base, path);
                self.put(base, path, What::Promise(after.clone()), attributes);
            }
            Step::Download(Download { path, digest, attributes, .. }) => {
                let path = self.ground(base, path);
                self.put(base, path, What::Known(*digest, after.clone()), attributes);
            }
            Step::Attributes { path, attributes } => {
                let path = self.locate(base, path, true);
                self.wear(base, path, attributes);
            }
            Step::Directory { path, attributes } => {
                let path = self.ground(base, path);
                let there = matches!(self.walk(base, &path, false), Ok(Spot { found: Found::There { stat, .. }, .. })
                    if stat.kind == FileKind::Directory);
                self.put(base, path, if there { What::Place } else { What::Directory }, attributes);
            }
            Step::Link { path, target, hard: false, .. } => {
                let path = self.ground(base, path);
                self.clear(&path);
                // Nobody sets the mode of a symbolic link, and its owner is who made it.
                let attributes = Attributes { mode: Some(0o777), ..Attributes::default() };
                self.ghosts.insert(path, Ghost { attributes, ..Ghost::bare(What::Link(target.clone())) });
            }
            Step::Link { path, target, hard: true, .. } => {
                let (path, target) = (self.ground(base, path), self.locate(base, target, false));
                let ghost = self.ghosts.get(&target).cloned().unwrap_or_else(|| Ghost::of_place(&target));
                self.clear(&path);
                self.ghosts.insert(path, ghost);
            }
            Step::Remove { path, .. } => {
                let path = self.locate(base, path, false);
                self.clear(&path);
                self.ghosts.insert(path, Ghost::bare(What::Absent));
            }
            Step::Run { changes, .. } => self.open(base, changes, after),
            Step::Unpack(unpack) => self.open(base, std::slice::from_ref(&unpack.dest), after),
            // No question asks for rules.
            Step::Ruleset { .. } => {}
            // What lies in memory only is gone, or made anew by what starts.
            Step::Reboot { .. } => self.open(base, &["/run".to_owned()], after),
            Step::Tune { path, value, .. } => self.reads(path, Content::open(format!("{value}\n").as_bytes())),
            Step::Act { leaves, .. } => {
                self.open(base, &leaves.changes, after);
                self.adds.extend(leaves.adds.iter().map(|path| (path.clone(), after.clone())));
                for (path, content) in &leaves.files {
                    self.reads(path, content.clone());
                }
            }
            Step::Packages(packages) => {
                if !packages.install.is_empty() {
                    self.installed = Some(after.clone());
                    self.ghosts.values_mut().for_each(|ghost| ghost.porous = true);
                }
            }
            Step::User(user) => self.settle_in(base, user),
            // They touch no files that a task would look at.
            Step::Unit { .. } | Step::DaemonReload | Step::NoUser(_) | Step::Group(_) | Step::NoGroup(_) => {}
        }
    }

    /// Nobody knows what will be at `paths`.
    fn open(&mut self, base: &dyn Base, paths: &[String], after: &After) {
        for path in paths {
            for follow in [false, true] {
                // It may make the folders above as well.
                let path = match self.walk(base, path, follow) {
                    Ok(spot) => spot.gap.unwrap_or(spot.path),
                    Err(_) => path.clone(),
                };
                self.clear(&path);
                self.ghosts.insert(path, Ghost::bare(What::Open(after.clone())));
            }
        }
    }

    pub(super) fn put(&mut self, base: &dyn Base, path: String, what: What, attributes: &Attributes) {
        let keeps = matches!(what, What::Place);
        let there = self.walk(base, &path, false);
        let brought = matches!(there, Ok(Spot { found: Found::Maybe(_), .. }));
        let before = || self.ghosts.get(&path).cloned().unwrap_or_else(|| Ghost::of_place(&path));
        let mut ghost = match there {
            Ok(Spot { found: Found::There { .. }, .. }) if keeps => before(),
            Err(Stop::Ask(_)) => before(),
            // Another file from now on: what its other names get is not for this one.
            Ok(Spot { found: Found::There { stat, .. }, .. }) if matches!(stat.kind, FileKind::File(_)) => {
                Ghost { attributes: Attributes::all_of(stat), ..Ghost::bare(What::Absent) }
            }
            // A file that takes the place of a link or a folder has nothing of it.
            _ => Ghost::bare(What::Absent),
        };
        if !keeps {
            ghost.what = what;
            ghost.made = Some(self.next());
            ghost.porous |= brought;
        }
        ghost.attributes = ghost.attributes.then(attributes);
        self.ghosts.insert(path, ghost);
    }

    /// A number for what a step makes.
    pub(super) fn next(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// Sets attributes of what is at `path`, under all its names.
    fn wear(&mut self, base: &dyn Base, path: String, attributes: &Attributes) {
        match self.identity(base, &path) {
            Some(Identity::Place(node)) => {
                let worn = self.worn.entry(node).or_default();
                *worn = std::mem::take(worn).then(attributes);
            }
            Some(Identity::Made(number)) => {
                for ghost in self.ghosts.values_mut().filter(|ghost| ghost.made == Some(number)) {
                    ghost.attributes = std::mem::take(&mut ghost.attributes).then(attributes);
                }
            }
            None => self.put(base, path, What::Place, attributes),
        }
    }

    /// Which file is at the physical path; a folder of the place has one name only.
    fn identity(&self, base: &dyn Base, path: &str) -> Option<Identity> {
        match self.ghosts.get(path) {
            Some(Ghost { made: Some(number), .. }) => Some(Identity::Made(*number)),
            Some(Ghost { what: What::Place, under: Some(under), .. }) => base.node(under).map(Identity::Place),
            None => base.node(path).map(Identity::Place),
            Some(_) => None,
        }
    }

    /// Forgets `path` and all below it.
    fn clear(&mut self, path: &str) {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.ghosts.retain(|ghost, _| ghost != path && !ghost.starts_with(&below));
    }

    /// What is below the folder at the physical path `root`, given what the place has there.
    pub(super) fn tree(
        &self,
        base: &dyn Base,
        root: &str,
        place: &[(String, Stat)],
    ) -> Result<Vec<(String, Stat)>, Stop> {
        let prefix = format!("{}/", root.trim_end_matches('/'));
        let mut all: BTreeMap<&str, Stat> = place
            .iter()
            .filter(|(path, _)| path.starts_with(&prefix) && !self.hides(root, path))
            .map(|(path, stat)| {
                let mut stat = stat.clone();
                if let Some(worn) = stat.node.and_then(|node| self.worn.get(&node)) {
                    worn.clone().put_on(&mut stat);
                }
                (path.as_str(), stat)
            })
            .collect();
        for (path, ghost) in self.ghosts.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
            match &ghost.what {
                What::Open(after) | What::Promise(after) | What::Known(_, after) => {
                    return Err(Stop::Open(after.clone()));
                }
                What::Absent => {}
                _ => {
                    let View::There(there) = self.view(base, path, Below::Place)? else { continue };
                    if let Found::There { stat, .. } = there.found(path) {
                        all.insert(path, stat);
                    }
                }
            }
        }
        Ok(all.into_iter().map(|(path, stat)| (path.to_owned(), stat)).collect())
    }

    /// Does a step decide about `path`, or about a folder between it and `root`?
    fn hides(&self, root: &str, path: &str) -> bool {
        let mut at = path;
        while at.len() > root.len() {
            match self.ghosts.get(at) {
                Some(_) if at == path => return true,
                Some(Ghost { what: What::Place, .. }) | None => {}
                Some(_) => return true,
            }
            at = &at[..at.rfind('/').unwrap_or(0)];
        }
        false
    }

    /// Are these two names of one file? Both were looked at.
    pub(super) fn same(&self, base: &dyn Base, path: &str, other: &str) -> bool {
        let one = self.identity(base, path);
        one.is_some() && one == self.identity(base, other)
    }

    /// Is the folder at the physical path new, although the place may have one there?
    pub(super) fn renewed(&self, path: &str) -> bool {
        self.ghosts.get(path).is_some_and(|ghost| matches!(ghost.what, What::Directory))
    }
}
