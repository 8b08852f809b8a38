//! The rule that makes a plan worth reading: what apply does refines what was shown, never contradicts it.
//!
//! Every value that the plan knew is the same; an unknown one became some value; nothing is there that was not
//! listed. (Terraform holds its providers to the same rule: "any attribute that had a known value in the planned
//! state must have an identical value in the final one".)

use sha2::{Digest as _, Sha256};

use crate::model::{Action, Change, Digest, Entry, Fault, FaultKind, Field, Shown, Thing};

/// What digests of secrets are mixed with in a plan file, so that equal secrets do not show as equal across files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl Salt {
    /// The digest as it stands in the file.
    #[must_use]
    pub fn of(&self, digest: Digest) -> Digest {
        Digest(Sha256::new().chain_update(self.0).chain_update(digest.0).finalize().into())
    }
}

/// What the user agreed to for one task at one place.
pub(super) enum Approval<'a> {
    /// These leaves.
    Change(&'a Entry),
    /// Whatever turns out, to these things only (to whatever its parameters name, when even they were not known).
    Later(&'a [Thing]),
}

impl Approval<'_> {
    /// Is `fresh`, made by a second look just before the write, what was agreed to?
    ///
    /// # Errors
    /// A stale fault that names the first leaf or thing that is not as approved.
    pub(super) fn holds<S>(&self, fresh: &Change<S>, things: &[Thing], salt: Option<&Salt>) -> Result<(), Fault> {
        match self {
            Self::Change(entry) => refines(entry, fresh, things, salt),
            Self::Later(bound) => match things.iter().find(|thing| !bound.is_empty() && !bound.contains(thing)) {
                Some(other) => Err(Fault::new(FaultKind::Stale, format!("would touch {other}, which was not shown"))
                    .help("nothing was done here; plan again and look at the difference")),
                None => Ok(()),
            },
        }
    }
}

/// Holds `fresh`, made by a second look just before the write, against what was `approved`.
///
/// # Errors
/// A stale fault that names the first leaf that is not as approved.
pub(super) fn refines<S>(
    approved: &Entry,
    fresh: &Change<S>,
    things: &[Thing],
    salt: Option<&Salt>,
) -> Result<(), Fault> {
    if approved.action != fresh.action && !(comes(approved) && fresh.action == Action::Update) {
        let what = format!("would now {} where the plan said {}", fresh.action, approved.action);
        return Err(stale(&what));
    }
    if let Some(other) = things.iter().find(|thing| !approved.things.is_empty() && !approved.things.contains(thing)) {
        return Err(stale(&format!("would touch {other}, which was not shown")));
    }
    for field in &fresh.fields {
        let named = approved.fields.iter().find(|shown| shown.name == field.name);
        let Some(shown) = named.or_else(|| approved.fields.iter().find(|shown| opened(shown, &field.name))) else {
            return Err(stale(&format!("would also change `{}`, which was not shown", field.name)));
        };
        let leaf = shown.name == field.name;
        if leaf && !refined(&shown.before, &field.before, salt) {
            let what = format!("`{}` was {} and is {} now", field.name, word(&shown.before), word(&field.before));
            return Err(stale(&what));
        }
        if !refined(&shown.after, &field.after, salt) {
            let what =
                format!("`{}` was to be {} and would be {} now", field.name, word(&shown.after), word(&field.after));
            return Err(stale(&what));
        }
    }
    Ok(())
}

/// Was it to be created, unless something else (a package) brings it first? Then it may be there by now.
fn comes(approved: &Entry) -> bool {
    approved.action == Action::Create && approved.fields.iter().any(|field| matches!(field.before, Shown::Unknown(_)))
}

/// Is `name` inside a value that was not known when `shown` was shown (`data` was unknown, now there is `data.a`)?
fn opened(shown: &Field, name: &str) -> bool {
    let inside = name.strip_prefix(&*shown.name).is_some_and(|rest| rest.starts_with(['.', '[']));
    inside && matches!(shown.after, Shown::Unknown(_))
}

/// Is `now` what was shown, or the value of what was unknown?
fn refined(shown: &Shown, now: &Shown, salt: Option<&Salt>) -> bool {
    match (shown, now) {
        (Shown::Unknown(_), _) => true,
        // That something is there is all that was shown.
        (Shown::Present, now) => *now != Shown::Absent,
        // Masks may differ in how much they hide; the digest tells whether it is the same.
        (Shown::Secret { digest: shown, .. }, Shown::Secret { digest: now, .. }) => {
            *shown == salt.map_or(*now, |salt| salt.of(*now))
        }
        _ => shown == now,
    }
}

/// A few words for one side of a field.
fn word(shown: &Shown) -> String {
    const SHORT: usize = 60;
    match shown {
        Shown::Absent => "absent".to_owned(),
        Shown::Present => "present".to_owned(),
        Shown::Value(value) if value.chars().count() <= SHORT => format!("`{value}`"),
        Shown::Value(_) | Shown::Text(_) => "other text".to_owned(),
        Shown::Secret { .. } => "another secret".to_owned(),
        Shown::Binary { digest, .. } => format!("content with SHA-256 {digest}"),
        Shown::Unknown(after) => after.to_string(),
    }
}

fn stale(what: &str) -> Fault {
    Fault::new(FaultKind::Stale, format!("changed since the plan was shown: {what}"))
        .help("nothing was done here; plan again and look at the difference")
}
