//! What has to be known of an object to judge it, asked of the API: only what its kind needs, and only while it is not
//! ready by what it says itself. Reads only.

use serde_json::Value as Json;

use super::read::{list, name, text};
use super::{Scene, group};
use crate::model::Fault;
use crate::targets::cluster::api::{Api, Trouble, encode, group_path};
use crate::targets::cluster::{ObjectId, faults};

/// How many objects of one kind are read: more would tell no more.
const LIMIT: usize = 500;

/// Asks for what belongs to one object.
pub(super) struct Eye<'a> {
    api: &'a Api,
    namespace: &'a str,
    /// What may not be read, and why.
    pub(super) blind: Vec<Fault>,
}

impl<'a> Eye<'a> {
    pub(super) fn new(api: &'a Api, id: &'a ObjectId) -> Self {
        Self { api, namespace: id.namespace.as_deref().unwrap_or_default(), blind: Vec::new() }
    }

    /// All that tells of `object`.
    pub(super) async fn scene(&mut self, object: Json) -> Result<Scene, Trouble> {
        let mut scene = Scene::alone(object.clone());
        let kind = text(&object, "/kind").unwrap_or_default();
        match (group(&object), kind) {
            ("apps", "Deployment") => {
                let selector = selector(&object);
                scene.others = self.all("apps/v1", "replicasets", "labelSelector", &selector).await?;
                scene.pods = self.all("v1", "pods", "labelSelector", &selector).await?;
                scene.events = self.warnings().await?;
            }
            ("apps", _) | ("batch", "Job") => {
                scene.pods = self.all("v1", "pods", "labelSelector", &selector(&object)).await?;
                scene.events = self.warnings().await?;
            }
            ("", "Pod") => scene.events = self.warnings().await?,
            ("", "PersistentVolumeClaim") => {
                scene.pods = self.all("v1", "pods", "", "").await?;
                if let Some(class) = text(&object, "/spec/storageClassName").filter(|class| !class.is_empty()) {
                    scene.others =
                        self.one(&format!("/apis/storage.k8s.io/v1/storageclasses/{}", encode(class))).await?;
                }
            }
            ("", "Service") if text(&object, "/spec/type") == Some("LoadBalancer") => {
                let own = Self { api: self.api, namespace: "kube-system", blind: Vec::new() };
                let selector = format!("svccontroller.k3s.cattle.io/svcname={}", name(&object));
                scene.pods = { own }.all("v1", "pods", "labelSelector", &selector).await?;
                scene.events = self.warnings().await?;
            }
            ("helm.cattle.io", "HelmChart") => {
                let job = text(&object, "/status/jobName")
                    .map_or_else(|| format!("helm-install-{}", name(&object)), str::to_owned);
                let path =
                    format!("{}/namespaces/{}/jobs/{}", group_path("batch/v1"), encode(self.namespace), encode(&job));
                scene.others = self.one(&path).await?;
                scene.pods = self.all("v1", "pods", "labelSelector", &format!("job-name={job}")).await?;
                scene.events = self.warnings().await?;
            }
            _ => {}
        }
        if claims(&scene) {
            // Why a claim gets no volume is said in events that are no warnings.
            let field = "involvedObject.kind=PersistentVolumeClaim";
            scene.events.extend(self.all("v1", "events", "fieldSelector", field).await?);
        }
        Ok(scene)
    }

    async fn warnings(&mut self) -> Result<Vec<Json>, Trouble> {
        self.all("v1", "events", "fieldSelector", "type=Warning").await
    }

    /// Everything of that kind that `selector` (a `labelSelector` or a `fieldSelector`) takes.
    async fn all(&mut self, version: &str, plural: &str, by: &str, selector: &str) -> Result<Vec<Json>, Trouble> {
        let path = format!("{}/namespaces/{}/{plural}?limit={LIMIT}", group_path(version), encode(self.namespace));
        let path = if by.is_empty() { path } else { format!("{path}&{by}={}", encode(selector)) };
        let Some(mut answer) = self.ask(&path, &format!("the {plural} of `{}`", self.namespace)).await? else {
            return Ok(Vec::new());
        };
        // Items of a list do not say what they are.
        let kind = text(&answer, "/kind").and_then(|kind| kind.strip_suffix("List")).unwrap_or_default().to_owned();
        let mut items = answer.get_mut("items").and_then(Json::as_array_mut).map(std::mem::take).unwrap_or_default();
        for item in &mut items {
            item["kind"] = kind.as_str().into();
        }
        Ok(items)
    }

    async fn one(&mut self, path: &str) -> Result<Vec<Json>, Trouble> {
        Ok(self.ask(path, &format!("`{path}`")).await?.into_iter().collect())
    }

    /// Nothing for what is not there, and for what we may not read: that is kept, to be said.
    async fn ask(&mut self, path: &str, what: &str) -> Result<Option<Json>, Trouble> {
        match self.api.get(path).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Trouble::Said(status)) if status.code == 404 => Ok(None),
            Err(Trouble::Said(status)) if status.code == 403 => {
                self.blind.push(faults::said("read", what, &status));
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }
}

/// Are there claims among what is looked at?
fn claims(scene: &Scene) -> bool {
    let pods = scene.pods.iter().chain([&scene.object]);
    let volumes = pods.flat_map(|pod| list(pod, "/spec/volumes"));
    text(&scene.object, "/kind") == Some("PersistentVolumeClaim")
        || volumes.into_iter().any(|volume| volume.get("persistentVolumeClaim").is_some())
}

/// The selector of a workload as the API takes it in a query.
pub(in crate::targets::cluster) fn selector(object: &Json) -> String {
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Json::as_object).into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let expressions = list(object, "/spec/selector/matchExpressions").filter_map(|expression| {
        let key = text(expression, "/key")?;
        let values: Vec<&str> = list(expression, "/values").filter_map(Json::as_str).collect();
        let values = values.join(",");
        Some(match text(expression, "/operator")? {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        })
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}
