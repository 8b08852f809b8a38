//! What a command says while it runs, by lines; the last of them are kept for the fault.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::model::Stream;

/// A line without end is not waited for.
const LONGEST: usize = 64 * 1024;
/// Lines that are kept.
const KEPT: usize = 40;

type Tell<'a> = &'a (dyn Fn(Stream, &str) + Send + Sync);

pub(super) struct Lines<'a> {
    output: Tell<'a>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: [Vec<u8>; 2],
    last: VecDeque<String>,
}

impl State {
    fn tell(&mut self, stream: Stream, line: &[u8], output: Tell<'_>) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        output(stream, text);
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(text.to_owned());
    }
}

impl<'a> Lines<'a> {
    pub(super) fn new(output: Tell<'a>) -> Self {
        Self { output, state: Mutex::default() }
    }

    /// More bytes of a stream.
    pub(super) fn take(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let which = usize::from(stream == Stream::Err);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            state.open[which].extend_from_slice(part);
            if part.ends_with(b"\n") || state.open[which].len() > LONGEST {
                let line = std::mem::take(&mut state.open[which]);
                state.tell(stream, &line, self.output);
            }
        }
    }

    /// Tells what has no line end, too, and gives back the last lines of both streams.
    pub(super) fn last(self) -> String {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (which, stream) in [Stream::Out, Stream::Err].into_iter().enumerate() {
            let line = std::mem::take(&mut state.open[which]);
            if !line.is_empty() {
                state.tell(stream, &line, self.output);
            }
        }
        Vec::from(state.last).join("\n")
    }
}
