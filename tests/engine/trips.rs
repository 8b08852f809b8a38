//! Round trips, counted: a run that finds nothing to do asks once.

use lions::targets::host::memory::MemoryHost;

use super::stage::Stage;

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
