//! What a planned step leaves at one path, seen over what the place has there.

use super::shadow::{Found, Source};
use super::{Attributes, FileKind, Stat};
use crate::model::{After, Content, Digest};

/// What a step leaves at one path.
#[derive(Clone, Debug)]
pub(super) struct Ghost {
    pub(super) what: What,
    /// Those that were set; the others are what the place has at `under`.
    pub(super) attributes: Attributes,
    /// The path at which the place holds what is not set here.
    pub(super) under: Option<String>,
    /// The number of what a step makes there, which hard links share; without one, it is what the place has at `under`.
    pub(super) made: Option<u32>,
    /// Packages are installed after it: what is absent here or below may come with them.
    pub(super) porous: bool,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// What the place has at `under`.
    Place,
    Absent,
    File(Content),
    Promise(After),
    /// A file whose digest is known, and its content not yet.
    Known(Digest, After),
    /// A new folder: nothing of the place is below it.
    Directory,
    Link(String),
    Open(After),
}

/// What is below a folder where no step says otherwise.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Below {
    Place,
    Nothing,
    /// Nothing but what packages bring.
    Packages,
}

pub(super) enum View<'a> {
    Absent,
    Open(&'a After),
    /// Absent, unless a package brings it.
    Maybe(&'a After),
    There(There<'a>),
}

pub(super) struct There<'a> {
    pub(super) ghost: Option<&'a Ghost>,
    pub(super) base: Option<&'a Stat>,
    /// What steps set on that file of the place, under whatever name.
    pub(super) worn: Option<&'a Attributes>,
}

pub(super) enum Sort<'a> {
    Directory,
    Link(&'a str),
    Other,
}

impl<'a> There<'a> {
    pub(super) fn sort(&self) -> Sort<'a> {
        match self.ghost.map(|ghost| &ghost.what) {
            Some(What::Directory) => Sort::Directory,
            Some(What::Link(target)) => Sort::Link(target),
            Some(What::File(_) | What::Promise(_) | What::Known(..)) => Sort::Other,
            _ => match self.base.map(|stat| &stat.kind) {
                Some(FileKind::Directory) => Sort::Directory,
                Some(FileKind::Link(target)) => Sort::Link(target),
                _ => Sort::Other,
            },
        }
    }

    pub(super) fn below(&self) -> Below {
        match self.ghost.map(|ghost| &ghost.what) {
            None | Some(What::Place) => Below::Place,
            _ if self.ghost.is_some_and(|ghost| ghost.porous) => Below::Packages,
            _ => Below::Nothing,
        }
    }

    pub(super) fn found(&self, path: &str) -> Found {
        let mut base = self.base.cloned().unwrap_or_else(root);
        if let Some(worn) = self.worn {
            worn.clone().put_on(&mut base);
        }
        let Some(ghost) = self.ghost else {
            return Found::There { source: of_place(&base, path), stat: base };
        };
        if ghost.made.is_some() {
            base.node = None;
        }
        let (kind, size, source) = match &ghost.what {
            What::File(content) => {
                (FileKind::File(Some(content.digest())), content.bytes().len() as u64, Source::Planned(content.clone()))
            }
            What::Promise(after) => (FileKind::File(None), 0, Source::Promise(after.clone())),
            What::Known(digest, after) => (FileKind::File(Some(*digest)), 0, Source::Promise(after.clone())),
            What::Directory => (FileKind::Directory, 0, Source::None),
            What::Link(target) => (FileKind::Link(target.clone()), target.len() as u64, Source::None),
            What::Place | What::Absent | What::Open(_) => {
                let source = of_place(&base, ghost.under.as_deref().unwrap_or(path));
                (base.kind, base.size, source)
            }
        };
        let mut stat = Stat { kind, size, ..base };
        ghost.attributes.clone().put_on(&mut stat);
        Found::There { stat, source }
    }
}

pub(super) fn of_place(stat: &Stat, path: &str) -> Source {
    match stat.kind {
        FileKind::File(_) => Source::Place(path.to_owned()),
        _ => Source::None,
    }
}

/// `/`, which every place has: nobody asks for it.
pub(super) fn root() -> Stat {
    Stat {
        kind: FileKind::Directory,
        mode: 0o755,
        owner: "root".to_owned(),
        group: "root".to_owned(),
        size: 0,
        node: None,
    }
}

impl Attributes {
    /// Sets on `stat` those that are said.
    pub(super) fn put_on(self, stat: &mut Stat) {
        let Self { mode, owner, group } = self;
        stat.mode = mode.unwrap_or(stat.mode);
        stat.owner = owner.unwrap_or_else(|| std::mem::take(&mut stat.owner));
        stat.group = group.unwrap_or_else(|| std::mem::take(&mut stat.group));
    }

    /// Those of `later` where it says something.
    pub(super) fn then(self, later: &Self) -> Self {
        Self {
            mode: later.mode.or(self.mode),
            owner: later.owner.clone().or(self.owner),
            group: later.group.clone().or(self.group),
        }
    }

    /// All of `stat`.
    pub(super) fn all_of(stat: Stat) -> Self {
        Self { mode: Some(stat.mode), owner: Some(stat.owner), group: Some(stat.group) }
    }
}

impl Ghost {
    pub(super) fn bare(what: What) -> Self {
        Self { what, attributes: Attributes::default(), under: None, made: None, porous: false }
    }

    pub(super) fn of_place(path: &str) -> Self {
        Self { under: Some(path.to_owned()), ..Self::bare(What::Place) }
    }
}
