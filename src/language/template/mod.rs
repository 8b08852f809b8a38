//! Text with `{{ }}` and `{% %}` to values: strict, with limits, and with taint. What was made from a secret is a
//! secret, what was made from an unknown is unknown, whatever filters did in between. Knows no playbook and no file
//! system: names and other templates come from the caller.
//!
//! Where Ansible and Jinja differ from YAML, YAML wins: booleans print as `true` and `false`, nothing prints as
//! nothing, lists and mappings print as JSON. Only `~` is Jinja's own: `"x" ~ true` is `xTrue`.

mod canary;
mod compile;
mod convert;
mod fault;
pub mod filters;
mod names;
mod path;
mod reach;
mod run;
mod scan;
mod yaml;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value as Engine};

use crate::model::{Secret, Value};

pub use fault::TemplateFault;
pub use names::{Named, Names};

use compile::{EXPRESSION, INCLUDED, INLINE, Text, included, source_of};
use fault::{Known, Origin};
use run::{Answer, Answers, Reading, Request, Run, Seen};
use scan::{Code, Role};

/// Steps of one evaluation: enough for a loop over ten thousand hosts, a fraction of a second.
const FUEL: u64 = 3_000_000;
/// Bytes that one evaluation may print.
const PRINTED: usize = 16 << 20;
/// Nesting of macros, loops and includes; small enough for the stack of a worker thread.
const DEPTH: usize = 150;

/// What the engine evaluates for an expression: the value itself instead of its text.
const KEEP: &str = "{{ lions__keep((";
const KEPT: &str = ")) }}";
const KEEPER: &str = "lions__keep";

/// `value` as YAML, in block style.
#[must_use]
pub fn yaml(value: &Value) -> String {
    yaml::write(value, 2, false)
}

/// What an evaluation gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The value: a secret if it read one, unknown if it read one of those.
    pub value: Value,
    /// The root names that were read.
    pub read: BTreeSet<String>,
}

impl Outcome {
    fn plain(value: Value) -> Self {
        Self { value, read: BTreeSet::new() }
    }
}

/// A name that a text reads from outside: a root, or `a.b` where only that part is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// The name, with the parts that are plain to see.
    pub path: String,
    /// Where it is read first.
    pub range: Option<Range<usize>>,
}

/// The templates of a project: each text is compiled once, for all places and threads.
pub struct Templates {
    environment: Environment<'static>,
    /// Names that the engine has itself.
    globals: BTreeSet<String>,
    /// Texts from YAML, expressions, template files.
    texts: [RwLock<HashMap<String, Arc<Text>>>; 3],
}

impl Templates {
    /// `load(folder, name)` gives the text of another template for `{% include %}` and `{% import %}`: `folder` is
    /// the one given to [`Templates::render_file`]; `name` is relative, without `..`. `None`: there is none.
    pub fn new<F>(load: F) -> Self
    where
        F: Fn(&str, &str) -> Result<Option<String>, String> + Send + Sync + 'static,
    {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(DEPTH);
        environment.set_debug(false);
        environment.set_auto_reload(false);
        // Ansible's defaults.
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_loader(move |key| source_of(key, &load));
        environment.set_path_join_callback(|name, parent| {
            let mut parts = parent.splitn(3, '\0');
            let (sort, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let sort = if sort == EXPRESSION || sort == INLINE { "none" } else { INCLUDED };
            Cow::Owned(format!("{sort}\0{folder}\0{name}"))
        });
        environment.set_formatter(|out, state, value| {
            let text = convert::text(value)?;
            let fits = Run::of(state).is_none_or(|run| run.print(text.len(), PRINTED));
            if !fits {
                return Err(ErrorKind::WriteFailure.into());
            }
            out.write_str(&text).map_err(Error::from)
        });
        environment.add_function(KEEPER, |state: &mut State<'_, '_>, value: Engine| {
            if value.is_undefined() {
                // Printing tells a name that is missing from an `if` without `else`, which is empty text.
                state.format(value.clone())?;
            }
            if let Some(run) = Run::of(state) {
                run.keep(value);
            }
            Ok::<(), Error>(())
        });
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        filters::install(&mut environment);
        let globals = environment.globals().map(|(name, _)| name.to_owned()).collect();
        Self { environment, globals, texts: Default::default() }
    }

    /// What a text from YAML becomes: itself without templates, a value of any type when it is one `{{ }}`, else text.
    ///
    /// # Errors
    /// What is wrong with it, or what failed.
    pub fn render_text(&self, text: &str, names: &dyn Names) -> Result<Outcome, TemplateFault> {
        if !scan::has_code(text) {
            return Ok(Outcome::plain(Value::text(text)));
        }
        let compiled = self.text(text)?;
        self.guarded(&compiled, names)
    }

    /// What a template file becomes: text. It may include others of `folder`.
    ///
    /// # Errors
    /// What is wrong with it, or what failed.
    pub fn render_file(
        &self,
        folder: &str,
        name: &str,
        text: &str,
        names: &dyn Names,
    ) -> Result<Outcome, TemplateFault> {
        let compiled = self.file(folder, name, text)?;
        self.guarded(&compiled, names)
    }

    /// The value of an expression without `{{ }}` (with them too: both are written).
    ///
    /// # Errors
    /// What is wrong with it, or what failed.
    pub fn evaluate(&self, expression: &str, names: &dyn Names) -> Result<Outcome, TemplateFault> {
        let compiled = self.expression(expression)?;
        self.guarded(&compiled, names)
    }

    /// Runs it; a panic of the engine (fuzzing found one: `[][::-1]` of a slice that is empty) is a fault of this text.
    fn guarded(&self, text: &Text, names: &dyn Names) -> Result<Outcome, TemplateFault> {
        let run = std::panic::AssertUnwindSafe(|| self.run(text, names));
        std::panic::catch_unwind(run).unwrap_or_else(|_| {
            Err(TemplateFault::new("the template engine broke down on this")
                .help("write it another way, and report it"))
        })
    }

    /// The names that a text from YAML or a template file reads from outside. A text that cannot be read has none:
    /// [`Templates::check`] says why.
    #[must_use]
    pub fn undeclared(&self, text: &str) -> Vec<Reads> {
        match self.text(text) {
            Ok(compiled) => self.reads(&compiled),
            Err(_) => Vec::new(),
        }
    }

    /// The same for an expression.
    #[must_use]
    pub fn undeclared_in_expression(&self, expression: &str) -> Vec<Reads> {
        match self.expression(expression) {
            Ok(compiled) => self.reads(&compiled),
            Err(_) => Vec::new(),
        }
    }

    /// What is wrong with a text from YAML or a template file, as far as can be told without evaluating it.
    #[must_use]
    pub fn check(&self, text: &str) -> Vec<TemplateFault> {
        match self.text(text) {
            Ok(compiled) => self.check_calls(&compiled),
            Err(fault) => vec![fault],
        }
    }

    /// The same for an expression.
    #[must_use]
    pub fn check_expression(&self, expression: &str) -> Vec<TemplateFault> {
        match self.expression(expression) {
            Ok(compiled) => self.check_calls(&compiled),
            Err(fault) => vec![fault],
        }
    }

    fn check_calls(&self, text: &Text) -> Vec<TemplateFault> {
        let code = Code::of_template(&text.source);
        let known = self.known(Vec::new());
        let mut faults = Vec::new();
        for (role, name, range) in code.calls() {
            let (what, all) = match role {
                Role::Filter => ("filter", &known.filters),
                Role::Test => ("test", &known.tests),
                // A function may also come from outside: the engine says so when it runs.
                Role::Function => ("function", &known.functions),
            };
            let refused = filters::refused(name).is_some();
            if !refused && (name == KEEPER || all.iter().any(|known| known == name)) {
                continue;
            }
            let range = range.start - text.given.start + text.offset..range.end - text.given.start + text.offset;
            faults.push(fault::unknown_name(what, name, all).at(range));
        }
        faults
    }

    fn reads(&self, text: &Text) -> Vec<Reads> {
        let Ok(template) = self.environment.get_template(&text.key) else { return Vec::new() };
        let code = Code::of_template(&text.source);
        let mut reads: Vec<Reads> = template
            .undeclared_variables(true)
            .into_iter()
            .filter(|path| !self.is_global(path.split('.').next().unwrap_or_default()))
            .map(|path| {
                let range = code.first(&path).map(|range| {
                    range.start - text.given.start + text.offset..range.end - text.given.start + text.offset
                });
                Reads { path, range }
            })
            .collect();
        reads.sort_by(|a, b| {
            (a.range.as_ref().map(|range| range.start), &a.path)
                .cmp(&(b.range.as_ref().map(|range| range.start), &b.path))
        });
        reads
    }

    fn is_global(&self, name: &str) -> bool {
        self.globals.contains(name)
    }

    fn known(&self, names: Vec<String>) -> Known {
        let (filters, tests) = filters::names();
        let functions = self.globals.iter().filter(|name| *name != KEEPER).cloned().collect();
        Known { names, filters, tests, functions }
    }

    fn fault(&self, error: &Error, text: &Text, names: Vec<String>) -> TemplateFault {
        let origin = Origin { key: &text.key, source: &text.source, given: text.given.clone(), offset: text.offset };
        fault::of(error, &origin, &self.known(names), included)
    }

    fn run(&self, compiled: &Text, names: &dyn Names) -> Result<Outcome, TemplateFault> {
        if let Some(path) = &compiled.path
            && let Some(outcome) = path::follow(path, names)?
        {
            return Ok(outcome);
        }
        let answers: Answers = Arc::default();
        for root in &compiled.roots {
            answer(&answers, Request::Name(vec![root.as_str().into()]), names);
        }
        let (result, seen) = self.pass(compiled, Reading::Real, &answers, names);
        let mut read = seen.read;
        read.retain(|name| !self.is_global(name));
        if let Some((_, after)) = seen.unknowns.first() {
            return Ok(Outcome { value: Value::Unknown(after.clone()), read });
        }
        if let Some(fault) = seen.fault {
            return Err(fault);
        }
        if seen.secrets.is_empty() {
            let value = result.map_err(|error| self.fault(&error, compiled, names.known()))?;
            return Ok(Outcome { value, read });
        }
        // A secret was read: what may be shown is what does not change with it.
        let (other, _) = self.pass(compiled, Reading::Canary, &answers, names);
        let value = match (result, other) {
            (Ok(Value::Text(text)), Ok(Value::Text(stand_in))) => {
                let shown = canary::shown(&text, &stand_in, seen.secrets.iter().map(|(_, secret)| secret));
                Secret::partly(Value::Text(text), shown)
            }
            (Ok(value), _) => Secret::new(value),
            (Err(error), other) => {
                let fault = self.fault(&error, compiled, names.known());
                let same = other.is_err_and(|other| self.fault(&other, compiled, names.known()) == fault);
                return Err(if same {
                    fault
                } else {
                    TemplateFault {
                        message:
                            "the template fails with a secret in it; the reason is not shown, it may tell the secret"
                                .to_owned(),
                        help: Some("try it with a value that is no secret".to_owned()),
                        ..fault
                    }
                });
            }
        };
        Ok(Outcome { value: Value::Secret(value), read })
    }

    /// Evaluates until everything that was asked for has been answered.
    fn pass(
        &self,
        text: &Text,
        reading: Reading,
        answers: &Answers,
        names: &dyn Names,
    ) -> (Result<Value, Error>, Seen) {
        loop {
            let run = Run::new(reading, text.forgiving, answers.clone());
            let result = self.once(text, &run);
            let seen = std::mem::take(&mut *run.seen());
            if seen.missing.is_empty() {
                return (result, seen);
            }
            for request in seen.missing {
                if !lock(answers).contains_key(&request) {
                    answer(answers, request, names);
                }
            }
        }
    }

    fn once(&self, text: &Text, run: &Arc<Run>) -> Result<Value, Error> {
        let template = self.environment.get_template(&text.key)?;
        let mut out = Limited(Vec::new());
        // The state lives on while what it gave is looked at.
        let _state = template.render_captured_to(run.root(), &mut out)?;
        if !text.whole {
            return Ok(Value::text(String::from_utf8_lossy(&out.0)));
        }
        let kept = run.seen().kept.take().unwrap_or_default();
        let value = convert::kept(&kept)?;
        // Parts that a secret value holds are no secrets of their own.
        let secret = !run.seen().secrets.is_empty();
        if secret { convert::plain(&kept) } else { Ok(value) }
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: usize =
            self.texts.iter().map(|texts| texts.read().unwrap_or_else(PoisonError::into_inner).len()).sum();
        write!(out, "Templates({texts} texts)")
    }
}

fn answer(answers: &Answers, request: Request, names: &dyn Names) {
    // Asked outside the lock: the caller may evaluate other texts to answer.
    let answer = match &request {
        Request::Name(path) => {
            let path: Vec<&str> = path.iter().map(|part| &**part).collect();
            match names.get(&path) {
                Ok(Some(found)) => Answer::Named(found),
                Ok(None) => Answer::Absent,
                Err(fault) => Answer::Fault(fault),
            }
        }
        Request::File(path) => match names.file(path) {
            Ok(text) => Answer::Text(text),
            Err(fault) => Answer::Fault(fault),
        },
    };
    lock(answers).insert(request, answer);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Output that ends where it grows too large.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > PRINTED {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
