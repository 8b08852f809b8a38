//! `archive`: a folder that is what an archive holds.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::download::Sum;
use super::path::{Folder, HostPath, in_the_way};
use crate::model::decode::Misfit;
use crate::model::{Action, Change, Digest, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::archive::{Unpack, options};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Attributes, FileKind, Host, Stat, Step};

/// A folder that is what an archive holds. It is made beside and put into place whole; a file changed by hand is shown,
/// and made as it was. What the archive does not hold is left alone, but keeps the folder from being replaced.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Archive {
    /// The archive, on the host: tar (also compressed) or zip, by its content. `download` brings it there.
    src: HostPath,
    /// The folder, which is of this archive alone; it is made.
    dest: HostPath,
    /// The SHA-256 of the archive. With it, the archive need not lie there once it is unpacked.
    sha256: Option<Sum>,
    /// Leading folders of its paths that are left out.
    #[serde(default)]
    strip_components: u32,
    /// Paths in the folder that others keep (configuration, data): not unpacked, and carried over to the next archive.
    #[serde(default)]
    exclude: Vec<String>,
    /// The user that all of it belongs to, by name or number. Without it, who unpacks it.
    owner: Option<String>,
    /// The group that all of it belongs to, by name or number.
    group: Option<String>,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    folder: Folder,
    src: Option<Stat>,
    dest: Option<Stat>,
    look: Look,
    /// Digest of what the look said.
    digest: Digest,
}

#[derive(Debug, Default)]
struct Look {
    torn: bool,
    state: State,
    /// Paths that differ from what was unpacked.
    changed: BTreeSet<String>,
    /// Paths that were not unpacked.
    others: BTreeSet<String>,
}

#[derive(Debug, Default)]
enum State {
    /// No folder, or nothing in it.
    #[default]
    Empty,
    /// It was not unpacked by this resource.
    Foreign(Vec<String>),
    /// Made from that archive, with those options.
    Made(String, String),
}

fn path_of(line: &str) -> String {
    let end = if line.as_bytes().get(64) == Some(&b' ') { line.find("./").map(|at| at + 2) } else { None };
    let end = end.or_else(|| line.rfind("//").map(|at| at + 2));
    end.map_or(line, |at| &line[at..]).to_owned()
}

impl Look {
    fn read(said: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(said);
        let (torn, text) = text.strip_prefix("torn\n").map_or((false, &*text), |rest| (true, rest));
        let (first, rest) = text.split_once('\n')?;
        let state = match first {
            "absent" => State::Empty,
            "foreign" => State::Foreign(Vec::new()),
            made => made.split_once(' ').map(|(archive, options)| State::Made(archive.into(), options.into()))?,
        };
        let (now, was): (Vec<&str>, Vec<&str>) =
            rest.split('\0').filter(|line| !line.is_empty()).partition(|line| line.starts_with('\t'));
        let changed: BTreeSet<String> = was.into_iter().map(path_of).collect();
        let others = now.into_iter().map(|line| path_of(&line[1..])).filter(|path| !changed.contains(path)).collect();
        Some(Self { torn, state, changed, others })
    }
}

fn some(paths: &[&str]) -> String {
    const FEW: usize = 5;
    let few = paths.iter().take(FEW).copied().collect::<Vec<_>>().join("`, `");
    if paths.len() > FEW { format!("`{few}` and {} more", paths.len() - FEW) } else { format!("`{few}`") }
}

impl Archive {
    fn attributes(&self) -> Attributes {
        Attributes { mode: None, owner: self.owner.clone(), group: self.group.clone() }
    }

    /// Is that path, relative to the folder, another's?
    fn excluded(&self, path: &str) -> bool {
        let above = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.exclude.iter().any(|kept| above(kept, path) || above(path, kept))
    }

    /// The digest of the archive that is wished for.
    fn archive(&self, seen: &Seen) -> Result<Digest, Halt> {
        let src = &self.src;
        match (seen.src.as_ref().map(|stat| &stat.kind), &self.sha256) {
            (Some(FileKind::File(Some(digest))), Some(wished)) if *digest != wished.0 => {
                Err(Fault::failed(format!("`{src}` is not the archive that was wished for"))
                    .cause(format!("its SHA-256 is {digest}, not {}", wished.0))
                    .help("correct `sha256`, or fetch it with `download` in a task above")
                    .into())
            }
            (Some(FileKind::File(Some(digest))), _) => Ok(*digest),
            (None, Some(wished)) => Ok(wished.0),
            (None, None) => Err(Fault::failed(format!("there is nothing at `{src}`"))
                .help("fetch it with `download` in a task above; with `sha256` it need not stay there")
                .into()),
            (Some(FileKind::File(None)), _) => Err(Fault::failed(format!("`{src}` may not be read")).into()),
            (Some(kind), _) => Err(in_the_way(src, kind, "name the archive itself in `src`").into()),
        }
    }
}

impl Resource for Archive {
    const NAME: &'static str = "archive";
    const DOC: Doc = Doc {
        summary: "a folder that is what an archive holds",
        example: "\
- name: node exporter is unpacked
  archive:
    src: /var/cache/node_exporter-1.9.1.tar.gz
    dest: /opt/node_exporter
    strip_components: 1
    owner: root
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        if self.dest.parent() == "/" {
            misfits.push(Misfit::new(
                "dest",
                format!("`{}` is of the system: name a folder of the archive's own", self.dest),
            ));
        }
        for path in &self.exclude {
            if path.is_empty()
                || path.contains(['\n', '\0'])
                || path.split('/').any(|part| matches!(part, "" | "." | ".."))
            {
                misfits.push(Misfit::new(
                    "exclude",
                    format!("`{}` is not a path in the folder, like `etc/app.yml`", path.escape_debug()),
                ));
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.dest)]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let (folder, src, dest, said, tree) = futures::join!(
            Folder::read(probe, self.dest.parent()),
            probe.followed(&self.src),
            probe.stat(&self.dest),
            probe.unpacked(&self.dest),
            probe.tree(&self.dest)
        );
        let (folder, (_, src), dest, said, tree) = (folder?, src?, dest?, said?, tree?);
        if matches!(src.as_ref().map(|stat| &stat.kind), Some(FileKind::File(None))) {
            probe.content(&self.src).await?;
        }
        let mut look = Look::read(&said)
            .ok_or_else(|| Fault::failed(format!("the host does not say what is in `{}`", self.dest)))?;
        if let State::Foreign(names) = &mut look.state {
            names.extend(tree.into_iter().map(|(path, _)| path));
            if names.is_empty() {
                look.state = State::Empty;
            }
        }
        Ok(Seen { folder, src, dest, look, digest: Digest::of(&said) })
    }

    fn plan(&self, seen: &Seen) -> Result<Verdict<Step>, Halt> {
        let dest = &self.dest;
        if let Some(stat) = seen.dest.as_ref().filter(|stat| stat.kind != FileKind::Directory) {
            return Err(in_the_way(dest, &stat.kind, "name a folder in `dest`").into());
        }
        let archive = self.archive(seen)?;
        let options = options(self.strip_components, &self.exclude, &self.attributes());
        let changed: Vec<&str> =
            seen.look.changed.iter().map(String::as_str).filter(|path| !self.excluded(path)).collect();
        let others: Vec<&str> =
            seen.look.others.iter().map(String::as_str).filter(|path| !self.excluded(path)).collect();
        let mut change = Change::new(if seen.dest.is_some() { Action::Update } else { Action::Create });
        let wished = Shown::value(archive);
        match &seen.look.state {
            State::Foreign(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                return Err(Fault::new(
                    FaultKind::Refused,
                    format!("`{dest}` holds what no archive brought: {}", some(&names)),
                )
                .help("name a folder of the archive's own in `dest`, or empty that one")
                .into());
            }
            State::Empty => {
                seen.folder.ready()?;
                change = change.field("archive", Shown::Absent, wished);
            }
            State::Made(was, with) => {
                let same = *was == archive.to_string();
                if same && *with == options.to_string() && changed.is_empty() && !seen.look.torn {
                    return Ok(Verdict::right("as in the archive"));
                }
                if !same {
                    change = change.field("archive", Shown::value(was), wished);
                }
                if *with != options.to_string() {
                    let now = format!(
                        "strip_components {}, exclude [{}], owner, group",
                        self.strip_components,
                        self.exclude.join(", ")
                    );
                    change = change.field("options", Shown::Present, Shown::value(now));
                }
                if !changed.is_empty() {
                    let what = format!("{} changed: {}", changed.len(), some(&changed));
                    change = change.field("files", Shown::value(what), Shown::value("as in the archive"));
                }
                if seen.look.torn {
                    change = change.field("state", Shown::value("cut short"), Shown::value("whole"));
                }
                if !others.is_empty() {
                    let what = format!("`{dest}` holds what would be lost with a new one: {}", some(&others));
                    return Err(Fault::new(FaultKind::Refused, what)
                        .help("keep it elsewhere, or name it in `exclude`: then it is carried over")
                        .into());
                }
            }
        }
        if seen.src.is_none() {
            return Err(Fault::failed(format!("there is nothing at `{}`", self.src))
                .help("fetch it with `download` in a task above")
                .into());
        }
        Ok(Verdict::Change(change.step(Step::Unpack(Unpack {
            src: self.src.to_string(),
            archive,
            dest: dest.to_string(),
            strip: self.strip_components,
            exclude: self.exclude.clone(),
            attributes: self.attributes(),
            seen: seen.digest,
        }))))
    }
}
