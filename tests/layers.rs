//! Holds the table of layers and the few rules that keep them: who may name whom, who may write where, how long a file
//! may be. Reads the text of `src/`; the checks themselves are checked at the end.

use std::fmt::Write as _;
use std::path::Path;

/// Lower never names higher.
const LAYERS: [&str; 10] =
    ["source", "model", "transport", "targets", "resources", "language", "graph", "engine", "render", "cli"];

/// Layers that see less than all below them.
const SEES_ONLY: [(&str, &[&str]); 3] =
    [("language", &["source", "model"]), ("graph", &["source", "model", "language"]), ("render", &["source", "model"])];

/// Lines of code in one file: comments, blank lines and tests do not count.
const LONGEST: usize = 400;

/// What it is, the words that tell it, and the files that may use them, each with its reason.
type Reserved = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

/// Words that only some files may use.
const RESERVED: [Reserved; 4] = [
    (
        "a YAML crate",
        &["granit_parser", "serde_saphyr", "serde_yaml"],
        &[("source/", "the only folder that reads YAML")],
    ),
    (
        "the terminal",
        &["println!", "eprintln!", "print!", "eprint!", "io::stdout", "io::stderr", "anstream", "dbg!"],
        &[("render/", "the only layer that writes to the terminal"), ("main.rs", "hands over the exit code")],
    ),
    (
        "a change of a place",
        &[".perform(", ".make_together(", "hands::"],
        &[
            ("targets/", "hands, and the links to them"),
            ("engine/places.rs", "the one door of the engine"),
            ("engine/make.rs", "goes through it when a plan is approved"),
            ("engine/joining.rs", "goes through it when a plan is approved"),
            ("engine/prune.rs", "goes through it when a plan is approved"),
        ],
    ),
    (
        "a write on this machine, or a process",
        &[
            "fs::write",
            "fs::remove",
            "fs::create",
            "fs::rename",
            "fs::copy",
            "fs::set_permissions",
            "File::create",
            "OpenOptions",
            "Command::new",
            "NamedTempFile",
        ],
        &[
            ("transport/", "starts the worker"),
            ("source/read.rs", "opens files to read them, never waiting"),
            ("engine/journal.rs", "the record of a run"),
            ("engine/planfile.rs", "saved plans"),
            ("cli/init.rs", "a new project"),
            ("cli/kubeconfig.rs", "the user's own kubeconfig"),
            ("cli/k3s.rs", "the lock of a release"),
            ("language/kustomize.rs", "the tool that reads kustomizations"),
        ],
    ),
];

/// A file of `src/`: its path below that, and its text without comments and tests.
struct File {
    path: String,
    first: String,
    code: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let first = text.lines().next().unwrap_or_default().to_owned();
        Self { path: path.to_owned(), first, code: without_tests(&without_comments(text)) }
    }

    /// The layer; none for `lib.rs` and `main.rs`.
    fn layer(&self) -> Option<&str> {
        let name = self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        LAYERS.into_iter().find(|layer| *layer == name)
    }

    /// Modules between the crate and the file: 1 for `model/mod.rs`.
    fn depth(&self) -> usize {
        self.path.split('/').count() - usize::from(self.path.ends_with("/mod.rs"))
    }
}

/// Whole-line comments and what follows ` //` go; good enough for code that rustfmt has seen.
fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Without `#[cfg(test)]` modules: from that line to the `}` in the same column, or to the `;`.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        for line in lines.by_ref() {
            if line == end || line.ends_with(';') && !line.starts_with(&format!("{indent} ")) {
                break;
            }
        }
    }
    out
}

fn files() -> Vec<File> {
    fn walk(folder: &Path, root: &Path, files: &mut Vec<File>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                walk(&path, root, files);
            } else if path.extension().is_some_and(|end| end == "rs") && !name.ends_with("_tests.rs") {
                files.push(File::new(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &root, &mut files);
    assert!(files.len() > 100, "only {} files found", files.len());
    files
}

/// Layers that the code names: `crate::x`, and each of `crate::{x, y::{..}}`.
fn named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        let rest = &code[at + word.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                    c if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(rest.to_owned());
        }
    }
    let first = |path: &String| path.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned);
    names.iter().filter_map(first).filter(|name| LAYERS.contains(&name.as_str())).collect()
}

/// The most `super::` in a row.
fn climbs(code: &str) -> usize {
    let run = |at: usize| {
        let mut rest = &code[at..];
        let mut count = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, count) = (next, count + 1);
        }
        count
    };
    code.match_indices("super::").map(|(at, _)| run(at)).max().unwrap_or(0)
}

fn layers(file: &File) -> Vec<String> {
    let Some(layer) = file.layer() else {
        let lone = ["lib.rs", "main.rs"].contains(&file.path.as_str());
        return if lone { Vec::new() } else { vec![format!("`{}` belongs to no layer of the table", file.path)] };
    };
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let seen = SEES_ONLY.iter().find(|(name, _)| *name == layer).map(|(_, seen)| seen);
    let mut wrong = Vec::new();
    for name in named(&file.code) {
        let lower = rank(&name) <= rank(layer);
        let allowed = seen.is_none_or(|seen| seen.contains(&name.as_str()) || name == layer);
        if !lower || !allowed {
            wrong.push(format!("`{}` names `{name}`, which `{layer}` does not see", file.path));
        }
    }
    if climbs(&file.code) >= file.depth() {
        wrong.push(format!("`{}` climbs out of its layer with `super::`", file.path));
    }
    wrong
}

fn reserved(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    for (what, words, allowed) in RESERVED {
        let at_home = allowed.iter().any(|(path, _)| file.path.starts_with(path));
        for word in words.iter().filter(|word| !at_home && has_word(&file.code, word)) {
            let homes: Vec<&str> = allowed.iter().map(|(path, _)| *path).collect();
            wrong.push(format!("`{}` uses {what} (`{word}`): only {} may", file.path, homes.join(", ")));
        }
    }
    wrong
}

/// Does `word` stand in the code, not as the end of a longer name?
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !word.starts_with(char::is_alphabetic) || before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

fn shape(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    if !file.first.starts_with("//!") {
        wrong.push(format!("`{}` does not begin with a `//!` that says its duty", file.path));
    }
    let lines = file.code.lines().filter(|line| !line.trim().is_empty()).count();
    if lines > LONGEST {
        wrong.push(format!("`{}` has {lines} lines of code, more than {LONGEST}: split it by meaning", file.path));
    }
    let vague = ["utils", "helpers", "common", "manager"];
    if file.path.split('/').any(|part| vague.contains(&part.trim_end_matches(".rs"))) {
        wrong.push(format!("`{}` has a name that says nothing", file.path));
    }
    wrong
}

fn hold(check: fn(&File) -> Vec<String>) {
    let wrong: Vec<String> = files().iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn lower_layers_never_name_higher_ones() {
    hold(layers);
}

#[test]
fn only_some_files_touch_what_lies_outside() {
    hold(reserved);
}

#[test]
fn files_say_their_duty_and_stay_short() {
    hold(shape);
}

#[test]
fn every_exception_is_still_needed() {
    let files = files();
    for (what, words, allowed) in RESERVED {
        for (path, why) in allowed.iter().filter(|(path, _)| *path != "main.rs") {
            let used = files
                .iter()
                .any(|file| file.path.starts_with(path) && words.iter().any(|word| has_word(&file.code, word)));
            assert!(used, "`{path}` no longer needs {what} ({why}): take it off the list");
        }
    }
}

#[test]
fn the_checks_find_what_is_wrong() {
    let of = |path: &str, text: &str, check: fn(&File) -> Vec<String>| check(&File::new(path, text)).len();
    assert_eq!(of("graph/a.rs", "use crate::engine::Plan;", layers), 1);
    assert_eq!(of("graph/a.rs", "use crate::targets::host;", layers), 1, "lower, but not seen");
    assert_eq!(of("model/a.rs", "use crate::{source::Span, targets::{host::Step, cluster}};", layers), 1);
    assert_eq!(of("engine/a.rs", "fn a() { crate::cli::main() }", layers), 1);
    assert_eq!(of("engine/a.rs", "// crate::cli\nuse crate::graph::{Graph, Node};", layers), 0);
    assert_eq!(of("engine/a.rs", "use super::super::cli;", layers), 1);
    assert_eq!(of("engine/deep/a.rs", "use super::super::walk;", layers), 0);
    assert_eq!(of("engine/a.rs", "#[cfg(test)]\nmod tests {\n    use crate::cli::Exit;\n}\n", layers), 0);
    assert_eq!(of("engine/a.rs", "#[cfg(test)]\nmod tests {\n}\nuse crate::cli::Exit;\n", layers), 1);
    assert_eq!(of("engine/a.rs", "#[cfg(test)]\n#[path = \"t.rs\"]\nmod tests;\nuse crate::cli::Exit;\n", layers), 1);
    assert_eq!(of("misc/a.rs", "", layers), 1);
    assert_eq!(of("engine/a.rs", "fn a() { println!(); }", reserved), 1);
    assert_eq!(of("render/a.rs", "fn a() { println!(); }", reserved), 0);
    assert_eq!(of("graph/a.rs", "fn a() { my_print!(); }", reserved), 0);
    assert_eq!(of("resources/copy.rs", "link.perform(step)", reserved), 1);
    assert_eq!(of("resources/copy.rs", "std::fs::write(a, b)", reserved), 1);
    assert_eq!(of("language/a.rs", "use serde_saphyr::from_str;", reserved), 1);
    assert_eq!(of("graph/a.rs", "use std::fmt;", shape), 1);
    assert_eq!(of("graph/common.rs", "//! Duty.", shape), 1);
    let mut long = String::from("//! Duty.\n\n");
    (0..LONGEST).for_each(|at| writeln!(long, "// why\nfn a{at}() {{}}\n").unwrap());
    assert_eq!(of("graph/a.rs", &long, shape), 0);
    long.push_str("fn one_more() {}\n");
    assert_eq!(of("graph/a.rs", &long, shape), 1);
}
