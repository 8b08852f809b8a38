//! Files of the kernel (`/proc`, `/sys`): read by the name that they are asked for, without a look at what is there.
//! `/proc/self` leads elsewhere for every process, sizes are wrong, and a digest of each folder's files would cost more
//! than the value.

use super::board::strange;
use super::ghost::{Ghost, What};
use super::probe::HostProbe;
use super::shadow::Shadow;
use super::{Answer, Command, Output, Question};
use crate::model::{After, Content, Halt};

impl Shadow {
    /// `path` will read as `content`.
    pub(super) fn reads(&mut self, path: &str, content: Content) {
        let attributes = self.ghosts.get(path).map(|ghost| ghost.attributes.clone()).unwrap_or_default();
        let ghost = Ghost { what: What::File(content), attributes, ..Ghost::of_place(path) };
        self.ghosts.insert(path.to_owned(), ghost);
    }

    /// After what something may be at `path` that is absent now.
    pub(super) fn may_come(&self, path: &str) -> Option<&After> {
        let below =
            |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.adds.iter().rev().find(|(folder, _)| below(folder)).map(|(_, after)| after)
    }

    /// What the steps leave at `path`, as it is written: `None` when they say nothing about it.
    fn planned(&self, path: &str) -> Option<Result<Option<Content>, After>> {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        ends.filter_map(|end| Some((end == path.len(), self.ghosts.get(&path[..end])?))).find_map(|(last, ghost)| {
            match &ghost.what {
                What::Open(after) | What::Promise(after) => Some(Err(after.clone())),
                What::File(content) if last => Some(Ok(Some(content.clone()))),
                What::Absent => Some(Ok(None)),
                _ => None,
            }
        })
    }
}

impl HostProbe {
    /// What the file of the kernel at `path` says; `None` when there is none.
    ///
    /// # Errors
    /// The place could not say, or a step leaves it open.
    pub async fn kernel(&self, path: &str) -> Result<Option<Content>, Halt> {
        if let Some(planned) = self.board.lock().shadow.planned(path) {
            return Ok(planned?);
        }
        let Answer::Content(content) = self.ask(Question::Content(path.to_owned())).await? else {
            return Err(strange().into());
        };
        match (content, self.board.lock().shadow.may_come(path)) {
            (None, Some(after)) => Err(Halt::Later(after.clone())),
            (content, _) => Ok(content),
        }
    }

    /// Runs a command that changes nothing and looks at what is at `path` only: it waits for apply if a step decides what
    /// is there, whatever else is planned.
    ///
    /// # Errors
    /// The place could not run it, or a step decides what is at `path`.
    pub async fn run_about(&self, path: &str, command: Command) -> Result<Output, Halt> {
        let decided = {
            let state = self.board.lock();
            state.planned.clone().filter(|_| state.shadow.planned(path).is_some())
        };
        if let Some(after) = decided {
            return Err(Halt::Later(after));
        }
        match self.ask(Question::Run(command)).await? {
            Answer::Output(output) => Ok(output),
            _ => Err(strange().into()),
        }
    }
}
