//! `download`: a file that the host fetches itself, known by its digest before it is there.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de};

use super::attributes::{self, Mode, Names, Wanted};
use super::path::{Folder, HostPath, in_the_way, or_coming, unless_brought};
use crate::model::decode::Misfit;
use crate::model::{
    Action, After, Arg, Change, Digest, Doc, Fault, Halt, Resource, Sealed, Shown, Thing, Undo, Verdict,
};
use crate::targets::host::download::no_tool;
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Attributes, Expect, FileKind, Host, Stat, Step, download};

/// A file that the host fetches over HTTP, checked before it is put into place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Download {
    /// Where it comes from: `https://` or `http://`. It may hold a secret. Proxies are those of the host's environment.
    url: Arg<String>,
    /// Absolute path of the file on the host.
    dest: HostPath,
    /// The SHA-256 that the file must have: 64 hexadecimal digits.
    sha256: Sum,
    /// Headers to send, by name. They may be secret, and are sent to the host of `url` only.
    #[serde(default)]
    headers: IndexMap<String, Arg<String>>,
    /// Permissions, quoted: "0644". Without it, a new file gets "0644" and one that is there keeps its own.
    mode: Option<Mode>,
    /// The user it belongs to, by name or number.
    owner: Option<String>,
    /// The group it belongs to, by name or number.
    group: Option<String>,
}

/// A SHA-256, as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum(pub(super) Digest);

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digest = Digest::from_hex(&text).map(Self);
        digest
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not a SHA-256: 64 hexadecimal digits are expected")))
    }
}

impl JsonSchema for Sum {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Sum".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" })
    }
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    stat: Option<Stat>,
    /// A package planned above may bring it.
    coming: Option<After>,
    folder: Folder,
    names: Names,
    /// Is there something to fetch it with?
    tool: bool,
}

impl Seen {
    /// What it is now.
    pub(super) fn digest(&self) -> Option<Digest> {
        match self.stat.as_ref()?.kind {
            FileKind::File(digest) => digest,
            _ => None,
        }
    }
}

/// Where a host has what it fetches with.
const TOOLS: [&str; 4] = ["/usr/bin/curl", "/usr/local/bin/curl", "/usr/bin/wget", "/usr/local/bin/wget"];

impl Download {
    /// A file of root's own, for resources that are made of more.
    pub(super) fn of(url: String, dest: HostPath, sha256: Digest, mode: u32) -> Self {
        let root = Some("root".to_owned());
        Self {
            url: Arg::Known(url),
            dest,
            sha256: Sum(sha256),
            headers: IndexMap::new(),
            mode: Some(Mode(mode)),
            owner: root.clone(),
            group: root,
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted::new(self.mode, self.owner.as_ref(), self.group.as_ref())
    }

    fn step(&self, attributes: Attributes, expect: Expect) -> Result<Step, Halt> {
        let headers = self.headers.iter().map(|(name, value)| Ok((name.clone(), value.value()?.clone())));
        Ok(Step::Download(download::Download {
            path: self.dest.to_string(),
            url: self.url.value()?.clone(),
            shown: shown(&self.url),
            headers: headers.collect::<Result<_, After>>()?,
            digest: self.sha256.0,
            attributes,
            expect,
        }))
    }
}

fn shown(url: &Arg<String>) -> String {
    match url {
        Arg::Known(url) => url.clone(),
        Arg::Secret(Sealed { shown, .. }) => shown.clone(),
        Arg::Unknown(_) => String::new(),
    }
}

impl Resource for Download {
    const NAME: &'static str = "download";
    const DOC: Doc = Doc {
        summary: "a file that the host fetches over HTTP, checked before it is put into place",
        example: "\
- name: k3s is there
  download:
    url: https://github.com/k3s-io/k3s/releases/download/v1.36.3%2Bk3s1/k3s
    dest: /usr/local/bin/k3s
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    mode: \"0755\"
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        if let Ok(url) = self.url.value() {
            let lower = url.to_ascii_lowercase();
            let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
            let plain = url.bytes().all(|byte| byte > b' ' && byte != 0x7f);
            if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
                misfits.push(Misfit::new("url", "an address that begins with `https://` or `http://` is expected"));
            } else if !plain {
                misfits.push(Misfit::new(
                    "url",
                    "a space or a control character in it must be written as `%20` and so on",
                ));
            }
        }
        for (name, value) in &self.headers {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(token) || name.starts_with('#') {
                misfits.push(Misfit::new("headers", format!("`{name}` is not the name of a header")));
            }
            if value.value().is_ok_and(|value| value.chars().any(char::is_control)) {
                misfits.push(Misfit::new("headers", format!("`{name}` is not one line of text")));
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.dest)]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", &*self.dest))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let wanted = self.wanted();
        wanted.soon(probe);
        let tools = async {
            let found = futures::future::join_all(TOOLS.iter().map(|tool| probe.followed(tool))).await;
            // What a task above may install is there when its turn comes; if not, apply says so.
            found.iter().any(|found| matches!(found, Ok((_, Some(_))) | Err(Halt::Later(_)))) || probe.ran().is_some()
        };
        let (stat, folder, tool) =
            futures::join!(probe.stat(&self.dest), Folder::read(probe, self.dest.parent()), tools);
        let ((stat, coming), folder) = (or_coming(probe, &self.dest, stat).await?, folder?);
        let names = wanted.names(probe, stat.as_ref()).await?;
        if matches!(stat.as_ref().map(|stat| &stat.kind), Some(FileKind::File(None))) {
            // Not readable, or written by a task above: only the latter waits.
            probe.content(&self.dest).await?;
        }
        Ok(Seen { stat, coming, folder, names, tool })
    }

    fn plan(&self, seen: &Seen) -> Result<Verdict<Step>, Halt> {
        self.plan_in(seen, &seen.folder)
    }
}

impl Download {
    /// The verdict while nobody knows what it must be; `sha256` is not read.
    pub(super) fn promise(&self, seen: &Seen, after: &After) -> Result<Verdict<Step>, Halt> {
        let wanted = self.wanted();
        let (action, attributes, before) = match &seen.stat {
            None => (Action::Create, wanted.fresh(attributes::FILE, &seen.names, seen.folder.ready()?), Shown::Absent),
            Some(stat) => {
                let there = seen.digest().map_or(Shown::Present, Shown::value);
                (Action::Update, wanted.differing(stat, &seen.names), there)
            }
        };
        let change = Change::new(action).field("sha256", before, Shown::Unknown(after.clone()));
        let change = change.field("url", Shown::Absent, Shown::Value(shown(&self.url)));
        let change = attributes::fields(change, &attributes, seen.stat.as_ref());
        let change = seen.coming.as_ref().map_or(change.clone(), |coming| unless_brought(change, coming, &wanted));
        let step = Step::Promise { path: self.dest.to_string(), attributes, after: after.clone() };
        Ok(Verdict::Change(change.step(step)))
    }

    /// The verdict in a folder that a step of the same task may make.
    pub(super) fn plan_in(&self, seen: &Seen, folder: &Folder) -> Result<Verdict<Step>, Halt> {
        let wanted = self.wanted();
        let sum = |digest: &Digest| Shown::value(digest);
        let (change, attributes, expect) = match &seen.stat {
            None => {
                let attributes = wanted.fresh(attributes::FILE, &seen.names, folder.ready()?);
                let change = Change::new(Action::Create).field("sha256", Shown::Absent, sum(&self.sha256.0));
                (change, attributes, seen.coming.clone().map_or(Expect::Absent, Expect::Open))
            }
            Some(stat) => {
                let FileKind::File(digest) = &stat.kind else {
                    let help = "name the file itself in `dest`; what is there now is not replaced";
                    return Err(in_the_way(&self.dest, &stat.kind, help).into());
                };
                let attributes = wanted.differing(stat, &seen.names);
                let path = self.dest.to_string();
                match digest {
                    Some(digest) if *digest == self.sha256.0 && attributes::none(&attributes) => {
                        return Ok(Verdict::right("same content"));
                    }
                    Some(digest) if *digest == self.sha256.0 => {
                        let change = attributes::fields(Change::new(Action::Update), &attributes, Some(stat));
                        return Ok(Verdict::Change(change.step(Step::Attributes { path, attributes })));
                    }
                    Some(digest) => {
                        let change = Change::new(Action::Update);
                        (change.field("sha256", sum(digest), sum(&self.sha256.0)), attributes, Expect::File(*digest))
                    }
                    None => {
                        return Err(Fault::failed(format!("`{path}` may not be read"))
                            .help("set `become: true`")
                            .into());
                    }
                }
            }
        };
        if !seen.tool {
            return Err(no_tool().into());
        }
        let url = match &self.url {
            Arg::Secret(Sealed { value, shown }) => {
                Shown::Secret { masked: shown.clone(), digest: Digest::of(value.as_bytes()) }
            }
            url => Shown::Value(shown(url)),
        };
        let before = seen.stat.as_ref();
        let change = attributes::fields(change.field("url", Shown::Absent, url), &attributes, before);
        let change = match &seen.coming {
            Some(after) => unless_brought(change, after, &wanted),
            None => change,
        };
        Ok(Verdict::Change(change.step(self.step(attributes, expect)?)))
    }
}
