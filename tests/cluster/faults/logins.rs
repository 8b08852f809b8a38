//! Who is not let in, or does not trust what answers: one clear line each, with the way out, and at once.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::cluster::project::Project;
use crate::lab_cluster::{Namespace, bare};

/// The kubeconfig of the lab with another user or another authority.
fn altered(lab: &Namespace, alter: impl Fn(&str) -> String) -> String {
    let nobody = std::fs::read_to_string(lab.nobody()).unwrap();
    alter(&nobody)
}

/// Another authority than the one of the lab.
fn authority(project: &Project) -> String {
    let (key, certificate) = (project.path().join("ca.key"), project.path().join("ca.crt"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=other",
            "-days",
            "2",
        ])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(&certificate)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    BASE64.encode(std::fs::read(certificate).unwrap())
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let Some(lab) = bare().await else { return };
    let playbook = format!(
        "- name: site\n  tasks:\n    - {{ name: app, manifest: {} }}\n",
        json!({ "namespace": "NS", "definition": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" } } })
    );
    let project = Project::new(&lab, "", &playbook);
    let other = authority(&project);
    let fields = |text: &str, key: &str, value: &str| {
        let (before, rest) = text.split_once(key).unwrap();
        let end = rest.find([',', ' ', '}']).unwrap();
        format!("{before}{key}{value}{}", &rest[end..])
    };
    let cases: [(&str, String, &[&str], i32); 4] = [
        (
            "a token that is not (or no longer) known",
            altered(&lab, |text| text.replace("nobody-token", "expired-token")),
            &["the cluster does not accept our credentials", "fetch the kubeconfig again"],
            4,
        ),
        (
            "nobody",
            altered(&lab, str::to_owned),
            &["the cluster does not allow it", "User \"nobody\" cannot", "a role with that verb"],
            4,
        ),
        (
            "another authority",
            altered(&lab, |text| fields(text, "certificate-authority-data: ", &other)),
            &["we do not trust each other (TLS)", "fetch the kubeconfig again"],
            5,
        ),
        (
            "another name",
            altered(&lab, |text| text.replace("server: ", "tls-server-name: elsewhere.example.dev, server: ")),
            &["we do not trust each other (TLS)", "elsewhere.example.dev"],
            5,
        ),
    ];
    for (name, kubeconfig, parts, code) in cases {
        project.write("kubeconfig", &kubeconfig);
        project.environment(&format!("{{ kubeconfig: kubeconfig, lock_namespace: {} }}", lab.name), "");
        let began = Instant::now();
        let said = project.says(&["plan"], code).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{name}: {:?}", began.elapsed());
        for part in parts {
            assert!(said.contains(part), "{name}: {part:?} is not in\n{said}");
        }
        assert!(!said.contains("nobody-token") && !said.contains("expired-token"), "{said}");
    }
    assert!(lab.get(&format!("/api/v1/namespaces/{}/configmaps/app", lab.name)).await.is_none());
}
