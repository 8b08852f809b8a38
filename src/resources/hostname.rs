//! `hostname`: the name of the host, now and after a reboot, and that it can be looked up.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::Wanted;
use super::editing::{Edit, Edited, Editing};
use super::owned::{Held, Owned, together};
use super::path::HostPath;
use super::text::Text;
use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Content, Doc, Fault, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, Host, Leaves, Step};

const FILE: &str = "/etc/hostname";
const HOSTS: &str = "/etc/hosts";
const NOW: &str = "/proc/sys/kernel/hostname";
/// The address that Debian gives to the host's own name.
const SELF: &str = "127.0.1.1";

/// The name of the host, now and after a reboot, and that it can be looked up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hostname {
    /// The name, with or without its domain: letters, digits and `-`, parts joined by dots.
    name: String,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    file: Held,
    now: Result<String, After>,
    hosts: Edited,
}

/// The line of `/etc/hosts` that bears the name.
struct Line<'a> {
    name: &'a str,
    /// The name that goes.
    old: &'a str,
}

fn short(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

impl Edit for Line<'_> {
    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        let words = |body: &str| -> Vec<String> {
            let entry = body.split('#').next().unwrap_or_default();
            entry.split_whitespace().map(str::to_owned).collect()
        };
        let lines: Vec<Vec<String>> = text.lines().iter().map(|line| words(&line.body)).collect();
        let names = |line: &Vec<String>| line.iter().skip(1).any(|name| name == self.name);
        if lines.iter().any(names) {
            return Ok(());
        }
        let mut own = vec![self.name.to_owned()];
        if short(self.name) != self.name {
            own.push(short(self.name).to_owned());
        }
        if let Some(at) = lines.iter().position(|line| line.first().is_some_and(|first| first == SELF)) {
            // Other names of the line stay.
            let goes = |name: &String| own.contains(name) || short(name) == short(self.old);
            let kept: Vec<String> = lines[at].iter().skip(1).filter(|name| !goes(name)).cloned().collect();
            own.extend(kept);
            text.replace(at, &format!("{SELF}\t{}", own.join(" ")), None);
        } else {
            let local = lines.iter().rposition(|line| line.first().is_some_and(|first| first == "127.0.0.1"));
            text.insert(local.map_or(0, |at| at + 1), &format!("{SELF}\t{}", own.join(" ")), None);
        }
        Ok(())
    }

    fn open(&self) -> Option<After> {
        None
    }

    /// A host without that file looks names up elsewhere.
    fn takes_away(&self) -> bool {
        true
    }
}

fn editing<'a>(path: &'a HostPath, edit: &'a Line<'_>) -> Editing<'a> {
    Editing { path, wanted: Wanted::new(None, None, None), validate: None, create: false, edit }
}

impl Hostname {
    fn file(&self) -> Owned {
        Owned::new(FILE.to_owned(), Some(format!("{}\n", self.name)))
    }
}

impl Resource for Hostname {
    const NAME: &'static str = "hostname";
    const DOC: Doc = Doc {
        summary: "the name of the host, now and after a reboot",
        example: "\
- name: name of the host
  hostname: { name: vps-1.lions.dev }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let part = |part: &str| {
            let plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            plain && (1..=63).contains(&part.len()) && !part.starts_with('-') && !part.ends_with('-')
        };
        let number = self.name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let mut misfits = Vec::new();
        if number || !self.name.split('.').all(part) {
            let why = "is not a name of a host: letters, digits and `-`, parts of at most 63 joined by dots";
            misfits.push(Misfit::new("name", format!("`{}` {why}", self.name)));
        } else if self.name.len() > 64 {
            misfits.push(Misfit::new("name", "the kernel takes 64 letters at most"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(FILE), Thing::path(NOW), Thing::path(HOSTS)]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let (file, path) = (self.file(), HostPath::of(HOSTS.to_owned()));
        let line = Line { name: &self.name, old: "" };
        let editing = editing(&path, &line);
        let (file, now, hosts) = futures::join!(file.read(probe), probe.kernel(NOW), editing.read(probe));
        let now = match now {
            Ok(now) => {
                Ok(now.map(|now| String::from_utf8_lossy(now.bytes()).trim_end().to_owned()).unwrap_or_default())
            }
            Err(Halt::Later(after)) => Err(after),
            Err(fault) => return Err(fault),
        };
        Ok(Seen { file: file?, now, hosts: hosts? })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let (before, old) = match &current.now {
            Ok(now) => (Shown::value(now), now.as_str()),
            Err(after) => (Shown::Unknown(after.clone()), ""),
        };
        let now = if old == self.name {
            Verdict::right("same name")
        } else {
            let command = Command::words(vec!["hostname".to_owned(), self.name.clone()]);
            let said = Content::open(format!("{}\n", self.name).into_bytes());
            let leaves = Leaves { files: vec![(NOW.to_owned(), said)], ..Leaves::default() };
            let change = Change::new(Action::Update).field("", before, Shown::value(&self.name));
            Verdict::Change(change.step(Step::Act { command, leaves }))
        };
        let (path, line) = (HostPath::of(HOSTS.to_owned()), Line { name: &self.name, old });
        let hosts = editing(&path, &line).plan(&current.hosts)?;
        // The name can be looked up before anybody asks for it: sudo does.
        Ok(together([(HOSTS.to_owned(), hosts), self.file().plan(&current.file)?, ("now".to_owned(), now)]))
    }
}
