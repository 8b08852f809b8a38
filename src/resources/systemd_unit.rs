//! `systemd_unit`: a file of a unit, or a drop-in for one; and whether the unit is enabled and runs.

use schemars::JsonSchema;
use serde::Deserialize;

use super::copy;
use super::line::State;
use super::owned::{HEADER, Held, Owned, together};
use super::unit_state::{UnitState, reload, verify};
use crate::model::decode::Misfit;
use crate::model::{After, Arg, Content, Doc, Halt, Resource, TemplateText, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step, Unit, check_unit};

const FOLDER: &str = "/etc/systemd/system";

/// A file of a unit, or a drop-in for one; and whether the unit is enabled and runs. systemd checks it before it lands,
/// and reads it at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SystemdUnit {
    /// The file in `/etc/systemd/system`: `app.service`, `app@.service`, `app.service.d/10-limits.conf`.
    name: String,
    /// Its text. Either this or `src`. Everybody on the host can read it.
    content: Option<Arg<String>>,
    /// A template in `templates/`. Either this or `content`.
    src: Option<Arg<TemplateText>>,
    /// `present`: the file is there. `absent`: the unit is stopped, and the file is not there.
    #[serde(default)]
    state: State,
    /// Does the unit start with the host?
    enabled: Option<bool>,
    /// Does the unit run? A change of the file does not start it anew: `notify` a handler that does.
    started: Option<bool>,
}

/// What is there.
#[derive(Debug)]
pub(super) struct Seen {
    file: Held,
    unit: Option<Unit>,
}

impl SystemdUnit {
    /// The unit, and the drop-in if it is one.
    fn unit(&self) -> (&str, Option<&str>) {
        match self.name.split_once('/') {
            Some((folder, file)) => (folder.strip_suffix(".d").unwrap_or(folder), Some(file)),
            None => (&self.name, None),
        }
    }

    fn is_template(&self) -> bool {
        self.unit().0.contains("@.")
    }

    fn content(&self) -> Option<Result<Content, After>> {
        match (&self.content, &self.src) {
            (Some(text), _) => Some(copy::content_of(text)),
            (None, Some(file)) => Some(file.value().map(|file| file.0.clone())),
            (None, None) => None,
        }
    }

    fn file(&self) -> Owned {
        let (unit, drop_in) = self.unit();
        let headed = |content: Content| {
            let end = if content.bytes().ends_with(b"\n") { "" } else { "\n" };
            let whole = [HEADER.as_bytes(), content.bytes(), end.as_bytes()].concat();
            if content.is_secret() {
                Content::sealed(whole, format!("{HEADER}{}{end}", content.shown()))
            } else {
                Content::open(whole)
            }
        };
        let content = self.content().filter(|_| self.state == State::Present).map(|content| content.map(headed));
        Owned {
            content,
            validate: Some(verify(unit, drop_in)),
            folder: drop_in.is_some(),
            ..Owned::new(format!("{FOLDER}/{}", self.name), None)
        }
    }

    fn wish(&self) -> UnitState<'_> {
        UnitState { name: self.unit().0, enabled: self.enabled, started: self.started }
    }
}

impl Resource for SystemdUnit {
    const NAME: &'static str = "systemd_unit";
    const DOC: Doc = Doc {
        summary: "a file of a unit, or a drop-in for one, and whether the unit runs",
        example: "\
- name: the application is a service
  systemd_unit:
    name: app.service
    content: |
      [Service]
      ExecStart=/usr/local/bin/app
      Restart=on-failure
      [Install]
      WantedBy=multi-user.target
    enabled: true
    started: true
- name: more files for it
  systemd_unit:
    name: app.service.d/10-limits.conf
    content: |
      [Service]
      LimitNOFILE=65536
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let (unit, drop_in) = self.unit();
        if let Err(why) = check_unit(&unit.replace("@.", "@x.")) {
            misfits.push(Misfit::new("name", why));
        }
        if let Some(file) = drop_in {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            let good =
                file.rsplit('.').next() == Some("conf") && !file.starts_with(['.', '-']) && file.bytes().all(plain);
            if !good || !self.name.contains(".d/") {
                let why = format!("`{}` is no drop-in like `app.service.d/10-limits.conf`", self.name.escape_debug());
                misfits.push(Misfit::new("name", why));
            }
        }
        match (self.content.is_some(), self.src.is_some(), self.state) {
            (true, true, _) => misfits.push(Misfit::new("src", "either `content` or `src`, not both")),
            (false, false, State::Present) => {
                misfits.push(Misfit::new("", "the parameter `content` or `src` is missing"));
            }
            _ => {}
        }
        if (self.enabled.is_some() || self.started.is_some()) && (drop_in.is_some() || self.is_template()) {
            let why = "this file is no unit that can run by itself: say it of the unit, with `service`";
            misfits.push(Misfit::new("name", why));
        }
        if self.state == State::Absent && (self.enabled.is_some() || self.started.is_some()) {
            misfits.push(Misfit::new("state", "what is absent is neither enabled nor started"));
        }
        if self.enabled == Some(true)
            && let Some(Ok(content)) = self.content()
            && !String::from_utf8_lossy(content.bytes()).lines().any(|line| line.trim() == "[Install]")
        {
            misfits.push(Misfit::new("enabled", "the file has no `[Install]`, which says what starts it"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        let unit = (self.enabled.is_some() || self.started.is_some()).then(|| Thing::new("unit", self.unit().0));
        [Thing::path(&*self.file().path)].into_iter().chain(unit).collect()
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent(Self::NAME, "name", &*self.name))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        let file = self.file();
        if self.is_template() {
            return Ok(Seen { file: file.read(probe).await?, unit: None });
        }
        let (file, unit) = futures::join!(file.read(probe), probe.unit(self.unit().0));
        let unit = match unit {
            Ok(unit) => unit,
            // Only of a unit's own file can be said what becomes of it.
            Err(Halt::Later(_)) if self.unit().1.is_some() || self.enabled.or(self.started).is_none() => None,
            Err(halt) => return Err(halt),
        };
        Ok(Seen { file: file?, unit })
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        let file = self.file().plan(&current.file)?;
        let unit = current.unit.as_ref();
        let reload = reload(matches!(file.1, Verdict::Change(_)), &[unit]);
        if self.state == State::Absent {
            // Another file of that name may be what runs.
            let own = unit.filter(|unit| unit.path == *self.file().path);
            return Ok(together(self.wish().gone(own).into_iter().chain([file]).chain(reload)));
        }
        let parts = self.wish().parts(unit)?;
        Ok(together([file].into_iter().chain(reload).chain(parts)))
    }
}
