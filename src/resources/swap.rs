//! `swap`: a file that memory is swapped to, now and after a reboot.

use schemars::JsonSchema;
use serde::Deserialize;

use super::editing::Edited;
use super::fstab::{FSTAB, Fstab, escape, unescape};
use super::line::State;
use super::mount::reload;
use super::owned::together;
use super::path::HostPath;
use super::removing;
use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Content, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Attributes, Command, Host, Leaves, Step};

const SWAPS: &str = "/proc/swaps";

/// A file that memory is swapped to, now and after a reboot; or a device that is swap already.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Swap {
    /// The file, or a device that `mkswap` has made. What is no swap is never written over.
    #[serde(default = "swapfile")]
    path: HostPath,
    /// Size of the file: `512M`, `4G`.
    size: Option<Size>,
    /// `present`: it is swapped to, now and after a reboot. `absent`: it is not, and the file goes away.
    #[serde(default)]
    state: State,
}

fn swapfile() -> HostPath {
    HostPath::of("/swapfile".to_owned())
}

/// Bytes, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct Size(u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unit = text.trim_end_matches("iB").trim_end_matches('B');
        let shift = match unit.chars().last() {
            Some('M') => 20,
            Some('G') => 30,
            Some('T') => 40,
            _ => 0,
        };
        let number: Option<u64> = unit.get(..unit.len().saturating_sub(1)).and_then(|number| number.parse().ok());
        let bytes = number.filter(|number| shift > 0 && *number > 0).and_then(|number| number.checked_mul(1 << shift));
        bytes.map(Self).ok_or_else(|| format!("`{text}` is not a size like `512M` or `4G`"))
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit =
            [(40, "TiB"), (30, "GiB"), (20, "MiB")].into_iter().find(|(shift, _)| self.0.is_multiple_of(1 << shift));
        match unit {
            Some((shift, unit)) if self.0 > 0 => write!(out, "{} {unit}", self.0 >> shift),
            _ => write!(out, "{} KiB", self.0 >> 10),
        }
    }
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    fstab: Edited,
    /// What the kernel lists.
    swaps: String,
    file: Result<There, After>,
    systemd: bool,
}

/// What is at the path, seen without reading all of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum There {
    Nothing,
    File { size: u64, mode: u32, swap: bool },
    Device { swap: bool },
    Other,
}

/// Sort, size and mode, and the sign by which swap is known.
const LOOK: &str = r#"[ -e "$1" ] || [ -L "$1" ] || exit 3
stat -c '%F:%s:%a' -- "$1" || exit 4
dd if="$1" bs=1 skip=$(($(getconf PAGESIZE) - 10)) count=10 2>/dev/null || :"#;

/// A new file, put into place when it is whole. Copy-on-write and holes are nothing for swap.
const MAKE: &str = r#"set -eu; umask 077
t=$(mktemp "${1%/*}/.lions.XXXXXX")
trap 'rm -f "$t"' EXIT; trap 'exit 143' HUP INT TERM
chattr +C "$t" 2>/dev/null || :
fallocate -l "$2" "$t" 2>/dev/null || dd if=/dev/zero of="$t" bs=1M iflag=count_bytes count="$2" 2>&1
mkswap "$t" >/dev/null
mv -fT -- "$t" "$1""#;

fn parse(said: &str) -> Option<There> {
    let (first, rest) = said.split_once('\n')?;
    let [sort, size, mode] = first.split(':').collect::<Vec<_>>()[..] else { return None };
    let swap = matches!(rest, "SWAPSPACE2" | "SWAP-SPACE");
    Some(match sort {
        "regular file" | "regular empty file" => {
            There::File { size: size.parse().ok()?, mode: u32::from_str_radix(mode, 8).ok()?, swap }
        }
        "block special file" => There::Device { swap },
        _ => There::Other,
    })
}

impl Swap {
    fn fstab(&self) -> Fstab {
        let fields = [&*self.path, "none", "swap", "sw", "0", "0"].map(str::to_owned);
        Fstab { fields: (self.state == State::Present).then_some(fields), key: (0, self.path.to_string()) }
    }

    fn is_device(&self) -> bool {
        self.path.starts_with("/dev/")
    }

    /// The fields of its line in what the kernel lists.
    fn listed<'a>(&self, line: &'a str) -> Option<Vec<&'a str>> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.first().map(|path| unescape(path)).as_deref() == Some(&*self.path)).then_some(fields)
    }

    /// Its size, if it is swapped to now.
    fn active(&self, swaps: &str) -> Option<Size> {
        let fields = swaps.lines().find_map(|line| self.listed(line))?;
        // The first page is not swapped to.
        let kibibytes: u64 = fields.get(2)?.parse().ok()?;
        Some(Size((kibibytes + 4) << 10))
    }

    fn act(name: &str, script: &str, words: &[&str], leaves: Leaves) -> Step {
        Step::Act { command: Command::script(name, script, words), leaves }
    }

    fn on(&self, swaps: &str, size: Size) -> Step {
        let line = format!("{} file {} 0 -2\n", escape(&self.path), (size.0 >> 10).saturating_sub(4));
        let files = vec![(SWAPS.to_owned(), Content::open(format!("{swaps}{line}").into_bytes()))];
        Self::act("swapon", r#"swapon -- "$1""#, &[&self.path], Leaves { files, ..Leaves::default() })
    }

    fn off(&self, swaps: &str) -> (Step, String) {
        let rest: String =
            swaps.lines().filter(|line| self.listed(line).is_none()).flat_map(|line| [line, "\n"]).collect();
        let files = vec![(SWAPS.to_owned(), Content::open(rest.clone().into_bytes()))];
        (Self::act("swapoff", r#"swapoff -- "$1""#, &[&self.path], Leaves { files, ..Leaves::default() }), rest)
    }

    fn make(&self, size: Size) -> Step {
        let leaves = Leaves { changes: vec![self.path.to_string()], ..Leaves::default() };
        Self::act("make swap", MAKE, &[&self.path, &size.0.to_string()], leaves)
    }

    /// Swapped to, now.
    fn now(&self, swaps: &str, there: Option<There>) -> Result<Verdict<Step>, Fault> {
        let change = Change::new(Action::Update);
        let shown = |size: Option<Size>| match size {
            Some(size) => Shown::Value(size.to_string()),
            None => Shown::value("not swapped to"),
        };
        let wished = self.size.unwrap_or(Size(0));
        // Tools round to pages, and those are not of one size everywhere.
        let same = |size: u64| size.abs_diff(wished.0) <= 128 << 10;
        if let Some(size) = self.active(swaps) {
            if self.is_device() || same(size.0) {
                return Ok(match there {
                    Some(There::File { mode, .. }) if mode != 0o600 => {
                        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
                        let step = Step::Attributes { path: self.path.to_string(), attributes };
                        let (before, after) = (format!("mode {mode:04o}"), Shown::value("mode 0600"));
                        Verdict::Change(change.field("", Shown::Value(before), after).step(step))
                    }
                    _ => Verdict::right("swapped to"),
                });
            }
            let (off, rest) = self.off(swaps);
            let change = change.field("", shown(Some(size)), shown(Some(wished)));
            return Ok(Verdict::Change(change.step(off).step(self.make(wished)).step(self.on(&rest, wished))));
        }
        let refused =
            |what: &str, help: &str| Err(Fault::new(FaultKind::Refused, format!("`{}` {what}", self.path)).help(help));
        let change = change.field("", shown(None), shown(self.size)).clone();
        match there.unwrap_or(There::Nothing) {
            There::Device { swap: true } => {
                let change = Change::new(Action::Update).field("", shown(None), Shown::value("swapped to"));
                Ok(Verdict::Change(change.step(self.on(swaps, wished))))
            }
            There::Device { swap: false } => refused(
                "is no swap: what is on it is not written over",
                "if nothing on it is needed, run `mkswap` there",
            ),
            There::Nothing if self.is_device() => {
                refused("does not exist", "correct `path` (see `lsblk`), or attach it")
            }
            There::File { size, mode: 0o600, swap: true } if same(size) => {
                Ok(Verdict::Change(change.step(self.on(swaps, wished))))
            }
            There::File { size, swap: false, .. } if size > 0 => refused(
                "is a file that is no swap: it is not written over",
                "name another `path`, or take that file away first",
            ),
            There::Other => refused("is no file", "name another `path`"),
            There::Nothing | There::File { .. } => {
                Ok(Verdict::Change(change.step(self.make(wished)).step(self.on(swaps, wished))))
            }
        }
    }

    fn gone(&self, swaps: &str, there: There) -> Result<Verdict<Step>, Fault> {
        let mut change = Change::new(Action::Delete);
        let active = self.active(swaps);
        if active.is_some() {
            change = change.step(self.off(swaps).0);
        }
        let before = match there {
            There::File { swap: false, .. } | There::Other => {
                return Err(Fault::new(
                    FaultKind::Refused,
                    format!("`{}` is no swap: it is not taken away", self.path),
                )
                .help("correct `path`, or take it away with `file: {state: absent}`"));
            }
            There::File { size, .. } => {
                let script = r#"rm -f -- "$1""#;
                let leaves = Leaves { changes: vec![self.path.to_string()], ..Leaves::default() };
                change = change.step(Self::act("remove swap", script, &[&self.path], leaves));
                format!("a swap file, {}", Size(size))
            }
            There::Nothing | There::Device { .. } if active.is_none() => return Ok(Verdict::right("not there")),
            There::Nothing | There::Device { .. } => "swapped to".to_owned(),
        };
        Ok(Verdict::Change(change.field("", Shown::Value(before), Shown::Absent)))
    }
}

impl Resource for Swap {
    const NAME: &'static str = "swap";
    const DOC: Doc = Doc {
        summary: "a file that memory is swapped to, now and after a reboot",
        example: "\
- name: four gigabytes of swap
  swap: { path: /swapfile, size: 4G }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = removing::check(&self.path, "path").into_iter().collect();
        match (self.size, self.state) {
            (None, State::Present) if !self.is_device() => {
                misfits.push(Misfit::new("", "the parameter `size` is missing"));
            }
            (Some(_), _) if self.is_device() => misfits.push(Misfit::new("size", "a device has its own size")),
            _ => {}
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::new("swap", self.path.to_string())]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let (fstab, path) = (self.fstab(), HostPath::of(FSTAB.to_owned()));
        let fstab = fstab.editing(&path);
        let look = Command::script("look", LOOK, &[&self.path]);
        let (fstab, swaps, look, systemd) = futures::join!(
            fstab.read(probe),
            probe.kernel(SWAPS),
            probe.run_about(&self.path, look),
            probe.stat("/run/systemd/system")
        );
        let Some(swaps) = swaps? else {
            return Err(Fault::failed("this kernel does not swap").help("run it without this task").into());
        };
        let file = match look {
            Ok(said) if said.status == 3 => Ok(There::Nothing),
            Ok(said) => Ok(parse(&String::from_utf8_lossy(&said.stdout)).ok_or_else(|| {
                Fault::failed(format!("could not see what is at `{}`", self.path))
                    .cause(String::from_utf8_lossy(&said.stderr).trim())
            })?),
            Err(Halt::Later(after)) => Err(after),
            Err(fault) => return Err(fault),
        };
        let swaps = String::from_utf8_lossy(swaps.bytes()).into_owned();
        Ok(Seen { fstab: fstab?, swaps, file, systemd: systemd?.is_some() })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let (fstab, path) = (self.fstab(), HostPath::of(FSTAB.to_owned()));
        let mut fstab = fstab.editing(&path).plan(&current.fstab)?;
        reload(&mut fstab, current.systemd);
        let fstab = (FSTAB.to_owned(), fstab);
        let swaps = &current.swaps;
        if self.state == State::Absent {
            // Taken away above, or made there: what is listed says it.
            let there = match &current.file {
                Err(_) if self.active(swaps).is_none() => There::Nothing,
                Err(after) => return Err(after.clone().into()),
                Ok(there) => *there,
            };
            return Ok(together([(self.path.to_string(), self.gone(swaps, there)?), fstab]));
        }
        let there = match &current.file {
            Err(_) if self.active(swaps).is_some() => None,
            Err(after) => return Err(after.clone().into()),
            Ok(there) => Some(*there),
        };
        Ok(together([("now".to_owned(), self.now(swaps, there)?), fstab]))
    }
}
