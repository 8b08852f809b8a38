//! The API that a contract is held against: the fake one, or a real one in a namespace of its own. What holds for both
//! is what the fake may be trusted with.

use lions::targets::cluster::fake::FakeApi;
use lions::targets::cluster::{ClusterPlace, ObjectId};
use serde_json::{Value as Json, json};

use crate::lab_cluster::Namespace;

pub(super) enum Api {
    Fake(FakeApi),
    Real(Namespace),
}

impl Api {
    pub(super) fn fake() -> Self {
        Self::Fake(FakeApi::new())
    }

    /// `text` with names that no other test has: of the namespace `default`, and of what lives beside namespaces.
    pub(super) fn own(&self, text: &str) -> String {
        match self {
            Self::Fake(_) => text.to_owned(),
            Self::Real(Namespace { name, .. }) => {
                let group = format!("{name}.example.dev");
                let text = text.replace("default", name).replace("example.dev", &group);
                text.replace("garden", &format!("{name}-garden"))
            }
        }
    }

    /// The namespace that objects live in when nothing else is said.
    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Fake(_) => "default",
            Self::Real(namespace) => &namespace.name,
        }
    }

    pub(super) fn place(&self) -> ClusterPlace {
        match self {
            Self::Fake(api) => api.place(),
            Self::Real(namespace) => namespace.place(),
        }
    }

    /// What another manager does behind our back: creates the object, or sets these fields of it.
    pub(super) async fn put(&self, manager: &str, object: &Json) -> Result<(), String> {
        match self {
            Self::Fake(api) => api.put(manager, object).map(drop),
            Self::Real(namespace) => {
                let mut object = object.clone();
                object["metadata"]["namespace"] = namespace.name.clone().into();
                let (all, name) = (path(&object, &namespace.name), object["metadata"]["name"].as_str().unwrap());
                let by = format!("?fieldManager={manager}");
                match namespace.get(&format!("{all}/{name}")).await {
                    None => namespace.ask("POST", &format!("{all}{by}"), &object).await.map(drop),
                    Some(_) => namespace.ask("MERGE", &format!("{all}/{name}{by}"), &object).await.map(drop),
                }
            }
        }
    }

    /// The object `v1/ConfigMap/default/app`, if it is there.
    pub(super) async fn object(&self, id: &str) -> Option<Json> {
        match self {
            Self::Fake(api) => api.object(id),
            Self::Real(namespace) => {
                let id = ObjectId::parse(id).unwrap();
                let object =
                    json!({ "apiVersion": id.api_version, "kind": id.kind, "metadata": { "namespace": id.namespace } });
                let object = namespace.get(&format!("{}/{}", path(&object, &namespace.name), id.name)).await;
                object.filter(|object| object["metadata"].get("deletionTimestamp").is_none())
            }
        }
    }

    /// What anybody declared, for comparing two moments. Of a real one only what lives in the namespace.
    pub(super) async fn snapshot(&self) -> Vec<(String, Json)> {
        let namespace = match self {
            Self::Fake(api) => return api.snapshot(),
            Self::Real(namespace) => namespace,
        };
        let mut all = Vec::new();
        for kinds in ["api/v1|configmaps|secrets|services", "apis/apps/v1|deployments|statefulsets"] {
            let mut parts = kinds.split('|');
            let root = parts.next().unwrap();
            for plural in parts {
                let list = namespace.get(&format!("/{root}/namespaces/{}/{plural}", namespace.name)).await.unwrap();
                for mut object in list["items"].as_array().unwrap().clone() {
                    let name = format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap());
                    // What every namespace gets from controllers, a moment after it is made.
                    if name.contains("/kube-root-ca") || name.contains("/default-token") {
                        continue;
                    }
                    object.as_object_mut().unwrap().remove("status");
                    let metadata = object["metadata"].as_object_mut().unwrap();
                    let managed = metadata.remove("managedFields").unwrap_or_default();
                    // What controllers of the cluster do meanwhile is not what a plan does.
                    let managed = managed.as_array().cloned().unwrap_or_default();
                    let ours: Vec<_> = managed.into_iter().filter(|entry| entry["manager"] == "lions").collect();
                    metadata.remove("resourceVersion");
                    metadata.remove("annotations");
                    metadata.insert("ours".to_owned(), ours.into());
                    all.push((name, object));
                }
            }
        }
        all
    }
}

/// The path of all objects of the kind of `object`, as the plurals of the cases are made.
fn path(object: &Json, default: &str) -> String {
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') { "apis" } else { "api" };
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let plural = if kind.ends_with("ss") { format!("{kind}es") } else { format!("{kind}s") };
    let beside = ["namespace", "customresourcedefinition", "sea"].contains(&kind.as_str());
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or(default);
    if beside {
        format!("/{root}/{version}/{plural}")
    } else {
        format!("/{root}/{version}/namespaces/{namespace}/{plural}")
    }
}
