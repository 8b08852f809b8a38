//! `copy`: a file with a content that is known to the project.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{Mode, Wanted};
use super::path::HostPath;
use super::writing::{Writing, Written};
use crate::model::decode::Misfit;
use crate::model::{Arg, Content, Doc, FileText, Halt, Resource, Sealed, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// A file with a content that is known to the project.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Copy {
    /// The text of the file. Either this or `src`.
    content: Option<Arg<String>>,
    /// A file in `files/` of the role or the project. Either this or `content`.
    src: Option<Arg<FileText>>,
    /// Absolute path of the file on the host.
    dest: HostPath,
    /// Permissions, quoted: "0644". Without it, a new file gets "0644" and one that is there keeps its own.
    mode: Option<Mode>,
    /// The user it belongs to, by name or number.
    owner: Option<String>,
    /// The group it belongs to, by name or number.
    group: Option<String>,
    /// A command that checks the new content before it is put into place; `%s` stands for a temporary file.
    validate: Option<String>,
    /// Replace the content of a file that is there? If not, only a missing file is written.
    #[serde(default = "yes")]
    force: bool,
}

pub(super) fn yes() -> bool {
    true
}

/// Text that may be secret, as content.
pub(super) fn content_of(text: &Arg<String>) -> Result<Content, crate::model::After> {
    Ok(match text {
        Arg::Secret(Sealed { value, shown }) => Content::sealed(value.as_bytes(), shown.as_str()),
        Arg::Known(text) => Content::open(text.as_bytes()),
        Arg::Unknown(after) => return Err(after.clone()),
    })
}

/// A `validate` without `%s` would check something else than the new content.
pub(super) fn check_validate(validate: Option<&String>) -> Option<Misfit> {
    let wrong = validate.is_some_and(|command| !command.contains("%s"));
    wrong.then(|| Misfit::new("validate", "`%s`, which stands for the new file, is missing"))
}

impl Copy {
    fn writing(&self) -> Writing<'_> {
        let content = match (&self.content, &self.src) {
            (Some(text), _) => content_of(text),
            (None, Some(file)) => file.value().map(|file| file.0.clone()),
            (None, None) => Ok(Content::open([])),
        };
        Writing {
            path: &self.dest,
            content,
            wanted: Wanted::new(self.mode, self.owner.as_ref(), self.group.as_ref()),
            validate: self.validate.as_deref(),
            force: self.force,
        }
    }
}

impl Resource for Copy {
    const NAME: &'static str = "copy";
    const DOC: Doc = Doc {
        summary: "a file with a content that is known to the project",
        example: "\
- name: message of the day
  copy:
    dest: /etc/motd
    content: |
      welcome
    mode: \"0644\"
    owner: root
    group: root
",
    };
    type Target = Host;
    type State = Written;

    fn check(&self) -> Vec<Misfit> {
        let source = match (&self.content, &self.src) {
            (Some(_), Some(_)) => Some(Misfit::new("src", "either `content` or `src`, not both")),
            (None, None) => Some(Misfit::new("", "the parameter `content` or `src` is missing")),
            _ => None,
        };
        source.into_iter().chain(check_validate(self.validate.as_ref())).collect()
    }

    fn things(&self) -> Vec<Thing> {
        vec![Thing::path(&*self.dest)]
    }

    fn undo(&self) -> Option<Undo> {
        Some(Undo::absent("file", "path", &*self.dest))
    }

    async fn read(&self, probe: &HostProbe) -> Result<Written, Halt> {
        self.writing().read(probe).await
    }

    fn plan(&self, current: &Written) -> Result<Verdict<Step>, Halt> {
        self.writing().plan(current)
    }
}
