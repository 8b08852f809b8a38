//! The ways to the places of an environment. None is gone before it is needed: a plan of one host connects to one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::{Place, Places, Ways};
use crate::graph::Graph;
use crate::language::program::{Cluster, Connection, Host, Program};
use crate::model::{Fault, FaultKind, PlaceName, Secret};
use crate::targets::host::way::{Reach, Way};
use crate::targets::host::{Link, Privilege};
use crate::transport::ssh::{self, Destination};

/// All places of `program`, hosts in the order of the inventory, the cluster last.
///
/// # Errors
/// The cluster is needed and there is no way to it.
pub(super) async fn places(
    program: &Program,
    graph: &Graph,
    root: &Path,
    password: Option<&Secret>,
) -> Result<Places, Fault> {
    let users: BTreeSet<Arc<str>> = program.tasks.iter().filter_map(|task| task.become_user.clone()).collect();
    let mut places = Vec::new();
    for host in &program.environment.hosts {
        let reach = reach(host, program, root)?;
        let way = |privilege: Privilege| -> (Privilege, Arc<dyn Link>) {
            (privilege.clone(), Arc::new(Way::new(reach.clone(), privilege, password.cloned())))
        };
        let become_users = users.iter().cloned().map(Privilege::Become);
        let ways: Ways = std::iter::once(Privilege::Login).chain(become_users).map(way).collect();
        places.push(Place::Host { name: PlaceName::new(&*host.name), ways });
    }
    let needed = graph
        .nodes
        .iter()
        .any(|node| node.done_at.map_or_else(|| node.places.contains(&graph.cluster), |at| at == graph.cluster));
    places.push(if needed { cluster(program, root).await? } else { Place::NoCluster });
    Ok(Places::new(places))
}

/// Where `host` is.
///
/// # Errors
/// Its address or user cannot be one.
pub(super) fn reach(host: &Host, program: &Program, root: &Path) -> Result<Reach, Fault> {
    match &host.connection {
        Connection::Local => Ok(Reach::Local),
        Connection::Ssh { address, port, user } => {
            let config = program.environment.ssh_config.as_deref().map(|path| config(root, path)).transpose()?;
            let to = Destination { address: address.clone(), port: *port, user: user.clone(), config };
            Ok(Reach::Ssh(Arc::new(ssh::Connection::new(to)?)))
        }
    }
}

/// An ssh configuration that the inventory names.
fn config(root: &Path, path: &str) -> Result<PathBuf, Fault> {
    let Some(rest) = path.strip_prefix("~/") else { return Ok(root.join(path)) };
    let home = std::env::home_dir().ok_or_else(|| Fault::failed("this user has no home folder").help("set `HOME`"))?;
    Ok(home.join(rest))
}

async fn cluster(program: &Program, root: &Path) -> Result<Place, Fault> {
    let environment = &program.environment;
    match &environment.cluster {
        None => {
            Err(Fault::failed(format!("the environment `{}` has no cluster, but tasks need one", environment.name))
                .help("add `cluster:` to its `environment.yml`"))
        }
        Some(Cluster::From(host)) => {
            Err(Fault::new(FaultKind::Unreachable, format!("the kubeconfig cannot be fetched from `{host}`"))
                .cause("this version of lions does not do that yet")
                .help("name a file with `cluster: { kubeconfig: ... }`"))
        }
        Some(Cluster::Kubeconfig { path, context }) => client(&root.join(path), context.as_deref()).await,
    }
}

async fn client(path: &Path, context: Option<&str>) -> Result<Place, Fault> {
    use kube::config::{Config, KubeConfigOptions, Kubeconfig};
    let cannot = |error: &dyn std::fmt::Display| {
        Fault::failed(format!("the kubeconfig `{}` cannot be used", path.display())).cause(error)
    };
    let file = Kubeconfig::read_from(path).map_err(|error| cannot(&error))?;
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(file, &options).await.map_err(|error| cannot(&error))?;
    // Its own retries go on for a quarter of an hour without a word.
    config.default_retry = false;
    Ok(Place::Cluster(kube::Client::try_from(config).map_err(|error| cannot(&error))?))
}
