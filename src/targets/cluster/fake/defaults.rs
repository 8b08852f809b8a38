//! What a real API server adds, rewrites and refuses: enough of it to show that a plan is not fooled.

use serde_json::{Value as Json, json};

use super::answer::Answer;

fn missing(object: &mut Json, pointer: &str, value: Json) {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    if let Some(map) = object.pointer_mut(parent).and_then(Json::as_object_mut) {
        map.entry(key).or_insert(value);
    }
}

/// Adds what was left out.
pub(super) fn fill(object: &mut Json, number: u64) {
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => {
            let name = object["metadata"]["name"].clone();
            missing(object, "/metadata/labels", json!({}));
            // Its name has a slash, which `missing` would split.
            if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Json::as_object_mut) {
                labels.entry("kubernetes.io/metadata.name").or_insert(name);
            }
            missing(object, "/spec", json!({ "finalizers": ["kubernetes"] }));
            missing(object, "/status", json!({ "phase": "Active" }));
        }
        "Secret" => missing(object, "/type", json!("Opaque")),
        "Service" => {
            missing(object, "/spec", json!({}));
            missing(object, "/spec/type", json!("ClusterIP"));
            missing(object, "/spec/clusterIP", json!(format!("10.43.0.{}", number % 250)));
            missing(object, "/spec/sessionAffinity", json!("None"));
            for port in object.pointer_mut("/spec/ports").and_then(Json::as_array_mut).into_iter().flatten() {
                missing(port, "/protocol", json!("TCP"));
                let target = port["port"].clone();
                missing(port, "/targetPort", target);
            }
            missing(object, "/status", json!({ "loadBalancer": {} }));
        }
        "Deployment" => {
            missing(object, "/spec/replicas", json!(1));
            missing(object, "/spec/revisionHistoryLimit", json!(10));
            missing(object, "/spec/progressDeadlineSeconds", json!(600));
            let rolling =
                json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } });
            missing(object, "/spec/strategy", rolling);
            pod(object.pointer_mut("/spec/template/spec"));
            missing(object, "/status", json!({ "observedGeneration": 1 }));
        }
        "StatefulSet" | "DaemonSet" | "Job" => pod(object.pointer_mut("/spec/template/spec")),
        "CustomResourceDefinition" => {
            let conditions =
                json!([{ "type": "NamesAccepted", "status": "True" }, { "type": "Established", "status": "True" }]);
            missing(object, "/status", json!({ "conditions": conditions }));
        }
        _ => {}
    }
}

fn pod(spec: Option<&mut Json>) {
    let Some(spec) = spec else { return };
    missing(spec, "/restartPolicy", json!("Always"));
    missing(spec, "/dnsPolicy", json!("ClusterFirst"));
    missing(spec, "/terminationGracePeriodSeconds", json!(30));
    for container in spec.get_mut("containers").and_then(Json::as_array_mut).into_iter().flatten() {
        missing(container, "/terminationMessagePath", json!("/dev/termination-log"));
        missing(container, "/imagePullPolicy", json!("IfNotPresent"));
        for port in container.get_mut("ports").and_then(Json::as_array_mut).into_iter().flatten() {
            missing(port, "/protocol", json!("TCP"));
        }
    }
}

/// Writes quantities as the API does: `1000m` of CPU is `1`.
pub(super) fn canonical(value: &mut Json) {
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                let whole = value.as_str().and_then(|text| text.strip_suffix("000m")).map(str::to_owned);
                match whole {
                    Some(whole) if key == "cpu" => *value = Json::from(whole),
                    _ => canonical(value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(canonical),
        _ => {}
    }
}

/// What it refuses to take at all.
pub(super) fn strict(object: &Json) -> Option<Answer> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let known: &[&str] = match kind {
        "ConfigMap" => &["apiVersion", "kind", "metadata", "data", "binaryData", "immutable"],
        "Secret" => &["apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"],
        "Deployment" => &["apiVersion", "kind", "metadata", "spec", "status"],
        _ => return None,
    };
    let unknown = object.as_object()?.keys().find(|key| !known.contains(&key.as_str()));
    if let Some(unknown) = unknown {
        let message = format!("failed to create typed patch object: .{unknown}: field not declared in schema");
        return Some(Answer::refuse(400, "BadRequest", message));
    }
    let data = object.get("data").and_then(Json::as_object).into_iter().flatten();
    for (key, value) in data {
        if !value.is_string() {
            let message = format!("failed to create typed patch object: .data.{key}: expected string, got {value}");
            return Some(Answer::refuse(400, "BadRequest", message));
        }
    }
    let replicas = object.pointer("/spec/replicas");
    if replicas.is_some_and(|replicas| !replicas.is_i64()) {
        let message = "failed to create typed patch object: .spec.replicas: expected numeric (int or float)";
        return Some(Answer::refuse(400, "BadRequest", message));
    }
    None
}

/// What it refuses to change.
pub(super) fn immutable(old: &Json, new: &Json) -> Option<Answer> {
    let name = new["metadata"]["name"].as_str().unwrap_or_default();
    let fixed: &[(&str, &str)] = &[
        ("Deployment", "/spec/selector"),
        ("StatefulSet", "/spec/volumeClaimTemplates"),
        ("PersistentVolumeClaim", "/spec/storageClassName"),
    ];
    let kind = new["kind"].as_str().unwrap_or_default();
    let changed = fixed.iter().find(|(of, pointer)| *of == kind && old.pointer(pointer) != new.pointer(pointer));
    if let Some((_, pointer)) = changed {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        return Some(Answer::invalid(kind, name, &field, "Invalid value: field is immutable"));
    }
    let frozen = old["immutable"] == Json::Bool(true) && old.get("data") != new.get("data");
    frozen.then(|| Answer::invalid(kind, name, "data", "Forbidden: field is immutable when `immutable` is set"))
}
