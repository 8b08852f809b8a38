//! Words, colours and numbers as they are shown. Every text that comes from outside goes through [`safe`] or
//! [`Paint`]: a file's content, a host's name or a command's output never reaches the terminal as control codes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::model::{Action, PlaceName};

/// What a text means, hence its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Goes away, or failed.
    Bad,
    /// Is run, or warns.
    Loud,
    /// Is altered.
    Altered,
    /// Is new, or good.
    Good,
    /// Names.
    Strong,
    /// Less important.
    Faint,
    /// The part of a removed line that differs.
    BadPart,
    /// The part of an added line that differs.
    GoodPart,
}

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Bad => colour(AnsiColor::Red),
            Self::Loud => colour(AnsiColor::Magenta),
            Self::Altered => colour(AnsiColor::Yellow),
            Self::Good => colour(AnsiColor::Green),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::BadPart => colour(AnsiColor::Red).bold().underline(),
            Self::GoodPart => colour(AnsiColor::Green).bold().underline(),
        }
    }

    /// The tone of a change.
    pub(super) const fn of(action: Action) -> Self {
        match action {
            Action::Delete => Self::Bad,
            Action::Run => Self::Loud,
            Action::Update => Self::Altered,
            Action::Create => Self::Good,
        }
    }
}

/// With colours or without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) colour: bool,
}

impl Paint {
    /// `text`, made safe, in its colour.
    pub(super) fn text(self, tone: Tone, text: &str) -> String {
        let text = safe(text);
        if !self.colour || text.is_empty() {
            return text.into_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }
}

/// `text` on one line, with everything that a terminal would obey, or that would hide or reorder text, spelled out.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("    "),
            hidden if is_hidden(hidden) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(hidden));
            }
            plain => out.push(plain),
        }
    }
    Cow::Owned(out)
}

/// `text` on one line, safe for a terminal: for what commands put together themselves.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    safe(text)
}

fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `1 host`, `2 hosts`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `0.4s`, `12s`, `3m05s`, `2h10m`.
pub(super) fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `12 bytes`, `1.5 KiB`, `20.0 MiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    }
    let (mut unit, mut whole, mut rest) = (0, bytes / 1024, bytes % 1024);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        (unit, rest, whole) = (unit + 1, whole % 1024, whole / 1024);
    }
    format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit])
}

/// `names`, the first `most` of them: `a, b, c and 9 more`.
pub(super) fn some<T: AsRef<str>>(names: &[T], most: usize) -> String {
    // Two are never hidden behind words that take as much room.
    let shown = if names.len() <= most + 2 { names.len() } else { most };
    let mut out = names[..shown].iter().map(|name| safe(name.as_ref()).into_owned()).collect::<Vec<_>>().join(", ");
    if shown < names.len() {
        let _ = write!(out, " and {} more", names.len() - shown);
    }
    out
}

/// `web-1`, `the cluster`, `3 hosts: web-1, web-2, web-3`.
pub(super) fn places(names: &[&PlaceName]) -> String {
    let hosts: Vec<&str> = names.iter().map(|name| name.as_str()).filter(|name| *name != PlaceName::CLUSTER).collect();
    let cluster = hosts.len() < names.len();
    let mut out = match hosts.as_slice() {
        [] => String::new(),
        [one] => safe(one).into_owned(),
        many => format!("{}: {}", count(many.len(), "host", "hosts"), some(many, 6)),
    };
    if cluster {
        out.push_str(if out.is_empty() { "the cluster" } else { " and the cluster" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(safe("a\x1b[31mb\u{9b}2Jc\u{202e}d\te\r\n"), "a\\u{1b}[31mb\\u{9b}2Jc\\u{202e}d    e\\r\\n");
        assert_eq!(safe("ünïcode 日本"), "ünïcode 日本");
    }

    #[test]
    fn numbers_read_well() {
        let shown: Vec<_> = [0, 1, 1023, 1024, 1536, 20 << 20, 3 << 40].map(size).into();
        assert_eq!(shown, ["0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 KiB", "20.0 MiB", "3.0 TiB"]);
        let shown: Vec<_> = [400, 12_000, 185_000, 7_800_000].map(|ms| took(Duration::from_millis(ms))).into();
        assert_eq!(shown, ["0.4s", "12s", "3m05s", "2h10m"]);
    }

    #[test]
    fn long_lists_are_cut_and_say_by_how_much() {
        let names: Vec<PlaceName> = (0..20).map(|at| PlaceName::new(format!("web-{at}"))).collect();
        assert_eq!(places(&names.iter().take(2).collect::<Vec<_>>()), "2 hosts: web-0, web-1");
        assert_eq!(
            places(&names.iter().collect::<Vec<_>>()),
            "20 hosts: web-0, web-1, web-2, web-3, web-4, web-5 and 14 more"
        );
        assert_eq!(places(&[&PlaceName::new("cluster")]), "the cluster");
    }
}
