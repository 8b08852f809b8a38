//! A folder that is what an archive holds, as data: what is asked of it, and how it is made anew.

use super::{Attributes, Command};
use crate::model::Digest;

/// A folder made from an archive that lies on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Unpack {
    /// Absolute path of the archive.
    pub src: String,
    /// What it must be.
    pub archive: Digest,
    /// Absolute path of the folder.
    pub dest: String,
    /// Leading folders that are left out.
    pub strip: u32,
    /// Paths in the folder that others keep: not unpacked, and carried over from the folder that was there.
    pub exclude: Vec<String>,
    /// Owner and group of all of it.
    pub attributes: Attributes,
    /// Digest of what the look at the folder said.
    pub seen: Digest,
}

impl Unpack {
    /// What decides, besides the archive, what the folder holds.
    #[must_use]
    pub fn options(&self) -> Digest {
        options(self.strip, &self.exclude, &self.attributes)
    }
}

/// See [`Unpack::options`].
#[must_use]
pub fn options(strip: u32, exclude: &[String], attributes: &Attributes) -> Digest {
    Digest::of(format!("{strip} {exclude:?} {:?} {:?}", attributes.owner, attributes.group).as_bytes())
}

/// Where the folder that is replaced lies for a moment, beside `dest`: its last part.
#[must_use]
pub(super) fn aside(dest: &str) -> String {
    format!(".lions-old.{}", &Digest::of(dest.as_bytes()).to_string()[..16])
}

/// Looks at the folder at `dest`. The first line of what it says is `absent`, `foreign`, or the digests of the archive and
/// the options that it was made with; then come, each ended by NUL, the parts in which it differs from that: what was
/// unpacked as it was, and, after a tab, what is there. `torn` comes before if making it anew was cut short.
#[must_use]
pub fn look(dest: &str) -> Command {
    let script = format!("{}look \"$1\" \"$2\"\n", include_str!("sh/unpacked.sh"));
    Command::words(["sh", "-c", &script, "sh", dest, &aside(dest)].map(str::to_owned).to_vec())
}
