//! As whom the shell runs: real sudo, with a user who is made for it and taken away again.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use lions::model::{Fault, Secret, Value};
use lions::transport::Elevation;

use super::*;

const PASSWORD: &str = "it's $(a) \"pass\" \\word";

/// A user for one test.
struct Somebody {
    name: &'static str,
    number: u32,
    sudoers: String,
    log: tempfile::TempDir,
}

impl Somebody {
    fn new(name: &'static str) -> Self {
        let run = |program: &str, args: &[&str]| {
            let said = Command::new(program).args(args).output().unwrap();
            assert!(said.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&said.stderr));
            String::from_utf8(said.stdout).unwrap()
        };
        let _ = Command::new("userdel").arg(name).output();
        run("useradd", &["--no-create-home", "--shell", "/bin/sh", name]);
        let number = run("id", &["-u", name]).trim().parse().unwrap();
        run("sh", &["-c", &format!("printf '%s\\n' {} | chpasswd", quote(&format!("{name}:{PASSWORD}")).unwrap())]);
        Self { name, number, sudoers: format!("/etc/sudoers.d/{name}"), log: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log.path().join("log")).unwrap_or_default()
    }

    /// What sudo allows: a line of sudoers after the name.
    fn may(&self, rule: &str) {
        let name = self.name;
        let log = self.log.path().join("log");
        let text = format!(
            "Defaults:{name} logfile={}, badpass_message=\"nice try\", timestamp_timeout=0, lecture=always\n{name} {rule}\n",
            log.display()
        );
        fs::write(&self.sudoers, text).unwrap();
        fs::set_permissions(&self.sudoers, fs::Permissions::from_mode(0o440)).unwrap();
    }

    /// A worker that this user starts.
    async fn start(&self, become_user: &str, password: Option<&str>) -> Result<Worker, Fault> {
        let password = password.map(|password| Secret::new(Value::text(password)));
        let elevation = Elevation::new(become_user, password)?;
        local::start_in("sh", Some(elevation), |process| {
            process.uid(self.number).gid(self.number).current_dir("/");
        })
        .await
    }

    /// Who one is in a worker that this user starts.
    async fn becomes(&self, become_user: &str, password: Option<&str>) -> Result<String, Fault> {
        let worker = self.start(become_user, password).await?;
        let payload = b"\0\xff\n".repeat(1000);
        let reply = worker.call(Request::change("cat").payload(payload.clone())).await?;
        assert_eq!(reply.stdout, payload);
        let reply = worker.call(Request::look("id -un; umask")).await?;
        assert_eq!(String::from_utf8_lossy(&reply.stderr), "");
        Ok(String::from_utf8(reply.stdout).unwrap())
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.sudoers);
        let _ = Command::new("userdel").arg(self.name).output();
    }
}

/// Only root can make users; `make test` runs as root in CI.
fn possible(what: &str) -> bool {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        left_out(&format!("{what} (needs root)"));
        return false;
    }
    assert!(Command::new("sudo").arg("-V").output().is_ok(), "`sudo` is not installed: `make test` installs it");
    true
}

fn block_on<F: Future>(test: F) -> F::Output {
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_mins(1), test).await.expect("hangs") })
}

#[test]
fn who_is_that_user_already_needs_no_sudo() {
    let me = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    block_on(async {
        let elevation = Elevation::new(me.trim(), None).unwrap();
        let worker = local::start_in("sh", Some(elevation), |process| {
            process.env_remove("SUDO_USER");
        });
        let said = stdout(&worker.await.unwrap(), Request::look("id -un; echo ${SUDO_USER-none}")).await;
        assert_eq!(said, format!("{}\nnone\n", me.trim()));
    });
}

#[test]
fn root_becomes_somebody_without_a_password() {
    if !possible("root becoming another user") {
        return;
    }
    let somebody = Somebody::new("lions-test-a");
    block_on(async {
        let worker = local::start(Some(Elevation::new(somebody.name, None).unwrap())).await.unwrap();
        assert_eq!(stdout(&worker, Request::look("id -un; umask")).await, "lions-test-a\n0022\n");
        assert_eq!(stdout(&worker, Request::guarded("guard '' id -un")).await, "lions-test-a\n");
    });
}

#[test]
fn sudo_with_and_without_a_password() {
    if !possible("sudo with and without a password") {
        return;
    }
    let somebody = Somebody::new("lions-test-b");
    block_on(async {
        let refused = |fault: Fault| {
            assert_eq!((fault.kind, fault.what.as_str()), (FaultKind::Unreachable, "could not become `root`"));
            assert!(!format!("{fault:?}").contains(PASSWORD));
            (fault.cause.unwrap(), fault.help.unwrap())
        };
        // No rule at all.
        let (cause, _) = refused(somebody.becomes("root", None).await.unwrap_err());
        assert!(cause.contains("a password is required"), "{cause}");

        somebody.may("ALL=(ALL) NOPASSWD: ALL");
        assert_eq!(somebody.becomes("root", None).await.unwrap(), "root\n0022\n");
        // Sudo does not ask: the password stays here.
        assert_eq!(somebody.becomes("root", Some(PASSWORD)).await.unwrap(), "root\n0022\n");
        let (cause, help) = {
            let fault = somebody.becomes("lions-test-nobody", None).await.unwrap_err();
            (fault.cause.unwrap(), fault.help.unwrap())
        };
        assert!(cause.contains("unknown user") && help.contains("become_user"), "{cause} {help}");

        somebody.may("ALL=(ALL) ALL");
        assert_eq!(somebody.becomes("root", Some(PASSWORD)).await.unwrap(), "root\n0022\n");
        let (cause, help) = refused(somebody.becomes("root", None).await.unwrap_err());
        assert!(cause.contains("a password is required") && help.contains("NOPASSWD"), "{cause} {help}");

        let before = somebody.log().matches("incorrect password attempt").count();
        let start = Instant::now();
        let (cause, help) = refused(somebody.becomes("root", Some("wrong")).await.unwrap_err());
        assert!(cause.contains("did not accept the password") && help.contains("once"), "{cause} {help}");
        assert!(!cause.contains("wrong"), "{cause}");
        assert!(start.elapsed() < Duration::from_secs(10));
        // Sudo notes it when it has seen that nothing more comes.
        for _ in 0..500 {
            if somebody.log().matches("incorrect password attempt").count() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let log = somebody.log();
        assert!(log.contains("1 incorrect password attempt"), "one attempt, not more: {log}");
        assert!(!log.contains("2 incorrect") && !log.contains("3 incorrect"), "{log}");
    });
}

#[test]
fn a_name_that_is_none_and_a_password_of_two_lines_are_refused() {
    for name in ["", "-u", "a b", "x;id", "a'b", "$(id)", "a\nb"] {
        assert_eq!(Elevation::new(name, None).unwrap_err().kind, FaultKind::Refused, "{name:?}");
    }
    let secret = Secret::new(Value::text("two\nlines"));
    assert_eq!(Elevation::new("root", Some(secret)).unwrap_err().kind, FaultKind::Refused);
}

#[test]
fn a_shell_that_does_not_come_up_says_what_came_in_its_stead() {
    block_on(async {
        let worker = local::start_in("/no/such/shell", None, |_| ()).await.unwrap();
        let fault = worker.call(Request::change("true")).await.unwrap_err();
        assert_eq!((fault.kind, fault.what.as_str()), (FaultKind::Unreachable, "no shell came up"));
        assert!(fault.cause.unwrap().contains("/no/such/shell: not found"));
        // Nothing but its own noise: as with a login shell that prints and leaves.
        let worker = local::start_in("echo", None, |_| ()).await.unwrap();
        let fault = worker.call(Request::look("true")).await.unwrap_err();
        assert!(fault.cause.unwrap().starts_with("-c O="));
    });
}
