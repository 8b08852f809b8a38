//! Round trips, counted: a run that finds nothing to do asks once.

use lions::targets::host::memory::{MemoryHost, output};

use super::stage::{Stage, report_lines};

#[test]
fn every_sort_of_task_that_is_right_costs_one_batch_together() {
    let tasks = "
- group: { name: staff }
- user: { name: ada, group: staff }
- directory: { path: /srv/app, owner: ada, group: staff }
- copy: { dest: /srv/app/one, content: one, owner: ada }
- name: first
  line: { path: /srv/app/lines, line: first, create: true }
- name: second
  line: { path: /srv/app/lines, line: second }
";
    let stage = Stage::playbook(
        1,
        &format!(
            "- name: site\n  hosts: all\n  become: true\n  tasks:\n    {}\n",
            tasks.trim().replace('\n', "\n    ")
        ),
    )
    .host("h1", MemoryHost::new().directory("/srv").directory("/home"))
    .owned();
    stage.converge();
    let before = stage.hosts["h1"].batches();
    let plan = stage.plan();
    assert!(plan.is_empty(), "{:?}", super::stage::plan_lines(&plan));
    assert_eq!(stage.hosts["h1"].batches() - before, 1);
}

/// Each task looks again before it writes, and they do so together.
#[test]
fn looks_just_before_a_write_are_shared() {
    let tasks: String = (0..40).map(|at| format!("    - copy: {{ dest: /srv/f{at}, content: one }}\n")).collect();
    let stage = Stage::playbook(1, &format!("- name: site\n  hosts: all\n  tasks:\n{tasks}"))
        .host("h1", MemoryHost::new().directory("/srv"));
    let plan = stage.plan();
    let before = stage.hosts["h1"].batches();
    let report = stage.apply(&plan);
    assert_eq!(report_lines(&report).iter().filter(|line| line.ends_with(" create")).count(), 40, "{report:?}");
    // One, and another for each second that it took.
    let batches = stage.hosts["h1"].batches() - before;
    assert!(batches < 10, "{batches}");
}

/// What was seen together is no reason to overlook what happened since.
#[test]
fn a_look_is_not_shared_past_a_command() {
    let tasks = "    - copy: { dest: /srv/a, content: one }\n    - command: { cmd: tidy }\n    - copy: { dest: /srv/b, content: one }\n    - copy: { dest: /srv/c, content: one }\n";
    let host = MemoryHost::new().directory("/srv").command("tidy", |machine, _| {
        machine.put("/srv/b", "theirs");
        output(0, "")
    });
    let stage = Stage::playbook(1, &format!("- name: site\n  hosts: all\n  tasks:\n{tasks}")).host("h1", host);
    let report = stage.apply(&stage.plan());
    let lines = report_lines(&report);
    let failed = lines.iter().find(|line| line.contains("/srv/b") || line.contains("failed"));
    assert!(failed.is_some_and(|line| line.contains("changed since the plan was shown")), "{lines:?}");
    assert_eq!(stage.read("h1", "/srv/b").as_deref(), Some("theirs"));
}
