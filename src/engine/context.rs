//! What plan and apply work on.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc;

use super::journal::Owed;
use super::places::Places;
use super::stop::Stop;
use crate::graph::{Graph, NodeId, PlaceId};
use crate::language::program::Program;
use crate::model::{Event, Masker, Value};
use crate::source::Sources;
use crate::targets::host::Claim;
use crate::targets::host::ledger::Owner;

/// The program, its graph, and the places it is about. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// What the text says.
    pub program: Arc<Program>,
    /// In which order.
    pub graph: Arc<Graph>,
    /// Where.
    pub places: Arc<Places>,
    /// The text itself, for positions.
    pub sources: Arc<Sources>,
    /// How much at once, what is owed, who stops it.
    pub options: Options,
    /// Who is told.
    pub events: Events,
    /// Hides secrets in what commands say.
    pub masks: Arc<Masks>,
}

impl Context {
    /// Where the notifiers `by` of a handler count for it at `place`: there, or anywhere if they do not run there
    /// (a host task and a cluster handler, or the other way round).
    pub(super) fn notifiers<'a>(
        &'a self,
        by: &'a [NodeId],
        place: PlaceId,
    ) -> impl Iterator<Item = (NodeId, PlaceId)> + 'a {
        by.iter().flat_map(move |notifier| {
            let places = &self.graph.nodes[*notifier as usize].places;
            let here = places.binary_search(&place).is_ok();
            let counts: Vec<PlaceId> = if here { vec![place] } else { places.to_vec() };
            counts.into_iter().map(|place| (*notifier, place))
        })
    }
}

/// Hides secrets in what places say. Values that a place keeps as secrets are learnt while it runs.
#[derive(Debug, Default)]
pub struct Masks(RwLock<Masker>);

impl From<Masker> for Masks {
    fn from(masker: Masker) -> Self {
        Self(RwLock::new(masker))
    }
}

impl Masks {
    /// `text` with `***` where a secret stands.
    pub(super) fn mask(&self, text: &str) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).mask(text).into_owned()
    }

    /// Learns what a place keeps as secrets: what is registered as `data`. What a command said of a secret is not
    /// learnt: a word such as `done` would be hidden everywhere.
    pub(super) fn learn(&self, register: &Value) {
        if let Some(data) = register.get("data").filter(|data| data.has_secret()) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).learn_from(data);
        }
    }
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts in progress at once.
    pub forks: usize,
    /// Handlers that earlier runs owe.
    pub owed: Owed,
    /// The user's wish to stop.
    pub stop: Stop,
    /// To whom what is made belongs; nothing is noted without one.
    pub owner: Option<Owner>,
    /// Is all of the playbook run? Only then is known what it no longer declares.
    pub whole: bool,
    /// Who we are to others who want the same places.
    pub claim: Claim,
    /// How long to wait for others who work on a place.
    pub lock_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            forks: 50,
            owed: Owed::new(),
            stop: Stop::default(),
            owner: None,
            whole: false,
            claim: Claim { run: String::new(), who: String::new() },
            lock_wait: Duration::ZERO,
        }
    }
}

/// Who is told what happens; nobody, if `None`.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<mpsc::UnboundedSender<Event>>);

impl Events {
    /// Events that arrive at the other end.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// Tells. A listener that has gone is no reason to stop working.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(event());
        }
    }
}
