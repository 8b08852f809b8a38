//! Taking something away, and saying what is lost with it.

use super::path::{HostPath, in_the_way, what};
use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Fault, FaultKind, Halt, Shown, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Expect, FileKind, Stat, Step};

/// Folders without which a system does not live: no task takes one away.
const KEPT: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/tmp",
    "/etc/ssh",
    "/etc/systemd",
];

const WHY: &str = "is a part of the system that is never taken away";

/// Names a folder that is never taken away, before any place is seen.
pub(super) fn check(path: &HostPath, parameter: &str) -> Option<Misfit> {
    KEPT.contains(&&**path).then(|| Misfit::new(parameter, format!("`{path}` {WHY}")))
}

/// What sort of thing may be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    Anything,
    Folder,
    EmptyFolder,
    Link,
}

/// The wish.
pub(super) struct Removing<'a> {
    pub(super) path: &'a HostPath,
    pub(super) only: Only,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Doomed {
    real: String,
    stat: Option<Stat>,
    /// What is below a folder; when that, or what a file holds, is not known yet: after what it will be.
    below: Option<Result<Vec<(String, Stat)>, After>>,
}

impl Doomed {
    /// Whose it is, if it is there.
    pub(super) fn owner(&self) -> Option<&str> {
        self.stat.as_ref().map(|stat| stat.owner.as_str())
    }
}

impl Removing<'_> {
    pub(super) async fn read(&self, probe: &HostProbe) -> Result<Doomed, Halt> {
        let (real, stat) = probe.located(self.path).await?;
        let below = match &stat {
            Some(Stat { kind: FileKind::Directory, .. }) => match probe.tree(self.path).await {
                Ok(tree) => Some(Ok(tree)),
                Err(Halt::Later(after)) => Some(Err(after)),
                Err(fault) => return Err(fault),
            },
            Some(Stat { kind: FileKind::File(None), .. }) => match probe.content(self.path).await {
                Ok(_) => None,
                Err(Halt::Later(after)) => Some(Err(after)),
                Err(fault) => return Err(fault),
            },
            _ => None,
        };
        Ok(Doomed { real, stat, below })
    }

    pub(super) fn plan(&self, doomed: &Doomed) -> Result<Verdict<Step>, Halt> {
        let Some(stat) = &doomed.stat else { return Ok(Verdict::right("not there")) };
        let fits = match self.only {
            Only::Anything => true,
            Only::Folder | Only::EmptyFolder => stat.kind == FileKind::Directory,
            Only::Link => matches!(stat.kind, FileKind::Link(_)),
        };
        if !fits {
            let help = "to take it away whatever it is, use `file: {state: absent}`";
            return Err(in_the_way(self.path, &stat.kind, help).into());
        }
        if KEPT.contains(&doomed.real.as_str()) {
            let what = format!("`{}` leads to `{}`, which {WHY}", self.path, doomed.real);
            return Err(Fault::new(FaultKind::Refused, what).help("take away what is meant, by its own path").into());
        }
        let empty = self.only == Only::EmptyFolder;
        match &doomed.below {
            Some(Ok(tree)) if empty && !tree.is_empty() => return Ok(Verdict::right("left: it is not empty")),
            Some(Err(after)) if empty => return Err(after.clone().into()),
            _ => {}
        }
        let before = match &doomed.below {
            None => Shown::Value(alone(stat)),
            Some(Ok(tree)) => Shown::Value(lost(tree)),
            Some(Err(after)) => Shown::Unknown(after.clone()),
        };
        let expect = match &doomed.below {
            Some(Err(after)) if stat.kind == FileKind::File(None) => Expect::Open(after.clone()),
            _ if empty => Expect::Empty,
            _ => expect(&stat.kind),
        };
        let step = Step::Remove { path: self.path.to_string(), expect };
        Ok(Verdict::Change(Change::new(Action::Delete).field("state", before, Shown::Absent).step(step)))
    }
}

/// What is there, as a step expects it.
pub(super) fn expect(kind: &FileKind) -> Expect {
    match kind {
        FileKind::File(Some(digest)) => Expect::File(*digest),
        // Only a planned file has no digest where one may take it away: what it holds is not known yet.
        FileKind::File(None) => Expect::Open(After::new("the file is written")),
        FileKind::Directory => Expect::Directory,
        FileKind::Link(target) => Expect::Link(target.clone()),
        FileKind::Other => Expect::Other,
    }
}

fn alone(stat: &Stat) -> String {
    match &stat.kind {
        FileKind::File(Some(_)) => format!("a file, {}", bytes(stat.size)),
        FileKind::Link(target) => format!("a symbolic link to {target}"),
        kind => what(kind).to_owned(),
    }
}

fn lost(tree: &[(String, Stat)]) -> String {
    let folders = tree.iter().filter(|(_, stat)| stat.kind == FileKind::Directory).count();
    let others = tree.len() - folders;
    let size = tree.iter().filter(|(_, stat)| matches!(stat.kind, FileKind::File(_))).map(|(_, stat)| stat.size).sum();
    match (others, folders) {
        (0, 0) => "an empty folder".to_owned(),
        (others, 0) => format!("a folder with {}, {}", count(others, "file"), bytes(size)),
        (others, folders) => {
            format!("a folder with {} in {}, {}", count(others, "file"), count(folders, "folder"), bytes(size))
        }
    }
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

fn bytes(size: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut tenths = size / 100;
    if size < 1000 {
        return if size == 1 { "1 byte".to_owned() } else { format!("{size} bytes") };
    }
    while tenths >= 10_000 && unit + 1 < units.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}
