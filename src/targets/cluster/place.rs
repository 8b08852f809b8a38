//! The one cluster of an environment, as the engine holds it: probes for plan and for apply, the shadow, the hands.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::absent::Absent;
use super::api::{Api, DEADLINE, Requests};
use super::away::Away;
use super::kinds::Kinds;
use super::lease::{LeaseName, Lock};
use super::members::{ApplySet, Members};
use super::probe::Answers;
use super::rounds::Rounds;
use super::shadow::{Ghost, Shadow};
use super::shelves::Shelves;
use super::{ClusterProbe, Object, ObjectId, Step, hands};
use crate::model::{After, Fault, Halt, Stream, Thing};
use crate::targets::Said;
use crate::targets::host::ledger::Ledger;

/// A cluster.
#[derive(Clone)]
pub struct ClusterPlace {
    api: Arc<Api>,
    kinds: Arc<Kinds>,
    shadow: Arc<Mutex<Shadow>>,
    answers: Arc<Answers>,
    recent: Arc<Shelves>,
    rounds: Arc<Rounds>,
    lock: Arc<Lock>,
    members: Arc<Members>,
}

impl ClusterPlace {
    /// The cluster behind `client`. Turn the client's own retries off: a fault is said, not waited out in silence.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self::with_deadline(client, DEADLINE)
    }

    /// A cluster that is not there yet. Needs a running Tokio.
    #[must_use]
    pub fn absent(absent: &Absent) -> Self {
        let api = Api::new(absent.client(), DEADLINE, Arc::new(Away::new(DEADLINE + DEADLINE / 2)));
        Self::behind(api.of_absent(Some(absent.clone())))
    }

    /// The same with another deadline for each request than the 40 s that are given otherwise; an API that has answered
    /// and goes away is waited for half as long again.
    #[must_use]
    pub fn with_deadline(client: kube::Client, deadline: Duration) -> Self {
        Self::behind(Api::new(client, deadline, Arc::new(Away::new(deadline + deadline / 2))))
    }

    /// The same cluster with nothing known or planned of it, but that it is there.
    #[must_use]
    pub fn anew(&self) -> Self {
        let away = self.api.away().cloned().unwrap_or_else(|| Arc::new(Away::new(self.api.deadline())));
        let api = Api::new(self.api.client.clone(), self.api.deadline(), away);
        Self { lock: self.lock.clone(), ..Self::behind(api.of_absent(self.api.absent().cloned())) }
    }

    /// `listener` hears when the API is away and is waited for.
    pub fn listen(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        if let Some(away) = self.api.away() {
            away.listen(Box::new(listener));
        }
    }

    fn behind(api: Api) -> Self {
        let api = Arc::new(api);
        Self {
            api,
            kinds: Arc::default(),
            shadow: Arc::default(),
            answers: Arc::default(),
            recent: Arc::new(Shelves::fleeting()),
            rounds: Arc::default(),
            lock: Arc::new(Lock::new(None)),
            members: Arc::default(),
        }
    }

    /// The same, in which one writer at a time holds the lease of that name.
    #[must_use]
    pub fn locked_by(mut self, name: Option<LeaseName>) -> Self {
        self.lock = Arc::new(Lock::new(name));
        self
    }

    /// The same, in which what is made belongs to that set.
    #[must_use]
    pub fn in_set(mut self, set: Option<ApplySet>) -> Self {
        self.members = Arc::new(Members::of(set));
        self
    }

    /// Keeps others from writing there, until [`ClusterPlace::release`] or the end of this process.
    ///
    /// # Errors
    /// [`FaultKind::Locked`](crate::model::FaultKind) with who works there; or the API does not let us.
    pub async fn hold(&self, run: &str, who: &str) -> Result<(), Fault> {
        self.lock.take(&self.api, run, who).await
    }

    /// Notes, as lines of a ledger, what is going to be made and what is gone.
    ///
    /// # Errors
    /// The API does not let us.
    pub async fn note(&self, lines: &[String]) -> Result<(), Fault> {
        self.members.note(&self.api, lines).await
    }

    /// What was made here for the same playbook, as far as it is known.
    ///
    /// # Errors
    /// The API does not say.
    pub async fn ledger(&self) -> Result<Ledger, Fault> {
        self.members.ledger(&self.api).await
    }

    /// Lets others write.
    pub async fn release(&self) {
        self.members.close(&self.api, &self.kinds).await;
        self.lock.release(&self.api).await;
    }

    /// Takes away the lock of a run that died, if this run asked the cluster anything and took none itself.
    pub async fn clear(&self) {
        if self.requests().reads > 0 {
            self.lock.clear(&self.api).await;
        }
    }

    /// A probe for plan: it sees what the steps planned so far leave behind.
    #[must_use]
    pub fn probe(&self) -> ClusterProbe {
        ClusterProbe { shadow: Some(self.shadow.clone()), answers: Some(self.answers.clone()), ..self.fresh() }
    }

    /// A probe that sees the cluster as it is now, whatever was planned.
    #[must_use]
    pub fn fresh(&self) -> ClusterProbe {
        ClusterProbe {
            api: self.api.clone(),
            kinds: self.kinds.clone(),
            members: self.members.clone(),
            shadow: None,
            answers: None,
            recent: None,
            rounds: self.rounds.clone(),
        }
    }

    /// The same for one who looks again and again: that the API is away is told at once.
    #[must_use]
    pub fn watching(&self) -> ClusterProbe {
        ClusterProbe { api: Arc::new(self.api.hasty()), ..self.fresh() }
    }

    /// A probe for the look just before a write. What many tasks look for in short time is asked for together; none
    /// is told what was seen more than a second ago, or told the same twice.
    #[must_use]
    pub fn again(&self) -> ClusterProbe {
        ClusterProbe { recent: Some(self.recent.clone()), ..self.fresh() }
    }

    /// Takes a planned step of the task `after` into the shadow.
    pub fn imitate(&self, step: &Step, after: &After) {
        self.lock().imitate(step, after);
    }

    /// Notes that the task `after` may change something here that cannot be foreseen.
    pub fn leave_open(&self, things: &[Thing], after: &After) {
        let mut shadow = self.lock();
        for id in things.iter().filter_map(id_of) {
            shadow.open(id, after.clone());
        }
    }

    /// Is nothing planned here so far?
    #[must_use]
    pub fn pristine(&self) -> bool {
        self.lock().is_empty()
    }

    /// Forgets what was planned, not what was answered.
    pub fn reset_shadow(&self) {
        *self.lock() = Shadow::default();
    }

    /// Does a planned step decide what is at `thing`?
    #[must_use]
    pub fn touched(&self, thing: &Thing) -> bool {
        id_of(thing).is_some_and(|id| self.lock().find(&id).is_some())
    }

    /// Does all that is planned for `thing` end with what is there now? Then nobody has anything to do with it.
    ///
    /// # Errors
    /// A fault when the API does not say.
    pub async fn same_as_place(&self, thing: &Thing) -> Result<bool, Fault> {
        let Some((id, ghost)) = id_of(thing).and_then(|id| self.lock().find(&id)) else { return Ok(true) };
        let now = match self.fresh().get(&id).await {
            Ok(now) => now,
            Err(Halt::Fault(fault)) => return Err(fault),
            Err(Halt::Later(_)) => return Ok(false),
        };
        Ok(match (ghost, now) {
            (Ghost::Gone(_), None) => true,
            (Ghost::There { live, .. }, Some(now)) => live.same(&now),
            _ => false,
        })
    }

    /// Does `step`; `output` hears what a command says, line by line.
    ///
    /// # Errors
    /// A fault that says why the API did not do it.
    pub async fn perform(
        &self,
        step: &Step,
        output: &(dyn Fn(Stream, &str) + Send + Sync),
    ) -> Result<Option<Said>, Fault> {
        self.lock.still(&self.api).await?;
        if let Some(object) = made(step) {
            self.members.expect(&self.api, object).await?;
        }
        let said = hands::perform(&self.api, &self.kinds, &self.rounds, step, output).await?;
        if let Step::Delete { id, .. } = step {
            self.members.lost(id);
        }
        Ok(said)
    }

    /// How many requests were made so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.api.requests()
    }

    fn lock(&self) -> MutexGuard<'_, Shadow> {
        self.shadow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object that `step` writes.
fn made(step: &Step) -> Option<&Object> {
    match step {
        Step::Apply { object, .. } | Step::Replace { object, .. } | Step::Generate { object, .. } => Some(object),
        _ => None,
    }
}

/// The object that `thing` names.
fn id_of(thing: &Thing) -> Option<ObjectId> {
    (thing.kind == ObjectId::THING).then(|| ObjectId::parse(&thing.name)).flatten()
}

impl fmt::Debug for ClusterPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ClusterPlace")
    }
}
