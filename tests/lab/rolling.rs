//! Hosts one after the other, and hosts that are away: a dead one holds up nobody else, and a rollout stops at it.

use std::time::Instant;

use super::{Host, Project, hosts};

fn playbook(rollout: &str) -> String {
    format!(
        "- name: all\n  hosts: all\n{rollout}  tasks:\n    - name: file\n      copy: {{ dest: /srv/rolled, content: \"yes\\n\" }}\n"
    )
}

fn has(host: &Host) -> bool {
    host.exec("test -e /srv/rolled").status.success()
}

#[test]
fn a_dead_host_holds_up_nobody_else_and_a_rollout_stops_at_it() {
    let Some(hosts) = hosts(3) else { return };
    let all: Vec<&Host> = hosts.iter().collect();
    let project = Project::new(&all);
    all[1].fault("blackhole");
    // One at a time: after the one that is away no further host is touched.
    project.write("playbooks/site.yml", &playbook("  rollout: { batch: 1 }\n"));
    project.says(&["apply", "--yes"], 5);
    assert_eq!(all.iter().map(|host| has(host)).collect::<Vec<_>>(), [true, false, false]);
    // One may fail.
    project.write("playbooks/site.yml", &playbook("  rollout: { batch: 1, max_failures: 1 }\n"));
    project.says(&["apply", "--yes"], 5);
    assert_eq!(all.iter().map(|host| has(host)).collect::<Vec<_>>(), [true, false, true]);
    // All at once, the answers of the others do not wait for it.
    all[0].ok("rm /srv/rolled");
    project.write("playbooks/site.yml", &playbook(""));
    let events = project.says(&["apply", "--yes", "--output", "json", "--limit", "all"], 5);
    assert!(has(all[0]), "{events}");
    all[1].fault("mend");
    let begun = Instant::now();
    project.converges();
    assert!(has(all[1]));
    assert!(begun.elapsed().as_secs() < 60, "it is there again, and nothing of before keeps us from it");
}
