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
            if marked.mark == Mark::Condition {
                if let Some(expression) = condition::parse_open(node) {
                    reading.scanner().expression(&expression, &mut reads);
                }
                continue;
            }
            for (within, path) in load(reading, folder, marked.mark, node) {
                if marked.mark.renders(&within, &path.to_string_lossy()) {
                    reads.extend(reading.template_and_included(&within, &path));
                }
            }
        }
    }
    task.reads = reads;
    task.early = early;
    task.outcome_reads = outcome_reads;
}

/// Loads what `node` names in the folders that `mark` means: one file, a folder of them, or all where a template decides.
/// Gives each with the folder it was found in.
fn load(reading: &mut Reading<'_>, folder: &Path, mark: Mark, node: &Node) -> Vec<(PathBuf, PathBuf)> {
    let Some(name) = node.as_text() else { return Vec::new() };
    let folders: Vec<PathBuf> = mark.folders().iter().map(|within| folder.join(within)).collect();
    let Some(within) = folders.first() else { return Vec::new() };
    if is_template(name) && mark == Mark::Kustomize {
        let what = "the name of a kustomization is known when the text is read: it may hold no template";
        reading.problems.push(Problem::error(node.span, what).label("a plain path is expected"));
        return Vec::new();
    }
    if is_template(name) {
        return folders.iter().flat_map(|within| all(reading, within, within, mark)).collect();
    }
    let before = reading.problems.len();
    if Path::new(name).is_absolute() {
        reading.problems.push(
            Problem::error(node.span, format!("`{name}` is an absolute path"))
                .label(format!("a file of `{}` is expected", within.display()))
                .help(format!("put the file into `{}` and name it by its path in there", within.display())),
        );
        return Vec::new();
    }
    for within in &folders {
        let path = within.join(name);
        let found = match mark {
            Mark::Kustomize => reading.kustomized(&path).map(|()| Vec::new()),
            // A folder has no bytes; what cannot be read is a problem, said once.
            _ if mark == Mark::Manifests && !reading.list(&path).is_empty() => Some(all(reading, within, &path, mark)),
            _ => {
                reading.project_file(&path, mark.renders(within, name)).is_some().then(|| vec![(within.clone(), path)])
            }
        };
        if let Some(found) = found {
            return found;
        }
        if reading.problems.len() > before {
            return Vec::new();
        }
    }
    missing(reading, &folders, mark, name, node);
    Vec::new()
}

/// All files below `below`, a folder in `within`; of manifests those that are some.
fn all(reading: &mut Reading<'_>, within: &Path, below: &Path, mark: Mark) -> Vec<(PathBuf, PathBuf)> {
    let names = reading.below(below).into_iter().filter(|name| mark != Mark::Manifests || is_manifest(name));
    names
        .collect::<Vec<_>>()
        .into_iter()
        .map(|name| (within.to_owned(), below.join(&name)))
        .filter(|(_, path)| reading.project_file(path, mark.renders(within, &path.to_string_lossy())).is_some())
        .collect()
}

/// Does a file of that name in a folder hold objects?
pub(super) fn is_manifest(name: &str) -> bool {
    let bare = name.strip_suffix(".j2").unwrap_or(name);
    Path::new(bare).extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
}

fn missing(reading: &mut Reading<'_>, folders: &[PathBuf], mark: Mark, name: &str, node: &Node) {
    let Some(within) = folders.first() else { return };
    let path = within.join(name);
    if mark == Mark::Kustomize {
        let what = format!("there is no kustomization in `{}`", path.display());
        let help = "a folder with a `kustomization.yaml` is expected";
        reading.problems.push(Problem::error(node.span, what).label("no kustomization").help(help));
        return;
    }
    let names: Vec<String> = folders.iter().flat_map(|within| reading.below(within)).collect();
    let mut problem = Problem::error(node.span, format!("`{}` does not exist", path.display()))
        .label("no such file")
        .did_you_mean(name, names.iter().map(String::as_str));
    if problem.help.is_empty() {
        let within: Vec<String> = folders.iter().map(|within| format!("`{}`", within.display())).collect();
        let within = within.join(" or ");
        problem = problem.help(match names.as_slice() {
            [] => format!("create it: {within} holds no files"),
            names => format!("{within} holds {}", list(names)),
        });
    }
    reading.problems.push(problem);
}

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > shown.len() { " and others" } else { "" };
    format!("{}{more}", shown.join(", "))
}
