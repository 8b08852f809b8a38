//! One writer a host: taken before the first change, given back at the end, waited for when asked to.

use std::time::Duration;

use lions::engine::{apply, journal};
use lions::model::{FaultKind, Outcome};
use lions::targets::host::Claim;
use lions::targets::host::memory::MemoryHost;

use super::stage::{Stage, report_lines};

const SITE: &str = "- name: site\n  hosts: all\n  tasks:\n    - name: file\n      copy: { dest: /etc/a, content: a }\n";

fn other() -> Claim {
    Claim { run: "other".to_owned(), who: "ada@desk (process 7) since noon".to_owned() }
}

#[test]
fn a_host_where_another_run_works_is_left_alone_and_the_others_are_not() {
    let taken = MemoryHost::new();
    let stage = Stage::playbook(2, SITE).host("h1", taken.clone());
    taken.held_by(Some(other()));
    let (_, report) = stage.converge();
    assert_eq!(
        report_lines(&report),
        ["file@h1 failed: another run works there: ada@desk (process 7) since noon", "file@h2 create"]
    );
    assert!(
        report
            .rows
            .iter()
            .any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(fault) if fault.kind == FaultKind::Locked))
    );
    assert!(taken.steps().is_empty());
    assert!(stage.hosts["h2"].holder().is_none(), "given back at the end");
    // It looks at what is held, and needs nothing there any more.
    taken.held_by(None);
    stage.converge();
    assert_eq!(stage.read("h1", "/etc/a").as_deref(), Some("a"));
    taken.held_by(Some(other()));
    let (plan, _) = stage.converge();
    assert!(plan.is_empty());
}

/// What is done where another run gives the host back after `held`.
fn done_when_freed(held: Duration, lock_wait: Duration) -> Vec<String> {
    let taken = MemoryHost::new();
    let stage = Stage::playbook(1, SITE).host("h1", taken.clone());
    taken.held_by(Some(other()));
    let mut context = stage.context();
    context.options.lock_wait = lock_wait;
    let plan = stage.plan_in(&context);
    let journal = std::sync::Arc::new(journal::Journal::begin(&stage.journal(), "test").unwrap());
    let report = stage.runtime.block_on(async {
        let freed = async {
            tokio::time::sleep(held).await;
            taken.held_by(None);
        };
        tokio::join!(apply(&context, &plan, None, journal), freed).0
    });
    report_lines(&report)
}

#[test]
fn it_waits_as_long_as_it_is_told_to() {
    let lines = done_when_freed(Duration::from_secs(4), Duration::from_mins(1));
    assert_eq!(lines, ["file@h1 create"]);
}

#[test]
fn a_run_that_was_killed_has_a_moment_to_end_there() {
    let lines = done_when_freed(Duration::from_millis(500), Duration::ZERO);
    assert_eq!(lines, ["file@h1 create"]);
}
