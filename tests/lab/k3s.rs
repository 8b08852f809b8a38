//! k3s on real hosts. The releases are those of the stand-in of `tests/lab/k3s`, or real ones (`LIONS_LAB_K3S`); here is
//! held that the stand-in behaves as the real one does where `lions` and its users look.

mod base;
mod components;
mod datastore;
mod environments;
mod gap;
mod kills;
mod leaving;
mod lock;
mod packaged;
mod roles;
mod whole;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{Host, Project, boot, lab, left_out};

/// A release that the mirror has: which version that is depends on the releases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Release {
    Old,
    Stable,
    Rebuilt,
}

/// One of the minor release before, if there is one.
pub(crate) const OLD: Release = Release::Old;
/// What the channel `stable` is at.
pub(crate) const STABLE: Release = Release::Stable;
/// A later one of the same minor release, if there is one.
pub(crate) const REBUILT: Release = Release::Rebuilt;

impl Release {
    fn version(self) -> Option<String> {
        let releases = &built().unwrap().releases;
        let said = std::fs::read_to_string(releases.join("channels/stable.location")).unwrap();
        let stable = said.rsplit('/').next().unwrap().trim().to_owned();
        let folders = std::fs::read_dir(releases.join("releases/download")).unwrap();
        let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut all: Vec<(Vec<u64>, String)> =
            names.filter(|name| !name.contains("-rc")).map(|name| (numbers(&name), name)).collect();
        all.sort();
        let of = numbers(&stable);
        let found = match self {
            Self::Stable => return Some(stable),
            Self::Old => all.iter().rev().find(|(at, _)| at[0] == of[0] && at[1] + 1 == of[1]),
            Self::Rebuilt => all.iter().find(|(at, _)| at[..2] == of[..2] && *at > of),
        };
        found.map(|(_, name)| name.clone())
    }

    /// It, or the stable one where the releases lack it, which is said.
    fn or_stable(self) -> Self {
        if self.version().is_some() {
            return self;
        }
        left_out(&format!("k3s {self:?}: the releases of LIONS_LAB_K3S have none"));
        STABLE
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.version().unwrap())
    }
}

/// The four numbers of a version.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|one: char| !one.is_ascii_digit()).filter(|part| !part.is_empty());
    // `v1.36.3+k3s1`: the `3` of `k3s` is none of them.
    let all: Vec<u64> = parts.map(|part| part.parse().unwrap()).collect();
    assert_eq!(all.len(), 5, "{version}");
    vec![all[0], all[1], all[2], all[4]]
}

/// Are these real releases?
fn real() -> bool {
    std::env::var_os("LIONS_LAB_K3S").is_some_and(|folder| !folder.is_empty())
}

/// Where releases come from, and what the stand-in runs inside.
struct Built {
    releases: PathBuf,
    inside: PathBuf,
}

fn built() -> Option<&'static Built> {
    static BUILT: OnceLock<Option<Built>> = OnceLock::new();
    let run = |script: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(script);
        let output = Command::new(path).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        match output.status.code() {
            Some(0) => Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())),
            // 69: this machine lacks something.
            code => {
                assert_eq!(code, Some(69), "{script}");
                None
            }
        }
    };
    let all = || Some(Built { inside: run("cluster/build.sh")?, releases: run("k3s/build.sh")? });
    BUILT
        .get_or_init(|| {
            let built = all();
            if built.is_none() {
                left_out("tests with k3s");
            }
            built
        })
        .as_ref()
}

/// Fresh hosts that can run k3s, or nothing where this machine cannot have them. They get it from [`MIRROR`].
pub(crate) fn hosts(count: usize) -> Option<Vec<Host>> {
    let (lab, built) = (lab()?, built()?);
    match std::os::unix::fs::symlink(&built.releases, lab.run.join("mine/k3s")) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => panic!("{error}"),
        _ => {}
    }
    let words = format!("--bind-ro={}:/opt/lab-k3s", built.inside.display());
    boot(count, &[("LAB_PODS", "1"), ("LAB_NSPAWN", &words)])
}

/// Where the releases are, as the hosts see it.
pub(crate) const MIRROR: &str = "http://mirror.lab/mine/k3s/releases/download";

/// The digest of an asset of a release, as the release says it.
pub(crate) fn sum(version: Release, asset: &str) -> String {
    let file =
        built().unwrap().releases.join("releases/download").join(version.to_string()).join("sha256sum-amd64.txt");
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.ends_with(&format!("  {asset}"))).unwrap();
    line[..64].to_owned()
}

/// The digest of any file below the mirror's folder.
pub(crate) fn sum_of(path: &str) -> String {
    lions::model::Digest::of(&std::fs::read(built().unwrap().releases.join(path)).unwrap()).to_string()
}

/// Asks a host again and again until what it prints holds `part`.
pub(crate) fn until(host: &Host, command: &str, part: &str) -> String {
    let begun = Instant::now();
    loop {
        let output = host.exec(command);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if said.contains(part) {
            return said;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "`{command}` does not say `{part}` but: {said}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

const UNIT: &str = "[Unit]\nAfter=network-online.target\n[Service]\nType=notify\nKillMode=process\nDelegate=yes\nLimitNOFILE=1048576\n\
TasksMax=infinity\nTimeoutStartSec=0\nRestart=always\nRestartSec=1s\nExecStart=/usr/local/bin/k3s COMMAND\n";

/// Installs a release as its documents say, by hand, and starts it.
fn install(host: &Host, unit: &str, version: Release, config: &str) {
    let command = if unit == "k3s" { "server" } else { "agent" };
    let text = UNIT.replace("COMMAND", command);
    let encoded = version.to_string().replace('+', "%2B");
    host.ok(&format!(
        "set -e; mkdir -p /etc/rancher/k3s /var/lib/rancher/k3s/agent/images /tmp/k3s; cd /tmp/k3s\n\
         for asset in k3s k3s-airgap-images-amd64.tar.gz sha256sum-amd64.txt; do curl -sSf -O {MIRROR}/{encoded}/$asset; done\n\
         sha256sum --quiet --strict --ignore-missing -c sha256sum-amd64.txt\n\
         install -m755 k3s /usr/local/bin/k3s; mv k3s-airgap-images-amd64.tar.gz /var/lib/rancher/k3s/agent/images/\n\
         curl -sSf -o /var/lib/rancher/k3s/agent/images/busybox.tar http://mirror.lab/mine/k3s/images/busybox.tar\n\
         cat >/etc/rancher/k3s/config.yaml <<'C'\n{config}\nC\n\
         cat >/etc/systemd/system/{unit}.service <<'U'\n{text}U\n\
         systemctl daemon-reload; timeout 120 systemctl start {unit}"
    ));
}

const READY: &str = "k3s kubectl get nodes -o 'jsonpath={range .items[*]}{.metadata.name}={.status.nodeInfo.kubeletVersion},{.status.conditions[?(@.type==\"Ready\")].status} {end}'";

#[test]
fn a_single_server_runs_a_pod() {
    let Some(mut hosts) = hosts(1) else { return };
    let host = hosts.remove(0);
    install(&host, "k3s", STABLE, "write-kubeconfig-mode: \"0640\"\nnode-label:\n  - tier=lab\ndisable: [traefik]");
    assert!(host.ok("k3s --version").starts_with(&format!("k3s version {STABLE} (")));
    // As systemd knows it: up, which is not yet a node that is ready.
    assert_eq!(host.ok("systemctl is-active k3s; curl -sk https://127.0.0.1:6443/ping"), "active\npong");
    assert_eq!(host.ok("curl -sk -o /dev/null -w '%{http_code}' https://127.0.0.1:6443/readyz"), "401");
    assert_eq!(host.ok("k3s kubectl get --raw /readyz; stat -c %a /etc/rancher/k3s/k3s.yaml"), "ok640");
    let token = host.ok("cat /var/lib/rancher/k3s/server/token");
    let pin = host.ok("curl -sk https://127.0.0.1:6443/cacerts | sha256sum | cut -c1-64");
    assert!(token.starts_with(&format!("K10{pin}::server:")), "{token}");
    assert_eq!(host.ok("cat /var/lib/rancher/k3s/server/node-token"), token);
    until(&host, READY, &format!("{}={STABLE},True", host.name()));
    assert_eq!(
        host.ok("k3s kubectl get nodes -l tier=lab,node-role.kubernetes.io/control-plane=true -o name").lines().count(),
        1
    );

    let pod = "k3s kubectl run p --image=lions.test/busybox:1 --image-pull-policy=Never --restart=Never --command -- sh -c 'mkdir /tmp/w; echo here >/tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w'";
    until(&host, "k3s kubectl get sa default -o name", "serviceaccount/default");
    host.ok(pod);
    let answer = "curl -s -m 2 http://$(k3s kubectl get pod p -o 'jsonpath={.status.podIP}'):8080";
    until(&host, answer, "here");
    until(&host, "k3s kubectl get pod p -o 'jsonpath={.status.phase}'", "Running");
    let running = "k3s crictl ps -q | grep -x $(k3s kubectl get pod p -o 'jsonpath={.status.containerStatuses[0].containerID}' | sed 's|.*/||')";
    let before = host.ok(running);
    host.ok("systemctl restart k3s");
    assert_eq!(host.ok(answer), "here", "containers outlive the service");
    until(&host, running, &before);

    // What it refuses: it says so, and ends.
    let refused = |command: &str, why: &str| {
        let output = host.exec(&format!("systemctl stop k3s; timeout 20 {command}"));
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && said.contains(why), "{command}: {said}");
    };
    refused("k3s server --no-deploy traefik", "flag provided but not defined: -no-deploy");
    refused("k3s server --write-kubeconfig-name lab", "flag provided but not defined");
    refused("k3s server --token other", "bootstrap data already found and encrypted with different token");
    refused("k3s server --kube-apiserver-arg=nonsense=1", "apiserver exited");
    refused("k3s agent", "--server is required");
    host.ok("echo 'clusterinit: true' >>/etc/rancher/k3s/config.yaml");
    refused("k3s server", "flag provided but not defined: -clusterinit");
}

#[test]
fn servers_and_agents_join() {
    let Some(hosts) = hosts(3) else { return };
    let [first, second, agent] = &hosts[..] else { unreachable!() };
    install(first, "k3s", STABLE, "cluster-init: true\ntoken: correct-horse");
    let token = first.ok("cat /var/lib/rancher/k3s/server/token");
    assert!(token.ends_with("::server:correct-horse"), "{token}");
    let at = |host: &Host| format!("https://{}:6443", host.address());
    let (rebuilt, old) = (REBUILT.or_stable(), OLD.or_stable());
    install(second, "k3s", rebuilt, &format!("server: {}\ntoken: {token}", at(first)));
    // A token that expires is enough for an agent.
    let expiring = first.ok("k3s token create --ttl 1h");
    install(
        agent,
        "k3s-agent",
        old,
        &format!("server: {}\ntoken: {expiring}\nnode-taint: [lab=yes:NoExecute]", at(second)),
    );
    for (host, version) in [(first, STABLE), (second, rebuilt), (agent, old)] {
        until(second, READY, &format!("{}={version},True", host.name()));
    }
    let voters = "k3s kubectl get nodes -l node-role.kubernetes.io/etcd=true -o 'jsonpath={.items[*].status.conditions[?(@.type==\"EtcdIsVoter\")].status}'";
    until(first, voters, "True True");
    first.ok("k3s etcd-snapshot save --name before");
    assert!(first.ok("k3s etcd-snapshot list").contains(&format!("before-{}-", first.name())));

    // Who knows the wrong authority joins nothing.
    agent.ok("systemctl stop k3s-agent");
    let pin = token[3..67].chars().rev().collect::<String>();
    let output =
        agent.exec(&format!("timeout 20 k3s agent --server {} --token K10{pin}::server:correct-horse", at(first)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("token CA hash does not match"), "{said}");
    // And who is somebody else under a name that is taken neither.
    let output = agent.exec("mv /etc/rancher/node/password /tmp/; timeout 5 systemctl start k3s-agent; journalctl -q -o cat -u k3s-agent -n 50; sleep 11; journalctl -q -o cat -u k3s-agent -n 50");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Node password rejected, duplicate hostname"), "{said}");
}

fn project(host: &Host, config: &str) -> Project {
    let project = Project::new(&[host]);
    project.tasks(&task(STABLE, config));
    project
}

fn task(version: Release, config: &str) -> String {
    format!(
        "- name: k3s\n  timeout: 180\n  k3s:\n    version: {version}\n    sha256: {}\n    mirror: {MIRROR}\n    images:\n      - {{ name: k3s-airgap-images-amd64.tar.gz, sha256: {} }}\n      - {{ name: busybox.tar, sha256: {}, url: \"http://mirror.lab/mine/k3s/images/busybox.tar\" }}\n    config: {config}\n",
        sum(version, "k3s"),
        sum(version, "k3s-airgap-images-amd64.tar.gz"),
        sum_of("images/busybox.tar"),
    )
}

/// From a bare host to a node that is ready, by `lions` alone; then nothing is left to do, a change restarts it once, and what
/// was done by hand is seen.
#[test]
fn lions_brings_up_a_single_server() {
    let Some(mut hosts) = hosts(1) else { return };
    let host = hosts.remove(0);
    let project = project(&host, "{ write-kubeconfig-mode: \"0640\", node-label: [tier=lab] }");
    let plan = project.says(&["plan"], 0);
    for part in
        [&format!("version: {STABLE}"), "/etc/rancher/k3s/config.yaml", "node-label:", "now: inactive -> active"]
    {
        assert!(plan.contains(part), "{part}\n{plan}");
    }
    assert_eq!(
        host.ok("ls -d /etc/rancher /usr/local/bin/k3s /var/lib/rancher/k3s 2>/dev/null || true"),
        "",
        "a plan writes nothing"
    );
    project.converges();
    // Done is ready: nothing is waited for here.
    assert!(host.ok(READY).contains(&format!("{}={STABLE},True", host.name())));
    assert_eq!(host.ok("kubectl get nodes -l tier=lab -o name; stat -c %a /etc/rancher/k3s/config.yaml /etc/rancher/k3s/k3s.yaml; ls -A /etc/rancher/k3s"), format!("node/{}\n600\n640\nconfig.yaml\nk3s.yaml", host.name()));
    let starts = || host.ok("systemctl show -p ExecMainStartTimestampMonotonic --value k3s");
    let began = starts();
    project.converges();
    assert_eq!(starts(), began, "nothing to do, nothing restarted");

    // A pod runs, and goes on while a change of settings restarts the service, once.
    until(&host, "kubectl get sa default -o name", "serviceaccount/default");
    host.ok("kubectl run p --image=lions.test/busybox:1 --image-pull-policy=Never --restart=Never --command -- sh -c 'exec tail -f /dev/null'");
    until(&host, "kubectl get pod p -o 'jsonpath={.status.phase}'", "Running");
    project.tasks(&task(STABLE, "{ write-kubeconfig-mode: \"0600\", node-label: [tier=lab] }"));
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("-write-kubeconfig-mode: \"0640\"") && plan.contains("now: active -> restarted"), "{plan}");
    let poller = gap::Poller::start(&host, &[&host]);
    project.converges();
    let gap = poller.end();
    gap.tell("a single server, a restart");
    assert!(gap.longest < Duration::from_mins(1), "{gap:?}");
    assert_ne!(starts(), began);
    assert_eq!(host.ok("stat -c %a /etc/rancher/k3s/k3s.yaml; kubectl get pod p -o 'jsonpath={.status.containerStatuses[0].restartCount}'"), "600\n0");

    // A later build of the same release.
    let began = starts();
    let rebuilt = REBUILT.or_stable();
    project.tasks(&task(rebuilt, "{ write-kubeconfig-mode: \"0600\", node-label: [tier=lab] }"));
    let plan = project.says(&["plan"], 0);
    assert!(rebuilt == STABLE || plan.contains(&format!("version: {STABLE} -> {rebuilt}")), "{plan}");
    project.converges();
    assert_eq!(starts() == began, rebuilt == STABLE);
    assert!(host.ok(READY).contains(&format!("{}={rebuilt},True", host.name())));

    // An interrupted run: settings written, not yet in effect.
    let began = starts();
    host.ok("echo >/etc/rancher/k3s/.lions-restart");
    let plan = project.says(&["plan"], 0);
    assert!(plan.contains("now: active -> restarted"), "{plan}");
    project.converges();
    assert_ne!(starts(), began);

    // A server that never becomes ready: it stops, and says why with what the service said.
    project.tasks(&task(rebuilt, "{ kube-apiserver-arg: [nonsense=1] }"));
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("`k3s` does not stay") && said.contains("apiserver exited"), "{said}");

    // Corrected, it comes up again: what failed before does not count.
    project.tasks(&task(rebuilt, "{ node-label: [tier=lab] }"));
    project.converges();

    // Who works there by hand has what the documents of k3s name.
    host.ok("k3s-uninstall.sh");
    let left = "ls -d /etc/rancher/k3s /var/lib/rancher/k3s /run/k3s /usr/local/bin/* /etc/systemd/system/k3s* 2>/dev/null; ps -e -o args= | grep [c]ontainerd-shim; ip -o link show cni0 2>/dev/null; iptables-save | grep KUBE- || true";
    assert_eq!(host.ok(left), "");
}

/// What cannot be is said by the plan, and nothing is written.
#[test]
fn what_cannot_be_installed_is_refused() {
    let Some(mut hosts) = hosts(1) else { return };
    let host = hosts.remove(0);
    let project = project(&host, "{}");
    let wrong = |tasks: &str, words: &[&str], code: i32, why: &str| {
        project.tasks(tasks);
        let said = project.says(words, code);
        assert!(said.contains(why), "{why}\n{said}");
    };
    let good = task(STABLE, "{}");
    wrong(&task(STABLE, "{ no-deploy: traefik }"), &["plan"], 1, "does not know `no-deploy`");
    host.ok("systemd-run -q --unit=other --collect /usr/sbin/sshd -D -p 6443");
    until(&host, "ss -Hltn 'sport = :6443'", "6443");
    wrong(&good, &["plan"], 4, "port 6443 is in use there, by \"sshd\"");
    host.ok("systemctl stop other");
    // A wrong checksum: nothing is put into place, nothing is started.
    let digest = sum(STABLE, "k3s");
    wrong(&good.replace(&digest, &"0".repeat(64)), &["apply", "--yes"], 4, "is not what was wished for");
    // A mirror that dies in the middle.
    let cut = MIRROR.replace("mirror.lab/", "mirror.lab/cut/100000/");
    wrong(&good.replace(MIRROR, &cut), &["apply", "--yes"], 4, "could not fetch");
    assert_eq!(host.ok("ls /usr/local/bin/k3s /etc/systemd/system/k3s.service 2>/dev/null || true"), "");
    // And then it comes up all the same.
    project.tasks(&good);
    project.converges();
    assert!(host.ok(READY).contains(&format!("{}={STABLE},True", host.name())));
}
