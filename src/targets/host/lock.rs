//! One writer a host: who, since when, doing what. The lock is of the shell that works there, so it ends with it; one
//! whose network is gone without a sign keeps it until it has been silent for a while. It lies where a reboot clears
//! it, and keeps nobody from looking.

use std::time::Duration;

use super::questions::word;
use super::{Attributes, Expect, Step, hands, ledger};
use crate::model::{Content, Digest, Fault, FaultKind};
use crate::transport::{Request, Worker};

/// How long a holder that is not heard of, and runs nothing there, keeps the lock.
const EXPIRE: Duration = Duration::from_secs(90);
/// How often a holder is heard of.
pub(super) const BEAT: Duration = Duration::from_secs(20);

/// Who wants a host for itself, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The run: what two of the same user differ in.
    pub run: String,
    /// Who, since when, doing what, in one line; shown to others who want it.
    pub who: String,
}

/// Text for the shell that knows the lock and who holds it, followed by `then`.
fn text(claim: &Claim, then: &str) -> Result<String, Fault> {
    let line = |text: &str| word(&text.replace(char::is_control, " "));
    let expire = EXPIRE.as_secs();
    Ok(format!(
        "RUN={} WHO={} EXPIRE={expire}\n{}{then}",
        line(&claim.run)?,
        line(&claim.who)?,
        include_str!("sh/lock.sh")
    ))
}

/// Takes the lock, or says who holds it. `notes` are lines for the ledger.
///
/// # Errors
/// [`FaultKind::Locked`] with who holds it; or the host has no place for locks or the ledger.
pub(super) async fn hold(worker: &Worker, claim: &Claim, notes: &[String]) -> Result<(), Fault> {
    let then = "if [ -n \"$run\" ] && [ \"$run\" != \"$RUN\" ] && born \"$pid\" && [ \"$b\" = \"$since\" ]; then\n\
                age=$((u - ${beat:-0}))\n\
                if [ $age -le $EXPIRE ] || busy \"$pid\"; then printf '%s\\n%s\\n' \"$who\" \"$age\"; exit 75; fi\n\
                kill -9 \"$pid\"\nfi\narmed\n\
                born $$; T=$F/.new; printf '%s\\n%s\\n%s %s %s\\n' \"$RUN\" \"$WHO\" $$ \"$b\" \"$u\" >\"$T\" && mv -fT \"$T\" \"$L\" || exit 73\n\
                exec 9>&-; for d in /dev/shm /run /tmp; do sweep \"$d\"; done\n";
    let mut request = Request::change(text(claim, then)?);
    if !notes.is_empty() {
        let lines = notes.join("\n") + "\n";
        request = Request::change(format!("{}note || exit 76\n", text(claim, then)?)).payload(lines.into_bytes());
    }
    let reply = worker.call(request).await?;
    let said = String::from_utf8_lossy(&reply.stdout);
    match reply.status {
        0 if said.trim() == "long" => compact(worker).await,
        0 => Ok(()),
        75 => {
            let (who, age) = said.trim_end().split_once('\n').unwrap_or((said.trim_end(), "0"));
            Err(Fault::new(FaultKind::Locked, "another run works there")
                .cause(format!("{who}, last heard of {age} s ago"))
                .help("wait for it, or give `--lock-wait 5m`; the lock ends with a run that dies, once what it began there (`apt`) has ended"))
        }
        78 => {
            let (who, left) = said.trim_end().split_once('\n').unwrap_or((said.trim_end(), "0"));
            let left: i64 = left.parse().unwrap_or_default();
            Err(Fault::new(FaultKind::Locked, "the host is about to undo a change of another run")
                .cause(format!("{who}, whose way in was not proved: undone in {} s", left.max(0)))
                .help("wait for it, or give `--lock-wait 5m`: what is there now will not stay"))
        }
        76 => Err(Fault::failed("what is made there cannot be noted")
            .cause(String::from_utf8_lossy(&reply.stderr).trim())
            .help("see `/var/lib/lions/ledger` there: nothing is made that could not be taken away again")),
        _ => Err(Fault::failed("the host has no place for a lock")
            .cause(String::from_utf8_lossy(&reply.stderr).trim())
            .help("nothing is changed on a host where others could not be kept from it")),
    }
}

/// Makes the ledger as short as what it says. It is ours alone while the host is held.
async fn compact(worker: &Worker) -> Result<(), Fault> {
    let reply = worker.call(Request::look(format!("cat {}", ledger::PATH))).await?;
    if reply.status != 0 {
        return Err(Fault::failed(format!("`{}` cannot be read", ledger::PATH))
            .cause(String::from_utf8_lossy(&reply.stderr).trim()));
    }
    let step = Step::Write {
        path: ledger::PATH.to_owned(),
        content: Content::open(ledger::compact(&reply.stdout)),
        attributes: Attributes { mode: Some(0o600), ..Attributes::default() },
        expect: Expect::File(Digest::of(&reply.stdout)),
        validate: None,
    };
    hands::perform(worker, &step, &|_, _| ()).await.map(drop)
}

/// Is heard of.
pub(super) async fn beat(worker: &Worker, claim: &Claim) -> Result<(), Fault> {
    let then = "[ \"$run\" = \"$RUN\" ] || exit 75\n\
                T=$F/.new; printf '%s\\n%s\\n%s %s %s\\n' \"$run\" \"$who\" \"$pid\" \"$since\" \"$u\" >\"$T\" && mv -fT \"$T\" \"$L\"\n";
    worker.call(Request::look(text(claim, then)?)).await.map(drop)
}

/// Gives it back.
///
/// # Errors
/// The host is lost, and the lock with it.
pub(super) async fn release(worker: &Worker, claim: &Claim) -> Result<(), Fault> {
    let then = "[ \"$run\" = \"$RUN\" ] && rm -f \"$L\"\nexit 0\n";
    worker.call(Request::change(text(claim, then)?)).await.map(drop)
}
