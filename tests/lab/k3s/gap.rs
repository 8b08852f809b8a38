//! How long nobody answers for the API while something is done to its servers.

use std::time::Duration;

use crate::lab::Host;

/// Asks `/readyz` of each of some servers in turn, ten times a second, until one says that it is ready.
pub(super) struct Poller<'a> {
    at: &'a Host,
}

/// What it saw.
#[derive(Debug)]
pub(super) struct Gap {
    asked: usize,
    failed: usize,
    pub(super) longest: Duration,
}

impl<'a> Poller<'a> {
    /// Asks from `at`, which has the administrator's certificate.
    pub(super) fn start(at: &'a Host, servers: &[&Host]) -> Self {
        let urls: Vec<String> =
            servers.iter().map(|server| format!("https://{}:6443/readyz", server.address())).collect();
        let script = format!(
            "mkdir -p /tmp/gap; cd /tmp/gap; d=/var/lib/rancher/k3s/server/tls; cp $d/server-ca.crt $d/client-admin.crt $d/client-admin.key .; rm -f said end
             while [ ! -e end ]; do
               ok=no
               for url in {}; do
                 [ \"$(curl -s -m 1 --cacert server-ca.crt --cert client-admin.crt --key client-admin.key $url)\" = ok ] && {{ ok=yes; break; }}
               done
               echo \"$(date +%s%3N) $ok\" >>said
               sleep 0.1
             done",
            urls.join(" ")
        );
        at.ok(&format!("cat >/tmp/gap.sh <<'S'\n{script}\nS\nsystemd-run -q --unit=gap --collect sh /tmp/gap.sh"));
        super::until(at, "tail -n 1 /tmp/gap/said", "yes");
        Self { at }
    }

    /// Ends it: what it saw.
    pub(super) fn end(self) -> Gap {
        let said = self.at.ok("touch /tmp/gap/end; cat /tmp/gap/said");
        let (mut last, mut gap) = (None, Gap { asked: 0, failed: 0, longest: Duration::ZERO });
        for line in said.lines() {
            let (when, ok) = line.split_once(' ').unwrap();
            let when: u64 = when.parse().unwrap();
            gap.asked += 1;
            if ok != "yes" {
                gap.failed += 1;
                continue;
            }
            gap.longest = gap.longest.max(Duration::from_millis(last.map_or(0, |last| when - last)));
            last = Some(when);
        }
        gap
    }
}

impl Gap {
    /// For the log of the tests.
    pub(super) fn tell(&self, what: &str) {
        let text = format!(
            "API: {what}: {} of {} asked in vain, {:?} between two answers at most\n",
            self.failed, self.asked, self.longest
        );
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
    }
}
