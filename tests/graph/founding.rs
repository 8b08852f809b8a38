//! Work in a cluster that the same playbook makes: beside the task that makes it, nobody knows which comes first.

use std::path::PathBuf;

use insta::assert_snapshot;
use lions::language::{Files, Wanted, load};

const ENVIRONMENT: &str = "hosts: { s1: { groups: [servers] }, s2: { groups: [servers] }, a1: { groups: [agents] } }\ncluster: { kubeconfig_from: servers }\n";
const SERVERS: &str = "
- name: servers
  hosts: servers
  roles: [k3s]
";
const AGENTS: &str = "
- name: agents
  hosts: agents
  tasks:
    - name: joins
      k3s: { role: agent, version: v1.36.3+k3s1, servers: [s1] }
";
const ROLE: &str = "- name: k3s\n  k3s: { version: v1.36.3+k3s1 }\n";

/// A play of cluster tasks.
fn platform(more: &str) -> String {
    let space = |name: &str| {
        format!(
            "    - name: {name}\n      manifest: {{ definition: {{ apiVersion: v1, kind: Namespace, metadata: {{ name: {name} }} }} }}\n"
        )
    };
    format!("\n- name: platform\n{more}  tasks:\n{}{}", space("shop"), space("tools"))
}

/// What is said of the order of these plays.
fn said(environment: &str, plays: &[&str]) -> String {
    let texts = [
        ("inventories/e/environment.yml", environment),
        ("playbooks/site.yml", &*plays.concat()),
        ("roles/k3s/tasks.yml", ROLE),
    ];
    let texts = texts.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect();
    let loaded = load(&Files::kept(texts), &Wanted::default(), &lions::resources::catalogue());
    let loaded = loaded.unwrap_or_else(|failure| {
        panic!("{}", lions::render::problem::problems(&failure.sources, &failure.problems, false))
    });
    match lions::graph::build(&loaded.program) {
        Ok(_) => String::new(),
        Err(problems) => lions::render::problem::problems(&loaded.sources, &problems, false),
    }
}

#[test]
fn at_once_is_beside_the_task_that_makes_it() {
    assert_snapshot!(said(ENVIRONMENT, &[SERVERS, &platform("  needs: []\n")]), @r"
error: `platform` works in the cluster beside `servers`, which makes it
 --> playbooks/site.yml:6:9
  |
6 | - name: platform
  |         ^^^^^^^^ nothing says which of them comes first
  |
 ::: roles/k3s/tasks.yml:1:9
  |
1 | - name: k3s
  |         --- this makes the cluster
  |
  = help: write `needs: [servers]`, or no `needs` at all: then it comes after the one above
  = help: if it is to work in a cluster that is there, before `servers`: let `servers` need it

1 problem
");
}

#[test]
fn needs_that_name_others_are_not_enough() {
    let hosts = "\n- name: prepare\n  hosts: all\n  tasks: [{ name: a, command: { cmd: 'true' } }]\n";
    let servers = SERVERS.replace("  hosts", "  needs: [prepare]\n  hosts");
    assert_snapshot!(said(ENVIRONMENT, &[hosts, &servers, &platform("  needs: [prepare]\n")]), @r"
error: `platform` works in the cluster beside `servers`, which makes it
  --> playbooks/site.yml:11:9
   |
11 | - name: platform
   |         ^^^^^^^^ nothing says which of them comes first
   |
  ::: roles/k3s/tasks.yml:1:9
   |
 1 | - name: k3s
   |         --- this makes the cluster
   |
   = help: add `servers` to its `needs`
   = help: if it is to work in a cluster that is there, before `servers`: let `servers` need it

1 problem
");
}

#[test]
fn in_one_play_it_is_the_tasks() {
    let play = "
- name: all
  hosts: s1
  tasks:
    - name: k3s
      k3s: { version: v1.36.3+k3s1 }
    - name: space
      needs: []
      manifest: { definition: { apiVersion: v1, kind: Namespace, metadata: { name: shop } } }
";
    assert_snapshot!(said(ENVIRONMENT, &[play]), @r"
error: `space` works in the cluster beside `k3s`, which makes it
 --> playbooks/site.yml:7:13
  |
5 |     - name: k3s
  |             --- this makes the cluster
6 |       k3s: { version: v1.36.3+k3s1 }
7 |     - name: space
  |             ^^^^^ nothing says which of them comes first
  |
  = help: write `needs: [k3s]`, or no `needs` at all: then it comes after the one above
  = help: if it is to work in a cluster that is there, before `k3s`: let `k3s` need it

1 problem
");
}

/// After it, or before it on purpose; after the first of several servers; and what makes no cluster, or not this one.
#[test]
fn what_is_ordered_is_right() {
    let rolling = SERVERS.replace("  roles", "  rollout: { batch: 1 }\n  roles");
    let unordered = platform("  needs: []\n");
    let look = AGENTS.replace("- name: agents", "- name: agents\n  needs: []");
    for plays in [
        &[SERVERS, &platform("")][..],
        &[SERVERS, AGENTS, &platform("")],
        &[SERVERS, AGENTS, &platform("  needs: [servers]\n")],
        &[SERVERS, AGENTS, &platform("  needs: [agents]\n")],
        &[&rolling, AGENTS, &platform("  needs: [servers]\n")],
        &[&unordered, SERVERS],
        &[&look, &unordered],
        &[&unordered],
    ] {
        assert_eq!(said(ENVIRONMENT, plays), "", "{plays:?}");
    }
    // A cluster that is there, wherever it comes from.
    let elsewhere = ENVIRONMENT.replace("{ kubeconfig_from: servers }", "{ kubeconfig: own.yaml }");
    assert_eq!(said(&elsewhere, &[SERVERS, &unordered]), "");
}
