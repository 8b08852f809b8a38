//! `lions` killed on its way from a bare host, again and again: `LIONS_KILLS` times, from `LIONS_SEED`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::hosts;
use crate::lab::faults::kills::Moments;
use crate::lab::{Host, Project};

const TOKEN: &str = "cat /var/lib/rancher/k3s/server/token 2>/dev/null || true";

/// Bare hosts, one after another: `apply` is killed within `whole`, or as long as a run turns out to take; then it is run to its end, which
/// leaves what `holds`, the cluster of before where there was one, and nothing of its own.
pub(super) fn killed(mut whole: Duration, project: impl Fn(&Host) -> Project, holds: impl Fn(&Host)) {
    let mut moments = Moments::new(3);
    for at in 1..=moments.times {
        let Some(mut hosts) = hosts(1) else { return };
        let host = hosts.remove(0);
        let project = project(&host);
        let after = moments.within(whole);
        let mut run = project.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let _ = run.kill();
        run.wait().unwrap();
        // Read by those who look for the cause when what follows does not hold.
        let text = format!("kill {at} of {}: after {after:?}\n", moments.times);
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
        let token = host.ok(TOKEN);
        let begun = Instant::now();
        project.converges();
        whole = whole.max(begun.elapsed());
        holds(&host);
        assert!(token.is_empty() || token == host.ok(TOKEN), "another cluster");
        assert_eq!(host.ok("find / -xdev -name '.lions*'; find /var/lib/rancher -name '.lions*'"), "");
    }
}
