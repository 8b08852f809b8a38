//! The platform itself: every playbook is right for every environment. `make demo` makes it on real hosts.

use std::path::{Path, PathBuf};

use lions::graph;
use lions::language::{Files, Wanted, load};
use lions::resources;
use lions::targets::host::memory::{MemoryHost, output};

use crate::engine::stage::{Stage, assert_refines, plan_lines};

fn names(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

#[test]
fn every_playbook_is_right_for_every_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut environments = Vec::new();
    for environment in names("inventories") {
        let environment = environment.file_name().unwrap().to_str().unwrap().to_owned();
        for playbook in names("playbooks") {
            let wanted = Wanted {
                environment: Some(environment.clone()),
                playbook: Some(playbook.strip_prefix(root).unwrap().to_path_buf()),
                ..Wanted::default()
            };
            let files = Files::disk(root);
            let loaded = load(&files, &wanted, &resources::catalogue()).unwrap_or_else(|failure| {
                panic!("{}", lions::render::problem::problems(&failure.sources, &failure.problems, false))
            });
            assert!(graph::build(&loaded.program).is_ok(), "{environment}");
        }
        environments.push(environment);
    }
    assert_eq!(environments, ["development", "lab", "production", "staging"]);
}

/// The files of a role, for a project in memory.
fn with_role(mut stage: Stage, role: &str) -> Stage {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![PathBuf::from(format!("roles/{role}"))];
    while let Some(folder) = folders.pop() {
        for path in names(folder.to_str().unwrap()) {
            let inside = path.strip_prefix(root).unwrap().to_path_buf();
            if path.is_dir() {
                folders.push(inside);
            } else {
                stage = stage.file(inside.to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    stage
}

#[test]
fn a_bare_host_shows_its_whole_plan_and_rests_when_it_is_made() {
    // A bare Debian, as far as this role sees it.
    let bare = ["/var/log", "/opt", "/etc/modules-load.d", "/etc/sysctl.d", "/etc/security/limits.d", "/etc/systemd"]
        .into_iter()
        .fold(MemoryHost::new(), MemoryHost::directory)
        .command("sysctl --system", |_, _| output(0, ""))
        .command("systemctl restart systemd-journald", |_, _| output(0, ""));
    let environment = "hosts:\n  h1: { connection: local }\nvars: { lions_domain: lions.test }\n";
    let stage = Stage::playbook(1, "- name: hosts\n  hosts: all\n  roles: [base]\n")
        .file("inventories/test/environment.yml", environment)
        .host("h1", bare);
    let stage = with_role(stage, "base");
    let (plan, report) = stage.converge();
    assert_eq!(plan.tally().failed, 0, "{:#?}", plan_lines(&plan));
    assert_eq!(plan.tally().later, 0, "{:#?}", plan_lines(&plan));
    assert_refines(&plan, &report);
    assert!(stage.plan().is_empty(), "{:#?}", plan_lines(&stage.plan()));
}
