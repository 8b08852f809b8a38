//! A file of the system that one task keeps wholly: root's, with a mode of its own, its content made by `lions`; and
//! several such things judged as one.

use super::attributes::{Mode, Wanted};
use super::folder::{Ground, Making};
use super::path::{Folder, HostPath};
use super::removing::{Doomed, Only, Removing};
use super::writing::{Writing, Written};
use crate::model::{Action, After, Arg, Change, Content, Halt, Sealed, Verdict};
use crate::targets::host::Step;
use crate::targets::host::probe::HostProbe;

/// The first line of each such file.
pub(super) const HEADER: &str = "# managed by lions\n";

/// [`HEADER`] and that text, which ends with a newline.
pub(super) fn headed(text: &Arg<String>) -> Result<Content, After> {
    let whole = |text: &str| format!("{HEADER}{text}{}", if text.ends_with('\n') { "" } else { "\n" });
    Ok(match text {
        Arg::Known(text) => Content::open(whole(text).into_bytes()),
        Arg::Secret(Sealed { value, shown }) => Content::sealed(whole(value).into_bytes(), whole(shown)),
        Arg::Unknown(after) => return Err(after.clone()),
    })
}

/// The wish.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) path: HostPath,
    /// `None`: it is not there.
    pub(super) content: Option<Result<Content, After>>,
    pub(super) mode: u32,
    pub(super) validate: Option<String>,
    /// Is its folder made where it is missing?
    pub(super) folder: bool,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Held {
    Written(Box<(Written, Option<Ground>)>),
    Doomed(Doomed),
}

impl Owned {
    /// The file at `path` with that text, readable to all; without it where `text` is `None`.
    pub(super) fn new(path: String, text: Option<String>) -> Self {
        let content = text.map(|text| Ok(Content::open(text.into_bytes())));
        Self { path: HostPath::of(path), content, mode: 0o644, validate: None, folder: false }
    }

    fn writing(&self, content: &Result<Content, After>) -> Writing<'_> {
        Writing {
            path: &self.path,
            content: content.clone(),
            wanted: Wanted { mode: Some(Mode(self.mode)), owner: Some("root"), group: Some("root") },
            validate: self.validate.as_deref(),
            force: true,
        }
    }

    fn removing(&self) -> Removing<'_> {
        Removing { path: &self.path, only: Only::Anything }
    }

    pub(super) async fn read(&self, probe: &HostProbe) -> Result<Held, Halt> {
        Ok(match &self.content {
            Some(content) => {
                let (path, writing) = (self.parent(), self.writing(content));
                if !self.folder {
                    return Ok(Held::Written(Box::new((writing.read(probe).await?, None))));
                }
                let making = making(&path);
                let (written, ground) = futures::join!(writing.read(probe), making.read(probe));
                Held::Written(Box::new((written?, Some(ground?))))
            }
            None => Held::Doomed(self.removing().read(probe).await?),
        })
    }

    /// The verdict, and the name of this part.
    pub(super) fn plan(&self, held: &Held) -> Result<(String, Verdict<Step>), Halt> {
        let name = self.path.to_string();
        let verdict = match (held, &self.content) {
            (Held::Written(held), Some(content)) => {
                let (written, ground) = &**held;
                let parent = self.parent();
                let folder = match ground {
                    Some(ground) => making(&parent).plan(ground)?,
                    None => Verdict::right("not asked for"),
                };
                match folder {
                    Verdict::Right { .. } => self.writing(content).plan(written)?,
                    folder @ Verdict::Change(_) => {
                        let file = self.writing(content).plan_in(written, &Folder::to_come(&parent, "root", "root"))?;
                        together([(parent.to_string(), folder), (name.clone(), file)])
                    }
                }
            }
            (Held::Doomed(doomed), _) => self.removing().plan(doomed)?,
            (Held::Written(_), None) => Verdict::right("not there"),
        };
        Ok((name, verdict))
    }

    /// The same, in a folder that a step of the same task makes.
    pub(super) fn plan_in(&self, held: &Held, folder: &Folder) -> Result<(String, Verdict<Step>), Halt> {
        match (held, &self.content) {
            (Held::Written(held), Some(content)) => {
                Ok((self.path.to_string(), self.writing(content).plan_in(&held.0, folder)?))
            }
            _ => self.plan(held),
        }
    }

    fn parent(&self) -> HostPath {
        HostPath::of(self.path.parent().to_owned())
    }
}

fn making(path: &HostPath) -> Making<'_> {
    let wanted = Wanted { mode: None, owner: None, group: None };
    Making { path, wanted, parents: false, recurse: false }
}

/// The parts of what a task keeps as one: each field bears the name of its part.
pub(super) fn together(parts: impl IntoIterator<Item = (String, Verdict<Step>)>) -> Verdict<Step> {
    let mut whole: Option<Change<Step>> = None;
    let mut rights = Vec::new();
    for (name, verdict) in parts {
        let mut part = match verdict {
            Verdict::Right { why, .. } => {
                rights.push(why);
                continue;
            }
            Verdict::Change(part) => part,
        };
        // A link that takes the place of a file has both a `state` and a `target`.
        let mut named = false;
        for field in &mut part.fields {
            // Of a part that is made of parts.
            if field.name.starts_with('/') {
                continue;
            }
            let main =
                matches!(&*field.name, "" | "content" | "state" | "target") && !std::mem::replace(&mut named, true);
            field.name = if main { name.clone().into() } else { format!("{name} {}", field.name).into() };
        }
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => {
                whole.action = match (whole.action, part.action) {
                    (one, other) if one == other => one,
                    // It only follows from what came before.
                    (one, _) if part.fields.is_empty() => one,
                    // Something new comes, whatever else is set right with it.
                    (Action::Create, Action::Update) | (Action::Update, Action::Create) => Action::Create,
                    // What is lost is told as such.
                    (Action::Delete, Action::Update) | (Action::Update, Action::Delete) => Action::Delete,
                    _ => Action::Update,
                };
                whole.fields.append(&mut part.fields);
                whole.steps.append(&mut part.steps);
            }
        }
    }
    match whole {
        Some(change) => Verdict::Change(change),
        None if rights.iter().all(|why| *why == rights[0]) => {
            Verdict::right(rights.pop().unwrap_or("already so".into()))
        }
        None => Verdict::right("already so"),
    }
}
