//! What leaves a playbook is taken away, and never anything else.

use lions::targets::host::memory::{MemoryHost, Offer};

use super::stage::{Stage, assert_refines, plan_lines, report_lines};

const ALL: &str = "
- name: folder
  directory: { path: /srv/app }
- name: below
  directory: { path: /srv/app/below }
- name: one
  copy: { dest: /srv/app/below/one, content: 1 }
- name: two
  copy: { dest: /srv/app/two, content: 2 }
- name: there before
  copy: { dest: /etc/there, content: new }
- name: current
  link: { dest: /srv/current, src: /srv/app }
- name: line
  line: { path: /srv/app/lines, line: hello, create: true }
";
const FEW: &str = "
- name: folder
  directory: { path: /srv/app }
";

fn site(tasks: &str) -> String {
    format!("- name: site\n  hosts: all\n  tasks:\n    {}\n", tasks.trim().replace('\n', "\n    "))
}

fn host() -> MemoryHost {
    MemoryHost::new().directory("/srv").file("/etc/there", "old")
}

fn stage(host: &MemoryHost, tasks: &str) -> Stage {
    Stage::playbook(1, &site(tasks)).host("h1", host.clone()).owned()
}

/// What the plan says of things that are no longer declared.
fn gone(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .filter_map(|line| line.split_once(" is no longer declared@h1 "))
        .map(|(what, how)| format!("{what} {how}"))
        .collect()
}

#[test]
fn what_leaves_the_playbook_is_shown_as_deletes_and_taken_away_last() {
    let host = host();
    stage(&host, ALL).converge();
    let (plan, _) = stage(&host, ALL).converge();
    assert!(plan.is_empty(), "{:?}", plan_lines(&plan));
    let few = stage(&host, FEW);
    let before = host.snapshot();
    let plan = few.plan();
    assert_eq!(host.snapshot(), before, "plan changes nothing");
    // What lies deepest goes first, so its folder is empty; the file that was there before is nobody's to take.
    assert_eq!(
        gone(&plan_lines(&plan)),
        [
            "path /srv/current delete",
            "path /srv/app/two delete",
            "path /srv/app/below/one delete",
            "path /srv/app/below delete"
        ]
    );
    let report = few.apply(&plan);
    assert_refines(&plan, &report);
    assert_eq!(few.read("h1", "/etc/there").as_deref(), Some("new"));
    assert_eq!(few.read("h1", "/srv/app/lines").as_deref(), Some("hello\n"), "a file that several may edit stays");
    assert_eq!(few.read("h1", "/srv/app/two"), None);
    assert!(stage(&host, FEW).plan().is_empty());
    // What comes back is made, noted, and goes again.
    stage(&host, ALL).converge();
    assert_eq!(gone(&plan_lines(&stage(&host, FEW).plan())).len(), 4);
}

#[test]
fn a_folder_with_something_of_somebody_else_stays() {
    let host = host();
    stage(&host, ALL).converge();
    let host = host.file("/srv/app/below/theirs", "precious");
    let (plan, report) = stage(&host, FEW).converge();
    assert!(!gone(&plan_lines(&plan)).iter().any(|line| line.starts_with("path /srv/app/below delete")));
    assert!(report_lines(&report).iter().all(|line| !line.contains("failed")), "{:?}", report_lines(&report));
    assert_eq!(stage(&host, FEW).read("h1", "/srv/app/below/theirs").as_deref(), Some("precious"));
}

#[test]
fn only_all_of_the_same_playbook_takes_away_and_never_what_may_still_be_declared() {
    let host = host();
    stage(&host, ALL).converge();
    // A part of it.
    let mut part = stage(&host, FEW);
    part.whole = false;
    assert!(part.plan().is_empty());
    // Another playbook, or the same of another environment.
    let mut other = stage(&host, FEW);
    other.owner.as_mut().unwrap().playbook = "playbooks/other.yml".to_owned();
    assert!(other.plan().is_empty());
    // A task that is skipped, and one of which the path is not known.
    let skipped = format!("{FEW}- name: two\n  copy: {{ dest: /srv/app/two, content: 2 }}\n  when: false\n");
    let lines = gone(&plan_lines(&stage(&host, &skipped).plan()));
    assert!(!lines.iter().any(|line| line.contains("/srv/app/two")) && lines.len() == 3, "{lines:?}");
    let open = format!(
        "{FEW}- name: ask\n  command: {{ cmd: ask }}\n  register: answer\n\
         - name: file\n  copy: {{ dest: \"/srv/{{{{ answer.stdout }}}}\", content: x }}\n"
    );
    assert_eq!(gone(&plan_lines(&stage(&host, &open).plan())), Vec::<String>::new());
}

#[test]
fn nothing_is_taken_away_where_something_failed() {
    let host = host();
    stage(&host, ALL).converge();
    let few = stage(&host, &format!("{FEW}- name: new\n  copy: {{ dest: /srv/app/new, content: new }}\n"));
    let plan = few.plan();
    host.fail_step(host.steps().len());
    let report = few.apply(&plan);
    let lines = report_lines(&report);
    assert!(lines.iter().any(|line| line.starts_with("new@h1 failed")), "{lines:?}");
    assert_eq!(
        gone(&lines),
        ["path /srv/current", "path /srv/app/two", "path /srv/app/below/one", "path /srv/app/below"]
            .map(|path| format!("{path} blocked by site/new"))
    );
    assert_eq!(few.read("h1", "/srv/app/two").as_deref(), Some("2"));
}

#[test]
fn a_ledger_that_somebody_wrote_into_makes_nothing_but_deletes() {
    let owner = "\"owner\":{\"project\":\"project\",\"environment\":\"test\",\"playbook\":\"playbooks/site.yml\"}";
    let lines = [
        "garbage".to_owned(),
        format!(
            "{{\"made\":{{{owner},\"task\":\"t\",\"things\":[{{\"kind\":\"path\",\"name\":\"/x\"}}],\"undo\":{{\"resource\":\"command\",\"params\":{{\"cmd\":\"evil\",\"state\":\"absent\"}}}}}}}}"
        ),
        format!(
            "{{\"made\":{{{owner},\"task\":\"t\",\"things\":[{{\"kind\":\"path\",\"name\":\"/y\"}}],\"undo\":{{\"resource\":\"copy\",\"params\":{{\"dest\":\"/y\",\"content\":\"evil\"}}}}}}}}"
        ),
        format!(
            "{{\"made\":{{{owner},\"task\":\"t\",\"things\":[{{\"kind\":\"path\",\"name\":\"/etc\"}}],\"undo\":{{\"resource\":\"file\",\"params\":{{\"path\":\"/etc\",\"state\":\"absent\"}}}}}}}}"
        ),
    ];
    let host = host().file("/var/lib/lions/ledger", lines.join("\n"));
    let plan = stage(&host, "- name: nothing\n  assert: { that: [\"true\"] }").plan();
    assert_eq!(gone(&plan_lines(&plan)), Vec::<String>::new());
}

/// Packages may bring many things, but no ledger: a host that has none yet is not said to hide it.
#[test]
fn packages_leave_nothing_open_about_what_was_made_earlier() {
    let offer = Offer { version: "1.0".to_owned(), ..Offer::default() };
    let host = MemoryHost::new().directory("/var/lib").offer("nginx", offer);
    let stage = stage(&host, "- package: { name: nginx }");
    let (events, mut told) = lions::engine::Events::channel();
    let plan = stage.plan_in(&lions::engine::Context { events, ..stage.context() });
    assert_eq!(plan_lines(&plan).len(), 1, "{:?}", plan_lines(&plan));
    while let Ok(event) = told.try_recv() {
        assert!(!matches!(event, lions::model::Event::Warning { .. }), "{event:?}");
    }
}
