//! What a node is among the servers of its cluster: it keeps what it is, begins the cluster, or joins a server that has it. That
//! follows from a look at all of them; their order counts only where none of them has anything yet. It looks, and writes nothing.

use std::net::IpAddr;

use futures::future::join_all;

use super::K3s;
use super::health::{Health, Subject};
use super::parts::FOLDER;
use super::version::Version;
use crate::model::{After, Arg, Content, Digest, Fault, FaultKind, Halt, Map, Sealed, Secret};
use crate::resources::path::or_coming;
use crate::targets::host::probe::HostProbe;
use crate::targets::host::{Command, FileKind, Question, Stat};

/// What it is to be.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// The server that it joins, or joined.
    pub(super) server: Option<String>,
    /// Does it begin a cluster that others can join?
    pub(super) init: bool,
    pub(super) token: Token,
}

/// Its token.
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// It has none in a file.
    None,
    /// The one in its file.
    Kept,
    /// This one, in its file.
    Written(Result<Content, After>),
}

/// What a server is.
#[derive(Clone, Debug)]
pub(super) struct Server {
    name: String,
    /// What those who join it must know. Without one it has no cluster.
    token: Option<Content>,
    authority: Option<Digest>,
    etcd: bool,
    /// Its address for those who join.
    address: Option<String>,
    /// Not known where commands or packages are planned above.
    health: Option<Health>,
    /// Is one who wants to join a member already?
    member: Option<String>,
    /// Is something planned there?
    changes: bool,
}

impl Server {
    /// Does it know the one who asked as a member of its etcd?
    pub(super) fn has_member(&self) -> bool {
        self.member.is_some()
    }
}

/// One server of the list, as far as it answers.
pub(super) type Answer = (String, Result<Server, Fault>);

/// What follows from the looks.
#[derive(Debug)]
enum Part<'a> {
    Begins,
    Joins(&'a Server),
}

/// What is at `path`, or that a package planned above might bring something, which it does not.
pub(super) async fn stat(probe: &HostProbe, path: &str) -> Result<Option<Stat>, Halt> {
    Ok(or_coming(probe, path, probe.stat(path).await).await?.0)
}

async fn text(probe: &HostProbe, path: &str) -> Result<Option<Content>, Halt> {
    Ok(or_coming(probe, path, probe.content(path).await).await?.0)
}

/// A plain setting of a file that `lions` or somebody wrote: one a line, as both do.
fn setting(file: &Content, name: &str) -> Option<String> {
    let text = std::str::from_utf8(file.bytes()).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// What a token says but for the hash of an authority and the name of who knows it.
fn password(token: &str) -> &str {
    let token = token.trim();
    match token.split_once("::") {
        Some((pin, rest)) if pin.starts_with("K10") => rest.split_once(':').map_or(rest, |(_, password)| password),
        _ => token,
    }
}

fn of(content: &Content) -> String {
    String::from_utf8_lossy(content.bytes()).trim().to_owned()
}

fn sealed(token: &str) -> Content {
    Content::sealed(format!("{token}\n").into_bytes(), format!("{}\n", Secret::MASK))
}

fn refused(what: String) -> Fault {
    Fault::new(FaultKind::Refused, what)
}

/// What the node `me` is among those servers.
fn part<'a>(me: Option<&str>, order: &[String], servers: &'a [Answer]) -> Result<Part<'a>, Fault> {
    let there = || servers.iter().filter_map(|(_, found)| found.as_ref().ok());
    let mut with: Vec<&Server> = there().filter(|server| server.token.is_some()).collect();
    if let [first, rest @ ..] = &with[..]
        && let Some(other) = rest.iter().find(|other| other.authority != first.authority)
    {
        let what = format!("`{}` and `{}` are servers of two clusters", first.name, other.name);
        return Err(
            refused(what).help("uninstall k3s on those that are not to stay, or name the servers of one cluster")
        );
    }
    // One that runs, where one does.
    with.sort_by_key(|server| !server.health.as_ref().is_some_and(Health::runs));
    if let Some(server) = with.first() {
        return Ok(Part::Joins(server));
    }
    if let Some((name, Err(fault))) = servers.iter().find(|(_, found)| found.is_err()) {
        let what = format!("it is not known whether there is a cluster already: `{name}` does not say");
        return Err(refused(what).cause(fault).help("nobody begins one before all `servers` have been looked at"));
    }
    match order.first() {
        Some(first) if me != Some(first) => {
            there().find(|server| server.name == *first).map(Part::Joins).ok_or_else(|| {
                refused(format!("`{first}` was not looked at")).help("this is a defect of lions: report it")
            })
        }
        _ => Ok(Part::Begins),
    }
}

impl K3s {
    /// As the parameters say it, where they name no `servers`.
    pub(super) fn told(&self) -> Standing {
        let token = self.token().map_or(Token::None, |token| Token::Written(written(token)));
        Standing { server: self.server.clone(), init: false, token }
    }

    /// All that there may be.
    pub(super) fn widest(&self) -> Standing {
        match self.servers {
            Some(_) => Standing { token: Token::Written(Ok(Content::open([]))), ..self.told() },
            None => self.told(),
        }
    }

    /// Does it keep its data elsewhere?
    fn external(&self) -> bool {
        let mut all = self.config.iter().chain(self.config_d.iter().flatten().map(|(_, settings)| settings));
        all.any(|settings| settings.0.get("datastore-endpoint").is_some())
    }

    /// The one that is given. A role without one passes an empty text.
    fn token(&self) -> Option<&Arg<String>> {
        self.token
            .as_ref()
            .filter(|token| self.servers.is_none() || !matches!(token.value(), Ok(text) if text.is_empty()))
    }

    fn given(&self) -> Result<Option<&str>, After> {
        self.token().map(|token| token.value().map(String::as_str)).transpose()
    }

    /// What this node is to be.
    pub(super) async fn standing(&self, probe: &HostProbe) -> Result<Standing, Halt> {
        let Some(servers) = &self.servers else { return Ok(self.told()) };
        let config = format!("{FOLDER}/config.yaml");
        // Asked for at once: a node that is right costs one round trip.
        probe.soon([Question::Content(config.clone())]);
        let (config, token, proof) = own(self, probe, &config).await?;
        let kept = token.is_some() || proof;
        let health = known(self.health(probe)).await?;
        let renewed = health.as_ref().is_some_and(|health| health.version != self.version.to_string());
        if kept && (self.is_server() || !renewed) {
            return Ok(self.kept(config.as_ref(), token.as_ref())?);
        }
        let me = probe.name().to_string();
        if self.is_server() && !servers.contains(&me) {
            return Err(refused(format!("`{me}` is none of the `servers`"))
                .help("name it there, or let it be an agent")
                .into());
        }
        let others = servers.iter().filter(|name| **name != me || !self.is_server());
        let node = health.as_ref().map(|health| health.node.as_str());
        let looks = join_all(others.map(|name| self.look_at(probe, name, node))).await;
        let looks: Vec<Answer> = looks.into_iter().collect::<Result<_, _>>()?;
        if !self.is_server() {
            self.not_newer(&looks)?;
        }
        if kept {
            return Ok(self.kept(config.as_ref(), token.as_ref())?);
        }
        match part(self.is_server().then_some(me.as_str()), servers, &looks)? {
            Part::Begins => Ok(self.begins(servers.len() > 1)),
            Part::Joins(server) => Ok(self.joins(server, probe.foresees())?),
        }
    }

    /// No node may be newer than a server.
    fn not_newer(&self, servers: &[Answer]) -> Result<(), Fault> {
        for server in servers.iter().filter_map(|(_, found)| found.as_ref().ok()).filter(|server| !server.changes) {
            let version = server.health.as_ref().and_then(|health| health.version.parse::<Version>().ok());
            if let Some(version) =
                version.filter(|version| server.token.is_some() && version.minor() < self.version.minor())
            {
                let what = format!("this agent would be newer than the server `{}`, which has {version}", server.name);
                return Err(refused(what).help("servers go first: write their play above that of the agents"));
            }
        }
        Ok(())
    }

    /// The token of a server that has one, where there is one to compare it with.
    async fn own_token(&self, probe: &HostProbe) -> Result<Option<Content>, Halt> {
        if !self.is_server() {
            return Ok(None);
        }
        let path = format!("{}/server/token", self.data());
        match self.token() {
            Some(_) => text(probe, &path).await,
            None => Ok(stat(probe, &path).await?.map(|_| Content::open([]))),
        }
    }

    /// It keeps what it is: what is said of joining counts only before there are data.
    fn kept(&self, config: Option<&Content>, token: Option<&Content>) -> Result<Standing, Fault> {
        if let (Ok(Some(given)), Some(token)) = (self.given(), token)
            && !token.bytes().is_empty()
            && password(given) != password(&of(token))
        {
            return Err(refused("`token` is not the one that this cluster was made with".to_owned()).help(
                "a cluster gets another one by `k3s token rotate` only; its own is in `server/token` of its data",
            ));
        }
        let said = |name: &str| config.and_then(|config| setting(config, name));
        Ok(Standing {
            server: said("server"),
            init: said("cluster-init").as_deref() == Some("true"),
            token: if said("token-file").is_some() { Token::Kept } else { Token::None },
        })
    }

    fn begins(&self, several: bool) -> Standing {
        let token = self.token().map_or(Token::None, |token| {
            // The hash of an authority that is still to come cannot be right.
            Token::Written(token.value().map(|token| sealed(password(token))))
        });
        Standing { server: None, init: several && !self.external(), token }
    }

    fn joins(&self, server: &Server, foreseen: bool) -> Result<Standing, Fault> {
        let name = &server.name;
        let Some(address) = &server.address else {
            return Err(refused(format!("`{name}` has no address for those who join it"))
                .cause("it has no default route")
                .help("say its address with `addresses`"));
        };
        let port = self.setting("https-listen-port").unwrap_or("6443");
        let address = if address.contains(':') { &format!("[{address}]") } else { address };
        let url = format!("https://{address}:{port}");
        let external = self.is_server() && self.external();
        let join = |token| Standing { server: (!external).then_some(url), init: false, token: Token::Written(token) };
        let Some(token) = &server.token else {
            if foreseen {
                return Ok(join(Err(After::new(format!("k3s on {name}")))));
            }
            return Err(refused(format!("`{name}` has no cluster yet that could be joined")).help(
                "servers come up one by one: write `rollout: { batch: 1 }` into their play, and let it run before that of the agents",
            ));
        };
        if self.is_server() && !server.etcd && !external {
            return Err(refused(format!("`{name}` keeps its data in SQLite, and no other server can join it"))
                .help("set `cluster-init: true` in its `settings` and apply that first: k3s moves the data to etcd, once and for all"));
        }
        if let Some(node) = &server.member {
            return Err(refused(format!("the node `{node}` of before still is a member of the cluster"))
                .cause(format!("`{name}` says so"))
                .help(format!("what it had is gone: take it out with `kubectl delete node {node}`, which takes it out of etcd, too")));
        }
        let missing = server.health.as_ref().and_then(|health| health.refuses(self.is_server()));
        // With the data elsewhere nothing but its token is needed of it.
        if let Some(missing) = missing.filter(|_| !foreseen && !external) {
            return Err(
                refused(format!("`{name}` cannot be joined now: {missing}")).help("see `journalctl -u k3s` there")
            );
        }
        let token = of(token);
        let same = |given: &str| password(given) == password(&token);
        Ok(join(match self.given() {
            Ok(Some(given)) if !same(given) && self.is_server() => {
                return Err(refused(format!("`token` is not the one of the cluster that `{name}` has"))
                    .help("give that one, or none at all: then it is read there"));
            }
            // Agents may have one of their own.
            Ok(Some(given)) if !same(given) => Ok(sealed(given)),
            Ok(_) if external => Ok(sealed(password(&token))),
            Ok(_) => Ok(sealed(&token)),
            Err(after) => Err(after),
        }))
    }

    /// A look at a server. That it does not answer is an answer, too.
    pub(super) async fn look_at(&self, probe: &HostProbe, name: &str, node: Option<&str>) -> Result<Answer, Halt> {
        let data = self.data().to_owned();
        let subject = Subject { unit: "k3s", node: "", role: "server", ..self.subject() };
        let kubeconfig = subject.kubeconfig.to_owned();
        let ask = node.filter(|_| self.is_server()).map(|node| {
            let words = [kubeconfig.as_str(), node];
            (node.to_owned(), Command::script("k3s-member", include_str!("member.sh"), &words))
        });
        let token = if self.is_server() { "token" } else { "agent-token" };
        let (whole, health) = (name.to_owned(), subject.look());
        let address = self.addresses.get(name).cloned();
        let found = probe.beside(name, move |probe| look(probe, whole, data, token, address, health, ask)).await;
        match found {
            Ok(server) => Ok((name.to_owned(), Ok(server))),
            Err(Halt::Fault(fault)) => Ok((name.to_owned(), Err(fault))),
            Err(later) => Err(later),
        }
    }
}

/// Its settings, its token, and whether it has the data of a node.
async fn own(k3s: &K3s, probe: &HostProbe, config: &str) -> Result<(Option<Content>, Option<Content>, bool), Halt> {
    let proof = format!("{}/{}", k3s.data(), if k3s.is_server() { "server/db" } else { "agent/kubelet.kubeconfig" });
    let (config, token, proof) = futures::join!(text(probe, config), k3s.own_token(probe), stat(probe, &proof));
    Ok((config?, token?, proof?.is_some()))
}

async fn look(
    probe: HostProbe,
    name: String,
    data: String,
    token: &'static str,
    address: Option<String>,
    health: Command,
    ask: Option<(String, Command)>,
) -> Result<Server, Halt> {
    let config = format!("{FOLDER}/config.yaml");
    let paths = [
        format!("{data}/server/{token}"),
        format!("{data}/server/tls/server-ca.crt"),
        format!("{data}/server/db/etcd"),
    ];
    let (config, token, authority, etcd, facts, health) = futures::join!(
        text(&probe, &config),
        text(&probe, &paths[0]),
        stat(&probe, &paths[1]),
        stat(&probe, &paths[2]),
        probe.facts(),
        known(probe.glance(health)),
    );
    let (health, facts) = (health?.map(|said| Health::of(&said)).transpose()?, facts?);
    let runs = health.as_ref().is_some_and(Health::runs);
    let member = match ask {
        Some((node, ask)) if runs => match known(probe.glance(ask)).await? {
            Some(said) if said.status == 0 => Some(node),
            Some(said) if said.status != 1 => {
                let cause = String::from_utf8_lossy(&said.stderr).trim().to_owned();
                return Err(Fault::failed(format!("`{name}` does not say whether `{node}` is a member"))
                    .cause(cause)
                    .into());
            }
            _ => None,
        },
        _ => None,
    };
    let config = match config {
        Ok(config) => config,
        // With an address that is not known yet it would not be told here either.
        Err(Halt::Later(_)) => None,
        Err(fault) => return Err(fault),
    };
    let said = config.and_then(|config| setting(&config, "node-ip").filter(|ip| !ip.contains(',')));
    let said = said.or_else(|| default_address(&facts)).filter(|address| address.parse::<IpAddr>().is_ok());
    let token = token?;
    // It goes to another host: a word, whatever this one may say.
    if token.as_ref().is_some_and(|token| !token.bytes().trim_ascii().iter().all(u8::is_ascii_graphic)) {
        return Err(Fault::failed(format!("what `{name}` has as its token is none")).into());
    }
    Ok(Server {
        name,
        token,
        changes: !probe.pristine(),
        authority: authority?.and_then(|stat| if let FileKind::File(digest) = stat.kind { digest } else { None }),
        etcd: etcd?.is_some(),
        address: address.or(said),
        health,
        member,
    })
}

/// By which others reach it, as far as it can tell.
fn default_address(facts: &Map) -> Option<String> {
    let of = |route: &str| facts.get(route)?.get("address")?.as_text().map(str::to_owned);
    of("default_ipv4").or_else(|| of("default_ipv6"))
}

fn written(token: &Arg<String>) -> Result<Content, After> {
    Ok(match token {
        Arg::Known(token) => sealed(token),
        Arg::Secret(Sealed { value, shown }) => {
            Content::sealed(format!("{value}\n").into_bytes(), format!("{shown}\n"))
        }
        Arg::Unknown(after) => return Err(after.clone()),
    })
}

/// What is not known before something else was done is not there yet.
async fn known<T>(look: impl Future<Output = Result<T, Halt>>) -> Result<Option<T>, Halt> {
    match look.await {
        Ok(found) => Ok(Some(found)),
        Err(Halt::Later(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}
