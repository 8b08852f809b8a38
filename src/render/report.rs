//! What a run did, as text: counts, every failure with its place, cause and way out, and what it kept from running.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use indexmap::IndexMap;

use super::paint::{Paint, Tone, count, places, safe, took};
use super::plan::{because, fault};
use crate::model::{Address, Fault, Outcome, PlaceName, Report, TaskInfo};

/// Counts of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Changed as planned.
    pub changed: usize,
    /// Failed.
    pub failed: usize,
    /// Failed in an optional task.
    pub degraded: usize,
    /// Failed in a block that was rescued.
    pub rescued: usize,
    /// Not done because of another's failure.
    pub blocked: usize,
    /// Not reached.
    pub not_run: usize,
    /// Right, already or now.
    pub right: usize,
    /// Skipped.
    pub skipped: usize,
}

impl Counts {
    /// Of `report`.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut counts = Self::default();
        for (task, _, outcome) in &report.rows {
            let rescue = report.tasks.get(*task as usize).is_some_and(|task| task.on_failure);
            *match outcome {
                Outcome::Changed(_) => &mut counts.changed,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::Degraded(_) => &mut counts.degraded,
                Outcome::Rescued(_) => &mut counts.rescued,
                // A rescue that nothing called for is no news.
                _ if rescue => continue,
                Outcome::Blocked(_) => &mut counts.blocked,
                Outcome::NotRun => &mut counts.not_run,
                Outcome::Right | Outcome::AlreadyRight => &mut counts.right,
                Outcome::Skipped(_) => &mut counts.skipped,
            } += 1;
        }
        counts
    }
}

/// The whole report.
#[must_use]
pub fn report(report: &Report, time: Duration, colour: bool) -> String {
    let paint = Paint { colour };
    let counts = Counts::of(report);
    let mut out = String::new();
    let mut blocked: IndexMap<&Address, Vec<&str>> = IndexMap::new();
    let (mut failed, mut degraded, mut rescued) = (Faults::new(), Faults::new(), Faults::new());
    let mut owed: IndexMap<&str, Vec<&PlaceName>> = IndexMap::new();
    let mut unreached = BTreeSet::new();
    for (task, place, outcome) in &report.rows {
        let (Some(info), Some(name)) = (report.tasks.get(*task as usize), report.places.get(*place as usize)) else {
            continue;
        };
        match outcome {
            Outcome::Failed(fault) => failed.entry((*task, fault)).or_default().push(name),
            Outcome::Degraded(fault) => degraded.entry((*task, fault)).or_default().push(name),
            Outcome::Rescued(fault) => rescued.entry((*task, fault)).or_default().push(name),
            Outcome::Blocked(by) if !info.on_failure => blocked.entry(by).or_default().push(info.address.as_str()),
            Outcome::NotRun if !info.on_failure => {
                unreached.insert(*task);
            }
            _ => {}
        }
        if info.handler && matches!(outcome, Outcome::Failed(_) | Outcome::Blocked(_) | Outcome::NotRun) {
            owed.entry(info.address.as_str()).or_default().push(name);
        }
    }
    for ((task, fault), names) in failed {
        let Some(info) = report.tasks.get(task as usize) else { continue };
        entry(paint, info, fault, &names, ("failed:", Tone::Bad), &mut out);
        if let Some(others) = blocked.shift_remove(&info.address) {
            let _ = writeln!(out, "    {}", because("not run", "of it", others));
        }
        out.push('\n');
    }
    for (word, faults) in [("degraded:", degraded), ("rescued:", rescued)] {
        for ((task, fault), names) in faults {
            let Some(info) = report.tasks.get(task as usize) else { continue };
            entry(paint, info, fault, &names, (word, Tone::Altered), &mut out);
            out.push('\n');
        }
    }
    for (by, others) in blocked {
        let _ = writeln!(out, "{}\n", because("not run", &format!("of `{by}`"), others));
    }
    for (handler, names) in owed {
        let _ = writeln!(
            out,
            "{} {} on {}: the next run does it\n",
            paint.text(Tone::Loud, "owed:"),
            safe(handler),
            places(&names)
        );
    }
    if report.interrupted {
        let left = count(unreached.len(), "task was", "tasks were");
        let _ = writeln!(
            out,
            "{} {left} not reached: the next run goes on from here\n",
            paint.text(Tone::Loud, "interrupted:")
        );
    }
    out.push_str(&summary(paint, report, counts, time));
    out
}

type Faults<'a> = IndexMap<(u32, &'a Fault), Vec<&'a PlaceName>>;

fn entry(
    paint: Paint,
    info: &TaskInfo,
    problem: &Fault,
    names: &[&PlaceName],
    (sign, tone): (&str, Tone),
    out: &mut String,
) {
    let _ = writeln!(out, "{} {}", paint.text(tone, sign), paint.text(Tone::Strong, info.address.as_str()));
    let what = format!("    {} on {} ({})", info.resource, places(names), info.position);
    let _ = writeln!(out, "{}", paint.text(Tone::Faint, &what));
    fault(paint, problem, "    ", out);
}

fn summary(paint: Paint, report: &Report, counts: Counts, time: Duration) -> String {
    let parts = [
        (counts.changed, "changed", Some(Tone::Good)),
        (counts.failed, "failed", Some(Tone::Bad)),
        (counts.degraded, "degraded", Some(Tone::Altered)),
        (counts.rescued, "rescued", Some(Tone::Altered)),
        (counts.blocked + counts.not_run, "not run", Some(Tone::Loud)),
        (counts.right, "right", None),
        (counts.skipped, "skipped", None),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, what, tone)| {
            let text = format!("{number} {what}");
            tone.map_or_else(|| text.clone(), |tone| paint.text(tone, &text))
        })
        .collect();
    let parts = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    format!("{}: {parts}, in {}\n", paint.text(Tone::Strong, &report.environment), took(time))
}
