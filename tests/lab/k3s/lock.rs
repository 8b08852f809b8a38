//! Digests of k3s: as the release publishes them, shown and held to; and locked by `lions k3s lock`, against the lab's mirror.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::{MIRROR, READY, STABLE, built, hosts, lab, sum};
use crate::lab::Project;

/// A mirror of a test's own beside that of the lab: a release whose list can be another one.
struct Mirror {
    name: String,
    list: PathBuf,
}

impl Mirror {
    fn new(name: &str) -> Self {
        let release = built().unwrap().releases.join("releases/download").join(STABLE.to_string());
        let folder = lab().unwrap().run.join("mine").join(name).join(STABLE.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(&release).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_name().to_string_lossy().starts_with("sha256sum-") {
                symlink(entry.path().canonicalize().unwrap(), folder.join(entry.file_name())).unwrap();
            }
        }
        Self { name: name.to_owned(), list: folder.join("sha256sum-amd64.txt") }
    }

    fn url(&self) -> String {
        format!("http://mirror.lab/mine/{}", self.name)
    }

    /// What its list says that the program is.
    fn says(&self, digest: &str) {
        std::fs::write(&self.list, format!("{}  k3s-images.txt\n{digest}  k3s\n", "0".repeat(64))).unwrap();
    }
}

/// Without a digest: shown as the release publishes it, whatever the host fetches with comes above; what changes after the plan
/// stops it, and once the program is there nobody asks for its list.
#[test]
fn without_a_lock_the_plan_says_what_apply_takes() {
    let Some(mut hosts) = hosts(1) else { return };
    let host = hosts.remove(0);
    let mirror = Mirror::new(&format!("own-{}", host.name()));
    let digest = sum(STABLE, "k3s");
    mirror.says(&digest);
    let project = Project::new(&[&host]);
    let bundle = format!(
        "{{ name: k3s-airgap-images-amd64.tar.gz, sha256: {}, url: \"{MIRROR}/{}/k3s-airgap-images-amd64.tar.gz\" }}",
        sum(STABLE, "k3s-airgap-images-amd64.tar.gz"),
        STABLE.to_string().replace('+', "%2B")
    );
    let task = |more: &str| {
        format!(
            "- name: curl\n  command: {{ cmd: mv /root/curl /usr/bin/curl, creates: /usr/bin/curl }}\n- name: k3s\n  timeout: 5m\n  k3s: {{ version: {}, mirror: \"{}\", images: [{bundle}]{more} }}\n",
            STABLE,
            mirror.url()
        )
    };
    project.tasks(&task(""));

    // What it is fetched with comes with a task above: all is shown but what it must be.
    host.ok("mv /usr/bin/curl /root/curl; ! command -v wget");
    let plan = project.says(&["plan"], 0);
    for part in ["/usr/local/bin/k3s sha256: (known after", "lock: none: ", "now: inactive -> active"] {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    host.ok("mv /root/curl /usr/bin/curl");

    let plan = project.says(&["plan", "-o", "whole.plan"], 0);
    assert!(plan.contains(&digest) && plan.contains("lock: none: "), "{plan}");
    mirror.says(&"1".repeat(64));
    let said = project.says(&["apply", "whole.plan"], 3);
    assert!(said.contains("changed since the plan was shown"), "{said}");
    // A list that lies about the program: what was shown is what is taken, or nothing.
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("is not what was wished for"), "{said}");
    assert_eq!(host.ok("ls /usr/local/bin/k3s /etc/rancher 2>/dev/null || true"), "");

    mirror.says(&digest);
    project.says(&["apply", "whole.plan"], 0);
    assert!(host.ok(READY).contains(&format!("{}={},True", host.name(), STABLE)));
    std::fs::remove_file(&mirror.list).unwrap();
    assert!(project.says(&["plan", "--detailed-exitcode"], 0).starts_with("nothing to do: "));
    project.tasks(&task(&format!(", sha256: {digest}")));
    assert!(project.says(&["plan", "--detailed-exitcode"], 0).starts_with("nothing to do: "));
}
