//! One writer a place: taken before the first change there, given back when the run ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::apply::ended_by_user;
use super::context::Context;
use super::places::{Places, Seen};
use crate::graph::PlaceId;
use crate::model::{Event, Fault, FaultKind};
use crate::targets::host::Claim;

/// How often one looks whether a place is free.
const LOOK: Duration = Duration::from_secs(1);
/// How long one waits for it in any case: what a run that was killed has begun on a host takes a moment to end there,
/// and its lock with it.
const MOMENT: Duration = Duration::from_secs(3);

/// The places that a run holds.
#[derive(Default)]
pub(super) struct Holds {
    held: Mutex<BTreeMap<PlaceId, Arc<OnceCell<()>>>>,
}

impl Holds {
    /// Keeps others from `place`, waiting for them as long as the user wants to, and notes lines in its ledger.
    ///
    /// # Errors
    /// [`FaultKind::Locked`] with who holds it; or the place cannot be reached.
    pub(super) async fn take(
        &self,
        context: &Context,
        place: PlaceId,
        notes: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Fault> {
        let cell = self.held.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default().clone();
        cell.get_or_try_init(|| wait(context, place, notes())).await.copied()
    }

    /// Lets others write. A place that is lost gives the lock back by itself, so nothing is said of it.
    pub(super) async fn release(&self, context: &Context) {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        let held = held.iter().filter(|(_, cell)| cell.initialized()).map(|(place, _)| *place);
        let held: Vec<PlaceId> = held.collect();
        futures::future::join_all(held.iter().map(|place| context.places.release(*place, &context.options.claim)))
            .await;
        if !held.contains(&context.graph.cluster) {
            clear(context).await;
        }
    }
}

/// Takes away what a run that died left in the cluster to keep others out: one that changes nothing there takes no
/// lock, so none would go. A host notices by itself.
pub async fn clear(context: &Context) {
    if let Seen::Cluster(cluster) = &*context.places.seen(context.graph.cluster) {
        cluster.clear().await;
    }
}

impl Places {
    /// Keeps other writers from a place, and notes lines in its ledger.
    pub(super) async fn hold(&self, place: PlaceId, claim: &Claim, notes: &[String]) -> Result<(), Fault> {
        match (&*self.seen(place), self.keeper(place)) {
            (Seen::Cluster(cluster), _) => {
                cluster.hold(&claim.run, &claim.who).await?;
                cluster.note(notes).await
            }
            (_, Some((_, link))) => link.hold(claim, notes).await,
            _ => Ok(()),
        }
    }

    /// Lets others write. A place that is lost has forgotten us already.
    async fn release(&self, place: PlaceId, claim: &Claim) {
        match (&*self.seen(place), self.keeper(place)) {
            (Seen::Cluster(cluster), _) => cluster.release().await,
            (_, Some((_, link))) => _ = link.release(claim).await,
            _ => {}
        }
    }
}

async fn wait(context: &Context, place: PlaceId, notes: Vec<String>) -> Result<(), Fault> {
    let until = Instant::now() + context.options.lock_wait.max(MOMENT);
    let mut told = false;
    loop {
        let fault = match context.places.hold(place, &context.options.claim, &notes).await {
            Err(fault) if fault.kind == FaultKind::Locked && Instant::now() < until => fault,
            held => return held,
        };
        if !std::mem::replace(&mut told, true) {
            let holder = fault.cause.as_deref().unwrap_or("another run");
            let what = format!("waiting for `{}`, where another run works: {holder}", context.places.name(place));
            context.events.tell(|| Event::Warning { what });
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = context.options.stop.ended() => return Err(ended_by_user()),
        }
    }
}
