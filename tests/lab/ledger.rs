//! What `lions` made on a host is noted there, and taken away when nothing declares it any more.

use super::{Project, host};

#[test]
fn what_leaves_the_playbook_is_taken_away_on_a_real_host() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    host.ok("mkdir /srv/theirs && echo old >/srv/theirs/old");
    let all = "- directory: { path: /srv/app }\n\
               - copy: { dest: /srv/app/one, content: \"1\\n\" }\n\
               - copy: { dest: /srv/app/two, content: \"2\\n\" }\n\
               - copy: { dest: /srv/theirs/old, content: \"new\\n\" }\n\
               - directory: { path: /srv/theirs/made }\n";
    project.tasks(all);
    project.converges();
    assert_eq!(host.ok("stat -c '%a %U' /var/lib/lions/ledger"), "600 root");
    // Not one round trip for it: what was noted came with the lock, and comes back with the first look.
    host.ok("touch /srv/theirs/made/precious");
    project.tasks("- directory: { path: /srv/app }\n- copy: { dest: /srv/app/one, content: \"1\\n\" }\n");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("1 to delete") && plan.contains("/srv/app/two"), "{plan}");
    assert!(plan.contains("warning: `path /srv/theirs/made` is no longer declared, and stays on"), "{plan}");
    assert!(host.exec("test -e /srv/app/two").status.success(), "plan changes nothing");
    project.converges();
    assert_eq!(host.ok("ls /srv/app; cat /srv/theirs/old; ls /srv/theirs/made"), "one\nnew\nprecious");
    assert!(!host.exec("test -e /run/lions/lock").status.success(), "the lock was given back");
}

/// A ledger that only grew would be read whole by every run: now and then it is written anew with what it still says.
#[test]
fn what_is_long_gone_is_forgotten() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    let all = "- copy: { dest: /srv/one, content: \"1\\n\" }\n- copy: { dest: /srv/two, content: \"2\\n\" }\n";
    project.tasks(all);
    project.converges();
    // As hundreds of runs would leave it, and a line of a `lions` to come.
    let ledger = "/var/lib/lions/ledger";
    host.ok(
        "cd /var/lib/lions; echo '{\"later\": 1}' >>ledger; head -n 2 ledger >two; sed 's/^{\"made\":/{\"gone\":/' two >gone\n\
         i=0; while [ $i -lt 249 ]; do cat gone two; i=$((i + 1)); done >>ledger; rm gone two"
    );
    assert_eq!(host.ok(&format!("wc -l <{ledger}")), "999");
    project.tasks(&format!("{all}- copy: {{ dest: /srv/three, content: \"3\\n\" }}\n"));
    project.says(&["apply", "--yes"], 0);
    assert_eq!(
        host.ok(&format!("wc -l <{ledger}; stat -c '%a %U' {ledger}; grep -c later {ledger}; ls /var/lib/lions")),
        "4\n600 root\n1\nledger"
    );
    project.tasks("- copy: { dest: /srv/one, content: \"1\\n\" }\n");
    project.converges();
    assert_eq!(host.ok("ls /srv"), "one");
}
