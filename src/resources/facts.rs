//! `facts`: what a host is, as a register.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{Doc, Halt, Map, Resource, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// What a host is: OS, architecture, memory, disks, addresses, init, package manager.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {}

impl Resource for Facts {
    const NAME: &'static str = "facts";
    const DOC: Doc = Doc {
        summary: "what a host is: OS, architecture, memory, disks, addresses, init, package manager",
        example: "\
- name: what is it
  facts: {}
  register: host
",
    };
    type Target = Host;
    type State = Map;

    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    async fn read(&self, probe: &HostProbe) -> Result<Map, Halt> {
        probe.facts().await
    }

    fn plan(&self, current: &Map) -> Result<Verdict<Step>, Halt> {
        Ok(Verdict::Right { why: "looked at".into(), yields: current.clone() })
    }
}
