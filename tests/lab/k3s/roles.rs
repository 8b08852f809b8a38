//! The roles of the platform on real hosts: a server and agents, several servers, and a run that is killed anywhere.

use std::path::Path;
use std::time::Duration;

use super::gap::Poller;
use super::kills::killed;
use super::{MIRROR, READY, STABLE, hosts, project, sum, until};
use crate::lab::story::rows;
use crate::lab::{Host, Project};

/// What a host without k3s says.
const BARE: &str = "ls -d /usr/local/bin/k3s /etc/rancher/k3s /var/lib/rancher/k3s 2>/dev/null || true";

/// A project with the roles of the platform, as a user has it: groups, two plays, and what the release is.
pub(super) struct Platform {
    pub(super) project: Project,
    rows: Vec<String>,
    /// Lines of more values.
    pub(super) vars: String,
}

const PLAYS: &str = "- name: servers\n  hosts: k3s_server\n  rollout: { batch: 1 }\n  roles: [k3s_server]\n";
const AGENTS: &str = "- name: agents\n  hosts: k3s_agent\n  roles: [k3s_agent]\n";

impl Platform {
    pub(super) fn new(servers: &[&Host], agents: &[&Host]) -> Self {
        let project = Project::new(&[servers, agents].concat());
        for file in ["k3s_server/inputs.yml", "k3s_server/tasks.yml", "k3s_agent/inputs.yml", "k3s_agent/tasks.yml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles").join(file);
            project.write(&format!("roles/{file}"), &std::fs::read_to_string(path).unwrap());
        }
        let row = |host: &&Host, group: &str| {
            format!("  {}: {{ address: {}, user: ops, groups: [{group}] }}\n", host.name(), host.address())
        };
        let rows = servers.iter().map(|host| row(host, "k3s_server"));
        let rows = rows.chain(agents.iter().map(|host| row(host, "k3s_agent"))).collect();
        project.write(
            "playbooks/site.yml",
            &if agents.is_empty() { PLAYS.to_owned() } else { format!("{PLAYS}{AGENTS}") },
        );
        let platform = Self { project, rows, vars: String::new() };
        platform.settings("");
        platform
    }

    /// More that all servers are to have.
    pub(super) fn settings(&self, settings: &str) {
        let release = format!(
            "version: {STABLE}, sha256: {{ amd64: {} }}, mirror: \"{MIRROR}\", images: [{{ name: k3s-airgap-images-amd64.tar.gz, sha256: {} }}]",
            sum(STABLE, "k3s"),
            sum(STABLE, "k3s-airgap-images-amd64.tar.gz"),
        );
        let agents = if self.rows.iter().any(|row| row.contains("k3s_agent")) {
            format!("  k3s_agent: {{ {release} }}\n")
        } else {
            String::new()
        };
        let text = format!(
            "become: true\nssh: {{ config: ssh_config }}\ncluster: {{ kubeconfig_from: k3s_server }}\nvars:\n  k3s_server: {{ {release}, settings: {{ {settings} }} }}\n{agents}{}hosts:\n{}",
            self.vars,
            self.rows.concat()
        );
        self.project.write("inventories/lab/environment.yml", &text);
    }
}

pub(super) fn assert_ready(from: &Host, hosts: &[&Host]) {
    let ready = from.ok(READY);
    for host in hosts {
        assert!(ready.contains(&format!("{}={STABLE},True", host.name())), "{ready}");
    }
}

fn start(host: &Host, unit: &str) -> u64 {
    host.ok(&format!("systemctl show -p ExecMainStartTimestampMonotonic --value {unit}")).parse().unwrap()
}

pub(super) fn starts(hosts: &[&Host]) -> Vec<u64> {
    hosts.iter().map(|host| start(host, "k3s")).collect()
}

pub(super) fn authority(host: &Host) -> String {
    host.ok("sha256sum /var/lib/rancher/k3s/server/tls/server-ca.crt | cut -c1-64")
}

/// Planned in full on bare hosts, the agent after the server, whose token it reads there. A server that never is ready ends the run before
/// any other host is touched; an agent that comes later is all that changes.
#[test]
fn a_server_and_its_agents() {
    let Some(hosts) = hosts(3) else { return };
    let [server, agent, late] = &hosts[..] else { unreachable!() };
    let mut platform = Platform::new(&[server], &[agent, late]);
    let row = platform.rows.pop().unwrap();
    platform.settings("");
    let project = &platform.project;
    let plan = project.says(&["plan"], 0);
    for part in [
        "k3s-agent.service".to_owned(),
        format!("server: \"https://{}:6443\"", server.address()),
        format!("known after: k3s on {}", server.name()),
    ] {
        assert!(plan.contains(&part), "{part}\n{plan}");
    }
    platform.settings("kube-apiserver-arg: [nonsense=1]");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("`k3s` does not stay") && said.contains("apiserver exited"), "{said}");
    assert_eq!(agent.ok(BARE), "");
    platform.settings("");
    let said = project.converges();
    let token = server.ok("cat /var/lib/rancher/k3s/server/token");
    assert!(token.starts_with(&format!("K10{}::server:", authority(server))), "{token}");
    assert_eq!(agent.ok("cat /etc/rancher/k3s/token; stat -c %a /etc/rancher/k3s/token"), format!("{token}\n600"));
    assert!(!said.contains(&token[70..]), "{said}");
    assert_ready(server, &[server, agent]);

    let before = [start(server, "k3s"), start(agent, "k3s-agent")];
    platform.rows.push(row);
    platform.settings("");
    let project = &platform.project;
    let plan = rows(&project.says(&["plan", "--output", "json"], 0), "verdict");
    let changed = plan.values().filter(|row| row["verdict"] != "right").map(|row| row["place"].as_str().unwrap());
    assert_eq!(changed.collect::<Vec<_>>(), [late.name()]);
    assert_eq!(late.ok(BARE), "");
    project.converges();
    assert_ready(server, &[server, agent, late]);
    assert_eq!([start(server, "k3s"), start(agent, "k3s-agent")], before, "nobody else was touched");

    agent.ok("systemctl stop k3s-agent");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("now: inactive -> active"), "{plan}");
    project.converges();
    assert_ready(server, &[server, agent]);

    // The way in, for the user: the same from wherever one reaches the server.
    let said = project.says(&["kubeconfig", "--file", "own/config"], 0);
    assert!(said.contains(&format!("https://{}:6443 (written)", server.address())), "{said}");
    let path = project.path().join("own/config");
    let text = std::fs::read_to_string(&path).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let nodes = agent.ok(&format!(
        "cat >/tmp/own <<'K'\n{text}\nK\nk3s kubectl --kubeconfig /tmp/own --context lab get nodes -o name; rm /tmp/own"
    ));
    assert_eq!(nodes.lines().count(), 3, "{nodes}");

    // The server is away: an agent that joined long ago needs no look at it.
    server.ok("systemctl stop k3s ssh.socket ssh");
    let plan = project.says(&["plan", "--limit", agent.name()], 0);
    assert!(plan.contains("nothing to change, but not ready"), "{plan}");
}

/// One joins after the other, each when the one before votes; a change of settings restarts them one by one; one that lost all its data
/// joins again, wherever it stands in the inventory.
#[test]
fn three_servers() {
    let Some(hosts) = hosts(3) else { return };
    let all: Vec<&Host> = hosts.iter().collect();
    let platform = Platform::new(&all, &[]);
    let project = &platform.project;

    // One does not answer, and may have a cluster: nobody begins another.
    all[2].ok("systemctl stop ssh.socket ssh");
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains(&format!("whether there is a cluster already: `{}` does not say", all[2].name())), "{said}");
    assert_eq!(all[0].ok("ls /usr/local/bin/k3s 2>/dev/null || true"), "");
    all[2].ok("systemctl start ssh");

    project.converges();
    for host in &all {
        assert_ready(host, &all);
    }
    let voters = "k3s kubectl get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type==\"EtcdIsVoter\")].status}'";
    assert_eq!(all[1].ok(voters), "True True True");

    // A change restarts them one by one, and who asks the others finds one that answers.
    let before = starts(&all);
    let poller = Poller::start(all[0], &all);
    platform.settings("tls-san: [k3s.lions.test]");
    project.converges();
    let gap = poller.end();
    let after = starts(&all);
    assert!(before.iter().zip(&after).all(|(before, after)| before < after), "{before:?} {after:?}");
    assert!(after.is_sorted(), "one after the other: {after:?}");
    gap.tell("three servers, a restart of each");
    assert!(gap.longest < Duration::from_secs(3), "{gap:?}");
    let names =
        "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName";
    assert!(all[2].ok(names).contains("DNS:k3s.lions.test"));

    // The first one in the inventory, which began the cluster, loses everything.
    let (cluster, before) = (authority(all[1]), starts(&all[1..]));
    all[0].ok("k3s-uninstall.sh");
    let said = project.says(&["plan"], 4);
    let first = all[0].name();
    assert!(said.contains(&format!("the node `{first}` of before still is a member")), "{said}");
    all[1].ok(&format!("kubectl delete node {first}"));
    let members = "curl -s --cacert $d/server-ca.crt --cert $d/client.crt --key $d/client.key -X POST -d '{}' https://127.0.0.1:2379/v3/cluster/member/list | grep -o '\"name\"' | wc -l";
    until(all[1], &format!("d=/var/lib/rancher/k3s/server/tls/etcd; {members}"), "2");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains(&format!("server: \"https://{}:6443\"", all[1].address())), "{plan}");
    project.converges();
    assert_ready(all[0], &all);
    assert_eq!(authority(all[0]), cluster, "no second cluster");
    assert_eq!(all[1].ok(voters), "True True True");
    assert_eq!(starts(&all[1..]), before, "nobody else was touched");

    // None goes with its data as long as the others go on; when none runs any more, all do.
    let away = ["--set", "k3s_server.state=absent", "--set", "k3s_server.data=destroy"];
    let with = |words: &[&'static str], more: &[&'static str]| [words, more].concat();
    let said = project.says(&with(&["plan"], &away), 4);
    assert!(said.contains(&format!("the node `{first}` is a member of the cluster's etcd")), "{said}");
    project.says(&with(&["apply", "--yes"], &away[..2]), 0);
    let plan = project.says(&with(&["plan", "--output", "json"], &away), 0);
    assert_eq!(plan.matches("datastore (etcd)").count(), 3, "{plan}");
    project.says(&with(&["apply", "--yes"], &away), 0);
    for host in &all {
        assert_eq!(host.ok(BARE), "", "{}", host.name());
    }
    assert!(project.says(&with(&["plan"], &away), 0).starts_with("nothing to do: "));
}

/// Killed anywhere in the bootstrap: the next run ends in a node that is ready, and leaves nothing behind.
#[test]
fn killed_anywhere_in_the_bootstrap() {
    let bare = |host: &Host| project(host, "{ tls-san: [k3s.lions.test] }");
    killed(Duration::from_secs(10), bare, |host| {
        assert_ready(host, &[host]);
        assert_eq!(host.ok("systemctl show -p NRestarts --value k3s"), "0");
    });
}
