//! `sudoers`: what users may do through sudo, as a file of its own.

use schemars::JsonSchema;
use serde::Deserialize;

use super::line::State;
use super::named;
use super::owned::{Held, Owned, headed, together};
use crate::model::decode::Misfit;
use crate::model::{Arg, Doc, Fault, FaultKind, Halt, Resource, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Question, Step};

const FOLDER: &str = "/etc/sudoers.d";
const MAIN: &str = "/etc/sudoers";

/// What users may do through sudo, as a file of its own. It lands only when `visudo` accepts it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sudoers {
    /// The file in `/etc/sudoers.d`.
    name: String,
    /// Its rules, as sudoers(5) has them.
    content: Option<Arg<String>>,
    /// `present`: the file holds these rules. `absent`: it is not there.
    #[serde(default)]
    state: State,
}

impl Sudoers {
    fn owned(&self) -> Owned {
        let content = self.content.as_ref().filter(|_| self.state == State::Present).map(headed);
        let path = format!("{FOLDER}/{}", self.name);
        Owned { content, mode: 0o440, validate: Some("visudo -cf %s".to_owned()), ..Owned::new(path, None) }
    }
}

/// Does `/etc/sudoers` read the folder at all?
fn includes(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("@includedir" | "#includedir")) && words.next() == Some(FOLDER)
    })
}

impl Resource for Sudoers {
    const NAME: &'static str = "sudoers";
    const DOC: Doc = Doc {
        summary: "what users may do through sudo, as a file of its own",
        example: "\
- name: deploy restarts the application
  sudoers:
    name: deploy
    content: |
      deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart app
",
    };
    type Target = Host;
    type State = Held;

    fn check(&self) -> Vec<Misfit> {
        let missing = self.state == State::Present && self.content.is_none();
        let missing = missing.then(|| Misfit::new("", "the parameter `content` is missing"));
        named::check(&self.name, FOLDER).into_iter().chain(missing).collect()
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.owned().path)]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", &*self.owned().path))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Held, Halt> {
        let owned = self.owned();
        if self.state == State::Absent {
            return owned.read(probe).await;
        }
        probe.soon([Question::Content(MAIN.to_owned())]);
        let (main, own) = futures::join!(probe.content(MAIN), owned.read(probe));
        match main {
            Ok(Some(main)) if !includes(&String::from_utf8_lossy(main.bytes())) => {
                let what = format!("`{MAIN}` does not read `{FOLDER}`: the file would have no effect");
                let help = format!("add `@includedir {FOLDER}` in a task above with `line`");
                return Err(Fault::new(FaultKind::Refused, what).help(help).into());
            }
            Ok(None) if probe.ran().is_none() => {
                return Err(Fault::failed("sudo is not installed").help("install it in a task above").into());
            }
            Ok(_) | Err(Halt::Later(_)) => {}
            Err(fault) => return Err(fault),
        }
        own
    }

    fn plan(&self, current: &Held) -> Result<Verdict<Step>, Halt> {
        Ok(together([self.owned().plan(current)?]))
    }
}
