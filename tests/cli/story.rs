//! Init, plan, apply, plan again, drift, saved plans: on this machine, in a folder of the test's own.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::{code, err, lions, out, program};

/// What `lions init` makes, in a folder whose name needs quotes.
fn project() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap().join("it's a \"project\"");
    fs::create_dir(&root).unwrap();
    assert_eq!(code(&lions(&root, &["init"])), 0);
    (folder, root)
}

/// Output without what differs from run to run: the folder, the user, times.
fn steady(text: &str, root: &Path) -> String {
    let text = text.replace(root.to_str().unwrap(), "ROOT");
    let owner = text.lines().find_map(|line| line.strip_prefix("    owner: ")).unwrap_or("root").to_owned();
    let text =
        text.replace(&format!("owner: {owner}"), "owner: USER").replace(&format!("group: {owner}"), "group: USER");
    regex::Regex::new(r"\d+\.\ds|made at \S+").unwrap().replace_all(&text, "TIME").into_owned()
}

#[test]
fn init_plan_apply_and_an_empty_second_plan() {
    let (_keep, root) = project();
    let validated = lions(&root, &["validate"]);
    assert_eq!((code(&validated), out(&validated).as_str()), (0, "local is right: 1 play, 3 tasks, 1 host\n"));
    assert_eq!(err(&validated), "");
    let plan = lions(&root, &["plan"]);
    assert_eq!((code(&plan), err(&plan).as_str()), (0, ""));
    insta::assert_snapshot!("story_plan", steady(&out(&plan), &root));
    assert_eq!(code(&lions(&root, &["plan", "--detailed-exitcode"])), 2);
    assert_eq!(code(&lions(&root, &["drift"])), 2);
    assert!(!root.join("out").exists(), "a plan writes nothing");
    let applied = lions(&root, &["apply", "--yes"]);
    assert_eq!(code(&applied), 0, "{}", err(&applied));
    assert!(steady(&out(&applied), &root).ends_with("\nlocal: 3 changed, in TIME\n"), "{}", out(&applied));
    insta::assert_snapshot!("story_apply", steady(&err(&applied), &root));
    assert_eq!(fs::read_to_string(root.join("out/greeting.txt")).unwrap(), "hello from here\n");
    let again = lions(&root, &["plan", "--detailed-exitcode"]);
    assert_eq!((code(&again), out(&again).as_str()), (0, "nothing to do: 3 tasks on 1 host are right\n"));
    let nothing = lions(&root, &["apply"]);
    assert_eq!(code(&nothing), 0, "nothing to do needs no approval: {}", err(&nothing));
}

#[test]
fn drift_is_shown_and_mended() {
    let (_keep, root) = project();
    lions(&root, &["apply", "--yes"]);
    fs::write(root.join("out/greeting.txt"), "hello from here\nand there\n").unwrap();
    let drift = lions(&root, &["drift"]);
    assert_eq!(code(&drift), 2);
    assert!(
        out(&drift).contains("    content:\n      @@ -1,2 +1 @@\n       hello from here\n      -and there\n"),
        "{}",
        out(&drift)
    );
    assert_eq!(code(&lions(&root, &["apply", "--yes"])), 0);
    assert_eq!(code(&lions(&root, &["drift"])), 0);
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_done() {
    let (_keep, root) = project();
    let refused = lions(&root, &["apply"]);
    assert_eq!(code(&refused), 1);
    assert_eq!(
        err(&refused),
        "error: nothing was applied: there is no terminal to ask for approval\n  \
         help: look at the plan and pass `--yes`, or save it with `lions plan -o FILE` and apply that file\n"
    );
    assert!(!root.join("out").exists());
}

#[test]
fn a_saved_plan_is_applied_as_it_is() {
    let (_keep, root) = project();
    let saved = lions(&root, &["plan", "-o", "a change.plan"]);
    assert_eq!(code(&saved), 0);
    assert_eq!(err(&saved), "\nsaved: `lions apply 'a change.plan'` does exactly this\n");
    let shown = lions(&root, &["show", "a change.plan"]);
    assert_eq!((code(&shown), out(&shown)), (0, out(&saved)));
    // The playbook is not read again: what was approved is done.
    fs::write(root.join("roles/hello/templates/greeting.txt.j2"), "something else\n").unwrap();
    let narrowed = lions(&root, &["apply", "a change.plan", "--limit", "here"]);
    assert_eq!(code(&narrowed), 64);
    let applied = lions(&root, &["apply", "a change.plan"]);
    assert_eq!(code(&applied), 0, "{}", err(&applied));
    assert_eq!(fs::read_to_string(root.join("out/greeting.txt")).unwrap(), "hello from here\n");
}

#[test]
fn a_stale_plan_is_refused() {
    let (_keep, root) = project();
    lions(&root, &["plan", "-o", "change.plan"]);
    fs::create_dir(root.join("out")).unwrap();
    fs::write(root.join("out/greeting.txt"), "mine\n").unwrap();
    let stale = lions(&root, &["apply", "change.plan"]);
    assert_eq!(code(&stale), 3, "{}{}", out(&stale), err(&stale));
    assert!(out(&stale).contains("changed since the plan was shown"), "{}", out(&stale));
    assert_eq!(fs::read_to_string(root.join("out/greeting.txt")).unwrap(), "mine\n");
    let text = fs::read_to_string(root.join("change.plan")).unwrap();
    fs::write(root.join("cut.plan"), &text[..text.len() - 10]).unwrap();
    for (file, exit) in [("cut.plan", 1), ("not there.plan", 1), ("playbooks", 1)] {
        let bad = lions(&root, &["apply", file]);
        assert_eq!(code(&bad), exit, "{file}: {}", err(&bad));
        assert_eq!(out(&bad), "", "{file}");
    }
}

#[test]
fn apply_takes_playbooks_by_name_and_by_path() {
    let (_keep, root) = project();
    fs::rename(root.join("playbooks/site.yml"), root.join("playbooks/first.yml")).unwrap();
    for (folder, name) in [("", "first"), ("", "playbooks/first.yml"), ("playbooks", "first.yml"), ("roles", "first")] {
        let plan = lions(&root.join(folder), &["plan", name]);
        assert_eq!(code(&plan), 0, "{folder} {name}: {}", err(&plan));
    }
    let missing = lions(&root, &["plan"]);
    assert_eq!(code(&missing), 1);
    assert!(err(&missing).contains("`playbooks/first.yml`"), "what there is instead: {}", err(&missing));
    let wrong = lions(&root, &["apply", "frist"]);
    assert_eq!(code(&wrong), 1);
    assert_eq!(err(&wrong), "error: `frist` is neither a saved plan nor a playbook\n  help: did you mean `first`?\n");
    assert_eq!(code(&lions(&root, &["apply", "first", "--yes"])), 0);
    assert!(root.join("out/greeting.txt").exists());
}

#[test]
fn a_failure_says_where_why_and_what_was_not_run() {
    let (_keep, root) = project();
    let tasks = "\
- name: fails
  command: { shell: \"echo first; echo worse >&2; exit 3\" }
- name: never
  copy: { dest: \"{{ folder }}/never\", content: \"{{ greeting }}\" }
";
    fs::write(root.join("roles/hello/tasks.yml"), tasks).unwrap();
    fs::remove_file(root.join("roles/hello/templates/greeting.txt.j2")).unwrap();
    fs::create_dir(root.join("out")).unwrap();
    let failed = lions(&root, &["apply", "--yes"]);
    assert_eq!(code(&failed), 4, "{}", err(&failed));
    let text = out(&failed);
    let report = &text[text.find("failed:").unwrap_or_default()..];
    insta::assert_snapshot!("story_failure", steady(report, &root));
    assert_eq!(err(&failed).matches("worse").count(), 0, "said in the report: {}", err(&failed));
    assert!(!root.join("out/never").exists());
}

#[test]
fn what_cannot_be_planned_whole_is_not_applied_in_part() {
    let (_keep, root) = project();
    let tasks = "\
- name: fine
  copy: { dest: \"{{ folder }}/fine\", content: \"{{ greeting }}\" }
- name: wrong
  assert: { that: [\"1 > 2\"] }
";
    fs::write(root.join("roles/hello/tasks.yml"), tasks).unwrap();
    fs::remove_file(root.join("roles/hello/templates/greeting.txt.j2")).unwrap();
    fs::create_dir(root.join("out")).unwrap();
    let refused = lions(&root, &["apply", "--yes"]);
    assert_eq!(code(&refused), 1, "{}", err(&refused));
    assert!(err(&refused).contains("nothing was applied: 1 task could not be planned"), "{}", err(&refused));
    assert!(!root.join("out/fine").exists());
}

#[test]
fn json_tells_the_whole_story() {
    let (_keep, root) = project();
    let applied = lions(&root, &["apply", "--yes", "--output", "json"]);
    assert_eq!((code(&applied), err(&applied).as_str()), (0, ""));
    let text = out(&applied);
    let events: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "version");
    let count = |kind: &str| kinds.iter().filter(|known| **known == kind).count();
    assert_eq!((count("verdict"), count("plan"), count("done"), count("result"), count("report")), (3, 1, 3, 3, 1));
    assert_eq!(*kinds.last().unwrap(), "report");
    assert_eq!(events.last().unwrap()["counts"]["changed"], 3);
}

#[test]
fn a_secret_is_nowhere() {
    let (_keep, root) = project();
    fs::write(root.join("roles/hello/inputs.yml"), "token: { type: secret, required: true, doc: who we are }\n")
        .unwrap();
    let tasks = "\
- name: folder
  directory: { path: \"{{ folder }}\" }
- name: file
  copy: { dest: \"{{ folder }}/token\", content: \"token={{ token }}\\n\", mode: \"0600\" }
- name: said
  command: { cmd: cat token, chdir: \"{{ folder }}\" }
";
    fs::write(root.join("roles/hello/tasks.yml"), tasks).unwrap();
    fs::remove_file(root.join("roles/hello/templates/greeting.txt.j2")).unwrap();
    let outside = TempDir::new().unwrap();
    let file = outside.path().join("token");
    fs::write(&file, "hunter2-very-long\n").unwrap();
    let set = format!("hello.token=@{}", file.display());
    let in_clear = lions(&root, &["plan", "-o", "clear.plan", "--set", "hello.token=hunter2-very-long"]);
    assert_eq!(code(&in_clear), 1);
    assert!(err(&in_clear).contains("a saved plan holds no secret, but `--set` gives `token`"), "{}", err(&in_clear));
    assert!(!root.join("clear.plan").exists());
    let plan = lions(&root, &["plan", "-o", "a.plan", "--set", &set]);
    assert_eq!(code(&plan), 0, "{}", err(&plan));
    assert!(out(&plan).contains("+token=***"), "{}", out(&plan));
    let mut said = out(&plan) + &err(&plan) + &fs::read_to_string(root.join("a.plan")).unwrap();
    let applied = lions(&root, &["apply", "--yes", "-v", "--set", &set]);
    said += &(out(&applied) + &err(&applied));
    for entry in fs::read_dir(root.join(".lions/local")).unwrap() {
        said += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert!(!said.contains("hunter2-very-long"), "{said}");
}

#[test]
fn interrupted_once_it_finishes_what_runs_and_twice_it_ends_it() {
    let (_keep, root) = project();
    let tasks = "\
- name: folder
  directory: { path: \"{{ folder }}\" }
- name: long
  command: { shell: \"touch began; sleep 60\", chdir: \"{{ folder }}\" }
- name: after
  copy: { dest: \"{{ folder }}/after\", content: \"{{ greeting }}\" }
";
    fs::write(root.join("roles/hello/tasks.yml"), tasks).unwrap();
    fs::remove_file(root.join("roles/hello/templates/greeting.txt.j2")).unwrap();
    let run = program()
        .args(["apply", "--yes"])
        .current_dir(&root)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !root.join("out/began").exists() {
        assert!(std::time::Instant::now() < end, "it never began");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let id = rustix::process::Pid::from_raw(i32::try_from(run.id()).unwrap()).unwrap();
    for _ in 0..2 {
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let ended = run.wait_with_output().unwrap();
    assert_eq!(code(&ended), 130, "{}{}", out(&ended), err(&ended));
    assert!(std::time::Instant::now() < end, "the second one ends it");
    assert!(out(&ended).contains("interrupted: 1 task was not reached"), "{}", out(&ended));
    assert!(!root.join("out/after").exists());
}

#[test]
fn vars_tells_every_layer() {
    let (_keep, root) = project();
    let environment = format!(
        "hosts:\n  here: {{ connection: local, vars: {{ hello: {{ greeting: salve }} }} }}\nvars:\n  folder: {}\n",
        Json::from(root.join("out").to_str().unwrap())
    );
    fs::write(root.join("inventories/local/environment.yml"), environment).unwrap();
    let vars = lions(&root, &["vars", "here", "hello.greeting", "--set", "hello.greeting=hi"]);
    assert_eq!(code(&vars), 0, "{}", err(&vars));
    insta::assert_snapshot!("story_vars", out(&vars));
    let unknown = lions(&root, &["vars", "here", "greeting"]);
    assert_eq!(code(&unknown), 1);
    assert!(err(&unknown).contains("did you mean `hello.greeting`?"), "{}", err(&unknown));
}

#[test]
fn one_mistake_is_one_problem_and_rings_are_found_too() {
    let (_keep, root) = project();
    let tasks = "\
- name: folder
  directory: { pth: \"{{ folder }}\" }
  notify: nobody
- name: one
  copy: { dest: \"{{ folder }}/one\", content: \"{{ greeting }}\" }
  needs: [two]
- name: two
  copy: { dest: \"{{ folder }}/two\", content: x }
  needs: [one]
";
    fs::write(root.join("roles/hello/tasks.yml"), tasks).unwrap();
    let said = lions(&root, &["validate"]);
    assert_eq!(code(&said), 1);
    let text = err(&said);
    for once in ["`pth`", "`path`", "`nobody`", "one -> two -> one"] {
        let errors = text.lines().filter(|line| line.starts_with("error: ") && line.contains(once)).count();
        assert!(errors == 1, "{once}: {text}");
    }
}

#[test]
fn a_saved_plan_holds_nothing_of_an_encrypted_file_and_needs_the_key_again() {
    let (_keep, root) = project();
    let key = age::x25519::Identity::generate();
    let private = age::secrecy::ExposeSecret::expose_secret(&key.to_string()).to_owned();
    let values = root.join("inventories/local/values");
    fs::create_dir_all(&values).unwrap();
    let sealed = age::encrypt_and_armor(&key.to_public(), b"canary: hunter2-canary\n").unwrap();
    fs::write(values.join("secret.yml.age"), sealed).unwrap();
    let task = "- name: all\n  hosts: all\n  tasks:\n    - name: write\n      copy: { dest: DEST, content: \"it is {{ canary }}\\n\" }\n";
    let dest = serde_json::to_string(root.join("secret.txt").to_str().unwrap()).unwrap();
    fs::write(root.join("playbooks/secret.yml"), task.replace("DEST", &dest)).unwrap();
    let with_key = |words: &[&str]| {
        let mut command = assert_cmd::Command::from_std(program());
        command.current_dir(&root).args(words).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("SOPS_AGE_KEY", &private).output().unwrap()
    };
    let plan = with_key(&["plan", "secret", "-o", "p.lions"]);
    assert_eq!(code(&plan), 0, "{}", err(&plan));
    for text in [out(&plan), err(&plan), fs::read_to_string(root.join("p.lions")).unwrap()] {
        assert!(!text.contains("hunter2") && !text.contains(&private), "{text}");
    }
    let without = lions(&root, &["apply", "p.lions"]);
    assert_eq!(code(&without), 1);
    assert!(
        err(&without).contains("no key at hand opens `inventories/local/values/secret.yml.age`"),
        "{}",
        err(&without)
    );
    assert!(!root.join("secret.txt").exists());
    let applied = with_key(&["apply", "p.lions"]);
    assert_eq!(code(&applied), 0, "{}", err(&applied));
    assert_eq!(fs::read_to_string(root.join("secret.txt")).unwrap(), "it is hunter2-canary\n");
    assert!(!err(&applied).contains("hunter2") && !out(&applied).contains("hunter2"));
    let vars = with_key(&["vars", "here", "canary", "--playbook", "secret"]);
    assert!(out(&vars).contains("\"***\"  (inventories/local/values/secret.yml.age:1:1)"), "{}", out(&vars));
}

/// A machine without the tool is told what to do, and which folder it is about.
#[test]
fn a_kustomization_needs_a_tool_that_is_there() {
    let folder = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("inventories/lab/environment.yml", "cluster: { kubeconfig: nowhere }\n");
    write("playbooks/site.yml", "- name: site\n  tasks:\n    - { name: app, manifest: { kustomize: overlay } }\n");
    write("files/overlay/kustomization.yaml", "resources: []\n");
    let lions = |path: &std::path::Path| {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("lions"));
        command.current_dir(folder.path()).arg("validate").env_clear().env("PATH", path).output().unwrap()
    };
    let bare = folder.path().join("bin");
    fs::create_dir(&bare).unwrap();
    let said = lions(&bare);
    assert_eq!(code(&said), 1);
    for part in [
        "playbooks/site.yml:3",
        "nothing on this machine can read the kustomization `files/overlay`",
        "install `kubectl` or `kustomize`",
    ] {
        assert!(err(&said).contains(part), "{part}: {}", err(&said));
    }

    // One that fails is not taken for one that is missing.
    let tool = bare.join("kustomize");
    fs::write(&tool, "#!/bin/sh\necho \"no such base\" >&2; exit 1\n").unwrap();
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let said = lions(&bare);
    assert_eq!(code(&said), 1);
    assert!(err(&said).contains("`kustomize build files/overlay` failed: no such base"), "{}", err(&said));
}
