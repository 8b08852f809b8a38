//! A change that could lock one out: before it the host gets a switch that undoes it; after it, and after the handlers
//! that it notifies, one gets in anew and takes the switch back. If one cannot, the host undoes it by itself, also when
//! this run is gone, or the host goes down before. A user who does not wait for the proof has it undone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::apply::{Applier, ended_by_user};
use super::context::Context;
use super::journal::Ended as How;
use super::node::{Params, Visited};
use super::places::Look;
use super::plan::Planner;
use crate::graph::{NodeId, NodeKind, PlaceId};
use crate::model::{Change, Entry, Event, Fault, FaultKind, Halt, Map, Outcome, Sort, Verdict};
use crate::resources::Step;
use crate::targets::host;
use crate::targets::host::guard::{Order, Switch, Undo};

/// How long the change itself may take when the task has no `timeout`.
const CHANGE: Duration = Duration::from_mins(1);
/// How long it is tried to get in anew: what was restarted needs a moment.
const PROOF: Duration = Duration::from_secs(30);
/// How long after that the host waits.
const MARGIN: Duration = Duration::from_secs(15);
/// One try.
const TRY: Duration = Duration::from_secs(15);
/// How long it is waited to hear that the host has undone it, after it must have begun.
const UNDOING: Duration = Duration::from_mins(2);
/// The same for a user who does not want to wait.
const LEAVING: Duration = Duration::from_secs(20);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// (handler, place): its notifier, and what came of it.
pub(super) type Early = BTreeMap<(NodeId, PlaceId), (NodeId, Outcome)>;

/// Tasks whose host waits for the proof that one can still get in.
pub(super) type Unproved = BTreeSet<(NodeId, PlaceId)>;

impl Applier {
    pub(super) fn early(&self) -> MutexGuard<'_, Early> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `change` under a guard.
    pub(super) async fn make_guarded(
        &self,
        visited: &Visited<'_>,
        change: Change<Step>,
        entry: Entry,
        secret: bool,
        seen: &Map,
    ) -> Result<Outcome, Fault> {
        let handlers = self.guarded_handlers(visited);
        let mut then = Vec::new();
        for handler in &handlers {
            then.extend(self.steps_of(handler).await?);
        }
        let undo = Undo::of(&host_steps(&change.steps), &then)?;
        let limit = visited.task.timeout.unwrap_or(CHANGE);
        let armed = self.ask(visited, &Order::Arm { undo, within: limit }).await?;
        let Switch::Armed(id) = armed else {
            return Err(Fault::failed("the host set no switch").help("nothing was changed"));
        };
        let key = (visited.node, visited.place);
        self.unproved().insert(key);
        let begun = Instant::now();
        // A host tells only once what it undid, and forgets it then.
        let mut heard = None;
        let changed = async {
            let outcome = self.make(visited, change, entry, secret, seen).await?;
            if let Outcome::Changed(_) = outcome {
                for handler in &handlers {
                    let outcome = Box::pin(self.run(handler)).await?;
                    self.ran_early(visited.node, handler, outcome);
                }
            }
            Ok(outcome)
        };
        let proved = async {
            let outcome = tokio::time::timeout(limit, changed).await.unwrap_or_else(|_| Err(slow(limit)))?;
            let within = PROOF + MARGIN;
            if let Ok(Switch::Undone(log)) = self.ask(visited, &Order::PutOff { id: id.clone(), within }).await {
                heard = Some(log);
                return Err(slow(limit));
            }
            // Whether the way is gone shows now.
            let proof = self.proved(visited).await;
            proof.map(|()| outcome).map_err(|fault| Fault { kind: FaultKind::Unreachable, ..fault })
        };
        let proved = tokio::select! {
            proved = proved => proved,
            // Nobody waits for the proof: then it is not proved.
            () = self.context.options.stop.ended() => Err(ended_by_user()),
        };
        let fault = match proved {
            Ok(outcome) => match self.ask(visited, &Order::Disarm(id.clone())).await {
                Ok(Switch::Disarmed) => {
                    self.unproved().remove(&key);
                    return Ok(outcome);
                }
                Ok(switch) => {
                    if let Switch::Undone(log) = switch {
                        heard = Some(log);
                    }
                    Fault::new(FaultKind::TimedOut, "the proof that one can still get in came too late")
                }
                Err(fault) => fault,
            },
            Err(fault) => fault,
        };
        self.forget(visited, &handlers)?;
        let until = match fault.kind {
            FaultKind::Interrupted => Instant::now() + LEAVING,
            _ => begun + limit.max(PROOF) + MARGIN + UNDOING,
        };
        let fault = match heard {
            Some(log) => told(fault, log),
            None => self.undone(visited, id, fault, until).await,
        };
        self.unproved().remove(&key);
        Err(fault)
    }

    fn unproved(&self) -> MutexGuard<'_, Unproved> {
        self.unproved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the user does not want to wait for that task any more. What waits for its proof is never left: it
    /// sees to its undoing first.
    pub(super) async fn let_go(&self, visited: &Visited<'_>) {
        self.context.options.stop.ended().await;
        if self.unproved().contains(&(visited.node, visited.place)) {
            std::future::pending::<()>().await;
        }
    }

    fn guarded_handlers(&self, visited: &Visited<'_>) -> Vec<Visited<'_>> {
        handlers(&self.context, visited, self.handlers.get(&visited.node).into_iter().flatten().copied())
    }

    /// What a handler would do.
    async fn steps_of(&self, handler: &Visited<'_>) -> Result<Vec<host::Step>, Fault> {
        let seen = self.registers.seen_by(handler.task, handler.place);
        let ready = self.ready(handler, &seen)?;
        let judged =
            self.context.places.judge(handler.worker(), &*ready.planned, &handler.privilege(), Look::Fresh).await;
        match judged {
            Ok(Verdict::Change(change)) => Ok(host_steps(&change.steps)),
            Ok(Verdict::Right { .. }) => Ok(Vec::new()),
            Err(Halt::Fault(fault)) => Err(fault),
            Err(Halt::Later(after)) => Err(Fault::failed(format!("what its handler does is not known {after}"))),
        }
    }

    /// A handler that has run inside the guard of `notifier` does not run for it again.
    fn ran_early(&self, notifier: NodeId, handler: &Visited<'_>, outcome: Outcome) {
        self.early().insert((handler.node, handler.place), (notifier, outcome));
    }

    /// Nothing was changed in the end: no handler is told, none is owed. What undoes does what they do, too.
    fn forget(&self, visited: &Visited<'_>, handlers: &[Visited<'_>]) -> Result<(), Fault> {
        self.unchange(visited);
        for handler in handlers {
            self.early().remove(&(handler.node, handler.place));
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            let skipped = Outcome::Skipped("what it was told of is undone".into());
            outcomes.insert((handler.address().clone(), handler.place), skipped);
            drop(outcomes);
            self.journal.ended(handler.address(), &self.context.places.name(handler.place), How::Paid)?;
        }
        Ok(())
    }

    async fn ask(&self, visited: &Visited<'_>, order: &Order) -> Result<Switch, Fault> {
        self.context.places.guard(visited.worker(), &visited.privilege(), order).await
    }

    /// Gets in anew, or says why not.
    async fn proved(&self, visited: &Visited<'_>) -> Result<(), Fault> {
        let until = Instant::now() + PROOF;
        let privilege = visited.privilege();
        loop {
            let proof = self.context.places.prove(visited.worker(), &privilege);
            let fault = match tokio::time::timeout(TRY, proof).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(fault)) => fault,
                Err(_) => Fault::new(FaultKind::Unreachable, "a new connection does not come up"),
            };
            if Instant::now() + PAUSE > until {
                return Err(fault);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Lets the host undo it, and waits until it has.
    async fn undone(&self, visited: &Visited<'_>, id: String, cause: Fault, until: Instant) -> Fault {
        let place = self.context.places.name(visited.place);
        self.context
            .events
            .tell(|| Event::Warning { what: format!("`{place}` undoes `{}`: {cause}", visited.address()) });
        let order = Order::Fire(id);
        loop {
            let last = match self.ask(visited, &order).await {
                Ok(Switch::Undone(log)) => return told(cause, log),
                Ok(_) => Fault::failed("it has not done it yet"),
                Err(fault) if fault.kind != FaultKind::Unreachable => return lost(&cause, &fault),
                Err(fault) => fault,
            };
            if Instant::now() > until {
                return lost(&cause, &last);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Planner {
    /// Refuses a guard on what no host can undo, before anything is done.
    pub(super) async fn can_undo(&self, visited: &Visited<'_>, steps: &[Step]) -> Result<(), Fault> {
        let mut then = Vec::new();
        let nodes = (0..).zip(&self.context.graph.nodes);
        let told =
            nodes.filter(|(_, node)| matches!(&node.kind, NodeKind::Handler { by, .. } if by.contains(&visited.node)));
        for handler in handlers(&self.context, visited, told.map(|(id, _)| id)) {
            // What is not known of a handler now is met when it is planned itself, or when the guard is set.
            let seen = self.registers.seen_by(handler.task, handler.place);
            let Ok(Params::Ready(ready)) = handler.params(&seen, &self.first.facts) else { continue };
            let privilege = handler.privilege();
            let judged = self.context.places.judge(handler.worker(), &*ready.planned, &privilege, Look::Shadow).await;
            if let Ok(Verdict::Change(change)) = judged {
                then.extend(host_steps(&change.steps));
            }
        }
        Undo::of(&host_steps(steps), &then).map(drop)
    }
}

/// Those of `nodes` that run at the same host.
fn handlers<'c>(context: &'c Context, visited: &Visited<'_>, nodes: impl Iterator<Item = NodeId>) -> Vec<Visited<'c>> {
    let handlers = nodes.filter_map(|node| Visited::new(context, node, visited.place));
    let here = |handler: &Visited<'_>| {
        let places = &context.graph.nodes[handler.node as usize].places;
        handler.task.sort == Sort::Host && places.binary_search(&visited.place).is_ok()
    };
    handlers.filter(here).collect()
}

fn slow(limit: Duration) -> Fault {
    Fault::new(FaultKind::TimedOut, format!("the change took longer than {} s", limit.as_secs()))
        .help("set a longer `timeout`")
}

fn host_steps(steps: &[Step]) -> Vec<host::Step> {
    let hosts = steps.iter().filter_map(|step| if let Step::Host(step) = step { Some(step.clone()) } else { None });
    hosts.collect()
}

/// What was there is there again.
fn told(cause: Fault, log: Option<String>) -> Fault {
    let help = "what was there before is there again; correct the change, and plan again";
    let kind = match cause.kind {
        FaultKind::Unreachable | FaultKind::TimedOut => FaultKind::Undone,
        // It failed by itself, and would have without a guard.
        kind => kind,
    };
    let what = match kind {
        FaultKind::Undone => "undone by the host: one could not get in any more".to_owned(),
        FaultKind::Interrupted => format!("{}, and undone by the host", cause.what),
        _ => cause.what.clone(),
    };
    let text = if kind == FaultKind::Undone { Some(cause.to_string()) } else { cause.cause };
    let text = match (text, log) {
        (text, None) => text,
        (None, Some(log)) => Some(log),
        (Some(text), Some(log)) => Some(format!("{text}\nwhile it was undone: {log}")),
    };
    Fault { kind, what, cause: text, help: Some(help.to_owned()) }
}

/// Nobody knows.
fn lost(cause: &Fault, last: &Fault) -> Fault {
    if cause.kind == FaultKind::Interrupted {
        return Fault::new(cause.kind, "ended by the user before it was sure that one can still get in")
            .cause(last)
            .help("the host undoes the change by itself within two minutes: do not run again before");
    }
    Fault::new(FaultKind::Unreachable, "one cannot get in any more, and whether the host undid the change is not known")
        .cause(format!("{cause}; then: {last}"))
        .help("it undoes it by itself; if it does not come back: its console, and `/var/lib/lions/guard` there")
}
