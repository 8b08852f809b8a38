//! Saved plans: what was approved, and the text that it was made from, so that apply never reads the playbook again.
//!
//! A plan file holds no secret: digests of secrets are salted, files of the project in which a secret stands in
//! clear are kept by reference (path and salted digest) and read again at apply. One line of header, then JSON:
//!
//! ```text
//! lions-plan 1 0.1.0 <sha-256 of the rest>
//! {"environment":"development", ...}
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::refine::Salt;
use crate::model::{Decision, Digest, Fault, FaultKind, Plan, Shown};

/// The format that this version writes, and the only one that it reads.
const FORMAT: u32 = 1;
const MAGIC: &str = "lions-plan";
/// The largest plan file that is read.
const LARGEST: u64 = 1 << 30;

/// What was asked for when the plan was made: kept, so that apply builds the same program and graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The environment.
    pub environment: String,
    /// The playbook, relative to the project.
    pub playbook: Option<PathBuf>,
    /// `--set name=value`, as given; `@file` stays a reference.
    pub set: Vec<(String, String)>,
    /// `--component`.
    pub component: Option<String>,
    /// `--limit`.
    pub limit: Vec<String>,
    /// `--tags`.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
}

impl Asked {
    /// Was all of the playbook asked for?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.component.is_none() && self.limit.is_empty() && self.tags.is_empty() && self.skip_tags.is_empty()
    }
}

/// A saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// When it was made.
    pub created: jiff::Timestamp,
    /// What was asked for.
    pub asked: Asked,
    /// What was shown.
    pub plan: Plan,
    salt: Digest,
    files: BTreeMap<PathBuf, Kept>,
}

/// A file of the project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Kept {
    /// Its text.
    Text(String),
    /// Its bytes, in base64.
    Bytes(String),
    /// A secret stands in it: only its salted digest is kept.
    Reference(Digest),
}

impl PlanFile {
    /// A plan and what it was made from. `secret_files` are those in which a secret stands in clear.
    ///
    /// # Errors
    /// A fault when the system gives no random salt.
    pub fn new(
        asked: Asked,
        mut plan: Plan,
        files: &BTreeMap<PathBuf, Arc<[u8]>>,
        secret_files: &BTreeSet<PathBuf>,
    ) -> Result<Self, Fault> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| Fault::failed("no random numbers").cause(error))?;
        let salted = Salt(salt);
        for row in &mut plan.rows {
            let Decision::Change(entry) = &mut row.decision else { continue };
            for side in entry.fields.iter_mut().flat_map(|field| [&mut field.before, &mut field.after]) {
                if let Shown::Secret { digest, .. } = side {
                    *digest = salted.of(*digest);
                }
            }
        }
        let files = files.iter().map(|(path, bytes)| {
            let kept = match std::str::from_utf8(bytes) {
                _ if secret_files.contains(path) => Kept::Reference(salted.of(Digest::of(bytes))),
                Ok(text) => Kept::Text(text.to_owned()),
                Err(_) => Kept::Bytes(BASE64.encode(bytes)),
            };
            (path.clone(), kept)
        });
        Ok(Self { created: jiff::Timestamp::now(), asked, plan, salt: Digest(salt), files: files.collect() })
    }

    /// What digests of secrets in it are mixed with.
    #[must_use]
    pub fn salt(&self) -> Salt {
        Salt(self.salt.0)
    }

    /// The files that it was made from. Those kept by reference are read from `project` and must not have changed.
    ///
    /// # Errors
    /// A stale fault that names the file.
    pub fn files(&self, project: Option<&Path>) -> Result<BTreeMap<PathBuf, Vec<u8>>, Fault> {
        let mut files = BTreeMap::new();
        for (path, kept) in &self.files {
            let bytes = match kept {
                Kept::Text(text) => text.clone().into_bytes(),
                Kept::Bytes(text) => BASE64.decode(text).map_err(|error| damaged().cause(error))?,
                Kept::Reference(digest) => {
                    let shown = path.display();
                    let Some(project) = project else {
                        return Err(Fault::failed(format!("the plan needs `{shown}` of its project"))
                            .cause("a secret stands in it, so the plan does not hold its text")
                            .help("run it in the project's folder, or name that with `-C`"));
                    };
                    let bytes = std::fs::read(project.join(path))
                        .map_err(|error| Fault::failed(format!("`{shown}` cannot be read")).cause(error))?;
                    if self.salt().of(Digest::of(&bytes)) != *digest {
                        return Err(Fault::new(FaultKind::Stale, format!("`{shown}` changed since the plan was made"))
                            .help("plan again"));
                    }
                    bytes
                }
            };
            files.insert(path.clone(), bytes);
        }
        Ok(files)
    }

    /// Its text, header included.
    ///
    /// # Errors
    /// A fault when it cannot be written as JSON.
    pub fn to_text(&self) -> Result<String, Fault> {
        let body =
            serde_json::to_string(self).map_err(|error| Fault::failed("the plan cannot be written").cause(error))?;
        let digest = Digest::of(body.as_bytes());
        Ok(format!("{MAGIC} {FORMAT} {} {digest}\n{body}", env!("CARGO_PKG_VERSION")))
    }

    /// From a text: cut, edited or made by another version, it is refused with the reason.
    ///
    /// # Errors
    /// A fault that says what is wrong with it.
    pub fn from_text(text: &str) -> Result<Self, Fault> {
        let (header, body) = text.split_once('\n').unwrap_or((text, ""));
        let mut words = header.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(Fault::failed("this is no plan file").help("make one with `lions plan -o FILE`"));
        }
        let (format, version, digest) = (words.next(), words.next(), words.next());
        let (Some(format), Some(version), Some(digest)) = (format, version, digest) else { return Err(damaged()) };
        if format != FORMAT.to_string() || version != env!("CARGO_PKG_VERSION") {
            return Err(Fault::new(FaultKind::Stale, format!("the plan was made by `lions` {version}"))
                .cause(format!("this is {}", env!("CARGO_PKG_VERSION")))
                .help("plan again with this version, or apply it with that one"));
        }
        if Digest::from_hex(digest) != Some(Digest::of(body.as_bytes())) {
            return Err(damaged());
        }
        let file: Self = serde_json::from_str(body).map_err(|error| damaged().cause(error))?;
        file.check()
    }

    /// Indices of a text that somebody made by hand must not lead anywhere.
    fn check(self) -> Result<Self, Fault> {
        let plan = &self.plan;
        let sound = plan
            .rows
            .iter()
            .all(|row| (row.task as usize) < plan.tasks.len() && (row.place as usize) < plan.places.len());
        if sound && plan.environment == self.asked.environment { Ok(self) } else { Err(damaged()) }
    }

    /// Writes it beside `path`, readable by its owner only, and renames it into place.
    ///
    /// # Errors
    /// A fault when it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Fault> {
        let text = self.to_text()?;
        let failed = |error: &dyn std::fmt::Display| {
            Fault::failed(format!("the plan cannot be written to `{}`", path.display())).cause(error)
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error.error))?;
        Ok(())
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// A fault that says what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let failed = |error: &dyn std::fmt::Display| {
            Fault::failed(format!("the plan `{}` cannot be read", path.display())).cause(error)
        };
        let about = std::fs::metadata(path).map_err(|error| failed(&error))?;
        if !about.is_file() {
            return Err(failed(&"it is not a file"));
        }
        if about.len() > LARGEST {
            return Err(failed(&format!("it is larger than {LARGEST} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Fault::failed("this is no plan file").cause("it is not UTF-8").help("make one with `lions plan -o FILE`")
        })?;
        Self::from_text(&text)
    }
}

fn damaged() -> Fault {
    Fault::failed("the plan file was cut or edited").help("it is only applied as it was made: plan again")
}
