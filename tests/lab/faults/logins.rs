//! Who cannot log in, or oddly: one clear line at once, or no difference at all.

use std::time::{Duration, Instant};

use crate::lab::{Project, host};

/// Oddities that must make no difference.
#[test]
fn odd_shells_and_their_files_make_no_difference() {
    let Some(host) = host() else { return };
    for user in ["dashy", "cshy", "noisy", "strict", "reader"] {
        let project = Project::of(&[&host], user);
        project.tasks(&format!(
            "- copy: {{ dest: /srv/{user}, content: \"x\\n\" }}\n\
             - copy: {{ dest: /srv/{user}-mode, content: \"x\\n\", mode: \"0644\" }}\n\
             - directory: {{ path: /srv/{user}-folder }}\n\
             - command: {{ argv: [touch, /srv/{user}-made], creates: /srv/{user}-made }}\n"
        ));
        project.converges();
        assert_eq!(
            host.ok(&format!("cd /srv; stat -c '%a %U' {user} {user}-mode {user}-folder {user}-made")),
            "644 root\n644 root\n755 root\n644 root",
            "{user}"
        );
    }
}

/// Who gets no shell, or not as root: exit code 5, at once, and the reason.
#[test]
fn who_cannot_work_is_told_why() {
    let Some(host) = host() else { return };
    for (user, reason, way_out) in [
        ("nosudo", "password is required", "NOPASSWD"),
        ("pw", "password is required", "NOPASSWD"),
        ("ttyish", "you must have a tty", "!requiretty"),
        ("nologin", "This account is currently not available.", "login shell"),
        ("leaver", "", "login shell"),
        ("forced", "forced says hi", "login shell"),
        ("nobody-of-that-name", "Permission denied", "`user`"),
    ] {
        let project = Project::of(&[&host], user);
        project.tasks("- copy: { dest: /srv/x, content: x }");
        let began = Instant::now();
        for words in [&["plan"][..], &["apply", "--yes"], &["hosts"]] {
            let said = project.says(words, 5);
            assert!(said.contains(reason) && said.contains(way_out), "{user}: {words:?}: {said}");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{user}: {:?} for three", began.elapsed());
        assert_eq!(host.ok("ls /srv"), "");
    }
}

/// One password, one attempt: more could lock an account.
#[test]
fn a_wrong_password_is_tried_once() {
    let Some(host) = host() else { return };
    let project = Project::of(&[&host], "pw");
    project.tasks("- copy: { dest: /srv/x, content: x }");
    project.write("password", "open barley\n");
    let said = project.says(&["plan", "--become-password-file", "password"], 5);
    assert!(said.contains("sudo did not accept the password") && !said.contains("barley"), "{said}");
    let tried = host.ok("journalctl -q -o cat -t sudo");
    assert_eq!(tried.matches("1 incorrect password attempt").count(), 1, "{tried}");
    assert_eq!(tried.matches("incorrect password attempt").count(), 1, "{tried}");
}

/// A key that is not the known one, and one that is not known: refused, and nobody logs in.
#[test]
fn a_host_key_that_changed_is_refused() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks("- copy: { dest: /srv/x, content: x }");
    let line = host.known_hosts();
    project.write("known_hosts", "");
    let said = project.says(&["plan"], 5);
    assert!(said.contains("is not known") && said.contains("lions hosts trust"), "{said}");
    project.write("known_hosts", &line);
    project.says(&["plan"], 0);
    let logins = host.logins("ops");
    // The connection of that run is ended: it would hide the change.
    host.fault("cut");
    host.ok(
        "rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh",
    );
    let said = project.says(&["apply", "--yes"], 5);
    assert!(said.contains("is not the one that is known") && said.contains("--replace"), "{said}");
    assert_eq!(host.logins("ops"), logins);
    assert_eq!(host.ok("ls /srv"), "");
    let trusted = project.lions(&["hosts", "trust", "--replace", "--yes", host.name()]);
    assert!(trusted.status.success(), "{trusted:?}");
    project.converges();
}

/// One channel a connection: all works, also as two users.
#[test]
fn one_session_a_connection_is_enough() {
    let Some(host) = host() else { return };
    host.ok("echo MaxSessions 1 >>/etc/ssh/sshd_config.d/10-lab.conf; systemctl restart ssh");
    let project = Project::new(&[&host]);
    project.tasks(
        "- copy: { dest: /srv/root, content: x }\n\
         - copy: { dest: /tmp/dashy, content: x }\n  become_user: dashy\n\
         - copy: { dest: /tmp/ops, content: x }\n  become: false\n",
    );
    project.converges();
    assert_eq!(host.ok("stat -c %U /srv/root /tmp/dashy /tmp/ops"), "root\ndashy\nops");
}

/// What differs between two clocks matters to nobody.
#[test]
fn a_clock_may_be_a_year_off() {
    let Some(hosts) = crate::lab::hosts(2) else { return };
    for (host, days) in hosts.iter().zip(["-365", "+365"]) {
        host.fault(&format!("clock {days}"));
        let year = |text: String| text.parse::<i32>().unwrap();
        let ours: jiff::Zoned = jiff::Zoned::now();
        let theirs = year(host.ok("date +%Y"));
        assert_ne!(theirs, i32::from(ours.year()), "the clock of the host is not off");
        let project = Project::new(&[host]);
        project.tasks(super::TASKS);
        project.converges();
        host.ok("echo edited >/srv/before");
        project.says(&["drift"], 2);
        project.converges();
    }
}
