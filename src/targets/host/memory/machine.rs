//! The inside of a host in memory: files, users, commands, and how steps change them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::node::{Body, Node};
use super::output;
use super::packages::Shelf;
use super::units::Kept;
use crate::model::{Content, Fault, FaultKind, Map};
use crate::targets::host::download::Download;
use crate::targets::host::{
    Answer, Command, CommandLine, Expect, FileKind, Groups, Identity, Output, Password, Question, Stat, Step, User,
    VALIDATING, called, validating,
};

type Script = Arc<dyn Fn(&mut Machine, &Command) -> Output + Send + Sync>;

type Shut = Arc<dyn Fn(&Machine) -> bool + Send + Sync>;

/// What the host is made of.
#[derive(Default)]
pub struct Machine {
    pub(super) paths: BTreeMap<String, u64>,
    pub(super) nodes: HashMap<u64, Node>,
    pub(super) next: u64,
    pub(super) users: BTreeMap<String, User>,
    pub(super) groups: Groups,
    pub(super) passwords: BTreeMap<String, String>,
    pub(super) shelf: Shelf,
    pub(super) units: BTreeMap<String, Kept>,
    pub(super) facts: Map,
    pub(super) scripts: BTreeMap<String, Script>,
    /// What it can fetch, by URL.
    pub(super) web: BTreeMap<String, Content>,
    pub(super) batches: usize,
    pub(super) requests: usize,
    pub(super) steps: Vec<Step>,
    pub(super) ran: Vec<Command>,
    pub(super) fail_step: Option<usize>,
    pub(super) lose_request: Option<usize>,
    pub(super) lose_after_step: Option<usize>,
    pub(super) hang_after_step: Option<usize>,
    pub(super) lost: bool,
    /// When it lets nobody in any more.
    pub(super) shut: Option<Shut>,
    /// What a switch would put back.
    pub(super) kept: Option<(BTreeMap<String, u64>, HashMap<u64, Node>)>,
    pub(super) held: Option<super::super::Claim>,
}

fn parent(path: &str) -> &str {
    &path[..path.rfind('/').unwrap_or(0)]
}

impl Machine {
    pub(super) fn plant(&mut self, path: &str, body: Body, mode: u32) {
        let above = parent(path);
        if !above.is_empty() && !self.paths.contains_key(above) {
            self.plant(above, Body::Directory, 0o755);
        }
        self.insert(path, Node { body, mode, owner: "root".to_owned(), group: "root".to_owned() });
    }

    fn insert(&mut self, path: &str, node: Node) {
        self.next += 1;
        self.nodes.insert(self.next, node);
        self.paths.insert(path.to_owned(), self.next);
    }

    /// Puts a file there, as a command would.
    pub fn put(&mut self, path: &str, content: &str) {
        self.plant(path, Body::File(Content::open(content.as_bytes())), 0o644);
    }

    /// An empty file, and folders above it, where nothing else is in the way.
    fn touch(&mut self, path: &str) -> bool {
        let Some(real) = self.real(path, true) else {
            let mut above = parent(path);
            while !above.is_empty() && !self.paths.contains_key(above) {
                above = parent(above);
            }
            let free = above.is_empty() || self.stat(above).is_some_and(|stat| stat.kind == FileKind::Directory);
            if free {
                self.put(path, "");
            }
            return free;
        };
        let above = parent(&real).to_owned();
        let free = above.is_empty() || self.stat(&above).is_none_or(|stat| stat.kind == FileKind::Directory);
        if free && !self.paths.contains_key(&real) {
            self.put(&real, "");
        }
        free
    }

    /// Takes away what is there, as a command would.
    pub fn take(&mut self, path: &str) {
        let below = format!("{path}/");
        self.paths.retain(|at, _| at != path && !at.starts_with(&below));
    }

    /// Is there anything at that path (links are not followed)?
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.real(path, false).is_some_and(|path| self.paths.contains_key(&path))
    }

    /// The content of the file at that path.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<String> {
        match &self.node(path, true)?.body {
            Body::File(content) => Some(String::from_utf8_lossy(content.bytes()).into_owned()),
            Body::Directory | Body::Link(_) => None,
        }
    }

    /// The path with its links resolved; `None` when a folder on the way is missing.
    fn real(&self, path: &str, follow: bool) -> Option<String> {
        let mut at = String::new();
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => at.truncate(at.rfind('/').unwrap_or(0)),
                part => {
                    at.push('/');
                    at.push_str(part);
                }
            }
            let last = todo.is_empty();
            match self.paths.get(&at).and_then(|node| self.nodes.get(node)).map(|node| &node.body) {
                Some(Body::Link(target)) if !last || follow => {
                    links += 1;
                    if links > 40 {
                        return None;
                    }
                    at.truncate(if target.starts_with('/') { 0 } else { at.rfind('/').unwrap_or(0) });
                    todo.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(Body::Directory) => {}
                None if at.is_empty() => {}
                _ if last => {}
                _ => return None,
            }
        }
        Some(if at.is_empty() { "/".to_owned() } else { at })
    }

    pub(super) fn node(&self, path: &str, follow: bool) -> Option<&Node> {
        self.nodes.get(self.paths.get(&self.real(path, follow)?)?)
    }

    pub(super) fn node_mut(&mut self, path: &str) -> Option<&mut Node> {
        let path = self.real(path, true)?;
        self.nodes.get_mut(self.paths.get(&path)?)
    }

    fn stat(&self, path: &str) -> Option<Stat> {
        if path == "/" {
            let root = "root".to_owned();
            return Some(Stat {
                kind: FileKind::Directory,
                mode: 0o755,
                owner: root.clone(),
                group: root,
                size: 0,
                node: None,
            });
        }
        let inode = self.paths.get(&self.real(path, false)?)?;
        Some(self.nodes.get(inode)?.stat(*inode))
    }

    fn run(&mut self, command: &Command) -> Output {
        let line = match &command.line {
            // A script is known by its name.
            CommandLine::Words(words) if words.len() > 3 && words[1] == "-c" => words[3..].join(" "),
            CommandLine::Words(words) => words.join(" "),
            CommandLine::Shell(line) => called(line.strip_prefix(VALIDATING).unwrap_or(line)).to_owned(),
        };
        if let Some(script) = self.scripts.get(&line).cloned() {
            return script(self, command);
        }
        let truth = |truth: bool| output(i32::from(!truth), "");
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["true"] => output(0, ""),
            ["false"] => output(1, ""),
            ["echo", ref words @ ..] => output(0, &format!("{}\n", words.join(" "))),
            ["cat"] => Output { stdout: command.stdin.clone().unwrap_or_default(), ..output(0, "") },
            ["touch", path] => truth(self.touch(path)),
            ["test", "-e", path] => truth(self.node(path, true).is_some()),
            _ => Output { stderr: format!("{line}: not found").into_bytes(), ..output(127, "") },
        }
    }

    pub(super) fn answer(&mut self, question: &Question, user: &str) -> Result<Answer, Fault> {
        Ok(match question {
            Question::Stat(path) => Answer::Stat(self.stat(path)),
            Question::Content(path) => match self.node(path, true).map(|node| &node.body) {
                None => Answer::Content(None),
                Some(Body::File(content)) => Answer::Content(Some(content.clone())),
                Some(_) => return Err(Fault::failed(format!("`{path}` is not a regular file"))),
            },
            Question::Tree(path) => {
                let below = format!("{path}/");
                let all = self.paths.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
                Answer::Tree(
                    all.filter_map(|(path, node)| Some((path.clone(), self.nodes.get(node)?.stat(*node)))).collect(),
                )
            }
            Question::User(name) => Answer::User(self.users.get(name).cloned()),
            Question::Group(name) => Answer::Group(self.groups.get(name).cloned()),
            Question::Groups => Answer::Groups(self.groups.clone()),
            Question::Password(name) => Answer::Password(self.passwords.get(name).map(|field| Password::of(field))),
            Question::Package(name) => Answer::Package(self.shelf.installed.get(name).cloned()),
            Question::Candidate(name) => Answer::Candidate(self.shelf.candidate(name)),
            Question::Removal { names, .. } => Answer::Removal(self.shelf.removal(names)),
            Question::Lists => Answer::Lists(self.shelf.lists),
            Question::Unit(name) => Answer::Unit(self.unit(name)),
            Question::Run(command) => {
                self.ran.push(command.clone());
                Answer::Output(self.run(command))
            }
            Question::Identity => Answer::Identity(Identity { user: user.to_owned(), group: self.primary(user) }),
            Question::Facts => Answer::Facts(self.facts.clone()),
        })
    }

    /// Counts a request; the host may be lost at it.
    pub(super) fn request(&mut self) -> Result<(), Fault> {
        self.lost |= self.lose_request == Some(self.requests);
        self.requests += 1;
        if self.lost { Err(Fault::new(FaultKind::Unreachable, "the host was lost")) } else { Ok(()) }
    }

    pub(super) fn perform(&mut self, step: &Step, user: &str) -> Result<Option<Output>, Fault> {
        self.request()?;
        let number = self.steps.len();
        if self.fail_step == Some(number) {
            return Err(Fault::failed(format!("step {number} was told to fail")));
        }
        let done = self.carry_out(step, user)?;
        self.steps.push(step.clone());
        if self.lose_after_step == Some(number) {
            self.lost = true;
            return Err(Fault::new(FaultKind::Unreachable, "the host was lost"));
        }
        Ok(done)
    }

    /// All of them, or none.
    pub(super) fn make_together(&mut self, steps: &[Step], user: &str) -> Result<bool, Fault> {
        self.request()?;
        let begun = self.steps.len();
        if self.fail_step.is_some_and(|step| (begun..begun + steps.len()).contains(&step)) {
            return Ok(false);
        }
        let before = (self.paths.clone(), self.nodes.clone());
        for step in steps {
            if self.carry_out(step, user).is_err() {
                (self.paths, self.nodes) = before;
                self.steps.truncate(begun);
                return Ok(false);
            }
            self.steps.push(step.clone());
            if self.lose_after_step == Some(self.steps.len() - 1) {
                self.lost = true;
                return Err(Fault::new(FaultKind::Unreachable, "the host was lost"));
            }
        }
        Ok(true)
    }

    fn carry_out(&mut self, step: &Step, user: &str) -> Result<Option<Output>, Fault> {
        match step {
            Step::Write { path, content, attributes, expect, validate } => {
                let real = self.expected(path, expect)?;
                if let Some(validate) = validate {
                    let said = self.run(&validating(validate, content));
                    if said.status != 0 {
                        return Err(Fault::failed(format!("`{validate}` does not accept `{path}`")));
                    }
                }
                let kept = self.nodes.get(self.paths.get(&real).unwrap_or(&0)).cloned();
                let kept = kept.filter(|node| matches!(node.body, Body::File(_)));
                let body = Body::File(content.clone());
                let node = match kept {
                    Some(node) => Node { body, ..node },
                    None => self.made(body, 0o644, user),
                };
                let node = self.dressed(node, attributes)?;
                self.insert(&real, node);
            }
            Step::Promise { path, .. } => {
                return Err(Fault::failed(format!("the content of `{path}` is not known")));
            }
            Step::Attributes { path, attributes } => {
                let node = self.node(path, true).cloned();
                let node = node.ok_or_else(|| Fault::failed(format!("there is nothing at `{path}`")))?;
                let dressed = self.dressed(node, attributes)?;
                if let Some(node) = self.node_mut(path) {
                    *node = dressed;
                }
            }
            Step::Directory { path, attributes } => {
                let real = self.expected(path, &Expect::Absent)?;
                let node = self.dressed(self.made(Body::Directory, 0o755, user), attributes)?;
                self.insert(&real, node);
            }
            Step::Link { path, target, hard, expect } => {
                let real = self.expected(path, expect)?;
                if *hard {
                    let of = self.real(target, false).and_then(|target| self.paths.get(&target).copied());
                    let of = of.ok_or_else(|| Fault::failed(format!("there is nothing at `{target}`")))?;
                    self.paths.insert(real, of);
                } else {
                    let node = self.made(Body::Link(target.clone()), 0o777, user);
                    self.insert(&real, node);
                }
            }
            Step::Remove { path, expect } => {
                let real = self.expected(path, expect)?;
                self.take(&real);
            }
            Step::Download(Download { path, url, shown, digest, attributes, expect, .. }) => {
                let content = self.web.get(url).cloned();
                let content = content.ok_or_else(|| Fault::failed(format!("the server does not give `{shown}`")))?;
                if content.digest() != *digest {
                    return Err(Fault::failed(format!("`{shown}` is not what was wished for")));
                }
                let (path, attributes, expect) = (path.clone(), attributes.clone(), expect.clone());
                self.carry_out(&Step::Write { path, content, attributes, expect, validate: None }, user)?;
            }
            Step::Run { command, .. } => return Ok(Some(self.run(command))),
            Step::Tune { path, value, expect } => {
                let real = self.expected(path, expect)?;
                let node = self.nodes.get_mut(self.paths.get(&real).unwrap_or(&0));
                let node = node.ok_or_else(|| Fault::failed(format!("there is nothing at `{path}`")))?;
                node.body = Body::File(Content::open(format!("{value}\n").as_bytes()));
            }
            Step::Unpack(unpack) => {
                self.take(&unpack.dest);
                let record = Body::File(Content::open(format!("{} {}\n", unpack.archive, unpack.options()).as_bytes()));
                self.plant(&format!("{}/.lions-archive", unpack.dest), record, 0o644);
            }
            Step::Ruleset { .. } => {}
            Step::Reboot { .. } => {
                self.take("/run");
                self.plant("/run", Body::Directory, 0o755);
            }
            Step::Act { command, .. } => {
                let said = self.run(command);
                if said.status != 0 {
                    let why = String::from_utf8_lossy(&said.stderr).into_owned();
                    return Err(Fault::failed("the command failed").cause(why));
                }
            }
            Step::Packages(packages) => self.transact(packages)?,
            Step::Unit { name, action } => self.act(name, *action)?,
            Step::DaemonReload => self.reload_units(),
            Step::User(step) => self.set_user(step)?,
            Step::NoUser(step) => self.drop_user(step)?,
            Step::Group(step) => self.set_group(step)?,
            Step::NoGroup(name) => self.drop_group(name)?,
        }
        Ok(None)
    }

    /// The real path of `path`, if its folder is there and what is at it is what was expected.
    fn expected(&self, path: &str, expect: &Expect) -> Result<String, Fault> {
        let real = self.real(path, false).ok_or_else(|| Fault::failed(format!("no folder for `{path}`")))?;
        let above = parent(&real);
        if !above.is_empty() && !matches!(self.node(above, false), Some(Node { body: Body::Directory, .. })) {
            return Err(Fault::failed(format!("the folder `{above}` does not exist")));
        }
        if let Expect::Open(_) = expect {
            return Err(Fault::failed(format!("what is at `{path}` was not known when this step was made")));
        }
        let there = self.stat(&real).map(|stat| stat.kind);
        let same = match (expect, &there) {
            (Expect::Absent, None)
            | (Expect::Directory | Expect::Empty, Some(FileKind::Directory))
            | (Expect::Other, Some(FileKind::Other)) => true,
            (Expect::File(digest), Some(FileKind::File(there))) => there.as_ref() == Some(digest),
            (Expect::Link(target), Some(FileKind::Link(there))) => there == target,
            _ => false,
        };
        if same {
            return Ok(real);
        }
        Err(Fault::new(FaultKind::Stale, format!("`{path}` changed while it was being worked on"))
            .help("run again: the next plan sees what is there now"))
    }
}
