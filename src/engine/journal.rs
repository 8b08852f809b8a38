//! What a run did, written as it does it, beside the project; what an interrupted run still owes; one run at a time.
//!
//! A line is on disk before the write that it announces. A restart that a change owes (a notified handler) is
//! therefore known to the next run, whatever happened to this one. Nothing secret is in it: addresses, places, words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::model::{Address, Fault, FaultKind, PlaceName};
use crate::targets::host::Claim;

/// A handler that is owed to a place.
pub type Debt = (Address, PlaceName);

/// Owed handlers, and since which run.
pub type Owed = BTreeMap<Debt, String>;

/// The journal of one run that changes things. Holds the lock of its (project, environment) until dropped.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
    run: String,
    /// What was owed when this run began.
    owed: Owed,
    _lock: Lock,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "lowercase")]
enum Line {
    /// First: what is owed from earlier runs.
    Run { run: String, command: String, owed: Vec<(Address, PlaceName, String)> },
    /// A change begins; the handlers it notifies are owed from here on.
    Begin { address: Address, place: PlaceName, notifies: Vec<Address> },
    /// It ended.
    End { address: Address, place: PlaceName, ended: Ended },
    /// Last: the run came to its end.
    Finish { interrupted: bool },
}

/// How a change ended, as far as debts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// Something changed: the handlers that it notifies are owed.
    Changed,
    /// Nothing changed after all.
    Right,
    /// It failed: whether something changed is not known, so the handlers are owed.
    Failed,
    /// A handler has run, or need not: it is owed no longer.
    Paid,
}

/// Where the journal of an environment lies: `.lions/<environment>` in the project.
#[must_use]
pub fn folder(project: &Path, environment: &str) -> PathBuf {
    project.join(".lions").join(environment)
}

/// What earlier runs still owe.
///
/// # Errors
/// A fault when the journal cannot be read: what is owed must not be forgotten silently.
pub fn owed(folder: &Path) -> Result<Owed, Fault> {
    let Some(latest) = runs(folder)?.pop() else { return Ok(Owed::new()) };
    let file = File::open(&latest).map_err(|error| unreadable(&latest, &error))?;
    let lines: Vec<String> =
        BufReader::new(file).lines().collect::<Result<_, _>>().map_err(|error| unreadable(&latest, &error))?;
    // Since when, and by whom in this run (nobody: an earlier run owes it).
    let mut debts: BTreeMap<Debt, (String, BTreeSet<Address>)> = BTreeMap::new();
    let mut current = String::new();
    for (at, text) in lines.iter().enumerate() {
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            // The machine went down while the last line was written: what it announced was not begun.
            Err(_) if at + 1 == lines.len() => break,
            Err(error) => return Err(unreadable(&latest, &error)),
        };
        match line {
            Line::Run { run, owed, .. } => {
                current = run;
                for (address, place, since) in owed {
                    debts.insert((address, place), (since, BTreeSet::new()));
                }
            }
            Line::Begin { address, place, notifies } => {
                for handler in notifies {
                    let debt = debts.entry((handler, place.clone()));
                    let fresh = matches!(debt, std::collections::btree_map::Entry::Vacant(_));
                    let (_, by) = debt.or_insert_with(|| (current.clone(), BTreeSet::new()));
                    if fresh || !by.is_empty() {
                        by.insert(address.clone());
                    }
                }
            }
            Line::End { address, place, ended: Ended::Paid } => _ = debts.remove(&(address, place)),
            // It turned out to change nothing: it owes nothing either.
            Line::End { address, place, ended: Ended::Right } => {
                debts.retain(|(_, owed_to), (_, by)| !(*owed_to == place && by.remove(&address) && by.is_empty()));
            }
            Line::End { .. } | Line::Finish { .. } => {}
        }
    }
    Ok(debts.into_iter().map(|(debt, (since, _))| (debt, since)).collect())
}

/// Journals of runs, oldest first: their names are their times.
fn runs(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            runs.push(path);
        }
    }
    runs.sort();
    Ok(runs)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::failed(format!("the journal `{}` cannot be read", path.display()))
        .cause(error)
        .help("restarts that are still owed are noted there; mend it, or move it away if nothing is owed")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::failed(format!("the journal `{}` cannot be written", path.display()))
        .cause(error)
        .help("nothing is changed without a journal; make that folder writable")
}

/// How many journals of past runs are kept.
const KEPT: usize = 100;

impl Journal {
    /// Takes the lock and begins the journal of a new run. `command` says what is being done, for others that wait.
    ///
    /// # Errors
    /// [`FaultKind::Locked`] with who holds it; a fault when the folder cannot be written.
    pub fn begin(folder: &Path, command: &str) -> Result<Self, Fault> {
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        let lock = lock(folder, command)?;
        let owed = owed(folder)?;
        let past = runs(folder)?;
        let run = free_name(folder);
        let path = folder.join(format!("{run}.jsonl"));
        let file =
            OpenOptions::new().append(true).create_new(true).open(&path).map_err(|error| unwritable(&path, &error))?;
        let journal = Self { file: Mutex::new(file), run: run.clone(), owed, _lock: lock };
        let owed = journal.owed.iter().map(|((address, place), since)| (address.clone(), place.clone(), since.clone()));
        journal.write(&Line::Run { run, command: command.to_owned(), owed: owed.collect() })?;
        for old in past.iter().take((past.len() + 1).saturating_sub(KEPT)) {
            fs::remove_file(old).map_err(|error| unwritable(old, &error))?;
        }
        Ok(journal)
    }

    /// The run's name: its time.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// What was owed when this run began.
    #[must_use]
    pub fn owed(&self) -> &Owed {
        &self.owed
    }

    /// A change is about to be made; from now on it owes those handlers to that place.
    ///
    /// # Errors
    /// A fault when it could not be written: then the change must not be made.
    pub fn begins(&self, address: &Address, place: &PlaceName, notifies: &[Address]) -> Result<(), Fault> {
        self.write(&Line::Begin { address: address.clone(), place: place.clone(), notifies: notifies.to_vec() })
    }

    /// It ended.
    ///
    /// # Errors
    /// A fault when it could not be written.
    pub fn ended(&self, address: &Address, place: &PlaceName, ended: Ended) -> Result<(), Fault> {
        self.write(&Line::End { address: address.clone(), place: place.clone(), ended })
    }

    /// The run came to its end.
    ///
    /// # Errors
    /// A fault when it could not be written.
    pub fn finish(&self, interrupted: bool) -> Result<(), Fault> {
        self.write(&Line::Finish { interrupted })
    }

    fn write(&self, line: &Line) -> Result<(), Fault> {
        let mut text = serde_json::to_vec(line).map_err(|error| Fault::failed("journal line").cause(error))?;
        text.push(b'\n');
        // What is owed must outlive the machine; the rest only this process, and for that a plain write is enough.
        let owes =
            matches!(line, Line::Run { .. }) || matches!(line, Line::Begin { notifies, .. } if !notifies.is_empty());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text)
            .and_then(|()| if owes { file.sync_data() } else { Ok(()) })
            .map_err(|error| unwritable(Path::new(&format!("{}.jsonl", self.run)), &error))
    }
}

/// The time as a name that sorts; another a moment later when it is taken.
fn free_name(folder: &Path) -> String {
    let mut moment = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).timestamp();
    loop {
        let name = moment.strftime("%Y-%m-%dT%H-%M-%S.%3fZ").to_string();
        if !folder.join(format!("{name}.jsonl")).exists() {
            return name;
        }
        moment += jiff::SignedDuration::from_millis(1);
    }
}

/// Holds the lock of a (project, environment). The kernel gives it back when the holder dies.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started may still hold a copy of the file.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// Who runs this, and since when, in one line.
fn who() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "someone".to_owned());
    let since = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{machine} (process {}) since {since}", std::process::id())
}

/// Who we are to runs from elsewhere that want the same hosts.
///
/// # Errors
/// The system gives no random numbers: two runs could not be told apart.
pub fn claim(environment: &str) -> Result<Claim, Fault> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Fault::failed("no random numbers").cause(error))?;
    Ok(Claim {
        run: format!("{:016x}", u64::from_be_bytes(bytes)),
        who: format!("{}: the environment `{environment}`", who()),
    })
}

/// One run at a time for a (project, environment).
fn lock(folder: &Path, command: &str) -> Result<Lock, Fault> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| unwritable(&path, &error))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(|error| unwritable(&path, &error))?;
            return Err(Fault::new(FaultKind::Locked, "another run works on this environment")
                .cause(holder.trim())
                .help("wait for it to end; the lock is given back even if it is killed"));
        }
        Err(error) => return Err(unwritable(&path, &error.into())),
    }
    let note = format!("{}: {command}\n", who());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(note.as_bytes()))
        .map_err(|error| unwritable(&path, &error))?;
    Ok(Lock(file))
}
