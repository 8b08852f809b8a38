//! The switch of a host in memory that undoes a change: it puts back all that was there when it was set.

use super::Machine;
use crate::model::Fault;
use crate::targets::host::guard::{Order, Switch};

impl Machine {
    /// Does it let nobody in any more?
    pub(super) fn is_shut(&self) -> bool {
        self.shut.clone().is_some_and(|shut| shut(self))
    }

    pub(super) fn switch(&mut self, order: &Order) -> Result<Switch, Fault> {
        Ok(match order {
            Order::Arm { .. } => {
                self.kept = Some((self.paths.clone(), self.nodes.clone()));
                Switch::Armed("1".to_owned())
            }
            Order::PutOff { id, .. } => Switch::Armed(id.clone()),
            Order::Disarm(_) => {
                self.kept = None;
                Switch::Disarmed
            }
            Order::Fire(_) | Order::Outcome(_) => {
                let kept = self.kept.take().ok_or_else(|| Fault::failed("the switch of the guard is gone"))?;
                (self.paths, self.nodes) = kept;
                Switch::Undone(None)
            }
        })
    }
}
