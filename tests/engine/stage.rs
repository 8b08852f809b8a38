//! A project in memory, hosts in memory, a fake API: load, graph, plan and apply in a few words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lions::engine::journal::{self, Journal};
use lions::engine::{Context, Events, Options, Place, Places, Planned, ToCluster, Unplanned, Ways, apply, plan};
use lions::language::{Files, Wanted, load};
use lions::model::{Action, Decision, Entry, Field, Outcome, PlaceName, Plan, Report, Shown};
use lions::targets::cluster::ApplySet;
use lions::targets::cluster::fake::FakeApi;
use lions::targets::host::Privilege;
use lions::targets::host::ledger::Owner;
use lions::targets::host::memory::MemoryHost;
use lions::{graph, resources};

/// One project and its places; they stay as runs leave them.
pub(crate) struct Stage {
    files: BTreeMap<PathBuf, Vec<u8>>,
    wanted: Wanted,
    pub(crate) hosts: BTreeMap<String, MemoryHost>,
    pub(crate) api: Option<FakeApi>,
    /// It is there once `k3s.service` of the first host runs; the way to it before that.
    coming: Option<fn(&FakeApi) -> ToCluster>,
    /// The kubeconfig of a real one.
    kubeconfig: Option<PathBuf>,
    folder: tempfile::TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
    /// To whom belongs what is made.
    pub(crate) owner: Option<Owner>,
    /// Is all of the playbook run?
    pub(crate) whole: bool,
}

impl Stage {
    /// Hosts of that many names (`h1` ...), and a play over all of them with these tasks.
    pub(crate) fn tasks(hosts: usize, tasks: &str) -> Self {
        let indented = tasks.trim_end().replace('\n', "\n    ");
        Self::playbook(hosts, &format!("- name: site\n  hosts: all\n  tasks:\n    {indented}\n"))
    }

    /// The same with a whole playbook.
    pub(crate) fn playbook(hosts: usize, playbook: &str) -> Self {
        use std::fmt::Write as _;
        let mut environment = String::from("hosts:\n");
        for at in 1..=hosts {
            writeln!(environment, "  h{at}: {{ connection: local }}").unwrap();
        }
        let hosts = (1..=hosts).map(|at| (format!("h{at}"), MemoryHost::new())).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stage = Self {
            files: BTreeMap::new(),
            wanted: Wanted::default(),
            hosts,
            api: None,
            coming: None,
            kubeconfig: None,
            folder: tempfile::tempdir().unwrap(),
            runtime,
            owner: None,
            whole: false,
        };
        stage.file("inventories/test/environment.yml", &environment).file("playbooks/site.yml", playbook)
    }

    /// With an owner of what is made, and all of the playbook run.
    pub(crate) fn owned(mut self) -> Self {
        let word = |text: &str| text.to_owned();
        self.owner =
            Some(Owner { project: word("project"), environment: word("test"), playbook: word("playbooks/site.yml") });
        self.whole = true;
        self
    }

    /// With another file of the project (or another text of one).
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.as_bytes().to_vec());
        self
    }

    /// With a cluster.
    pub(crate) fn cluster(mut self, api: FakeApi) -> Self {
        self.api = Some(api);
        self.with_cluster()
    }

    /// With one that is there once `k3s.service` of the first host runs, and is reached this way before.
    pub(crate) fn coming(mut self, api: FakeApi, way: fn(&FakeApi) -> ToCluster) -> Self {
        self.coming = Some(way);
        self.cluster(api)
    }

    /// With a real one.
    pub(crate) fn real_cluster(mut self, kubeconfig: &Path) -> Self {
        self.kubeconfig = Some(kubeconfig.to_owned());
        self.with_cluster()
    }

    fn with_cluster(mut self) -> Self {
        let path = PathBuf::from("inventories/test/environment.yml");
        self.files.get_mut(&path).unwrap().extend_from_slice(b"cluster: { kubeconfig: /nowhere }\n");
        self
    }

    /// With another way to make the first host.
    pub(crate) fn host(mut self, name: &str, host: MemoryHost) -> Self {
        self.hosts.insert(name.to_owned(), host);
        self
    }

    pub(crate) fn context(&self) -> Context {
        let files = Files::kept(self.files.clone());
        let loaded = match load(&files, &self.wanted, &resources::catalogue()) {
            Ok(loaded) => loaded,
            Err(failure) => {
                panic!("{}", lions::render::problem::problems(&failure.sources, &failure.problems, false))
            }
        };
        let graph = graph::build(&loaded.program).unwrap_or_else(|problems| {
            panic!("{}", lions::render::problem::problems(&loaded.sources, &problems, false))
        });
        let privileges = [Privilege::Login, Privilege::Become("root".into()), Privilege::Become("app".into())];
        let mut places: Vec<Place> = loaded
            .program
            .environment
            .hosts
            .iter()
            .map(|host| Place::Host {
                name: PlaceName::new(&*host.name),
                ways: privileges
                    .iter()
                    .map(|as_whom| (as_whom.clone(), self.hosts[&*host.name].link(as_whom)))
                    .collect::<Ways>(),
            })
            .collect();
        // A client of the API lives in a runtime.
        let _inside = self.runtime.enter();
        if let Some(kubeconfig) = &self.kubeconfig {
            let client = self.runtime.block_on(crate::lab_cluster::client(kubeconfig));
            places.push(Place::Cluster { way: ToCluster::There(client), lease: None, set: self.set() });
        } else {
            let way = |api: &FakeApi| match self.coming {
                Some(way) if !runs_k3s(&self.hosts["h1"]) => way(api),
                Some(_) => ToCluster::Through(api.client(), vec![0]),
                None => ToCluster::There(api.client()),
            };
            places.push(self.api.as_ref().map_or(Place::NoCluster, |api| Place::Cluster {
                way: way(api),
                lease: None,
                set: self.set(),
            }));
        }
        let owed = journal::owed(&self.journal()).unwrap();
        Context {
            program: Arc::new(loaded.program),
            graph: Arc::new(graph),
            places: Arc::new(Places::new(places)),
            sources: Arc::new(loaded.sources),
            options: Options { owed, owner: self.owner.clone(), whole: self.whole, ..Options::default() },
            events: Events::default(),
            masks: Arc::default(),
        }
    }

    fn set(&self) -> Option<Box<ApplySet>> {
        self.owner.as_ref().map(|owner| Box::new(ApplySet::of(owner, "kube-system")))
    }

    pub(crate) fn journal(&self) -> PathBuf {
        journal::folder(self.folder.path(), "test")
    }

    pub(crate) fn try_plan(&self, context: &Context) -> Result<Planned, Unplanned> {
        self.runtime.block_on(plan(context))
    }

    /// The plan; it must be there.
    pub(crate) fn plan(&self) -> Plan {
        self.plan_in(&self.context())
    }

    pub(crate) fn plan_in(&self, context: &Context) -> Plan {
        match self.try_plan(context) {
            Ok(planned) => planned.plan,
            Err(Unplanned::Problems(problems)) => {
                panic!("{}", lions::render::problem::problems(&context.sources, &problems, false))
            }
            Err(Unplanned::Interrupted) => panic!("interrupted"),
        }
    }

    /// Makes what `approved` says.
    pub(crate) fn apply(&self, approved: &Plan) -> Report {
        self.apply_in(&self.context(), approved)
    }

    pub(crate) fn apply_in(&self, context: &Context, approved: &Plan) -> Report {
        let journal = Arc::new(Journal::begin(&self.journal(), "test").unwrap());
        self.runtime.block_on(apply(context, approved, None, journal))
    }

    /// Plans and makes it.
    pub(crate) fn converge(&self) -> (Plan, Report) {
        let context = self.context();
        let plan = self.plan_in(&context);
        let report = self.apply_in(&context, &plan);
        (plan, report)
    }

    pub(crate) fn read(&self, host: &str, path: &str) -> Option<String> {
        self.hosts[host].machine().read(path)
    }
}

/// Is the unit that brings up a cluster started there?
pub(crate) fn runs_k3s(host: &MemoryHost) -> bool {
    host.units().get("k3s.service").is_some_and(|unit| unit.active == lions::targets::host::Active::Active)
}

/// `task@place word`, one a row that is not right: what a plan says, for short.
pub(crate) fn plan_lines(plan: &Plan) -> Vec<String> {
    plan.rows
        .iter()
        .filter_map(|row| {
            let word = match &row.decision {
                Decision::Right(_) => return None,
                Decision::Unready(why) => format!("not ready: {why}"),
                Decision::Skipped(why) => format!("skipped: {why}"),
                Decision::Change(entry) => entry.action.to_string(),
                Decision::Later { after, .. } => format!("later {after}"),
                Decision::Failed(fault) => format!("failed: {fault}"),
                Decision::Blocked(by) => format!("blocked by {by}"),
            };
            Some(format!("{}@{} {word}", plan.tasks[row.task as usize].name, plan.places[row.place as usize]))
        })
        .collect()
}

/// The same of a report.
pub(crate) fn report_lines(report: &Report) -> Vec<String> {
    report
        .rows
        .iter()
        .filter_map(|(task, place, outcome)| {
            let word = match outcome {
                Outcome::Right => return None,
                Outcome::Changed(entry) => entry.action.to_string(),
                Outcome::AlreadyRight => "already right".to_owned(),
                Outcome::Skipped(why) => format!("skipped: {why}"),
                Outcome::Failed(fault) => format!("failed: {fault}"),
                Outcome::Degraded(fault) => format!("degraded: {fault}"),
                Outcome::Rescued(fault) => format!("rescued: {fault}"),
                Outcome::Blocked(by) => format!("blocked by {by}"),
                Outcome::NotRun => "not run".to_owned(),
            };
            Some(format!("{}@{} {word}", report.tasks[*task as usize].name, report.places[*place as usize]))
        })
        .collect()
}

/// Holds what was made against what was planned: the measure of the design, written a second time for the tests.
/// Every change planned was made (or was later, or found right), every leaf known in the plan is the same, and
/// nothing is there that was not listed.
pub(crate) fn assert_refines(plan: &Plan, report: &Report) {
    assert_eq!(plan.rows.len(), report.rows.len());
    for (row, (task, place, outcome)) in plan.rows.iter().zip(&report.rows) {
        assert_eq!((row.task, row.place), (*task, *place));
        let name = &plan.tasks[row.task as usize].address;
        match (&row.decision, outcome) {
            (Decision::Right(_) | Decision::Unready(_), Outcome::Right)
            | (Decision::Skipped(_) | Decision::Later { .. }, Outcome::Skipped(_))
            | (Decision::Later { .. }, Outcome::AlreadyRight) => {}
            (Decision::Later { things, .. }, Outcome::Changed(made)) => {
                assert!(made.things.iter().all(|thing| things.is_empty() || things.contains(thing)), "{name}");
            }
            (Decision::Change(shown), Outcome::Changed(made)) => assert_same_leaves(name.as_str(), shown, made),
            (planned, made) => panic!("{name}: planned {planned:?}, made {made:?}"),
        }
    }
}

fn assert_same_leaves(name: &str, shown: &Entry, made: &Entry) {
    // What a package may bring is created or changed.
    let comes = shown.action == Action::Create && made.action == Action::Update;
    let comes = comes && shown.fields.iter().any(|field| matches!(field.before, Shown::Unknown(_)));
    assert!(shown.action == made.action || comes, "{name}: {} is not {}", made.action, shown.action);
    let unknown = |field: &Field| matches!(field.after, Shown::Unknown(_)) || matches!(field.before, Shown::Unknown(_));
    for leaf in &made.fields {
        let Some(listed) = shown.fields.iter().find(|field| field.name == leaf.name) else {
            panic!("{name}: `{}` was changed and not listed", leaf.name);
        };
        if listed.before == Shown::Present {
            assert_ne!(leaf.before, Shown::Absent, "{name}: `{}` was there", leaf.name);
        } else if !matches!(listed.before, Shown::Unknown(_)) {
            assert_eq!(listed.before, leaf.before, "{name}: `{}` before", leaf.name);
        }
        if !matches!(listed.after, Shown::Unknown(_)) {
            assert_eq!(listed.after, leaf.after, "{name}: `{}` after", leaf.name);
        }
    }
    for listed in shown.fields.iter().filter(|field| !unknown(field)) {
        assert!(
            made.fields.iter().any(|leaf| leaf.name == listed.name),
            "{name}: `{}` was listed, not made",
            listed.name
        );
    }
}

/// Is there anything left to do that has a state to return to?
pub(crate) fn assert_settled(plan: &Plan) {
    let left: Vec<String> = plan
        .rows
        .iter()
        .filter(|row| match &row.decision {
            Decision::Right(_) | Decision::Unready(_) | Decision::Skipped(_) => false,
            Decision::Change(entry) => entry.action != Action::Run,
            _ => !plan.tasks[row.task as usize].on_failure,
        })
        .map(|row| format!("{} {:?}", plan.tasks[row.task as usize].address, row.decision))
        .collect();
    assert!(left.is_empty(), "the second plan is not empty: {left:#?}");
}
