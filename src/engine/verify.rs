//! Verify is plan again: what was made must be right now. A task that still differs right after it was made has a
//! wrong idea of its place, and is reported as failed, not as done.

use std::collections::BTreeMap;

use super::context::Context;
use super::plan::{Unplanned, plan};
use crate::model::{Action, Decision, Entry, Fault, Outcome, Report, Shown};

/// Plans again and marks in `report` what did not come out as made. Commands and handlers have no state to return
/// to, so they are not held to it.
///
/// # Errors
/// Why there is no second plan.
pub async fn verify(context: &Context, report: &mut Report) -> Result<(), Unplanned> {
    context.places.forget();
    let again = plan(context).await?.plan;
    let mut differs = BTreeMap::new();
    for row in again.rows {
        // A value that is only known after a command is no sign of anything.
        let known = |entry: &Entry| entry.fields.iter().any(|field| !matches!(field.after, Shown::Unknown(_)));
        if let Decision::Change(entry) = row.decision
            && entry.action != Action::Run
            && known(&entry)
        {
            differs.insert((again.tasks[row.task as usize].address.clone(), row.place), entry);
        }
    }
    for (task, place, outcome) in &mut report.rows {
        if !matches!(outcome, Outcome::Changed(_) | Outcome::AlreadyRight) {
            continue;
        }
        let Some(entry) = differs.get(&(report.tasks[*task as usize].address.clone(), *place)) else { continue };
        let fields: Vec<String> = entry.fields.iter().map(|field| format!("`{}`", field.name)).collect();
        *outcome = Outcome::Failed(Box::new(
            Fault::failed(format!("done, and still not right: {} would change again", fields.join(", ")))
                .help("something else writes there, or two tasks want different things"),
        ));
    }
    Ok(())
}
