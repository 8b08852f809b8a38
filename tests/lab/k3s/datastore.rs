//! Servers that keep their data in a datastore of its own.

use std::time::Duration;

use super::gap::Poller;
use super::hosts;
use super::roles::{Platform, assert_ready, authority, starts};
use crate::lab::Host;

/// Two servers share an etcd that runs elsewhere: none begins a cluster for the other, one that lost all it had is the same server again, and
/// the password in the endpoint shows nowhere.
#[test]
fn two_servers_with_a_datastore_of_its_own() {
    let Some(hosts) = hosts(3) else { return };
    let [store, first, second] = &hosts[..] else { unreachable!() };
    let servers = [first, second];
    store.ok(&format!(
        "systemd-run -q --unit=store /opt/lab-k3s/bin/etcd --data-dir=/var/lib/store --unsafe-no-fsync --listen-client-urls=http://0.0.0.0:2379 --advertise-client-urls=http://{}:2379",
        store.address()
    ));
    let mut platform = Platform::new(&servers, &[]);
    platform.vars = "  store: unset\n".to_owned();
    let project = &platform.project;
    project.write("store", &format!("http://k3s:open-sesame@{}:2379", store.address()));
    let says = |words: &[&str]| {
        let said = project.says(&[words, &["--set", "store=@store"]].concat(), 0);
        assert!(!said.contains("open-sesame"), "{said}");
        said
    };
    let converges = || {
        says(&["apply", "--yes"]);
        assert!(says(&["plan"]).starts_with("nothing to do: "));
    };
    platform.settings("datastore-endpoint: \"{{ store }}\"");
    let plan = says(&["plan"]);
    assert!(plan.contains("datastore-endpoint: ***") && !plan.contains("cluster-init"), "{plan}");
    converges();
    for host in servers {
        assert_ready(host, &servers);
        assert_eq!(
            host.ok("kubectl get nodes -l node-role.kubernetes.io/etcd -o name; ls -d /var/lib/rancher/k3s/server/db 2>/dev/null || true"),
            ""
        );
    }
    assert_eq!(authority(first), authority(second));

    // A change restarts one after the other, and the other one answers meanwhile.
    let before = starts(&servers);
    let poller = Poller::start(first, &servers);
    platform.settings("datastore-endpoint: \"{{ store }}\", tls-san: [k3s.lions.test]");
    converges();
    let gap = poller.end();
    let after = starts(&servers);
    assert!(before.iter().zip(&after).all(|(before, after)| before < after), "{before:?} {after:?}");
    gap.tell("two servers with a datastore of its own, a restart of each");
    assert!(gap.longest < Duration::from_secs(3), "{gap:?}");

    // Nobody misses one that goes with all that it has: the data are elsewhere.
    let cluster = authority(second);
    says(&[
        "apply",
        "--yes",
        "--limit",
        first.name(),
        "--set",
        "k3s_server.state=absent",
        "--set",
        "k3s_server.data=destroy",
    ]);
    converges();
    assert_ready(first, &servers);
    assert_eq!(authority(first), cluster);
    assert_eq!(starts(&[second]), after[1..], "nobody else was touched");

    let shows = "p=open; p=$p-sesame; grep -rl $p /etc /run /var/lib/rancher/k3s/server /var/lib/rancher/k3s/agent/etc /var/log 2>/dev/null; ps -e -o args= | grep -v grep | grep $p; journalctl -q -o cat | grep -c $p";
    let output = |host: &Host| String::from_utf8(host.exec(shows).stdout).unwrap();
    for host in servers {
        assert_eq!(output(host), "/etc/rancher/k3s/config.yaml\n0\n");
        assert_eq!(host.ok("stat -c %a /etc/rancher/k3s/config.yaml"), "600");
    }
}
