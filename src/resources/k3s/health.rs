//! What a look at a host says of its k3s: what runs, how ready it is, what is in its way. It judges; it does nothing.

use crate::model::{Fault, FaultKind};
use crate::targets::host::{Command, Output};

/// What the look needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) unit: &'a str,
    pub(super) data: &'a str,
    /// Its node's name; empty for that of the host.
    pub(super) node: &'a str,
    pub(super) kubeconfig: &'a str,
    pub(super) role: &'static str,
}

impl Subject<'_> {
    pub(super) fn look(&self) -> Command {
        let words = [self.unit, self.data, self.node, self.kubeconfig, self.role];
        Command::script("k3s", include_str!("look.sh"), &words)
    }
}

/// What the look found.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// The version of the program that is installed.
    pub(super) version: String,
    pub(super) node: String,
    active: String,
    sub: String,
    restarts: u32,
    /// Has systemd something to do with it that is not done yet?
    busy: bool,
    readyz: Option<String>,
    /// What the node says of itself: ready or not, since when, which version, why.
    reported: Option<String>,
    fresh: bool,
    /// Does it vote in the embedded etcd? Nothing where there is none.
    voter: Option<String>,
    trouble: String,
    ports: Vec<String>,
    /// Another Kubernetes, and by what it is known.
    other: Option<String>,
    /// Free space for data, in MiB.
    free: Option<u64>,
    log: Vec<String>,
}

/// Starts until it is clear that it does not stay.
const TRIES: u32 = 3;
/// What a node needs for data, in MiB.
const SPACE: u64 = 1024;

impl Health {
    pub(super) fn of(said: &Output) -> Result<Self, Fault> {
        let text = String::from_utf8_lossy(&said.stdout);
        let mut health = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim().to_owned();
            match key {
                "version" => health.version = value,
                "node" => health.node = value,
                "ActiveState" => health.active = value,
                "SubState" => health.sub = value,
                "Job" => health.busy = !matches!(value.as_str(), "" | "0"),
                "NRestarts" => health.restarts = value.parse().unwrap_or_default(),
                "readyz" => health.readyz = Some(value),
                "reported" => health.reported = Some(value),
                "fresh" => health.fresh = true,
                "voter" => health.voter = Some(value),
                "trouble" => health.trouble = value,
                "port" => health.ports.push(value),
                "other" => health.other = Some(value),
                "free" => health.free = value.parse().ok(),
                "log" => health.log.push(value),
                _ => {}
            }
        }
        if said.status != 0 || health.node.is_empty() {
            let cause = String::from_utf8_lossy(&said.stderr).trim().to_owned();
            return Err(Fault::failed("the host does not say how its k3s is").cause(cause));
        }
        Ok(health)
    }

    /// The version that its node runs, where that is known.
    pub(super) fn running(&self) -> Option<&str> {
        self.reported.as_ref()?.split(' ').nth(2).filter(|version| !version.is_empty())
    }

    /// Does it run, ready or not?
    pub(super) fn runs(&self) -> bool {
        self.active == "active"
    }

    /// Why nobody can join this server now; a server besides needs it to vote.
    pub(super) fn refuses(&self, server: bool) -> Option<String> {
        if !self.runs() {
            let active = if self.active.is_empty() { "not there" } else { &self.active };
            return Some(format!("its `k3s` is {active}"));
        }
        match self.readyz.as_deref() {
            Some("ok") => {}
            said => return Some(format!("its API server is not ready ({})", said.unwrap_or("it does not answer"))),
        }
        let learns = server && self.voter.as_deref().is_some_and(|voter| voter != "True");
        learns.then(|| "it does not vote in etcd yet".to_owned())
    }

    /// Why it cannot be started here.
    pub(super) fn obstacle(&self) -> Option<Fault> {
        if let Some((port, user)) = self.ports.first().and_then(|port| port.split_once(' ')) {
            return Some(
                Fault::new(FaultKind::Refused, format!("port {port} is in use there, by {user}"))
                    .help("stop what uses it, or run k3s on another host"),
            );
        }
        if let Some((name, path)) = self.other.as_ref().and_then(|other| other.split_once(':')) {
            return Some(
                Fault::new(FaultKind::Refused, format!("there is a node of {name} on this host already"))
                    .cause(format!("`{path}` is there"))
                    .help("two of them fight over ports, networks and rules: take it away first, with what it left"),
            );
        }
        let free = self.free.filter(|free| *free < SPACE)?;
        Some(
            Fault::new(FaultKind::Refused, format!("only {free} MiB are free there for the data of k3s"))
                .cause(format!("a node needs {SPACE} MiB to begin with"))
                .help("make room, or set `data-dir` in `config` to a larger disk"),
        )
    }

    /// What it is not ready for yet; nothing when it is.
    ///
    /// # Errors
    /// It never will be.
    pub(super) fn missing(
        &self,
        unit: &str,
        version: &str,
        server: bool,
        agent: bool,
    ) -> Result<Option<String>, Fault> {
        // One that runs by now may have had its trouble long ago. One end may be that of who came too early to join.
        let again = self.sub == "auto-restart" && self.restarts + 1 >= TRIES;
        if self.active == "failed" || again || self.active != "active" && self.restarts >= TRIES {
            return Err(self.ended(unit));
        }
        if self.active != "active" {
            return Ok(Some(format!(
                "`{unit}` is {}",
                if self.active.is_empty() { "not there" } else { &self.active }
            )));
        }
        if self.busy {
            // It may be what it was before, for a moment more.
            return Ok(Some(format!("`{unit}` is about to be started anew")));
        }
        match self.readyz.as_deref() {
            Some("ok") => {}
            Some(said) if server => return Ok(Some(format!("the API server is not ready ({said})"))),
            None if server => return Ok(Some("the API server is not ready".to_owned())),
            _ => {}
        }
        if !agent {
            return Ok(None);
        }
        let node = &self.node;
        let Some(reported) = &self.reported else {
            let why = if self.trouble.is_empty() { "" } else { &format!(" ({})", self.trouble) };
            return Ok(Some(format!("the node `{node}` is not there{why}")));
        };
        let mut words = reported.splitn(4, ' ');
        let (ready, _, runs, why) = (words.next(), words.next(), words.next(), words.next());
        Ok(match (ready, runs) {
            (Some("True"), _) if !self.fresh => {
                Some(format!("the node `{node}` has not been heard of since the start"))
            }
            (Some("True"), Some(runs)) if runs != version => Some(format!("the node `{node}` still runs {runs}")),
            // Before it does, another server that joins would be refused, or worse.
            (Some("True"), _) if self.voter.as_deref().is_some_and(|voter| voter != "True") => {
                Some(format!("the node `{node}` does not vote in etcd yet"))
            }
            (Some("True"), _) => None,
            _ => Some(format!("the node `{node}` is not ready ({})", why.unwrap_or("it does not say why"))),
        })
    }

    /// The end of waiting: what the service said last.
    pub(super) fn blame(&self, fault: Fault) -> Fault {
        if self.log.is_empty() { fault } else { fault.cause(self.log.join("\n")) }
    }

    fn ended(&self, unit: &str) -> Fault {
        let what = match self.restarts {
            0 => format!("`{unit}` ended with a failure"),
            1 => format!("`{unit}` does not stay: it was started anew once"),
            restarts => format!("`{unit}` does not stay: it was started anew {restarts} times"),
        };
        self.blame(Fault::failed(what)).help(format!("see `journalctl -u {unit}` there"))
    }
}
