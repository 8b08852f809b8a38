//! Units of systemd: what is asked, what is answered, and what is to be done, as data.

/// A unit as systemd knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its real name: another one than was asked for when that is an alias.
    pub id: String,
    /// Can it be loaded, or is it masked?
    pub load: Load,
    /// What it does now.
    pub active: Active,
    /// The same in more detail: `running`, `exited`, `auto-restart` ...
    pub sub: String,
    /// Does it start with the system, as systemd says it: `enabled`, `disabled`, `static`, `alias`, `generated` ...; empty when it
    /// has no file.
    pub enabled: String,
    /// Has a file of it changed since systemd read it?
    pub stale: bool,
    /// Its file; empty when it has none.
    pub path: String,
    /// Can it read its configuration again while it runs?
    pub reloads: bool,
    /// Does it end by itself, so that it is not active afterwards (`Type=oneshot` without `RemainAfterExit`)?
    pub passing: bool,
}

/// Can a unit be loaded?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// It is.
    Loaded,
    /// Nothing may start it.
    Masked,
    /// There is something, but systemd does not take it, and why.
    Bad(String),
}

/// What a unit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Active {
    /// It runs, or has done what it is for.
    Active,
    /// It reads its configuration again.
    Reloading,
    /// It does not run.
    Inactive,
    /// It ended with a failure.
    Failed,
    /// It is being started.
    Activating,
    /// It is being stopped.
    Deactivating,
}

impl Active {
    /// Systemd's word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reloading => "reloading",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
        }
    }
}

/// What is done with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitAction {
    /// Start it, and wait until it is.
    Start,
    /// Stop it, and wait until it is.
    Stop,
    /// Stop it if it runs, and start it.
    Restart,
    /// Start it without waiting until it is: who wants it looks himself, as its start may take as long as it likes.
    Launch,
    /// Stop it if it runs, and launch it.
    Relaunch,
    /// Let it read its configuration again.
    Reload,
    /// Let it start with the system.
    Enable,
    /// Let it not.
    Disable,
    /// Let nothing start it.
    Mask,
    /// Let it be started again.
    Unmask,
}

impl UnitAction {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Launch => "launch",
            Self::Relaunch => "relaunch",
            Self::Reload => "reload",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Mask => "mask",
            Self::Unmask => "unmask",
        }
    }
}

/// What the names of units end with.
const SORTS: [&str; 11] = [
    ".service",
    ".socket",
    ".timer",
    ".path",
    ".mount",
    ".automount",
    ".target",
    ".swap",
    ".slice",
    ".scope",
    ".device",
];

/// Folders in which systemd looks for the files of units, the one for the administrator's first.
pub const UNIT_FOLDERS: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/etc/systemd/system.control",
];

/// The whole name of a unit: `nginx` is `nginx.service`.
#[must_use]
pub fn unit_name(name: &str) -> String {
    if SORTS.iter().any(|sort| name.ends_with(sort)) { name.to_owned() } else { format!("{name}.service") }
}

/// Why `name` cannot be the whole name of a unit that can be started, if it cannot.
///
/// # Errors
/// Why not.
pub fn check_unit(name: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("`{}` cannot be the name of a unit{why}", name.escape_debug()));
    let Some(bare) = SORTS.iter().find_map(|sort| name.strip_suffix(sort)) else {
        return wrong(": it must end with `.service`, `.timer` or the like");
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_.\\-@".contains(&byte);
    if bare.is_empty() || name.len() > 255 || bare.starts_with(['-', '@']) || !bare.bytes().all(plain) {
        return wrong("");
    }
    if bare.ends_with('@') {
        return wrong(": it is a template, name one instance of it, as in `name@instance`");
    }
    Ok(())
}

/// What a file is to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitFile {
    /// Its own.
    Main,
    /// A drop-in.
    DropIn,
    /// A link by which another one wants it: it is enabled so.
    Wanted,
}

/// The unit that the file at `path` belongs to, and what it is to it.
#[must_use]
pub fn unit_of(path: &str) -> Option<(&str, UnitFile)> {
    let rest = UNIT_FOLDERS.iter().find_map(|folder| path.strip_prefix(folder)?.strip_prefix('/'))?;
    let unit = |name: &str| SORTS.iter().any(|sort| name.ends_with(sort));
    let (name, file) = match rest.split_once('/') {
        None => (rest, UnitFile::Main),
        Some((_, file)) if file.contains('/') => return None,
        Some((folder, file)) if file.ends_with(".conf") => (folder.strip_suffix(".d")?, UnitFile::DropIn),
        Some((folder, file)) if folder.ends_with(".wants") || folder.ends_with(".requires") => (file, UnitFile::Wanted),
        Some(_) => return None,
    };
    unit(name).then_some((name, file))
}

/// The template that `name` is an instance of.
#[must_use]
pub fn template_of(name: &str) -> Option<String> {
    let (template, instance) = name.split_once('@')?;
    let (_, sort) = instance.rsplit_once('.')?;
    Some(format!("{template}@.{sort}"))
}
