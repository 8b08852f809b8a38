//! `exec`: a command in a pod. It has no state to return to unless `unless` gives it one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::command::{REGISTER, register_of, shown};
use super::{kinds, words};
use crate::model::decode::Misfit;
use crate::model::{Action, After, Arg, Change, Doc, Halt, Resource, Secret, Shown, Thing, Value, Verdict};
use crate::targets::Output;
use crate::targets::cluster::{Cluster, ClusterProbe, Exec as Order, Pods, Step};

/// A command in a pod: in the one that is named, or in the first that is ready of those that belong to a workload or have
/// some labels. Without `unless` it runs every time. A command that is cut off (a timeout, an end of the run) may go on
/// in its container: the API cannot end it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Exec {
    /// The name of a pod. Either this, `workload` or `selector`.
    pod: Option<String>,
    /// `StatefulSet/postgres`, `Deployment/web` ...: in one of its pods.
    workload: Option<String>,
    /// Labels of the pod.
    selector: Option<BTreeMap<String, String>>,
    /// The namespace.
    #[serde(default = "kinds::default_namespace")]
    namespace: String,
    /// The container, where a pod has several.
    container: Option<String>,
    /// A program and its arguments, one by one: no shell reads them. They are seen by whoever sees the API's log, so no
    /// secret goes here, but into `stdin`.
    command: Vec<String>,
    /// A program and its arguments that change nothing: the command is not run if it succeeds.
    unless: Option<Vec<String>>,
    /// Text for its standard input. It may be secret.
    stdin: Option<Arg<String>>,
    /// It changes nothing: it runs in plan too, and its register is known there.
    #[serde(default)]
    read_only: bool,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    /// No need to run it, and why.
    Settled(&'static str),
    /// It was run, for it changes nothing.
    Ran(Output),
    /// It is to be run.
    Due,
}

/// Workloads whose pods can be asked for, by what they may be called, small.
const WORKLOADS: &[(&str, &str, &str)] = &[
    ("deployment", "apps/v1", "Deployment"),
    ("deploy", "apps/v1", "Deployment"),
    ("statefulset", "apps/v1", "StatefulSet"),
    ("sts", "apps/v1", "StatefulSet"),
    ("daemonset", "apps/v1", "DaemonSet"),
    ("ds", "apps/v1", "DaemonSet"),
    ("replicaset", "apps/v1", "ReplicaSet"),
    ("job", "batch/v1", "Job"),
];

impl Exec {
    fn pods(&self) -> Result<Pods, Misfit> {
        match (&self.pod, &self.workload, &self.selector) {
            (Some(pod), None, None) => kinds::named("pod", pod).map_or_else(|| Ok(Pods::Named(pod.clone())), Err),
            (None, None, Some(labels)) if labels.is_empty() => Err(Misfit::new("selector", "it names no label")),
            (None, None, Some(labels)) => Ok(Pods::Labels(labels.clone())),
            (None, Some(workload), None) => {
                let (kind, name) = workload.split_once('/').unwrap_or(("", workload));
                let known = WORKLOADS.iter().find(|(word, ..)| *word == kind.to_lowercase());
                let Some((_, version, kind)) = known else {
                    let why = format!("`{workload}` is not KIND/NAME, such as `StatefulSet/postgres`");
                    return Err(Misfit::new("workload", why));
                };
                if let Some(misfit) = kinds::named("workload", name) {
                    return Err(misfit);
                }
                let mut id = kinds::workload(kind, &self.namespace, name);
                (*version).clone_into(&mut id.api_version);
                Ok(Pods::Of(id))
            }
            (None, None, None) => Err(Misfit::new("", "say where: `pod`, `workload` or `selector`")),
            _ => Err(Misfit::new("", "only one of `pod`, `workload` and `selector` can say where")),
        }
    }

    fn order(&self, command: &[String], stdin: bool) -> Result<Order, Halt> {
        let pods = self.pods().map_err(|misfit| Halt::Fault(crate::model::Fault::failed(misfit.to_string())))?;
        let input = self.stdin.as_ref().filter(|_| stdin).map(Arg::value).transpose()?;
        Ok(Order {
            namespace: self.namespace.clone(),
            pods,
            container: self.container.clone(),
            command: command.to_vec(),
            stdin: input.map(|text| text.as_bytes().to_vec()),
        })
    }
}

impl Resource for Exec {
    const NAME: &'static str = "exec";
    const DOC: Doc = Doc {
        summary: "a command in a pod",
        example: "\
- name: the database of keycloak is made
  exec:
    workload: StatefulSet/postgres
    namespace: postgres
    command: [createdb, -U, postgres, keycloak]
    unless: [psql, -U, postgres, -d, keycloak, -c, select 1]
",
    };
    type Target = Cluster;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = self.pods().err().into_iter().collect();
        misfits.extend(kinds::named("namespace", &self.namespace));
        for (name, words) in [("command", Some(&self.command)), ("unless", self.unless.as_ref())] {
            let Some(words) = words else { continue };
            if words.first().is_none_or(String::is_empty) {
                misfits.push(Misfit::new(name, "it names no program"));
            } else if words.iter().any(|word| word.contains('\0')) {
                misfits.push(Misfit::new(name, "a command may not hold a NUL byte"));
            }
        }
        if self.read_only && self.unless.is_some() {
            misfits.push(Misfit::new("unless", "what is `read_only` runs every time"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    async fn read(&self, probe: &ClusterProbe) -> Result<Seen, Halt> {
        if self.read_only {
            return Ok(Seen::Ran(probe.run(&self.order(&self.command, true)?).await?));
        }
        if let Some(unless) = &self.unless
            && probe.run(&self.order(unless, false)?).await?.status == 0
        {
            return Ok(Seen::Settled("`unless` succeeds"));
        }
        Ok(Seen::Due)
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        match current {
            Seen::Settled(why) => Ok(Verdict::right(*why)),
            Seen::Ran(output) => {
                let mut yields = register_of(output);
                if self.stdin.as_ref().is_some_and(Arg::is_secret) {
                    // What it made of a secret is one.
                    yields.values_mut().for_each(|value| *value = Value::Secret(Secret::new(value.clone())));
                }
                Ok(Verdict::Right { why: "it was run, and changes nothing".into(), yields })
            }
            Seen::Due => {
                let (line, pods) =
                    (words::join(&self.command), self.pods().map_or(String::new(), |pods| pods.to_string()));
                let line = if line.contains('\n') { Shown::Text(format!("{line}\n")) } else { Shown::Value(line) };
                let mut change = Change::new(Action::Run).field("run", Shown::Absent, line);
                let place = Shown::Value(format!("{pods} in `{}`", self.namespace));
                change = change.field("in", Shown::Absent, place);
                if let Some(input) = &self.stdin {
                    change = change.field("stdin", Shown::Absent, shown(input, true));
                }
                let unknown = || Value::Unknown(After::new("it has run"));
                change.yields = REGISTER.iter().map(|name| ((*name).to_owned(), unknown())).collect();
                // An input that is not known yet is shown as such; the step is made anew at apply.
                let known = !matches!(&self.stdin, Some(Arg::Unknown(_)));
                Ok(Verdict::Change(change.step(Step::Exec(self.order(&self.command, known)?))))
            }
        }
    }
}
