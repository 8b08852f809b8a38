//! The harness: corpus, mutations, a watch on time, and what is kept of a failure.
#![expect(clippy::print_stdout, reason = "the test runner shows it with a failure, or when asked to")]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

/// A single input may take this long: of the processor, which it shares with whatever else runs on the machine.
const LONGEST: Duration = Duration::from_secs(2);
/// And this long if it only waits.
const PATIENCE: Duration = Duration::from_mins(2);
/// No input grows past this.
const LARGEST: usize = 64 << 10;

/// What the languages that are read here give a meaning to.
const TOKENS: &[&str] = &[
    ": ",
    "- ",
    "? ",
    "\n",
    "\r\n",
    "\n  ",
    "\n\t",
    "\t",
    "#",
    " #",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!!int ",
    "!x ",
    "|",
    "|-\n",
    "|2\n",
    ">",
    ">+\n",
    "'",
    "''",
    "\"",
    "\\",
    "\\\"",
    "\\u0041",
    "\\x",
    "[",
    "]",
    "{",
    "}",
    ",",
    "{{",
    "}}",
    "{{ a }}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{% if a %}",
    "{% endif %}",
    "{% for a in b %}",
    "{% endfor %}",
    "{% raw %}",
    "{% endraw %}",
    " | ",
    "| default('a')",
    "()",
    "[0]",
    ".a",
    "~",
    "null",
    "true",
    "yes",
    "0644",
    "9223372036854775808",
    "-1",
    "1e999",
    ".nan",
    "0x",
    "%YAML 1.2\n",
    "@",
    "`",
    "\0",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "é",
    "日本",
    "\u{1b}[31m",
    "\u{202e}",
    "$(x)",
    "${x}",
    ";",
    "\"version\":",
    ":",
    "\"\":",
    "{}",
    "[]",
];

/// Replays what was ever found for `name`, reads its corpus, then mangles that for as long as a run may take.
pub(crate) fn target(name: &str, run: impl Fn(&[u8]) + Send + 'static) {
    let seconds = from_environment("LIONS_FUZZ_SECONDS").unwrap_or(2);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = from_environment("LIONS_FUZZ_SEED").unwrap_or(now.as_secs() ^ u64::from(now.subsec_nanos()) << 20);
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let mut watch = Watch::start(name, seed, &home, run);

    for (path, bytes) in inputs(&home.join("found").join(name)) {
        watch.try_one(&bytes, Some(&path));
    }
    let corpus: Vec<Vec<u8>> = inputs(&home.join("corpus").join(name))
        .into_iter()
        .map(|(path, bytes)| {
            watch.try_one(&bytes, Some(&path));
            bytes
        })
        .collect();
    assert!(!corpus.is_empty(), "`tests/fuzz/corpus/{name}` has no input to begin with");

    let mut random = Random(seed | 1);
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut tried = 0_u64;
    while Instant::now() < until {
        watch.try_one(&mangled(&corpus, &mut random), None);
        tried += 1;
    }
    watch.end();
    println!("{name}: {tried} inputs in {seconds} s, seed {seed}");
    assert!(tried > 0 || seconds == 0, "{name}: no input was tried");
}

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} must be a number, not `{value}`")))
}

/// The files of `folder` by name; none if it is not there.
fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Runs inputs on a thread of their own, so that one that never ends can be named.
struct Watch {
    name: String,
    seed: u64,
    found: PathBuf,
    /// Holds the input that runs: a stack overflow kills the whole process, and leaves it there.
    current: File,
    current_path: PathBuf,
    give: Sender<Vec<u8>>,
    done: Receiver<Result<(), String>>,
    /// How long the thread ran, as the system tells it.
    clock: File,
}

impl Watch {
    fn start(name: &str, seed: u64, home: &Path, run: impl Fn(&[u8]) + Send + 'static) -> Self {
        let (give, take) = channel::<Vec<u8>>();
        let (tell, done) = channel();
        let (tell_clock, clock) = channel();
        std::thread::spawn(move || {
            tell_clock.send(File::open("/proc/thread-self/schedstat").unwrap()).unwrap();
            for bytes in take {
                let outcome = catch_unwind(AssertUnwindSafe(|| run(&bytes))).map_err(|panic| {
                    let text = panic.downcast_ref::<String>().cloned();
                    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
                });
                if tell.send(outcome).is_err() {
                    return;
                }
            }
        });
        let current_path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
        let left = fs::read(&current_path).ok();
        let current = File::create(&current_path).unwrap();
        let mut watch = Self {
            name: name.to_owned(),
            seed,
            found: home.join("found").join(name),
            current,
            current_path,
            give,
            done,
            clock: clock.recv().unwrap(),
        };
        if let Some(left) = left {
            println!("{name}: the last run did not end, its input is tried again");
            watch.try_one(&left, None);
        }
        watch
    }

    fn try_one(&mut self, bytes: &[u8], path: Option<&Path>) {
        self.current.set_len(bytes.len() as u64).unwrap();
        self.current.write_all_at(bytes, 0).unwrap();
        let (ran, begun) = (self.ran(), Instant::now());
        self.give.send(bytes.to_vec()).unwrap();
        let mut told = self.done.recv_timeout(LONGEST);
        while told == Err(RecvTimeoutError::Timeout) && self.ran() < ran + LONGEST && begun.elapsed() < PATIENCE {
            told = self.done.recv_timeout(LONGEST / 10);
        }
        let why = match told {
            Ok(Ok(())) => return,
            Ok(Err(panic)) => format!("panicked: {panic}"),
            Err(RecvTimeoutError::Timeout) => format!("took more than {} s", LONGEST.as_secs()),
            Err(RecvTimeoutError::Disconnected) => "ended its thread".to_owned(),
        };
        let path = path.map_or_else(|| self.keep(bytes), Path::to_path_buf);
        let _ = fs::remove_file(&self.current_path);
        panic!("{}: {} (seed {}) {why}", self.name, path.display(), self.seed);
    }

    fn ran(&self) -> Duration {
        let mut text = [0; 64];
        let length = self.clock.read_at(&mut text, 0).unwrap();
        let nanoseconds = std::str::from_utf8(&text[..length]).unwrap().split(' ').next().unwrap();
        Duration::from_nanos(nanoseconds.parse().unwrap())
    }

    fn keep(&self, bytes: &[u8]) -> PathBuf {
        fs::create_dir_all(&self.found).unwrap();
        let hash: String =
            Sha256::digest(bytes)[..8].iter().fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
        let path = self.found.join(hash);
        File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    fn end(self) {
        fs::remove_file(&self.current_path).unwrap();
    }
}

/// Xorshift: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`; 0 if there is nothing below it.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }

    /// A short stretch of `length` bytes.
    fn stretch(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length - start } else { (length - start).min(16) };
        start..start + self.below(most + 1)
    }
}

fn mangled(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(8) {
        mangle(&mut bytes, corpus, random);
    }
    bytes.truncate(LARGEST);
    bytes
}

fn mangle(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(10) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(random.stretch(bytes.len()))),
        4 => {
            let copy = bytes[random.stretch(bytes.len())].to_vec();
            insert(bytes, at, &copy);
        }
        5 => {
            let other = &corpus[random.below(corpus.len())];
            let piece = other[random.stretch(other.len())].to_vec();
            insert(bytes, at, &piece);
        }
        6 => {
            let times = 1 + random.below(64);
            let token = TOKENS[random.below(TOKENS.len())].repeat(times);
            insert(bytes, at, token.as_bytes());
        }
        7 => {
            // A line moves in or out.
            let line = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            if random.below(2) == 0 {
                insert(bytes, line, b"  ");
            } else if bytes.get(line) == Some(&b' ') {
                bytes.remove(line);
            }
        }
        _ => insert(bytes, at, TOKENS[random.below(TOKENS.len())].as_bytes()),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if bytes.len() + piece.len() <= LARGEST {
        bytes.splice(at..at, piece.iter().copied());
    }
}

/// The harness itself must find what is there to be found.
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_panic_and_a_hang_are_found_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let works = Arc::new(AtomicBool::new(true));
        let caught = |input: &'static [u8]| {
            let works = works.clone();
            let mut watch = Watch::start("self-test", 7, home.path(), move |bytes| {
                assert!(!bytes.starts_with(b"bad"), "it is bad");
                if bytes.starts_with(b"waits") {
                    std::thread::sleep(LONGEST * 2);
                }
                while bytes.starts_with(b"slow") && works.load(Ordering::Relaxed) {}
            });
            watch.try_one(b"good", None);
            // Who does not run is not slow: the machine has others to serve.
            watch.try_one(b"waits for the processor", None);
            catch_unwind(AssertUnwindSafe(|| watch.try_one(input, None))).unwrap_err().downcast::<String>().unwrap()
        };
        let (bad, slow) = (caught(b"bad one"), caught(b"slow one"));
        works.store(false, Ordering::Relaxed);
        assert!(bad.contains("(seed 7) panicked: it is bad"), "{bad}");
        assert!(slow.ends_with("(seed 7) took more than 2 s"), "{slow}");
        let kept: Vec<Vec<u8>> =
            inputs(&home.path().join("found/self-test")).into_iter().map(|(_, bytes)| bytes).collect();
        assert!(kept.contains(&b"bad one".to_vec()) && kept.contains(&b"slow one".to_vec()) && kept.len() == 2);
    }

    #[test]
    fn a_seed_repeats_its_inputs() {
        let corpus = [b"a: 1\n".to_vec(), b"- {{ b }}\n".to_vec()];
        let some = |seed| {
            let mut random = Random(seed);
            (0..100).map(|_| mangled(&corpus, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(some(3), some(3));
        assert_ne!(some(3), some(5));
    }
}
