//! Random objects on a real API, through templates and the whole engine: what was applied is right in the next plan; and
//! what is said to be provably unchanged is what the API would not change.

use std::fmt::Write as _;

use lions::model::Verdict;
use lions::targets::cluster::ClusterPlace;
use serde_json::{Map, Value as Json, json};

use super::dice::Dice;
use super::{manifest, plan};
use crate::engine::stage::{Stage, assert_refines, assert_settled, plan_lines};
use crate::lab_cluster::{self, Namespace};

/// Objects in one project.
const TOGETHER: usize = 50;

/// A task an object, all of them at once, with values from templates.
fn project(dice: &mut Dice, namespace: &str, objects: &[Json]) -> (String, Json) {
    let mut vars = Map::new();
    let mut tasks = String::new();
    for (at, object) in objects.iter().enumerate() {
        let definition = dice.templated(object, &mut vars);
        let task = json!({ "namespace": namespace, "force_conflicts": true, "wait": false, "definition": definition });
        writeln!(tasks, "    - {{ name: task {at}, needs: [], manifest: {task} }}").unwrap();
    }
    (format!("- name: site\n  tasks:\n{tasks}"), Json::Object(vars))
}

/// Applies the objects; afterwards all of them are right.
fn converge(dice: &mut Dice, namespace: &Namespace, objects: &[Json]) {
    let (playbook, vars) = project(dice, &namespace.name, objects);
    let stage = Stage::playbook(0, &playbook)
        .file("inventories/test/environment.yml", &format!("hosts: {{}}\nvars: {vars}\n"))
        .real_cluster(&namespace.kubeconfig);
    let (plan, report) = stage.converge();
    let failed: Vec<String> = plan_lines(&plan).into_iter().filter(|line| line.contains("failed")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_refines(&plan, &report);
    assert_settled(&stage.plan());
}

/// Would the API change nothing? Asked as `lions` would ask it, without `lions`.
async fn nothing_to_do(namespace: &Namespace, object: &Json) -> Result<(), String> {
    let (path, body) = lab_cluster::as_applied(&namespace.name, object);
    let live = namespace.get(&path).await.unwrap();
    let would = format!("{path}?fieldManager=lions&force=true&dryRun=All");
    let mut sides = [live, namespace.ask("PATCH", &would, &body).await?];
    for side in &mut sides {
        let metadata = side["metadata"].as_object_mut().unwrap();
        metadata.remove("resourceVersion");
        let entries = metadata["managedFields"].as_array_mut().unwrap();
        // What release 1.20 writes down of others when a mapping was empty in between is not ours to foresee.
        entries.retain(|entry| entry["manager"] == "lions");
        for entry in entries.iter_mut() {
            entry.as_object_mut().unwrap().remove("time");
        }
        side.as_object_mut().unwrap().remove("status");
    }
    let [live, would] = sides;
    if live == would { Ok(()) } else { Err(format!("{object}\n  is    {live}\n  would {would}")) }
}

/// How many of these are known to be right without asking for each; the API must agree about them.
async fn proved(namespace: &Namespace, objects: &[Json]) -> usize {
    let mut proved = 0;
    for object in objects {
        let place = ClusterPlace::new(namespace.client.clone());
        let task = manifest(json!({ "namespace": namespace.name, "force_conflicts": true, "definition": object }));
        let verdict = plan(&place, &*task).await.unwrap();
        if place.requests().dry_runs == 0 {
            assert!(matches!(verdict, Verdict::Right { .. }), "{verdict:?}");
            nothing_to_do(namespace, object).await.unwrap();
            proved += 1;
        }
    }
    proved
}

fn run(seed: u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(namespace) = runtime.block_on(lab_cluster::bare()) else { return };
    let mut dice = Dice::new(seed);
    let first: Vec<Json> = (0..TOGETHER).map(|at| dice.object(at)).collect();
    converge(&mut dice, &namespace, &first);
    let right = runtime.block_on(proved(&namespace, &first));
    // Otherwise the proof is worth nothing.
    assert!(right > TOGETHER / 2, "only {right} of {TOGETHER} are known to be right");
    // Others write beside us, and over us.
    runtime.block_on(async {
        for object in &first {
            if dice.below(3) > 0 {
                continue;
            }
            let (path, _) = lab_cluster::as_applied(&namespace.name, object);
            let labels =
                if dice.below(2) == 0 { json!({ "by": "hand" }) } else { json!({ "tier": "hand", "x": null }) };
            namespace.edit(&path, &json!({ "metadata": { "labels": labels } })).await;
        }
        proved(&namespace, &first).await;
    });
    // The same objects otherwise: what is the same as before, and what is not.
    let second: Vec<Json> =
        (0..TOGETHER).map(|at| if dice.below(4) == 0 { first[at].clone() } else { dice.object(at) }).collect();
    runtime.block_on(proved(&namespace, &second));
    converge(&mut dice, &namespace, &second);
    runtime.block_on(proved(&namespace, &second));
}

/// 50 objects here, twice; `make soak` takes 1,000. `LIONS_SEED` repeats what failed.
#[test]
fn random_manifests_survive_template_apply_and_plan() {
    let seed = std::env::var("LIONS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    let manifests: u64 = std::env::var("LIONS_MANIFESTS").ok().and_then(|count| count.parse().ok()).unwrap_or(50);
    for round in 0..manifests.div_ceil(TOGETHER as u64) {
        println!("LIONS_SEED={}", seed + round);
        run(seed + round);
    }
}
