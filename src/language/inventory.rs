//! Environments as written: hosts, groups, cluster. Evaluates no value and knows no play.

use std::path::{Path, PathBuf};

use crate::model::PRECIOUS;
use crate::source::{Node, Problem, Problems, Span, Tree};

use super::keys::{self, Keys};
use super::program::{Cluster, ClusterWay, Connection, Environment, Host, HostId};
use super::reading::Reading;
use super::role::RoleText;
use super::setting::{Origin, Setting, settings};
use super::value_files;

/// The folder of all environments.
pub(super) const INVENTORIES: &str = "inventories";

/// An environment as written.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) environment: Environment,
    /// Everything that it sets.
    pub(super) settings: Vec<Setting>,
}

/// The names of all environments of the project.
pub(super) fn names(reading: &mut Reading<'_>) -> Vec<String> {
    let entries = reading.list(Path::new(INVENTORIES));
    entries.into_iter().filter(|entry| entry.folder).map(|entry| entry.name).collect()
}

/// The environment `name`.
pub(super) fn read(reading: &mut Reading<'_>, name: &str, roles: &[RoleText]) -> Option<Inventory> {
    let folder = Path::new(INVENTORIES).join(name);
    let path = folder.join("environment.yml");
    let before = reading.problems.len();
    let Some(node) = reading.document(&path) else {
        if reading.problems.len() == before {
            let known = names(reading);
            let mut problem = Problem::nowhere(format!("there is no environment `{name}`"))
                .help(format!("`{}` does not exist", path.display()))
                .did_you_mean(name, known.iter().map(String::as_str));
            if !known.is_empty() {
                problem = problem.help(format!("environments are `{}`", known.join("`, `")));
            }
            reading.problems.push(problem);
        }
        return None;
    };
    let empty = Node { span: node.span, tree: Tree::Map(Vec::new()) };
    let node = if node.tree == Tree::Null { &empty } else { &node };
    let mut keys = Keys::open(node, "an environment", &mut reading.problems)?;
    let mut inventory = Inventory {
        environment: Environment { name: name.to_owned(), ..Environment::default() },
        settings: Vec::new(),
    };
    let mut of_hosts = Vec::new();
    if let Some(node) = keys.take("hosts") {
        hosts(reading, node, &mut inventory.environment, &mut of_hosts);
    }
    let of_groups = keys.take("groups").map(|node| groups(reading, node, &mut inventory.environment));
    let environment = &mut inventory.environment;
    if let Some(node) = keys.take("become") {
        environment.becomes = keys::flag(node, "`become`", &mut reading.problems).unwrap_or_default();
    }
    environment.ssh_config = keys.take("ssh").and_then(|node| ssh(reading, node, &folder));
    environment.cluster = keys.take("cluster").and_then(|node| cluster(reading, node, environment));
    let all = &mut inventory.settings;
    if let Some(node) = keys.take("vars") {
        settings(reading, node, &Origin::Environment, roles, all);
    }
    let known = value_files::read(reading, &folder.join("values"), roles, all);
    for (group, node) in of_groups.into_iter().flatten() {
        settings(reading, &node, &Origin::Group(group), roles, all);
    }
    for (host, node) in of_hosts {
        settings(reading, &node, &Origin::Host(host), roles, all);
    }
    keys.close(&mut reading.problems);
    // Names that could not be read would all be called unknown.
    known.then_some(inventory)
}

fn hosts(reading: &mut Reading<'_>, node: &Node, environment: &mut Environment, vars: &mut Vec<(HostId, Node)>) {
    if node.tree == Tree::Null {
        return;
    }
    let Tree::Map(entries) = &node.tree else {
        reading.problems.push(
            Problem::error(node.span, format!("`hosts` is a mapping of hosts, not {}", node.kind()))
                .help("write `hosts: { vps-1: { address: 203.0.113.10, groups: [web] } }`"),
        );
        return;
    };
    for ((key, node), id) in entries.iter().zip(0..) {
        let name = key.name.as_str();
        place_name(reading, name, key.span, "a host");
        let empty = Node { span: node.span, tree: Tree::Map(Vec::new()) };
        let node = if node.tree == Tree::Null { &empty } else { node };
        let Some(mut keys) = Keys::open(node, "a host", &mut reading.problems) else { continue };
        let connection = connection(reading, &mut keys, name);
        let groups = keys.take("groups").map(|node| keys::words(node, "`groups`", &mut reading.problems));
        for (group, span) in groups.iter().flatten() {
            place_name(reading, group, *span, "a group");
            environment.groups.entry(group.clone()).or_default().push(id);
        }
        if let Some(node) = keys.take("vars") {
            vars.push((id, node.clone()));
        }
        keys.close(&mut reading.problems);
        environment.hosts.push(Host {
            name: name.into(),
            span: key.span,
            connection,
            groups: groups.into_iter().flatten().map(|(group, _)| group).collect(),
        });
    }
    for host in &environment.hosts {
        if environment.groups.contains_key(&*host.name) {
            reading.problems.push(
                Problem::error(host.span, format!("`{}` is a host and a group", host.name))
                    .label("patterns could not tell them apart")
                    .help("rename one of them"),
            );
        }
    }
}

fn connection(reading: &mut Reading<'_>, keys: &mut Keys<'_>, name: &str) -> Connection {
    let problems = &mut reading.problems;
    let address = keys.take("address").and_then(|node| keys::text(node, "`address`", problems));
    let port = keys.take("port").and_then(|node| {
        let port = keys::count(node, 1, "`port`", problems)?;
        let port = u16::try_from(port).ok();
        if port.is_none() {
            problems.push(Problem::error(node.span, "`port` is a number from 1 to 65535").label("too large"));
        }
        port
    });
    let user = keys.take("user").and_then(|node| keys::text(node, "`user`", problems)).map(str::to_owned);
    if let Some(node) = keys.take("connection") {
        match keys::text(node, "`connection`", problems) {
            Some("local") => {
                for needless in ["address", "port", "user"] {
                    if let Some(span) = keys.key_span(needless) {
                        problems.push(
                            Problem::error(span, format!("`{needless}` with `connection: local`"))
                                .label("never used")
                                .help("leave one of the two out"),
                        );
                    }
                }
                return Connection::Local;
            }
            Some("ssh") | None => {}
            Some(other) => problems.push(
                Problem::error(node.span, format!("unknown connection `{other}`"))
                    .did_you_mean(other, ["local", "ssh"])
                    .help("`local` is this machine; leave it out for SSH"),
            ),
        }
    }
    // Without an address the name is one, or an alias of the ssh configuration. A leading dash would be an option.
    let address = address.unwrap_or(name);
    if address.is_empty() || address.starts_with('-') || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let span = keys.key_span("address");
        let mut problem = Problem::nowhere(format!("`{}` is no address", address.escape_debug()))
            .help("write a name, an IP address or an alias of the ssh configuration");
        problem.span = span;
        problems.push(problem);
    }
    Connection::Ssh { address: address.to_owned(), port, user }
}

/// Names of hosts and groups stand in patterns, addresses of the plan and templates.
fn place_name(reading: &mut Reading<'_>, name: &str, span: Span, what: &str) {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.is_empty() && name.chars().all(fine) && !name.starts_with('-') && name != "all" && name != "cluster" {
        return;
    }
    let why = if matches!(name, "all" | "cluster") { "it is built in" } else { "letters, digits, `_`, `-` and `.`" };
    let mut problem =
        Problem::error(span, format!("`{}` cannot be the name of {what}", name.escape_debug())).label(why);
    if name == "all" {
        problem = problem.help("what holds for all hosts stands in the environment's own `vars:`");
    }
    reading.problems.push(problem);
}

/// Declared groups, and their vars.
fn groups(reading: &mut Reading<'_>, node: &Node, environment: &mut Environment) -> Vec<(String, Node)> {
    if node.tree == Tree::Null {
        return Vec::new();
    }
    let Tree::Map(entries) = &node.tree else {
        reading.problems.push(
            Problem::error(node.span, format!("`groups` is a mapping of groups, not {}", node.kind()))
                .help("write `groups: { web: { vars: { ... } } }`; hosts name their groups themselves"),
        );
        return Vec::new();
    };
    let mut vars = Vec::new();
    for (key, node) in entries {
        place_name(reading, &key.name, key.span, "a group");
        let hosts = environment.groups.entry(key.name.clone()).or_default();
        if hosts.is_empty() {
            let names: Vec<_> = environment.groups.keys().filter(|name| **name != key.name).cloned().collect();
            reading.problems.push(
                Problem::warning(key.span, format!("no host is in the group `{}`", key.name))
                    .label("declared for nobody")
                    .did_you_mean(&key.name, names.iter().map(String::as_str))
                    .help(format!("a host joins it with `groups: [{}]`", key.name)),
            );
        }
        if node.tree == Tree::Null {
            continue;
        }
        let Some(mut keys) = Keys::open(node, "a group", &mut reading.problems) else { continue };
        if let Some(node) = keys.take("vars") {
            vars.push((key.name.clone(), node.clone()));
        }
        if let Some(node) = keys.take("hosts") {
            reading.problems.push(
                Problem::error(keys.key_span("hosts").unwrap_or(node.span), "a group does not list its hosts")
                    .help(format!("write `groups: [{}]` at each host instead", key.name)),
            );
        }
        keys.close(&mut reading.problems);
    }
    vars
}

fn ssh(reading: &mut Reading<'_>, node: &Node, folder: &Path) -> Option<String> {
    let mut keys = Keys::open(node, "`ssh`", &mut reading.problems)?;
    let config = keys.take("config").and_then(|node| {
        let path = keys::text(node, "`config`", &mut reading.problems)?;
        Some((path.to_owned(), node.span))
    });
    keys.close(&mut reading.problems);
    let (path, span) = config?;
    if path.starts_with('/') || path.starts_with("~/") {
        return Some(path);
    }
    // Beside the environment it belongs to, else in the project's folder.
    for candidate in [folder.join(&path), PathBuf::from(&path)] {
        let before = reading.problems.len();
        let there = reading.exists(&candidate);
        if there {
            return Some(candidate.display().to_string());
        }
        if reading.problems.len() > before {
            return None;
        }
    }
    reading.problems.push(
        Problem::error(span, format!("the ssh configuration `{path}` does not exist"))
            .help(format!("it is looked for in `{}` and in the project's folder", folder.display())),
    );
    None
}

/// `allow_delete`: kinds (`Namespace`) and objects (`Secret/shop/db`).
fn allowed(node: &Node, problems: &mut Problems) -> Vec<String> {
    let mut allowed = Vec::new();
    for (word, span) in keys::words(node, "`allow_delete`", problems) {
        let kind = word.split('/').next().unwrap_or_default();
        if PRECIOUS.contains(&kind) {
            allowed.push(word);
        } else {
            problems.push(
                Problem::error(span, format!("`allow_delete` cannot name `{word}`"))
                    .help(format!("it names {}, or one of them: `Secret/shop/db`", PRECIOUS.join(", ")))
                    .did_you_mean(kind, PRECIOUS.iter().copied()),
            );
        }
    }
    allowed
}

fn cluster(reading: &mut Reading<'_>, node: &Node, environment: &Environment) -> Option<Cluster> {
    let mut keys = Keys::open(node, "`cluster`", &mut reading.problems)?;
    let problems = &mut reading.problems;
    let from = keys.take("kubeconfig_from");
    let path = keys.take("kubeconfig").and_then(|node| keys::text(node, "`kubeconfig`", problems));
    let context = keys.take("context").and_then(|node| keys::text(node, "`context`", problems));
    let from_name = from.and_then(|node| keys::text(node, "`kubeconfig_from`", problems));
    let context_span = keys.key_span("context");
    let inside = keys.take("in_cluster").map(|node| (node, node.tree == Tree::Bool(true)));
    let lock_namespace = keys.take("lock_namespace").and_then(|node| keys::text(node, "`lock_namespace`", problems));
    let lock_namespace = lock_namespace.map(str::to_owned);
    let allow_delete = keys.take("allow_delete").map(|node| allowed(node, problems)).unwrap_or_default();
    let there = keys.take("kubeconfig_path").and_then(|node| keys::text(node, "`kubeconfig_path`", problems));
    keys.close(problems);
    if let Some((node, is)) = inside {
        if !is {
            problems.push(Problem::error(node.span, "`in_cluster` is `true` or not there").label("not `true`"));
        } else if from.is_some() || path.is_some() {
            let help = "the service account is the way: keep one of them";
            problems.push(Problem::error(node.span, "`in_cluster` beside another way").help(help));
        }
        return Some(Cluster { way: ClusterWay::Inside, lock_namespace, allow_delete });
    }
    if let (None, Some(span)) = (path, context_span) {
        problems.push(Problem::error(span, "`context` without `kubeconfig`").help("name the file that holds it"));
    }
    if let (Some(from), Some(_)) = (from, path) {
        problems
            .push(Problem::error(from.span, "`kubeconfig` and `kubeconfig_from` together").help("keep one of the two"));
    }
    if let Some(path) = path {
        let way = ClusterWay::Kubeconfig { path: path.to_owned(), context: context.map(str::to_owned) };
        return Some(Cluster { way, lock_namespace, allow_delete });
    }
    let Some(name) = from_name else {
        if from.is_none() {
            problems.push(Problem::error(node.span, "a cluster without a way to it").help(
                "write `kubeconfig_from:` with a group of servers, `kubeconfig:` with a file, or `in_cluster: true`",
            ));
        }
        return None;
    };
    let span = from.map_or(node.span, |node| node.span);
    let hosts = environment.hosts.iter().map(|host| &*host.name);
    let known: Vec<_> = environment.groups.keys().map(String::as_str).chain(hosts).collect();
    if !known.contains(&name) {
        problems.push(
            Problem::error(span, format!("unknown host or group `{name}`"))
                .label("the servers of the cluster are expected")
                .did_you_mean(name, known),
        );
    }
    let way = ClusterWay::From { hosts: name.to_owned(), path: there.map(str::to_owned) };
    Some(Cluster { way, lock_namespace, allow_delete })
}
