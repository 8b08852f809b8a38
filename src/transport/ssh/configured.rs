//! How long a host may take to answer, if the user's ssh configuration says it: then that holds, ours is a default.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::Destination;
use super::keys::tool;
use crate::model::Fault;

/// What holds for everybody, and where it is mostly continued.
const SYSTEM: &str = "/etc/ssh/ssh_config";
const MORE: &str = "/etc/ssh/ssh_config.d";

/// The `ConnectTimeout` that is configured for that host, in seconds.
///
/// # Errors
/// `ssh` does not accept its configuration.
pub(super) async fn connect_timeout(to: &Destination) -> Result<Option<u32>, Fault> {
    // Asking costs a process, and mostly nothing is configured.
    let home = home();
    let files = match (&to.config, &home) {
        (Some(config), _) => vec![config.clone()],
        (None, Some(home)) => vec![home.join(".ssh/config"), SYSTEM.into()],
        (None, None) => Vec::new(),
    };
    if !files.is_empty() && !files.iter().any(|file| says(file, true)) {
        return Ok(None);
    }
    let words = to.words();
    let words: Vec<&str> = std::iter::once("-G").chain(words.iter().map(String::as_str)).collect();
    let said = tool("ssh", &words).await?;
    let line = said.lines().find_map(|line| line.strip_prefix("connecttimeout "));
    // `none`: nothing is configured.
    Ok(line.and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0))
}

/// Where `ssh` looks for the user's configuration: not at `$HOME`, but where the account has its home.
fn home() -> Option<PathBuf> {
    let uid = geteuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let account =
        accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|of| of.get(2) == Some(&&*uid))?;
    account.get(5).map(PathBuf::from)
}

/// May `file`, or what it includes, say it? One that cannot be read may: `ssh` says what is wrong with it.
fn says(file: &Path, follow: bool) -> bool {
    let text = match std::fs::read(file) {
        Ok(text) => String::from_utf8_lossy(&text).to_lowercase(),
        Err(error) => return error.kind() != std::io::ErrorKind::NotFound,
    };
    text.lines().map(str::trim_start).any(|line| match line.strip_prefix("include") {
        Some(what) if follow && what.trim() == format!("{MORE}/*.conf") => match std::fs::read_dir(MORE) {
            Ok(mut more) => more.any(|entry| entry.map_or(true, |entry| says(&entry.path(), false))),
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        },
        Some(_) => true,
        None => line.starts_with("connecttimeout"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_what_ssh_makes_of_the_configuration() {
        let folder = tempfile::TempDir::new().unwrap();
        let config = folder.path().join("config");
        let included = folder.path().join("included");
        std::fs::write(&included, "Host far\n  ConnectTimeout 40\n").unwrap();
        for (text, near, far) in [
            ("# ConnectTimeout 3\nHost *\n  User x\n".to_owned(), None, None),
            ("Host far\n  connecttimeout=4\n".to_owned(), None, Some(4)),
            (format!("Include {}\n", included.display()), None, Some(40)),
            ("ConnectTimeout 7\n".to_owned(), Some(7), Some(7)),
        ] {
            std::fs::write(&config, &text).unwrap();
            for (address, wanted) in [("near", near), ("far", far)] {
                let to =
                    Destination { address: address.to_owned(), port: None, user: None, config: Some(config.clone()) };
                assert_eq!(connect_timeout(&to).await.unwrap(), wanted, "{address}: {text}");
            }
        }
    }
}
