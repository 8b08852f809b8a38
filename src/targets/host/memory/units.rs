//! The units of a host in memory: those it was given, and those whose files it holds.

use super::machine::Machine;
use super::node::Body;
use crate::model::{Digest, Fault};
use crate::targets::host::{Active, Load, UNIT_FOLDERS, Unit, UnitAction, template_of};

/// What is kept of a unit.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) active: Active,
    pub(super) enabled: String,
    pub(super) masked: bool,
    pub(super) passing: bool,
    /// Its files as they were when they were read; nothing before that.
    pub(super) read: Option<Digest>,
    /// How often it was started.
    pub(super) starts: usize,
}

impl Kept {
    pub(super) fn new(active: Active, enabled: &str) -> Self {
        Self { active, enabled: enabled.to_owned(), masked: false, passing: false, read: None, starts: 0 }
    }

    pub(super) fn running() -> Self {
        Self::new(Active::Active, "enabled")
    }
}

/// The paths at which the files of a unit may be: for an instance, those of its template too.
fn paths(name: &str) -> impl Iterator<Item = String> {
    let names: Vec<String> = std::iter::once(name.to_owned()).chain(template_of(name)).collect();
    UNIT_FOLDERS.iter().flat_map(move |folder| names.clone().into_iter().map(move |name| format!("{folder}/{name}")))
}

impl Machine {
    /// Its file, and whether it can be enabled.
    fn unit_file(&self, name: &str) -> Option<(String, bool)> {
        paths(name).find_map(|path| {
            let Body::File(content) = &self.node(&path, true)?.body else { return None };
            let installs = String::from_utf8_lossy(content.bytes()).lines().any(|line| line == "[Install]");
            Some((path, installs))
        })
    }

    /// All that its files hold, drop-ins included.
    pub(super) fn files_of_unit(&self, name: &str) -> Digest {
        let mut all = Vec::new();
        for path in paths(name) {
            let below = format!("{path}.d/");
            let dropins = self.paths.range(below.clone()..).map(|(path, _)| path);
            let dropins: Vec<&String> = dropins.take_while(|path| path.starts_with(&below)).collect();
            for path in std::iter::once(&path).chain(dropins) {
                if let Some(Body::File(content)) = self.node(path, true).map(|node| &node.body) {
                    all.extend_from_slice(content.bytes());
                }
            }
        }
        Digest::of(&all)
    }

    /// What systemd would say of it.
    #[must_use]
    pub fn unit(&self, name: &str) -> Option<Unit> {
        let file = self.unit_file(name);
        let kept = match (self.units.get(name), &file) {
            (Some(kept), _) => kept.clone(),
            (None, Some((_, installs))) => Kept::new(Active::Inactive, if *installs { "disabled" } else { "static" }),
            (None, None) => return None,
        };
        let now = Some(self.files_of_unit(name));
        Some(Unit {
            id: name.to_owned(),
            load: if kept.masked { Load::Masked } else { Load::Loaded },
            active: kept.active,
            sub: if kept.active == Active::Active { "running" } else { "dead" }.to_owned(),
            enabled: if kept.masked { "masked".to_owned() } else { kept.enabled },
            stale: kept.read.is_some() && kept.read != now,
            path: file.map(|(path, _)| path).unwrap_or_default(),
            reloads: true,
            passing: kept.passing,
        })
    }

    /// How often a unit was started since the host was made.
    #[must_use]
    pub fn starts(&self, name: &str) -> usize {
        self.units.get(name).map_or(0, |kept| kept.starts)
    }

    pub(super) fn act(&mut self, name: &str, action: UnitAction) -> Result<(), Fault> {
        if action == UnitAction::Mask && self.unit(name).is_none() {
            self.units.insert(name.to_owned(), Kept { masked: true, ..Kept::new(Active::Inactive, "masked") });
        }
        let Some(unit) = self.unit(name) else {
            return Err(Fault::failed(format!("could not {} `{name}`", action.word())).cause("not found"));
        };
        let now = Some(self.files_of_unit(name));
        let kept = self.units.entry(name.to_owned()).or_insert_with(|| Kept::new(unit.active, &unit.enabled));
        let begins = matches!(action, UnitAction::Start | UnitAction::Launch);
        let renews = matches!(action, UnitAction::Restart | UnitAction::Relaunch);
        let starts = begins || renews || action == UnitAction::Reload;
        if kept.masked && (starts || action == UnitAction::Enable) {
            return Err(Fault::failed(format!("could not {} `{name}`", action.word())).cause("it is masked"));
        }
        if starts {
            // What was never read is read now; what was read before stays as it was.
            kept.read = kept.read.or(now);
            kept.starts += usize::from(!begins || kept.active != Active::Active);
        }
        match action {
            UnitAction::Start | UnitAction::Restart | UnitAction::Launch | UnitAction::Relaunch => {
                kept.active = if kept.passing { Active::Inactive } else { Active::Active };
            }
            UnitAction::Reload => {}
            UnitAction::Stop => kept.active = Active::Inactive,
            UnitAction::Enable => "enabled".clone_into(&mut kept.enabled),
            UnitAction::Disable => "disabled".clone_into(&mut kept.enabled),
            UnitAction::Mask => kept.masked = true,
            UnitAction::Unmask => kept.masked = false,
        }
        Ok(())
    }

    pub(super) fn reload_units(&mut self) {
        let names: Vec<String> = self.units.keys().cloned().collect();
        for name in names {
            let now = Some(self.files_of_unit(&name));
            if let Some(kept) = self.units.get_mut(&name).filter(|kept| kept.read.is_some()) {
                kept.read = now;
            }
        }
    }
}
