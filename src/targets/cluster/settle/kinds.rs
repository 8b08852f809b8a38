//! What others live in or are made of: Namespaces, definitions of kinds, API services.

use serde_json::Value as Json;

use super::read::{condition, list, text};
use super::{Case, Settled, Trouble};

pub(super) fn namespace(namespace: &Json) -> Settled {
    match text(namespace, "/status/phase") {
        Some("Active") => Settled::Ready,
        Some(phase) => Settled::Waiting(format!("it is {}", phase.to_lowercase())),
        None => Settled::Waiting("it is being made".to_owned()),
    }
}

/// What keeps a namespace from going away.
pub(super) fn remains(namespace: &Json) -> Option<String> {
    let telling = [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceFinalizersRemaining",
        "NamespaceContentRemaining",
    ];
    let conditions = telling.iter().filter_map(|kind| condition(namespace, kind));
    conditions
        .into_iter()
        .find(|condition| condition.holds())
        .map(|condition| condition.says("something is left in it"))
}

pub(super) fn definition(definition: &Json) -> Settled {
    if let Some(refused) = condition(definition, "NamesAccepted").filter(|names| names.fails()) {
        let why = format!("{}: another definition has one of these names", refused.says("its names are not accepted"));
        return Settled::Stuck(Trouble::new(Case::Controller, why));
    }
    match condition(definition, "Established").filter(|established| established.holds()) {
        Some(_) => Settled::Ready,
        None => Settled::Waiting("its kinds cannot be used yet".to_owned()),
    }
}

pub(super) fn service(service: &Json) -> Settled {
    match condition(service, "Available") {
        Some(available) if available.holds() => Settled::Ready,
        Some(available) => Settled::Waiting(available.says("what stands behind it does not answer yet")),
        None if list(service, "/status/conditions").next().is_none() => {
            Settled::Waiting("it has not been looked at yet".to_owned())
        }
        None => Settled::Waiting("it does not say that it is available".to_owned()),
    }
}
