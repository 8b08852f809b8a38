//! Webhooks of the cluster that say no, say nothing, or cannot be asked without consequences.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use crate::cluster::project::Project;
use crate::lab_cluster::{ask, own};

/// The server of the webhooks; it ends with this.
struct Webhooks {
    server: Child,
    port: String,
    authority: String,
}

impl Webhooks {
    fn new(folder: &Path) -> Self {
        let (certificate, key) = (folder.join("hook.crt"), folder.join("hook.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/faults/webhook.py");
        let mut server = Command::new("python3")
            .arg(script)
            .args([&certificate, &key])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let authority = BASE64.encode(std::fs::read(certificate).unwrap());
        Self { server, port: port.trim().to_owned(), authority }
    }

    /// Asked about every ConfigMap; `version` of the API that it is declared in.
    fn configuration(&self, version: &str, what: &str, side_effects: &str) -> Json {
        json!({
            "apiVersion": format!("admissionregistration.k8s.io/{version}"), "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": "policy" },
            "webhooks": [{
                "name": format!("{what}.example.dev"), "sideEffects": side_effects, "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 3, "failurePolicy": "Fail",
                "clientConfig": { "url": format!("https://127.0.0.1:{}/{what}", self.port), "caBundle": self.authority },
                "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"] }],
                "objectSelector": { "matchLabels": { "policy": "yes" } },
            }],
        })
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[tokio::test]
async fn webhooks_that_say_no_or_nothing() {
    let Some(cluster) = own().await else { return };
    let client = cluster.client().await;
    let playbook = format!(
        "- name: site\n  tasks:\n    - {{ name: app, manifest: {} }}\n",
        json!({ "namespace": "default", "definition": { "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "app", "labels": { "policy": "yes" } } } })
    );
    let project = Project::at(&cluster.kubeconfig, "default", "", &playbook);
    let webhooks = Webhooks::new(project.path());
    let all = |version: &str| format!("/apis/admissionregistration.k8s.io/{version}/validatingwebhookconfigurations");
    let cases: [(&str, &str, &str, &[&str]); 3] = [
        (
            "v1",
            "deny",
            "None",
            &[
                "a webhook of the cluster denies it",
                "\"deny.example.dev\" denied the request: no settings without a level",
                "change what it complains of",
            ],
        ),
        (
            "v1",
            "hang",
            "None",
            &[
                "the webhook `hang.example.dev` does not answer in time",
                "deadline exceeded",
                "look at what runs behind it",
            ],
        ),
        (
            "v1beta1",
            "allow",
            "Some",
            &[
                "a webhook of the cluster cannot be asked in a dry run, so the change cannot be shown first",
                "allow.example.dev",
                "give the webhook `sideEffects: None` or `NoneOnDryRun`",
            ],
        ),
    ];
    for (version, what, side_effects, parts) in cases {
        let configuration = webhooks.configuration(version, what, side_effects);
        ask(&client, "POST", &all(version), &configuration).await.unwrap();
        // The API server learns of it a moment later.
        let mut said = String::new();
        let began = Instant::now();
        while !parts.iter().all(|part| said.contains(part)) {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}: {parts:?} are not all in\n{said}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            let plan = project.says_any(&["plan"]).await;
            said = plan.1;
            assert!(plan.0 == Some(4) || said.contains("1 to create"), "{said}");
        }
        let before = Instant::now();
        project.says(&["plan"], 4).await;
        assert!(before.elapsed() < Duration::from_secs(10), "{what}: {:?}", before.elapsed());
        ask(&client, "DELETE", &format!("{}/policy", all(version)), &Json::Null).await.unwrap();
    }
    let began = Instant::now();
    while project.says_any(&["plan"]).await.0 != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(20), "the webhook stays");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    project.converges().await;
}
