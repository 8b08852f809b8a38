//! A plan file is applied as it was made or not at all, and holds no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lions::engine::planfile::{Asked, PlanFile};
use lions::model::{
    Action, Address, Decision, Digest, Entry, FaultKind, Field, PlaceName, Plan, Row, Shown, TaskInfo, Thing,
};
use proptest::prelude::*;

const SECRET: &str = "correct horse battery staple";

fn plan() -> Plan {
    let after = Shown::Secret { masked: "password=***\n".to_owned(), digest: Digest::of(SECRET.as_bytes()) };
    let entry = Entry {
        action: Action::Create,
        things: vec![Thing::path("/etc/app.conf")],
        fields: vec![Field { name: "content".into(), before: Shown::Absent, after }],
        notifies: vec!["app restarts".to_owned()],
        owed_since: None,
        undo: None,
    };
    Plan {
        environment: "development".to_owned(),
        places: vec![PlaceName::new("vps-1"), PlaceName::new("cluster")],
        tasks: vec![TaskInfo {
            address: Address::new("site/app/configuration"),
            name: "configuration".to_owned(),
            resource: "copy".to_owned(),
            position: "roles/app/tasks.yml:1:3".to_owned(),
            handler: false,
            on_failure: false,
        }],
        rows: vec![Row { task: 0, place: 0, decision: Decision::Change(Box::new(entry)) }],
    }
}

fn file() -> PlanFile {
    let files: BTreeMap<PathBuf, Arc<[u8]>> = BTreeMap::from([
        ("playbooks/site.yml".into(), Arc::from(&b"- name: site\n"[..])),
        ("roles/app/files/logo".into(), Arc::from(&b"\xff\xfe\x00"[..])),
        ("inventories/development/values/app.yml".into(), Arc::from(format!("password: {SECRET}\n").as_bytes())),
    ]);
    let secret = BTreeSet::from([PathBuf::from("inventories/development/values/app.yml")]);
    let asked = Asked { environment: "development".to_owned(), ..Asked::default() };
    PlanFile::new(asked, plan(), &files, &secret).unwrap()
}

#[test]
fn it_comes_back_as_it_was_written() {
    let file = file();
    let text = file.to_text().unwrap();
    assert_eq!(PlanFile::from_text(&text).unwrap(), file);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.lions");
    file.save(&path).unwrap();
    assert_eq!(PlanFile::load(&path).unwrap(), file);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "for its owner only");
}

#[test]
fn no_secret_and_no_plain_digest_of_one_is_in_it() {
    let text = file().to_text().unwrap();
    assert!(!text.contains(SECRET));
    assert!(!text.contains(&Digest::of(SECRET.as_bytes()).to_string()), "an unsalted digest can be looked up");
    assert!(!text.contains(&Digest::of(format!("password: {SECRET}\n").as_bytes()).to_string()));
    assert_ne!(text, file().to_text().unwrap(), "another salt each time");
}

#[test]
fn a_file_with_a_secret_is_read_again_and_must_be_the_same() {
    let file = file();
    let project = tempfile::tempdir().unwrap();
    let values = project.path().join("inventories/development/values");
    std::fs::create_dir_all(&values).unwrap();
    std::fs::write(values.join("app.yml"), format!("password: {SECRET}\n")).unwrap();
    let files = file.files(Some(project.path())).unwrap();
    assert_eq!(files[Path::new("roles/app/files/logo")], b"\xff\xfe\x00");
    assert_eq!(files[Path::new("playbooks/site.yml")], b"- name: site\n");
    assert_eq!(files.len(), 3);
    std::fs::write(values.join("app.yml"), "password: other\n").unwrap();
    let fault = file.files(Some(project.path())).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Stale);
    assert!(fault.what.contains("values/app.yml"), "{fault}");
    assert!(file.files(None).unwrap_err().what.contains("values/app.yml"));
}

#[test]
fn cut_edited_or_of_another_version_it_is_refused_with_the_reason() {
    let text = file().to_text().unwrap();
    let reason = |text: &str| PlanFile::from_text(text).unwrap_err().to_string();
    assert!(reason(&text[..text.len() - 1]).contains("cut or edited"));
    assert!(reason(&text.replace("development", "production")).contains("cut or edited"));
    assert!(reason(&text.replacen("lions-plan 1 ", "lions-plan 2 ", 1)).contains("made by `lions`"));
    let other = text.replacen(env!("CARGO_PKG_VERSION"), "99.0.0", 1);
    assert!(reason(&other).contains("99.0.0"), "{}", reason(&other));
    assert!(reason("").contains("no plan file"));
    assert!(reason("- hosts: all\n").contains("no plan file"));
    let folder = tempfile::tempdir().unwrap();
    assert!(PlanFile::load(folder.path()).unwrap_err().to_string().contains("not a file"));
    std::fs::write(folder.path().join("x"), b"\xff\xff").unwrap();
    assert!(PlanFile::load(&folder.path().join("x")).unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn made_by_hand_with_a_right_checksum_it_still_leads_nowhere() {
    let text = file().to_text().unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let body = body.replace("\"task\":0", "\"task\":7");
    let header = header.rsplit_once(' ').unwrap().0;
    let text = format!("{header} {}\n{body}", Digest::of(body.as_bytes()));
    assert!(PlanFile::from_text(&text).unwrap_err().to_string().contains("cut or edited"));
}

proptest! {
    #![proptest_config(crate::rounds::rounds(256))]

    /// Any single byte that differs is noticed.
    #[test]
    fn any_edit_is_noticed(at in any::<prop::sample::Index>(), byte in 32u8..127) {
        let text = file().to_text().unwrap();
        let at = at.index(text.len());
        if !text.is_char_boundary(at) || !text.as_bytes()[at].is_ascii() {
            return Ok(());
        }
        let mut edited = text.clone();
        edited.replace_range(at..=at, char::from(byte).encode_utf8(&mut [0; 4]));
        // A digit of the checksum is the same number in upper case, and no other edit means nothing.
        let header = text.find('\n').unwrap();
        let checksum = text[..header].rfind(' ').unwrap() + 1..header;
        let same = edited == text || checksum.contains(&at) && edited.eq_ignore_ascii_case(&text);
        prop_assert_eq!(PlanFile::from_text(&edited).is_ok(), same);
    }
}
