//! What commands use to show anything: as text for people or as events for machines.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;

use super::live::Live;
use super::paint::{Paint, Tone, safe};
use super::terminal::Terminal;
use super::{Look, json};
use crate::model::{Event, Fault, Plan, Report};
use crate::source::{Problems, Sources};

/// `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One event a line.
    Json,
}

/// Shows everything that a command has to say.
#[derive(Debug)]
pub struct Show {
    terminal: Terminal,
    format: Format,
    verbose: bool,
    live: Mutex<Option<Live>>,
}

impl Show {
    /// Shows as asked. In JSON the first line is said at once.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn new(terminal: Terminal, format: Format, verbose: bool) -> Result<Self, Fault> {
        let show = Self { terminal, format, verbose, live: Mutex::new(None) };
        if format == Format::Json {
            show.json(&json::version())?;
        }
        Ok(show)
    }

    /// As text or as events?
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// With colours on standard output?
    #[must_use]
    pub fn colour(&self) -> bool {
        self.terminal.out_colour
    }

    /// A result that is text in any format.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn text(&self, text: &str) -> Result<(), Fault> {
        self.terminal.result(text)
    }

    /// A result as an event.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn json(&self, event: &Json) -> Result<(), Fault> {
        self.terminal.result(&format!("{event}\n"))
    }

    /// Something that happened while the engine works. [`Show::quiet`] ends the view.
    pub fn event(&self, event: &Event) {
        match self.format {
            // What cannot be written now will be missed at the result, which says so.
            Format::Json => drop(self.json(&json::event(event))),
            Format::Text => {
                let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
                live.get_or_insert_with(|| Live::new(self.terminal, self.verbose)).event(event);
            }
        }
    }

    /// Takes the view of a run off the screen.
    pub fn quiet(&self) {
        drop(self.live.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// A plan; `full`: every host by itself, every line.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn plan(&self, plan: &Plan, full: bool) -> Result<(), Fault> {
        self.quiet();
        match self.format {
            Format::Json => self.all(json::plan(plan)),
            Format::Text => {
                let look = Look { colour: self.terminal.out_colour, full, verbose: self.verbose };
                self.terminal.result(&super::plan(plan, look))
            }
        }
    }

    /// What a run did.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn report(&self, report: &Report, took: Duration) -> Result<(), Fault> {
        self.quiet();
        match self.format {
            Format::Json => self.all(json::report(report, took)),
            Format::Text => self.terminal.result(&super::report(report, took, self.terminal.out_colour)),
        }
    }

    /// What is wrong in the text.
    pub fn problems(&self, sources: &Sources, problems: &Problems) {
        self.quiet();
        match self.format {
            Format::Json => drop(self.all(json::problems(sources, problems.iter()))),
            Format::Text => self.terminal.note(&super::problem::problems(sources, problems, self.terminal.err_colour)),
        }
    }

    /// Something failed that belongs to no task.
    pub fn fault(&self, fault: &Fault) {
        self.quiet();
        match self.format {
            Format::Json => drop(self.json(&json::failure(fault))),
            Format::Text => {
                let paint = Paint { colour: self.terminal.err_colour };
                let mut out = format!("{} {}\n", paint.text(Tone::Bad, "error:"), safe(&fault.what));
                super::plan::reasons(fault, "  ", &mut out);
                self.terminal.note(&out);
            }
        }
    }

    /// A word beside the result, for people only.
    pub fn note(&self, text: &str) {
        if self.format == Format::Text {
            let lines: Vec<_> = text.lines().map(safe).collect();
            self.terminal.note(&(lines.join("\n") + "\n"));
        }
    }

    /// Worth knowing, stops nothing.
    pub fn warning(&self, what: &str) {
        match self.format {
            Format::Json => drop(self.json(&json::warning(what))),
            Format::Text => {
                let paint = Paint { colour: self.terminal.err_colour };
                self.terminal.note(&format!("{} {}\n", paint.text(Tone::Altered, "warning:"), safe(what)));
            }
        }
    }

    fn all(&self, events: impl Iterator<Item = Json>) -> Result<(), Fault> {
        // In pieces: ten thousand hosts are not one string.
        let mut text = String::new();
        for event in events {
            text.push_str(&event.to_string());
            text.push('\n');
            if text.len() > 1 << 16 {
                self.terminal.result(&text)?;
                text.clear();
            }
        }
        self.terminal.result(&text)
    }
}
