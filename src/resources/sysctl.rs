//! `sysctl`: a value of the kernel, now and after a reboot.

use schemars::JsonSchema;
use serde::Deserialize;

use super::line::State;
use super::owned::{HEADER, Held, Owned, together};
use super::plain::Plain;
use crate::model::decode::Misfit;
use crate::model::{
    Action, After, Change, Content, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Undo, Verdict,
};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Expect, FileKind, Host, Question, Step};

/// Read in the order of their names, so that this one wins over what others bring.
const FOLDER: &str = "/etc/sysctl.d";

/// A value of the kernel, now and after a reboot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sysctl {
    /// The key: `vm.swappiness`, or `net/ipv4/conf/eth0.100/forwarding` where a part holds a dot.
    #[serde(alias = "key")]
    #[schemars(extend("x-lions-aliases" = ["key"]))]
    name: String,
    /// The value. Spaces between its words count as one.
    #[serde(alias = "val")]
    #[schemars(extend("x-lions-aliases" = ["val"]))]
    value: Option<Plain>,
    /// `present`: the value is in effect now and after a reboot. `absent`: it is not set at the next reboot; what is in
    /// effect now stays, for nobody knows what it was.
    #[serde(default)]
    state: State,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    file: Held,
    now: Result<Content, After>,
}

/// The parts of a key, as folders below `/proc/sys`.
fn parts(name: &str) -> String {
    // As sysctl(8) has it: the first of the two signs that occurs separates.
    match name.find(['.', '/']).map(|at| &name[at..=at]) {
        Some(".") => name
            .chars()
            .map(|one| match one {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => name.to_owned(),
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Sysctl {
    fn kernel(&self) -> String {
        format!("/proc/sys/{}", parts(&self.name))
    }

    fn value(&self) -> String {
        self.value.as_ref().map(|value| words(&value.0)).unwrap_or_default()
    }

    fn owned(&self) -> Owned {
        let path = format!("{FOLDER}/99-zz-lions-{}.conf", parts(&self.name).replace('.', "_").replace('/', "."));
        let text = format!("{HEADER}{} = {}\n", self.name, self.value());
        Owned::new(path, (self.state == State::Present).then_some(text))
    }

    /// Does a file that is read later set the key to something else?
    async fn overridden(&self, probe: &HostProbe, own: &str) -> Result<(), Halt> {
        let tree = match probe.tree(FOLDER).await {
            Ok(tree) => tree,
            Err(Halt::Later(_)) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let later = tree.into_iter().filter(|(path, stat)| {
            path.as_str() > own
                && path.rsplit('.').next() == Some("conf")
                && matches!(stat.kind, FileKind::File(_) | FileKind::Link(_))
        });
        for (path, _) in later {
            let content = match probe.content(&path).await {
                Ok(Some(content)) => content,
                Ok(None) | Err(Halt::Later(_)) => continue,
                Err(fault) => return Err(fault),
            };
            let text = String::from_utf8_lossy(content.bytes());
            let set = text.lines().filter_map(|line| line.split_once('=')).find(|(key, value)| {
                parts(key.trim().trim_start_matches('-')) == parts(&self.name) && words(value) != self.value()
            });
            if let Some((_, value)) = set {
                let what = format!("`{path}` comes later and sets `{}` to `{}` at boot", self.name, words(value));
                return Err(Fault::new(FaultKind::Refused, what)
                    .help("take that line away in a task above with `line: {state: absent}`")
                    .into());
            }
        }
        Ok(())
    }
}

impl Resource for Sysctl {
    const NAME: &'static str = "sysctl";
    const DOC: Doc = Doc {
        summary: "a value of the kernel, now and after a reboot",
        example: "\
- name: packets are forwarded
  sysctl: { name: net.ipv4.ip_forward, value: 1 }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:@/".contains(&byte);
        let parts = parts(&self.name);
        if !parts.contains('/')
            || !self.name.bytes().all(plain)
            || self.name.starts_with('-')
            || parts.split('/').any(|part| matches!(part, "" | "." | ".."))
        {
            misfits.push(Misfit::new("name", format!("`{}` is not a key like `vm.swappiness`", self.name)));
        }
        match (&self.value, self.state) {
            (None, State::Present) => misfits.push(Misfit::new("", "the parameter `value` is missing")),
            (Some(value), State::Present) if words(&value.0).is_empty() || value.0.contains(['\n', '\0']) => {
                misfits.push(Misfit::new("value", "it is one line, and not empty"));
            }
            _ => {}
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.owned().path), Thing::path(self.kernel())]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", &*self.owned().path))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let owned = self.owned();
        if self.state == State::Absent {
            return Ok(Seen { file: owned.read(probe).await?, now: Ok(Content::open([])) });
        }
        probe.soon([Question::Tree(FOLDER.to_owned())]);
        let (path, kernel) = (owned.path.to_string(), self.kernel());
        let (file, now, overridden) =
            futures::join!(owned.read(probe), probe.kernel(&kernel), self.overridden(probe, &path));
        overridden?;
        let now = match now {
            Ok(Some(now)) => Ok(now),
            Ok(None) => {
                return Err(Fault::failed(format!("this kernel has no `{}`", self.name))
                    .help("load the module that brings it in a task above with `kernel_module`, or correct `name`")
                    .into());
            }
            Err(Halt::Later(after)) => Err(after),
            Err(fault) => return Err(fault),
        };
        Ok(Seen { file: file?, now })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let file = self.owned().plan(&current.file)?;
        if self.state == State::Absent {
            return Ok(together([file]));
        }
        let value = self.value();
        let (before, expect) = match &current.now {
            Ok(now) => {
                let shown = words(&String::from_utf8_lossy(now.bytes()));
                if shown == value {
                    return Ok(together([file]));
                }
                (Shown::Value(shown), Expect::File(now.digest()))
            }
            Err(after) => (Shown::Unknown(after.clone()), Expect::Open(after.clone())),
        };
        let change = Change::new(Action::Update).field("", before, Shown::value(&value));
        let now = Verdict::Change(change.step(Step::Tune { path: self.kernel(), value, expect }));
        Ok(together([("now".to_owned(), now), file]))
    }
}
