//! `lions` itself is killed, anywhere: the next run goes on, makes nothing twice, and leaves no lock.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::cluster::dice::Dice;
use crate::cluster::project::Project;
use crate::lab_cluster::bare;

const COUNT: usize = 12;

fn playbook() -> String {
    let mut tasks = String::new();
    for at in 0..COUNT {
        let definition = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("app-{at}") },
            "data": { "round": "{{ round }}" } });
        writeln!(
            tasks,
            "    - {{ name: app {at}, manifest: {} }}",
            json!({ "namespace": "NS", "definition": definition })
        )
        .unwrap();
        if at == COUNT / 2 {
            let secret =
                json!({ "name": "made", "namespace": "NS", "generate": { "password": {} }, "rotate": "{{ turn }}" });
            writeln!(tasks, "    - {{ name: made, secret: {secret}, register: made }}").unwrap();
        }
    }
    let copy = json!({ "name": "copy", "namespace": "NS", "data": { "password": "{{ made.data.password }}" } });
    writeln!(tasks, "    - {{ name: copy, secret: {copy} }}").unwrap();
    format!("- name: site\n  tasks:\n{tasks}")
}

/// Killed anywhere, some times over; `make soak` does it many times. `LIONS_SEED` repeats what failed.
#[tokio::test]
async fn killed_anywhere_in_a_cluster() {
    let Some(lab) = bare().await else { return };
    let times: u32 = std::env::var("LIONS_KILLS").map_or(5, |text| text.parse().unwrap());
    let seed = std::env::var("LIONS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    std::io::Write::write_all(&mut std::io::stderr(), format!("LIONS_SEED={seed}\n").as_bytes()).unwrap();
    let mut dice = Dice::new(seed);
    let project = Project::new(&lab, "vars: { round: \"0\", turn: \"0\" }\n", &playbook());
    let began = Instant::now();
    project.converges().await;
    let whole = began.elapsed();
    let get = async |path: &str| lab.get(&format!("/api/v1/namespaces/{}/{path}", lab.name)).await.unwrap();
    let cluster = format!("{{ kubeconfig: {}, lock_namespace: {} }}", lab.kubeconfig.display(), lab.name);
    for at in 1..=times {
        let before = get("configmaps").await;
        let (made, turns) = (get("secrets/made").await, dice.below(2) == 0);
        let turn = if turns {
            at.to_string()
        } else {
            made["metadata"]["annotations"]["lions.dev/rotate"].as_str().unwrap().to_owned()
        };
        project.environment(&cluster, &format!("vars: {{ round: \"{at}\", turn: \"{turn}\" }}\n"));
        let after = whole.mul_f64(f64::from(u32::try_from(dice.below(1000)).unwrap()) / 1000.0);
        let run = project.starts();
        tokio::time::sleep(after).await;
        run.kill();
        let began = Instant::now();
        let said = project.says(&["apply", "--yes"], 0).await;
        // The lock of one that is dead is taken at once.
        assert!(began.elapsed() < Duration::from_secs(25) && !said.contains("another run"), "{after:?}: {said}");
        let plan = project.says(&["plan", "--detailed-exitcode"], 0).await;
        assert!(plan.starts_with("nothing to do"), "killed after {after:?}: {plan}");
        for app in 0..COUNT {
            assert_eq!(get(&format!("configmaps/app-{app}")).await["data"]["round"], at.to_string(), "{after:?}");
        }
        let (now, copy) = (get("secrets/made").await, get("secrets/copy").await);
        assert_eq!(now["data"]["password"] != made["data"]["password"], turns, "killed after {after:?}");
        assert_eq!(now["data"]["password"], copy["data"]["password"], "killed after {after:?}");
        let uids = |list: &Json| -> Vec<Json> {
            list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["uid"].clone()).collect()
        };
        let all = uids(&get("configmaps").await);
        assert!(uids(&before).iter().all(|uid| all.contains(uid)), "made twice");
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", lab.name);
        assert_eq!(lab.get(&leases).await.unwrap()["items"], json!([]), "killed after {after:?}: a lock is left");
    }
}
