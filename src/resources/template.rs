//! `template`: a file made from a template of the project.

use schemars::JsonSchema;
use serde::Deserialize;

use super::attributes::{Mode, Wanted};
use super::copy::{check_validate, yes};
use super::path::HostPath;
use super::writing::{Writing, Written};
use crate::model::decode::Misfit;
use crate::model::{Arg, Doc, Halt, Resource, TemplateText, Thing, Undo, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// A file made from a template of the project.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    /// A template in `templates/` of the role or the project.
    src: Arg<TemplateText>,
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

impl Template {
    fn writing(&self) -> Writing<'_> {
        Writing {
            path: &self.dest,
            content: self.src.value().map(|template| template.0.clone()),
            wanted: Wanted::new(self.mode, self.owner.as_ref(), self.group.as_ref()),
            validate: self.validate.as_deref(),
            force: self.force,
        }
    }
}

impl Resource for Template {
    const NAME: &'static str = "template";
    const DOC: Doc = Doc {
        summary: "a file made from a template of the project",
        example: "\
- name: chrony configuration
  template:
    src: chrony.conf.j2
    dest: /etc/chrony/chrony.conf
    mode: \"0644\"
",
    };
    type Target = Host;
    type State = Written;

    fn check(&self) -> Vec<Misfit> {
        check_validate(self.validate.as_ref()).into_iter().collect()
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
