//! What planned steps leave of units.

use std::collections::BTreeMap;

use super::{Census, Seen};
use crate::model::{After, Content};
use crate::targets::host::{Active, Load, Step, Unit, UnitAction, UnitFile, template_of, unit_of};

/// What steps leave of one unit.
#[derive(Clone, Debug, Default)]
pub(super) struct UnitTrace {
    /// Its file is written; can it be enabled (has it an `[Install]`)?
    file: Option<bool>,
    active: Option<Active>,
    enabled: Option<bool>,
    masked: Option<bool>,
    stale: Option<bool>,
    /// It is started anew: not what it was, even if it looks the same.
    restarted: bool,
    /// What nobody sets here is not known before that task.
    open: Option<After>,
}

impl UnitTrace {
    pub(super) fn act(&mut self, action: UnitAction, after: &After) {
        match action {
            UnitAction::Start | UnitAction::Launch => self.active = Some(Active::Active),
            UnitAction::Stop => self.active = Some(Active::Inactive),
            UnitAction::Restart | UnitAction::Relaunch => (self.active, self.restarted) = (Some(Active::Active), true),
            UnitAction::Reload => self.restarted = true,
            UnitAction::Enable => self.enabled = Some(true),
            UnitAction::Disable => self.enabled = Some(false),
            UnitAction::Mask => self.masked = Some(true),
            UnitAction::Unmask => {
                self.masked = Some(false);
                // What the mask hid shows again.
                self.open = Some(after.clone());
            }
        }
    }

    pub(super) fn reload(&mut self) {
        self.stale = Some(false);
    }

    pub(super) fn open(&mut self, after: &After) {
        *self = Self { open: Some(after.clone()), ..Self::default() };
    }
}

/// Takes in that a step writes or takes away a file of a unit.
pub(super) fn file(units: &mut BTreeMap<String, UnitTrace>, step: &Step, after: &After) {
    let (path, content) = match step {
        Step::Write { path, content, .. } => (path, Ok(Some(content))),
        Step::Promise { path, after, .. } => (path, Err(after)),
        Step::Link { path, .. } | Step::Remove { path, .. } => (path, Ok(None)),
        _ => return,
    };
    let Some((name, file)) = unit_of(path) else { return };
    let trace = units.entry(name.to_owned()).or_default();
    trace.stale = Some(true);
    match (file, step) {
        (UnitFile::Main, Step::Link { target, .. }) if target == "/dev/null" => trace.masked = Some(true),
        (UnitFile::Main, Step::Write { .. } | Step::Promise { .. } | Step::Link { .. }) => {
            trace.file = Some(content.is_ok_and(|content| content.is_none_or(installs)));
            if let Err(after) = content {
                trace.open = Some(after.clone());
            }
        }
        // Another file of it may stand in another folder.
        (UnitFile::Main | UnitFile::Wanted, _) => trace.open = Some(after.clone()),
        (UnitFile::DropIn, _) => {}
    }
}

fn installs(content: &Content) -> bool {
    String::from_utf8_lossy(content.bytes()).lines().any(|line| line.trim() == "[Install]")
}

impl Census {
    pub(in super::super) fn unit(&self, name: &str, place: Option<Unit>) -> Seen<Option<Unit>> {
        let template = template_of(name).and_then(|template| self.units.get(&template));
        let trace = match (self.units.get(name), template) {
            (None, None) => None,
            (Some(trace), None) => Some(trace.clone()),
            (own, Some(template)) => {
                let own = own.cloned().unwrap_or_default();
                let file = own.file.or(template.file);
                Some(UnitTrace { file, stale: own.stale.or(template.stale), ..own })
            }
        };
        let Some(trace) = trace else {
            let unit = self.maybe(place)?;
            return Ok(unit.map(|unit| Unit { stale: unit.stale && !self.reloaded, ..unit }));
        };
        let known = trace.enabled.is_some() && trace.active.is_some();
        if let Some(after) = trace.open.as_ref().filter(|_| !known) {
            return Err(after.clone());
        }
        let new = |installs: bool| Unit {
            id: name.to_owned(),
            load: Load::Loaded,
            active: Active::Inactive,
            sub: "dead".to_owned(),
            enabled: if installs { "disabled" } else { "static" }.to_owned(),
            stale: true,
            path: String::new(),
            reloads: false,
            passing: false,
        };
        let place = match trace.file {
            Some(installs) => Some(place.unwrap_or_else(|| new(installs))),
            // Nothing can be done with a unit that is not there, but that it is masked.
            None if place.is_none() && (known || trace.masked == Some(true)) => Some(new(true)),
            None => self.maybe(place)?,
        };
        let Some(mut unit) = place else { return Ok(None) };
        let masked = trace.masked.unwrap_or(unit.load == Load::Masked);
        if masked {
            (unit.load, unit.enabled) = (Load::Masked, "masked".to_owned());
        } else if unit.load == Load::Masked || trace.file.is_some() {
            unit.load = Load::Loaded;
        }
        if let Some(active) = trace.active {
            (unit.active, unit.sub) = (active, active.word().to_owned());
        }
        if let Some(enabled) = trace.enabled.filter(|_| !masked) {
            if enabled { "enabled" } else { "disabled" }.clone_into(&mut unit.enabled);
        }
        unit.stale = trace.stale.unwrap_or(unit.stale && !self.reloaded);
        Ok(Some(unit))
    }

    /// Is it started anew by a step, so that it is not what it was?
    pub(in super::super) fn restarts(&self, name: &str) -> bool {
        self.units.get(name).is_some_and(|trace| trace.restarted)
    }
}
