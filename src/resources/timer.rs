//! `timer`: something that systemd runs again and again, as a service and the timer that starts it.

use std::fmt::Write as _;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::line::State;
use super::named;
use super::owned::{HEADER, Held, Owned, together};
use super::unit_state::{UnitState, reload};
use crate::model::decode::Misfit;
use crate::model::{Doc, Fault, FaultKind, Halt, Resource, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, Host, Step, Unit};

const FOLDER: &str = "/etc/systemd/system";

/// Something that systemd runs again and again, as a service and the timer that starts it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Timer {
    /// The units are `NAME.service` and `NAME.timer`.
    name: String,
    /// A line for `sh`.
    command: Option<String>,
    /// When, as systemd.time(7) has it: `daily`, `Mon *-*-* 02:30`. Several are a list.
    #[serde(default, deserialize_with = "some_or_many")]
    #[schemars(with = "Option<Times>")]
    on_calendar: Vec<String>,
    /// How long after the start of the host: `5min`.
    on_boot_sec: Option<String>,
    /// How long after it began the last time: `1h`.
    on_unit_active_sec: Option<String>,
    /// Run at once what was missed while the host was off? Of `on_calendar` only.
    #[serde(default)]
    persistent: bool,
    /// Wait a random time up to this one: `10min`.
    randomized_delay_sec: Option<String>,
    /// As whom it runs.
    #[serde(default = "root")]
    user: String,
    /// Variables for the command. Everybody on the host can read them: none may be secret.
    #[serde(default)]
    environment: IndexMap<String, String>,
    /// `present`: both units are there, and the timer is enabled and runs. `absent`: neither is there.
    #[serde(default)]
    state: State,
}

/// One or several.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Times {
    One(String),
    Many(Vec<String>),
}

fn some_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match Option::<Times>::deserialize(from)? {
        None => Vec::new(),
        Some(Times::One(one)) => vec![one],
        Some(Times::Many(many)) => many,
    })
}

fn root() -> String {
    "root".to_owned()
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    service_file: Held,
    timer_file: Held,
    service: Option<Unit>,
    timer: Option<Unit>,
}

/// In double quotes, as systemd reads it back.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('\t', "\\t"))
}

impl Timer {
    fn service(&self) -> Owned {
        let mut text = format!("{HEADER}[Service]\nType=oneshot\n");
        if self.user != "root" {
            let _ = writeln!(text, "User={}", self.user);
        }
        for (name, value) in &self.environment {
            let _ = writeln!(text, "Environment={}", quoted(&format!("{name}={value}")));
        }
        // Words of a command line are searched for variables; the shell gets them as they are.
        let line = quoted(self.command.as_deref().unwrap_or_default()).replace('$', "$$");
        let _ = writeln!(text, "ExecStart=/bin/sh -c {line}");
        self.owned("service", text)
    }

    fn timer(&self) -> Owned {
        let mut text = format!("{HEADER}[Timer]\n");
        let calendar = self.on_calendar.iter().map(|time| ("OnCalendar", time));
        let times = [
            ("OnBootSec", &self.on_boot_sec),
            ("OnUnitActiveSec", &self.on_unit_active_sec),
            ("RandomizedDelaySec", &self.randomized_delay_sec),
        ];
        let times = times.into_iter().filter_map(|(name, time)| Some((name, time.as_ref()?)));
        for (name, time) in calendar.chain(times) {
            let _ = writeln!(text, "{name}={}", time.replace('%', "%%"));
        }
        if self.persistent {
            text.push_str("Persistent=true\n");
        }
        text.push_str("[Install]\nWantedBy=timers.target\n");
        self.owned("timer", text)
    }

    fn owned(&self, sort: &str, text: String) -> Owned {
        let text = (self.state == State::Present).then_some(text);
        Owned::new(format!("{FOLDER}/{}.{sort}", self.name), text)
    }

    /// Does systemd understand these times? Asked only where the timer's file changes.
    async fn understood(&self, probe: &HostProbe) -> Result<(), Halt> {
        let spans = [&self.on_boot_sec, &self.on_unit_active_sec, &self.randomized_delay_sec];
        let calendar = self.on_calendar.iter().map(|time| ("calendar", time));
        for (sort, time) in calendar.chain(spans.into_iter().flatten().map(|time| ("timespan", time))) {
            let words = ["systemd-analyze", sort, "--", time.as_str()].map(str::to_owned).to_vec();
            let said = probe.run_about(&self.timer().path, Command::words(words)).await?;
            // 127: systemd will say it itself.
            if !matches!(said.status, 0 | 127) {
                let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
                return Err(Fault::new(FaultKind::Refused, format!("systemd does not understand the time `{time}`"))
                    .cause(said)
                    .help("see systemd.time(7): `daily`, `Mon *-*-* 02:30`, `5min`")
                    .into());
            }
        }
        Ok(())
    }
}

impl Resource for Timer {
    const NAME: &'static str = "timer";
    const DOC: Doc = Doc {
        summary: "something that systemd runs again and again",
        example: "\
- name: nightly dump
  timer:
    name: dump
    on_calendar: \"*-*-* 02:30\"
    persistent: true
    user: postgres
    command: pg_dumpall | gzip > /var/backups/all-$(date +%F).sql.gz
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = named::check(&self.name, FOLDER).into_iter().collect();
        if self.state == State::Absent {
            return misfits;
        }
        match &self.command {
            None => misfits.push(Misfit::new("", "the parameter `command` is missing")),
            Some(command) if command.trim().is_empty() || command.contains(['\n', '\r', '\0']) => {
                misfits.push(Misfit::new("command", "it is one line, and not empty: put more into a script"));
            }
            Some(_) => {}
        }
        if self.on_calendar.is_empty() && self.on_boot_sec.is_none() && self.on_unit_active_sec.is_none() {
            misfits.push(Misfit::new("", "say when it runs: `on_calendar`, `on_boot_sec` or `on_unit_active_sec`"));
        }
        let first = self.on_calendar.is_empty() && self.on_boot_sec.is_none();
        if first && self.on_unit_active_sec.is_some() {
            misfits
                .push(Misfit::new("on_unit_active_sec", "it never begins: say when it runs first, with `on_boot_sec`"));
        }
        if self.persistent && self.on_calendar.is_empty() {
            misfits.push(Misfit::new("persistent", "it is for `on_calendar`"));
        }
        let texts = self.on_calendar.iter().map(|time| ("on_calendar", time));
        let spans = [
            ("on_boot_sec", &self.on_boot_sec),
            ("on_unit_active_sec", &self.on_unit_active_sec),
            ("randomized_delay_sec", &self.randomized_delay_sec),
        ];
        let spans = spans.into_iter().filter_map(|(name, time)| Some((name, time.as_ref()?)));
        for (name, time) in texts.chain(spans) {
            if time.trim().is_empty() || time.chars().any(char::is_control) {
                misfits.push(Misfit::new(name, format!("`{}` is not a time", time.escape_debug())));
            }
        }
        misfits.extend(named::check_user(&self.user));
        for (name, value) in &self.environment {
            if let Err(why) = named::variable(name) {
                misfits.push(Misfit::new("environment", why));
            }
            if value.chars().any(|one| one.is_control() && one != '\t') {
                misfits.push(Misfit::new("environment", format!("the value of `{name}` is not one line")));
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![
            Thing::path(&*self.service().path),
            Thing::path(&*self.timer().path),
            Thing::new("unit", format!("{}.timer", self.name)),
        ]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent(Self::NAME, "name", &*self.name))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let (service_file, timer_file) = (self.service(), self.timer());
        let names = [format!("{}.service", self.name), format!("{}.timer", self.name)];
        let (service_held, timer_held, service, timer, user) = futures::join!(
            service_file.read(probe),
            timer_file.read(probe),
            probe.unit(&names[0]),
            probe.unit(&names[1]),
            probe.user(&self.user)
        );
        if self.state == State::Present && user?.is_none() && probe.ran().is_none() {
            return Err(Fault::failed(format!("there is no user `{}`", self.user))
                .help("make it in a task above, or correct `user`")
                .into());
        }
        let known = |unit| match unit {
            // What is taken away may show another file of that name, which is not ours.
            Err(Halt::Later(_)) if self.state == State::Absent => Ok(None),
            unit => unit,
        };
        let (service, timer) = (known(service)?, known(timer)?);
        let seen = Seen { service_file: service_held?, timer_file: timer_held?, service, timer };
        if self.state == State::Present && matches!(timer_file.plan(&seen.timer_file)?.1, Verdict::Change(_)) {
            match self.understood(probe).await {
                Ok(()) | Err(Halt::Later(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(seen)
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let (service, timer) = (self.service().plan(&current.service_file)?, self.timer().plan(&current.timer_file)?);
        let name = format!("{}.timer", self.name);
        let wish = UnitState { name: &name, enabled: Some(true), started: Some(true) };
        let changes = |part: &(String, Verdict<Step>)| matches!(part.1, Verdict::Change(_));
        let unit = current.timer.as_ref();
        let reload = reload(changes(&service) || changes(&timer), &[current.service.as_ref(), unit]);
        if self.state == State::Absent {
            return Ok(together(wish.gone(unit).into_iter().chain([timer, service]).chain(reload)));
        }
        // It goes by the times that it was started with.
        let restarted = if changes(&timer) { wish.restarted(unit) } else { None };
        let parts = wish.parts(unit)?.into_iter().chain(restarted);
        Ok(together([service, timer].into_iter().chain(reload).chain(parts)))
    }
}
