//! Packages, services, users and groups on real hosts.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Host, Project, host};

const STATE: &str = r#"
- name: programs
  package: { name: [lions-conf, lions-hello], update_cache: true, cache_valid_time: 3600 }
- name: daemon
  package: { name: lions-daemon }
- name: configuration
  copy: { dest: /etc/lions-conf.conf, content: "name=mine\n", mode: "0644" }
  notify: daemon restarts
- name: daemon runs
  service: { name: lions-daemon, state: started, enabled: true }
- name: deployers
  group: { name: deploy, gid: 2000 }
- name: ann
  user: { name: ann, uid: 2001, groups: [deploy], shell: /bin/bash, comment: "Ann O'Hara, $HOME `id`", password: "{{ hash }}" }
- name: her notes
  copy: { dest: /home/ann/notes, content: "x\n", owner: ann, group: ann }
- name: of the system
  user: { name: svc, system: true, home: /srv/svc, shell: /usr/sbin/nologin }
- name: own unit
  copy: { dest: /etc/systemd/system/own.service, content: "[Service]\nExecStart=/usr/bin/sleep infinity\nUser=svc\n[Install]\nWantedBy=multi-user.target\n" }
  notify: own restarts
- name: own runs
  service: { name: own, state: started, enabled: true }
"#;

const HANDLERS: &str = r"
- name: daemon restarts
  service: { name: lions-daemon, state: restarted }
- name: own restarts
  service: { name: own, state: restarted }
";

const HASH: &str = "$6$canary$0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijkl.";

/// The tasks of a host, as a list in YAML.
fn project(host: &Host, tasks: &str) -> Project {
    let project = Project::new(&[host]);
    project.tasks(tasks);
    project
}

/// The same as a role with handlers.
fn role(host: &Host, tasks: &str) -> Project {
    let project = Project::new(&[host]);
    project.write("roles/app/tasks.yml", tasks);
    project.write("roles/app/handlers.yml", HANDLERS);
    project.write("roles/app/inputs.yml", "hash: { type: secret, default: \"!\", doc: of a password }\n");
    project.write("playbooks/site.yml", "- name: all\n  hosts: all\n  roles: [app]\n");
    project
}

#[test]
fn a_bare_host_gets_what_builds_on_each_other() {
    let Some(host) = host() else { return };
    let project = role(&host, STATE);
    project.environment(&format!("vars: {{ app: {{ hash: \"{HASH}\" }} }}\n"));
    let plan = project.says(&["plan"], 0);
    for text in [
        "lists: refreshed",
        "lions-conf: (known after: the lists are refreshed)",
        "groups: ",
        "-> deploy",
        "state: stopped -> started",
    ] {
        assert!(plan.contains(text), "{text}: {plan}");
    }
    // A watch on every argument of every process while it is made.
    host.ok("nohup sh -c 'while :; do cat /proc/[0-9]*/cmdline 2>/dev/null; done | tr \"\\0\" \" \" | grep -a -o \"canary[^ ]*\" >/tmp/canary' >/dev/null 2>&1 &");
    let said = project.converges();
    assert!(!plan.contains("canary") && !said.contains("canary"), "the hash is shown: {said}");
    assert_eq!(host.ok("cat /tmp/canary"), "", "the hash was an argument");
    assert_eq!(host.ok("getent shadow ann | cut -d: -f2"), HASH);
    assert_eq!(host.ok("getent passwd ann"), "ann:x:2001:2001:Ann O'Hara, $HOME `id`:/home/ann:/bin/bash");
    assert_eq!(host.ok("id -nG ann"), "ann deploy");
    assert_eq!(
        host.ok("stat -c '%U:%G %a' /home/ann /home/ann/.profile /srv/svc"),
        "ann:ann 750\nann:ann 644\nsvc:svc 750"
    );
    assert_eq!(host.ok("cat /etc/lions-conf.conf"), "name=mine");
    assert_eq!(host.ok("systemctl is-active lions-daemon own"), "active\nactive");
    assert_eq!(host.ok("systemctl is-enabled lions-daemon own"), "enabled\nenabled");
    assert_eq!(host.ok("systemctl show -p NRestarts --value own"), "0");
    // The unit was started after its file was written: nobody started it again.
    assert!(said.contains("skipped") || !said.contains("own restarts ("), "{said}");
    let starts = "journalctl -q -o cat -u own | grep -c '^Started'";
    assert_eq!(host.ok(starts), "1");
    assert_eq!(host.ok("ls -A /dev/shm; ls -A /run/lions"), "turn");
}

#[test]
fn packages_of_tasks_right_after_each_other_are_one_transaction() {
    let Some(host) = host() else { return };
    let tasks = "- name: one\n  package: { name: lions-hello, update_cache: true }\n- name: two\n  package: { name: lions-conf, update_cache: true }\n- name: three\n  package: { name: lions-daemon, update_cache: true }";
    let project = project(&host, tasks);
    project.converges();
    assert_eq!(host.ok("grep -c '^Commandline' /var/log/apt/history.log"), "1");
    assert_eq!(host.ok("dpkg-query -W -f '${db:Status-Abbrev}' lions-hello lions-conf lions-daemon"), "ii ii ii ");
}

#[test]
fn versions_go_up_and_down_and_configuration_stays() {
    let Some(host) = host() else { return };
    let project = project(&host, "- package: { name: lions-conf, version: \"1.0\", update_cache: true }");
    project.converges();
    host.ok("echo mine >>/etc/lions-conf.conf");
    project.tasks("- package: { name: lions-conf, state: latest }");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("lions-conf: 1.0 -> 1.1"), "{plan}");
    project.converges();
    assert_eq!(host.ok("cat /etc/lions-conf.conf"), "version=1.0\nname=default\nmine");
    project.tasks("- package: { name: lions-conf, version: \"1.0\" }");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("lions-conf: 1.1 -> 1.0"), "{plan}");
    project.converges();
    project.tasks("- package: { name: lions-conf, version: \"7\" }");
    let said = project.says(&["plan"], 4);
    assert!(said.contains("there is no version `7` of `lions-conf`") && said.contains("1.0"), "{said}");
    project.tasks("- package: { name: lions-none }");
    let said = project.says(&["plan"], 4);
    assert!(said.contains("there is no package `lions-none`"), "{said}");
    host.ok("apt-mark hold lions-conf");
    project.tasks("- package: { name: lions-conf, state: latest }");
    let said = project.says(&["plan"], 4);
    assert!(said.contains("`lions-conf` is on hold"), "{said}");
}

#[test]
fn what_goes_with_a_package_is_shown_and_nothing_else_goes() {
    let Some(host) = host() else { return };
    let project = project(&host, "- package: { name: lions-conf, update_cache: true }");
    project.converges();
    // A rival would take it away.
    project.tasks("- package: { name: lions-rival }");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("could not install `lions-rival`") && said.contains("would remove other packages"), "{said}");
    assert_eq!(host.ok("dpkg-query -W -f '${db:Status-Abbrev}' lions-conf lions-hello"), "ii ii ");
    project.tasks("- package: { name: lions-hello, state: absent, purge: true }");
    let plan = project.says(&["plan"], 0);
    for text in ["lions-hello: 1.1", "removes.lions-conf: 1.1", "their configuration and data"] {
        assert!(plan.contains(text), "{text}: {plan}");
    }
    project.converges();
    assert!(!host.exec("dpkg-query -W lions-hello lions-conf").status.success());
    assert!(!host.exec("test -e /etc/lions-conf.conf").status.success());
}

#[test]
fn a_package_that_cannot_be_configured_is_told_and_finished_by_a_later_run() {
    let Some(host) = host() else { return };
    let project = project(&host, "- package: { name: lions-broken, update_cache: true }");
    let said = project.says(&["apply", "--yes"], 4);
    for text in ["could not install `lions-broken`", "lions-broken: cannot be configured", "half done"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("lions-broken: 1.0, half installed"), "{plan}");
    host.ok("sed -i 's/exit 7/exit 0/' /var/lib/dpkg/info/lions-broken.postinst");
    project.converges();
}

#[test]
fn a_transaction_outlives_lions_and_the_next_run_waits_for_it() {
    let Some(host) = host() else { return };
    let project = project(&host, "- package: { name: lions-slow, update_cache: true }");
    let mut run = project.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !host.exec("pgrep -f '^/bin/sh /var/lib/dpkg/info/lions-slow.postinst'").status.success() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the script does not run");
        std::thread::sleep(Duration::from_millis(50));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(
        host.exec("pgrep -f '^/bin/sh /var/lib/dpkg/info/lions-slow.postinst'").status.success(),
        "apt was killed too"
    );
    // Its shell has the host until apt has ended: nobody else writes there before.
    let said = project.says(&["apply", "--yes"], 7);
    for text in
        ["another run works there", "last heard of", "--lock-wait", "once what it began there (`apt`) has ended"]
    {
        assert!(said.contains(text), "{text}: {said}");
    }
    project.says(&["apply", "--yes", "--lock-wait", "60"], 0);
    project.converges();
    assert_eq!(host.ok("dpkg-query -W -f '${db:Status-Abbrev}' lions-slow"), "ii ");
}

#[test]
fn a_power_cut_in_a_transaction_is_mended_by_the_next_run() {
    let Some(host) = host() else { return };
    let project = project(&host, "- package: { name: lions-slow, update_cache: true }");
    let mut run = project.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !host.exec("pgrep -f '^/bin/sh /var/lib/dpkg/info/lions-slow.postinst'").status.success() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the script does not run");
        std::thread::sleep(Duration::from_millis(50));
    }
    host.fault("powercut");
    assert_eq!(run.wait().unwrap().code(), Some(5));
    host.fault("poweron");
    project.converges();
    assert_eq!(host.ok("dpkg-query -W -f '${db:Status-Abbrev}' lions-slow"), "ii ");
}

#[test]
fn a_service_that_fails_says_why() {
    let Some(host) = host() else { return };
    let tasks = r#"
- name: unit
  copy: { dest: /etc/systemd/system/bad.service, content: "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo the disk is gone >&2; exit 3'\n" }
- name: runs
  service: { name: bad, state: started }
"#;
    let project = project(&host, tasks);
    let said = project.says(&["apply", "--yes"], 4);
    for text in ["could not start `bad.service`", "the disk is gone", "journalctl -xeu"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    // One that systemd takes for started, and that ends at once.
    let simple = tasks.replace("Type=oneshot\\nRemainAfterExit=yes\\n", "");
    project.tasks(&simple);
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("the disk is gone"), "{said}");
    project.tasks("- service: { name: none-of-these, state: started }");
    let said = project.says(&["plan"], 4);
    assert!(said.contains("there is no unit `none-of-these.service`"), "{said}");
}

#[test]
fn a_service_is_masked_and_comes_back() {
    let Some(host) = host() else { return };
    let project = project(
        &host,
        "- package: { name: lions-daemon, update_cache: true }\n- service: { name: lions-daemon, state: stopped, masked: true }",
    );
    project.converges();
    assert_eq!(host.exec("systemctl is-enabled lions-daemon").stdout, b"masked\n");
    project.tasks("- service: { name: lions-daemon, state: started }");
    let said = project.says(&["plan"], 4);
    assert!(said.contains("`lions-daemon.service` is masked"), "{said}");
    project.tasks("- service: { name: lions-daemon, masked: false, state: started, enabled: true }");
    project.converges();
    project.tasks("- service: { name: lions-daemon, enabled: false, state: stopped }");
    project.converges();
    assert_eq!(host.exec("systemctl is-enabled lions-daemon").stdout, b"disabled\n");
}

#[test]
fn users_are_altered_and_go_with_what_is_said() {
    let Some(host) = host() else { return };
    let tasks = "- group: { name: deploy }\n- user: { name: ann, groups: [deploy, adm] }";
    let project = project(&host, tasks);
    project.converges();
    assert_eq!(host.ok("id -nG ann"), "ann adm deploy");
    project.tasks("- user: { name: ann, groups: [cron, deploy], group: adm, home: /srv/ann, shell: /bin/sh, comment: Ann, uid: 3000, password: \"!\" }".replace("cron", "audio").as_str(),
    );
    let plan = project.says(&["plan"], 0);
    for text in [
        "group: ann -> adm",
        "groups: adm, deploy -> audio, deploy",
        "home: /home/ann -> /srv/ann",
        "-> 3000",
        "create_home: ",
    ] {
        assert!(plan.contains(text), "{text}: {plan}");
    }
    project.converges();
    assert_eq!(
        host.ok("id ann"),
        "uid=3000(ann) gid=4(adm) groups=4(adm),29(audio),".to_owned()
            + &host.ok("getent group deploy | cut -d: -f3")
            + "(deploy)"
    );
    host.ok("echo precious >/srv/ann/notes; chown ann /srv/ann/notes");
    project.tasks("- user: { name: ann, state: absent, remove: true }");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("home /srv/ann: a folder with 4 files"), "{plan}");
    project.converges();
    assert!(!host.exec("id ann").status.success());
    assert!(!host.exec("test -e /srv/ann").status.success());
    assert!(host.exec("test -e /home/ann").status.success(), "the older home is not theirs to take");
    // Who is still logged in cannot go.
    host.ok("useradd -m busy; systemd-run --uid=busy sleep 1000");
    project.tasks("- user: { name: busy, state: absent }");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("could not take away the user `busy`") && said.contains("end its processes"), "{said}");
}
