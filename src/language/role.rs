//! Roles as written: a folder with tasks, inputs and handlers. Knows no environment and no play.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::source::{Problem, Problems, Tree};

use super::home;
use super::input::Input;
use super::reading::Reading;
use super::scan::Read;
use super::task::{Home, StepText, TaskText, handlers, steps};

/// The folder of all roles.
pub(super) const ROLES: &str = "roles";

/// A role as written.
#[derive(Clone, Debug)]
pub(super) struct RoleText {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) inputs: Vec<Input>,
    /// Names that each default reads.
    pub(super) default_reads: Vec<Vec<Read>>,
    /// Names that any of its templates reads.
    pub(super) template_reads: Vec<Read>,
    pub(super) tasks: Vec<StepText>,
    pub(super) handlers: Vec<TaskText>,
}

impl RoleText {
    /// The input of that name.
    pub(super) fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.name == name)
    }
}

/// The names of all roles of the project.
pub(super) fn names(reading: &mut Reading<'_>) -> Vec<String> {
    let entries = reading.list(Path::new(ROLES));
    entries.into_iter().filter(|entry| entry.folder).map(|entry| entry.name).collect()
}

/// The inputs of every role of the project must be known before any value is: so all roles are read.
pub(super) fn read_all(reading: &mut Reading<'_>) -> Vec<RoleText> {
    names(reading).into_iter().map(|name| read(reading, name)).collect()
}

fn read(reading: &mut Reading<'_>, name: String) -> RoleText {
    let folder = Path::new(ROLES).join(&name);
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        reading.problems.push(
            Problem::nowhere(format!("`{}` cannot be the name of a role", name.escape_debug()))
                .help("rename the folder: letters, digits, `_` and `-`"),
        );
    }
    let inputs_node = reading.document(&folder.join("inputs.yml"));
    let inputs = inputs_node.map(|node| Input::parse_all(&node, &mut reading.problems)).unwrap_or_default();
    let default_reads = inputs.iter().map(|input| {
        let mut reads = Vec::new();
        if let Some(default) = &input.default {
            reading.scanner().node(default, &mut reads);
        }
        reads
    });
    let default_reads = default_reads.collect();
    let template_reads = reading.all_templates(&folder);
    let before = reading.problems.len();
    let home = Home { folder: folder.clone(), handlers: false, rescue: false };
    let tasks_path = folder.join("tasks.yml");
    let tasks = match reading.document(&tasks_path) {
        Some(node) if node.tree == Tree::Null => Vec::new(),
        Some(node) => steps(reading, &node, "`tasks.yml`", &home),
        None => {
            if reading.problems.len() == before {
                reading.problems.push(Problem::nowhere(format!("the role `{name}` has no `{}`", tasks_path.display())));
            }
            Vec::new()
        }
    };
    let handlers = match reading.document(&folder.join("handlers.yml")) {
        Some(node) if node.tree != Tree::Null => handlers(reading, &node, &folder),
        _ => Vec::new(),
    };
    elsewhere(reading, &name, &folder);
    home::check(&home::siblings(&tasks, &handlers), &tasks, &handlers, &reading.broken, &mut reading.problems);
    let role = RoleText { name, folder, inputs, default_reads, template_reads, tasks, handlers };
    unused_inputs(&role, &reading.words, &mut reading.problems);
    role
}

fn unused_inputs(role: &RoleText, words: &BTreeSet<String>, problems: &mut Problems) {
    let mut used: BTreeSet<&str> = role.template_reads.iter().map(|read| read.name.as_str()).collect();
    used.extend(role.default_reads.iter().flatten().map(|read| read.name.as_str()));
    home::each(&role.tasks, &mut |common, task| {
        used.extend(common.when_reads.iter().map(|read| read.name.as_str()));
        used.extend(task.into_iter().flat_map(TaskText::all_reads).map(|read| read.name.as_str()));
    });
    used.extend(role.handlers.iter().flat_map(TaskText::all_reads).map(|read| read.name.as_str()));
    let unused = role.inputs.iter().filter(|input| !used.contains(input.name.as_str()) && !words.contains(&input.name));
    for input in unused {
        problems.push(
            Problem::error(input.span, format!("nothing in the role `{}` reads its input `{}`", role.name, input.name))
                .label("never used")
                .help("use it in a task or a template of the role, or remove it"),
        );
    }
}

/// Files that Ansible has and that nobody would read here.
fn elsewhere(reading: &mut Reading<'_>, name: &str, folder: &Path) {
    const OTHER: [(&str, &str); 6] = [
        ("tasks", "move `tasks/main.yml` to `tasks.yml`, in one file"),
        ("handlers", "move `handlers/main.yml` to `handlers.yml`"),
        ("defaults", "declare each of its names in `inputs.yml`, with its type and default"),
        ("vars", "declare each of its names in `inputs.yml`, with its type and default"),
        ("meta", "name the roles in the play, in order or with `needs:`"),
        ("library", "write a `command:` with `creates:` or `unless:`"),
    ];
    const KNOWN: [&str; 5] = ["tasks.yml", "inputs.yml", "handlers.yml", "templates", "files"];
    for entry in reading.list(folder) {
        if let Some((other, help)) = OTHER.iter().find(|(other, _)| *other == entry.name && entry.folder) {
            let what = format!("`{}/{other}` of the role `{name}` is not read", folder.display());
            reading.problems.push(Problem::nowhere(what).help(*help));
        } else if !KNOWN.contains(&entry.name.as_str()) && is_yaml(&entry.name) {
            let what = format!("`{}` is not read", folder.join(&entry.name).display());
            reading.problems.push(
                Problem::nowhere(what)
                    .did_you_mean(&entry.name, KNOWN)
                    .help("a role has `tasks.yml`, `inputs.yml`, `handlers.yml`, `templates/` and `files/`"),
            );
        }
    }
}

fn is_yaml(name: &str) -> bool {
    matches!(Path::new(name).extension().and_then(|extension| extension.to_str()), Some("yml" | "yaml"))
}
