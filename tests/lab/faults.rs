//! What goes wrong on the way to a host and on it: each has one outcome, and the next run converges.

mod cuts;
mod disk;
pub(super) mod kills;
mod logins;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Host, Project};

/// A file, a command that waits while `/run/hold` is there, and a file that needs both.
const TASKS: &str = "
- name: before
  copy: { dest: /srv/before, content: \"before\\n\" }
- name: held
  command:
    argv: [sh, -c, \"touch /run/here; while [ -e /run/hold ]; do sleep 0.1; done; touch /srv/made\"]
    creates: /srv/made
    changes: [/srv/made]
- name: after
  copy: { dest: /srv/after, content: \"after\\n\" }
";

/// A run that is in the middle of a command.
struct Midway<'h> {
    host: &'h Host,
    project: Project,
    run: Option<Child>,
}

impl<'h> Midway<'h> {
    fn new(host: &'h Host) -> Self {
        let project = Project::new(&[host]);
        project.tasks(TASKS);
        let mut midway = Self { host, project, run: None };
        midway.start();
        midway
    }

    fn start(&mut self) {
        self.host.ok("touch /run/hold");
        let log = std::fs::File::create(self.project.path().join("log")).unwrap();
        let mut command = self.project.command(&["apply", "--yes"]);
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        self.run = Some(command.spawn().unwrap());
        until("the command runs", || self.host.exec("test -e /run/here").status.success());
    }

    /// The run's exit code and what it said, once it ended by itself.
    fn ends_within(&mut self, seconds: u64) -> (Option<i32>, String) {
        let began = Instant::now();
        let run = self.run.as_mut().unwrap();
        let status = loop {
            if let Some(status) = run.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(seconds), "lions still runs after {seconds} s");
            std::thread::sleep(Duration::from_millis(50));
        };
        (status.code(), self.said())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.project.path().join("log")).unwrap()
    }

    /// The command is over on the host: `/srv/made` was not made, and nothing of it runs.
    fn assert_command_ended(&self) {
        until("the command is gone", || !self.host.exec("pgrep -f 'touch /srv/[m]ade'").status.success());
        assert!(!self.host.exec("test -e /srv/made").status.success(), "the command was not ended");
    }

    /// What is left is done by the next run, and nothing of the first is left.
    fn converges(&self) {
        self.host.ok("rm -f /run/hold");
        self.project.converges();
        assert_eq!(self.host.ok("cat /srv/before /srv/after; ls /srv"), "before\nafter\nafter\nbefore\nmade");
        assert_clean(self.host);
    }
}

/// Nothing that `lions` makes on the way is left, some seconds later at most.
fn assert_clean(host: &Host) {
    let look = "find / /run /dev/shm -xdev -name '.lions*'; pgrep -fa 'iflag=[f]ullblock|/dev/shm/.[l]ions' || true";
    let began = Instant::now();
    loop {
        let left = host.ok(look);
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "left on {}: {left}", host.name());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until `held` holds, for twenty seconds.
pub(super) fn until(what: &str, held: impl Fn() -> bool) {
    let began = Instant::now();
    while !held() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Drop for Midway<'_> {
    fn drop(&mut self) {
        // Only after a test that failed: it must not outlive it.
        if let Some(run) = &mut self.run {
            let _ = run.kill();
            let _ = run.wait();
        }
    }
}
