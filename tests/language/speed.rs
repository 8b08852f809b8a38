//! How long it takes: printed, never asserted. `cargo test --release --test main language::speed -- --nocapture`.

use std::fmt::Write as _;
use std::time::Instant;

use lions::language::validate;

use super::*;

/// `roles` roles of `tasks` tasks of five lines each, for `hosts` hosts.
fn large(roles: usize, tasks: usize, hosts: usize) -> (Files, usize) {
    let mut texts = BTreeMap::new();
    let mut env = String::from("vars:\n  domain: example.org\n  number: 5\nhosts:\n");
    for host in 0..hosts {
        writeln!(env, "  host-{host}: {{ address: 10.0.0.1, groups: [g{}] }}", host % 7).unwrap();
    }
    texts.insert("inventories/dev/environment.yml".to_owned(), env);
    let mut site = String::new();
    for role in 0..roles {
        writeln!(site, "- name: play-{role}\n  hosts: all\n  roles: [role-{role}]").unwrap();
        let mut text = String::new();
        for task in 0..tasks {
            write!(
                text,
                "- name: task {task}\n  copy:\n    content: \"{{{{ domain }}}} {{{{ size }}}} {task}\"\n    dest: /etc/{role}/{task}\n  when: number > 3\n"
            )
            .unwrap();
        }
        texts.insert(format!("roles/role-{role}/tasks.yml"), text);
        texts.insert(format!("roles/role-{role}/inputs.yml"), "size: { type: int, default: 3, doc: x }\n".to_owned());
    }
    texts.insert("playbooks/site.yml".to_owned(), site);
    let lines = texts.values().map(|text| text.lines().count()).sum();
    (Files::kept(texts.into_iter().map(|(path, text)| (path.into(), text.into_bytes())).collect()), lines)
}

#[test]
fn a_large_project_validates() {
    let (files, lines) = large(50, 40, 20);
    let start = Instant::now();
    let checked = validate(&files, &Wanted::default(), &catalogue());
    println!("validate {lines} lines: {:?}", start.elapsed());
    assert!(checked.problems.is_empty(), "{:?}", checked.problems.iter().next());
    assert_eq!(checked.programs[0].tasks.len(), 2000);
}

#[test]
fn many_hosts_cost_what_varies() {
    let (files, _) = large(10, 10, 1000);
    let start = Instant::now();
    let loaded = good(&files, &Wanted::default());
    println!("load 100 tasks for 1000 hosts: {:?}", start.elapsed());
    let start = Instant::now();
    let mut rendered = 0;
    for task in &loaded.program.tasks {
        for host in 0..1000 {
            rendered += 1;
            if !render(&loaded.program, task, Some(host), None).varies {
                break;
            }
        }
    }
    println!("render what varies: {rendered} times, {:?}", start.elapsed());
    assert_eq!(rendered, 100);
    let start = Instant::now();
    for task in &loaded.program.tasks {
        for host in 0..1000 {
            render(&loaded.program, task, Some(host), None);
        }
    }
    println!("render all 100,000: {:?}", start.elapsed());
}
