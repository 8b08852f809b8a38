//! `firewall`: what may come in to a host, in a table of nftables of its own: now, and after a reboot. No other table is
//! touched, so what Docker or Kubernetes keep there stays as it is.

mod rules;

use schemars::JsonSchema;
use serde::Deserialize;

use self::rules::Allow;
use super::line::State;
use super::owned::{HEADER, Held, Owned, together};
use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Undo, Verdict};
use crate::targets::host::probe::{HostProbe, WayIn};
use crate::targets::host::{Active, Command, Host, Step, Unit, UnitAction};

/// What may come in to a host. What is forwarded (containers, pods) is not its business.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Firewall {
    /// What may come in. Answers, the host's own traffic and ICMP always may.
    #[serde(default)]
    allow: Vec<Allow>,
    /// What becomes of the rest: `drop` or `reject`.
    #[serde(default)]
    policy: Policy,
    /// `present`: it is in effect, now and after a reboot. `absent`: everything may come in, as far as it is asked.
    #[serde(default)]
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Policy {
    /// It gets no answer.
    #[default]
    Drop,
    /// It is told that it may not.
    Reject,
}

const RULES: &str = "/etc/lions/firewall.nft";
const UNIT: &str = "/etc/systemd/system/lions-firewall.service";
const NAME: &str = "lions-firewall.service";

/// Before the network comes up, and after those who flush all rules when they start.
const UNIT_TEXT: &str = "\
[Unit]
Description=Firewall kept by lions
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=nft -f /etc/lions/firewall.nft
ExecReload=nft -f /etc/lions/firewall.nft
ExecStop=-nft delete table inet lions

[Install]
WantedBy=sysinit.target
";

/// Says what is loaded, and what the same rules look like when they are loaded in a network of nobody's: only so can
/// the two be compared.
const LOOK: &str = "LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/sbin:/sbin; [ \"$(id -u)\" = 0 ] || exit 77\n\
    f=$(mktemp) || exit 1; trap 'rm -f \"$f\"' EXIT; cat >\"$f\"\n\
    grep -qsx 'ENABLED=yes' /etc/ufw/ufw.conf && exit 78\n\
    systemctl is-active --quiet firewalld && exit 78\n\
    t=$(nft list tables) || exit 66\n\
    case \"\n$t\n\" in *\"\ntable inet lions\n\"*) nft -s list table inet lions || exit 66 ;; esac\n\
    printf '\\036'\n\
    [ ! -s \"$f\" ] || unshare -n sh -c 'nft -f \"$1\" && exec nft -s list table inet lions' sh \"$f\" || exit 65";

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    rules: Held,
    file: Held,
    unit: Option<Unit>,
    /// What is loaded, and what should be, both as the host says it.
    loaded: Result<(String, String), After>,
    way: Option<WayIn>,
}

impl Firewall {
    fn text(&self) -> String {
        let mut text = format!(
            "{HEADER}table inet lions\ndelete table inet lions\n\ntable inet lions {{\n\tchain input {{\n\
             \t\ttype filter hook input priority filter; policy drop;\n\
             \t\tct state established,related accept\n\t\tct state invalid drop\n\t\tiifname \"lo\" accept\n\
             \t\tmeta l4proto {{ icmp, ipv6-icmp }} accept\n\
             \t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n"
        );
        for allow in &self.allow {
            text.push_str(&allow.lines());
        }
        if self.policy == Policy::Reject {
            text.push_str("\t\treject with icmpx admin-prohibited\n");
        }
        text.push_str("\t}\n}\n");
        text
    }

    fn wished(&self) -> bool {
        self.state == State::Present
    }

    fn rules(&self) -> Owned {
        let mut owned = Owned::new(RULES.to_owned(), self.wished().then(|| self.text()));
        owned.folder = true;
        owned
    }

    fn file(&self) -> Owned {
        Owned::new(UNIT.to_owned(), self.wished().then(|| format!("{HEADER}{UNIT_TEXT}")))
    }

    async fn loaded(&self, probe: &HostProbe) -> Result<(String, String), Halt> {
        let input = if self.wished() { self.text() } else { String::new() };
        let look = Command { stdin: Some(input.into_bytes()), ..Command::shell(LOOK) };
        let said = probe.glance(look).await?;
        let complaint = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        let fault = match said.status {
            0 => {
                let text = String::from_utf8_lossy(&said.stdout);
                let (is, wished) = text.split_once('\u{1e}').unwrap_or((&text, ""));
                return Ok((is.to_owned(), wished.to_owned()));
            }
            77 => Fault::new(FaultKind::Refused, "a firewall needs root").help("set `become: true`"),
            78 => Fault::new(FaultKind::Refused, "another firewall is in charge there: ufw or firewalld")
                .help("what one lets in the other may still drop: keep one, or turn that one off in a task above"),
            65 => Fault::failed("nftables does not take these rules").cause(complaint),
            _ if complaint.contains("not found") => {
                Fault::failed("the host has no `nft`").help("install `nftables` with `package` in a task above")
            }
            _ => Fault::failed("the host does not say which rules are loaded").cause(complaint),
        };
        Err(fault.into())
    }

    /// `lions` does not cut the branch that it sits on.
    fn keeps_way_in(&self, way: Option<&WayIn>) -> Result<(), Fault> {
        let Some(way) = way.filter(|way| !way.from.is_loopback() && self.wished()) else { return Ok(()) };
        if self.allow.iter().any(|allow| allow.admits(way)) {
            return Ok(());
        }
        Err(Fault::new(
            FaultKind::Refused,
            format!("these rules would cut the way in: port {} from {}", way.port, way.from),
        )
        .help(format!("allow it: `- {{ port: {}, from: {} }}`, or from wherever you come", way.port, way.from)))
    }
}

impl Resource for Firewall {
    const NAME: &'static str = "firewall";
    const DOC: Doc = Doc {
        summary: "what may come in to a host, now and after a reboot; other tables of nftables stay as they are",
        example: "\
- name: only what is served
  guard: connectivity
  firewall:
    allow:
      - { port: 22 }
      - { port: [80, 443] }
      - { port: 6443, from: 10.0.0.0/8 }
      - { interface: cni0 }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> =
            self.allow.iter().filter_map(Allow::check).map(|why| Misfit::new("allow", why)).collect();
        if self.wished() && self.allow.is_empty() {
            misfits.push(Misfit::new("", "the parameter `allow` is missing: nothing could come in"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(RULES), Thing::path(UNIT)]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo { resource: Self::NAME.to_owned(), params: [("state".to_owned(), "absent".to_owned())].into() })
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let (rules, file) = (self.rules(), self.file());
        let (rules, file, unit, loaded, way) =
            futures::join!(rules.read(probe), file.read(probe), probe.unit(NAME), self.loaded(probe), probe.way_in());
        let loaded = match loaded {
            Ok(loaded) => Ok(loaded),
            Err(Halt::Later(after)) => Err(after),
            Err(fault) => return Err(fault),
        };
        let unit = match unit {
            Err(Halt::Later(_)) => None,
            unit => unit?,
        };
        Ok(Seen { rules: rules?, file: file?, unit, loaded, way: way? })
    }

    fn plan(&self, seen: &Seen) -> Result<Verdict<Step>, Halt> {
        self.keeps_way_in(seen.way.as_ref())?;
        let files = together([self.rules().plan(&seen.rules)?, self.file().plan(&seen.file)?]);
        let unit = |action| Step::Unit { name: NAME.to_owned(), action };
        let enabled = seen.unit.as_ref().is_some_and(|unit| unit.enabled == "enabled");
        let active = seen.unit.as_ref().is_some_and(|unit| unit.active == Active::Active);
        let differs = match &seen.loaded {
            Ok((is, wished)) if is == wished => None,
            Ok((is, wished)) => {
                let shown = |text: &str| if text.is_empty() { Shown::Absent } else { Shown::Text(text.to_owned()) };
                Some((shown(is), shown(wished)))
            }
            Err(after) => Some((Shown::Unknown(after.clone()), Shown::Unknown(after.clone()))),
        };
        let right = matches!(files, Verdict::Right { .. });
        if right && differs.is_none() && enabled == self.wished() && active == self.wished() {
            let why = if self.wished() { "in effect, now and after a reboot" } else { "there is none" };
            return Ok(Verdict::right(why));
        }
        let mut change = match files {
            Verdict::Change(change) => change,
            Verdict::Right { .. } => Change::new(if self.wished() { Action::Update } else { Action::Delete }),
        };
        let files = std::mem::take(&mut change.steps);
        let reload = (!right).then_some(Step::DaemonReload);
        let loads = differs.is_some();
        if let Some((before, after)) = differs {
            change = change.field("in effect", before, after);
        }
        if enabled != self.wished() {
            let word = |enabled: bool| Shown::value(if enabled { "in effect" } else { "not in effect" });
            change = change.field("after a reboot", word(enabled), word(self.wished()));
        }
        let start = (!active).then(|| unit(UnitAction::Start));
        change.steps = if self.wished() {
            let load = loads.then(|| Step::Ruleset { path: Some(RULES.to_owned()) });
            let enable = (!enabled).then(|| unit(UnitAction::Enable));
            files.into_iter().chain(reload).chain(load).chain(enable).chain(start).collect()
        } else {
            let stop = active.then(|| unit(UnitAction::Stop));
            let disable = enabled.then(|| unit(UnitAction::Disable));
            let unload = loads.then_some(Step::Ruleset { path: None });
            stop.into_iter().chain(disable).chain(unload).chain(files).chain(reload).collect()
        };
        Ok(Verdict::Change(change))
    }
}
