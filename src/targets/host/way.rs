//! The way to a host as one privilege: it is gone when it is first needed, and gone again after it was lost. It knows
//! nothing of questions and steps; those are for the [`ShellLink`] at its end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::guard::{Order, Switch};
use super::link::ShellLink;
use super::{Answer, Claim, Link, Output, Privilege, Question, Step, Together};
use crate::model::{Fault, FaultKind, Secret, Stream};
use crate::transport::ssh::{Connection, Reuse};
use crate::transport::{Elevation, local};

/// How long a way may take to say how a switch stands: longer, and it leads nowhere any more.
const HANGS: Duration = Duration::from_secs(20);

/// Where a way leads.
#[derive(Clone, Debug)]
pub enum Reach {
    /// This machine.
    Local,
    /// Another one, over SSH. Ways of all privileges share its connection.
    Ssh(Arc<Connection>),
}

/// The way to a host as one privilege.
pub struct Way {
    reach: Reach,
    privilege: Privilege,
    password: Option<Secret>,
    open: Mutex<Option<Arc<Open>>>,
    /// For whom this host is held, also on a new connection.
    claim: std::sync::Mutex<Option<Claim>>,
}

/// A way that was gone.
pub(super) struct Open {
    pub(super) link: ShellLink,
    /// Is it on a connection that was there already, whose network may be gone without a sign?
    reused: bool,
}

impl Way {
    /// As `privilege`; `password` is for sudo, if it asks.
    #[must_use]
    pub fn new(reach: Reach, privilege: Privilege, password: Option<Secret>) -> Self {
        Self { reach, privilege, password, open: Mutex::default(), claim: std::sync::Mutex::default() }
    }

    /// Asks of a switch. What sets one goes the open way; what it led to is asked anew when that way hangs.
    async fn switch(&self, order: &Order) -> Result<Switch, Fault> {
        if let Order::Arm { .. } = order {
            return self.open().await?.link.guard(order).await;
        }
        let open = self.open.lock().await.clone();
        if let Some(open) = open.filter(|open| !open.link.is_lost()) {
            match tokio::time::timeout(HANGS, open.link.guard(order)).await {
                Ok(Err(Fault { kind: FaultKind::Unreachable, .. })) | Err(_) => {}
                Ok(answer) => return answer,
            }
            self.close().await;
        }
        self.begin(Reuse::Never).await?.link.guard(order).await
    }

    async fn begin(&self, reuse: Reuse) -> Result<Open, Fault> {
        let elevation = match &self.privilege {
            Privilege::Login => None,
            Privilege::Become(user) => Some(Elevation::new(user, self.password.clone())?),
        };
        let (worker, reused) = match &self.reach {
            Reach::Local => (local::start(elevation).await?, false),
            Reach::Ssh(connection) => {
                let started = connection.start(elevation, reuse).await?;
                (started.worker, started.reused)
            }
        };
        Ok(Open { link: ShellLink::new(worker), reused })
    }

    /// Where it leads.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Goes it no more: the next use goes anew.
    pub(super) async fn close(&self) {
        *self.open.lock().await = None;
    }

    pub(super) async fn open(&self) -> Result<Arc<Open>, Fault> {
        let mut open = self.open.lock().await;
        match &*open {
            Some(there) if !there.link.is_lost() => Ok(there.clone()),
            _ => {
                let new = Arc::new(self.begin(Reuse::Allowed).await?);
                let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(claim) = claim {
                    new.link.hold(&claim, &[]).await?;
                }
                Ok(open.insert(new).clone())
            }
        }
    }

    async fn answer(&self, questions: &[Question]) -> Result<Vec<Result<Answer, Fault>>, Fault> {
        let open = self.open().await?;
        let answer = open.link.ask(questions).await;
        let silent = |fault: &Fault| fault.kind == FaultKind::Unreachable && open.reused && !open.link.is_ready();
        match (&answer, &self.reach) {
            // Nobody heard the question: the connection of an earlier run leads nowhere any more.
            (Err(fault), Reach::Ssh(connection)) if silent(fault) => {
                connection.end().await?;
                self.open().await?.link.ask(questions).await
            }
            _ => answer,
        }
    }
}

impl Link for Way {
    fn ask<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Result<Vec<Result<Answer, Fault>>, Fault>> {
        Box::pin(self.answer(questions))
    }

    fn perform<'a>(
        &'a self,
        step: &'a Step,
        output: &'a (dyn Fn(Stream, &str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Output>, Fault>> {
        Box::pin(async move {
            match step {
                Step::Reboot { limit } => self.reboot(step, *limit, output).await,
                step => self.open().await?.link.perform(step, output).await,
            }
        })
    }

    fn make_together<'a>(&'a self, all: &'a Together) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async move { self.open().await?.link.make_together(all).await })
    }

    fn guard<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Switch, Fault>> {
        Box::pin(self.switch(order))
    }

    fn prove(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let open = self.begin(Reuse::Never).await?;
            open.link.ask(&[Question::Identity]).await.map(drop)
        })
    }

    fn hold<'a>(&'a self, claim: &'a Claim, notes: &'a [String]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.open().await?.link.hold(claim, notes).await?;
            *self.claim.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim.clone());
            Ok(())
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            *self.claim.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let open = self.open.lock().await.clone();
            match open {
                Some(open) if !open.link.is_lost() => open.link.release(claim).await,
                // The lock ended with the shell.
                _ => Ok(()),
            }
        })
    }
}
