//! What is mounted now, as `/proc/self/mountinfo` says it.

use super::fstab::{escape, unescape};

pub(super) const MOUNTED: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mounted {
    /// Numbers of the device.
    pub(super) device: String,
    /// Which folder of the file system it shows.
    pub(super) root: String,
    pub(super) path: String,
    /// Options of this mount: `rw`, `noexec` ...
    pub(super) flags: Vec<String>,
    pub(super) fstype: String,
    pub(super) source: String,
}

/// All mounts, in their order: a later one over the same folder is the one that is seen.
pub(super) fn read(text: &str) -> Vec<Mounted> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        Some(Mounted {
            device: (*before.get(2)?).to_owned(),
            root: unescape(before.get(3)?),
            path: unescape(before.get(4)?),
            flags: before.get(5)?.split(',').map(str::to_owned).collect(),
            fstype: (*after.first()?).to_owned(),
            source: unescape(after.get(1)?),
        })
    };
    text.lines().filter_map(mount).collect()
}

impl Mounted {
    /// As the kernel would say it; numbers that nobody can know are 0.
    pub(super) fn line(&self) -> String {
        let Self { device, root, path, flags, fstype, source } = self;
        let (root, path, source, flags) = (escape(root), escape(path), escape(source), flags.join(","));
        format!("0 0 {device} {root} {path} {flags} - {fstype} {source} rw\n")
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        let Self { root, flags, fstype, source, .. } = self;
        let part = if root == "/" { String::new() } else { format!(" at {root}") };
        format!("{source}{part}, {fstype}, {}", flags.join(","))
    }
}

/// The mount that `path` is in.
pub(super) fn holding<'a>(mounts: &'a [Mounted], path: &str) -> Option<&'a Mounted> {
    let holds = |mount: &&Mounted| {
        path.strip_prefix(mount.path.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    mounts.iter().filter(holds).max_by_key(|mount| mount.path.len())
}
