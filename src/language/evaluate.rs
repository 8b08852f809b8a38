//! What a task sees at one place, and what its text becomes there.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::model::{After, Content, Map, NamedText, Value};
use crate::source::{Node, Problem, Span, Tree};

use super::condition::parse_open;
use super::kustomize;
use super::params::{Mark, Marked, below};
use super::program::{Expression, HostId, Program, Task};
use super::task_files::is_manifest;
use super::values::ProjectFile;
use super::view::View;

/// Where a text is rendered: all that can differ from place to place and from moment to moment.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The host whose values are seen; none for a cluster task.
    pub host: Option<HostId>,
    /// The item of the loop (its variable's name is in the task).
    pub item: Option<&'a Value>,
    /// Registers by name, as this place sees them; a value that is not there yet is `Unknown` inside.
    pub registers: &'a Map,
    /// Facts by host, where they were asked for.
    pub facts: &'a [Option<Map>],
}

/// Rendered parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The value; secrets and unknowns travel inside it.
    pub value: Value,
    /// Did it read anything that can differ between hosts (or a register)? If not, it may be shared by all.
    pub varies: bool,
}

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Go on.
    True,
    /// Skip.
    False,
    /// Not known yet.
    Unknown(After),
}

impl Program {
    /// The parameters of `task` in `frame`: templates rendered, files loaded, secrets and unknowns kept as such.
    ///
    /// # Errors
    /// A problem that points into the parameter (or the template file) at fault.
    pub fn render(&self, task: &Task, frame: &Frame<'_>) -> Result<Rendered, Problem> {
        let making = RefCell::default();
        let view = View::of_task(self, task, *frame, &making);
        let marked = self.values.marked.get(task.resource).map(Vec::as_slice).unwrap_or_default();
        let value = match &task.params.tree {
            Tree::Null => Value::Map(Map::new()),
            _ => self.params(&view, task, &task.params, marked, 0)?,
        };
        Ok(Rendered { value, varies: view.varies() })
    }

    /// As [`View::node`], but what is marked becomes the content of its file, or what its condition says. `depth`: how
    /// much of the marks' paths was gone already.
    fn params(
        &self,
        view: &View<'_>,
        task: &Task,
        node: &Node,
        marked: &[Marked],
        depth: usize,
    ) -> Result<Value, Problem> {
        if marked.is_empty() {
            return view.node(node);
        }
        if let Some(own) = marked.iter().find(|marked| marked.path.len() == depth) {
            return match own.mark {
                Mark::Condition => self.condition(view, node),
                mark => self.named(view, task, node, mark),
            };
        }
        let below = |segment: &str| below(marked, depth, segment);
        match &node.tree {
            Tree::List(items) => {
                let below = below("*");
                let items = items.iter().map(|item| self.params(view, task, item, &below, depth + 1));
                Ok(Value::List(items.collect::<Result<_, _>>()?))
            }
            Tree::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    Ok((key.name.clone(), self.params(view, task, value, &below(&key.name), depth + 1)?))
                });
                Ok(Value::Map(entries.collect::<Result<Map, Problem>>()?))
            }
            _ => view.node(node),
        }
    }

    /// What the condition in `node` says, and its text.
    fn condition(&self, view: &View<'_>, node: &Node) -> Result<Value, Problem> {
        let Some(condition) = parse_open(node) else { return view.node(node) };
        let (truth, _) = self.truth(view, &condition)?;
        let text = Value::text(condition.text.trim());
        let holds = match truth {
            Truth::Unknown(after) => return Ok(Value::Unknown(after)),
            known => Value::Bool(known == Truth::True),
        };
        Ok(Value::Map(Map::from_iter([("holds".to_owned(), holds), ("text".to_owned(), text)])))
    }

    /// The content of what `node` names: of a file, or of all files of a folder.
    fn named(&self, view: &View<'_>, task: &Task, node: &Node, mark: Mark) -> Result<Value, Problem> {
        let name = match view.node(node)? {
            Value::Text(name) => name,
            Value::Secret(_) => return Err(Problem::error(node.span, "the name of a file may not be a secret")),
            // Nothing, not known yet, or of a wrong type: the resource says so.
            other => return Ok(other),
        };
        let scope = self.values.scopes.get(task.scope as usize);
        let folders = mark
            .folders()
            .iter()
            .map(|folder| scope.map_or_else(|| PathBuf::from(folder), |scope| scope.folder.join(folder)));
        let mut missing = None;
        for folder in folders {
            let path = folder.join(&*name);
            let one = if mark == Mark::Kustomize { path.join(kustomize::BUILT) } else { path.clone() };
            if let Some(file) = self.values.files.get(&one) {
                let content = self.content(view, node, &folder, &name, file, mark)?;
                return Ok(if mark == Mark::Manifests { Value::List(vec![named(&one, content)]) } else { content });
            }
            if mark == Mark::Manifests {
                let inside = self.values.files.range(path.clone()..).take_while(|(file, _)| file.starts_with(&path));
                let inside = inside
                    .filter(|(file, _)| is_manifest(&file.to_string_lossy()) && !file.ends_with(kustomize::BUILT));
                let texts = inside.map(|(file, loaded)| {
                    let name = file.strip_prefix(&folder).unwrap_or(file).to_string_lossy();
                    Ok(named(file, self.content(view, node, &folder, &name, loaded, mark)?))
                });
                let texts = texts.collect::<Result<Vec<_>, Problem>>()?;
                if !texts.is_empty() {
                    return Ok(Value::List(texts));
                }
            }
            missing.get_or_insert(path);
        }
        let path = missing.unwrap_or_default();
        Err(Problem::error(node.span, format!("`{}` does not exist", path.display())).label("no such file"))
    }

    /// The content of one file of `folder`.
    fn content(
        &self,
        view: &View<'_>,
        node: &Node,
        folder: &Path,
        name: &str,
        file: &ProjectFile,
        mark: Mark,
    ) -> Result<Value, Problem> {
        let Some(id) = file.file.filter(|_| mark.renders(folder, name)) else {
            return Ok(Value::Content(Content::open(file.bytes.clone())));
        };
        let text = self.values.sources.text(id);
        let span = Span::new(id, 0, u32::try_from(text.len()).unwrap_or(u32::MAX));
        let outcome = self.values.templates.render_file(&folder.to_string_lossy(), name, text, view);
        let value = view.outcome(span, text, outcome).map_err(|problem| match problem.span {
            Some(at) if at.file == id => problem.related(node.span, "for this task"),
            _ => problem,
        })?;
        Ok(match value.value {
            Value::Unknown(after) => Value::Unknown(after),
            Value::Secret(secret) => {
                Value::Content(Content::sealed(secret.reveal().to_string().into_bytes(), secret.shown()))
            }
            open => Value::Content(Content::open(open.to_string().into_bytes())),
        })
    }

    /// What `condition` says in `frame`.
    ///
    /// # Errors
    /// A problem that points into it, also when it is no truth value.
    pub fn test(&self, task: &Task, condition: &Expression, frame: &Frame<'_>) -> Result<Truth, Problem> {
        self.test_varying(task, condition, frame).map(|(truth, _)| truth)
    }

    /// The same, and whether it can differ between hosts.
    pub(super) fn test_varying(
        &self,
        task: &Task,
        condition: &Expression,
        frame: &Frame<'_>,
    ) -> Result<(Truth, bool), Problem> {
        let making = RefCell::default();
        let view = View::of_task(self, task, *frame, &making);
        self.truth(&view, condition)
    }

    fn truth(&self, view: &View<'_>, condition: &Expression) -> Result<(Truth, bool), Problem> {
        let outcome = self.values.templates.evaluate(&condition.text, view);
        let value = view.outcome(condition.span, &condition.text, outcome)?.value;
        let bare = match &value {
            Value::Secret(secret) => secret.reveal(),
            open => open,
        };
        let truth = match bare {
            Value::Bool(true) => Truth::True,
            Value::Bool(false) => Truth::False,
            Value::Unknown(after) => Truth::Unknown(after.clone()),
            other => {
                return Err(Problem::error(
                    condition.span,
                    format!("a condition is true or false, this is {}", other.kind()),
                )
                .label("no truth value")
                .help("compare it with something, or say `is defined`, `| length > 0` or `| bool`"));
            }
        };
        Ok((truth, view.varies()))
    }

    /// Does any task read `facts` of a host?
    #[must_use]
    pub fn reads_facts(&self) -> bool {
        self.values.reads_facts
    }
}

/// A file as one of several.
fn named(path: &Path, content: Value) -> Value {
    let (key, text) = NamedText::KEYS;
    Value::Map(Map::from_iter([(key.to_owned(), Value::text(path.display().to_string())), (text.to_owned(), content)]))
}
