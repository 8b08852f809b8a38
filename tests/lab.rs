//! Real hosts: systemd, sshd and a network of their own, booted for one test and gone with it. See `tests/lab/README.md`.
//! The lab comes up with the first test that wants a host, and goes when this process ends, however that is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

mod core;
mod cost;
mod faults;
mod hostile;
mod hosts;
pub(crate) mod k3s;
mod ledger;
mod project;
mod rolling;
mod secrets;
pub(crate) mod story;
mod system;

pub(crate) use project::Project;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/hosts/lab");

/// A lab that is up. While its keeper's standard input is open.
struct Lab {
    keeper: Child,
    id: String,
    net: String,
    run: PathBuf,
    image: PathBuf,
    next: AtomicUsize,
}

/// The lab of this test run, or nothing where this machine cannot have one.
fn lab() -> Option<&'static Lab> {
    static LAB: OnceLock<Option<Lab>> = OnceLock::new();
    LAB.get_or_init(|| match Lab::start() {
        Ok(lab) => Some(lab),
        Err(why) => {
            left_out(&format!("tests on real hosts: {why}"));
            None
        }
    })
    .as_ref()
}

/// Says what this machine does not permit to try, and `make test` says it again at its end.
fn left_out(what: &str) {
    crate::transport::left_out(what);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("left-out")).unwrap();
    file.write_all(format!("{what}\n").as_bytes()).unwrap();
}

impl Lab {
    fn start() -> Result<Self, String> {
        if cfg!(not(target_os = "linux")) {
            return Err("needs Linux".to_owned());
        }
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut keeper = Command::new(SCRIPT)
            .arg("keep")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said.reopen().unwrap())
            // Ctrl-C is for the tests; the keeper ends after them.
            .process_group(0)
            .spawn()
            .unwrap();
        let lines: Vec<String> =
            BufReader::new(keeper.stdout.take().unwrap()).lines().take(4).map(|line| line.unwrap()).collect();
        let [id, net, run, image] = lines.try_into().unwrap_or_else(|_| Default::default());
        if image.is_empty() {
            let status = keeper.wait().unwrap();
            let said = std::fs::read_to_string(said.path()).unwrap();
            // 69: this machine lacks something. Anything else is wrong, and no reason to leave tests out.
            assert_eq!(status.code(), Some(69), "the lab does not come up: {said}");
            return Err(said.lines().last().unwrap_or_default().to_owned());
        }
        Ok(Self { keeper, id, net, run: run.into(), image: image.into(), next: AtomicUsize::new(1) })
    }

    fn script(&self, words: &[&str]) -> Command {
        let mut command = Command::new(SCRIPT);
        command.args(words).env("LAB_ID", &self.id).env("LAB_NET", &self.net).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let output = self.script(words).output().unwrap();
        assert!(output.status.success(), "lab {words:?}: {output:?}");
        output
    }
}

/// A host that this test has for itself. It goes when this is dropped.
pub(crate) struct Host {
    lab: &'static Lab,
    name: String,
    address: String,
}

/// A fresh host, or nothing where this machine cannot have one: `let Some(host) = lab::host() else { return };`.
pub(crate) fn host() -> Option<Host> {
    Some(hosts(1)?.remove(0))
}

/// Some fresh hosts.
pub(crate) fn hosts(count: usize) -> Option<Vec<Host>> {
    boot(count, &[])
}

/// Some fresh hosts with other settings: see `settings.sh`.
pub(crate) fn boot(count: usize, settings: &[(&str, &str)]) -> Option<Vec<Host>> {
    let lab = lab()?;
    let first = lab.next.fetch_add(count, Ordering::Relaxed);
    let hosts: Vec<Host> = (first..first + count)
        .map(|number| {
            let address = format!("{}.{}.{}", lab.net, 1 + (number - 1) / 200, 1 + (number - 1) % 200);
            Host { lab, name: format!("h{number}"), address }
        })
        .collect();
    let mut words = vec!["add"];
    words.extend(hosts.iter().map(|host| &*host.name));
    let output = lab.script(&words).envs(settings.iter().copied()).output().unwrap();
    assert!(output.status.success(), "no hosts: {output:?}");
    Some(hosts)
}

impl Host {
    /// Its name: `h1`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its address in the lab's network.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Runs a shell command in it as root, whatever its network and its sshd do.
    pub(crate) fn exec(&self, command: &str) -> Output {
        self.lab.script(&["exec", &self.name, "sh", "-c", command]).output().unwrap()
    }

    /// The same for a command that must succeed: what it printed, without the end of the last line.
    pub(crate) fn ok(&self, command: &str) -> String {
        let output = self.exec(command);
        assert!(output.status.success(), "{}: {command}: {output:?}", self.name);
        String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
    }

    /// Breaks it or mends it: `host.fault("delay 20")`. `lab fault` lists what there is.
    pub(crate) fn fault(&self, what: &str) {
        let mut words = what.split(' ');
        let mut all = vec!["fault", words.next().unwrap(), &self.name];
        all.extend(words);
        self.lab.run(&all);
    }

    /// The key that opens it, for every user.
    pub(crate) fn identity(&self) -> PathBuf {
        self.lab.image.join("id_ed25519")
    }

    /// Its line of a `known_hosts`.
    pub(crate) fn known_hosts(&self) -> String {
        std::fs::read_to_string(self.lab.run.join(&self.name).join("known_hosts")).unwrap()
    }

    /// How often somebody logged in since it was booted (booting makes one login as `ops`).
    pub(crate) fn logins(&self, user: &str) -> usize {
        let journal = self.ok("journalctl -q --no-pager -o cat -t sshd");
        journal.lines().filter(|line| line.starts_with(&format!("Accepted publickey for {user} "))).count()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let removed = self.lab.script(&["remove", &self.name]).output();
        if !std::thread::panicking() {
            assert!(removed.is_ok_and(|output| output.status.success()), "{} does not go", self.name);
        }
    }
}
