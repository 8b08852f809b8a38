//! `wait`: until something in the cluster is as others need it. It changes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use super::kinds;
use crate::model::decode::Misfit;
use crate::model::{Doc, Fault, FaultKind, Halt, Patience, Resource, Thing, Verdict};
use crate::targets::cluster::settle::{Until, Want};
use crate::targets::cluster::{Cluster, ClusterProbe, ObjectId, Step};

/// Waits until an object of the cluster, or all with some labels, are ready, gone, or have a condition. What tasks of this
/// project make is waited for anyway; this is for what others make. The `timeout` of the task bounds it, else five minutes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// `Deployment`, `Certificate` ...
    kind: String,
    /// `apps/v1` ... Needed for kinds that are not known here.
    api_version: Option<String>,
    /// Its name. Either this or `selector`.
    name: Option<String>,
    /// Labels that all of them have; there must be at least one, unless they shall be gone.
    selector: Option<BTreeMap<String, String>>,
    /// Its namespace.
    #[serde(default = "kinds::default_namespace")]
    namespace: String,
    /// `ready`, `deleted`, or `condition=NAME` (`condition=NAME=False`), as for `kubectl wait`.
    #[serde(default = "ready", rename = "for")]
    until: String,
}

fn ready() -> String {
    "ready".to_owned()
}

/// How often one looks whether there is one at all.
const PAUSE: Duration = Duration::from_secs(1);

impl Wait {
    fn until(&self) -> Result<Until, Misfit> {
        let mut words = self.until.splitn(3, '=');
        match (words.next(), words.next(), words.next()) {
            (Some("ready"), None, _) => Ok(Until::Ready),
            (Some("deleted"), None, _) => Ok(Until::Gone),
            (Some("condition"), Some(kind), status) if !kind.is_empty() => {
                Ok(Until::Condition { kind: kind.to_owned(), status: status.unwrap_or("True").to_owned() })
            }
            _ => Err(Misfit::new("for", format!("`{}` is not `ready`, `deleted` or `condition=NAME`", self.until))),
        }
    }

    fn id(&self, name: &str) -> Result<ObjectId, Fault> {
        let api_version = kinds::version(self.api_version.as_deref(), &self.kind);
        let api_version = api_version.map_err(|misfit| Fault::failed(misfit.to_string()))?;
        let (kind, namespace) = (self.kind.clone(), Some(self.namespace.clone()));
        Ok(ObjectId { api_version, kind, namespace, name: name.to_owned() })
    }

    async fn wants(&self, probe: &ClusterProbe) -> Result<Vec<Want>, Fault> {
        let until = self.until().map_err(|misfit| Fault::failed(misfit.to_string()))?;
        let like = self.id(self.name.as_deref().unwrap_or_default())?;
        let all = match &self.selector {
            Some(labels) => probe.with_labels(&like, labels).await?,
            // A kind that is not there (yet) has no object of that name.
            None => vec![match probe.locate(like.clone()).await {
                Ok(id) => id,
                Err(_) => like,
            }],
        };
        Ok(all.into_iter().map(|id| Want { id, until: until.clone() }).collect())
    }

    fn none_yet(&self) -> String {
        let labels = self.selector.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
        format!("there is no {} with `{}` in `{}` yet", self.kind, labels.join(","), self.namespace)
    }
}

impl Resource for Wait {
    const NAME: &'static str = "wait";
    const DOC: Doc = Doc {
        summary: "until something in the cluster is as others need it",
        example: "\
- name: the certificate is issued
  wait: { kind: Certificate, name: keycloak, namespace: keycloak }
  timeout: 10m
- name: the system pods are ready
  wait: { kind: Pod, selector: { k8s-app: kube-dns }, namespace: kube-system }
- name: nodes are ready
  wait: { kind: Node, name: vps-1, for: condition=Ready }
",
    };
    type Target = Cluster;
    type State = ();

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = self.until().err().into_iter().collect();
        misfits.extend(kinds::version(self.api_version.as_deref(), &self.kind).err());
        match (&self.name, &self.selector) {
            (Some(_), Some(_)) => misfits.push(Misfit::new("selector", "either `name` or `selector`, not both")),
            (None, None) => misfits.push(Misfit::new("", "say which: `name` or `selector`")),
            (None, Some(labels)) if labels.is_empty() => misfits.push(Misfit::new("selector", "it names no label")),
            (Some(name), None) => misfits.extend(kinds::named("name", name)),
            (None, Some(_)) => {}
        }
        misfits.extend(kinds::named("namespace", &self.namespace));
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    async fn read(&self, _: &ClusterProbe) -> Result<(), Halt> {
        Ok(())
    }

    fn plan(&self, (): &()) -> Result<Verdict<Step>, Halt> {
        Ok(Verdict::right("as it is waited for"))
    }

    async fn unready(&self, probe: &ClusterProbe) -> Result<Option<String>, Halt> {
        if let Some(after) = probe.stirs(&self.namespace) {
            return Err(after.into());
        }
        let like = self.id(self.name.as_deref().unwrap_or_default())?;
        if !probe.serves(&like).await? {
            return Ok(Some(format!("the cluster has no kind `{}` of `{}` yet", like.kind, like.api_version)));
        }
        let wants = self.wants(probe).await?;
        if wants.is_empty() && self.until != "deleted" {
            return Ok(Some(self.none_yet()));
        }
        for want in &wants {
            if let Some(why) = probe.unsettled(want).await? {
                return Ok(Some(format!("{} `{}`: {why}", want.id.kind, want.id.name)));
            }
        }
        Ok(None)
    }

    async fn settle(&self, probe: &ClusterProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let wants = self.wants(probe).await?;
            if !wants.is_empty() || self.until == "deleted" {
                let limit = patience.limit.saturating_sub(begun.elapsed());
                return probe.settle(&wants, &Patience { limit, tell: patience.tell }).await;
            }
            if begun.elapsed() >= patience.limit {
                let fault = Fault::new(FaultKind::TimedOut, self.none_yet());
                return Err(fault.cause(format!("after {} s", patience.limit.as_secs())).help("are the labels right?"));
            }
            if !std::mem::replace(&mut told, true) {
                (patience.tell)(&self.none_yet());
            }
            tokio::time::sleep(PAUSE.min(patience.limit)).await;
        }
    }
}
