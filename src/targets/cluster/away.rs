//! An API server that goes away for a while (it is restarted, `etcd` chooses a leader) or asks to come back later: how
//! long it is waited for, and what is said meanwhile. Asks nothing itself.
//!
//! One that has never answered is not waited for: nobody knows that it will ever be there. A request is made again as it
//! was, which changes nothing twice: what we apply, merge and delete is the same the second time.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::api::Trouble;
use super::faults;

/// What is shorter is not worth a word: that it is away, that one answer takes long.
const QUIET: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(5);
/// How soon it is tried again, at first and later.
const SOON: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(1);

/// Who hears what is waited for.
pub(super) type Listener = Box<dyn Fn(&str) + Send + Sync>;

/// What is known of one API, over all requests.
pub(super) struct Away {
    limit: Duration,
    state: Mutex<State>,
    listener: OnceLock<Listener>,
}

#[derive(Default)]
struct State {
    /// Has it ever answered?
    answered: bool,
    /// Since when it does not, and why.
    since: Option<(Instant, String)>,
    /// Was that said?
    said: bool,
}

/// One request that is made until it is answered.
pub(super) struct Patience<'a> {
    away: &'a Away,
    begun: Option<Instant>,
    pause: Duration,
}

impl Away {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, state: Mutex::default(), listener: OnceLock::new() }
    }

    pub(super) fn listen(&self, listener: Listener) {
        // The first one stays.
        let _ = self.listener.set(listener);
    }

    pub(super) fn patience(&self) -> Patience<'_> {
        Patience { away: self, begun: None, pause: SOON }
    }

    /// It has answered.
    pub(super) fn back(&self) {
        *self.state() = State { answered: true, since: None, said: false };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Patience<'_> {
    /// How long to wait before the same is asked again; nothing where `trouble` is the answer.
    pub(super) fn pause(&mut self, trouble: &Trouble) -> Option<Duration> {
        let now = Instant::now();
        let (asked, why) = match trouble {
            Trouble::Said(status) if status.code == 429 => {
                (faults::retry_after(status), "it is overloaded, and asks to come back later".to_owned())
            }
            Trouble::Said(status) if faults::passes(status) => (None, faults::message(status)),
            Trouble::Away(fault) => (None, fault.cause.clone().unwrap_or_else(|| fault.what.clone())),
            Trouble::Said(_) | Trouble::Lost(_) => {
                // Whatever it says, it is there; what is no answer says nothing.
                if matches!(trouble, Trouble::Said(_)) {
                    self.away.back();
                }
                return None;
            }
        };
        let begun = *self.begun.get_or_insert(now);
        let mut state = self.away.state();
        // Who asks to come back later is there.
        state.answered |= matches!(trouble, Trouble::Said(status) if status.code == 429);
        if !state.answered {
            return None;
        }
        let (since, last) = state.since.get_or_insert((now, String::new()));
        *last = why;
        if now - begun.min(*since) >= self.away.limit {
            return None;
        }
        drop(state);
        let pause = asked.map_or(self.pause, |seconds| Duration::from_secs(seconds.into()));
        self.pause = (self.pause * 2).min(LATER);
        Some(pause.min(self.away.limit))
    }

    /// When a word about the wait is due; never once it was said.
    pub(super) fn word(&self) -> Option<Duration> {
        let state = self.away.state();
        let due = state.since.as_ref().map_or(SLOW, |(since, _)| QUIET.saturating_sub(since.elapsed()));
        (!state.said).then_some(due)
    }

    /// Says it.
    pub(super) fn say(&self) {
        let mut state = self.away.state();
        if std::mem::replace(&mut state.said, true) {
            return;
        }
        let what = match &state.since {
            Some((_, why)) => {
                let limit = self.away.limit.as_secs();
                format!("the API of the cluster is away, and waited for (up to {limit} s): {why}")
            }
            None => format!("the API of the cluster has not answered for {} s, and is waited for", SLOW.as_secs()),
        };
        drop(state);
        if let Some(listener) = self.away.listener.get() {
            listener(&what);
        }
    }
}
