//! New files and folders that can be made in one request: what a first run mostly consists of. It decides what goes
//! together; `hands` makes it, all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attributes, Expect, Step};
use crate::model::Content;

/// What text goes into one request: shells read it in small pieces.
const MOST: usize = 48 * 1024;

/// How many folders that are there take something in: each is held open by a number of one digit.
const FOLDERS: usize = 5;

/// What can be made together, in order.
#[derive(Clone, Debug, Default)]
pub struct Together {
    steps: Vec<Step>,
    pub(super) made: Vec<New>,
    by_path: BTreeMap<String, usize>,
    bytes: usize,
}

/// Something new, as it is put into place.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) path: String,
    /// The new folder that it is in; otherwise its folder is there.
    pub(super) within: Option<usize>,
    pub(super) attributes: Attributes,
    /// A folder has none.
    pub(super) content: Option<Content>,
}

impl New {
    /// Its folder and its name.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.path.rsplit_once('/').unwrap_or_default()
    }
}

impl Together {
    /// These, and `steps` after them; `None` when any of those is no plain making of something new.
    #[must_use]
    pub fn and(&self, steps: &[Step]) -> Option<Self> {
        let mut all = self.clone();
        for step in steps {
            all.take(step)?;
            all.steps.push(step.clone());
        }
        let tops = all.made.iter().filter(|new| new.within.is_none());
        let folders: BTreeSet<&str> = tops.map(|new| new.parts().0).collect();
        let fits = !steps.is_empty() && all.bytes <= MOST && folders.len() <= FOLDERS;
        fits.then_some(all)
    }

    /// The steps, as they would be done one by one.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn take(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::Directory { path, attributes } => self.add(path, attributes, None),
            Step::Write { path, content, attributes, expect: Expect::Absent, validate: None } => {
                text(content)?;
                self.add(path, attributes, Some(content.clone()))
            }
            // What was to be written a moment ago: only the end of it is ever there.
            Step::Write { path, content, attributes, expect: Expect::File(before), validate: None } => {
                let new = &mut self.made[*self.by_path.get(path)?];
                let written = new.content.as_ref().filter(|content| content.digest() == *before)?;
                self.bytes = self.bytes - written.bytes().len() + text(content)?;
                new.content = Some(content.clone());
                let Attributes { mode, owner, group } = attributes.clone();
                let before = &mut new.attributes;
                before.mode = mode.or(before.mode);
                before.owner = owner.or(before.owner.take());
                before.group = group.or(before.group.take());
                Some(())
            }
            _ => None,
        }
    }

    fn add(&mut self, path: &str, attributes: &Attributes, content: Option<Content>) -> Option<()> {
        let (folder, _) = path.rsplit_once('/').filter(|_| plain(path))?;
        let within = self.by_path.get(folder).copied();
        if self.by_path.contains_key(path) || within.is_some_and(|at| self.made[at].content.is_some()) {
            return None;
        }
        self.bytes += 2 * path.len() + content.as_ref().map_or(0, |content| content.bytes().len());
        self.by_path.insert(path.to_owned(), self.made.len());
        self.made.push(New { path: path.to_owned(), within, attributes: attributes.clone(), content });
        Some(())
    }
}

/// An absolute path that is written in one way only, and that tools print as it is.
fn plain(path: &str) -> bool {
    let parts = path.strip_prefix('/');
    parts.is_some_and(|parts| parts.split('/').all(|part| !matches!(part, "" | "." | "..")))
        && !path.contains(|c: char| c.is_control() || c == '\\')
}

/// The length of a content that can stand in a text for the shell.
fn text(content: &Content) -> Option<usize> {
    let text = std::str::from_utf8(content.bytes()).ok()?;
    (!text.contains('\0')).then_some(text.len())
}
