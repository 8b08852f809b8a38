//! Looks at what is waited for, made together: whoever asks while a round gathers is answered by what is asked of the API
//! after it, so that nobody is told what was there before. And what was just written and is not ready: to look at that at
//! once would tell nothing new. Decides nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::api::{Api, Trouble};
use super::kinds::Kind;
use super::shelves::{self, Shelves};
use super::{Live, ObjectId};

/// How long a round gathers.
const GATHER: Duration = Duration::from_millis(100);
/// Who asks when nobody did for so long is alone, and need not wait for others.
const LULL: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Rounds {
    /// The round that gathers now, or the last one.
    last: Mutex<Option<Arc<Round>>>,
    /// What was not ready by the answer to its write, and nobody looked at since.
    raw: Mutex<BTreeSet<ObjectId>>,
}

struct Round {
    begun: Instant,
    shelves: Shelves,
}

impl Rounds {
    /// The object as it is after this was called, if it is there.
    pub(super) async fn look(&self, api: &Api, kind: &Kind, id: &ObjectId) -> Result<Option<Arc<Live>>, Trouble> {
        let Some(round) = self.join(id) else { return shelves::one(api, kind, id).await };
        tokio::time::sleep_until((round.begun + GATHER).into()).await;
        round.shelves.get(api, kind, id).await
    }

    /// By the answer to its write that object is not ready.
    pub(super) fn wrote_raw(&self, id: &ObjectId) {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
    }

    /// Was it just written, and not ready then? Said once.
    pub(super) fn is_raw(&self, id: &ObjectId) -> bool {
        self.raw.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    /// The round that answers for `id`; none for who is alone.
    fn join(&self, id: &ObjectId) -> Option<Arc<Round>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let age = last.as_ref().map(|round| round.begun.elapsed());
        let round = match &*last {
            Some(round) if age < Some(GATHER) => round.clone(),
            _ => Arc::new(Round { begun: Instant::now(), shelves: Shelves::default() }),
        };
        *last = Some(round.clone());
        if age.is_none_or(|age| age > LULL) {
            return None;
        }
        // Before anybody asks: what is listed is what was wanted by then.
        round.shelves.want(id);
        Some(round)
    }
}
