//! Rules among the tasks of one role, or the own tasks of one play, that the text alone decides. Knows no environment.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Problem, Problems, Span};

use super::playbook::PlayText;
use super::scan::Read;
use super::task::{Common, StepText, TaskText};

/// Calls `visit` with every step, in the order of the text; blocks have no task.
pub(super) fn each<'t>(steps: &'t [StepText], visit: &mut dyn FnMut(&'t Common, Option<&'t TaskText>)) {
    for step in steps {
        match step {
            StepText::Task(task) => visit(&task.common, Some(task)),
            StepText::Block(block) => {
                visit(&block.common, None);
                for section in [&block.block, &block.rescue, &block.always] {
                    each(section, visit);
                }
            }
        }
    }
}

/// The tasks in `steps`, blocks unfolded, in the order of the text.
pub(super) fn tasks(steps: &[StepText]) -> Vec<&TaskText> {
    let mut all = Vec::new();
    each(steps, &mut |_, task| all.extend(task));
    all
}

/// The names that must differ among `steps` and `handlers`.
pub(super) fn siblings<'t>(steps: &'t [StepText], handlers: &'t [TaskText]) -> Vec<(&'t str, Span)> {
    let steps = steps.iter().map(|step| match step {
        StepText::Task(task) => &task.common,
        StepText::Block(block) => &block.common,
    });
    let all = steps.chain(handlers.iter().map(|handler| &handler.common));
    all.map(|common| (common.name.as_str(), common.span)).collect()
}

/// Checks the own tasks of a play, and the names of its roles among them.
pub(super) fn check_play(play: &PlayText, broken: &BTreeSet<String>, problems: &mut Problems) {
    let between = play.rollout.iter().flat_map(|rollout| &rollout.between).cloned();
    let steps: Vec<StepText> = play.tasks.iter().cloned().chain(between).collect();
    let mut names: Vec<_> = play.roles.iter().map(|role| (role.common.name.as_str(), role.common.span)).collect();
    names.extend(siblings(&steps, &play.handlers));
    check(&names, &steps, &play.handlers, broken, problems);
}

/// Checks the tasks of a role, or of a play. `broken`: names of tasks that could not be understood.
pub(super) fn check(
    names: &[(&str, Span)],
    steps: &[StepText],
    handlers: &[TaskText],
    broken: &BTreeSet<String>,
    problems: &mut Problems,
) {
    twice(names.iter().copied(), problems);
    blocks(steps, problems);
    notified(&tasks(steps), handlers, broken, problems);
    registers(&tasks(steps), handlers, problems);
    own_conditions(steps, problems);
}

/// The condition of a block comes before everything in it.
fn own_conditions(steps: &[StepText], problems: &mut Problems) {
    for step in steps {
        let StepText::Block(block) = step else { continue };
        for section in [&block.block, &block.rescue, &block.always] {
            for (name, span) in tasks(section).into_iter().filter_map(|task| task.register.as_ref()) {
                for read in block.common.when_reads.iter().filter(|read| read.name == *name) {
                    problems.push(early(read, *span));
                }
            }
            own_conditions(section, problems);
        }
    }
}

/// The problem of a register that `read` reads before it is set at `from`.
fn early(read: &Read, from: Span) -> Problem {
    Problem::error(read.span, format!("`{}` is read before it is set", read.name))
        .label("not known here yet")
        .related(from, "set by this task")
        .help("move the task that registers it above")
}

fn blocks(steps: &[StepText], problems: &mut Problems) {
    for step in steps {
        let StepText::Block(block) = step else { continue };
        // One namespace for all three: their tasks have addresses below the block's.
        let sections = [&block.block, &block.rescue, &block.always];
        twice(sections.into_iter().flat_map(|section| siblings(section, &[])), problems);
        for section in sections {
            blocks(section, problems);
        }
    }
}

/// What is there twice among `names`.
pub(super) fn twice<'a>(names: impl Iterator<Item = (&'a str, Span)>, problems: &mut Problems) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for (name, span) in names {
        if let Some(first) = seen.get(name) {
            problems.push(
                Problem::error(span, format!("two siblings bear the name `{name}`"))
                    .label("the same name again")
                    .related(*first, "first here")
                    .help("give each a `name:` of its own: addresses are made of them"),
            );
            continue;
        }
        seen.insert(name, span);
    }
}

fn notified(tasks: &[&TaskText], handlers: &[TaskText], broken: &BTreeSet<String>, problems: &mut Problems) {
    let known: Vec<&str> = handlers.iter().map(|handler| handler.common.name.as_str()).collect();
    let mut used = BTreeSet::new();
    for (name, span) in tasks.iter().flat_map(|task| &task.notify) {
        used.insert(name.as_str());
        if known.contains(&name.as_str()) || broken.contains(name) {
            continue;
        }
        let mut problem = Problem::error(*span, format!("unknown handler `{name}`"))
            .label("no handler here bears this name")
            .did_you_mean(name, known.iter().copied());
        if problem.help.is_empty() {
            problem = problem.help("write it into `handlers.yml` of the same role, or `handlers:` of the play");
        }
        problems.push(problem);
    }
    for handler in handlers.iter().filter(|handler| !used.contains(handler.common.name.as_str())) {
        problems.push(
            Problem::warning(handler.common.span, format!("nothing notifies the handler `{}`", handler.common.name))
                .label("never runs")
                .help("name it in `notify:` of a task, or remove it"),
        );
    }
}

fn registers(tasks: &[&TaskText], handlers: &[TaskText], problems: &mut Problems) {
    let mut set: BTreeMap<&str, (usize, Span)> = BTreeMap::new();
    for (at, task) in tasks.iter().enumerate() {
        let Some((name, span)) = &task.register else { continue };
        if let Some((_, first)) = set.get(name.as_str()) {
            problems.push(
                Problem::error(*span, format!("two tasks register `{name}`"))
                    .label("again here")
                    .related(*first, "first here")
                    .help("give each register a name of its own"),
            );
            continue;
        }
        set.insert(name, (at, *span));
    }
    for (at, task) in tasks.iter().enumerate() {
        for (reads, own) in [(&task.reads, false), (&task.outcome_reads, true)] {
            for read in reads {
                match set.get(read.name.as_str()) {
                    Some(_) if task.early.contains(read) => {}
                    Some((from, span)) if *from > at || (*from == at && !own) => problems.push(early(read, *span)),
                    _ => {}
                }
            }
        }
    }
    for task in tasks.iter().copied().chain(handlers) {
        for read in &task.early {
            let register = set.contains_key(read.name.as_str());
            if !register && !read.facts {
                continue;
            }
            let what = if register { "a register" } else { "facts" };
            problems.push(
                Problem::error(read.span, format!("a `loop` or `delegate_to` over {what}"))
                    .label("known only when hosts were asked")
                    .help("loop over a list from an input or a var, so that the plan can show every item"),
            );
        }
    }
}
