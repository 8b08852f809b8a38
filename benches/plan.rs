//! Load, graph and plan on hosts in memory: 250, 500 and 1,000 hosts of 100 tasks each, with time and peak memory.
//!
//! `cargo bench --bench plan` prints the table; `-- --quick` runs a tenth of it. It asserts nothing: machines differ.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lions::engine::journal::Journal;
use lions::engine::{Context, Events, Options, Place, Places, Ways, apply, plan};
use lions::language::{Files, Wanted, load};
use lions::model::PlaceName;
use lions::targets::host::Privilege;
use lions::targets::host::memory::MemoryHost;
use lions::{graph, resources};

const TASKS: usize = 100;

/// A project of one role with 100 tasks: a third varies by host.
fn project(hosts: usize) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut environment = String::from("become: false\nvars: { domain: lions.dev, port: 8080 }\nhosts:\n");
    for at in 0..hosts {
        writeln!(environment, "  host-{at:04}: {{ connection: local, groups: [web] }}").unwrap();
    }
    let mut tasks = String::new();
    for at in 0..TASKS {
        let body = match at % 10 {
            0 => format!("directory: {{ path: /srv/app{at}, mode: \"0755\" }}"),
            1..=3 => format!(
                "copy: {{ dest: /srv/app{}/file{at}, content: \"line {at}\\nport {{{{ port }}}}\\n\" }}",
                at / 10 * 10
            ),
            4..=6 => format!("template: {{ dest: /srv/app{}/conf{at}, src: app.conf.j2 }}", at / 10 * 10),
            7 => format!("link: {{ dest: /srv/app{}/current, src: file{} }}", at / 10 * 10, at / 10 * 10 + 1),
            8 => format!("line: {{ path: /srv/app{}/file{}, line: \"added {at}\" }}", at / 10 * 10, at / 10 * 10 + 1),
            _ => format!("copy: {{ dest: /srv/app{}/only, content: x }}\n  when: port > 80", at / 10 * 10),
        };
        writeln!(tasks, "- name: task {at}\n  {body}").unwrap();
    }
    let text = |text: &str| text.as_bytes().to_vec();
    BTreeMap::from([
        ("playbooks/site.yml".into(), text("- name: site\n  hosts: web\n  roles: [app]\n")),
        ("inventories/bench/environment.yml".into(), environment.into_bytes()),
        ("roles/app/tasks.yml".into(), tasks.into_bytes()),
        (
            "roles/app/templates/app.conf.j2".into(),
            text("host {{ inventory_hostname }}\nurl https://{{ domain }}:{{ port }}/\n"),
        ),
    ])
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0) / 1024
}

struct Times {
    load: Duration,
    graph: Duration,
    bare: Duration,
    apply: Duration,
    right: Duration,
}

async fn run(hosts: usize) -> Times {
    let start = Instant::now();
    let files = Files::kept(project(hosts));
    let loaded = load(&files, &Wanted::default(), &resources::catalogue()).expect("the generated project is sound");
    let load = start.elapsed();
    let start = Instant::now();
    let graph = graph::build(&loaded.program).expect("it has no cycle");
    let graph_took = start.elapsed();
    let mut places: Vec<Place> = loaded
        .program
        .environment
        .hosts
        .iter()
        .map(|host| {
            let memory = MemoryHost::new().directory("/srv");
            let ways = Ways::from([(Privilege::Login, memory.link(&Privilege::Login))]);
            Place::Host { name: PlaceName::new(&*host.name), ways }
        })
        .collect();
    places.push(Place::NoCluster);
    let context = Context {
        program: Arc::new(loaded.program),
        graph: Arc::new(graph),
        places: Arc::new(Places::new(places)),
        sources: Arc::new(loaded.sources),
        options: Options::default(),
        events: Events::default(),
        masks: Arc::default(),
    };
    let start = Instant::now();
    let bare = plan(&context).await.expect("a plan");
    let bare_took = start.elapsed();
    assert_eq!(bare.plan.tally().failed, 0, "the bench must measure work, not faults");
    assert_eq!(bare.plan.tally().create + bare.plan.tally().update, hosts * TASKS);
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::begin(folder.path(), "bench").unwrap());
    let start = Instant::now();
    apply(&context, &bare.plan, None, journal).await;
    let apply_took = start.elapsed();
    drop(bare);
    let start = Instant::now();
    let again = plan(&context).await.expect("a plan");
    let right = start.elapsed();
    assert!(again.plan.is_empty(), "the second plan is empty");
    Times { load, graph: graph_took, bare: bare_took, apply: apply_took, right }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scale = if quick { 10 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{TASKS} tasks a host, 2 threads");
    println!(
        "{:>6} {:>8} {:>8} {:>10} {:>10} {:>10} {:>14} {:>9}",
        "hosts", "load", "graph", "bare plan", "apply", "2nd plan", "load to plan", "peak"
    );
    for hosts in [250 / scale, 500 / scale, 1000 / scale] {
        let times = runtime.block_on(run(hosts));
        let seconds = |time: Duration| format!("{:.3} s", time.as_secs_f64());
        println!(
            "{hosts:>6} {:>8} {:>8} {:>10} {:>10} {:>10} {:>14} {:>5} MB",
            seconds(times.load),
            seconds(times.graph),
            seconds(times.bare),
            seconds(times.apply),
            seconds(times.right),
            seconds(times.load + times.graph + times.bare),
            peak_memory(),
        );
    }
}
