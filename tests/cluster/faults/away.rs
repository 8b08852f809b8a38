//! An API that goes away: killed and back, without its `etcd`, asking to come back later, or gone for good.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lions::model::FaultKind;
use lions::targets::cluster::ClusterPlace;
use lions::targets::cluster::fake::{Failure, FakeApi};
use serde_json::{Value as Json, json};

use crate::cluster::project::Project;
use crate::cluster::{fresh, manifest, perform};
use crate::engine::stage::{Stage, assert_settled, report_lines};
use crate::lab_cluster::{Own, ask, own};

const COUNT: usize = 60;

fn playbook(round: u32) -> String {
    let tasks = (0..COUNT).map(|at| {
        let definition = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("app-{at}") },
            "data": { "round": round.to_string() } });
        format!("    - {{ name: app {at}, manifest: {} }}\n", json!({ "namespace": "NS", "definition": definition }))
    });
    format!("- name: site\n  tasks:\n{}", tasks.collect::<String>())
}

/// All `ConfigMap`s of the namespace by name, with their `uid` and round.
async fn all(client: &kube::Client, namespace: &str) -> Vec<(String, Json, Json)> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let list = ask(client, "GET", &path, &Json::Null).await.unwrap();
    let items = list["items"].as_array().unwrap().iter();
    let ours = items.filter(|item| item["metadata"]["name"].as_str().unwrap().starts_with("app-"));
    ours.map(|item| {
        let name = item["metadata"]["name"].as_str().unwrap().to_owned();
        (name, item["metadata"]["uid"].clone(), item["data"]["round"].clone())
    })
    .collect()
}

struct Faulty {
    cluster: Own,
    client: kube::Client,
    project: Project,
}

impl Faulty {
    /// A run that is in the middle, and is broken there.
    async fn midway(&self, round: u32, fault: impl AsyncFnOnce(&Own)) -> String {
        self.project.playbook(&playbook(round));
        let mut run = self.project.starts();
        let now = round.to_string();
        let done = async || all(&self.client, "default").await.iter().filter(|app| app.2 == now).count();
        while done().await < 5 {
            assert!(run.goes_on(), "it ended before anything was broken");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = all(&self.client, "default").await;
        assert!(before.iter().any(|app| app.2 != now) || before.len() < COUNT, "it was through already");
        fault(&self.cluster).await;
        let (code, said) = run.ends_within(90).await;
        assert_eq!(code, Some(0), "{said}");
        let after = all(&self.client, "default").await;
        assert_eq!(after.len(), COUNT);
        assert!(after.iter().all(|app| app.2 == now));
        let kept = |app: &&(String, Json, Json)| after.iter().any(|other| other.0 == app.0 && other.1 == app.1);
        assert!(before.iter().all(|app| kept(&app)), "something was made twice");
        let plan = self.project.says(&["plan", "--detailed-exitcode"], 0).await;
        assert!(plan.starts_with("nothing to do"), "{plan}");
        let leases = ask(&self.client, "GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases", &Json::Null);
        assert_eq!(leases.await.unwrap()["items"], json!([]), "a lock is left");
        said
    }
}

#[tokio::test]
async fn killed_or_without_etcd_in_the_middle_of_an_apply() {
    let Some(cluster) = own().await else { return };
    let project = Project::at(&cluster.kubeconfig, "default", "", &playbook(0));
    let faulty = Faulty { client: cluster.client().await, cluster, project };
    let said = faulty.midway(1, async |cluster| cluster.signal("apiserver", "-KILL")).await;
    let waits = "warning: the API of the cluster is away, and waited for (up to 60 s): ";
    assert!(said.contains(waits), "{said}");
    faulty
        .midway(2, async |cluster| {
            cluster.signal("etcd", "-STOP");
            tokio::time::sleep(Duration::from_secs(20)).await;
            cluster.signal("etcd", "-CONT");
        })
        .await;
    faulty.midway(3, async |cluster| cluster.signal("etcd", "-KILL")).await;

    // Gone when it is first asked for: nobody waits, and one line says it.
    let kubeconfig = faulty.cluster.kubeconfig.clone();
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = text.split("server: \"https://").nth(1).unwrap().split('"').next().unwrap();
    let gone = faulty.project.path().join("gone.config");
    std::fs::write(&gone, text.replace(server, &format!("127.0.0.1:{port}"))).unwrap();
    faulty.project.environment("{ kubeconfig: gone.config }", "");
    let began = Instant::now();
    let said = faulty.project.says(&["plan"], 5).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(said.contains("the API of the cluster cannot be reached"), "{said}");
}

fn settings() -> Json {
    json!({ "definition": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" }, "data": { "LEVEL": "info" },
    } })
}

/// One that has answered, and is never there again.
#[tokio::test]
async fn gone_for_good() {
    let api = FakeApi::new();
    let place = ClusterPlace::with_deadline(api.client(), Duration::from_secs(2));
    let change = fresh(&place, &*manifest(settings())).await.unwrap();
    api.fail_all(Failure::Refused);
    let began = Instant::now();
    let fault = perform(&place, &change).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(began.elapsed() > Duration::from_millis(2900), "{:?}", began.elapsed());
    // Those who come afterwards do not wait anew.
    let began = Instant::now();
    perform(&place, &change).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    api.heal();
    perform(&place, &change).await.unwrap();
}

/// What cannot be otherwise in a while is not asked twice.
#[tokio::test]
async fn what_is_certain_is_not_waited_for() {
    for failure in [
        Failure::Status(401, "Unauthorized", "Unauthorized".to_owned()),
        Failure::Status(500, "InternalError", "Internal error occurred: failed calling webhook \"x\"".to_owned()),
        Failure::Tls,
        Failure::Garbage,
    ] {
        let api = FakeApi::new();
        let place = api.place();
        fresh(&place, &*manifest(settings())).await.unwrap();
        let asked = api.seen().len();
        api.fail_all(failure);
        fresh(&place, &*manifest(settings())).await.unwrap_err();
        assert_eq!(api.seen().len(), asked + 1);
    }
}

/// A storm: most requests are turned away, and all is done in the end; on the fake, for no real API can be made to.
#[test]
fn overloaded_for_a_while() {
    let api = FakeApi::new();
    let tasks: String = (0..12)
        .map(|at| format!("    - {{ name: app {at}, needs: [], manifest: {{ definition: {{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: app-{at} }} }} }} }}\n"))
        .collect();
    let stage = Stage::playbook(0, &format!("- name: site\n  tasks:\n{tasks}")).cluster(api.clone());
    let turned = std::sync::Arc::new(AtomicUsize::new(0));
    let count = turned.clone();
    api.fail(move |number, _| {
        // As release 1.20 says it: no JSON.
        (number % 3 != 0).then(|| {
            count.fetch_add(1, Ordering::Relaxed);
            Failure::Status(429, "", "Too many requests, please try again later.".to_owned())
        })
    });
    let (_, report) = stage.converge();
    assert_eq!(report_lines(&report).iter().filter(|line| line.ends_with("create")).count(), 12);
    assert!(turned.load(Ordering::Relaxed) > 12);
    assert_settled(&stage.plan());
    // For ever: it says so, with the time that the API asks for.
    api.heal();
    let busy =
        json!({ "kind": "Status", "code": 429, "details": { "retryAfterSeconds": 1 }, "message": "too many requests" });
    api.fail(move |_, _| Some(Failure::Body(429, busy.clone())));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fault = runtime.block_on(async {
        let place = ClusterPlace::with_deadline(api.client(), Duration::from_secs(2));
        crate::cluster::fault(fresh(&place, &*manifest(settings())).await.unwrap_err())
    });
    assert!(fault.what.contains("overloaded"), "{fault}");
    assert_eq!(fault.help.as_deref(), Some("run again in 1 s"));
}

/// Half up: it listens, and is not ready. At first contact that is said at once; later it is waited for.
#[test]
fn half_up() {
    let api = FakeApi::new();
    let half = || Failure::Status(503, "ServiceUnavailable", "apiserver not ready".to_owned());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        api.fail_all(half());
        let began = Instant::now();
        let fault = crate::cluster::fault(fresh(&api.place(), &*manifest(settings())).await.unwrap_err());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(fault.what.contains("the API is not ready"), "{fault}");
        api.heal();

        let place = api.place();
        let change = fresh(&place, &*manifest(settings())).await.unwrap();
        let from = api.seen().len();
        api.fail(move |number, _| (number < from + 5).then(half));
        perform(&place, &change).await.unwrap();
        assert!(api.object("v1/ConfigMap/default/app").is_some());
    });
}
