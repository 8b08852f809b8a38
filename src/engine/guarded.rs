//! A change that could lock one out: before it the host gets a switch that undoes it; after it, and after the handlers
//! that it notifies, one gets in anew and takes the switch back. If one cannot, the host undoes it by itself, also when
//! this run is gone.

use std::time::{Duration, Instant};

use super::apply::Applier;
use super::journal::Ended as How;
use super::node::Visited;
use super::places::Look;
use crate::graph::NodeId;
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
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

impl Applier {
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
        let begun = Instant::now();
        let made = async {
            let outcome = self.make(visited, change, entry, secret, seen).await?;
            if let Outcome::Changed(_) = outcome {
                for handler in &handlers {
                    let outcome = Box::pin(self.run(handler)).await?;
                    self.ran_early(visited.node, handler, outcome);
                }
            }
            Ok(outcome)
        };
        let fault = match made.await {
            Ok(outcome) => {
                let within = PROOF + MARGIN;
                match self.ask(visited, &Order::PutOff { id: id.clone(), within }).await {
                    Ok(Switch::Undone(_)) => {
                        Fault::new(FaultKind::TimedOut, format!("the change took longer than {} s", limit.as_secs()))
                            .help("set a longer `timeout`")
                    }
                    // Whether the way is gone shows now.
                    _ => match self.proved(visited).await {
                        Ok(()) => match self.ask(visited, &Order::Disarm(id.clone())).await {
                            Ok(Switch::Disarmed) => return Ok(outcome),
                            Ok(_) => {
                                Fault::new(FaultKind::TimedOut, "the proof that one can still get in came too late")
                            }
                            Err(fault) => fault,
                        },
                        Err(fault) => Fault { kind: FaultKind::Unreachable, ..fault },
                    },
                }
            }
            Err(fault) => fault,
        };
        self.forget(visited, &handlers)?;
        Err(self.undone(visited, id, fault, begun + limit.max(PROOF) + MARGIN + UNDOING).await)
    }

    /// Handlers that it notifies at the same host.
    fn guarded_handlers(&self, visited: &Visited<'_>) -> Vec<Visited<'_>> {
        let nodes = self.handlers.get(&visited.node).into_iter().flatten();
        let handlers = nodes.filter_map(|node| Visited::new(&self.context, *node, visited.place));
        let here = |handler: &Visited<'_>| {
            let places = &self.context.graph.nodes[handler.node as usize].places;
            handler.task.sort == Sort::Host && places.binary_search(&visited.place).is_ok()
        };
        handlers.filter(here).collect()
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

    /// Nothing was changed in the end: no handler is told, none is owed.
    fn forget(&self, visited: &Visited<'_>, handlers: &[Visited<'_>]) -> Result<(), Fault> {
        self.unchange(visited);
        for handler in handlers {
            self.early().remove(&(handler.node, handler.place));
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
    Fault::new(FaultKind::Unreachable, "one cannot get in any more, and whether the host undid the change is not known")
        .cause(format!("{cause}; then: {last}"))
        .help("it undoes it by itself; if it does not come back: its console, and `/var/lib/lions/guard` there")
}
