//! What a task reads: names in its texts and in its template files, and the files it names.

use std::path::{Path, PathBuf};

use crate::source::{Node, Problem};

use super::condition;
use super::keys::is_template;
use super::params::Mark;
use super::reading::Reading;
use super::task::TaskText;

/// Fills in what `task`, written in `folder`, reads; loads the files it names.
pub(super) fn scan(reading: &mut Reading<'_>, task: &mut TaskText, folder: &Path) {
    let mut reads = task.common.when_reads.clone();
    let mut scanner = reading.scanner();
    scanner.node(&task.params, &mut reads);
    let mut outcome_reads = Vec::new();
    for expression in [&task.changed_when, &task.failed_when].into_iter().flatten() {
        scanner.expression(expression, &mut outcome_reads);
    }
    let mut early = Vec::new();
    for node in [&task.items, &task.delegate_to].into_iter().flatten() {
        scanner.node(node, &mut early);
    }
    reads.extend(early.iter().cloned());
    for marked in reading.marked.get(task.resource).cloned().unwrap_or_default() {
        for node in marked.nodes(&task.params) {
            let Some(within) = marked.mark.folder() else {
                if let Some(expression) = condition::parse_open(node) {
                    reading.scanner().expression(&expression, &mut reads);
                }
                continue;
            };
            let template = marked.mark == Mark::Templates;
            for path in load(reading, &folder.join(within), template, node) {
                if template {
                    reads.extend(reading.template_and_included(&folder.join(within), &path));
                }
            }
        }
    }
    task.reads = reads;
    task.early = early;
    task.outcome_reads = outcome_reads;
}

/// Loads what `node` names in the folder `within`: one file, or all of them where a template decides.
fn load(reading: &mut Reading<'_>, within: &Path, template: bool, node: &Node) -> Vec<PathBuf> {
    let Some(name) = node.as_text() else { return Vec::new() };
    if is_template(name) {
        let names = reading.below(within);
        return names
            .into_iter()
            .map(|name| within.join(name))
            .filter(|path| reading.project_file(path, template).is_some())
            .collect();
    }
    let before = reading.problems.len();
    let path = within.join(name);
    if Path::new(name).is_absolute() {
        reading.problems.push(
            Problem::error(node.span, format!("`{name}` is an absolute path"))
                .label(format!("a file of `{}` is expected", within.display()))
                .help(format!("put the file into `{}` and name it by its path in there", within.display())),
        );
        return Vec::new();
    }
    if reading.project_file(&path, template).is_some() {
        return vec![path];
    }
    if reading.problems.len() > before {
        return Vec::new();
    }
    let names = reading.below(within);
    let mut problem = Problem::error(node.span, format!("`{}` does not exist", path.display()))
        .label("no such file")
        .did_you_mean(name, names.iter().map(String::as_str));
    if problem.help.is_empty() {
        problem = problem.help(match names.as_slice() {
            [] => format!("create it: `{}` holds no files", within.display()),
            names => format!("`{}` holds {}", within.display(), list(names)),
        });
    }
    reading.problems.push(problem);
    Vec::new()
}

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > shown.len() { " and others" } else { "" };
    format!("{}{more}", shown.join(", "))
}
