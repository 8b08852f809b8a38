//! What can be wished for: one file each, and the one list. A resource looks and says what should be done; it
//! does nothing itself.

mod apt_repository;
mod archive;
mod assert;
mod attributes;
mod authorized_key;
mod block;
mod command;
mod copy;
mod cron;
mod directory;
mod download;
mod editing;
mod exec;
mod facts;
mod file;
mod firewall;
mod folder;
mod fstab;
mod group;
mod helm_chart;
mod hostname;
mod job;
mod k3s;
mod kept;
mod kernel_module;
mod kinds;
mod limits;
mod line;
mod link;
mod linking;
mod manifest;
mod member;
mod mount;
mod mounted;
mod named;
mod names;
mod openpgp;
mod owned;
mod package;
mod path;
mod plain;
mod public_key;
mod reboot;
mod removing;
mod restart;
mod scale;
mod schedule;
mod secret;
mod service;
mod sudoers;
mod swap;
mod sysctl;
mod systemd_unit;
mod template;
mod text;
mod timer;
mod timezone;
mod unit_state;
mod user;
mod wait;
mod wait_for;
mod words;
mod writing;

pub use command::register_of;
pub use k3s::{PROGRAMS as K3S_PROGRAMS, digest as k3s_digest, release as k3s_release};
pub use member::{Terms, makes, member};

use std::fmt::Debug;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::generate::SchemaSettings;

use crate::model::decode::{self, Misfit};
use crate::model::{
    Catalogue, Change, Doc, Fault, Halt, Kind, Patience, Resource, Sort, Target, Thing, Undo, Value, Verdict,
};
use crate::targets::cluster::{self, Cluster, ClusterProbe};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{self, Host};

/// Every resource. A new one is its file, its line here and its folder of cases.
const ALL: &[Registered] = &[
    Registered::of::<apt_repository::AptRepository>(),
    Registered::of::<archive::Archive>(),
    Registered::of::<assert::Assert>(),
    Registered::of::<authorized_key::AuthorizedKey>(),
    Registered::of::<block::Block>(),
    Registered::of::<command::Command>(),
    Registered::of::<copy::Copy>(),
    Registered::of::<cron::Cron>(),
    Registered::of::<directory::Directory>(),
    Registered::of::<download::Download>(),
    Registered::of::<exec::Exec>(),
    Registered::of::<facts::Facts>(),
    Registered::of::<file::File>(),
    Registered::of::<firewall::Firewall>(),
    Registered::of::<group::Group>(),
    Registered::of::<helm_chart::HelmChart>(),
    Registered::of::<hostname::Hostname>(),
    Registered::of::<job::Job>(),
    Registered::of::<k3s::K3s>(),
    Registered::of::<kernel_module::KernelModule>(),
    Registered::of::<limits::Limits>(),
    Registered::of::<line::Line>(),
    Registered::of::<link::Link>(),
    Registered::of::<manifest::Manifest>(),
    Registered::of::<mount::Mount>(),
    Registered::of::<package::Package>(),
    Registered::of::<reboot::Reboot>(),
    Registered::of::<restart::Restart>(),
    Registered::of::<scale::Scale>(),
    Registered::of::<secret::Secret>(),
    Registered::of::<service::Service>(),
    Registered::of::<sudoers::Sudoers>(),
    Registered::of::<swap::Swap>(),
    Registered::of::<sysctl::Sysctl>(),
    Registered::of::<systemd_unit::SystemdUnit>(),
    Registered::of::<template::Template>(),
    Registered::of::<timer::Timer>(),
    Registered::of::<timezone::Timezone>(),
    Registered::of::<user::User>(),
    Registered::of::<wait::Wait>(),
    Registered::of::<wait_for::WaitFor>(),
];

/// One write, on a host or on the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// On a host.
    Host(host::Step),
    /// On the cluster.
    Cluster(cluster::Step),
}

/// What can be asked, on a host or on the cluster.
#[derive(Clone, Copy, Debug)]
pub enum Probe<'a> {
    /// On a host.
    Host(&'a HostProbe),
    /// On the cluster.
    Cluster(&'a ClusterProbe),
}

/// A task's resource with its parameters: [`Resource`] for those who do not know which one it is.
pub trait Planned: Debug + Send + Sync {
    /// Its key in a task.
    fn name(&self) -> &'static str;
    /// Where it lives.
    fn sort(&self) -> Sort;
    /// What it keeps on its place.
    fn things(&self) -> Vec<Thing>;
    /// What takes away what it made.
    fn undo(&self) -> Option<Undo>;
    /// Looks, so that the answers are there when [`Self::judge`] wants them. What goes wrong comes again there.
    fn look<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, ()>;
    /// Looks, and says what would differ.
    fn judge<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, Result<Verdict<Step>, Halt>>;
    /// Looks once: what is not ready yet for those who need it, although nothing differs.
    fn unready<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, Result<Option<String>, Halt>>;
    /// Looks until what was applied is ready for those who need it, or until it is sure that it will not be.
    fn settle<'a>(&'a self, probe: Probe<'a>, patience: &'a Patience<'a>) -> BoxFuture<'a, Result<(), Fault>>;
}

/// A target whose probe and steps are among [`Probe`] and [`Step`].
trait Reached: Target {
    fn probe(probe: Probe<'_>) -> Option<&Self::Probe>;
    fn step(step: Self::Step) -> Step;
}

impl Reached for Host {
    fn probe(probe: Probe<'_>) -> Option<&HostProbe> {
        match probe {
            Probe::Host(probe) => Some(probe),
            Probe::Cluster(_) => None,
        }
    }
    fn step(step: host::Step) -> Step {
        Step::Host(step)
    }
}

impl Reached for Cluster {
    fn probe(probe: Probe<'_>) -> Option<&ClusterProbe> {
        match probe {
            Probe::Cluster(probe) => Some(probe),
            Probe::Host(_) => None,
        }
    }
    fn step(step: cluster::Step) -> Step {
        Step::Cluster(step)
    }
}

fn probe_of<R: Resource>(probe: Probe<'_>) -> Result<&<R::Target as Target>::Probe, Fault>
where
    R::Target: Reached,
{
    R::Target::probe(probe).ok_or_else(|| {
        Fault::failed(format!("`{}` was asked of a place of another sort", R::NAME))
            .help("this is a defect of lions: report it")
    })
}

async fn read<R: Resource>(resource: &R, probe: Probe<'_>) -> Result<R::State, Halt>
where
    R::Target: Reached,
{
    resource.read(probe_of::<R>(probe)?).await
}

impl<R: Resource> Planned for R
where
    R::Target: Reached,
{
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn sort(&self) -> Sort {
        R::Target::SORT
    }

    fn things(&self) -> Vec<Thing> {
        Resource::things(self)
    }

    fn undo(&self) -> Option<Undo> {
        Resource::undo(self)
    }

    fn look<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, ()> {
        read(self, probe).map(drop).boxed()
    }

    fn judge<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, Result<Verdict<Step>, Halt>> {
        let judge = async move {
            Ok(match self.plan(&read(self, probe).await?)? {
                Verdict::Right { why, yields } => Verdict::Right { why, yields },
                Verdict::Change(Change { action, fields, steps, yields }) => {
                    let steps = steps.into_iter().map(R::Target::step).collect();
                    Verdict::Change(Change { action, fields, steps, yields })
                }
            })
        };
        judge.boxed()
    }

    fn unready<'a>(&'a self, probe: Probe<'a>) -> BoxFuture<'a, Result<Option<String>, Halt>> {
        async move { Resource::unready(self, probe_of::<R>(probe)?).await }.boxed()
    }

    fn settle<'a>(&'a self, probe: Probe<'a>, patience: &'a Patience<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        async move { Resource::settle(self, probe_of::<R>(probe)?, patience).await }.boxed()
    }
}

/// A resource of the list, its type forgotten.
struct Registered {
    name: &'static str,
    doc: Doc,
    sort: Sort,
    schema: fn() -> serde_json::Value,
    decode: fn(&Value) -> Result<Box<dyn Planned>, Misfit>,
    check: fn(&Value) -> Vec<Misfit>,
}

impl Registered {
    const fn of<R: Resource>() -> Self
    where
        R::Target: Reached,
    {
        Self {
            name: R::NAME,
            doc: R::DOC,
            sort: <R::Target as Target>::SORT,
            schema: schema::<R>,
            decode: boxed::<R>,
            check: check::<R>,
        }
    }
}

fn schema<R: Resource>() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<R>();
    schema.remove("$schema");
    schema.remove("title");
    let mut schema = schema.to_value();
    if let Some(schema) = schema.as_object_mut() {
        // A resource without parameters says so.
        schema.entry("properties").or_insert_with(|| serde_json::json!({}));
        accept_aliases(schema);
    }
    schema
}

/// The keyword by which a parameter says under which other names it goes: serde takes them, schemars does not see.
const ALIASES: &str = "x-lions-aliases";

fn accept_aliases(schema: &mut serde_json::Map<String, serde_json::Value>) {
    let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) else { return };
    let mut known = Vec::new();
    for (name, property) in properties.iter_mut() {
        let aliases = property.as_object_mut().and_then(|property| property.remove(ALIASES));
        let aliases = aliases.as_ref().and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        known.extend(aliases.iter().filter_map(|alias| alias.as_str()).map(|alias| (name.clone(), alias.to_owned())));
    }
    let mut one_of = Vec::new();
    for (name, alias) in known {
        if let Some(mut property) = properties.get(&name).cloned() {
            property["description"] = format!("Another name of `{name}`.").into();
            properties.insert(alias.clone(), property);
        }
        one_of.push((name, alias));
    }
    let Some(required) = schema.get_mut("required").and_then(serde_json::Value::as_array_mut) else { return };
    let mut either = Vec::new();
    for (name, alias) in one_of {
        if required.contains(&name.as_str().into()) {
            required.retain(|required| *required != name.as_str());
            either.push(serde_json::json!({ "oneOf": [{ "required": [name] }, { "required": [alias] }] }));
        }
    }
    if !either.is_empty() {
        schema.insert("allOf".to_owned(), either.into());
    }
}

fn boxed<R: Resource>(params: &Value) -> Result<Box<dyn Planned>, Misfit>
where
    R::Target: Reached,
{
    let resource: R = decode::decode(params)?;
    match resource.check().into_iter().next() {
        None => Ok(Box::new(resource)),
        Some(misfit) => Err(misfit),
    }
}

/// All misfits: a parameter that does not fit is taken out, and the rest is looked at again.
fn check<R: Resource>(params: &Value) -> Vec<Misfit> {
    let mut params = params.clone();
    let mut taken: Vec<String> = Vec::new();
    let mut misfits = Vec::new();
    loop {
        let misfit = match decode::decode::<R>(&params) {
            Ok(resource) if taken.is_empty() => return resource.check(),
            Ok(_) => return misfits,
            Err(misfit) => misfit,
        };
        let key = misfit.path.first().cloned();
        // What was taken out is not missing.
        let follows = key.is_none() && taken.iter().any(|key| misfit.why.contains(&format!("`{key}`")));
        if misfit.unknown.is_none() && !follows {
            misfits.push(misfit);
        }
        let (Some(key), Value::Map(map)) = (key, &mut params) else { return misfits };
        if map.shift_remove(&key).is_none() {
            return misfits;
        }
        taken.push(key);
    }
}

/// The resource `name` with its rendered parameters. A misfit with `unknown` set makes the task *later*.
///
/// # Errors
/// The first parameter that does not fit.
pub fn decode(name: &str, params: &Value) -> Result<Box<dyn Planned>, Misfit> {
    match ALL.iter().find(|kind| kind.name == name) {
        Some(kind) => (kind.decode)(params),
        None => Err(Misfit::new("", format!("there is no resource `{name}`"))),
    }
}

/// All resources, described.
#[must_use]
pub fn catalogue() -> Catalogue {
    Catalogue::new(ALL.iter().map(|kind| Kind {
        name: kind.name,
        doc: kind.doc,
        sort: kind.sort,
        schema: (kind.schema)(),
        check: kind.check,
    }))
}
