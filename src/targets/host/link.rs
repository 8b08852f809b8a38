//! The way to a real host: a [`Link`] on a shell worker. It asks and hands on; what a step does is in `hands`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::task::AbortHandle;

use super::answers::{Told, answers as told_by};
use super::guard::{Order, Switch};
use super::questions::Batch;
use super::{Answer, Claim, Link, Output, Question, Step, Together, hands, lock};
use crate::model::{Fault, FaultKind, Stream};
use crate::transport::Worker;

/// One shell on one host, as one privilege.
pub struct ShellLink {
    worker: Arc<Worker>,
    /// Lets others know that it still holds this host.
    beats: Mutex<Option<AbortHandle>>,
    /// Were its tools found to be those that the questions need?
    known: AtomicBool,
}

impl ShellLink {
    /// On a worker, however it was started.
    #[must_use]
    pub fn new(worker: Worker) -> Self {
        Self { worker: Arc::new(worker), beats: Mutex::default(), known: AtomicBool::new(false) }
    }

    /// How many requests were sent: each is one round trip at most.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.worker.requests()
    }

    /// Did the shell come up?
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.worker.is_ready()
    }

    /// Is it lost?
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.worker.is_lost()
    }

    async fn hold_it(&self, claim: &Claim, notes: &[String]) -> Result<(), Fault> {
        lock::hold(&self.worker, claim, notes).await?;
        let (worker, claim) = (Arc::downgrade(&self.worker), claim.clone());
        let beats = tokio::spawn(async move {
            loop {
                tokio::time::sleep(lock::BEAT).await;
                let Some(worker) = worker.upgrade() else { return };
                // A way that is lost is met by those who work on it, and says so there.
                if lock::beat(&worker, &claim).await.is_err() {
                    return;
                }
            }
        });
        self.beat(Some(beats.abort_handle()));
        Ok(())
    }

    fn beat(&self, beats: Option<AbortHandle>) {
        let before = std::mem::replace(&mut *self.beats.lock().unwrap_or_else(PoisonError::into_inner), beats);
        if let Some(before) = before {
            before.abort();
        }
    }

    async fn answer(&self, questions: &[Question]) -> Result<Vec<Result<Answer, Fault>>, Fault> {
        let mut unique: Vec<&Question> = Vec::new();
        let mut place_of: HashMap<&Question, usize> = HashMap::new();
        for question in questions {
            place_of.entry(question).or_insert_with(|| {
                unique.push(question);
                unique.len() - 1
            });
        }
        let mut answers: Vec<Option<Result<Answer, Fault>>> = vec![None; unique.len()];
        let all: Vec<usize> = (0..unique.len()).collect();
        let unclear = self.batch(&unique, &all, false, &mut answers).await?;
        if !unclear.is_empty() {
            self.batch(&unique, &unclear, true, &mut answers).await?;
        }
        let lacking = || Err(Fault::failed("the host did not answer all that it was asked"));
        Ok(questions
            .iter()
            .map(|question| place_of.get(question).and_then(|at| answers[*at].clone()).unwrap_or_else(lacking))
            .collect())
    }

    /// Asks those at `places`; gives back those that must be asked alone.
    async fn batch(
        &self,
        questions: &[&Question],
        places: &[usize],
        alone: bool,
        answers: &mut [Option<Result<Answer, Fault>>],
    ) -> Result<Vec<usize>, Fault> {
        let asked: Vec<(usize, &Question)> = places.iter().map(|at| (*at, questions[*at])).collect();
        let (mut batch, refused) = Batch::new(&asked, alone);
        for (at, fault) in refused {
            answers[at] = Some(Err(fault));
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let reply = self.worker.call(batch.request(!self.known.load(Ordering::Relaxed))).await?;
        if reply.status == 90 {
            return Err(Fault::new(FaultKind::Unreachable, "the host lacks `stat`, `find` or `sha256sum` of GNU")
                .help("install coreutils and findutils there"));
        }
        if !reply.began {
            return Err(Fault::failed("the host has no room for a temporary folder, or lacks `mktemp` and `mkfifo`")
                .cause(String::from_utf8_lossy(&reply.stderr).trim()));
        }
        self.known.store(true, Ordering::Relaxed);
        let mut unclear = Vec::new();
        for (at, told) in told_by(batch.parts(), [&reply.stdout, &reply.stderr], self.worker.nonce(), questions)? {
            match told {
                Told::Answer(answer) => answers[at] = Some(answer),
                Told::Unclear => unclear.push(at),
            }
        }
        Ok(unclear)
    }
}

impl Link for ShellLink {
    fn ask<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Result<Vec<Result<Answer, Fault>>, Fault>> {
        Box::pin(self.answer(questions))
    }

    fn perform<'a>(
        &'a self,
        step: &'a Step,
        output: &'a (dyn Fn(Stream, &str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Output>, Fault>> {
        Box::pin(hands::perform(&self.worker, step, output))
    }

    fn make_together<'a>(&'a self, all: &'a Together) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(hands::together::perform(&self.worker, all))
    }

    fn guard<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Switch, Fault>> {
        Box::pin(hands::guard::guard(&self.worker, order))
    }

    /// There is nothing but this shell: whether another one would come up is for the [`super::way::Way`] to try.
    fn prove(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn hold<'a>(&'a self, claim: &'a Claim, notes: &'a [String]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.hold_it(claim, notes))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), Fault>> {
        self.beat(None);
        Box::pin(lock::release(&self.worker, claim))
    }
}

impl Drop for ShellLink {
    fn drop(&mut self) {
        self.beat(None);
    }
}
