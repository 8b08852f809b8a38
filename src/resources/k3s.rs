//! `k3s`: a release of k3s as a service of the host, a server or an agent: its program, settings, images and unit, and whether
//! its node is ready; or that it is gone.

mod drop_ins;
mod flags;
mod health;
mod leaving;
mod parts;
mod standing;
mod sums;
mod text;
mod version;

use std::net::IpAddr;
use std::time::Instant;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use self::health::{Health, Subject};
use self::leaving::Leaving;
use self::parts::Seen;
use self::version::Version;
use super::download::Sum;
use crate::model::decode::{Data, Misfit};
use crate::model::{Arg, Doc, Fault, FaultKind, Halt, Patience, Resource, Thing, Value, Verdict};
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Host, Step};

/// A release of k3s as a service of the host. Its files are downloaded and checked before anything is touched; the task is done
/// when its node is ready. A change restarts it, and containers go on meanwhile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct K3s {
    /// Which release: `v1.36.3+k3s1`.
    version: Version,
    /// `server`: an API server, its controllers and a node. `agent`: a node of a server.
    #[serde(default)]
    role: Role,
    /// `absent`: what it runs is ended, and its unit, program, scripts and links are taken away.
    #[serde(default)]
    state: State,
    /// For `absent`. `keep`: data and settings stay, and a later `present` goes on with them. `destroy`: they go as well, with the datastore and
    /// all volumes on local paths. `/etc/rancher/node/password` stays either way: with it a node may come back under its name.
    #[serde(default, rename = "data")]
    fate: Fate,
    /// The SHA-256 of the release's program; or those of several architectures by name: `amd64`, `arm64`, `arm`. Without any, a plan
    /// that brings the program takes the one that the release publishes then, shows it, and holds `apply` to it; and a program that
    /// says of itself that it is this release is believed. `lions k3s lock` keeps those of a release.
    sha256: Option<Sums>,
    /// Where releases are: the program is at `MIRROR/VERSION/k3s`.
    #[serde(default = "public")]
    mirror: String,
    /// Settings, as `config.yaml` of k3s has them. A setting that this release does not know is refused.
    config: Option<Data>,
    /// More files of settings, by name: `50-net` is `config.yaml.d/50-net.yaml`. Later ones win. Where any are named here, even none
    /// (`{}`), others there are taken away; without it that folder is left alone.
    config_d: Option<IndexMap<String, Data>>,
    /// Registries, as `registries.yaml` of k3s has them. Without it that file is left alone.
    registries: Option<Data>,
    /// What those who join must know. The first server makes one when it is given none, or an empty one.
    token: Option<Arg<String>>,
    /// The server to join: `https://10.0.0.1:6443`. An agent needs one, or `servers`; a server without either begins a cluster.
    server: Option<String>,
    /// The hosts that are the servers of the cluster, by name. All of them are looked at, and what this one is follows: with data it
    /// stays what it is; without, it joins one that has the cluster, whose token it reads there; where none has, the first one begins.
    servers: Option<Vec<String>>,
    /// Where the others reach a server, by its name: without, at the address of its default route.
    #[serde(default)]
    addresses: IndexMap<String, String>,
    /// Bundles of images that the node takes in when it starts, so that it need not fetch them.
    #[serde(default)]
    images: Vec<Image>,
    /// The memory that the host must have at least, in MiB. Without it, 1700 for a server and 450 for an agent.
    memory_mb: Option<u64>,
}

/// What the host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Role {
    #[default]
    Server,
    Agent,
}

/// Is it to be there?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum State {
    #[default]
    Present,
    Absent,
}

/// What becomes of the data of one that goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Fate {
    #[default]
    Keep,
    Destroy,
}

/// What a look found.
#[derive(Debug)]
pub(super) enum Found {
    Staying(Box<Seen>),
    Leaving(Box<Leaving>),
}

/// One digest, or one for each architecture.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum Sums {
    One(Sum),
    Of(IndexMap<String, Sum>),
}

/// A bundle of images.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct Image {
    /// The name of its file: `k3s-airgap-images-amd64.tar.gz`.
    name: String,
    /// Its SHA-256.
    sha256: Sum,
    /// Where it comes from. Without it, from the release.
    url: Option<String>,
}

pub use self::sums::{PROGRAMS, digest};

/// Is `text` a release, like `v1.36.3+k3s1`?
///
/// # Errors
/// Why it is none.
pub fn release(text: &str) -> Result<(), String> {
    text.parse::<Version>().map(drop)
}

fn public() -> String {
    "https://github.com/k3s-io/k3s/releases/download".to_owned()
}

impl K3s {
    fn is_server(&self) -> bool {
        self.role == Role::Server
    }

    fn unit(&self) -> &'static str {
        if self.is_server() { "k3s" } else { "k3s-agent" }
    }

    /// A setting that is plain text.
    fn setting(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.0.get(name)?.as_text()
    }

    fn data(&self) -> &str {
        self.setting("data-dir").unwrap_or("/var/lib/rancher/k3s")
    }

    fn kubeconfig(&self) -> &str {
        self.setting("write-kubeconfig").unwrap_or("/etc/rancher/k3s/k3s.yaml")
    }

    /// Is this host a node that runs pods?
    fn is_node(&self) -> bool {
        let off = self.config.as_ref().and_then(|config| config.0.get("disable-agent"));
        !matches!(off, Some(Value::Bool(true)))
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            unit: self.unit(),
            data: self.data(),
            node: self.setting("node-name").unwrap_or_default(),
            kubeconfig: self.kubeconfig(),
            role: if self.is_server() { "server" } else { "agent" },
        }
    }

    async fn health(&self, probe: &HostProbe) -> Result<Health, Halt> {
        Ok(Health::of(&probe.glance(self.subject().look()).await?)?)
    }

    fn missing(&self, health: &Health) -> Result<Option<String>, Fault> {
        health.missing(self.unit(), &self.version.to_string(), self.is_server(), self.is_node())
    }

    fn check_settings(&self, misfits: &mut Vec<Misfit>) {
        for (parameter, data) in [("config", &self.config), ("registries", &self.registries)] {
            if data.as_ref().is_some_and(|data| !matches!(data.0, Value::Map(_) | Value::Unknown(_))) {
                misfits.push(Misfit::new(parameter, "a mapping is expected"));
            }
        }
        let keys = ["mirrors", "configs"];
        if let Some(Data(Value::Map(registries))) = &self.registries {
            for key in registries.keys().filter(|key| !keys.contains(&key.as_str())) {
                let why = format!("`{key}` is none of `mirrors` and `configs`");
                misfits.push(Misfit { path: vec!["registries".into(), key.clone()], why, unknown: None });
            }
        }
        self.check_keys(&["config"], self.config.as_ref(), misfits);
        for (name, settings) in self.config_d.iter().flatten() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.starts_with('.') || name.is_empty() || !name.bytes().all(plain) || name.ends_with(".yaml") {
                let why = format!("`{}` is not the name of a file without its ending", name.escape_debug());
                misfits.push(Misfit::new("config_d", why));
            }
            if !matches!(settings.0, Value::Map(_) | Value::Unknown(_)) {
                misfits.push(Misfit::new("config_d", format!("`{name}`: a mapping is expected")));
            }
            self.check_keys(&["config_d", name], Some(settings), misfits);
        }
    }

    fn check_keys(&self, at: &[&str], settings: Option<&Data>, misfits: &mut Vec<Misfit>) {
        let Some(Data(Value::Map(settings))) = settings else { return };
        let below = |key: &str, why: String| {
            let path = at.iter().copied().chain([key]).map(Into::into).collect();
            Misfit { path, why, unknown: None }
        };
        for (key, value) in settings {
            // Where other parts of the task look for them.
            if at.len() > 1 && matches!(key.as_str(), "data-dir" | "write-kubeconfig" | "node-name" | "disable-agent") {
                misfits.push(below(key, format!("`{key}` belongs to `config`")));
            }
            if let Some(why) = flags::refuse(key, self.is_server(), &self.version) {
                misfits.push(below(key, why));
            }
            let absolute = |value: &Value| value.as_text().is_some_and(|path| path.starts_with('/') && path.len() > 1);
            if matches!(key.as_str(), "data-dir" | "write-kubeconfig") && !absolute(value) {
                misfits.push(below(key, "an absolute path is expected".to_owned()));
            }
        }
    }

    fn check_address(parameter: &str, address: &str, schemes: &[&str], misfits: &mut Vec<Misfit>) {
        let plain = address.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        if !plain || !schemes.iter().any(|scheme| address.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
            let why = format!("`{}` is not an address that begins with `{}`", address.escape_debug(), schemes[0]);
            misfits.push(Misfit::new(parameter, why));
        }
    }
}

impl Resource for K3s {
    const NAME: &'static str = "k3s";
    const DOC: Doc = Doc {
        summary: "a release of k3s as a service of the host, a server or an agent",
        example: "\
- name: k3s
  k3s:
    version: v1.36.3+k3s1
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    config:
      write-kubeconfig-mode: \"0600\"
      tls-san: [k3s.lions.dev]
      disable: [traefik, servicelb]
      kubelet-arg: [eviction-hard=memory.available<5%]
",
    };
    type Target = Host;
    type State = Found;

    fn check(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        if self.state == State::Present && self.fate == Fate::Destroy {
            misfits.push(Misfit::new("data", "it is destroyed with `state: absent` only"));
        }
        self.check_settings(&mut misfits);
        Self::check_address("mirror", &self.mirror, &["https://", "http://"], &mut misfits);
        match (&self.server, &self.servers, self.role) {
            (Some(_), Some(_), _) => misfits.push(Misfit::new("server", "it follows from `servers`: leave it out")),
            (Some(server), ..) => Self::check_address("server", server, &["https://"], &mut misfits),
            (None, None, Role::Agent) => misfits.push(Misfit::new("", "an agent joins a `server`: say which")),
            (None, Some(servers), _) if servers.is_empty() => misfits.push(Misfit::new("servers", "it names no host")),
            (None, ..) => {}
        }
        for (name, address) in &self.addresses {
            let name_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
            if address.is_empty() || address.parse::<IpAddr>().is_err() && !address.bytes().all(name_of_host) {
                misfits
                    .push(Misfit::new("addresses", format!("`{}` of `{name}` is no address", address.escape_debug())));
            }
        }
        if self.server.is_some() && self.token.is_none() {
            misfits.push(Misfit::new("", "who joins a server needs its `token`"));
        }
        if let Some(Ok(token)) = self.token.as_ref().map(Arg::value)
            && (token.is_empty() && self.servers.is_none() || token.chars().any(|one| one.is_control() || one == ' '))
        {
            misfits.push(Misfit::new("token", "it is one word"));
        }
        let bundles = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.lz4"];
        for Image { name, url, .. } in &self.images {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if !name.bytes().all(plain)
                || name.starts_with(['.', '-'])
                || !bundles.iter().any(|end| name.ends_with(end))
            {
                let why = format!("`{}` is not the name of a bundle, like `app.tar.gz`", name.escape_debug());
                misfits.push(Misfit::new("images", why));
            }
            if let Some(url) = url {
                Self::check_address("images", url, &["https://", "http://"], &mut misfits);
            }
        }
        if let Some(Sums::Of(sums)) = &self.sha256 {
            for name in sums.keys().filter(|name| !matches!(name.as_str(), "amd64" | "arm64" | "arm")) {
                misfits.push(Misfit::new("sha256", format!("`{name}` is none of `amd64`, `arm64` and `arm`")));
            }
        }
        misfits
    }

    fn things(&self) -> Vec<Thing> {
        let paths = self.paths().into_iter().chain(self.condemned()).map(Thing::path);
        paths.chain([Thing::new("unit", format!("{}.service", self.unit()))]).collect()
    }

    async fn read(&self, probe: &HostProbe) -> Result<Found, Halt> {
        Ok(match self.state {
            State::Present => Found::Staying(Box::new(parts::see(self, probe).await?)),
            State::Absent => Found::Leaving(Box::new(leaving::see(self, probe).await?)),
        })
    }

    fn plan(&self, found: &Found) -> Result<Verdict<Step>, Halt> {
        match found {
            Found::Staying(seen) => self.judge(seen),
            Found::Leaving(leaving) => self.leave(leaving),
        }
    }

    async fn unready(&self, probe: &HostProbe) -> Result<Option<String>, Halt> {
        if self.state == State::Absent {
            return Ok(None);
        }
        Ok(match self.missing(&self.health(probe).await?) {
            Ok(missing) => missing,
            // That it will never be is said by who waits for it.
            Err(fault) => Some(fault.what),
        })
    }

    async fn settle(&self, probe: &HostProbe, patience: &Patience<'_>) -> Result<(), Fault> {
        if self.state == State::Absent {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            let now = probe.anew();
            let health = match now.look(self.health(&now)).await {
                Ok(health) => health,
                Err(Halt::Fault(fault)) => return Err(fault),
                Err(Halt::Later(after)) => return Err(Fault::failed(format!("it is not known {after}"))),
            };
            let Some(missing) = self.missing(&health)? else { return Ok(()) };
            (patience.tell)(&missing);
            let pause = std::time::Duration::from_secs(1);
            if begun.elapsed() + pause > patience.limit {
                let what = format!("{missing} after {} s", patience.limit.as_secs());
                let help = format!("see `journalctl -u {}` there, or raise `timeout`", self.unit());
                return Err(health.blame(Fault::new(FaultKind::TimedOut, what)).help(help));
            }
            tokio::time::sleep(pause).await;
        }
    }
}
