//! The same contract on this machine, through the real worker: thirty tasks that build on each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lions::engine::journal::{self, Journal};
use lions::engine::{Context, Events, Options, Place, Places, ToCluster, Ways, apply, plan, verify};
use lions::language::{Files, Wanted, load};
use lions::model::{Outcome, PlaceName};
use lions::targets::cluster::fake::FakeApi;
use lions::targets::host::Privilege;
use lions::targets::host::link::ShellLink;
use lions::{graph, resources};

use super::stage::{assert_refines, plan_lines, report_lines};

/// Thirty tasks in a folder to come.
fn thirty(root: &str) -> String {
    let mut tasks = format!(
        "
- name: root folder
  directory: {{ path: {root}, mode: \"0755\" }}
- name: folders
  directory: {{ path: \"{root}/{{{{ item }}}}\", mode: \"0750\" }}
  loop: [etc, bin, data, log]
- name: nested
  directory: {{ path: {root}/data/a/b/c }}
- name: configuration
  copy: {{ dest: {root}/etc/app.conf, content: \"name=app\\nport=80\\n\", mode: \"0640\" }}
  notify: configuration changed
- name: a line more
  line: {{ path: {root}/etc/app.conf, line: debug=false }}
  notify: configuration changed
- name: another port
  line: {{ path: {root}/etc/app.conf, regexp: \"^port=\", line: port=8080 }}
- name: a block
  block: {{ path: {root}/etc/app.conf, block: \"[extra]\\nx=1\" }}
- name: attributes
  file: {{ path: {root}/etc/app.conf, mode: \"0600\" }}
- name: current
  link: {{ src: {root}/etc, dest: {root}/current }}
- name: through the link
  copy: {{ dest: {root}/current/extra.conf, content: \"extra\\n\" }}
- name: a template
  template: {{ src: motd.j2, dest: {root}/etc/motd }}
- name: ask
  command: {{ cmd: \"echo one two\" }}
  register: words
- name: what it said
  copy: {{ dest: {root}/data/words, content: \"{{{{ words.stdout }}}}\\n\" }}
- name: only if it said so
  copy: {{ dest: {root}/data/said, content: yes }}
  when: \"'two' in words.stdout\"
- name: not if it did not
  copy: {{ dest: {root}/data/unsaid, content: no }}
  when: \"'three' in words.stdout\"
- name: made once
  command: {{ argv: [touch, {root}/data/made], creates: {root}/data/made, changes: [{root}/data/made] }}
- name: old things go
  file: {{ path: {root}/old, state: absent }}
- name: a script
  copy: {{ dest: {root}/bin/run, content: \"#!/bin/sh\\nexit 0\\n\", mode: \"0755\" }}
- name: checked before it is written
  copy: {{ dest: {root}/etc/checked, content: \"fine\\n\", validate: \"grep -q fine %s\" }}
- name: facts are there
  copy: {{ dest: {root}/data/arch, content: \"{{{{ facts.architecture }}}}\\n\" }}
- name: settings in the cluster
  manifest:
    definition:
      apiVersion: v1
      kind: ConfigMap
      metadata: {{ name: settings, namespace: default }}
      data: {{ port: \"at {{{{ port }}}}\", seen: \"at {{{{ hostvars['here'].port }}}}\" }}
- name: sure of it
  assert: {{ that: [\"{{{{ port == 80 }}}}\"] }}
- name: hostile names
  copy: {{ dest: \"{root}/data/{{{{ item }}}}\", content: \"{{{{ item }}}}\" }}
  loop: [\"two words\", \"quote'quote\", \"dollar$HOME\", \"back`tick\", \"-dash\"]
"
    );
    for at in 0..4 {
        use std::fmt::Write as _;
        writeln!(tasks, "- name: file {at}\n  copy: {{ dest: {root}/data/file{at}, content: \"{at}\" }}").unwrap();
    }
    tasks.trim().to_owned()
}

struct Local {
    root: tempfile::TempDir,
    files: BTreeMap<PathBuf, Vec<u8>>,
    api: FakeApi,
}

impl Local {
    fn new() -> Self {
        // A path with what shells love to trip over.
        let root = tempfile::Builder::new().prefix("lions it's $HOME ").tempdir().unwrap();
        let place = root.path().join("place").display().to_string();
        let yaml = thirty(&place).replace('\n', "\n    ");
        let playbook = format!(
            "- name: site\n  hosts: all\n  tasks:\n    {yaml}\n  handlers:\n    - name: configuration changed\n      command: {{ argv: [sh, -c, \"echo told >> '{}'\"] }}\n",
            root.path().join("told").display().to_string().replace('\'', "'\\\\''"),
        );
        let text = |text: &str| text.as_bytes().to_vec();
        let files = BTreeMap::from([
            ("playbooks/site.yml".into(), text(&playbook)),
            (
                "inventories/here/environment.yml".into(),
                text("hosts: { here: { connection: local } }\ncluster: { kubeconfig: /nowhere }\nvars: { port: 80 }\n"),
            ),
            (
                "templates/motd.j2".into(),
                text("this is {{ inventory_hostname }}\n{% for x in [1, 2] %}\n{{ x }}\n{% endfor %}\n"),
            ),
        ]);
        Self { root, files, api: FakeApi::new() }
    }

    async fn context(&self) -> (Context, Arc<ShellLink>) {
        let files = Files::kept(self.files.clone());
        let loaded = match load(&files, &Wanted::default(), &resources::catalogue()) {
            Ok(loaded) => loaded,
            Err(failure) => panic!("{}", lions::render::problem::problems(&failure.sources, &failure.problems, false)),
        };
        let graph = graph::build(&loaded.program).unwrap();
        let link = Arc::new(ShellLink::new(lions::transport::local::start(None).await.unwrap()));
        let ways: Ways = Ways::from([(Privilege::Login, link.clone() as Arc<dyn lions::targets::host::Link>)]);
        let places = vec![
            Place::Host { name: PlaceName::new("here"), ways },
            Place::Cluster { way: ToCluster::There(self.api.client()), lease: None, set: None },
        ];
        let owed = journal::owed(&journal::folder(self.root.path(), "here")).unwrap();
        let context = Context {
            program: Arc::new(loaded.program),
            graph: Arc::new(graph),
            places: Arc::new(Places::new(places)),
            sources: Arc::new(loaded.sources),
            options: Options { owed, ..Options::default() },
            events: Events::default(),
            masks: Arc::default(),
        };
        (context, link)
    }

    fn place(&self) -> PathBuf {
        self.root.path().join("place")
    }
}

fn listing(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            if about.is_dir() {
                todo.push(entry.path());
            }
            let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o7777;
            found.push(format!("{mode:o} {} {}", about.len(), entry.path().display()));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_tasks_on_an_empty_place_are_made_as_shown_and_rest() {
    let local = Local::new();
    let (context, _) = local.context().await;
    let shown = plan(&context).await.unwrap().plan;
    assert!(!local.place().exists(), "plan wrote something");
    assert_eq!(local.api.writes(), 0, "plan wrote something");
    assert!(shown.rows.len() >= 30, "{} rows", shown.rows.len());
    assert_eq!(shown.tally().failed, 0, "{:#?}", plan_lines(&shown));
    let journal = Arc::new(Journal::begin(&journal::folder(local.root.path(), "here"), "test").unwrap());
    let mut report = apply(&context, &shown, None, journal).await;
    assert_refines(&shown, &report);
    let read = |path: &str| std::fs::read_to_string(local.place().join(path)).unwrap();
    assert!(read("etc/app.conf").starts_with("name=app\nport=8080\ndebug=false\n"), "{}", read("etc/app.conf"));
    assert_eq!(read("etc/extra.conf"), "extra\n");
    assert_eq!(read("data/words"), "one two\n");
    assert!(local.place().join("data/said").exists());
    assert!(!local.place().join("data/unsaid").exists());
    assert_eq!(read("data/dollar$HOME"), "dollar$HOME");
    assert_eq!(read("etc/motd"), "this is here\n1\n2\n");
    assert_eq!(std::fs::read_to_string(local.root.path().join("told")).unwrap(), "told\n", "a handler runs once");
    let object = local.api.object("v1/ConfigMap/default/settings").unwrap();
    assert_eq!(object["data"], serde_json::json!({ "port": "at 80", "seen": "at 80" }));
    let before = listing(&local.place());

    verify(&context, &mut report).await.unwrap();
    assert!(
        !report.rows.iter().any(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_))),
        "{:#?}",
        report_lines(&report)
    );

    let (context, link) = local.context().await;
    let again = plan(&context).await.unwrap().plan;
    let left: Vec<String> = plan_lines(&again).into_iter().filter(|line| !line.contains("skipped")).collect();
    // `ask` has no state to return to, so what it says is only known after it.
    assert_eq!(
        left,
        [
            "ask@here run",
            "what it said@here change",
            "only if it said so@here later (known after: ask)",
            "not if it did not@here later (known after: ask)"
        ]
    );
    assert_eq!(listing(&local.place()), before);
    // Start, facts, the first look, where the link leads, and what depends on a register.
    assert_eq!(link.requests(), 5);
}
