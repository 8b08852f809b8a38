//! What waits and comes back, on real hosts.

use crate::lab;

#[test]
fn a_port_that_opens_later_is_waited_for() {
    let Some(host) = lab::host() else { return };
    let project = lab::Project::new(&[&host]);
    project.tasks(
        "- command:\n    \
         shell: systemd-run --on-active=2 --timer-property=AccuracySec=100ms --unit=late systemd-socket-activate -a -l 8099 /bin/cat\n    \
         unless: systemctl is-active --quiet late\n\
         - wait_for: { port: 8099 }\n\
         - wait_for: { path: /nowhere, state: absent }\n",
    );
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("decided after"), "{plan}");
    project.converges();
    assert_eq!(host.ok("systemctl is-active late"), "active");
    project.tasks("- name: it answers\n  wait_for: { port: 8098, timeout: 2 }\n");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("port 8098 does not answer (Connection refused) after 2 s"), "{said}");
}

#[test]
fn a_host_that_reboots_is_waited_for_and_gone_on_with() {
    let Some(host) = lab::host() else { return };
    let project = lab::Project::new(&[&host]);
    host.ok("echo libc6 >/run/reboot-required.pkgs; touch /run/reboot-required");
    let before = host.ok("cat /proc/sys/kernel/random/boot_id");
    project.tasks(
        "- copy: { dest: /etc/before, content: x }\n\
         - reboot: { when_required: true, timeout: 60 }\n\
         - copy: { dest: /etc/after, content: x }\n\
         - name: not as root\n  become: false\n  command: { cmd: id -un, read_only: true }\n",
    );
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("reboot: required by libc6"), "{plan}");
    project.converges();
    assert_ne!(host.ok("cat /proc/sys/kernel/random/boot_id"), before);
    assert_eq!(host.ok("cat /etc/before /etc/after"), "xx");
}

#[test]
fn a_host_that_does_not_come_back_is_told() {
    let Some(host) = lab::host() else { return };
    let project = lab::Project::new(&[&host]);
    host.ok("systemctl disable --now ssh 2>&1; systemctl start ssh");
    project.tasks("- reboot: { timeout: 12 }\n- copy: { dest: /etc/after, content: x }\n");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("the host did not come back from its reboot within 12 s"), "{said}");
    assert!(said.contains("refuses connections"), "{said}");
    assert!(!host.exec("test -e /etc/after").status.success());
}
