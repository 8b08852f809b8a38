//! Swap and modules on the kernel of this machine, with an `/etc` of the test's own: containers may do neither.

use std::process::{Command, Stdio};

use super::*;

/// Runs `lions WORDS` in `folder`, which holds a project and the `etc` that it sees; lock and ledger are its own.
fn lions(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let inside = "mount --bind \"$1/etc\" /etc && shift && cd \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", inside, "sh"]).arg(folder).arg(folder).arg(assert_cmd::cargo::cargo_bin!("lions"));
    let state = folder.join("state");
    let command = command.args(words).env("XDG_RUNTIME_DIR", &state).env("HOME", &state).stdin(Stdio::null());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Swapped to no more, however the test ends.
struct Off(String);

impl Drop for Off {
    fn drop(&mut self) {
        Command::new("swapoff").arg(&self.0).stderr(Stdio::null()).status().ok();
    }
}

#[test]
fn swap_is_made_mended_resized_and_taken_away() {
    let permitted = Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|said| said.status.success());
    if !permitted || !rustix::process::geteuid().is_root() {
        left_out("swap on the kernel of this machine: needs root");
        return;
    }
    // Swap wants a file system on a disk.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("swap file").to_str().unwrap().to_owned();
    let off = Off(path.clone());
    for name in ["etc/modules-load.d", "playbooks", "inventories/dev", "state"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for name in ["passwd", "group", "nsswitch.conf"] {
        fs::copy(format!("/etc/{name}"), folder.path().join("etc").join(name)).ok();
    }
    fs::write(folder.path().join("etc/fstab"), "# kept\n").unwrap();
    fs::write(folder.path().join("inventories/dev/environment.yml"), "hosts: { here: { connection: local } }\n")
        .unwrap();
    let wish = |parameters: &str| {
        let text = format!(
            "- name: all\n  hosts: all\n  tasks:\n    - name: swap\n      swap: {{ path: \"{path}\", {parameters} }}\n"
        );
        fs::write(folder.path().join("playbooks/site.yml"), text).unwrap();
    };
    let plan = |part: &str| {
        let (_, said) = lions(folder.path(), &["plan"]);
        assert!(said.contains(part), "{part}\n{said}");
    };
    let apply = || {
        let (code, said) = lions(folder.path(), &["apply", "--yes"]);
        assert_eq!(code, Some(0), "{said}");
        plan("nothing to do: ");
    };
    let listed = || {
        let swaps = fs::read_to_string("/proc/swaps").unwrap();
        let line = swaps.lines().find(|line| line.starts_with(&path.replace(' ', "\\040"))).map(str::to_owned);
        line.map(|line| line.split_whitespace().nth(2).unwrap().to_owned())
    };
    let fstab = || fs::read_to_string(folder.path().join("etc/fstab")).unwrap();

    wish("size: 4M");
    plan("now: not swapped to -> 4 MiB");
    let (code, said) = lions(folder.path(), &["apply", "--yes"]);
    if code != Some(0) && (said.contains("Operation not permitted") || said.contains("Invalid argument")) {
        left_out("swap on the kernel of this machine: it does not permit that here");
        return;
    }
    assert_eq!(code, Some(0), "{said}");
    plan("nothing to do: ");
    assert_eq!(listed().as_deref(), Some("4092"));
    assert_eq!(fstab(), format!("# kept\n{} none swap sw 0 0\n", path.replace(' ', "\\040")));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    plan("now: mode 0644 -> mode 0600");
    assert!(Command::new("swapoff").arg(&path).status().unwrap().success());
    apply();
    assert_eq!(listed().as_deref(), Some("4092"));

    wish("size: 8M");
    plan("now: 4 MiB -> 8 MiB");
    apply();
    assert_eq!(listed().as_deref(), Some("8188"));

    wish("state: absent");
    plan("a swap file, 8 MiB");
    apply();
    assert_eq!((listed(), fstab().as_str(), fs::exists(&path).unwrap()), (None, "# kept\n", false));

    fs::write(&path, "data").unwrap();
    plan("is no swap: it is not taken away");
    wish("size: 4M");
    plan("is a file that is no swap: it is not written over");
    assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    drop(off);
}
