//! The ways to the places of an environment. None is gone before it is needed: a plan of one host connects to one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cluster;
use crate::engine::{Place, Places, Ways};
use crate::graph::Graph;
use crate::language::program::{Connection, Host, Program};
use crate::model::{Fault, PlaceName, Secret};
use crate::targets::host::ledger::Owner;
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
    owner: &Owner,
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
    places.push(if needed { cluster::place(program, root, owner, password).await? } else { Place::NoCluster });
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
