//! Texts compiled once: what the engine is given for each sort of text, by which name it knows it, and where the caller's
//! part of it lies. Evaluates nothing.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use minijinja::Error;

use super::fault::{self, Origin, TemplateFault};
use super::scan::{self, Code};
use super::{KEEP, KEEPER, KEPT, Templates, path};

/// What is known about a text.
#[derive(Debug)]
pub(super) struct Text {
    /// The name the engine knows it by.
    pub(super) key: String,
    /// What the engine sees.
    pub(super) source: String,
    /// The caller's part of it, and where that lies in the caller's text.
    pub(super) given: Range<usize>,
    pub(super) offset: usize,
    pub(super) whole: bool,
    pub(super) roots: Vec<String>,
    /// The names, if it is a bare path.
    pub(super) path: Option<Vec<String>>,
    pub(super) forgiving: bool,
}

/// How a template is named to the engine: its sort, its folder, its name and its text, `\0` between.
pub(super) const EXPRESSION: &str = "expression";
pub(super) const INLINE: &str = "text";
pub(super) const FILE: &str = "file";
pub(super) const INCLUDED: &str = "included";

impl Templates {
    pub(super) fn text(&self, text: &str) -> Result<Arc<Text>, TemplateFault> {
        self.cached(0, text, || {
            // `{{ a }}{{ b }}` looks like one expression from outside; the parser knows better.
            if let Some(inner) = scan::whole(text)
                && self.environment.compile_expression_owned(text[inner.clone()].to_owned()).is_ok()
            {
                return Ok(expression(&text[inner.clone()], inner.start));
            }
            let code = Code::of_template(text);
            Ok(template(format!("{INLINE}\0\0{text}"), text, code.forgives_defined()))
        })
    }

    pub(super) fn file(&self, folder: &str, name: &str, text: &str) -> Result<Arc<Text>, TemplateFault> {
        let name = name.replace('\0', "");
        let key = format!("{FILE}\0{folder}\0{name}\0{text}");
        self.cached(2, &key, || Ok(template(key.clone(), text, Code::of_template(text).forgives_defined())))
    }

    pub(super) fn expression(&self, text: &str) -> Result<Arc<Text>, TemplateFault> {
        self.cached(1, text, || {
            let trimmed = text.trim();
            let start = text.len() - text.trim_start().len();
            let inner = scan::whole(trimmed)
                .filter(|inner| self.environment.compile_expression_owned(trimmed[inner.clone()].to_owned()).is_ok());
            let (inner, start) = match inner {
                Some(inner) => (&trimmed[inner.clone()], start + inner.start),
                None => (trimmed, start),
            };
            if inner.is_empty() {
                return Err(TemplateFault::new("an expression is expected, there is nothing"));
            }
            if let Err(error) = self.environment.compile_expression_owned(inner.to_owned()) {
                let known = self.known(Vec::new());
                let key = error.name().unwrap_or_default().to_owned();
                let origin = Origin { key: &key, source: inner, given: 0..inner.len(), offset: start };
                let fault = fault::of(&error, &origin, &known, |_| None);
                return Err(if scan::has_code(inner) {
                    fault.help("this is an expression already: write names without `{{ }}`")
                } else {
                    fault
                });
            }
            Ok(expression(inner, start))
        })
    }

    fn cached<F>(&self, sort: usize, key: &str, make: F) -> Result<Arc<Text>, TemplateFault>
    where
        F: FnOnce() -> Result<Text, TemplateFault>,
    {
        let texts = &self.texts[sort];
        if let Some(text) = texts.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(text.clone());
        }
        let mut text = make()?;
        let template =
            self.environment.get_template(&text.key).map_err(|error| self.fault(&error, &text, Vec::new()))?;
        text.roots = template.undeclared_variables(false).into_iter().filter(|name| name != KEEPER).collect();
        text.roots.sort();
        text.path = text.path.filter(|path| !self.is_global(&path[0]));
        let text = Arc::new(text);
        texts.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), text.clone());
        Ok(text)
    }
}

fn template(key: String, text: &str, forgiving: bool) -> Text {
    Text {
        key,
        source: text.to_owned(),
        given: 0..text.len(),
        offset: 0,
        whole: false,
        roots: Vec::new(),
        path: None,
        forgiving,
    }
}

fn expression(inner: &str, offset: usize) -> Text {
    Text {
        key: format!("{EXPRESSION}\0\0{inner}"),
        source: format!("{KEEP}{inner}{KEPT}"),
        given: KEEP.len()..KEEP.len() + inner.len(),
        offset,
        whole: true,
        roots: Vec::new(),
        path: path::of(inner),
        forgiving: Code::of_expression(inner).forgives_defined(),
    }
}

/// Gives the text of another template by its folder and its name.
pub(super) type Loader = dyn Fn(&str, &str) -> Result<Option<String>, String> + Send + Sync;

/// The text of a template by the name the engine knows it by.
pub(super) fn source_of(key: &str, load: &Loader) -> Result<Option<String>, Error> {
    let mut parts = key.splitn(3, '\0');
    let (sort, folder, rest) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match sort {
        EXPRESSION => Ok(Some(format!("{KEEP}{rest}{KEPT}"))),
        INLINE => Ok(Some(rest.to_owned())),
        FILE => Ok(rest.split_once('\0').map(|(_, text)| text.to_owned())),
        INCLUDED if !is_inside(rest) => Err(fault::refuse(
            format!("`{}` is not the name of a template of this role", rest.escape_debug()),
            "give a path below `templates/`, without `..`",
        )),
        INCLUDED => match load(folder, rest) {
            Ok(Some(text)) => Ok(Some(text)),
            Ok(None) => Err(fault::wrong(format!("there is no template `{rest}` in `{folder}`"))),
            Err(why) => Err(fault::wrong(format!("the template `{rest}` cannot be read: {why}"))),
        },
        _ => Err(fault::refuse("a value cannot include a template", "use a template file (`template`, `src:`)")),
    }
}

fn is_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('/')
        && !name.contains(['\\', '\0'])
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The name by which a template was included.
pub(super) fn included(key: &str) -> Option<String> {
    let mut parts = key.splitn(3, '\0');
    let (sort, _, name) = (parts.next()?, parts.next()?, parts.next()?);
    (sort == INCLUDED).then(|| name.to_owned())
}
