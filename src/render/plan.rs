//! A plan as text: what matters most first, hosts with the same change as one entry, every leaf that changes below.

use std::collections::HashMap;
use std::fmt::Write as _;

use indexmap::IndexMap;

use super::field;
use super::paint::{Paint, Tone, count, places, safe, some};
use crate::model::{Action, Address, Decision, Entry, Fault, PlaceName, Plan, TaskInfo, Thing};

/// How a plan is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// With colours.
    pub colour: bool,
    /// Every host by itself, every line of every text.
    pub full: bool,
    /// What is right and what is skipped too, and why.
    pub verbose: bool,
}

/// The same decision for one task at some places.
struct Group<'a> {
    task: &'a TaskInfo,
    decision: &'a Decision,
    places: Vec<&'a PlaceName>,
}

/// The whole plan.
#[must_use]
pub fn plan(plan: &Plan, look: Look) -> String {
    let paint = Paint { colour: look.colour };
    if plan.is_empty() && plan.tally().unready == 0 && !look.verbose {
        return nothing(plan);
    }
    let groups = groups(plan, look.full);
    let mut out = summary(plan, paint);
    named(paint, &groups, Action::Delete, "to delete", &mut out);
    named(paint, &groups, Action::Run, "to run", &mut out);
    for group in groups.iter().filter(|group| !group.task.on_failure) {
        shown(paint, look, group, &mut out);
    }
    let rescues: Vec<_> = groups.iter().filter(|group| group.task.on_failure).collect();
    let mut text = String::new();
    for group in rescues {
        shown(paint, look, group, &mut text);
    }
    if !text.is_empty() {
        let _ = writeln!(
            out,
            "\n{} only where the block that they belong to fails",
            paint.text(Tone::Strong, "on failure:")
        );
        out.push_str(&text);
    }
    failed(paint, &groups, &mut out);
    out
}

fn groups(plan: &Plan, full: bool) -> Vec<Group<'_>> {
    let mut found: IndexMap<(u32, &Decision, Option<u32>), Vec<&PlaceName>> = IndexMap::new();
    for row in &plan.rows {
        if let Some(place) = plan.places.get(row.place as usize) {
            found.entry((row.task, &row.decision, full.then_some(row.place))).or_default().push(place);
        }
    }
    let mut groups: Vec<_> = found
        .into_iter()
        .filter_map(|((task, decision, _), places)| {
            Some((task, Group { task: plan.tasks.get(task as usize)?, decision, places }))
        })
        .collect();
    // A task's own groups stay as they were found.
    groups.sort_by_key(|(task, _)| *task);
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The one line of a plan in which there is nothing to do.
fn nothing(plan: &Plan) -> String {
    let (mut right, mut skipped) = (HashMap::new(), 0);
    let mut names: Vec<bool> = vec![false; plan.places.len()];
    let is_rescue = |task: u32| plan.tasks.get(task as usize).is_some_and(|task| task.on_failure);
    for row in plan.rows.iter().filter(|row| !is_rescue(row.task)) {
        let is_right = matches!(row.decision, Decision::Right(_));
        *right.entry(row.task).or_insert(false) |= is_right;
        if let Some(seen) = names.get_mut(row.place as usize) {
            *seen |= is_right;
        }
    }
    right.retain(|_, is_right| {
        skipped += usize::from(!*is_right);
        *is_right
    });
    let hosts = plan.places.iter().zip(&names).filter(|(_, seen)| **seen);
    let cluster = hosts.clone().any(|(place, _)| place.as_str() == PlaceName::CLUSTER);
    let hosts = hosts.count() - usize::from(cluster);
    let at = match (hosts, cluster) {
        (0, false) => String::new(),
        (0, true) => " in the cluster".to_owned(),
        (hosts, false) => format!(" on {}", count(hosts, "host", "hosts")),
        (hosts, true) => format!(" on {} and in the cluster", count(hosts, "host", "hosts")),
    };
    let mut out = match right.len() {
        0 => "nothing to do: no task applies".to_owned(),
        1 => format!("nothing to do: 1 task{at} is right"),
        many => format!("nothing to do: {many} tasks{at} are right"),
    };
    if skipped > 0 {
        let _ = write!(out, ", {skipped} skipped");
    }
    out.push('\n');
    out
}

fn summary(plan: &Plan, paint: Paint) -> String {
    let tally = plan.tally();
    let parts = [
        (tally.delete, "to delete", Some(Tone::Bad)),
        (tally.run, "to run", Some(Tone::Loud)),
        (tally.update, "to change", Some(Tone::Altered)),
        (tally.create, "to create", Some(Tone::Good)),
        (tally.later, "later", None),
        (tally.unready, "not ready", Some(Tone::Altered)),
        (tally.failed, "failed or blocked", Some(Tone::Bad)),
        (tally.right, "right", None),
        (tally.skipped, "skipped", None),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, what, tone)| {
            let text = format!("{number} {what}");
            tone.map_or_else(|| text.clone(), |tone| paint.text(tone, &text))
        })
        .collect();
    format!("{}: {}\n", paint.text(Tone::Strong, &plan.environment), parts.join(", "))
}

/// Deletes and runs are named at the top: they are what one must not overlook.
fn named(paint: Paint, groups: &[Group<'_>], action: Action, title: &str, out: &mut String) {
    let mut lines = String::new();
    for group in groups.iter().filter(|group| !group.task.on_failure) {
        let Decision::Change(entry) = group.decision else { continue };
        if entry.action != action {
            continue;
        }
        let sign = paint.text(Tone::of(action), &action.sign().to_string());
        let what = match (action, entry.things.as_slice()) {
            (Action::Delete, things @ [_, ..]) => things_text(things),
            _ => safe(group.task.address.as_str()).into_owned(),
        };
        let _ = writeln!(lines, "  {sign} {what} on {}", places(&group.places));
    }
    if !lines.is_empty() {
        let _ = write!(out, "\n{}\n{lines}", paint.text(Tone::Strong, &format!("{title}:")));
    }
}

/// One entry, unless it has nothing to show.
fn shown(paint: Paint, look: Look, group: &Group<'_>, out: &mut String) {
    let (tone, sign) = match group.decision {
        Decision::Change(entry) => (Tone::of(entry.action), entry.action.sign()),
        Decision::Later { .. } => (Tone::Faint, '?'),
        Decision::Unready(_) => (Tone::Altered, '*'),
        Decision::Right(_) | Decision::Skipped(_) if look.verbose => (Tone::Faint, '='),
        _ => return,
    };
    let address = paint.text(Tone::Strong, group.task.address.as_str());
    let _ = writeln!(out, "\n{} {address}", paint.text(tone, &sign.to_string()));
    let things: &[Thing] = match group.decision {
        Decision::Change(entry) => &entry.things,
        Decision::Later { things, .. } => things,
        _ => &[],
    };
    let _ = writeln!(out, "{}", paint.text(Tone::Faint, &where_from(group, things)));
    match group.decision {
        Decision::Change(entry) => change(paint, look, group.task, entry, out),
        Decision::Later { after, .. } => {
            let _ = writeln!(out, "    decided after: {}", safe(&after.0));
        }
        Decision::Unready(why) => {
            let _ = writeln!(out, "    nothing to change, but not ready: {}", safe(why));
        }
        Decision::Right(why) => {
            let _ = writeln!(out, "    right: {}", safe(why));
        }
        Decision::Skipped(why) => {
            let _ = writeln!(out, "    skipped: {}", safe(why));
        }
        Decision::Failed(_) | Decision::Blocked(_) => {}
    }
}

fn change(paint: Paint, look: Look, task: &TaskInfo, entry: &Entry, out: &mut String) {
    for field in &entry.fields {
        for line in field::lines(paint, entry.action, field, look.full) {
            let _ = writeln!(out, "    {line}");
        }
    }
    if !entry.notifies.is_empty() {
        let _ = writeln!(out, "    notifies: {}", some(&entry.notifies, 6));
    }
    if let Some(run) = &entry.owed_since {
        let owed = if task.handler { "owed since run" } else { "left unfinished by run" };
        let _ = writeln!(out, "    {owed} {}", safe(run));
    }
}

/// `    template /etc/chrony/chrony.conf on 2 hosts: web-1, web-2, roles/base/tasks.yml:3:3`.
fn where_from(group: &Group<'_>, things: &[Thing]) -> String {
    let mut what = group.task.resource.clone();
    if !things.is_empty() {
        what = format!("{what} {}", things_text(things));
    }
    format!("    {what} on {} ({})", places(&group.places), group.task.position)
}

fn things_text(things: &[Thing]) -> String {
    let names: Vec<String> =
        things.iter().map(|thing| if thing.kind == "path" { thing.name.clone() } else { thing.to_string() }).collect();
    some(&names, 4)
}

/// What could not be planned, and what was left out because of it.
fn failed(paint: Paint, groups: &[Group<'_>], out: &mut String) {
    let mut blocked: IndexMap<&Address, Vec<&str>> = IndexMap::new();
    for group in groups {
        if let Decision::Blocked(by) = group.decision {
            blocked.entry(by).or_default().push(group.task.address.as_str());
        }
    }
    let mut title = false;
    let mut heading = |out: &mut String| {
        if !std::mem::replace(&mut title, true) {
            let _ = writeln!(out, "\n{}", paint.text(Tone::Strong, "could not be planned:"));
        }
    };
    for group in groups {
        let Decision::Failed(fault) = group.decision else { continue };
        heading(out);
        let address = paint.text(Tone::Strong, group.task.address.as_str());
        let _ = writeln!(out, "\n{} {address}", paint.text(Tone::Bad, "x"));
        let _ = writeln!(out, "{}", paint.text(Tone::Faint, &where_from(group, &[])));
        self::fault(paint, fault, "    ", out);
        if let Some(others) = blocked.shift_remove(&group.task.address) {
            let _ = writeln!(out, "    {}", because("not planned", "of it", others));
        }
    }
    for (by, others) in blocked {
        heading(out);
        let _ = writeln!(out, "\n{}", because("not planned", &format!("of `{by}`"), others));
    }
}

/// `3 tasks not run because of it: a, b, c`.
pub(super) fn because(what: &str, of: &str, mut others: Vec<&str>) -> String {
    others.dedup();
    format!("{} {what} because {}: {}", count(others.len(), "task", "tasks"), safe(of), some(&others, 5))
}

/// What, cause and way out, each on lines of its own.
pub(super) fn fault(paint: Paint, fault: &Fault, indent: &str, out: &mut String) {
    let _ = writeln!(out, "{indent}{}", paint.text(Tone::Bad, &fault.what));
    reasons(fault, indent, out);
}

/// Cause and way out.
pub(super) fn reasons(fault: &Fault, indent: &str, out: &mut String) {
    for (title, text) in [("cause", &fault.cause), ("help", &fault.help)] {
        let Some(text) = text else { continue };
        for (at, line) in text.trim_end().lines().enumerate() {
            let title = if at == 0 { format!("{title}: ") } else { " ".repeat(title.len() + 2) };
            let _ = writeln!(out, "{indent}{title}{}", safe(line));
        }
    }
}
