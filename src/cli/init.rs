//! `lions init`: a small project that works at once, on this machine.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Ended;
use super::exit::Exit;
use super::options::Globals;
use super::project::{self, quoted};
use crate::model::{Fault, FaultKind};
use crate::render::Show;

const EXAMPLES: &str = "\
Examples:
  lions init                 in the current folder
  lions init my-platform     in a new folder
  cd my-platform && lions plan && lions apply";

/// Make a small project that works at once, on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where; made when it is not there
    #[arg(default_value = ".", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, globals: &Globals, show: &Show) -> Ended {
    let root = project::start()?.join(&args.folder);
    fs::create_dir_all(&root).map_err(|error| cannot("make", &root, &error))?;
    let root = fs::canonicalize(&root).map_err(|error| cannot("work in", &root, &error))?;
    let files = files(&root)?;
    let there: Vec<&str> =
        files.iter().map(|(path, _)| *path).filter(|path| root.join(path).symlink_metadata().is_ok()).collect();
    if !there.is_empty() {
        let there: Vec<String> = there.iter().map(|path| format!("`{path}`")).collect();
        return Err(Fault::new(FaultKind::Refused, format!("nothing was made, already there: {}", there.join(", ")))
            .help("choose an empty folder: `lions init FOLDER`"));
    }
    let mut text = String::new();
    for (path, content) in files {
        let full = root.join(path);
        if let Some(folder) = full.parent() {
            fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&full)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .map_err(|error| cannot("write", &full, &error))?;
        let _ = writeln!(text, "made {path}");
    }
    show.note(text.trim_end());
    // As seen from where the command was typed.
    let from_there = match (&globals.directory, args.folder.to_str()) {
        (None, Some(".")) => String::new(),
        (Some(folder), Some(".")) => format!(" -C {}", quoted(folder)),
        (Some(folder), _) => format!(" -C {}", quoted(&folder.join(&args.folder))),
        (None, _) => format!(" -C {}", quoted(&args.folder)),
    };
    show.note(&format!("\nnext: `lions{from_there} plan` shows what would be done, `lions{from_there} apply` does it"));
    Ok(Exit::Done)
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::failed(format!("cannot {what} `{}`", path.display())).cause(error)
}

/// Every file and its text.
fn files(root: &Path) -> Result<[(&'static str, String); 6], Fault> {
    let out = root.join("out");
    let out = out.to_str().filter(|path| !path.contains("{{") && !path.contains("{%")).ok_or_else(|| {
        Fault::new(FaultKind::Refused, format!("the path `{}` cannot stand in a playbook", out.display()))
            .help("choose a folder whose path is UTF-8 and holds neither `{{` nor `{%`")
    })?;
    // A JSON text is a quoted YAML text.
    let out = serde_json::Value::from(out);
    Ok([
        (
            "playbooks/site.yml",
            "\
# What `lions plan` and `lions apply` converge when no playbook is named.
- name: first steps
  hosts: all
  roles: [hello]
"
            .to_owned(),
        ),
        (
            "inventories/local/environment.yml",
            format!(
                "\
# The hosts of this environment, and values for all of them.
hosts:
  here: {{ connection: local }}
vars:
  folder: {out}
"
            ),
        ),
        (
            "roles/hello/inputs.yml",
            "\
# Every input of the role once: typed, with a default or `required: true`.
greeting: { type: text, default: hello, doc: how the file greets }
"
            .to_owned(),
        ),
        (
            "roles/hello/tasks.yml",
            "\
- name: folder
  directory: { path: \"{{ folder }}\", mode: \"0755\" }
- name: greeting
  template: { src: greeting.txt.j2, dest: \"{{ folder }}/greeting.txt\", mode: \"0644\" }
- name: latest
  link: { src: greeting.txt, dest: \"{{ folder }}/latest.txt\" }
"
            .to_owned(),
        ),
        ("roles/hello/templates/greeting.txt.j2", "{{ greeting }} from {{ inventory_hostname }}\n".to_owned()),
        (".gitignore", "# What `lions` remembers of its runs on this machine.\n/.lions/\n/out/\n".to_owned()),
    ])
}
