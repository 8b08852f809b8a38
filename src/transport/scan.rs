//! Finds the markers in a stream of raw output. It keeps nothing back but what may be the beginning of a marker.

/// A piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Output.
    Bytes(&'a [u8]),
    /// The end of what request `seq` said.
    Mark(Mark),
}

/// A marker: `\x1eNONCE seq[ status][ +]\n`. The first byte is one that output seldom has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Of which request.
    pub(super) seq: u64,
    /// Its status (on standard output only).
    pub(super) status: Option<i32>,
    /// The command has ended, what relays its output not yet.
    pub(super) relayed: bool,
}

/// What every marker begins with.
const START: char = '\x1e';
/// No marker is longer: what goes on is output that happens to hold the nonce.
const LONGEST: usize = 64;

pub(super) struct Scanner {
    needle: Vec<u8>,
    held: Vec<u8>,
}

impl Scanner {
    pub(super) fn new(nonce: &str) -> Self {
        Self { needle: format!("{START}{nonce} ").into_bytes(), held: Vec::new() }
    }

    /// Takes the next `bytes` and tells what became clear.
    pub(super) fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(Piece<'_>)) {
        let mut buffer = std::mem::take(&mut self.held);
        buffer.extend_from_slice(bytes);
        let (mut told, mut at) = (0, 0);
        while let Some(found) = buffer[at..].iter().position(|byte| *byte == START as u8) {
            let start = at + found;
            let rest = &buffer[start..];
            if rest.len() < self.needle.len() && self.needle.starts_with(rest) {
                return self.hold(&buffer, told, start, &mut tell);
            }
            at = start + 1;
            let Some(line) = rest.strip_prefix(self.needle.as_slice()) else { continue };
            let window = &line[..line.len().min(LONGEST)];
            let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
                if line.len() < LONGEST {
                    return self.hold(&buffer, told, start, &mut tell);
                }
                continue;
            };
            let Some(mark) = parse(&window[..end]) else { continue };
            if told < start {
                tell(Piece::Bytes(&buffer[told..start]));
            }
            tell(Piece::Mark(mark));
            told = start + self.needle.len() + end + 1;
            at = told;
        }
        if told < buffer.len() {
            tell(Piece::Bytes(&buffer[told..]));
        }
    }

    fn hold(&mut self, buffer: &[u8], told: usize, from: usize, tell: &mut impl FnMut(Piece<'_>)) {
        if told < from {
            tell(Piece::Bytes(&buffer[told..from]));
        }
        self.held = buffer[from..].to_vec();
    }
}

fn parse(line: &[u8]) -> Option<Mark> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ').peekable();
    let seq = words.next()?.parse().ok()?;
    let status = match words.peek() {
        None | Some(&"+") => None,
        Some(status) => Some(status.parse().ok()?),
    };
    if status.is_some() {
        words.next();
    }
    let relayed = words.next_if_eq(&"+").is_some();
    words.next().is_none().then_some(Mark { seq, status, relayed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(parts: &[&[u8]]) -> (Vec<u8>, Vec<Mark>) {
        let mut scanner = Scanner::new("f00d");
        let (mut bytes, mut marks) = (Vec::new(), Vec::new());
        for part in parts {
            scanner.feed(part, |piece| match piece {
                Piece::Bytes(more) => bytes.extend_from_slice(more),
                Piece::Mark(mark) => marks.push(mark),
            });
        }
        (bytes, marks)
    }

    #[test]
    fn markers_are_found_however_the_stream_is_cut() {
        let text = b"a\n\x1e\x1ef00d\x1ef00d x\n\xff\0\x1ef00d 7 0\nb\n\x1ef00d 8 1 +\n\x1ef00d 9\nrest";
        let whole = scan(&[text]);
        assert_eq!(whole.0, b"a\n\x1e\x1ef00d\x1ef00d x\n\xff\0b\nrest");
        assert_eq!(
            whole.1.iter().map(|mark| (mark.seq, mark.status, mark.relayed)).collect::<Vec<_>>(),
            [(7, Some(0), false), (8, Some(1), true), (9, None, false)]
        );
        for cut in 0..text.len() {
            for again in cut..text.len() {
                assert_eq!(scan(&[&text[..cut], &text[cut..again], &text[again..]]), whole, "cut at {cut}, {again}");
            }
        }
    }

    #[test]
    fn output_that_holds_the_nonce_is_not_kept_back_for_ever() {
        let long = [b"\x1ef00d ".as_slice(), &[b'z'; 100]].concat();
        assert_eq!(scan(&[&long]).0, long);
    }
}
