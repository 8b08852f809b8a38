//! What is owed survives whatever happens to a run; two runs never work at once.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use lions::engine::journal::{Ended, Journal, owed};
use lions::model::{Address, FaultKind, PlaceName};

fn names() -> (Address, Address, PlaceName) {
    (Address::new("site/base/chrony configuration"), Address::new("site/base/chrony restarts"), PlaceName::new("vps-1"))
}

#[test]
fn a_handler_is_owed_from_before_the_write_until_it_has_run() {
    let folder = tempfile::tempdir().unwrap();
    let (task, handler, place) = names();
    let journal = Journal::begin(folder.path(), "apply").unwrap();
    journal.begins(&task, &place, std::slice::from_ref(&handler)).unwrap();
    let first = journal.run().to_owned();
    drop(journal);
    // Killed between the line and the end: owed all the same.
    assert_eq!(owed(folder.path()).unwrap().get(&(handler.clone(), place.clone())), Some(&first));

    // A run that dies before it comes to it hands the debt on, with its first date.
    drop(Journal::begin(folder.path(), "apply").unwrap());
    assert_eq!(owed(folder.path()).unwrap().get(&(handler.clone(), place.clone())), Some(&first));

    let journal = Journal::begin(folder.path(), "apply").unwrap();
    assert_eq!(journal.owed().len(), 1);
    journal.begins(&handler, &place, &[]).unwrap();
    assert_eq!(owed(folder.path()).unwrap().len(), 1, "begun is not done");
    journal.ended(&handler, &place, Ended::Paid).unwrap();
    assert!(owed(folder.path()).unwrap().is_empty());
}

#[test]
fn what_changed_nothing_owes_nothing_but_forgives_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (task, handler, place) = names();
    let other = Address::new("site/base/chrony sources");
    let journal = Journal::begin(folder.path(), "apply").unwrap();
    journal.begins(&task, &place, std::slice::from_ref(&handler)).unwrap();
    journal.ended(&task, &place, Ended::Right).unwrap();
    assert!(owed(folder.path()).unwrap().is_empty());
    journal.begins(&task, &place, std::slice::from_ref(&handler)).unwrap();
    journal.begins(&other, &place, std::slice::from_ref(&handler)).unwrap();
    journal.ended(&other, &place, Ended::Right).unwrap();
    assert_eq!(owed(folder.path()).unwrap().len(), 1, "the first notifier still owes it");
    journal.ended(&task, &place, Ended::Failed).unwrap();
    assert_eq!(owed(folder.path()).unwrap().len(), 1, "a failure may have changed something");
}

#[test]
fn an_old_debt_is_not_forgiven_by_a_notifier_that_changed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (task, handler, place) = names();
    let journal = Journal::begin(folder.path(), "apply").unwrap();
    journal.begins(&task, &place, std::slice::from_ref(&handler)).unwrap();
    drop(journal);
    let journal = Journal::begin(folder.path(), "apply").unwrap();
    journal.begins(&task, &place, &[handler]).unwrap();
    journal.ended(&task, &place, Ended::Right).unwrap();
    assert_eq!(owed(folder.path()).unwrap().len(), 1);
}

#[test]
fn a_last_line_cut_short_is_passed_over_and_a_damaged_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (task, handler, place) = names();
    let journal = Journal::begin(folder.path(), "apply").unwrap();
    journal.begins(&task, &place, &[handler]).unwrap();
    let path = folder.path().join(format!("{}.jsonl", journal.run()));
    drop(journal);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"line\":\"end\",\"addr").unwrap();
    assert_eq!(owed(folder.path()).unwrap().len(), 1);
    file.write_all(b"\n{\"line\":\"finish\",\"interrupted\":false}\n").unwrap();
    let fault = owed(folder.path()).unwrap_err();
    assert!(fault.what.contains("cannot be read"), "{fault}");
    assert!(fault.help.unwrap().contains("owed"), "the way out is named");
}

#[test]
fn one_run_at_a_time_and_the_other_is_told_who_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::begin(folder.path(), "lions apply --env development").unwrap();
    let fault = Journal::begin(folder.path(), "lions apply").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Locked);
    let cause = fault.cause.unwrap();
    assert!(
        cause.contains("lions apply --env development") && cause.contains(&std::process::id().to_string()),
        "{cause}"
    );
    drop(journal);
    Journal::begin(folder.path(), "lions apply").unwrap();
}

#[test]
fn only_the_last_hundred_journals_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..104 {
        drop(Journal::begin(folder.path(), "apply").unwrap());
    }
    let kept = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "jsonl"));
    assert_eq!(kept.count(), 100);
}
