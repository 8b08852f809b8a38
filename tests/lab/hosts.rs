//! The lab itself: its hosts are what tests take them for, and nothing is left of them.

use super::{boot, host, hosts};

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
        connects().unwrap();
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
