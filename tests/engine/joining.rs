//! Package tasks right after each other are one transaction; a handler starts no unit again that was started since.

use lions::model::{Decision, Outcome};
use lions::targets::host::memory::{MemoryHost, Offer};
use lions::targets::host::{Active, Step};

use super::stage::{Stage, assert_refines, assert_settled, plan_lines, report_lines};

fn offer(version: &str) -> Offer {
    Offer { version: version.to_owned(), ..Offer::default() }
}

fn host() -> MemoryHost {
    MemoryHost::new().offer("one", offer("1")).offer("two", offer("2")).offer("three", offer("3"))
}

/// The names of each transaction.
fn transactions(stage: &Stage) -> Vec<Vec<String>> {
    let steps = stage.hosts["h1"].steps();
    let all = steps.iter().filter_map(|step| if let Step::Packages(packages) = step { Some(packages) } else { None });
    all.map(|packages| packages.install.iter().map(|install| install.name.clone()).collect()).collect()
}

const THREE: &str = "
- name: first
  package: { name: one }
- name: second
  package: { name: [two] }
  register: second
- name: third
  package: { name: three }
- name: told
  copy: { dest: /etc/told, content: \"{{ 'x' if second.changed else 'x' }}\" }
";

#[test]
fn packages_right_after_each_other_are_one_transaction() {
    let stage = Stage::tasks(1, THREE).host("h1", host());
    let (plan, report) = stage.converge();
    assert_refines(&plan, &report);
    assert_eq!(transactions(&stage), [["one", "two", "three"]]);
    let lines = report_lines(&report);
    assert_eq!(lines, ["first@h1 create", "second@h1 create", "third@h1 create", "told@h1 create"]);
    let changed = |outcome: &Outcome| matches!(outcome, Outcome::Changed(entry) if entry.fields.len() == 1);
    assert!(report.rows[..3].iter().all(|(_, _, outcome)| changed(outcome)), "each tells its own");
    assert_settled(&stage.plan());
}

#[test]
fn a_transaction_that_fails_is_told_by_all_who_are_in_it() {
    let stage = Stage::tasks(1, THREE).host("h1", host());
    let plan = stage.plan();
    stage.hosts["h1"].fail_step(0);
    let report = stage.apply(&plan);
    let failed = "failed: step 0 was told to fail";
    assert_eq!(
        report_lines(&report),
        [
            format!("first@h1 {failed}"),
            format!("second@h1 {failed}"),
            format!("third@h1 {failed}"),
            "told@h1 blocked by site/third".to_owned()
        ]
    );
    stage.hosts["h1"].revive();
    let (_, report) = stage.converge();
    assert_eq!(report_lines(&report).len(), 4);
    assert_eq!(transactions(&stage), [["one", "two", "three"]]);
}

#[test]
fn what_stands_between_or_goes_its_own_way_is_not_joined() {
    for (second, third) in [
        ("command: { cmd: \"true\" }", "package: { name: two }"),
        ("package: { name: one, state: absent }", "package: { name: two }"),
        ("package: { name: two }\n  optional: true", "package: { name: three }\n  retries: 2"),
        ("package: { name: two }\n  become_user: app", "package: { name: three }"),
        ("package: { name: two, update_cache: true }", "package: { name: three }\n  timeout: 10s"),
    ] {
        let tasks = format!("- name: first\n  package: {{ name: one }}\n- name: b\n  {second}\n- name: c\n  {third}\n");
        let stage = Stage::tasks(1, &tasks).host("h1", host());
        let (_, report) = stage.converge();
        let failed = report.rows.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)));
        assert!(!failed, "{second}: {:?}", report_lines(&report));
        assert!(transactions(&stage).iter().all(|names| names.len() <= 1), "{second}: {:?}", transactions(&stage));
    }
}

#[test]
fn one_that_is_right_by_now_is_left_out() {
    let stage = Stage::tasks(1, THREE).host("h1", host());
    let plan = stage.plan();
    let _ = stage.hosts["h1"].clone().package("two", "2");
    let report = stage.apply(&plan);
    // What follows it does not come right after the first.
    assert_eq!(transactions(&stage), [["one"], ["three"]]);
    assert!(report_lines(&report).contains(&"second@h1 already right".to_owned()));
}

const UNIT: &str = "[Service]\\nExecStart=/bin/app\\n[Install]\\nWantedBy=multi-user.target\\n";

fn app(tasks: &str) -> String {
    format!(
        "- name: site\n  hosts: all\n  tasks:\n{tasks}  handlers:\n    - name: app restarts\n      service: {{ name: app, state: restarted }}\n"
    )
}

#[test]
fn what_is_started_after_the_change_is_not_started_again() {
    let tasks = format!(
        "    - name: unit\n      copy: {{ dest: /etc/systemd/system/app.service, content: \"{UNIT}\" }}\n      notify: app restarts\n    \
         - name: runs\n      service: {{ name: app, state: started, enabled: true }}\n"
    );
    let host = MemoryHost::new().directory("/etc/systemd/system");
    let stage = Stage::playbook(1, &app(&tasks)).host("h1", host);
    let (plan, report) = stage.converge();
    assert_refines(&plan, &report);
    let skipped = "app restarts@h1 skipped: `app.service` is started after the last change";
    assert_eq!(plan_lines(&plan), ["unit@h1 create", "runs@h1 change", skipped]);
    assert_eq!(stage.hosts["h1"].machine().starts("app.service"), 1);
    let again = stage.plan();
    assert_eq!(plan_lines(&again), ["app restarts@h1 skipped: not notified"], "and nothing is owed");
    // Now it runs already: a change is followed by a restart.
    let stage = stage.file("playbooks/site.yml", &app(&tasks.replace("/bin/app", "/bin/app2")));
    let (plan, report) = stage.converge();
    assert_refines(&plan, &report);
    assert_eq!(plan_lines(&plan), ["unit@h1 change", "app restarts@h1 run"]);
    assert_eq!(stage.hosts["h1"].machine().starts("app.service"), 2);
}

#[test]
fn what_was_started_before_the_change_is_started_again() {
    let tasks = "    - name: runs\n      service: { name: app, state: started }\n    \
                 - name: settings\n      copy: { dest: /etc/app.conf, content: x }\n      notify: app restarts\n";
    let stage =
        Stage::playbook(1, &app(tasks)).host("h1", MemoryHost::new().unit("app.service", Active::Inactive, "enabled"));
    let (plan, report) = stage.converge();
    assert_refines(&plan, &report);
    assert_eq!(plan_lines(&plan), ["runs@h1 change", "settings@h1 create", "app restarts@h1 run"]);
    assert_eq!(stage.hosts["h1"].machine().starts("app.service"), 2);
}

#[test]
fn a_start_that_did_not_come_leaves_the_restart_owed() {
    let tasks = "    - name: settings\n      copy: { dest: /etc/app.conf, content: x }\n      notify: app restarts\n    \
                 - name: runs\n      service: { name: app, state: started }\n";
    let host = MemoryHost::new().unit("app.service", Active::Inactive, "enabled");
    let stage = Stage::playbook(1, &app(tasks)).host("h1", host);
    let plan = stage.plan();
    assert!(matches!(&plan.rows[2].decision, Decision::Skipped(_)));
    // Somebody starts it in between, with the old settings.
    let _ = stage.hosts["h1"].clone().unit("app.service", Active::Active, "enabled");
    let report = stage.apply(&plan);
    assert!(report_lines(&report).contains(&"runs@h1 already right".to_owned()));
    assert_eq!(plan_lines(&stage.plan()), ["app restarts@h1 run"], "the next run pays");
}

#[test]
fn a_package_may_start_its_service_before_its_settings_are_written() {
    let offer = Offer { version: "1".into(), units: vec!["app.service".into()], ..Offer::default() };
    let tasks = "    - name: package\n      package: { name: app }\n    \
                 - name: settings\n      copy: { dest: /etc/app.conf, content: x }\n      notify: app restarts\n    \
                 - name: runs\n      service: { name: app, state: started }\n";
    let stage = Stage::playbook(1, &app(tasks)).host("h1", MemoryHost::new().offer("app", offer));
    let (plan, report) = stage.converge();
    assert_eq!(plan_lines(&plan), ["package@h1 create", "settings@h1 create", "runs@h1 change", "app restarts@h1 run"]);
    assert_eq!(
        report_lines(&report),
        ["package@h1 create", "settings@h1 create", "runs@h1 already right", "app restarts@h1 run"]
    );
    assert_settled(&stage.plan());
}

const NEW: &str = "
- name: folder
  directory: { path: /srv/app/data, owner: app }
- name: file
  copy: { dest: /srv/app/data/file, content: x }
  register: file
- name: line
  line: { path: /srv/app/data/lines, line: one, create: true }
- name: another
  line: { path: /srv/app/data/lines, line: two }
- name: secret
  copy: { dest: /etc/secret, content: \"{{ 'a' * 3 }}\", mode: \"0600\" }
- name: told
  copy: { dest: /etc/told, content: \"{{ 'x' if file.changed else 'x' }}\" }
";

#[test]
fn new_things_right_after_each_other_are_one_request() {
    let stage = Stage::tasks(1, NEW).host("h1", MemoryHost::new().directory("/srv"));
    let plan = stage.plan();
    stage.hosts["h1"].revive();
    let report = stage.apply(&plan);
    assert_refines(&plan, &report);
    let lines = report_lines(&report);
    let made = ["folder", "file", "line", "another", "secret", "told"];
    assert_eq!(lines.len(), made.len());
    for (line, name) in lines.iter().zip(made) {
        assert!(line == &format!("{name}@h1 create") || line == &format!("{name}@h1 change"), "{lines:?}");
    }
    assert_eq!(stage.read("h1", "/srv/app/data/lines").as_deref(), Some("one\ntwo\n"));
    assert_eq!(stage.read("h1", "/etc/told").as_deref(), Some("x"));
    // A look and what was seen, another for who reads a register, and that one.
    let requests = stage.hosts["h1"].requests();
    assert!(requests <= 6, "{requests} requests");
    assert_settled(&stage.plan());
}

#[test]
fn what_cannot_be_made_together_is_made_one_by_one() {
    // By the number of the step that fails: /srv/app, then each task's own.
    for (step, done) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4)] {
        let stage = Stage::tasks(1, NEW).host("h1", MemoryHost::new().directory("/srv"));
        let plan = stage.plan();
        stage.hosts["h1"].fail_step(step);
        let lines = report_lines(&stage.apply(&plan));
        let changed = |line: &&String| line.ends_with(" create") || line.ends_with(" change");
        assert_eq!(lines.iter().filter(changed).count(), done, "step {step}: {lines:?}");
        assert!(lines[done].ends_with(&format!("failed: step {step} was told to fail")), "step {step}: {lines:?}");
        assert!(lines[done + 1..].iter().all(|line| line.contains("blocked by")), "step {step}: {lines:?}");
        stage.hosts["h1"].revive();
        stage.converge();
    }
}

#[test]
fn a_host_that_is_lost_leaves_all_of_them_in_doubt() {
    let stage = Stage::tasks(1, NEW).host("h1", MemoryHost::new().directory("/srv"));
    let plan = stage.plan();
    stage.hosts["h1"].lose_after_step(2);
    let lines = report_lines(&stage.apply(&plan));
    assert!(lines[..5].iter().all(|line| line.ends_with("failed: the host was lost")), "{lines:?}");
    assert!(lines[5].contains("blocked by"), "{lines:?}");
    stage.hosts["h1"].revive();
    stage.converge();
}

/// What a run says that the user ends (Ctrl-C twice) when `steps` are done, and nothing is heard of the last of them.
fn ended_after(stage: &Stage, steps: usize) -> Vec<String> {
    let (context, plan) = (stage.context(), stage.plan());
    let host = stage.hosts["h1"].clone();
    host.hang_after_step(steps - 1);
    let stop = context.options.stop.clone();
    let user = std::thread::spawn(move || {
        while host.steps().len() < steps {
            std::thread::yield_now();
        }
        stop.ask();
        stop.ask();
    });
    let report = stage.apply_in(&context, &plan);
    user.join().unwrap();
    stage.hosts["h1"].revive();
    let told = |outcome: &Outcome| match outcome {
        Outcome::Failed(fault) => fault.to_string(),
        other => format!("{other:?}"),
    };
    report.rows.iter().map(|(_, _, outcome)| told(outcome)).collect()
}

#[test]
fn what_was_sent_together_may_have_been_done_when_the_user_ends_it() {
    let doubt =
        |first: &str| format!("ended by the user: it was under way together with `{first}`: it may have been done");
    let stage = Stage::tasks(1, NEW).host("h1", MemoryHost::new().directory("/srv"));
    let told = ended_after(&stage, 6);
    assert_eq!(told[0], "ended by the user");
    assert!(told[1..5].iter().all(|told| *told == doubt("folder")), "{told:#?}");
    assert_eq!(told[5], "NotRun");
    stage.converge();
    assert_settled(&stage.plan());

    let stage = Stage::tasks(1, THREE).host("h1", host());
    let told = ended_after(&stage, 1);
    assert_eq!(told[..3], ["ended by the user".to_owned(), doubt("first"), doubt("first")], "{told:#?}");
    stage.converge();
    assert_settled(&stage.plan());
}
