//! A cluster that is not there when a plan is made: the plan itself may bring it up. Which task does so is read off the
//! shadows of its servers; how it answers meanwhile is the business of the target.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::places::{Place, Places, ToCluster};
use crate::graph::PlaceId;
use crate::model::{After, FaultKind, Halt, Thing};
use crate::targets::cluster::{Absent, ClusterPlace, UNIT};

/// Things of hosts that need no change but are not ready, so that apply waits for them before it goes on.
#[derive(Default)]
pub(super) struct Awaited(Mutex<BTreeSet<(PlaceId, Thing)>>);

impl Awaited {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeSet<(PlaceId, Thing)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, place: PlaceId, things: Vec<Thing>) {
        self.all().extend(things.into_iter().map(|thing| (place, thing)));
    }

    pub(super) fn forget(&self) {
        self.all().clear();
    }
}

impl ToCluster {
    /// The place at its end.
    pub(super) fn place(&self) -> ClusterPlace {
        match self {
            Self::There(client) | Self::Through(client, _) => ClusterPlace::new(client.clone()),
            Self::Absent(absent, _) => ClusterPlace::absent(absent),
        }
    }

    /// While it is not there.
    fn absent(&self) -> Option<&Absent> {
        match self {
            Self::Absent(absent, _) if absent.is_absent() => Some(absent),
            _ => None,
        }
    }

    /// Does it hold what nobody can look at now?
    pub(super) fn is_down(&self) -> bool {
        self.absent().is_some_and(|absent| !absent.is_empty())
    }
}

impl Places {
    pub(super) fn cluster_way(&self, place: PlaceId) -> Option<&ToCluster> {
        match self.place(place) {
            Some(Place::Cluster { way, .. }) => Some(way),
            _ => None,
        }
    }

    /// From now on a cluster that was not there is the one that this run brings up.
    pub(super) fn expect_cluster(&self) {
        for place in self.all() {
            if let Place::Cluster { way: ToCluster::Absent(absent, _), .. } = place {
                absent.expect();
            }
        }
    }

    /// May a task of the cluster be planned now? Not before the plan has come to what brings the cluster up.
    ///
    /// # Errors
    /// Why there is no cluster; *later* when it is down, and comes up.
    pub(super) fn comes(&self, place: PlaceId) -> Result<(), Halt> {
        let Some(absent) = self.cluster_way(place).and_then(ToCluster::absent) else { return Ok(()) };
        match self.brought_up(place) {
            None => Err(absent.why().clone().into()),
            Some(_) if absent.is_empty() => Ok(()),
            Some(after) => Err(after.into()),
        }
    }

    /// What halted a task of the cluster; *later* where that is a silence which the plan ends.
    pub(super) fn or_brought_up(&self, place: PlaceId, halt: Halt) -> Halt {
        match halt {
            Halt::Fault(fault) if fault.kind == FaultKind::Unreachable => {
                self.brought_up(place).map_or(Halt::Fault(fault), Halt::Later)
            }
            other => other,
        }
    }

    /// What in the plan so far brings the cluster up: the start of its unit on a server, or the wait for one that comes up.
    fn brought_up(&self, place: PlaceId) -> Option<After> {
        let (ToCluster::Through(_, servers) | ToCluster::Absent(_, servers)) = self.cluster_way(place)? else {
            return None;
        };
        let starts = Thing::new("unit", UNIT);
        let awaited = |server: PlaceId| self.awaited.all().contains(&(server, starts.clone()));
        let server = servers.iter().find(|server| self.touches(**server, &starts) || awaited(**server))?;
        Some(After::new(format!("`{UNIT}` runs on `{}`", self.name(*server))))
    }
}
