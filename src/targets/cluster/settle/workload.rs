//! Deployment, StatefulSet, DaemonSet, ReplicaSet: kstatus' rules and those of `kubectl rollout status`, and what their
//! pods say while these do not hold. Only pods of the revision that is wanted count: older ones go anyway.

use std::time::Duration;

use serde_json::Value as Json;

use super::pod::{self, Look};
use super::read::{annotation, condition, count, is_of, label, last_event, list, message, number, text, when};
use super::{Case, Scene, Settled, Trouble};

fn status(object: &Json, field: &str) -> i64 {
    object.pointer("/status").and_then(|status| status.get(field)).and_then(Json::as_i64).unwrap_or_default()
}

fn wanted(object: &Json) -> i64 {
    number(object, "/spec/replicas").unwrap_or(1)
}

/// `1 of 3 pods ready: web-1: ...`, or why it will not go on.
fn open(scene: &Scene, pods: &[&Json], (ready, wanted): (i64, i64), otherwise: &str) -> Settled {
    let worst = pod::worst(pods, scene);
    let progress = format!("{} of {} ready", ready.min(wanted), count(wanted, "pod", "pods"));
    match worst {
        Some(Look { trouble: Some(trouble), .. }) => {
            Settled::Stuck(Trouble { why: format!("{progress}: {}", trouble.why), ..trouble })
        }
        Some(Look { says, .. }) => Settled::Waiting(format!("{progress}: {says}")),
        None => Settled::Waiting(format!("{progress}: {otherwise}")),
    }
}

/// All its pods are ready. A container without a probe counts as ready as soon as it runs, also one that ends a moment
/// later.
fn started(object: &Json, wanted: i64) -> Settled {
    const FIRST_BREATH: Duration = Duration::from_secs(3);
    let mut containers = list(object, "/spec/template/spec/containers");
    let probed = containers.all(|container| container.get("readinessProbe").is_some());
    let patient = number(object, "/spec/minReadySeconds").unwrap_or_default() > 0;
    if probed || patient || wanted == 0 { Settled::Ready } else { Settled::Presumed(FIRST_BREATH) }
}

/// Its controller may not make pods; it tries again and again.
pub(super) fn refusal(why: impl Into<String>) -> Trouble {
    // What the API itself calls passing (`NewServerTimeout` and `NewConflict` of `k8s.io/apimachinery/pkg/api/errors`), and a quota
    // that its controller has not counted for the first time.
    const PASSING: [&str; 2] = ["try again", "status unknown for quota"];
    let why = why.into();
    let seconds = if PASSING.iter().any(|words| why.contains(words)) { 60 } else { 10 };
    Trouble::new(Case::Refused, why).lasting(seconds)
}

/// Its controller could not make a pod, and has made none since.
pub(super) fn refused(scene: &Scene, maker: &Json) -> Option<Trouble> {
    let event = last_event(&scene.events, maker, &["FailedCreate"])?;
    let newest = scene.pods.iter().filter_map(|pod| text(pod, "/metadata/creationTimestamp")).max();
    let since = newest.is_none_or(|made| made < when(event));
    since.then(|| refusal(message(event)))
}

pub(super) fn deployment(scene: &Scene) -> Settled {
    let object = &scene.object;
    let wanted = wanted(object);
    let [all, updated, ready, available] =
        ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"].map(|field| status(object, field));
    let progressing = condition(object, "Progressing");
    let late =
        progressing.filter(|progressing| progressing.fails() && progressing.reason() == "ProgressDeadlineExceeded");
    if late.is_none() && updated >= wanted && all <= updated && available >= updated && ready >= wanted {
        return started(object, wanted);
    }
    if object.pointer("/spec/paused") == Some(&Json::Bool(true)) {
        return Settled::Stuck(Trouble::new(Case::Paused, "`spec.paused` is true: nothing is rolled out"));
    }
    let newest = newest_set(scene);
    let pods = match newest {
        Some(set) => scene.pods.iter().filter(|pod| is_of(pod, set)).collect(),
        None => scene.pods.iter().collect::<Vec<_>>(),
    };
    let count_ready = match pods.as_slice() {
        [] => ready,
        pods => i64::try_from(pods.iter().filter(|pod| pod::is_ready(pod)).count()).unwrap_or_default(),
    };
    let refused = condition(object, "ReplicaFailure").filter(|failure| failure.holds());
    if let Some(refused) = refused {
        let why = refused.says("its pods cannot be made");
        return Settled::Stuck(refusal(why));
    }
    let otherwise = if all > updated {
        let old = all - updated;
        format!("{old} of the version before {} still there", if old == 1 { "is" } else { "are" })
    } else if i64::try_from(pods.len()).unwrap_or_default() < wanted {
        "its pods are being made".to_owned()
    } else {
        "they have to stay ready for `minReadySeconds`".to_owned()
    };
    let open = open(scene, &pods, (count_ready, wanted), &otherwise);
    let Some(late) = late else { return open };
    // Its own deadline is over: what was worth waiting for before is certain now.
    let trouble = match open {
        Settled::Stuck(trouble) => trouble,
        Settled::Waiting(why) => Trouble::new(Case::Controller, why),
        _ => Trouble::new(Case::Controller, late.says("it does not get on")),
    };
    let seconds = number(object, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let why = format!("{} (no progress within its `progressDeadlineSeconds` of {seconds} s)", trouble.why);
    Settled::Stuck(Trouble { why, ..trouble }.lasting(0))
}

/// The ReplicaSet of the revision that is wanted.
fn newest_set(scene: &Scene) -> Option<&Json> {
    const REVISION: &str = "deployment.kubernetes.io/revision";
    let revision = annotation(&scene.object, REVISION)?;
    let own =
        scene.others.iter().filter(|other| text(other, "/kind") == Some("ReplicaSet") && is_of(other, &scene.object));
    own.into_iter().find(|set| annotation(set, REVISION) == Some(revision))
}

pub(super) fn replica_set(scene: &Scene) -> Settled {
    let object = &scene.object;
    let wanted = wanted(object);
    let [all, ready, available] = ["replicas", "readyReplicas", "availableReplicas"].map(|field| status(object, field));
    if all == wanted && ready >= wanted && available >= wanted {
        return started(object, wanted);
    }
    if let Some(refused) = condition(object, "ReplicaFailure").filter(|failure| failure.holds()) {
        return Settled::Stuck(refusal(refused.says("its pods cannot be made")));
    }
    open(scene, &scene.pods.iter().collect::<Vec<_>>(), (ready, wanted), "its pods are being made")
}

pub(super) fn stateful_set(scene: &Scene) -> Settled {
    const HASH: &str = "controller-revision-hash";
    let object = &scene.object;
    let wanted = wanted(object);
    let [all, updated, ready] = ["replicas", "updatedReplicas", "readyReplicas"].map(|field| status(object, field));
    let newest = text(object, "/status/updateRevision");
    let by_hand = text(object, "/spec/updateStrategy/type") == Some("OnDelete");
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
    // A part below the partition, and all with `OnDelete`, stays at the version before.
    let to_update = if by_hand { 0 } else { (wanted - partition).max(0) };
    // `updatedReplicas` is left out once all are of one revision.
    let rolled = text(object, "/status/currentRevision") == newest || updated >= to_update;
    if all == wanted && ready >= wanted && rolled {
        return started(object, wanted);
    }
    if all < wanted
        && let Some(refused) = refused(scene, object)
    {
        return Settled::Stuck(refused);
    }
    let current = pod::of_revision(&scene.pods, HASH, newest);
    let older: Vec<&Json> = scene.pods.iter().filter(|pod| newest.is_some() && label(pod, HASH) != newest).collect();
    // It does not touch a broken pod of the version before: that has to be deleted by hand.
    if let Some(Look { trouble: Some(trouble), .. }) = pod::worst(&older, scene)
        && !(rolled || by_hand)
        && trouble.patience != Duration::MAX
    {
        let why =
            format!("{}; a StatefulSet does not replace a broken pod of the version before: delete it", trouble.why);
        return Settled::Stuck(Trouble { why, ..trouble }.lasting(30));
    }
    let pods: Vec<&Json> = if rolled { scene.pods.iter().collect() } else { current };
    let otherwise = if all > wanted {
        format!("{} to go", count(all - wanted, "pod has", "pods have"))
    } else if rolled {
        "the next pod is being made".to_owned()
    } else {
        format!("{updated} of {to_update} updated")
    };
    open(scene, &pods, (ready, wanted), &otherwise)
}

pub(super) fn daemon_set(scene: &Scene) -> Settled {
    const HASH: &str = "controller-revision-hash";
    let object = &scene.object;
    let wanted = status(object, "desiredNumberScheduled");
    let [current, updated, available, ready] =
        ["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"]
            .map(|field| status(object, field));
    let by_hand = text(object, "/spec/updateStrategy/type") == Some("OnDelete");
    let rolled = by_hand || updated >= wanted;
    if current >= wanted && available >= wanted && ready >= wanted && rolled {
        return started(object, wanted);
    }
    if current < wanted
        && let Some(refused) = refused(scene, object)
    {
        return Settled::Stuck(refused);
    }
    // Which revision is wanted is not said; the pod that was made last has it, once there is one.
    let newest = scene.pods.iter().max_by_key(|pod| text(pod, "/metadata/creationTimestamp").unwrap_or_default());
    let newest = newest.and_then(|pod| label(pod, HASH));
    let pods =
        if rolled || updated == 0 { scene.pods.iter().collect() } else { pod::of_revision(&scene.pods, HASH, newest) };
    if !rolled && updated == 0 {
        return Settled::Waiting(format!("0 of {} updated", count(wanted, "pod", "pods")));
    }
    open(scene, &pods, (ready, wanted), &format!("{updated} of {wanted} updated"))
}
