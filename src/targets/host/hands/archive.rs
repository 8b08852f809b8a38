//! Unpacks an archive into a new folder beside the one that it is for, and puts that in its place when it is whole.

use std::fmt::Write as _;

use super::{Output, checked, failure, guarded, opening, with_cause, word};
use crate::model::{Fault, FaultKind, Stream};
use crate::targets::host::archive::{Unpack, aside};
use crate::targets::host::{Command, Step};
use crate::transport::Worker;

pub(super) async fn unpack(
    worker: &Worker,
    step: &Step,
    unpack: &Unpack,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Option<Output>, Fault> {
    let Unpack { src, archive, dest, strip, exclude, attributes, seen } = unpack;
    let mut script = opening(dest, attributes)?;
    let _ = writeln!(
        script,
        "SRC={} SUM={archive} STRIP={strip} SEEN={seen} ASIDE={} OPTIONS={}",
        checked(src)?,
        word(&aside(dest))?,
        unpack.options(),
    );
    script.push_str(include_str!("../sh/unpacked.sh"));
    script.push_str(include_str!("../sh/unpack.sh"));
    let kept =
        |path: &String| path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains(['\n', '\0']);
    if !exclude.iter().all(kept) {
        return Err(Fault::new(FaultKind::Refused, "what is excluded is named by paths in the folder"));
    }
    let input = exclude.join("\n").into_bytes();
    let command = Command { stdin: Some(input), ..Command::words(vec!["sh".into(), "-c".into(), script]) };
    let reply = guarded(worker, &command, output).await?;
    let said = String::from_utf8_lossy(&reply.stderr);
    let said = said.trim();
    let refuse = |what: String| Fault::new(FaultKind::Refused, what);
    Err(match reply.status {
        0 => return Ok(None),
        61 => with_cause(Fault::failed(format!("`{src}` cannot be read")), said),
        62 => Fault::new(FaultKind::Stale, format!("`{src}` changed while it was being worked on"))
            .cause(format!("its SHA-256 is {said}, not {archive}"))
            .help("run again: the next plan sees what is there now"),
        64 => refuse(format!("`{src}` holds devices, sockets or pipes")),
        65 => refuse(format!("nothing of `{src}` is left after `strip_components: {strip}`")),
        66 => Fault::failed("the host has no `unzip`").help("install it with `package` in a task above"),
        67 => refuse(format!("`{src}` holds paths that lead out of its folder")),
        68 => with_cause(Fault::failed(format!("`{src}` cannot be unpacked")), said)
            .help("it is no archive of tar or zip, or the host lacks what unpacks it: `xz-utils`, `bzip2`, `zstd`"),
        69 => refuse(format!("two folders of `{src}` hold the same name, and `strip_components` would make them one")),
        _ => failure(step, dest, &reply),
    })
}
