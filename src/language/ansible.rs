//! What to write instead of the words of Ansible that are not words here. A table, nothing else.

/// What to write instead of the key `name`, where an Ansible user would write it.
pub(super) fn instead_of_key(name: &str) -> Option<String> {
    if let Some(lookup) = name.strip_prefix("with_") {
        return Some(match lookup {
            "items" | "list" | "flattened" => "write `loop:` with the list".to_owned(),
            "dict" => "write `loop:` with the mapping; `item.key` and `item.value` are its entries".to_owned(),
            "sequence" => "write `loop: \"{{ range(1, 4) | list }}\"`".to_owned(),
            _ => "write `loop:` with a list or a mapping that is known at load".to_owned(),
        });
    }
    let help = match name {
        "ignore_errors" | "ignore_unreachable" => {
            "write `optional: true`: a failure is then reported as degraded; or `failed_when:` for what is no failure"
        }
        "gather_facts" => "leave it out: facts are read when something names `facts`",
        "vars" => {
            "values have no other layer: give a role its inputs with `with:`, or set a var in the environment's `vars:`"
        }
        "vars_files" | "vars_prompt" => "put values into the environment's `vars:` or its folder `values/`",
        "pre_tasks" | "post_tasks" => "write a play before or after, or order with `needs:`",
        "serial" => "write `rollout: { batch: 1 }`",
        "max_fail_percentage" => "write `max_failures:` with a number of hosts",
        "any_errors_fatal" => "leave it out: `max_failures: 0` is the default",
        "strategy" | "forks" | "throttle" | "order" => {
            "leave it out: hosts run freely, `rollout: { batch: 1 }` makes batches"
        }
        "environment" => "set variables where the command is: `command: { env: { NAME: value } }`",
        "remote_user" => "write `user:` at the host in `environment.yml`",
        "become_method" | "become_flags" => "leave it out: `become` means sudo",
        "sudo" | "sudo_user" => "write `become: true` and `become_user:`",
        "until" => "write `failed_when:` with the opposite, and `retries:`",
        "async" | "poll" => "write `timeout:`; tasks that do not need each other run at once anyway",
        "no_log" => "leave it out: make the input `type: secret`, and it prints as `***` everywhere",
        "check_mode" => "leave it out: `lions plan` never writes",
        "diff" => "leave it out: every plan shows its diff, secrets as `***`",
        "listen" => "notify the handler by its name; `notify:` takes a list",
        "args" => "write the parameters under the resource itself",
        "local_action" => "write `delegate_to:` with a host that has `connection: local`",
        "delegate_facts" | "module_defaults" | "collections" | "debugger" | "port" | "timeout_connect" => {
            "leave it out: there is nothing like it here"
        }
        "import_playbook" => "write the plays into one file: plays order themselves with `needs:`",
        "loop_var" | "index_var" => "write it under `loop_control:`",
        "meta" => "handlers run at the end of the role that notifies; nothing else of `meta` is needed",
        "dependencies" => "name the roles in the play, in order or with `needs:`",
        _ => return None,
    };
    Some(help.to_owned())
}

/// What to write instead of the module `name` (its last part: `copy` of `ansible.builtin.copy`).
pub(super) fn instead_of_module(name: &str) -> Option<&'static str> {
    Some(match name {
        "shell" | "raw" | "script" => {
            "write `command: { argv: [sh, -c, \"...\"] }`, with `creates:` or `unless:` so that it knows when it is done"
        }
        "lineinfile" => "write `line:`, its parameters bear the same names",
        "blockinfile" => "write `block: { path, block, marker }` as a task: its parameters bear the same names",
        "replace" => "write `line: { path, regexp, line }`, or the whole file with `template:`",
        "apt" | "yum" | "dnf" | "pip" | "zypper" | "pacman" | "apk" => "write `package: { name: ... }`",
        "systemd" | "systemd_service" | "sysvinit" => "write `service:`, its parameters bear the same names",
        "set_fact" => "values do not change during a run: write an input, a var of the environment, or `register:`",
        "debug" => "write `assert:` for a check; `lions vars HOST NAME` shows a value and where it comes from",
        "fail" => "write `assert: { that: [...], fail_msg: ... }`",
        "setup" | "gather_facts" => "leave it out: facts are read when something names `facts`; or write `facts: {}`",
        "stat" => "leave it out: a resource looks by itself; `creates:`, `unless:` and `when:` do the rest",
        "include_tasks" | "import_tasks" | "include" => {
            "write the tasks in place, or make them a role and name it in the play"
        }
        "include_role" | "import_role" => "name the role in the play's `roles:`, and order it with `needs:`",
        "include_vars" => "put values into the environment's `vars:` or its folder `values/`",
        "meta" => "handlers run at the end of the role that notifies; nothing else of `meta` is needed",
        "k8s" | "kubernetes" => "write `manifest:`",
        "helm" => "write the chart as a `manifest:` of kind `HelmChart`",
        "get_url" | "uri" => "write `download:`, or a `command:` with `creates:`",
        "pause" | "wait_for" => {
            "leave it out: a resource waits until it is ready; `timeout:` and `retries:` bound that"
        }
        "tempfile" => "leave it out: `validate:` runs on a temporary file by itself",
        "add_host" | "group_by" => "write the host into `environment.yml`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_loop_of_old_has_an_answer() {
        for key in ["with_items", "with_dict", "with_fileglob", "ignore_errors", "gather_facts", "vars", "serial"] {
            assert!(super::instead_of_key(key).is_some(), "{key}");
        }
        assert!(super::instead_of_key("nmae").is_none());
    }
}
