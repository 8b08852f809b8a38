//! The only code that changes a cluster: does one step, exactly.

use super::api::{Api, Trouble, object_path};
use super::kinds::{Kind, Kinds};
use super::{ObjectId, Step, faults, reveal};
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
            let answer = api.apply(&object_path(&kind, id), &body, *force, false).await;
            answer.map_err(|trouble| faults::masked(trouble.fault("apply", &format!("`{id}`")), object))?;
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
            if id.kind == "CustomResourceDefinition" {
                // New kinds are found when they are missed; those that are gone are not.
                kinds.forget();
            }
        }
    }
    Ok(())
}

async fn kind(api: &Api, kinds: &Kinds, id: &ObjectId) -> Result<Kind, Fault> {
    let served = kinds.served(api, id, true).await?;
    served.and_then(|served| served.get(&id.kind).cloned()).ok_or_else(|| {
        Fault::failed(format!("the cluster does not know the kind of `{id}` (any more)"))
            .help("its `CustomResourceDefinition` may not be established yet, or was deleted: run again")
    })
}
