//! Who reads whose register. A register is seen in its role (or among the play's own tasks); reading it makes an
//! edge from those that write it. Of several writers the ones above the reader count, as the last one wins in any
//! list; if none stands above, all of them.

use std::collections::HashMap;

use crate::source::Problem;

use super::outline::PartId;
use super::{Draft, Link, Why};

pub(super) fn run(draft: &mut Draft<'_>) {
    let program = draft.program;
    let mut writers: HashMap<(PartId, &str), Vec<PartId>> = HashMap::new();
    for (id, part) in draft.parts.iter().enumerate() {
        if let Some(register) = part.kind.task().and_then(|task| program.tasks[task as usize].register.as_deref()) {
            writers.entry((draft.owner(id), register)).or_default().push(id);
        }
    }
    let mut links = Vec::new();
    let mut problems = Vec::new();
    for (id, part) in draft.parts.iter().enumerate() {
        let Some(task) = part.kind.task() else { continue };
        let owner = draft.owner(id);
        for (register, span) in &program.tasks[task as usize].reads {
            let Some(all) = writers.get(&(owner, register.as_str())) else {
                let known = writers.keys().filter(|(scope, _)| *scope == owner).map(|(_, name)| *name);
                problems.push(
                    Problem::error(
                        *span,
                        format!("`{}` reads the register `{register}`, which nobody writes", part.name),
                    )
                    .label("no task here has this `register`")
                    .did_you_mean(register, known)
                    .help(format!(
                        "a register is seen in its own role only; add `register: {register}` to a task of `{}`",
                        draft.parts[owner].address
                    )),
                );
                continue;
            };
            let above: Vec<PartId> = all.iter().copied().filter(|writer| *writer < id).collect();
            let counted = if above.is_empty() { all } else { &above };
            // A task may read its own register, in `changed_when` for one.
            let others = counted.iter().copied().filter(|writer| *writer != id);
            links.extend(others.map(|from| Link { from, to: id, why: Why::Reads, span: *span }));
        }
    }
    draft.links.extend(links);
    draft.problems.extend(problems);
}
