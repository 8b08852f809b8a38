//! A host that goes down and comes back: told by the id that its kernel makes anew at each start, not by silence. The
//! ways to it are lost meanwhile, and each opens itself anew when it is next used.

use std::time::{Duration, Instant};

use super::way::{Open, Reach, Way};
use super::{Answer, Link as _, Output, Question, Step};
use crate::model::{Fault, FaultKind, Stream};

/// Where the kernel says which start this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Exits with 0 when the system has come up, or has no systemd to say so.
pub(super) const UP: &str = "[ ! -d /run/systemd/system ] && exit 0\n\
    s=$(systemctl is-system-running 2>/dev/null)\n\
    case $s in initializing | starting | '') echo \"$s\"; systemctl --no-legend --plain list-jobs | head -5; exit 1 ;; esac";
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// One look, connecting included: a host that goes down may hang in the middle of it.
const LOOK: Duration = Duration::from_secs(20);

impl Way {
    /// Does `step`, which reboots the host, and waits for at most `limit` until it is back.
    ///
    /// # Errors
    /// It would not go down, or did not come back, with what was last seen.
    pub(super) async fn reboot(
        &self,
        step: &Step,
        limit: Duration,
        output: &(dyn Fn(Stream, &str) + Send + Sync),
    ) -> Result<Option<Output>, Fault> {
        let Reach::Ssh(connection) = self.reach() else {
            return Err(Fault::new(FaultKind::Refused, "`lions` runs on this host: it does not reboot it")
                .help("reboot it by hand, or run `lions` elsewhere"));
        };
        let begun = Instant::now();
        let open = self.open().await?;
        let before = boot(&open).await?;
        match open.link.perform(step, output).await {
            // It went down before it could answer.
            Ok(_) | Err(Fault { kind: FaultKind::Unreachable, .. }) => {}
            Err(fault) => return Err(fault),
        }
        drop(open);
        output(Stream::Out, "going down");
        let mut last = Fault::failed("it has not gone down yet");
        let mut back = false;
        while begun.elapsed() < limit {
            tokio::time::sleep(PAUSE).await;
            if !back {
                self.close().await;
                connection.end().await?;
            }
            let look = async {
                let open = self.open().await?;
                if boot(&open).await? == before {
                    return Ok(None);
                }
                up(&open).await.map(Some)
            };
            let seen = tokio::time::timeout(LOOK, look).await;
            match seen.unwrap_or_else(|_| Err(Fault::new(FaultKind::Unreachable, "it does not answer"))) {
                Ok(None) => {}
                Ok(Some(starting)) => {
                    if !back {
                        output(Stream::Out, &format!("back after {} s", begun.elapsed().as_secs()));
                    }
                    back = true;
                    let Some(starting) = starting else { return Ok(None) };
                    last = Fault::failed("it is back, but has not come up").cause(starting);
                }
                Err(fault) => {
                    back = false;
                    last = fault;
                }
            }
        }
        let what = format!("the host did not come back from its reboot within {} s", limit.as_secs());
        Err(Fault::new(FaultKind::TimedOut, what).cause(last).help("see its console, or raise `timeout`"))
    }
}

/// Which start of the host this is.
async fn boot(open: &Open) -> Result<Vec<u8>, Fault> {
    match open.link.ask(&[Question::Content(BOOT.to_owned())]).await?.pop() {
        Some(Ok(Answer::Content(Some(content)))) => Ok(content.bytes().to_vec()),
        Some(Err(fault)) => Err(fault),
        _ => Err(Fault::failed(format!("the host has no `{BOOT}`")).help("reboot it by hand")),
    }
}

/// What it is still busy with, if it has not come up.
async fn up(open: &Open) -> Result<Option<String>, Fault> {
    match open.link.ask(&[Question::Run(super::Command::shell(UP))]).await?.pop() {
        Some(Ok(Answer::Output(said))) if said.status != 0 => {
            Ok(Some(String::from_utf8_lossy(&said.stdout).trim().replace('\n', "; ")))
        }
        Some(Err(fault)) => Err(fault),
        _ => Ok(None),
    }
}
