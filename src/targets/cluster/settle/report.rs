//! Why something is not ready, as a fault: what it is called in the runbook, the states of its containers, what
//! happened, and the last lines of who failed. Reads only.

use std::fmt::Write as _;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::read::{is_about, message, name, number, text, when};
use super::{Scene, Suspect, Trouble, pod};
use crate::model::{Fault, FaultKind};
use crate::targets::cluster::ObjectId;
use crate::targets::cluster::api::{self, Api, encode};

/// Lines of a log, events, pods: more would hide what matters.
const LINES: usize = 20;
const EVENTS: usize = 5;
const PODS: usize = 5;

/// It will not get ready.
pub(super) async fn stuck(api: &Api, id: &ObjectId, scene: &Scene, trouble: &Trouble) -> Fault {
    let what = format!("`{id}` will not get ready: {}", trouble.case.name());
    let cause = cause(api, id, scene, &trouble.why, trouble.suspect.as_ref()).await;
    Fault::failed(what).cause(cause).help(trouble.case.help())
}

/// It was waited for long enough.
pub(super) async fn late(
    api: &Api,
    id: &ObjectId,
    scene: &Scene,
    why: &str,
    trouble: Option<&Trouble>,
    limit: Duration,
) -> Fault {
    let case = trouble.map_or(String::new(), |trouble| format!(": {}", trouble.case.name()));
    let fault =
        Fault::new(FaultKind::TimedOut, format!("`{id}` is not ready after {} s{case}", limit.as_secs_f32().round()));
    let suspect = trouble.and_then(|trouble| trouble.suspect.as_ref());
    let fault = fault.cause(cause(api, id, scene, why, suspect).await);
    let longer = "if it only needs longer, give the task a longer `timeout`";
    fault.help(trouble.map_or_else(|| longer.to_owned(), |trouble| format!("{}; {longer}", trouble.case.help())))
}

/// It was waited for to be gone.
pub(super) fn still_there(id: &ObjectId, why: &str, limit: Duration) -> Fault {
    Fault::new(FaultKind::TimedOut, format!("`{id}` is not gone after {} s", limit.as_secs_f32().round()))
        .cause(why)
        .help("who holds it has to let it go: is its controller there? If it only needs longer, give the task a longer `timeout`")
}

async fn cause(api: &Api, id: &ObjectId, scene: &Scene, why: &str, suspect: Option<&Suspect>) -> String {
    let mut out = why.to_owned();
    let mut open: Vec<&Json> = scene.pods.iter().filter(|pod| !pod::is_ready(pod) && !pod::is_leaving(pod)).collect();
    if text(&scene.object, "/kind") == Some("Pod") {
        open.push(&scene.object);
    }
    if !open.is_empty() {
        out.push_str("\npods:");
        for pod in open.iter().take(PODS) {
            let _ = write!(out, "\n  {}: {}", name(pod), pod::states(pod));
        }
        if open.len() > PODS {
            let _ = write!(out, "\n  and {} more", open.len() - PODS);
        }
    }
    let about = |event: &&Json| {
        let own = [&scene.object].into_iter().chain(open.iter().copied()).chain(&scene.others);
        own.into_iter().any(|object| is_about(event, object))
            || text(event, "/involvedObject/kind") == Some("PersistentVolumeClaim")
    };
    let events = gathered(scene.events.iter().filter(about).collect());
    if !events.is_empty() {
        out.push_str("\nevents:");
        for line in &events[events.len().saturating_sub(EVENTS)..] {
            let _ = write!(out, "\n  {line}");
        }
    }
    if let Some(suspect) = suspect {
        let Suspect { pod, container, .. } = suspect;
        match log(api, id, suspect).await {
            Ok(text) if text.trim().is_empty() => {
                let _ = write!(out, "\ncontainer `{container}` of `{pod}` has written nothing to its log");
            }
            Ok(text) => {
                let _ = write!(out, "\nlast lines of container `{container}` of `{pod}`:");
                for line in text.lines() {
                    let _ = write!(out, "\n  {line}");
                }
            }
            Err(fault) => {
                let _ = write!(out, "\n{fault}");
            }
        }
    }
    out
}

/// One line for all events of one sort about one object, with what was said last; the newest at the end.
fn gathered(mut events: Vec<&Json>) -> Vec<String> {
    events.sort_by_key(|event| when(event));
    let mut lines: IndexMap<(String, String), (i64, String)> = IndexMap::new();
    for event in events {
        let of = |pointer: &str| text(event, pointer).unwrap_or_default();
        let what = format!("{} {} {}", of("/reason"), of("/involvedObject/kind"), of("/involvedObject/name"));
        // Messages of one sort begin alike, and differ in names that are made up.
        let sort = message(event).split(' ').take(2).collect::<Vec<_>>().join(" ");
        let key = (what, sort);
        let times = number(event, "/count").or_else(|| number(event, "/series/count")).unwrap_or(1).max(1);
        let before = lines.shift_remove(&key).map_or(0, |(times, _)| times);
        lines.insert(key, (before + times, message(event)));
    }
    let line = |((what, _), (times, said)): ((String, String), (i64, String))| match times {
        1 => format!("{what}: {said}"),
        _ => format!("{what}: {said} ({times} times)"),
    };
    lines.into_iter().map(line).collect()
}

/// The last lines of a container: of the run that failed, if it was started anew since.
async fn log(api: &Api, id: &ObjectId, suspect: &Suspect) -> Result<String, Fault> {
    let Suspect { pod, container, previous } = suspect;
    let namespace = id.namespace.as_deref().unwrap_or_default();
    let path = |previous: bool| {
        let (namespace, pod, container) = (encode(namespace), encode(pod), encode(container));
        format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={LINES}&previous={previous}"
        )
    };
    let thing = format!("the log of container `{container}` of `{pod}`");
    match api.text(&path(*previous)).await {
        // It may be gone already; the one that runs now says much the same.
        Err(api::Trouble::Said(status)) if *previous && status.code == 400 => api.text(&path(false)).await,
        answer => answer,
    }
    .map_err(|trouble| trouble.fault("read", &thing))
}
