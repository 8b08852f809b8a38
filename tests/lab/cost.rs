//! What a run that changes nothing costs: one login a host, and next to no round trips, however many tasks there are; and how
//! many processes a first run costs a host, which is what its time goes to.

use std::time::Instant;

use super::{Project, host};

/// How many round trips `plan` takes, from how much longer it takes on a long line.
fn round_trips(project: &Project, host: &super::Host) -> f64 {
    const LONG: f64 = 0.4;
    let took = || {
        // The shortest of three: this machine has other things to do.
        let time = || {
            let began = Instant::now();
            assert!(project.says(&["plan"], 0).starts_with("nothing to do: "));
            began.elapsed().as_secs_f64()
        };
        (0..3).map(|_| time()).fold(f64::INFINITY, f64::min)
    };
    let short = took();
    host.fault("delay 400");
    let long = took();
    host.fault("mend");
    (long - short) / LONG
}

#[test]
fn a_run_that_changes_nothing_is_one_login_and_one_batch() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    let tasks: Vec<String> = (0..20)
        .map(|at| {
            format!(
                "- name: folder {at}\n  directory: {{ path: /srv/{at} }}\n\
                 - name: file {at}\n  copy: {{ dest: /srv/{at}/file, content: \"{at}\\n\" }}\n\
                 - name: line {at}\n  line: {{ path: /srv/{at}/file, line: more }}\n\
                 - name: link {at}\n  link: {{ src: /srv/{at}, dest: /srv/link{at} }}\n"
            )
        })
        .collect();
    project.tasks(&tasks.concat());
    let before = host.logins("ops");
    project.converges();
    assert_eq!(host.logins("ops"), before + 1, "plan, apply and plan: one login");
    let sudo = || host.ok("journalctl -q -o cat -t sudo | grep -c 'COMMAND='").parse::<u32>().unwrap();
    let asked = sudo();
    project.says(&["plan"], 0);
    assert_eq!(sudo(), asked + 1, "one shell as root a run");
    assert_eq!(host.logins("ops"), before + 1);
    // On a connection that is there: the channel is opened, the shell is started, and the one batch is answered. OpenSSH
    // does not send the batch along with the start. What ends the channel is not waited for.
    let trips = round_trips(&project, &host);
    assert!(trips < 3.9, "{trips} round trips");
}

/// The processes that a host has started while `work` was done: their numbers are given one after another.
fn processes(host: &super::Host, work: impl FnOnce()) -> u32 {
    let last = || host.ok("cat /proc/sys/kernel/ns_last_pid").parse::<u32>().unwrap();
    let before = last();
    work();
    last() - before
}

#[test]
fn a_first_run_costs_a_host_few_processes() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    let new: String = (0..20)
        .map(|at| {
            format!(
                "- directory: {{ path: /srv/{at}, owner: ops, mode: \"0750\" }}\n\
                 - copy: {{ dest: /srv/{at}/f{at}, content: \"{at}\\n\" }}\n"
            )
        })
        .collect();
    project.tasks(&new);
    let first = processes(&host, || drop(project.says(&["apply", "--yes"], 0)));
    assert!(first < 100, "{first} processes for 40 new things");
    project.tasks(&new.replace("\\n", " changed\\n"));
    let next = processes(&host, || drop(project.says(&["apply", "--yes"], 0)));
    assert!(next < 450, "{next} processes for 20 files with other content");
    let none = processes(&host, || drop(project.says(&["plan"], 0)));
    assert!(none < 15, "{none} processes for nothing to do");
}
