//! One writer a place: taken before the first change there, given back when the run ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::apply::ended_by_user;
use super::context::Context;
use crate::graph::PlaceId;
use crate::model::{Event, Fault, FaultKind};

/// How often one looks whether a place is free.
const LOOK: Duration = Duration::from_secs(1);

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
        let held = held.iter().filter(|(_, cell)| cell.initialized());
        futures::future::join_all(held.map(|(place, _)| context.places.release(*place, &context.options.claim))).await;
    }
}

async fn wait(context: &Context, place: PlaceId, notes: Vec<String>) -> Result<(), Fault> {
    let until = Instant::now() + context.options.lock_wait;
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
