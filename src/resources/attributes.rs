//! Owner, group and mode: as parameters, and how what is there differs from them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de};

use crate::model::{Change, Fault, Halt, Shown};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Attributes, Identity, Question, Stat};

/// Permission bits, written as text: `"0644"`, or `u=rw,g=r,o=r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode(pub(super) u32);

impl Mode {
    fn parse(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return match u32::from_str_radix(text, 8) {
                Ok(bits) if bits <= 0o7777 => Ok(Self(bits)),
                _ => Err(format!("`{text}` is more than `7777`")),
            };
        }
        Self::symbolic(text).ok_or_else(|| {
            format!("`{text}` is not a mode: write it as \"0644\", or all of it as `u=rw,g=r,o=r` (`+` and `-` depend on what is there)")
        })
    }

    fn symbolic(text: &str) -> Option<Self> {
        let mut bits = 0;
        let mut said = 0;
        for clause in text.split(',') {
            let (who, what) = clause.split_once('=')?;
            let mut shifts = Vec::new();
            for one in who.chars() {
                match one {
                    'u' => shifts.push(6),
                    'g' => shifts.push(3),
                    'o' => shifts.push(0),
                    'a' => shifts.extend([6, 3, 0]),
                    _ => return None,
                }
            }
            for shift in shifts {
                if said & (1 << shift) != 0 {
                    return None;
                }
                said |= 1 << shift;
                for one in what.chars() {
                    bits |= match one {
                        'r' => 4 << shift,
                        'w' => 2 << shift,
                        'x' => 1 << shift,
                        's' if shift == 6 => 0o4000,
                        's' if shift == 3 => 0o2000,
                        't' => 0o1000,
                        _ => return None,
                    };
                }
            }
        }
        (said == 0b100_1001).then_some(Self(bits))
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Mode;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a mode as text, like \"0644\",")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Mode, E> {
                Mode::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Mode, E> {
                Err(E::custom(format!(
                    "a mode must be quoted, like \"0644\": the number `{number}` does not say whether it is octal"
                )))
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl JsonSchema for Mode {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// Four octal digits.
pub(super) fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}

/// The attributes that a task wishes for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) mode: Option<Mode>,
    pub(super) owner: Option<&'a str>,
    pub(super) group: Option<&'a str>,
}

/// What the place says of the names in [`Wanted`], and as whom one is there.
#[derive(Debug)]
pub(super) struct Names {
    identity: Identity,
    /// The user's and the group's number, where the parameter is one.
    uid_of: Option<(String, u32)>,
    gid_of: Option<(String, u32)>,
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

impl<'a> Wanted<'a> {
    pub(super) fn new(mode: Option<Mode>, owner: Option<&'a String>, group: Option<&'a String>) -> Self {
        Self { mode, owner: owner.map(String::as_str), group: group.map(String::as_str) }
    }

    /// Puts what [`Self::names`] will ask in the next batch.
    pub(super) fn soon(&self, probe: &HostProbe) {
        let user = self.owner.filter(|name| number(name).is_none()).map(|name| Question::User(name.to_owned()));
        let group = self.group.filter(|name| number(name).is_none()).map(|name| Question::Group(name.to_owned()));
        probe.soon([Question::Identity].into_iter().chain(user).chain(group));
    }

    /// Do the owner and the group exist? `stat` is what is there.
    pub(super) async fn names(&self, probe: &HostProbe, stat: Option<&Stat>) -> Result<Names, Halt> {
        // A command above may make a user without saying so: then apply will tell.
        let certain = probe.ran().is_none();
        let mut names = Names { identity: probe.identity().await?, uid_of: None, gid_of: None };
        if let Some(owner) = self.owner {
            let other = stat.map(|stat| &stat.owner).filter(|there| *there != owner);
            if number(owner).is_none() {
                if is_absent(probe.user(owner).await)? && certain {
                    return Err(missing("user", owner, "owner").into());
                }
            } else if let Some(there) = other {
                let uid = known(probe.user(there).await)?.and_then(|user| user.uid);
                names.uid_of = uid.map(|uid| (there.clone(), uid));
            }
        }
        if let Some(group) = self.group {
            let other = stat.map(|stat| &stat.group).filter(|there| *there != group);
            if number(group).is_none() {
                if is_absent(probe.group(group).await)? && certain {
                    return Err(missing("group", group, "group").into());
                }
            } else if let Some(there) = other {
                let gid = known(probe.group(there).await)?.and_then(|group| group.gid);
                names.gid_of = gid.map(|gid| (there.clone(), gid));
            }
        }
        Ok(names)
    }

    /// The attributes in which `stat` differs from what is wished.
    pub(super) fn differing(&self, stat: &Stat, names: &Names) -> Attributes {
        let same = |wanted: &str, there: &str, known: &Option<(String, u32)>| {
            wanted == there || known.as_ref().is_some_and(|(name, id)| name == there && number(wanted) == Some(*id))
        };
        Attributes {
            mode: self.mode.map(|mode| mode.0).filter(|mode| *mode != stat.mode),
            owner: self.owner.filter(|owner| !same(owner, &stat.owner, &names.uid_of)).map(str::to_owned),
            group: self.group.filter(|group| !same(group, &stat.group, &names.gid_of)).map(str::to_owned),
        }
    }

    /// All attributes of something new in `folder`: what is not wished for is as the system would make it.
    pub(super) fn fresh(&self, default: u32, names: &Names, folder: &Stat) -> Attributes {
        // A folder with setgid hands its group down, and to folders the bit as well.
        let inherits = folder.mode & 0o2000 != 0;
        let mode = if inherits && default == FOLDER { default | 0o2000 } else { default };
        let group = if inherits { &folder.group } else { &names.identity.group };
        Attributes {
            mode: Some(self.mode.map_or(mode, |mode| mode.0)),
            owner: Some(self.owner.unwrap_or(&names.identity.user).to_owned()),
            group: Some(self.group.unwrap_or(group).to_owned()),
        }
    }
}

/// What is there for certain; what a task above may make counts as not there.
fn known<T>(look: Result<Option<T>, Halt>) -> Result<Option<T>, Halt> {
    match look {
        Err(Halt::Later(_)) => Ok(None),
        other => other,
    }
}

/// Is it absent for certain, so that no task above may make it?
fn is_absent<T>(look: Result<Option<T>, Halt>) -> Result<bool, Halt> {
    match look {
        Err(Halt::Later(_)) => Ok(false),
        other => Ok(other?.is_none()),
    }
}

/// The mode of a new file.
pub(super) const FILE: u32 = 0o644;
/// The mode of a new folder.
pub(super) const FOLDER: u32 = 0o755;

fn missing(what: &str, name: &str, parameter: &str) -> Fault {
    Fault::failed(format!("there is no {what} `{name}`"))
        .help(format!("make it in a task above, or correct `{parameter}`"))
}

/// Is there nothing to set?
pub(super) fn none(attributes: &Attributes) -> bool {
    *attributes == Attributes::default()
}

/// Adds a field for each attribute that is set, beside what is there.
pub(super) fn fields<S>(mut change: Change<S>, attributes: &Attributes, before: Option<&Stat>) -> Change<S> {
    let was = |shown: fn(&Stat) -> String| before.map_or(Shown::Absent, |stat| Shown::Value(shown(stat)));
    if let Some(mode) = attributes.mode {
        change = change.field("mode", was(|stat| octal(stat.mode)), Shown::Value(octal(mode)));
    }
    if let Some(owner) = &attributes.owner {
        change = change.field("owner", was(|stat| stat.owner.clone()), Shown::value(owner));
    }
    if let Some(group) = &attributes.group {
        change = change.field("group", was(|stat| stat.group.clone()), Shown::value(group));
    }
    change
}
