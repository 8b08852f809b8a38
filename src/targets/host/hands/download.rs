//! Fetches a file on the host, into a partial file that the next try goes on with, and puts it into place when its
//! digest is right. Where it comes from and what is sent with it may be secret: they travel as input, not as arguments.

use std::fmt::Write as _;

use super::{Output, expected, failure, guarded, opening, with_cause, word};
use crate::model::{Digest, Fault, FaultKind, Secret, Stream};
use crate::targets::host::download::{Download, PROXIES, next, no_tool};
use crate::targets::host::{Command, Step};
use crate::transport::{Reply, Worker};

/// Headers that `curl` does not hand on to another host.
const BOUND: [&str; 2] = ["authorization", "cookie"];
/// Other addresses that are followed.
const MOVES: &str = "10";

pub(super) async fn download(
    worker: &Worker,
    step: &Step,
    download: &Download,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Option<Output>, Fault> {
    let Download { path, url, headers, digest, attributes, expect, .. } = download;
    let (kind, was) = expected(path, expect)?;
    let name = format!(".lions-part.{}", &Digest::of(path.as_bytes()).to_string()[..16]);
    let bound = headers.iter().all(|(name, _)| BOUND.contains(&name.to_ascii_lowercase().as_str()));
    let next = next(url);
    let mut script = format!("LC_ALL=C; export LC_ALL\n{}", opening(path, attributes)?);
    let _ = writeln!(
        script,
        "KIND={kind} WAS={} SUM={digest} NAME={name} PART={name}.{} MOVES={} NEXT={next}",
        word(&was)?,
        &digest.to_string()[..16],
        if bound { MOVES } else { "0" },
    );
    script.push_str(PROXIES);
    script.push_str(include_str!("../sh/download.sh"));
    let mut input = format!("{url}\n");
    for (name, value) in headers {
        let _ = writeln!(input, "{name}: {value}");
    }
    if input.lines().count() != headers.len() + 1 || input.contains(['\r', '\0']) {
        return Err(Fault::new(FaultKind::Refused, "a URL or a header that is not one line of text"));
    }
    let command = Command { stdin: Some(input.into_bytes()), ..Command::words(vec!["sh".into(), "-c".into(), script]) };
    let reply = guarded(worker, &command, output).await?;
    if reply.status == 0 { Ok(None) } else { Err(refused(step, download, &reply)) }
}

fn refused(step: &Step, download: &Download, reply: &Reply) -> Fault {
    let said = masked(download, String::from_utf8_lossy(&reply.stderr).trim());
    let Download { path, shown, digest, .. } = download;
    match reply.status {
        61 | 143 => with_cause(Fault::failed(format!("could not fetch `{shown}`")), &said)
            .help("what came so far is kept: the next try goes on from there"),
        62 => Fault::failed(format!("`{shown}` is not what was wished for: nothing was put at `{path}`"))
            .cause(format!("its SHA-256 is {said}, not {digest}"))
            .help("correct `sha256` if you trust what is there now; it was thrown away"),
        63 => Fault::new(FaultKind::Refused, format!("`{shown}` has moved, and its headers are not sent elsewhere"))
            .help("name the address it moved to in `url`"),
        64 => with_cause(Fault::failed(format!("the server does not give `{shown}`")), &said)
            .help("check `url` and `headers`"),
        65 => no_tool(),
        _ => failure(step, path, reply),
    }
}

/// What the tool said, without what was secret.
fn masked(download: &Download, said: &str) -> String {
    let mut said = said.to_owned();
    if download.url != download.shown {
        said = said.replace(&download.url, &download.shown);
    }
    for (_, value) in &download.headers {
        if !value.is_empty() {
            said = said.replace(value, Secret::MASK);
        }
    }
    said
}
