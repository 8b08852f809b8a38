//! Claims of volumes. One of a class that waits for its first consumer is as ready as it can be without one.

use serde_json::Value as Json;

use super::read::{last_event, message, text};
use super::{Case, Scene, Settled, Trouble};

/// Reasons of events that say why a claim gets no volume.
pub(super) const FAILS: &[&str] = &["ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ClaimMisbound"];

pub(super) fn claim(scene: &Scene) -> Settled {
    let claim = &scene.object;
    match text(claim, "/status/phase") {
        Some("Bound") => return Settled::Ready,
        Some("Lost") => {
            let volume = text(claim, "/spec/volumeName").unwrap_or_default();
            return Settled::Stuck(Trouble::new(
                Case::Volume,
                format!("its volume `{volume}` is gone, and what it held"),
            ));
        }
        _ => {}
    }
    let class = scene.others.iter().find(|other| text(other, "/kind") == Some("StorageClass"));
    let waits = class.is_some_and(|class| text(class, "/volumeBindingMode") == Some("WaitForFirstConsumer"));
    if let Some(event) = last_event(&scene.events, claim, FAILS) {
        return Settled::Stuck(Trouble::new(Case::Volume, message(event)).lasting(10));
    }
    let used = scene.pods.iter().any(|pod| uses(pod, claim));
    if waits && !used {
        return Settled::Ready;
    }
    Settled::Waiting("it has no volume yet".to_owned())
}

fn uses(pod: &Json, claim: &Json) -> bool {
    let name = text(claim, "/metadata/name");
    let volumes = super::read::list(pod, "/spec/volumes");
    volumes.into_iter().any(|volume| text(volume, "/persistentVolumeClaim/claimName") == name)
}
