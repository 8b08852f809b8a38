//! The platform itself: every playbook is right for every environment. `make demo` makes it on real hosts, and what its roles
//! do there is held in `tests/lab/k3s`.

use std::path::{Path, PathBuf};

use lions::graph;
use lions::language::{Files, Wanted, load};
use lions::resources;

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
