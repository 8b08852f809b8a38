//! What the program of a release must be: as the task says it; else as the program that is there is, if it is of that release;
//! else as the release publishes it. It looks and compares; it fetches no program.

use super::health::Health;
use super::parts::PROGRAM;
use super::{K3s, Sums};
use crate::model::{After, Change, Digest, Fault, FaultKind, Halt, Map, Resource as _, Shown, Value, Verdict};
use crate::resources::download::{self, Download};
use crate::resources::path::HostPath;
use crate::resources::unit_state::Part;
use crate::targets::host::Step;
use crate::targets::host::download::{NO_TOOL, NOT_GIVEN, no_tool};
use crate::targets::host::probe::HostProbe;

/// Architectures as a release names them, and the program of each. For 32 bits that is `armhf`, and all else of the release `arm`.
pub const PROGRAMS: [(&str, &str); 3] = [("amd64", "k3s"), ("arm64", "k3s-arm64"), ("arm", "k3s-armhf")];

/// The digest of `program` in the list that a release publishes.
#[must_use]
pub fn digest(list: &str, program: &str) -> Option<Digest> {
    let sum = list.lines().find_map(|line| line.trim_end().strip_suffix(program)?.strip_suffix([' ', '*']))?;
    Digest::from_hex(sum.trim())
}

/// Without a digest in the task.
const UNLOCKED: &str = "none: the digest is what the release publishes now; `lions k3s lock` keeps it";
const UNPROTECTED: &str =
    "none: the digest is what came over `http://`, where it can be changed on the way; `lions k3s lock` keeps it";

/// What it must be.
#[derive(Debug)]
pub(super) struct Sum {
    url: String,
    digest: Result<Digest, After>,
    /// Where the release says so, if that is all there is to say it.
    published: Option<String>,
}

impl Sum {
    pub(super) fn program(&self, there: &download::Seen) -> Result<Verdict<Step>, Halt> {
        let of = |digest| Download::of(self.url.clone(), HostPath::of(PROGRAM.to_owned()), digest, 0o755);
        match &self.digest {
            Ok(digest) => of(*digest).plan(there),
            Err(after) => of(Digest::of(b"")).promise(there, after),
        }
    }

    /// That nothing keeps it, where the program changes.
    pub(super) fn lock(&self, program: &Verdict<Step>) -> Option<Part> {
        let (Some(list), Verdict::Change(change)) = (&self.published, program) else { return None };
        let said = if list.starts_with("https:") { UNLOCKED } else { UNPROTECTED };
        let part = Change::new(change.action).field("", Shown::Absent, Shown::value(said));
        Some(("lock".to_owned(), Verdict::Change(part)))
    }
}

/// How releases name the sort of a host, and their program for it.
fn machine(facts: &Map) -> Result<(&'static str, &'static str), Fault> {
    let machine = facts.get("architecture").and_then(Value::as_text).unwrap_or_default();
    let [amd64, arm64, arm] = PROGRAMS;
    match machine {
        "x86_64" => Ok(amd64),
        "aarch64" => Ok(arm64),
        "armv7l" | "armv6l" => Ok(arm),
        other => Err(Fault::new(FaultKind::Refused, format!("there is no k3s for a machine of sort `{other}`"))
            .help("x86_64, aarch64 and armv7l have one")),
    }
}

impl K3s {
    /// What the program must be on this host.
    pub(super) async fn sum(
        &self,
        probe: &HostProbe,
        facts: &Map,
        there: &download::Seen,
        health: Option<&Health>,
    ) -> Result<Sum, Halt> {
        let (kind, name) = machine(facts)?;
        let url = self.asset(name);
        let list = self.asset(&format!("sha256sum-{kind}.txt"));
        let known = |digest| Ok(Sum { url: url.clone(), digest: Ok(digest), published: None });
        match &self.sha256 {
            Some(Sums::One(sum)) => return known(sum.0),
            Some(Sums::Of(sums)) if !sums.is_empty() => {
                let missing = || {
                    Fault::new(FaultKind::Refused, format!("`sha256` has no digest for `{kind}`")).help(format!(
                        "`lions k3s lock` keeps those of a release; or add the one of `{name}` from `{list}`"
                    ))
                };
                return known(sums.get(kind).ok_or_else(missing)?.0);
            }
            _ => {}
        }
        if let (Some(health), Some(digest)) = (health, there.digest())
            && health.version == self.version.to_string()
        {
            return known(digest);
        }
        let digest = match self.published(probe, &list, name).await {
            Ok(digest) => Ok(digest),
            Err(Halt::Later(after)) => Err(after),
            Err(fault) => return Err(fault),
        };
        Ok(Sum { url, digest, published: Some(list) })
    }

    /// What the release says at `list` that the program `name` is.
    async fn published(&self, probe: &HostProbe, list: &str, name: &str) -> Result<Digest, Halt> {
        let said = probe.fetched(list).await?;
        let cause = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        let fault = match said.status {
            0 => {
                let text = String::from_utf8_lossy(&said.stdout);
                return digest(&text, name).ok_or_else(|| {
                    let help = "is `mirror` the right one? Its folder of a release has the list that k3s publishes";
                    Fault::failed(format!("`{list}` has no digest of `{name}`")).help(help).into()
                });
            }
            NO_TOOL => no_tool(),
            NOT_GIVEN => Fault::failed(format!("there is no release {} at `{}`", self.version, self.mirror))
                .cause(cause)
                .help("look at its name, or say with `mirror` where it is"),
            _ => Fault::failed(format!("the digests of {} cannot be fetched from `{list}`", self.version))
                .cause(cause)
                .help("the host fetches k3s itself: give it a way there, or a `mirror` that it can reach"),
        };
        Err(fault.into())
    }
}
