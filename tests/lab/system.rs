//! The resources of the system on a real host: planned, done, at rest, edited by hand, mended, and still so after a reboot.

use super::{Host, Project, host};

const NEW_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl new@lions.dev";
const STRANGER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f stranger";

fn tasks(host: &Host) -> String {
    let lab_key = std::fs::read_to_string(host.identity().with_extension("pub")).unwrap();
    let lab_key = lab_key.trim();
    format!(
        r#"
- name: name
  hostname: {{ name: vps-1.lions.dev }}
- name: time
  timezone: {{ name: Europe/Paris }}
- name: forwarding
  sysctl: {{ name: net.ipv4.conf.default.forwarding, value: 1 }}
- name: limits
  limits:
    name: processes
    limits: [{{ domain: nosudo, limit_type: "-", limit_item: nproc, value: 777 }}]
- name: rules
  sudoers: {{ name: nosudo, content: "nosudo ALL=(root) NOPASSWD: /usr/bin/id" }}
- name: keys of nosudo
  authorized_key: {{ user: nosudo, key: "{NEW_KEY}" }}
- name: keys of ops
  authorized_key: {{ user: ops, key: "{lab_key}", exclusive: true }}
- name: keys of a user without any
  authorized_key: {{ user: www-data, key: 'restrict,command="date +%F" {NEW_KEY}' }}
- name: job
  cron: {{ name: dump, minute: "*/5", job: "date +%F >>/tmp/dumps" }}
- name: cache
  mount: {{ path: /srv/cache, src: tmpfs, fstype: tmpfs, opts: "size=1M,nosuid,noexec,mode=0711" }}
- name: folder
  directory: {{ path: /srv/data/export }}
- name: the folder elsewhere
  mount: {{ path: "/srv/it's there", src: /srv/data/export, opts: "bind,ro" }}
- name: service
  systemd_unit:
    name: app.service
    content: |
      [Service]
      ExecStart=/usr/bin/sleep infinity
      [Install]
      WantedBy=multi-user.target
    enabled: true
    started: true
- name: drop-in
  systemd_unit: {{ name: app.service.d/10-nice.conf, content: "[Service]\nNice=5\n" }}
- name: timer
  timer:
    name: tick
    on_calendar: ["*-*-* 02:30", daily]
    on_boot_sec: 5min
    persistent: true
    user: nosudo
    environment: {{ SAYS: 'a "b" $c %d \e' }}
    command: printf '%s|%s\n' "$SAYS" "$(id -un) 50% \\" >/tmp/tick
- name: repository
  apt_repository:
    name: extra
    uris: [http://mirror.lab/extra]
    suites: [extra]
    components: [main]
    key_src: extra.gpg
"#
    )
}

fn project(host: &Host) -> Project {
    let project = Project::new(&[host]);
    let tasks = tasks(host);
    project.write("roles/system/tasks.yml", &tasks);
    project.write("playbooks/site.yml", "- name: all\n  hosts: all\n  roles: [system]\n");
    let key = std::fs::read(host.identity().with_file_name("mirror/keys/extra.gpg")).unwrap();
    let folder = project.path().join("roles/system/files");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("extra.gpg"), key).unwrap();
    project
}

/// What each task is for holds on the host.
fn assert_in_effect(host: &Host) {
    assert_eq!(
        host.ok("hostname; cat /etc/hostname; getent hosts vps-1 | awk '{print $2}'"),
        "vps-1.lions.dev\n".repeat(3).trim_end()
    );
    assert_eq!(host.ok("TZ= ; unset TZ; date -d @0 +%z; cat /etc/timezone"), "+0100\nEurope/Paris");
    assert_eq!(host.ok("cat /proc/sys/net/ipv4/conf/default/forwarding"), "1");
    assert_eq!(host.ok("su nosudo -c 'ulimit -u'"), "777");
    assert_eq!(host.ok("su nosudo -c 'sudo -n id -u'"), "0");
    assert!(!host.exec("su nosudo -c 'sudo -n true'").status.success());
    assert_eq!(
        host.ok("stat -c '%a %U %G' /var/www/.ssh /var/www/.ssh/authorized_keys"),
        "700 www-data www-data\n600 www-data www-data"
    );
    assert_eq!(host.ok("stat -f -c %T /srv/cache; stat -c %a /srv/cache"), "tmpfs\n711");
    assert!(!host.exec("touch \"/srv/it's there/x\"").status.success());
    assert_eq!(
        host.ok("systemctl is-active app.service tick.timer; systemctl is-enabled app.service tick.timer"),
        "active\nactive\nenabled\nenabled"
    );
    assert_eq!(host.ok("apt-cache policy lions-extra | awk '/Candidate/ {print $2}'"), "1.0");
}

#[test]
fn the_system_is_as_declared_and_stays_so() {
    let Some(host) = host() else { return };
    host.ok("mkdir -p /var/www");
    let project = project(&host);
    let plan = project.says(&["plan"], 0);
    for part in [
        "now: not mounted -> tmpfs, tmpfs, rw,nosuid,noexec",
        "now: 0 -> 1",
        "now: inactive -> active",
        "vps-1.lions.dev",
    ] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    project.converges();
    assert_in_effect(&host);
    assert_eq!(host.ok("systemctl show -p Nice --value app.service"), "5");
    host.ok("systemctl start tick.service");
    assert_eq!(host.ok("cat /tmp/tick"), "a \"b\" $c %d \\e|nosudo 50% \\");

    // By hand, each thing in another way.
    for edit in [
        "hostname other",
        "ln -sfn /usr/share/zoneinfo/UTC /etc/localtime",
        "echo 0 >/proc/sys/net/ipv4/conf/default/forwarding",
        "echo 'nosudo - nproc 1' >>/etc/security/limits.d/processes.conf",
        "chmod 644 /etc/sudoers.d/nosudo",
        "sed -i '/new@lions/d' /home/nosudo/.ssh/authorized_keys",
        &format!("echo '{STRANGER}' >>/home/ops/.ssh/authorized_keys"),
        "sed -i 's/^restrict,//' /var/www/.ssh/authorized_keys",
        "sed -i 's/root/nosudo/' /etc/cron.d/dump",
        "umount /srv/cache",
        "sed -i '/there/d' /etc/fstab; mount -o remount,bind,rw \"/srv/it's there\"",
        "systemctl disable --now app.service",
        "rm -r /etc/systemd/system/app.service.d",
        "sed -i s/02:30/03:30/ /etc/systemd/system/tick.timer; systemctl daemon-reload",
        "rm /etc/apt/keyrings/extra.gpg",
    ] {
        host.ok(edit);
    }
    let drift = project.says(&["drift"], 2);
    for part in [
        "now: other -> vps-1.lions.dev",
        "/etc/localtime: /usr/share/zoneinfo/UTC -> /usr/share/zoneinfo/Europe/Paris",
        "now: 0 -> 1",
        "-nosudo - nproc 1",
        "/etc/sudoers.d/nosudo mode: 0644 -> 0440",
        "new@lions.dev",
        "stranger",
        "restrict,",
        "/etc/cron.d/dump",
        "not mounted -> tmpfs",
        "/etc/fstab",
        "enabled: disabled -> enabled",
        "now: inactive -> active",
        "/etc/systemd/system/app.service.d/10-nice.conf",
        "/etc/systemd/system/tick.timer",
        "/etc/apt/keyrings/extra.gpg",
    ] {
        assert!(drift.contains(part), "{part}\n{drift}");
    }
    project.converges();
    assert_in_effect(&host);

    host.fault("powercut");
    host.fault("poweron");
    let plan = project.says(&["plan"], 0);
    assert!(plan.starts_with("nothing to do: "), "after a reboot: {plan}");
    assert_in_effect(&host);
}

/// An interrupted run wrote a unit's file, and systemd was not told.
#[test]
fn what_an_interrupted_run_owes_is_paid() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    let unit = "[Service]\nExecStart=/usr/bin/sleep infinity\n";
    let tasks = |nice: u8| {
        format!(
            "- name: service\n  systemd_unit: {{ name: app.service, content: \"{}Nice={nice}\\n\", started: true }}\n",
            unit.replace('\n', "\\n")
        )
    };
    project.tasks(&tasks(1));
    project.converges();
    host.ok("sed -i s/Nice=1/Nice=2/ /etc/systemd/system/app.service");
    project.tasks(&tasks(2));
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("systemd: knows an older file -> reads it again"), "{plan}");
    project.converges();
    assert_eq!(host.ok("systemctl show -p NeedDaemonReload --value app.service"), "no");
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_written() {
    let Some(host) = host() else { return };
    host.ok("mkdir -p /srv/full && touch /srv/full/kept && ln -s /root /home/nosudo/.ssh-link && mv /home/pw/.ssh /home/pw/kept && ln -s kept /home/pw/.ssh");
    let before = host.ok("find /etc /srv /home -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum");
    let project = Project::new(&[&host]);
    for (task, why) in [
        ("sysctl: { name: vm.swapiness, value: 1 }", "this kernel has no `vm.swapiness`"),
        ("timezone: { name: Europe/Pari }", "there is no timezone `Europe/Pari`"),
        ("sudoers: { name: a, content: \"ops ALL=(ALL\" }", "`visudo -cf %s` does not accept"),
        ("cron: { name: a, user: ghost, job: \"true\" }", "there is no user `ghost`"),
        ("mount: { path: /srv/full, src: tmpfs, fstype: tmpfs }", "`/srv/full` is not empty"),
        ("mount: { path: /srv/x, src: UUID=0-0, fstype: ext4 }", "there is no device `UUID=0-0`"),
        ("kernel_module: { name: no_such_module }", "this kernel has no module `no_such_module`"),
        ("timer: { name: a, on_calendar: dayly, command: \"true\" }", "systemd does not understand the time `dayly`"),
        (
            "systemd_unit: { name: a.service, content: \"[Service]\\nExecStart=/no/such\\n\" }",
            "`systemd-analyze verify` does not accept",
        ),
        (&format!("authorized_key: {{ user: pw, key: \"{NEW_KEY}\" }}"), "`/home/pw/.ssh` is a symbolic link"),
    ] {
        project.tasks(&format!("- name: task\n  {task}\n"));
        let said = project.says(&["plan"], 4);
        assert!(said.contains(why), "{why}\n{said}");
    }
    assert_eq!(host.ok("find /etc /srv /home -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum"), before);

    // That it is wrong shows when it is fetched: the file that would break every other `apt-get update` does not land.
    let key = std::fs::read_to_string(host.identity().with_file_name("mirror/keys/lab.asc")).unwrap();
    project.write("files/other.asc", &key);
    project.tasks("- name: task\n  apt_repository: { name: extra, uris: [http://mirror.lab/extra], suites: [extra], components: [main], key_src: other.asc }\n");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("`fetch the lists of extra` failed") && said.contains("NO_PUBKEY"), "{said}");
    assert!(!host.exec("test -e /etc/apt/sources.list.d/extra.sources").status.success());
    host.ok("apt-get -q update -o APT::Update::Error-Mode=any");
}
