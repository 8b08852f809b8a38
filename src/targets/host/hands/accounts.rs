//! Makes, alters and takes away users and groups, by the tools of the system. A password's hash travels as input only.

use std::fmt::Write as _;

use super::super::questions::{checked, named, word};
use super::super::{GroupStep, HOME_MODE, NoUser, UserStep};
use crate::model::{Fault, FaultKind};
use crate::transport::{Reply, Request, Worker};

pub(super) async fn user(worker: &Worker, user: &UserStep) -> Result<(), Fault> {
    let name = named(&user.name)?;
    let mut words = if user.create { "useradd -M".to_owned() } else { "usermod".to_owned() };
    let mut add = |flag: &str, value: &str| -> Result<(), Fault> {
        let _ = write!(words, " {flag} {}", word(value)?);
        Ok(())
    };
    if let Some(uid) = user.uid {
        add("-u", &uid.to_string())?;
    }
    if let Some(group) = &user.group {
        named(group)?;
        add("-g", group)?;
    }
    if let Some(groups) = &user.groups {
        groups.iter().try_for_each(|group| named(group).map(drop))?;
        add("-G", &groups.join(","))?;
    }
    for (flag, value) in [("-d", &user.home), ("-s", &user.shell), ("-c", &user.comment)] {
        if let Some(value) = value {
            if value.contains([':', '\n', '\0']) {
                let what = format!("`{}` cannot stand in `/etc/passwd`", value.escape_debug());
                return Err(Fault::new(FaultKind::Refused, what).help("leave out `:` and line breaks"));
            }
            add(flag, value)?;
        }
    }
    let asks = words.contains(' ');
    if user.create {
        words.push_str(if user.group.is_none() { " -U" } else { " -N" });
        words.push_str(if user.system { " -r" } else { "" });
    }
    let mut text = String::new();
    if asks {
        let _ = writeln!(text, "{words} -- {name} </dev/null || exit");
    }
    if user.password.is_some() {
        text.push_str("chpasswd -e || exit 64\n");
    }
    if let (Some(home), Some(_)) = (&user.home, &user.skeleton) {
        let _ = writeln!(text, "NAME={name} HOMEDIR={} MODE={HOME_MODE:04o}", checked(home)?);
        text.push_str(include_str!("../sh/home.sh"));
    }
    let mut request = Request::change(text);
    if let Some(password) = &user.password {
        if password.bytes().iter().any(|byte| b":\n\0".contains(byte)) {
            return Err(Fault::new(FaultKind::Refused, format!("the password of `{}` is no hash", user.name)));
        }
        let mut line = format!("{}:", user.name).into_bytes();
        line.extend_from_slice(password.bytes());
        line.push(b'\n');
        request = request.payload(line);
    }
    let what = if user.create { "make" } else { "alter" };
    done(&worker.call(request).await?, what, "user", &user.name, user.home.as_deref())
}

pub(super) async fn no_user(worker: &Worker, user: &NoUser) -> Result<(), Fault> {
    let name = user.name.as_str();
    let text = format!("userdel -- {} </dev/null", named(name)?);
    done(&worker.call(Request::change(text)).await?, "take away", "user", name, None)
}

pub(super) async fn group(worker: &Worker, group: &GroupStep) -> Result<(), Fault> {
    let mut words = if group.create { "groupadd".to_owned() } else { "groupmod".to_owned() };
    if group.create && group.system {
        words.push_str(" -r");
    }
    if let Some(gid) = group.gid {
        let _ = write!(words, " -g {gid}");
    }
    let text = format!("{words} -- {} </dev/null", named(&group.name)?);
    let what = if group.create { "make" } else { "alter" };
    done(&worker.call(Request::change(text)).await?, what, "group", &group.name, None)
}

pub(super) async fn no_group(worker: &Worker, name: &str) -> Result<(), Fault> {
    let text = format!("groupdel -- {} </dev/null", named(name)?);
    done(&worker.call(Request::change(text)).await?, "take away", "group", name, None)
}

fn done(reply: &Reply, what: &str, sort: &str, name: &str, home: Option<&str>) -> Result<(), Fault> {
    let said = String::from_utf8_lossy(&reply.stderr);
    let said = said.trim();
    let home = home.unwrap_or_default();
    let failed = |what: String| if said.is_empty() { Fault::failed(what) } else { Fault::failed(what).cause(said) };
    Err(match reply.status {
        0 => return Ok(()),
        // 6: it is not there any more; 9: it is there by now.
        6 | 9 if said.contains("does not exist") || said.contains("already exists") => {
            Fault::new(FaultKind::Stale, format!("the {sort} `{name}` changed while it was being worked on"))
                .cause(said)
                .help("run again: the next plan sees what is there now")
        }
        48 => Fault::new(FaultKind::Stale, format!("there is something at `{home}` by now"))
            .help("run again: the next plan sees what is there now"),
        51 => Fault::failed(format!("the folder `{said}` does not exist"))
            .help("create it with `directory` in a task above"),
        43 | 44 | 46 | 49 | 60 => failed(format!("could not make the home `{home}` of `{name}`")),
        64 => failed(format!("could not set the password of `{name}`")),
        127 => {
            failed("this host lacks the tools for users and groups".to_owned()).help("install `passwd` (shadow) there")
        }
        8 if sort == "user" => {
            failed(format!("could not {what} the user `{name}`")).help("end its processes and sessions first")
        }
        1 | 10 if said.contains("Permission denied") || said.contains("cannot lock") => {
            failed(format!("could not {what} the {sort} `{name}`")).help("set `become: true`")
        }
        _ => failed(format!("could not {what} the {sort} `{name}`")),
    })
}
