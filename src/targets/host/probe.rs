//! Questions to one host: answered by the shadow, then by what is known, then by the host itself, all that wait
//! in one batch. It changes nothing.

mod beside;
mod census;
mod glance;
mod recent;

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use super::board::{Board, Desk, State, Ways, strange};
use super::census::Census;
use super::shadow::{Found, Shadow, Source, Spot, Stop};
use super::{Answer, Command, FileKind, Identity, Link, Output, Privilege, Question, Stat, Step, called, validating};
use crate::model::{After, Content, Fault, Halt, Map, PlaceName, Thing};

pub use beside::Street;
pub use glance::WayIn;

/// One host of a run: the ways to it, what it answered, and the shadow of what is planned there.
pub struct HostPlace {
    name: PlaceName,
    ways: Arc<Ways>,
    board: Arc<Board>,
    recent: recent::Recent,
    street: Arc<Street>,
}

/// What resources ask. Read-only by construction, cheap to clone.
#[derive(Clone)]
pub struct HostProbe {
    ways: Arc<Ways>,
    pub(super) board: Arc<Board>,
    privilege: Privilege,
    street: Arc<Street>,
    /// Does it see what is planned?
    foresees: bool,
}

impl HostPlace {
    /// The host `name` and the ways to it.
    #[must_use]
    pub fn new(name: PlaceName, links: impl IntoIterator<Item = (Privilege, Arc<dyn Link>)>) -> Self {
        let ways = Ways { name: name.clone(), links: links.into_iter().collect(), batches: AtomicUsize::new(0) };
        let (board, recent) = (Arc::default(), recent::Recent::default());
        Self { name, ways: Arc::new(ways), board, recent, street: Arc::default() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &PlaceName {
        &self.name
    }

    /// The way to it as `privilege`.
    #[must_use]
    pub fn link(&self, privilege: &Privilege) -> Option<&Arc<dyn Link>> {
        self.ways.links.get(privilege)
    }

    /// A probe for plan: it sees what the steps planned so far leave behind.
    #[must_use]
    pub fn probe(&self, privilege: &Privilege) -> HostProbe {
        HostProbe { foresees: true, ..self.seeing(self.board.clone(), privilege) }
    }

    fn seeing(&self, board: Arc<Board>, privilege: &Privilege) -> HostProbe {
        let (ways, street) = (self.ways.clone(), self.street.clone());
        HostProbe { ways, board, privilege: privilege.clone(), street, foresees: false }
    }

    /// A probe for apply: it sees the place as it is now, whatever was planned or answered before.
    #[must_use]
    pub fn fresh(&self, privilege: &Privilege) -> HostProbe {
        self.seeing(Arc::default(), privilege)
    }

    /// Carries `reads` (of probes of this place for plan) on until each is done: whenever all of them wait for the
    /// place, what they wait for travels in one batch. Outputs are in the order of the reads. For the first look at
    /// a host, give it every read at once and drop what comes out: a fault comes again in its order.
    pub async fn drive<F: Future>(&self, reads: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        self.board.drive(&self.ways, reads).await
    }

    /// How many round trips were made for questions.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.ways.batches.load(Ordering::Relaxed)
    }

    /// Takes a planned step of the task `after` into the shadow.
    pub fn imitate(&self, step: &Step, after: &After) {
        imitate(&self.board, step, after);
    }

    /// Notes that the task `after` may change something here that cannot be foreseen.
    pub fn leave_open(&self, things: &[Thing], after: &After) {
        let changes = things.iter().filter(|thing| thing.kind == "path").map(|thing| thing.name.clone()).collect();
        for thing in things {
            self.board.lock().census.open(thing, after);
        }
        self.imitate(&Step::Run { command: Command::shell(""), changes }, after);
    }

    /// Is nothing planned here so far?
    #[must_use]
    pub fn pristine(&self) -> bool {
        self.board.lock().planned.is_none()
    }

    /// Forgets what was planned, not what was answered.
    pub fn reset_shadow(&self) {
        let mut state = self.board.lock();
        state.shadow = Shadow::default();
        state.census = Census::default();
        state.planned = None;
        state.ran = None;
    }

    /// Does a planned step decide what is at `thing`, or at what it links to?
    #[must_use]
    pub fn touched(&self, thing: &Thing) -> bool {
        let state = self.board.lock();
        state.census.touches(thing)
            || thing.kind == "path"
                && [false, true].into_iter().any(|follow| match state.shadow.walk(&state.desks, &thing.name, follow) {
                    Ok(spot) => spot.planned,
                    Err(Stop::Open(_)) => true,
                    Err(Stop::Ask(_) | Stop::Fault(_)) => false,
                })
    }

    /// Do all steps planned so far together leave `thing` (a path: and what it links to) as the place has it now? Judged by
    /// what `privilege` sees.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn same_as_place(&self, privilege: &Privilege, thing: &Thing) -> Result<bool, Fault> {
        let probe = self.probe(privilege);
        let look = async {
            if thing.kind != "path" {
                return probe.same_thing(thing).await;
            }
            Ok(probe.same(&thing.name, false).await? && probe.same(&thing.name, true).await?)
        };
        match probe.look(look).await {
            Ok(same) => Ok(same),
            Err(Halt::Later(_)) => Ok(false),
            Err(Halt::Fault(fault)) => Err(fault),
        }
    }
}

/// Takes a step of the task `after` into the shadow of `board`.
fn imitate(board: &Board, step: &Step, after: &After) {
    let mut state = board.lock();
    let State { shadow, census, desks, planned, ran, .. } = &mut *state;
    shadow.imitate(desks, step, after);
    census.imitate(step, after);
    *planned = Some(after.clone());
    if matches!(step, Step::Run { .. }) {
        *ran = Some(after.clone());
    }
}

impl HostProbe {
    /// Carries one read of this probe on until it is done, asking the place whenever it waits.
    pub async fn look<F: Future>(&self, read: F) -> F::Output {
        let mut read = std::pin::pin!(read);
        loop {
            // Others may ask beside it: what it waits for may come, and lead to more, without its own doing.
            let done = poll_fn(|context| match read.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if self.board.lock().waits() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            match done.await {
                Some(output) => return output,
                None => self.board.flush(&self.ways).await,
            }
        }
    }

    /// A probe that sees the place as it is now, whatever was answered before.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { board: Arc::default(), foresees: false, ..self.clone() }
    }

    /// The same place as another sees it.
    #[must_use]
    pub fn as_of(&self, privilege: &Privilege) -> Self {
        Self { privilege: privilege.clone(), ..self.clone() }
    }

    /// As whom it asks.
    #[must_use]
    pub fn privilege(&self) -> &Privilege {
        &self.privilege
    }

    /// Puts questions in the next batch without waiting for the answers: saves round trips.
    pub fn soon(&self, questions: impl IntoIterator<Item = Question>) {
        let mut state = self.board.lock();
        if state.lost.is_none() {
            let desk = state.desks.entry(self.privilege.clone()).or_default();
            questions.into_iter().for_each(|question| desk.want(question));
        }
    }

    pub(super) async fn ask(&self, question: Question) -> Result<Answer, Fault> {
        poll_fn(|context| {
            let mut state = self.board.lock();
            let lost = state.lost.clone();
            let desk = state.desks.entry(self.privilege.clone()).or_default();
            let answer = match &question {
                Question::Stat(path) => desk.stats.get(path).map(|answer| answer.clone().map(Answer::Stat)),
                other => desk.others.get(other).cloned(),
            };
            match (answer, lost) {
                (Some(answer), _) => Poll::Ready(answer),
                (None, Some(fault)) => Poll::Ready(Err(fault)),
                (None, None) => {
                    desk.want(question.clone());
                    desk.waiting.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Where `path` leads; asks for every part of it at once.
    async fn spot(&self, path: &str, follow: bool) -> Result<Spot, Halt> {
        let mut first = true;
        loop {
            let stop = {
                let state = self.board.lock();
                let nobody = Desk::default();
                let desk = state.desks.get(&self.privilege).unwrap_or(&nobody);
                match state.shadow.walk(desk, path, follow) {
                    Ok(spot) => return Ok(spot),
                    Err(stop) => stop,
                }
            };
            match stop {
                Stop::Open(after) => return Err(Halt::Later(after)),
                Stop::Fault(fault) => return Err(Halt::Fault(fault)),
                Stop::Ask(part) => {
                    if std::mem::take(&mut first) {
                        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
                        self.soon(ends.map(|end| Question::Stat(path[..end].to_owned())));
                    }
                    self.ask(Question::Stat(part)).await?;
                }
            }
        }
    }

    /// Does the shadow leave `path` as the place has it?
    async fn same(&self, path: &str, follow: bool) -> Result<bool, Halt> {
        let planned = self.spot(path, follow).await?;
        let Answer::Stat(now) = self.ask(Question::Stat(planned.path.clone())).await? else {
            return Err(strange().into());
        };
        let renewed = self.board.lock().shadow.renewed(&planned.path);
        Ok(match (planned.found, now) {
            (Found::Absent, None) => true,
            (Found::There { stat, .. }, Some(now)) => match (&stat.kind, &now.kind) {
                // Nobody sets the owner or the mode of a link.
                (FileKind::Link(planned), FileKind::Link(now)) => planned == now,
                // What was below a folder that is made anew is gone.
                (FileKind::Directory, FileKind::Directory) => !renewed && Stat { size: now.size, ..stat } == now,
                // Not known, or not to be read.
                (FileKind::File(None), _) => false,
                // The digest says it; files of the kernel have no size.
                (FileKind::File(_), _) => {
                    // What is written has no number yet; what is linked must be that very file.
                    Stat { size: now.size, node: stat.node.or(now.node), ..stat } == now
                }
                _ => stat == now,
            },
            _ => false,
        })
    }

    /// What is at `path`; a link there is not followed.
    ///
    /// # Errors
    /// The place could not say, or a step leaves it open.
    pub async fn stat(&self, path: &str) -> Result<Option<Stat>, Halt> {
        Ok(self.lead(path, false).await?.1)
    }

    /// Where `path` leads when every link but its last part is followed, and what is there.
    ///
    /// # Errors
    /// The place could not say, or a step leaves it open.
    pub async fn located(&self, path: &str) -> Result<(String, Option<Stat>), Halt> {
        self.lead(path, false).await
    }

    /// Where `path` leads when every link is followed, and what is there.
    ///
    /// # Errors
    /// The place could not say, or a step leaves it open.
    pub async fn followed(&self, path: &str) -> Result<(String, Option<Stat>), Halt> {
        self.lead(path, true).await
    }

    async fn lead(&self, path: &str, follow: bool) -> Result<(String, Option<Stat>), Halt> {
        let spot = self.spot(path, follow).await?;
        match spot.found {
            Found::Absent => Ok((spot.path, None)),
            Found::There { stat, .. } => Ok((spot.path, Some(stat))),
            Found::Open(after) | Found::Maybe(after) => Err(Halt::Later(after)),
        }
    }

    /// The task after which there may be something at `path`, where nothing is now: it installs packages.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn coming(&self, path: &str) -> Result<Option<After>, Halt> {
        match self.spot(path, false).await {
            Ok(Spot { found: Found::Maybe(after), .. }) => Ok(Some(after)),
            Ok(_) | Err(Halt::Later(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The bytes of the file at `path`, links followed; `None` when nothing is there.
    ///
    /// # Errors
    /// The place could not say, a step leaves it open, or it is no regular file.
    pub async fn content(&self, path: &str) -> Result<Option<Content>, Halt> {
        match self.spot(path, true).await?.found {
            Found::Absent => Ok(None),
            Found::Open(after) | Found::Maybe(after) | Found::There { source: Source::Promise(after), .. } => {
                Err(Halt::Later(after))
            }
            Found::There { source: Source::Planned(content), .. } => Ok(Some(content)),
            Found::There { source: Source::None, .. } => {
                Err(Fault::failed(format!("`{path}` is not a regular file")).into())
            }
            Found::There { source: Source::Place(path), .. } => match self.ask(Question::Content(path)).await? {
                Answer::Content(content) => Ok(content),
                _ => Err(strange().into()),
            },
        }
    }

    /// Everything below the folder at `path` (links not followed), sorted; nothing when there is no folder.
    ///
    /// # Errors
    /// The place could not say, or a step leaves something there open.
    pub async fn tree(&self, path: &str) -> Result<Vec<(String, Stat)>, Halt> {
        let spot = self.spot(path, false).await?;
        match spot.found {
            Found::There { stat: Stat { kind: FileKind::Directory, .. }, .. } => {}
            Found::Open(after) | Found::Maybe(after) => return Err(Halt::Later(after)),
            _ => return Ok(Vec::new()),
        }
        let renewed = self.board.lock().shadow.renewed(&spot.path);
        let place = if renewed {
            Vec::new()
        } else {
            match self.ask(Question::Tree(spot.path.clone())).await? {
                Answer::Tree(tree) => tree,
                _ => return Err(strange().into()),
            }
        };
        loop {
            let stop = {
                let state = self.board.lock();
                let nobody = Desk::default();
                let desk = state.desks.get(&self.privilege).unwrap_or(&nobody);
                match state.shadow.tree(desk, &spot.path, &place) {
                    Ok(tree) => return Ok(tree),
                    Err(stop) => stop,
                }
            };
            match stop {
                Stop::Open(after) => return Err(Halt::Later(after)),
                Stop::Fault(fault) => return Err(Halt::Fault(fault)),
                Stop::Ask(part) => drop(self.ask(Question::Stat(part)).await?),
            }
        }
    }

    /// As whom this probe asks, and steps of the same task are done.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn identity(&self) -> Result<Identity, Halt> {
        match self.ask(Question::Identity).await? {
            Answer::Identity(identity) => Ok(identity),
            _ => Err(strange().into()),
        }
    }

    /// Facts of the host.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn facts(&self) -> Result<Map, Halt> {
        match self.ask(Question::Facts).await? {
            Answer::Facts(facts) => Ok(facts),
            _ => Err(strange().into()),
        }
    }

    /// Runs a command that changes nothing. With something planned above it here, it waits for apply.
    ///
    /// # Errors
    /// The place could not run it, or something is planned above it.
    pub async fn run(&self, command: Command) -> Result<Output, Halt> {
        if let Some(after) = self.board.lock().planned.clone() {
            return Err(Halt::Later(after));
        }
        match self.ask(Question::Run(command)).await? {
            Answer::Output(output) => Ok(output),
            _ => Err(strange().into()),
        }
    }

    /// Would the command `validate` accept `content` (in a temporary file in the place of `%s`)? By the same rule as
    /// [`Self::run`].
    ///
    /// # Errors
    /// It would not, or it could not be run, or something is planned above it.
    pub async fn validate(&self, path: &str, validate: &str, content: &Content) -> Result<(), Halt> {
        let output = self.run(validating(validate, content)).await?;
        if output.status == 0 {
            return Ok(());
        }
        Err(refused(path, validate, content, &output).into())
    }

    /// Is the file at `path` a hard link of the one at `target`?
    ///
    /// # Errors
    /// The place could not say, or a step leaves one of them open.
    pub async fn same_file(&self, path: &str, target: &str) -> Result<bool, Halt> {
        let (one, _) = self.lead(path, false).await?;
        let (other, _) = self.lead(target, false).await?;
        let state = self.board.lock();
        Ok(state.desks.get(&self.privilege).is_some_and(|desk| state.shadow.same(desk, &one, &other)))
    }

    /// The last task that planned a command here, which may have made what is absent now (a user, a program).
    #[must_use]
    pub fn ran(&self) -> Option<After> {
        self.board.lock().ran.clone()
    }
}

fn refused(path: &str, validate: &str, content: &Content, output: &Output) -> Fault {
    let validate = called(validate);
    let fault =
        Fault::failed(format!("`{validate}` does not accept the new content of `{path}` (status {})", output.status))
            .help("nothing was written; correct the content, or the command in `validate`");
    let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    if said.is_empty() {
        fault
    } else if content.is_secret() {
        fault.cause("what it said is not shown, the content holds a secret")
    } else {
        fault.cause(said)
    }
}

impl fmt::Debug for HostPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HostPlace({})", self.name)
    }
}

impl fmt::Debug for HostProbe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HostProbe(as {})", self.privilege)
    }
}
