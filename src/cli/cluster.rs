//! The ways to the cluster of an environment: a kubeconfig file, the kubeconfig of a server and the API reached through
//! it, or the service account of the pod that this runs in. Asks the API nothing.

use std::path::Path;
use std::sync::Arc;

use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use super::places::reach;
use crate::engine::{Place, Ways};
use crate::language::program::{Cluster, ClusterWay, Host, Program};
use crate::model::{Content, Fault, FaultKind, Halt, PlaceName, Secret};
use crate::targets::cluster::{ApplySet, LeaseName, tunnel};
use crate::targets::host::ledger::Owner;
use crate::targets::host::probe::HostPlace;
use crate::targets::host::way::{Reach, Way};
use crate::targets::host::{Link, Privilege};

/// Where k3s writes the kubeconfig of its administrator.
const K3S: &str = "/etc/rancher/k3s/k3s.yaml";

/// The cluster of the environment of `program`.
///
/// # Errors
/// There is none, or no way to it.
pub(super) async fn place(
    program: &Program,
    root: &Path,
    owner: &Owner,
    password: Option<&Secret>,
) -> Result<Place, Fault> {
    let environment = &program.environment;
    let Some(Cluster { way, lock_namespace, .. }) = &environment.cluster else {
        return Err(Fault::failed(format!(
            "the environment `{}` has no cluster, but tasks need one",
            environment.name
        ))
        .help("add `cluster:` to its `environment.yml`"));
    };
    let lease = LeaseName::of(&environment.name, lock_namespace.as_deref());
    let set = ApplySet::of(owner, &lease.namespace);
    let client = match way {
        ClusterWay::Kubeconfig { path, context } => from_file(&root.join(path), context.as_deref()).await?,
        ClusterWay::Inside => inside()?,
        ClusterWay::From { hosts, path } => {
            from_hosts(program, root, hosts, path.as_deref().unwrap_or(K3S), password).await?
        }
    };
    Ok(Place::Cluster { client, lease: Some(lease), set: Some(Box::new(set)) })
}

async fn from_file(path: &Path, context: Option<&str>) -> Result<kube::Client, Fault> {
    let cannot = |error: &dyn std::fmt::Display| {
        Fault::failed(format!("the kubeconfig `{}` cannot be used", path.display())).cause(error)
    };
    let file = Kubeconfig::read_from(path).map_err(|error| cannot(&error))?;
    if let Some(wanted) = context
        && !file.contexts.iter().any(|context| context.name == wanted)
    {
        let names: Vec<_> = file.contexts.iter().map(|context| format!("`{}`", context.name)).collect();
        return Err(cannot(&format!("it has no context `{wanted}`")).help(format!("it has {}", names.join(", "))));
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(file, &options).await.map_err(|error| cannot(&error))?;
    client(config).map_err(|error| cannot(&error))
}

/// From the first host of `wanted` (a group, or one host) that has it, and through that host.
async fn from_hosts(
    program: &Program,
    root: &Path,
    wanted: &str,
    path: &str,
    password: Option<&Secret>,
) -> Result<kube::Client, Fault> {
    let mut faults: Vec<String> = Vec::new();
    let hosts = &program.environment.hosts;
    for host in hosts.iter().filter(|host| &*host.name == wanted || host.groups.iter().any(|group| **group == *wanted))
    {
        match from_host(host, program, root, path, password).await {
            Ok(client) => return Ok(client),
            Err(fault) => faults.push(format!("`{}`: {fault}", host.name)),
        }
    }
    let what = format!("the kubeconfig cannot be fetched from `{wanted}`");
    let cause = if faults.is_empty() { "no host belongs to it".to_owned() } else { faults.join("; ") };
    Err(Fault::new(FaultKind::Unreachable, what).cause(cause).help(format!(
        "`{path}` must be there and readable for root (`kubeconfig_path` names another file); or name a local file with `kubeconfig`"
    )))
}

async fn from_host(
    host: &Host,
    program: &Program,
    root: &Path,
    path: &str,
    password: Option<&Secret>,
) -> Result<kube::Client, Fault> {
    let reach = reach(host, program, root)?;
    let as_root = Privilege::Become("root".into());
    let way = |privilege: Privilege| -> (Privilege, Arc<dyn Link>) {
        (privilege.clone(), Arc::new(Way::new(reach.clone(), privilege, password.cloned())))
    };
    let ways: Ways = [way(Privilege::Login), way(as_root.clone())].into_iter().collect();
    let place = HostPlace::new(PlaceName::new(&*host.name), ways);
    let text = match text(&place, path, &Privilege::Login).await {
        Ok(text) => Ok(text),
        // Root's, as k3s writes it.
        Err(_) => text(&place, path, &as_root).await,
    }?;
    let Some(text) = text else { return Err(Fault::failed(format!("there is no `{path}`"))) };
    // What cannot be read is not quoted: it holds keys.
    let bad = || Fault::failed(format!("`{path}` is no kubeconfig"));
    let text = std::str::from_utf8(text.bytes()).map_err(|_| bad())?;
    let file = Kubeconfig::from_yaml(text).map_err(|_| bad())?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(|_| bad())?;
    let Reach::Ssh(connection) = &reach else { return client(config).map_err(|_| bad()) };
    tunnel::through(&config, connection.clone()).map_err(|_| bad())
}

async fn text(place: &HostPlace, path: &str, privilege: &Privilege) -> Result<Option<Content>, Fault> {
    let probe = place.fresh(privilege);
    match probe.look(probe.content(path)).await {
        Ok(text) => Ok(text),
        Err(Halt::Fault(fault)) => Err(fault),
        Err(Halt::Later(after)) => Err(Fault::failed(format!("`{path}` is not known {after}"))),
    }
}

fn inside() -> Result<kube::Client, Fault> {
    let cannot = |error: &dyn std::fmt::Display| {
        Fault::failed("the service account of this pod cannot be used")
            .cause(error)
            .help("`in_cluster: true` is for a pod, with its token mounted; elsewhere name a `kubeconfig`")
    };
    let config = Config::incluster().map_err(|error| cannot(&error))?;
    client(config).map_err(|error| cannot(&error))
}

fn client(mut config: Config) -> Result<kube::Client, kube::Error> {
    // Its own retries go on for a quarter of an hour without a word.
    config.default_retry = false;
    kube::Client::try_from(config)
}
