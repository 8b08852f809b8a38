//! What `lions` made on a host, noted there: so that what leaves a playbook can be taken away again, and never anything
//! else. One line a thing, appended in the round trip that takes the lock; nothing secret is in it.
//!
//! It is read as anything from a host is: a line that is none is told and left, and what it says should be taken away
//! is a task like any other, shown before it is done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Address, Thing, Undo};

/// Where it lies: root's, for only root's tasks are noted.
pub const PATH: &str = "/var/lib/lions/ledger";

/// To whom something belongs: what one playbook made, only that playbook takes away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// The project: the name of its folder.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The playbook.
    pub playbook: String,
}

/// Something that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Whose it is.
    pub owner: Owner,
    /// The task that made it.
    pub task: Address,
    /// What it is.
    pub things: Vec<Thing>,
    /// What takes it away; nothing does, if `None`.
    pub undo: Option<Undo>,
}

/// A line of a ledger.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::targets) enum Line {
    /// It was made.
    Made(Made),
    /// It is not ours any more.
    Gone {
        /// Whose it was.
        owner: Owner,
        /// What it was.
        things: Vec<Thing>,
    },
}

/// What a ledger says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// What was made and is not gone, in the order of the things.
    pub made: Vec<Made>,
    /// Lines that say nothing.
    pub unread: usize,
}

impl Ledger {
    /// From its text.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let mut made: BTreeMap<(Vec<Thing>, Owner), Made> = BTreeMap::new();
        let mut unread = 0;
        for line in String::from_utf8_lossy(text).lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(Line::Made(one)) => _ = made.insert((one.things.clone(), one.owner.clone()), one),
                Ok(Line::Gone { owner, things }) => _ = made.remove(&(things, owner)),
                Err(_) => unread += 1,
            }
        }
        Self { made: made.into_values().collect(), unread }
    }
}

impl Made {
    /// The line that notes it.
    #[must_use]
    pub fn line(self) -> String {
        text(&Line::Made(self))
    }

    /// The line that says it is not ours any more.
    #[must_use]
    pub fn gone(&self) -> String {
        text(&Line::Gone { owner: self.owner.clone(), things: self.things.clone() })
    }
}

/// The same in as few lines as it can be said. A line that says nothing is kept, for whoever can read it.
#[must_use]
pub fn compact(text: &[u8]) -> Vec<u8> {
    let mut made: BTreeMap<(Vec<Thing>, Owner), usize> = BTreeMap::new();
    let mut kept: Vec<Option<&[u8]>> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let (key, stays) = match serde_json::from_slice(line) {
            Ok(Line::Made(one)) => ((one.things, one.owner), true),
            Ok(Line::Gone { owner, things }) => ((things, owner), false),
            Err(_) => {
                kept.push(Some(line));
                continue;
            }
        };
        if let Some(before) = made.remove(&key) {
            kept[before] = None;
        }
        if stays {
            made.insert(key, kept.len());
            kept.push(Some(line));
        }
    }
    kept.into_iter().flatten().flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
}

fn text(line: &Line) -> String {
    // Texts and lists of texts always have JSON.
    serde_json::to_string(line).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str, playbook: &str) -> Made {
        Made {
            owner: Owner { project: "p".to_owned(), environment: "e".to_owned(), playbook: playbook.to_owned() },
            task: Address::new("play/role/task"),
            things: vec![Thing::path(path)],
            undo: Some(Undo::absent("file", "path", path)),
        }
    }

    #[test]
    fn what_was_made_and_is_not_gone_is_left() {
        let lines = [
            made("/b", "site").line(),
            made("/a", "site").line(),
            made("/a", "other").line(),
            made("/a", "site").line(),
            made("/b", "site").gone(),
            "{\"made\": cut off".to_owned(),
        ];
        let ledger = Ledger::read(lines.join("\n").as_bytes());
        assert_eq!(ledger.made, [made("/a", "other"), made("/a", "site")]);
        assert_eq!(ledger.unread, 1);
        assert!(lines.iter().all(|line| !line.contains('\n')));
        let short = compact(lines.join("\n").as_bytes());
        assert_eq!(Ledger::read(&short), ledger);
        assert_eq!(
            String::from_utf8(short.clone()).unwrap().lines().collect::<Vec<_>>(),
            [&lines[2], &lines[3], &lines[5]]
        );
        assert_eq!(compact(&short), short);
    }
}
