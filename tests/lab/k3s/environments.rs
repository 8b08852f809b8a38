//! The platform's own environments on bare hosts: planned to the end, and nothing of it left for later that can be said now.

use std::collections::BTreeMap;
use std::path::Path;

use super::components::copy;
use super::{MIRROR, STABLE, hosts, lab};
use crate::lab::story::rows;
use crate::lab::{Host, Project};

/// The platform, for an environment whose hosts are these, in the order of its text.
fn platform(environment: &str, hosts: &[&Host]) -> Project {
    let project = Project::new(hosts);
    for folder in ["roles", "playbooks"] {
        copy(&project, folder);
    }
    std::fs::remove_dir_all(project.path().join("inventories")).unwrap();
    let path = format!("inventories/{environment}/environment.yml");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
    let mut left = hosts.iter();
    let lines = text.lines().map(|line| match line.split_once("address: ") {
        Some((before, after)) => {
            let (_, rest) = after.split_once(", user: lions").unwrap();
            format!("{before}address: {}, user: ops{rest}\n", left.next().unwrap().address())
        }
        None => format!("{line}\n"),
    });
    let text: String = lines.collect();
    assert!(left.next().is_none(), "{environment} has fewer hosts");
    project.write(&path, &format!("{text}ssh: {{ config: ssh_config }}\n"));
    project
}

/// Plans it: how often each verdict was given at each place.
fn planned(project: &Project, words: &[&str]) -> (String, BTreeMap<(String, String), usize>) {
    let said = project.says(&[&["plan", "--output", "json"], words].concat(), 0);
    let mut counts = BTreeMap::new();
    for row in rows(&said, "verdict").values() {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        assert!(!matches!(&*text("verdict"), "failed" | "blocked" | "later"), "{row}");
        *counts.entry((text("place"), text("verdict"))).or_default() += 1;
    }
    (said, counts)
}

fn whole(environment: &str, servers: usize, agents: usize) {
    let Some(all) = hosts(servers + agents) else { return };
    let all: Vec<&Host> = all.iter().collect();
    let project = platform(environment, &all);
    let sets = ["k3s_server", "k3s_agent"]
        .iter()
        .flat_map(|role| [format!("{role}.version={STABLE}"), format!("{role}.mirror={MIRROR}")])
        .collect::<Vec<_>>();
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let (plan, counts) = planned(&project, &sets);
    let rows = rows(&plan, "verdict");
    let of = |place: &str, what: &str| {
        rows.values().filter(|row| row["place"] == place && row["address"].as_str().unwrap().contains(what)).count()
    };
    let names = (1..=servers).map(|at| format!("server-{at}")).chain((1..=agents).map(|at| format!("agent-{at}")));
    let first = of("server-1", "prepare hosts/base/");
    assert!(first > 20, "{counts:?}");
    for name in names {
        let play = if name.starts_with("server") { "servers/k3s_server/k3s" } else { "agents/k3s_agent/k3s" };
        assert_eq!((of(&name, play), of(&name, "prepare hosts/base/")), (1, first), "{name}: {counts:?}");
    }
    for component in ["namespaces", "postgres", "redis", "registry"] {
        assert!(of("cluster", &format!("platform/{component}/")) > 2, "{component}: {counts:?}");
    }
    let unlocked = "`lions k3s lock` keeps it";
    assert!(plan.contains(unlocked), "{plan}");

    // Locked, as it is seen from here: the same plan, which names no lock.
    let here = format!("http://{}.0.1/mine/k3s", lab().unwrap().net);
    let said = project.says(
        &[
            "k3s",
            "lock",
            "stable",
            "--env",
            environment,
            "--mirror",
            &format!("{here}/releases/download"),
            "--channels",
            &format!("{here}/channels"),
        ],
        0,
    );
    assert!(said.contains(&format!("nothing -> {STABLE}")), "{said}");
    let (locked, again) = planned(&project, &[]);
    assert_eq!(again, counts, "{locked}");
    assert!(!locked.contains(unlocked), "{locked}");
}

#[test]
fn staging_is_planned_to_the_end() {
    whole("staging", 1, 2);
}

#[test]
fn production_is_planned_to_the_end() {
    whole("production", 3, 4);
}
