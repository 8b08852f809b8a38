//! A whole project that is right.

use lions::language::program::Part;
use lions::model::Value;

use super::*;

#[test]
fn the_example_of_the_design_loads() {
    let files = Files::disk(fixture("good"));
    let loaded = good(&files, &Wanted::default());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let program = &loaded.program;
    let plays: Vec<_> = program.plays.iter().map(|play| (play.name.as_str(), play.hosts.clone())).collect();
    assert_eq!(plays, [("prepare hosts", vec![0, 1]), ("servers", vec![0]), ("platform", vec![])]);
    assert_eq!(program.plays[1].max_failures, 1);
    assert_eq!(program.plays[1].rollout.as_ref().unwrap().batches, [vec![0]]);
    assert_eq!(program.environment.ssh_config.as_deref(), Some("inventories/development/ssh_config"));
    assert!(program.reads_facts());

    let Part::Role(base) = &program.plays[0].body[0] else { panic!("a role") };
    assert_eq!((base.name.as_str(), base.body.len(), base.handlers.len()), ("base", 10, 1));
    assert_eq!(task(program, "copy motd").become_user.as_deref(), Some("root"));
    assert!(task(program, "chrony restarts").handler);
    assert_eq!(task(program, "uptime is kept").reads[0].0, "uptime");
    assert!(task(program, "uptime is asked").reads.is_empty());
    let keys: Vec<_> = task(program, "people").items.as_ref().unwrap().items.iter().map(|item| &item.key).collect();
    assert_eq!(keys, ["alice", "bob"]);
}

#[test]
fn what_is_kept_of_a_project_loads_to_the_same() {
    let disk = Files::disk(fixture("good"));
    let first = good(&disk, &Wanted::default());
    let texts = disk.read().into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect();
    let second = good(&Files::kept(texts), &Wanted::default());
    assert_eq!(first.sources.iter().count(), second.sources.iter().count());
    assert_eq!(format!("{:?}", first.program.tasks), format!("{:?}", second.program.tasks));
}

#[test]
fn values_come_from_the_layer_that_holds() {
    let loaded = good(&Files::disk(fixture("good")), &Wanted::default());
    let program = &loaded.program;
    let chrony = task(program, "chrony configuration");
    let server = render(program, chrony, Some(0), None);
    let agent = render(program, chrony, Some(1), None);
    let text = |rendered: &Rendered| match rendered.value.get("src") {
        Some(Value::Content(content)) => String::from_utf8(content.bytes().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text(&server),
        "# vps-1 10\npeer vps-1 dev.lions.dev\npeer vps-2 dev.lions.dev\nmailto root@dev.lions.dev\n"
    );
    assert!(text(&agent).starts_with("# vps-2 60\n"));
    assert!(server.varies);
    assert!(!render(program, task(program, "chrony is installed"), Some(0), None).varies);
    assert!(!render(program, task(program, "k3s"), Some(0), None).varies);

    let keycloak = program.tasks.iter().find(|task| task.name == "workload" && task.scope == 4).unwrap();
    let rendered = render(program, keycloak, None, None);
    assert_eq!(at(&rendered, &["definition", "spec", "replicas"]), "2");
    assert_eq!(at(&rendered, &["definition", "spec", "host"]), "keycloak.dev.lions.dev");
    let secret = render(program, task(program, "secret"), None, None);
    assert_eq!(at(&secret, &["definition", "stringData", "password"]), "\"***\"");
    assert!(secret.value.has_secret());
}

#[test]
fn unknown_names_come_back_as_unknown() {
    let loaded = good(&Files::disk(fixture("good")), &Wanted::default());
    let rendered = render(&loaded.program, task(&loaded.program, "uptime is kept"), Some(0), None);
    assert_eq!(rendered.value.get("content").and_then(Value::unknown).unwrap().to_string(), "(known after: uptime)");
    assert!(rendered.varies);
}
