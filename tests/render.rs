//! Plans, reports and JSON as golden text: what people read, and what machines rely on.

use std::time::Duration;

use insta::assert_snapshot;
use lions::model::{
    Action, Address, After, Decision, Digest, Entry, Event, Fault, FaultKind, Field, Outcome, PlaceName, Plan, Report,
    Row, Shown, Stream, TaskInfo, Thing,
};
use lions::render::{self, Look, json};

struct Build {
    plan: Plan,
}

impl Build {
    fn new(places: &[&str]) -> Self {
        let places = places.iter().map(|name| PlaceName::new(*name)).collect();
        Self { plan: Plan { environment: "development".into(), places, ..Plan::default() } }
    }

    fn task(mut self, address: &str, resource: &str) -> Self {
        let at = self.plan.tasks.len() + 3;
        self.plan.tasks.push(TaskInfo {
            address: Address::new(address),
            name: address.rsplit('/').next().unwrap().into(),
            resource: resource.into(),
            position: format!("roles/base/tasks.yml:{at}:3"),
            handler: false,
            on_failure: false,
        });
        self
    }

    fn handler(mut self) -> Self {
        self.plan.tasks.last_mut().unwrap().handler = true;
        self
    }

    fn on_failure(mut self) -> Self {
        self.plan.tasks.last_mut().unwrap().on_failure = true;
        self
    }

    /// The same decision for the last task at all `places`.
    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    fn at(mut self, places: &[u32], decision: Decision) -> Self {
        let task = u32::try_from(self.plan.tasks.len() - 1).unwrap();
        self.plan.rows.extend(places.iter().map(|place| Row { task, place: *place, decision: decision.clone() }));
        self
    }

    fn text(&self, look: Look) -> String {
        render::plan(&self.plan, look)
    }
}

fn entry(action: Action, path: &str, fields: Vec<(&'static str, Shown, Shown)>) -> Entry {
    let fields = fields.into_iter().map(|(name, before, after)| Field { name: name.into(), before, after }).collect();
    let things = if path.is_empty() { vec![] } else { vec![Thing::path(path)] };
    Entry { action, things, fields, notifies: vec![], owed_since: None, undo: None }
}

fn change(action: Action, path: &str, fields: Vec<(&'static str, Shown, Shown)>) -> Decision {
    Decision::Change(Box::new(entry(action, path, fields)))
}

fn right() -> Decision {
    Decision::Right("same content".into())
}

fn secret(masked: &str, value: &str) -> Shown {
    Shown::Secret { masked: masked.into(), digest: Digest::of(value.as_bytes()) }
}

/// Something of everything.
fn rich() -> Build {
    let text = |text: &str| Shown::Text(text.into());
    let mut chrony = entry(
        Action::Update,
        "/etc/chrony/chrony.conf",
        vec![
            ("mode", Shown::value("0600"), Shown::value("0644")),
            (
                "content",
                text("# time\nserver a.example iburst\ndriftfile /var/lib/drift\n"),
                text("# time\nserver b.example iburst\ndriftfile /var/lib/drift\nrtcsync\n"),
            ),
        ],
    );
    chrony.notifies = vec!["chrony restarts".into()];
    let mut restart =
        entry(Action::Run, "", vec![("command", Shown::Absent, Shown::value("systemctl restart chrony"))]);
    restart.owed_since = Some("2026-11-22T02:10:00Z".into());
    Build::new(&["web-1", "web-2", "web-3", "cluster"])
        .task("hosts/base/folder", "directory")
        .at(&[0, 1, 2], right())
        .task("hosts/base/chrony configuration", "template")
        .at(&[0, 1, 2], Decision::Change(Box::new(chrony)))
        .task("hosts/base/old file is gone", "file")
        .at(&[0, 2], change(Action::Delete, "/etc/old.conf", vec![("content", text("old\n"), Shown::Absent)]))
        .at(&[1], Decision::Right("absent".into()))
        .task("hosts/base/credentials[db]", "copy")
        .at(
            &[1],
            change(
                Action::Update,
                "/etc/app/db.ini",
                vec![("content", secret("user=app\npassword=***\n", "a"), secret("user=app\npassword=***\n", "b"))],
            ),
        )
        .at(&[0, 2], right())
        .task("hosts/base/logo", "copy")
        .at(
            &[0],
            change(
                Action::Create,
                "/srv/logo.png",
                vec![
                    ("content", Shown::Absent, Shown::Binary { size: 20_480, digest: Digest::of(b"logo") }),
                    ("mode", Shown::Absent, Shown::value("0644")),
                    ("owner", Shown::Absent, Shown::Unknown(After::new("hosts/base/who"))),
                ],
            ),
        )
        .task("hosts/base/token is kept", "copy")
        .at(
            &[0, 1, 2],
            Decision::Later { after: After::new("hosts/base/read token"), things: vec![Thing::path("/etc/token")] },
        )
        .task("hosts/base/chrony restarts", "command")
        .handler()
        .at(&[0, 1, 2], Decision::Change(Box::new(restart)))
        .task("hosts/base/say sorry", "command")
        .on_failure()
        .at(&[0], change(Action::Run, "", vec![("command", Shown::Absent, Shown::value("logger sorry"))]))
        .task("hosts/base/only for debian", "command")
        .at(&[0, 1, 2], Decision::Skipped("its `when` is false".into()))
        .task("hosts/db/data folder", "directory")
        .at(
            &[1],
            Decision::Failed(Box::new(
                Fault::failed("`/srv` cannot be read")
                    .cause("Permission denied")
                    .help("add `become: true` to the task"),
            )),
        )
        .task("hosts/db/data is there", "copy")
        .at(&[1], Decision::Blocked(Address::new("hosts/db/data folder")))
        .task("hosts/db/data is checked", "command")
        .at(&[1], Decision::Blocked(Address::new("hosts/db/data folder")))
        .task("platform/app/settings", "manifest")
        .at(&[3], {
            let mut made = entry(Action::Create, "", vec![("data.level", Shown::Absent, Shown::value("debug"))]);
            made.things = vec![Thing::new("object", "v1/ConfigMap/default/app")];
            Decision::Change(Box::new(made))
        })
}

#[test]
fn a_plan_with_something_of_everything() {
    assert_snapshot!("plan_rich", rich().text(Look::default()));
}

#[test]
fn full_unfolds_hosts() {
    let text = rich().text(Look { full: true, ..Look::default() });
    assert_eq!(text.matches("~ hosts/base/chrony configuration\n").count(), 3, "{text}");
    assert_eq!(text.matches("? hosts/base/token is kept\n").count(), 3, "{text}");
    assert!(text.contains("template /etc/chrony/chrony.conf on web-2 ("), "{text}");
}

#[test]
fn verbose_says_why_the_rest_is_right() {
    let text = rich().text(Look { verbose: true, ..Look::default() });
    assert!(
        text.contains(
            "= hosts/base/old file is gone\n    file on web-2 (roles/base/tasks.yml:5:3)\n    right: absent\n"
        ),
        "{text}"
    );
    assert!(text.contains("    skipped: its `when` is false\n"), "{text}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let plain = rich().text(Look::default());
    let coloured = rich().text(Look { colour: true, ..Look::default() });
    assert_ne!(plain, coloured);
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

#[test]
fn nothing_to_do_is_one_line() {
    let build = Build::new(&["a", "b", "cluster"])
        .task("p/one", "copy")
        .at(&[0, 1], right())
        .task("p/two", "copy")
        .at(&[0], right());
    assert_eq!(build.text(Look::default()), "nothing to do: 2 tasks on 2 hosts are right\n");
    let build = build
        .task("p/three", "manifest")
        .at(&[2], right())
        .task("p/four", "copy")
        .at(&[1], Decision::Skipped("no".into()));
    assert_eq!(
        build.text(Look::default()),
        "nothing to do: 3 tasks on 2 hosts and in the cluster are right, 1 skipped\n"
    );
    assert_eq!(Build::new(&["a"]).text(Look::default()), "nothing to do: no task applies\n");
    let build = Build::new(&["a"]).task("p/one", "copy").at(&[0], right());
    assert_eq!(build.text(Look::default()), "nothing to do: 1 task on 1 host is right\n");
    // A rescue is no work to do.
    let build = build.task("p/sorry", "command").on_failure().at(&[0], change(Action::Run, "", vec![]));
    assert_eq!(build.text(Look::default()), "nothing to do: 1 task on 1 host is right\n");
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_it_is() {
    let evil = "a\x1b]0;owned\x07\x1b[2Jb\u{9b}31m\u{202e}c\rd";
    let shown = || Shown::value(evil);
    let mut build = Build::new(&[evil]);
    build.plan.environment = evil.into();
    let mut entry = entry(
        Action::Update,
        evil,
        vec![
            ("value", shown(), shown()),
            ("text", Shown::Text(format!("{evil}\n")), Shown::Text(format!("{evil}!\n"))),
            ("secret", secret(&format!("{evil}\n***"), "a"), secret(&format!("{evil}\n{evil}***"), "b")),
            ("unknown", Shown::Absent, Shown::Unknown(After::new(evil))),
        ],
    );
    entry.notifies = vec![evil.into()];
    entry.owed_since = Some(evil.into());
    entry.fields[0].name = evil.into();
    let fault = Fault::failed(evil).cause(format!("{evil}\n{evil}")).help(evil);
    build = build
        .task(evil, evil)
        .at(&[0], Decision::Change(Box::new(entry.clone())))
        .task("later", "copy")
        .at(&[0], Decision::Later { after: After::new(evil), things: vec![Thing::path(evil)] })
        .task("fails", "copy")
        .at(&[0], Decision::Failed(Box::new(fault.clone())))
        .task("blocked", "copy")
        .at(&[0], Decision::Blocked(Address::new(evil)))
        .task("skipped", "copy")
        .at(&[0], Decision::Skipped(evil.into()));
    build.plan.tasks[0].position = evil.into();
    let report = Report {
        environment: evil.into(),
        places: build.plan.places.clone(),
        tasks: build.plan.tasks.clone(),
        rows: vec![
            (0, 0, Outcome::Changed(Box::new(entry))),
            (1, 0, Outcome::Degraded(Box::new(fault.clone()))),
            (2, 0, Outcome::Failed(Box::new(fault))),
            (3, 0, Outcome::Blocked(Address::new(evil))),
        ],
        interrupted: true,
    };
    let texts = [
        build.text(Look { verbose: true, full: true, colour: false }),
        render::report(&report, Duration::ZERO, false),
        lines(json::plan(&build.plan)),
        lines(json::report(&report, Duration::ZERO)),
    ];
    for text in &texts[..2] {
        assert!(
            !text.chars().any(|letter| (letter.is_control() && letter != '\n') || letter == '\u{202e}'),
            "{text:?}"
        );
    }
    // A terminal obeys C0 codes only: JSON spells those out itself.
    for text in &texts[2..] {
        assert!(!text.bytes().any(|byte| byte < 0x20 && byte != b'\n'), "{text:?}");
    }
}

#[test]
fn a_thousand_hosts_are_one_entry() {
    let names: Vec<String> = (0..1000).map(|at| format!("web-{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let all: Vec<u32> = (0..1000).collect();
    let build = Build::new(&names)
        .task("p/file", "copy")
        .at(&all, change(Action::Create, "/etc/f", vec![("mode", Shown::Absent, Shown::value("0644"))]));
    assert_snapshot!(build.text(Look::default()), @r"
    development: 1000 to create

    + p/file
        copy /etc/f on 1000 hosts: web-0, web-1, web-2, web-3, web-4, web-5 and 994 more (roles/base/tasks.yml:3:3)
        mode: 0644
    ");
}

fn ran() -> Report {
    let build = rich();
    let unreachable = Fault::new(FaultKind::Unreachable, "`web-2` does not answer").cause("connection refused");
    let made =
        entry(Action::Update, "/etc/chrony/chrony.conf", vec![("mode", Shown::value("0600"), Shown::value("0644"))]);
    let failed = Fault::failed("`chronyd -p` ended with status 1")
        .cause("line 1: bad\nline 2: worse")
        .help("mend `templates/chrony.conf.j2`");
    let blocked = |by: &str| Outcome::Blocked(Address::new(by));
    Report {
        environment: "development".into(),
        places: build.plan.places,
        tasks: build.plan.tasks,
        rows: vec![
            (0, 0, Outcome::Right),
            (0, 1, Outcome::Failed(Box::new(unreachable))),
            (0, 2, Outcome::Right),
            (1, 0, Outcome::Failed(Box::new(failed.clone()))),
            (1, 1, blocked("hosts/base/folder")),
            (1, 2, Outcome::Failed(Box::new(failed))),
            (2, 0, blocked("hosts/base/chrony configuration")),
            (2, 1, blocked("hosts/base/folder")),
            (2, 2, blocked("hosts/base/chrony configuration")),
            (3, 1, blocked("hosts/base/folder")),
            (4, 0, Outcome::Degraded(Box::new(Fault::failed("no space left on `/srv`")))),
            (5, 2, Outcome::Changed(Box::new(made))),
            (6, 0, blocked("hosts/base/chrony configuration")),
            (7, 0, Outcome::Skipped("nothing failed".into())),
            (8, 0, Outcome::Skipped("its `when` is false".into())),
            (9, 1, Outcome::AlreadyRight),
            (12, 3, Outcome::NotRun),
        ],
        interrupted: true,
    }
}

#[test]
fn a_report_with_something_of_everything() {
    assert_snapshot!("report_rich", render::report(&ran(), Duration::from_millis(3210), false));
}

#[test]
fn a_good_report_is_one_line() {
    let mut report = ran();
    report.interrupted = false;
    report.rows = vec![
        (0, 0, Outcome::Right),
        (1, 0, Outcome::Changed(Box::new(entry(Action::Create, "/a", vec![])))),
        (7, 0, Outcome::Skipped("nothing failed".into())),
    ];
    assert_eq!(render::report(&report, Duration::from_secs(12), false), "development: 1 changed, 1 right, in 12s\n");
}

fn lines(events: impl Iterator<Item = serde_json::Value>) -> String {
    events.map(|event| event.to_string() + "\n").collect()
}

#[test]
fn plans_and_reports_as_json() {
    assert_snapshot!("plan_json", lines(json::plan(&rich().plan)));
    assert_snapshot!("report_json", lines(json::report(&ran(), Duration::from_millis(3210))));
}

#[test]
fn json_says_nothing_of_secrets() {
    let text = lines(json::plan(&rich().plan));
    assert!(text.contains(r#"{"secret":"user=app\npassword=***\n"}"#), "{text}");
    for value in ["a", "b"] {
        assert!(!text.contains(&Digest::of(value.as_bytes()).to_string()), "the digest of a secret can be guessed at");
    }
}

#[test]
fn events_as_json() {
    let (address, place) = (Address::new("p/t"), PlaceName::new("web-1"));
    let events = [
        Event::Started { doing: "apply", nodes: 3 },
        Event::Connecting { place: place.clone() },
        Event::Planned { address: address.clone(), place: place.clone(), decision: right() },
        Event::Running { address: address.clone(), place: place.clone(), what: "writes `/a`".into() },
        Event::Waiting { address: address.clone(), place: place.clone(), why: "1 of 2 pods ready".into() },
        Event::Output { address: address.clone(), place: place.clone(), stream: Stream::Err, line: "x\x1b[0m".into() },
        Event::Retrying { address: address.clone(), place: place.clone(), attempt: 2, fault: Fault::failed("no") },
        Event::Done { address, place, outcome: Outcome::AlreadyRight, took: Duration::from_millis(1500) },
        Event::Warning { what: "slow clock".into() },
    ];
    let text = lines(std::iter::once(json::version()).chain(events.iter().map(json::event)));
    assert_snapshot!("events_json", text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}
