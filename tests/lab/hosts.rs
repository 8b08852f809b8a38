//! The lab itself: its hosts are what tests take them for, and nothing is left of them.

use super::{Lab, boot, host, hosts};

#[test]
fn a_host_is_a_machine_of_its_own() {
    let Some(host) = host() else { return };
    assert_eq!(
        host.ok("hostname; cat /proc/1/comm; systemctl is-active ssh"),
        format!("{}\nsystemd\nactive", host.name())
    );
    assert_eq!(host.logins("ops"), 1);
    host.ok("apt-get -q update && apt-get -q -y install lions-conf=1.0 lions-hello=1.0 lions-daemon");
    assert_eq!(host.ok("lions-hello; systemctl is-active lions-daemon"), "hello from 1.0\nactive");
    assert!(!host.exec("apt-get -q -y install lions-broken").status.success());
    assert_eq!(host.ok("curl -s -r 6-9 http://mirror.lab/files/hello.txt"), "from");
    assert!(!host.exec("curl -s http://mirror.lab/cut/1000/files/big").status.success());
}

#[test]
fn nothing_is_left_of_a_host() {
    let Some(hosts) = hosts(2) else { return };
    let (lab, names) = (hosts[0].lab, [hosts[0].name().to_owned(), hosts[1].name().to_owned()]);
    hosts[1].fault("freeze");
    hosts[0].fault("delay 5");
    drop(hosts);
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    for name in names {
        assert!(!lab.run.join(&name).exists());
        assert!(!mounts.contains(&format!("lions-lab-{}-{name} ", lab.id)), "{mounts}");
        assert!(!std::path::Path::new(&format!("/run/netns/{}-{name}", lab.id)).exists());
    }
}

#[test]
fn faults_are_faults() {
    let Some(host) = boot(1, &[("LAB_DISK", "96m")]).map(|mut hosts| hosts.remove(0)) else { return };
    let port = std::net::SocketAddr::new(host.address().parse().unwrap(), 22);
    let connects = || std::net::TcpStream::connect_timeout(&port, std::time::Duration::from_millis(300));
    connects().unwrap();
    for (fault, kind) in [
        ("blackhole", std::io::ErrorKind::TimedOut),
        ("reject", std::io::ErrorKind::ConnectionRefused),
        ("unplug", std::io::ErrorKind::TimedOut),
    ] {
        host.fault(fault);
        assert_eq!(connects().unwrap_err().kind(), kind, "{fault}");
        host.fault("mend");
        // A bridge whose only host was unplugged takes up to a second to see that it is there again.
        super::faults::until("it answers", || connects().is_ok());
    }
    host.fault("delay 100");
    let began = std::time::Instant::now();
    connects().unwrap();
    assert!(began.elapsed() >= std::time::Duration::from_millis(100));
    host.fault("mend");
    host.fault("fill /srv");
    assert!(!host.exec("echo x >/srv/more").status.success());
    host.fault("empty /srv");
    host.ok("echo x >/srv/more");
    host.fault("readonly");
    assert!(!host.exec("echo x >/srv/more").status.success());
    host.fault("writable");
    host.ok("echo x >/srv/more");
}

/// What holds a lab is killed, and cannot take it down: the next run does.
#[test]
fn nothing_is_left_of_a_lab_that_crashed() {
    let Some(_host) = host() else { return };
    let traces = |lab: &Lab| {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let links = std::process::Command::new("ip").args(["-br", "link"]).output().unwrap();
        [
            lab.run.exists(),
            mounts.contains(&format!("lions-lab-{}-", lab.id)),
            String::from_utf8_lossy(&links.stdout).lines().any(|line| line.starts_with(&lab.id)),
            std::path::Path::new(&format!("/run/netns/{}-h1", lab.id)).exists(),
        ]
    };
    let mut crashed = Lab::start().unwrap();
    crashed.run(&["add", "h1"]);
    assert_eq!(traces(&crashed), [true; 4]);
    crashed.keeper.kill().unwrap();
    crashed.keeper.wait().unwrap();
    assert_eq!(traces(&crashed), [true; 4], "hosts do not end with their keeper");
    let mut next = Lab::start().unwrap();
    // The same slot, as it is the lowest that is free, or another: the crashed one is gone either way.
    if next.id != crashed.id {
        assert_eq!(traces(&crashed), [false; 4]);
    }
    next.run(&["add", "h1"]);
    assert_eq!(traces(&next), [true; 4]);
    drop(next.keeper.stdin.take());
    assert!(next.keeper.wait().unwrap().success());
    assert_eq!(traces(&next), [false; 4], "a lab ends with who listens to it");
}
