//! The role `base` on bare hosts: planned in full, made, right, and in the way neither of who comes in nor of k3s.

use super::components::copy;
use super::{READY, STABLE, hosts, install, until};
use crate::lab::{Host, Project};

const VARS: &str = "\
vars:
  lions_domain: lions.test
  base: { firewall: true, nodes: [NODES], open_ports: [8090], root_login: \"no\" }
";

const PODS: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: lions.test/busybox:1
          command: [sh, -c, "mkdir /tmp/w; echo here >/tmp/w/index.html; echo begun; exec httpd -f -p 8080 -h /tmp/w"]
"#;

/// Can one host open a connection to a port of another?
fn reaches(from: &Host, to: &Host, port: u16) -> bool {
    from.exec(&format!("timeout 2 bash -c '</dev/tcp/{}/{port}'", to.address())).status.success()
}

#[test]
fn base_is_made_and_k3s_works_behind_its_firewall() {
    let Some(hosts) = hosts(3) else { return };
    let [server, agent, stranger] = &hosts[..] else { unreachable!() };
    let project = Project::new(&[server, agent]);
    copy(&project, "roles/base");
    project.write("playbooks/site.yml", "- name: prepare hosts\n  hosts: all\n  roles: [base]\n");
    let vars = |nodes: &str| project.environment(&VARS.replace("NODES", nodes));

    // Hosts of one cluster that may not talk to each other are none.
    vars("");
    let said = project.says(&["plan"], 4);
    assert!(said.contains("name their networks"), "{said}");
    vars(&format!("{}, {}", server.address(), agent.address()));
    let plan = project.says(&["plan"], 0);
    assert!(!plan.contains("later") && plan.contains("PasswordAuthentication no"), "{plan}");
    project.converges();
    let effective =
        server.ok("/usr/sbin/sshd -T | grep -iE '^(passwordauthentication|permitrootlogin|x11forwarding) ' | sort");
    assert_eq!(effective, "passwordauthentication no\npermitrootlogin no\nx11forwarding no");
    assert_eq!(server.ok("readlink /etc/localtime; sysctl -n vm.swappiness net.ipv4.ip_forward; dpkg-query -W -f '${db:Status-Status}' unattended-upgrades; systemctl is-active lions-firewall"), "/usr/share/zoneinfo/Europe/Paris\n10\n1\ninstalledactive");

    // What is done by hand is seen, and undone.
    server.ok("sysctl -q -w vm.swappiness=60; echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/00-lions.conf; nft delete table inet lions");
    let plan = project.says(&["plan"], 0);
    for task in ["kernel parameters[vm.swappiness]", "sshd", "firewall"] {
        assert!(plan.contains(&format!("~ prepare hosts/base/{task}\n")), "{plan}");
    }
    project.converges();

    install(server, "k3s", STABLE, "token: correct-horse");
    install(agent, "k3s-agent", STABLE, &format!("server: https://{}:6443\ntoken: correct-horse", server.address()));
    until(server, READY, &format!("{}={STABLE},True", agent.name()));
    until(server, READY, &format!("{}={STABLE},True", server.name()));
    server.ok(&format!("cat >/tmp/pods.yaml <<'Y'{PODS}\nY\nk3s kubectl apply -f /tmp/pods.yaml"));
    until(server, "k3s kubectl rollout status ds/web --timeout=60s", "successfully rolled out");
    let pods =
        server.ok("k3s kubectl get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.podIP}{\"\\n\"}{end}'");
    let pods: Vec<(&str, &str)> = pods.lines().filter_map(|line| line.trim().split_once(' ')).collect();
    assert_eq!(pods.len(), 2, "{pods:?}");
    for (from, _) in &pods {
        // The kubelet of another node is asked, and its pods.
        assert_eq!(server.ok(&format!("k3s kubectl logs {from}")), "begun");
        for (_, to) in &pods {
            assert_eq!(server.ok(&format!("k3s kubectl exec {from} -- wget -q -O - http://{to}:8080")), "here");
        }
        let names = format!("k3s kubectl exec {from} -- nslookup kubernetes.default.svc.cluster.local");
        assert!(server.ok(&names).contains("10.43.0.1"));
    }

    // Who is no node comes as far as SSH.
    assert!(reaches(agent, server, 6443) && reaches(server, agent, 10250));
    assert!(reaches(stranger, server, 22) && reaches(stranger, agent, 22));
    assert!(!reaches(stranger, server, 6443) && !reaches(stranger, agent, 10250));
    project.converges();
}
