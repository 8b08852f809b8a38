//! Tests of the walk: order, exclusion, blocking, rescue, stopping.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::graph::{BlockInfo, Edge};

/// Visits by name; some fail.
#[derive(Default)]
struct Recorder {
    log: Mutex<Vec<(NodeId, PlaceId, Gate, bool)>>,
    busy: Mutex<BTreeMap<PlaceId, usize>>,
    most: Mutex<BTreeMap<PlaceId, usize>>,
    fails: BTreeSet<(NodeId, PlaceId)>,
    pause: Duration,
    done_at: BTreeMap<NodeId, PlaceId>,
    stop_at: Option<(NodeId, Stop)>,
}

impl Visit for Recorder {
    fn visit(&self, node: NodeId, place: PlaceId, gate: Gate) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let worker = self.done_at.get(&node).copied().unwrap_or(place);
            {
                let mut busy = self.busy.lock().unwrap();
                let now = busy.entry(worker).or_default();
                *now += 1;
                let mut most = self.most.lock().unwrap();
                let most = most.entry(worker).or_default();
                *most = (*most).max(*now);
            }
            self.log.lock().unwrap().push((node, place, gate.clone(), false));
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
            tokio::task::yield_now().await;
            if let Some((at, stop)) = &self.stop_at
                && *at == node
            {
                stop.ask();
            }
            self.log.lock().unwrap().push((node, place, gate.clone(), true));
            *self.busy.lock().unwrap().entry(worker).or_default() -= 1;
            match gate {
                Gate::Blocked(_) => Ended::Blocked,
                _ if self.fails.contains(&(node, place)) => Ended::Bad,
                _ => Ended::Good,
            }
        })
    }
}

fn task(name: &str, places: &[PlaceId], after: &[(NodeId, Reach, Rule)]) -> Node {
    let after = after.iter().map(|(from, reach, rule)| Edge {
        from: *from,
        reach: *reach,
        rule: *rule,
        selects: false,
        span: None,
    });
    Node {
        address: Address::new(name),
        kind: NodeKind::Task { task: 0, item: None },
        places: places.to_vec().into(),
        done_at: None,
        after: after.collect(),
        sections: Vec::new(),
        play: 0,
    }
}

fn join(name: &str, places: &[PlaceId], after: &[(NodeId, Reach, Rule)], block: Option<u32>) -> Node {
    Node { kind: NodeKind::Join { block }, ..task(name, places, after) }
}

const SAME: (Reach, Rule) = (Reach::Same, Rule::Success);

fn run(graph: Graph, recorder: Recorder, stop: &Stop) -> (bool, Arc<Recorder>) {
    let recorder = Arc::new(recorder);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let width = Width { forks: 4, cluster: 3 };
    let complete = runtime.block_on(walk(Arc::new(graph), recorder.clone(), width, stop.clone()));
    (complete, recorder)
}

fn gates(recorder: &Recorder) -> BTreeMap<(NodeId, PlaceId), Gate> {
    let log = recorder.log.lock().unwrap();
    log.iter().map(|(node, place, gate, _)| ((*node, *place), gate.clone())).collect()
}

#[test]
fn a_failure_blocks_what_needs_it_and_names_the_first_cause() {
    let (reach, rule) = SAME;
    let nodes = vec![
        task("a", &[0, 1], &[]),
        task("b", &[0, 1], &[(0, reach, rule)]),
        task("c", &[0, 1], &[(1, reach, rule)]),
        task("free", &[0, 1], &[]),
    ];
    let graph = Graph { nodes, cluster: 2, blocks: Vec::new() };
    let fails = BTreeSet::from([(0, 1)]);
    let (complete, recorder) = run(graph, Recorder { fails, ..Recorder::default() }, &Stop::default());
    let gates = gates(&recorder);
    assert!(complete);
    assert_eq!(gates[&(2, 0)], Gate::Open);
    assert_eq!(gates[&(1, 1)], Gate::Blocked(Address::new("a")));
    assert_eq!(gates[&(2, 1)], Gate::Blocked(Address::new("a")), "the cause, not the last that was blocked");
    assert_eq!(gates[&(3, 1)], Gate::Open, "what does not need it goes on");
}

#[test]
fn a_play_is_fulfilled_while_few_enough_hosts_failed() {
    let nodes = vec![
        task("a", &[0, 1, 2], &[]),
        join("play", &[0, 1, 2], &[(0, Reach::Same, Rule::Success)], None),
        task("after one may fail", &[0, 2], &[(1, Reach::All, Rule::AtMost(1)), (1, Reach::Same, Rule::LeaveOut)]),
        task("after none may fail", &[0], &[(1, Reach::All, Rule::AtMost(0))]),
        task("failed host is out", &[1], &[(1, Reach::All, Rule::AtMost(1)), (1, Reach::Same, Rule::LeaveOut)]),
        task("order only", &[1], &[(1, Reach::All, Rule::Ended)]),
        task("left out with it", &[1], &[(4, Reach::Same, Rule::Success)]),
        task("not counted again", &[0], &[(6, Reach::All, Rule::Success)]),
    ];
    let graph = Graph { nodes, cluster: 3, blocks: Vec::new() };
    let (_, recorder) =
        run(graph, Recorder { fails: BTreeSet::from([(0, 1)]), ..Recorder::default() }, &Stop::default());
    let gates = gates(&recorder);
    assert_eq!(gates[&(2, 0)], Gate::Open);
    assert_eq!(gates[&(2, 2)], Gate::Open);
    assert_eq!(gates[&(3, 0)], Gate::Blocked(Address::new("a")));
    assert_eq!(gates[&(4, 1)], Gate::Blocked(Address::new("a")));
    assert_eq!(gates[&(5, 1)], Gate::Open);
    assert_eq!(gates[&(6, 1)], Gate::Blocked(Address::new("a")));
    assert_eq!(gates[&(7, 0)], Gate::Open);
}

/// A block of two tasks, a rescue, an always, and a task after it.
fn block(rescued: bool) -> Graph {
    let (reach, rule) = SAME;
    let ended = Rule::Ended;
    let mut nodes = vec![
        task("try", &[0], &[]),
        task("try more", &[0], &[(0, reach, rule)]),
        task("rescue", &[0], &[(0, reach, ended), (1, reach, ended)]),
        task("always", &[0], &[(0, reach, ended), (1, reach, ended), (2, reach, ended)]),
        join("block", &[0], &[(0, reach, ended), (1, reach, ended), (2, reach, ended), (3, reach, ended)], Some(0)),
        task("after", &[0], &[(4, reach, rule)]),
    ];
    for (node, section) in [(0, Section::Block), (1, Section::Block), (2, Section::Rescue), (3, Section::Always)] {
        nodes[node].sections = vec![(0, section)];
    }
    if !rescued {
        nodes[2].places = Vec::new().into();
    }
    Graph { nodes, cluster: 1, blocks: vec![BlockInfo { address: Address::new("block"), rescued }] }
}

#[test]
fn a_rescue_runs_only_after_a_failure_and_the_block_counts_as_done() {
    let (_, calm) = run(block(true), Recorder::default(), &Stop::default());
    assert_eq!(gates(&calm)[&(2, 0)], Gate::NotNeeded);
    assert_eq!(gates(&calm)[&(3, 0)], Gate::Open);
    assert_eq!(gates(&calm)[&(5, 0)], Gate::Open);

    let fails = BTreeSet::from([(0, 0)]);
    let (_, rescued) = run(block(true), Recorder { fails: fails.clone(), ..Recorder::default() }, &Stop::default());
    assert_eq!(gates(&rescued)[&(1, 0)], Gate::Blocked(Address::new("try")));
    assert_eq!(gates(&rescued)[&(2, 0)], Gate::Open);
    assert_eq!(gates(&rescued)[&(3, 0)], Gate::Open);
    assert_eq!(gates(&rescued)[&(5, 0)], Gate::Open);

    let both = BTreeSet::from([(0, 0), (2, 0)]);
    let (_, lost) = run(block(true), Recorder { fails: both, ..Recorder::default() }, &Stop::default());
    assert_eq!(gates(&lost)[&(3, 0)], Gate::Open, "always means always");
    assert_eq!(gates(&lost)[&(5, 0)], Gate::Blocked(Address::new("rescue")));

    let (_, plain) = run(block(false), Recorder { fails, ..Recorder::default() }, &Stop::default());
    assert_eq!(gates(&plain)[&(5, 0)], Gate::Blocked(Address::new("try")));
}

#[test]
fn after_stop_what_runs_is_finished_and_nothing_begins() {
    let (reach, rule) = SAME;
    let nodes = vec![task("a", &[0], &[]), task("b", &[0], &[(0, reach, rule)]), task("c", &[0], &[(1, reach, rule)])];
    let graph = Graph { nodes, cluster: 1, blocks: Vec::new() };
    let stop = Stop::default();
    let recorder = Recorder { stop_at: Some((1, stop.clone())), ..Recorder::default() };
    let (complete, recorder) = run(graph, recorder, &stop);
    let log: Vec<_> = recorder.log.lock().unwrap().iter().map(|(node, _, _, ended)| (*node, *ended)).collect();
    assert!(!complete);
    assert_eq!(log, [(0, false), (0, true), (1, false), (1, true)]);
}

#[test]
fn a_host_is_visited_one_at_a_time_and_the_cluster_several() {
    let mut nodes: Vec<Node> = (0..6).map(|at| task(&format!("h{at}"), &[0, 1], &[])).collect();
    nodes.extend((0..6).map(|at| task(&format!("c{at}"), &[2], &[])));
    nodes.push(Node { done_at: Some(0), ..task("delegated", &[1], &[]) });
    let graph = Graph { nodes, cluster: 2, blocks: Vec::new() };
    let recorder =
        Recorder { pause: Duration::from_millis(3), done_at: BTreeMap::from([(12, 0)]), ..Recorder::default() };
    let (complete, recorder) = run(graph, recorder, &Stop::default());
    assert!(complete);
    assert_eq!(*recorder.most.lock().unwrap(), BTreeMap::from([(0, 1), (1, 1), (2, 3)]));
}

proptest! {
    #![proptest_config(ProptestConfig::default())]
    /// Whatever the graph: every node is visited once at each place, after all that it waits for.
    #[test]
    fn every_node_once_and_in_order(
        places in prop::collection::vec(prop::collection::btree_set(0u32..4, 0..4), 1..12),
        edges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..24),
    ) {
        let mut nodes: Vec<Node> = places
            .iter()
            .enumerate()
            .map(|(at, places)| {
                let places: Vec<PlaceId> = places.iter().copied().collect();
                if at % 4 == 3 { join(&at.to_string(), &places, &[], None) } else { task(&at.to_string(), &places, &[]) }
            })
            .collect();
        for (one, other, all) in edges {
            let (one, other) = (one.index(nodes.len()), other.index(nodes.len()));
            if one < other {
                let reach = if all { Reach::All } else { Reach::Same };
                let from = u32::try_from(one).unwrap();
                nodes[other].after.push(Edge { from, reach, rule: Rule::Success, selects: false, span: None });
            }
        }
        let graph = Graph { nodes: nodes.clone(), cluster: 4, blocks: Vec::new() };
        let (complete, recorder) = run(graph, Recorder::default(), &Stop::default());
        prop_assert!(complete);
        let log = recorder.log.lock().unwrap();
        let when = |node: usize, place: PlaceId, ended: bool| {
            log.iter().position(|(n, p, _, e)| *n as usize == node && *p == place && *e == ended)
        };
        for (at, node) in nodes.iter().enumerate().filter(|(_, node)| matches!(node.kind, NodeKind::Task { .. })) {
            for place in node.places.iter() {
                let began = when(at, *place, false).expect("visited");
                prop_assert_eq!(log.iter().filter(|(n, p, _, e)| *n as usize == at && p == place && !e).count(), 1);
                // Through joins, too: walk the edges backwards.
                let mut before: Vec<(usize, PlaceId)> = vec![(at, *place)];
                while let Some((at, place)) = before.pop() {
                    for edge in &nodes[at].after {
                        let from = &nodes[edge.from as usize];
                        for earlier in from.places.iter().filter(|earlier| edge.reach == Reach::All || **earlier == place) {
                            if matches!(from.kind, NodeKind::Task { .. }) {
                                prop_assert!(when(edge.from as usize, *earlier, true).expect("visited") < began);
                            }
                            before.push((edge.from as usize, *earlier));
                        }
                    }
                }
            }
        }
    }
}
