//! A project for real hosts, and `lions` run in it: nothing of the tester's own surroundings takes part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::Host;

/// A folder with an inventory of hosts, an ssh configuration that finds and knows them, and one playbook.
pub(crate) struct Project {
    folder: TempDir,
    environment: String,
}

impl Project {
    /// Reaches these hosts as `ops` and becomes root.
    pub(crate) fn new(hosts: &[&Host]) -> Self {
        Self::of(hosts, "ops")
    }

    /// Reaches these hosts as `user` and becomes root.
    pub(crate) fn of(hosts: &[&Host], user: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let known: String = hosts.iter().map(|host| host.known_hosts()).collect();
        let lines: Vec<String> = hosts
            .iter()
            .map(|host| format!("  {}: {{ address: {}, user: {user} }}\n", host.name(), host.address()))
            .collect();
        let project = Self {
            environment: format!("become: true\nssh: {{ config: ssh_config }}\nhosts:\n{}", lines.concat()),
            folder,
        };
        project.write("ssh_config", "");
        project.write("known_hosts", &known);
        project.configure_ssh(hosts[0], "");
        project.write("inventories/lab/environment.yml", &project.environment);
        fs::create_dir_all(project.folder.path().join("home")).unwrap();
        fs::create_dir_all(project.folder.path().join("run")).unwrap();
        project
    }

    /// The ssh configuration, with more lines for every host.
    pub(crate) fn configure_ssh(&self, host: &Host, more: &str) {
        let text = format!(
            "Host *\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  UserKnownHostsFile \"{}\"\n  ConnectTimeout 5\n{more}",
            host.identity().display(),
            self.path().join("known_hosts").display(),
        );
        self.write("ssh_config", &text);
    }

    /// The project's folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path: PathBuf = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// More for the environment, such as `vars:`.
    pub(crate) fn environment(&self, more: &str) {
        self.write("inventories/lab/environment.yml", &format!("{}{more}", self.environment));
    }

    /// The tasks for all hosts, as a list in YAML.
    pub(crate) fn tasks(&self, tasks: &str) {
        let tasks: Vec<String> = tasks.lines().map(|line| format!("    {line}\n")).collect();
        self.write("playbooks/site.yml", &format!("- name: all\n  hosts: all\n  tasks:\n{}", tasks.concat()));
    }

    /// `lions WORDS` in the project, to be run or started.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lions"));
        command
            .current_dir(self.path())
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path().join("home"))
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .stdin(Stdio::null());
        command
    }

    /// Runs `lions WORDS`.
    pub(crate) fn lions(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs `lions WORDS`, which must end with `code`: what it said on both streams.
    pub(crate) fn says(&self, words: &[&str], code: i32) -> String {
        let output = self.lions(words);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "lions {words:?}:\n{text}");
        text
    }

    /// Applies, and asserts that nothing is left to do.
    pub(crate) fn converges(&self) -> String {
        let said = self.says(&["apply", "--yes"], 0);
        let plan = self.says(&["plan", "--detailed-exitcode"], 0);
        assert!(plan.starts_with("nothing to do: "), "{plan}");
        said
    }
}
