//! The rule of order, said once more and as simply as possible: every part begins and ends at every place, and a part
//! that has nothing to do at a place ends there when it has begun. No sets, no barriers, no care for size. Rollouts
//! are not in it.

use std::collections::{BTreeMap, BTreeSet};

use lions::language::program::{HostId, Items, Needed, Part, Program, TaskId};
use lions::model::Sort;

/// A task (or item) at a place.
pub(super) type Instance = (String, u32);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Start(usize, u32),
    End(usize, u32),
    Run(String, u32),
}

struct Node<'p> {
    address: String,
    name: String,
    parent: Option<usize>,
    children: Vec<usize>,
    above: Option<usize>,
    needs: Option<&'p [Needed]>,
    task: Option<TaskId>,
    /// Waits for all former children of its parent: later sections, handlers.
    last: bool,
    handler: bool,
    play: usize,
    owner: usize,
    /// Address and place, in the order of the loop.
    runs: Vec<Instance>,
}

struct Naive<'p> {
    program: &'p Program,
    nodes: Vec<Node<'p>>,
    /// Hosts of each play.
    hosts: Vec<BTreeSet<HostId>>,
    cluster: u32,
    after: BTreeMap<Event, BTreeSet<Event>>,
}

/// All instances, and for each all that it has to wait for, however far back.
pub(super) fn order(program: &Program) -> BTreeMap<Instance, BTreeSet<Instance>> {
    let cluster = u32::try_from(program.environment.hosts.len()).unwrap();
    let mut naive = Naive { program, nodes: Vec::new(), hosts: Vec::new(), cluster, after: BTreeMap::new() };
    let mut above = None;
    for (at, play) in program.plays.iter().enumerate() {
        let root = naive.add(None, &play.name, play.needs.as_deref(), None, at);
        naive.nodes[root].above = above.replace(root);
        naive.body(root, &play.body);
        naive.handlers(root, &play.handlers);
    }
    for id in 0..naive.nodes.len() {
        naive.nodes[id].owner = naive.find_owner(id);
    }
    // Tasks first: handlers run where those ran that notify them.
    for handlers in [false, true] {
        for id in 0..naive.nodes.len() {
            if naive.nodes[id].task.is_some() && naive.nodes[id].handler == handlers {
                naive.nodes[id].runs = naive.find_runs(id);
            }
        }
    }
    naive.hosts = (0..program.plays.len()).map(|play| naive.find_play_hosts(play)).collect();
    for id in 0..naive.nodes.len() {
        naive.shape(id);
        naive.rule(id);
        naive.work(id);
    }
    let runs: BTreeSet<Instance> = naive
        .after
        .iter()
        .flat_map(|(event, before)| before.iter().chain([event]))
        .filter_map(|event| if let Event::Run(address, place) = event { Some((address.clone(), *place)) } else { None })
        .collect();
    runs.iter().map(|run| (run.clone(), naive.all_before(run))).collect()
}

impl<'p> Naive<'p> {
    fn add(
        &mut self,
        parent: Option<usize>,
        name: &str,
        needs: Option<&'p [Needed]>,
        task: Option<TaskId>,
        play: usize,
    ) -> usize {
        let id = self.nodes.len();
        let outer = parent.map(|parent| self.nodes[parent].address.clone());
        let address = match outer {
            Some(outer) if name.is_empty() => outer,
            Some(outer) => format!("{outer}/{name}"),
            None => name.to_owned(),
        };
        let above = parent.and_then(|parent| self.nodes[parent].children.last().copied());
        self.nodes.push(Node {
            address,
            name: name.to_owned(),
            parent,
            children: Vec::new(),
            above,
            needs,
            task,
            last: false,
            handler: false,
            play,
            owner: id,
            runs: Vec::new(),
        });
        if let Some(parent) = parent {
            self.nodes[parent].children.push(id);
        }
        id
    }

    fn leaf(&mut self, parent: usize, task: TaskId) -> usize {
        let program = self.program;
        let text = &program.tasks[task as usize];
        self.add(Some(parent), &text.name, text.needs.as_deref(), Some(task), self.nodes[parent].play)
    }

    fn body(&mut self, parent: usize, parts: &'p [Part]) {
        let play = self.nodes[parent].play;
        for part in parts {
            match part {
                Part::Task(task) => drop(self.leaf(parent, *task)),
                Part::Role(role) => {
                    let id = self.add(Some(parent), &role.name, role.needs.as_deref(), None, play);
                    self.body(id, &role.body);
                    self.handlers(id, &role.handlers);
                }
                Part::Block(block) => {
                    let id = self.add(Some(parent), &block.name, block.needs.as_deref(), None, play);
                    for (name, parts) in [("", &block.block), ("rescue", &block.rescue), ("always", &block.always)] {
                        let section = self.add(Some(id), name, None, None, play);
                        self.nodes[section].last = true;
                        self.body(section, parts);
                    }
                }
            }
        }
    }

    fn handlers(&mut self, parent: usize, handlers: &'p [TaskId]) {
        let scope = self.add(Some(parent), "handlers", None, None, self.nodes[parent].play);
        self.nodes[scope].last = true;
        for task in handlers {
            let id = self.leaf(scope, *task);
            self.nodes[id].handler = true;
        }
    }

    fn before(&mut self, from: Event, to: Event) {
        self.after.entry(to).or_default().insert(from);
    }

    fn all_before(&self, run: &Instance) -> BTreeSet<Instance> {
        let mut seen = BTreeSet::new();
        let mut open = vec![Event::Run(run.0.clone(), run.1)];
        while let Some(event) = open.pop() {
            for from in self.after.get(&event).into_iter().flatten() {
                if seen.insert(from.clone()) {
                    open.push(from.clone());
                }
            }
        }
        let runs = seen.into_iter();
        runs.filter_map(|event| if let Event::Run(address, place) = event { Some((address, place)) } else { None })
            .collect()
    }

    fn places(&self) -> Vec<u32> {
        (0..=self.cluster).collect()
    }

    fn leaves(&self, id: usize) -> Vec<usize> {
        let node = &self.nodes[id];
        let below = node.children.iter().flat_map(|child| self.leaves(*child));
        node.task.map(|_| id).into_iter().chain(below).collect()
    }

    fn on_cluster(&self, leaf: usize) -> bool {
        let task = &self.program.tasks[self.nodes[leaf].task.unwrap() as usize];
        task.sort == Sort::Cluster && !task.per_host
    }

    fn runs(&self, leaf: usize) -> Vec<Instance> {
        self.nodes[leaf].runs.clone()
    }

    fn owner(&self, id: usize) -> usize {
        self.nodes[id].owner
    }

    fn play_hosts(&self, play: usize) -> BTreeSet<HostId> {
        self.hosts[play].clone()
    }

    fn find_runs(&self, leaf: usize) -> Vec<Instance> {
        let node = &self.nodes[leaf];
        let task = &self.program.tasks[node.task.unwrap() as usize];
        let mut places: Vec<u32> = if self.on_cluster(leaf) { vec![self.cluster] } else { task.hosts.clone() };
        places.sort_unstable();
        if node.handler {
            let by: Vec<usize> = (0..self.nodes.len()).filter(|other| self.notifies(*other, leaf)).collect();
            let there: BTreeSet<u32> = by.iter().flat_map(|other| self.runs(*other)).map(|(_, place)| place).collect();
            if !there.contains(&self.cluster) && !self.on_cluster(leaf) {
                places.retain(|place| there.contains(place));
            }
            if there.is_empty() {
                places.clear();
            }
        }
        let Some(items) = &task.items else {
            places.truncate(if task.run_once { 1 } else { usize::MAX });
            return places.into_iter().map(|place| (node.address.clone(), place)).collect();
        };
        let has =
            |place: &u32| items.items.iter().any(|item| item.shared.is_some() || item.by_host.contains_key(place));
        places.retain(|place| self.on_cluster(leaf) || has(place));
        places.truncate(if task.run_once { 1 } else { usize::MAX });
        let mut runs = Vec::new();
        for item in &items.items {
            for place in &places {
                if item.shared.is_some() || self.on_cluster(leaf) || item.by_host.contains_key(place) {
                    runs.push((format!("{}[{}]", node.address, item.key), *place));
                }
            }
        }
        runs
    }

    fn find_owner(&self, mut id: usize) -> usize {
        loop {
            let role = self.program.plays[self.nodes[id].play].body.iter().any(
                |part| matches!(part, Part::Role(role) if format!("{}/{}", self.program.plays[self.nodes[id].play].name, role.name) == self.nodes[id].address),
            );
            match self.nodes[id].parent {
                Some(parent) if !role => id = parent,
                _ => return id,
            }
        }
    }

    fn notifies(&self, from: usize, handler: usize) -> bool {
        let Some(task) = self.nodes[from].task else { return false };
        let named = self.program.tasks[task as usize].notify.iter().any(|(name, _)| *name == self.nodes[handler].name);
        let own = self.owner(from) == self.owner(handler);
        let shadowed = self.nodes.iter().enumerate().any(|(id, node)| {
            node.handler && node.name == self.nodes[handler].name && self.owner(id) == self.owner(from)
        });
        let of_play =
            self.nodes[self.owner(handler)].parent.is_none() && self.nodes[from].play == self.nodes[handler].play;
        named && (own || of_play && !shadowed)
    }

    /// Hosts where something of it runs; all of the play, if something runs there once for all.
    fn reach(&self, id: usize) -> BTreeSet<HostId> {
        let mut hosts = BTreeSet::new();
        for leaf in self.leaves(id) {
            let once = self.program.tasks[self.nodes[leaf].task.unwrap() as usize].run_once;
            let runs = self.runs(leaf);
            if (once || self.on_cluster(leaf)) && !runs.is_empty() {
                return self.play_hosts(self.nodes[id].play);
            }
            hosts.extend(runs.into_iter().map(|(_, place)| place));
        }
        hosts
    }

    fn find_play_hosts(&self, play: usize) -> BTreeSet<HostId> {
        let leaves = (0..self.nodes.len()).filter(|id| self.nodes[*id].play == play && self.nodes[*id].task.is_some());
        leaves.filter(|leaf| !self.on_cluster(*leaf)).flat_map(|leaf| self.hosts_of(leaf)).collect()
    }

    /// The hosts of a task of hosts, if it runs; of one that runs once, all those that it stands for.
    fn hosts_of(&self, leaf: usize) -> Vec<HostId> {
        let task = &self.program.tasks[self.nodes[leaf].task.unwrap() as usize];
        let runs = self.runs(leaf);
        if !task.run_once || runs.is_empty() {
            return runs.into_iter().map(|(_, place)| place).collect();
        }
        let with = |host: &u32| {
            let has = |items: &Items| items.items.iter().any(|i| i.shared.is_some() || i.by_host.contains_key(host));
            task.items.as_ref().is_none_or(has)
        };
        task.hosts.iter().copied().filter(with).collect()
    }

    fn shape(&mut self, id: usize) {
        for place in self.places() {
            self.before(Event::Start(id, place), Event::End(id, place));
            if let Some(parent) = self.nodes[id].parent {
                self.before(Event::Start(parent, place), Event::Start(id, place));
                self.before(Event::End(id, place), Event::End(parent, place));
            }
        }
    }

    fn rule(&mut self, id: usize) {
        let siblings = match self.nodes[id].parent {
            Some(parent) => self.nodes[parent].children.clone(),
            None => (0..self.nodes.len()).filter(|other| self.nodes[*other].parent.is_none()).collect(),
        };
        if self.nodes[id].last {
            for sibling in siblings.into_iter().take_while(|sibling| *sibling != id) {
                for place in self.places() {
                    self.before(Event::End(sibling, place), Event::Start(id, place));
                }
            }
            return;
        }
        let is_play = self.nodes[id].parent.is_none();
        match (self.nodes[id].needs, self.nodes[id].above) {
            (None, None) => {}
            (None, Some(above)) => {
                for place in self.places() {
                    for other in if is_play { self.places() } else { vec![place] } {
                        self.before(Event::End(above, other), Event::Start(id, place));
                    }
                }
            }
            (Some(names), _) => {
                for needed in names {
                    let sibling = siblings.iter().copied().find(|other| self.nodes[*other].name == needed.name);
                    let far = (0..self.nodes.len()).find(|other| self.nodes[*other].address == needed.name);
                    let target = sibling.or(far).expect("a name that is there");
                    self.needs(target, id, siblings.contains(&target));
                }
            }
        }
    }

    fn needs(&mut self, target: usize, id: usize, sibling: bool) {
        let runs = self.leaves(id).into_iter().any(|leaf| !self.runs(leaf).is_empty());
        let mut here: Vec<u32> = self.reach(id).into_iter().chain(runs.then_some(self.cluster)).collect();
        let wide = self.leaves(target).into_iter().flat_map(|leaf| self.runs(leaf)).any(|(_, at)| at == self.cluster);
        let mut there: Vec<u32> = self.reach(target).into_iter().chain(wide.then_some(self.cluster)).collect();
        if self.nodes[target].parent.is_none() {
            there = self.places();
        }
        if self.nodes[id].parent.is_none() {
            here = self.places();
        }
        // What a task from afar hands on does not count, only the task itself.
        let leaf = self.nodes[target].task.is_some() && !sibling;
        let ends: Vec<Event> = if self.nodes[target].task.is_some() {
            self.runs(target).into_iter().map(|(address, place)| Event::Run(address, place)).collect()
        } else {
            there.iter().map(|place| Event::End(target, *place)).collect()
        };
        if self.nodes[target].play != self.nodes[id].play {
            // All of a part in another play.
            for place in &here {
                for end in &ends {
                    self.before(end.clone(), Event::Start(id, *place));
                }
            }
            return;
        }
        // Also where something stands that runs once, elsewhere.
        let own = |naive: &Self, id: usize| {
            let leaves = naive.leaves(id).into_iter().filter(|leaf| !naive.on_cluster(*leaf));
            leaves.flat_map(|leaf| naive.hosts_of(leaf)).collect::<BTreeSet<u32>>()
        };
        let runs_once = self.nodes[id].task.is_some_and(|task| self.program.tasks[task as usize].run_once);
        let apart = runs_once || self.reach(target).is_disjoint(&own(self, id));
        let runs_once_there = |leaf: usize| self.program.tasks[self.nodes[leaf].task.unwrap() as usize].run_once;
        let once = wide || self.leaves(target).into_iter().any(runs_once_there);
        for place in if sibling { self.places() } else { there.clone() } {
            if leaf {
                for end in &ends {
                    if once || matches!(end, Event::Run(_, at) if *at == place) {
                        self.before(end.clone(), Event::Start(id, place));
                    }
                }
            } else {
                self.before(Event::End(target, place), Event::Start(id, place));
            }
        }
        if apart {
            for place in own(self, id) {
                for end in &ends {
                    self.before(end.clone(), Event::Start(id, place));
                }
            }
        }
    }

    fn work(&mut self, id: usize) {
        let Some(task) = self.nodes[id].task else { return };
        let task = &self.program.tasks[task as usize];
        let runs = self.runs(id);
        let wide = self.on_cluster(id);
        let hosts: Vec<u32> = self.play_hosts(self.nodes[id].play).into_iter().chain([self.cluster]).collect();
        for (at, (address, place)) in runs.iter().enumerate() {
            let run = Event::Run(address.clone(), *place);
            self.before(Event::Start(id, *place), run.clone());
            self.before(run.clone(), Event::End(id, *place));
            if wide || task.run_once {
                for other in &hosts {
                    if wide {
                        self.before(Event::Start(id, *other), run.clone());
                    }
                    self.before(run.clone(), Event::End(id, *other));
                }
            }
            for (earlier, same) in &runs[..at] {
                if same == place {
                    self.before(Event::Run(earlier.clone(), *same), run.clone());
                }
            }
            for (register, _) in &task.reads {
                for writer in 0..id {
                    let Some(other) = self.nodes[writer].task else { continue };
                    let other = &self.program.tasks[other as usize];
                    if other.register.as_ref() == Some(register) && self.owner(writer) == self.owner(id) {
                        for (earlier, there) in self.runs(writer) {
                            if there == *place || wide || self.on_cluster(writer) || other.run_once {
                                self.before(Event::Run(earlier, there), run.clone());
                            }
                        }
                    }
                }
            }
        }
    }
}
