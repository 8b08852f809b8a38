//! The cluster against a fake API server: what is planned, what is sent, what is said when it goes wrong.

mod api;
mod case;
mod component;
mod contract;
mod dice;
mod faults;
mod lease;
mod operate;
mod project;
mod property;
mod prune;
mod random;
mod settle;
mod sources;
mod story;
mod tunnel;

use lions::model::{After, Change, Halt, Value, Verdict};
use lions::resources::{Planned, Probe, Step, decode};
use lions::targets::cluster::ClusterPlace;
use serde_json::Value as Json;

/// A `manifest` task with these parameters.
fn manifest(params: Json) -> Box<dyn Planned> {
    decode("manifest", &Value::from(params)).unwrap()
}

async fn plan(place: &ClusterPlace, task: &dyn Planned) -> Result<Verdict<Step>, Halt> {
    task.judge(Probe::Cluster(&place.probe())).await
}

async fn fresh(place: &ClusterPlace, task: &dyn Planned) -> Result<Verdict<Step>, Halt> {
    task.judge(Probe::Cluster(&place.fresh())).await
}

fn change(verdict: &Verdict<Step>) -> &Change<Step> {
    match verdict {
        Verdict::Change(change) => change,
        Verdict::Right { why, .. } => panic!("right: {why}"),
    }
}

fn imitate(place: &ClusterPlace, verdict: &Verdict<Step>, after: &str) {
    let Verdict::Change(change) = verdict else { return };
    for step in &change.steps {
        let Step::Cluster(step) = step else { panic!("{step:?}") };
        place.imitate(step, &After::new(after));
    }
}

async fn perform(place: &ClusterPlace, verdict: &Verdict<Step>) -> Result<(), lions::model::Fault> {
    let Verdict::Change(change) = verdict else { return Ok(()) };
    for step in &change.steps {
        let Step::Cluster(step) = step else { panic!("{step:?}") };
        place.perform(step, &|_, _| {}).await?;
    }
    Ok(())
}

fn fault(halt: Halt) -> lions::model::Fault {
    match halt {
        Halt::Fault(fault) => fault,
        Halt::Later(after) => panic!("later: {after}"),
    }
}
