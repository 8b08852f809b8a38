//! Names in `needs` to parts. A name is a sibling's, or a whole `play/role/task` from afar. What is named must not be
//! the part itself, nor hold it, nor be held by it.

use std::collections::HashMap;

use crate::source::Problem;

use super::outline::{Kind, PartId};
use super::{Draft, Link, Why};

pub(super) fn run(draft: &mut Draft<'_>) {
    let far: HashMap<&str, PartId> = (0..draft.parts.len())
        .rev()
        .filter(|id| draft.parts[*id].kind != Kind::Section || !draft.parts[*id].name.is_empty())
        .map(|id| (draft.parts[id].address.as_str(), id))
        .collect();
    let mut links = Vec::new();
    let mut problems = Vec::new();
    for (id, part) in draft.parts.iter().enumerate() {
        let list = part.parent.map_or(&draft.plays, |parent| &draft.parts[parent].children);
        let nameless = [Kind::Section, Kind::Handlers, Kind::Between];
        let siblings: Vec<PartId> =
            list.iter().copied().filter(|s| !nameless.contains(&draft.parts[*s].kind)).collect();
        for needed in part.needs.unwrap_or_default() {
            let name = needed.name.as_str();
            let sibling = siblings.iter().copied().find(|other| draft.parts[*other].name == name);
            let found = sibling.or_else(|| if name.contains('/') { far.get(name).copied() } else { None });
            let Some(target) = found else {
                let near: Vec<&str> = siblings
                    .iter()
                    .filter(|other| **other != id)
                    .map(|other| draft.parts[*other].name)
                    .chain(far.keys().copied().filter(|address| address.contains('/')))
                    .collect();
                problems.push(
                    Problem::error(needed.span, format!("`{}` needs `{name}`, which is not there", part.name))
                        .label("no such name")
                        .did_you_mean(name, near)
                        .help("name a sibling, or a part from afar as `play/role/task`"),
                );
                continue;
            };
            if target == id || draft.holds(target, id) || draft.holds(id, target) {
                let what = if target == id { "itself" } else { "what it is a part of, or what is a part of it" };
                problems.push(
                    Problem::error(needed.span, format!("`{}` needs {what}", part.name))
                        .label(format!("`{}`", draft.parts[target].address))
                        .help("take the name out of `needs`"),
                );
                continue;
            }
            links.push(Link { from: target, to: id, why: Why::Needs, span: needed.span });
        }
    }
    draft.links.extend(links);
    draft.problems.extend(problems);
}
