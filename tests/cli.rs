//! The program as a stranger meets it: output, exit codes, and files that it makes.

mod k3s;
mod proxy;
mod readme;
mod schema;
mod story;

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// Runs `lions` in `folder`, with nothing of the tester's own surroundings.
pub(crate) fn lions(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::from_std(program());
    command.current_dir(folder).args(words).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.output().unwrap()
}

/// `lions`, whose lock and ledger of this machine are its own where the tester is root: tests run beside each other,
/// and leave nothing here.
pub(crate) fn program() -> std::process::Command {
    let lions = assert_cmd::cargo::cargo_bin!("lions");
    if !rustix::process::geteuid().is_root() {
        return std::process::Command::new(lions);
    }
    let mut command = std::process::Command::new("unshare");
    let own = "for f in /run/lions /var/lib/lions; do mkdir -p -m 700 $f && mount -t tmpfs -o mode=700 lions $f || exit 99; done";
    command.args(["-m", "sh", "-c", &format!("{own}; exec \"$0\" \"$@\"")]).arg(lions);
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

const COMMANDS: &[&str] = &[
    "plan",
    "apply",
    "drift",
    "show",
    "hosts",
    "kubeconfig",
    "k3s",
    "validate",
    "graph",
    "vars",
    "doc",
    "schema",
    "init",
    "completions",
];

#[test]
fn every_command_explains_itself_with_examples() {
    let folder = TempDir::new().unwrap();
    let help = lions(folder.path(), &["--help"]);
    assert_eq!(code(&help), 0);
    assert_eq!(err(&help), "");
    let listed: Vec<String> = out(&help)
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    assert_eq!(listed, COMMANDS);
    for command in COMMANDS {
        let help = lions(folder.path(), &[command, "--help"]);
        assert_eq!(code(&help), 0);
        let text = out(&help);
        let examples = text.split_once("\nExamples:\n").map(|(_, examples)| examples).unwrap_or_default();
        assert!(examples.contains(&format!("lions {command}")), "{command}: {text}");
        assert!(!text.contains('\x1b'), "colour in a pipe");
    }
}

#[test]
fn a_wrong_command_line_is_64() {
    let folder = TempDir::new().unwrap();
    for words in
        [&[][..], &["plam"], &["doc", "--nonsense"], &["validate", "--set", "novalue"], &["completions", "csh"]]
    {
        let wrong = lions(folder.path(), words);
        assert_eq!(code(&wrong), 64, "{words:?}");
        assert_eq!(out(&wrong), "", "{words:?}");
        assert_ne!(err(&wrong), "", "{words:?}");
    }
    assert_eq!(code(&lions(folder.path(), &["--version"])), 0);
}

#[test]
fn without_a_project_it_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let lost = lions(folder.path(), &["validate"]);
    assert_eq!(code(&lost), 1);
    assert!(
        err(&lost).starts_with("error: no project: neither `playbooks/` nor `inventories/` in `"),
        "{}",
        err(&lost)
    );
    assert!(err(&lost).ends_with("\n  help: `lions init` makes a project, `-C DIR` names one\n"), "{}", err(&lost));
    let nowhere = lions(folder.path(), &["-C", "not there", "validate"]);
    assert_eq!(code(&nowhere), 1);
    assert!(err(&nowhere).starts_with("error: cannot work in `not there`\n  cause: "), "{}", err(&nowhere));
}

#[test]
fn init_overwrites_nothing() {
    let folder = TempDir::new().unwrap();
    let first = lions(folder.path(), &["init", "my project"]);
    assert_eq!((code(&first), out(&first).as_str()), (0, ""));
    assert!(err(&first).ends_with(
        "next: `lions -C 'my project' plan` shows what would be done, `lions -C 'my project' apply` does it\n"
    ));
    let tasks = folder.path().join("my project/roles/hello/tasks.yml");
    fs::write(&tasks, "[]").unwrap();
    let again = lions(folder.path(), &["init", "my project"]);
    assert_eq!(code(&again), 1);
    assert!(
        err(&again).starts_with("error: nothing was made, already there: `playbooks/site.yml`, "),
        "{}",
        err(&again)
    );
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "[]");
    // One file in the way is enough.
    fs::create_dir_all(folder.path().join("other/roles/hello")).unwrap();
    fs::write(folder.path().join("other/roles/hello/tasks.yml"), "mine").unwrap();
    assert_eq!(code(&lions(folder.path(), &["init", "other"])), 1);
    assert!(!folder.path().join("other/playbooks").exists());
}

#[test]
fn doc_lists_and_explains_every_resource() {
    let folder = TempDir::new().unwrap();
    let list = lions(folder.path(), &["doc"]);
    assert_eq!((code(&list), err(&list).as_str()), (0, ""));
    let catalogue = lions::resources::catalogue();
    for kind in catalogue.iter() {
        assert!(out(&list).contains(&format!("  {} ", kind.name)), "{}", out(&list));
        let page = out(&lions(folder.path(), &["doc", kind.name]));
        for name in kind.schema["properties"].as_object().into_iter().flat_map(|all| all.keys()) {
            assert!(page.contains(&format!("\n  {name} ")), "{name}: {page}");
        }
        assert!(page.contains(kind.doc.example.trim().lines().next().unwrap()), "{page}");
    }
    let unknown = lions(folder.path(), &["doc", "cpoy"]);
    assert_eq!(code(&unknown), 64);
    assert_eq!(err(&unknown), "error: no resource and no filter is called `cpoy`\n  help: did you mean `copy`?\n");
}

#[test]
fn doc_explains_filters() {
    let folder = TempDir::new().unwrap();
    let list = out(&lions(folder.path(), &["doc", "filters"]));
    assert!(list.contains("\n  combine "), "{list}");
    let page = out(&lions(folder.path(), &["doc", "ternary"]));
    assert_eq!(
        page,
        "ternary: the first where it is true, else the second (filter)\n\n\
         example:\n  {{ true | ternary('yes', 'no') }}\n  gives \"yes\"\n"
    );
}

#[test]
fn json_begins_with_its_version() {
    let folder = TempDir::new().unwrap();
    for words in [&["doc", "--output", "json"][..], &["validate", "--output", "json"]] {
        let text = out(&lions(folder.path(), words));
        let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events[0], serde_json::json!({"type": "version", "format": 1, "lions": env!("CARGO_PKG_VERSION")}));
        assert!(events.len() > 1, "{text}");
        assert!(events.iter().all(|event| event["type"].is_string()), "{text}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let folder = TempDir::new().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("lions"))
        .args(["schema"])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}

#[test]
fn a_full_disk_is_a_fault() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended =
        std::process::Command::new(assert_cmd::cargo::cargo_bin!("lions")).arg("schema").stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8(ended.stderr).unwrap().starts_with("error: cannot write to standard output"));
}

#[test]
fn completions_for_every_shell() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = out(&lions(folder.path(), &["completions", shell]));
        assert!(COMMANDS.iter().all(|command| text.contains(command)), "{shell}");
    }
}
