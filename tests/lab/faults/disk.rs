//! A disk that takes nothing: no half file, what was there stays, and the run says so.

use crate::lab::{Project, boot, host};

#[test]
fn a_full_disk_leaves_the_old_file_whole() {
    let Some(host) = boot(1, &[("LAB_DISK", "64m")]).map(|mut hosts| hosts.remove(0)) else { return };
    let project = Project::new(&[&host]);
    project.tasks("- copy: { dest: /srv/file, content: \"old\\n\", mode: \"0600\" }");
    project.converges();
    host.fault("fill /srv");
    let before = host.ok("ls -lai /srv/file");
    let big = "0123456789abcde\n".repeat(100_000);
    project.write("files/big", &big);
    project.tasks("- copy: { dest: /srv/file, src: big, mode: \"0600\" }\n- copy: { dest: /srv/new, src: big }");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("No space left on device") && said.contains("df -h"), "{said}");
    assert_eq!(host.ok("cat /srv/file; ls -lai /srv/file; ls -A /srv"), format!("old\n{before}\nfile\nlab-fill"));
    super::assert_clean(&host);
    host.fault("empty /srv");
    project.converges();
    assert_eq!(host.ok("cat /srv/file | sha256sum; stat -c '%a %s' /srv/file /srv/new"), {
        let digest = host.ok("sha256sum </srv/new");
        format!("{digest}\n600 1600000\n644 1600000")
    });
}

#[test]
fn no_room_for_temporary_files_is_said() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks(super::TASKS);
    // Commands need a folder in memory; they find one elsewhere.
    host.ok("mount -o remount,size=4k /dev/shm || mount -t tmpfs -o size=4k none /dev/shm; cat /dev/zero >/dev/shm/full 2>/dev/null; true");
    project.converges();
}

#[test]
fn a_file_system_that_cannot_be_written_is_said() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks(super::TASKS);
    host.fault("readonly");
    project.says(&["plan", "--detailed-exitcode"], 2);
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("Read-only file system"), "{said}");
    host.fault("writable");
    host.ok("mount --bind /srv /srv && mount -o remount,ro,bind /srv");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("Read-only file system") && said.contains("mount it for writing"), "{said}");
    host.ok("umount /srv");
    project.converges();
}
