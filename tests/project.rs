//! The platform itself: every playbook loads for every environment, is planned on bare hosts, made, and then rests.

use std::path::{Path, PathBuf};

use lions::language::{Files, Wanted, validate};
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
fn every_playbook_of_every_environment_is_right_and_converges() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for environment in names("inventories") {
        let environment = environment.file_name().unwrap().to_str().unwrap().to_owned();
        for playbook in names("playbooks") {
            let wanted = Wanted {
                environment: Some(environment.clone()),
                playbook: Some(playbook.strip_prefix(root).unwrap().to_path_buf()),
                ..Wanted::default()
            };
            let files = Files::disk(root);
            let checked = validate(&files, &wanted, &resources::catalogue());
            let said = lions::render::problem::problems(&checked.sources, &checked.problems, false);
            assert!(checked.problems.is_empty(), "{said}");

            let mut stage = Stage::of(files.read(), wanted);
            for host in &checked.programs[0].environment.hosts {
                // A bare Debian, as far as this role sees it.
                let bare = [
                    "/var/log",
                    "/opt",
                    "/etc/modules-load.d",
                    "/etc/sysctl.d",
                    "/etc/security/limits.d",
                    "/etc/systemd",
                ]
                .into_iter()
                .fold(MemoryHost::new(), MemoryHost::directory)
                .command("sysctl --system", |_, _| output(0, ""))
                .command("systemctl restart systemd-journald", |_, _| output(0, ""));
                stage = stage.host(&host.name, bare);
            }
            let (plan, report) = stage.converge();
            assert_eq!(plan.tally().failed, 0, "{:#?}", plan_lines(&plan));
            assert_eq!(plan.tally().later, 0, "a bare host shows its whole plan: {:#?}", plan_lines(&plan));
            assert_refines(&plan, &report);
            assert!(stage.plan().is_empty(), "{:#?}", plan_lines(&stage.plan()));
        }
    }
}
