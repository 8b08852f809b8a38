//! `firewall` on real hosts: in effect now and after a reboot, without a touch of what others keep there.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::lab::{self, Host, Project};

fn answers(host: &Host, port: u16) -> bool {
    let address = SocketAddr::new(host.address().parse().unwrap(), port);
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// Two ports that take connections, also after a reboot.
fn serve(host: &Host) {
    for port in [8098, 8099] {
        let unit = format!(
            "[Service]\nExecStart=systemd-socket-activate -a -l {port} /bin/cat\n[Install]\nWantedBy=multi-user.target\n"
        );
        host.ok(&format!("printf '{}' >/etc/systemd/system/p{port}.service", unit.replace('\n', "\\n")));
    }
    host.ok("systemctl daemon-reload; systemctl enable --now -q p8098 p8099; sleep 0.3");
}

#[test]
fn what_is_allowed_comes_in_and_nothing_else() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    serve(&host);
    assert!(answers(&host, 8098) && answers(&host, 8099));
    host.ok("nft add table inet others; nft add chain inet others c '{ type filter hook forward priority 0; }'");
    project.tasks("- firewall: { allow: [{ port: 22 }, { port: [8099, \"30000-32767\"] }] }\n");
    let plan = project.says(&["plan"], 0);
    assert!(
        plan.contains("+\t\ttcp dport { 8099, 30000-32767 } accept")
            || plan.contains("tcp dport { 8099, 30000-32767 } accept"),
        "{plan}"
    );
    project.converges();
    assert!(!answers(&host, 8098) && answers(&host, 8099) && answers(&host, 22));
    assert!(host.ok("nft list ruleset").contains("table inet others"));

    // A hand at the rules is seen, and mended.
    host.ok("nft insert rule inet lions input tcp dport 8098 accept");
    assert!(answers(&host, 8098));
    let drift = project.says(&["plan", "--detailed-exitcode"], 2);
    assert!(drift.contains("in effect") && drift.contains("-        tcp dport 8098 accept"), "{drift}");
    project.converges();
    assert!(!answers(&host, 8098));
    host.ok("nft delete table inet lions");
    project.converges();
    assert!(!answers(&host, 8098) && answers(&host, 8099));

    // After a reboot as well. These hosts keep their network, and the rules in it: they are taken away first.
    host.ok("systemctl stop lions-firewall");
    assert!(answers(&host, 8098));
    project.write(
        "playbooks/again.yml",
        "- name: all\n  hosts: all\n  tasks:\n    - reboot: { timeout: 60 }\n    - wait_for: { port: 8099 }\n",
    );
    project.says(&["apply", "again", "--yes"], 0);
    assert!(!answers(&host, 8098) && answers(&host, 8099));

    // Refused: it would cut the way in.
    project.tasks("- firewall: { allow: [{ port: 8099 }, { port: 22, from: 192.0.2.0/24 }] }\n");
    let plan = project.says(&["plan"], 4);
    assert!(plan.contains("these rules would cut the way in: port 22 from "), "{plan}");
    project.says(&["apply", "--yes"], 4);
    assert!(answers(&host, 22));

    // No longer declared: shown as a delete, and gone.
    project.tasks("- directory: { path: /srv/other }\n");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("1 to delete") && plan.contains("/etc/lions/firewall.nft"), "{plan}");
    project.converges();
    assert!(answers(&host, 8098));
    assert_eq!(
        host.ok("nft list tables | grep -v others; ls /etc/lions /etc/systemd/system | grep -c lions-f || true"),
        "0"
    );
}

#[test]
fn rules_that_drop_the_way_in_are_undone() {
    let Some(host) = lab::host() else { return };
    let project = Project::new(&[&host]);
    let rules = |rule: &str| {
        format!(
            "table inet lab\\ndelete table inet lab\\ntable inet lab {{\\n chain c {{\\n  type filter hook input priority 0;\\n{rule} }}\\n}}\\n"
        )
    };
    project.write("roles/lab/handlers.yml", "- name: rules are loaded\n  command: { cmd: nft -f /etc/lab.nft }\n");
    let with = |rule: &str| {
        let task = format!(
            "- name: rules\n  guard: connectivity\n  copy: {{ dest: /etc/lab.nft, content: \"{}\" }}\n  notify: rules are loaded\n",
            rules(rule)
        );
        project.write("roles/lab/tasks.yml", &task);
        project.write("playbooks/site.yml", "- name: all\n  hosts: all\n  roles: [lab]\n");
    };
    with("");
    project.converges();
    // Also what flows already: nothing hears of it any more.
    with("  tcp dport 22 drop\\n");
    let said = project.says(&["apply", "--yes"], 6);
    assert!(said.contains("undone by the host"), "{said}");
    assert!(answers(&host, 22));
    let plan = project.says(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("tcp dport 22 drop"), "{plan}");
    assert_eq!(host.ok("ls -A /var/lib/lions/guard 2>/dev/null; true"), "");
}
