//! What a host said to answers: sections of a reply, in the order in which they were asked for. Only what the system
//! calls absent is absent; any other complaint is a fault of that question.

mod accounts;
mod packages;
mod units;

use std::collections::HashMap;

use super::questions::{Kind, MOST, Part, no_folder, said_too_much};
use super::{Answer, Command, FileKind, Identity, Node, Output, Question, Stat, facts};
use crate::model::{Content, Digest, Fault, FaultKind};

/// One section of a reply.
struct Section<'a> {
    data: &'a [u8],
    status: &'a str,
    /// What came with the status.
    said: &'a [u8],
    /// What a tool complained of.
    complaint: &'a [u8],
}

/// An answer, or that the path must be asked for alone.
pub(super) enum Told {
    Answer(Result<Answer, Fault>),
    Unclear,
}

/// The answers in the streams, each with the place of its question.
pub(super) fn answers(
    parts: &[Part],
    [stdout, stderr]: [&[u8]; 2],
    nonce: &str,
    questions: &[&Question],
) -> Result<Vec<(usize, Told)>, Fault> {
    let mark = format!("\x1e{nonce}/");
    let mut pieces = split(stdout, mark.as_bytes()).into_iter();
    let mut complaints = split(stderr, mark.as_bytes()).into_iter();
    let mut next = || -> Result<Section<'_>, Fault> {
        let (Some(data), Some(rest), Some(complaint)) = (pieces.next(), pieces.next(), complaints.next()) else {
            return Err(torn());
        };
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(torn)?;
        let status = std::str::from_utf8(&rest[..end]).map_err(|_| torn())?;
        Ok(Section { data, status, said: &rest[end + 1..], complaint })
    };
    let mut told = Vec::new();
    for part in parts {
        match part {
            Part::Stats(paths) => told.extend(read_stats(paths, &next()?, &next()?, &next()?)),
            Part::Names(names, kind) => told.extend(read_names(names, *kind, &next()?)),
            Part::One(at) => told.push((*at, Told::Answer(read_one(questions[*at], &next()?)))),
        }
    }
    Ok(told)
}

fn torn() -> Fault {
    Fault::failed("the answer of the host is not whole")
        .help("see that nothing but the tools of the system answers to `stat`, `find`, `sha256sum`, `getent`, `dpkg-query` and `systemctl` there")
}

fn split<'a>(mut bytes: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|byte| *byte == mark[0]) {
        let at = from + found;
        if bytes[at..].starts_with(mark) {
            pieces.push(&bytes[..at]);
            bytes = &bytes[at + mark.len()..];
            from = 0;
        } else {
            from = at + 1;
        }
    }
    pieces.push(bytes);
    pieces
}

impl Section<'_> {
    fn complaints(&self) -> impl Iterator<Item = &str> {
        let lines = self.complaint.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| std::str::from_utf8(line).unwrap_or("(not text)"))
    }

    /// Did it complain of nothing but that there is nothing?
    fn only_absent(&self) -> bool {
        self.complaints()
            .all(|line| line.ends_with(": No such file or directory") || line.ends_with(": Not a directory"))
    }

    fn fault(&self, what: &str) -> Fault {
        let cause = String::from_utf8_lossy(self.complaint);
        let fault = Fault::failed(format!("could not see {what}"));
        match cause.trim() {
            "" => fault.cause(format!("status {}", self.status)),
            cause => fault.cause(cause),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| {
        let shown = String::from_utf8_lossy(bytes);
        Fault::failed(format!("`{}` is not UTF-8", shown.escape_debug()))
            .help("rename it there: `lions` handles names in UTF-8 only")
    })
}

fn read_stats(
    paths: &[(usize, String)],
    stats: &Section<'_>,
    links: &Section<'_>,
    sums: &Section<'_>,
) -> Vec<(usize, Told)> {
    let fields: Vec<&[u8]> = stats.data.split(|byte| *byte == 0).collect();
    let found: HashMap<&[u8], &[&[u8]]> = fields.chunks_exact(10).map(|fields| (fields[9], fields)).collect();
    let fields: Vec<&[u8]> = links.data.split(|byte| *byte == 0).collect();
    let links: HashMap<&[u8], &[u8]> = fields.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let sums_of: HashMap<&[u8], &[u8]> =
        sums.data.split(|byte| *byte == 0).filter_map(|line| Some((line.get(66..)?, line.get(..64)?))).collect();
    let unreadable = sums.complaints().all(|line| line.ends_with(": Permission denied"));
    let tell = |path: &str| -> Told {
        let path_bytes = path.as_bytes();
        let Some(fields) = found.get(path_bytes) else {
            return match (stats.only_absent(), paths.len()) {
                (true, _) => Told::Answer(Ok(Answer::Stat(None))),
                (false, 1) => Told::Answer(Err(stats.fault(&format!("what is at `{path}`")))),
                (false, _) => Told::Unclear,
            };
        };
        let kind = || {
            Ok(match fields[6] {
                b"directory" => FileKind::Directory,
                b"symbolic link" => {
                    FileKind::Link(text(links.get(path_bytes).ok_or_else(|| changing(path))?)?.to_owned())
                }
                b"regular file" | b"regular empty file" => match sums_of.get(path_bytes) {
                    Some(sum) => FileKind::File(Some(Digest::from_hex(text(sum)?).ok_or_else(torn)?)),
                    None if unreadable => FileKind::File(None),
                    None => return Err(sums.fault(&format!("what is in `{path}`"))),
                },
                _ => FileKind::Other,
            })
        };
        let stat = || {
            let owner =
                |name: &[u8], number: &[u8]| text(if name == b"UNKNOWN" { number } else { name }).map(str::to_owned);
            Ok(Stat {
                kind: kind()?,
                mode: u32::from_str_radix(text(fields[0])?, 8).map_err(|_| torn())?,
                owner: owner(fields[1], fields[2])?,
                group: owner(fields[3], fields[4])?,
                size: text(fields[5])?.parse().map_err(|_| torn())?,
                node: if fields[6] == b"directory" { None } else { Some(node(fields[7], fields[8])?) },
            })
        };
        Told::Answer(stat().map(|stat| Answer::Stat(Some(stat))))
    };
    paths.iter().map(|(at, path)| (*at, tell(path))).collect()
}

fn node(device: &[u8], inode: &[u8]) -> Result<Node, Fault> {
    let number = |bytes: &[u8]| text(bytes)?.parse().map_err(|_| torn());
    Ok(Node { device: number(device)?, inode: number(inode)? })
}

fn changing(path: &str) -> Fault {
    Fault::failed(format!("`{path}` changed while it was looked at")).help("run again")
}

fn read_names(names: &[(usize, String)], kind: Kind, section: &Section<'_>) -> Vec<(usize, Told)> {
    match kind {
        Kind::User | Kind::Group | Kind::Password => accounts::read(names, kind, section),
        Kind::Package => packages::read(names, section),
        Kind::Candidate => packages::read_candidates(names, section),
        Kind::Unit => units::read(names, section),
    }
}

fn read_one(question: &Question, section: &Section<'_>) -> Result<Answer, Fault> {
    match question {
        Question::Content(path) => match section.status {
            "0" if section.data.len() > MOST => Err(Fault::new(
                FaultKind::Refused,
                format!("`{path}` is larger than {} MiB, too large to be held in memory", MOST / 1024 / 1024),
            )),
            "0" => Ok(Answer::Content(Some(Content::open(section.data)))),
            "90" => Err(Fault::failed(format!("`{path}` is not a regular file"))),
            _ if section.complaint.is_empty() || !section.only_absent() => {
                Err(section.fault(&format!("what is in `{path}`")))
            }
            _ => Ok(Answer::Content(None)),
        },
        Question::Tree(path) => read_tree(path, section),
        Question::Facts => match section.status {
            "0" => facts::read(section.data).map(Answer::Facts),
            _ => Err(section.fault("the facts of the host")),
        },
        Question::Run(command) => read_output(command, section),
        Question::Identity => read_identity(section),
        Question::Groups => accounts::read_groups(section).map(Answer::Groups),
        Question::Removal { .. } => packages::read_removal(section).map(Answer::Removal),
        Question::Lists => packages::read_lists(section).map(Answer::Lists),
        _ => Err(torn()),
    }
}

fn read_identity(section: &Section<'_>) -> Result<Answer, Fault> {
    match text(section.data)?.trim_end().split_once(':') {
        Some((user, group)) if section.status == "0" && user != "UNKNOWN" && group != "UNKNOWN" => {
            Ok(Answer::Identity(Identity { user: user.to_owned(), group: group.to_owned() }))
        }
        _ => Err(section.fault("who one is, by name")),
    }
}

fn read_tree(path: &str, section: &Section<'_>) -> Result<Answer, Fault> {
    if section.status != "0" && (section.complaint.is_empty() || !section.only_absent()) {
        return Err(section.fault(&format!("what is below `{path}`")));
    }
    let fields: Vec<&[u8]> = section.data.split(|byte| *byte == 0).collect();
    let mut below = Vec::new();
    for fields in fields.chunks_exact(9) {
        let kind = match fields[4] {
            b"f" => FileKind::File(None),
            b"d" => FileKind::Directory,
            b"l" => FileKind::Link(text(fields[5])?.to_owned()),
            _ => FileKind::Other,
        };
        let stat = Stat {
            kind,
            mode: u32::from_str_radix(text(fields[0])?, 8).map_err(|_| torn())?,
            owner: text(fields[1])?.to_owned(),
            group: text(fields[2])?.to_owned(),
            size: text(fields[3])?.parse().map_err(|_| torn())?,
            node: if fields[4] == b"d" { None } else { Some(node(fields[6], fields[7])?) },
        };
        below.push((text(fields[8])?.to_owned(), stat));
    }
    below.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Answer::Tree(below))
}

fn read_output(command: &Command, section: &Section<'_>) -> Result<Answer, Fault> {
    if section.status == "chdir" {
        return Err(no_folder(command, &String::from_utf8_lossy(section.said)));
    }
    let (status, late) = section.status.split_once(' ').ok_or_else(torn)?;
    if late == "1" {
        return Err(Fault::new(
            FaultKind::TimedOut,
            format!("the command took longer than {} s and was ended", command.timeout.unwrap_or_default()),
        )
        .help("raise `timeout`, or see why it hangs"));
    }
    if section.data.len() > MOST || section.said.len() > MOST {
        return Err(said_too_much());
    }
    let status = status.parse().map_err(|_| torn())?;
    Ok(Answer::Output(Output { status, stdout: section.data.to_vec(), stderr: section.said.to_vec() }))
}
