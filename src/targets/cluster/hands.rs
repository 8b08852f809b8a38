//! The only code that changes a cluster: does one step, exactly.

use std::time::Duration;

use serde_json::Value as Json;

use super::api::{Api, Trouble, object_path};
use super::kinds::{Kind, Kinds};
use super::{Live, ObjectId, Step, faults, reveal};
use crate::model::{Fault, FaultKind};

/// Does `step`.
pub(super) async fn perform(api: &Api, kinds: &Kinds, step: &Step) -> Result<(), Fault> {
    match step {
        Step::Apply { object, uid, force, .. } => {
            let id = &object.id;
            let mut body = reveal(&object.body).map_err(|after| {
                Fault::new(FaultKind::Stale, format!("cannot apply `{id}`: a value of it is still not known {after}"))
                    .help("plan again; if it stays, the task that gives the value was skipped")
            })?;
            if let Some(uid) = uid {
                // An object that was deleted meanwhile does not rise again, and another of the same name is not taken.
                body["metadata"]["uid"] = uid.as_str().into();
            }
            let kind = kind(api, kinds, id).await?;
            let path = object_path(&kind, id);
            let answer = api.apply(&path, &body, *force, false).await;
            let answer =
                answer.map_err(|trouble| faults::masked(trouble.fault("apply", &format!("`{id}`")), object))?;
            if id.defines_kinds() {
                // What comes next may be an object of these kinds.
                established(api, &path, id, answer).await?;
                kinds.forget();
            }
        }
        Step::Delete { id, uid } => {
            let kind = kind(api, kinds, id).await?;
            match api.delete(&object_path(&kind, id), uid.as_deref()).await {
                // Gone already is what was wanted.
                Err(Trouble::Said(status)) if status.code == 404 => {}
                answer => {
                    answer.map_err(|trouble| trouble.fault("delete", &format!("`{id}`")))?;
                }
            }
            if id.defines_kinds() {
                kinds.forget();
            }
        }
    }
    Ok(())
}

/// Waits until the kinds of a definition can be used.
async fn established(api: &Api, path: &str, id: &ObjectId, mut definition: Json) -> Result<(), Fault> {
    const PAUSE: Duration = Duration::from_millis(50);
    let wait = async {
        loop {
            match super::established(&Live::new(id, definition).value) {
                Ok(true) => return Ok(()),
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(fault) => return Err(fault),
            }
            definition = api.get(path).await.map_err(|trouble| trouble.fault("read", &format!("`{id}`")))?;
        }
    };
    tokio::time::timeout(api.deadline(), wait).await.unwrap_or_else(|_| {
        let what = format!("the kinds of `{id}` could not be used within {} s", api.deadline().as_secs_f32());
        Err(Fault::new(FaultKind::TimedOut, what)
            .help(format!("look at its conditions: `kubectl get crd {} -o yaml`", id.name)))
    })
}

async fn kind(api: &Api, kinds: &Kinds, id: &ObjectId) -> Result<Kind, Fault> {
    let served = kinds.served(api, id, true).await?;
    served.and_then(|served| served.get(&id.kind).cloned()).ok_or_else(|| {
        Fault::failed(format!("the cluster does not know the kind of `{id}` (any more)"))
            .help("its `CustomResourceDefinition` may not be established yet, or was deleted: run again")
    })
}
