//! Looks by a command that only other commands, and packages, could make see something else.

use super::HostProbe;
use crate::model::{After, Fault, Halt};
use crate::targets::host::board::strange;
use crate::targets::host::shadow::Found;
use crate::targets::host::{Answer, Command, Output, Question, archive, download};

/// How one came in: over which connection, as the host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayIn {
    /// The address one comes from.
    pub from: std::net::IpAddr,
    /// The port that one came to.
    pub port: u16,
    /// The link that answers go out by.
    pub device: Option<String>,
}

/// Finds the connection in the surroundings of the shell, or of those who started it: sudo takes it away.
const WAY_IN: &str = "p=$$ c=\n\
    while [ -z \"$c\" ] && [ \"${p:-0}\" -gt 1 ]; do\n\
    c=$(tr '\\0' '\\n' <\"/proc/$p/environ\" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p' | head -n 1)\n\
    p=$(sed -n 's/^PPid:[[:space:]]*//p' \"/proc/$p/status\" 2>/dev/null)\n\
    done\n\
    set -- $c; [ $# = 4 ] || exit 0\n\
    d=$(ip -o route get \"${1%%\\%*}\" 2>/dev/null | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1)\n\
    printf '%s %s %s' \"${1%%\\%*}\" \"$4\" \"$d\"";

impl HostProbe {
    /// Runs a command that changes nothing, and that only other commands and packages could make say something else.
    ///
    /// # Errors
    /// The place could not run it, or one of those is planned above it.
    pub async fn glance(&self, command: Command) -> Result<Output, Halt> {
        if let Some(after) = self.coming_tools() {
            return Err(Halt::Later(after));
        }
        match self.ask(Question::Run(command)).await? {
            Answer::Output(output) => Ok(output),
            _ => Err(strange().into()),
        }
    }

    /// What the look at an address says, see [`download::look`]. What is planned here changes nothing there.
    ///
    /// # Errors
    /// The place could not run it; *later* when a task above may bring what it needs to fetch with.
    pub async fn fetched(&self, url: &str) -> Result<Output, Halt> {
        let Answer::Output(said) = self.ask(Question::Run(download::look(url))).await? else {
            return Err(strange().into());
        };
        match self.coming_tools().filter(|_| said.status == download::NO_TOOL) {
            Some(after) => Err(Halt::Later(after)),
            None => Ok(said),
        }
    }

    /// The last task above that may bring a program.
    fn coming_tools(&self) -> Option<After> {
        let state = self.board.lock();
        state.ran.clone().or_else(|| state.shadow.installed().cloned())
    }

    /// Is anything planned here that may change what a command says?
    #[must_use]
    pub fn pristine(&self) -> bool {
        self.board.lock().planned.is_none()
    }

    /// What the look at a folder that an archive was unpacked to says, see [`archive::look`].
    ///
    /// # Errors
    /// The place could not say, or a step leaves it open.
    pub async fn unpacked(&self, dest: &str) -> Result<Vec<u8>, Halt> {
        let spot = self.spot(dest, false).await?;
        let gone = matches!(spot.found, Found::Absent) && spot.planned;
        // A folder that is not there yet holds nothing, whatever lies at its path now.
        if gone || self.board.lock().shadow.renewed(&spot.path) {
            return Ok(b"absent\n".to_vec());
        }
        if let Found::Open(after) = spot.found {
            return Err(Halt::Later(after));
        }
        let Answer::Output(said) = self.ask(Question::Run(archive::look(dest))).await? else {
            return Err(strange().into());
        };
        if said.status == 0 {
            return Ok(said.stdout);
        }
        let cause = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        Err(Fault::failed(format!("the host does not say what is in `{dest}`")).cause(cause).into())
    }

    /// How one came in. Nothing when it was not over SSH.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn way_in(&self) -> Result<Option<WayIn>, Halt> {
        let Answer::Output(said) = self.ask(Question::Run(Command::shell(WAY_IN))).await? else {
            return Err(strange().into());
        };
        let text = String::from_utf8_lossy(&said.stdout);
        let mut words = text.split_whitespace();
        let unclear = || Fault::failed("the host does not say how one came in").cause(text.trim());
        if said.status != 0 {
            return Err(unclear().cause(String::from_utf8_lossy(&said.stderr).trim()).into());
        }
        let Some(from) = words.next() else { return Ok(None) };
        let from = from.parse().map_err(|_| unclear())?;
        let port = words.next().and_then(|port| port.parse().ok()).ok_or_else(unclear)?;
        Ok(Some(WayIn { from, port, device: words.next().map(str::to_owned) }))
    }
}
