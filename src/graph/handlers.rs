//! Who notifies whom. A handler is sought in the role of the task, then in its play. It runs once a place at the end
//! of the role (or the play's own tasks) that holds it, before what follows.

use crate::source::Problem;

use super::outline::{Kind, PartId};
use super::{Draft, Link, Why};

pub(super) fn run(draft: &mut Draft<'_>) {
    let program = draft.program;
    let mut links = Vec::new();
    let mut problems = Vec::new();
    for (id, part) in draft.parts.iter().enumerate() {
        let Some(task) = part.kind.task() else { continue };
        let task = &program.tasks[task as usize];
        if matches!(part.kind, Kind::Handler(_)) && task.items.is_some() {
            problems.push(
                Problem::error(part.span, format!("the handler `{}` has a `loop`", part.name))
                    .label("a handler runs once a place")
                    .help("write one handler an item, or let a task do it"),
            );
        }
        let between = part.parent.is_some_and(|parent| draft.parts[parent].kind == Kind::Between);
        for (name, span) in &task.notify {
            if between {
                problems.push(
                    Problem::error(*span, format!("`{}` of `between` notifies `{name}`", part.name))
                        .label("handlers have run before `between`")
                        .help("let the task of `between` do it itself"),
                );
                continue;
            }
            let known = known(draft, id);
            match known.iter().find(|handler| draft.parts[**handler].name == name) {
                Some(handler) if *handler == id => {}
                Some(handler) => links.push(Link { from: id, to: *handler, why: Why::Notifies, span: *span }),
                None => problems.push(
                    Problem::error(*span, format!("`{}` notifies `{name}`, which is no handler", part.name))
                        .label("no such handler")
                        .did_you_mean(name, known.iter().map(|handler| draft.parts[*handler].name))
                        .help(format!("add it to the handlers of `{}`", draft.parts[draft.owner(id)].address)),
                ),
            }
        }
    }
    draft.links.extend(links);
    draft.problems.extend(problems);
}

/// The handlers that the task `id` may notify: its role's, then its play's.
fn known(draft: &Draft<'_>, id: PartId) -> Vec<PartId> {
    let owner = draft.owner(id);
    let play = draft.plays[draft.parts[id].play as usize];
    let of =
        |scope: PartId| draft.parts[scope].children.iter().filter(|child| draft.parts[**child].kind == Kind::Handlers);
    let scopes: &[PartId] = if owner == play { &[play] } else { &[owner, play] };
    scopes.iter().flat_map(|scope| of(*scope)).flat_map(|scope| draft.parts[*scope].children.iter().copied()).collect()
}
