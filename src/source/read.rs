//! Files of the project, read with care: every way in which a file can be missing, wrong or too large has its own words.
//! Reads files only; what is in them is for others.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Problem;

/// The text of the file `path` below `folder`, at most `limit` bytes of it. Messages name `path` alone.
///
/// # Errors
/// A problem without a place: there is no such file, it is no file, it cannot be read, is too large or is no UTF-8 text.
pub fn read_text(folder: &Path, path: &Path, limit: usize) -> Result<String, Problem> {
    decode(path, read_bytes(folder, path, limit)?)
}

/// The text in `bytes`, which were read from `path`.
///
/// # Errors
/// A problem without a place: it is another encoding than UTF-8, or no text.
pub fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, Problem> {
    let name = path.display();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::nowhere(format!("`{name}` is UTF-16 text")).help("save it as UTF-8"));
    }
    // Before UTF-8: a file of another sort is better called that than badly encoded.
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let summary = format!("`{name}` has a NUL byte in line {}, at byte {at}", line(&bytes, at));
        return Err(Problem::nowhere(summary).help("this does not look like a text file"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let summary = format!("`{name}` is not UTF-8 text: line {}, byte {at} (0x{:02x})", line(bytes, at), bytes[at]);
        Problem::nowhere(summary).help("save it as UTF-8")
    })
}

/// The bytes of the file `path` below `folder`, refused before reading if there are more than `limit`.
///
/// # Errors
/// As [`read_text`], without the demands on the text.
pub fn read_bytes(folder: &Path, path: &Path, limit: usize) -> Result<Vec<u8>, Problem> {
    let full = folder.join(path);
    let failed = |error: &io::Error| cannot_read(folder, path, error);
    // Looked at before it is opened: to open a pipe or a device can block, or do something.
    regular(path, &std::fs::metadata(&full).map_err(|error| failed(&error))?)?;
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(&full).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    // And again: another may stand there by now.
    regular(path, &metadata)?;
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if size > limit {
        return Err(too_large(path, &format!("{size} bytes"), limit));
    }
    let bytes = up_to(&file, limit).map_err(|error| failed(&error))?;
    bytes.ok_or_else(|| too_large(path, "more bytes than it says", limit))
}

/// All of `file`, or nothing if it is longer than `limit` after all (it grew, or is one of those without a size).
fn up_to(file: &File, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

fn regular(path: &Path, metadata: &std::fs::Metadata) -> Result<(), Problem> {
    let name = path.display();
    if metadata.is_dir() {
        return Err(Problem::nowhere(format!("`{name}` is a folder, not a file")));
    }
    if !metadata.is_file() {
        return Err(Problem::nowhere(format!("`{name}` is a pipe, a socket or a device, not a file")));
    }
    Ok(())
}

fn too_large(path: &Path, size: &str, limit: usize) -> Problem {
    Problem::nowhere(format!("`{}` has {size}, more than the {limit} that are read", path.display())).help("split it")
}

fn cannot_read(folder: &Path, path: &Path, error: &io::Error) -> Problem {
    let name = path.display();
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => missing(folder, path),
        Some(Errno::LOOP) => Problem::nowhere(format!("`{name}` is a link that leads back to itself"))
            .help("see where it leads with `readlink`, and mend or remove it"),
        Some(Errno::ACCESS | Errno::PERM) => Problem::nowhere(format!("`{name}` may not be read by this user"))
            .help("see its owner and mode with `ls -l`"),
        Some(Errno::NOTDIR) => {
            Problem::nowhere(format!("`{name}` does not exist: a part of it is a file, not a folder"))
        }
        _ => Problem::nowhere(format!("`{name}` cannot be read: {error}")),
    }
}

/// Names the first part of `path` that is not there, and what is near it in its folder.
fn missing(folder: &Path, path: &Path) -> Problem {
    let mut there = folder.to_path_buf();
    let mut shown = std::path::PathBuf::new();
    for part in path.components() {
        let parent = there.clone();
        there.push(part);
        shown.push(part);
        if there.symlink_metadata().is_ok() {
            continue;
        }
        let what = if shown == path { "" } else { "the folder " };
        let problem = Problem::nowhere(format!("{what}`{}` does not exist", shown.display()));
        let wanted = part.as_os_str().to_string_lossy();
        let names: Vec<String> = std::fs::read_dir(parent)
            .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        return match super::did_you_mean(&wanted, names.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{}`?", shown.with_file_name(near).display())),
            None => problem,
        };
    }
    // Every part is there, so the last one is a link.
    Problem::nowhere(format!("`{}` is a link to a file that does not exist", path.display()))
}

fn line(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_be_read_says_so() {
        // By its error: tests may run as root, who may read everything.
        let error = io::Error::from(Errno::ACCESS);
        let problem = cannot_read(Path::new("/"), Path::new("secret.yml"), &error);
        assert_eq!(problem.summary, "`secret.yml` may not be read by this user");
    }

    #[test]
    fn a_file_longer_than_its_size_is_not_loaded() -> io::Result<()> {
        // The kernel says that these have no bytes at all.
        let file = File::open("/proc/self/maps")?;
        assert_eq!(up_to(&file, 16)?, None);
        Ok(())
    }
}
