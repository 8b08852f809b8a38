//! New things made in one request: the same as one by one, or nothing at all.

use super::write::everything;
use super::*;
use lions::targets::host::Together;

const SHELLS: [&str; 4] = ["dash", "bash", "bash --posix", "busybox sh"];

async fn link_in(shell: &str) -> ShellLink {
    ShellLink::new(lions::transport::local::start_in(shell, None, |_| ()).await.unwrap())
}

fn attributes(owner: Option<&str>, mode: Option<u32>) -> Attributes {
    let owner = owner.filter(|_| is_root()).map(str::to_owned);
    Attributes { mode, group: owner.clone().map(|_| "daemon".to_owned()), owner }
}

fn folder(path: String, owner: Option<&str>, mode: Option<u32>) -> Step {
    Step::Directory { path, attributes: attributes(owner, mode) }
}

fn file(path: String, content: &str, owner: Option<&str>, mode: Option<u32>, expect: Expect) -> Step {
    let (content, attributes) = (Content::open(content.as_bytes()), attributes(owner, mode));
    Step::Write { path, content, attributes, expect, validate: None }
}

fn together(steps: &[Step]) -> Together {
    Together::default().and(steps).expect("they go together")
}

/// Whatever can stand in a file and in a name.
fn steps(at: &str) -> Vec<Step> {
    let hostile = "it's \"here\"\n$(touch /tmp/never) `id` \\ \\n %s \t\r *?[a] ~ !x é \u{81}\u{82}\u{88} -n\n\n";
    let every: String = (1..0x250_u32).filter_map(char::from_u32).collect();
    let before = Expect::File(Digest::of(b"one\n"));
    vec![
        folder(format!("{at}/a b"), Some("nobody"), Some(0o750)),
        folder(format!("{at}/a b/it's $(id)"), None, Some(0o2711)),
        file(format!("{at}/a b/it's $(id)/-n"), hostile, Some("nobody"), Some(0o4750), Expect::Absent),
        file(format!("{at}/-rf"), &every, None, None, Expect::Absent),
        file(format!("{at}/lines"), "one\n", Some("nobody"), Some(0o640), Expect::Absent),
        file(format!("{at}/lines"), "one\ntwo\n", None, None, before),
        file(format!("{at}/there/empty"), "", None, Some(0o600), Expect::Absent),
        file(format!("{at}/there/é*"), "no newline", None, Some(0o7), Expect::Absent),
        folder(format!("{at}/there/last"), None, None),
    ]
}

/// A folder with another in it that is there, and its path.
fn ground() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("there")).unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    (folder, path)
}

/// What is there, by its path below `at`.
fn below(at: &tempfile::TempDir) -> Vec<String> {
    let prefix = at.path().to_str().unwrap();
    everything(at.path()).into_iter().map(|line| line.replace(prefix, "")).collect()
}

#[test]
fn it_is_the_same_as_one_by_one() {
    for shell in SHELLS {
        block_on(async {
            let link = link_in(shell).await;
            let ((one, one_path), (other, other_path)) = (ground(), ground());
            for step in steps(&one_path) {
                assert_eq!(perform(&link, step).await, Ok(None), "{shell}");
            }
            let before = link.requests();
            assert_eq!(link.make_together(&together(&steps(&other_path))).await, Ok(true), "{shell}");
            assert_eq!(link.requests(), before + 1);
            assert_eq!(below(&other), below(&one), "{shell}");
        });
    }
}

/// A shell that needs a process to say something would show it to all users of the host.
#[test]
fn a_shell_that_cannot_say_a_secret_by_itself_makes_nothing() {
    block_on(async {
        let (at, path) = ground();
        let before = everything(at.path());
        assert_eq!(link_in("mksh").await.make_together(&together(&steps(&path))).await, Ok(false));
        assert_eq!(everything(at.path()), before);
    });
}

/// What stands in the way, or a step that cannot be done.
type Trouble = fn(&str) -> Option<Step>;

#[test]
fn where_one_cannot_be_made_none_is() {
    block_on(async {
        let link = link().await;
        let (at, path) = ground();
        let stranger = Attributes { owner: Some("no-such".into()), ..Attributes::default() };
        let troubles: [(&str, Trouble); 4] = [
            ("a file is there", |path| fs::write(format!("{path}/lines"), "theirs").map(|()| None).unwrap()),
            ("a dangling link is there", |path| symlink("nowhere", format!("{path}/-rf")).map(|()| None).unwrap()),
            ("its folder is not there", |path| Some(folder(format!("{path}/no/x"), None, None))),
            ("its folder is a file", |path| {
                fs::write(format!("{path}/f"), "").unwrap();
                Some(folder(format!("{path}/f/x"), None, None))
            }),
        ];
        for (what, trouble) in troubles {
            let mut all = steps(&path);
            all.extend(trouble(&path));
            let before = everything(at.path());
            assert_eq!(link.make_together(&together(&all)).await, Ok(false), "{what}");
            assert_eq!(everything(at.path()), before, "{what}");
            for name in ["lines", "-rf", "f"] {
                let _ = fs::remove_file(format!("{path}/{name}"));
            }
        }
        let mut all = steps(&path);
        all.push(Step::Directory { path: format!("{path}/x"), attributes: stranger });
        let before = everything(at.path());
        assert_eq!(link.make_together(&together(&all)).await, Ok(false), "nobody has that name");
        assert_eq!(everything(at.path()), before);
    });
}

#[test]
fn a_full_disk_holds_none_of_it() {
    block_on(async {
        let (at, path) = ground();
        let what = "a full disk (needs to mount a tmpfs)";
        let there = at.path().join("there");
        let Some(_mount) = super::write::Mount::new(what, &["-t", "tmpfs", "-o", "size=16k", "tmpfs"], &there) else {
            return;
        };
        let mut all = steps(&path);
        all.push(file(format!("{path}/there/big"), &"big".repeat(8000), None, None, Expect::Absent));
        let before = everything(at.path());
        assert_eq!(link().await.make_together(&together(&all)).await, Ok(false));
        assert_eq!(everything(at.path()), before);
    });
}

/// Puts a script in the place of a program for one link.
async fn link_with(program: &str, script: &str) -> (tempfile::TempDir, ShellLink) {
    let (tools, path) = place(program);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let worker = lions::transport::local::start_in("sh", None, |process| {
        process.env("PATH", path);
    });
    (tools, ShellLink::new(worker.await.unwrap()))
}

/// The second folder takes nothing, or something of another's comes there in the last moment.
#[test]
fn what_is_in_place_already_is_taken_back() {
    block_on(async {
        for (script, theirs) in [
            ("case $*:$3 in *--*there) exit 1 ;; esac; exec /bin/mv \"$@\"", false),
            ("case $*:$3 in *--*there) echo theirs >\"$3/empty\" ;; esac; exec /bin/mv \"$@\"", true),
        ] {
            let (at, path) = ground();
            let (_tools, link) = link_with("mv", script).await;
            assert_eq!(link.make_together(&together(&steps(&path))).await, Ok(false), "{script}");
            assert_eq!(names(at.path()), ["there"], "{script}");
            let there = at.path().join("there");
            if theirs {
                assert_eq!(names(&there), ["empty"]);
                assert_eq!(fs::read_to_string(there.join("empty")).unwrap(), "theirs\n");
            } else {
                assert_eq!(names(&there), Vec::<String>::new());
            }
        }
    });
}

/// Whoever owns the folder puts a link in the place of what things are prepared in.
#[test]
fn what_is_swapped_meanwhile_is_not_followed() {
    block_on(async {
        let (at, path) = ground();
        let (aim, aimed) = ground();
        let script = format!("p=$(/bin/mktemp \"$@\") && mv \"$p\" \"$p.away\" && ln -s {aimed} \"$p\" && echo \"$p\"");
        let (_tools, link) = link_with("mktemp", &script).await;
        let before = everything(aim.path());
        assert_eq!(
            link.make_together(&together(&[file(format!("{path}/x"), "x", None, None, Expect::Absent)])).await,
            Ok(false)
        );
        assert_eq!(everything(aim.path()), before);
        assert!(!at.path().join("x").exists());
    });
}

/// Content that is not what it should be does not come into place.
#[test]
fn content_is_compared_before_it_is_there() {
    block_on(async {
        let (at, path) = ground();
        let before = everything(at.path());
        let (_tools, link) = link_with("sha256sum", "echo more >>\"$2\"; exec /usr/bin/sha256sum \"$@\"").await;
        assert_eq!(link.make_together(&together(&steps(&path))).await, Ok(false));
        assert_eq!(everything(at.path()), before);
    });
}

#[test]
fn what_is_more_than_making_something_new_does_not_go_together() {
    let at = |path: &str| folder(path.into(), None, None);
    let new = |content: &[u8], validate: Option<&str>, expect| Step::Write {
        path: "/x/file".into(),
        content: Content::open(content),
        attributes: Attributes::default(),
        expect,
        validate: validate.map(str::to_owned),
    };
    let all = Together::default().and(&[at("/x/a")]).unwrap();
    for step in [
        at("/x/a"),
        at("/x//b"),
        at("/x/../b"),
        at("x/b"),
        at("/"),
        at("/x/b\nc"),
        at("/x/b\\c"),
        new(b"a\0b", None, Expect::Absent),
        new(b"\xff", None, Expect::Absent),
        new(&vec![b'x'; 100_000], None, Expect::Absent),
        new(b"x", Some("true %s"), Expect::Absent),
        new(b"x", None, Expect::File(Digest::of(b"y"))),
        Step::Remove { path: "/x/b".into(), expect: Expect::Absent },
    ] {
        assert!(all.and(std::slice::from_ref(&step)).is_none(), "{step:?}");
    }
    let file = all.and(&[new(b"y", None, Expect::Absent)]).unwrap();
    assert!(file.and(&[at("/x/file/below")]).is_none());
    assert!(file.and(&[new(b"x", None, Expect::File(Digest::of(b"z")))]).is_none());
    let many: Vec<Step> = (0..5).map(|n| at(&format!("/y{n}/a"))).collect();
    assert!(Together::default().and(&many).is_some() && all.and(&many).is_none(), "six folders");
    let more = file.and(&[new(b"x", None, Expect::File(Digest::of(b"y")))]).unwrap();
    assert_eq!(more.steps().len(), 3);
}
