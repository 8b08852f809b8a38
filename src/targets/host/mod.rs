//! A host: questions, answers and steps as data, and the way to it.

use std::sync::Arc;

use futures::future::BoxFuture;

pub use super::Output;
use crate::model::{After, Content, Digest, Fault, Map, Sort, Target};
pub use lock::Claim;

/// The target of host resources.
#[derive(Debug)]
pub struct Host;

impl Target for Host {
    type Probe = probe::HostProbe;
    type Step = Step;
    const SORT: Sort = Sort::Host;
}

/// As whom: the user who logged in, or another through sudo.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Privilege {
    /// As the connecting user.
    Login,
    /// As that user, through sudo (nothing is done when one is that user already).
    Become(Arc<str>),
}

impl std::fmt::Display for Privilege {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Login => out.write_str("the connecting user"),
            Self::Become(user) => write!(out, "`{user}`"),
        }
    }
}

/// A read-only question. Questions of one kind that are ready together travel as one command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// What is at that absolute path (links are not followed), with the digest of a regular file.
    Stat(String),
    /// The bytes of the regular file at that path (links are followed).
    Content(String),
    /// Every path below that folder, for `recurse` and for deletes that say what is lost.
    Tree(String),
    /// The user of that name.
    User(String),
    /// The group of that name.
    Group(String),
    /// All groups, with their members.
    Groups,
    /// What stands in the place of that user's password (only root can see it).
    Password(String),
    /// How far that package is installed.
    Package(String),
    /// What would be installed of that package.
    Candidate(String),
    /// What would go away with those packages.
    Removal {
        /// Which.
        names: Vec<String>,
        /// With their configuration and data?
        purge: bool,
    },
    /// How old the lists of packages are.
    Lists,
    /// What systemd says of the unit of that whole name.
    Unit(String),
    /// Run a command that changes nothing (`read_only`, `unless`, `validate`).
    Run(Command),
    /// As whom questions are asked and steps are done.
    Identity,
    /// OS, architecture, memory, disks, addresses, init, package manager.
    Facts,
}

/// The answer to the question of the same name. Absence is a state, not a fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing there, or what is.
    Stat(Option<Stat>),
    /// Nothing there, or the bytes.
    Content(Option<Content>),
    /// Paths below, sorted, with what they are (a real host reads no digests of files for this).
    Tree(Vec<(String, Stat)>),
    /// Not known there, or the user.
    User(Option<User>),
    /// Not known there, or the group.
    Group(Option<Group>),
    /// All groups.
    Groups(Groups),
    /// Nothing stands there, or what does.
    Password(Option<Password>),
    /// Not known there, or how far it is installed.
    Package(Option<Package>),
    /// What would be installed.
    Candidate(Candidate),
    /// What would go away, and what would come.
    Removal(Removal),
    /// Their age in seconds; nothing when there are none.
    Lists(Option<u64>),
    /// Not known there, or what it is.
    Unit(Option<Unit>),
    /// What it said.
    Output(Output),
    /// Who one is.
    Identity(Identity),
    /// Facts by name.
    Facts(Map),
}

/// As whom: what something new belongs to when nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name (`id -un`).
    pub user: String,
    /// The name of its primary group (`id -gn`).
    pub group: String,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File, folder, link or other.
    pub kind: FileKind,
    /// Permission bits, setuid, setgid and sticky included.
    pub mode: u32,
    /// Owner's name (its number as text when it has no name).
    pub owner: String,
    /// Group's name (its number as text when it has no name).
    pub group: String,
    /// Bytes.
    pub size: u64,
    /// Which file it is, whatever its name; a folder has one name only, and what a step makes has no number yet.
    pub node: Option<Node>,
}

/// The number of a file on a place: hard links share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// The device.
    pub device: u64,
    /// The inode there.
    pub inode: u64,
}

/// What sort of thing is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file, with its digest (`None` when it may not be read).
    File(Option<Digest>),
    /// A folder.
    Directory,
    /// A symbolic link, and where it points.
    Link(String),
    /// A socket, device or pipe.
    Other,
}

/// A command. `Debug` shows neither its input nor the values of its environment.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command {
    /// What to run.
    pub line: CommandLine,
    /// Folder to run in.
    pub chdir: Option<String>,
    /// Variables added to the environment.
    pub environment: Vec<(String, String)>,
    /// Bytes for its standard input.
    pub stdin: Option<Vec<u8>>,
    /// Seconds until it is ended.
    pub timeout: Option<u64>,
}

impl Command {
    /// A program and its arguments, nothing else said.
    #[must_use]
    pub fn words(words: Vec<String>) -> Self {
        Self::of(CommandLine::Words(words))
    }

    /// A line for a shell, nothing else said.
    #[must_use]
    pub fn shell(line: impl Into<String>) -> Self {
        Self::of(CommandLine::Shell(line.into()))
    }

    /// A script of `lions`' own with its arguments (`$1` ...), and what it is called where it fails.
    #[must_use]
    pub fn script(name: &str, script: &str, arguments: &[&str]) -> Self {
        let mut words = ["sh", "-c", script, name].map(str::to_owned).to_vec();
        words.extend(arguments.iter().map(|word| (*word).to_owned()));
        Self::words(words)
    }

    fn of(line: CommandLine) -> Self {
        Self { line, chdir: None, environment: Vec::new(), stdin: None, timeout: None }
    }
}

/// What comes before the command of [`validating`].
pub(crate) const VALIDATING: &str = "file=$(mktemp) || exit 125; trap 'rm -f \"$file\"' EXIT; trap 'exit 143' HUP INT TERM; cat >\"$file\" || exit 125\n";

/// A command that tries `validate` on `content` in a temporary file (in the place of `%s`) that is gone afterwards.
/// The content travels as its input, never in its arguments.
#[must_use]
pub fn validating(validate: &str, content: &Content) -> Command {
    let line = format!("{VALIDATING}{}", placed(validate, "\"$file\""));
    Command { stdin: Some(content.bytes().to_vec()), ..Command::shell(line) }
}

/// What `validate` is called: its first line, where that is a comment.
pub(crate) fn called(validate: &str) -> &str {
    match validate.split_once('\n') {
        Some((first, _)) => first.strip_prefix("# ").unwrap_or(validate),
        None => validate,
    }
}

/// `validate` with `word` in the place of `%s`, also where that stands in quotes of its own.
fn placed(validate: &str, word: &str) -> String {
    ["\"%s\"", "'%s'", "%s"].iter().fold(validate.to_owned(), |text, place| text.replace(place, word))
}

impl std::fmt::Debug for Command {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| name.as_str()).collect();
        out.debug_struct("Command")
            .field("line", &self.line)
            .field("chdir", &self.chdir)
            .field("environment", &names)
            .field("stdin", &self.stdin.as_ref().map(Vec::len))
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Words, or a line for a shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommandLine {
    /// A program and its arguments: no shell reads them.
    Words(Vec<String>),
    /// A line for `sh -c`.
    Shell(String),
}

/// One write, as data. `hands` does it, the shadow imitates it.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A regular file: temp file, owner, mode, `validate` on the temp file, fsync, compare with `expect`, rename.
    Write {
        /// Absolute path.
        path: String,
        /// New content.
        content: Content,
        /// Owner, group, mode; what is `None` stays as it is on a file that is there.
        attributes: Attributes,
        /// What must be there at that moment.
        expect: Expect,
        /// A command with `%s` for the temp file; it must succeed or nothing is written.
        validate: Option<String>,
    },
    /// A regular file whose content is not known yet: the shadow takes it, `hands` refuses it. At apply the same
    /// task, looked at again, gives a [`Step::Write`].
    Promise {
        /// Absolute path.
        path: String,
        /// Owner, group, mode.
        attributes: Attributes,
        /// When its content will be known.
        after: After,
    },
    /// Owner, group, mode of what is there.
    Attributes {
        /// Absolute path.
        path: String,
        /// Those to set.
        attributes: Attributes,
    },
    /// A folder; its parent exists.
    Directory {
        /// Absolute path.
        path: String,
        /// Owner, group, mode.
        attributes: Attributes,
    },
    /// A link, made beside and renamed into place.
    Link {
        /// Absolute path.
        path: String,
        /// Where it points: any text for a symbolic link, an absolute path for a hard one.
        target: String,
        /// Hard link?
        hard: bool,
        /// What must be there at that moment.
        expect: Expect,
    },
    /// Takes away a file, a link or a folder with all below it.
    Remove {
        /// Absolute path.
        path: String,
        /// What must be there at that moment.
        expect: Expect,
    },
    /// A regular file fetched by the host itself.
    Download(download::Download),
    /// Runs a command that may change things.
    Run {
        /// The command.
        command: Command,
        /// Paths that it may create, change or remove: unknown afterwards. Nothing else is.
        changes: Vec<String>,
    },
    /// A value of the kernel, written in place: its file is there and is no file of a disk.
    Tune {
        /// Absolute path, below `/proc` or `/sys`.
        path: String,
        /// The value, without a newline.
        value: String,
        /// What must be there at that moment.
        expect: Expect,
    },
    /// Runs a command of which is known what it leaves. It must succeed, and says nothing.
    Act {
        /// The command.
        command: Command,
        /// What it leaves.
        leaves: Leaves,
    },
    /// Makes a folder from an archive.
    Unpack(archive::Unpack),
    /// Loads the file of rules at `path` into the table of nftables that is `lions`' own, or takes that table away.
    Ruleset {
        /// Absolute path of the file.
        path: Option<String>,
    },
    /// Reboots the host, and waits until it is back.
    Reboot {
        /// How long.
        limit: std::time::Duration,
    },
    /// Packages to install and to remove, in one transaction.
    Packages(Packages),
    /// Does something with the unit of that whole name.
    Unit {
        /// Its whole name.
        name: String,
        /// What.
        action: UnitAction,
    },
    /// Lets systemd read the files of all units again.
    DaemonReload,
    /// Makes a user, or alters one.
    User(Box<UserStep>),
    /// Takes a user away; its home stays.
    NoUser(NoUser),
    /// Makes a group, or alters one.
    Group(GroupStep),
    /// Takes a group away.
    NoGroup(String),
}

/// What a command leaves. Nothing else is touched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leaves {
    /// Files whose content is known afterwards, by their path as it is asked for.
    pub files: Vec<(String, Content)>,
    /// Folders below which something new may come: what is absent there is unknown afterwards, what is there stays.
    pub adds: Vec<String>,
    /// Paths that may be created, changed or removed: unknown afterwards.
    pub changes: Vec<String>,
}

/// Owner, group and mode; `None` leaves it as it is (for something new: as the system makes it).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner's name or number.
    pub owner: Option<String>,
    /// Group's name or number.
    pub group: Option<String>,
}

/// What must be at a path when a step writes there: compared on the place, in the round trip of the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// A regular file with that digest.
    File(Digest),
    /// A folder.
    Directory,
    /// A folder with nothing in it.
    Empty,
    /// A link that points there.
    Link(String),
    /// A socket, device or pipe.
    Other,
    /// What a step planned above leaves there, not known yet: the shadow takes it, `hands` refuses it.
    Open(After),
}

/// The way to one host as one privilege: real, or a fake in memory.
pub trait Link: Send + Sync {
    /// Answers all `questions`, in their order, in one round trip.
    ///
    /// The outer error is for a host that is lost; an inner one for a question that failed.
    fn ask<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Result<Vec<Result<Answer, Fault>>, Fault>>;

    /// Does one step. `output` gets lines of a running command as they come (not masked).
    fn perform<'a>(
        &'a self,
        step: &'a Step,
        output: &'a (dyn Fn(crate::model::Stream, &str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Output>, Fault>>;

    /// Makes all those new things in one request, or none of them: `false`, and whoever does the steps one by one is told
    /// why.
    fn make_together<'a>(&'a self, all: &'a Together) -> BoxFuture<'a, Result<bool, Fault>>;

    /// Sets, or asks of, a switch that undoes a change unless the way in is proved.
    fn guard<'a>(&'a self, order: &'a guard::Order) -> BoxFuture<'a, Result<guard::Switch, Fault>>;

    /// Can one get in, and become who one must be, on a connection of its own?
    fn prove(&self) -> BoxFuture<'_, Result<(), Fault>>;

    /// Keeps other writers from this host until [`Self::release`], or until this way ends, and notes lines in its
    /// ledger. It may be held already.
    fn hold<'a>(&'a self, claim: &'a Claim, notes: &'a [String]) -> BoxFuture<'a, Result<(), Fault>>;

    /// Lets others write.
    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), Fault>>;
}

mod accounts;
mod answers;
pub mod archive;
mod board;
mod brought;
mod census;
pub mod download;
pub mod facts;
mod ghost;
pub mod guard;
mod hands;
mod kernel;
pub mod ledger;
pub mod link;
mod lock;
pub mod memory;
mod packages;
pub mod probe;
mod questions;
mod reboot;
mod shadow;
mod together;
mod units;
pub mod way;

pub use accounts::{Group, GroupStep, Groups, HOME_MODE, NoUser, Password, Primary, User, UserStep, check_account};
pub use packages::{Candidate, Install, Package, PackageState, Packages, Removal, check_package, check_version};
pub use together::Together;
pub use units::{Active, Load, UNIT_FOLDERS, Unit, UnitAction, UnitFile, check_unit, template_of, unit_name, unit_of};
