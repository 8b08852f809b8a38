//! The one writer to the terminal: results to standard output, everything else to standard error. It decides on
//! colour and width, and nothing else.

use std::io::{self, ErrorKind, IsTerminal as _, Write};

use crate::model::Fault;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// Never.
    Never,
}

/// Standard output and standard error.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Colours on standard output.
    pub(super) out_colour: bool,
    /// Colours on standard error.
    pub(super) err_colour: bool,
    /// May lines on standard error be drawn again?
    pub(super) live: bool,
}

impl Terminal {
    /// With colours as chosen.
    #[must_use]
    pub fn new(colour: Colour) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let wanted = |auto: anstream::ColorChoice| match colour {
            Colour::Auto => auto != anstream::ColorChoice::Never,
            Colour::Always => true,
            Colour::Never => false,
        };
        let dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
        Self {
            out_colour: wanted(anstream::AutoStream::choice(&out)),
            err_colour: wanted(anstream::AutoStream::choice(&err)),
            live: err.is_terminal() && !dumb,
        }
    }

    /// A result, to standard output. A reader that has seen enough (`| head`) is no fault.
    ///
    /// # Errors
    /// It cannot be written: what the user asked for is lost.
    pub fn result(self, text: &str) -> Result<(), Fault> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Fault::failed("cannot write to standard output").cause(error))
            }
            _ => Ok(()),
        }
    }

    /// Anything else, to standard error.
    pub fn note(self, text: &str) {
        let mut err = io::stderr().lock();
        // There is nobody left to tell when this fails.
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// A result with colours in it, which go where they are not wanted.
    ///
    /// # Errors
    /// As [`Terminal::result`].
    pub fn styled_result(self, text: &str) -> Result<(), Fault> {
        self.result(&plain_unless(self.out_colour, text))
    }

    /// A note with colours in it, which go where they are not wanted.
    pub fn styled_note(self, text: &str) {
        self.note(&plain_unless(self.err_colour, text));
    }

    /// Columns and lines of standard error.
    pub(super) fn size() -> (usize, usize) {
        terminal_size::terminal_size_of(io::stderr())
            .map_or((80, 24), |(width, height)| (usize::from(width.0).max(20), usize::from(height.0).max(5)))
    }
}

fn plain_unless(colour: bool, text: &str) -> String {
    if colour { text.to_owned() } else { anstream::adapter::strip_str(text).to_string() }
}
