//! `lions hosts trust`: shows the key that a host offers, asks, and keeps it. Nothing is kept without a yes.

use super::super::exit::Exit;
use super::super::options::Source;
use super::super::places::reach;
use super::super::{Ended, run, session};
use super::chosen;
use crate::model::{Fault, FaultKind};
use crate::render::{self, Show, one_line};
use crate::targets::host::way::Reach;
use crate::transport::ssh;

const EXAMPLES: &str = "\
Examples:
  lions hosts trust                    every host of the environment whose key is not known yet
  lions hosts trust vps-1 --replace    it was installed anew: forget the old key
  lions hosts trust --yes              without asking, on a network that one trusts

Compare the fingerprint with what the host's owner sees there:
  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub";

/// Show the keys that hosts offer, ask, and keep them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Hosts or groups [default: all]
    hosts: Vec<String>,
    #[command(flatten)]
    source: Source,
    /// Forget another key that is known
    #[arg(long)]
    replace: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let session = match session::open(&args.source, None, show)? {
        Ok(session) => session,
        Err(exit) => return Ok(exit),
    };
    let mut worst = Vec::new();
    for host in chosen(&session, &args.hosts)? {
        let Reach::Ssh(connection) = reach(host, &session.loaded.program, &session.root)? else { continue };
        let name = one_line(&host.name).into_owned();
        if let Err(fault) = run::block_on(one(&name, connection.destination(), args, show)) {
            show.fault(&Fault { what: format!("{name}: {}", fault.what), ..fault.clone() });
            worst.push(fault);
        }
    }
    Ok(Exit::of_hosts(worst.iter()))
}

async fn one(name: &str, to: &ssh::Destination, args: &Args, show: &Show) -> Result<(), Fault> {
    let key = ssh::offered(to).await?;
    let known = ssh::known(to, &key.name).await?;
    if known.keys.contains(&key.key) {
        return show.text(&format!("{name}  {}  known\n", key.fingerprint));
    }
    let kind = |key: &str| key.split(' ').next().unwrap_or_default().to_owned();
    let others = known.keys.iter().any(|other| kind(other) == kind(&key.key));
    if others && !args.replace {
        return Err(Fault::new(FaultKind::Refused, "another key is known for it")
            .cause(format!("it offers {}", key.fingerprint))
            .help("ask who runs it; if it was installed anew, add `--replace`"));
    }
    show.text(&format!("{name}  {}  {}\n", key.fingerprint, if others { "another one is known" } else { "new" }))?;
    if !args.yes && !render::trust(name)? {
        return show.text(&format!("{name}  not kept\n"));
    }
    ssh::trust(&key, &known, args.replace).await?;
    show.text(&format!("{name}  kept in {}\n", one_line(&known.file.display().to_string())))
}
