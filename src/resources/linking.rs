//! A link that should be there: what `link` and `file` have in common.

use super::path::{Folder, HostPath, in_the_way, or_coming, parent};
use super::removing::expect;
use crate::model::{Action, After, Change, Fault, Halt, Shown, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Expect, FileKind, Stat, Step};

/// The wish.
pub(super) struct Linking<'a> {
    pub(super) path: &'a HostPath,
    pub(super) target: &'a str,
    pub(super) hard: bool,
    /// May a file that is there be lost?
    pub(super) force: bool,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Linked {
    stat: Option<Stat>,
    /// A package planned above may bring something there.
    coming: Option<After>,
    folder: Folder,
    target: Option<Stat>,
    same: bool,
}

impl Linking<'_> {
    pub(super) async fn read(&self, probe: &HostProbe) -> Result<Linked, Halt> {
        let (stat, coming) = or_coming(probe, self.path, probe.stat(self.path).await).await?;
        let folder = Folder::read(probe, parent(self.path)).await?;
        let mut linked = Linked { stat, coming, folder, target: None, same: false };
        if self.hard {
            linked.target = probe.stat(self.target).await?;
            if linked.stat.is_some() && linked.target.is_some() {
                linked.same = probe.same_file(self.path, self.target).await?;
            }
        }
        Ok(linked)
    }

    pub(super) fn plan(&self, linked: &Linked) -> Result<Verdict<Step>, Halt> {
        if self.hard {
            match &linked.target {
                Some(Stat { kind: FileKind::File(_), .. }) => {}
                Some(stat) => return Err(in_the_way(self.target, &stat.kind, "only files can be hard linked").into()),
                None => {
                    let what = format!("`{}`, which is to be hard linked, does not exist", self.target);
                    return Err(Fault::failed(what).help("make it in a task above").into());
                }
            }
        }
        let (action, expect) = match &linked.stat {
            None => {
                linked.folder.ready()?;
                (Action::Create, linked.coming.clone().map_or(Expect::Absent, Expect::Open))
            }
            Some(_) if self.hard && linked.same => return Ok(Verdict::right("the same file")),
            Some(Stat { kind: FileKind::Link(target), .. }) => {
                if !self.hard && target == self.target {
                    return Ok(Verdict::right("points there"));
                }
                (Action::Update, Expect::Link(target.clone()))
            }
            Some(stat) => {
                let lost = matches!(stat.kind, FileKind::File(_)) && self.force;
                if !lost {
                    let help = match stat.kind {
                        FileKind::File(_) => "say `force: true` if the file may be lost",
                        _ => "take it away in a task above first, with `file: {state: absent}`",
                    };
                    return Err(in_the_way(self.path, &stat.kind, help).into());
                }
                (Action::Update, expect(&stat.kind))
            }
        };
        let mut change = Change::new(action);
        if let Some(Stat { kind: FileKind::File(_), size, .. }) = &linked.stat {
            let what = if self.hard { "hard link" } else { "link" };
            change = change.field("state", Shown::Value(format!("a file, {size} bytes")), Shown::value(what));
        }
        let before = match &linked.stat {
            Some(Stat { kind: FileKind::Link(target), .. }) => Shown::value(target),
            _ => linked.coming.clone().map_or(Shown::Absent, Shown::Unknown),
        };
        let step = Step::Link { path: self.path.to_string(), target: self.target.to_owned(), hard: self.hard, expect };
        Ok(Verdict::Change(change.field("target", before, Shown::value(self.target)).step(step)))
    }
}
