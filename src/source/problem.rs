//! What is wrong in the text: gathered, never thrown one by one.

use super::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing runs until it is mended.
    Error,
    /// Shown; what was asked for goes on.
    Warning,
}

/// One thing that is wrong in the text: a summary in lower case, where, and the way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// One line of what, names in backticks.
    pub summary: String,
    /// Where; none for a file that could not be read at all.
    pub span: Option<Span>,
    /// What to say under the caret.
    pub label: String,
    /// Other places that belong to it, each with its word.
    pub related: Vec<(Span, String)>,
    /// What to do, `did you mean` included; one line each.
    pub help: Vec<String>,
}

impl Problem {
    /// An error at `span`.
    #[must_use]
    pub fn error(span: Span, summary: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::nowhere(summary) }
    }

    /// An error that no text can be pointed at for (a missing file, a flag).
    #[must_use]
    pub fn nowhere(summary: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary: summary.into(),
            span: None,
            label: String::new(),
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning at `span`.
    #[must_use]
    pub fn warning(span: Span, summary: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, summary) }
    }

    /// The words under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Another place that belongs to it.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// What to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// `did you mean `name`?`, if one of `known` is near.
    #[must_use]
    pub fn did_you_mean<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match super::did_you_mean(name, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// All that is wrong, in the order it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one, unless the very same is there (loops and hosts find a problem many times).
    pub fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Problem>) {
        for problem in others {
            self.push(problem);
        }
    }

    /// Is there one that stops the run?
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Is there none at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All, as found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
