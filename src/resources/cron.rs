//! `cron`: something that runs again and again, as a file of its own for cron.

use std::fmt::Write as _;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::line::State;
use super::named;
use super::owned::{Held, Owned, headed, together};
use super::plain::Plain;
use super::schedule::{self, Field};
use crate::model::decode::Misfit;
use crate::model::{After, Arg, Doc, Fault, Halt, Resource, Sealed, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

const FOLDER: &str = "/etc/cron.d";

/// Something that runs again and again, as a file of its own for cron.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cron {
    /// The file in `/etc/cron.d`.
    name: String,
    /// A line for `sh`. Each `%` is escaped for cron.
    job: Option<Arg<String>>,
    /// As whom it runs.
    #[serde(default = "root")]
    user: String,
    /// 0 to 59.
    minute: Option<Plain>,
    /// 0 to 23.
    hour: Option<Plain>,
    /// Day of the month, 1 to 31. With `weekday`, cron runs it on days of either.
    day: Option<Plain>,
    /// 1 to 12, or `jan` to `dec`.
    month: Option<Plain>,
    /// 0 to 7 (0 and 7 are Sunday), or `sun` to `sat`.
    weekday: Option<Plain>,
    /// Instead of the five: `reboot`, `hourly`, `daily`, `weekly`, `monthly` or `annually`.
    special_time: Option<Special>,
    /// Variables for the job. They may be secret: then only root may read the file.
    #[serde(default)]
    environment: IndexMap<String, Arg<String>>,
    /// `present`: the file holds this job. `absent`: it is not there.
    #[serde(default)]
    state: State,
}

fn root() -> String {
    "root".to_owned()
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Special {
    Reboot,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Annually,
    Yearly,
}

impl Cron {
    fn times(&self) -> [(Field, Option<&Plain>); 5] {
        [
            (schedule::MINUTE, self.minute.as_ref()),
            (schedule::HOUR, self.hour.as_ref()),
            (schedule::DAY, self.day.as_ref()),
            (schedule::MONTH, self.month.as_ref()),
            (schedule::WEEKDAY, self.weekday.as_ref()),
        ]
    }

    fn when(&self) -> String {
        match self.special_time {
            Some(special) => format!("@{}", format!("{special:?}").to_lowercase()),
            None => self.times().map(|(_, time)| time.map_or("*", |time| time.0.as_str())).join(" "),
        }
    }

    /// The file's text, and what may be shown of it.
    fn text(&self) -> Arg<String> {
        let (mut text, mut shown, mut secret) = (String::new(), String::new(), false);
        let mut add = |before: &str, value: &Arg<String>, form: &dyn Fn(&str) -> String| -> Result<(), After> {
            let open = match value {
                Arg::Known(value) => value,
                Arg::Secret(Sealed { shown, .. }) => {
                    secret = true;
                    shown
                }
                Arg::Unknown(after) => return Err(after.clone()),
            };
            let _ = writeln!(text, "{before}{}", form(value.value()?));
            let _ = writeln!(shown, "{before}{}", form(open));
            Ok(())
        };
        let mut all = || {
            for (name, value) in &self.environment {
                add(&format!("{name}="), value, &|value| quoted(value).unwrap_or_default())?;
            }
            self.job.iter().try_for_each(|job| add(&format!("{} {} ", self.when(), self.user), job, &escaped))
        };
        match all() {
            Err(after) => Arg::Unknown(after),
            Ok(()) if secret => Arg::Secret(Sealed { value: text, shown }),
            Ok(()) => Arg::Known(text),
        }
    }

    fn owned(&self) -> Owned {
        let text = self.text();
        let content = (self.state == State::Present).then(|| headed(&text));
        let mode = if text.is_secret() { 0o600 } else { 0o644 };
        Owned { content, mode, ..Owned::new(format!("{FOLDER}/{}", self.name), None) }
    }
}

/// For cron, `%` ends a line unless a backslash is before it.
fn escaped(job: &str) -> String {
    let mut out = String::new();
    for one in job.chars() {
        if one == '%' && !out.ends_with('\\') {
            out.push('\\');
        }
        out.push(one);
    }
    out
}

/// A value as cron reads it back; `None` when it cannot be written.
fn quoted(value: &str) -> Option<String> {
    match (value.contains('"'), value.contains('\'')) {
        (true, true) => None,
        (true, false) => Some(format!("'{value}'")),
        (false, _) => Some(format!("\"{value}\"")),
    }
}

impl Resource for Cron {
    const NAME: &'static str = "cron";
    const DOC: Doc = Doc {
        summary: "something that runs again and again, as a file of its own for cron",
        example: "\
- name: nightly dump
  cron:
    name: dump
    user: root
    minute: 30
    hour: 2
    job: /usr/local/bin/dump --into /var/backups/$(date +%F)
    environment: { MAILTO: ops@lions.dev }
",
    };
    type Target = Host;
    type State = Held;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = named::check(&self.name, FOLDER).into_iter().collect();
        let times = self.times().into_iter().filter_map(|(field, time)| Some((field, time?)));
        for (field, time) in times {
            if let Err(why) = field.check(&time.0) {
                misfits.push(Misfit::new(field.name, why));
            } else if self.special_time.is_some() {
                misfits.push(Misfit::new(field.name, "`special_time` says already when it runs"));
            }
        }
        match (&self.job, self.state) {
            (None, State::Present) => misfits.push(Misfit::new("", "the parameter `job` is missing")),
            (Some(job), _) => {
                if job.value().is_ok_and(|job| job.trim().is_empty() || job.contains(['\n', '\r', '\0'])) {
                    misfits.push(Misfit::new("job", "it is one line, and not empty: put more into a script"));
                }
            }
            (None, State::Absent) => {}
        }
        misfits.extend(named::check_user(&self.user));
        for (name, value) in &self.environment {
            if let Err(why) = named::variable(name) {
                misfits.push(Misfit::new("environment", why));
            }
            if value.value().is_ok_and(|value| value.contains(['\n', '\0']) || quoted(value).is_none()) {
                let why = format!("cron cannot take the value of `{name}`: it is several lines, or holds both quotes");
                misfits.push(Misfit::new("environment", why));
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(format!("{FOLDER}/{}", self.name))]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", format!("{FOLDER}/{}", self.name)))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Held, Halt> {
        let owned = self.owned();
        if self.state == State::Absent {
            return owned.read(probe).await;
        }
        let (user, held) = futures::join!(probe.user(&self.user), owned.read(probe));
        if user?.is_none() && probe.ran().is_none() {
            return Err(Fault::failed(format!("there is no user `{}`", self.user))
                .help("make it in a task above, or correct `user`: cron would pass over the file")
                .into());
        }
        held
    }

    fn plan(&self, current: &Held) -> Result<Verdict<Step>, Halt> {
        Ok(together([self.owned().plan(current)?]))
    }
}
