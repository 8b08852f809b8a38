//! The ways to the cluster of an environment: a kubeconfig file, the kubeconfig of a server and the API reached through
//! it, or the service account of the pod that this runs in. Asks the API nothing. A cluster whose servers all answer that there
//! is none may be brought up by the plan.

use std::path::Path;
use std::sync::Arc;

use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use super::places::reach;
use super::proxy;
use crate::engine::{Place, ToCluster, Ways};
use crate::language::program::{Cluster, ClusterWay, Host, Program};
use crate::model::{Content, Fault, FaultKind, Halt, PlaceName, Secret};
use crate::targets::cluster::{Absent, ApplySet, LeaseName, Opening, tunnel};
use crate::targets::host::ledger::Owner;
use crate::targets::host::probe::HostPlace;
use crate::targets::host::way::{Reach, Way};
use crate::targets::host::{Link, Privilege};

/// Where k3s writes the kubeconfig of its administrator.
const K3S: &str = "/etc/rancher/k3s/k3s.yaml";
/// What a server of k3s has, and where its settings may name another place for that.
const K3S_DATA: &str = "/var/lib/rancher/k3s/server";
const K3S_SETTINGS: &str = "/etc/rancher/k3s/config.yaml";

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
    let way = match way {
        ClusterWay::Kubeconfig { path, context } => {
            ToCluster::There(from_file(&root.join(path), context.as_deref()).await?)
        }
        ClusterWay::Inside => ToCluster::There(inside()?),
        ClusterWay::From { hosts, path } => {
            from_servers(program, root, hosts, path.as_deref().unwrap_or(K3S), password).await?
        }
    };
    Ok(Place::Cluster { way, lease: Some(lease), set: Some(Box::new(set)) })
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
    let own = own_proxy(&file, context).map(str::parse).transpose().map_err(|error| cannot(&error))?;
    let mut config = Config::from_custom_kubeconfig(file, &options).await.map_err(|error| cannot(&error))?;
    // The library holds `no_proxy` against the address of the proxy, not of the API.
    config.proxy_url = own.or_else(|| proxy::to(&config.cluster_url));
    client(config).map_err(|error| cannot(&error))
}

/// The proxy that the kubeconfig itself names on the way to its cluster.
fn own_proxy<'f>(file: &'f Kubeconfig, context: Option<&str>) -> Option<&'f str> {
    let wanted = context.or(file.current_context.as_deref())?;
    let context = file.contexts.iter().find(|context| context.name == wanted)?.context.as_ref()?;
    let cluster = file.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.as_deref().filter(|own| !own.is_empty())
}

/// The hosts that have the kubeconfig, and the way to each.
struct Servers {
    /// As the environment names them: a group, or one host.
    wanted: String,
    hosts: Vec<(PlaceName, Reach)>,
    path: String,
    password: Option<Secret>,
}

/// The kubeconfig of the first server that has one, and which that is.
///
/// # Errors
/// None has one, or the environment reaches its cluster in another way.
pub(super) async fn kubeconfig(
    program: &Program,
    root: &Path,
    password: Option<&Secret>,
) -> Result<(PlaceName, Kubeconfig), Fault> {
    let environment = &program.environment;
    let Some(Cluster { way: ClusterWay::From { hosts, path }, .. }) = &environment.cluster else {
        return Err(Fault::failed(format!("no server of `{}` is said to have a kubeconfig", environment.name)).help(
            "say in its `environment.yml` which hosts are the servers: `cluster: { kubeconfig_from: k3s_server }`",
        ));
    };
    let servers = Servers::of(program, root, hosts, path.as_deref().unwrap_or(K3S), password)?.0;
    let mut faults = Vec::new();
    for (name, reach) in &servers.hosts {
        match servers.read(&servers.place(name, reach)).await {
            Ok(Ok(text)) => return Ok((name.clone(), parsed(&text, &servers.path)?)),
            Ok(Err(_)) => faults.push(format!("`{name}`: there is no `{}`", servers.path)),
            Err(fault) => faults.push(format!("`{name}`: {fault}")),
        }
    }
    let cause = if faults.is_empty() { "no host belongs to it".to_owned() } else { faults.join("; ") };
    Err(Fault::failed(format!("the kubeconfig cannot be fetched from `{hosts}`")).cause(cause))
}

/// What cannot be read is not quoted: it holds keys.
fn parsed(text: &Content, path: &str) -> Result<Kubeconfig, Fault> {
    let file = std::str::from_utf8(text.bytes()).ok().and_then(|text| Kubeconfig::from_yaml(text).ok());
    file.ok_or_else(|| Fault::failed(format!("`{path}` is no kubeconfig")))
}

/// What a server says of the kubeconfig.
enum Said {
    There(kube::Client),
    /// It has none; does it hold anything of a cluster?
    Missing {
        data: bool,
    },
}

impl Servers {
    /// A client through the first that has it; else why there is none, and whether none holds anything of a cluster.
    ///
    /// # Errors
    /// One of them does not answer, so nobody knows.
    async fn fetch(&self) -> Result<Result<kube::Client, (Fault, bool)>, Fault> {
        let (mut missing, mut faults, mut empty) = (Vec::new(), Vec::new(), true);
        for (name, reach) in &self.hosts {
            match self.ask(name, reach).await {
                Ok(Said::There(client)) => return Ok(Ok(client)),
                Ok(Said::Missing { data }) => {
                    let path = &self.path;
                    missing.push(format!("`{name}`: there is no `{path}`"));
                    empty &= !data;
                }
                Err(fault) => faults.push(format!("`{name}`: {fault}")),
            }
        }
        let (path, unknown) = (&self.path, !faults.is_empty() || self.hosts.is_empty());
        let all: Vec<String> = faults.into_iter().chain(missing).collect();
        let cause = if all.is_empty() { "no host belongs to it".to_owned() } else { all.join("; ") };
        let what = format!("the kubeconfig cannot be fetched from `{}`", self.wanted);
        let fault = Fault::new(FaultKind::Unreachable, what).cause(cause);
        if unknown {
            return Err(fault.help(format!(
                "`{path}` must be there and readable for root (`kubeconfig_path` names another file); or name a local file with `kubeconfig`"
            )));
        }
        let help = format!(
            "let a `k3s` task that makes one of them a server come before this one; or say with `kubeconfig_path` where it is instead of `{path}`, or name a local file with `kubeconfig`"
        );
        Ok(Err((fault.help(help), empty)))
    }

    /// Those that the environment names, and which of its places they are.
    fn of(
        program: &Program,
        root: &Path,
        wanted: &str,
        path: &str,
        password: Option<&Secret>,
    ) -> Result<(Self, Vec<u32>), Fault> {
        let of = |host: &Host| &*host.name == wanted || host.groups.iter().any(|group| **group == *wanted);
        let (mut hosts, mut places) = (Vec::new(), Vec::new());
        for (at, host) in (0..).zip(&program.environment.hosts).filter(|(_, host)| of(host)) {
            hosts.push((PlaceName::new(&*host.name), reach(host, program, root)?));
            places.push(at);
        }
        let (wanted, path, password) = (wanted.to_owned(), path.to_owned(), password.cloned());
        Ok((Self { wanted, hosts, path, password }, places))
    }

    fn place(&self, name: &PlaceName, reach: &Reach) -> HostPlace {
        let way = |privilege: Privilege| -> (Privilege, Arc<dyn Link>) {
            (privilege.clone(), Arc::new(Way::new(reach.clone(), privilege, self.password.clone())))
        };
        let ways: Ways = [way(Privilege::Login), way(Privilege::Become("root".into()))].into_iter().collect();
        HostPlace::new(name.clone(), ways)
    }

    async fn ask(&self, name: &PlaceName, reach: &Reach) -> Result<Said, Fault> {
        let text = match self.read(&self.place(name, reach)).await? {
            Ok(text) => text,
            Err(data) => return Ok(Said::Missing { data }),
        };
        let bad = || Fault::failed(format!("`{}` is no kubeconfig", self.path));
        let file = parsed(&text, &self.path)?;
        let mut config =
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(|_| bad())?;
        // It is this machine, or the one at the end of the tunnel: no proxy lies between.
        config.proxy_url = None;
        let client = match reach {
            Reach::Ssh(connection) => tunnel::through(&config, connection.clone()),
            Reach::Local => client(config),
        };
        client.map(Said::There).map_err(|_| bad())
    }

    /// The kubeconfig; without one, whether anything of a cluster is there.
    async fn read(&self, place: &HostPlace) -> Result<Result<Content, bool>, Fault> {
        let path = self.path.as_str();
        let probe = place.fresh(&Privilege::Login);
        if let Ok(Some(text)) = known(probe.look(probe.content(path)).await, path) {
            return Ok(Ok(text));
        }
        // Root's, as k3s writes it; and only root sees all that may be left of a cluster.
        let probe = place.fresh(&Privilege::Become("root".into()));
        let looks = async { futures::join!(probe.content(path), probe.stat(K3S_DATA), probe.content(K3S_SETTINGS)) };
        let (text, data, settings) = probe.look(looks).await;
        let (data, settings) = (known(data, K3S_DATA)?, known(settings, K3S_SETTINGS)?);
        // Data that lie elsewhere are not looked for: who said where they are has had a cluster.
        let elsewhere = settings.is_some_and(|text| String::from_utf8_lossy(text.bytes()).contains("data-dir"));
        Ok(known(text, path)?.ok_or(data.is_some() || elsewhere))
    }
}

/// From the first server that has it, and through that host; or what stands in for it until a plan has made one a server.
async fn from_servers(
    program: &Program,
    root: &Path,
    wanted: &str,
    path: &str,
    password: Option<&Secret>,
) -> Result<ToCluster, Fault> {
    let (servers, places) = Servers::of(program, root, wanted, path, password)?;
    let servers = Arc::new(servers);
    Ok(match servers.fetch().await? {
        Ok(client) => ToCluster::Through(client, places),
        Err((why, empty)) => {
            let open = move || -> Opening {
                let servers = servers.clone();
                Box::pin(async move { servers.fetch().await?.map_err(|(why, _)| why) })
            };
            ToCluster::Absent(Absent::new(why, empty, open), places)
        }
    })
}

fn known<T>(answer: Result<T, Halt>, path: &str) -> Result<T, Fault> {
    match answer {
        Ok(answer) => Ok(answer),
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
