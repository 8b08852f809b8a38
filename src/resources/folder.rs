//! A folder that should be there, with those above it: what `directory` and `file` have in common.

use super::attributes::{self, Mode, Names, Wanted, octal};
use super::path::{Folder, HostPath, in_the_way, or_coming, unless_brought};
use crate::model::{Action, After, Change, Fault, Halt, Shown, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Attributes, FileKind, Stat, Step};

/// The wish.
pub(super) struct Making<'a> {
    pub(super) path: &'a HostPath,
    pub(super) wanted: Wanted<'a>,
    pub(super) parents: bool,
    pub(super) recurse: bool,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Ground {
    /// Where the path leads when links above it and it itself are followed.
    real: String,
    stat: Option<Stat>,
    /// The nearest folder above that is there, and the missing ones between, from the top.
    above: Stat,
    missing: Vec<String>,
    below: Vec<(String, Stat)>,
    names: Names,
    /// A package planned above may bring it, or a folder above it.
    coming: Option<After>,
}

impl Ground {
    /// How much is below it, where that was asked for.
    pub(super) fn below(&self) -> usize {
        self.below.len()
    }
}

impl Making<'_> {
    pub(super) async fn read(&self, probe: &HostProbe) -> Result<Ground, Halt> {
        self.wanted.soon(probe);
        let ((real, stat), coming) = or_coming(probe, self.path, probe.followed(self.path).await).await?;
        if stat.is_none() && coming.is_none() {
            dangles(probe, self.path).await?;
        }
        let names = self.wanted.names(probe, stat.as_ref()).await?;
        let mut missing = Vec::new();
        let mut at = self.path.parent();
        let above = loop {
            match or_coming(probe, at, probe.followed(at).await).await? {
                ((_, Some(stat)), _) if stat.kind == FileKind::Directory => break stat,
                ((_, Some(stat)), _) => return Err(in_the_way(at, &stat.kind, "a folder is needed there").into()),
                // Without `parents` it is needed from somewhere, and a package may bring it.
                (_, Some(_)) if !self.parents => break Folder::brought(),
                ((_, None), coming) => {
                    if coming.is_none() {
                        dangles(probe, at).await?;
                    }
                    missing.insert(0, at.to_owned());
                }
            }
            at = super::path::parent(at);
        };
        let below = match &stat {
            Some(Stat { kind: FileKind::Directory, .. }) if self.recurse => probe.tree(&real).await?,
            _ => Vec::new(),
        };
        Ok(Ground { real, stat, above, missing, below, names, coming })
    }

    pub(super) fn plan(&self, ground: &Ground) -> Result<Verdict<Step>, Halt> {
        match &ground.stat {
            None => self.create(ground),
            Some(stat) if stat.kind == FileKind::Directory => Ok(self.adjust(ground, stat)),
            Some(stat) => {
                let help = "a folder is wished for there: take away what is there first with `file: {state: absent}`";
                Err(in_the_way(self.path, &stat.kind, help).into())
            }
        }
    }

    fn create(&self, ground: &Ground) -> Result<Verdict<Step>, Halt> {
        if !self.parents
            && let Some(missing) = ground.missing.last()
        {
            return Err(Fault::failed(format!("the folder `{missing}` does not exist"))
                .help("make it in a task above, or say `parents: true`")
                .into());
        }
        let mut folder = ground.above.clone();
        let mut change = Change::new(Action::Create).field("state", Shown::Absent, Shown::value("folder"));
        let mut steps = Vec::new();
        for path in &ground.missing {
            let plain = Wanted { mode: None, owner: None, group: None };
            let attributes = plain.fresh(attributes::FOLDER, &ground.names, &folder);
            change = change.field(path.clone(), Shown::Absent, Shown::Value(summary(&attributes)));
            take(&mut folder, &attributes);
            steps.push(Step::Directory { path: path.clone(), attributes });
        }
        let attributes = self.wanted.fresh(attributes::FOLDER, &ground.names, &folder);
        change = attributes::fields(change, &attributes, None);
        steps.push(Step::Directory { path: self.path.to_string(), attributes });
        change.steps = steps;
        Ok(Verdict::Change(match &ground.coming {
            None => change,
            Some(after) => unless_brought(change, after, &self.wanted),
        }))
    }

    fn adjust(&self, ground: &Ground, stat: &Stat) -> Verdict<Step> {
        let mut change = Change::new(Action::Update);
        let differing = self.wanted.differing(stat, &ground.names);
        if !attributes::none(&differing) {
            change = attributes::fields(change, &differing, Some(stat));
            change.steps.push(Step::Attributes { path: ground.real.clone(), attributes: differing });
        }
        let (mut before, mut after) = (String::new(), String::new());
        let below = Wanted { mode: None, ..self.wanted };
        for (path, stat) in &ground.below {
            // What a link points to may be anywhere.
            if matches!(stat.kind, FileKind::Link(_)) {
                continue;
            }
            let differing = below.differing(stat, &ground.names);
            if attributes::none(&differing) {
                continue;
            }
            let owner = differing.owner.as_ref().unwrap_or(&stat.owner);
            let group = differing.group.as_ref().unwrap_or(&stat.group);
            before.extend([path, " ", &stat.owner, ":", &stat.group, "\n"]);
            after.extend([path, " ", owner, ":", group, "\n"]);
            change.steps.push(Step::Attributes { path: path.clone(), attributes: differing });
        }
        if !before.is_empty() {
            change = change.field("below", Shown::Text(before), Shown::Text(after));
        }
        if change.steps.is_empty() { Verdict::right("it exists") } else { Verdict::Change(change) }
    }
}

/// A link that points to nothing is in the way, although nothing is there when it is followed.
async fn dangles(probe: &HostProbe, path: &str) -> Result<(), Halt> {
    match probe.stat(path).await? {
        Some(stat) if matches!(stat.kind, FileKind::Link(_)) => {
            let help = "it points to nothing: take it away first, or make its target";
            Err(in_the_way(path, &stat.kind, help).into())
        }
        _ => Ok(()),
    }
}

fn summary(attributes: &Attributes) -> String {
    let Attributes { mode, owner, group } = attributes;
    let (owner, group) = (owner.as_deref().unwrap_or("-"), group.as_deref().unwrap_or("-"));
    format!("folder, {} {owner}:{group}", octal(mode.unwrap_or(attributes::FOLDER)))
}

fn take(stat: &mut Stat, attributes: &Attributes) {
    stat.mode = attributes.mode.unwrap_or(stat.mode);
    stat.owner = attributes.owner.clone().unwrap_or_else(|| stat.owner.clone());
    stat.group = attributes.group.clone().unwrap_or_else(|| stat.group.clone());
}

/// `recurse` would give files and folders the same mode: either files that run, or folders that nobody can enter.
pub(super) fn check_recurse(recurse: bool, mode: Option<Mode>) -> Option<crate::model::decode::Misfit> {
    (recurse && mode.is_some()).then(|| {
        let why = "`recurse` sets owner and group only, for one mode cannot fit files and folders: set `mode` in a task of its own";
        crate::model::decode::Misfit::new("mode", why)
    })
}
