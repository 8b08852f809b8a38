//! Finds the age keys of the one who runs `lions`, where SOPS looks for them. Reads them; what they open is not known here.

use std::path::{Path, PathBuf};

use crate::language::Identities;

/// A key itself.
const KEY: &str = "SOPS_AGE_KEY";
/// The path of a file of keys.
const KEY_FILE: &str = "SOPS_AGE_KEY_FILE";

/// Every key at hand. A place that cannot be read is a problem only when no key opens what is to be opened.
pub(super) fn identities() -> Identities {
    let mut found = Identities::default();
    found = match std::env::var(KEY) {
        Ok(key) => found.with(KEY, key),
        Err(std::env::VarError::NotPresent) => found.without(KEY, "is not set"),
        Err(std::env::VarError::NotUnicode(_)) => found.without(KEY, "is not UTF-8"),
    };
    found = match std::env::var_os(KEY_FILE) {
        Some(path) => read(found, Path::new(&path)),
        None => found.without(KEY_FILE, "is not set"),
    };
    match own_file() {
        Some(path) => read(found, &path),
        None => found.without("~/.config/sops/age/keys.txt", "cannot be found: `HOME` is not set"),
    }
}

fn own_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("sops/age/keys.txt"))
}

fn read(found: Identities, path: &Path) -> Identities {
    let shown = path.display().to_string();
    // Whatever it is: `SOPS_AGE_KEY_FILE=<(pass show key)` is a pipe.
    match std::fs::read_to_string(path) {
        Ok(text) => found.with(shown, text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => found.without(shown, "does not exist"),
        Err(error) => found.without(shown, format!("cannot be read: {error}")),
    }
}
