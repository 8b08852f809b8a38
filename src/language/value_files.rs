//! Files of `values/`: a plain, SOPS or age file named for a role sets its inputs, any other sets what its names say.

use std::path::Path;

use crate::model::Value;
use crate::source::{Key, Limits, Node, Problem, Tree};

use super::encrypted::{self, Opened};
use super::reading::Reading;
use super::role::RoleText;
use super::setting::{Origin, Setting, settings};

/// All that the files of `folder` set. Are all names known? Not those of an age file that stays closed.
pub(super) fn read(reading: &mut Reading<'_>, folder: &Path, roles: &[RoleText], all: &mut Vec<Setting>) -> bool {
    let mut known = true;
    for entry in reading.list(folder) {
        let path = folder.join(&entry.name);
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if entry.folder || !matches!(extension, "yml" | "yaml" | "age") {
            reading.problems.push(
                Problem::nowhere(format!("`{}` is not read", path.display()))
                    .help("`values/` holds files that end in `.yml`, or `.yml.age`"),
            );
            continue;
        }
        match opened(reading, &path, extension == "age") {
            Ok(Some(opened)) => take(reading, stem(&entry.name), opened, roles, all),
            Ok(None) => {}
            Err(closed) => {
                reading.problems.push(closed);
                known = false;
            }
        }
    }
    known
}

/// The name before all endings: `postgres` of `postgres.yml`, `postgres.sops.yml` and `postgres.yml.age`.
fn stem(name: &str) -> &str {
    let mut stem = name;
    for ending in [".age", ".yml", ".yaml", ".sops", ".enc"] {
        stem = stem.strip_suffix(ending).unwrap_or(stem);
    }
    stem
}

/// The file at `path`, decrypted if need be; `None`: it is empty, or a problem was found. `Err`: an age file stays closed.
fn opened(reading: &mut Reading<'_>, path: &Path, is_age: bool) -> Result<Option<Opened>, Problem> {
    // What is wrong with a file that cannot be read is said when it is read as YAML.
    if let Ok(Some(bytes)) = reading.files.bytes(path, Some(Limits::default().bytes))
        && (is_age || encrypted::is_age(&bytes))
    {
        return encrypted::open_age(path, &bytes, reading.files.identities(), &mut reading.sources).map(Some);
    }
    let Some(node) = reading.document(path) else { return Ok(None) };
    if node.tree == Tree::Null {
        return Ok(None);
    }
    if !encrypted::is_sops(&node) {
        if let Some(stray) = encrypted::stray(&node) {
            reading.problems.push(
                Problem::error(stray.span, "an encrypted value in a file without the `sops:` block")
                    .label("it would be used as it is")
                    .help("take the file from version control again, or write it with `sops edit`"),
            );
            return Ok(None);
        }
        return Ok(Some(Opened { node, values: Value::Null }));
    }
    let identities = reading.files.identities();
    let names_only = reading.names_only;
    Ok(Some(encrypted::open_sops(&node, &path.display(), identities, names_only, &mut reading.problems)))
}

fn take(reading: &mut Reading<'_>, stem: &str, opened: Opened, roles: &[RoleText], all: &mut Vec<Setting>) {
    let Opened { mut node, mut values } = opened;
    if node.tree == Tree::Null {
        return;
    }
    if roles.iter().any(|role| role.name == stem) {
        let key = Key { name: stem.to_owned(), span: node.span };
        node = Node { span: node.span, tree: Tree::Map(vec![(key, node)]) };
        values = Value::Map([(stem.to_owned(), values)].into_iter().collect());
    }
    let before = all.len();
    settings(reading, &node, &Origin::Environment, roles, all);
    encrypted::seal(&mut all[before..], &values, &mut reading.problems);
}
