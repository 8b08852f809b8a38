//! What a task does about an object that something else keeps (Argo CD, Flux, Helm): nothing, unless it was told to.

use crate::model::{Change, Fault, FaultKind, Halt, Shown};
use crate::targets::cluster::{Live, ObjectId, Step};

/// `change` of `live`, if it may be. `shared`: it was said that both may write it; then it is shown who may turn it back.
pub(super) fn allowed(
    id: &ObjectId,
    live: Option<&Live>,
    shared: bool,
    change: Change<Step>,
) -> Result<Change<Step>, Halt> {
    let Some(keeper) = live.and_then(Live::keeper) else { return Ok(change) };
    if shared {
        let shared = Shown::value("shared, and may turn this back");
        return Ok(change.field("kept by", Shown::value(keeper), shared));
    }
    let (sort, name) = &keeper.part_of;
    Err(Fault::new(FaultKind::Refused, format!("cannot change `{id}`: it is kept by {keeper}"))
        .cause(format!("what is changed here, {} turns back", keeper.tool))
        .help(format!(
            "change it where its {sort} `{name}` is declared, or take it out of there; `shared: true` of `manifest` and `scale` changes it nevertheless"
        ))
        .into())
}
