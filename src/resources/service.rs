//! `service`: what a unit of systemd should do, now and when the system starts.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::decode::Misfit;
use crate::model::{Action, After, Change, Doc, Fault, FaultKind, Halt, Resource, Shown, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Active, Host, Load, Step, Unit, UnitAction, check_unit, unit_name};

/// What a unit of systemd should do, now and when the system starts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// The name of the unit. Without an ending it is a service: `nginx` is `nginx.service`.
    name: String,
    /// `started`, `stopped`: what it is to be. `restarted`, `reloaded`: what is done every time, in a handler mostly.
    state: Option<State>,
    /// Should it start with the system?
    enabled: Option<bool>,
    /// Should nothing be able to start it?
    masked: Option<bool>,
    /// Let systemd read the files of units again, if one of this unit changed? Before it is started that is done anyway.
    #[serde(default)]
    daemon_reload: bool,
}

/// What it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Run.
    Started,
    /// Not run.
    Stopped,
    /// Start anew.
    Restarted,
    /// Read its configuration again.
    Reloaded,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    There(Unit),
    Absent,
    /// A task above may bring it.
    Maybe(After),
}

/// What it does, in a word that does not differ from one moment to the next.
fn word(unit: &Unit) -> &'static str {
    match (unit.active, unit.sub.as_str()) {
        (Active::Failed, _) | (Active::Activating, "auto-restart") => "failed",
        (Active::Active | Active::Reloading, _) => "started",
        (Active::Inactive, _) => "stopped",
        (Active::Activating, _) => "starting",
        (Active::Deactivating, _) => "stopping",
    }
}

fn refused(what: String) -> Fault {
    Fault::new(FaultKind::Refused, what)
}

impl Service {
    fn unit(&self) -> String {
        unit_name(&self.name)
    }

    /// Is something to be run that has no state to return to?
    fn passes(&self) -> bool {
        matches!(self.state, Some(State::Restarted | State::Reloaded))
    }

    fn change(&self) -> Change<Step> {
        Change::new(if self.passes() { Action::Run } else { Action::Update })
    }

    /// All that is wished for, of a unit that a task above may bring.
    fn open(&self, after: &After) -> Change<Step> {
        let mut change = self.change();
        let unknown = || Shown::Unknown(after.clone());
        let name = self.unit();
        let step = |action| Step::Unit { name: name.clone(), action };
        if let Some(enabled) = self.enabled {
            let (action, wanted) = enabling(enabled);
            change = change.field("enabled", unknown(), Shown::value(wanted)).step(step(action));
        }
        if let Some(masked) = self.masked {
            let (action, wanted) = masking(masked);
            change = change.field("masked", unknown(), Shown::value(wanted)).step(step(action));
        }
        match self.state {
            None => change,
            Some(State::Started) => {
                change.field("state", unknown(), Shown::value("started")).step(step(UnitAction::Start))
            }
            Some(State::Stopped) => {
                change.field("state", unknown(), Shown::value("stopped")).step(step(UnitAction::Stop))
            }
            Some(State::Restarted) => {
                change.field("state", Shown::Absent, Shown::value("restarted")).step(step(UnitAction::Restart))
            }
            Some(State::Reloaded) => {
                change.field("state", Shown::Absent, Shown::value("reloaded")).step(step(UnitAction::Reload))
            }
        }
    }

    fn adjust(&self, unit: &Unit) -> Result<Verdict<Step>, Halt> {
        let name = self.unit();
        if let Load::Bad(why) = &unit.load {
            return Err(Fault::failed(format!("systemd does not take the unit `{name}`"))
                .cause(why)
                .help("correct its file")
                .into());
        }
        let masked = unit.load == Load::Masked;
        let starts = matches!(self.state, Some(State::Started | State::Restarted | State::Reloaded));
        if masked && self.masked.is_none() && (starts || self.enabled == Some(true)) {
            return Err(refused(format!("`{name}` is masked: nothing can start it"))
                .help("say `masked: false` if it is to be started")
                .into());
        }
        // An alias cannot be enabled or masked: that is done to what it stands for.
        let step =
            |action| Step::Unit { name: if unit.id.is_empty() { name.clone() } else { unit.id.clone() }, action };
        let mut change = self.change();
        if self.masked == Some(false) && masked {
            change = change.field("masked", Shown::value("yes"), Shown::value("no")).step(step(UnitAction::Unmask));
        }
        if let Some(enabled) = self.enabled
            && !self.enabled_right(unit, enabled)?
        {
            let (action, wanted) = enabling(enabled);
            change = change.field("enabled", Shown::value(&unit.enabled), Shown::value(wanted)).step(step(action));
        }
        if let Some((action, before, wanted)) = self.run(unit)? {
            change = change.field("state", before, Shown::value(wanted)).step(step(action));
        }
        if self.masked == Some(true) && !masked {
            if unit.path.starts_with("/etc/systemd/system/") {
                return Err(refused(format!("`{name}` cannot be masked: its file is `{}`", unit.path))
                    .help("take that file away, or stop and disable the unit")
                    .into());
            }
            change = change.field("masked", Shown::value("no"), Shown::value("yes")).step(step(UnitAction::Mask));
        }
        if unit.stale && (self.daemon_reload || !change.steps.is_empty()) {
            if self.daemon_reload {
                change = change.field("daemon_reload", Shown::value("due"), Shown::value("done"));
            }
            change.steps.insert(0, Step::DaemonReload);
        }
        if change.steps.is_empty() {
            return Ok(Verdict::right(if self.state == Some(State::Started) { "it runs" } else { "already so" }));
        }
        Ok(Verdict::Change(change))
    }

    fn enabled_right(&self, unit: &Unit, wanted: bool) -> Result<bool, Halt> {
        let cannot = |why: &str| -> Halt {
            refused(format!("`{}` cannot be enabled or disabled: {why}", self.unit()))
                .help("leave out `enabled`")
                .into()
        };
        match (unit.enabled.as_str(), wanted) {
            ("enabled", wanted) => Ok(wanted),
            // Until the next start of the system only.
            ("enabled-runtime", false) => Ok(false),
            ("disabled" | "linked" | "linked-runtime" | "masked" | "masked-runtime" | "enabled-runtime", wanted) => {
                Ok(!wanted)
            }
            ("generated", _) => Err(cannot("it comes from a generator, or from a script of `/etc/init.d`")),
            ("static" | "transient" | "", false) => Ok(true),
            ("static", true) => Err(cannot("its file has no `[Install]`, other units start it")),
            ("indirect", true) => Err(cannot("its `[Install]` only names other units: enable those")),
            ("indirect", false) => Ok(true),
            ("alias", wanted) => Ok(wanted),
            (other, _) => Err(cannot(&format!("systemd calls it `{other}`"))),
        }
    }

    /// What is done so that it runs as wished, with what is there and what is to be.
    fn run(&self, unit: &Unit) -> Result<Option<(UnitAction, Shown, &'static str)>, Halt> {
        let runs = matches!(unit.active, Active::Active | Active::Reloading);
        let before = Shown::value(word(unit));
        Ok(match self.state {
            None => None,
            Some(State::Started) if runs => None,
            Some(State::Started) if unit.passing => {
                return Err(refused(format!("`{}` ends by itself, and does not stay started", self.unit()))
                    .help("start it with a timer, or say `state: restarted` to run it every time")
                    .into());
            }
            Some(State::Started) => Some((UnitAction::Start, before, "started")),
            Some(State::Stopped) if matches!(unit.active, Active::Inactive | Active::Failed) => None,
            Some(State::Stopped) => Some((UnitAction::Stop, before, "stopped")),
            // Whether it runs now does not matter, and may be different when its turn comes.
            Some(State::Restarted) => Some((UnitAction::Restart, Shown::Absent, "restarted")),
            Some(State::Reloaded) if !unit.reloads => {
                return Err(refused(format!("`{}` cannot read its configuration again while it runs", self.unit()))
                    .help("use `state: restarted`")
                    .into());
            }
            Some(State::Reloaded) if runs => Some((UnitAction::Reload, Shown::Absent, "reloaded")),
            // It reads its configuration when it starts.
            Some(State::Reloaded) => Some((UnitAction::Start, Shown::Absent, "reloaded")),
        })
    }
}

fn enabling(wanted: bool) -> (UnitAction, &'static str) {
    if wanted { (UnitAction::Enable, "enabled") } else { (UnitAction::Disable, "disabled") }
}

fn masking(wanted: bool) -> (UnitAction, &'static str) {
    if wanted { (UnitAction::Mask, "yes") } else { (UnitAction::Unmask, "no") }
}

impl Resource for Service {
    const NAME: &'static str = "service";
    const DOC: Doc = Doc {
        summary: "what a unit of systemd should do, now and when the system starts",
        example: "\
- name: chrony runs
  service: { name: chrony, state: started, enabled: true }
- name: nobody starts the old mail server
  service: { name: exim4, state: stopped, masked: true }
- name: nginx reads its configuration
  service: { name: nginx, state: reloaded }
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> =
            check_unit(&self.unit()).err().map(|why| Misfit::new("name", why)).into_iter().collect();
        if self.state.is_none() && self.enabled.is_none() && self.masked.is_none() && !self.daemon_reload {
            misfits.push(Misfit::new("", "nothing is wished for: say `state`, `enabled` or `masked`"));
        }
        if self.masked == Some(true) {
            if !matches!(self.state, None | Some(State::Stopped)) {
                misfits.push(Misfit::new("masked", "what is masked cannot be started"));
            }
            if self.enabled == Some(true) {
                misfits.push(Misfit::new("masked", "what is masked does not start with the system"));
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::new("unit", self.unit())]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        match probe.unit(&self.unit()).await {
            Ok(Some(unit)) => Ok(Seen::There(unit)),
            // A command above may have made it without saying so: then apply will tell.
            Ok(None) => Ok(probe.ran().map_or(Seen::Absent, Seen::Maybe)),
            Err(Halt::Later(after)) => Ok(Seen::Maybe(after)),
            Err(fault) => Err(fault),
        }
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        match current {
            Seen::There(unit) => self.adjust(unit),
            Seen::Maybe(after) => {
                let change = self.open(after);
                if change.steps.is_empty() {
                    return Err(after.clone().into());
                }
                Ok(Verdict::Change(change))
            }
            Seen::Absent if self.masked == Some(true) && self.state.is_none() && self.enabled != Some(true) => {
                let step = Step::Unit { name: self.unit(), action: UnitAction::Mask };
                let change = self.change().field("masked", Shown::value("no"), Shown::value("yes"));
                Ok(Verdict::Change(change.step(step)))
            }
            Seen::Absent => Err(Fault::failed(format!("there is no unit `{}`", self.unit()))
                .help("install its package or write its file in a task above, or correct `name`")
                .into()),
        }
    }
}
