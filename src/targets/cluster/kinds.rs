//! Which kinds an API server knows. A group version is asked about once, when the first object of it comes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;

use super::ObjectId;
use super::api::{Api, Trouble, group_path};
use crate::model::Fault;

/// A kind, as requests need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// `configmaps`.
    pub(super) plural: String,
    /// Does it live in namespaces?
    pub(super) namespaced: bool,
}

/// The kinds of one group version by name; `None` when it is not served.
pub(super) type Served = Option<Arc<BTreeMap<String, Kind>>>;

/// What was asked so far.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    groups: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Option<Served>>>>>,
}

impl Kinds {
    /// The kinds beside that of `id`. Those who ask together wait for one request. `again`: when the kind is not
    /// among those that are known, it may have come since.
    pub(super) async fn served(&self, api: &Api, id: &ObjectId, again: bool) -> Result<Served, Fault> {
        let api_version = &id.api_version;
        let slot = {
            let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            groups.entry(api_version.clone()).or_default().clone()
        };
        let mut known = slot.lock().await;
        if let Some(served) = &*known
            && !(again && served.as_ref().is_none_or(|kinds| !kinds.contains_key(&id.kind)))
        {
            return Ok(served.clone());
        }
        let served = match api.get(&group_path(api_version)).await {
            Ok(list) => Some(Arc::new(read(&list))),
            Err(Trouble::Said(status)) if status.code == 404 => None,
            Err(trouble) => return Err(trouble.fault("read", &format!("the kinds of `{api_version}`"))),
        };
        *known = Some(served.clone());
        Ok(served)
    }

    /// Forgets all: a definition of kinds was written.
    pub(super) fn forget(&self) {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// An `APIResourceList`.
fn read(list: &Json) -> BTreeMap<String, Kind> {
    let resources = list.get("resources").and_then(Json::as_array).into_iter().flatten();
    let text = |resource: &Json, key: &str| resource.get(key).and_then(Json::as_str).map(str::to_owned);
    let kinds = resources.filter_map(|resource| {
        let plural = text(resource, "name")?;
        let namespaced = resource.get("namespaced").and_then(Json::as_bool)?;
        // `deployments/status` is a part of one.
        (!plural.contains('/')).then_some((text(resource, "kind")?, Kind { plural, namespaced }))
    });
    kinds.collect()
}
