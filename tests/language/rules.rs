//! Each rule of the language alone: what is wrong, and that the like of it is right.

use lions::language::program::{Connection, Part};

use super::*;

/// What is said of the small project with `changes`.
#[track_caller]
fn says(changes: &[(&str, &str)], wanted: &[&str]) {
    let said = bad(&small(changes), &Wanted::default());
    for part in wanted {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
}

#[track_caller]
fn fine(changes: &[(&str, &str)]) -> Loaded {
    good(&small(changes), &Wanted::default())
}

const TASKS: &str = "roles/app/tasks.yml";
const INPUTS: &str = "roles/app/inputs.yml";
const SITE: &str = "playbooks/site.yml";
const ENV: &str = "inventories/dev/environment.yml";

#[test]
fn hosts_are_chosen_as_in_ansible() {
    let cases = [
        ("all", vec![0, 1, 2]),
        ("web", vec![0, 1]),
        ("web:db", vec![0, 1, 2]),
        ("'all:!web'", vec![2]),
        ("'web:&front'", vec![1]),
        ("'!web'", vec![2]),
        ("[a, c]", vec![0, 2]),
        ("'*'", vec![0, 1, 2]),
        ("'w*:!b'", vec![0]),
        ("'a,c'", vec![0, 2]),
    ];
    for (pattern, hosts) in cases {
        let loaded = fine(&[
            (ENV, "hosts: { a: { groups: web }, b: { groups: [web, front] }, c: { groups: db } }"),
            (SITE, &format!("- {{ name: all, hosts: {pattern}, roles: [app] }}")),
        ]);
        assert_eq!(loaded.program.plays[0].hosts, hosts, "{pattern}");
    }
}

#[test]
fn a_play_for_a_group_without_hosts_is_worth_a_word_only() {
    let env = (ENV, "{ hosts: { a: {} }, groups: { later: {} } }");
    let loaded = fine(&[env, (SITE, "- { name: all, hosts: later, roles: [app] }")]);
    assert_eq!(loaded.warnings.len(), 2);
    says(
        &[env, (SITE, "- { name: all, hosts: latr, roles: [app] }")],
        &["unknown host or group `latr`", "did you mean `later`?"],
    );
    says(&[env, (SITE, "- { name: all, hosts: 'all:!a', roles: [app] }")], &["`hosts` selects no host in `dev`"]);
}

#[test]
fn hosts_narrow_on_roles_blocks_and_tasks() {
    let loaded = fine(&[
        (
            SITE,
            "- { name: all, hosts: all, roles: [{ role: app, hosts: web }] }\n- { name: none, roles: [{ role: app, hosts: b }] }",
        ),
        (
            TASKS,
            "- { name: wide, command: { cmd: a } }\n- { name: block, hosts: all, block: [{ name: deep, hosts: a*, command: { cmd: a } }] }",
        ),
        ("inventories/dev/environment.yml", "hosts: { a: { groups: [web] }, aa: { groups: [web] }, b: {} }"),
    ]);
    let hosts: Vec<_> = loaded.program.tasks.iter().map(|task| (task.name.as_str(), task.hosts.clone())).collect();
    assert_eq!(hosts, [("wide", vec![0, 1]), ("deep", vec![0, 1]), ("wide", vec![2]), ("deep", vec![])]);
    // In the second play nothing is like `a*`: it has `b` only. That is worth a word, not more: roles are for many plays.
    let warnings: Vec<_> = loaded.warnings.iter().map(|problem| problem.summary.as_str()).collect();
    assert_eq!(warnings, ["`hosts` selects none of the hosts of what it stands in"]);
}

#[test]
fn tasks_of_hosts_need_hosts_and_tasks_of_the_cluster_a_cluster() {
    says(&[(SITE, "- { name: all, roles: [app] }")], &["`command` is for hosts, and its play has none"]);
    says(&[(TASKS, "- { name: run, manifest: { definition: {} } }")], &["the environment `dev` has no cluster"]);
}

#[test]
fn become_comes_from_the_nearest() {
    let loaded = fine(&[
        (ENV, "{ hosts: { a: {} }, become: true }"),
        (
            SITE,
            "- { name: all, hosts: all, become_user: app, roles: [{ role: app, become: false }], tasks: [{ name: own, command: { cmd: a } }] }",
        ),
        (
            TASKS,
            "- { name: plain, command: { cmd: a } }\n- { name: again, become: true, command: { cmd: a } }\n- { name: other, become_user: www, command: { cmd: a } }",
        ),
    ]);
    let user = |name: &str| task(&loaded.program, name).become_user.as_deref().map(str::to_owned);
    assert_eq!(user("plain"), None);
    assert_eq!(user("again").as_deref(), Some("root"));
    assert_eq!(user("other").as_deref(), Some("www"));
    assert_eq!(user("own").as_deref(), Some("app"));
}

#[test]
fn conditions_and_tags_of_what_a_task_stands_in_are_merged() {
    let loaded = fine(&[
        (ENV, "{ hosts: { a: {} }, vars: { on: true } }"),
        (SITE, "- { name: all, hosts: all, when: on, tags: x, roles: [{ role: app, when: not on, tags: [y, x] }] }"),
        (TASKS, "- { name: run, when: [on, 'on or on'], tags: z, command: { cmd: a } }"),
    ]);
    let run = task(&loaded.program, "run");
    let when: Vec<_> = run.when.iter().map(|condition| condition.text.as_str()).collect();
    assert_eq!(when, ["on", "not on", "on", "on or on"]);
    assert_eq!(run.tags, ["x", "y", "z"]);
}

#[test]
fn conditions_of_a_play_see_no_inputs() {
    says(
        &[
            (INPUTS, "on: { type: bool, default: true, doc: x }"),
            (TASKS, "- { name: run, when: on, command: { cmd: a } }"),
            (SITE, "- { name: all, hosts: all, roles: [{ role: app, when: on }] }"),
        ],
        &["unknown name `on`"],
    );
}

#[test]
fn loops_have_stable_keys() {
    let loaded = fine(&[
        (
            TASKS,
            "- { name: list, command: { cmd: '{{ item }}' }, loop: [/a, 2, true] }\n\
                 - { name: maps, command: { cmd: '{{ item.name }}' }, loop: [{ name: x }, { other: y, name: z }] }\n\
                 - { name: keys, command: { cmd: '{{ item.key }} {{ item.value }}' }, loop: { one: 1, two: 2 } }\n\
                 - { name: none, command: { cmd: '{{ item }}' }, loop: '{{ names }}' }\n\
                 - { name: lists, command: { cmd: '{{ item[0] }}' }, loop: [[1], [2]] }",
        ),
        (INPUTS, "names: { type: list, default: [], doc: x }"),
    ]);
    let keys = |name: &str| {
        let items = &task(&loaded.program, name).items.as_ref().unwrap().items;
        items.iter().map(|item| item.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys("list"), ["/a", "2", "true"]);
    assert_eq!(keys("maps"), ["x", "z"]);
    assert_eq!(keys("keys"), ["one", "two"]);
    assert_eq!(keys("lists"), ["0", "1"]);
    assert!(keys("none").is_empty());
}

#[test]
fn items_of_a_loop_may_be_there_on_some_hosts_only() {
    let loaded = fine(&[
        (ENV, "hosts: { a: { vars: { app: { disks: [sda, sdb] } } }, b: {} }"),
        (INPUTS, "disks: { type: list, default: [sda], doc: x }"),
        (TASKS, "- { name: run, command: { cmd: '{{ item }}' }, loop: '{{ disks }}' }"),
    ]);
    let items = &task(&loaded.program, "run").items.as_ref().unwrap().items;
    let found: Vec<_> =
        items.iter().map(|item| (item.key.as_str(), item.by_host.keys().copied().collect::<Vec<_>>())).collect();
    assert_eq!(found, [("sda", vec![0, 1]), ("sdb", vec![0])]);
    assert!(items[0].shared.is_none());
}

#[test]
fn loops_must_be_known_at_load() {
    let run = |of: &str| {
        format!(
            "- {{ name: first, command: {{ cmd: a }}, register: got }}\n- {{ name: run, command: {{ cmd: '{{{{ item }}}}' }}, loop: '{of}' }}"
        )
    };
    says(&[(TASKS, &run("{{ facts.disks }}"))], &["a `loop` or `delegate_to` over facts"]);
    says(&[(TASKS, &run("{{ got.stdout_lines }}"))], &["a `loop` or `delegate_to` over a register"]);
    says(&[(TASKS, &run("{{ 5 }}"))], &["a `loop` takes a list or a mapping, not a whole number"]);
    says(&[(TASKS, &run("{{ [1, 1] }}"))], &["the `loop` has the item `1` twice"]);
    says(
        &[(TASKS, &run("{{ disks }}")), (INPUTS, "disks: { type: list, default: '{{ facts.disks }}', doc: x }")],
        &["must be known at load"],
    );
    says(
        &[(TASKS, &run("{{ keys }}")), (INPUTS, "keys: { type: secret, default: [a], doc: x }")],
        &["a `loop` over a secret"],
    );
}

#[test]
fn registers_are_seen_after_their_task_and_in_their_role_only() {
    let loaded = fine(&[(
        TASKS,
        "- { name: a, command: { cmd: a }, register: got, failed_when: got.rc > 1 }\n- { name: b, command: { cmd: '{{ got.stdout }}' } }",
    )]);
    assert_eq!(task(&loaded.program, "b").reads.len(), 1);
    assert!(task(&loaded.program, "a").reads.is_empty());
    says(
        &[(TASKS, "- { name: a, command: { cmd: '{{ got.rc }}' }, register: got }")],
        &["`got` is read before it is set"],
    );
    says(
        &[(
            TASKS,
            "- { name: a, command: { cmd: a }, register: got }\n- { name: b, command: { cmd: b }, register: got }",
        )],
        &["two tasks register `got`"],
    );
    says(
        &[
            (TASKS, "- { name: a, command: { cmd: a }, register: got }"),
            ("roles/other/tasks.yml", "- { name: b, command: { cmd: '{{ got.rc }}' } }"),
            (SITE, "- { name: all, hosts: all, roles: [app, other] }"),
        ],
        &["unknown name `got`"],
    );
    says(
        &[
            (
                TASKS,
                "- { name: a, command: { cmd: '{{ got }}' }, register: got2 }\n- { name: b, command: { cmd: a }, register: domain }",
            ),
            (ENV, "{ hosts: { a: {} }, vars: { domain: x } }"),
        ],
        &["the register `domain` bears the name of a value", "unknown name `got`"],
    );
}

#[test]
fn templates_of_a_task_are_read_for_registers_too() {
    let loaded = fine(&[
        (TASKS, "- { name: a, command: { cmd: a }, register: got }\n- { name: b, template: { src: x.j2, dest: /x } }"),
        ("roles/app/templates/x.j2", "{{ got.stdout }}"),
    ]);
    assert_eq!(task(&loaded.program, "b").reads[0].0, "got");
    let said = bad(
        &small(&[
            (TASKS, "- { name: b, template: { src: x.j2, dest: /x } }"),
            ("roles/app/templates/x.j2", "a\n{{ nmae }}\n"),
        ]),
        &Wanted::default(),
    );
    assert!(said.contains("roles/app/templates/x.j2:2:4"), "{said}");
}

#[test]
fn files_are_found_in_the_folder_of_the_role_or_the_project() {
    fine(&[
        (TASKS, "- { name: a, copy: { src: deep/motd, dest: /x } }"),
        ("roles/app/files/deep/motd", "x"),
        (SITE, "- { name: all, hosts: all, roles: [app], tasks: [{ name: own, copy: { src: own, dest: /y } }] }"),
        ("files/own", "x"),
    ]);
    says(
        &[(TASKS, "- { name: a, copy: { src: motd, dest: /x } }"), ("roles/app/files/motdd", "x")],
        &["`roles/app/files/motd` does not exist", "did you mean `motdd`?"],
    );
    says(&[(TASKS, "- { name: a, copy: { src: ../../../etc/passwd, dest: /x } }")], &["leads out of the project"]);
    says(&[(TASKS, "- { name: a, copy: { src: /etc/passwd, dest: /x } }")], &["`/etc/passwd` is an absolute path"]);
}

#[test]
fn a_file_may_be_named_by_a_template() {
    let loaded = fine(&[
        (TASKS, "- { name: a, copy: { src: '{{ inventory_hostname }}.conf', dest: /x } }"),
        ("roles/app/files/a.conf", "of a"),
        ("roles/app/files/b.conf", "of b"),
    ]);
    let rendered = render(&loaded.program, task(&loaded.program, "a"), Some(1), None);
    assert!(matches!(rendered.value.get("src"), Some(Value::Content(content)) if content.bytes() == b"of b"));
    says(
        &[
            (TASKS, "- { name: a, copy: { src: '{{ inventory_hostname }}.conf', dest: /x } }"),
            ("roles/app/files/a.conf", "x"),
        ],
        &["`roles/app/files/b.conf` does not exist"],
    );
}

#[test]
fn handlers_are_those_of_the_role() {
    says(
        &[
            (TASKS, "- { name: a, command: { cmd: a }, notify: restart }"),
            (SITE, "- { name: all, hosts: all, roles: [app], handlers: [{ name: restart, command: { cmd: a } }] }"),
        ],
        &["unknown handler `restart`"],
    );
    says(
        &[("roles/app/handlers.yml", "- { name: run, notify: x, command: { cmd: a } }")],
        &["a handler has no `notify`", "two siblings bear the name `run`"],
    );
}

#[test]
fn blocks_are_parts_and_the_resource_of_that_name_is_none() {
    let loaded = fine(&[(
        TASKS,
        "- { name: b, block: [{ name: x, command: { cmd: a } }], rescue: [{ name: y, command: { cmd: a } }], always: [{ name: z, command: { cmd: a } }] }",
    )]);
    let Part::Role(role) = &loaded.program.plays[0].body[0] else { panic!("a role") };
    let Part::Block(block) = &role.body[0] else { panic!("a block") };
    assert_eq!((block.block.len(), block.rescue.len(), block.always.len()), (1, 1, 1));
    says(
        &[(
            TASKS,
            "- { name: b, block: [{ name: x, command: { cmd: a } }], rescue: [{ name: x, command: { cmd: a } }] }",
        )],
        &["two siblings bear the name `x`"],
    );
}

#[test]
fn needs_name_siblings_or_addresses() {
    fine(&[(
        SITE,
        "- { name: one, hosts: all, roles: [app] }\n- { name: two, needs: [one], hosts: all, tasks: [{ name: x, command: { cmd: a }, needs: [one/app/run] }] }",
    )]);
    says(
        &[(
            SITE,
            "- { name: one, hosts: all, roles: [app] }\n- { name: two, hosts: all, tasks: [{ name: x, command: { cmd: a }, needs: [run] }] }",
        )],
        &["`needs` names `run`, which is not there", "named by its address: `one/app/run`"],
    );
    says(&[(TASKS, "- { name: run, command: { cmd: a }, needs: [all/ap/run] }")], &["nothing has this address"]);
}

#[test]
fn a_host_is_reached_as_its_entry_says() {
    let loaded = fine(&[(
        ENV,
        "hosts: { here: { connection: local }, alias: , there: { address: 10.0.0.1, port: 22, user: x } }",
    )]);
    let connections: Vec<_> = loaded.program.environment.hosts.iter().map(|host| host.connection.clone()).collect();
    assert_eq!(connections[0], Connection::Local);
    assert_eq!(connections[1], Connection::Ssh { address: "alias".into(), port: None, user: None });
    assert_eq!(connections[2], Connection::Ssh { address: "10.0.0.1".into(), port: Some(22), user: Some("x".into()) });
    says(&[(ENV, "hosts: { a: { connection: local, user: x } }")], &["`user` with `connection: local`"]);
}

#[test]
fn values_of_groups_and_hosts_are_not_for_the_cluster() {
    let cluster = "cluster: { kubeconfig: /k }";
    says(
        &[
            (ENV, &format!("{{ hosts: {{ a: {{ vars: {{ app: {{ size: 5 }} }} }} }}, {cluster} }}")),
            (INPUTS, "size: { type: int, default: 1, doc: x }"),
            (TASKS, "- { name: run, manifest: { definition: { a: '{{ size }}' } } }"),
        ],
        &["a task of the cluster reads `size`, which groups or hosts set"],
    );
    fine(&[
        (ENV, &format!("{{ hosts: {{ a: {{ vars: {{ zone: x }} }} }}, {cluster} }}")),
        (TASKS, "- { name: run, manifest: { definition: { a: \"{{ hostvars['a'].zone }}\" } } }"),
    ]);
}

#[test]
fn an_unset_name_may_be_asked_for_with_is_defined() {
    let loaded = fine(&[
        (ENV, "hosts: { a: { vars: { disk: /dev/sdb } }, b: {} }"),
        (
            TASKS,
            "- { name: run, when: disk is defined, command: { cmd: '{{ disk }}' } }\n- { name: or, command: { cmd: \"{{ disk | default('none') }}\" } }",
        ),
    ]);
    assert_eq!(at(&render(&loaded.program, task(&loaded.program, "or"), Some(1), None), &["cmd"]), "none");
    says(
        &[
            (ENV, "hosts: { a: { vars: { disk: /dev/sdb } }, b: {} }"),
            (TASKS, "- { name: run, command: { cmd: '{{ disk }}' } }"),
        ],
        &["`disk` is not set for `b`", "`when: disk is defined`"],
    );
}

#[test]
fn names_are_used_or_they_are_wrong() {
    says(&[(ENV, "{ hosts: { a: {} }, vars: { unused: 1 } }")], &["nothing in the project reads the var `unused`"]);
    says(
        &[(INPUTS, "unused: { type: int, default: 1, doc: x }")],
        &["nothing in the role `app` reads its input `unused`"],
    );
    // What another playbook, a value or `hostvars` reads is used.
    fine(&[
        (ENV, "{ hosts: { a: {} }, vars: { one: 1, two: '{{ one }}', three: 3 } }"),
        ("playbooks/other.yml", "- { name: x, hosts: all, tasks: [{ name: x, command: { cmd: '{{ two }}' } }] }"),
        (TASKS, "- { name: run, command: { cmd: '{{ hostvars[inventory_hostname].three }}' } }"),
    ]);
}

#[test]
fn conditions_are_true_or_false() {
    says(
        &[
            (ENV, "{ hosts: { a: {} }, vars: { name: x } }"),
            (TASKS, "- { name: run, when: name, command: { cmd: a } }"),
        ],
        &["a condition is true or false, this is text"],
    );
}

#[test]
fn values_that_do_not_fit_are_found_at_their_place() {
    let inputs = (INPUTS, "on: { type: bool, default: true, doc: x }\nmode: { type: text, required: true, doc: x }");
    let tasks = (TASKS, "- { name: run, service: { name: '{{ mode }}', enabled: '{{ on }}' } }");
    let set = |values: &str| format!("{{ hosts: {{ a: {{}} }}, vars: {{ app: {values} }} }}");
    fine(&[inputs, tasks, (ENV, &set("{ mode: x }"))]);
    says(
        &[inputs, tasks, (ENV, &set("{ on: sure, mode: x }"))],
        &["`on` is `true` or `false`, not text", "environment.yml:1:40"],
    );
    says(&[inputs, tasks, (ENV, &set("{ mode: 5 }"))], &["`mode` is text, not a whole number; put it in quotes"]);
    says(&[inputs, tasks], &["the role `app` needs the input `mode` for `a`"]);
    // A var has no type: the parameter says what it wants.
    says(
        &[
            (ENV, "{ hosts: { a: {} }, vars: { on: sure } }"),
            (TASKS, "- { name: run, service: { name: x, enabled: '{{ on }}' } }"),
        ],
        &["`enabled` of `service`"],
    );
}

#[test]
fn a_condition_of_a_block_cannot_read_what_is_set_in_it() {
    says(
        &[(TASKS, "- { name: b, when: got.rc == 0, block: [{ name: a, command: { cmd: a }, register: got }] }")],
        &["`got` is read before it is set"],
    );
}

#[test]
fn a_loop_is_made_where_the_condition_allows_it() {
    let loaded = fine(&[
        (ENV, "hosts: { a: { vars: { disks: [sda] } }, b: {} }"),
        (TASKS, "- { name: run, when: disks is defined, command: { cmd: '{{ item }}' }, loop: '{{ disks }}' }"),
    ]);
    let items = &task(&loaded.program, "run").items.as_ref().unwrap().items;
    assert_eq!(items[0].by_host.keys().copied().collect::<Vec<_>>(), [0]);
    says(
        &[
            (ENV, "hosts: { a: { vars: { disks: [sda] } }, b: {} }"),
            (TASKS, "- { name: run, command: { cmd: '{{ item }}' }, loop: '{{ disks }}' }"),
        ],
        &["`disks` is not set for `b`"],
    );
}

#[test]
fn included_templates_see_what_includes_them() {
    let loaded = fine(&[
        (TASKS, "- { name: a, command: { cmd: a }, register: got }\n- { name: b, template: { src: a.j2, dest: /x } }"),
        ("roles/app/templates/a.j2", "{% for row in [1, 2] %}{% include 'row.j2' %}{% endfor %}"),
        ("roles/app/templates/row.j2", "{{ row }} {{ got.rc }}"),
    ]);
    assert_eq!(task(&loaded.program, "b").reads[0].0, "got");
}

#[test]
fn a_text_may_look_up_a_file_of_its_role() {
    let loaded = fine(&[
        (TASKS, "- { name: a, copy: { content: \"{{ lookup('file', 'key.pub') }}\", dest: /x } }"),
        ("roles/app/files/key.pub", "ssh-ed25519 AAAA\n"),
    ]);
    assert_eq!(
        at(&render(&loaded.program, task(&loaded.program, "a"), Some(0), None), &["content"]),
        "ssh-ed25519 AAAA"
    );
    says(
        &[(TASKS, "- { name: a, copy: { content: \"{{ lookup('file', 'key.pub') }}\", dest: /x } }")],
        &["`roles/app/files/key.pub` does not exist"],
    );
}

#[test]
fn a_name_may_not_look_like_an_address() {
    says(
        &[(TASKS, "- { name: 'a/b', command: { cmd: a } }\n- { name: 'a[b]', command: { cmd: a } }")],
        &["holds a `/`, which separates names in addresses", "ends with `]`, which marks an item of a loop"],
    );
    says(&[("roles/a.b/tasks.yml", "- { name: x, command: { cmd: a } }")], &["`a.b` cannot be the name of a role"]);
}

#[test]
fn conditions_of_a_resource_are_evaluated() {
    let files = small(&[
        ("inventories/dev/environment.yml", "{ hosts: { a: { connection: local } }, vars: { size: 3 } }"),
        (TASKS, "- { name: big, assert: { that: ['size > 2', 'facts.memory_mb > 5'] } }\n"),
    ]);
    let loaded = load(&files, &Wanted::default(), &lions::resources::catalogue())
        .unwrap_or_else(|failure| panic!("{}", said(&failure)));
    let that = render(&loaded.program, task(&loaded.program, "big"), Some(0), None);
    let Some(Value::List(that)) = that.value.get("that") else { panic!("{that:?}") };
    assert_eq!(that[0].to_shown_json().to_string(), r#"{"holds":true,"text":"size > 2"}"#);
    assert!(that[1].unknown().is_some());
    assert!(loaded.program.reads_facts());
    let files = small(&[(TASKS, "- { name: big, assert: { that: ['siez > 2'] } }\n")]);
    let failure = load(&files, &Wanted::default(), &lions::resources::catalogue()).unwrap_err();
    assert!(said(&failure).contains("unknown name `siez`"), "{}", said(&failure));
}

#[test]
fn what_follows_from_a_broken_task_is_not_said() {
    let files = small(&[
        (
            TASKS,
            "- { name: a, comand: { cmd: a }, register: got }\n- { name: b, command: { cmd: '{{ got.rc }}' }, notify: h, needs: [a] }",
        ),
        ("roles/app/handlers.yml", "- { name: h, comand: { cmd: a } }"),
    ]);
    let failure = load(&files, &Wanted::default(), &catalogue()).unwrap_err();
    let said: Vec<_> = failure.problems.iter().map(|problem| problem.summary.as_str()).collect();
    assert_eq!(said, ["unknown resource `comand`", "unknown resource `comand`"]);
}
