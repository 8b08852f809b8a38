//! Kinds of others that the platform uses: `HelmChart` of k3s, `Certificate` of cert-manager.

use std::time::Duration;

use serde_json::Value as Json;

use super::read::{condition, list, name, text};
use super::{Case, Scene, Settled, Trouble, job};

/// A chart is ready when the Job that installs it is complete. The Job is made anew for every change that matters to helm.
pub(super) fn helm_chart(scene: &Scene) -> Settled {
    // Of a change that does not matter to helm no Job comes.
    const NO_JOB: Duration = Duration::from_secs(20);
    let chart = &scene.object;
    let wanted = text(chart, "/status/jobName").map_or_else(|| format!("helm-install-{}", name(chart)), str::to_owned);
    let job = scene.others.iter().find(|other| text(other, "/kind") == Some("Job") && name(other) == wanted);
    let installs = job.map(|job| job::job(&Scene { object: job.clone(), ..scene.clone() }));
    let failed = condition(chart, "Failed").filter(|failed| failed.holds());
    match (installs, failed) {
        (Some(Settled::Stuck(trouble)), _) => {
            let why = format!("`{wanted}`, which installs it: {}", trouble.why);
            let trouble = Trouble { why, ..trouble };
            // Its Job tries a thousand times; what fails for a minute is not only waiting for another chart.
            Settled::Stuck(if trouble.patience == Duration::MAX { trouble.lasting(60) } else { trouble })
        }
        (_, Some(failed)) => Settled::Stuck(Trouble::new(Case::Failed, failed.says("helm could not install it"))),
        (None, _) => Settled::Waiting(format!("helm has not begun: there is no Job `{wanted}` yet")),
        (Some(Settled::Ready), _) => {
            let made = job.and_then(|job| text(job, "/metadata/creationTimestamp")).unwrap_or_default();
            if written(chart).is_some_and(|written| written > made) {
                Settled::Presumed(NO_JOB)
            } else {
                Settled::Ready
            }
        }
        (Some(Settled::Waiting(why)), _) => Settled::Waiting(format!("helm is at work: {why}")),
        (Some(other), _) => other,
    }
}

/// When its specification was last written, as the API noted it.
fn written(object: &Json) -> Option<&str> {
    let managers = list(object, "/metadata/managedFields");
    let spec = managers.filter(|manager| manager.pointer("/fieldsV1/f:spec").is_some());
    spec.filter_map(|manager| text(manager, "/time")).max()
}

pub(super) fn certificate(certificate: &Json) -> Settled {
    let ready = condition(certificate, "Ready");
    if let Some(ready) = ready.filter(|ready| ready.holds()) {
        return if ready.is_older_than(certificate) {
            Settled::Waiting("cert-manager has not seen the change yet".to_owned())
        } else {
            Settled::Ready
        };
    }
    // It tries again only after an hour.
    let failed = condition(certificate, "Issuing").filter(|issuing| issuing.fails() && issuing.reason() == "Failed");
    if let Some(failed) = failed {
        return Settled::Stuck(Trouble::new(Case::Controller, failed.says("it could not be issued")));
    }
    match ready {
        Some(ready) => Settled::Waiting(ready.says("it is not issued yet")),
        None => Settled::Waiting("cert-manager has not looked at it yet".to_owned()),
    }
}
