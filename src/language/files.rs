//! The files of a project: from disk, or kept in a saved plan. Checks every path; parses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::source::Problem;

use super::encrypted::Identities;
use super::kustomize;

/// The largest file of `files/` that is read into a plan.
const LARGEST: usize = 64 << 20;

/// Where the files of a project come from, and all that was read of them.
#[derive(Debug)]
pub struct Files {
    origin: Origin,
    identities: Identities,
    read: Mutex<BTreeMap<PathBuf, Arc<[u8]>>>,
}

#[derive(Debug)]
enum Origin {
    Disk(PathBuf),
    Kept(BTreeMap<PathBuf, Vec<u8>>),
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Its name in the folder.
    pub(super) name: String,
    /// Is it a folder itself?
    pub(super) folder: bool,
}

impl Files {
    /// The project in the folder `root`.
    #[must_use]
    pub fn disk(root: impl Into<PathBuf>) -> Self {
        Self { origin: Origin::Disk(root.into()), identities: Identities::default(), read: Mutex::default() }
    }

    /// The files that a saved plan carries, by their path in the project.
    #[must_use]
    pub fn kept(texts: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        Self { origin: Origin::Kept(texts), identities: Identities::default(), read: Mutex::default() }
    }

    /// The keys that open encrypted values.
    #[must_use]
    pub fn with_identities(self, identities: Identities) -> Self {
        Self { identities, ..self }
    }

    pub(super) fn identities(&self) -> &Identities {
        &self.identities
    }

    /// Every file that was read so far, by its path in the project: what a plan file keeps.
    #[must_use]
    pub fn read(&self) -> BTreeMap<PathBuf, Arc<[u8]>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bytes of the file at `path`; `None` when there is nothing.
    ///
    /// # Errors
    /// A path that leaves the project, a folder, a link that goes in a ring, a file too large, or one that cannot be read.
    pub(super) fn bytes(&self, path: &Path, limit: Option<usize>) -> Result<Option<Arc<[u8]>>, Problem> {
        inside(path)?;
        if let Some(bytes) = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(Some(bytes.clone()));
        }
        let bytes: Option<Arc<[u8]>> = match &self.origin {
            Origin::Kept(texts) => texts.get(path).map(|bytes| bytes.as_slice().into()),
            Origin::Disk(root) => read_disk(root, path, limit.unwrap_or(LARGEST))?.map(Into::into),
        };
        if let Some(bytes) = &bytes {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert(path.to_owned(), bytes.clone());
        }
        Ok(bytes)
    }

    /// What the kustomization in `folder` comes to; `None` when there is none.
    ///
    /// # Errors
    /// A path that leaves the project, or what the tool says that makes it.
    pub(super) fn kustomized(&self, folder: &Path) -> Result<Option<Arc<[u8]>>, Problem> {
        let built = folder.join(kustomize::BUILT);
        if let Some(bytes) = self.bytes(&built, None)? {
            return Ok(Some(bytes));
        }
        let Origin::Disk(root) = &self.origin else { return Ok(None) };
        let Some(place) = resolve(root, folder)?.filter(|place| kustomize::is_one(place)) else { return Ok(None) };
        let bytes: Arc<[u8]> = kustomize::build(folder, &place)?.into();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(built, bytes.clone());
        Ok(Some(bytes))
    }

    /// What is in `folder`, by name; nothing when it is not there. Names that begin with a point are left out.
    ///
    /// # Errors
    /// A path that leaves the project, or a folder that cannot be read.
    pub(super) fn list(&self, folder: &Path) -> Result<Vec<Entry>, Problem> {
        inside(folder)?;
        let mut entries = BTreeSet::new();
        match &self.origin {
            Origin::Kept(texts) => {
                for path in texts.keys() {
                    let Ok(rest) = path.strip_prefix(folder) else { continue };
                    let mut parts = rest.components();
                    let Some(Component::Normal(first)) = parts.next() else { continue };
                    let name = first.to_string_lossy().into_owned();
                    entries.insert(Entry { name, folder: parts.next().is_some() });
                }
            }
            Origin::Disk(root) => {
                let Some(real) = resolve(root, folder)? else { return Ok(Vec::new()) };
                let cannot = |cause: std::io::Error| cannot_read(folder, &cause);
                if !real.is_dir() {
                    return Ok(Vec::new());
                }
                for entry in std::fs::read_dir(&real).map_err(cannot)? {
                    let entry = entry.map_err(cannot)?;
                    let name = entry.file_name().into_string().map_err(|name| {
                        let name = Path::new(&name).display().to_string();
                        Problem::nowhere(format!("the name `{name}` in `{}` is not UTF-8", folder.display()))
                            .help("rename the file")
                    })?;
                    if !name.starts_with('.') {
                        // A link that leads nowhere is found when it is read.
                        entries.insert(Entry { name, folder: entry.path().is_dir() });
                    }
                }
            }
        }
        Ok(entries.into_iter().collect())
    }

    /// Every file below `folder`, as paths relative to it; linked folders are followed within the project.
    ///
    /// # Errors
    /// As [`Files::list`], and folders nested too deep (a link that leads back up).
    pub(super) fn below(&self, folder: &Path) -> Result<Vec<String>, Problem> {
        let mut found = Vec::new();
        self.descend(folder, "", 0, &mut found)?;
        Ok(found)
    }

    fn descend(&self, folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) -> Result<(), Problem> {
        if depth > 32 {
            return Err(Problem::nowhere(format!("`{}` is nested too deep", folder.display()))
                .help("look for a link that leads back up"));
        }
        for entry in self.list(folder)? {
            let name = format!("{prefix}{}", entry.name);
            if entry.folder {
                self.descend(&folder.join(&entry.name), &format!("{name}/"), depth + 1, found)?;
            } else {
                found.push(name);
            }
        }
        Ok(())
    }
}

/// Is `path` relative, without a step up?
fn inside(path: &Path) -> Result<(), Problem> {
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && !path.as_os_str().as_encoded_bytes().contains(&0) {
        return Ok(());
    }
    Err(Problem::nowhere(format!("the path `{}` leads out of the project", path.display()))
        .help("name a file inside the project, without `..`"))
}

/// The real path behind `path`, links followed; `None` when there is nothing.
fn resolve(root: &Path, path: &Path) -> Result<Option<PathBuf>, Problem> {
    let top = std::fs::canonicalize(root)
        .map_err(|cause| cannot_read(root, &cause).help("name the project's folder with `--project`"))?;
    match std::fs::canonicalize(root.join(path)) {
        Ok(real) if real.starts_with(&top) => Ok(Some(real)),
        Ok(real) => Err(Problem::nowhere(format!("`{}` is a link that leads out of the project", path.display()))
            .help(format!("it leads to `{}`; put the file itself into the project", real.display()))),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            if std::fs::symlink_metadata(root.join(path)).is_ok() {
                return Err(Problem::nowhere(format!("`{}` is a link that leads nowhere", path.display()))
                    .help("mend or remove the link"));
            }
            Ok(None)
        }
        // A file where a folder was asked for: there is nothing below it.
        Err(cause) if cause.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
        Err(cause) => match rustix::io::Errno::from_io_error(&cause) {
            Some(rustix::io::Errno::LOOP) => {
                Err(Problem::nowhere(format!("`{}` is a link that leads back to itself", path.display()))
                    .help("mend or remove the link"))
            }
            _ => Err(cannot_read(path, &cause)),
        },
    }
}

fn read_disk(root: &Path, path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Problem> {
    match resolve(root, path)? {
        Some(_) => crate::source::read_bytes(root, path, limit).map(Some),
        None => Ok(None),
    }
}

fn cannot_read(path: &Path, cause: &std::io::Error) -> Problem {
    Problem::nowhere(format!("`{}` cannot be read: {cause}", path.display()))
}
