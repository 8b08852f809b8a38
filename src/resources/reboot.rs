//! `reboot`: a host that starts anew, and what waits until it is back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::decode::Misfit;
use crate::model::{Action, Change, Doc, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// A host that starts anew. The next task runs when it is back and has come up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reboot {
    /// Only if the host says that it needs it (`/run/reboot-required`). If not, it reboots every time.
    #[serde(default)]
    when_required: bool,
    /// Seconds until it must be back. Without it, 600.
    timeout: Option<u64>,
}

/// Where Debian says that it needs a reboot, and for which packages.
const REQUIRED: &str = "/run/reboot-required";
const PACKAGES: &str = "/run/reboot-required.pkgs";

/// Why, if at all.
#[derive(Debug)]
pub(super) enum Due {
    Asked,
    Required(Vec<String>),
    No,
}

impl Resource for Reboot {
    const NAME: &'static str = "reboot";
    const DOC: Doc = Doc {
        summary: "a host that starts anew; what follows waits until it is back",
        example: "\
- name: a new kernel runs
  reboot: { when_required: true }
",
    };
    type Target = Host;
    type State = Due;

    fn check(&self) -> Vec<Misfit> {
        match self.timeout {
            Some(0) => vec![Misfit::new("timeout", "no host is back at once")],
            _ => Vec::new(),
        }
    }

    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    async fn read(&self, probe: &HostProbe) -> Result<Due, Halt> {
        if !self.when_required {
            return Ok(Due::Asked);
        }
        let (required, packages) = futures::join!(probe.stat(REQUIRED), probe.stat(PACKAGES));
        if required?.is_none() {
            return Ok(Due::No);
        }
        let packages = if packages?.is_some() { probe.content(PACKAGES).await? } else { None };
        let packages = packages.map(|packages| String::from_utf8_lossy(packages.bytes()).into_owned());
        let mut packages: Vec<String> = packages.unwrap_or_default().lines().map(str::to_owned).collect();
        packages.sort();
        packages.dedup();
        Ok(Due::Required(packages))
    }

    fn plan(&self, due: &Due) -> Result<Verdict<Step>, Halt> {
        let why = match due {
            Due::No => return Ok(Verdict::right("no reboot is required")),
            Due::Asked => "in any case".to_owned(),
            Due::Required(packages) if packages.is_empty() => "required".to_owned(),
            Due::Required(packages) => format!("required by {}", packages.join(", ")),
        };
        let limit = Duration::from_secs(self.timeout.unwrap_or(600));
        let change = Change::new(Action::Run).field("reboot", Shown::Absent, Shown::value(why));
        Ok(Verdict::Change(change.step(Step::Reboot { limit })))
    }
}
