//! 505 objects (5 namespaces, 300 ConfigMaps, 100 Services, 100 Deployments without pods) on a real API: `lions` against
//! the floor (8 connections that are kept, one request an object, nothing looked at) and against `kubectl`.
//!
//! `cargo bench --bench cluster` prints the table; `-- --quick` takes a tenth of the objects. It asserts only that the
//! work was done: machines differ. Where a real Kubernetes cannot run, it says so.
#![allow(clippy::doc_markdown, clippy::struct_field_names, clippy::unnecessary_debug_formatting)]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::{Value as Json, json};

/// A cluster of one's own, without a node; it goes when this is dropped.
struct Lab {
    kubeconfig: PathBuf,
    users: Option<fs::File>,
    lab: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn start() -> Option<Self> {
        let script =
            |name: &str| Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/cluster").join(name));
        if !script("build.sh").stdout(Stdio::null()).status().unwrap().success() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (run, users) = (folder.path().join("cluster"), folder.path().join("users"));
        let lock = fs::File::create(&users).unwrap();
        lock.lock_shared().unwrap();
        let mut lab = script("cluster.sh").arg("run").arg(&run).arg(&users).stdout(Stdio::null()).spawn().unwrap();
        while !run.join("ready").exists() {
            assert!(lab.try_wait().unwrap().is_none(), "the cluster did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { kubeconfig: run.join("kubeconfig"), users: Some(lock), lab, _folder: folder })
    }

    fn kubectl(&self, words: &[&str], input: &Path) -> (bool, Duration) {
        let start = Instant::now();
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(words).arg("-f").arg(input);
        let said = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().ok();
        if let Some(said) = said.as_ref().filter(|said| !said.status.success()) {
            println!("kubectl {words:?}: {}", String::from_utf8_lossy(&said.stderr).lines().next().unwrap_or_default());
        }
        (said.is_some_and(|said| said.status.success()), start.elapsed())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.users.take());
        let _ = self.lab.wait();
    }
}

/// Namespaces first.
fn objects(round: &str, scale: usize) -> Vec<Json> {
    let mut all = Vec::new();
    let namespace = |at: usize| format!("{round}-{at}");
    for at in 0..5 {
        all.push(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace(at) } }));
    }
    let metadata = |kind: &str, at: usize| json!({ "name": format!("{kind}-{at}"), "namespace": namespace(at % 5), "labels": { "app": format!("app-{at}") } });
    for at in 0..300 / scale {
        let data: BTreeMap<String, String> =
            (0..10).map(|key| (format!("key-{key}"), format!("value {key} of {at}"))).collect();
        all.push(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("config", at), "data": data }));
    }
    for at in 0..100 / scale {
        all.push(json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata("service", at), "spec": {
            "selector": { "app": format!("app-{at}") }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP" }],
        } }));
    }
    for at in 0..100 / scale {
        all.push(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("web", at), "spec": {
            "replicas": 0, "selector": { "matchLabels": { "app": format!("app-{at}") } },
            "template": { "metadata": { "labels": { "app": format!("app-{at}") } }, "spec": { "containers": [{
                "name": "web", "image": "nginx:1.29", "ports": [{ "containerPort": 8080 }],
                "env": [{ "name": "LEVEL", "value": "info" }, { "name": "AT", "value": at.to_string() }],
                "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
            }] } },
        } }));
    }
    all
}

/// A task an object; all at once after the namespaces. `wait` until each is ready, as tasks do by themselves?
fn project(folder: &Path, kubeconfig: &Path, objects: &[Json], wait: bool) {
    let mut tasks = String::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        let (name, needs) = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => (format!("{name} in {namespace}"), format!("[{namespace}]")),
            None => (name.to_owned(), "[]".to_owned()),
        };
        writeln!(tasks, "- {{ name: {name}, needs: {needs}, manifest: {{ definition: {object}, wait: {wait} }} }}")
            .unwrap();
    }
    let file = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("playbooks/site.yml", "- name: site\n  roles: [bench]\n");
    file("roles/bench/tasks.yml", &tasks);
    file("inventories/bench/environment.yml", &format!("hosts: {{}}\ncluster: {{ kubeconfig: {kubeconfig:?} }}\n"));
}

/// Runs `lions` in `folder`: seconds, and the most memory it took, in MB. Nothing is started beside it to look at it.
fn lions(folder: &Path, words: &[&str]) -> (Duration, u64) {
    let said = folder.join("said");
    let stream = || Stdio::from(fs::OpenOptions::new().create(true).append(true).open(&said).unwrap());
    let _ = fs::remove_file(&said);
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lions"));
    let mut child = command.args(words).current_dir(folder).stdout(stream()).stderr(stream()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = start.elapsed();
    assert!(ended.success(), "{words:?}: {}", fs::read_to_string(&said).unwrap());
    (took, peak / 1024)
}

/// One PATCH an object on 8 connections, namespaces before all others.
async fn floor(clients: &[kube::Client], objects: &[Json]) -> Duration {
    let start = Instant::now();
    let (first, rest) = objects.split_at(5);
    for part in [first, rest] {
        let work = futures::stream::iter(part.iter().enumerate()).for_each_concurrent(
            clients.len(),
            |(at, object)| async move {
                let (kind, namespace) = (object["kind"].as_str().unwrap(), object["metadata"]["namespace"].as_str());
                let version = object["apiVersion"].as_str().unwrap();
                let root = if version.contains('/') { "apis" } else { "api" };
                let within = namespace.map_or(String::new(), |namespace| format!("/namespaces/{namespace}"));
                let path = format!(
                    "/{root}/{version}{within}/{}s/{}?fieldManager=floor&force=true",
                    kind.to_lowercase(),
                    object["metadata"]["name"].as_str().unwrap()
                );
                let request = http::Request::patch(path).header("content-type", "application/apply-patch+yaml");
                clients[at % clients.len()]
                    .request_text(request.body(object.to_string().into_bytes()).unwrap())
                    .await
                    .unwrap();
            },
        );
        work.await;
    }
    start.elapsed()
}

async fn clients(kubeconfig: &Path) -> Vec<kube::Client> {
    let file = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let mut all = Vec::new();
    for _ in 0..8 {
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file.clone(), &options).await.unwrap();
        all.push(kube::Client::try_from(config).unwrap());
    }
    futures::future::join_all(all.iter().map(kube::Client::apiserver_version)).await;
    all
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scale = if quick { 10 } else { 1 };
    let Some(lab) = Lab::start() else {
        println!("left out: a real Kubernetes cannot run here");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clients = runtime.block_on(clients(&lab.kubeconfig));
    let folder = tempfile::tempdir().unwrap();
    let all = objects("ours", scale);
    println!("{} objects", all.len());
    // The server is warm for everybody.
    let warm = objects("warm", scale);
    runtime.block_on(floor(&clients, &warm));

    let theirs = objects("floor", scale);
    let first = runtime.block_on(floor(&clients, &theirs));
    let nothing = runtime.block_on(floor(&clients, &theirs));
    project(folder.path(), &lab.kubeconfig, &all, true);
    let (plan_all, plan_all_memory) = lions(folder.path(), &["plan"]);
    let (apply, apply_memory) = lions(folder.path(), &["apply", "--yes"]);
    let (plan, plan_memory) = (0..3).map(|_| lions(folder.path(), &["plan", "--detailed-exitcode"])).min().unwrap();
    let hasty = tempfile::tempdir().unwrap();
    project(hasty.path(), &lab.kubeconfig, &objects("hasty", scale), false);
    let (written, written_memory) = lions(hasty.path(), &["apply", "--yes"]);
    let table = folder.path().join("all.yaml");
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects("kubectl", scale) });
    fs::write(&table, list.to_string()).unwrap();
    let applied = lab.kubectl(&["apply", "--server-side", "--validate=false"], &table);
    let diff = lab.kubectl(&["diff", "--server-side"], &table);
    drop(clients);

    let row = |what: &str, took: Duration, floor: Duration, memory: Option<u64>| {
        let memory = memory.map_or(String::new(), |memory| format!("{memory} MB"));
        println!(
            "{what:<34} {:>8.2} s {:>7.2} x {memory:>8}",
            took.as_secs_f64(),
            took.as_secs_f64() / floor.as_secs_f64()
        );
    };
    println!("{:<34} {:>10} {:>9} {:>8}", "", "time", "of floor", "memory");
    row("floor: first", first, first, None);
    row("lions plan, on nothing", plan_all, first, Some(plan_all_memory));
    row("lions apply, first, until ready", apply, first, Some(apply_memory));
    row("lions apply, first, wait: false", written, first, Some(written_memory));
    if applied.0 {
        row("kubectl apply --server-side", applied.1, first, None);
    }
    row("floor: nothing to change", nothing, nothing, None);
    row("lions plan, nothing to change", plan, nothing, Some(plan_memory));
    if diff.0 {
        row("kubectl diff --server-side", diff.1, nothing, None);
    }
}
