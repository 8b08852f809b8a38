//! The contract: plan writes nothing; what is made is what was shown; the second plan is empty; whatever kills a
//! run, the next one finishes.

use lions::model::{Decision, FaultKind, Outcome};
use lions::targets::cluster::fake::FakeApi;
use lions::targets::host::memory::{MemoryHost, output};

use super::stage::{Stage, assert_refines, assert_settled, plan_lines, report_lines};

const APP: &str = "
- name: folder
  directory: { path: /srv/app, mode: \"0750\", owner: app, group: app }
- name: configuration
  copy: { dest: /srv/app/app.conf, content: \"port=80\\nname=x\\n\" }
  notify: app restarts
- name: one more line
  line: { path: /srv/app/app.conf, line: debug=false }
- name: current
  link: { dest: /srv/current, src: /srv/app }
- name: through the link
  copy: { dest: /srv/current/extra, content: extra, owner: app }
";

fn site(tasks: &str, handlers: &str) -> String {
    let indent = |text: &str| text.trim().replace('\n', "\n    ");
    format!("- name: site\n  hosts: all\n  tasks:\n    {}\n  handlers:\n    {}\n", indent(tasks), indent(handlers))
}

fn app() -> Stage {
    let playbook = site(APP, "- name: app restarts\n  command: { cmd: restart-app }");
    let host = MemoryHost::new().directory("/srv").command("restart-app", |machine, _| {
        machine.put("/run/restarted", "yes");
        output(0, "restarted\n")
    });
    Stage::playbook(1, &playbook).host("h1", host)
}

#[test]
fn plan_writes_nothing_and_is_complete_on_a_bare_host() {
    let stage = app();
    let before = stage.hosts["h1"].snapshot();
    let plan = stage.plan();
    assert_eq!(
        plan_lines(&plan),
        [
            "folder@h1 create",
            "configuration@h1 create",
            "one more line@h1 change",
            "current@h1 create",
            "through the link@h1 create",
            "app restarts@h1 run"
        ]
    );
    assert!(stage.hosts["h1"].steps().is_empty());
    assert_eq!(stage.hosts["h1"].snapshot(), before);
}

#[test]
fn what_is_made_is_what_was_shown_and_the_second_plan_is_empty() {
    let stage = app();
    let (plan, report) = stage.converge();
    assert_refines(&plan, &report);
    assert_eq!(stage.read("h1", "/srv/app/app.conf").unwrap(), "port=80\nname=x\ndebug=false\n");
    assert_eq!(stage.read("h1", "/srv/app/extra").unwrap(), "extra");
    assert_eq!(stage.read("h1", "/run/restarted").unwrap(), "yes");
    let again = stage.plan();
    assert_eq!(plan_lines(&again), ["app restarts@h1 skipped: not notified"]);
    assert!(again.is_empty());
}

#[test]
fn a_run_with_nothing_to_do_costs_one_batch_a_host() {
    let tasks = "
- name: folder
  directory: { path: /etc/app, owner: app, group: app }
- name: files
  copy: { dest: \"/etc/app/{{ item }}\", content: \"{{ item }} on {{ inventory_hostname }}\\n\", mode: \"0640\" }
  loop: [a, b, c]
- name: line
  line: { path: /etc/app/a, line: more }
- name: block
  block: { path: /etc/app/b, block: more }
- name: current
  link: { dest: /etc/current, src: /etc/app }
- name: gone
  file: { path: /etc/old, state: absent }
- name: once
  command: { cmd: make-it, creates: /etc/app/made }
";
    let host = || {
        MemoryHost::new().command("make-it", |machine, _| {
            machine.put("/etc/app/made", "");
            output(0, "")
        })
    };
    let stage = Stage::tasks(2, tasks).host("h1", host()).host("h2", host());
    let (plan, report) = stage.converge();
    assert_refines(&plan, &report);
    stage.hosts.values().for_each(MemoryHost::revive);
    let again = stage.plan();
    assert!(again.is_empty(), "{:?}", plan_lines(&again));
    for host in stage.hosts.values() {
        assert_eq!(host.batches(), 1);
    }
}

#[test]
fn a_path_through_a_link_of_the_place_costs_one_batch_more() {
    let stage = app();
    stage.converge();
    stage.hosts["h1"].revive();
    assert!(stage.plan().is_empty());
    assert_eq!(stage.hosts["h1"].batches(), 2, "where the link leads is only known once it is read");
}

#[test]
fn a_copy_and_a_manifest_go_through_one_graph() {
    let tasks = "
- name: greeting
  copy: { dest: /etc/greeting, content: hello }
- name: settings
  manifest:
    definition:
      apiVersion: v1
      kind: ConfigMap
      metadata: { name: settings, namespace: default }
      data: { greeting: hello }
";
    let stage = Stage::tasks(2, tasks).cluster(FakeApi::new());
    let plan = stage.plan();
    assert_eq!(plan_lines(&plan), ["greeting@h1 create", "greeting@h2 create", "settings@cluster create"]);
    assert_eq!(stage.api.as_ref().unwrap().writes(), 0);
    let report = stage.apply(&plan);
    assert_refines(&plan, &report);
    assert!(stage.plan().is_empty());
    let object = stage.api.as_ref().unwrap().object("v1/ConfigMap/default/settings").unwrap();
    assert_eq!(object["data"]["greeting"], "hello");
}

#[test]
fn a_cluster_task_waits_for_the_tasks_before_it_on_all_hosts() {
    let tasks = "
- name: greeting
  copy: { dest: /nowhere/greeting, content: hello }
- name: settings
  manifest: { definition: { apiVersion: v1, kind: ConfigMap, metadata: { name: s, namespace: default }, data: { a: b } } }
";
    let stage = Stage::tasks(2, tasks).host("h1", MemoryHost::new().directory("/nowhere")).cluster(FakeApi::new());
    let (_, report) = stage.converge();
    let lines = report_lines(&report);
    assert!(lines.iter().any(|line| line.starts_with("greeting@h2 failed")), "{lines:?}");
    assert!(lines.contains(&"settings@cluster blocked by site/greeting".to_owned()), "{lines:?}");
    assert_eq!(stage.api.as_ref().unwrap().writes(), 0);
}

#[test]
fn changed_since_the_plan_was_shown_stops_that_branch_and_writes_nothing_there() {
    let stage = app();
    let plan = stage.plan();
    stage.hosts["h1"].machine().put("/srv/app/app.conf", "by hand\n");
    let report = stage.apply(&plan);
    let failed = report.rows.iter().find_map(|(_, _, outcome)| match outcome {
        Outcome::Failed(fault) => Some(fault),
        _ => None,
    });
    let fault = failed.expect("the copy is not what was approved");
    assert_eq!(fault.kind, FaultKind::Stale);
    assert!(fault.what.contains("changed since the plan was shown"), "{fault}");
    assert_eq!(stage.read("h1", "/srv/app/app.conf").unwrap(), "by hand\n");
}

#[test]
fn what_someone_else_made_right_in_the_meantime_is_already_right() {
    let stage = Stage::tasks(1, "- name: greeting\n  copy: { dest: /etc/greeting, content: hello }\n  notify: never\n")
        .file(
            "playbooks/site.yml",
            &site(
                "- name: greeting\n  copy: { dest: /etc/greeting, content: hello }\n  notify: told",
                "- name: told\n  command: { cmd: tell }",
            ),
        );
    let plan = stage.plan();
    stage.hosts["h1"].machine().put("/etc/greeting", "hello");
    let report = stage.apply(&plan);
    assert_eq!(report_lines(&report), ["greeting@h1 already right", "told@h1 skipped: not notified after all"]);
}

#[test]
fn killed_after_any_step_the_next_run_finishes_and_pays_what_is_owed() {
    let whole = app();
    whole.converge();
    let end = whole.hosts["h1"].snapshot();
    let steps = whole.hosts["h1"].steps().len();
    assert_eq!(steps, 6);
    for nth in 0..steps {
        for done in [true, false] {
            let stage = app();
            if done {
                stage.hosts["h1"].lose_after_step(nth);
            } else {
                stage.hosts["h1"].fail_step(nth);
            }
            let (_, report) = stage.converge();
            let worst = report.rows.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)));
            assert!(worst, "step {nth}: the run must say that it failed");
            stage.hosts["h1"].revive();
            let (plan, report) = stage.converge();
            assert!(!report.rows.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_))), "{report:?}");
            assert_eq!(stage.hosts["h1"].snapshot(), end, "step {nth}, done {done}: {:?}", plan_lines(&plan));
            assert!(stage.plan().is_empty(), "{:?}", plan_lines(&stage.plan()));
        }
    }
}

#[test]
fn two_writers_in_order_are_judged_together() {
    let tasks = "
- name: base
  copy: { dest: /etc/hosts, content: \"127.0.0.1 localhost\\n\" }
- name: more
  line: { path: /etc/hosts, line: 10.0.0.1 db }
";
    let stage = Stage::tasks(1, tasks);
    stage.converge();
    assert_eq!(stage.read("h1", "/etc/hosts").unwrap(), "127.0.0.1 localhost\n10.0.0.1 db\n");
    stage.hosts["h1"].revive();
    let again = stage.plan();
    assert!(again.is_empty(), "{:?}", plan_lines(&again));
    assert_eq!(stage.hosts["h1"].batches(), 1, "judging twice asks nothing twice");
    stage.hosts["h1"].machine().put("/etc/hosts", "127.0.0.1 localhost\n10.0.0.1 db\nintruder\n");
    let (plan, report) = stage.converge();
    assert_refines(&plan, &report);
    assert_eq!(stage.read("h1", "/etc/hosts").unwrap(), "127.0.0.1 localhost\n10.0.0.1 db\n");
}

#[test]
fn a_folder_taken_away_is_judged_together_with_what_is_kept_below_it() {
    let tasks = "
- name: deep
  directory: { path: /srv/old/a/b }
- name: gone
  directory: { path: /srv/old, state: absent }
";
    let stage = Stage::tasks(1, tasks);
    stage.converge();
    let again = stage.plan();
    assert!(again.is_empty(), "{:?}", plan_lines(&again));
    let unordered = Stage::tasks(1, &format!("{tasks}  needs: []\n"));
    let context = unordered.context();
    assert!(unordered.try_plan(&context).is_err(), "whether the one or the other wins must not be chance");
}

#[test]
fn two_writers_in_no_order_are_a_problem() {
    let tasks = "
- name: base
  copy: { dest: /etc/motd, content: a }
  needs: []
- name: other
  copy: { dest: /etc/motd, content: b }
  needs: []
";
    let stage = Stage::tasks(1, tasks);
    let context = stage.context();
    let lions::engine::Unplanned::Problems(problems) = stage.try_plan(&context).unwrap_err() else { panic!() };
    let text = lions::render::problem::problems(&context.sources, &problems, false);
    assert!(text.contains("`base` and `other` both keep path /etc/motd, in no order"), "{text}");
    assert!(text.contains("playbooks/site.yml:"), "{text}");
}

#[test]
fn a_register_of_a_command_makes_what_reads_it_later_and_apply_fills_it_in() {
    let tasks = "
- name: ask
  command: { cmd: what-version }
  register: version
- name: note
  copy: { dest: /etc/version, content: \"v={{ version.stdout }}\\n\" }
- name: only for two
  copy: { dest: /etc/two, content: two }
  when: version.stdout == '2'
- name: only for three
  copy: { dest: /etc/three, content: three }
  when: version.stdout == '3'
";
    let host = MemoryHost::new().command("what-version", |_, _| output(0, "2\n"));
    let stage = Stage::tasks(1, tasks).host("h1", host);
    let (plan, report) = stage.converge();
    assert_eq!(
        plan_lines(&plan),
        [
            "ask@h1 run",
            "note@h1 create",
            "only for two@h1 later (known after: ask)",
            "only for three@h1 later (known after: ask)"
        ]
    );
    assert_refines(&plan, &report);
    assert_eq!(stage.read("h1", "/etc/version").unwrap(), "v=2\n");
    assert_eq!(stage.read("h1", "/etc/two").unwrap(), "two");
    assert_eq!(stage.read("h1", "/etc/three"), None);
}

#[test]
fn a_dead_host_holds_up_nobody_else() {
    let stage = Stage::tasks(3, "- name: greeting\n  copy: { dest: /etc/greeting, content: hello }\n");
    stage.hosts["h2"].lose_at_request(0);
    let (plan, report) = stage.converge();
    let failed: Vec<_> = plan.rows.iter().filter(|row| matches!(row.decision, Decision::Failed(_))).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(plan.places[failed[0].place as usize].as_str(), "h2");
    assert_eq!(stage.read("h1", "/etc/greeting").unwrap(), "hello");
    assert_eq!(stage.read("h3", "/etc/greeting").unwrap(), "hello");
    assert!(report_lines(&report).iter().any(|line| line.starts_with("greeting@h2 failed")));
}

#[test]
fn a_rescue_is_shown_as_such_runs_on_failure_and_the_block_is_done() {
    let tasks = "
- name: guarded
  block:
    - name: try
      command: { cmd: breaks }
    - name: not reached
      copy: { dest: /etc/reached, content: x }
  rescue:
    - name: mend
      copy: { dest: /etc/mended, content: x }
  always:
    - name: sweep
      copy: { dest: /etc/swept, content: x }
- name: after
  copy: { dest: /etc/after, content: x }
";
    for (status, mended, reached) in [(1, true, false), (0, false, true)] {
        let host = MemoryHost::new().command("breaks", move |_, _| output(status, ""));
        let stage = Stage::tasks(1, tasks).host("h1", host);
        let (plan, report) = stage.converge();
        assert!(plan.tasks.iter().any(|task| task.on_failure && task.name == "mend"));
        assert_eq!(stage.read("h1", "/etc/mended").is_some(), mended, "{:?}", report_lines(&report));
        let told = report_lines(&report).contains(&"try@h1 rescued: exited with status 1: it said nothing".to_owned());
        assert_eq!(told, mended, "a rescued failure is told, and is none of the run: {:?}", report_lines(&report));
        assert_eq!(stage.read("h1", "/etc/reached").is_some(), reached);
        assert!(stage.read("h1", "/etc/swept").is_some());
        assert!(stage.read("h1", "/etc/after").is_some(), "{:?}", report_lines(&report));
    }
}

#[test]
fn an_optional_failure_is_degraded_and_stops_nothing() {
    let tasks = "
- name: nice to have
  command: { cmd: breaks }
  optional: true
- name: needed
  copy: { dest: /etc/needed, content: x }
";
    let host = MemoryHost::new().command("breaks", |_, _| output(3, "no\n"));
    let stage = Stage::tasks(1, tasks).host("h1", host);
    let (_, report) = stage.converge();
    let lines = report_lines(&report);
    assert!(lines[0].starts_with("nice to have@h1 degraded: exited with status 3"), "{lines:?}");
    assert!(stage.read("h1", "/etc/needed").is_some());
}

#[test]
fn a_try_that_fails_is_tried_again_as_often_as_it_says() {
    let tasks = "- name: flaky\n  command: { cmd: flaky }\n  retries: 2\n  delay: 0\n";
    let host = |fails: usize| {
        let tries = std::sync::atomic::AtomicUsize::new(0);
        MemoryHost::new().command("flaky", move |_, _| {
            let nth = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            output(i32::from(nth < fails), "")
        })
    };
    let stage = Stage::tasks(1, tasks).host("h1", host(2));
    assert_eq!(report_lines(&stage.converge().1), ["flaky@h1 run"]);
    let stage = Stage::tasks(1, tasks).host("h1", host(3));
    assert!(report_lines(&stage.converge().1)[0].starts_with("flaky@h1 failed"));
}

#[test]
fn a_loop_makes_one_address_an_item_and_its_register_holds_all_results() {
    let tasks = "
- name: files
  copy: { dest: \"/etc/{{ item }}\", content: \"{{ item }}\" }
  loop: [a, b]
  register: made
- name: count
  copy: { dest: /etc/count, content: \"{{ made.results | length }}\" }
";
    let stage = Stage::tasks(1, tasks);
    let (plan, report) = stage.converge();
    let addresses: Vec<&str> = plan.tasks.iter().map(|task| task.address.as_str()).collect();
    assert_eq!(addresses, ["site/files[a]", "site/files[b]", "site/count"]);
    assert_refines(&plan, &report);
    assert_eq!(stage.read("h1", "/etc/count").unwrap(), "2");
    assert_settled(&stage.plan());
}

#[test]
fn a_read_only_command_fails_by_its_status_or_as_failed_when_says() {
    let tasks = "
- name: strict
  command: { cmd: \"false\", read_only: true }
- name: asked
  command: { cmd: \"false\", read_only: true }
  register: asked
  failed_when: asked.rc > 1
  needs: []
- name: note
  copy: { dest: /etc/rc, content: \"{{ asked.rc }}\" }
  needs: [asked]
";
    let host = MemoryHost::new().command("false", |_, _| output(1, "no such luck\n"));
    let stage = Stage::tasks(1, tasks).host("h1", host);
    let (plan, _) = stage.converge();
    assert_eq!(
        plan_lines(&plan),
        ["strict@h1 failed: exited with status 1: no such luck", "note@h1 create"],
        "what a read-only command says is known in the plan"
    );
    assert_eq!(stage.read("h1", "/etc/rc").unwrap(), "1");
}

#[test]
fn what_a_command_makes_of_a_secret_is_a_secret() {
    let role = "
- name: derive
  command: { cmd: derive, stdin: \"{{ password }}\" }
  register: derived
- name: note
  copy: { dest: /etc/derived, content: \"key={{ derived.stdout }}\\n\" }
";
    let host = MemoryHost::new().command("derive", |_, command| {
        let turned: String = String::from_utf8_lossy(command.stdin.as_ref().unwrap()).chars().rev().collect();
        output(0, &turned)
    });
    let stage =
        Stage::playbook(1, "- name: site\n  hosts: all\n  roles: [{ role: app, with: { password: hunter22 } }]\n")
            .file("roles/app/tasks.yml", role.trim())
            .file("roles/app/inputs.yml", "password: { type: secret, required: true, doc: of the app }\n")
            .host("h1", host);
    let (plan, report) = stage.converge();
    let shown = format!("{plan:?} {report:?}");
    assert!(!shown.contains("hunter22") && !shown.contains("22retnuh"), "{shown}");
    assert_eq!(stage.read("h1", "/etc/derived").unwrap(), "key=22retnuh\n");
}
