//! The whole product on real hosts: planned in full on a bare host, done as planned, at rest afterwards, and mended.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Host, Project, host, hosts};

/// Tasks that build on each other, of every sort that leaves something behind.
const STATE: &str = r#"
- name: ask
  command: { cmd: uname -s, read_only: true }
  register: system
- name: folders
  directory: { path: "/srv/{{ item }}", mode: "0750" }
  loop: [app, app/etc, "app/with blanks", "it's $HOME"]
- name: configuration
  copy: { dest: /srv/app/etc/app.conf, content: "name=app\nport=80\n", mode: "0640" }
  notify: configuration changed
- name: another port
  line: { path: /srv/app/etc/app.conf, regexp: "^port=", line: port=8080 }
- name: a block
  block: { path: /srv/app/etc/app.conf, block: "[extra]\nx=1" }
- name: from a template
  template: { src: motd.j2, dest: /etc/motd }
- name: current
  link: { src: /srv/app/etc, dest: /srv/current }
- name: through the link
  copy: { dest: /srv/current/extra.conf, content: "extra\n", owner: ops, group: ops }
- name: what it said
  copy: { dest: /srv/app/system, content: "{{ system.stdout }}\n" }
- name: made once
  command: { cmd: cp /etc/hostname /srv/app/made, creates: /srv/app/made, changes: [/srv/app/made] }
- name: what was made
  file: { path: /srv/app/made, mode: "0600" }
- name: forwarding
  sysctl: { name: net.ipv4.ip_forward, value: "1" }
- name: old things go
  file: { path: /srv/app/old, state: absent }
- name: programs
  package: { name: lions-conf, update_cache: true, cache_valid_time: 3600 }
- name: a daemon
  package: { name: lions-daemon }
- name: settings of a program
  copy: { dest: /etc/lions-conf.conf, content: "name=mine\n", mode: "0644" }
  notify: the daemon restarts
- name: the daemon runs
  service: { name: lions-daemon, state: started, enabled: true }
- name: deployers
  group: { name: deploy, gid: 2000 }
- name: ann
  user: { name: ann, uid: 2001, groups: [deploy], shell: /bin/bash, comment: "Ann O'Hara", password: "{{ hash }}" }
- name: her notes
  copy: { dest: /home/ann/notes, content: "x\n", owner: ann, group: ann }
- name: a unit
  copy: { dest: /etc/systemd/system/own.service, content: "[Service]\nExecStart=/usr/bin/sleep infinity\nUser=ann\n[Install]\nWantedBy=multi-user.target\n" }
  notify: own restarts
- name: own runs
  service: { name: own, state: started, enabled: true }
"#;

const HANDLERS: &str = r#"
- name: configuration changed
  command: { cmd: "sh -c 'echo again >>/srv/app/restarts'" }
- name: the daemon restarts
  service: { name: lions-daemon, state: restarted }
- name: own restarts
  service: { name: own, state: restarted }
"#;

const HASH: &str = "$6$canary$0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijkl.";

fn project(hosts: &[&Host], user: &str) -> Project {
    let project = Project::of(hosts, user);
    project.write("roles/app/tasks.yml", STATE);
    project.write("roles/app/handlers.yml", HANDLERS);
    project.write("roles/app/inputs.yml", "hash: { type: secret, required: true, doc: of a password }\n");
    project.environment(&format!("vars: {{ app: {{ hash: \"{HASH}\" }} }}\n"));
    project.write("roles/app/templates/motd.j2", "{{ inventory_hostname }} runs {{ facts.os_family }}\n");
    project.write("playbooks/site.yml", "- name: all\n  hosts: all\n  roles: [app]\n");
    project
}

/// What a plan or a run says of each task at each place, by `kind` of event.
pub(crate) fn rows(said: &str, kind: &str) -> BTreeMap<(String, String), Json> {
    let events =
        said.lines().map(|line| serde_json::from_str::<Json>(line).unwrap_or_else(|_| panic!("{line}: {said}")));
    let rows = events.filter(|event| event["type"] == kind);
    rows.map(|row| ((row["address"].to_string(), row["place"].to_string()), row)).collect()
}

/// Holds a run against the plan that it followed: the same tasks, the same fields, the same values where known.
pub(crate) fn assert_done_as_planned(plan: &str, run: &str) {
    let (plan, run) = (rows(plan, "verdict"), rows(run, "result"));
    assert_eq!(plan.keys().collect::<Vec<_>>(), run.keys().collect::<Vec<_>>());
    for (key, planned) in &plan {
        let done = &run[key];
        match planned["verdict"].as_str().unwrap() {
            "right" | "unready" => assert_eq!(done["outcome"], "right", "{key:?}"),
            "change" => done_as_shown(planned, done),
            "skipped" => assert_eq!(done["outcome"], "skipped", "{key:?}"),
            "later" => {
                let touched = |row: &Json| row.as_array().cloned().unwrap_or_default();
                let named = touched(&planned["things"]);
                assert!(
                    touched(&done["change"]["things"]).iter().all(|thing| named.contains(thing)),
                    "{key:?}: {done}"
                );
            }
            other => panic!("{key:?} is {other}: {planned}"),
        }
    }
}

/// Every value that was known is the same. What was not known before may have turned out to be right already.
fn done_as_shown(planned: &Json, done: &Json) {
    let key = &planned["address"];
    let open = |field: &Json| field["before"].get("unknown").is_some();
    let fields = |row: &Json| row["change"]["fields"].as_array().unwrap().clone();
    let shown = fields(planned);
    if done["outcome"] == "already_right" {
        assert!(shown.iter().all(open), "{key}: {planned} {done}");
        return;
    }
    assert_eq!(done["outcome"], "changed", "{key}: {done}");
    let brought = planned["change"]["action"] == "create" && shown.iter().any(open);
    assert!(
        planned["change"]["action"] == done["change"]["action"] || brought && done["change"]["action"] == "update",
        "{key}: {planned} {done}"
    );
    let made = fields(done);
    for after in &made {
        let before = shown.iter().find(|before| before["name"] == after["name"]);
        let before = before.unwrap_or_else(|| panic!("{key}: `{}` was not shown: {planned} {done}", after["name"]));
        for side in ["before", "after"] {
            if before[side].get("unknown").is_none() {
                assert_eq!(before[side], after[side], "{key}");
            }
        }
    }
    for before in shown {
        assert!(open(&before) || made.iter().any(|after| before["name"] == after["name"]), "{key}: {before}: {done}");
    }
}

/// Shown, done as shown, at rest; then a hand edits, which is shown and mended.
fn tells_and_keeps(project: &Project, hosts: &[&Host], more: &[&str]) {
    let with = |words: &[&'static str]| -> Vec<&str> { words.iter().copied().chain(more.iter().copied()).collect() };
    let before: Vec<String> = hosts.iter().map(|host| snapshot(host)).collect();
    let plan = project.says(&with(&["plan", "--output", "json"]), 0);
    assert_eq!(before, hosts.iter().map(|host| snapshot(host)).collect::<Vec<_>>(), "a plan changes nothing");
    assert_done_as_planned(&plan, &project.says(&with(&["apply", "--yes", "--output", "json"]), 0));
    for host in hosts {
        assert_eq!(
            host.ok(
                "cat /srv/current/app.conf; stat -c '%a %U' /srv/app/etc/app.conf; cat /etc/motd /srv/app/restarts"
            ),
            format!(
                "name=app\nport=8080\n# BEGIN managed by lions\n[extra]\nx=1\n# END managed by lions\n640 root\n{} runs Debian\nagain",
                host.name()
            )
        );
        assert_eq!(host.ok("find / /run /dev/shm -xdev -name '.lions*'"), "", "nothing is left");
    }
    assert!(project.says(&with(&["plan", "--detailed-exitcode"]), 0).starts_with("nothing to do: "));
    assert!(project.says(&with(&["drift"]), 0).starts_with("nothing to do: "));

    for host in hosts {
        assert_eq!(
            host.ok("systemctl is-active lions-daemon own; systemctl is-enabled lions-daemon own; id -nG ann; getent shadow ann | cut -d: -f2; stat -c '%U %a' /home/ann/notes; lions-hello"),
            format!("active\nactive\nenabled\nenabled\nann deploy\n{HASH}\nann 644\nhello from 1.1")
        );
        // It was started with its file, so nobody started it again; the daemon came with its package, before its settings.
        assert_eq!(host.ok("journalctl -q -o cat -u own | grep -c '^Started'"), "1");
        assert_eq!(host.ok("journalctl -q -o cat -u lions-daemon | grep -c '^Started'"), "2");
    }

    hosts[0].ok("sed -i s/8080/9090/ /srv/app/etc/app.conf; chmod 600 /srv/app/etc/app.conf; echo 0 >/proc/sys/net/ipv4/ip_forward");
    hosts[0].ok("systemctl disable -q --now own; apt-get -qq remove lions-conf; usermod -s /bin/sh -G '' -p x ann; groupmod -g 2002 deploy");
    let drift = project.says(&with(&["drift"]), 2);
    for shown in [
        "-port=9090",
        "+port=8080",
        "mode: 0600 -> 0640",
        "ip_forward",
        "enabled: disabled -> enabled",
        "state: stopped -> started",
        "lions-conf: removed, with its configuration left -> 1.1",
        "shell: /bin/sh -> /bin/bash",
        "groups: none -> deploy",
        "password: ***",
        "gid: 2002 -> 2000",
    ] {
        assert!(drift.contains(shown), "{shown}: {drift}");
    }
    project.says(&with(&["apply", "--yes"]), 0);
    assert!(project.says(&with(&["drift"]), 0).starts_with("nothing to do: "));
    assert_eq!(hosts[0].ok("cat /proc/sys/net/ipv4/ip_forward /srv/app/restarts"), "1\nagain\nagain");
}

/// What a host looks like: names, owners, modes and times of what may be touched.
fn snapshot(host: &Host) -> String {
    host.ok("find /etc /srv /opt /usr/local /home /root /var/lib -xdev -printf '%p %y %m %u %g %s %T@ %l\\n' \
             | grep -v '/var/lib/systemd\\|/var/lib/private\\|^/var/lib ' | sort")
}

#[test]
fn with_sudo_that_asks_nothing() {
    let Some(hosts) = hosts(2) else { return };
    let hosts: Vec<&Host> = hosts.iter().collect();
    tells_and_keeps(&project(&hosts, "ops"), &hosts, &[]);
    assert_eq!(hosts[1].logins("ops"), 2, "booting is one, all of this the other");
}

#[test]
fn with_sudo_that_asks_for_a_password() {
    let Some(host) = host() else { return };
    let project = project(&[&host], "pw");
    project.write("password", "open sesame\n");
    tells_and_keeps(&project, &[&host], &["--become-password-file", "password"]);
    let words = host.ok("journalctl -q -o cat -t sudo");
    assert!(!words.contains("sesame"), "{words}");
}

#[test]
fn as_root() {
    let Some(host) = host() else { return };
    tells_and_keeps(&project(&[&host], "root"), &[&host], &[]);
    assert_eq!(host.ok("journalctl -q -o cat -t sudo"), "", "root needs no sudo");
}
