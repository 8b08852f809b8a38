//! One evaluation: which names it asked for, what it read, and whether that was secret or not known.
//! Reading is recorded where a leaf leaves its mapping, so no filter can wash it off. Knows no template text.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::{Error, ErrorKind, State, Value as Engine};

use crate::model::{After, Content, Secret, Value};

use super::canary;
use super::fault::TemplateFault;
use super::names::Named;
use super::reach::{Folder, Handle, Node, Root, Unknown};

/// The name under which filters find the evaluation they run in. No template can write it.
pub(super) const RUN: &str = "\u{1}run";

/// What an evaluation may ask its caller for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Request {
    /// A name, then keys inside mappings that are asked for entry by entry.
    Name(Vec<Arc<str>>),
    /// The text of a file, for `lookup('file', path)`.
    File(String),
}

/// What the caller said.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Absent,
    Named(Named),
    Text(Arc<str>),
    Fault(TemplateFault),
}

/// The answers so far: shared by all passes of one evaluation.
pub(super) type Answers = Arc<Mutex<HashMap<Request, Answer>>>;

/// What to read where a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The secret.
    Real,
    /// Something else of the same type: what is equal in both does not come from the secret.
    Canary,
}

#[derive(Debug)]
pub(super) struct Run {
    reading: Reading,
    /// `x is defined` is no reading of `x`: only where the text shows that `x` goes nowhere else.
    forgiving: bool,
    pub(super) answers: Answers,
    state: Mutex<Seen>,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Root names that were read.
    pub(super) read: BTreeSet<String>,
    /// Unknown leaves that were read.
    pub(super) unknowns: Vec<(u64, After)>,
    /// Secret leaves that were read.
    pub(super) secrets: Vec<(Mark, Secret)>,
    /// What was asked for and not answered yet.
    pub(super) missing: Vec<Request>,
    /// The first thing the caller could not give.
    pub(super) fault: Option<TemplateFault>,
    /// The value of a whole expression.
    pub(super) kept: Option<Engine>,
    /// Bytes printed so far, captured or not.
    pub(super) printed: usize,
    next: u64,
}

/// Which reading it was, to take it back when only `is defined` used it.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// Text, known by its own copy.
    Text(Arc<str>),
    /// A mapping or a list, known by its number.
    Node(u64),
    /// A number or the like: cannot be told from others.
    Other,
}

impl Run {
    pub(super) fn new(reading: Reading, forgiving: bool, answers: Answers) -> Arc<Self> {
        Arc::new(Self { reading, forgiving, answers, state: Mutex::default() })
    }

    /// What the template sees as its context.
    pub(super) fn root(self: &Arc<Self>) -> Engine {
        Engine::from_object(Root(self.clone()))
    }

    /// The evaluation that `state` belongs to.
    pub(super) fn of(state: &State<'_, '_>) -> Option<Arc<Self>> {
        state.lookup(RUN)?.downcast_object::<Handle>().map(|handle| handle.0.clone())
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the value of a whole expression.
    pub(super) fn keep(&self, value: Engine) {
        self.seen().kept = Some(value);
    }

    /// Counts what is printed; false past `limit`.
    pub(super) fn print(&self, bytes: usize, limit: usize) -> bool {
        let mut seen = self.seen();
        seen.printed = seen.printed.saturating_add(bytes);
        seen.printed <= limit
    }

    /// `value is defined` was all that was asked: that is no reading.
    pub(super) fn forgive(&self, value: &Engine) {
        if !self.forgiving {
            return;
        }
        let mut seen = self.seen();
        if let Some(unknown) = value.downcast_object_ref::<Unknown>() {
            seen.unknowns.retain(|(id, _)| *id != unknown.0);
        } else if let Some(node) = value.downcast_object_ref::<Node>() {
            seen.secrets.retain(|(mark, _)| !matches!(mark, Mark::Node(id) if Some(*id) == node.mark));
        } else if let Some(text) = value.to_str() {
            seen.secrets.retain(|(mark, _)| !matches!(mark, Mark::Text(own) if Arc::ptr_eq(own, &text)));
        }
    }

    /// The text of a file of the project.
    pub(super) fn file(&self, path: &str) -> Result<Arc<str>, Error> {
        let request = Request::File(path.to_owned());
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&request).cloned();
        match answer {
            Some(Answer::Text(text)) => Ok(text),
            Some(Answer::Fault(fault)) => Err(self.failed(fault)),
            Some(Answer::Absent | Answer::Named(_)) => {
                Err(Error::new(ErrorKind::InvalidOperation, format!("there is no file `{path}`")))
            }
            None => Err(self.ask(request)),
        }
    }

    fn ask(&self, request: Request) -> Error {
        self.seen().missing.push(request);
        Error::new(ErrorKind::InvalidOperation, "not asked for yet")
    }

    fn failed(&self, fault: TemplateFault) -> Error {
        let error = Error::new(ErrorKind::InvalidOperation, fault.message.clone());
        self.seen().fault.get_or_insert(fault);
        error
    }

    pub(super) fn look_up(self: &Arc<Self>, path: Vec<Arc<str>>) -> Option<Engine> {
        let request = Request::Name(path);
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&request).cloned();
        let Request::Name(path) = &request else { return None };
        // Also one that is not there: elsewhere it may be.
        if path.len() == 1 && answer.is_some() {
            self.seen().read.insert(path[0].as_ref().to_owned());
        }
        match answer {
            Some(Answer::Named(Named::Value(value))) => Some(self.give(&value, Vec::new(), &value)),
            Some(Answer::Named(Named::Folder(keys))) => {
                Some(Engine::from_object(Folder { run: self.clone(), path: path.clone(), keys }))
            }
            Some(Answer::Fault(fault)) => Some(Engine::from(self.failed(fault))),
            Some(Answer::Absent | Answer::Text(_)) => None,
            None => Some(Engine::from(self.ask(request))),
        }
    }

    /// Gives `value` out, which lies at `path` of `root`: from here on the template has it, so it was read.
    pub(super) fn give(self: &Arc<Self>, root: &Arc<Value>, path: Vec<u32>, value: &Value) -> Engine {
        match value {
            Value::Null => Engine::from(()),
            Value::Bool(truth) => Engine::from(*truth),
            Value::Int(number) => Engine::from(*number),
            Value::Float(number) => Engine::from(*number),
            Value::Text(text) => Engine::from(text.clone()),
            Value::List(_) | Value::Map(_) => {
                Engine::from_object(Node { run: self.clone(), root: root.clone(), path, mark: None })
            }
            Value::Content(content) => self.give_content(content),
            Value::Secret(secret) => self.give_secret(root, path, secret),
            Value::Unknown(after) => {
                let mut seen = self.seen();
                let id = seen.number();
                seen.unknowns.push((id, after.clone()));
                Engine::from_object(Unknown(id))
            }
        }
    }

    fn give_content(self: &Arc<Self>, content: &Content) -> Engine {
        let Ok(text) = std::str::from_utf8(content.bytes()) else {
            return Engine::from(Error::new(ErrorKind::InvalidOperation, "a binary file has no text"));
        };
        let text = Value::text(text);
        if content.is_secret() {
            let secret = Secret::partly(text, content.shown().into_owned());
            self.give_secret(&Arc::new(Value::Null), Vec::new(), &secret)
        } else {
            self.give(&Arc::new(Value::Null), Vec::new(), &text)
        }
    }

    fn give_secret(self: &Arc<Self>, root: &Arc<Value>, path: Vec<u32>, secret: &Secret) -> Engine {
        let (mark, engine) = match (self.reading, secret.reveal()) {
            (Reading::Canary, _) => {
                let canary = Arc::new(canary::of(secret));
                (Mark::Other, self.give(&canary, Vec::new(), &canary))
            }
            // A copy of its own tells this reading from all others.
            (Reading::Real, Value::Text(text)) => {
                let own: Arc<str> = Arc::from(&**text);
                (Mark::Text(own.clone()), Engine::from(own))
            }
            (Reading::Real, Value::List(_) | Value::Map(_)) => {
                let id = self.seen().number();
                let node = Node { run: self.clone(), root: root.clone(), path, mark: Some(id) };
                (Mark::Node(id), Engine::from_object(node))
            }
            (Reading::Real, inner) => (Mark::Other, self.give(root, path, inner)),
        };
        self.seen().secrets.push((mark, secret.clone()));
        engine
    }
}

impl Seen {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
