//! The way in: a project's files to a program, or everything that is wrong with them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Catalogue, Map, Value};
use crate::source::{Problem, Problems, Sources};

use super::files::Files;
use super::inventory::{self, Inventory};
use super::playbook::{self, PlayText};
use super::program::{Environment, HostId, Program};
use super::reading::Reading;
use super::resolve::{self, Resolver};
use super::role::{self, RoleText};
use super::task::{StepText, TaskText};
use super::values::{self, Values};
use super::{check, home, needs, setting};

/// The playbook that runs when none is named.
pub const DEFAULT_PLAYBOOK: &str = "playbooks/site.yml";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The environment; may be left out when the project has only one.
    pub environment: Option<String>,
    /// The playbook, relative to the project; [`DEFAULT_PLAYBOOK`] when none is named.
    pub playbook: Option<PathBuf>,
    /// `--set name=value`, in the order given.
    pub set: Vec<(String, String)>,
    /// `--component`: `--set storage=20Gi` then means `--set component.storage=20Gi`.
    pub component: Option<String>,
}

/// A program, and the texts that it points into.
#[derive(Debug)]
pub struct Loaded {
    /// The program.
    pub program: Program,
    /// Every text that was read.
    pub sources: Sources,
    /// What is worth saying, but stops nothing.
    pub warnings: Problems,
}

/// Everything that is wrong, and the texts that it points into.
#[derive(Debug)]
pub struct Failure {
    /// Every text that was read.
    pub sources: Sources,
    /// All problems, warnings included.
    pub problems: Problems,
}

/// A project that was looked at for one environment or all of them.
#[derive(Debug)]
pub struct Checked {
    /// A program for every environment that could be read.
    pub programs: Vec<Program>,
    /// Every text that was read.
    pub sources: Sources,
    /// Everything that is wrong or worth saying.
    pub problems: Problems,
}

/// Reads the project and resolves `wanted` to a program.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load(files: &Files, wanted: &Wanted, catalogue: &Catalogue) -> Result<Loaded, Box<Failure>> {
    let mut reading = Reading::new(files, catalogue);
    let text = read_text(&mut reading, wanted, false);
    let program = environment(&mut reading, wanted).and_then(|name| program(&mut reading, wanted, &text, &name));
    let Reading { sources, problems, .. } = reading;
    match program {
        Some(program) if !problems.has_errors() => Ok(Loaded { program, sources, warnings: problems }),
        _ => Err(Box::new(Failure { sources, problems })),
    }
}

/// Everything that is wrong with the project: for the environment that is wanted, or for all of them; with none, as far
/// as the text of playbooks and roles tells.
#[must_use]
pub fn validate(files: &Files, wanted: &Wanted, catalogue: &Catalogue) -> Checked {
    let mut reading = Reading::new(files, catalogue);
    reading.names_only = true;
    let text = read_text(&mut reading, wanted, wanted.playbook.is_none());
    let names = match &wanted.environment {
        Some(name) => vec![name.clone()],
        None => inventory::names(&mut reading),
    };
    let programs = names.iter().filter_map(|name| program(&mut reading, wanted, &text, name)).collect();
    let Reading { sources, problems, .. } = reading;
    Checked { programs, sources, problems }
}

/// The text of a project, as far as it does not depend on an environment.
struct Text {
    roles: Vec<RoleText>,
    plays: Vec<PlayText>,
    /// Every name that anything in the project reads.
    used: BTreeSet<String>,
}

fn program(reading: &mut Reading<'_>, wanted: &Wanted, text: &Text, environment: &str) -> Option<Program> {
    let inventory = inventory::read(reading, environment, &text.roles)?;
    Some(resolve(reading, wanted, text, inventory))
}

/// The environment that is meant, when none is named.
fn environment(reading: &mut Reading<'_>, wanted: &Wanted) -> Option<String> {
    if let Some(name) = &wanted.environment {
        return Some(name.clone());
    }
    let names = inventory::names(reading);
    match names.as_slice() {
        [only] => Some(only.clone()),
        [] => {
            reading.problems.push(
                Problem::nowhere("the project has no environment")
                    .help("write `inventories/NAME/environment.yml` with `hosts:`; `lions init` shows one"),
            );
            None
        }
        names => {
            reading.problems.push(
                Problem::nowhere("which environment?").help(format!("name one with `--env`: `{}`", names.join("`, `"))),
            );
            None
        }
    }
}

/// `others`: is what is wrong in other playbooks of interest?
fn read_text(reading: &mut Reading<'_>, wanted: &Wanted, others: bool) -> Text {
    let roles = role::read_all(reading);
    let playbook_path = wanted.playbook.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PLAYBOOK));
    let project_templates = reading.all_templates(Path::new(""));
    let plays = playbook::read(reading, &playbook_path).unwrap_or_default();
    home::twice(plays.iter().map(|play| (play.common.name.as_str(), play.common.span)), &mut reading.problems);
    for play in &plays {
        home::check_play(play, &reading.broken, &mut reading.problems);
    }
    let mut used: BTreeSet<String> = project_templates.into_iter().map(|read| read.name).collect();
    for play in &plays {
        used_by_play(play, &mut used);
    }
    // Other playbooks always count for what is used.
    let own = reading.problems.clone();
    for path in playbook::all(reading).into_iter().filter(|path| *path != playbook_path) {
        for play in playbook::read(reading, &path).unwrap_or_default() {
            used_by_play(&play, &mut used);
            home::check_play(&play, &reading.broken, &mut reading.problems);
        }
    }
    if !others {
        reading.problems = own;
    }
    for role in &roles {
        used.extend(role.default_reads.iter().flatten().chain(&role.template_reads).map(|read| read.name.clone()));
        used_by_steps(&role.tasks, &mut used);
        used.extend(role.handlers.iter().flat_map(TaskText::all_reads).map(|read| read.name.clone()));
    }
    reading.files_for_lookup(Path::new(""));
    for role in &roles {
        reading.files_for_lookup(&role.folder);
    }
    Text { roles, plays, used }
}

fn used_by_play(play: &PlayText, used: &mut BTreeSet<String>) {
    used.extend(play.common.when_reads.iter().map(|read| read.name.clone()));
    for role in &play.roles {
        used.extend(role.common.when_reads.iter().chain(&role.with_reads).map(|read| read.name.clone()));
    }
    used_by_steps(&play.tasks, used);
    play.rollout.iter().for_each(|rollout| used_by_steps(&rollout.between, used));
    used.extend(play.handlers.iter().flat_map(TaskText::all_reads).map(|read| read.name.clone()));
}

fn used_by_steps(steps: &[StepText], used: &mut BTreeSet<String>) {
    home::each(steps, &mut |common, task| {
        used.extend(common.when_reads.iter().map(|read| read.name.clone()));
        used.extend(task.into_iter().flat_map(TaskText::all_reads).map(|read| read.name.clone()));
    });
}

fn resolve(reading: &mut Reading<'_>, wanted: &Wanted, text: &Text, inventory: Inventory) -> Program {
    let Inventory { environment, mut settings } = inventory;
    setting::twice(&settings, &mut reading.problems);
    let component = wanted.component.as_deref().and_then(|component| role_of_component(text, component));
    let is_var = |name: &str| settings.iter().any(|setting| setting.role.is_none() && setting.name == name);
    let set = setting::from_command_line(reading, wanted, component, &text.roles, &is_var);
    settings.extend(set);
    let mut used = text.used.clone();
    used.extend(settings.iter().flat_map(|setting| &setting.layer.reads).map(|read| read.name.clone()));
    used.extend(reading.words.iter().cloned());
    let reads_facts = settings.iter().flat_map(|setting| &setting.layer.reads).any(|read| read.facts)
        || text.roles.iter().flat_map(|role| role.default_reads.iter().flatten()).any(|read| read.facts);

    let mut next = 0;
    let (vars, layers) = values::bind(settings, &mut next);
    let mut program = Program { environment, ..Program::default() };
    program.values = Values {
        templates: reading.templates.clone(),
        sources: reading.sources.clone(),
        files: reading.loaded.clone(),
        marked: reading.marked.clone(),
        vars,
        scopes: vec![resolve::play_scope()],
        groups: Arc::new(groups(&program.environment)),
        hosts: program.environment.hosts.iter().map(|host| host.name.clone()).zip(0..).collect(),
        reads_facts,
        broken: reading.broken.clone(),
        ..Values::default()
    };
    let problems = &mut reading.problems;
    let mut wrong = BTreeSet::new();
    let mut resolver = Resolver {
        program: &mut program,
        roles: &text.roles,
        layers: &layers,
        problems,
        next: &mut next,
        wrong: &mut wrong,
    };
    text.plays.iter().for_each(|play| resolver.play(play));
    // Roles that no play uses have values too: for `trace`, and for names that are there twice.
    for role in &text.roles {
        if !program.values.scopes.iter().any(|scope| scope.role.as_ref() == Some(&role.name)) {
            program.values.scopes.push(resolve::base_scope(role, &layers, &mut next));
        }
    }
    needs::check(&program, problems);
    check::literals(&program, problems);
    check::vars(&program, problems);
    check::shadowed(&program, problems);
    let roles: Vec<&str> = text.roles.iter().map(|role| role.name.as_str()).collect();
    check::unused(&program, &used, &roles, problems);
    check::tasks(&program, reading.catalogue, &wrong, problems);
    program
}

/// `groups`, as templates see it.
fn groups(environment: &Environment) -> Value {
    let name = |id: &HostId| environment.hosts.get(*id as usize).map(|host| Value::Text(host.name.clone()));
    let mut groups: Map = environment
        .groups
        .iter()
        .map(|(group, hosts)| (group.clone(), Value::List(hosts.iter().filter_map(name).collect())))
        .collect();
    let all = environment.hosts.iter().map(|host| Value::Text(host.name.clone())).collect();
    groups.insert("all".to_owned(), Value::List(all));
    Value::Map(groups)
}

/// The role that `--component` means: its own name, or that under which a play uses it.
fn role_of_component<'t>(text: &'t Text, component: &str) -> Option<&'t str> {
    let mut used = text.plays.iter().flat_map(|play| &play.roles);
    let last = component.rsplit('/').next().unwrap_or(component);
    used.find(|role| role.common.name == last)
        .map(|role| role.role.as_str())
        .or_else(|| text.roles.iter().map(|role| role.name.as_str()).find(|name| *name == last))
}
