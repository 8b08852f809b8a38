//! Pods and their containers: what keeps one from being ready, in the words of the runbook. Sources: the Pod API
//! (`status.containerStatuses[].state`), the reasons that kubelet and scheduler give, kstatus on `Unschedulable`.

use std::time::Duration;

use serde_json::Value as Json;

use super::read::{
    Condition, condition, count, label, last_event, last_event_that, line, list, message, name, number, text,
};
use super::{Case, Scene, Settled, Suspect, Trouble};

/// A pod on its own.
pub(super) fn pod(scene: &Scene) -> Settled {
    let pod = &scene.object;
    match text(pod, "/status/phase") {
        Some("Succeeded") => return Settled::Ready,
        Some("Failed") => {
            let (why, suspect) = ended(pod);
            let trouble = Trouble::new(Case::Failed, why);
            return Settled::Stuck(Trouble { suspect, ..trouble });
        }
        _ if is_ready(pod) => return Settled::Ready,
        _ => {}
    }
    let look = look(pod, scene);
    look.trouble.map_or(Settled::Waiting(look.says), Settled::Stuck)
}

/// Is it ready to be used?
pub(in crate::targets::cluster) fn is_ready(pod: &Json) -> bool {
    text(pod, "/metadata/deletionTimestamp").is_none() && condition(pod, "Ready").is_some_and(Condition::holds)
}

/// Is it on its way out?
pub(super) fn is_leaving(pod: &Json) -> bool {
    text(pod, "/metadata/deletionTimestamp").is_some()
}

/// How a pod that failed ended, and whose log tells more.
pub(super) fn ended(pod: &Json) -> (String, Option<Suspect>) {
    if let Some(reason) = text(pod, "/status/reason") {
        let message = text(pod, "/status/message").map_or(String::new(), |message| format!(": {}", line(message)));
        return (format!("`{}` failed: {reason}{message}", name(pod)), None);
    }
    for status in statuses(pod) {
        let Some(end) = status.pointer("/state/terminated").filter(|end| number(end, "/exitCode") != Some(0)) else {
            continue;
        };
        let container = text(status, "/name").unwrap_or_default();
        let suspect = suspect(pod, container, false);
        return (format!("`{}`: {}", name(pod), exit(pod, container, end)), Some(suspect));
    }
    (format!("`{}` failed", name(pod)), None)
}

/// One pod that is not ready.
pub(super) struct Look {
    /// What it waits for, in a few words.
    pub(super) says: String,
    /// Why it will not get ready.
    pub(super) trouble: Option<Trouble>,
}

impl Look {
    fn waits(says: impl Into<String>) -> Self {
        Self { says: says.into(), trouble: None }
    }

    fn trouble(pod: &Json, trouble: Trouble) -> Self {
        let why = format!("`{}`: {}", name(pod), trouble.why);
        Self { says: why.clone(), trouble: Some(Trouble { why, ..trouble }) }
    }
}

/// What keeps `pod` from being ready.
pub(super) fn look(pod: &Json, scene: &Scene) -> Look {
    if let Some(placed) = condition(pod, "PodScheduled").filter(|placed| placed.fails()) {
        let says = placed.says("it has no node yet");
        return match placed.reason() {
            "SchedulingGated" => Look::waits(format!("`{}`: {says}", name(pod))),
            _ => Look::trouble(pod, unplaced(pod, &says, scene)),
        };
    }
    let mut waits = None;
    for status in statuses(pod) {
        let container = text(status, "/name").unwrap_or_default();
        match self::container(pod, container, status, &scene.events) {
            Some(Look { trouble: Some(trouble), .. }) => return Look::trouble(pod, trouble),
            Some(Look { says, .. }) => waits = waits.or(Some(format!("`{}`: {says}", name(pod)))),
            None => {}
        }
    }
    Look::waits(waits.unwrap_or_else(|| match condition(pod, "ReadinessGates").or(condition(pod, "Ready")) {
        Some(ready) => format!("`{}`: {}", name(pod), ready.says("it is not ready yet")),
        None => format!("`{}`: it has no node yet", name(pod)),
    }))
}

/// Init containers come first, for they run first.
fn statuses(pod: &Json) -> impl Iterator<Item = &Json> {
    list(pod, "/status/initContainerStatuses").chain(list(pod, "/status/containerStatuses"))
}

fn spec<'a>(pod: &'a Json, container: &str) -> Option<&'a Json> {
    let all = list(pod, "/spec/initContainers").chain(list(pod, "/spec/containers"));
    all.into_iter().find(|spec| text(spec, "/name") == Some(container))
}

/// No node takes it: for want of a volume, or of room.
fn unplaced(pod: &Json, says: &str, scene: &Scene) -> Trouble {
    const ROOM: u64 = 15;
    // A node that has just come, or comes again.
    const READY: u64 = 60;
    let volume =
        ["ersistentvolumeclaim", "ersistentVolumeClaim", "volume node affinity", "bind volumes", "PersistentVolume"];
    if !volume.iter().any(|sign| says.contains(sign)) {
        // A pod that ends, or a node that comes, may make room.
        let comes = [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
            ".cloudprovider.kubernetes.io/uninitialized",
        ];
        let patience = if comes.iter().any(|taint| says.contains(taint)) { READY } else { ROOM };
        return Trouble::new(Case::Pending, format!("no node takes it: {says}")).lasting(patience);
    }
    let claims = list(pod, "/spec/volumes").filter_map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
    let told = claims.into_iter().find_map(|claim| {
        let claim = serde_json::json!({ "kind": "PersistentVolumeClaim", "metadata": { "name": claim } });
        let event = last_event(&scene.events, &claim, super::storage::FAILS)?;
        Some(format!("; claim `{}`: {}", name(&claim), message(event)))
    });
    let told = told.unwrap_or_default();
    Trouble::new(Case::Volume, format!("no node takes it: {says}{told}")).lasting(ROOM)
}

/// What keeps one container from being ready; nothing if it is.
fn container(pod: &Json, container: &str, status: &Json, events: &[Json]) -> Option<Look> {
    let waiting = status.pointer("/state/waiting");
    if let Some(waiting) = waiting {
        let said = text(waiting, "/message").map(line).unwrap_or_default();
        return Some(match text(waiting, "/reason").unwrap_or_default() {
            "CrashLoopBackOff" => crash_loop(pod, container, status, events),
            reason @ ("ErrImagePull"
            | "ImagePullBackOff"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "ImageInspectError"
            | "RegistryUnavailable"
            | "SignatureValidationFailed") => Look::trouble_of(image(pod, container, reason, &said, events)),
            reason @ ("CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "StartError"
            | "PreStartHookError"
            | "PostStartHookError"
            | "PreCreateHookError") => {
                let said = if said.is_empty() { reason.to_owned() } else { said };
                let why = format!("container `{container}` cannot be made: {said}");
                // What it names may be declared a moment later; a program that the image lacks does not come.
                let sure = ["no such file", "not found in $PATH", "permission denied", "exec format error"];
                let sure = sure.iter().any(|sign| said.contains(sign));
                Look::trouble_of(Trouble::new(Case::Config, why).lasting(if sure { 0 } else { 5 }))
            }
            _ => making(pod, container, events),
        });
    }
    if text(status, "/state/terminated/reason").is_some() || status.pointer("/state/terminated/exitCode").is_some() {
        let end = &status["state"]["terminated"];
        let done = number(end, "/exitCode") == Some(0) && !runs_on(pod, container);
        return (!done).then(|| crash_loop(pod, container, status, events));
    }
    if status.get("ready") == Some(&Json::Bool(true)) {
        return None;
    }
    // It runs, and is not ready: a probe says so, or has not been asked yet. How long that may last nobody tells.
    if let Some(said) = probed(pod, container, events) {
        let suspect = suspect(pod, container, false);
        return Some(Look::trouble_of(Trouble::new(Case::Probe, said).of(suspect).doubtful()));
    }
    let restarts = number(status, "/restartCount").unwrap_or_default();
    let again = match restarts {
        0 => String::new(),
        _ => format!(" again, after {}", count(restarts, "restart", "restarts")),
    };
    Some(Look::waits(format!("container `{container}` has started{again} and is not ready yet")))
}

fn suspect(pod: &Json, container: &str, previous: bool) -> Suspect {
    Suspect { pod: name(pod).to_owned(), container: container.to_owned(), previous }
}

impl Look {
    /// Trouble of a container; its pod is named later.
    fn trouble_of(trouble: Trouble) -> Self {
        Self { says: trouble.why.clone(), trouble: Some(trouble) }
    }
}

/// Is a container started anew whenever it ends, even without a fault?
fn runs_on(pod: &Json, container: &str) -> bool {
    let init = list(pod, "/spec/initContainers").any(|spec| text(spec, "/name") == Some(container));
    !init && text(pod, "/spec/restartPolicy").unwrap_or("Always") == "Always"
}

/// It ended, was started anew, and ended again.
fn crash_loop(pod: &Json, container: &str, status: &Json, events: &[Json]) -> Look {
    // Some need another try because what they need comes a moment later; the third end is no accident any more.
    const CHANCES: i64 = 2;
    let restarts = number(status, "/restartCount").unwrap_or_default();
    // It waits for its next start, or has just ended.
    let now = status.pointer("/state/terminated");
    let end = now.or_else(|| status.pointer("/lastState/terminated")).unwrap_or(&Json::Null);
    if matches!(text(end, "/reason"), Some("StartError" | "ContainerCannotRun")) {
        let said = text(end, "/message").map(line).unwrap_or_default();
        return Look::trouble_of(Trouble::new(Case::Config, format!("container `{container}` cannot be made: {said}")));
    }
    let again = match restarts {
        0 => String::new(),
        _ => format!(" ({})", count(restarts, "restart", "restarts")),
    };
    let what = format!("{}{again}", exit(pod, container, end));
    let suspect = suspect(pod, container, now.is_none());
    if restarts < CHANCES {
        return Look::trouble_of(Trouble::new(Case::CrashLoop, what).of(suspect).doubtful());
    }
    // 137 and 143: it was told to end. By whom?
    let ended = matches!(number(end, "/exitCode"), Some(137 | 143)) && text(end, "/reason") != Some("OOMKilled");
    let probe = last_event_that(events, pod, &["Unhealthy"], |said| !said.starts_with("Readiness")).map(message);
    Look::trouble_of(match probe.filter(|_| ended) {
        Some(said) => {
            let times = count(restarts, "restart", "restarts");
            let why = format!("container `{container}` is ended again and again ({times}): {said}");
            Trouble::new(Case::Probe, why).of(suspect)
        }
        None => Trouble::new(Case::CrashLoop, what).of(suspect),
    })
}

/// How a container ended, in words.
fn exit(pod: &Json, container: &str, end: &Json) -> String {
    let status = number(end, "/exitCode");
    if text(end, "/reason") == Some("OOMKilled") {
        let limit = spec(pod, container).and_then(|spec| text(spec, "/resources/limits/memory"));
        let limit = limit.map_or(String::new(), |limit| format!(" of {limit}"));
        return format!("container `{container}` was killed: it used more memory than its limit{limit} (OOMKilled)");
    }
    let hint = match status {
        Some(0) => " by itself, without a fault: what a controller keeps running must not end",
        Some(126) => ": its command cannot be executed",
        Some(127) => ": its command is not found",
        Some(137) => ": it was killed",
        Some(139) => ": it used memory that is not its own (a defect of the program)",
        Some(143) => ": it was told to end",
        _ => "",
    };
    let said = text(end, "/message")
        .map(line)
        .filter(|said| !said.is_empty())
        .map_or(String::new(), |said| format!(": {said}"));
    match status {
        Some(0) => format!("container `{container}` ended{hint}"),
        Some(status) => format!("container `{container}` exited with status {status}{hint}{said}"),
        None => format!("container `{container}` ended{said}"),
    }
}

fn image(pod: &Json, container: &str, reason: &str, said: &str, events: &[Json]) -> Trouble {
    let image = spec(pod, container).and_then(|spec| text(spec, "/image")).unwrap_or_default();
    // `Back-off pulling image` says nothing; the event of the try before does.
    let telling = |tried: &str| tried.contains(image) && !tried.starts_with("Error: ");
    let tried = last_event_that(events, pod, &["Failed", "InspectFailed", "ErrImageNeverPull"], telling);
    let cause = match tried.map(message) {
        Some(tried) if said.is_empty() || said.starts_with("Back-off") => tried,
        _ => said.to_owned(),
    };
    let why = format!(
        "the image `{image}` of container `{container}` does not come: {}",
        if cause.is_empty() { reason } else { &cause }
    );
    let low = cause.to_lowercase();
    let sure = [
        "not found",
        "manifest unknown",
        "name unknown",
        "does not exist",
        "unauthorized",
        "denied",
        "forbidden",
        "no match for platform",
        "not present with pull policy",
    ];
    let sure = matches!(reason, "ErrImageNeverPull" | "InvalidImageName") || sure.iter().any(|sign| low.contains(sign));
    // A registry that does not answer may do so a moment later.
    Trouble::new(Case::ImagePull, why).lasting(if sure { 0 } else { 20 })
}

/// It is being made: volumes, network and image come first.
fn making(pod: &Json, container: &str, events: &[Json]) -> Look {
    if let Some(event) = last_event(events, pod, &["FailedMount", "FailedAttachVolume", "FailedMapVolume"]) {
        let said = message(event);
        let named = ["configmap", "secret", "references non-existent"].iter().any(|sign| said.contains(sign));
        let case = if named { Case::Config } else { Case::Mount };
        return Look::trouble_of(Trouble::new(case, said).lasting(if named { 10 } else { 20 }));
    }
    if let Some(event) = last_event(events, pod, &["FailedCreatePodSandBox", "NetworkNotReady"]) {
        return Look::trouble_of(Trouble::new(Case::Node, message(event)).lasting(30));
    }
    Look::waits(format!("container `{container}` is being made"))
}

/// What the last probe that failed said.
fn probed(pod: &Json, container: &str, events: &[Json]) -> Option<String> {
    let event = last_event(events, pod, &["Unhealthy", "ProbeWarning"])?;
    // `spec.containers{web}` tells whose probe it was.
    let field = text(event, "/involvedObject/fieldPath").unwrap_or_default();
    let own = field.is_empty() || field.ends_with(&format!("{{{container}}}"));
    own.then(|| format!("container `{container}`: {}", message(event)))
}

/// The pod, among `pods`, that tells most: trouble that is sure before trouble that may pass, then the newest.
pub(super) fn worst(pods: &[&Json], scene: &Scene) -> Option<Look> {
    let open = pods.iter().filter(|pod| !is_leaving(pod) && !is_ready(pod));
    let live = open.filter(|pod| !matches!(text(pod, "/status/phase"), Some("Failed" | "Succeeded")));
    let looks = live.map(|pod| (look(pod, scene), text(pod, "/metadata/creationTimestamp").unwrap_or_default()));
    let rank = |look: &Look| look.trouble.as_ref().map_or(Duration::MAX, |trouble| trouble.patience);
    looks.min_by(|(one, a), (other, b)| rank(one).cmp(&rank(other)).then(b.cmp(a))).map(|(look, _)| look)
}

/// Those of that revision.
pub(super) fn of_revision<'a>(pods: &'a [Json], key: &str, revision: Option<&str>) -> Vec<&'a Json> {
    pods.iter().filter(|pod| revision.is_none() || label(pod, key) == revision).collect()
}

/// The states of the containers of a pod, as `kubectl describe` would say them.
pub(super) fn states(pod: &Json) -> String {
    let state = |status: &Json| {
        let of = |pointer: &str| {
            let state = status.pointer(pointer)?.as_object()?;
            let (word, what) = state.iter().next()?;
            let reason = text(what, "/reason").map_or(String::new(), |reason| format!(" {reason}"));
            let code = number(what, "/exitCode").map_or(String::new(), |code| format!(" with {code}"));
            Some(format!("{word}{reason}{code}"))
        };
        let last = of("/lastState").map_or(String::new(), |last| format!(", before {last}"));
        let restarts = number(status, "/restartCount").unwrap_or_default();
        let restarts =
            if restarts > 0 { format!(", {}", count(restarts, "restart", "restarts")) } else { String::new() };
        let container = text(status, "/name").unwrap_or_default();
        format!("{container} {}{last}{restarts}", of("/state").unwrap_or_else(|| "unknown".to_owned()))
    };
    let states: Vec<String> = statuses(pod).map(state).collect();
    let phase = text(pod, "/status/phase").unwrap_or("Unknown");
    if states.is_empty() { phase.to_owned() } else { format!("{phase}: {}", states.join("; ")) }
}
