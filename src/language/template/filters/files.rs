//! `lookup`: files of the role, through the caller. Everything else that Ansible looks up would make a plan depend on
//! the machine that plans.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value as Engine};

use super::super::fault::{refuse, wrong};
use super::super::run::Run;
use super::text_of;

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_function("lookup", lookup);
}

fn lookup(state: &State<'_, '_>, kind: &str, terms: Rest<Engine>, kwargs: Kwargs) -> Result<String, Error> {
    let help = match kind.rsplit('.').next().unwrap_or_default() {
        "file" => {
            let strip = kwargs.get::<Option<bool>>("rstrip")?.unwrap_or(true);
            kwargs.assert_all_used()?;
            let [path] = terms.as_slice() else { return Err(wrong("`lookup('file', path)` takes one path")) };
            let run = Run::of(state).ok_or_else(|| wrong("no file can be read here"))?;
            let text = run.file(&text_of(path)?)?;
            return Ok(if strip { text.trim_end().to_owned() } else { text.as_ref().to_owned() });
        }
        "env" => "declare an input; give it with `--set name=value`, or `--set name=@file` for a secret",
        "password" | "random_string" | "random_choice" => "let a `secret` task generate it once and keep it",
        "vault" | "hashi_vault" | "unvault" => {
            "put encrypted values into a file of `values/`, or declare an input of `type: secret`"
        }
        "template" => "use `{% include 'name.j2' %}` in a template file, or a `template` task",
        "pipe" | "url" | "lines" | "dig" => {
            "ask the host with a `command` that is `read_only`, and register the answer"
        }
        "fileglob" | "first_found" => "list the files in an input",
        "vars" | "varnames" => "write the name itself; `hostvars[host].name` for another host",
        _ => "there is `lookup('file', path)`; other values are inputs",
    };
    Err(refuse(format!("`lookup('{kind}', ...)` is not offered"), help))
}
