//! `lions` itself is stopped, killed, or started twice.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Midway, assert_clean, until};
use crate::lab::{Project, host};

fn signal(midway: &Midway<'_>, signal: Signal) {
    let id = midway.run.as_ref().unwrap().id();
    kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Once: what runs is finished, and nothing more is begun.
#[test]
fn asked_once_to_stop_it_finishes_what_runs() {
    let Some(host) = host() else { return };
    let mut midway = Midway::new(&host);
    signal(&midway, Signal::INT);
    until("it says so", || midway.said().contains("what runs is finished first"));
    host.ok("rm /run/hold");
    let (code, said) = midway.ends_within(10);
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(host.ok("ls /srv"), "before\nmade", "what ran was finished, what was to come was not begun");
    midway.converges();
}

/// Twice: what runs is ended, also on the host.
#[test]
fn asked_twice_to_stop_it_ends_what_runs() {
    let Some(host) = host() else { return };
    let mut midway = Midway::new(&host);
    signal(&midway, Signal::INT);
    until("it says so", || midway.said().contains("what runs is finished first"));
    signal(&midway, Signal::INT);
    let (code, said) = midway.ends_within(10);
    assert_eq!(code, Some(130), "{said}");
    midway.assert_command_ended();
    midway.converges();
}

/// Killed in a command: the command ends too, and the lock with it.
#[test]
fn killed_in_a_command() {
    let Some(host) = host() else { return };
    let mut midway = Midway::new(&host);
    signal(&midway, Signal::KILL);
    let (code, _) = midway.ends_within(1);
    assert_eq!(code, None);
    midway.assert_command_ended();
    midway.converges();
}

/// Two at once from two checkouts: the second says who works there, or waits for it.
#[test]
fn two_runs_at_once() {
    let Some(host) = host() else { return };
    let mut midway = Midway::new(&host);
    let other = Project::new(&[&host]);
    other.tasks(super::TASKS);
    let said = other.says(&["apply", "--yes"], 7);
    assert!(said.contains("another run works there") && said.contains("--lock-wait"), "{said}");
    other.says(&["plan"], 0);
    let waits = other
        .command(&["apply", "--yes", "--lock-wait", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    host.ok("rm /run/hold");
    let (code, said) = midway.ends_within(20);
    assert_eq!(code, Some(0), "{said}");
    let waited = waits.wait_with_output().unwrap();
    assert!(waited.status.success(), "{waited:?}");
    midway.converges();
}

/// Killed anywhere, some times over: each next run goes on, and the last finds nothing to do.
#[test]
fn killed_anywhere() {
    let Some(host) = host() else { return };
    let mut moments = Moments::new(5);
    let project = Project::new(&[&host]);
    let tasks: Vec<String> = (0..12)
        .map(|at| {
            format!(
                "- name: file {at}\n  copy: {{ dest: /srv/{at}, content: \"{{{{ round }}}} {at}\\n\" }}\n  notify: told\n\
                 - name: line {at}\n  line: {{ path: /srv/lines, line: \"{{{{ round }}}} {at}\", create: true }}\n"
            )
        })
        .collect();
    project.write("roles/app/tasks.yml", &tasks.concat());
    project.write("roles/app/handlers.yml", "- name: told\n  command: { cmd: \"sh -c 'cat /srv/0 >>/srv/told'\" }\n");
    project.write("playbooks/site.yml", "- name: all\n  hosts: all\n  roles: [app]\n");
    let round = |round: u32| project.environment(&format!("vars: {{ round: {round} }}\n"));
    round(0);
    let began = Instant::now();
    project.converges();
    let whole = began.elapsed();
    for at in 1..=moments.times {
        round(at);
        let after = moments.within(whole);
        let mut run = project.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let _ = run.kill();
        run.wait().unwrap();
        project.converges();
        let told = host.ok("cat /srv/told");
        assert!(told.lines().any(|line| line == format!("{at} 0")), "killed after {after:?}, told: {told}");
        let right = (0..12).all(|file| host.ok(&format!("cat /srv/{file}")) == format!("{at} {file}"));
        assert!(right, "killed after {after:?}");
        assert_clean(&host);
    }
}

/// When to kill: `LIONS_KILLS` times, at moments that `LIONS_SEED` gives again.
pub(crate) struct Moments {
    pub(crate) times: u32,
    random: u64,
}

impl Moments {
    /// So many where nobody says otherwise. The seed is printed.
    pub(crate) fn new(usual: u32) -> Self {
        let times = std::env::var("LIONS_KILLS").map_or(usual, |text| text.parse().unwrap());
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let any = || u64::try_from(now() & 0xffff_ffff).unwrap() | 1;
        let random = std::env::var("LIONS_SEED").map_or_else(|_| any(), |text| text.parse().unwrap());
        std::io::Write::write_all(&mut std::io::stderr(), format!("LIONS_SEED={random}\n").as_bytes()).unwrap();
        Self { times, random }
    }

    pub(crate) fn within(&mut self, whole: Duration) -> Duration {
        // xorshift: what matters is that a seed gives the same again.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        whole.mul_f64(f64::from(u32::try_from(self.random % 1000).unwrap()) / 1000.0)
    }
}
