//! `timezone`: which time the clock of the host shows.

use schemars::JsonSchema;
use serde::Deserialize;

use super::linking::{Linked, Linking};
use super::owned::{Held, Owned, together};
use super::path::HostPath;
use crate::model::decode::Misfit;
use crate::model::{Doc, Fault, Halt, Resource, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{FileKind, Host, Stat, Step};

const LINK: &str = "/etc/localtime";
/// What Debian's `tzdata` keeps beside the link.
const NAME: &str = "/etc/timezone";
const ZONES: &str = "/usr/share/zoneinfo";

/// Which time the clock of the host shows. Services that run (cron, too) see it when they are started again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Timezone {
    /// `Europe/Paris`, `UTC`: a file below `/usr/share/zoneinfo`.
    name: String,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    /// Where the link is to point, relative where it is so already.
    target: String,
    link: Linked,
    /// Where there is such a file.
    name: Option<Held>,
}

impl Timezone {
    fn zone(&self) -> String {
        format!("{ZONES}/{}", self.name)
    }

    fn name(&self) -> Owned {
        Owned::new(NAME.to_owned(), Some(format!("{}\n", self.name)))
    }
}

fn linking<'a>(path: &'a HostPath, target: &'a str) -> Linking<'a> {
    // A copy of a zone, as some installers leave it, may go.
    Linking { path, target, hard: false, force: true }
}

impl Resource for Timezone {
    const NAME: &'static str = "timezone";
    const DOC: Doc = Doc {
        summary: "which time the clock of the host shows",
        example: "\
- name: time of Paris
  timezone: { name: Europe/Paris }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+/".contains(&byte);
        let good = self.name.bytes().all(plain) && self.name.split('/').all(|part| !part.is_empty());
        let why = || format!("`{}` is not a name like `Europe/Paris`", self.name);
        (!good).then(|| Misfit::new("name", why())).into_iter().collect()
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(LINK), Thing::path(NAME)]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let (zone, owned) = (self.zone(), self.name());
        let (there, now, name, held) =
            futures::join!(probe.followed(&zone), probe.stat(LINK), probe.stat(NAME), owned.read(probe));
        if !matches!(there?.1, Some(Stat { kind: FileKind::File(_), .. })) {
            return Err(Fault::failed(format!("there is no timezone `{}`", self.name))
                .cause(format!("`{zone}` is not a file"))
                .help("correct `name`, or install the package `tzdata` in a task above")
                .into());
        }
        let target = match now? {
            Some(Stat { kind: FileKind::Link(target), .. }) if target.strip_prefix("..") == Some(&zone) => target,
            _ => zone,
        };
        let link = linking(&HostPath::of(LINK.to_owned()), &target).read(probe).await?;
        let name = name?.map(|_| held).transpose()?;
        Ok(Seen { target, link, name })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let link = linking(&HostPath::of(LINK.to_owned()), &current.target).plan(&current.link)?;
        let name = current.name.as_ref().map(|held| self.name().plan(held)).transpose()?;
        Ok(together([(LINK.to_owned(), link)].into_iter().chain(name)))
    }
}
