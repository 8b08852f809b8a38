//! The ways to the places of an environment. None is gone before it is needed: a plan of one host connects to one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use crate::engine::{Place, Places, Ways};
use crate::graph::Graph;
use crate::language::program::{Cluster, Connection, Host, Program};
use crate::model::{Fault, FaultKind, PlaceName, Secret, Stream};
use crate::targets::host::link::ShellLink;
use crate::targets::host::{Answer, Link, Output, Privilege, Question, Step};

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
    let hosts = program.environment.hosts.iter().map(|host| Place::Host {
        name: PlaceName::new(&*host.name),
        ways: std::iter::once(Privilege::Login)
            .chain(users.iter().cloned().map(Privilege::Become))
            .map(|privilege| (privilege.clone(), way(host, privilege, password)))
            .collect::<Ways>(),
    });
    let mut places: Vec<Place> = hosts.collect();
    let needed = graph
        .nodes
        .iter()
        .any(|node| node.done_at.map_or_else(|| node.places.contains(&graph.cluster), |at| at == graph.cluster));
    places.push(if needed { cluster(program, root).await? } else { Place::NoCluster });
    Ok(Places::new(places))
}

fn way(host: &Host, privilege: Privilege, password: Option<&Secret>) -> Arc<dyn Link> {
    let connection = host.connection.clone();
    Arc::new(Way { host: host.name.clone(), connection, privilege, password: password.cloned(), link: OnceCell::new() })
}

async fn cluster(program: &Program, root: &Path) -> Result<Place, Fault> {
    let environment = &program.environment;
    match &environment.cluster {
        None => {
            Err(Fault::failed(format!("the environment `{}` has no cluster, but tasks need one", environment.name))
                .help("add `cluster:` to its `environment.yml`"))
        }
        Some(Cluster::From(host)) => Err(not_yet(format!("the kubeconfig cannot be fetched from `{host}`"))
            .help("name a file with `cluster: { kubeconfig: ... }`")),
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

fn not_yet(what: String) -> Fault {
    Fault::new(FaultKind::Unreachable, what).cause("this version of lions does not speak SSH yet")
}

/// A way that is gone when it is first needed.
struct Way {
    host: Arc<str>,
    connection: Connection,
    privilege: Privilege,
    password: Option<Secret>,
    link: OnceCell<ShellLink>,
}

impl Way {
    async fn link(&self) -> Result<&ShellLink, Fault> {
        self.link
            .get_or_try_init(|| async {
                match self.connection {
                    Connection::Local => ShellLink::local(&self.privilege, self.password.clone()).await,
                    Connection::Ssh { .. } => Err(not_yet(format!("`{}` cannot be reached", self.host))
                        .help("`connection: local` in its entry works on this machine")),
                }
            })
            .await
    }
}

impl Link for Way {
    fn ask<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Result<Vec<Result<Answer, Fault>>, Fault>> {
        Box::pin(async move { self.link().await?.ask(questions).await })
    }

    fn perform<'a>(
        &'a self,
        step: &'a Step,
        output: &'a (dyn Fn(Stream, &str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Output>, Fault>> {
        Box::pin(async move { self.link().await?.perform(step, output).await })
    }
}
