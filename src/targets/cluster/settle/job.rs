//! Jobs: kstatus calls one that runs current; here it is done when it is complete, for what comes next needs its work.

use serde_json::Value as Json;

use super::pod;
use super::read::{Condition, condition, count, last_event, message, name, number, text};
use super::workload::refusal;
use super::{Case, Scene, Settled, Trouble};

pub(super) fn job(scene: &Scene) -> Settled {
    let job = &scene.object;
    if condition(job, "Complete").is_some_and(Condition::holds) {
        return Settled::Ready;
    }
    let last_failed = scene
        .pods
        .iter()
        .filter(|pod| text(pod, "/status/phase") == Some("Failed"))
        .max_by_key(|pod| text(pod, "/metadata/creationTimestamp").unwrap_or_default());
    let ended = last_failed.map(pod::ended);
    let failed = condition(job, "Failed").or_else(|| condition(job, "FailureTarget"));
    if let Some(failed) = failed.filter(|failed| failed.holds()) {
        let (how, suspect) = ended.map_or((String::new(), None), |(how, suspect)| (format!(": {how}"), suspect));
        let why = format!("{}{how}", failed.says("it failed"));
        return Settled::Stuck(Trouble::new(Case::Failed, why).of(suspect));
    }
    if job.pointer("/spec/suspend") == Some(&Json::Bool(true)) {
        return Settled::Ready;
    }
    let running: Vec<&Json> = scene.pods.iter().collect();
    let worst = pod::worst(&running, scene);
    if let Some(trouble) = worst.as_ref().and_then(|look| look.trouble.clone()) {
        // How often it may end badly is the Job's to say.
        return Settled::Stuck(if trouble.case == Case::CrashLoop { trouble.doubtful() } else { trouble });
    }
    if scene.pods.is_empty()
        && let Some(event) = last_event(&scene.events, job, &["FailedCreate"])
    {
        return Settled::Stuck(refusal(message(event)));
    }
    let tries = number(job, "/status/failed").unwrap_or_default();
    let limit = number(job, "/spec/backoffLimit").unwrap_or(6);
    let wanted = number(job, "/spec/completions").unwrap_or(1);
    let done = number(job, "/status/succeeded").unwrap_or_default();
    let progress = format!("{done} of {} done", count(wanted, "run", "runs"));
    if let Some((how, suspect)) = ended {
        let why = format!("{progress}, {} of {} failed: {how}", tries.max(1), count(limit + 1, "try", "tries"));
        return Settled::Stuck(Trouble::new(Case::Failed, why).of(suspect).doubtful());
    }
    let runs = match worst {
        Some(look) => format!(": {}", look.says),
        None if running.iter().any(|pod| pod::is_ready(pod)) => {
            let pod = running.iter().find(|pod| pod::is_ready(pod)).map_or("", |pod| name(pod));
            format!(": `{pod}` runs")
        }
        None => String::new(),
    };
    Settled::Waiting(format!("{progress}{runs}"))
}
