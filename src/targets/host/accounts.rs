//! Users and groups: what is asked, what is answered, and what is to be done, as data.

use std::collections::BTreeMap;

use crate::model::{Content, Digest};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Number; `None` when the system chooses it at apply.
    pub uid: Option<u32>,
    /// The primary group.
    pub primary: Primary,
    /// Home folder.
    pub home: String,
    /// Login shell; `None` when the system chooses it at apply.
    pub shell: Option<String>,
    /// The comment (GECOS).
    pub comment: String,
}

/// A user's primary group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Primary {
    /// By its number, as the system keeps it.
    Number(u32),
    /// By its name, as a planned step sets it.
    Named(String),
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Number; `None` when the system chooses it at apply.
    pub gid: Option<u32>,
    /// Users for whom it is a supplementary group.
    pub members: Vec<String>,
}

/// All groups, by name.
pub type Groups = BTreeMap<String, Group>;

/// What stands in the place of a user's password, as far as it is told: never the hash itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Password {
    /// Of the field as it is.
    pub digest: Digest,
    /// Can nobody log in with a password?
    pub locked: bool,
}

impl Password {
    /// Of the field of `/etc/shadow`.
    #[must_use]
    pub fn of(field: &str) -> Self {
        Self { digest: Digest::of(field.as_bytes()), locked: field.starts_with(['!', '*']) }
    }
}

/// Makes a user, or alters one; what is `None` stays (of a new one: as the system chooses).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserStep {
    /// Who.
    pub name: String,
    /// Is it a new one? Otherwise it must be there.
    pub create: bool,
    /// Of a new one: from the numbers for the system?
    pub system: bool,
    /// Number.
    pub uid: Option<u32>,
    /// Name of the primary group. A new user without it gets a group of its own, by its name.
    pub group: Option<String>,
    /// All its supplementary groups.
    pub groups: Option<Vec<String>>,
    /// Home folder; of a new user it is always said.
    pub home: Option<String>,
    /// Make the home folder, with these files and folders of `/etc/skel` (by their paths there)?
    pub skeleton: Option<Vec<String>>,
    /// Login shell.
    pub shell: Option<String>,
    /// The comment.
    pub comment: Option<String>,
    /// The hash of its password, or `!`.
    pub password: Option<Content>,
}

/// The mode of a home folder that is made.
pub const HOME_MODE: u32 = 0o750;

/// Makes a group, or gives it another number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStep {
    /// Which.
    pub name: String,
    /// Is it a new one? Otherwise it must be there.
    pub create: bool,
    /// Of a new one: from the numbers for the system?
    pub system: bool,
    /// Number.
    pub gid: Option<u32>,
}

/// Takes a user away. Its home stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoUser {
    /// Who.
    pub name: String,
    /// Does the group of its name, which nobody else is in, go with it?
    pub group: bool,
}

/// Why `name` cannot be the name of a new user or group, if it cannot: what `useradd` takes, and nothing that a number or an option
/// could be.
///
/// # Errors
/// Why not.
pub fn check_account(name: &str) -> Result<(), String> {
    let bare = name.strip_suffix('$').unwrap_or(name);
    let first = bare.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if first && name.len() <= 32 && bare.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot be the name of a user or group: up to 32 of `a-z`, `0-9`, `_` and `-`, not beginning with a digit or `-`",
        name.escape_debug()
    ))
}
