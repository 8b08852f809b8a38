//! `command`: something that is run. It has no state to return to unless `creates`, `removes` or `unless` gives it one.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::path::HostPath;
use super::words;
use crate::model::decode::Misfit;
use crate::model::{
    Action, After, Arg, Change, Doc, Halt, Map, Register, Resource, Secret, Shown, Thing, Value, Verdict,
};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{self, CommandLine, Host, Output, Step};

/// Something that is run. Without `creates`, `removes` or `unless` it runs every time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    /// A program and its arguments, split at spaces as a shell would (quotes count, nothing else does). No shell runs it.
    cmd: Option<String>,
    /// A program and its arguments, one by one.
    argv: Option<Vec<String>>,
    /// A line for `sh`.
    shell: Option<String>,
    /// Folder to run in.
    chdir: Option<HostPath>,
    /// It is not run if something is at this path.
    creates: Option<HostPath>,
    /// It is not run if nothing is at this path.
    removes: Option<HostPath>,
    /// A line for `sh` that changes nothing: the command is not run if it succeeds.
    unless: Option<String>,
    /// Variables added to its environment. They may be secret.
    #[serde(default)]
    environment: IndexMap<String, Arg<String>>,
    /// Text for its standard input. It may be secret.
    stdin: Option<Arg<String>>,
    /// It changes nothing: it runs in plan too, and its register is known there.
    #[serde(default)]
    read_only: bool,
    /// Paths that it may create, change or remove: what follows takes them as unknown, and nothing else.
    #[serde(default)]
    changes: Vec<HostPath>,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Seen {
    /// No need to run it, and why.
    Settled(String),
    /// It was run, for it changes nothing.
    Ran(Output),
    /// It is to be run.
    Due,
}

pub(super) const REGISTER: [&str; 5] = ["rc", "stdout", "stdout_lines", "stderr", "stderr_lines"];

/// What a command registers: Ansible's names.
#[must_use]
pub fn register_of(output: &Output) -> Register {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    };
    let lines = |text: &str| Value::List(text.lines().map(Value::from).collect());
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Map::from([
        ("rc".to_owned(), Value::Int(i64::from(output.status))),
        ("stdout_lines".to_owned(), lines(&stdout)),
        ("stderr_lines".to_owned(), lines(&stderr)),
        ("stdout".to_owned(), Value::from(stdout)),
        ("stderr".to_owned(), Value::from(stderr)),
    ])
}

impl Command {
    fn line(&self) -> CommandLine {
        match (&self.cmd, &self.argv, &self.shell) {
            (Some(cmd), _, _) => CommandLine::Words(words::split(cmd).unwrap_or_default()),
            (None, Some(argv), _) => CommandLine::Words(argv.clone()),
            (None, None, shell) => CommandLine::Shell(shell.clone().unwrap_or_default()),
        }
    }

    fn command(&self, line: CommandLine, stdin: bool) -> Result<host::Command, After> {
        let environment = self.environment.iter();
        let environment = environment.map(|(name, value)| Ok((name.clone(), value.value()?.clone())));
        let input = self.stdin.as_ref().filter(|_| stdin).map(Arg::value).transpose()?;
        Ok(host::Command {
            line,
            chdir: self.chdir.as_ref().map(ToString::to_string),
            environment: environment.collect::<Result<_, After>>()?,
            stdin: input.map(|text| text.as_bytes().to_vec()),
            timeout: None,
        })
    }

    fn shown(&self) -> String {
        match self.line() {
            CommandLine::Words(words) => words::join(&words),
            CommandLine::Shell(line) => line,
        }
    }

    fn has_secret(&self) -> bool {
        self.environment.values().chain(&self.stdin).any(Arg::is_secret)
    }

    fn fields(&self) -> Change<Step> {
        let line = self.shown();
        let line = line.trim_end();
        let line = if line.contains('\n') { Shown::Text(format!("{line}\n")) } else { Shown::value(line) };
        let mut change = Change::new(Action::Run).field("run", Shown::Absent, line);
        if let Some(chdir) = &self.chdir {
            change = change.field("chdir", Shown::Absent, Shown::value(chdir));
        }
        for (name, value) in &self.environment {
            change = change.field(format!("environment.{name}"), Shown::Absent, shown(value, false));
        }
        if let Some(input) = &self.stdin {
            change = change.field("stdin", Shown::Absent, shown(input, true));
        }
        change
    }
}

pub(super) fn shown(value: &Arg<String>, text: bool) -> Shown {
    match value {
        Arg::Unknown(after) => Shown::Unknown(after.clone()),
        Arg::Known(value) if text => Shown::Text(value.clone()),
        Arg::Known(value) => Shown::value(value),
        Arg::Secret(sealed) => {
            Shown::Secret { masked: sealed.shown.clone(), digest: crate::model::Digest::of(sealed.value.as_bytes()) }
        }
    }
}

impl Resource for Command {
    const NAME: &'static str = "command";
    const DOC: Doc = Doc {
        summary: "something that is run",
        example: "\
- name: database is made
  command:
    cmd: createdb app
    unless: psql -lqt | grep -q app
- name: release is unpacked
  command:
    argv: [tar, -xzf, /srv/app.tar.gz, -C, /srv/app]
    creates: /srv/app/bin
    changes: [/srv/app]
- name: which kernel
  command: { cmd: uname -r, read_only: true }
  register: kernel
",
    };
    type Target = Host;
    type State = Seen;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        match [self.cmd.is_some(), self.argv.is_some(), self.shell.is_some()].iter().filter(|said| **said).count() {
            1 => {}
            0 => misfits.push(Misfit::new("", "say what is run: `cmd`, `argv` or `shell`")),
            _ => misfits.push(Misfit::new("", "only one of `cmd`, `argv` and `shell` can be what is run")),
        }
        if let Some(cmd) = &self.cmd {
            match words::split(cmd) {
                Ok(words) if words.is_empty() => misfits.push(Misfit::new("cmd", "it is empty")),
                Ok(_) => {
                    if let Some(sign) = words::shell_sign(cmd) {
                        misfits
                            .push(Misfit::new("cmd", format!("`{sign}` means something to a shell only: use `shell`")));
                    }
                }
                Err(why) => misfits.push(Misfit::new("cmd", why)),
            }
        }
        if self.argv.as_ref().is_some_and(|argv| argv.first().is_none_or(String::is_empty)) {
            misfits.push(Misfit::new("argv", "it names no program"));
        }
        if self.shell.as_ref().is_some_and(|line| line.trim().is_empty()) {
            misfits.push(Misfit::new("shell", "it is empty"));
        }
        let texts = self.cmd.iter().chain(self.argv.iter().flatten()).chain(&self.shell).chain(&self.unless);
        if texts.into_iter().any(|text| text.contains('\0')) {
            misfits.push(Misfit::new("", "a command may not hold a NUL byte"));
        }
        for (name, value) in &self.environment {
            let valid = name
                .bytes()
                .enumerate()
                .all(|(at, byte)| byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()));
            if !valid || name.is_empty() {
                misfits.push(Misfit::new("environment", format!("`{name}` is not the name of a variable")));
            }
            if value.value().is_ok_and(|value| value.contains('\0')) {
                misfits.push(Misfit::new("environment", format!("`{name}` may not hold a NUL byte")));
            }
        }
        if self.read_only && !self.changes.is_empty() {
            misfits.push(Misfit::new("changes", "what is `read_only` changes nothing"));
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        if self.read_only {
            return Vec::new();
        }
        let paths = self.creates.iter().chain(&self.removes).chain(&self.changes);
        let mut things: Vec<Thing> = paths.map(|path| Thing::path(&**path)).collect();
        things.dedup();
        things
    }

    async fn read(&self, probe: &HostProbe) -> Result<Seen, Halt> {
        if let Some(path) = &self.creates
            && probe.stat(path).await?.is_some()
        {
            return Ok(Seen::Settled(format!("{path} exists")));
        }
        if let Some(path) = &self.removes
            && probe.stat(path).await?.is_none()
        {
            return Ok(Seen::Settled(format!("{path} does not exist")));
        }
        for path in &self.changes {
            // Only so that the shadow knows where these paths lead.
            match probe.stat(path).await {
                Ok(_) | Err(Halt::Later(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        if let Some(unless) = &self.unless {
            let output = probe.run(self.command(CommandLine::Shell(unless.clone()), false)?).await?;
            if output.status == 0 {
                return Ok(Seen::Settled("`unless` succeeds".to_owned()));
            }
        }
        if !self.read_only {
            return Ok(Seen::Due);
        }
        Ok(Seen::Ran(probe.run(self.command(self.line(), true)?).await?))
    }

    fn plan(&self, current: &Seen) -> Result<Verdict<Step>, Halt> {
        match current {
            Seen::Settled(why) => Ok(Verdict::right(why.clone())),
            Seen::Ran(output) => {
                let mut yields = register_of(output);
                if self.has_secret() {
                    // What it made of a secret is one.
                    for value in yields.values_mut() {
                        *value = Value::Secret(Secret::new(value.clone()));
                    }
                }
                Ok(Verdict::Right { why: "it was run, and changes nothing".into(), yields })
            }
            Seen::Due => {
                let mut change = self.fields();
                let unknown = || Value::Unknown(After::new("it has run"));
                change.yields = REGISTER.iter().map(|name| ((*name).to_owned(), unknown())).collect();
                let changes = Resource::things(self).into_iter().map(|thing| thing.name).collect();
                // What is not known yet is shown as such; the step is imitated only, and made anew at apply.
                let command = self.command(self.line(), true).or_else(|after| {
                    let bare = host::Command { environment: Vec::new(), stdin: None, ..host::Command::shell("") };
                    if change.fields.iter().any(|field| field.after == Shown::Unknown(after.clone())) {
                        Ok(host::Command { line: self.line(), ..bare })
                    } else {
                        Err(after)
                    }
                })?;
                Ok(Verdict::Change(change.step(Step::Run { command, changes })))
            }
        }
    }
}
