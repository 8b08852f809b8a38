//! A whole file with a wished content: what `copy` and `template` have in common.

use super::attributes::{self, Names, Wanted};
use super::path::{Folder, HostPath, in_the_way, or_coming, unless_brought};
use crate::model::{Action, After, Change, Content, Halt, Shown, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Expect, FileKind, Stat, Step};

/// The wish.
pub(super) struct Writing<'a> {
    pub(super) path: &'a HostPath,
    pub(super) content: Result<Content, After>,
    pub(super) wanted: Wanted<'a>,
    pub(super) validate: Option<&'a str>,
    /// May what is there be replaced?
    pub(super) force: bool,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Written {
    stat: Option<Stat>,
    /// A package planned above may bring it.
    coming: Option<After>,
    /// The content of a file that differs.
    live: Option<Result<Content, After>>,
    folder: Folder,
    names: Names,
}

impl Writing<'_> {
    pub(super) async fn read(&self, probe: &HostProbe) -> Result<Written, Halt> {
        self.wanted.soon(probe);
        let (stat, coming) = or_coming(probe, self.path, probe.stat(self.path).await).await?;
        let folder = Folder::read(probe, self.path.parent()).await?;
        let names = self.wanted.names(probe, stat.as_ref()).await?;
        let mut live = None;
        if let (Some(FileKind::File(digest)), true) = (stat.as_ref().map(|stat| &stat.kind), self.force)
            && !self.is(*digest)
        {
            live = match probe.content(self.path).await {
                Ok(content) => Some(Ok(content.unwrap_or_else(|| Content::open([])))),
                Err(Halt::Later(after)) => Some(Err(after)),
                Err(fault) => return Err(fault),
            };
        }
        let written = Written { stat, coming, live, folder, names };
        if let (Some(validate), Ok(content), true) = (self.validate, &self.content, self.rewrites(&written)) {
            match probe.validate(self.path, validate, content).await {
                // Something is planned above: it runs at apply, before the file is put into place.
                Ok(()) | Err(Halt::Later(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(written)
    }

    fn is(&self, digest: Option<crate::model::Digest>) -> bool {
        matches!((&self.content, digest), (Ok(content), Some(digest)) if content.digest() == digest)
    }

    fn rewrites(&self, written: &Written) -> bool {
        match (&written.stat, &written.live) {
            (Some(_), None) => false,
            (Some(_), Some(Ok(live))) => !self.is(Some(live.digest())),
            (None, _) | (Some(_), Some(Err(_))) => true,
        }
    }

    pub(super) fn plan(&self, written: &Written) -> Result<Verdict<Step>, Halt> {
        self.plan_in(written, &written.folder)
    }

    /// The same, in a folder that a step of the same task makes.
    pub(super) fn plan_in(&self, written: &Written, folder: &Folder) -> Result<Verdict<Step>, Halt> {
        let path = self.path.to_string();
        let shown = match &self.content {
            Ok(content) => Shown::content(content),
            Err(after) => Shown::Unknown(after.clone()),
        };
        let step = |attributes, expect| match &self.content {
            Ok(content) => {
                let validate = self.validate.map(str::to_owned);
                Step::Write { path: path.clone(), content: content.clone(), attributes, expect, validate }
            }
            Err(after) => Step::Promise { path: path.clone(), attributes, after: after.clone() },
        };
        let Some(stat) = &written.stat else {
            let attributes = self.wanted.fresh(attributes::FILE, &written.names, folder.ready()?);
            let change = Change::new(Action::Create).field("content", Shown::Absent, shown);
            let change = attributes::fields(change, &attributes, None);
            return Ok(Verdict::Change(match &written.coming {
                None => change.step(step(attributes, Expect::Absent)),
                Some(after) => {
                    unless_brought(change, after, &self.wanted).step(step(attributes, Expect::Open(after.clone())))
                }
            }));
        };
        match &stat.kind {
            FileKind::File(_) => {}
            FileKind::Directory => {
                return Err(in_the_way(self.path, &stat.kind, "name the file itself in `dest`, not the folder").into());
            }
            FileKind::Link(_) => {
                let help = "name the file that it points to, or remove the link first with `file: {state: absent}`";
                return Err(in_the_way(self.path, &stat.kind, help).into());
            }
            FileKind::Other => return Err(in_the_way(self.path, &stat.kind, "name another file in `dest`").into()),
        }
        let attributes = self.wanted.differing(stat, &written.names);
        let change = Change::new(Action::Update);
        if !self.rewrites(written) {
            if attributes::none(&attributes) {
                return Ok(Verdict::right(if self.force { "same content" } else { "it exists" }));
            }
            let change = attributes::fields(change, &attributes, Some(stat));
            return Ok(Verdict::Change(change.step(Step::Attributes { path, attributes })));
        }
        let (before, expect) = match (&written.live, &self.content) {
            (Some(Ok(live)), Ok(desired)) => (Shown::beside(live, desired), Expect::File(live.digest())),
            // Whether what comes is a secret is not known either.
            (Some(Ok(live)), Err(_)) => (Shown::Present, Expect::File(live.digest())),
            (Some(Err(after)), _) => (Shown::Unknown(after.clone()), Expect::Open(after.clone())),
            (None, _) => return Ok(Verdict::right("it exists")),
        };
        let change = attributes::fields(change.field("content", before, shown), &attributes, Some(stat));
        Ok(Verdict::Change(change.step(step(attributes, expect))))
    }
}
