//! `kernel_module`: a module of the kernel, now and after a reboot.

use schemars::JsonSchema;
use serde::Deserialize;

use super::line::State;
use super::owned::{HEADER, Held, Owned, together};
use crate::model::decode::Misfit;
use crate::model::{
    Action, After, Change, Content, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Undo, Verdict,
};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, Host, Leaves, Step};

const LOADED: &str = "/proc/modules";
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// A module of the kernel, now and after a reboot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KernelModule {
    /// Its name: `br_netfilter`.
    name: String,
    /// `present`: it is loaded now and after a reboot. `absent`: neither, as far as nothing else asks for it.
    #[serde(default)]
    state: State,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    file: Held,
    now: Result<Now, After>,
}

#[derive(Debug)]
enum Now {
    /// Loaded, with what the kernel lists.
    Loaded(String),
    /// Not loaded, with what the kernel lists.
    Not(String),
    BuiltIn,
}

impl KernelModule {
    /// As the kernel has it.
    fn name(&self) -> String {
        self.name.replace('-', "_")
    }

    fn file(&self) -> Owned {
        let text = format!("{HEADER}{}\n", self.name);
        let path = format!("/etc/modules-load.d/{}.conf", self.name);
        Owned::new(path, (self.state == State::Present).then_some(text))
    }

    fn is_listed(&self, line: &str) -> bool {
        line.split(' ').next() == Some(&self.name())
    }

    /// Those built in that have no settings have no folder either: only this list names them.
    async fn is_built_in(&self, probe: &HostProbe) -> Result<bool, Halt> {
        let release = match probe.kernel(RELEASE).await {
            Ok(Some(release)) => String::from_utf8_lossy(release.bytes()).trim().to_owned(),
            Ok(None) | Err(Halt::Later(_)) => return Ok(false),
            Err(fault) => return Err(fault),
        };
        match probe.content(&format!("/lib/modules/{release}/modules.builtin")).await {
            Ok(list) => {
                let list = list.as_ref().map(|list| String::from_utf8_lossy(list.bytes()).replace('-', "_"));
                let file = format!("{}.ko", self.name());
                Ok(list.unwrap_or_default().lines().any(|line| line.rsplit('/').next() == Some(&file)))
            }
            Err(Halt::Later(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    async fn now(&self, probe: &HostProbe) -> Result<Now, Halt> {
        let folder = format!("/sys/module/{}", self.name());
        let (listed, folder) = futures::future::join(probe.kernel(LOADED), probe.stat(&folder)).await;
        let listed = listed?;
        let text =
            listed.as_ref().map(|listed| String::from_utf8_lossy(listed.bytes()).into_owned()).unwrap_or_default();
        if text.lines().any(|line| self.is_listed(line)) {
            return Ok(Now::Loaded(text));
        }
        // It may come with a module that is loaded above, or be built in.
        match folder {
            Ok(Some(_)) => return Ok(Now::BuiltIn),
            Ok(None) | Err(Halt::Later(_)) => {}
            Err(fault) => return Err(fault),
        }
        if self.is_built_in(probe).await? {
            return Ok(Now::BuiltIn);
        }
        if self.state == State::Present {
            let words = ["modprobe", "-n", "-q", "--", &self.name].map(str::to_owned).to_vec();
            let known = match probe.run(Command::words(words)).await {
                // A kernel that lists none loads none.
                _ if listed.is_none() => false,
                Ok(said) => said.status == 0,
                Err(Halt::Later(_)) => true,
                Err(fault) => return Err(fault),
            };
            if !known {
                let help = "correct `name`, or install the package that brings it in a task above; in a container, load it on the machine";
                let what = format!("this kernel has no module `{}`", self.name);
                return Err(Fault::failed(what).help(help).into());
            }
        }
        Ok(Now::Not(text))
    }

    fn change(&self, now: &Now) -> Result<Verdict<Step>, Fault> {
        let (loaded, gone) = (Shown::value("loaded"), Shown::value("not loaded"));
        let words = |words: &[&str]| Command::words(words.iter().map(|word| (*word).to_owned()).collect());
        let leaves = |text: String| Leaves {
            files: vec![(LOADED.to_owned(), Content::open(text.into_bytes()))],
            adds: vec!["/proc/sys".to_owned(), "/sys".to_owned()],
            changes: Vec::new(),
        };
        Ok(match (self.state, now) {
            (State::Present, Now::BuiltIn) => Verdict::right("built into the kernel"),
            (State::Present, Now::Loaded(_)) => Verdict::right("loaded"),
            (State::Absent, Now::Not(_)) => Verdict::right("not there"),
            (State::Absent, Now::BuiltIn) => {
                let what = format!("`{}` is built into the kernel, it cannot be taken away", self.name);
                return Err(Fault::new(FaultKind::Refused, what));
            }
            (State::Present, Now::Not(text)) => {
                let command = words(&["modprobe", "--", &self.name]);
                let leaves = leaves(format!("{text}{} 0 0 - Live 0x0\n", self.name()));
                let change = Change::new(Action::Update).field("", gone, loaded);
                Verdict::Change(change.step(Step::Act { command, leaves }))
            }
            (State::Absent, Now::Loaded(text)) => {
                let command = words(&["modprobe", "-r", "--", &self.name]);
                let rest = text.lines().filter(|line| !self.is_listed(line)).flat_map(|line| [line, "\n"]).collect();
                let leaves = Leaves { changes: vec![format!("/sys/module/{}", self.name())], ..leaves(rest) };
                let change = Change::new(Action::Delete).field("", loaded, Shown::Absent);
                Verdict::Change(change.step(Step::Act { command, leaves }))
            }
        })
    }
}

impl Resource for KernelModule {
    const NAME: &'static str = "kernel_module";
    const DOC: Doc = Doc {
        summary: "a module of the kernel, now and after a reboot",
        example: "\
- name: bridges pass through the firewall
  kernel_module: { name: br_netfilter }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let good = !self.name.is_empty() && !self.name.starts_with('-') && self.name.bytes().all(plain);
        let why = || format!("`{}` is not a name like `br_netfilter`", self.name);
        (!good).then(|| Misfit::new("name", why())).into_iter().collect()
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.file().path), Thing::new("module", self.name())]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", &*self.file().path))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let file = self.file();
        let (file, now) = futures::join!(file.read(probe), self.now(probe));
        let now = match now {
            Ok(now) => Ok(now),
            Err(Halt::Later(after)) => Err(after),
            Err(fault) => return Err(fault),
        };
        Ok(Seen { file: file?, now })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let now = match &current.now {
            Ok(now) => self.change(now)?,
            Err(after) => return Err(after.clone().into()),
        };
        Ok(together([("now".to_owned(), now), self.file().plan(&current.file)?]))
    }
}
