//! One reading of a project: its files as trees and texts, kept once, and all problems on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::Catalogue;
use crate::source::{FileId, Limits, Node, Problem, Problems, Sources, Span, Tree, parse};

use super::files::Files;
use super::kustomize;
use super::params::Marked;
use super::scan::{Read, Scanner};
use super::template::Templates;
use super::values::ProjectFile;

/// What every part of loading shares.
pub(super) struct Reading<'a> {
    pub(super) files: &'a Files,
    pub(super) catalogue: &'a Catalogue,
    pub(super) templates: Arc<Templates>,
    pub(super) sources: Sources,
    pub(super) problems: Problems,
    /// Where each resource names files of the project.
    pub(super) marked: BTreeMap<&'static str, Vec<Marked>>,
    /// Files of `files/` and `templates/` that were loaded, by path.
    pub(super) loaded: BTreeMap<PathBuf, ProjectFile>,
    /// Words of texts that read `hostvars`, or that are wrong.
    pub(super) words: BTreeSet<String>,
    /// Names and registers of tasks that could not be understood: they are not called unknown.
    pub(super) broken: BTreeSet<String>,
    /// Are values that no key opens left unknown? Else that is a problem.
    pub(super) names_only: bool,
    /// Does any text look up files?
    looks_up: bool,
    /// Texts that templates may include, by their path.
    included: Arc<RwLock<BTreeMap<String, String>>>,
    template_reads: BTreeMap<PathBuf, Vec<Read>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(files: &'a Files, catalogue: &'a Catalogue) -> Self {
        let included: Arc<RwLock<BTreeMap<String, String>>> = Arc::default();
        let shared = included.clone();
        let templates = Templates::new(move |folder, name| {
            let texts = shared.read().unwrap_or_else(PoisonError::into_inner);
            Ok(texts.get(&format!("{folder}/{name}")).cloned())
        });
        let marked = catalogue.iter().map(|kind| (kind.name, Marked::all(&kind.schema))).collect();
        Self {
            files,
            catalogue,
            templates: Arc::new(templates),
            sources: Sources::default(),
            problems: Problems::default(),
            marked,
            loaded: BTreeMap::new(),
            words: BTreeSet::new(),
            broken: BTreeSet::new(),
            names_only: false,
            looks_up: false,
            included,
            template_reads: BTreeMap::new(),
        }
    }

    /// The one document of the YAML file at `path`; `None` when there is no such file, or a problem was found. An
    /// empty file is [`Tree::Null`].
    pub(super) fn document(&mut self, path: &Path) -> Option<Node> {
        let bytes = match self.files.bytes(path, Some(Limits::default().bytes)) {
            Ok(bytes) => bytes?,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let (file, text) = self.text(path, &bytes)?;
        match parse(file, &text, Limits::default()) {
            Ok(documents) => {
                if let [_, second, ..] = documents.as_slice() {
                    self.problems.push(
                        Problem::error(second.span, "a second document in one file")
                            .label("begins here")
                            .help("put it into a file of its own, or remove the `---`"),
                    );
                }
                let empty = Node { span: Span::new(file, 0, 0), tree: Tree::Null };
                Some(documents.into_iter().next().unwrap_or(empty))
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// Is there a file at `path`?
    pub(super) fn exists(&mut self, path: &Path) -> bool {
        match self.files.bytes(path, None) {
            Ok(bytes) => bytes.is_some(),
            Err(problem) => {
                self.problems.push(problem);
                false
            }
        }
    }

    /// What is in `folder`; what is wrong with it is a problem.
    pub(super) fn list(&mut self, folder: &Path) -> Vec<super::files::Entry> {
        self.files.list(folder).unwrap_or_else(|problem| {
            self.problems.push(problem);
            Vec::new()
        })
    }

    fn text(&mut self, path: &Path, bytes: &[u8]) -> Option<(FileId, Arc<str>)> {
        match crate::source::decode(path, bytes.to_vec()) {
            Ok(text) => {
                let text: Arc<str> = text.into();
                Some((self.sources.add(path, text.clone()), text))
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Loads the file of `files/` or `templates/` at `path`, once. `None`: it is not there, or a problem was found.
    pub(super) fn project_file(&mut self, path: &Path, template: bool) -> Option<&ProjectFile> {
        // What was loaded as it is may be wanted as a template now.
        if self.loaded.get(path).is_none_or(|loaded| template && loaded.file.is_none()) {
            let bytes = match self.files.bytes(path, None) {
                Ok(bytes) => bytes?,
                Err(problem) => {
                    self.problems.push(problem);
                    return None;
                }
            };
            let file = if template { Some(self.text(path, &bytes)?.0) } else { None };
            self.loaded.insert(path.to_owned(), ProjectFile { bytes, file });
        }
        self.loaded.get(path)
    }

    /// Loads what the kustomization in `folder` comes to. `None`: there is none, or a problem was found.
    pub(super) fn kustomized(&mut self, folder: &Path) -> Option<()> {
        match self.files.kustomized(folder) {
            Ok(bytes) => {
                self.loaded.insert(folder.join(kustomize::BUILT), ProjectFile { bytes: bytes?, file: None });
                Some(())
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// The names that the template file at `path` reads; it must have been loaded.
    pub(super) fn template_reads(&mut self, path: &Path) -> Vec<Read> {
        if let Some(reads) = self.template_reads.get(path) {
            return reads.clone();
        }
        let mut reads = Vec::new();
        if let Some(file) = self.loaded.get(path).and_then(|loaded| loaded.file) {
            let text = self.sources.text(file).clone();
            let span = Span::new(file, 0, u32::try_from(text.len()).unwrap_or(u32::MAX));
            self.scanner().text(&text, span, &mut reads);
        }
        self.template_reads.insert(path.to_owned(), reads.clone());
        reads
    }

    /// Loads all of `templates/` in `folder`: any of them may be included, and what they read is used.
    pub(super) fn all_templates(&mut self, folder: &Path) -> Vec<Read> {
        let within = folder.join("templates");
        let mut reads = Vec::new();
        for name in self.below(&within) {
            let path = within.join(&name);
            let Some(file) = self.project_file(&path, true).and_then(|loaded| loaded.file) else { continue };
            let text = self.sources.text(file).as_ref().to_owned();
            self.included.write().unwrap_or_else(PoisonError::into_inner).insert(path.display().to_string(), text);
            reads.extend(self.template_reads(&path));
        }
        reads
    }

    /// Loads all of `files/` in `folder` if any text looks files up: which, only rendering tells.
    pub(super) fn files_for_lookup(&mut self, folder: &Path) {
        if !self.looks_up {
            return;
        }
        let within = folder.join("files");
        for name in self.below(&within) {
            self.project_file(&within.join(name), false);
        }
    }

    /// Every file below `folder`; what is wrong with it is a problem.
    pub(super) fn below(&mut self, folder: &Path) -> Vec<String> {
        self.files.below(folder).unwrap_or_else(|problem| {
            self.problems.push(problem);
            Vec::new()
        })
    }

    /// The names that `path` and what it includes read.
    pub(super) fn template_and_included(&mut self, within: &Path, path: &Path) -> Vec<Read> {
        let mut reads = self.template_reads(path);
        let text = self.loaded.get(path).and_then(|loaded| loaded.file).map(|file| self.sources.text(file).clone());
        let includes = |word: &str| text.as_ref().is_some_and(|text| text.contains(word));
        if includes("{%") && ["include", "import", "extends"].into_iter().any(includes) {
            for name in self.below(within) {
                let others = self.template_reads(&within.join(name));
                reads.extend(others.into_iter().map(|read| Read { included: true, ..read }));
            }
        }
        reads
    }

    /// Reads names of texts; its problems go here.
    pub(super) fn scanner(&mut self) -> Scanner<'_> {
        Scanner {
            templates: &self.templates,
            sources: &self.sources,
            problems: &mut self.problems,
            words: &mut self.words,
            looks_up: &mut self.looks_up,
        }
    }
}
