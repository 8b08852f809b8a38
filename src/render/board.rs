//! What is going on right now, from events: which lines are said for good, and which are drawn anew. Pure: the
//! time is handed in.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::paint::{Paint, Tone, safe, took};
use crate::model::{Address, Decision, Event, Fault, Outcome, PlaceName};

/// Lines of output that are kept for the case of a failure.
const TAIL: usize = 20;
/// A run that says nothing for so long says that it is still there.
const SILENCE: Duration = Duration::from_secs(30);
/// What ends sooner is not worth drawing.
const SOON: Duration = Duration::from_millis(300);

type At = (Address, PlaceName);

/// The state of a run.
#[derive(Debug)]
pub(super) struct Board {
    paint: Paint,
    verbose: bool,
    doing: &'static str,
    nodes: usize,
    ended: usize,
    failed: usize,
    since: Instant,
    spoke: Instant,
    connecting: IndexMap<PlaceName, Instant>,
    running: IndexMap<At, Instant>,
    waiting: HashMap<At, String>,
    tails: HashMap<At, VecDeque<String>>,
}

impl Board {
    pub(super) fn new(paint: Paint, verbose: bool, now: Instant) -> Self {
        Self {
            paint,
            verbose,
            doing: "working",
            nodes: 0,
            ended: 0,
            failed: 0,
            since: now,
            spoke: now,
            connecting: IndexMap::new(),
            running: IndexMap::new(),
            waiting: HashMap::new(),
            tails: HashMap::new(),
        }
    }

    /// The lines to say for good.
    pub(super) fn event(&mut self, event: &Event, now: Instant) -> Vec<String> {
        let lines = match event {
            Event::Started { doing, nodes } => {
                let new = Self::new(self.paint, self.verbose, now);
                *self = Self { doing, nodes: *nodes, ..new };
                Vec::new()
            }
            Event::Connecting { place } => {
                self.connecting.insert(place.clone(), now);
                self.when_verbose(|board| board.line(place, Tone::Faint, "connecting"))
            }
            Event::Planned { place, decision, .. } => {
                self.connecting.shift_remove(place);
                self.ended += 1;
                self.failed += usize::from(matches!(decision, Decision::Failed(_)));
                Vec::new()
            }
            Event::Running { address, place, what } => {
                self.connecting.shift_remove(place);
                self.running.insert((address.clone(), place.clone()), now);
                self.when_verbose(|board| board.line(place, Tone::Faint, &format!("{address}: {what}")))
            }
            Event::Waiting { address, place, why } => {
                let at = (address.clone(), place.clone());
                self.running.entry(at.clone()).or_insert(now);
                self.waiting.insert(at, why.clone());
                self.when_verbose(|board| board.line(place, Tone::Faint, &format!("{address}: waits: {why}")))
            }
            Event::Output { address, place, line, .. } => {
                if self.verbose {
                    vec![self.output(place, line)]
                } else {
                    let tail = self.tails.entry((address.clone(), place.clone())).or_default();
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line.clone());
                    return Vec::new();
                }
            }
            Event::Retrying { address, place, attempt, fault } => {
                let text = format!("{address}: try {attempt}, because {fault}");
                vec![self.line(place, Tone::Altered, &text)]
            }
            Event::Done { address, place, outcome, took } => self.done(address, place, outcome, *took),
            Event::Warning { what } => {
                vec![format!("{} {}", self.paint.text(Tone::Altered, "warning:"), safe(what))]
            }
        };
        if !lines.is_empty() {
            self.spoke = now;
        }
        lines
    }

    fn done(&mut self, address: &Address, place: &PlaceName, outcome: &Outcome, time: Duration) -> Vec<String> {
        let at = (address.clone(), place.clone());
        self.connecting.shift_remove(place);
        self.running.shift_remove(&at);
        self.waiting.remove(&at);
        self.ended += 1;
        let tail = self.tails.remove(&at).unwrap_or_default();
        let said = |board: &Self, word: &str, fault: &Fault, tone| {
            let mut lines =
                vec![board.line(place, tone, &format!("{word} {address}: {} ({})", fault.what, took(time)))];
            // What the report will say as the cause need not be said twice.
            let told = |line: &str| fault.cause.as_ref().is_some_and(|cause| cause.contains(line));
            lines.extend(tail.iter().filter(|line| !told(line)).map(|line| board.output(place, line)));
            lines
        };
        match outcome {
            Outcome::Changed(entry) => {
                let text = format!("{} {address} ({})", entry.action.sign(), took(time));
                vec![self.line(place, Tone::of(entry.action), &text)]
            }
            Outcome::Failed(fault) => {
                self.failed += 1;
                said(self, "x", fault, Tone::Bad)
            }
            Outcome::Degraded(fault) => said(self, "degraded", fault, Tone::Altered),
            Outcome::Rescued(fault) => said(self, "rescued", fault, Tone::Altered),
            Outcome::Right => self.when_verbose(|board| board.line(place, Tone::Faint, &format!("= {address}"))),
            Outcome::AlreadyRight => {
                self.when_verbose(|board| board.line(place, Tone::Faint, &format!("= {address}, already right")))
            }
            Outcome::Skipped(why) => {
                self.when_verbose(|board| board.line(place, Tone::Faint, &format!("skipped {address}: {why}")))
            }
            Outcome::Blocked(by) => self
                .when_verbose(|board| board.line(place, Tone::Faint, &format!("not run {address}, because of {by}"))),
            Outcome::NotRun => Vec::new(),
        }
    }

    fn when_verbose(&self, line: impl FnOnce(&Self) -> String) -> Vec<String> {
        if self.verbose { vec![line(self)] } else { Vec::new() }
    }

    fn line(&self, place: &PlaceName, tone: Tone, text: &str) -> String {
        format!("{}: {}", self.paint.text(Tone::Strong, place.as_str()), self.paint.text(tone, text))
    }

    fn output(&self, place: &PlaceName, line: &str) -> String {
        format!("{} {} {}", self.paint.text(Tone::Faint, place.as_str()), self.paint.text(Tone::Faint, "|"), safe(line))
    }

    /// The line for those who watch a log, when nothing was said for long.
    pub(super) fn still(&mut self, now: Instant) -> Option<String> {
        if now.duration_since(self.spoke) < SILENCE {
            return None;
        }
        self.spoke = now;
        let busy: Vec<String> =
            self.busy(now).into_iter().map(|(what, time)| format!("{what} ({})", took(time))).collect();
        let busy = if busy.is_empty() { String::new() } else { format!(": {}", super::paint::some(&busy, 4)) };
        Some(format!("{}{busy}", self.progress(now)))
    }

    /// `apply: 3 of 40, 12s, 1 failed`.
    fn progress(&self, now: Instant) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let time = took(now.duration_since(self.since));
        format!("{}: {} of {}, {time}{failed}", self.doing, self.ended.min(self.nodes), self.nodes)
    }

    /// What is under way, the longest first.
    fn busy(&self, now: Instant) -> Vec<(String, Duration)> {
        let connecting = self.connecting.iter().map(|(place, since)| (format!("{place}: connecting"), *since));
        let running = self.running.iter().map(|(at, since)| {
            let (address, place) = at;
            let waits = self.waiting.get(at).map_or(String::new(), |why| format!(": {why}"));
            (format!("{place}: {address}{waits}"), *since)
        });
        let mut busy: Vec<_> =
            running.chain(connecting).map(|(what, since)| (what, now.duration_since(since))).collect();
        busy.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        busy
    }

    /// The lines that are drawn anew: none is wider than `width`, and they are never more than `height`.
    pub(super) fn area(&self, now: Instant, width: usize, height: usize) -> Vec<String> {
        if self.nodes == 0 || now.duration_since(self.since) < SOON {
            return Vec::new();
        }
        let busy = self.busy(now);
        let most = height.saturating_sub(3).clamp(1, 10);
        let mut lines = vec![self.paint.text(Tone::Strong, &fit(&self.progress(now), width))];
        for (what, time) in busy.iter().take(most) {
            let time = took(*time);
            lines.push(format!(
                "  {} {}",
                fit(what, width.saturating_sub(time.len() + 3)),
                self.paint.text(Tone::Faint, &time)
            ));
        }
        if busy.len() > most {
            lines.push(self.paint.text(Tone::Faint, &fit(&format!("  and {} more", busy.len() - most), width)));
        }
        lines
    }
}

/// The front of `text` that fits into `width` columns: a line that wraps would break the drawing.
fn fit(text: &str, width: usize) -> String {
    let text = safe(text);
    let columns = |letter: char| if letter >= '\u{1100}' { 2 } else { 1 };
    if text.chars().map(columns).sum::<usize>() <= width {
        return text.into_owned();
    }
    let mut used = 1;
    let mut out: String = text
        .chars()
        .take_while(|letter| {
            used += columns(*letter);
            used <= width
        })
        .collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Action, Entry, Stream};

    fn board(verbose: bool) -> (Board, Instant) {
        let now = Instant::now();
        (Board::new(Paint { colour: false }, verbose, now), now)
    }

    fn at(task: &str, place: &str) -> (Address, PlaceName) {
        (Address::new(task), PlaceName::new(place))
    }

    #[test]
    fn a_failure_shows_the_last_lines_of_its_output() {
        let (mut board, now) = board(false);
        let (address, place) = at("play/build", "web-1");
        for line in 0..25 {
            let line = format!("line {line}\x1b[2J");
            let event = Event::Output { address: address.clone(), place: place.clone(), stream: Stream::Out, line };
            assert_eq!(board.event(&event, now), Vec::<String>::new());
        }
        let outcome = Outcome::Failed(Box::new(Fault::failed("`make` ended with status 2")));
        let said = board.event(&Event::Done { address, place, outcome, took: Duration::from_secs(3) }, now);
        assert_eq!(said.len(), 21);
        assert_eq!(said[0], "web-1: x play/build: `make` ended with status 2 (3.0s)");
        assert_eq!(said[1], "web-1 | line 5\\u{1b}[2J");
        assert_eq!(said[20], "web-1 | line 24\\u{1b}[2J");
    }

    #[test]
    fn output_that_was_shown_as_it_came_is_not_shown_again() {
        let (mut board, now) = board(true);
        let (address, place) = at("play/build", "web-1");
        let line =
            Event::Output { address: address.clone(), place: place.clone(), stream: Stream::Err, line: "hm".into() };
        assert_eq!(board.event(&line, now), ["web-1 | hm"]);
        let outcome = Outcome::Failed(Box::new(Fault::failed("no")));
        assert_eq!(board.event(&Event::Done { address, place, outcome, took: Duration::ZERO }, now).len(), 1);
    }

    #[test]
    fn the_area_tells_what_is_going_on_and_fits() {
        let (mut board, start) = board(false);
        board.event(&Event::Started { doing: "apply", nodes: 40 }, start);
        assert_eq!(board.area(start, 80, 24), Vec::<String>::new(), "what ends at once is not drawn");
        board.event(&Event::Connecting { place: PlaceName::new("web-0") }, start);
        for number in 1..=20 {
            let (address, place) = at("play/role/a task with a rather long name", &format!("web-{number}"));
            let now = start + Duration::from_secs(number);
            board.event(&Event::Running { address, place, what: "writes".into() }, now);
        }
        let entry = Entry {
            action: Action::Create,
            things: vec![],
            fields: vec![],
            notifies: vec![],
            owed_since: None,
            undo: None,
        };
        let (address, place) = at("play/role/a task with a rather long name", "web-1");
        let outcome = Outcome::Changed(Box::new(entry));
        let done = Event::Done { address, place, outcome, took: Duration::from_secs(2) };
        let now = start + Duration::from_secs(70);
        assert_eq!(board.event(&done, now), ["web-1: + play/role/a task with a rather long name (2.0s)"]);
        let area = board.area(now, 40, 8);
        assert_eq!(
            area,
            [
                "apply: 1 of 40, 1m10s",
                "  web-0: connecting 1m10s",
                "  web-2: play/role/a task with a … 1m08s",
                "  web-3: play/role/a task with a … 1m07s",
                "  web-4: play/role/a task with a … 1m06s",
                "  web-5: play/role/a task with a … 1m05s",
                "  and 15 more"
            ]
        );
        assert!(area.iter().all(|line| line.chars().count() <= 40), "{area:?}");
    }

    #[test]
    fn a_silent_run_says_that_it_is_still_there() {
        let (mut board, start) = board(false);
        board.event(&Event::Started { doing: "apply", nodes: 2 }, start);
        let (address, place) = at("play/wait", "web-1");
        board.event(&Event::Running { address, place, what: "runs".into() }, start);
        assert_eq!(board.still(start + Duration::from_secs(29)), None);
        let now = start + Duration::from_secs(31);
        assert_eq!(board.still(now).as_deref(), Some("apply: 0 of 2, 31s: web-1: play/wait (31s)"));
        assert_eq!(board.still(now + Duration::from_secs(1)), None);
    }
}
