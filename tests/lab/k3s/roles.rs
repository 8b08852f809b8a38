//! The roles of the platform on real hosts: a server and agents, several servers, and a run that is killed anywhere.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{MIRROR, READY, STABLE, hosts, project, sum};
use crate::lab::{Host, Project};

/// A project with the roles of the platform. The values of a play's role, without the last brace.
fn platform(hosts: &[&Host]) -> (Project, String) {
    let project = Project::new(hosts);
    for file in ["k3s_server/inputs.yml", "k3s_server/tasks.yml", "k3s_agent/inputs.yml", "k3s_agent/tasks.yml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles").join(file);
        project.write(&format!("roles/{file}"), &std::fs::read_to_string(path).unwrap());
    }
    let common = format!(
        "{{ version: {STABLE}, sha256: {{ amd64: {} }}, mirror: \"{MIRROR}\", token: \"{{{{ k3s_token }}}}\", images: [{{ name: k3s-airgap-images-amd64.tar.gz, sha256: {} }}]",
        sum(STABLE, "k3s"),
        sum(STABLE, "k3s-airgap-images-amd64.tar.gz"),
    );
    (project, common)
}

fn url(host: &Host) -> String {
    format!("\"https://{}:6443\"", host.address())
}

fn assert_ready(from: &Host, hosts: &[&Host]) {
    let ready = from.ok(READY);
    for host in hosts {
        assert!(ready.contains(&format!("{}={STABLE},True", host.name())), "{ready}");
    }
}

/// Planned in full on bare hosts, the agent after the server.
#[test]
fn a_server_and_an_agent() {
    let Some(hosts) = hosts(2) else { return };
    let [server, agent] = &hosts[..] else { unreachable!() };
    let (project, common) = platform(&[server, agent]);
    let vars = format!(
        "vars:\n  k3s_token: correct-horse\n  k3s_server: {common} }}\n  k3s_agent: {common}, server: {} }}\n",
        url(server)
    );
    project.environment(&vars);
    let play =
        |name: &str, host: &Host, role: &str| format!("- name: {name}\n  hosts: {}\n  roles: [{role}]\n", host.name());
    let plays = [play("servers", server, "k3s_server"), play("agents", agent, "k3s_agent")];
    project.write("playbooks/site.yml", &plays.concat());
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("k3s-agent.service"), "{plan}");
    assert!(!plan.contains("correct-horse") && !plan.contains("known after"), "{plan}");
    project.converges();
    assert_ready(server, &[server, agent]);
    agent.ok("systemctl stop k3s-agent");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("now: inactive -> active"), "{plan}");
    project.converges();
    assert_ready(server, &[server, agent]);
}

/// One joins after the other, each when the one before votes; a change of settings restarts them one by one.
#[test]
fn three_servers() {
    let Some(hosts) = hosts(3) else { return };
    let all: Vec<&Host> = hosts.iter().collect();
    let (project, common) = platform(&all);
    let environment = |settings: &str| {
        let rows: Vec<String> = all
            .iter()
            .map(|host| {
                let first = host.name() == all[0].name();
                let server = if first { String::new() } else { format!(", server: {}", url(all[0])) };
                let init = if first { "cluster-init: true, " } else { "" };
                let vars = format!("vars: {{ k3s_server: {{ settings: {{ {init}{settings} }}{server} }} }}");
                format!("  {}: {{ address: {}, user: ops, {vars} }}\n", host.name(), host.address())
            })
            .collect();
        let text = format!(
            "become: true\nssh: {{ config: ssh_config }}\nvars:\n  k3s_token: correct-horse\n  k3s_server: {common} }}\nhosts:\n{}",
            rows.concat()
        );
        project.write("inventories/lab/environment.yml", &text);
    };
    environment("node-label: [tier=server]");
    project
        .write("playbooks/site.yml", "- name: servers\n  hosts: all\n  rollout: { batch: 1 }\n  roles: [k3s_server]\n");
    project.converges();
    for host in &all {
        assert_ready(host, &all);
    }
    let voters = "k3s kubectl get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type==\"EtcdIsVoter\")].status}'";
    assert_eq!(all[1].ok(voters), "True True True");
    let starts = || -> Vec<u64> {
        let start =
            |host: &&Host| host.ok("systemctl show -p ExecMainStartTimestampMonotonic --value k3s").parse().unwrap();
        all.iter().map(start).collect()
    };
    let before = starts();
    environment("node-label: [tier=server], tls-san: [k3s.lions.test]");
    project.converges();
    let after = starts();
    assert!(before.iter().zip(&after).all(|(before, after)| before < after), "{before:?} {after:?}");
    assert!(after.is_sorted(), "one after the other: {after:?}");
    let names =
        "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName";
    assert!(all[2].ok(names).contains("DNS:k3s.lions.test"));
}

/// Killed anywhere in the bootstrap: the next run ends in a node that is ready, and leaves nothing behind.
#[test]
fn killed_anywhere_in_the_bootstrap() {
    let times: u32 = std::env::var("LIONS_BOOTSTRAPS").map_or(3, |text| text.parse().unwrap());
    let mut random: u64 = std::env::var("LIONS_SEED")
        .map_or_else(|_| crate::lab::faults::kills::rand_seed(), |text| text.parse().unwrap());
    std::io::Write::write_all(&mut std::io::stderr(), format!("LIONS_SEED={random}\n").as_bytes()).unwrap();
    let mut whole = Duration::from_secs(10);
    for _ in 0..times {
        let Some(mut hosts) = hosts(1) else { return };
        let host = hosts.remove(0);
        let project = project(&host, "{ tls-san: [k3s.lions.test] }");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let after = whole.mul_f64(f64::from(u32::try_from(random % 1000).unwrap()) / 1000.0);
        let mut run = project.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let _ = run.kill();
        run.wait().unwrap();
        let token = host.exec("cat /var/lib/rancher/k3s/server/token").stdout;
        let began = Instant::now();
        project.converges();
        whole = whole.max(began.elapsed());
        assert_ready(&host, &[&host]);
        let now = host.ok("cat /var/lib/rancher/k3s/server/token");
        assert!(
            token.is_empty() || String::from_utf8(token).unwrap().trim() == now,
            "killed after {after:?}: another cluster"
        );
        assert_eq!(
            host.ok("find / -xdev -name '.lions*'; find /var/lib/rancher -name '.lions*'"),
            "",
            "killed after {after:?}"
        );
        assert_eq!(host.ok("systemctl show -p NRestarts --value k3s"), "0", "killed after {after:?}");
    }
}
