//! The view of a run while it goes on: plain lines for logs and pipes, a small area that is drawn anew on a terminal.
//! What it shows is decided by the board; this only draws, and keeps the clock.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::Board;
use super::paint::Paint;
use super::terminal::Terminal;
use crate::model::Event;

/// How often the area is drawn when nothing happens.
const BEAT: Duration = Duration::from_millis(200);
/// How often it is drawn at most.
const PAUSE: Duration = Duration::from_millis(50);

/// A run on the screen. Dropping it takes the area away.
#[derive(Debug)]
pub(super) struct Live {
    screen: Arc<Mutex<Screen>>,
    over: Arc<AtomicBool>,
    clock: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Screen {
    terminal: Terminal,
    board: Board,
    /// Was anything said for good?
    spoke: bool,
    /// Lines of the area that stand on the screen now.
    drawn: usize,
    drawn_at: Instant,
}

impl Live {
    pub(super) fn new(terminal: Terminal, verbose: bool) -> Self {
        let now = Instant::now();
        let board = Board::new(Paint { colour: terminal.err_colour }, verbose, now);
        let screen = Arc::new(Mutex::new(Screen { terminal, board, spoke: false, drawn: 0, drawn_at: now }));
        let over = Arc::new(AtomicBool::new(false));
        let clock = {
            let (screen, over) = (screen.clone(), over.clone());
            // Without the thread nothing is lost but the clock.
            std::thread::Builder::new().name("clock".to_owned()).spawn(move || beat(&screen, &over)).ok()
        };
        Self { screen, over, clock }
    }

    pub(super) fn event(&self, event: &Event) {
        let now = Instant::now();
        let mut screen = lock(&self.screen);
        let lines = screen.board.event(event, now);
        if !lines.is_empty() || now.duration_since(screen.drawn_at) >= PAUSE {
            screen.draw(&lines, now);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(clock) = self.clock.take() {
            clock.thread().unpark();
            let _ = clock.join();
        }
        let mut screen = lock(&self.screen);
        let mut last = screen.erase();
        if screen.spoke && screen.terminal.live {
            // The report that follows stands apart.
            last.push('\n');
        }
        if !last.is_empty() {
            screen.terminal.note(&last);
        }
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn beat(screen: &Mutex<Screen>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        std::thread::park_timeout(BEAT);
        if over.load(Ordering::Relaxed) {
            break;
        }
        let now = Instant::now();
        let mut screen = lock(screen);
        if screen.terminal.live {
            screen.draw(&[], now);
        } else if let Some(line) = screen.board.still(now) {
            screen.draw(&[line], now);
        }
    }
}

impl Screen {
    /// Says `lines` for good, and draws the area below them: in one write, so that nothing flickers.
    fn draw(&mut self, lines: &[String], now: Instant) {
        let mut out = self.erase();
        self.spoke |= !lines.is_empty();
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
        if self.terminal.live {
            let (width, height) = Terminal::size();
            // The last column is left free: some terminals wrap when it is written.
            for line in self.board.area(now, width - 1, height) {
                let _ = writeln!(out, "{line}");
                self.drawn += 1;
            }
        }
        self.drawn_at = now;
        if !out.is_empty() {
            self.terminal.note(&out);
        }
    }

    /// What takes the area away.
    fn erase(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        }
    }
}
