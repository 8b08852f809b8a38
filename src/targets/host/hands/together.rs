//! Makes new files and folders in one request. The guarantees are those of single steps: content is compared by its
//! digest and on disk before anything is in place, nothing is readable to more than it will be, nothing is replaced.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::questions::{named, word};
use super::super::together::Together;
use crate::model::{Fault, FaultKind};
use crate::transport::{Request, Worker};

/// Makes all of them, or none: `false`, and whoever does them one by one is told why.
///
/// # Errors
/// It is not known how far it came.
pub(in super::super) async fn perform(worker: &Worker, all: &Together) -> Result<bool, Fault> {
    let reply = worker.call(Request::change(script(all)?)).await?;
    let cause = String::from_utf8_lossy(&reply.stderr).trim().to_owned();
    Err(match reply.status {
        0 => return Ok(true),
        70 => return Ok(false),
        57 => {
            Fault::failed("it was made, but may not survive a power cut: its folder could not be synced").cause(cause)
        }
        60 => Fault::new(FaultKind::Interrupted, "the work was interrupted").help("run again: it looks first"),
        status => Fault::failed(format!("the work ended with status {status}"))
            .cause(cause)
            .help("run again: it looks first, and does what is left to do"),
    })
}

/// Words of the shell for something that is made: where it is prepared, and where it will be.
struct Place {
    prepared: String,
    path: String,
}

/// What a folder is prepared in is held open from this number on: whoever owns the folder could put another in its place.
const FIRST: usize = 5;

/// A folder that is there, and what comes into it. It is prepared in `$T` with its number.
struct Folder<'a> {
    path: &'a str,
    word: String,
    brings: Vec<usize>,
}

fn places(all: &Together) -> Result<(Vec<Place>, Vec<Folder<'_>>), Fault> {
    let (mut places, mut folders): (Vec<Place>, Vec<Folder<'_>>) = (Vec::new(), Vec::new());
    for (at, new) in all.made.iter().enumerate() {
        let (path, name) = new.parts();
        let name = word(name)?;
        let prepared = if let Some(within) = new.within {
            format!("{}/{name}", places[within].prepared)
        } else {
            let number = folders.iter().position(|folder| folder.path == path).unwrap_or(folders.len());
            if number == folders.len() {
                folders.push(Folder {
                    path,
                    word: word(if path.is_empty() { "/" } else { path })?,
                    brings: Vec::new(),
                });
            }
            folders[number].brings.push(at);
            format!("/proc/self/fd/{}/{name}", FIRST + number)
        };
        places.push(Place { prepared, path: word(&new.path)? });
    }
    Ok((places, folders))
}

/// Words after each other, with a space before each.
fn words<'a>(each: impl IntoIterator<Item = &'a str>) -> String {
    each.into_iter().fold(String::new(), |mut all, word| {
        all.push(' ');
        all.push_str(word);
        all
    })
}

fn script(all: &Together) -> Result<String, Fault> {
    let (places, folders) = places(all)?;
    let mut text = String::new();
    let aside: Vec<String> = (0..folders.len()).map(|number| format!("\"$T{number}\"")).collect();
    for number in 0..folders.len() {
        let _ = write!(text, "T{number}= ");
    }
    let _ = writeln!(
        text,
        "\ntrap 'rm -rf --{}' EXIT\n{}",
        words(aside.iter().map(String::as_str)),
        include_str!("../sh/together.sh")
    );
    for (number, folder) in folders.iter().enumerate() {
        let _ = writeln!(
            text,
            "folder {0}; T{number}=$(mktemp -d {0}/\"$B\".XXXXXX) || exit 70\nexec {1}<\"$T{number}\"; ours {1} \"$T{number}\"",
            folder.word,
            FIRST + number
        );
    }
    prepare(&mut text, all, &places)?;
    let brings = |folder: &Folder<'_>, of: fn(&Place) -> &str| words(folder.brings.iter().map(|at| of(&places[*at])));
    // From here on it is not interrupted: each is a rename.
    text.push_str("none");
    for folder in &folders {
        text.push_str(&brings(folder, |place| &place.path));
    }
    text.push_str("\ntrap '' HUP INT TERM PIPE\nback() {\n");
    for at in folders.iter().flat_map(|folder| &folder.brings) {
        let _ = writeln!(text, "undo {} {}", places[*at].prepared, places[*at].path);
    }
    text.push_str("exit 70\n}\n");
    for folder in &folders {
        let brings = brings(folder, |place| &place.prepared);
        let _ = writeln!(text, "mv -n -t {} --{brings} && gone{brings} || back", folder.word);
    }
    let _ = writeln!(text, "sync --{} || exit 57", words(folders.iter().map(|folder| &*folder.word)));
    Ok(text)
}

/// All of it, in the places that nobody else gets to.
fn prepare(text: &mut String, all: &Together, places: &[Place]) -> Result<(), Fault> {
    let each = || all.made.iter().zip(places.iter().map(|place| &*place.prepared));
    let (mut sums, mut puts) = (String::new(), String::new());
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut modes: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (new, prepared) in each() {
        if let Some(content) = &new.content {
            let next = if sums.is_empty() { "" } else { "\"\n\"" };
            let _ = write!(sums, "{next}\"{}  \"{prepared}", content.digest());
            let _ = writeln!(puts, "put {} >{prepared} || exit 70", word(&String::from_utf8_lossy(content.bytes()))?);
        }
        let (owner, group) = (new.attributes.owner.as_deref(), new.attributes.group.as_deref());
        for name in owner.iter().chain(&group) {
            named(name)?;
        }
        if owner.is_some() || group.is_some() {
            let group = group.map(|group| format!(":{group}")).unwrap_or_default();
            owners.entry(word(&format!("{}{group}", owner.unwrap_or_default()))?).or_default().push(prepared);
        }
        let default = if new.content.is_some() { 0o644 } else { 0o755 };
        modes.entry(new.attributes.mode.unwrap_or(default)).or_default().push(prepared);
    }
    let folders = words(each().filter(|(new, _)| new.content.is_none()).map(|(_, prepared)| prepared));
    let files = words(each().filter(|(new, _)| new.content.is_some()).map(|(_, prepared)| prepared));
    if !folders.is_empty() {
        let _ = writeln!(text, "mkdir -m 700 --{folders} || exit 70");
    }
    text.push_str(&puts);
    if !files.is_empty() {
        let _ = writeln!(text, "s=$(sha256sum --{files}) && [ \"$s\" = {sums} ] || exit 70");
    }
    for (owner, of) in owners {
        let _ = writeln!(text, "chown -- {owner}{} || exit 70", words(of));
    }
    for (mode, of) in modes {
        let _ = writeln!(text, "chmod -- {mode:04o}{} || exit 70", words(of));
    }
    let _ = writeln!(text, "sync --{} || exit 70", words(each().map(|(_, prepared)| prepared)));
    Ok(())
}
