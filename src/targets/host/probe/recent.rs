//! Looks just before a write that several tasks share: what the host said a moment ago, with what was done since on
//! top. It only ever saves a question: whoever sees something else than was approved looks again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{HostPlace, HostProbe, imitate};
use crate::model::After;
use crate::targets::host::board::Board;
use crate::targets::host::{Privilege, Step};

/// For how long an answer counts as a look just before the write. The write itself compares content once more.
const RECENT: Duration = Duration::from_secs(1);

/// What stands between the host and those who look ahead.
const BEFORE: &str = "an earlier task of this run";

/// What was asked a moment ago.
#[derive(Default)]
pub(super) struct Recent(Mutex<Option<(Instant, Arc<Board>)>>);

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Arc<Board>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostPlace {
    /// A probe that sees what was asked a moment ago and what was done since; `None` when nobody asked so lately.
    #[must_use]
    pub fn recent(&self, privilege: &Privilege) -> Option<HostProbe> {
        let recent = self.recent.lock();
        let (_, board) = recent.as_ref().filter(|(since, _)| since.elapsed() < RECENT)?;
        Some(self.seeing(board.clone(), privilege))
    }

    /// The same, of a look that begins now.
    #[must_use]
    pub fn look_ahead(&self, privilege: &Privilege) -> HostProbe {
        let board = Arc::<Board>::default();
        // Commands are for those whose turn it is.
        board.lock().planned = Some(After::new(BEFORE));
        *self.recent.lock() = Some((Instant::now(), board.clone()));
        self.seeing(board, privilege)
    }

    /// Notes that `step` was done, or, without one, that nobody knows what was.
    pub fn did(&self, step: Option<&Step>) {
        let mut recent = self.recent.lock();
        // Only what a step of these leaves behind is known to the last byte.
        let exact = step.filter(|step| {
            matches!(
                step,
                Step::Write { .. }
                    | Step::Attributes { .. }
                    | Step::Directory { .. }
                    | Step::Link { .. }
                    | Step::Remove { .. }
            )
        });
        match (exact, &*recent) {
            (Some(step), Some((_, board))) => imitate(board, step, &After::new(BEFORE)),
            _ => *recent = None,
        }
    }
}
