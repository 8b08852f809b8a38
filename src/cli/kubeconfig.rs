//! `lions kubeconfig`: the administrator's way into the cluster of an environment, fetched from a server and merged into the user's own
//! kubeconfig. Other contexts stay as they are; the hosts are only read.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use kube::config::{Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};

use super::exit::Exit;
use super::options::{Source, Work};
use super::{Ended, cluster, run, session};
use crate::language::program::{Connection, Program};
use crate::language::template;
use crate::model::{Fault, FaultKind, PlaceName, Value};
use crate::render::Show;

const EXAMPLES: &str = "\
Examples:
  lions kubeconfig --env production           a context `production` in ~/.kube/config
  lions kubeconfig --file lab.yaml            in a file of its own
  lions kubeconfig --server https://k8s.example.org:6443 --context work";

/// Fetch the kubeconfig of the environment's cluster, and merge it into your own
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The file to merge it into [default: the first one of `KUBECONFIG`, else ~/.kube/config]
    #[arg(long, value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// The name of the context, its cluster and its user [default: the name of the environment]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Where the API is reached [default: the address of the host that it is fetched from]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    work: Work,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let session = match session::open(&args.source, None, show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let program = &session.loaded.program;
    let path = match &args.file {
        Some(path) => path.clone(),
        None => own()?,
    };
    let name = args.context.as_deref().unwrap_or(&program.environment.name);
    let password = args.work.password()?;
    let (host, fetched) = run::block_on(cluster::kubeconfig(program, &session.root, password.as_ref()))?;
    let entry = entry(fetched, |server| match &args.server {
        Some(server) => server.clone(),
        None => from_outside(program, &host, server),
    })
    .ok_or_else(|| Fault::failed(format!("the kubeconfig of `{host}` has no cluster with its user")))?;
    let server = entry.0.server.clone().unwrap_or_default();
    let changed = update(&path, |file| merge(file, name, entry))?;
    let word = if changed { "written" } else { "already so" };
    show.text(&format!("context {name} in {}: {server} ({word})\n", path.display()))?;
    if changed && args.server.is_none() {
        show.note("its certificate must name that address: `tls-san` of k3s adds more");
    }
    Ok(Exit::Done)
}

/// The user's own file.
fn own() -> Result<PathBuf, Fault> {
    let named = std::env::var_os("KUBECONFIG");
    let first = named.as_deref().and_then(|all| std::env::split_paths(all).find(|path| !path.as_os_str().is_empty()));
    if let Some(path) = first {
        return Ok(path);
    }
    let home = std::env::home_dir().ok_or_else(|| {
        Fault::failed("this user has no home folder").help("set `HOME`, or name the file with `--file`")
    })?;
    Ok(home.join(".kube/config"))
}

/// `server`, which a host has for itself, as one reaches it from here.
fn from_outside(program: &Program, host: &PlaceName, server: &str) -> String {
    let hosts = &program.environment.hosts;
    let address =
        hosts.iter().find(|one| PlaceName::new(&*one.name) == *host).and_then(|host| match &host.connection {
            Connection::Ssh { address, .. } => Some(address),
            Connection::Local => None,
        });
    let port = server.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()).unwrap_or("6443");
    match address {
        Some(address) if address.contains(':') => format!("https://[{address}]:{port}"),
        Some(address) => format!("https://{address}:{port}"),
        None => server.to_owned(),
    }
}

/// The cluster and the user of its current context.
fn entry(file: Kubeconfig, reach: impl FnOnce(&str) -> String) -> Option<(Cluster, NamedAuthInfo)> {
    let current = file.current_context.as_deref();
    let context = file.contexts.iter().find(|one| current.is_none_or(|name| one.name == name))?.context.clone()?;
    let mut cluster = file.clusters.into_iter().find(|one| one.name == context.cluster)?.cluster?;
    cluster.server = Some(reach(cluster.server.as_deref()?));
    let user = file.auth_infos.into_iter().find(|one| Some(&one.name) == context.user.as_ref())?;
    Some((cluster, user))
}

/// Puts it into `file` under one name, in the place of what it was before.
fn merge(file: &mut Kubeconfig, name: &str, (cluster, user): (Cluster, NamedAuthInfo)) -> Result<(), Fault> {
    let there = file.clusters.iter().find(|one| one.name == name).and_then(|one| one.cluster.as_ref());
    if let Some(there) = there
        && there.server != cluster.server
        && there.certificate_authority_data != cluster.certificate_authority_data
    {
        let server = there.server.as_deref().unwrap_or("no server");
        return Err(Fault::new(FaultKind::Refused, format!("`{name}` is another cluster there: {server}"))
            .help("give this one another name with `--context`, or take the other out with `kubectl config`"));
    }
    let context = Context { cluster: name.to_owned(), user: Some(name.to_owned()), ..Context::default() };
    put(
        &mut file.clusters,
        |one| one.name == name,
        |one| one.cluster = Some(cluster),
        || NamedCluster { name: name.to_owned(), ..NamedCluster::default() },
    );
    put(
        &mut file.auth_infos,
        |one| one.name == name,
        |one| one.auth_info = user.auth_info,
        || NamedAuthInfo { name: name.to_owned(), ..NamedAuthInfo::default() },
    );
    let keep = |one: &mut NamedContext| {
        // The namespace that somebody works in is theirs.
        let namespace = one.context.take().and_then(|context| context.namespace);
        one.context = Some(Context { namespace, ..context });
    };
    put(
        &mut file.contexts,
        |one| one.name == name,
        keep,
        || NamedContext { name: name.to_owned(), ..NamedContext::default() },
    );
    file.current_context.get_or_insert_with(|| name.to_owned());
    file.api_version.get_or_insert_with(|| "v1".to_owned());
    file.kind.get_or_insert_with(|| "Config".to_owned());
    Ok(())
}

fn put<T>(all: &mut Vec<T>, is: impl Fn(&T) -> bool, set: impl FnOnce(&mut T), new: impl FnOnce() -> T) {
    let at = all.iter().position(is).unwrap_or_else(|| {
        all.push(new());
        all.len() - 1
    });
    set(&mut all[at]);
}

/// Changes the kubeconfig at `path`, as a whole or not at all; nobody else can read it. Did anything change?
fn update(path: &Path, change: impl FnOnce(&mut Kubeconfig) -> Result<(), Fault>) -> Result<bool, Fault> {
    // Where a link leads, the link stays.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        Fault::failed(format!("cannot {what} `{}`", real.display())).cause(error)
    };
    let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).create(folder).map_err(|error| cannot("make the folder of", &error))?;
    // As kubectl keeps others from it.
    let lock = real.with_file_name(format!("{}.lock", real.file_name().unwrap_or_default().to_string_lossy()));
    let _held = Held::new(lock)?;
    let text = match std::fs::read_to_string(&real) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(cannot("read", &error)),
    };
    // What cannot be read is not quoted: it holds keys.
    let bad = || Fault::failed(format!("`{}` is no kubeconfig", real.display())).help("nothing was written");
    let mut file =
        if text.trim().is_empty() { Kubeconfig::default() } else { Kubeconfig::from_yaml(&text).map_err(|_| bad())? };
    let before = serde_json::to_value(&file).map_err(|_| bad())?;
    change(&mut file)?;
    let after = serde_json::to_value(&file).map_err(|_| bad())?;
    if before == after && !text.is_empty() {
        return Ok(false);
    }
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(|error| cannot("write beside", &error))?;
    new.write_all(template::yaml(&Value::from(after)).as_bytes())
        .and_then(|()| new.as_file().sync_all())
        .map_err(|error| cannot("write", &error))?;
    new.persist(&real).map_err(|error| cannot("write", &error.error))?;
    Ok(true)
}

/// The lock of a kubeconfig.
struct Held(PathBuf);

impl Held {
    fn new(path: PathBuf) -> Result<Self, Fault> {
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => Ok(Self(path)),
            Err(error) => Err(Fault::failed(format!("cannot lock `{}`", path.display()))
                .cause(error)
                .help("if nobody else changes that kubeconfig now, take the lock away")),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Left behind, the next one says what to do.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use kube::config::Kubeconfig;

    use super::{entry, merge, update};

    const FETCHED: &str = "apiVersion: v1\nkind: Config\ncurrent-context: default\nclusters:\n- name: default\n  cluster: { server: 'https://127.0.0.1:6443', certificate-authority-data: Y2E= }\nusers:\n- name: default\n  user: { client-key-data: a2V5 }\ncontexts:\n- name: default\n  context: { cluster: default, user: default }\n";
    const OWN: &str = "apiVersion: v1\nkind: Config\ncurrent-context: work\nclusters:\n- name: work\n  cluster: { server: 'https://work', odd: kept }\nusers:\n- name: work\n  user: { exec: { command: aws, args: [a, '0644'] } }\ncontexts:\n- name: work\n  context: { cluster: work, user: work, namespace: mine }\n";

    fn into(path: &std::path::Path, server: &str) -> Result<bool, crate::model::Fault> {
        let fetched = entry(Kubeconfig::from_yaml(FETCHED).unwrap(), |_| server.to_owned()).unwrap();
        update(path, |file| merge(file, "lab", fetched))
    }

    #[test]
    fn others_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config");
        assert!(into(&path, "https://10.0.0.1:6443").unwrap());
        assert!(!into(&path, "https://10.0.0.1:6443").unwrap(), "a second time there is nothing to do");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Kubeconfig::read_from(&path).unwrap().current_context.as_deref(), Some("lab"));

        std::fs::write(&path, OWN).unwrap();
        assert!(into(&path, "https://10.0.0.1:6443").unwrap());
        let file = serde_json::to_value(Kubeconfig::read_from(&path).unwrap()).unwrap();
        let own = serde_json::to_value(Kubeconfig::from_yaml(OWN).unwrap()).unwrap();
        for list in ["clusters", "users", "contexts"] {
            assert_eq!(file[list][0], own[list][0]);
            assert_eq!(file[list][1]["name"], "lab");
        }
        assert_eq!(file["current-context"], "work");
        assert_eq!(file["clusters"][1]["cluster"]["server"], "https://10.0.0.1:6443");
        assert_eq!(file["users"][1]["user"]["client-key-data"], "a2V5");
        // The address changed, or the cluster was made anew: both are the same cluster still.
        assert!(into(&path, "https://10.0.0.2:6443").unwrap());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "neither lock nor draft is left");
    }

    #[test]
    fn another_cluster_of_that_name_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let other = OWN.replace("work", "lab");
        std::fs::write(&path, &other).unwrap();
        assert!(into(&path, "https://10.0.0.1:6443").unwrap_err().what.contains("another cluster"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        std::fs::write(&path, "no: [kubeconfig").unwrap();
        assert!(into(&path, "https://10.0.0.1:6443").unwrap_err().what.contains("no kubeconfig"));
    }
}
