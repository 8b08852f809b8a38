//! A project that works on a real cluster, and `lions` run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::lab_cluster::{IMAGE, Namespace};

/// A folder with one environment and one playbook. `NS` and `IMAGE` in the playbook are filled in.
pub(super) struct Project {
    folder: tempfile::TempDir,
    namespace: String,
}

impl Project {
    /// In the namespace of a test, with these vars.
    pub(super) fn new(lab: &Namespace, vars: &str, playbook: &str) -> Self {
        Self::at(&lab.kubeconfig, &lab.name, vars, playbook)
    }

    /// The same where the cluster is another test's own.
    pub(super) fn at(kubeconfig: &Path, namespace: &str, vars: &str, playbook: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap(), namespace: namespace.to_owned() };
        project.environment(&format!("{{ kubeconfig: {}, lock_namespace: {namespace} }}", kubeconfig.display()), vars);
        project.playbook(playbook);
        project
    }

    pub(super) fn environment(&self, cluster: &str, vars: &str) {
        self.write("inventories/lab/environment.yml", &format!("cluster: {cluster}\n{vars}"));
    }

    pub(super) fn playbook(&self, playbook: &str) {
        self.write("playbooks/site.yml", &playbook.replace("NS", &self.namespace).replace("IMAGE", IMAGE));
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path: PathBuf = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lions"));
        command
            .current_dir(self.folder.path())
            .args(words)
            .stdin(Stdio::null())
            .env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }

    /// Runs `lions WORDS`: how it ended, and what it said on both streams.
    pub(super) async fn says_any(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command(words);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code(), both(&output))
    }

    /// The same where it must end with `code`.
    pub(super) async fn says(&self, words: &[&str], code: i32) -> String {
        let (ended, text) = self.says_any(words).await;
        assert_eq!(ended, Some(code), "lions {words:?}:\n{text}");
        text
    }

    /// Applies, and asserts that nothing is left to do.
    pub(super) async fn converges(&self) -> String {
        let said = self.says(&["apply", "--yes"], 0).await;
        let plan = self.says(&["plan", "--detailed-exitcode"], 0).await;
        assert!(plan.starts_with("nothing to do"), "{plan}");
        said
    }

    /// Starts `lions apply`, which waits for the lock of a run that was killed.
    pub(super) fn starts(&self) -> Run {
        let log = fs::File::create(self.path().join("log")).unwrap();
        let mut command = self.command(&["apply", "--yes", "--lock-wait", "60"]);
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Run { child, log: self.path().join("log") }
    }
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `lions apply` that goes on meanwhile; it ends with this.
pub(super) struct Run {
    child: Child,
    log: PathBuf,
}

impl Run {
    /// Ends it as nothing can be caught.
    pub(super) fn kill(mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Asks it to end. One that ended by itself hears nothing.
    pub(super) fn interrupt(&self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", "INT", &id]).stderr(Stdio::null()).status().unwrap();
    }

    /// Is it still at work?
    pub(super) fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its exit code and what it said, once it ended by itself.
    pub(super) async fn ends_within(mut self, seconds: u64) -> (Option<i32>, String) {
        let began = Instant::now();
        let said = |log: &Path| fs::read_to_string(log).unwrap();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), said(&self.log));
            }
            assert!(began.elapsed() < Duration::from_secs(seconds), "still at work:\n{}", said(&self.log));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
