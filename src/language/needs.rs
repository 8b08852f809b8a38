//! Names in `needs`, and where cluster tasks may stand in a rollout. Finds no cycles: the graph does.

use std::collections::BTreeSet;

use crate::model::Sort;
use crate::source::{Problem, Problems};

use super::program::{Needed, Part, Play, Program, TaskId};
use super::resolve::tasks_of;

/// Every name in `needs` must be a sibling, or the address of something.
pub(super) fn check(program: &Program, problems: &mut Problems) {
    let mut names = Names { program, all: BTreeSet::new(), problems };
    for play in &program.plays {
        names.all.insert(play.name.clone());
        names.collect(&play.name, &play.body);
        names.collect_tasks(&play.name, play.rollout.iter().flat_map(|rollout| &rollout.between));
    }
    let plays: Vec<&str> = program.plays.iter().map(|play| play.name.as_str()).collect();
    for play in &program.plays {
        names.needed(play.needs.as_deref(), &play.name, &plays, "", "plays");
        let between = play.rollout.iter().flat_map(|rollout| &rollout.between).map(|task| Part::Task(*task));
        names.body(&play.name, &play.body, &[]);
        let between: Vec<Part> = between.collect();
        names.body(&play.name, &between, &[]);
    }
}

struct Names<'a> {
    program: &'a Program,
    /// The address of everything.
    all: BTreeSet<String>,
    problems: &'a mut Problems,
}

impl Names<'_> {
    fn collect(&mut self, above: &str, body: &[Part]) {
        for part in body {
            let path = format!("{above}/{}", name(self.program, part));
            match part {
                Part::Task(_) => {}
                Part::Role(role) => self.collect(&path, &role.body),
                Part::Block(block) => {
                    for section in [&block.block, &block.rescue, &block.always] {
                        self.collect(&path, section);
                    }
                }
            }
            self.all.insert(path);
        }
    }

    fn collect_tasks<'t>(&mut self, above: &str, tasks: impl Iterator<Item = &'t TaskId>) {
        for id in tasks {
            self.all.insert(format!("{above}/{}", name(self.program, &Part::Task(*id))));
        }
    }

    fn body(&mut self, above: &str, body: &[Part], others: &[Part]) {
        let siblings: Vec<&str> = body.iter().chain(others).map(|part| name(self.program, part)).collect();
        for part in body {
            let own = name(self.program, part);
            let path = format!("{above}/{own}");
            match part {
                Part::Task(id) => {
                    let needs = self.program.tasks.get(*id as usize).and_then(|task| task.needs.as_deref());
                    self.needed(needs, own, &siblings, above, "siblings");
                }
                Part::Role(role) => {
                    self.needed(role.needs.as_deref(), own, &siblings, above, "siblings");
                    self.body(&path, &role.body, &[]);
                }
                Part::Block(block) => {
                    self.needed(block.needs.as_deref(), own, &siblings, above, "siblings");
                    for section in [&block.block, &block.rescue, &block.always] {
                        self.body(&path, section, &[]);
                    }
                }
            }
        }
    }

    fn needed(&mut self, needs: Option<&[Needed]>, own: &str, siblings: &[&str], above: &str, what: &str) {
        for need in needs.unwrap_or_default() {
            if need.name == own {
                self.problems.push(Problem::error(need.span, format!("`{own}` needs itself")).label("itself"));
                continue;
            }
            if siblings.contains(&need.name.as_str()) || (need.name.contains('/') && self.all.contains(&need.name)) {
                continue;
            }
            let last = need.name.rsplit('/').next().unwrap_or_default();
            if self.program.values.broken.contains(last) {
                continue;
            }
            let mut problem = Problem::error(need.span, format!("`needs` names `{}`, which is not there", need.name));
            let ends = format!("/{}", need.name);
            let elsewhere = self.all.iter().find(|path| path.ends_with(&ends) || **path == need.name);
            if need.name.contains('/') {
                problem = problem
                    .label("nothing has this address")
                    .did_you_mean(&need.name, self.all.iter().map(String::as_str));
            } else {
                let near = siblings.iter().copied().filter(|sibling| *sibling != own);
                problem = problem.label(format!("not among its {what}")).did_you_mean(&need.name, near);
            }
            if problem.help.is_empty()
                && let Some(path) = elsewhere
            {
                problem = problem.help(if path.contains('/') {
                    format!("what stands elsewhere is named by its address: `{path}`")
                } else {
                    format!("`{path}` is a play: write `needs` at this play instead")
                });
            } else if problem.help.is_empty() && above.is_empty() {
                problem = problem.help("`needs` of a play names other plays");
            }
            self.problems.push(problem);
        }
    }
}

fn name<'p>(program: &'p Program, part: &'p Part) -> &'p str {
    match part {
        Part::Task(id) => program.tasks.get(*id as usize).map_or("", |task| task.name.as_str()),
        Part::Role(role) => &role.name,
        Part::Block(block) => &block.name,
    }
}

/// A cluster task in a rollout runs once a host, or stands before or after all tasks of hosts.
pub(super) fn cluster_in_rollout(program: &Program, play: &Play, problems: &mut Problems) {
    if play.rollout.is_none() {
        return;
    }
    let tasks = tasks_of(program, &play.body);
    let once = |task: &super::program::Task| task.sort == Sort::Cluster && !task.per_host;
    let first = tasks.iter().position(|task| !once(task));
    let last = tasks.iter().rposition(|task| !once(task));
    let (Some(first), Some(last)) = (first, last) else { return };
    for task in tasks[first..last].iter().filter(|task| once(task)) {
        problems.push(
            Problem::error(task.span, format!("`{}` is for the cluster, in the middle of a rollout", task.name))
                .label("in which batch?")
                .help("add `per_host: true`, move it before or after all tasks of hosts, or put it into `between:`"),
        );
    }
}
