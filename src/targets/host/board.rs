//! What one host was asked and what it answered: questions queue up and travel in one batch.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;

use super::census::Census;
use super::shadow::{Base, Shadow};
use super::{Answer, Link, Node, Privilege, Question, Stat};
use crate::model::{After, Fault, FaultKind, PlaceName};

/// The ways to a host, and how often they were used.
pub(super) struct Ways {
    /// Of that host.
    pub(super) name: PlaceName,
    pub(super) links: BTreeMap<Privilege, Arc<dyn Link>>,
    pub(super) batches: AtomicUsize,
}

/// A shadow, and what the place answered beneath it.
#[derive(Default)]
pub(super) struct Board {
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) shadow: Shadow,
    pub(super) census: Census,
    pub(super) desks: BTreeMap<Privilege, Desk>,
    /// The last task that planned something, and the last that planned a command.
    pub(super) planned: Option<After>,
    pub(super) ran: Option<After>,
    /// The host was lost: nothing more is asked.
    pub(super) lost: Option<Fault>,
}

/// What one privilege asked: privileges may see different things.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) stats: HashMap<String, Result<Option<Stat>, Fault>>,
    pub(super) others: HashMap<Question, Result<Answer, Fault>>,
    pub(super) queue: Vec<Question>,
    pub(super) queued: HashSet<Question>,
    pub(super) waiting: Vec<Waker>,
}

impl Base for Desk {
    fn stat(&self, path: &str) -> Option<&Result<Option<Stat>, Fault>> {
        self.stats.get(path)
    }

    fn node(&self, path: &str) -> Option<Node> {
        if let Some(answer) = self.stats.get(path) {
            return answer.as_ref().ok()?.as_ref()?.node;
        }
        path.match_indices('/').find_map(|(end, _)| {
            let Ok(Answer::Tree(tree)) = self.others.get(&Question::Tree(path[..end].to_owned()))? else { return None };
            let at = tree.binary_search_by(|(there, _)| there.as_str().cmp(path)).ok()?;
            tree[at].1.node
        })
    }
}

/// Whatever any privilege saw: enough to find a path again that was looked at before.
impl Base for BTreeMap<Privilege, Desk> {
    fn stat(&self, path: &str) -> Option<&Result<Option<Stat>, Fault>> {
        self.values().find_map(|desk| desk.stats.get(path).filter(|answer| answer.is_ok()))
    }

    fn node(&self, path: &str) -> Option<Node> {
        self.values().find_map(|desk| desk.node(path))
    }
}

impl Desk {
    fn knows(&self, question: &Question) -> bool {
        match question {
            Question::Stat(path) => self.stats.contains_key(path),
            other => self.others.contains_key(other),
        }
    }

    pub(super) fn want(&mut self, question: Question) {
        if !self.knows(&question) && self.queued.insert(question.clone()) {
            self.queue.push(question);
        }
    }

    fn store(&mut self, question: Question, answer: Result<Answer, Fault>) {
        match (question, answer) {
            (Question::Stat(path), Ok(Answer::Stat(stat))) => {
                self.stats.insert(path, Ok(stat));
            }
            (Question::Stat(path), answer) => {
                self.stats.insert(path, answer.and_then(|_| Err(strange())));
            }
            (other, answer) => {
                self.others.insert(other, answer);
            }
        }
    }
}

pub(super) fn strange() -> Fault {
    Fault::failed("the host answered another question than was asked").help("this is a defect of lions: report it")
}

impl State {
    /// Is there something to be asked?
    pub(super) fn waits(&self) -> bool {
        self.desks.values().any(|desk| !desk.queue.is_empty())
    }
}

impl Board {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves answers, not half-written ones.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all that waits, in one batch.
    pub(super) async fn flush(&self, ways: &Ways) {
        let queues: Vec<(Privilege, Vec<Question>)> = {
            let mut state = self.lock();
            let queues = state.desks.iter_mut().filter(|(_, desk)| !desk.queue.is_empty());
            queues.map(|(privilege, desk)| (privilege.clone(), std::mem::take(&mut desk.queue))).collect()
        };
        let asks = queues.into_iter().map(|(privilege, questions)| async move {
            let answers = match ways.links.get(&privilege) {
                Some(link) => link.ask(&questions).await,
                None => Err(Fault::failed(format!("there is no way to the host as {privilege}"))),
            };
            (privilege, questions, answers)
        });
        ways.batches.fetch_add(1, Ordering::Relaxed);
        for (privilege, questions, answers) in join_all(asks).await {
            let mut state = self.lock();
            let answers = match answers {
                Ok(answers) if answers.len() == questions.len() => answers,
                Ok(_) => questions.iter().map(|_| Err(strange())).collect(),
                Err(fault) => {
                    if fault.kind == FaultKind::Unreachable {
                        state.lost = Some(fault.clone());
                    }
                    questions.iter().map(|_| Err(fault.clone())).collect()
                }
            };
            let desk = state.desks.entry(privilege).or_default();
            for (question, answer) in questions.into_iter().zip(answers) {
                desk.queued.remove(&question);
                desk.store(question, answer);
            }
            desk.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Carries `futures` on until each is done: whenever all of them wait for the place, what they wait for is
    /// asked in one batch. Outputs are in the order of the futures.
    pub(super) async fn drive<F: Future>(&self, ways: &Ways, futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
        let numbered = futures.into_iter().enumerate().map(|(at, future)| async move { (at, future.await) });
        let mut running: FuturesUnordered<_> = numbered.collect();
        let mut done = Vec::with_capacity(running.len());
        while !running.is_empty() {
            // Others may ask beside them: what they wait for may come, and lead to more, without our doing.
            let next = poll_fn(|context| {
                while let Poll::Ready(Some(output)) = running.poll_next_unpin(context) {
                    done.push(output);
                }
                let more = running.is_empty() || self.lock().waits();
                if more { Poll::Ready(()) } else { Poll::Pending }
            });
            next.await;
            // What is only asked for in time need not be asked by itself.
            if !running.is_empty() && self.lock().waits() {
                self.flush(ways).await;
            }
        }
        done.sort_unstable_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, output)| output).collect()
    }
}
