//! `lions k3s lock`: which release of k3s an environment has, and the digests of its programs, as values of its roles. Nothing else
//! asks a channel what it is today, so that a run does what the project says; and nothing else keeps a digest for the next plan.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::client::Body;

use super::exit::Exit;
use super::{Ended, project, proxy, run};
use crate::model::{Fault, FaultKind};
use crate::render::Show;
use crate::resources::{K3S_PROGRAMS, k3s_digest, k3s_release};

const EXAMPLES: &str = "\
Examples:
  lions k3s lock                             the channel of the last time, or `stable`
  lions k3s lock v1.36 --env staging         the newest release of a minor one
  lions k3s lock v1.36.3+k3s1                this one
  lions k3s lock --mirror https://mirror.example.org/k3s/releases/download
Proxies: https_proxy, http_proxy, all_proxy and no_proxy, as curl reads them.";

/// Lock the release of k3s that an environment has
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Lock(Lock),
}

/// Ask a channel for its release, and keep that with its digests in `values/` of the environment
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Lock {
    /// A channel (`stable`, `latest`, `v1.36`) or a release (`v1.36.3+k3s1`) [default: the channel of the last time, or `stable`]
    wanted: Option<String>,
    /// The environment, a folder of `inventories/`; may be left out when there is only one
    #[arg(short, long, value_name = "NAME")]
    env: Option<String>,
    /// Where releases are [default: that of the last time, or the public ones]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Where channels are
    #[arg(long, value_name = "URL", default_value = "https://update.k3s.io/v1-release/channels")]
    channels: String,
}

/// Where releases are public.
const PUBLIC: &str = "https://github.com/k3s-io/k3s/releases/download";
/// How a file that this command wrote begins; then comes the channel.
const HEADER: &str = "# Written by `lions k3s lock`, which moves it on: ";
/// The roles whose values are locked.
const ROLES: [&str; 2] = ["k3s_server", "k3s_agent"];
/// Addresses that one may lead to, one after the other.
const TURNS: usize = 5;

/// What is locked.
#[derive(Debug, Default, PartialEq)]
struct Locked {
    channel: String,
    version: String,
    mirror: Option<String>,
    /// By architecture.
    sums: Vec<(String, String)>,
}

pub(super) fn run(args: &Args, show: &Show) -> Ended {
    let Action::Lock(args) = &args.action;
    let root = project::find()?;
    let values = environment(&root, args.env.as_deref())?.join("values");
    let files: Vec<PathBuf> = ROLES
        .iter()
        .filter(|role| root.join("roles").join(role).is_dir())
        .map(|role| values.join(format!("{role}.yml")))
        .collect();
    if files.is_empty() {
        return Err(Fault::failed("this project has neither a role `k3s_server` nor `k3s_agent`")
            .help("the release is locked as a value of these roles"));
    }
    let mut before = Locked::default();
    for file in &files {
        before = read(file)?.unwrap_or(before);
    }
    let locked = run::block_on(resolve(args, &before))?;
    if before.version == locked.version
        && let Some((kind, _)) =
            before.sums.iter().find(|sum| locked.sums.iter().any(|new| new.0 == sum.0 && new.1 != sum.1))
    {
        let what = format!("the program of {} for `{kind}` is another one than when it was locked", locked.version);
        return Err(Fault::new(FaultKind::Refused, what).cause("a release never changes").help(
            "find out which of the two is the true one; to take the new one, take the lock away first: the files of `values/`",
        ));
    }
    std::fs::create_dir_all(&values).map_err(|error| cannot("make", &values, &error))?;
    for file in &files {
        std::fs::write(file, text(&locked)).map_err(|error| cannot("write", file, &error))?;
    }
    let from = if before.version.is_empty() { "nothing" } else { &before.version };
    let word = if before.version == locked.version { "still".to_owned() } else { format!("{from} ->") };
    show.text(&format!("k3s {}: {word} {}\n", locked.channel, locked.version))?;
    Ok(Exit::Done)
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::failed(format!("cannot {what} `{}`", path.display())).cause(error)
}

/// The folder of the environment that is meant.
fn environment(root: &Path, named: Option<&str>) -> Result<PathBuf, Fault> {
    let folder = root.join("inventories");
    let entries = std::fs::read_dir(&folder).map_err(|error| cannot("read", &folder, &error))?;
    let mut all: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    all.sort_unstable();
    match (named, &all[..]) {
        (Some(name), all) if all.iter().any(|one| one == name) => Ok(folder.join(name)),
        (None, [only]) => Ok(folder.join(only)),
        (named, all) => {
            let what = named.map_or("several environments".to_owned(), |name| format!("no environment `{name}`"));
            Err(Fault::failed(what).help(format!("say with `--env` which one: {}", all.join(", "))))
        }
    }
}

/// What an earlier run locked.
fn read(path: &Path) -> Result<Option<Locked>, Fault> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    let mut lines = text.lines();
    let Some(channel) = lines.next().and_then(|line| line.strip_prefix(HEADER)) else {
        return Err(Fault::new(FaultKind::Refused, format!("`{}` has values of your own", path.display())).help(
            "move them below the name of the role in `vars` of the environment, or to a file of another name there",
        ));
    };
    let mut locked = Locked { channel: channel.to_owned(), ..Locked::default() };
    for (key, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim().trim_matches('"').to_owned();
        match key {
            "version" => locked.version = value,
            "mirror" => locked.mirror = Some(value),
            "sha256" => {}
            kind => locked.sums.push((kind.trim().to_owned(), value)),
        }
    }
    Ok(Some(locked))
}

fn text(locked: &Locked) -> String {
    let mut text = format!("{HEADER}{}\nversion: {}\n", locked.channel, locked.version);
    if let Some(mirror) = &locked.mirror {
        let _ = writeln!(text, "mirror: \"{mirror}\"");
    }
    text.push_str("sha256:\n");
    for (kind, sum) in &locked.sums {
        let _ = writeln!(text, "  {kind}: \"{sum}\"");
    }
    text
}

async fn resolve(args: &Lock, before: &Locked) -> Result<Locked, Fault> {
    let last = if before.channel.is_empty() { "stable" } else { &before.channel };
    let channel = args.wanted.as_deref().unwrap_or(last).to_owned();
    let mirror = args.mirror.clone().or_else(|| before.mirror.clone());
    let plain = |text: &str| text.bytes().all(|byte| byte > b' ' && byte != 0x7f && !b"\"\\".contains(&byte));
    if !plain(&channel) || !mirror.as_deref().is_none_or(plain) {
        return Err(Fault::failed(format!("`{}` is neither a channel nor a release", channel.escape_debug())));
    }
    let version = if channel.contains('+') { channel.clone() } else { of_channel(&args.channels, &channel).await? };
    k3s_release(&version).map_err(Fault::failed)?;
    let from = mirror.as_deref().unwrap_or(PUBLIC).trim_end_matches('/');
    let mut sums = Vec::new();
    for (kind, program) in K3S_PROGRAMS {
        let url = format!("{from}/{}/sha256sum-{kind}.txt", version.replace('+', "%2B"));
        let Some(text) = file(&url).await? else { continue };
        let digest =
            k3s_digest(&text, program).ok_or_else(|| Fault::failed(format!("`{url}` has no digest of `{program}`")))?;
        sums.push((kind.to_owned(), digest.to_string()));
    }
    if sums.is_empty() {
        return Err(Fault::failed(format!("there is no release {version} at `{from}`"))
            .help("look at its name, or say with `--mirror` where it is"));
    }
    Ok(Locked { channel, version, mirror, sums })
}

/// What a channel says today: it leads to its release.
async fn of_channel(channels: &str, channel: &str) -> Result<String, Fault> {
    let url = format!("{}/{channel}", channels.trim_end_matches('/'));
    let (status, to, _) = ask(&url).await?;
    let version = to.as_deref().and_then(|to| to.trim_end_matches('/').rsplit('/').next());
    match version {
        Some(version) if (300..400).contains(&status) => Ok(version.replace("%2B", "+").replace("%2b", "+")),
        _ => Err(Fault::failed(format!("there is no channel `{channel}`"))
            .cause(format!("`{url}` says {status}"))
            .help("`stable`, `latest`, or a minor release such as `v1.36`")),
    }
}

/// The text at `url`, wherever that leads; nothing where there is none.
async fn file(url: &str) -> Result<Option<String>, Fault> {
    let mut at = url.to_owned();
    for _ in 0..TURNS {
        match ask(&at).await? {
            (200, _, text) => return Ok(Some(text)),
            (404, ..) => return Ok(None),
            (300..400, Some(to), _) if to.starts_with("https://") || !at.starts_with("https://") => at = to,
            (status, ..) => return Err(Fault::failed(format!("`{at}` says {status}"))),
        }
    }
    Err(Fault::failed(format!("`{url}` leads on and on")))
}

/// Status, where it leads, and text.
async fn ask(url: &str) -> Result<(u16, Option<String>, String), Fault> {
    let cannot = |error: &dyn std::fmt::Display| Fault::failed(format!("cannot fetch `{url}`")).cause(error);
    let uri: http::Uri = url.parse().map_err(|error| cannot(&error))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(cannot(&"an address that begins with `https://` or `http://` is expected"));
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let base = format!("{scheme}://{authority}").parse().map_err(|error| cannot(&error))?;
    // An HTTP client with the trust of this machine; nothing in it is about Kubernetes but its name.
    let mut config = kube::Config::new(base);
    config.proxy_url = proxy::to(&uri);
    config.default_retry = false;
    config.read_timeout = Some(Duration::from_secs(30));
    let client = kube::Client::try_from(config).map_err(|error| cannot(&error))?;
    let request = http::Request::get(path).body(Body::empty()).map_err(|error| cannot(&error))?;
    let answer = client.send(request).await.map_err(|error| cannot(&error))?;
    let to = answer.headers().get(http::header::LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await.map_err(|error| cannot(&error))?;
    Ok((status, to, String::from_utf8_lossy(&bytes).into_owned()))
}
