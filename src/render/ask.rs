//! Asks before anything is done. Only the whole word `yes` will do; without a terminal it does not ask at all.

use std::io::{self, BufRead, IsTerminal as _, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::paint::safe;
use crate::model::{Fault, FaultKind, Secret, Value};

/// Does the user approve of what was shown for `environment`?
///
/// # Errors
/// There is nobody to ask.
pub fn approve(environment: &str) -> Result<bool, Fault> {
    let there = io::stdin().is_terminal() && io::stderr().is_terminal();
    approve_with(environment, there, &mut io::stdin().lock(), &mut io::stderr().lock())
}

/// Is the key that was shown for the host `name` the right one?
///
/// # Errors
/// There is nobody to ask.
pub fn trust(name: &str) -> Result<bool, Fault> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Fault::new(FaultKind::Refused, "nothing was kept: there is no terminal to ask")
            .help("compare the fingerprint and pass `--yes`"));
    }
    let mut answer = String::new();
    let mut err = io::stderr().lock();
    write!(err, "is that the key of {}? only `yes` will do: ", safe(name))
        .and_then(|()| err.flush())
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Fault::failed("nothing was kept: the answer could not be read").cause(error))?;
    Ok(answer.trim_end_matches(['\n', '\r']) == "yes")
}

fn approve_with(environment: &str, there: bool, from: &mut impl BufRead, to: &mut impl Write) -> Result<bool, Fault> {
    if !there {
        return Err(Fault::new(FaultKind::Refused, "nothing was applied: there is no terminal to ask for approval")
            .help("look at the plan and pass `--yes`, or save it with `lions plan -o FILE` and apply that file"));
    }
    let unheard = |error: io::Error| Fault::failed("nothing was applied: the answer could not be read").cause(error);
    let mut answer = String::new();
    write!(to, "\napply these changes to {}? only `yes` will do: ", safe(environment))
        .and_then(|()| to.flush())
        .and_then(|()| from.read_line(&mut answer))
        .map_err(unheard)?;
    if !answer.ends_with('\n') {
        // The input ended: the prompt's line is still open.
        let _ = writeln!(to);
    }
    Ok(answer.trim_end_matches(['\n', '\r']) == "yes")
}

/// The password of sudo, typed without being shown.
///
/// # Errors
/// There is nobody to ask, or the terminal cannot be kept from showing it.
pub fn password() -> Result<Secret, Fault> {
    let stdin = io::stdin();
    if !(stdin.is_terminal() && io::stderr().is_terminal()) {
        return Err(Fault::new(FaultKind::Refused, "there is no terminal to ask for the password of sudo")
            .help("leave `-K` out and let sudo work without a password (`NOPASSWD`)"));
    }
    let unheard = |error: io::Error| Fault::failed("the password could not be read").cause(error);
    let hidden = Hidden::begin().map_err(unheard)?;
    let mut text = Zeroizing::new(String::new());
    let mut err = io::stderr().lock();
    write!(err, "password of sudo: ")
        .and_then(|()| err.flush())
        .and_then(|()| stdin.lock().read_line(&mut text))
        .map_err(unheard)?;
    drop(hidden);
    let _ = writeln!(err);
    Ok(Secret::new(Value::text(text.trim_end_matches(['\n', '\r']))))
}

/// A terminal that shows nothing of what is typed, until it is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(there: bool, text: &str) -> (Result<bool, Fault>, String) {
        let mut out = Vec::new();
        let answer = approve_with("dev\x1b[2J", there, &mut text.as_bytes(), &mut out);
        (answer, String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_yes_will_do() {
        for (text, approved) in
            [("yes\n", true), ("yes", true), ("y\n", false), ("YES\n", false), ("yes please\n", false), ("", false)]
        {
            assert_eq!(answer(true, text).0, Ok(approved), "{text:?}");
        }
        assert_eq!(answer(true, "no\n").1, "\napply these changes to dev\\u{1b}[2J? only `yes` will do: ");
    }

    #[test]
    fn without_a_terminal_nobody_is_asked() {
        let (answer, out) = answer(false, "yes\n");
        assert_eq!(answer.unwrap_err().kind, FaultKind::Refused);
        assert_eq!(out, "");
    }
}
