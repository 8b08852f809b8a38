//! What the host answers.

use lions::targets::host;

use super::*;

/// Names that would break any text that is not careful.
const NAMES: [&str; 14] = [
    "plain",
    "with space",
    "-n",
    "--help",
    "it's",
    "double\"quote",
    "new\nline",
    "trailing newline\n",
    "$(touch never)",
    "`id`",
    "back\\slash\\n",
    "tab\tcr\r",
    "*?[a]",
    "ünïcödé 🦁",
];

#[test]
fn one_request_answers_everything() {
    block_on(async {
        let (folder, _) = place("x");
        let link = link().await;
        let mut questions = Vec::new();
        for name in NAMES {
            let path = folder.path().join(name);
            fs::write(&path, format!("content of {name}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o4640)).unwrap();
            symlink(name, folder.path().join(format!("link to {name}"))).unwrap();
            fs::create_dir(folder.path().join(format!("folder {name}"))).unwrap();
            for prefix in ["", "link to ", "folder ", "no "] {
                let path = folder.path().join(format!("{prefix}{name}")).to_str().unwrap().to_owned();
                questions.push(Question::Stat(path.clone()));
                if prefix != "folder " {
                    questions.push(Question::Content(path));
                }
            }
        }
        questions.extend([
            Question::User("root".into()),
            Question::User("nobody-at-all".into()),
            Question::Group("root".into()),
            Question::Group("nobody-at-all".into()),
            Question::User("0".into()),
            Question::Identity,
            Question::Tree(folder.path().to_str().unwrap().to_owned()),
        ]);
        // What is asked twice is answered twice.
        questions.push(questions[0].clone());
        let answers = link.ask(&questions).await.unwrap();
        assert_eq!(link.requests(), 1);
        let mut answers = answers.into_iter().map(Result::unwrap);
        let first = answers.clone().next().unwrap();
        for name in NAMES {
            let content = format!("content of {name}\n");
            let there = Answer::Content(Some(Content::open(content.as_bytes())));
            let Some(Answer::Stat(Some(stat))) = answers.next() else { panic!("no stat of {name:?}") };
            assert_eq!(stat.kind, FileKind::File(Some(Digest::of(content.as_bytes()))), "{name:?}");
            assert_eq!((stat.mode, stat.size), (0o4640, content.len() as u64), "{name:?}");
            assert_eq!(answers.next().unwrap(), there, "{name:?}");
            let Some(Answer::Stat(Some(stat))) = answers.next() else { panic!("no stat of the link to {name:?}") };
            assert_eq!(stat.kind, FileKind::Link(name.to_owned()));
            assert_eq!(answers.next().unwrap(), there, "the link to {name:?}");
            let Some(Answer::Stat(Some(stat))) = answers.next() else { panic!("no stat of the folder {name:?}") };
            assert_eq!(stat.kind, FileKind::Directory);
            assert_eq!(answers.next().unwrap(), Answer::Stat(None), "no {name:?}");
            assert_eq!(answers.next().unwrap(), Answer::Content(None), "no {name:?}");
        }
        let Some(Answer::User(Some(root))) = answers.next() else { panic!("no root") };
        assert_eq!((root.uid, &root.primary, &*root.home), (Some(0), &host::Primary::Number(0), "/root"));
        assert_eq!(answers.next(), Some(Answer::User(None)));
        let Some(Answer::Group(Some(group))) = answers.next() else { panic!("no group") };
        assert_eq!(group.gid, Some(0));
        assert_eq!(answers.next(), Some(Answer::Group(None)));
        assert_eq!(answers.next(), Some(Answer::User(Some(root))));
        let Some(Answer::Identity(me)) = answers.next() else { panic!("nobody") };
        assert_eq!(stat(&link, folder.path().to_str().unwrap()).await.unwrap().owner, me.user);
        let Some(Answer::Tree(tree)) = answers.next() else { panic!("no tree") };
        assert_eq!(tree.len(), 3 * NAMES.len());
        assert!(tree.is_sorted_by(|one, other| one.0 < other.0));
        let link_to = tree.iter().find(|(path, _)| path.ends_with("link to new\nline")).unwrap();
        assert_eq!(link_to.1.kind, FileKind::Link("new\nline".into()));
        assert_eq!(answers.next(), Some(first));
        assert!(!folder.path().join("never").exists() && !Path::new("never").exists());
    });
}

#[test]
fn a_hard_link_is_the_same_file_by_any_name() {
    block_on(async {
        let (folder, path) = place("x");
        let link = link().await;
        let (hard, other) = (format!("{path} hard"), format!("{path} other"));
        fs::write(&path, "x").unwrap();
        fs::write(&other, "x").unwrap();
        fs::hard_link(&path, &hard).unwrap();
        let one = stat(&link, &path).await.unwrap();
        assert!(one.node.is_some());
        assert_eq!(stat(&link, &hard).await.unwrap(), one);
        assert_ne!(stat(&link, &other).await.unwrap().node, one.node);
        let folder = folder.path().to_str().unwrap();
        assert_eq!(stat(&link, folder).await.unwrap().node, None);
        let Answer::Tree(tree) = ask(&link, Question::Tree(folder.into())).await.unwrap() else { panic!("no tree") };
        let named = tree.iter().filter(|(_, stat)| stat.node == one.node).map(|(path, _)| path);
        assert_eq!(named.collect::<Vec<_>>(), [&path, &hard]);
    });
}

#[test]
fn binary_content_and_odd_owners_come_back_exact() {
    block_on(async {
        let (_folder, path) = place("x");
        let link = link().await;
        let bytes: Vec<u8> = (0..=255).cycle().take(200_000).chain(*b"\x1e\n\0\n").collect();
        fs::write(&path, &bytes).unwrap();
        let said = ask(&link, Question::Content(path.clone())).await.unwrap();
        assert_eq!(said, Answer::Content(Some(Content::open(bytes))));
        fs::write(&path, "").unwrap();
        assert_eq!(stat(&link, &path).await.unwrap().kind, FileKind::File(Some(Digest::of(b""))));
        if is_root() {
            std::os::unix::fs::chown(&path, Some(54_321), Some(54_322)).unwrap();
            let stat = stat(&link, &path).await.unwrap();
            assert_eq!((&*stat.owner, &*stat.group), ("54321", "54322"));
        } else {
            left_out("owners without a name (needs root)");
        }
    });
}

#[test]
fn absent_is_only_what_the_system_says_is_not_there() {
    block_on(async {
        let (folder, path) = place("file");
        fs::write(&path, "x").unwrap();
        let link = link().await;
        let below = format!("{path}/below");
        assert_eq!(stat(&link, &below).await, None);
        assert_eq!(ask(&link, Question::Content(below)).await, Ok(Answer::Content(None)));
        let around = folder.path().join("around").to_str().unwrap().to_owned();
        symlink("around", &around).unwrap();
        let long = format!("{}/{}", folder.path().display(), "x".repeat(300));
        let through = format!("{around}/x");
        let questions = [&long, &through, &path, &format!("{path}-no")].map(|path| Question::Stat(path.clone()));
        let answers = link.ask(&questions).await.unwrap();
        let fault = answers[0].clone().unwrap_err();
        assert!(fault.cause.unwrap().contains("File name too long"));
        let fault = answers[1].clone().unwrap_err();
        assert!(fault.cause.unwrap().contains("Too many levels of symbolic links"));
        assert!(matches!(&answers[2], Ok(Answer::Stat(Some(_)))));
        assert_eq!(answers[3], Ok(Answer::Stat(None)));
        let fault = ask(&link, Question::Content(around)).await.unwrap_err();
        assert!(fault.cause.unwrap().contains("Too many levels of symbolic links"));
        let fault = ask(&link, Question::Content(folder.path().to_str().unwrap().into())).await.unwrap_err();
        assert!(fault.what.contains("is not a regular file"), "{fault}");
        for path in ["relative", "", "/nul\0byte"] {
            let fault = ask(&link, Question::Stat(path.into())).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Refused, "{path:?}");
        }
    });
}

#[test]
fn what_is_no_file_is_not_read() {
    block_on(async {
        let (_folder, path) = place("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let link = link().await;
        assert_eq!(stat(&link, &path).await.unwrap().kind, FileKind::Other);
        assert_eq!(stat(&link, "/dev/zero").await.unwrap().kind, FileKind::Other);
        assert!(ask(&link, Question::Content(path)).await.is_err());
        assert!(ask(&link, Question::Content("/dev/zero".into())).await.is_err());
    });
}

#[test]
fn names_that_are_not_utf8_are_a_fault_and_not_altered() {
    block_on(async {
        use std::os::unix::ffi::OsStrExt as _;
        let (folder, path) = place("link");
        let odd = std::ffi::OsStr::from_bytes(b"caf\xe9");
        symlink(odd, &path).unwrap();
        let link = link().await;
        let fault = ask(&link, Question::Stat(path)).await.unwrap_err();
        assert!(fault.what.contains("is not UTF-8"), "{fault}");
        fs::write(folder.path().join(odd), "x").unwrap();
        let fault = ask(&link, Question::Tree(folder.path().to_str().unwrap().into())).await.unwrap_err();
        assert!(fault.what.contains("is not UTF-8"), "{fault}");
    });
}

#[test]
fn many_paths_are_one_request() {
    block_on(async {
        let (folder, _) = place("x");
        let mut questions = Vec::new();
        for at in 0..1500 {
            let path = folder.path().join(format!("{at}-{}", "long".repeat(at % 50)));
            if at % 3 != 0 {
                fs::write(&path, at.to_string()).unwrap();
            }
            questions.push(Question::Stat(path.to_str().unwrap().to_owned()));
        }
        let link = link().await;
        let answers = link.ask(&questions).await.unwrap();
        for (at, answer) in answers.into_iter().enumerate() {
            let Answer::Stat(stat) = answer.unwrap() else { panic!() };
            let kind = stat.map(|stat| stat.kind);
            let there = (at % 3 != 0).then(|| FileKind::File(Some(Digest::of(at.to_string().as_bytes()))));
            assert_eq!(kind, there, "{at}");
        }
        assert_eq!(link.requests(), 1);
    });
}

#[test]
fn a_file_too_large_to_hold_is_refused() {
    block_on(async {
        let (_folder, path) = place("x");
        fs::File::create(&path).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
        let link = link().await;
        let fault = ask(&link, Question::Content(path.clone())).await.unwrap_err();
        assert_eq!((fault.kind, fault.what.contains("larger than 16 MiB")), (FaultKind::Refused, true));
        assert_eq!(stat(&link, &path).await.unwrap().size, 16 * 1024 * 1024 + 1);
    });
}
