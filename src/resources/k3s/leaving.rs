//! k3s taken off a host: what it runs ends, its unit, program, scripts and links go; its data and settings only where the task says so,
//! and then what is lost is named. It takes away what `lions` made or what k3s documents, and nothing that a link leads to.

use super::health::Subject;
use super::parts::{FOLDER, LINKS, OWED, PROGRAM, changes};
use super::standing::stat;
use super::{Fate, K3s};
use crate::model::{Action, Change, Fault, FaultKind, Halt, Shown, Verdict};
use crate::resources::owned::{Held, Owned, together};
use crate::resources::path::or_coming;
use crate::resources::unit_state::{Part, is_active, reload};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, Expect, FileKind, Leaves, Output, Question, Stat, Step, Unit, UnitAction};

/// There as long as something that k3s started may be.
const RUN: &str = "/run/k3s";
const KUBELET: &str = "/var/lib/kubelet";
/// Ends what outlives the service.
const ENDS: &str =
    concat!("data=$1\nsystemctl reset-failed -- \"$2\" 2>/dev/null\n", include_str!("ends.sh"), "[ -z \"$left\" ]\n");

/// What is there.
#[derive(Debug)]
pub(in super::super) struct Leaving {
    unit: Option<Unit>,
    /// The rest that goes, in its order: files of the unit first.
    files: Vec<(Owned, Held)>,
    run: Option<Stat>,
    /// Folders that go where the data do.
    folders: Vec<(String, Option<Stat>)>,
    losses: Losses,
    /// Others that have it as a member of their cluster, or do not say whether they have: why it cannot go.
    bound: Option<Fault>,
}

/// What a look at the data found.
#[derive(Debug, Default)]
struct Losses {
    node: String,
    datastore: Option<String>,
    volumes: Vec<String>,
    /// What k3s did not put among its data.
    foreign: Vec<String>,
    /// Mounted where all is to be deleted.
    mounts: Vec<String>,
    /// Units that run k3s besides.
    others: Vec<String>,
    /// Other members of its etcd, as it says itself.
    members: Vec<String>,
}

impl Losses {
    fn of(said: &Output) -> Result<Self, Fault> {
        let mut losses = Self::default();
        for line in String::from_utf8_lossy(&said.stdout).lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.to_owned();
            match key {
                "node" => losses.node = value,
                "datastore" => losses.datastore = Some(value),
                "volume" => losses.volumes.push(value),
                "foreign" => losses.foreign.push(value),
                "mount" => losses.mounts.push(value),
                "other" => losses.others.push(value),
                "member" => losses.members.push(value),
                _ => {}
            }
        }
        if said.status != 0 || losses.node.is_empty() {
            let cause = String::from_utf8_lossy(&said.stderr).trim().to_owned();
            return Err(Fault::failed("the host does not say what k3s has there").cause(cause));
        }
        Ok(losses)
    }
}

fn gone(name: impl Into<String>, before: Shown, steps: Vec<Step>) -> Part {
    let mut change = Change::new(Action::Delete).field("", before, Shown::Absent);
    change.steps = steps;
    (name.into(), Verdict::Change(change))
}

fn refused(what: String) -> Fault {
    Fault::new(FaultKind::Refused, what)
}

impl K3s {
    /// Folders that go with the data.
    pub(super) fn condemned(&self) -> Vec<String> {
        let all = || [KUBELET, self.data(), FOLDER].map(str::to_owned).to_vec();
        if self.fate == Fate::Destroy { all() } else { Vec::new() }
    }

    /// What of its files goes in any case: those of the unit first, the program last.
    fn doomed(&self, links: Vec<String>) -> Vec<Owned> {
        let script = |name: &str| format!("/usr/local/bin/{name}");
        let owed = (self.fate == Fate::Keep).then(|| OWED.to_owned());
        let unit = [self.unit_path(), format!("{}.env", self.unit_path())];
        let scripts = [script("k3s-killall.sh"), script(&format!("{}-uninstall.sh", self.unit()))];
        let all = unit.into_iter().chain(owed).chain(links).chain(scripts).chain([PROGRAM.to_owned()]);
        all.map(|path| Owned::new(path, None)).collect()
    }

    fn lost(&self) -> Command {
        let Subject { unit, data, node, kubeconfig, .. } = self.subject();
        Command::script("k3s-lost", include_str!("lost.sh"), &[data, unit, node, kubeconfig])
    }

    /// Why it cannot go as wished.
    fn stays(&self, leaving: &Leaving) -> Result<(), Fault> {
        if let Some(other) = leaving.losses.others.first() {
            return Err(refused(format!("`{other}` runs k3s there as well, with the same program"))
                .help("take that away first: `role` says which of the two a task means"));
        }
        if self.fate == Fate::Keep {
            return Ok(());
        }
        for (path, stat) in &leaving.folders {
            match stat.as_ref().map(|stat| &stat.kind) {
                None | Some(FileKind::Directory) => {}
                Some(FileKind::Link(target)) => {
                    return Err(refused(format!(
                        "`{path}` is a link to `{target}`, and no link is followed to destroy data"
                    ))
                    .help("name the folder itself as `data-dir` in `config`, or take it away with `file`"));
                }
                Some(_) => {
                    return Err(
                        refused(format!("`{path}` is no folder")).help("look at what it is, and take it away by hand")
                    );
                }
            }
        }
        if let Some(foreign) = leaving.losses.foreign.first() {
            return Err(refused(format!("`{foreign}` is not of k3s, and lies among what is to be destroyed"))
                .help("move it elsewhere first, or leave `data: destroy` out"));
        }
        if let Some(mount) = leaving.losses.mounts.iter().find(|mount| *mount != KUBELET) {
            return Err(refused(format!("something is mounted at `{mount}`, among what is to be destroyed"))
                .help(format!("unmount it if it is to stay: `umount {mount}`; or leave `data: destroy` out")));
        }
        leaving.bound.clone().map_or(Ok(()), Err)
    }

    pub(super) fn leave(&self, leaving: &Leaving) -> Result<Verdict<Step>, Halt> {
        let unit = leaving.unit.as_ref().filter(|unit| is_active(unit) || unit.enabled == "enabled");
        let mut files = Vec::new();
        for (owned, held) in &leaving.files {
            files.push(owned.plan(held)?);
        }
        // Beside data of k3s it is its kubelet's. What is left there on a disk of its own is no data.
        let own = leaving.folders.iter().any(|(path, stat)| path == self.data() && stat.is_some())
            && !leaving.losses.mounts.iter().any(|mount| mount == KUBELET);
        let there = |path: &str| path != KUBELET || own;
        let folders = leaving.folders.iter().filter(|(path, stat)| stat.is_some() && there(path));
        let folders: Vec<Part> = folders
            .map(|(path, _)| {
                let step = Step::Remove { path: path.clone(), expect: Expect::Directory };
                gone(path, Shown::value("a folder"), vec![step])
            })
            .collect();
        if unit.is_none() && leaving.run.is_none() && folders.is_empty() && !files.iter().any(changes) {
            return Ok(Verdict::right("not there"));
        }
        self.stays(leaving)?;

        let act = |action| Step::Unit { name: self.unit_name(), action };
        let service = unit.map(|unit| {
            let disable = (unit.enabled == "enabled").then(|| act(UnitAction::Disable));
            gone("service", Shown::Present, [act(UnitAction::Stop)].into_iter().chain(disable).collect())
        });
        let ends = leaving.run.as_ref().map(|_| {
            let mut part = gone("what it started", Shown::Present, self.ends(leaving));
            // It runs because the service does.
            if let (Some(_), Verdict::Change(change)) = (&service, &mut part.1) {
                change.fields.clear();
            }
            part
        });
        let rest = files.split_off(2);
        let reload = reload(files.iter().any(changes), &[leaving.unit.as_ref()]);
        let lost = |name: String| gone(name, Shown::Present, Vec::new());
        let losses = &leaving.losses;
        let named = if folders.is_empty() || self.fate == Fate::Keep { Vec::new() } else { losses.named() };
        let whole = service.into_iter().chain(ends).chain(files).chain(reload);
        Ok(together(whole.chain(named.into_iter().map(lost)).chain(folders).chain(rest)))
    }

    /// Ends what the service leaves running, and then the mark of it.
    fn ends(&self, leaving: &Leaving) -> Vec<Step> {
        let mut opened = vec![RUN.to_owned(), "/run/flannel".to_owned(), "/var/lib/cni".to_owned()];
        // Below a folder that is not there nothing is opened: it would be no longer known that it is not.
        if leaving.folders.iter().all(|(path, stat)| path != KUBELET || stat.is_some()) {
            opened.extend(["pods", "plugins"].map(|folder| format!("{KUBELET}/{folder}")));
        }
        let command = Command::script("k3s-ends", ENDS, &[self.data(), self.unit()]);
        let leaves = Leaves { changes: opened, ..Leaves::default() };
        vec![Step::Act { command, leaves }, Step::Remove { path: RUN.to_owned(), expect: Expect::Directory }]
    }

    /// Is it a member of an etcd that goes on without it? It would be missed there, and could not come back under its name.
    async fn bound(&self, probe: &HostProbe, losses: &Losses) -> Result<Option<Fault>, Halt> {
        if losses.datastore.as_deref() != Some("etcd") {
            return Ok(None);
        }
        let node = &losses.node;
        let member = |who: &str| {
            refused(format!("the node `{node}` is a member of the cluster's etcd, which goes on without it")).cause(format!("`{who}` is another member")).help(format!(
                "take it out first: `kubectl delete node {node}` takes it out of etcd, too; where the whole cluster is to go, stop all its servers first, with `state: absent` alone"
            ))
        };
        if let Some(other) = losses.members.first() {
            return Ok(Some(member(other)));
        }
        let me = probe.name().to_string();
        let others = self.servers.iter().flatten().filter(|name| **name != me);
        let looks = others.map(|name| self.look_at(probe, name, Some(node)));
        for answer in futures::future::join_all(looks).await {
            match answer? {
                (name, Ok(server)) if server.has_member() => return Ok(Some(member(&name))),
                (_, Ok(_)) => {}
                (name, Err(fault)) => {
                    let what = format!(
                        "it is not known whether `{node}` is a member of an etcd that goes on: `{name}` does not say"
                    );
                    return Ok(Some(
                        refused(what).cause(fault).help("leave it out of `servers` if it is gone for good"),
                    ));
                }
            }
        }
        Ok(None)
    }
}

impl Losses {
    /// What is lost with the folders, by its name.
    fn named(&self) -> Vec<String> {
        let datastore = self.datastore.iter().map(|kind| format!("datastore ({kind})"));
        datastore.chain(self.volumes.iter().map(|name| format!("volume {name}"))).collect()
    }
}

/// Looks at all of it at once.
pub(super) async fn see(k3s: &K3s, probe: &HostProbe) -> Result<Leaving, Halt> {
    let condemned = k3s.condemned();
    probe.soon([Question::Run(k3s.lost())]);
    let unit_path = k3s.unit_path();
    let unit_name = k3s.unit_name();
    let links = LINKS.map(|name| format!("/usr/local/bin/{name}"));
    let all = futures::future::join_all::<Vec<_>>;
    let doomed = k3s.doomed(links.to_vec());
    let (unit, unit_file, ours, run, stats, held) = futures::join!(
        probe.unit(&unit_name),
        stat(probe, &unit_path),
        all(links.iter().map(|path| stat(probe, path)).collect()),
        stat(probe, RUN),
        all(condemned.iter().map(|path| stat(probe, path)).collect()),
        futures::future::join_all(doomed.iter().map(|owned| owned.read(probe))),
    );
    let unit = match unit {
        // Without its file there is none, whatever was decided about it.
        Err(Halt::Later(_)) if unit_file?.is_none() => None,
        unit => or_coming(probe, &unit_path, unit).await?.0,
    };
    let mut strange = Vec::new();
    for (path, stat) in links.into_iter().zip(ours) {
        // Another program of that name, or a link of somebody else's, stays.
        if stat?.is_some_and(|stat| stat.kind != FileKind::Link("k3s".to_owned())) {
            strange.push(path);
        }
    }
    let files = doomed.into_iter().zip(held).filter(|(owned, _)| !strange.iter().any(|path| **path == *owned.path));
    let mut leaving = Leaving {
        unit,
        files: files.map(|(owned, held)| Ok((owned, held?))).collect::<Result<_, Halt>>()?,
        run: run?,
        folders: condemned.into_iter().zip(stats).map(|(path, stat)| Ok((path, stat?))).collect::<Result<_, Halt>>()?,
        losses: Losses::default(),
        bound: None,
    };
    // What is gone already, or goes by a task above, has nothing to lose.
    let there = leaving.folders.iter().any(|(_, stat)| stat.is_some());
    leaving.losses = match probe.glance(k3s.lost()).await {
        Ok(said) => Losses::of(&said)?,
        Err(Halt::Later(_)) if !there => Losses::default(),
        Err(halt) => return Err(halt),
    };
    if there {
        leaving.bound = k3s.bound(probe, &leaving.losses).await?;
    }
    Ok(leaving)
}
