//! `block`: lines of a file between two markers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{Mode, Wanted};
use super::copy::check_validate;
use super::editing::{Anchor, Edit, Edited, Editing, after_anchor, before_anchor, position};
use super::line::State;
use super::path::HostPath;
use super::text::Text;
use crate::model::decode::Misfit;
use crate::model::{After, Arg, Doc, Fault, FaultKind, Halt, Resource, Sealed, Secret, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// Lines of a file between two markers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "parameters bear Ansible's names")]
pub(super) struct Block {
    /// Absolute path of the file on the host; a link is followed.
    #[serde(alias = "dest")]
    #[schemars(extend("x-lions-aliases" = ["dest"]))]
    path: HostPath,
    /// The lines.
    #[serde(alias = "content")]
    #[schemars(extend("x-lions-aliases" = ["content"]))]
    block: Option<Arg<String>>,
    /// The line before and after them; `{mark}` stands for `marker_begin` and `marker_end`. Two blocks in one file need two.
    #[serde(default = "marker")]
    marker: String,
    /// What `{mark}` is in the line before.
    #[serde(default = "begin")]
    marker_begin: String,
    /// What `{mark}` is in the line after.
    #[serde(default = "end")]
    marker_end: String,
    /// `present`: the block is there. `absent`: neither it nor its markers are.
    #[serde(default)]
    state: State,
    /// Where a new block goes: after the last line that this expression matches, or `EOF` (the default).
    #[serde(default, deserialize_with = "after_anchor")]
    #[schemars(with = "Option<String>")]
    insertafter: Option<Anchor>,
    /// Where a new block goes: before the last line that this expression matches, or `BOF`.
    #[serde(default, deserialize_with = "before_anchor")]
    #[schemars(with = "Option<String>")]
    insertbefore: Option<Anchor>,
    /// Make the file if it is not there?
    #[serde(default)]
    create: bool,
    /// Permissions, quoted: "0644".
    mode: Option<Mode>,
    /// The user the file belongs to, by name or number.
    owner: Option<String>,
    /// The group the file belongs to, by name or number.
    group: Option<String>,
    /// A command that checks the new content before it is put into place; `%s` stands for a temporary file.
    validate: Option<String>,
}

fn marker() -> String {
    "# {mark} managed by lions".to_owned()
}

fn begin() -> String {
    "BEGIN".to_owned()
}

fn end() -> String {
    "END".to_owned()
}

impl Block {
    fn markers(&self) -> (String, String) {
        (self.marker.replace("{mark}", &self.marker_begin), self.marker.replace("{mark}", &self.marker_end))
    }

    fn editing(&self) -> Editing<'_> {
        Editing {
            path: &self.path,
            wanted: Wanted::new(self.mode, self.owner.as_ref(), self.group.as_ref()),
            validate: self.validate.as_deref(),
            create: self.create,
            edit: self,
        }
    }

    /// The lines, each with what may be shown of it where the block holds a secret.
    fn wished(&self) -> Vec<(&str, Option<&str>)> {
        match &self.block {
            Some(Arg::Known(text)) => text.lines().map(|line| (line, None)).collect(),
            Some(Arg::Secret(Sealed { value, shown })) => {
                let (lines, shown): (Vec<&str>, Vec<&str>) = (value.lines().collect(), shown.lines().collect());
                let aligned = lines.len() == shown.len();
                let shown = |at: usize| if aligned { shown[at] } else { Secret::MASK };
                lines.into_iter().enumerate().map(|(at, line)| (line, Some(shown(at)))).collect()
            }
            Some(Arg::Unknown(_)) | None => Vec::new(),
        }
    }

    /// The lines of the two markers, if the block is there.
    fn find(&self, text: &Text) -> Result<Option<(usize, usize)>, Fault> {
        let (begin, end) = self.markers();
        let at = |marker: &str| -> Vec<usize> {
            let lines = text.lines().iter().enumerate();
            lines.filter(|(_, line)| line.body.trim_end() == marker).map(|(at, _)| at).collect()
        };
        match (at(&begin).as_slice(), at(&end).as_slice()) {
            ([], []) => Ok(None),
            ([from], [to]) if from < to => Ok(Some((*from, *to))),
            (begins, ends) => {
                let what = format!(
                    "`{}` has {} lines `{begin}` and {} lines `{end}`, not one block",
                    self.path,
                    begins.len(),
                    ends.len()
                );
                Err(Fault::new(FaultKind::Refused, what)
                    .help("put the file right by hand, or give this block a `marker` of its own"))
            }
        }
    }
}

impl Edit for Block {
    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        let found = self.find(text)?;
        if self.state == State::Absent {
            if let Some((from, to)) = found {
                text.remove(from, to + 1);
            }
            return Ok(());
        }
        let (begin, end) = self.markers();
        let wished = self.wished();
        let first = if let Some((from, to)) = found {
            let same = text.lines()[from + 1..to].iter().map(|line| line.body.as_str());
            if same.eq(wished.iter().map(|(line, _)| *line)) {
                return Ok(());
            }
            text.remove(from + 1, to);
            from + 1
        } else {
            let at = position(text, self.insertafter.as_ref(), self.insertbefore.as_ref());
            text.insert(at, &begin, None);
            text.insert(at + 1, &end, None);
            at + 1
        };
        for (at, (line, shown)) in wished.into_iter().enumerate() {
            text.insert(first + at, line, shown);
        }
        Ok(())
    }

    fn open(&self) -> Option<After> {
        match &self.block {
            Some(Arg::Unknown(after)) => Some(after.clone()),
            _ => None,
        }
    }

    fn takes_away(&self) -> bool {
        self.state == State::Absent
    }
}

impl Resource for Block {
    const NAME: &'static str = "block";
    const DOC: Doc = Doc {
        summary: "lines of a file between two markers",
        example: "\
- name: names of the cluster
  block:
    path: /etc/hosts
    block: |
      10.0.0.1 server-1
      10.0.0.2 agent-1
    create: true
",
    };
    type Target = Host;
    type State = Edited;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits: Vec<Misfit> = check_validate(self.validate.as_ref()).into_iter().collect();
        let (begin, end) = self.markers();
        if begin == end {
            misfits.push(Misfit::new("marker", "`{mark}` is missing: both markers would be the same line"));
        }
        if begin.contains('\n') || end.contains('\n') {
            misfits.push(Misfit::new("marker", "a marker is one line"));
        }
        if begin.trim_end() != begin || end.trim_end() != end {
            misfits.push(Misfit::new("marker", "a marker may not end with spaces"));
        }
        if self.state == State::Present {
            match &self.block {
                None => misfits.push(Misfit::new("", "the parameter `block` is missing")),
                Some(Arg::Unknown(_)) => {}
                Some(_) if self.wished().is_empty() => {
                    misfits.push(Misfit::new("block", "it is empty: to take the block away, say `state: absent`"));
                }
                Some(_) if self.wished().iter().any(|(line, _)| line.trim_end() == begin || line.trim_end() == end) => {
                    misfits.push(Misfit::new("block", "it holds one of its own markers"));
                }
                Some(_) => {}
            }
        }
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            misfits.push(Misfit::new("insertbefore", "either `insertafter` or `insertbefore`, not both"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.path)]
    }

    async fn read(&self, probe: &HostProbe) -> Result<Edited, Halt> {
        self.editing().read(probe).await
    }

    fn plan(&self, current: &Edited) -> Result<Verdict<Step>, Halt> {
        self.editing().plan(current)
    }
}
