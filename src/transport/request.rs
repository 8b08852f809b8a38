//! What is asked of the shell, as the bytes that are sent: a header with the exact length of a text, the text, and a
//! payload.

use std::fmt::Write as _;
use std::time::Duration;

use super::elevate::NONCE;

/// What to run: a text for the shell, written by `lions` only. What users write goes in as a quoted word.
#[derive(Clone)]
pub struct Request {
    pub(super) manner: Manner,
    setup: String,
    body: String,
    payload: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) keep: usize,
    pub(super) changes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Look,
    Change,
    Guarded,
}

impl Request {
    /// Changes nothing and ends soon: others may travel beside it.
    #[must_use]
    pub fn look(body: impl Into<String>) -> Self {
        Self::of(Manner::Look, body)
    }

    /// A short change that is whole or not at all, whatever becomes of the connection.
    #[must_use]
    pub fn change(body: impl Into<String>) -> Self {
        Self::of(Manner::Change, body)
    }

    /// Runs commands of users, each by `guard SECONDS WORDS...`: they end with the connection, with the caller and
    /// at the timeout.
    #[must_use]
    pub fn guarded(body: impl Into<String>) -> Self {
        Self::of(Manner::Guarded, body)
    }

    fn of(manner: Manner, body: impl Into<String>) -> Self {
        let changes = manner != Manner::Look;
        Self {
            manner,
            setup: String::new(),
            body: body.into(),
            payload: None,
            timeout: None,
            keep: usize::MAX,
            changes,
        }
    }

    /// Says of guarded commands that they change nothing: when the shell is lost, nothing is in doubt.
    #[must_use]
    pub fn only_looks(mut self) -> Self {
        self.changes = false;
        self
    }

    /// Bytes for the standard input of the body.
    #[must_use]
    pub fn payload(mut self, bytes: Vec<u8>) -> Self {
        self.payload = Some(bytes);
        self
    }

    /// Runs before the body of a guarded request; when it fails, the body is not run and [`Reply::began`] is false.
    #[must_use]
    pub fn setup(mut self, text: impl Into<String>) -> Self {
        self.setup = text.into();
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many bytes of each stream are kept; what is more is read and dropped.
    #[must_use]
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// Header, text and payload, for one write.
    pub(super) fn frame(&self, nonce: &str, seq: u64) -> Vec<u8> {
        // The first brings along what every other one may use, in the same text: each text is a process there.
        let mut text = if seq == FIRST { prelude() } else { String::with_capacity(self.body.len() + 512) };
        let (body, setup) = (&self.body, &self.setup);
        let length = self.payload.as_ref().map_or(0, Vec::len);
        text.push_str("{ ");
        // Writing to a string cannot fail.
        let _ = match (self.manner, &self.payload) {
            (Manner::Guarded, _) => write!(
                text,
                "(\nd=; trap '[ -z \"$d\" ] || rm -rf \"$d\"' EXIT; trap 'exit 143' HUP INT TERM\n\
                 exec 4<&0 </dev/null\n\
                 scratch || {{ dd bs=65536 iflag=fullblock,count_bytes count={length} <&4 >/dev/null 2>&1; exit 70; }}\n\
                 take {length} || exit 71\n\
                 (:\n{setup}\n) || exit\n\
                 relay || exit 72\n\
                 (:\n{body}\n) <&3 >&7 2>&8 3<&-\n\
                 finish {seq} $?\n)\n"
            ),
            (_, None) => write!(text, "(:\n{body}\n) </dev/null\n"),
            (_, Some(_)) => write!(
                text,
                "dd bs=65536 iflag=fullblock,count_bytes count={length} 2>/dev/null | {{ (:\n{body}\n)\n\
                 r=$?; {{ [ $r = 0 ] && ! read -r x; }} || cat >/dev/null; exit $r; }}\n"
            ),
        };
        text.push_str(&closing(seq));
        let mut frame = if seq == FIRST { hello(nonce) } else { String::new() };
        let _ = writeln!(frame, "{nonce} {}", text.len());
        let mut frame = frame.into_bytes();
        frame.extend_from_slice(text.as_bytes());
        frame.extend_from_slice(self.payload.as_deref().unwrap_or_default());
        frame
    }
}

/// The markers after request `seq`. Cut off before its brace, nothing of a request runs.
fn closing(seq: u64) -> String {
    format!("printf '\\036%s %s %s\\n' \"$N\" {seq} $?\nprintf '\\036%s %s\\n' \"$N\" {seq} >&2\n}}\n")
}

/// The number of the first request. Number 0 is what it brings along.
pub(super) const FIRST: u64 = 1;

/// The nonce. The empty line is for a `.bashrc` that reads one.
fn hello(nonce: &str) -> String {
    format!("\n{NONCE} {nonce}\n")
}

/// What every request may use, as one by itself: what comes before its answer is noise.
fn prelude() -> String {
    format!("{{ :\n{}{}", include_str!("prelude.sh"), closing(0))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::super::elevate;
    use super::*;

    /// What a broken connection leaves of a request.
    #[test]
    fn text_that_was_cut_off_does_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let body = format!(": >{}\necho done", mark.display());
        let loops = elevate::command("sh", "f00d", None).unwrap();
        let run = |frame: &[u8]| {
            let mut shell = Command::new("sh")
                .args(["-c", &loops])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = shell.stdin.take().unwrap();
            stdin.write_all(frame).unwrap();
            drop(stdin);
            let said = shell.wait_with_output().unwrap();
            (mark.exists(), String::from_utf8(said.stdout).unwrap().contains("done"))
        };
        for request in [Request::look(body.as_str()), Request::change(body.as_str()).payload(b"12345".to_vec())] {
            let frame = request.frame("f00d", FIRST);
            let text = frame.len() - request.payload.as_ref().map_or(0, Vec::len);
            for cut in (0..text - 1).step_by(67).chain(text - 12..text - 1) {
                assert_eq!(run(&frame[..cut]), (false, false), "cut at {cut} of {text}: {frame:?}");
            }
            assert_eq!(run(&frame), (true, true));
            std::fs::remove_file(&mark).unwrap();
        }
        // Of a guarded command even the input must be whole.
        let request = Request::guarded(body.as_str()).payload(b"12345".to_vec());
        let frame = request.frame("f00d", FIRST);
        for cut in (0..frame.len()).step_by(97).chain(frame.len() - 9..frame.len()) {
            assert_eq!(run(&frame[..cut]), (false, false), "cut at {cut} of {}", frame.len());
        }
        // Its output is not waited for when nobody is there to read it.
        assert!(run(&frame).0);
    }
}
