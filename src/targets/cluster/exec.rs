//! Running a command in a container, over the API. Which pod it is decided when it is run. What it does to what is in
//! the container nobody sees: `hands` calls this, and a probe only for what is declared to change nothing.

use std::collections::BTreeMap;

use futures::{Sink, SinkExt as _, Stream as Incoming, StreamExt as _};
use http::Request;
use kube::core::Status;
use serde_json::Value as Json;
use tokio_tungstenite::tungstenite::{Error as Broken, Message};

use super::api::{Api, Trouble, encode, group_path, object_path};
use super::kinds::Kind;
use super::{ObjectId, faults};
use crate::model::{Fault, Stream};
use crate::targets::Output;

/// A command for a pod. `Debug` does not show its input.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    /// Where the pod is.
    pub namespace: String,
    /// Which pod.
    pub pods: Pods,
    /// Which container; the only one, or the default one, when none is named.
    pub container: Option<String>,
    /// The program and its arguments: no shell reads them.
    pub command: Vec<String>,
    /// Bytes for its standard input.
    pub stdin: Option<Vec<u8>>,
}

/// Which pod a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// That one.
    Named(String),
    /// The first, by name, that is ready and has these labels.
    Labels(BTreeMap<String, String>),
    /// The first, by name, that is ready and belongs to that workload.
    Of(ObjectId),
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Exec")
            .field("namespace", &self.namespace)
            .field("pods", &self.pods)
            .field("container", &self.container)
            .field("command", &self.command)
            .field("stdin", &self.stdin.as_ref().map(Vec::len))
            .finish()
    }
}

impl std::fmt::Display for Pods {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(pod) => write!(out, "pod `{pod}`"),
            Self::Of(id) => write!(out, "{} `{}`", id.kind, id.name),
            Self::Labels(labels) => write!(out, "pods with `{}`", selector(labels)),
        }
    }
}

/// As the API takes labels in a query.
pub(super) fn selector(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The pod that `order` is for now; the inner fault: there is none that is ready.
///
/// # Errors
/// A fault when the API does not say.
pub(super) async fn choose(api: &Api, order: &Exec) -> Result<Result<String, Fault>, Fault> {
    let namespace = &order.namespace;
    let selector = match &order.pods {
        Pods::Named(pod) => return Ok(Ok(pod.clone())),
        Pods::Labels(labels) => selector(labels),
        Pods::Of(id) => {
            let kind = Kind { plural: format!("{}s", id.kind.to_lowercase()), namespaced: true };
            match api.get(&object_path(&kind, id)).await {
                Ok(object) => super::settle::selector(&object),
                Err(Trouble::Said(status)) if status.code == 404 => {
                    let fault = Fault::failed(format!("there is no `{id}` to run a command in"));
                    return Ok(Err(fault.help("let this task come after the one that makes it")));
                }
                Err(trouble) => return Err(trouble.fault("read", &format!("`{id}`"))),
            }
        }
    };
    let path = format!(
        "{}/namespaces/{}/pods?limit=500&labelSelector={}",
        group_path("v1"),
        encode(namespace),
        encode(&selector)
    );
    let pods = api.get(&path).await.map_err(|trouble| trouble.fault("read", &format!("the pods of `{namespace}`")))?;
    let pods: Vec<&Json> = pods["items"].as_array().map(|items| items.iter().collect()).unwrap_or_default();
    let ready =
        pods.iter().filter(|pod| super::settle::is_ready(pod)).filter_map(|pod| pod["metadata"]["name"].as_str());
    Ok(ready.min().map(str::to_owned).ok_or_else(|| {
        let seen = match pods.len() {
            0 => "there are none".to_owned(),
            1 => "the only one is not".to_owned(),
            many => format!("none of {many} is"),
        };
        Fault::failed(format!("no pod is ready to run a command: {} in `{namespace}`", order.pods))
            .cause(seen)
            .help("let this task come after the one that makes it, which waits until it is ready; or `wait` for it")
    }))
}

/// Runs it in `pod`. Dropping the future does not end the command: the API has no way to do that.
///
/// # Errors
/// A fault when it could not be run; how it ended is in the output.
pub(super) async fn run(
    api: &Api,
    order: &Exec,
    pod: &str,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Output, Fault> {
    let doing = format!("in pod `{}/{pod}`", order.namespace);
    let connect = async |command: &[String]| {
        let request = Request::get(path(order, pod, command)).body(Vec::new());
        let request = request.map_err(|error| faults::lost(&kube::Error::HttpError(error)))?;
        match tokio::time::timeout(api.deadline(), api.client.connect(request)).await {
            Err(_) => Err(faults::late(api.deadline())),
            Ok(connection) => connection.map_err(|error| refused(&error, &doing)),
        }
    };
    // Before 1.30 the API cannot say that the input is at its end: whoever reads to the end would wait for ever.
    let input = order.stdin.as_deref();
    let ends = input.is_none() || ends_input(api).await?;
    let connection = match input {
        Some(input) if !ends => connect(&counted(&order.command, input.len())).await?,
        _ => connect(&order.command).await?,
    };
    if input.is_some() && ends && !connection.supports_stream_close() {
        let fault = Fault::failed(format!("the command {doing} would wait for ever for the end of its input"));
        return Err(fault.help("what stands between here and the API (a proxy?) does not know `v5.channel.k8s.io`"));
    }
    let (send, receive) = connection.into_stream().split();
    converse(send, receive, input, ends, output).await.map_err(|ended| match ended {
        Ended::Early(why) => Fault::failed(format!("the command {doing} was cut off"))
            .cause(why)
            .help("the pod may have ended: look at it, then run again"),
        Ended::Never(why) => {
            Fault::failed(format!("cannot run a command {doing}")).cause(why).help("has that container such a program?")
        }
    })
}

fn path(order: &Exec, pod: &str, command: &[String]) -> String {
    let (namespace, stdin) = (encode(&order.namespace), order.stdin.is_some());
    let root = format!("{}/namespaces/{namespace}/pods/{}/exec", group_path("v1"), encode(pod));
    let container = order.container.iter().map(|name| format!("&container={}", encode(name)));
    let command = command.iter().map(|word| format!("&command={}", encode(word)));
    let rest: String = container.chain(command).collect();
    format!("{root}?stdin={stdin}&stdout=true&stderr=true&tty=false{rest}")
}

/// Does this API know how to end the input of a command?
async fn ends_input(api: &Api) -> Result<bool, Fault> {
    let version = api.get("/version").await.map_err(|trouble| trouble.fault("read", "the version of the cluster"))?;
    let number = |key: &str| {
        let text = version[key].as_str().unwrap_or_default();
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or_default()
    };
    Ok((number("major"), number("minor")) >= (1, 30))
}

/// The same command with an input of exactly `length` bytes. What it does not read is read for it: an old API may wait for
/// ever for somebody to take the rest.
fn counted(command: &[String], length: usize) -> Vec<String> {
    let script = "n=$1; shift; head -c \"$n\" | { \"$@\"; s=$?; cat >/dev/null 2>&1; exit \"$s\"; }";
    let shell = ["sh", "-c", script, "sh", &length.to_string()].map(str::to_owned);
    shell.into_iter().chain(command.iter().cloned()).collect()
}

fn refused(error: &kube::Error, doing: &str) -> Fault {
    match error {
        kube::Error::Api(status) => Trouble::Said(status.clone()).fault("run a command", doing),
        kube::Error::UpgradeConnection(error) => Fault::failed(format!("cannot run a command {doing}"))
            .cause(error)
            .help("is the pod there, and has it that container? A proxy before the API must let WebSockets through"),
        other => faults::lost(other),
    }
}

/// Why there is no status of a command.
enum Ended {
    /// The connection broke.
    Early(String),
    /// It was not begun.
    Never(String),
}

/// The channels of the protocol (`v4.channel.k8s.io` and `v5`): the first byte of every message.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;
/// As much of the input goes in one message.
const PART: usize = 32 * 1024;

/// Sends the input and hears what is said at the same time: a command that answers while it reads must not block.
async fn converse(
    mut send: impl Sink<Message, Error = Broken> + Unpin,
    mut receive: impl Incoming<Item = Result<Message, Broken>> + Unpin,
    input: Option<&[u8]>,
    ends: bool,
    output: &(dyn Fn(Stream, &str) + Send + Sync),
) -> Result<Output, Ended> {
    let feed = async {
        for part in input.unwrap_or_default().chunks(PART) {
            let message = [&[STDIN], part].concat();
            // One that does not want its input may end before it has read all of it.
            if send.send(Message::binary(message)).await.is_err() {
                break;
            }
        }
        if input.is_some() && ends {
            let _ = send.send(Message::binary(vec![CLOSE, STDIN])).await;
        }
        // The other half is the one that ends it.
        std::future::pending::<()>().await;
    };
    let hear = async {
        let (mut out, mut err) = (Heard::new(Stream::Out, output), Heard::new(Stream::Err, output));
        while let Some(message) = receive.next().await {
            let Message::Binary(bytes) = message.map_err(|error| Ended::Early(error.to_string()))? else { continue };
            let Some((channel, said)) = bytes.split_first() else { continue };
            match *channel {
                STDOUT => out.hear(said),
                STDERR => err.hear(said),
                STATUS if !said.is_empty() => {
                    let status: Status =
                        serde_json::from_slice(said).map_err(|error| Ended::Early(error.to_string()))?;
                    let status = exit_status(&status).map_err(Ended::Never)?;
                    return Ok(Output { status, stdout: out.end(), stderr: err.end() });
                }
                _ => {}
            }
        }
        Err(Ended::Early("the API did not say how it ended".to_owned()))
    };
    tokio::select! {
        heard = hear => heard,
        () = feed => Err(Ended::Early("its input ended everything".to_owned())),
    }
}

/// One of the two streams: kept as a whole, told by lines.
struct Heard<'a> {
    which: Stream,
    all: Vec<u8>,
    told: usize,
    output: &'a (dyn Fn(Stream, &str) + Send + Sync),
}

impl<'a> Heard<'a> {
    fn new(which: Stream, output: &'a (dyn Fn(Stream, &str) + Send + Sync)) -> Self {
        Self { which, all: Vec::new(), told: 0, output }
    }

    fn hear(&mut self, said: &[u8]) {
        self.all.extend_from_slice(said);
        while let Some(end) = self.all[self.told..].iter().position(|byte| *byte == b'\n') {
            (self.output)(self.which, &String::from_utf8_lossy(&self.all[self.told..self.told + end]));
            self.told += end + 1;
        }
    }

    fn end(self) -> Vec<u8> {
        if self.told < self.all.len() {
            (self.output)(self.which, &String::from_utf8_lossy(&self.all[self.told..]));
        }
        self.all
    }
}

/// What the API says of how a command ended.
fn exit_status(status: &Status) -> Result<i32, String> {
    if status.is_success() {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let code = causes.filter(|cause| cause.reason == "ExitCode").find_map(|cause| cause.message.parse().ok());
    code.ok_or_else(|| status.message.clone())
}
