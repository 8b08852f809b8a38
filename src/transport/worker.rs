//! The long-lived shell: requests go in with their exact length, answers come back up to a marker on both streams.
//! Requests that only look are pipelined; one that changes something has the shell for itself.
//!
//! Each end of a request is one of: its answer; a fault that says the shell was lost; a fault that says it took too
//! long. A caller that goes away ends a guarded request on the place, and lets any other one end by itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use super::elevate::{self, Elevation};
use super::nonce::nonce;
use super::request::{FIRST, Manner, Request};
use super::scan::{Mark, Piece, Scanner};
use crate::model::{Fault, FaultKind, Stream};

/// How long a shell may take to come up.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a command that was told to end may take.
const GRACE: Duration = Duration::from_secs(15);
/// What is kept of what nobody asked for: the reason when no shell comes up.
const NOISE: usize = 8 * 1024;

/// The three streams of a started shell, and what holds its process.
pub struct Channel {
    /// Its standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Dropped with the worker.
    pub keep: Box<dyn Send>,
}

/// What a request led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status of the body; 128 + n for a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Was the body run? (Not when the setup of a guarded request failed.)
    pub began: bool,
    /// Was there more output than was to be kept?
    pub dropped: bool,
}

/// The shell at work. Any number of callers may use it at once.
pub struct Worker {
    shared: Arc<Shared>,
    /// Held for reading by looks, for writing by changes.
    order: Arc<RwLock<()>>,
}

struct Shared {
    state: Mutex<State>,
    nonce: String,
    elevation: Option<Elevation>,
    patience: Duration,
    requests: AtomicUsize,
    tasks: Mutex<Vec<AbortHandle>>,
    runtime: tokio::runtime::Handle,
}

struct State {
    next: u64,
    waiting: VecDeque<Waiting>,
    lost: Option<Fault>,
    ready: bool,
    noise: Vec<u8>,
    writer: mpsc::UnboundedSender<Vec<u8>>,
    /// What each stream is at.
    at: [u64; 2],
}

/// A request that was sent.
struct Waiting {
    seq: u64,
    guarded: bool,
    to: mpsc::UnboundedSender<Said>,
    status: Option<i32>,
    relayed: [bool; 2],
    ended: [bool; 2],
    /// Held until the next request may be sent.
    turn: Option<Turn>,
}

enum Turn {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// What comes back for one request.
enum Said {
    Bytes(Stream, Vec<u8>),
    End { status: i32, began: bool },
}

const fn index(stream: Stream) -> usize {
    match stream {
        Stream::Out => 0,
        Stream::Err => 1,
    }
}

impl Worker {
    /// Takes over a shell that was started with the command of [`elevate::command`]. Without a password nothing is
    /// sent yet: what a request needs travels with the first one. `patience` is how long the shell may then take to
    /// come up.
    pub(super) async fn open(
        mut channel: Channel,
        greeting: &str,
        elevation: Option<Elevation>,
        patience: Duration,
    ) -> Result<Self, Fault> {
        if let Some(elevation) = &elevation {
            elevate::greet(&mut channel, greeting, elevation, patience).await?;
        }
        let nonce = nonce()?;
        let (writer, mut outbox) = mpsc::unbounded_channel::<Vec<u8>>();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                next: FIRST,
                waiting: VecDeque::new(),
                lost: None,
                ready: false,
                noise: Vec::new(),
                writer,
                at: [0, 0],
            }),
            nonce,
            elevation,
            patience,
            requests: AtomicUsize::new(0),
            tasks: Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
        });
        let Channel { mut stdin, stdout, stderr, keep } = channel;
        let write = tokio::spawn(async move {
            while let Some(bytes) = outbox.recv().await {
                if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
                    break; // the streams that are read end as well, and say so
                }
            }
        });
        let heard = Arc::clone(&shared);
        let read = tokio::spawn(async move {
            let _keep = keep;
            let mut out = Box::pin(heard.listen(Stream::Out, stdout));
            let mut err = Box::pin(heard.listen(Stream::Err, stderr));
            // The reason may still be on the other stream, which a child may hold open for ever.
            let late = Duration::from_millis(500);
            let _ = tokio::select! {
                () = &mut out => tokio::time::timeout(late, &mut err).await,
                () = &mut err => tokio::time::timeout(late, &mut out).await,
            };
            let reason = heard.reason();
            heard.lose(reason);
        });
        *shared.tasks.lock().unwrap_or_else(PoisonError::into_inner) = vec![write.abort_handle(), read.abort_handle()];
        Ok(Self { shared, order: Arc::default() })
    }

    /// How many requests were sent.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Did the shell come up?
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.state().ready
    }

    /// Is it gone, so that no request will be answered any more?
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.state().lost.is_some()
    }

    /// What no output holds by chance, for parting it: `$N` in a body.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.shared.nonce
    }

    /// Runs `request`.
    ///
    /// # Errors
    /// The shell was lost, or it took too long. A status that is not 0 is no error here.
    pub async fn call(&self, request: Request) -> Result<Reply, Fault> {
        self.stream(request, &|_, _| ()).await
    }

    /// Runs `request`, and gives its output as it comes, too.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn stream(
        &self,
        request: Request,
        output: &(dyn Fn(Stream, &[u8]) + Send + Sync),
    ) -> Result<Reply, Fault> {
        let (manner, keep, timeout, changes) = (request.manner, request.keep, request.timeout, request.changes);
        let turn = match manner {
            Manner::Look => Turn::Shared { _guard: Arc::clone(&self.order).read_owned().await },
            Manner::Change | Manner::Guarded => Turn::Alone { _guard: Arc::clone(&self.order).write_owned().await },
        };
        let (seq, mut heard) = self.shared.send(&request, turn)?;
        let mut running = Running { shared: &self.shared, seq, guarded: manner == Manner::Guarded, ended: false };
        drop(request);
        let mut reply = Reply { status: 0, stdout: Vec::new(), stderr: Vec::new(), began: true, dropped: false };
        let mut deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut late = None;
        loop {
            let Ok(said) = within(deadline, heard.recv()).await else {
                let fault = too_long(timeout);
                if manner != Manner::Guarded || late.is_some() {
                    self.shared.lose(fault.clone());
                    running.ended = true;
                    return Err(fault);
                }
                self.shared.cancel(seq);
                late = Some(fault);
                deadline = Some(Instant::now() + GRACE);
                continue;
            };
            match said {
                Some(Said::Bytes(stream, bytes)) => {
                    output(stream, &bytes);
                    let kept = if stream == Stream::Out { &mut reply.stdout } else { &mut reply.stderr };
                    let room = bytes.len().min(keep.saturating_sub(kept.len()));
                    kept.extend_from_slice(&bytes[..room]);
                    reply.dropped |= room < bytes.len();
                }
                Some(Said::End { status, began }) => {
                    running.ended = true;
                    (reply.status, reply.began) = (status, began);
                    return late.map_or(Ok(reply), Err);
                }
                None => {
                    running.ended = true;
                    return Err(late.unwrap_or_else(|| self.shared.lost_during(changes)));
                }
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// A request under way: what is guarded ends when nobody waits for it any more.
struct Running<'a> {
    shared: &'a Arc<Shared>,
    seq: u64,
    guarded: bool,
    ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.ended || !self.guarded {
            return;
        }
        self.shared.cancel(self.seq);
        let (shared, seq) = (Arc::downgrade(self.shared), self.seq);
        self.shared.runtime.spawn(async move {
            tokio::time::sleep(GRACE).await;
            if let Some(shared) = shared.upgrade()
                && shared.state().is_running(seq)
            {
                shared.lose(
                    Fault::new(FaultKind::Unreachable, "a command that was told to end did not")
                        .help("look there for what still runs"),
                );
            }
        });
    }
}

async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    match deadline {
        None => Ok(future.await),
        Some(at) => tokio::time::timeout_at(at, future).await,
    }
}

fn too_long(timeout: Option<Duration>) -> Fault {
    let seconds = timeout.unwrap_or_default().as_secs_f32();
    Fault::new(FaultKind::TimedOut, format!("it took longer than {seconds} s and was ended"))
        .help("raise `timeout`, or see why it hangs")
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(self: &Arc<Self>, request: &Request, turn: Turn) -> Result<(u64, mpsc::UnboundedReceiver<Said>), Fault> {
        let (to, heard) = mpsc::unbounded_channel();
        let mut state = self.state();
        if let Some(lost) = &state.lost {
            return Err(lost.clone());
        }
        let seq = state.next;
        state.next += 1;
        state.waiting.push_back(Waiting {
            seq,
            guarded: request.manner == Manner::Guarded,
            to,
            status: None,
            relayed: [false; 2],
            ended: [false; 2],
            turn: Some(turn),
        });
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            self.await_shell();
        }
        // When the writer is gone, the readers are about to say that the shell is lost.
        let _ = state.writer.send(request.frame(&self.nonce, seq));
        Ok((seq, heard))
    }

    /// A login shell may hang, and the network of a connection that is there may be gone without a sign.
    fn await_shell(self: &Arc<Self>) {
        let (shared, patience) = (Arc::downgrade(self), self.patience);
        let watch = self.runtime.spawn(async move {
            tokio::time::sleep(patience).await;
            let Some(shared) = shared.upgrade() else { return };
            let state = shared.state();
            if state.ready {
                return;
            }
            let fault = Fault::new(FaultKind::Unreachable, "no shell came up")
                .cause(format!("no answer within {} s", patience.as_secs()))
                .help("see that the login shell of that user starts by itself, and reads nothing");
            drop(state);
            shared.lose(fault);
        });
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(watch.abort_handle());
    }

    /// Ends the guarded request `seq`, if it still runs: any line on the stream does. When it does not, the line would
    /// end the next one.
    fn cancel(&self, seq: u64) {
        let state = self.state();
        if state.is_running(seq) {
            let _ = state.writer.send(b"cancel\n".to_vec());
        }
    }

    async fn listen(&self, stream: Stream, mut from: Box<dyn AsyncRead + Send + Unpin>) {
        let mut scanner = Scanner::new(&self.nonce);
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let mut state = self.state();
            scanner.feed(&buffer[..read], |piece| match piece {
                Piece::Bytes(bytes) => state.output(stream, bytes),
                Piece::Mark(mark) => state.mark(stream, mark, &self.nonce),
            });
        }
    }

    /// Why the shell ended.
    fn reason(&self) -> Fault {
        let state = self.state();
        let noise = String::from_utf8_lossy(&state.noise);
        match (&self.elevation, state.ready) {
            (Some(elevation), false) => elevate::refused(elevation, &noise),
            (None, false) => elevate::no_shell(&noise),
            (_, true) => Fault::new(FaultKind::Unreachable, "the shell was lost").cause("its streams ended"),
        }
    }

    /// What a caller hears whose request the shell was lost with.
    fn lost_during(&self, changes: bool) -> Fault {
        let state = self.state();
        let fault = state.lost.clone().unwrap_or_else(|| Fault::new(FaultKind::Unreachable, "the shell was lost"));
        if !changes || !state.ready {
            return fault;
        }
        let what = format!("{}, and whether the change was made is not known", fault.what);
        Fault { what, ..fault }.help("run again: it looks first, and does what is left to do")
    }

    /// No request will be answered any more.
    fn lose(&self, fault: Fault) {
        let waiting = {
            let mut state = self.state();
            state.lost.get_or_insert(fault);
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
        self.stop();
    }

    fn stop(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

impl State {
    fn is_running(&self, seq: u64) -> bool {
        self.waiting.iter().any(|waiting| waiting.seq == seq && waiting.relayed != [true; 2])
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        let at = self.at[index(stream)];
        match self.waiting.iter().find(|waiting| waiting.seq == at) {
            Some(waiting) if !waiting.relayed[index(stream)] => {
                // Nobody may be waiting any more.
                let _ = waiting.to.send(Said::Bytes(stream, bytes.to_vec()));
            }
            _ if !self.ready => {
                let room = NOISE.saturating_sub(self.noise.len());
                self.noise.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            _ => {}
        }
    }

    fn mark(&mut self, stream: Stream, mark: Mark, nonce: &str) {
        let side = index(stream);
        if mark.seq != self.at[side] {
            return;
        }
        if !mark.relayed {
            self.at[side] += 1;
        }
        if mark.seq == 0 {
            self.ready |= self.at.iter().all(|at| *at > 0);
            return;
        }
        let Some(place) = self.waiting.iter().position(|waiting| waiting.seq == mark.seq) else { return };
        let waiting = &mut self.waiting[place];
        if mark.relayed {
            waiting.relayed[side] = true;
            waiting.status = mark.status.or(waiting.status);
            if waiting.guarded && waiting.relayed == [true; 2] {
                let _ = waiting.to.send(Said::End { status: waiting.status.unwrap_or(-1), began: true });
                let _ = self.writer.send(format!("{nonce} done\n").into_bytes());
                // The next change may be sent now: it is read after this one is tidied up.
                waiting.turn = None;
            }
            return;
        }
        waiting.ended[side] = true;
        if waiting.relayed != [true; 2] {
            waiting.status = mark.status.or(waiting.status);
        }
        if waiting.ended == [true; 2] {
            let Some(waiting) = self.waiting.remove(place) else { return };
            if waiting.relayed != [true; 2] {
                let end = Said::End { status: waiting.status.unwrap_or(-1), began: !waiting.guarded };
                let _ = waiting.to.send(end);
            }
        }
    }
}
