//! What plan, apply and drift share: places, the engine and its events, and the user's wish to stop.

use std::future::Future;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::exit::Exit;
use super::options::{Part, Work};
use super::places::places;
use crate::engine::journal::{self, Owed};
use crate::engine::planfile::Asked;
use crate::engine::{Context, Events, Options, Planned, Stop, Unplanned};
use crate::graph::{self, Graph, NodeKind, Selection};
use crate::language::{DEFAULT_PLAYBOOK, Loaded, Wanted};
use crate::model::{Event, Fault, FaultKind};
use crate::render::Show;
use crate::source::{Problems, Sources};
use crate::targets::host::ledger::Owner;

/// A run of the engine that is watched.
pub(super) struct Run<'s> {
    /// What the engine works on.
    pub(super) context: Context,
    events: Mutex<UnboundedReceiver<Event>>,
    show: &'s Show,
}

/// What was asked for, as a saved plan keeps it.
pub(super) fn asked(environment: &str, wanted: &Wanted, part: &Part) -> Asked {
    Asked {
        environment: environment.to_owned(),
        playbook: wanted.playbook.clone(),
        set: wanted.set.clone(),
        component: wanted.component.clone(),
        limit: part.limit.clone(),
        tags: part.tags.clone(),
        skip_tags: part.skip_tags.clone(),
    }
}

/// The graph of `program`, and of it what was asked for. Problems are shown here.
pub(super) fn graph(loaded: &Loaded, asked: &Asked, show: &Show) -> Result<Graph, Exit> {
    let selection = Selection {
        limit: asked.limit.clone(),
        tags: asked.tags.clone(),
        skip_tags: asked.skip_tags.clone(),
        component: asked.component.clone(),
    };
    graph::select(&loaded.program, &selection).map_err(|problems| refuse(show, &loaded.sources, &problems))
}

fn refuse(show: &Show, sources: &Sources, problems: &Problems) -> Exit {
    show.problems(sources, problems);
    Exit::Fault
}

/// To whom belongs what is made.
fn owner(root: &Path, asked: &Asked) -> Owner {
    let absolute = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
    let name = absolute.file_name().unwrap_or_default();
    let playbook = asked.playbook.as_deref().unwrap_or(Path::new(DEFAULT_PLAYBOOK));
    // `./playbooks/site.yml` is the same.
    let playbook: PathBuf = playbook.components().filter(|part| *part != Component::CurDir).collect();
    Owner {
        project: name.to_string_lossy().into_owned(),
        environment: asked.environment.clone(),
        playbook: playbook.display().to_string(),
    }
}

/// Where the journal of an environment lies.
pub(super) fn journal_folder(root: &Path, environment: &str) -> PathBuf {
    journal::folder(root, environment)
}

/// Blocks on `work` with all threads of this machine.
///
/// # Errors
/// The system gives no threads, or what `work` says.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failed("the system gives no threads").cause(error))?
        .block_on(work)
}

impl<'s> Run<'s> {
    /// Ready to plan.
    ///
    /// # Errors
    /// There is no way to the cluster, or the password cannot be asked for.
    pub(super) async fn new(
        loaded: Loaded,
        graph: Graph,
        root: &Path,
        asked: &Asked,
        work: &Work,
        owed: Owed,
        show: &'s Show,
    ) -> Result<Self, Fault> {
        let password = work.password()?;
        let owner = owner(root, asked);
        let places = places(&loaded.program, &graph, root, &owner, password.as_ref()).await?;
        let (events, receiver) = Events::channel();
        places.tell(&events);
        let claim = journal::claim(&loaded.program.environment.name)?;
        let mut masker = loaded.program.secrets().masker;
        if let Some(password) = &password {
            masker.learn(password);
        }
        let context = Context {
            masks: Arc::new(masker.into()),
            program: Arc::new(loaded.program),
            graph: Arc::new(graph),
            places: Arc::new(places),
            sources: Arc::new(loaded.sources),
            options: Options {
                forks: usize::from(work.forks),
                owed,
                stop: Stop::default(),
                owner: Some(owner),
                whole: asked.is_whole(),
                claim,
                lock_wait: work.lock_wait,
            },
            events,
        };
        Ok(Self { context, events: Mutex::new(receiver), show })
    }

    /// Waits for `work` of the engine, shows what happens, and hands on the wish to stop. `doing` is its name.
    ///
    /// # Errors
    /// Signals cannot be heard.
    pub(super) async fn watch<T>(&self, doing: &'static str, work: impl Future<Output = T>) -> Result<T, Fault> {
        let tasks = self.context.graph.nodes.iter().filter(|node| !matches!(node.kind, NodeKind::Join { .. }));
        self.show.event(&Event::Started { doing, nodes: tasks.map(|node| node.places.len()).sum() });
        let deaf = |error: std::io::Error| Fault::failed("signals cannot be heard").cause(error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
        let mut events = self.events.lock().await;
        let mut work = std::pin::pin!(work);
        let stop = &self.context.options.stop;
        let out = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.show.event(&event),
                Some(()) = interrupt.recv() => self.stop(stop),
                Some(()) = terminate.recv() => self.stop(stop),
                out = &mut work => break out,
            }
        };
        while let Ok(event) = events.try_recv() {
            self.show.event(&event);
        }
        self.show.quiet();
        Ok(out)
    }

    fn stop(&self, stop: &Stop) {
        let what =
            if stop.asked() { "ending what runs" } else { "stopping: what runs is finished first, once more ends it" };
        stop.ask();
        self.show.event(&Event::Warning { what: what.to_owned() });
    }

    /// The plan; without one an exit code, and what was wrong is shown.
    ///
    /// # Errors
    /// Signals cannot be heard.
    pub(super) async fn plan(&self) -> Result<Result<Planned, Exit>, Fault> {
        Ok(match self.watch("plan", crate::engine::plan(&self.context)).await? {
            Ok(planned) => Ok(planned),
            Err(unplanned) => Err(self.unplanned(unplanned)),
        })
    }

    /// Shows why there is no plan.
    pub(super) fn unplanned(&self, unplanned: Unplanned) -> Exit {
        match unplanned {
            Unplanned::Problems(problems) => refuse(self.show, &self.context.sources, &problems),
            Unplanned::Interrupted => {
                self.show.fault(&Fault::new(FaultKind::Interrupted, "interrupted: nothing was changed"));
                Exit::Interrupted
            }
        }
    }
}
