//! Questions to one script: whatever is asked together is one request, with one process for all questions of a kind
//! where the tools can do that.

use std::fmt::Write as _;

use super::{Command, CommandLine, Question, check_package, check_unit, facts};
use crate::model::{Fault, FaultKind};
use crate::transport::{Request, quote};

/// The most that is read of a file, or of what a command says: it is held in memory.
pub(super) const MOST: usize = 16 * 1024 * 1024;
/// Arguments of one process: 128 KiB in all is what every system takes.
const ARGUMENTS: usize = 96 * 1024;
/// Paths of one process: choosing among them costs their square.
const PATHS: usize = 256;

/// A batch of questions as a request, and what the sections of its reply answer.
pub(super) struct Batch {
    body: String,
    payload: Vec<u8>,
    guarded: bool,
    parts: Vec<Part>,
}

/// What the sections of the reply answer: numbers are places in the list of questions.
pub(super) enum Part {
    Stats(Vec<(usize, String)>),
    One(usize),
    Names(Vec<(usize, String)>, Kind),
}

/// Questions about things that have names: those of a kind are one process.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    User,
    Group,
    Password,
    Package,
    Candidate,
    Unit,
}

impl Kind {
    const ALL: [Self; 6] = [Self::User, Self::Group, Self::Password, Self::Package, Self::Candidate, Self::Unit];

    /// What asks for them.
    const fn call(self) -> &'static str {
        match self {
            Self::User => "look getent passwd --",
            Self::Group => "look getent group --",
            Self::Password => "look getent shadow --",
            Self::Package => "packages",
            Self::Candidate => "look apt-cache policy --",
            Self::Unit => "units",
        }
    }

    /// The name as a word of the shell, if it can be one of that kind.
    fn word(self, name: &str) -> Result<String, Fault> {
        let checked = match self {
            Self::User | Self::Group | Self::Password => return named(name),
            Self::Package | Self::Candidate => check_package(name),
            Self::Unit => check_unit(name),
        };
        checked.map_err(|why| Fault::new(FaultKind::Refused, why)).and_then(|()| word(name))
    }

    fn of(question: &Question) -> Option<(Self, &String)> {
        Some(match question {
            Question::User(name) => (Self::User, name),
            Question::Group(name) => (Self::Group, name),
            Question::Password(name) => (Self::Password, name),
            Question::Package(name) => (Self::Package, name),
            Question::Candidate(name) => (Self::Candidate, name),
            Question::Unit(name) => (Self::Unit, name),
            _ => return None,
        })
    }
}

impl Batch {
    /// A script for `questions`, with the place of each; those that cannot be asked come back with the reason.
    pub(super) fn new(questions: &[(usize, &Question)], alone: bool) -> (Self, Vec<(usize, Fault)>) {
        let mut batch = Self {
            body: include_str!("sh/look.sh").to_owned(),
            payload: Vec::new(),
            guarded: false,
            parts: Vec::new(),
        };
        let mut refused = Vec::new();
        let mut stats = Vec::new();
        let mut names = Kind::ALL.map(|kind| (kind, Vec::new()));
        for (at, question) in questions {
            if let Some((kind, name)) = Kind::of(question) {
                match kind.word(name) {
                    Ok(word) => names[kind as usize].1.push((*at, name.clone(), word)),
                    Err(fault) => refused.push((*at, fault)),
                }
                continue;
            }
            let done = match question {
                Question::Stat(path) => checked(path).map(|word| stats.push((*at, path.clone(), word))),
                Question::Content(path) => {
                    checked(path).map(|path| batch.one(*at, &format!("content {} {path}", MOST + 1)))
                }
                Question::Tree(path) => checked(path).map(|path| batch.one(*at, &format!("tree {path}"))),
                Question::Facts => {
                    batch.one(*at, facts::SCRIPT);
                    Ok(())
                }
                Question::Identity => {
                    batch.one(*at, "identity");
                    Ok(())
                }
                Question::Groups => {
                    batch.one(*at, "look getent group");
                    Ok(())
                }
                Question::Lists => {
                    batch.one(*at, "lists");
                    Ok(())
                }
                Question::Removal { names, purge } => {
                    let words: Result<Vec<String>, Fault> = names.iter().map(|name| Kind::Package.word(name)).collect();
                    let what = if *purge { "purge" } else { "remove" };
                    words.map(|words| batch.one(*at, &format!("look apt-get -s -q {what} -- {}", words.join(" "))))
                }
                _ => Ok(()),
            };
            refused.extend(done.err().map(|fault| (*at, fault)));
        }
        for part in chunks(stats, if alone { 1 } else { PATHS }) {
            batch.call("stats", part.1);
            batch.parts.push(Part::Stats(part.0));
        }
        for (kind, names) in names {
            for part in chunks(names, if alone { 1 } else { PATHS }) {
                batch.call(kind.call(), part.1);
                batch.parts.push(Part::Names(part.0, kind));
            }
        }
        // After all looks: what a command does to its place must not be seen by half of a batch.
        for (at, question) in questions {
            if let Question::Run(command) = question
                && let Err(fault) = batch.run(*at, command)
            {
                refused.push((*at, fault));
            }
        }
        (batch, refused)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The request; `first` makes sure of the tools that it needs.
    pub(super) fn request(&mut self, first: bool) -> Request {
        let check = if first { TOOLS } else { "I=\n" };
        let body = format!("{check}{}", std::mem::take(&mut self.body));
        if self.guarded {
            Request::guarded(body).payload(std::mem::take(&mut self.payload)).only_looks()
        } else {
            Request::look(body)
        }
    }

    fn one(&mut self, at: usize, call: &str) {
        self.body.push_str(call);
        self.body.push('\n');
        self.parts.push(Part::One(at));
    }

    fn call(&mut self, call: &str, words: Vec<String>) {
        self.body.push_str(call);
        for word in words {
            self.body.push(' ');
            self.body.push_str(&word);
        }
        self.body.push('\n');
    }

    fn run(&mut self, at: usize, command: &Command) -> Result<(), Fault> {
        let parts = CommandText::new(command)?;
        let input = command.stdin.as_deref().unwrap_or_default();
        let run = format!("run {} {} {}", MOST + 1, input.len(), parts.guard);
        self.body.push_str(&parts.dress);
        match parts.chdir {
            None => self.body.push_str(&run),
            Some(chdir) => {
                let _ = write!(
                    self.body,
                    "if e=$(cd -P -- {chdir} 2>&1); then {run}; else nowhere {} \"$e\"; fi",
                    input.len()
                );
            }
        }
        self.body.push('\n');
        self.payload.extend_from_slice(input);
        self.guarded = true;
        self.parts.push(Part::One(at));
        Ok(())
    }

    /// What the sections of the reply answer.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// Ends the first request with 90 where the tools are not those of GNU. One of them tells it of all, and as whom one
/// works.
const TOOLS: &str = "I=$(stat --printf %U:%G /proc/self/ 2>/dev/null) || exit 90\n";

/// A command as text for the shell.
pub(super) struct CommandText {
    /// Its folder, quoted.
    pub(super) chdir: Option<String>,
    /// Defines `dress`, which enters the folder and sets variables: they never stand in the arguments of a process.
    pub(super) dress: String,
    /// The arguments of `guard`.
    pub(super) guard: String,
}

impl CommandText {
    pub(super) fn new(command: &Command) -> Result<Self, Fault> {
        let mut dress = "dress() { :".to_owned();
        let chdir = command.chdir.as_deref().map(checked).transpose()?;
        if let Some(chdir) = &chdir {
            let _ = write!(dress, "; cd -P -- {chdir}");
        }
        for (name, value) in &command.environment {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(plain) {
                return Err(Fault::new(FaultKind::Refused, format!("`{name}` cannot be the name of a variable"))
                    .help("use letters, digits and `_`"));
            }
            let _ = write!(dress, "; export {name}={}", word(value)?);
        }
        dress.push_str("; }\n");
        let mut guard = command.timeout.map_or_else(|| "''".to_owned(), |seconds| seconds.to_string());
        match &command.line {
            CommandLine::Words(words) if words.is_empty() => {
                return Err(Fault::new(FaultKind::Refused, "the command is empty"));
            }
            CommandLine::Words(words) => {
                for each in words {
                    let _ = write!(guard, " {}", word(each)?);
                }
            }
            CommandLine::Shell(line) => {
                let _ = write!(guard, " sh -c {}", word(line)?);
            }
        }
        Ok(Self { chdir, dress, guard })
    }
}

/// The questions of a part with their places, and their words.
type Chunk = (Vec<(usize, String)>, Vec<String>);

fn chunks(items: Vec<(usize, String, String)>, most: usize) -> Vec<Chunk> {
    let mut all: Vec<Chunk> = Vec::new();
    let mut length = 0;
    for (at, name, word) in items {
        length += word.len() + 1;
        match all.last_mut() {
            Some(last) if length <= ARGUMENTS && last.0.len() < most => {
                last.0.push((at, name));
                last.1.push(word);
            }
            _ => {
                length = word.len() + 1;
                all.push((vec![(at, name)], vec![word]));
            }
        }
    }
    all
}

/// A value as a word of the shell.
pub(super) fn word(text: &str) -> Result<String, Fault> {
    quote(text).map_err(|problem| Fault::new(FaultKind::Refused, problem.to_string()))
}

/// An absolute path as a word of the shell.
pub(super) fn checked(path: &str) -> Result<String, Fault> {
    if !path.starts_with('/') {
        return Err(Fault::new(FaultKind::Refused, format!("`{path}` is not an absolute path")));
    }
    word(path)
}

/// A name that can be one of a package.
pub(super) fn checked_package(name: &str) -> Result<&str, Fault> {
    check_package(name).map_err(|why| Fault::new(FaultKind::Refused, why))?;
    Ok(name)
}

/// A name of a user or a group as a word of the shell.
pub(super) fn named(name: &str) -> Result<String, Fault> {
    if name.is_empty() || name.starts_with('-') || name.contains([':', '\n', '\0']) {
        return Err(Fault::new(FaultKind::Refused, format!("`{}` cannot be a name", name.escape_debug())));
    }
    word(name)
}

/// The command's folder is not there.
pub(super) fn no_folder(command: &Command, cause: &str) -> Fault {
    Fault::failed(format!("the command cannot run in `{}`", command.chdir.as_deref().unwrap_or_default()))
        .cause(cause.trim())
        .help("create that folder first, or correct `chdir`")
}

/// The command said more than can be kept.
pub(super) fn said_too_much() -> Fault {
    Fault::failed(format!("the command said more than {} MiB", MOST / 1024 / 1024))
        .help("let it write its output to a file")
}
