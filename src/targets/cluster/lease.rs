//! One writer a cluster and environment: a `Lease` that is taken before the first write, renewed while we work, deleted
//! afterwards, and taken over when its holder has been silent for too long.
//!
//! All times in it are those of the API server, which says its own with every answer: clocks of two machines are never
//! held against each other. A holder that ran on this machine and has died is known to be dead at once.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::api::{Api, Trouble};
use crate::model::{Fault, FaultKind};

/// How long a holder may be silent.
const EXPIRE: Duration = Duration::from_secs(30);
/// How often a holder is heard of.
const BEAT: Duration = Duration::from_secs(8);
/// How often somebody else may be faster.
const TRIES: usize = 3;
/// After an error, how soon it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Who holds it and what for, as others are shown it.
const WHO: &str = "lions.dev/who";
/// The process that holds it, as this machine tells it from any other.
const PROCESS: &str = "lions.dev/process";

/// Where the lease lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl LeaseName {
    /// Where it lies when nothing else is said.
    pub const NAMESPACE: &'static str = "kube-system";

    /// That of an environment.
    #[must_use]
    pub fn of(environment: &str, namespace: Option<&str>) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = environment.chars().map(plain).collect();
        Self {
            namespace: namespace.unwrap_or(Self::NAMESPACE).to_owned(),
            name: format!("lions-{}", name.trim_matches('-')),
        }
    }

    fn all(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.all(), self.name)
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`lions` lease `{}/{}`", self.namespace, self.name)
    }
}

/// The lock of one cluster, held or not.
pub(super) struct Lock {
    name: Option<LeaseName>,
    held: Mutex<Option<Held>>,
}

struct Held {
    run: String,
    known: Arc<Known>,
    beat: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.beat.abort();
    }
}

struct Known {
    state: Mutex<State>,
    /// Who renews it has it: many tasks may want to know at once whether it is still ours.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    lease: Json,
    /// When the server last took our word for it.
    heard: Instant,
    /// Who has it now, when it is not ours any more.
    lost_to: Option<String>,
}

impl Lock {
    /// Without a name, nobody is kept from anything.
    pub(super) fn new(name: Option<LeaseName>) -> Self {
        Self { name, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it for `run`, or says who holds it.
    ///
    /// # Errors
    /// [`FaultKind::Locked`] with who holds it; or the API does not let us.
    pub(super) async fn take(&self, api: &Arc<Api>, run: &str, who: &str) -> Result<(), Fault> {
        let Some(name) = &self.name else { return Ok(()) };
        if self.held().as_ref().is_some_and(|held| held.run == run) {
            return self.still(api).await;
        }
        // Somebody else may be faster each time; with whom it is then found out.
        let mut lease = None;
        for _ in 0..TRIES {
            lease = attempt(api, name, run, who).await?;
            if lease.is_some() {
                break;
            }
        }
        let Some(lease) = lease else {
            return Err(Fault::new(FaultKind::Locked, format!("others keep taking the {name}")).help("run again"));
        };
        let state = Mutex::new(State { lease, heard: Instant::now(), lost_to: None });
        let known = Arc::new(Known { state, turn: tokio::sync::Mutex::default() });
        let beat = tokio::spawn(beat(api.clone(), name.clone(), known.clone()));
        *self.held() = Some(Held { run: run.to_owned(), known, beat });
        Ok(())
    }

    /// Is it still ours, if it was? Where that is in doubt, the API is asked.
    ///
    /// # Errors
    /// [`FaultKind::Locked`]: others work there now. Or nobody knows.
    pub(super) async fn still(&self, api: &Api) -> Result<(), Fault> {
        let Some(name) = &self.name else { return Ok(()) };
        let Some(known) = self.held().as_ref().map(|held| held.known.clone()) else { return Ok(()) };
        let doubtful = {
            let state = lock(&known.state);
            if let Some(who) = &state.lost_to {
                return Err(lost(name, who));
            }
            state.heard.elapsed() > EXPIRE / 2
        };
        if !doubtful {
            return Ok(());
        }
        renew(api, name, &known).await?;
        match &lock(&known.state).lost_to {
            Some(who) => Err(lost(name, who)),
            None => Ok(()),
        }
    }

    /// Gives it back. One that cannot be given back expires.
    pub(super) async fn release(&self, api: &Api) {
        let Some(name) = &self.name else { return };
        let Some(held) = self.held().take() else { return };
        let lease = lock(&held.known.state).lease.clone();
        drop(held);
        give_back(api, name, lease).await;
    }

    /// Takes away what a run that died has left, where nobody else does: a run that changes nothing takes no lock. What
    /// does not let itself be looked at or deleted keeps nobody out for long: it expires.
    pub(super) async fn clear(&self, api: &Api) {
        let Some(name) = self.name.as_ref().filter(|_| self.held().is_none()) else { return };
        let (said, now) = api.clocked(http::Method::GET, &name.path(), &Json::Null).await;
        if let Ok(lease) = said
            && taken(name, &lease, "", now).is_none()
        {
            _ = delete(api, name, &lease).await;
        }
    }
}

/// Deletes the lease if it is still as it was seen.
async fn delete(api: &Api, name: &LeaseName, lease: &Json) -> Result<Json, Trouble> {
    let metadata = &lease["metadata"];
    let only = json!({ "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"] });
    let body = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": only });
    api.send(http::Method::DELETE, &name.path(), &body).await
}

/// Deletes the lease while it is ours.
async fn give_back(api: &Api, name: &LeaseName, mut lease: Json) {
    let mine = lease["spec"]["holderIdentity"].clone();
    for _ in 0..TRIES {
        match delete(api, name, &lease).await {
            Err(Trouble::Said(status)) if status.code == 409 => {}
            _ => return,
        }
        // It was renewed while we stopped, or it is somebody else's by now.
        match api.get(&name.path()).await {
            Ok(now) if now["spec"]["holderIdentity"] == mine => lease = now,
            _ => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One try: the lease, or `None` when another one was faster.
async fn attempt(api: &Api, name: &LeaseName, run: &str, who: &str) -> Result<Option<Json>, Fault> {
    let cannot = |doing: &str, trouble: Trouble| {
        let help = format!(
            "`lions` keeps others from the cluster by a Lease in `{}`: give the user of the kubeconfig the verbs get, create, update and delete on `leases` there, or name another namespace with `lock_namespace` under `cluster:`",
            name.namespace
        );
        match trouble {
            Trouble::Said(status) if matches!(status.code, 403 | 404) => {
                Trouble::Said(status).fault(doing, &name.to_string()).help(help)
            }
            trouble => trouble.fault(doing, &name.to_string()),
        }
    };
    let (said, now) = api.clocked(http::Method::GET, &name.path(), &Json::Null).await;
    let (verb, path, mut lease) = match said {
        Ok(lease) => {
            if let Some(fault) = taken(name, &lease, run, now) {
                return Err(fault);
            }
            (http::Method::PUT, name.path(), lease)
        }
        Err(Trouble::Said(status)) if status.code == 404 => {
            let metadata = json!({ "name": name.name, "namespace": name.namespace });
            let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata });
            (http::Method::POST, name.all(), lease)
        }
        Err(trouble) => return Err(cannot("read", trouble)),
    };
    let transitions = lease["spec"]["leaseTransitions"].as_u64().map_or(0, |count| count + 1);
    let now = time(now.unwrap_or_else(Timestamp::now));
    lease["spec"] = json!({
        "holderIdentity": run, "leaseDurationSeconds": EXPIRE.as_secs(), "acquireTime": now, "renewTime": now,
        "leaseTransitions": transitions,
    });
    lease["metadata"]["annotations"] = json!({ WHO: who, PROCESS: process(std::process::id()) });
    match api.send(verb, &path, &lease).await {
        Ok(lease) => Ok(Some(lease)),
        Err(Trouble::Said(status)) if status.code == 409 => Ok(None),
        Err(trouble) => Err(cannot("take", trouble)),
    }
}

/// Who has `lease`, if we may not take it.
fn taken(name: &LeaseName, lease: &Json, run: &str, now: Option<Timestamp>) -> Option<Fault> {
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    if holder.is_empty() || holder == run || is_dead(&lease["metadata"]["annotations"][PROCESS]) {
        return None;
    }
    let silent = silence(lease, now);
    let allowed = lease["spec"]["leaseDurationSeconds"].as_u64().map_or(EXPIRE, Duration::from_secs);
    if silent > allowed {
        return None;
    }
    let left = allowed.saturating_sub(silent).as_secs() + 1;
    Some(
        Fault::new(FaultKind::Locked, "another run works on the cluster")
            .cause(format!("{}, last heard of {} s ago ({name})", said_of(lease), silent.as_secs()))
            .help(format!("wait for it, or give `--lock-wait`; if it died, its lock ends in {left} s")),
    )
}

/// Who a lease says that holds it.
fn said_of(lease: &Json) -> String {
    let who = lease["metadata"]["annotations"][WHO].as_str().or(lease["spec"]["holderIdentity"].as_str());
    who.unwrap_or("somebody").to_owned()
}

/// How long its holder has not been heard of, by the clock of the server.
fn silence(lease: &Json, now: Option<Timestamp>) -> Duration {
    let renewed = lease["spec"]["renewTime"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(renewed), Some(now)) = (renewed, now) else { return Duration::ZERO };
    now.duration_since(renewed).max(SignedDuration::ZERO).unsigned_abs()
}

fn lost(name: &LeaseName, who: &str) -> Fault {
    Fault::new(FaultKind::Locked, "the cluster is no longer ours to change")
        .cause(format!("we were not heard of for too long, and the {name} was taken by {who}"))
        .help("nothing more is done there; run again when the other run is through")
}

/// As the API writes times.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Is heard of, until dropped.
async fn beat(api: Arc<Api>, name: LeaseName, known: Arc<Known>) {
    loop {
        tokio::time::sleep(BEAT).await;
        while renew(&api, &name, &known).await.is_err() {
            // The API is away: so it is for everybody else. It says later whose the lease is.
            tokio::time::sleep(AGAIN).await;
        }
        if lock(&known.state).lost_to.is_some() {
            return;
        }
    }
}

/// Says that we are there, or notes who is instead.
async fn renew(api: &Api, name: &LeaseName, known: &Known) -> Result<(), Fault> {
    let _turn = known.turn.lock().await;
    let state = &known.state;
    let mine = {
        let state = lock(state);
        if state.lost_to.is_some() || state.heard.elapsed() < AGAIN {
            return Ok(());
        }
        state.lease["spec"]["holderIdentity"].clone()
    };
    let cannot = |trouble: Trouble| trouble.fault("renew", &name.to_string());
    let mut tries = 0..TRIES;
    loop {
        let (said, now) = api.clocked(http::Method::GET, &name.path(), &Json::Null).await;
        let mut lease = match said {
            Ok(lease) => lease,
            // Deleted by hand: somebody wants us to stop.
            Err(Trouble::Said(status)) if status.code == 404 => {
                lock(state).lost_to = Some("nobody: it was deleted".to_owned());
                return Ok(());
            }
            Err(trouble) => return Err(cannot(trouble)),
        };
        if lease["spec"]["holderIdentity"] != mine {
            lock(state).lost_to = Some(said_of(&lease));
            return Ok(());
        }
        lease["spec"]["renewTime"] = time(now.unwrap_or_else(Timestamp::now)).into();
        match api.send(http::Method::PUT, &name.path(), &lease).await {
            Ok(lease) => {
                let mut state = lock(state);
                state.lease = lease;
                state.heard = Instant::now();
                return Ok(());
            }
            // So were we, and the answer was lost; or it is another's: the next look tells whose it is.
            Err(Trouble::Said(status)) if status.code == 409 && tries.next().is_some() => {}
            Err(trouble) => return Err(cannot(trouble)),
        }
    }
}

/// What tells this process from all others, here and elsewhere: the boot of the machine, the space of process numbers,
/// the number, and when it began. `None` where the system does not say.
fn process(id: u32) -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {} {id} {}", boot.trim(), space.display(), began(id)?))
}

/// When a process began, in ticks since the boot.
fn began(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program may hold anything, brackets too.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

/// Did that process run on this machine, and does no more?
fn is_dead(process: &Json) -> bool {
    let Some(said) = process.as_str() else { return false };
    let Some(id) = said.split(' ').nth_back(1).and_then(|id| id.parse().ok()) else { return false };
    let ours = self::process(std::process::id());
    let same_machine = |ours: &str| {
        let place = |text: &str| text.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
        place(ours) == place(said)
    };
    ours.as_deref().is_some_and(same_machine) && self::process(id).as_deref() != Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_is_dead_and_no_other() {
        let ours = process(std::process::id()).unwrap();
        assert!(!is_dead(&json!(ours)));
        assert!(is_dead(&json!(format!("{ours}1"))));
        let elsewhere = ours.replacen(|c: char| c.is_ascii_hexdigit(), "x", 1);
        assert!(!is_dead(&json!(elsewhere)));
        assert!(!is_dead(&Json::Null) && !is_dead(&json!("nonsense")));
    }

    #[test]
    fn silence_is_told_by_one_clock() {
        let lease = json!({ "spec": { "renewTime": "2026-11-22T10:00:00.250000Z" } });
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(silence(&lease, at("2026-11-22T10:00:31Z")), Duration::from_millis(30_750));
        // A server that is behind the one that wrote it.
        assert_eq!(silence(&lease, at("2026-11-22T09:59:59Z")), Duration::ZERO);
        assert_eq!(silence(&lease, None), Duration::ZERO);
        assert_eq!(time(at("2026-11-22T10:00:31Z").unwrap()), "2026-11-22T10:00:31.000000Z");
    }
}
