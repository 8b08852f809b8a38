//! A real Kubernetes for tests (`tests/lab/cluster`): the first test that wants it starts it, all share it, each in a
//! namespace of its own; it goes when the last process that uses it ends, however it ends. Where it cannot run, tests
//! that need it are left out, and say so.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use lions::targets::cluster::ClusterPlace;
use serde_json::{Value as Json, json};

/// The image that the node has: busybox, with `sh` and `httpd`.
#[allow(dead_code, reason = "for tests of pods")]
pub(crate) const IMAGE: &str = "lions.test/busybox:1";

/// A namespace of one test, deleted when dropped.
pub(crate) struct Namespace {
    /// As an administrator.
    pub client: kube::Client,
    /// Of no other test, of this or of another run.
    pub name: String,
    /// The way to the cluster as an administrator.
    pub kubeconfig: PathBuf,
}

/// A cluster without a node that one test has for itself, to break it.
pub(crate) struct Own {
    /// The way to it as an administrator.
    pub kubeconfig: PathBuf,
    folder: PathBuf,
    /// While it is locked the cluster stays.
    _users: File,
    _temporary: tempfile::TempDir,
}

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/cluster").join(name));
    command.stdin(Stdio::null());
    command
}

/// What a script says on standard output. Why not is on standard error.
fn said(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Says that a test is left out, where `make test` looks.
fn left_out() {
    static SAID: OnceLock<()> = OnceLock::new();
    crate::transport::left_out("a real Kubernetes (needs root, and Debian's packages once)");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/left-out");
    let mut file = File::options().create(true).append(true).open(file).unwrap();
    SAID.get_or_init(|| file.write_all(b"tests on a real Kubernetes\n").unwrap());
}

/// The way to the shared cluster, which stays while this process lives.
fn shared() -> Option<&'static Path> {
    static SHARED: OnceLock<Option<(File, PathBuf)>> = OnceLock::new();
    let start = || {
        // Built before it is wanted: afterwards nobody waits for us.
        said(script("build.sh").stdout(Stdio::piped()))?;
        let users = File::open(said(script("cluster.sh").arg("users"))?).unwrap();
        users.lock_shared().unwrap();
        let folder = PathBuf::from(said(script("cluster.sh").arg("ready"))?);
        Some((users, folder.join("kubeconfig")))
    };
    SHARED.get_or_init(start).as_ref().map(|(_, kubeconfig)| kubeconfig.as_path())
}

/// A client for the Tokio that calls.
pub(crate) async fn client(kubeconfig: &Path) -> kube::Client {
    let file = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}

/// A new namespace in which pods can run. `None`: left out, which is said.
pub(crate) async fn namespace() -> Option<Namespace> {
    let namespace = bare().await?;
    // What pods need comes from controllers, a moment later.
    let account = format!("/api/v1/namespaces/{}/serviceaccounts/default", namespace.name);
    while namespace.get(&account).await.is_none_or(|account| account["secrets"].get(0).is_none()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(namespace)
}

/// A new namespace for objects only: it is there sooner. `None`: left out, which is said.
pub(crate) async fn bare() -> Option<Namespace> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some(kubeconfig) = tokio::task::spawn_blocking(shared).await.unwrap() else {
        left_out();
        return None;
    };
    let name = format!("test-{}-{:03}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let namespace = Namespace { client: client(kubeconfig).await, name, kubeconfig: kubeconfig.to_owned() };
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace.name } });
    namespace.ask("POST", "/api/v1/namespaces", &object).await.unwrap();
    Some(namespace)
}

#[allow(dead_code, reason = "each is for some tests")]
impl Namespace {
    /// The cluster as the engine holds it.
    pub(crate) fn place(&self) -> ClusterPlace {
        ClusterPlace::new(self.client.clone())
    }

    /// What the API answers; of an error its message.
    pub(crate) async fn ask(&self, verb: &str, path: &str, body: &Json) -> Result<Json, String> {
        ask(&self.client, verb, path, body).await
    }

    /// What is at a path of the API, if anything is.
    pub(crate) async fn get(&self, path: &str) -> Option<Json> {
        match self.ask("GET", path, &Json::Null).await {
            Ok(json) => Some(json),
            Err(why) if why.starts_with("404") => None,
            Err(why) => panic!("GET {path}: {why}"),
        }
    }

    /// Server-side apply by another manager, by force.
    pub(crate) async fn put(&self, manager: &str, path: &str, object: &Json) -> Json {
        let path = format!("{path}?fieldManager={manager}&force=true");
        self.ask("PATCH", &path, object).await.unwrap()
    }

    /// What `kubectl edit` does: a merge patch, by `kubectl-edit`.
    pub(crate) async fn edit(&self, path: &str, fields: &Json) -> Json {
        self.ask("EDIT", &format!("{path}?fieldManager=kubectl-edit"), fields).await.unwrap()
    }

    /// The way to the cluster as somebody who may do nothing.
    pub(crate) fn nobody(&self) -> PathBuf {
        self.kubeconfig.with_file_name("nobody.config")
    }
}

/// One request. `PATCH` is a server-side apply, `EDIT` a merge patch, `MERGE` one that knows lists by their keys.
pub(crate) async fn ask(client: &kube::Client, verb: &str, path: &str, body: &Json) -> Result<Json, String> {
    let (verb, kind) = match verb {
        "PATCH" => ("PATCH", "application/apply-patch+yaml"),
        "EDIT" => ("PATCH", "application/merge-patch+json"),
        "MERGE" => ("PATCH", "application/strategic-merge-patch+json"),
        other => (other, "application/json"),
    };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder().method(verb).uri(path).header("content-type", kind).body(body).unwrap();
    match client.request_text(request).await {
        Ok(text) => Ok(serde_json::from_str(&text).unwrap()),
        Err(kube::Error::Api(status)) => Err(format!("{} {}", status.code, status.message)),
        Err(error) => Err(error.to_string()),
    }
}

/// The path of an object in a namespace, and it with what tells it apart; of kinds with an ordinary plural.
#[allow(dead_code, reason = "for some tests")]
pub(crate) fn as_applied(namespace: &str, object: &Json) -> (String, Json) {
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') { "apis" } else { "api" };
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    let mut body = object.clone();
    body["metadata"]["namespace"] = namespace.into();
    // As the API stores it.
    if let Some(Json::Object(texts)) = body.as_object_mut().unwrap().remove("stringData") {
        for (key, text) in texts {
            body["data"][key] = BASE64.encode(text.as_str().unwrap()).into();
        }
    }
    (format!("/{root}/{version}/namespaces/{namespace}/{plural}/{name}"), body)
}

/// Deletes the namespace, and all beside namespaces that bears its name.
async fn delete(client: &kube::Client, own: &str) {
    for path in [
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        "/api/v1/namespaces",
        "/api/v1/persistentvolumes",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    ] {
        // Where the cluster itself is gone there is nothing to delete.
        let Ok(list) = ask(client, "GET", path, &Json::Null).await else { return };
        for object in list["items"].as_array().into_iter().flatten() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if name.contains(own) {
                let _ = ask(client, "DELETE", &format!("{path}/{name}"), &Json::Null).await;
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let (kubeconfig, name) = (self.kubeconfig.clone(), self.name.clone());
        // Its own Tokio: that of the test may be at its end. The cluster goes on by itself.
        let tidy = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { delete(&client(&kubeconfig).await, &name).await });
        };
        let _ = std::thread::spawn(tidy).join();
    }
}

/// A cluster of one's own. `None`: left out, which is said.
#[allow(dead_code, reason = "for tests of faults")]
pub(crate) async fn own() -> Option<Own> {
    let start = || {
        said(script("build.sh").stdout(Stdio::piped()))?;
        let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (folder, users) = (temporary.path().join("cluster"), temporary.path().join("users"));
        let lock = File::create(&users).unwrap();
        lock.lock_shared().unwrap();
        let log = File::create(temporary.path().join("log")).unwrap();
        // Its own group: what ends this run must not end it before it can tidy up.
        let mut lab = script("cluster.sh");
        lab.arg("run").arg(&folder).arg(&users).stdout(Stdio::null()).stderr(log).process_group(0);
        let mut lab = lab.spawn().unwrap();
        while !folder.join("ready").exists() {
            let ended = lab.try_wait().unwrap();
            let log = || std::fs::read_to_string(temporary.path().join("log")).unwrap();
            assert!(ended.is_none(), "a cluster of one's own did not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Own { kubeconfig: folder.join("kubeconfig"), folder, _users: lock, _temporary: temporary })
    };
    let own = tokio::task::spawn_blocking(start).await.unwrap();
    if own.is_none() {
        left_out();
    }
    own
}

#[allow(dead_code, reason = "for tests of faults")]
impl Own {
    /// Sends a signal to a part: `apiserver`, `etcd`, `controllers`, `scheduler`. One that ends comes again.
    pub(crate) fn signal(&self, part: &str, signal: &str) {
        let process = std::fs::read_to_string(self.folder.join("pid").join(part)).unwrap();
        let sent = Command::new("kill").args([signal, process.trim()]).status().unwrap();
        assert!(sent.success(), "{part} does not run");
    }

    /// A client for the Tokio that calls.
    pub(crate) async fn client(&self) -> kube::Client {
        client(&self.kubeconfig).await
    }
}

/// The lab itself: pods run in it, and a namespace is the test's own.
#[tokio::test]
async fn a_pod_runs_in_a_namespace_of_its_own() {
    let Some(namespace) = namespace().await else { return };
    let pods = format!("/api/v1/namespaces/{}/pods", namespace.name);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "once" }, "spec": {
        "restartPolicy": "Never", "containers": [{ "name": "once", "image": IMAGE, "command": ["echo", "hello"] }],
    } });
    namespace.ask("POST", &pods, &pod).await.unwrap();
    let ended = async {
        loop {
            let pod = namespace.get(&format!("{pods}/once")).await.unwrap();
            match pod["status"]["phase"].as_str() {
                Some("Succeeded") => return,
                Some("Failed") => panic!("{pod}"),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ended).await.unwrap();
}
