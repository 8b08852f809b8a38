//! Does steps: the only thing that changes a host. Each is one request, and either whole or not there: on any failure
//! what was there before is still there, and nothing is left beside it.

mod accounts;
mod archive;
mod download;
pub(super) mod guard;
mod packages;
pub(super) mod together;
mod told;
mod units;

use std::fmt::Write as _;
use std::time::Duration;

use super::questions::{CommandText, MOST, checked, no_folder, said_too_much, word};
use super::{Attributes, Command, CommandLine, Expect, Output, Step, called, placed};
use crate::model::{Fault, FaultKind, Stream};
use crate::transport::{Reply, Request, Worker};

/// Does one step; `output` gets the lines of a command as they come.
///
/// # Errors
/// It could not be done, and nothing was changed (unless the fault says otherwise).
pub(super) async fn perform(
    worker: &Worker,
    step: &Step,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Option<Output>, Fault> {
    let (path, request) = match step {
        Step::Run { command, .. } => return run(worker, command, output).await.map(Some),
        Step::Act { command, .. } => return act(worker, command, output).await.map(|()| None),
        Step::Tune { path, value, expect } => {
            let (kind, was) = expected(path, expect)?;
            let text = format!(
                "{}expect {kind} {}\nV={}\n{}",
                opening(path, &Attributes::default())?,
                word(&was)?,
                word(value)?,
                include_str!("sh/tune.sh")
            );
            (path, Request::change(text))
        }
        Step::Download(what) => return download::download(worker, step, what, output).await,
        Step::Unpack(what) => return archive::unpack(worker, step, what, output).await,
        Step::Ruleset { path } => return ruleset(worker, path.as_deref()).await.map(|()| None),
        Step::Reboot { .. } => return reboot(worker).await.map(|()| None),
        Step::Packages(transaction) => return packages::perform(worker, transaction, output).await.map(|()| None),
        Step::Unit { name, action } => return units::perform(worker, name, *action, output).await.map(|()| None),
        Step::DaemonReload => return units::reload(worker).await.map(|()| None),
        Step::User(user) => return accounts::user(worker, user).await.map(|()| None),
        Step::NoUser(user) => return accounts::no_user(worker, user).await.map(|()| None),
        Step::Group(group) => return accounts::group(worker, group).await.map(|()| None),
        Step::NoGroup(name) => return accounts::no_group(worker, name).await.map(|()| None),
        Step::Promise { path, after, .. } => {
            return Err(Fault::failed(format!("the content of `{path}` is not known {after}"))
                .help("this is a defect of lions: report it"));
        }
        Step::Write { path, content, attributes, expect, validate } => {
            let mut text = opening(path, attributes)?;
            let (kind, was) = expected(path, expect)?;
            let validate = validate.as_deref().map(checking).transpose()?.unwrap_or_default();
            let _ = writeln!(
                text,
                "KIND={kind} WAS={} SUM={} VALIDATE={}",
                word(&was)?,
                content.digest(),
                word(&validate)?
            );
            text.push_str(include_str!("sh/write.sh"));
            (path, Request::change(text).payload(content.bytes().to_vec()))
        }
        Step::Attributes { path, attributes } => {
            let text = format!(
                "{}[ -e \"$P\" ] || {{ [ -L \"$P\" ] && exit 58; exit 59; }}\ndress_up \"$P\" || exit 46\n",
                opening(path, attributes)?
            );
            (path, Request::change(text))
        }
        Step::Directory { path, attributes } => {
            let text = format!(
                "{}parent\nexpect absent ''\nMODE=${{MODE:-755}}\n\
                 if [ -z \"$OWNER$GROUP\" ]; then mkdir -m \"$MODE\" -- \"$P\" || exit 43\n\
                 else mkdir -m 700 -- \"$P\" || exit 43; T=$P; dress_up \"$P\" || exit 46; T=; fi\n\
                 sync \"$D\" || exit 57\n",
                opening(path, attributes)?
            );
            (path, Request::change(text))
        }
        Step::Link { path, target, hard, expect } => {
            let (kind, was) = expected(path, expect)?;
            let (make, target) = if *hard { ("ln", checked(target)?) } else { ("ln -s", word(target)?) };
            let text = format!(
                "{}parent\nT=$(mktemp -u \"$D/$B.XXXXXX\") || exit 43\n{make} -T -- {target} \"$T\" || exit 43\n\
                 expect {kind} {}\n\
                 if [ ! -L \"$P\" ] && [ \"$T\" -ef \"$P\" ]; then exit 0; fi\n\
                 mv -fT -- \"$T\" \"$P\" || exit 49\nT=; sync \"$D\" || exit 57\n",
                opening(path, &Attributes::default())?,
                word(&was)?
            );
            (path, Request::change(text))
        }
        Step::Remove { path, expect } => {
            if path.split('/').all(|part| matches!(part, "" | "." | "..")) {
                return Err(Fault::new(FaultKind::Refused, format!("`{path}` is not removed")));
            }
            let (kind, was) = expected(path, expect)?;
            let remove = if *expect == Expect::Empty { "rmdir" } else { "rm -rf --one-file-system" };
            let text = format!(
                "{}expect {kind} {}\n{remove} -- \"$P\" || exit 50\nsync \"$D\" || exit 57\n",
                opening(path, &Attributes::default())?,
                word(&was)?
            );
            (path, Request::change(text))
        }
    };
    let reply = worker.call(request).await?;
    if reply.status == 0 { Ok(None) } else { Err(failure(step, path, &reply)) }
}

/// The path and the attributes, then what every step may use.
fn opening(path: &str, attributes: &Attributes) -> Result<String, Fault> {
    let name = |name: &Option<String>| -> Result<String, Fault> {
        let name = name.as_deref().unwrap_or_default();
        if name.starts_with('-') || name.contains([':', '\n']) {
            return Err(Fault::new(FaultKind::Refused, format!("`{}` cannot be a name", name.escape_debug())));
        }
        word(name)
    };
    if path.ends_with('/') {
        return Err(Fault::new(FaultKind::Refused, format!("`{path}` names no file: it ends with `/`")));
    }
    Ok(format!(
        "P={} OWNER={} GROUP={} MODE={}\n{}",
        checked(path)?,
        name(&attributes.owner)?,
        name(&attributes.group)?,
        attributes.mode.map(|mode| format!("{mode:04o}")).unwrap_or_default(),
        include_str!("sh/hands.sh")
    ))
}

fn expected(path: &str, expect: &Expect) -> Result<(&'static str, String), Fault> {
    Ok(match expect {
        Expect::Absent => ("absent", String::new()),
        Expect::File(digest) => ("file", digest.to_string()),
        Expect::Directory | Expect::Empty => ("directory", String::new()),
        Expect::Link(target) => ("link", target.clone()),
        Expect::Other => ("other", String::new()),
        Expect::Open(after) => {
            return Err(Fault::failed(format!("what is at `{path}` was not known {after}"))
                .help("this is a defect of lions: report it"));
        }
    })
}

/// The command that checks the first argument of the shell that runs it.
fn checking(validate: &str) -> Result<String, Fault> {
    if !validate.contains("%s") {
        return Err(Fault::new(FaultKind::Refused, format!("`validate` without `%s`: `{validate}`"))
            .help("write `%s` where the name of the file to check belongs"));
    }
    Ok(placed(validate, "\"$1\""))
}

fn failure(step: &Step, path: &str, reply: &Reply) -> Fault {
    let said = String::from_utf8_lossy(&reply.stderr);
    let said = said.trim();
    let folder = match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    };
    let fault = match (reply.status, step) {
        (48, _) => {
            let now = match said {
                "absent" => "there is nothing any more",
                "content" => "it has other content now",
                "target" => "the link points elsewhere now",
                "link" => "it is a symbolic link now",
                "directory" => "it is a folder now",
                "file" => "it is a regular file now",
                _ => "it is a socket, device or pipe now",
            };
            return Fault::new(FaultKind::Stale, format!("`{path}` changed while it was being worked on"))
                .cause(now)
                .help("run again: the next plan sees what is there now");
        }
        (51, _) => {
            return Fault::failed(format!("the folder `{folder}` does not exist"))
                .help("create it with `directory` in a task above");
        }
        (52, _) => return Fault::failed(format!("`{folder}` is not a folder")),
        (53, _) => {
            return Fault::failed(format!("`{path}` belongs to somebody else, and only root can keep it so"))
                .help("set `become: true`, or name `owner` and `group`");
        }
        (54, Step::Write { validate: Some(validate), content, .. }) => {
            let said = if content.is_secret() { "what it says may hold a secret, and is not shown" } else { said };
            return with_cause(
                Fault::failed(format!("`{}` does not accept the new content of `{path}`", called(validate))),
                said,
            )
            .help("nothing was written: correct the content, or `validate`");
        }
        (55, _) => {
            return Fault::new(FaultKind::TimedOut, format!("`validate` of `{path}` took longer than 120 s"))
                .help("nothing was written: see why it hangs");
        }
        (56, _) => {
            return Fault::failed(format!("`validate` of `{path}` altered the file that it should only check"))
                .help("nothing was written: use a command that changes nothing");
        }
        (57, _) => Fault::failed(format!(
            "`{path}` was changed, but may not survive a power cut: its folder could not be synced"
        )),
        (58, _) => return Fault::failed(format!("`{path}` is a link that points to nothing")),
        (59, _) => {
            return Fault::new(FaultKind::Stale, format!("there is nothing at `{path}` any more"))
                .help("run again: the next plan sees what is there now");
        }
        (45, _) => Fault::failed(format!("the content of `{path}` did not arrive whole: nothing was written")),
        (46, _) => Fault::failed(format!("could not set owner, group or mode of `{path}`")),
        (50, _) => Fault::failed(format!("could not remove `{path}`")),
        (40, _) => Fault::failed(format!("could not see what is at `{path}`")),
        (61, _) => {
            return with_cause(Fault::failed(format!("the kernel does not take this value for `{path}`")), said)
                .help("see what it accepts there, and what it keeps to itself in a container");
        }
        (62, Step::Tune { value, .. }) => {
            return Fault::failed(format!("the kernel made `{said}` of `{value}` in `{path}`"))
                .help("write the value as the kernel keeps it");
        }
        (60, _) => Fault::new(FaultKind::Interrupted, format!("the work on `{path}` was interrupted")),
        (_, Step::Directory { .. }) => Fault::failed(format!("could not create the folder `{path}`")),
        (_, Step::Link { .. }) => Fault::failed(format!("could not create the link `{path}`")),
        _ => Fault::failed(format!("could not write `{path}`")),
    };
    let fault = with_cause(fault, said);
    match help(said, folder) {
        Some(help) => fault.help(help),
        None => fault,
    }
}

fn with_cause(fault: Fault, said: &str) -> Fault {
    if said.is_empty() { fault } else { fault.cause(said) }
}

/// The way out of what the system said.
fn help(said: &str, folder: &str) -> Option<String> {
    let table: [(&str, &str); 9] = [
        ("No space left on device", "make room there: see `df -h` and `df -i`"),
        ("Disk quota exceeded", "make room there, or raise the quota"),
        ("Read-only file system", "mount it for writing, or choose another path"),
        ("Device or resource busy", "something is mounted there (in a container: by its runtime): change it outside"),
        ("invalid user", "create the user in a task above, or correct `owner`"),
        ("invalid group", "create the group in a task above, or correct `group`"),
        ("invalid spec", "correct `owner` and `group`"),
        ("Permission denied", "set `become: true`, or choose a path that this user may write"),
        ("File name too long", "choose a shorter name"),
    ];
    if said.contains("Operation not permitted") {
        return Some(format!("see whether it, or `{folder}`, is immutable (`lsattr`), or set `become: true`"));
    }
    table.iter().find(|(text, _)| said.contains(text)).map(|(_, help)| (*help).to_owned())
}

/// Loads rules, all of them or none.
async fn ruleset(worker: &Worker, path: Option<&str>) -> Result<(), Fault> {
    let text = match path {
        Some(path) => format!("nft -f {} >&2", checked(path)?),
        // Also where it is gone already.
        None => "nft 'add table inet lions; delete table inet lions' >&2".to_owned(),
    };
    let reply = worker.call(Request::change(text)).await?;
    let said = String::from_utf8_lossy(&reply.stderr);
    if reply.status == 0 {
        Ok(())
    } else {
        Err(with_cause(Fault::failed("nftables does not take the rules"), said.trim()))
    }
}

/// Lets the host go down. It answers first, if it still can.
async fn reboot(worker: &Worker) -> Result<(), Fault> {
    let text = "[ \"$(id -u)\" = 0 ] || exit 77\n\
        if [ -d /run/systemd/system ]; then systemctl --no-block --no-ask-password reboot >&2; else reboot >&2; fi";
    let reply = worker.call(Request::change(text)).await?;
    match reply.status {
        0 => Ok(()),
        77 => Err(Fault::failed("only root can reboot the host").help("set `become: true`")),
        _ => {
            let said = String::from_utf8_lossy(&reply.stderr);
            Err(with_cause(Fault::failed("the host does not reboot"), said.trim()))
        }
    }
}

/// Runs a command of `lions`' own, which must succeed.
async fn act(worker: &Worker, command: &Command, output: &(dyn Fn(Stream, &str) + Send + Sync)) -> Result<(), Fault> {
    let said = run(worker, command, output).await?;
    if said.status == 0 {
        return Ok(());
    }
    let text = match &command.line {
        // A script is known by its name.
        CommandLine::Words(words) if words.len() > 3 && words[1] == "-c" => words[3..].join(" "),
        CommandLine::Words(words) => words.join(" "),
        CommandLine::Shell(line) => line.clone(),
    };
    let cause = if said.stderr.is_empty() { &said.stdout } else { &said.stderr };
    Err(with_cause(
        Fault::failed(format!("`{text}` failed (status {})", said.status)),
        String::from_utf8_lossy(cause).trim(),
    ))
}

/// Runs a command of the user's.
async fn run(
    worker: &Worker,
    command: &Command,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Output, Fault> {
    let reply = guarded(worker, command, output).await?;
    if reply.dropped {
        return Err(said_too_much().cause(format!("it was run, and ended with status {}", reply.status)));
    }
    Ok(Output { status: reply.status, stdout: reply.stdout, stderr: reply.stderr })
}

/// Runs a command that may take long: it ends with its caller, with the connection and at its timeout.
async fn guarded(
    worker: &Worker,
    command: &Command,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Reply, Fault> {
    let text = CommandText::new(&Command { timeout: None, ..command.clone() })?;
    let mut request = Request::guarded(format!("{}guard {}\n", text.dress, text.guard)).keep(MOST);
    if let Some(chdir) = &text.chdir {
        request = request.setup(format!("cd -P -- {chdir}"));
    }
    if let Some(input) = &command.stdin {
        request = request.payload(input.clone());
    }
    if let Some(seconds) = command.timeout {
        request = request.timeout(Duration::from_secs(seconds));
    }
    let lines = told::Lines::new(output);
    let reply = worker.stream(request, &|stream, bytes| lines.take(stream, bytes)).await?;
    lines.last();
    if !reply.began {
        let said = String::from_utf8_lossy(&reply.stderr);
        return Err(match reply.status {
            70..=72 => Fault::failed("the host has no room for what the command needs to run").cause(said.trim()),
            _ => no_folder(command, &said),
        });
    }
    Ok(reply)
}
