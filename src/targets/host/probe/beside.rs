//! Looks at other hosts of the same run: what one of them should be may follow from what the others are.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::{HostPlace, HostProbe};
use crate::model::{Fault, Halt, PlaceName};
use crate::targets::host::board::{Board, Ways};

/// The ways to a host, and what is planned there.
type House = (Arc<Ways>, Arc<Board>);

/// The hosts of a run, who may look at each other.
#[derive(Default)]
pub struct Street(Mutex<BTreeMap<PlaceName, House>>);

impl fmt::Debug for Street {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Street")
    }
}

impl HostPlace {
    /// It, among the others on that street.
    #[must_use]
    pub fn on(self, street: &Arc<Street>) -> Self {
        let mut houses = street.0.lock().unwrap_or_else(PoisonError::into_inner);
        houses.insert(self.name.clone(), (self.ways.clone(), self.board.clone()));
        Self { street: street.clone(), ..self }
    }
}

impl HostProbe {
    /// The name of the host.
    #[must_use]
    pub fn name(&self) -> &PlaceName {
        &self.ways.name
    }

    /// Does it see what is planned?
    #[must_use]
    pub fn foresees(&self) -> bool {
        self.foresees
    }

    /// Looks at the host `name` as this probe looks at its own: with what is planned there, or as it is now.
    ///
    /// # Errors
    /// There is no such host, or what `look` says.
    pub async fn beside<T, L, F>(&self, name: &str, look: L) -> Result<T, Halt>
    where
        T: Send + 'static,
        L: FnOnce(Self) -> F,
        F: Future<Output = Result<T, Halt>> + Send + 'static,
    {
        let house = self.street.0.lock().unwrap_or_else(PoisonError::into_inner).get(&PlaceName::new(name)).cloned();
        let Some((ways, board)) = house else {
            return Err(Fault::failed(format!("`{name}` is no host of this environment")).into());
        };
        let board = if self.foresees { board } else { Arc::default() };
        let probe = Self { ways, board, ..self.clone() };
        let read = look(probe.clone());
        // By itself: two hosts that look at each other must not wait for each other's ways.
        match tokio::spawn(async move { probe.look(read).await }).await {
            Ok(found) => found,
            Err(_) => Err(Fault::failed(format!("the look at `{name}` broke off")).into()),
        }
    }
}
