//! `wait_for`: something that must be true before the next task runs. It changes nothing: in plan it shows as what is
//! waited for, and as nothing when it is true already.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use super::path::HostPath;
use crate::model::decode::Misfit;
use crate::model::{Doc, Fault, FaultKind, Halt, Patience, Resource, Thing, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, Host, Output, Step};

/// Something that must be true before the next task runs: a port that answers, a path, a unit, a command that succeeds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitFor {
    /// A TCP port that takes connections.
    port: Option<u16>,
    /// Where that port is, as seen from the host. Without it, the host itself.
    host: Option<String>,
    /// A path at which there is something.
    path: Option<HostPath>,
    /// A unit of systemd that is active.
    unit: Option<String>,
    /// A line for `sh` that changes nothing and succeeds.
    command: Option<String>,
    /// `present` (or `started`): until it is so. `absent` (or `stopped`): until it is not.
    #[serde(default)]
    state: State,
    /// Seconds until it is given up. Without it, the `timeout` of the task, or 300.
    timeout: Option<u64>,
    /// Seconds before the first look.
    #[serde(default)]
    delay: u64,
    /// Seconds between two looks. Without it, 1.
    sleep: Option<u64>,
}

/// Is it to be so?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Until it is so.
    #[default]
    Present,
    /// The same, for what runs.
    Started,
    /// Until it is not.
    Absent,
    /// The same, for what runs.
    Stopped,
}

/// Seconds that one try to connect may take.
const CONNECT: &str = "3";

impl WaitFor {
    /// Is it waited for that it is so?
    fn wished(&self) -> bool {
        matches!(self.state, State::Present | State::Started)
    }

    fn seen(&self) -> String {
        let not = |positive: &str, negative: &str| if self.wished() { negative } else { positive }.to_owned();
        match (&self.port, &self.path, &self.unit, &self.command) {
            (Some(port), ..) => {
                let host = self.host.as_deref().map_or_else(String::new, |host| format!(" of `{host}`"));
                format!("port {port}{host} {}", not("still answers", "does not answer"))
            }
            (_, Some(path), ..) => format!("`{path}` {}", not("is still there", "is not there")),
            (_, _, Some(unit), _) => format!("`{unit}` {}", not("is still active", "is not active")),
            (.., command) => {
                let command = command.as_deref().unwrap_or_default();
                format!("`{}` {}", command.trim(), not("still succeeds", "does not succeed"))
            }
        }
    }

    /// What is run to see it, unless it is a path.
    fn look(&self) -> Option<Command> {
        let words = |words: &[&str]| Some(Command::words(words.iter().map(|word| (*word).to_owned()).collect()));
        match (&self.port, &self.unit, &self.command) {
            (Some(port), ..) => {
                let host = self.host.as_deref().unwrap_or("localhost");
                let connect = "exec 3<>\"/dev/tcp/$1/$2\"";
                words(&["timeout", CONNECT, "bash", "-c", connect, "bash", host, &port.to_string()])
            }
            (_, Some(unit), _) => words(&["systemctl", "is-active", "--", unit]),
            (.., Some(command)) => Some(Command::shell(command.clone())),
            _ => None,
        }
    }

    /// Looks once: nothing when it is so, else what was seen.
    async fn missing(&self, probe: &HostProbe) -> Result<Option<String>, Halt> {
        let (is, said) = match (&self.path, self.look()) {
            (Some(path), _) => (probe.stat(path).await?.is_some(), String::new()),
            (None, Some(look)) => {
                let output = probe.run(look).await?;
                if output.status == 127 && self.command.is_none() {
                    let what =
                        if self.port.is_some() { "the host has no `bash`" } else { "the host has no `systemctl`" };
                    return Err(Fault::failed(what).help("use `command` to see it in another way").into());
                }
                (output.status == 0, self.said(&output))
            }
            (None, None) => (true, String::new()),
        };
        if is == self.wished() {
            return Ok(None);
        }
        Ok(Some(if said.is_empty() { self.seen() } else { format!("{} ({said})", self.seen()) }))
    }

    /// What the look said, in a few words.
    fn said(&self, output: &Output) -> String {
        if output.status == 124 && self.port.is_some() {
            return format!("no answer within {CONNECT} s");
        }
        let text = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        let text = String::from_utf8_lossy(text);
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        // The shell says the reason first, other programs last.
        let line = if self.port.is_some() { lines.next() } else { lines.next_back() };
        let line = line.map_or("", str::trim).trim_start_matches("bash: connect: ");
        match (&self.command, line) {
            (Some(_), "") => format!("status {}", output.status),
            (_, line) => line.chars().take(200).collect(),
        }
    }
}

impl Resource for WaitFor {
    const NAME: &'static str = "wait_for";
    const DOC: Doc = Doc {
        summary: "something that must be true before the next task runs",
        example: "\
- name: the database answers
  wait_for: { port: 5432, timeout: 60 }
- name: cloud-init is through
  wait_for: { command: cloud-init status | grep -q done }
",
    };
    type Target = Host;
    type State = ();

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let said = [self.port.is_some(), self.path.is_some(), self.unit.is_some(), self.command.is_some()];
        match said.iter().filter(|said| **said).count() {
            1 => {}
            0 => misfits.push(Misfit::new("", "say what is waited for: `port`, `path`, `unit` or `command`")),
            _ => misfits.push(Misfit::new("", "only one of `port`, `path`, `unit` and `command` can be waited for")),
        }
        if self.port == Some(0) {
            misfits.push(Misfit::new("port", "there is no port 0"));
        }
        if self.host.is_some() && self.port.is_none() {
            misfits.push(Misfit::new("host", "only a `port` has a host"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        if self.host.as_ref().is_some_and(|host| host.is_empty() || host.starts_with('-') || !host.bytes().all(plain)) {
            misfits.push(Misfit::new("host", "a name or an address is expected"));
        }
        if self.unit.as_ref().is_some_and(|unit| unit.is_empty() || unit.contains(['\0', '\n', '*', '?', '['])) {
            misfits.push(Misfit::new("unit", "the name of one unit is expected"));
        }
        if self.command.as_ref().is_some_and(|command| command.trim().is_empty() || command.contains('\0')) {
            misfits.push(Misfit::new("command", "a line for `sh` is expected"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        Vec::new()
    }

    async fn read(&self, probe: &HostProbe) -> Result<(), Halt> {
        // So that it travels with the first questions; what it says counts in `unready`.
        match self.missing(probe).await {
            Ok(_) | Err(Halt::Later(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn plan(&self, (): &()) -> Result<Verdict<Step>, Halt> {
        Ok(Verdict::right("it is so"))
    }

    async fn unready(&self, probe: &HostProbe) -> Result<Option<String>, Halt> {
        self.missing(probe).await
    }

    async fn settle(&self, probe: &HostProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        let limit = self.timeout.map_or(patience.limit, Duration::from_secs);
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(self.delay).min(limit)).await;
        loop {
            let now = probe.anew();
            let missing = match now.look(self.missing(&now)).await {
                Ok(None) => return Ok(()),
                Ok(Some(missing)) => missing,
                Err(Halt::Fault(fault)) => return Err(fault),
                Err(Halt::Later(after)) => return Err(Fault::failed(format!("it is not known {after}"))),
            };
            (patience.tell)(&missing);
            let pause = Duration::from_secs(self.sleep.unwrap_or(1));
            if begun.elapsed() + pause > limit {
                return Err(Fault::new(FaultKind::TimedOut, format!("{missing} after {} s", limit.as_secs()))
                    .help("see what it waits for, or raise `timeout`"));
            }
            tokio::time::sleep(pause).await;
        }
    }
}
