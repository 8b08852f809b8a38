//! A dead-man's switch on a host: what was there before a change is put back by the host itself, unless somebody who
//! got in anew says that it may stay. What it would put back is data; the host does it without `lions`.

use std::time::Duration;

use super::{Command, Step};
use crate::model::{Fault, FaultKind};

/// What the host puts back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Undo {
    /// Paths, as they are now; what is not there now is taken away.
    pub paths: Vec<String>,
    /// Paths whose links are followed first: only what belongs to whom was changed.
    pub followed: Vec<String>,
    /// Values of the kernel.
    pub values: Vec<String>,
    /// Units: what they are now, and whether they start with the system. Those that run are started anew.
    pub units: Vec<String>,
    /// The table of nftables that is `lions`' own.
    pub rules: bool,
    /// What lets others read the paths again, after all of that.
    pub commands: Vec<Command>,
}

impl Undo {
    /// What undoes `steps`, and lets those who were told of it by `then` (the steps of handlers) read it again.
    ///
    /// # Errors
    /// There is a step that nobody can undo.
    pub fn of(steps: &[Step], then: &[Step]) -> Result<Self, Fault> {
        let mut undo = Self::default();
        for step in steps {
            match step {
                Step::Run { .. } => {
                    return Err(impossible("what a command does")
                        .help("guard the file that it reads, and let a handler run the command"));
                }
                step => undo.take(step)?,
            }
        }
        for step in then {
            match step {
                Step::Run { command, .. } | Step::Act { command, .. } => undo.commands.push(command.clone()),
                step => undo.take(step)?,
            }
        }
        undo.units.dedup();
        Ok(undo)
    }

    fn take(&mut self, step: &Step) -> Result<(), Fault> {
        match step {
            Step::Write { path, .. }
            | Step::Promise { path, .. }
            | Step::Directory { path, .. }
            | Step::Link { path, .. }
            | Step::Remove { path, .. } => self.paths.push(path.clone()),
            Step::Download(download) => self.paths.push(download.path.clone()),
            Step::Attributes { path, .. } => self.followed.push(path.clone()),
            Step::Tune { path, .. } => self.values.push(path.clone()),
            Step::Act { leaves, .. } => {
                self.paths.extend(leaves.files.iter().map(|(path, _)| path.clone()));
                self.paths.extend(leaves.changes.iter().cloned());
            }
            Step::User(_) | Step::NoUser(_) | Step::Group(_) | Step::NoGroup(_) => {
                self.paths.extend(ACCOUNTS.map(str::to_owned));
            }
            Step::Unit { name, .. } => self.units.push(name.clone()),
            Step::Ruleset { .. } => self.rules = true,
            // Done in any case.
            Step::DaemonReload => {}
            Step::Unpack(_) => return Err(impossible("the unpacking of an archive")),
            Step::Packages(_) => return Err(impossible("a change of packages")),
            Step::Reboot { .. } => return Err(impossible("a reboot")),
            Step::Run { .. } => return Err(impossible("what a command does")),
        }
        Ok(())
    }
}

/// Where accounts are kept.
const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"];

fn impossible(what: &str) -> Fault {
    Fault::new(FaultKind::Refused, format!("{what} cannot be undone by a guard"))
        .help("leave out `guard`, or guard what can be put back: files, units, accounts")
}

/// What is asked of a switch.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Keep what is there, and put it back after `within` unless it is put off.
    Arm {
        /// What.
        undo: Undo,
        /// How long.
        within: Duration,
    },
    /// Wait from now on again.
    PutOff {
        /// Which switch.
        id: String,
        /// How long.
        within: Duration,
    },
    /// What was changed stays.
    Disarm(String),
    /// Put it back now, and say what came of it.
    Fire(String),
    /// Say what came of it.
    Outcome(String),
}

/// How a switch stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Switch {
    /// It waits.
    Armed(String),
    /// What was changed stays.
    Disarmed,
    /// What was there before is there again; with what went wrong on the way, if anything did.
    Undone(Option<String>),
}
