//! The look just before a write. What several tasks of a host are about to look at is asked for together: a task that
//! then sees exactly what was approved goes on, any other looks again by itself. It changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::apply::Applier;
use super::context::Context;
use super::node::{Params, Typed, Visited};
use super::places::Look;
use super::refine::Approval;
use crate::graph::{NodeId, PlaceId};
use crate::model::{Address, Change, Decision, Halt, Shown, Verdict};
use crate::resources::{Planned, Step};
use crate::targets::host::Privilege;

/// How far is looked ahead: a look is old after a second, and until then hardly more is done.
const AHEAD: usize = 50;

/// By worker, in the order of the graph: what is to be done there, as far as it was approved leaf by leaf.
pub(super) type Agenda = BTreeMap<PlaceId, Vec<(NodeId, PlaceId)>>;

/// What `approved` leaves to do on hosts.
pub(super) fn agenda(context: &Context, approved: &BTreeMap<(Address, PlaceId), Decision>) -> Agenda {
    let mut agenda = Agenda::new();
    for (id, node) in (0..).zip(&context.graph.nodes) {
        for place in node.places.iter() {
            let worker = node.done_at.unwrap_or(*place);
            let decision = approved.get(&(node.address.clone(), *place));
            if worker != context.graph.cluster && matches!(decision, Some(Decision::Change(_))) {
                agenda.entry(worker).or_default().push((id, *place));
            }
        }
    }
    agenda
}

/// Is something of it not known yet?
pub(super) fn is_open<S>(change: &Change<S>) -> bool {
    let open = |shown: &Shown| matches!(shown, Shown::Unknown(_));
    change.fields.iter().any(|field| open(&field.before) || open(&field.after))
}

impl Applier {
    /// What a task says of its place now.
    pub(super) async fn look(
        &self,
        visited: &Visited<'_>,
        ready: &Typed,
        approval: &Approval<'_>,
    ) -> Result<Verdict<Step>, Halt> {
        if let Some(change) = self.look_together(visited, ready, approval).await {
            return Ok(Verdict::Change(change));
        }
        self.context.places.judge(visited.worker(), &*ready.planned, &visited.privilege(), Look::Fresh).await
    }

    /// The change, if a look that was made for several tasks shows exactly what was approved.
    async fn look_together(
        &self,
        visited: &Visited<'_>,
        ready: &Typed,
        approval: &Approval<'_>,
    ) -> Option<Change<Step>> {
        let (places, worker, privilege) = (&self.context.places, visited.worker(), visited.privilege());
        if !places.looked_lately(worker) {
            let ahead = self.ahead(visited);
            if ahead.len() < 2 {
                return None;
            }
            places.look_ahead(worker, &ahead).await;
        }
        let Some(Ok(Verdict::Change(change))) = places.judge_recent(worker, &*ready.planned, &privilege).await else {
            return None;
        };
        (!is_open(&change) && approval.holds(&change, &ready.planned.things(), self.salt.as_ref()).is_ok())
            .then_some(change)
    }

    /// This task and those that come after it on the same host, as far as they can be read by now.
    fn ahead(&self, visited: &Visited<'_>) -> Vec<(Arc<dyn Planned>, Privilege)> {
        let agenda = self.agenda.get(&visited.worker()).into_iter().flatten();
        let coming = agenda.skip_while(|(node, place)| (*node, *place) != (visited.node, visited.place));
        let looks = coming.take(AHEAD).filter_map(|(node, place)| {
            let next = Visited::new(&self.context, *node, *place)?;
            let seen = self.registers.seen_by(next.task, next.place);
            if !matches!(next.when(&seen, &self.facts), Ok(Ok(()))) {
                return None;
            }
            match next.params(&seen, &self.facts) {
                Ok(Params::Ready(ready)) => Some((ready.planned.clone(), next.privilege())),
                // It says so when its turn comes.
                _ => None,
            }
        });
        looks.collect()
    }
}
