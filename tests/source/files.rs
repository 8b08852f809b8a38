//! Files read from outside: what each bad one is called.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use lions::source::{Problem, read_bytes, read_text};

fn said(problem: &Problem) -> String {
    std::iter::once(&problem.summary).chain(&problem.help).cloned().collect::<Vec<_>>().join("\n")
}

fn refused(folder: &Path, path: &str) -> String {
    said(&read_text(folder, Path::new(path), 1000).expect_err("it was read"))
}

#[test]
fn a_good_file_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("roles")).unwrap();
    fs::write(folder.path().join("roles/tasks with 'blanks'.yml"), "\u{feff}a: ü\r\n").unwrap();
    let path = Path::new("roles/tasks with 'blanks'.yml");
    assert_eq!(read_text(folder.path(), path, 1000).unwrap(), "\u{feff}a: ü\r\n");
    symlink("tasks with 'blanks'.yml", folder.path().join("roles/link.yml")).unwrap();
    // The limit is the most that is read, not one less.
    assert_eq!(read_bytes(folder.path(), Path::new("roles/link.yml"), 10).unwrap().len(), 10);
}

#[test]
fn bytes_may_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("image"), [0, 255, 0, 1]).unwrap();
    assert_eq!(read_bytes(folder.path(), Path::new("image"), 4).unwrap(), [0, 255, 0, 1]);
}

#[test]
fn what_is_not_there_is_named_with_what_is_near() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("roles/base")).unwrap();
    fs::write(folder.path().join("roles/base/tasks.yml"), "").unwrap();
    fs::write(folder.path().join("roles/file"), "").unwrap();
    symlink("gone", folder.path().join("dangling")).unwrap();
    assert_eq!(
        refused(folder.path(), "roles/base/task.yml"),
        "`roles/base/task.yml` does not exist\ndid you mean `roles/base/tasks.yml`?"
    );
    assert_eq!(
        refused(folder.path(), "roles/bsae/tasks.yml"),
        "the folder `roles/bsae` does not exist\ndid you mean `roles/base`?"
    );
    assert_eq!(refused(folder.path(), "far.yml"), "`far.yml` does not exist");
    assert_eq!(
        refused(folder.path(), "roles/file/x"),
        "`roles/file/x` does not exist: a part of it is a file, not a folder"
    );
    assert_eq!(refused(folder.path(), "dangling"), "`dangling` is a link to a file that does not exist");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(refused(folder.path(), "."), "`.` is a folder, not a file");
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(refused(folder.path(), "pipe"), "`pipe` is a pipe, a socket or a device, not a file");
    assert_eq!(refused(Path::new("/dev"), "zero"), "`zero` is a pipe, a socket or a device, not a file");
}

#[test]
fn a_link_to_itself_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    symlink("b", folder.path().join("a")).unwrap();
    symlink("a", folder.path().join("b")).unwrap();
    assert_eq!(
        refused(folder.path(), "a"),
        "`a` is a link that leads back to itself\nsee where it leads with `readlink`, and mend or remove it"
    );
}

#[test]
fn a_large_file_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("large.yml")).unwrap();
    // Sparse: it takes no room, and to read it would take long.
    file.set_len(1 << 40).unwrap();
    let began = std::time::Instant::now();
    assert_eq!(
        refused(folder.path(), "large.yml"),
        "`large.yml` has 1099511627776 bytes, more than the 1000 that are read\nsplit it"
    );
    assert!(began.elapsed().as_secs() < 1);
}

#[test]
fn what_is_no_text_is_named_by_line_and_byte() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, expected) in [
        ("latin", &b"a: 1\nb: f\xfcr\n"[..], "`latin` is not UTF-8 text: line 2, byte 9 (0xfc)\nsave it as UTF-8"),
        ("cut", b"a: \xc3", "`cut` is not UTF-8 text: line 1, byte 3 (0xc3)\nsave it as UTF-8"),
        ("nul", b"\n\na\0b\xff", "`nul` has a NUL byte in line 3, at byte 3\nthis does not look like a text file"),
        ("wide", b"\xff\xfea\0", "`wide` is UTF-16 text\nsave it as UTF-8"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        assert_eq!(refused(folder.path(), name), expected);
    }
}
