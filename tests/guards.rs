//! Changes that would lock one out, on real hosts: the host undoes them by itself.

use crate::lab::{self, Host, Project};

/// Nothing of a switch is left. Its process ends a moment after it has said that it is over.
fn nothing_is_left(host: &Host) {
    let look = "ls -A /var/lib/lions/guard 2>/dev/null; systemctl list-units --all --no-legend 'lions-guard-*'";
    let mut left = host.ok(look);
    for _ in 0..20 {
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
    assert!(said.contains("undone by the host: one could not get in any more"), "{said}");
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

#[test]
fn what_cannot_be_undone_is_not_begun() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    project.tasks("- name: x\n  guard: connectivity\n  command: { cmd: touch /etc/x }\n");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("what a command does cannot be undone by a guard"), "{said}");
    assert!(!host.exec("test -e /etc/x").status.success());
    nothing_is_left(&host);
}
