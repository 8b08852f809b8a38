//! What a part that is not selected leaves behind, so that the order of the others stays: it hands on what it would have
//! waited for, and where it brought hosts together, read a register or was needed from afar it leaves a barrier.

use crate::language::program::Task;
use crate::model::Sort;

use super::Why;
use super::frontier::{Entry, Frontier, Standing, Taker};
use super::outline::PartId;
use super::places::{self, Places};
use super::weave::{Pass, Weaver};

impl Weaver<'_, '_> {
    /// In the place of a task that does not run here.
    pub(super) fn pass_on(&mut self, part: PartId, task: &Task, frontier: &mut Frontier) {
        self.read_on(part, frontier);
        let text = &self.draft.parts[part].text;
        if text.wide {
            return self.gather(part, task, frontier);
        }
        let hosts = match &self.pass {
            Pass::Whole => self.draft.limited(&text.hosts),
            Pass::Batch(_, batch) => places::common(&self.draft.limited(&text.hosts), batch),
            Pass::Ahead | Pass::Behind => return,
        };
        let reads = self.links[part].iter().any(|link| self.draft.links[*link].why == Why::Reads);
        if hosts.is_empty() || !(reads || self.sought[part]) || self.draft.chosen[part] {
            return;
        }
        let sections = self.sections(part);
        let taker = self.taker(part, Places::clone(&hosts), false, &sections);
        let edges = frontier.edges(&self.draft.graph, &taker);
        if edges.is_empty() {
            return;
        }
        let node = self.join(self.draft.parts[part].parent.unwrap_or(part), &hosts, false, edges, None);
        let entry = Entry { node, owner: part, at: hosts, cluster: true, standing: Standing::Here, named: None };
        frontier.put(&self.draft.graph, entry, &taker);
    }

    /// Those after it wait for the registers that it would have read.
    fn read_on(&self, part: PartId, frontier: &mut Frontier) {
        for link in self.links[part].iter().map(|link| self.draft.links[*link]) {
            if link.why == Why::Reads && !self.draft.parts[link.from].text.is_empty() {
                let own = self.own(link.from);
                let mut read = if own.entries.is_empty() { self.state[link.from].exit.clone().unnamed() } else { own };
                self.narrow(part, &mut read);
                frontier.union(&read);
            }
        }
    }

    /// A barrier for a task that brought hosts together.
    fn gather(&mut self, part: PartId, task: &Task, frontier: &mut Frontier) {
        let gathers = task.sort == Sort::Cluster && !task.per_host;
        let this = &self.draft.parts[part];
        let hosts = Places::clone(&self.draft.parts[self.draft.plays[this.play as usize]].extent.hosts);
        let apart = hosts.len() > 1 && frontier.entries.iter().any(|entry| entry.standing == Standing::Here);
        // What runs once waits at its own host only, even if nothing else that is selected runs there.
        let own = if gathers { Places::clone(&hosts) } else { self.draft.limited(&this.text.hosts) };
        let (Pass::Whole, true, Some(first)) = (&self.pass, apart, own.first()) else { return };
        let place = Places::from([*first]);
        let sections = self.sections(part);
        let taker = Taker { gathers, ..self.taker(part, Places::clone(&place), false, &sections) };
        if gathers {
            self.tolerate(part, frontier);
        }
        let edges = frontier.edges(&self.draft.graph, &taker);
        if edges.is_empty() {
            return;
        }
        let node = self.join(self.draft.parts[part].parent.unwrap_or(part), &place, false, edges, None);
        let entry = Entry { node, owner: part, at: hosts, cluster: true, standing: Standing::Once, named: None };
        frontier.put(&self.draft.graph, entry, &taker);
    }

    /// What a part from afar hands on, where it would run if it were selected.
    pub(super) fn handed_on(&self, part: PartId) -> Frontier {
        let mut exit = self.state[part].exit.clone().unnamed();
        self.narrow(part, &mut exit);
        exit
    }

    /// Keeps of `frontier` what concerns the places where `part` would run.
    fn narrow(&self, part: PartId, frontier: &mut Frontier) {
        let this = &self.draft.parts[part];
        let play = self.draft.plays[this.play as usize];
        let hosts = if this.text.wide { &self.draft.parts[play].extent.hosts } else { &this.text.hosts };
        frontier.entries.retain_mut(|entry| {
            entry.at = places::common(&entry.at, hosts);
            // Hosts wait for what is done in the cluster, even if just now there are none.
            let shared = entry.standing == Standing::Once
                || self.has_cluster(&self.draft.graph.nodes[entry.node as usize].places);
            entry.cluster &= this.text.cluster || shared && !this.text.hosts.is_empty();
            entry.cluster || !entry.at.is_empty()
        });
    }
}
