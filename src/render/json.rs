//! `--output json`: one event a line, the first names the format. Names here are a promise: a new one may come,
//! none changes its meaning within a format. Nothing in it is secret, digests of secrets included.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::field::visible;
use super::report::Counts;
use crate::model::{Decision, Entry, Event, Fault, FaultKind, Outcome, Plan, Report, Shown, Stream, TaskInfo};
use crate::source::{Problem, Severity, Sources};

/// The number of the format.
pub const FORMAT: u32 = 1;

/// The first line.
#[must_use]
pub fn version() -> Json {
    json!({ "type": "version", "format": FORMAT, "lions": env!("CARGO_PKG_VERSION") })
}

/// Something that happened while it works.
#[must_use]
pub fn event(event: &Event) -> Json {
    match event {
        Event::Started { doing, nodes } => json!({ "type": "started", "doing": doing, "nodes": nodes }),
        Event::Connecting { place } => json!({ "type": "connecting", "place": place }),
        Event::Planned { address, place, decision } => {
            json!({ "type": "planned", "address": address, "place": place, "verdict": verdict(decision) })
        }
        Event::Running { address, place, what } => {
            json!({ "type": "running", "address": address, "place": place, "what": what })
        }
        Event::Waiting { address, place, why } => {
            json!({ "type": "waiting", "address": address, "place": place, "why": why })
        }
        Event::Output { address, place, stream, line } => {
            let stream = match stream {
                Stream::Out => "stdout",
                Stream::Err => "stderr",
            };
            json!({ "type": "output", "address": address, "place": place, "stream": stream, "line": line })
        }
        Event::Retrying { address, place, attempt, fault: why } => {
            json!({ "type": "retrying", "address": address, "place": place, "attempt": attempt, "fault": fault(why) })
        }
        Event::Done { address, place, outcome, took } => {
            let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            json!({ "type": "done", "address": address, "place": place, "outcome": word(outcome), "took_ms": took })
        }
        Event::Warning { what } => warning(what),
    }
}

/// Worth knowing, stops nothing.
#[must_use]
pub fn warning(what: &str) -> Json {
    json!({ "type": "warning", "what": what })
}

/// Something failed that belongs to no task.
#[must_use]
pub fn failure(why: &Fault) -> Json {
    json!({ "type": "fault", "fault": fault(why) })
}

/// A plan: one `verdict` for every task at every place, then `plan` with the counts.
pub fn plan(plan: &Plan) -> impl Iterator<Item = Json> + '_ {
    let rows = plan.rows.iter().filter_map(|row| {
        let (task, place) = (plan.tasks.get(row.task as usize)?, plan.places.get(row.place as usize)?);
        let mut out = about("verdict", task, place.as_str());
        out["verdict"] = Json::from(verdict(&row.decision));
        match &row.decision {
            Decision::Right(why) | Decision::Skipped(why) => out["why"] = Json::from(&**why),
            Decision::Unready(why) => out["why"] = Json::from(why.as_str()),
            Decision::Change(change) => out["change"] = entry(change),
            Decision::Later { after, things } => {
                out["after"] = Json::from(&*after.0);
                out["things"] = json!(things);
            }
            Decision::Failed(why) => out["fault"] = fault(why),
            Decision::Blocked(by) => out["blocked_by"] = Json::from(by.as_str()),
        }
        Some(out)
    });
    let last = json!({
        "type": "plan", "environment": plan.environment, "places": plan.places,
        "counts": plan.tally(), "empty": plan.is_empty(),
    });
    rows.chain(std::iter::once(last))
}

/// A report: one `result` for every task at every place, then `report` with the counts.
pub fn report(report: &Report, took: Duration) -> impl Iterator<Item = Json> + '_ {
    let rows = report.rows.iter().filter_map(|(task, place, outcome)| {
        let (task, place) = (report.tasks.get(*task as usize)?, report.places.get(*place as usize)?);
        let mut out = about("result", task, place.as_str());
        out["outcome"] = Json::from(word(outcome));
        match outcome {
            Outcome::Changed(change) => out["change"] = entry(change),
            Outcome::Skipped(why) => out["why"] = Json::from(&**why),
            Outcome::Failed(why) | Outcome::Degraded(why) | Outcome::Rescued(why) => out["fault"] = fault(why),
            Outcome::Blocked(by) => out["blocked_by"] = Json::from(by.as_str()),
            Outcome::Right | Outcome::AlreadyRight | Outcome::NotRun => {}
        }
        Some(out)
    });
    let last = json!({
        "type": "report", "environment": report.environment, "places": report.places, "counts": Counts::of(report),
        "interrupted": report.interrupted, "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    });
    rows.chain(std::iter::once(last))
}

/// What is wrong in the text, one `problem` each.
pub fn problems<'a>(
    sources: &'a Sources,
    problems: impl IntoIterator<Item = &'a Problem> + 'a,
) -> impl Iterator<Item = Json> + 'a {
    problems.into_iter().map(|problem| {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let related: Vec<Json> = problem
            .related
            .iter()
            .map(|(span, label)| json!({ "at": position(sources, *span), "label": label }))
            .collect();
        json!({
            "type": "problem", "severity": severity, "summary": problem.summary,
            "at": problem.span.map(|span| position(sources, span)),
            "label": problem.label, "related": related, "help": problem.help,
        })
    })
}

fn position(sources: &Sources, span: crate::source::Span) -> Json {
    let (line, column) = sources.line_column(span);
    json!({ "file": sources.path(span.file).to_string_lossy(), "line": line, "column": column })
}

fn about(kind: &str, task: &TaskInfo, place: &str) -> Json {
    json!({
        "type": kind, "address": task.address, "name": task.name, "resource": task.resource, "place": place,
        "position": task.position, "handler": task.handler, "on_failure": task.on_failure,
    })
}

fn verdict(decision: &Decision) -> &'static str {
    match decision {
        Decision::Right(_) => "right",
        Decision::Unready(_) => "unready",
        Decision::Skipped(_) => "skipped",
        Decision::Change(_) => "change",
        Decision::Later { .. } => "later",
        Decision::Failed(_) => "failed",
        Decision::Blocked(_) => "blocked",
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Right => "right",
        Outcome::Changed(_) => "changed",
        Outcome::AlreadyRight => "already_right",
        Outcome::Skipped(_) => "skipped",
        Outcome::Failed(_) => "failed",
        Outcome::Degraded(_) => "degraded",
        Outcome::Rescued(_) => "rescued",
        Outcome::Blocked(_) => "blocked",
        Outcome::NotRun => "not_run",
    }
}

fn entry(entry: &Entry) -> Json {
    let fields: Vec<Json> = entry
        .fields
        .iter()
        .map(|field| {
            let before = visible(&field.before, &field.after);
            json!({ "name": field.name, "before": side(&before), "after": side(&field.after) })
        })
        .collect();
    json!({
        "action": entry.action, "things": entry.things, "fields": fields,
        "notifies": entry.notifies, "owed_since": entry.owed_since,
    })
}

/// One key names the sort of a side. The digest of a secret is left out: it can be guessed at.
fn side(shown: &Shown) -> Json {
    match shown {
        Shown::Absent => Json::Null,
        Shown::Present => json!({ "present": true }),
        Shown::Value(value) => json!({ "value": value }),
        Shown::Text(text) => json!({ "text": text }),
        Shown::Secret { masked, .. } => json!({ "secret": masked }),
        Shown::Binary { size, digest } => json!({ "binary": { "size": size, "sha256": digest } }),
        Shown::Unknown(after) => json!({ "unknown": &*after.0 }),
    }
}

fn fault(fault: &Fault) -> Json {
    let kind = match fault.kind {
        FaultKind::Failed => "failed",
        FaultKind::Unreachable => "unreachable",
        FaultKind::TimedOut => "timed_out",
        FaultKind::Interrupted => "interrupted",
        FaultKind::Stale => "stale",
        FaultKind::Refused => "refused",
        FaultKind::Locked => "locked",
        FaultKind::Undone => "undone",
    };
    json!({ "kind": kind, "what": fault.what, "cause": fault.cause, "help": fault.help })
}
