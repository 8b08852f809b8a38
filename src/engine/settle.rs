//! A task is done when what it made is ready for those who need it: waits for that, and tells what it waits for. It
//! changes nothing.

use std::time::{Duration, Instant};

use super::apply::ended_by_user;
use super::context::Context;
use super::node::Visited;
use crate::model::{Event, Fault, Patience};
use crate::resources::Planned;

/// How long is waited when the task has no `timeout`.
pub(super) const LIMIT: Duration = Duration::from_mins(5);

/// Waits until `planned` says that what it keeps is ready. The `timeout` of the task runs since `begun`.
pub(super) async fn settle(
    context: &Context,
    visited: &Visited<'_>,
    planned: &dyn Planned,
    begun: Instant,
) -> Result<(), Fault> {
    let tell = |why: &str| {
        context.events.tell(|| Event::Waiting {
            address: visited.address().clone(),
            place: context.places.name(visited.place),
            why: context.masks.mask(why),
        });
    };
    let limit = visited.task.timeout.map_or(LIMIT, |limit| limit.saturating_sub(begun.elapsed()));
    let patience = Patience { limit, tell: &tell };
    let privilege = visited.privilege();
    let settled = tokio::select! {
        settled = context.places.settle(visited.worker(), planned, &privilege, &patience) => settled,
        () = context.options.stop.ended() => Err(ended_by_user()),
    };
    settled.map_err(|mut fault| {
        // What a place says of a failure (events, logs) may hold what the run knows to be secret.
        for text in [Some(&mut fault.what), fault.cause.as_mut(), fault.help.as_mut()].into_iter().flatten() {
            *text = context.masks.mask(text);
        }
        fault
    })
}
