//! What a host holds of k3s: each part with its wish, read and judged as one. Pure but for the reads.

use super::drop_ins::{DROP_INS, sealed};
use super::health::Health;
use super::standing::{self, Standing, Token};
use super::sums::Sum;
use super::version::Version;
use super::{K3s, Role, text};
use crate::model::{
    Action, Change, Content, Digest, Fault, FaultKind, Halt, Map, Resource as _, Shown, Value, Verdict,
};
use crate::resources::attributes::Wanted;
use crate::resources::download::{self, Download};
use crate::resources::folder::{Ground, Making};
use crate::resources::linking::{Linked, Linking};
use crate::resources::owned::{HEADER, Held, Owned, together};
use crate::resources::path::{Folder, HostPath, or_coming};
use crate::resources::unit_state::{Part, UnitState, is_active, reload};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Attributes, Expect, FileKind, Question, Stat, Step, Unit, UnitAction};

pub(super) const PROGRAM: &str = "/usr/local/bin/k3s";
pub(super) const FOLDER: &str = "/etc/rancher/k3s";
/// There while a restart is owed, so that a run that is cut off before it is finished by the next.
pub(super) const OWED: &str = "/etc/rancher/k3s/.lions-restart";
const OWED_TEXT: &str = "lions changed something here, and k3s was not started anew since\n";
/// Ends k3s on a host, for who works there by hand.
const KILLALL: &str = concat!(include_str!("stop.sh"), include_str!("ends.sh"), include_str!("killed.sh"));
/// Other names of the program.
pub(super) const LINKS: [&str; 3] = ["kubectl", "crictl", "ctr"];

/// What is there.
#[derive(Debug)]
pub(in super::super) struct Seen {
    facts: Map,
    standing: Standing,
    /// Files of settings that the task does not name.
    strays: Vec<String>,
    program: download::Seen,
    /// What the program must be.
    sum: Result<Sum, Halt>,
    ground: Ground,
    shelf: Option<Ground>,
    images: Vec<download::Seen>,
    files: Vec<Held>,
    links: Vec<Option<Linked>>,
    unit: Option<Unit>,
    /// The unit of the other role.
    rival: Option<Unit>,
    owed: Option<Stat>,
    /// Not known while a command or a package above may change it.
    health: Option<Health>,
}

pub(super) fn changes(part: &Part) -> bool {
    matches!(part.1, Verdict::Change(_))
}

fn folder(path: &HostPath) -> Making<'_> {
    let wanted = Wanted { mode: None, owner: None, group: None };
    Making { path, wanted, parents: true, recurse: false }
}

/// Where something of the same task may be put into `path`: as it is, or as a step makes it.
fn within(path: &str, made: &Part) -> Option<Folder> {
    changes(made).then(|| Folder::to_come(path, "root", "root"))
}

impl K3s {
    pub(super) fn unit_name(&self) -> String {
        format!("{}.service", self.unit())
    }

    pub(super) fn unit_path(&self) -> String {
        format!("/etc/systemd/system/{}", self.unit_name())
    }

    fn shelf(&self) -> HostPath {
        HostPath::of(format!("{}/agent/images", self.data()))
    }

    pub(super) fn paths(&self) -> Vec<String> {
        let files = self.files(&self.widest(), &[]).into_iter().map(|owned| owned.path.to_string());
        let images = self.images.iter().map(|image| format!("{}/{}", self.shelf(), image.name));
        [PROGRAM.to_owned()].into_iter().chain(files).chain(images).collect()
    }

    /// The address of an asset of the release. A `+` in an address may be read as a blank.
    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.mirror.trim_end_matches('/'), self.version.to_string().replace('+', "%2B"))
    }

    fn images(&self) -> Vec<Download> {
        let of = |image: &super::Image| {
            let url = image.url.clone().unwrap_or_else(|| self.asset(&image.name));
            Download::of(url, HostPath::of(format!("{}/{}", self.shelf(), image.name)), image.sha256.0, 0o644)
        };
        self.images.iter().map(of).collect()
    }

    fn settings(&self, standing: &Standing) -> Owned {
        let mut all = self.config.as_ref().map(|config| sealed(&config.0)).unwrap_or_default();
        if standing.init && !all.contains_key("cluster-init") {
            all.insert("cluster-init".to_owned(), Value::Bool(true));
        }
        if let Some(server) = &standing.server {
            all.insert("server".to_owned(), Value::text(server.as_str()));
        }
        if !matches!(standing.token, Token::None) {
            all.insert("token-file".to_owned(), Value::text(format!("{FOLDER}/token")));
        }
        let unknown = self.config.as_ref().and_then(|config| config.0.unknown().cloned());
        let content = unknown.map_or_else(|| text::file(HEADER, &Value::Map(all)), Err);
        Owned { content: Some(content), mode: 0o600, ..Owned::new(format!("{FOLDER}/config.yaml"), None) }
    }

    fn token_file(standing: &Standing) -> Option<Owned> {
        let Token::Written(content) = &standing.token else { return None };
        Some(Owned { content: Some(content.clone()), mode: 0o600, ..Owned::new(format!("{FOLDER}/token"), None) })
    }

    /// Files of which a change needs a restart, in the folder of settings; then the unit's; then the scripts.
    fn files(&self, standing: &Standing, strays: &[String]) -> Vec<Owned> {
        let registries = self.registries.as_ref().map(|registries| Owned {
            content: Some(text::file(HEADER, &registries.0)),
            mode: 0o600,
            ..Owned::new(format!("{FOLDER}/registries.yaml"), None)
        });
        let unit = include_str!("unit.service").replace("ROLE", if self.is_server() { "server" } else { "agent" });
        let script = |name: &str, text: &str| Owned {
            mode: 0o755,
            ..Owned::new(format!("/usr/local/bin/{name}"), Some(text.replace("UNIT", self.unit())))
        };
        let settings = [Some(self.settings(standing)), Self::token_file(standing), registries];
        let rest = [
            Owned::new(self.unit_path(), Some(format!("{HEADER}{unit}"))),
            script("k3s-killall.sh", KILLALL),
            script(&format!("{}-uninstall.sh", self.unit()), include_str!("uninstall.sh")),
        ];
        let strays = strays.iter().map(|path| Owned::new(path.clone(), None));
        settings.into_iter().flatten().chain(self.drop_ins()).chain(strays).chain(rest).collect()
    }

    fn link(path: &HostPath) -> Linking<'_> {
        Linking { path, target: "k3s", hard: false, force: false }
    }

    /// Another program of that name, or a link of somebody else's, stays.
    async fn linked(probe: &HostProbe, name: &str) -> Result<Option<Linked>, Halt> {
        let path = HostPath::of(format!("/usr/local/bin/{name}"));
        let ours = match standing::stat(probe, &path).await? {
            None => true,
            Some(stat) => stat.kind == FileKind::Link("k3s".to_owned()),
        };
        Ok(if ours { Some(Self::link(&path).read(probe).await?) } else { None })
    }

    /// Why it cannot be installed here, as far as a look can tell.
    fn obstacle(&self, seen: &Seen) -> Result<(), Fault> {
        if seen.rival.as_ref().is_some_and(|rival| is_active(rival) || rival.enabled == "enabled") {
            let (is, wished) = if self.is_server() { ("an agent", "a server") } else { ("a server", "an agent") };
            return Err(Fault::new(
                FaultKind::Refused,
                format!("this host is {is} already, and cannot be {wished} as well"),
            )
            .help("take that away first, with `state: absent` and its `role`"));
        }
        if let (Some(health), Some(_)) =
            (&seen.health, seen.unit.as_ref().filter(|unit| is_active(unit) || unit.enabled == "enabled"))
        {
            self.skew(&health.version)?;
        }
        if seen.unit.as_ref().is_some_and(is_active) {
            return Ok(());
        }
        let least = self.memory_mb.unwrap_or(if self.is_server() { 1700 } else { 450 });
        if let Some(Value::Int(memory)) = seen.facts.get("memtotal_mb")
            && u64::try_from(*memory).unwrap_or_default() < least
        {
            return Err(Fault::new(
                FaultKind::Refused,
                format!("the host has {memory} MiB of memory, and {least} are needed"),
            )
            .help("give it more, or say with `memory_mb` that less is enough"));
        }
        seen.health.as_ref().and_then(Health::obstacle).map_or(Ok(()), Err)
    }

    /// Can it go from the release that is `installed` to the one that is wished?
    fn skew(&self, installed: &str) -> Result<(), Fault> {
        let (Ok(from), to) = (installed.parse::<Version>(), &self.version) else { return Ok(()) };
        // An agent may be older than its servers, by several minor releases.
        if !self.is_server() {
            return Ok(());
        }
        if *to < from {
            return Err(Fault::new(FaultKind::Refused, format!("a server does not go back from {from} to {to}"))
                .cause("its data may be of the newer one")
                .help("going back is restoring a backup that the older release made"));
        }
        let ((major, minor), next) = (from.minor(), to.minor());
        if next > (major, minor + 1) {
            return Err(Fault::new(FaultKind::Refused, format!("a server does not go from {from} to {to} at once"))
                .cause("Kubernetes goes one minor release at a time")
                .help(format!("go to the last v{major}.{} first", minor + 1)));
        }
        Ok(())
    }

    /// The version, in words, beside the digest of the program.
    fn release(&self, seen: &Seen, program: &Verdict<Step>) -> Option<Part> {
        let Verdict::Change(change) = program else { return None };
        let before = match (&seen.health, change.action) {
            (_, Action::Create) => Shown::Absent,
            (Some(health), _) if !health.version.is_empty() => Shown::value(&health.version),
            _ => Shown::Present,
        };
        let after = Shown::value(&self.version);
        let part = Change::new(change.action).field("", before, after);
        Some(("version".to_owned(), Verdict::Change(part)))
    }

    pub(super) fn judge(&self, seen: &Seen) -> Result<Verdict<Step>, Halt> {
        self.obstacle(seen)?;
        let (path, store) = (HostPath::of(self.ground().to_owned()), self.shelf());
        let ground = (path.to_string(), folder(&path).plan(&seen.ground)?);
        let here = within(FOLDER, &ground);
        let mut files = Vec::new();
        for (owned, held) in self.files(&seen.standing, &seen.strays).iter().zip(&seen.files) {
            let inside = here.as_ref().filter(|_| [FOLDER, DROP_INS].contains(&owned.path.parent()));
            let mut part = inside.map_or_else(|| owned.plan(held), |folder| owned.plan_in(held, folder))?;
            if owned.path.ends_with(".sh") {
                part.1 = script(part.1);
            }
            files.push(part);
        }
        let stored = match &seen.shelf {
            Some(ground) => (store.to_string(), folder(&store).plan(ground)?),
            None => (store.to_string(), Verdict::right("no images")),
        };
        let inside_store = within(&store, &stored);
        let mut images = Vec::new();
        for ((image, download), there) in self.images.iter().zip(self.images()).zip(&seen.images) {
            let verdict =
                inside_store.as_ref().map_or_else(|| download.plan(there), |folder| download.plan_in(there, folder))?;
            images.push((format!("{store}/{}", image.name), verdict));
        }
        let sum = seen.sum.as_ref().map_err(Clone::clone)?;
        let program = (PROGRAM.to_owned(), sum.program(&seen.program)?);
        let release = self.release(seen, &program.1);
        let lock = sum.lock(&program.1);
        let mut links = Vec::new();
        for (name, linked) in LINKS.iter().zip(&seen.links) {
            let path = HostPath::of(format!("/usr/local/bin/{name}"));
            if let Some(linked) = linked {
                links.push((path.to_string(), Self::link(&path).plan(linked)?));
            }
        }
        // The two scripts at the end are for who works there by hand.
        let counted = files.len().saturating_sub(2);
        let alters = changes(&program) || files[..counted].iter().any(changes);
        let unit_file = files.iter().any(|part| part.0 == self.unit_path() && changes(part));
        let unit = seen.unit.as_ref();
        let reload = reload(unit_file, &[unit]);
        let runs = unit.is_some_and(is_active);
        let stale = seen.health.as_ref().and_then(Health::running).is_some_and(|runs| runs != self.version.to_string());
        let restarts = runs && (alters || seen.owed.is_some() || stale);
        let (owe, paid) = if restarts || seen.owed.is_some() { owing(seen.owed.as_ref()) } else { (None, None) };
        let wish = UnitState { name: &self.unit_name(), enabled: Some(true), started: None };
        let start = if restarts {
            Some(turn("active", "restarted", &self.unit_name(), UnitAction::Relaunch))
        } else if runs {
            None
        } else {
            let before = unit.map_or("inactive", |unit| unit.active.word());
            Some(turn(before, "active", &self.unit_name(), UnitAction::Launch))
        };
        // What is downloaded and checked comes before anything that is there is touched.
        let whole = release
            .into_iter()
            .chain(lock)
            .chain([stored])
            .chain(images)
            .chain(owe)
            .chain([program, ground])
            .chain(files);
        Ok(together(whole.chain(links).chain(reload).chain(wish.parts(unit)?).chain(start).chain(paid)))
    }
}

/// The text of a script is of no interest, only whether it is the same.
fn script(verdict: Verdict<Step>) -> Verdict<Step> {
    let Verdict::Change(mut change) = verdict else { return verdict };
    for field in &mut change.fields {
        for side in [&mut field.before, &mut field.after] {
            if let Shown::Text(text) = side {
                *side = Shown::Binary { size: text.len() as u64, digest: Digest::of(text.as_bytes()) };
            }
        }
    }
    Verdict::Change(change)
}

/// A unit, which no package brings.
async fn unit(probe: &HostProbe, name: &str) -> Result<Option<Unit>, Halt> {
    let path = format!("/etc/systemd/system/{name}");
    Ok(or_coming(probe, &path, probe.unit(name).await).await?.0)
}

/// Looks at all of it at once.
pub(super) async fn see(k3s: &K3s, probe: &HostProbe) -> Result<Seen, Halt> {
    // Where it comes from, and what it must be, matters when it is judged.
    let program = Download::of(String::new(), HostPath::of(PROGRAM.to_owned()), Digest::of(b""), 0o755);
    let (path, store, images) = (HostPath::of(k3s.ground().to_owned()), k3s.shelf(), k3s.images());
    // Asked about beside all else, whatever will be in them.
    let mut likely = k3s.files(&k3s.widest(), &[]);
    if k3s.servers.is_some() {
        likely.retain(|file| !file.path.ends_with("/token"));
        probe.soon([Question::Stat(format!("{FOLDER}/token"))]);
    }
    let rival = if k3s.role == Role::Server { "k3s-agent.service" } else { "k3s.service" };
    let (making, shelving) = (folder(&path), folder(&store));
    let unit_name = k3s.unit_name();
    let all = futures::future::join_all::<Vec<_>>;
    let (facts, standing, strays, program, ground, store, images, _, links, unit, rival, owed, health) = futures::join!(
        probe.facts(),
        k3s.standing(probe),
        k3s.strays(probe),
        program.read(probe),
        making.read(probe),
        async { if images.is_empty() { Ok(None) } else { shelving.read(probe).await.map(Some) } },
        futures::future::join_all(images.iter().map(|image| image.read(probe))),
        futures::future::join_all(likely.iter().map(|file| file.read(probe))),
        all(LINKS.iter().map(|name| K3s::linked(probe, name)).collect()),
        unit(probe, &unit_name),
        unit(probe, rival),
        standing::stat(probe, OWED),
        k3s.health(probe),
    );
    let health = match health {
        Ok(health) => Some(health),
        Err(Halt::Later(_)) => None,
        Err(fault) => return Err(fault),
    };
    let (standing, strays, facts, program) = (standing?, strays?, facts?, program?);
    let sum = k3s.sum(probe, &facts, &program, health.as_ref()).await;
    let files = k3s.files(&standing, &strays);
    let files = futures::future::join_all(files.iter().map(|file| file.read(probe))).await;
    Ok(Seen {
        facts,
        standing,
        strays,
        program,
        sum,
        ground: ground?,
        shelf: store?,
        images: images.into_iter().collect::<Result<_, _>>()?,
        files: files.into_iter().collect::<Result<_, _>>()?,
        links: links.into_iter().collect::<Result<_, _>>()?,
        unit: unit?,
        rival: rival?,
        owed: owed?,
        health,
    })
}

fn turn(before: &str, after: &str, unit: &str, action: UnitAction) -> Part {
    let step = Step::Unit { name: unit.to_owned(), action };
    let change = Change::new(Action::Update).field("", Shown::value(before), Shown::value(after));
    ("now".to_owned(), Verdict::Change(change.step(step)))
}

/// The note that a restart is owed, before the first change; and its end after the restart.
fn owing(there: Option<&Stat>) -> (Option<Part>, Option<Part>) {
    let part = |step| Some((String::new(), Verdict::Change(Change::new(Action::Update).step(step))));
    let content = Content::open(OWED_TEXT.as_bytes());
    let path = OWED.to_owned();
    let expect = Expect::File(match there.map(|stat| &stat.kind) {
        Some(FileKind::File(Some(digest))) => *digest,
        _ => content.digest(),
    });
    let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
    let write = Step::Write { path: path.clone(), content, attributes, expect: Expect::Absent, validate: None };
    (if there.is_some() { None } else { part(write) }, part(Step::Remove { path, expect }))
}
