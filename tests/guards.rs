//! Changes that would lock one out, on real hosts: the host undoes them by itself.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::lab::{self, Host, Project};

/// Waits for it.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Nothing of a switch is left. Its process ends a moment after it has said that it is over.
fn nothing_is_left(host: &Host) {
    let look = "ls -A /var/lib/lions/guard 2>/dev/null; systemctl list-units --all --no-legend 'lions-guard-*'";
    let mut left = host.ok(look);
    for _ in 0..100 {
        if left.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        left = host.ok(look);
    }
    panic!("left: {left}");
}

/// It is undone: the run says so, the host is reachable, and the next plan still shows the change.
fn is_undone(host: &Host, project: &Project, shown: &str) -> String {
    let said = project.says(&["apply", "--yes"], 6);
    assert!(said.contains("undone by the host: one could not get in any more") && !said.contains("owed:"), "{said}");
    let plan = project.says(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains(shown), "{plan}");
    nothing_is_left(host);
    said
}

const SSHD: &str = "\
- name: sshd
  guard: connectivity
  copy: { dest: /etc/ssh/sshd_config.d/50-lab.conf, content: \"CONTENT\" }
  notify: sshd restarts
";
const HANDLERS: &str = "- name: sshd restarts\n  command: { cmd: systemctl restart ssh }\n";

/// Tasks of a role, so that there are handlers.
fn with_handlers(project: &Project, tasks: &str) {
    project.write("roles/sshd/tasks.yml", tasks);
    project.write("roles/sshd/handlers.yml", HANDLERS);
    project.write("playbooks/site.yml", "- name: all\n  hosts: all\n  roles: [sshd]\n");
}

#[test]
fn an_sshd_that_lets_nobody_in_is_undone() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    // The file is new, so undoing takes it away; the restart under the guard is undone by another.
    with_handlers(&project, &SSHD.replace("CONTENT", "AllowUsers nobody\\n"));
    let said = is_undone(&host, &project, "/etc/ssh/sshd_config.d/50-lab.conf");
    assert!(said.contains("does not let this user in"), "{said}");
    assert!(!host.exec("test -e /etc/ssh/sshd_config.d/50-lab.conf").status.success());
    // What lets one in stays, and its handler has run.
    let before = host.ok("systemctl show -p MainPID --value ssh");
    with_handlers(&project, &SSHD.replace("CONTENT", "MaxAuthTries 5\\n"));
    project.converges();
    assert_ne!(host.ok("systemctl show -p MainPID --value ssh"), before);
    assert!(host.ok("sshd -T | grep -i maxauthtries").contains('5'));
    nothing_is_left(&host);
    // What was there before comes back.
    with_handlers(&project, &SSHD.replace("CONTENT", "Port 2222\\nMaxAuthTries 4\\n"));
    is_undone(&host, &project, "Port 2222");
    assert_eq!(host.ok("cat /etc/ssh/sshd_config.d/50-lab.conf"), "MaxAuthTries 5");
}

#[test]
fn sudoers_that_take_sudo_away_are_undone() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    project.tasks(
        "- name: no sudo\n  guard: connectivity\n  \
         copy: { dest: /etc/sudoers.d/zz-lab, content: \"ops ALL=(ALL) !ALL\\n\", mode: \"0440\" }\n",
    );
    let said = is_undone(&host, &project, "/etc/sudoers.d/zz-lab");
    assert!(said.contains("could not become `root`"), "{said}");
    assert!(!host.exec("test -e /etc/sudoers.d/zz-lab").status.success());
}

#[test]
fn without_lions_the_host_undoes_it_all_the_same() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    with_handlers(&project, &SSHD.replace("CONTENT", "AllowUsers nobody\\n"));
    let mut run = project.command(&["apply", "--yes"]).spawn().unwrap();
    let gone = "test -e /etc/ssh/sshd_config.d/50-lab.conf";
    for _ in 0..200 {
        if host.exec(gone).status.success() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(host.exec(gone).status.success());
    run.kill().unwrap();
    run.wait().unwrap();
    // Nobody builds on what is about to go. Its own connection is still there.
    with_handlers(&project, &SSHD.replace("CONTENT", "MaxAuthTries 4\\n"));
    let said = project.says(&["apply", "--yes"], 7);
    assert!(said.contains("about to undo a change of another run") && said.contains(": undone in "), "{said}");
    // The copies go; what says that it is over goes with the next guard.
    let over = "ls /var/lib/lions/guard/*/over && ! ls -d /var/lib/lions/guard/*/kept";
    for _ in 0..120 {
        if host.exec(over).status.success() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    host.ok(over);
    assert!(!host.exec(gone).status.success());
    project.says(&["plan", "--detailed-exitcode"], 2);
    with_handlers(&project, &SSHD.replace("CONTENT", "MaxAuthTries 5\\n"));
    project.converges();
    nothing_is_left(&host);
}

/// What runs is gone with a reboot: a unit of the switch undoes it as the host comes up.
#[test]
fn a_reboot_before_the_proof_undoes_it_too() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    with_handlers(&project, &SSHD.replace("CONTENT", "AllowUsers nobody\\n"));
    for lions_lives in [true, false] {
        let mut run = project.command(&["apply", "--yes"]).spawn().unwrap();
        let there = "test -e /etc/ssh/sshd_config.d/50-lab.conf";
        until("the change is made", || host.exec(there).status.success());
        if !lions_lives {
            run.kill().unwrap();
        }
        host.fault("powercut");
        host.fault("poweron");
        until("it is undone", || !host.exec(there).status.success());
        let code = run.wait().unwrap().code();
        // It met the host again, and heard of it.
        assert_eq!(code, lions_lives.then_some(6));
        project.says(&["plan", "--detailed-exitcode"], 2);
        if lions_lives {
            nothing_is_left(&host);
        }
    }
    with_handlers(&project, &SSHD.replace("CONTENT", "MaxAuthTries 5\\n"));
    project.converges();
    nothing_is_left(&host);
    // What was proved stays, whatever comes.
    host.fault("powercut");
    host.fault("poweron");
    assert_eq!(host.ok("cat /etc/ssh/sshd_config.d/50-lab.conf"), "MaxAuthTries 5");
    project.says(&["plan", "--detailed-exitcode"], 0);
}

/// Asked once to stop, the proof is waited for; asked twice, there is none, and the host undoes the change at once.
#[test]
fn a_user_who_does_not_wait_for_the_proof_has_it_undone() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    let there = "test -e /etc/ssh/sshd_config.d/50-lab.conf";
    let slow = "- name: sshd restarts\n  command: { cmd: sh -c 'sleep 5; systemctl restart ssh' }\n";
    let stopped = |times: usize| {
        with_handlers(&project, &SSHD.replace("CONTENT", "MaxAuthTries 5\\n"));
        project.write("roles/sshd/handlers.yml", slow);
        let run = project.command(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("the change is made", || host.exec(there).status.success());
        for _ in 0..times {
            let id = rustix::process::Pid::from_raw(run.id().cast_signed()).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
            std::thread::sleep(Duration::from_millis(300));
        }
        let begun = Instant::now();
        let ended = run.wait_with_output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert_eq!(ended.status.code(), Some(130), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}: {said}", begun.elapsed());
        said
    };
    let said = stopped(2);
    assert!(said.contains("ended by the user, and undone by the host") && !said.contains("owed:"), "{said}");
    assert!(!host.exec(there).status.success());
    nothing_is_left(&host);
    project.says(&["plan", "--detailed-exitcode"], 2);
    stopped(1);
    host.ok(there);
    nothing_is_left(&host);
    project.converges();
}

#[test]
fn what_cannot_be_undone_is_refused_in_the_plan() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    for (task, what) in [
        ("command: { cmd: touch /etc/x }", "what a command does"),
        ("package: { name: lions-hello, update_cache: true }", "a change of packages"),
        ("reboot: {}", "a reboot"),
    ] {
        project.tasks(&format!("- name: x\n  guard: connectivity\n  {task}\n"));
        let refused = format!("{what} cannot be undone by a guard");
        let plan = project.says(&["plan"], 4);
        assert!(plan.contains(&refused), "{plan}");
        let said = project.says(&["apply", "--yes"], 4);
        assert!(said.contains(&refused) && said.contains("could not be planned"), "{said}");
    }
    with_handlers(&project, &SSHD.replace("CONTENT", "MaxAuthTries 5\\n"));
    project.write("roles/sshd/handlers.yml", "- name: sshd restarts\n  reboot: {}\n");
    let plan = project.says(&["plan"], 4);
    assert!(plan.contains("a reboot cannot be undone by a guard"), "{plan}");
    assert!(!host.exec("ls /etc/x /etc/ssh/sshd_config.d/50-lab.conf /usr/bin/lions-hello").status.success());
    nothing_is_left(&host);
}
