//! What names mean: the layers of every input and var, and the files of the project. `view` evaluates them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::Value;
use crate::source::{FileId, Sources};

use super::input::Input;
use super::params::Marked;
use super::program::{Host, HostId};
use super::resolve::RoleLayers;
use super::setting::{Layer, Origin, Setting};
use super::template::Templates;

/// Inputs, vars, templates and files that the tasks of a program see.
pub struct Values {
    pub(super) templates: Arc<Templates>,
    /// The texts, to point into them.
    pub(super) sources: Sources,
    pub(super) files: BTreeMap<PathBuf, ProjectFile>,
    pub(super) marked: BTreeMap<&'static str, Vec<Marked>>,
    pub(super) vars: BTreeMap<String, Binding>,
    pub(super) scopes: Vec<Scope>,
    /// `groups`, made once.
    pub(super) groups: Arc<Value>,
    pub(super) hosts: HashMap<Arc<str>, HostId>,
    pub(super) reads_facts: bool,
    /// Names of tasks that could not be understood; none in a program that is right.
    pub(super) broken: BTreeSet<String>,
    pub(super) memo: RwLock<HashMap<(u32, Option<HostId>), Evaluated>>,
}

/// A file of `files/` or `templates/`.
#[derive(Clone, Debug)]
pub(super) struct ProjectFile {
    pub(super) bytes: Arc<[u8]>,
    /// Its text, for a template.
    pub(super) file: Option<FileId>,
}

/// What tasks of one role where a play names it see: its inputs, and where its files lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// `play/role`, where a play uses it.
    pub(super) at: Option<String>,
    pub(super) role: Option<String>,
    pub(super) folder: PathBuf,
    pub(super) inputs: BTreeMap<String, Binding>,
}

/// A name and everything that sets it.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// Unique in the program.
    pub(super) id: u32,
    pub(super) name: String,
    /// Its declaration, if it is an input.
    pub(super) input: Option<Arc<Input>>,
    pub(super) default: Option<Arc<Layer>>,
    pub(super) environment: Option<Arc<Layer>>,
    pub(super) groups: BTreeMap<String, Arc<Layer>>,
    pub(super) hosts: BTreeMap<HostId, Arc<Layer>>,
    pub(super) with: Option<Arc<Layer>>,
    pub(super) set: Option<Arc<Layer>>,
}

/// A value, and on what it depends.
#[derive(Clone, Debug)]
pub(super) struct Evaluated {
    pub(super) value: Arc<Value>,
    /// It can differ between hosts.
    pub(super) varies: bool,
    /// It can differ between moments: it read facts.
    pub(super) live: bool,
}

impl Binding {
    pub(super) fn new(id: u32, name: &str, input: Option<Arc<Input>>) -> Self {
        Self {
            id,
            name: name.to_owned(),
            input,
            default: None,
            environment: None,
            groups: BTreeMap::new(),
            hosts: BTreeMap::new(),
            with: None,
            set: None,
        }
    }

    /// Puts `layer` where its origin says.
    pub(super) fn put(&mut self, layer: Arc<Layer>) {
        match layer.origin.clone() {
            Origin::Default => self.default = Some(layer),
            Origin::Environment => self.environment = Some(layer),
            Origin::Group(group) => drop(self.groups.insert(group, layer)),
            Origin::Host(host) => drop(self.hosts.insert(host, layer)),
            Origin::With => self.with = Some(layer),
            Origin::Set => self.set = Some(layer),
        }
    }

    /// Every layer that `host` (or the cluster) could see, in rising order: the last one holds.
    pub(super) fn layers(&self, host: Option<(HostId, &Host)>) -> Vec<&Arc<Layer>> {
        let mut layers: Vec<&Arc<Layer>> = self.default.iter().chain(&self.environment).collect();
        if let Some((id, host)) = host {
            layers.extend(host.groups.iter().filter_map(|group| self.groups.get(group)));
            layers.extend(self.hosts.get(&id));
        }
        layers.extend(self.with.iter().chain(&self.set));
        layers
    }

    /// The layer that holds for `host` (or the cluster).
    pub(super) fn layer(&self, host: Option<(HostId, &Host)>) -> Option<&Arc<Layer>> {
        if let Some(high) = self.set.as_ref().or(self.with.as_ref()) {
            return Some(high);
        }
        let own = host.and_then(|(id, host)| {
            self.hosts.get(&id).or_else(|| host.groups.iter().rev().find_map(|group| self.groups.get(group)))
        });
        own.or(self.environment.as_ref()).or(self.default.as_ref())
    }

    /// Every layer, whoever sees it, in rising order.
    pub(super) fn layers_anywhere(&self) -> impl Iterator<Item = &Arc<Layer>> {
        let own = self.default.iter().chain(&self.environment).chain(self.groups.values()).chain(self.hosts.values());
        own.chain(&self.with).chain(&self.set)
    }

    /// Is it set by a group or a host, and by nothing above them?
    pub(super) fn differs(&self) -> bool {
        (!self.groups.is_empty() || !self.hosts.is_empty()) && self.with.is_none() && self.set.is_none()
    }
}

impl Values {
    /// The value of the binding `id` at `host` (or the cluster), if it was made before.
    pub(super) fn remembered(&self, id: u32, host: Option<HostId>) -> Option<Evaluated> {
        let memo = self.memo.read().unwrap_or_else(PoisonError::into_inner);
        // What does not vary was kept for all under no host.
        let shared = memo.get(&(id, None)).filter(|value| host.is_none() || !value.varies);
        shared.or_else(|| host.and_then(|host| memo.get(&(id, Some(host))))).cloned()
    }

    /// Keeps it, unless it can differ between moments.
    pub(super) fn remember(&self, id: u32, host: Option<HostId>, value: &Evaluated) {
        if value.live {
            return;
        }
        let host = host.filter(|_| value.varies);
        self.memo.write().unwrap_or_else(PoisonError::into_inner).insert((id, host), value.clone());
    }
}

/// Bindings of `settings`: vars, and by role the layers of its inputs.
pub(super) fn bind(settings: Vec<Setting>, next: &mut u32) -> (BTreeMap<String, Binding>, RoleLayers) {
    let mut vars = BTreeMap::new();
    let mut of_roles = RoleLayers::new();
    for setting in settings {
        if let Some(role) = setting.role {
            of_roles.entry(role).or_default().push((setting.name, Arc::new(setting.layer)));
            continue;
        }
        let binding = vars.entry(setting.name).or_insert_with_key(|name: &String| {
            *next += 1;
            Binding::new(*next, name, None)
        });
        binding.put(Arc::new(setting.layer));
    }
    (vars, of_roles)
}

impl Default for Values {
    fn default() -> Self {
        Self {
            templates: Arc::new(Templates::new(|_, _| Ok(None))),
            sources: Sources::default(),
            files: BTreeMap::new(),
            marked: BTreeMap::new(),
            vars: BTreeMap::new(),
            scopes: Vec::new(),
            groups: Arc::new(Value::Null),
            hosts: HashMap::new(),
            reads_facts: false,
            broken: BTreeSet::new(),
            memo: RwLock::default(),
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Values({} vars, {} scopes)", self.vars.len(), self.scopes.len())
    }
}
