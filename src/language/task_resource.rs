//! Which resource a task asks for, and the name of a task that bears none. Looks at keys, not at what they hold.

use crate::model::{Catalogue, Kind};
use crate::source::{Key, Node, Problem};

use super::ansible;
use super::keys;
use super::reading::Reading;
use super::task::{TASK_KEYS, entry_span};

/// The one resource of a task.
pub(super) fn resource<'r, 'n>(
    reading: &mut Reading<'r>,
    node: &'n Node,
    what: &str,
) -> Option<(&'r Kind, &'n Key, &'n Node)> {
    let entries = node.as_map()?;
    let catalogue = reading.catalogue;
    let mut found = entries.iter().filter_map(|(key, node)| Some((catalogue.get(&key.name)?, key, node)));
    if let Some(first) = found.next() {
        if let Some((kind, key, _)) = found.next() {
            reading.problems.push(
                Problem::error(key.span, format!("two resources in one task: `{}` and `{}`", first.0.name, kind.name))
                    .label("second resource")
                    .related(first.1.span, "first resource")
                    .help("make it two tasks"),
            );
        }
        return Some(first);
    }
    let mut unknown: Vec<_> =
        entries.iter().filter(|(key, _)| !TASK_KEYS.contains(&key.name.as_str())).map(|(key, _)| key).collect();
    // Where several keys are unknown, the one that is no attribute of Ansible's either is the resource.
    if unknown.len() > 1 {
        let (known, others): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|key| ansible::instead_of_key(&key.name).is_some());
        reading.problems.extend(known.iter().map(|key| keys::unknown_key(key, what, TASK_KEYS)));
        unknown = others;
    }
    match unknown.as_slice() {
        [] => reading.problems.push(
            Problem::error(entry_span(node), format!("{what} without a resource"))
                .label("what should be there?")
                .help("add a resource, such as `copy: { ... }`; `lions doc` lists them"),
        ),
        keys => keys.iter().for_each(|key| {
            let problem = unknown_resource(key, catalogue);
            reading.problems.push(problem);
        }),
    }
    None
}

fn unknown_resource(key: &Key, catalogue: &Catalogue) -> Problem {
    let problem = Problem::error(key.span, format!("unknown resource `{}`", key.name)).label("not a resource");
    let last = key.name.rsplit('.').next().unwrap_or(&key.name);
    if last != key.name && catalogue.get(last).is_some() {
        return problem.help(format!("write `{last}`: resources have no collection before their name"));
    }
    if let Some(instead) = ansible::instead_of_module(last) {
        return problem.help(instead);
    }
    if let Some(instead) = ansible::instead_of_key(last) {
        return problem.help(instead);
    }
    let problem = problem.did_you_mean(&key.name, catalogue.names().chain(TASK_KEYS));
    if problem.help.is_empty() { problem.help("`lions doc` lists all resources") } else { problem }
}

/// The name of a task that bears none: its resource and what it is about, never a number.
pub(super) fn default_name(resource: &str, params: &Node) -> String {
    let about = ["name", "dest", "path", "cmd"].iter().find_map(|key| params.get(key)?.as_text());
    let about = about.filter(|text| !keys::is_template(text) && !text.chars().any(char::is_control));
    let about = about.and_then(|text| text.rsplit('/').find(|part| !part.trim().is_empty()));
    match about {
        Some(about) => format!("{resource} {}", about.trim()),
        None => resource.to_owned(),
    }
}
