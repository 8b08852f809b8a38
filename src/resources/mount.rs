//! `mount`: a file system at a folder, now and after a reboot.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::Wanted;
use super::editing::Edited;
use super::folder::{Ground, Making};
use super::fstab::{FSTAB, Fstab};
use super::mounted::{self, MOUNTED, Mounted, holding};
use super::owned::together;
use super::path::{HostPath, in_the_way};
use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Content, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, FileKind, Host, Leaves, Step};

/// A file system at a folder, now and after a reboot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mount {
    /// The folder. It is made if it is not there; it must be empty.
    path: HostPath,
    /// What is mounted: a device (`/dev/sdb1`, `UUID=...`, `LABEL=...`), `server:/folder`, a folder (with `opts: bind`), or a
    /// word as for `tmpfs`.
    src: Option<String>,
    /// The file system: `ext4`, `xfs`, `nfs`, `tmpfs`; `none` for a folder.
    fstype: Option<String>,
    /// Options, joined by commas. Of those in effect, `ro`, `nosuid`, `nodev`, `noexec` and `noatime` are compared.
    #[serde(default = "defaults")]
    opts: String,
    /// Field 5 of the line in `/etc/fstab`.
    #[serde(default)]
    dump: u8,
    /// Field 6: in which pass the file system is checked at boot; 0 is never.
    #[serde(default)]
    passno: u8,
    /// `mounted`: now and after a reboot. `present`: after a reboot, what is now stays. `unmounted`: not now, what is after
    /// a reboot stays. `absent`: neither; the folder stays.
    #[serde(default)]
    state: State,
    /// May files that are in the folder be hidden by the mount?
    #[serde(default)]
    hide: bool,
}

fn defaults() -> String {
    "defaults".to_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Mounted,
    Present,
    Unmounted,
    Absent,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    fstab: Edited,
    folder: Option<Ground>,
    now: Result<Now, After>,
    systemd: bool,
}

#[derive(Debug)]
struct Now {
    /// What the kernel lists.
    text: String,
    /// At this path, from the first to the one that is seen.
    there: Vec<Mounted>,
    /// What there should be.
    wished: Option<Mounted>,
}

/// What is at the name of a device.
#[derive(Debug)]
enum Device {
    /// What is mounted is none.
    Unasked,
    Missing,
    /// Its numbers, and where its name leads.
    There(String, String),
}

/// The options that are compared with what is in effect.
const FLAGS: [&str; 5] = ["ro", "nosuid", "nodev", "noexec", "noatime"];

impl Mount {
    fn has(&self, option: &str) -> bool {
        self.opts.split(',').any(|each| each == option)
    }

    fn is_bind(&self) -> bool {
        self.has("bind") || self.has("rbind")
    }

    fn src(&self) -> &str {
        self.src.as_deref().unwrap_or_default()
    }

    fn fstype(&self) -> &str {
        self.fstype.as_deref().unwrap_or(if self.is_bind() { "none" } else { "auto" })
    }

    /// The device as a path, if it is one.
    fn device(&self) -> Option<String> {
        if self.is_bind() {
            return None;
        }
        match self.src().split_once('=') {
            Some((tag @ ("UUID" | "LABEL" | "PARTUUID" | "PARTLABEL"), name)) => {
                Some(format!("/dev/disk/by-{}/{}", tag.to_lowercase(), name.trim_matches('"')))
            }
            _ => self.src().starts_with("/dev/").then(|| self.src().to_owned()),
        }
    }

    fn fstab(&self) -> Fstab {
        let fields = [self.src(), &self.path, self.fstype(), &self.opts].map(str::to_owned);
        let [src, path, fstype, opts] = fields;
        let fields = [src, path, fstype, opts, self.dump.to_string(), self.passno.to_string()];
        Fstab { fields: (self.state != State::Absent).then_some(fields), key: (1, self.path.to_string()) }
    }

    fn making(&self) -> Making<'_> {
        Making { path: &self.path, wanted: Wanted::new(None, None, None), parents: false, recurse: false }
    }

    /// As it would be listed, where it is to be mounted.
    async fn wished(&self, probe: &HostProbe, mounts: &[Mounted], device: Device) -> Result<Mounted, Halt> {
        let flags = ["ro", "nosuid", "nodev", "noexec", "noatime"].into_iter().filter(|flag| self.has(flag));
        let first = if self.has("ro") { None } else { Some("rw") };
        let mut wished = Mounted {
            device: "0:0".to_owned(),
            root: "/".to_owned(),
            path: self.path.to_string(),
            flags: first.into_iter().chain(flags).map(str::to_owned).collect(),
            fstype: self.fstype().to_owned(),
            source: self.src().to_owned(),
        };
        if self.is_bind() {
            let (real, stat) = probe.followed(self.src()).await?;
            let within = holding(mounts, &real);
            let (Some(_), Some(within)) = (stat, within) else {
                return Err(Fault::failed(format!("`{}`, which is to be mounted, does not exist", self.src()))
                    .help("make it in a task above, or correct `src`")
                    .into());
            };
            let rest = &real[within.path.trim_end_matches('/').len()..];
            let root = format!("{}{rest}", within.root.trim_end_matches('/'));
            wished.root = if root.is_empty() { "/".to_owned() } else { root };
            wished.device.clone_from(&within.device);
            wished.fstype.clone_from(&within.fstype);
            wished.source.clone_from(&within.source);
        } else {
            match device {
                Device::Unasked => {}
                Device::There(number, real) => (wished.device, wished.source) = (number, real),
                Device::Missing => {
                    return Err(Fault::failed(format!("there is no device `{}`", self.src()))
                        .cause(format!("`{}` does not exist", self.device().unwrap_or_default()))
                        .help("correct `src` (see `lsblk -f`), or attach it")
                        .into());
                }
            }
        }
        Ok(wished)
    }

    /// Looks at the device, if what is mounted is one.
    async fn look(&self, probe: &HostProbe) -> Result<Device, Halt> {
        let Some(path) = self.device().filter(|_| self.state == State::Mounted) else { return Ok(Device::Unasked) };
        let script = r#"[ -e "$1" ] || exit 3; stat -L -c %t:%T -- "$1" && readlink -f -- "$1""#;
        let said = probe.run_about(&path, Command::script("look", script, &[&path])).await?;
        let text = String::from_utf8_lossy(&said.stdout);
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let parts = text.split_once('\n').and_then(|(numbers, real)| Some((numbers.split_once(':')?, real)));
        let found = parts.and_then(|((major, minor), real)| {
            Some(Device::There(format!("{}:{}", hex(major)?, hex(minor)?), real.trim_end_matches('\n').to_owned()))
        });
        match (said.status, found) {
            (3, _) => Ok(Device::Missing),
            (0, Some(found)) => Ok(found),
            _ => Err(Fault::failed(format!("could not see the device `{path}`"))
                .cause(String::from_utf8_lossy(&said.stderr).trim())
                .into()),
        }
    }

    async fn now(&self, probe: &HostProbe) -> Result<Now, Halt> {
        let (text, device) = futures::future::join(probe.kernel(MOUNTED), self.look(probe)).await;
        let text = text?.map(|text| String::from_utf8_lossy(text.bytes()).into_owned()).unwrap_or_default();
        let mounts = mounted::read(&text);
        let there: Vec<Mounted> = mounts.iter().filter(|mount| mount.path == *self.path).cloned().collect();
        let mut wished = None;
        if self.state == State::Mounted {
            wished = Some(self.wished(probe, &mounts, device?).await?);
        }
        Ok(Now { text, there, wished })
    }

    /// Is `there` what is wished, whatever its options?
    fn is(&self, there: &Mounted, wished: &Mounted) -> bool {
        let fstype = matches!(self.fstype(), "auto" | "none")
            || there.fstype == wished.fstype
            || (there.fstype == "nfs4" && wished.fstype == "nfs");
        if self.is_bind() {
            return there.device == wished.device && there.root == wished.root;
        }
        // Some file systems have a number of their own, and a device has several names.
        let same = self.device().is_some() && there.device == wished.device;
        fstype && (same || there.source == wished.source)
    }

    fn mount(&self, now: &Now, wished: &Mounted, folder: Option<&Ground>) -> Result<Verdict<Step>, Fault> {
        let act = |words: &[&str], mounts: String, changes: &[&str]| {
            let command = Command::words(words.iter().map(|word| (*word).to_owned()).collect());
            let files = vec![(MOUNTED.to_owned(), Content::open(mounts.into_bytes()))];
            let changes = changes.iter().map(|path| (*path).to_owned()).collect();
            Step::Act { command, leaves: Leaves { files, changes, ..Leaves::default() } }
        };
        let Some(last) = now.there.last() else {
            let below = folder.map_or(0, Ground::below);
            if below > 0 && !self.hide {
                let what = format!("`{}` is not empty: the mount would hide what is in it", self.path);
                return Err(Fault::new(FaultKind::Refused, what)
                    .cause(format!("{below} files and folders are there"))
                    .help("move them away, or say `hide: true`"));
            }
            let step = act(&["mount", "--", &self.path], format!("{}{}", now.text, wished.line()), &[&self.path]);
            let change = Change::new(Action::Update);
            let change = change.field("", Shown::value("not mounted"), Shown::Value(wished.shown()));
            return Ok(Verdict::Change(change.step(step)));
        };
        if !self.is(last, wished) {
            let what = format!("something else is mounted at `{}`", self.path);
            return Err(Fault::new(FaultKind::Refused, what)
                .cause(last.shown())
                .help("take it away first, in a task with `state: unmounted`"));
        }
        let has = |flags: &[String], flag: &str| flags.iter().any(|each| each == flag);
        // Mounts of users' own have other defaults.
        let user = ["user", "users", "owner", "group"].iter().any(|option| self.has(option));
        let differs = |flag: &&str| has(&last.flags, flag) != has(&wished.flags, flag) && (!user || self.has(flag));
        let differing: Vec<&str> = FLAGS.into_iter().filter(differs).collect();
        if differing.is_empty() {
            return Ok(Verdict::right("mounted"));
        }
        let kept = last
            .flags
            .iter()
            .filter(|flag| !FLAGS.contains(&flag.as_str()) && !matches!(flag.as_str(), "rw" | "relatime"));
        let flags = wished.flags.iter().chain(kept).cloned().collect();
        let after = Mounted { flags, ..last.clone() };
        let mut mounts: String =
            mounted::read(&now.text).iter().filter(|mount| mount.path != *self.path).map(Mounted::line).collect();
        mounts.extend(now.there[..now.there.len() - 1].iter().map(Mounted::line));
        mounts.push_str(&after.line());
        // What is not named anew stays: each flag is said, also that it goes.
        let undo = differing.iter().filter(|flag| !self.has(flag)).map(|flag| match *flag {
            "ro" => "rw",
            "nosuid" => "suid",
            "nodev" => "dev",
            "noexec" => "exec",
            _ => "relatime",
        });
        let options: Vec<&str> = ["remount"].into_iter().chain(undo).chain([self.opts.as_str()]).collect();
        let step = act(&["mount", "-o", &options.join(","), "--", &self.path], mounts, &[]);
        let change = Change::new(Action::Update).field("", Shown::Value(last.shown()), Shown::Value(after.shown()));
        Ok(Verdict::Change(change.step(step)))
    }

    fn unmount(&self, now: &Now) -> Verdict<Step> {
        let Some(last) = now.there.last() else { return Verdict::right("not mounted") };
        let mut change = Change::new(Action::Delete).field("", Shown::Value(last.shown()), Shown::Absent);
        let others: String =
            mounted::read(&now.text).iter().filter(|mount| mount.path != *self.path).map(Mounted::line).collect();
        for left in (0..now.there.len()).rev() {
            let text = now.there[..left].iter().map(Mounted::line).fold(others.clone(), |text, line| text + &line);
            let command = Command::words(["umount", "--", &self.path].map(str::to_owned).to_vec());
            let files = vec![(MOUNTED.to_owned(), Content::open(text.into_bytes()))];
            let leaves = Leaves { files, changes: vec![self.path.to_string()], ..Leaves::default() };
            change = change.step(Step::Act { command, leaves });
        }
        Verdict::Change(change)
    }
}

/// systemd makes units of the lines of `/etc/fstab`, and would go on with the old ones.
pub(super) fn reload(fstab: &mut Verdict<Step>, systemd: bool) {
    if let (Verdict::Change(change), true) = (fstab, systemd) {
        let command = Command::words(["systemctl", "daemon-reload"].map(str::to_owned).to_vec());
        change.steps.push(Step::Act { command, leaves: Leaves::default() });
    }
}

impl Resource for Mount {
    const NAME: &'static str = "mount";
    const DOC: Doc = Doc {
        summary: "a file system at a folder, now and after a reboot",
        example: "\
- name: disk for data
  mount: { path: /srv/data, src: LABEL=data, fstype: ext4, opts: \"noatime,nofail\", passno: 2 }
- name: the same folder, read only
  mount: { path: /srv/export, src: /srv/data/export, opts: \"bind,ro\" }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let wanted = matches!(self.state, State::Mounted | State::Present);
        if wanted {
            if self.src.is_none() {
                misfits.push(Misfit::new("", "the parameter `src` is missing"));
            } else if self.is_bind() != self.src().starts_with('/') && self.device().is_none() {
                let why = "it is a device (`/dev/sdb1`, `UUID=...`), `server:/folder`, or a word as for `tmpfs`; a folder needs `opts: bind`";
                misfits.push(Misfit::new("src", why));
            }
            if self.fstype.is_none() && !self.is_bind() {
                misfits.push(Misfit::new("", "the parameter `fstype` is missing"));
            }
        }
        if &*self.path == "/" && !wanted {
            misfits.push(Misfit::new("path", "the root is never taken away"));
        }
        for (name, text) in [("src", self.src()), ("fstype", self.fstype()), ("opts", self.opts.as_str())] {
            let blank = text.chars().any(|one| one.is_control() || (one.is_whitespace() && name != "src"));
            if blank || text.starts_with(['-', '#']) || (text.is_empty() && name == "opts") {
                misfits.push(Misfit::new(name, format!("`{}` cannot stand in `{FSTAB}`", text.escape_debug())));
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::new("mount", self.path.to_string())]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let (fstab, path) = (self.fstab(), HostPath::of(FSTAB.to_owned()));
        let fstab = fstab.editing(&path);
        let (fstab, now, systemd) =
            futures::join!(fstab.read(probe), self.now(probe), probe.stat("/run/systemd/system"));
        let now = match now {
            Ok(now) => Ok(now),
            Err(Halt::Later(after)) => Err(after),
            Err(fault) => return Err(fault),
        };
        let mut folder = None;
        if let Ok(Now { there, .. }) = &now
            && self.state == State::Mounted
            && there.is_empty()
        {
            if let Some(stat) = probe.stat(&self.path).await?
                && stat.kind != FileKind::Directory
            {
                return Err(in_the_way(&self.path, &stat.kind, "name an empty folder in `path`").into());
            }
            folder = Some(Making { recurse: true, ..self.making() }.read(probe).await?);
        }
        Ok(Seen { fstab: fstab?, folder, now, systemd: systemd?.is_some() })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let (fstab, path) = (self.fstab(), HostPath::of(FSTAB.to_owned()));
        let fstab = || -> Result<_, Halt> {
            let mut verdict = fstab.editing(&path).plan(&current.fstab)?;
            reload(&mut verdict, current.systemd);
            Ok((FSTAB.to_owned(), verdict))
        };
        if self.state == State::Present {
            return Ok(together([fstab()?]));
        }
        let now = current.now.as_ref().map_err(Clone::clone)?;
        let named = |verdict| ("now".to_owned(), verdict);
        Ok(match (self.state, &now.wished) {
            (State::Unmounted, _) => together([named(self.unmount(now))]),
            (State::Absent, _) | (_, None) => together([named(self.unmount(now)), fstab()?]),
            (_, Some(wished)) => {
                let folder = current.folder.as_ref();
                let mount = self.mount(now, wished, folder)?;
                let folder = folder.map(|ground| self.making().plan(ground)).transpose()?;
                let folder = folder.map(|verdict| (self.path.to_string(), verdict));
                together(folder.into_iter().chain([fstab()?, named(mount)]))
            }
        })
    }
}
