//! `archive` on this machine: a folder is what an archive holds, whole or not at all, and what others keep in it stays.

use std::process::Command as Process;
use std::sync::Arc;

use lions::model::{Halt, PlaceName, Value, Verdict};
use lions::resources::{Probe, Step as AnyStep, decode};
use lions::targets::host::Privilege;
use lions::targets::host::probe::HostPlace;

use super::*;

/// A folder with archives and the folders made of them.
struct Bench {
    folder: tempfile::TempDir,
    link: Arc<ShellLink>,
}

impl Bench {
    async fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), link: Arc::new(link().await) }
    }

    fn at(&self, path: &str) -> String {
        self.folder.path().join(path).to_str().unwrap().to_owned()
    }

    /// Runs `script` in the folder.
    fn sh(&self, script: &str) -> String {
        let said = Process::new("sh").args(["-ec", script]).current_dir(self.folder.path()).output().unwrap();
        assert!(said.status.success(), "{script}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Looks at the task `archive: {src: SRC, dest: app, MORE}`.
    async fn look(&self, src: &str, more: &str) -> Result<Verdict<AnyStep>, Halt> {
        let text = format!("{{\"src\": \"{}\", \"dest\": \"{}\"{more}}}", self.at(src), self.at("app"));
        let params: serde_json::Value = serde_json::from_str(&text).unwrap();
        let task = decode("archive", &Value::from(params)).map_err(|misfit| panic!("{misfit}")).unwrap();
        let place = HostPlace::new(PlaceName::new("here"), [(Privilege::Login, self.link.clone() as Arc<_>)]);
        let probe = place.probe(&Privilege::Login);
        place.drive([task.judge(Probe::Host(&probe))]).await.pop().unwrap()
    }

    async fn do_it(&self, verdict: Verdict<AnyStep>) -> Result<(), Fault> {
        let Verdict::Change(change) = verdict else { panic!("{verdict:?}") };
        for step in change.steps {
            let AnyStep::Host(step) = step else { panic!("{step:?}") };
            perform(&self.link, step).await?;
        }
        Ok(())
    }

    /// It changes, and is right then.
    async fn made(&self, src: &str, more: &str) {
        let verdict = self.look(src, more).await.unwrap();
        self.do_it(verdict).await.unwrap();
        let again = self.look(src, more).await.unwrap();
        assert!(matches!(again, Verdict::Right { .. }), "{again:?}");
        assert!(!self.sh("ls -A").contains(".lions"), "{}", self.sh("ls -A"));
    }

    async fn fault(&self, src: &str, more: &str) -> String {
        match self.look(src, more).await {
            Err(Halt::Fault(fault)) => fault.to_string(),
            Ok(verdict) => self.do_it(verdict).await.unwrap_err().to_string(),
            other => panic!("{other:?}"),
        }
    }
}

const TREE: &str = "mkdir -p top/bin top/conf; echo one >top/bin/app; chmod 4755 top/bin/app; echo c >top/conf/c; ln -s app top/bin/link; echo x >\"top/it's \\$(id)\"; ";

#[test]
fn every_format_becomes_the_same_folder() {
    block_on(async {
        let bench = Bench::new().await;
        bench.sh(&format!("{TREE} tar -cf a.tar top; tar -czf a.any top; tar -cJf a.xz top; tar -cf a.zst -I zstd top; tar -cjf a.bz2 top"));
        let zip = Process::new("sh").args(["-c", "command -v zip unzip"]).output().unwrap().stdout.len() > 12;
        let mut all = vec!["a.tar", "a.any", "a.xz", "a.zst", "a.bz2"];
        if zip {
            bench.sh("zip -qry a.zip top");
            all.push("a.zip");
        } else {
            left_out("archives of zip (needs `zip` and `unzip`)");
        }
        for format in all {
            bench.made(format, ", \"strip_components\": 1").await;
            assert_eq!(bench.sh("cat app/bin/link app/conf/c \"app/it's \\$(id)\""), "one\nc\nx\n", "{format}");
            assert_eq!(bench.sh("stat -c %a app/bin/app app"), "755\n755\n", "{format}");
            bench.sh("rm -r app");
        }
    });
}

#[test]
fn what_was_changed_by_hand_is_seen_and_mended() {
    block_on(async {
        let bench = Bench::new().await;
        bench.sh(&format!("{TREE} tar -cf a.tar top"));
        bench.made("a.tar", "").await;
        // The same length, and the time of before.
        bench.sh("touch -r app/top/bin/app t; echo two >app/top/bin/app; touch -r t app/top/bin/app");
        let Verdict::Change(change) = bench.look("a.tar", "").await.unwrap() else { panic!() };
        assert!(format!("{:?}", change.fields).contains("1 changed: `top/bin/app`"), "{:?}", change.fields);
        bench.made("a.tar", "").await;
        assert_eq!(bench.sh("cat app/top/bin/app"), "one\n");
        for hand in ["rm app/top/conf/c", "chmod 600 app/top/conf/c", "ln -sfn elsewhere app/top/bin/link"] {
            bench.sh(hand);
            bench.made("a.tar", "").await;
        }
    });
}

#[test]
fn what_others_keep_there_is_never_lost() {
    block_on(async {
        let bench = Bench::new().await;
        bench.sh(&format!(
            "{TREE} tar -cf a.tar -C top .; echo new >top/bin/app; echo other >top/conf/c; tar -cf b.tar -C top ."
        ));
        bench.made("a.tar", "").await;
        bench.sh("mkdir app/data; echo precious >app/data/file; echo mine >app/conf/c");
        let more = ", \"exclude\": [\"conf/c\"]";
        // It is left alone as long as nothing is replaced.
        assert!(
            bench.fault("b.tar", more).await.contains("holds what would be lost with a new one: `data`, `data/file`")
        );
        assert_eq!(bench.sh("cat app/data/file app/bin/app"), "precious\none\n");
        let more = ", \"exclude\": [\"conf/c\", \"data\"]";
        bench.made("b.tar", more).await;
        assert_eq!(bench.sh("cat app/data/file app/bin/app app/conf/c"), "precious\nnew\nmine\n");
        // Another's folder is not taken over.
        bench.sh("rm -r app; mkdir app; echo x >app/x");
        assert!(bench.fault("a.tar", "").await.contains("holds what no archive brought"));
        bench.sh("rm app/x");
        bench.made("a.tar", "").await;
    });
}

#[test]
fn nothing_leaves_its_folder() {
    block_on(async {
        let bench = Bench::new().await;
        bench.sh("mkdir d; echo x >evil; cd d; tar -cPf ../up.tar ../evil; tar -cPf ../abs.tar $(pwd)/../evil; \
            ln -s /tmp out; tar -cf ../through.tar out; rm out; mkdir out; echo x >out/lions-evil; tar -rf ../through.tar out/lions-evil");
        for archive in ["up.tar", "abs.tar"] {
            let fault = bench.fault(archive, "").await;
            assert!(fault.contains("lead out of its folder"), "{archive}: {fault}");
        }
        // Through a link of its own: refused by tar, or a folder takes the place of the link.
        let verdict = bench.look("through.tar", "").await.unwrap();
        let _ = bench.do_it(verdict).await;
        assert!(!Path::new("/tmp/lions-evil").exists());
        assert!(!bench.sh("ls -A").contains(".lions"));
    });
}

#[test]
fn what_cannot_be_unpacked_leaves_nothing() {
    block_on(async {
        let bench = Bench::new().await;
        bench.sh(&format!(
            "{TREE} tar -czf a.tgz top; head -c 100 a.tgz >cut; echo text >text; mkdir e; tar -cf empty.tar -C e ."
        ));
        for (archive, more, why) in [
            ("cut", "", "cannot be unpacked"),
            ("text", "", "cannot be unpacked"),
            ("none", "", "there is nothing at"),
            ("a.tgz", ", \"strip_components\": 9", "is left after `strip_components: 9`"),
            ("a.tgz", &format!(", \"sha256\": \"{}\"", "0".repeat(64)), "is not the archive that was wished for"),
        ] {
            let fault = bench.fault(archive, more).await;
            assert!(fault.contains(why), "{archive}: {fault}");
            assert!(!bench.sh("ls -A").contains("app") && !bench.sh("ls -A").contains(".lions"), "{archive}");
        }
        // What was looked at is not what is there any more.
        let verdict = bench.look("a.tgz", "").await.unwrap();
        bench.sh("mkdir app; echo x >app/x");
        assert_eq!(bench.do_it(verdict).await.unwrap_err().kind, FaultKind::Stale);
        assert_eq!(bench.sh("ls -A app"), "x\n");
    });
}

#[test]
fn with_its_digest_the_archive_may_go_and_a_cut_is_mended() {
    block_on(async {
        let bench = Bench::new().await;
        bench.sh(&format!("{TREE} tar -cf a.tar top"));
        let sum = format!(", \"sha256\": \"{}\"", bench.sh("sha256sum a.tar | cut -c1-64 | tr -d '\\n'"));
        bench.made("a.tar", &sum).await;
        bench.sh("mv a.tar b.tar");
        assert!(matches!(bench.look("a.tar", &sum).await.unwrap(), Verdict::Right { .. }));
        bench.sh("mv b.tar a.tar");
        // The run died between the two renames: what others kept in the old folder is still there.
        let more = format!("{sum}, \"exclude\": [\"data\"]");
        bench.made("a.tar", &more).await;
        let aside = format!(".lions-old.{}", &Digest::of(bench.at("app").as_bytes()).to_string()[..16]);
        bench.sh(&format!("mkdir app/data; echo precious >app/data/file; mv app {aside}"));
        bench.made("a.tar", &more).await;
        assert_eq!(bench.sh("cat app/data/file"), "precious\n");
        // Or after both, before that was carried over.
        bench.sh(&format!("mkdir {aside}; mv app/data {aside}"));
        bench.made("a.tar", &more).await;
        assert_eq!(bench.sh("cat app/data/file"), "precious\n");
    });
}
