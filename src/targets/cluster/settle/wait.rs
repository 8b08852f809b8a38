//! Waiting: looks again whenever something changes there (a watch wakes it; where there is none it looks every few
//! seconds), until all is ready, one thing is certain not to be, or patience is over. Reads only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::AsyncBufReadExt as _;
use serde_json::Value as Json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::read::{self, text};
use super::scene::Eye;
use super::{Case, Scene, Settled, Trouble, judge, leaving, report};
use crate::model::{Fault, FaultKind, Halt, Patience};
use crate::targets::cluster::api::{self, Api, encode, kind_path};
use crate::targets::cluster::kinds::Kind;
use crate::targets::cluster::{ClusterProbe, ObjectId, reveal};

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// Which object.
    pub id: ObjectId,
    /// What for.
    pub until: Until,
}

/// What an object is waited for to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Until {
    /// Ready, by the rules of its kind.
    Ready,
    /// Gone.
    Gone,
    /// That condition has that status.
    Condition {
        /// `Available`.
        kind: String,
        /// `True`.
        status: String,
    },
}

/// What a look led to.
struct Looked {
    settled: Settled,
    scene: Scene,
    blind: Vec<Fault>,
}

/// How often is looked when nothing wakes: soon at first, then less.
const SOON: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(2);
/// Most things are ready within so much: only then is a watch worth its connection, and is asked for what else is there
/// to tell why they are not.
const EARLY: Duration = Duration::from_secs(1);
/// Changes come in bursts.
const BURST: Duration = Duration::from_millis(100);
/// An API that does not answer for so long is not only being restarted.
const SILENCE: Duration = Duration::from_mins(1);

impl ClusterProbe {
    /// Waits for all of `wants`.
    ///
    /// # Errors
    /// A fault that says why the first of them is not as wanted: at once when it never will be, else when patience is over.
    pub async fn settle(&self, wants: &[Want], patience: &Patience<'_>) -> Result<(), Fault> {
        let mut waiter = Waiter { begun: Instant::now(), since: BTreeMap::new(), silent: None };
        let mut open: Vec<&Want> = wants.iter().collect();
        let wakes = Arc::new(Notify::new());
        let mut watches = JoinSet::new();
        let (mut pause, mut told) = (SOON, String::new());
        // All are asked: what was just written will not be new again.
        if wants.iter().filter(|want| self.rounds.is_raw(&want.id)).count() > 0 {
            tokio::time::sleep(SOON.min(patience.limit)).await;
        }
        loop {
            let early = waiter.begun.elapsed() < EARLY.min(patience.limit);
            let looks = futures::future::join_all(open.iter().map(|want| self.look_at(want, early))).await;
            let mut left = Vec::new();
            for (want, look) in open.iter().zip(looks) {
                let looked = waiter.weigh(want, look)?;
                if let Some(looked) = looked {
                    left.push((*want, looked));
                }
            }
            if left.is_empty() {
                return Ok(());
            }
            for (want, looked) in &left {
                let Settled::Stuck(trouble) = &looked.settled else { continue };
                if waiter.lasts(want, trouble) {
                    return Err(looked.told(report::stuck(&self.api, &want.id, &looked.scene, trouble).await));
                }
            }
            if waiter.begun.elapsed() >= patience.limit {
                // What has a name of its own tells more than what only waits.
                let worst = left.iter().find(|(_, looked)| looked.trouble().is_some()).or(left.first());
                let Some((want, looked)) = worst else { return Ok(()) };
                let (why, limit) = (looked.why(), patience.limit);
                if want.until == Until::Gone {
                    return Err(looked.told(report::still_there(&want.id, &why, limit)));
                }
                let fault = report::late(&self.api, &want.id, &looked.scene, &why, looked.trouble(), limit).await;
                return Err(looked.told(fault));
            }
            let why = said(&left);
            if why != told {
                (patience.tell)(&why);
                told = why;
            }
            if watches.is_empty() && !early {
                for (want, _) in &left {
                    self.watch(want, &wakes, &mut watches).await;
                }
            }
            open = left.into_iter().map(|(want, _)| want).collect();
            let rest = patience.limit.saturating_sub(waiter.begun.elapsed()).max(Duration::from_millis(1));
            tokio::select! {
                () = wakes.notified() => tokio::time::sleep(BURST.min(rest)).await,
                () = tokio::time::sleep(pause.min(rest)) => {}
            }
            pause = (pause * 3 / 2).min(LATER);
        }
    }

    /// Looks once: why is it not as wanted?
    ///
    /// # Errors
    /// A fault when the API does not say; *later* when the plan leaves it open.
    pub async fn unsettled(&self, want: &Want) -> Result<Option<String>, Halt> {
        if let Some(after) = self.planned(&want.id) {
            return Err(after.into());
        }
        let live = self.get(&want.id).await?;
        let json = live.as_ref().map(|live| reveal(&live.value)).transpose()?;
        let Some(object) = json else {
            return Ok((want.until != Until::Gone).then(|| format!("`{}` is not there", want.id)));
        };
        let settled = match &want.until {
            Until::Ready => judge(&Scene::alone(object.clone())),
            other => other.judge(&object),
        };
        if matches!(settled, Settled::Ready | Settled::Presumed(_)) {
            return Ok(None);
        }
        let looked = self
            .judged(want, object, false)
            .await
            .map_err(|trouble| trouble.fault("read", &format!("`{}`", want.id)))?;
        let ready = matches!(looked.settled, Settled::Ready | Settled::Presumed(_));
        Ok((!ready).then(|| looked.why()))
    }

    /// Looks at it as it is now; `early`, at nothing beside it.
    async fn look_at(&self, want: &Want, early: bool) -> Result<Looked, api::Trouble> {
        let kind = match self.served(&want.id).await {
            Ok(Some(kind)) => kind,
            Ok(None) => return Ok(want.until.nothing(&want.id)),
            Err(fault) => return Err(api::Trouble::Lost(fault)),
        };
        match self.rounds.look(&self.api, &kind, &want.id).await? {
            Some(live) => {
                let object = reveal(&live.value).map_err(|after| {
                    api::Trouble::Lost(Fault::failed(format!("what `{}` is will be known {after}", want.id)))
                })?;
                self.judged(want, object, early).await
            }
            None => Ok(want.until.nothing(&want.id)),
        }
    }

    async fn judged(&self, want: &Want, object: Json, early: bool) -> Result<Looked, api::Trouble> {
        let alone = Scene::alone(object);
        let settled = match &want.until {
            Until::Ready => judge(&alone),
            other => other.judge(&alone.object),
        };
        // A job that failed, a deployment that waits: its pods tell why. What was asked for by name needs no pods.
        let enough = match settled {
            Settled::Ready | Settled::Presumed(_) => true,
            Settled::Waiting(_) => early,
            Settled::Stuck(_) => false,
        };
        if enough || want.until != Until::Ready {
            return Ok(Looked { settled, scene: alone, blind: Vec::new() });
        }
        let mut eye = Eye::new(&self.api, &want.id);
        let scene = eye.scene(alone.object).await?;
        Ok(Looked { settled: judge(&scene), scene, blind: eye.blind })
    }

    /// The kind of an object; none where the cluster does not have it.
    async fn served(&self, id: &ObjectId) -> Result<Option<Kind>, Fault> {
        let served = self.kinds.served(&self.api, id, true).await?;
        Ok(served.and_then(|kinds| kinds.get(&id.kind).cloned()))
    }

    /// Wakes whenever the object, or a pod beside it, changes. Without a watch one looks by the clock.
    async fn watch(&self, want: &Want, wakes: &Arc<Notify>, watches: &mut JoinSet<()>) {
        let Ok(Some(kind)) = self.served(&want.id).await else { return };
        let name = encode(&format!("metadata.name={}", want.id.name));
        let mut paths = vec![format!("{}?watch=true&fieldSelector={name}", kind_path(&kind, &want.id))];
        if let Some(namespace) = &want.id.namespace {
            paths.push(format!("/api/v1/namespaces/{}/pods?watch=true", encode(namespace)));
        }
        for path in paths {
            let (api, wakes) = (self.api.clone(), wakes.clone());
            watches.spawn(async move { heard(&api, &path, &wakes).await });
        }
    }
}

/// Wakes at every line of a watch, until it ends.
async fn heard(api: &Api, path: &str, wakes: &Notify) {
    // A watch only spares waiting: that there is none, or that it broke, is no fault.
    let Ok(stream) = api.watch(path).await else { return };
    let mut lines = std::pin::pin!(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line).await {
            Ok(read) if read > 0 => wakes.notify_one(),
            _ => return,
        }
    }
}

/// What is kept from one look to the next.
struct Waiter {
    begun: Instant,
    /// Since when the same is said of an object.
    since: BTreeMap<(ObjectId, Option<Case>), Instant>,
    /// Since when the API does not answer, and what it said last.
    silent: Option<(Instant, Fault)>,
}

impl Waiter {
    /// What has to be waited for still; nothing for what is as wanted.
    fn weigh(&mut self, want: &Want, look: Result<Looked, api::Trouble>) -> Result<Option<Looked>, Fault> {
        let looked = match look {
            Ok(looked) => looked,
            Err(trouble) => {
                let passing = match &trouble {
                    api::Trouble::Said(status) => matches!(status.code, 408 | 429 | 500..=599),
                    api::Trouble::Away(_) => true,
                    api::Trouble::Lost(fault) => matches!(fault.kind, FaultKind::Unreachable | FaultKind::TimedOut),
                };
                let fault = trouble.fault("read", &format!("`{}`", want.id));
                let since = self.silent.as_ref().map_or_else(Instant::now, |(since, _)| *since);
                // A server that is restarted does not answer for a while.
                if !passing || since.elapsed() > SILENCE {
                    return Err(fault);
                }
                let settled = Settled::Waiting(fault.to_string());
                self.silent = Some((since, fault));
                return Ok(Some(Looked { settled, scene: Scene::default(), blind: Vec::new() }));
            }
        };
        self.silent = None;
        let quiet = match looked.settled {
            Settled::Ready => return Ok(None),
            Settled::Presumed(quiet) => quiet,
            Settled::Stuck(_) => return Ok(Some(looked)),
            Settled::Waiting(_) => {
                self.since.retain(|(id, _), _| *id != want.id);
                return Ok(Some(looked));
            }
        };
        let since = *self.since.entry((want.id.clone(), None)).or_insert_with(Instant::now);
        Ok((since.elapsed() < quiet).then_some(looked))
    }

    /// Is it certain by now?
    fn lasts(&mut self, want: &Want, trouble: &Trouble) -> bool {
        self.since.retain(|(id, case), _| *id != want.id || case.is_none_or(|case| case == trouble.case));
        let since = *self.since.entry((want.id.clone(), Some(trouble.case))).or_insert_with(Instant::now);
        since.elapsed() >= trouble.patience
    }
}

impl Looked {
    fn why(&self) -> String {
        match &self.settled {
            Settled::Ready => String::new(),
            Settled::Presumed(_) => "it has just been written, and may have more to say".to_owned(),
            Settled::Waiting(why) => why.clone(),
            Settled::Stuck(trouble) => trouble.why.clone(),
        }
    }

    fn trouble(&self) -> Option<&Trouble> {
        if let Settled::Stuck(trouble) = &self.settled { Some(trouble) } else { None }
    }

    /// With what could not be read.
    fn told(&self, mut fault: Fault) -> Fault {
        for blind in &self.blind {
            let cause = fault.cause.get_or_insert_default();
            cause.push('\n');
            cause.push_str(&blind.to_string());
        }
        fault
    }
}

impl Until {
    fn judge(&self, object: &Json) -> Settled {
        match self {
            Self::Ready => judge(&Scene::alone(object.clone())),
            Self::Gone => {
                let held = leaving(object);
                Settled::Waiting(held.unwrap_or_else(|| "it is still there".to_owned()))
            }
            Self::Condition { kind, status } => {
                let found =
                    read::list(object, "/status/conditions").find(|condition| text(condition, "/type") == Some(kind));
                let now = found.and_then(|condition| text(condition, "/status"));
                if now == Some(status) {
                    return Settled::Ready;
                }
                let says = read::condition(object, kind).map(|condition| condition.says(""));
                let says = says.filter(|says| !says.is_empty()).map_or(String::new(), |says| format!(": {says}"));
                Settled::Waiting(match now {
                    Some(now) => format!("condition `{kind}` is `{now}`, not `{status}`{says}"),
                    None => format!("it has no condition `{kind}` yet"),
                })
            }
        }
    }

    /// Of what is not there.
    fn nothing(&self, id: &ObjectId) -> Looked {
        let settled = match self {
            Self::Gone => Settled::Ready,
            _ => Settled::Waiting(format!("there is no `{id}`")),
        };
        Looked { settled, scene: Scene::default(), blind: Vec::new() }
    }
}

/// What is waited for, on one line.
fn said(left: &[(&Want, Looked)]) -> String {
    let Some((first, looked)) = left.first() else { return String::new() };
    let why = looked.why();
    match left.len() {
        1 => why,
        more => format!("{} `{}`: {why} (and {} more)", first.id.kind, first.id.name, more - 1),
    }
}
