//! Connections that end or fall silent, in every phase.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Midway, TASKS, assert_clean, until};
use crate::lab::{Project, host, hosts};

/// The session ends in the middle of a command: the command ends with it, and the run says so at once.
#[test]
fn a_session_that_is_cut_in_a_command() {
    let Some(host) = host() else { return };
    let mut midway = Midway::new(&host);
    host.fault("cut");
    let (code, said) = midway.ends_within(10);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("whether the change was made is not known") && said.contains("run again"), "{said}");
    midway.assert_command_ended();
    midway.converges();
}

/// Before anything: the daemon is away, refuses, or the network says no.
#[test]
fn a_host_that_takes_no_connection() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks(TASKS);
    for (fault, mended, says) in
        [("sshd-stop", "sshd-start", "refuses connections"), ("reject", "mend", "refuses connections")]
    {
        host.fault(fault);
        let began = Instant::now();
        for words in [&["plan"][..], &["apply", "--yes"]] {
            let said = project.says(words, 5);
            assert!(said.contains(says), "{said}");
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{fault}: {:?}", began.elapsed());
        assert_eq!(host.ok("ls /srv"), "");
        host.fault(mended);
    }
    project.converges();
}

/// How long it is waited for an answer is the user's to say: ours (10 s) is only for who says nothing.
#[test]
fn a_host_that_does_not_answer_in_the_time_that_is_configured() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks(TASKS);
    host.fault("blackhole");
    let began = Instant::now();
    let said = project.says(&["plan"], 5);
    let took = began.elapsed();
    assert!(said.contains("does not answer"), "{said}");
    // The configuration of the project says 5 s.
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&took), "{took:?}");
    // Nothing but sockets of connections is kept.
    let kept: Vec<_> =
        std::fs::read_dir(project.path().join("run/lions")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(kept.is_empty(), "{kept:?}");
}

/// While logging in, and before the first answer: sshd runs `/etc/ssh/sshrc` in between.
#[test]
fn a_session_that_is_cut_before_the_first_answer() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks(TASKS);
    host.ok("echo 'touch /tmp/login; sleep 60' >/etc/ssh/sshrc");
    let run = project.command(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("somebody logs in", || host.exec("test -e /tmp/login").status.success());
    host.fault("cut");
    let said = run.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(5), "{said:?}");
    host.ok("rm /etc/ssh/sshrc");
    project.converges();
    assert_clean(&host);
}

/// While it looks, and while a file travels.
#[test]
fn a_session_that_is_cut_while_it_looks_or_writes() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks("- command: { argv: [sh, -c, \"touch /run/looks; sleep 60\"], read_only: true }");
    let run = project.command(&["plan"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("it looks", || host.exec("test -e /run/looks").status.success());
    host.fault("cut");
    let said = run.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(5), "{said:?}");
    assert!(!String::from_utf8_lossy(&said.stdout).contains("whether the change was made"), "{said:?}");
    until("the look is over", || !host.exec("pgrep -f '[t]ouch /run/looks'").status.success());

    project.write("files/big", &"0123456789abcde\0".repeat(4_000_000));
    project.tasks("- copy: { dest: /srv/big, content: \"old\\n\" }");
    project.converges();
    project.tasks("- copy: { dest: /srv/big, src: big }");
    let run = project.command(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the file travels", || !host.ok("find /srv -name '.lions*' -size +1M").is_empty());
    host.fault("cut");
    let said = run.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(5), "{said:?}");
    assert_eq!(host.ok("cat /srv/big"), "old");
    project.converges();
    assert_eq!(host.ok("stat -c %s /srv/big; ls -A /srv"), "64000000\nbig");
    assert_clean(&host);
}

/// Nothing comes back any more: packets are dropped, the cable is out, the host is frozen.
#[test]
fn a_host_that_falls_silent() {
    let Some(hosts) = hosts(3) else { return };
    std::thread::scope(|scope| {
        for (host, (fault, mended)) in hosts.iter().zip([("blackhole", "mend"), ("unplug", "plug"), ("freeze", "thaw")])
        {
            scope.spawn(move || {
                let mut midway = Midway::new(host);
                host.fault(fault);
                let (code, said) = midway.ends_within(40);
                assert_eq!(code, Some(5), "{fault}: {said}");
                // And one that was silent from the start.
                let began = Instant::now();
                let said = midway.project.says(&["plan"], 5);
                assert!(said.contains("does not answer") || said.contains("no way to"), "{fault}: {said}");
                assert!(began.elapsed() < Duration::from_secs(30), "{fault}: {:?}", began.elapsed());
                host.fault(mended);
                midway.host.ok("rm -f /run/hold");
                // The lock of the run that is gone ends with its shell, as soon as sshd hears of it.
                midway.project.says(&["apply", "--yes", "--lock-wait", "120"], 0);
                midway.converges();
            });
        }
    });
}

/// Slow and lossy lines make it slow, nothing else.
#[test]
fn a_line_that_is_slow_or_loses_packets() {
    let Some(hosts) = hosts(3) else { return };
    std::thread::scope(|scope| {
        for (host, fault) in hosts.iter().zip(["delay 20", "delay 100", "loss 10"]) {
            scope.spawn(move || {
                let project = Project::new(&[host]);
                project.write("files/big", &"0123456789abcde\n".repeat(20_000));
                project.tasks(&format!("{TASKS}- copy: {{ dest: /srv/big, src: big }}\n"));
                host.fault(fault);
                project.converges();
                host.fault("mend");
                assert_eq!(host.ok("cat /srv/before /srv/after; stat -c %s /srv/big"), "before\nafter\n320000");
            });
        }
    });
}

/// The host reboots, or loses power, in the middle of a command.
#[test]
fn a_host_that_reboots_in_the_middle() {
    let Some(hosts) = hosts(2) else { return };
    std::thread::scope(|scope| {
        for (host, fault) in hosts.iter().zip(["reboot", "powercut"]) {
            scope.spawn(move || {
                let mut midway = Midway::new(host);
                let boot = host.ok("cat /proc/sys/kernel/random/boot_id");
                host.fault(fault);
                let (code, said) = midway.ends_within(40);
                assert_eq!(code, Some(5), "{fault}: {said}");
                if fault == "powercut" {
                    host.fault("poweron");
                }
                until("it is up again", || {
                    let now = host.exec("cat /proc/sys/kernel/random/boot_id && systemctl is-active -q ssh");
                    now.status.success() && String::from_utf8_lossy(&now.stdout).trim() != boot
                });
                midway.converges();
            });
        }
    });
}
