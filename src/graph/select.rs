//! What is selected of a program:
//!
//! - `--limit` narrows the places: hosts, groups, `all`, and `cluster`. As in Ansible, what does not run on a named place
//!   does not run: with `--limit vps-1` no cluster task does, with `--limit vps-1,cluster` all of them do.
//! - `--tags` and `--skip-tags` as in Ansible, with `always`, `never`, `tagged`, `untagged` and `all`.
//! - `--component` is a role or play by name (or `play/role`), wherever it stands.
//!
//! What `--tags` and `--component` select brings along what it *needs*: by `needs`, its own or of what holds it, by
//! registers, the handlers that it notifies, and the `between` of its rollout. What the list alone orders stays out,
//! and `--skip-tags` has the last word. Only chooses: how the order stays is up to `frontier`.

use std::collections::BTreeSet;

use crate::model::PlaceName;
use crate::source::Problem;

use super::outline::{Kind, PartId};
use super::places;
use super::{Draft, PlaceId, Why};

/// What is asked for; by default all but tasks tagged `never`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Hosts, groups, `all`, `cluster`; empty: every place.
    pub limit: Vec<String>,
    /// Tasks with one of these tags; empty: every task.
    pub tags: Vec<String>,
    /// Not tasks with one of these tags.
    pub skip_tags: Vec<String>,
    /// A role or play.
    pub component: Option<String>,
}

/// Tags with a meaning of their own.
const SPECIAL: [&str; 5] = ["all", "always", "never", "tagged", "untagged"];

/// All tasks, and every handler that one of them notifies.
pub(super) fn everything(draft: &mut Draft<'_>) {
    let tasks = draft.parts.iter().map(|part| matches!(part.kind, Kind::Task(_))).collect();
    draft.chosen = grown(draft, tasks, false);
}

pub(super) fn choose(draft: &mut Draft<'_>, selection: &Selection) {
    limit(draft, &selection.limit);
    known_tags(draft, selection);
    let component = selection.component.as_deref().map(|name| component(draft, name));
    let wanted = |id: PartId| {
        let within = component.as_ref().is_none_or(|parts| parts.iter().any(|part| draft.holds(*part, id)));
        matches!(draft.parts[id].kind, Kind::Task(_)) && within && asked(tags(draft, id), &selection.tags)
    };
    let base: Vec<bool> = (0..draft.parts.len()).map(wanted).collect();
    let narrowed = component.is_some() || !selection.tags.is_empty();
    let mut chosen = grown(draft, base, narrowed);
    for (id, chosen) in chosen.iter_mut().enumerate() {
        *chosen &= !skipped(tags(draft, id), &selection.skip_tags);
    }
    // Handlers of those that were skipped stay out, too.
    for (id, part) in draft.parts.iter().enumerate() {
        if matches!(part.kind, Kind::Handler(_)) {
            let mut by = draft.links.iter().filter(|link| link.why == Why::Notifies && link.to == id);
            chosen[id] &= by.any(|link| chosen[link.from]);
        }
    }
    draft.chosen = chosen;
}

/// A later pass: a register that is read must be written by something that is selected.
pub(super) fn missing(draft: &mut Draft<'_>) {
    let runs = |id: PartId| draft.parts[id].extent.cluster || !draft.parts[id].extent.hosts.is_empty();
    let mut problems = Vec::new();
    let reads = || draft.links.iter().filter(|link| link.why == Why::Reads && runs(link.to));
    // Several may write one register, and the loop of one may be empty: one that is selected is enough.
    let gives = |id: PartId| draft.chosen[id] && (runs(id) || draft.limit.is_none());
    let written: BTreeSet<_> = reads().filter(|link| gives(link.from)).map(|link| (link.to, link.span)).collect();
    for link in reads() {
        if !written.contains(&(link.to, link.span)) {
            let (reader, writer) = (&draft.parts[link.to], &draft.parts[link.from]);
            let what = format!("`{}` reads the register of `{}`, which is left out", reader.name, writer.address);
            let help = if draft.chosen[link.from] {
                "name its place in `--limit` (that of a cluster task is `cluster`), or leave out both"
            } else {
                "select both by their tags, or leave out both"
            };
            problems
                .push(Problem::error(link.span, what).label("read here").related(writer.span, "left out").help(help));
        }
    }
    draft.problems.extend(problems);
}

/// What `chosen` brings along: all that it needs if `needs` is set, else only handlers.
fn grown(draft: &Draft<'_>, mut chosen: Vec<bool>, needs: bool) -> Vec<bool> {
    let mut later: Vec<Vec<PartId>> = vec![Vec::new(); draft.parts.len()];
    let mut needed: Vec<Vec<PartId>> = vec![Vec::new(); draft.parts.len()];
    for link in &draft.links {
        match link.why {
            Why::Notifies => later[link.from].push(link.to),
            Why::Needs | Why::Reads => needed[link.to].push(link.from),
        }
    }
    let mut open: Vec<PartId> = (0..chosen.len()).filter(|id| chosen[*id]).collect();
    let mut seen = vec![false; chosen.len()];
    while let Some(id) = open.pop() {
        let mut found = later[id].clone();
        let mut at = Some(id).filter(|_| needs);
        while let Some(part) = at.filter(|part| !seen[*part]) {
            seen[part] = true;
            for target in &needed[part] {
                leaves(draft, *target, &mut found);
            }
            if draft.parts[part].kind == Kind::Play {
                let guards =
                    draft.parts[part].children.iter().filter(|child| draft.parts[**child].kind == Kind::Between);
                for between in guards {
                    leaves(draft, *between, &mut found);
                }
            }
            at = draft.parts[part].parent;
        }
        for part in found {
            if !std::mem::replace(&mut chosen[part], true) {
                open.push(part);
            }
        }
    }
    chosen
}

/// The tasks of `part`.
fn leaves(draft: &Draft<'_>, part: PartId, found: &mut Vec<PartId>) {
    match draft.parts[part].kind {
        Kind::Task(_) => found.push(part),
        // Those come when they are notified.
        Kind::Handlers => {}
        _ => draft.parts[part].children.iter().for_each(|child| leaves(draft, *child, found)),
    }
}

fn limit(draft: &mut Draft<'_>, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let environment = &draft.program.environment;
    let mut hosts: Vec<PlaceId> = Vec::new();
    draft.cluster = false;
    for name in names {
        let host = environment.hosts.iter().position(|host| *host.name == **name);
        match (host.and_then(|at| PlaceId::try_from(at).ok()), environment.groups.get(name)) {
            (Some(host), _) => hosts.push(host),
            (None, Some(group)) => hosts.extend(group),
            (None, None) if name == "all" => hosts.extend(0..draft.graph.cluster),
            (None, None) if name == PlaceName::CLUSTER => draft.cluster = true,
            (None, None) => {
                let known = environment.hosts.iter().map(|host| &*host.name);
                let known =
                    known.chain(environment.groups.keys().map(String::as_str)).chain([PlaceName::CLUSTER, "all"]);
                let problem =
                    Problem::nowhere(format!("`--limit {name}`: `{}` has no such host or group", environment.name));
                draft.problems.push(problem.did_you_mean(name, known));
            }
        }
    }
    draft.limit = Some(places::set(hosts));
}

fn component(draft: &mut Draft<'_>, name: &str) -> Vec<PartId> {
    let all: Vec<PartId> =
        (0..draft.parts.len()).filter(|id| matches!(draft.parts[*id].kind, Kind::Play | Kind::Role)).collect();
    let found: Vec<PartId> = all
        .iter()
        .copied()
        .filter(|id| draft.parts[*id].name == name || draft.parts[*id].address.as_str() == name)
        .collect();
    if found.is_empty() {
        let problem = Problem::nowhere(format!("`--component {name}`: no role or play has that name"));
        let known = all.iter().map(|id| draft.parts[*id].name);
        draft.problems.push(problem.did_you_mean(name, known).help("`lions graph` shows all of them"));
    }
    found
}

/// A tag that nothing bears would select or skip nothing without a word.
fn known_tags(draft: &mut Draft<'_>, selection: &Selection) {
    let known: BTreeSet<&str> = draft.program.tasks.iter().flat_map(|task| &task.tags).map(String::as_str).collect();
    let mut problems = Vec::new();
    for (flag, tags) in [("--tags", &selection.tags), ("--skip-tags", &selection.skip_tags)] {
        for tag in tags.iter().filter(|tag| !known.contains(tag.as_str()) && !SPECIAL.contains(&tag.as_str())) {
            let problem = Problem::nowhere(format!("`{flag} {tag}`: no task has that tag"));
            problems.push(problem.did_you_mean(tag, known.iter().copied()));
        }
    }
    draft.problems.extend(problems);
}

fn tags<'d>(draft: &'d Draft<'_>, id: PartId) -> &'d [String] {
    draft.parts[id].kind.task().map_or(&[], |task| &draft.program.tasks[task as usize].tags)
}

fn has(tags: &[String], tag: &str) -> bool {
    if tag == "untagged" { tags.is_empty() } else { tags.iter().any(|own| own == tag) }
}

/// `--tags`, as Ansible has it.
fn asked(tags: &[String], only: &[String]) -> bool {
    let named = only.iter().any(|tag| has(tags, tag));
    let broad = only.is_empty() || has(only, "all") || has(only, "tagged") && !tags.is_empty();
    has(tags, "always") || named || broad && !has(tags, "never")
}

/// `--skip-tags`, as Ansible has it.
fn skipped(tags: &[String], skip: &[String]) -> bool {
    if has(skip, "all") {
        return !has(tags, "always") || has(skip, "always");
    }
    skip.iter().any(|tag| has(tags, tag)) || has(skip, "tagged") && !tags.is_empty()
}
