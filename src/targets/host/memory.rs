//! A host in memory: the same questions and steps as a real one, for tests and benchmarks. It holds to what a real
//! host holds to (parents must exist, `expect` is compared, unknown users are refused) and can be told to fail.

mod accounts;
mod guard;
mod machine;
mod node;
mod packages;
mod units;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

pub use self::machine::Machine;
use self::node::Body;
pub use self::packages::Offer;
use self::units::Kept;
use super::guard::{Order, Switch};
use super::ledger::PATH;
use super::{
    Active, Answer, Claim, Command, Group, Groups, Link, Output, Package, PackageState, Privilege, Question, Stat,
    Step, Together, Unit, User,
};
use crate::model::{Content, Fault, FaultKind, Map, Stream};

/// A host in memory. Clones are the same host.
#[derive(Clone)]
pub struct MemoryHost {
    machine: Arc<Mutex<Machine>>,
}

/// The way to it as one user.
struct MemoryLink {
    host: MemoryHost,
    user: String,
}

impl Default for MemoryHost {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryHost {
    /// With `/`, `/etc` and `/tmp`, and the users `root` and `app`.
    #[must_use]
    pub fn new() -> Self {
        let host = Self { machine: Arc::default() };
        host.user("root", 0, "root").user("app", 1000, "app").directory("/etc").directory("/tmp")
    }

    /// What it is made of.
    pub fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to it: `Login` is root.
    #[must_use]
    pub fn link(&self, privilege: &Privilege) -> Arc<dyn Link> {
        let user = match privilege {
            Privilege::Login => "root".to_owned(),
            Privilege::Become(user) => user.as_ref().to_owned(),
        };
        Arc::new(MemoryLink { host: self.clone(), user })
    }

    /// With a file of root's, mode 0644, and the folders it is in.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = Content::open(content.as_ref());
        self.machine().plant(path, Body::File(content), 0o644);
        self
    }

    /// With a folder of root's, mode 0755, and the folders it is in.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.machine().plant(path, Body::Directory, 0o755);
        self
    }

    /// With a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.machine().plant(path, Body::Link(target.to_owned()), 0o777);
        self
    }

    /// With other owner, group and mode of what is at `path`.
    #[must_use]
    pub fn attributes(self, path: &str, owner: &str, group: &str, mode: u32) -> Self {
        if let Some(node) = self.machine().node_mut(path) {
            (node.owner, node.group, node.mode) = (owner.to_owned(), group.to_owned(), mode);
        }
        self
    }

    /// With a user, and a group of that number.
    #[must_use]
    pub fn user(self, name: &str, number: u32, group: &str) -> Self {
        self.machine().add_user(name, number, group);
        self
    }

    /// With a group, and those for whom it is a supplementary one.
    #[must_use]
    pub fn group(self, name: &str, number: u32, members: &[&str]) -> Self {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.machine().groups.insert(name.to_owned(), Group { gid: Some(number), members });
        self
    }

    /// With that in the place of a user's password.
    #[must_use]
    pub fn password(self, name: &str, field: &str) -> Self {
        self.machine().passwords.insert(name.to_owned(), field.to_owned());
        self
    }

    /// With an installed package.
    #[must_use]
    pub fn package(self, name: &str, version: &str) -> Self {
        self.package_state(name, version, PackageState::Installed, false)
    }

    /// With a package in that state.
    #[must_use]
    pub fn package_state(self, name: &str, version: &str, state: PackageState, held: bool) -> Self {
        let package = Package { version: Some(version.to_owned()), state, held };
        self.machine().shelf.installed.insert(name.to_owned(), package);
        self
    }

    /// With a package that it can get, by lists that are as old as [`Self::lists`] says.
    #[must_use]
    pub fn offer(self, name: &str, offer: Offer) -> Self {
        {
            let mut machine = self.machine();
            machine.shelf.offers.insert(name.to_owned(), offer);
            machine.shelf.lists.get_or_insert(0);
        }
        self
    }

    /// With something that it can fetch from `url`.
    #[must_use]
    pub fn web(self, url: &str, content: impl AsRef<[u8]>) -> Self {
        self.machine().web.insert(url.to_owned(), Content::open(content.as_ref()));
        self
    }

    /// With lists of packages that are so many seconds old; without any, nothing can be got.
    #[must_use]
    pub fn lists(self, age: Option<u64>) -> Self {
        self.machine().shelf.lists = age;
        self
    }

    /// With a unit.
    #[must_use]
    pub fn unit(self, name: &str, active: Active, enabled: &str) -> Self {
        let read = (active == Active::Active).then(|| self.machine().files_of_unit(name));
        let kept = Kept { masked: enabled == "masked", read, ..Kept::new(active, enabled) };
        self.machine().units.insert(name.to_owned(), kept);
        self
    }

    /// With a unit that ends by itself.
    #[must_use]
    pub fn passing_unit(self, name: &str) -> Self {
        let kept = Kept { passing: true, ..Kept::new(Active::Inactive, "static") };
        self.machine().units.insert(name.to_owned(), kept);
        self
    }

    /// With facts.
    #[must_use]
    pub fn facts(self, facts: Map) -> Self {
        self.machine().facts = facts;
        self
    }

    /// With a command: `line` as words joined by spaces, or as the shell gets it; for `validate`, with its `%s`.
    #[must_use]
    pub fn command(
        self,
        line: &str,
        script: impl Fn(&mut Machine, &Command) -> Output + Send + Sync + 'static,
    ) -> Self {
        let line = line.replace("%s", "\"$file\"");
        self.machine().scripts.insert(line, Arc::new(script));
        self
    }

    /// Somebody else works on it, or nobody any more.
    pub fn held_by(&self, other: Option<Claim>) {
        self.machine().held = other;
    }

    /// Who works on it.
    #[must_use]
    pub fn holder(&self) -> Option<Claim> {
        self.machine().held.clone()
    }

    /// It lets nobody new in while `shut` says so.
    #[must_use]
    pub fn shut(self, shut: impl Fn(&Machine) -> bool + Send + Sync + 'static) -> Self {
        self.machine().shut = Some(Arc::new(shut));
        self
    }

    /// Is a switch set that would undo a change?
    #[must_use]
    pub fn guarded(&self) -> bool {
        self.machine().kept.is_some()
    }

    /// The step number `nth` (from 0) fails before it does anything.
    pub fn fail_step(&self, nth: usize) {
        self.machine().fail_step = Some(nth);
    }

    /// The host is lost at the request number `nth` (from 0, questions and steps), which is not done.
    pub fn lose_at_request(&self, nth: usize) {
        self.machine().lose_request = Some(nth);
    }

    /// The step number `nth` (from 0) is done, then the host is lost before it can say so.
    pub fn lose_after_step(&self, nth: usize) {
        self.machine().lose_after_step = Some(nth);
    }

    /// The step number `nth` (from 0) is done, and nothing is heard of it or anything after it.
    pub fn hang_after_step(&self, nth: usize) {
        self.machine().hang_after_step = Some(nth);
    }

    /// It is there again and nothing more will fail; counters begin anew.
    pub fn revive(&self) {
        let mut machine = self.machine();
        (machine.fail_step, machine.lose_request, machine.lose_after_step) = (None, None, None);
        machine.hang_after_step = None;
        (machine.batches, machine.requests, machine.lost) = (0, 0, false);
        machine.steps.clear();
        machine.ran.clear();
    }

    /// Batches of questions so far.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.machine().batches
    }

    /// Requests so far, questions and steps.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.machine().requests
    }

    /// Steps done so far.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.machine().steps.clone()
    }

    /// Commands run for questions so far.
    #[must_use]
    pub fn looked(&self) -> Vec<Command> {
        self.machine().ran.clone()
    }

    /// What a step came to, unless nothing is heard of it.
    fn told<'a, T: Send + 'a>(&self, done: T) -> BoxFuture<'a, T> {
        let machine = self.machine();
        let hangs = machine.hang_after_step.is_some_and(|nth| machine.steps.len() > nth);
        if hangs { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(done)) }
    }

    /// Its users, by name.
    #[must_use]
    pub fn users(&self) -> BTreeMap<String, User> {
        self.machine().users.clone()
    }

    /// Its groups, by name.
    #[must_use]
    pub fn groups(&self) -> Groups {
        self.machine().groups.clone()
    }

    /// Its packages, by name.
    #[must_use]
    pub fn packages(&self) -> BTreeMap<String, Package> {
        self.machine().shelf.installed.clone()
    }

    /// Its units, by name; those of which it only holds a file are not among them.
    #[must_use]
    pub fn units(&self) -> BTreeMap<String, Unit> {
        let machine = self.machine();
        machine.units.keys().filter_map(|name| Some((name.clone(), machine.unit(name)?))).collect()
    }

    /// Everything there, by path: what it is and, for files, its bytes. Two hosts in the same state are equal here.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, (Stat, Vec<u8>)> {
        let machine = self.machine();
        let all = machine.paths.iter().filter_map(|(path, node)| Some((path, machine.nodes.get(node)?)));
        all.map(|(path, node)| {
            let bytes = match &node.body {
                Body::File(content) => content.bytes().to_vec(),
                Body::Directory | Body::Link(_) => Vec::new(),
            };
            (path.clone(), (Stat { node: None, ..node.stat(0) }, bytes))
        })
        .collect()
    }
}

/// `(what it said, its status)`.
#[must_use]
pub fn output(status: i32, stdout: &str) -> Output {
    Output { status, stdout: stdout.as_bytes().to_vec(), stderr: Vec::new() }
}

impl Link for MemoryLink {
    fn ask<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Result<Vec<Result<Answer, Fault>>, Fault>> {
        let mut machine = self.host.machine();
        machine.batches += 1;
        let answers =
            machine.request().map(|()| questions.iter().map(|question| machine.answer(question, &self.user)).collect());
        Box::pin(std::future::ready(answers))
    }

    fn perform<'a>(
        &'a self,
        step: &'a Step,
        output: &'a (dyn Fn(Stream, &str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Output>, Fault>> {
        let done = self.host.machine().perform(step, &self.user);
        if let Ok(Some(said)) = &done {
            for (stream, bytes) in [(Stream::Out, &said.stdout), (Stream::Err, &said.stderr)] {
                String::from_utf8_lossy(bytes).lines().for_each(|line| output(stream, line));
            }
        }
        self.host.told(done)
    }

    fn make_together<'a>(&'a self, all: &'a Together) -> BoxFuture<'a, Result<bool, Fault>> {
        let made = self.host.machine().make_together(all.steps(), &self.user);
        self.host.told(made)
    }

    fn guard<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Switch, Fault>> {
        Box::pin(std::future::ready(self.host.machine().switch(order)))
    }

    fn prove(&self) -> BoxFuture<'_, Result<(), Fault>> {
        let shut = self.host.machine().is_shut();
        let proof = if shut { Err(Fault::new(FaultKind::Unreachable, "the host lets nobody in")) } else { Ok(()) };
        Box::pin(std::future::ready(proof))
    }

    fn hold<'a>(&'a self, claim: &'a Claim, notes: &'a [String]) -> BoxFuture<'a, Result<(), Fault>> {
        let mut machine = self.host.machine();
        let held = match &machine.held {
            Some(other) if other.run != claim.run => {
                Err(Fault::new(FaultKind::Locked, "another run works there").cause(&other.who))
            }
            _ => {
                machine.held = Some(claim.clone());
                if !notes.is_empty() {
                    let before = machine.read(PATH).unwrap_or_default();
                    let lines = notes.join("\n") + "\n";
                    machine.plant(PATH, Body::File(Content::open(format!("{before}{lines}").as_bytes())), 0o600);
                }
                Ok(())
            }
        };
        Box::pin(std::future::ready(held))
    }

    fn release<'a>(&'a self, _claim: &'a Claim) -> BoxFuture<'a, Result<(), Fault>> {
        self.host.machine().held = None;
        Box::pin(std::future::ready(Ok(())))
    }
}
