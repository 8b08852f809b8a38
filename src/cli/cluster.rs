//! The ways to the cluster of an environment: a kubeconfig file, the kubeconfig of a server and the API reached through
//! it, or the service account of the pod that this runs in. Asks the API nothing.

use std::path::Path;

use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use crate::engine::Place;
use crate::language::program::{Cluster, ClusterWay, Program};
use crate::model::{Fault, FaultKind};
use crate::targets::cluster::LeaseName;

/// The cluster of the environment of `program`.
///
/// # Errors
/// There is none, or no way to it.
pub(super) async fn place(program: &Program, root: &Path) -> Result<Place, Fault> {
    let environment = &program.environment;
    let Some(Cluster { way, lock_namespace }) = &environment.cluster else {
        return Err(Fault::failed(format!(
            "the environment `{}` has no cluster, but tasks need one",
            environment.name
        ))
        .help("add `cluster:` to its `environment.yml`"));
    };
    let lease = Some(LeaseName::of(&environment.name, lock_namespace.as_deref()));
    let client = match way {
        ClusterWay::Kubeconfig { path, context } => from_file(&root.join(path), context.as_deref()).await?,
        ClusterWay::Inside => inside()?,
        ClusterWay::From { hosts, .. } => {
            return Err(Fault::new(FaultKind::Unreachable, format!("the kubeconfig cannot be fetched from `{hosts}`"))
                .cause("this version of lions does not do that yet")
                .help("name a file with `cluster: { kubeconfig: ... }`"));
        }
    };
    Ok(Place::Cluster { client, lease })
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
