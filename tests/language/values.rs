//! Layers of values: their order, `--set`, secrets, and where a value comes from.

use std::io::Write as _;

use lions::language::Traced;
use proptest::prelude::*;

use super::*;

fn set(pairs: &[(&str, &str)]) -> Wanted {
    let set = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Wanted { set, ..Wanted::default() }
}

/// A project in which each of the six layers of the input `size` is there or not.
fn layered(layers: [bool; 6]) -> (Files, Wanted) {
    let [default, environment, group, host, with, command_line] = layers;
    let value = |there: bool, value: u32| if there { format!("{{ size: {value} }}") } else { "{}".to_owned() };
    let env = format!(
        "hosts: {{ a: {{ groups: [web], vars: {{ app: {} }} }} }}\ngroups: {{ web: {{ vars: {{ app: {} }} }} }}\nvars: {{ app: {} }}\n",
        value(host, 4),
        value(group, 3),
        value(environment, 2)
    );
    let site = format!("- {{ name: all, hosts: all, roles: [{{ role: app, with: {} }}] }}", value(with, 5));
    let input = if default { "default: 1" } else { "required: true" };
    let files = small(&[
        ("inventories/dev/environment.yml", &env),
        ("playbooks/site.yml", &site),
        ("roles/app/inputs.yml", &format!("size: {{ type: int, {input}, doc: x }}")),
        ("roles/app/tasks.yml", "- { name: run, command: { cmd: '{{ size }}' } }"),
    ]);
    (files, if command_line { set(&[("app.size", "6")]) } else { Wanted::default() })
}

proptest! {
    #[test]
    fn the_highest_layer_that_is_there_holds(layers: [bool; 6]) {
        let (files, wanted) = layered(layers);
        let Some(highest) = layers.iter().rposition(|there| *there) else {
            prop_assert!(bad(&files, &wanted).contains("needs the input `size`"));
            return Ok(());
        };
        let loaded = good(&files, &wanted);
        let rendered = render(&loaded.program, task(&loaded.program, "run"), Some(0), None);
        prop_assert_eq!(at(&rendered, &["cmd"]), (highest + 1).to_string());
        // Only a layer of a group or a host that holds makes it vary.
        let above = layers[4] || layers[5];
        prop_assert_eq!(rendered.varies, !above && (layers[2] || layers[3]));

        let traced = loaded.program.trace(Some("a"), "app.size").unwrap();
        let found: Vec<_> = traced[0].layers.iter().map(|layer| (layer.value.to_string(), layer.holds)).collect();
        let wanted: Vec<_> = (0..6).filter(|at| layers[*at]).map(|at| ((at + 1).to_string(), at == highest)).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn vars_rise_from_the_environment_to_the_command_line(layers: [bool; 4]) {
        let [environment, group, host, command_line] = layers;
        prop_assume!(environment || group || host);
        let value = |there: bool, value: u32| if there { format!("{{ size: {value} }}") } else { "{}".to_owned() };
        let env = format!(
            "hosts: {{ a: {{ groups: [web], vars: {} }} }}\ngroups: {{ web: {{ vars: {} }} }}\nvars: {}\n",
            value(host, 3), value(group, 2), value(environment, 1)
        );
        let files = small(&[
            ("inventories/dev/environment.yml", &env),
            ("roles/app/tasks.yml", "- { name: run, command: { cmd: '{{ size }}' } }"),
        ]);
        let wanted = if command_line { set(&[("size", "4")]) } else { Wanted::default() };
        let loaded = good(&files, &wanted);
        let rendered = render(&loaded.program, task(&loaded.program, "run"), Some(0), None);
        let highest = layers.iter().rposition(|there| *there).unwrap();
        prop_assert_eq!(at(&rendered, &["cmd"]), (highest + 1).to_string());
    }
}

#[test]
fn values_may_name_others_and_are_lazy() {
    let loaded = good(
        &small(&[
            (
                "inventories/dev/environment.yml",
                "hosts: { a: { vars: { zone: x } }, b: { vars: { zone: y } } }\nvars: { fqdn: '{{ name }}.{{ zone }}.org', name: '{{ inventory_hostname }}', list: '{{ [1, 2] }}' }\n",
            ),
            (
                "roles/app/inputs.yml",
                "all: { type: list, default: '{{ list }}', doc: x }\nurl: { type: text, default: 'https://{{ fqdn }}/{{ all | length }}', doc: x }",
            ),
            ("roles/app/tasks.yml", "- { name: run, command: { cmd: '{{ url }}' } }"),
        ]),
        &Wanted::default(),
    );
    let run = task(&loaded.program, "run");
    assert_eq!(at(&render(&loaded.program, run, Some(0), None), &["cmd"]), "https://a.x.org/2");
    assert_eq!(at(&render(&loaded.program, run, Some(1), None), &["cmd"]), "https://b.y.org/2");
}

#[test]
fn the_command_line_names_roles_vars_and_the_component() {
    let project = || {
        small(&[
            ("inventories/dev/environment.yml", "{ hosts: { a: {} }, vars: { domain: x } }"),
            (
                "roles/app/inputs.yml",
                "size: { type: text, default: s, doc: x }\ncount: { type: int, default: 1, doc: x }",
            ),
            ("roles/app/tasks.yml", "- { name: run, command: { cmd: '{{ size }} {{ count }} {{ domain }}' } }"),
        ])
    };
    let cmd = |wanted: &Wanted| {
        let loaded = good(&project(), wanted);
        at(&render(&loaded.program, task(&loaded.program, "run"), Some(0), None), &["cmd"])
    };
    assert_eq!(cmd(&set(&[("app.size", "20Gi"), ("app.count", "3"), ("domain", "y")])), "20Gi 3 y");
    let component = Wanted { component: Some("app".to_owned()), ..set(&[("size", "b"), ("domain", "z")]) };
    assert_eq!(cmd(&component), "b 1 z");
    // What is typed there is a value, never a template.
    assert_eq!(cmd(&set(&[("app.size", "'{{ domain }}'")])), "{{ domain }} 1 x");
    assert_eq!(cmd(&set(&[("domain", "a"), ("domain", "b")])), "s 1 b");
    let says = |pairs: &[(&str, &str)], wanted: &str| {
        let said = bad(&project(), &set(pairs));
        assert!(said.contains(wanted), "{said}");
    };
    says(&[("app.siez", "x")], "did you mean `size`?");
    says(&[("ap.size", "x")], "did you mean `app`?");
    says(&[("size", "x")], "did you mean `--set app.size=...`?");
    says(&[("app.count", "many")], "`count` is a whole number, not text");
    says(&[("app.count", "[")], "--set app.count:1:");
    // Where text is wanted, it is what was typed.
    assert_eq!(cmd(&set(&[("app.size", "1.10")])), "1.10 1 x");
    assert_eq!(cmd(&set(&[("app.size", "[a")])), "[a 1 x");
}

#[test]
fn a_secret_that_was_typed_is_kept_nowhere() {
    let files = small(&[
        ("roles/app/inputs.yml", "password: { type: secret, required: true, doc: x }"),
        ("roles/app/tasks.yml", "- { name: run, command: { cmd: '{{ password }}' } }"),
    ]);
    let loaded = good(&files, &set(&[("app.password", "0123")]));
    let Some(Value::Secret(secret)) =
        render(&loaded.program, task(&loaded.program, "run"), Some(0), None).value.get("cmd").cloned()
    else {
        panic!("a secret")
    };
    assert_eq!(secret.reveal().as_text(), Some("0123"));
    assert!(!loaded.sources.iter().any(|(_, _, text)| text.contains("0123")));
    assert!(loaded.program.secrets().set.contains("password"));
}

#[test]
fn a_secret_from_a_file_is_one_everywhere() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2").unwrap();
    let files = small(&[
        ("roles/app/inputs.yml", "password: { type: secret, required: true, doc: x }"),
        (
            "roles/app/tasks.yml",
            "- { name: run, command: { cmd: 'login {{ password }}' } }\n- { name: file, template: { src: a.j2, dest: /x } }",
        ),
        ("roles/app/templates/a.j2", "open\npw={{ password }}\n"),
    ]);
    let loaded = good(&files, &set(&[("app.password", &format!("@{}", file.path().display()))]));
    let run = render(&loaded.program, task(&loaded.program, "run"), Some(0), None);
    let Some(Value::Secret(secret)) = run.value.get("cmd") else { panic!("{run:?}") };
    assert_eq!((secret.reveal().as_text(), secret.shown()), (Some("login hunter2"), "login ***"));
    let file = render(&loaded.program, task(&loaded.program, "file"), Some(0), None);
    let Some(Value::Content(content)) = file.value.get("src") else { panic!("{file:?}") };
    assert_eq!((content.bytes(), &*content.shown()), (b"open\npw=hunter2\n".as_slice(), "open\npw=***\n"));
    assert!(!files.read().keys().any(|path| path.is_absolute()));
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let traced = loaded.program.trace(Some("a"), "app.password").unwrap();
    assert_eq!(traced[0].layers[0].value.to_shown_json(), "***");
}

#[test]
fn a_trace_names_the_places() {
    let loaded = good(&Files::disk(fixture("good")), &Wanted::default());
    let shown = |host: Option<&str>, name: &str| {
        let traced = loaded.program.trace(host, name).unwrap();
        let one = |traced: &Traced| {
            let layers = traced.layers.iter().map(|layer| {
                let holds = if layer.holds { "holds" } else { "-" };
                format!("{} {} {} {holds}", layer.origin, loaded.sources.position(layer.span), layer.value)
            });
            format!("{}: {}", traced.at.as_deref().unwrap_or("var"), layers.collect::<Vec<_>>().join(", "))
        };
        traced.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let env = "inventories/development/environment.yml";
    assert_eq!(
        shown(Some("vps-2"), "base.swappiness"),
        format!("prepare hosts/base: default roles/base/inputs.yml:1:1 10 -, group k3s_agent {env}:5:40 60 holds")
    );
    assert_eq!(shown(Some("vps-2"), "data_disk"), format!("var: host vps-2 {env}:4:77 /dev/sdb holds"));
    assert_eq!(shown(Some("vps-1"), "data_disk"), "var: ");
    assert_eq!(
        shown(None, "keycloak.hostname"),
        "platform/keycloak: environment inventories/development/values/keycloak.yml:2:1 keycloak.dev.lions.dev holds"
    );
    let problem = loaded.program.trace(None, "storage").unwrap_err();
    assert_eq!(problem.help, ["did you mean `postgres.storage`?"]);
    assert!(loaded.program.trace(Some("vps-3"), "domain").is_err());
}
