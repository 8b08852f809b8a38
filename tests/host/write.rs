//! What steps leave behind, and what they do not: on every failure the old content is there, and nothing beside it.

use super::*;

/// Puts something at a path.
type Make = fn(&str);

/// Owner, group and mode.
fn attributes(owner: Option<&str>, group: Option<&str>, mode: Option<u32>) -> Attributes {
    Attributes { mode, owner: owner.map(str::to_owned), group: group.map(str::to_owned) }
}

fn file(content: &str) -> Expect {
    Expect::File(Digest::of(content.as_bytes()))
}

fn mode(path: &str) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Everything below a folder: path, kind, mode, owner, content.
pub(super) fn everything(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        let meta = fs::symlink_metadata(&at).unwrap();
        let content = if meta.is_file() { fs::read(&at).unwrap() } else { Vec::new() };
        all.push(format!(
            "{} {:?} {:o} {} {} {content:?}",
            at.display(),
            meta.file_type(),
            meta.mode(),
            meta.uid(),
            meta.gid()
        ));
        if meta.is_dir() {
            todo.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all.sort();
    all
}

/// A step that must fail and change nothing.
async fn refused(link: &ShellLink, folder: &Path, step: Step) -> Fault {
    let before = everything(folder);
    let fault = perform(link, step).await.expect_err("it was done");
    assert_eq!(everything(folder), before, "{fault}");
    fault
}

/// A mount that ends with the test; `None` (loudly) when this machine does not permit it.
pub(super) struct Mount(std::path::PathBuf);

impl Mount {
    pub(super) fn new(what: &str, arguments: &[&str], at: &Path) -> Option<Self> {
        let said = std::process::Command::new("mount").args(arguments).arg(at).output().unwrap();
        if said.status.success() {
            return Some(Self(at.to_owned()));
        }
        left_out(&format!("{what}: {}", String::from_utf8_lossy(&said.stderr).trim()));
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_new_file_is_whole_and_alone() {
    block_on(async {
        let (folder, path) = place("it's \"new\"\n$(id)");
        let link = link().await;
        assert_eq!(perform(&link, write_to(&path, "a\0b\n", Expect::Absent)).await, Ok(None));
        assert_eq!(fs::read(&path).unwrap(), b"a\0b\n");
        assert_eq!(mode(&path), 0o644);
        assert_eq!(names(folder.path()).len(), 1);
        assert_eq!(link.requests(), 1);
        assert_eq!(perform(&link, write_to(&path, "", file("a\0b\n"))).await, Ok(None));
        assert_eq!(fs::read(&path).unwrap(), b"");
    });
}

#[test]
fn what_is_not_asked_for_stays_as_it_is() {
    block_on(async {
        let (_folder, path) = place("x");
        let link = link().await;
        fs::write(&path, "old").unwrap();
        if is_root() {
            std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o6751)).unwrap();
        let acl = std::process::Command::new("setfattr").args(["-n", "user.lions", "-v", "kept", &path]).output();
        let past = std::time::SystemTime::now() - std::time::Duration::from_secs(100_000);
        fs::File::open(&path).unwrap().set_modified(past).unwrap();
        assert_eq!(perform(&link, write_to(&path, "new", file("old"))).await, Ok(None));
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(mode(&path), 0o6751);
        if is_root() {
            assert_eq!((meta.uid(), meta.gid()), (12, 34));
        }
        assert!(meta.modified().unwrap() > past + std::time::Duration::from_hours(25), "its time must be new");
        if acl.is_ok_and(|said| said.status.success()) {
            let said = std::process::Command::new("getfattr").args(["-n", "user.lions", &path]).output().unwrap();
            assert!(String::from_utf8_lossy(&said.stdout).contains("kept"));
        } else {
            left_out("extended attributes (needs `setfattr` and a file system that has them)");
        }
    });
}

#[test]
fn owner_group_and_mode_are_set() {
    if !is_root() {
        left_out("owners (needs root)");
        return;
    }
    block_on(async {
        let (folder, path) = place("x");
        let link = link().await;
        let step = Step::Write {
            path: path.clone(),
            content: Content::open(*b"x"),
            attributes: attributes(Some("nobody"), Some("0"), Some(0o4710)),
            expect: Expect::Absent,
            validate: None,
        };
        assert_eq!(perform(&link, step).await, Ok(None));
        let seen = stat(&link, &path).await.unwrap();
        assert_eq!((&*seen.owner, &*seen.group, seen.mode), ("nobody", "root", 0o4710));
        let only_group = Step::Attributes { path: path.clone(), attributes: attributes(None, Some("daemon"), None) };
        assert_eq!(perform(&link, only_group).await, Ok(None));
        let seen = stat(&link, &path).await.unwrap();
        assert_eq!((&*seen.owner, &*seen.group, seen.mode), ("nobody", "daemon", 0o4710), "setuid must stay");
        let only_mode = Step::Attributes { path: path.clone(), attributes: attributes(None, None, Some(0)) };
        assert_eq!(perform(&link, only_mode).await, Ok(None));
        assert_eq!(mode(&path), 0);
        for (owner, group, word) in [(Some("no-such"), None, "owner"), (None, Some("no-such"), "group")] {
            for step in [
                Step::Attributes { path: path.clone(), attributes: attributes(owner, group, None) },
                Step::Write {
                    path: path.clone(),
                    content: Content::open(*b"y"),
                    attributes: attributes(owner, group, None),
                    expect: file("x"),
                    validate: None,
                },
                Step::Directory { path: format!("{path}-folder"), attributes: attributes(owner, group, None) },
            ] {
                let fault = refused(&link, folder.path(), step).await;
                assert!(fault.cause.as_ref().unwrap().contains("no-such"), "{fault}");
                assert!(fault.help.as_ref().unwrap().contains(word), "{fault:?}");
            }
        }
        let odd = Step::Attributes { path, attributes: attributes(Some("a:b"), None, None) };
        assert_eq!(refused(&link, folder.path(), odd).await.kind, FaultKind::Refused);
    });
}

#[test]
fn what_changed_in_the_meantime_is_left_alone() {
    block_on(async {
        let link = link().await;
        let makes: [(&str, Make); 6] = [
            ("nothing any more", |_| ()),
            ("other content", |path| fs::write(path, "else").unwrap()),
            ("symbolic link", |path| symlink("/etc/passwd", path).unwrap()),
            ("points elsewhere", |path| symlink("b\n", path).unwrap()),
            ("folder", |path| fs::create_dir(path).unwrap()),
            ("socket, device or pipe", |path| {
                assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
            }),
        ];
        for (now, make) in makes {
            let (folder, path) = place("x");
            make(&path);
            let expect = if now == "points elsewhere" { Expect::Link("b".into()) } else { file("old") };
            for step in [
                write_to(&path, "new", expect.clone()),
                Step::Remove { path: path.clone(), expect: expect.clone() },
                Step::Link { path: path.clone(), target: "there".into(), hard: false, expect: expect.clone() },
            ] {
                let fault = refused(&link, folder.path(), step).await;
                assert_eq!(fault.kind, FaultKind::Stale, "{now}: {fault}");
                assert!(fault.cause.as_ref().unwrap().contains(now), "{now}: {fault}");
            }
        }
        let (folder, path) = place("x");
        fs::write(&path, "there").unwrap();
        for step in [
            write_to(&path, "new", Expect::Absent),
            Step::Directory { path: path.clone(), attributes: Attributes::default() },
        ] {
            assert_eq!(refused(&link, folder.path(), step).await.kind, FaultKind::Stale);
        }
        let gone = Step::Attributes { path: format!("{path}-no"), attributes: attributes(None, None, Some(0o600)) };
        assert_eq!(refused(&link, folder.path(), gone).await.kind, FaultKind::Stale);
    });
}

#[test]
fn without_its_folder_nothing_is_written() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("x");
        fs::write(&path, "").unwrap();
        for (below, text) in [("no/such", "does not exist"), ("x/such", "is not a folder")] {
            let below = folder.path().join(below).to_str().unwrap().to_owned();
            for step in [
                write_to(&below, "new", Expect::Absent),
                Step::Directory { path: below.clone(), attributes: Attributes::default() },
                Step::Link { path: below.clone(), target: "t".into(), hard: false, expect: Expect::Absent },
            ] {
                let fault = refused(&link, folder.path(), step).await;
                assert!(fault.what.contains(text), "{fault}");
            }
        }
        // Nothing to take away is what a remove of nothing finds.
        let fault = refused(&link, folder.path(), write_to("relative", "x", Expect::Absent)).await;
        assert_eq!(fault.kind, FaultKind::Refused);
        for path in ["/", "//", "/.", "/..", "/x/"] {
            let step = Step::Remove { path: path.into(), expect: Expect::Directory };
            assert_eq!(refused(&link, folder.path(), step).await.kind, FaultKind::Refused, "{path}");
        }
    });
}

#[test]
fn validate_sees_the_new_content_and_may_refuse_it() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("it's x");
        fs::write(&path, "old").unwrap();
        let step = |validate: &str, content: Content| Step::Write {
            path: path.clone(),
            content,
            attributes: attributes(None, None, Some(0o600)),
            expect: file("old"),
            validate: Some(validate.to_owned()),
        };
        let bad = || Content::open(*b"bad");
        let fault = refused(&link, folder.path(), step("grep -q good %s || { echo no good; exit 3; }", bad())).await;
        assert!(fault.what.contains("does not accept the new content"), "{fault}");
        assert_eq!(fault.cause.as_deref(), Some("no good"));
        let fault = refused(&link, folder.path(), step("echo x >> %s", bad())).await;
        assert!(fault.what.contains("altered"), "{fault}");
        let fault = refused(&link, folder.path(), step("if then %s", bad())).await;
        assert!(fault.cause.as_ref().unwrap().to_lowercase().contains("syntax error"), "{fault}");
        let fault = refused(&link, folder.path(), step("true", bad())).await;
        assert_eq!(fault.kind, FaultKind::Refused);
        let secret = Content::sealed(*b"hunter2", "***");
        let fault = refused(&link, folder.path(), step("cat %s; false", secret)).await;
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault}");
        for (content, validate) in
            [("good", "grep -q good %s"), ("better", "test -s \"%s\""), ("best", "grep best '%s'")]
        {
            let Step::Write { path, attributes, validate, .. } = step(validate, bad()) else { panic!() };
            let expect = file(&fs::read_to_string(&path).unwrap());
            let content_of = Content::open(content.as_bytes());
            let step = Step::Write { path: path.clone(), content: content_of, attributes, expect, validate };
            assert_eq!(perform(&link, step).await, Ok(None));
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    });
}

#[test]
fn links_are_made_and_replaced_whole() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("-l");
        let make = |target: &str, hard, expect| Step::Link { path: path.clone(), target: target.into(), hard, expect };
        assert_eq!(perform(&link, make("-it's\nthere", false, Expect::Absent)).await, Ok(None));
        assert_eq!(fs::read_link(&path).unwrap().to_str(), Some("-it's\nthere"));
        assert_eq!(perform(&link, make("else\n", false, Expect::Link("-it's\nthere".into()))).await, Ok(None));
        assert_eq!(fs::read_link(&path).unwrap().to_str(), Some("else\n"));
        let other = folder.path().join("other").to_str().unwrap().to_owned();
        fs::write(&other, "x").unwrap();
        assert_eq!(perform(&link, make(&other, true, Expect::Link("else\n".into()))).await, Ok(None));
        let inode = |path: &str| fs::symlink_metadata(path).unwrap().ino();
        assert_eq!(inode(&path), inode(&other));
        // A second time: the same file already.
        assert_eq!(perform(&link, make(&other, true, file("x"))).await, Ok(None));
        assert_eq!(names(folder.path()), ["-l", "other"]);
        let no = folder.path().join("no").to_str().unwrap().to_owned();
        let fault = refused(&link, folder.path(), make(&no, true, file("x"))).await;
        assert!(fault.cause.unwrap().contains("No such file"));
        // A link to a folder is replaced, not entered.
        fs::remove_file(&path).unwrap();
        symlink(folder.path(), &path).unwrap();
        let expect = Expect::Link(folder.path().to_str().unwrap().to_owned());
        assert_eq!(perform(&link, make("new", false, expect)).await, Ok(None));
        assert_eq!(fs::read_link(&path).unwrap().to_str(), Some("new"));
        // And a link is replaced by a file, without writing through it.
        assert_eq!(perform(&link, write_to(&path, "file", Expect::Link("new".into()))).await, Ok(None));
        assert_eq!(names(folder.path()), ["-l", "other"]);
    });
}

#[test]
fn folders_are_made_and_things_are_removed() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("a folder");
        let step = |mode| Step::Directory { path: path.clone(), attributes: attributes(None, None, mode) };
        assert_eq!(perform(&link, step(None)).await, Ok(None));
        assert_eq!(mode(&path), 0o755);
        fs::write(format!("{path}/x\n"), "x").unwrap();
        symlink("/etc", format!("{path}/etc")).unwrap();
        let remove = |expect| Step::Remove { path: path.clone(), expect };
        assert_eq!(perform(&link, remove(Expect::Directory)).await, Ok(None));
        assert!(Path::new("/etc/passwd").exists());
        assert_eq!(perform(&link, step(Some(0o2750))).await, Ok(None));
        assert_eq!(mode(&path), 0o2750);
        fs::remove_dir(&path).unwrap();
        symlink("/etc/", &path).unwrap();
        assert_eq!(perform(&link, remove(Expect::Link("/etc/".into()))).await, Ok(None));
        fs::write(&path, "x").unwrap();
        assert_eq!(perform(&link, remove(file("x"))).await, Ok(None));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    });
}

#[test]
fn what_is_not_known_yet_is_never_done() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("x");
        let after = lions::model::After::new("a task");
        let promise = Step::Promise { path: path.clone(), attributes: Attributes::default(), after: after.clone() };
        for step in [promise, write_to(&path, "x", Expect::Open(after))] {
            refused(&link, folder.path(), step).await;
        }
        assert_eq!(link.requests(), 0);
    });
}

#[test]
fn a_full_disk_leaves_the_old_content() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("x");
        let what = "a full disk (needs to mount a tmpfs)";
        let Some(_mount) = Mount::new(what, &["-t", "tmpfs", "-o", "size=64k", "tmpfs"], folder.path()) else { return };
        fs::write(&path, "old").unwrap();
        let fault = refused(&link, folder.path(), write_to(&path, &"new".repeat(100_000), file("old"))).await;
        assert!(fault.cause.as_ref().unwrap().contains("No space left on device"), "{fault}");
        assert!(fault.help.unwrap().contains("df"));
        assert_eq!(perform(&link, write_to(&path, "new", file("old"))).await, Ok(None));
    });
}

#[test]
fn a_read_only_file_system_is_named() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("x");
        let what = "a read-only file system (needs to mount a tmpfs)";
        let Some(_mount) = Mount::new(what, &["-t", "tmpfs", "tmpfs"], folder.path()) else { return };
        fs::write(&path, "old").unwrap();
        let said = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(folder.path()).status().unwrap();
        assert!(said.success());
        for step in [
            write_to(&path, "new", file("old")),
            Step::Remove { path: path.clone(), expect: file("old") },
            Step::Directory { path: format!("{path}-d"), attributes: Attributes::default() },
            Step::Attributes { path: path.clone(), attributes: attributes(None, None, Some(0o600)) },
            Step::Link { path: path.clone(), target: "t".into(), hard: false, expect: file("old") },
        ] {
            let fault = refused(&link, folder.path(), step).await;
            assert!(fault.cause.as_ref().unwrap().contains("Read-only file system"), "{fault}");
            assert!(fault.help.as_ref().unwrap().contains("for writing"), "{fault:?}");
        }
    });
}

#[test]
fn a_mount_point_is_named() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("x");
        let source = folder.path().join("source").to_str().unwrap().to_owned();
        fs::write(&source, "old").unwrap();
        fs::write(&path, "").unwrap();
        let what = "a file that something is mounted on (needs bind mounts)";
        let Some(_mount) = Mount::new(what, &["--bind", &source], Path::new(&path)) else { return };
        for step in [write_to(&path, "new", file("old")), Step::Remove { path: path.clone(), expect: file("old") }] {
            let fault = refused(&link, folder.path(), step).await;
            assert!(fault.cause.as_ref().unwrap().contains("Device or resource busy"), "{fault}");
            assert!(fault.help.as_ref().unwrap().contains("mounted there"), "{fault:?}");
        }
    });
}

#[test]
fn an_immutable_file_or_folder_is_named() {
    block_on(async {
        let link = link().await;
        let (folder, path) = place("x");
        fs::write(&path, "old").unwrap();
        let chattr = |flag: &str, path: &str| std::process::Command::new("chattr").args([flag, path]).output();
        if !chattr("+i", &path).is_ok_and(|said| said.status.success()) {
            left_out("immutable files (needs root, `chattr` and a file system that has them)");
            return;
        }
        let steps = [
            write_to(&path, "new", file("old")),
            Step::Remove { path: path.clone(), expect: file("old") },
            Step::Attributes { path: path.clone(), attributes: attributes(None, None, Some(0o600)) },
        ];
        for at in [path.as_str(), folder.path().to_str().unwrap()] {
            chattr("+i", at).unwrap();
            let before = everything(folder.path());
            let mut faults = Vec::new();
            for step in &steps {
                // In an immutable folder the mode of a file may still be changed.
                if at == path || !matches!(step, Step::Attributes { .. }) {
                    faults.push(link.perform(step, &|_, _| ()).await);
                }
            }
            chattr("-i", at).unwrap();
            assert_eq!(everything(folder.path()), before);
            for fault in faults {
                let fault = fault.expect_err("it was done");
                assert!(fault.cause.as_ref().unwrap().contains("Operation not permitted"), "{fault}");
                assert!(fault.help.as_ref().unwrap().contains("immutable"), "{fault:?}");
            }
        }
    });
}

#[test]
fn long_names_work_up_to_the_limit() {
    block_on(async {
        let link = link().await;
        let (folder, _) = place("x");
        let path = |length| folder.path().join("x".repeat(length)).to_str().unwrap().to_owned();
        assert_eq!(perform(&link, write_to(&path(255), "x", Expect::Absent)).await, Ok(None));
        let fault = refused(&link, folder.path(), write_to(&path(256), "x", Expect::Absent)).await;
        assert!(fault.cause.as_ref().unwrap().contains("File name too long"), "{fault}");
    });
}

#[test]
fn a_user_who_may_not_is_told_so_and_takes_nothing_over() {
    if !is_root() {
        left_out("what another user may not (needs root)");
        return;
    }
    block_on(async {
        let (folder, path) = place("x");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let worker = lions::transport::local::start_in("sh", None, |process| {
            process.uid(65_534).gid(65_534).current_dir("/");
        });
        let link = ShellLink::new(worker.await.unwrap());
        let see = Question::Stat(path.clone());
        let fault = ask(&link, see.clone()).await.unwrap_err();
        assert!(fault.cause.as_ref().unwrap().contains("Permission denied"), "{fault}");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let fault = refused(&link, folder.path(), write_to(&path, "new", file("old"))).await;
        assert!(fault.cause.as_ref().unwrap().contains("Permission denied"), "{fault}");
        assert!(fault.help.unwrap().contains("become"));
        // In a folder that is his he could put a file of his own in the place of root's.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let fault = refused(&link, folder.path(), write_to(&path, "new", file("old"))).await;
        assert!(fault.what.contains("belongs to somebody else"), "{fault}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let Answer::Stat(Some(seen)) = ask(&link, see).await.unwrap() else { panic!() };
        assert_eq!(seen.kind, FileKind::File(None));
        let fault = ask(&link, Question::Content(path)).await.unwrap_err();
        assert!(fault.cause.unwrap().contains("Permission denied"));
    });
}

#[test]
fn content_goes_up_whole_however_large() {
    block_on(async {
        let (folder, path) = place("x");
        let link = link().await;
        let bytes: Vec<u8> = (0..20_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let step = Step::Write {
            path: path.clone(),
            content: Content::open(bytes.as_slice()),
            attributes: Attributes::default(),
            expect: Expect::Absent,
            validate: None,
        };
        assert_eq!(perform(&link, step).await, Ok(None));
        assert!(fs::read(&path).unwrap() == bytes);
        assert_eq!(names(folder.path()), ["x"]);
    });
}

#[test]
fn content_that_is_cut_on_its_way_is_not_taken_for_whole() {
    block_on(async {
        let (tools, dd) = place("dd");
        // Gives the first bytes of a payload only, as a connection does that breaks.
        let script = "#!/bin/sh\ncase $* in *count_bytes*) /bin/dd \"$@\" | { head -c 3; cat >/dev/null; } ;; *) exec /bin/dd \"$@\" ;; esac\n";
        fs::write(&dd, script).unwrap();
        fs::set_permissions(&dd, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
        let worker = lions::transport::local::start_in("sh", None, |process| {
            process.env("PATH", path);
        });
        let link = ShellLink::new(worker.await.unwrap());
        let (folder, path) = place("x");
        fs::write(&path, "old").unwrap();
        let fault = refused(&link, folder.path(), write_to(&path, "new content", file("old"))).await;
        assert!(fault.what.contains("did not arrive whole"), "{fault}");
        let command = Command { stdin: Some(b"new content".to_vec()), ..Command::shell(format!("touch {path}-ran")) };
        let step = Step::Run { command, changes: Vec::new() };
        let fault = refused(&link, folder.path(), step).await;
        assert!(fault.cause.as_ref().unwrap().contains("cut short"), "{fault}");
        assert_eq!(perform(&link, write_to(&path, "new", file("old"))).await, Ok(None));
    });
}
