//! Random programs: the order is what the rule says, no more and no less.

use std::collections::{BTreeMap, BTreeSet};

use lions::graph::{Graph, Node, NodeId, NodeKind, Reach, Selection, build, reachable, select};
use lions::language::program::Program;
use proptest::prelude::*;

use super::naive::{self, Instance};
use super::random::{self, Taste};
use super::text;
use crate::rounds::rounds;

const ALL: Taste = Taste { rollouts: false, cluster: true, tags: false, once: true };

fn numbers() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(any::<u16>(), 0..120)
}

/// All tasks and handlers at their places, and for each all that it waits for, however far back.
fn order(graph: &Graph) -> BTreeMap<Instance, BTreeSet<Instance>> {
    order_among(graph, |_| true)
}

/// The same, of those places alone: what waits for something elsewhere does not hand on what that waited for.
fn order_among(graph: &Graph, there: impl Fn(u32) -> bool) -> BTreeMap<Instance, BTreeSet<Instance>> {
    let mut before: BTreeMap<(NodeId, u32), BTreeSet<(NodeId, u32)>> = BTreeMap::new();
    for (id, node) in (0..).zip(&graph.nodes) {
        for place in node.places.iter().copied().filter(|place| there(*place)) {
            let mut all = BTreeSet::new();
            for edge in &node.after {
                for other in graph.nodes[edge.from as usize].places.iter().copied().filter(|other| there(*other)) {
                    if edge.reach == Reach::All || other == place {
                        all.insert((edge.from, other));
                        all.extend(before[&(edge.from, other)].iter().copied());
                    }
                }
            }
            before.insert((id, place), all);
        }
    }
    let work = |(id, place): &(NodeId, u32)| {
        let node = &graph.nodes[*id as usize];
        (!matches!(node.kind, NodeKind::Join { .. })).then(|| (node.address.to_string(), *place))
    };
    let waits = before.iter().filter_map(|(at, all)| Some((work(at)?, all.iter().filter_map(work).collect())));
    waits.collect()
}

fn differences(program: &Program, ours: &BTreeMap<Instance, BTreeSet<Instance>>) -> Vec<String> {
    let theirs = naive::order(program);
    let mut out = Vec::new();
    for run in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        match (ours.get(run), theirs.get(run)) {
            (Some(ours), Some(theirs)) => {
                out.extend(ours.difference(theirs).map(|other| format!("{run:?} need not wait for {other:?}")));
                out.extend(theirs.difference(ours).map(|other| format!("{run:?} must wait for {other:?}")));
            }
            (Some(_), None) => out.push(format!("{run:?} should not be there")),
            _ => out.push(format!("{run:?} is not there")),
        }
    }
    out
}

/// Does every edge follow the order of the nodes, and is what stands there sound?
fn sound(graph: &Graph) {
    let mut seen = BTreeSet::new();
    for (id, node) in (0..).zip(&graph.nodes) {
        assert!(!node.places.is_empty(), "{} runs nowhere", node.address);
        assert!(node.places.is_sorted_by(|a, b| a < b), "{} has its places sorted", node.address);
        for edge in &node.after {
            assert!(edge.from < id, "{} comes after what it waits for", node.address);
        }
        let distinct: BTreeSet<String> = node.after.iter().map(|edge| format!("{edge:?}")).collect();
        assert_eq!(distinct.len(), node.after.len(), "{} has no edge twice", node.address);
        if let NodeKind::Handler { by, .. } = &node.kind {
            assert!(!by.is_empty(), "{} is notified", node.address);
        }
        if !matches!(node.kind, NodeKind::Join { .. }) {
            for place in node.places.iter() {
                assert!(seen.insert((node.address.clone(), *place)), "{} is once at {place}", node.address);
            }
        }
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { max_shrink_iters: 20_000, ..rounds(100) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_is_what_the_rule_says(numbers in numbers()) {
        let words = random::program(&numbers, ALL);
        let parsed = text::parse(&words);
        let graph = match build(&parsed.program) {
            Ok(graph) => graph,
            // Names from afar may make rings.
            Err(problems) => {
                prop_assert!(problems.iter().all(|problem| problem.summary.starts_with("a ring")), "{words}\n{problems:?}");
                return Ok(());
            }
        };
        sound(&graph);
        let differences = differences(&parsed.program, &order(&graph));
        prop_assert!(differences.is_empty(), "{words}\n{}", differences.join("\n"));
    }

    #[test]
    fn reachable_is_the_order(numbers in numbers()) {
        let parsed = text::parse(&random::program(&numbers, ALL));
        let Ok(graph) = build(&parsed.program) else { return Ok(()) };
        let order = order(&graph);
        let runs: Vec<(NodeId, u32, Instance)> = (0..)
            .zip(&graph.nodes)
            .filter(|(_, node)| !matches!(node.kind, NodeKind::Join { .. }))
            .flat_map(|(id, node)| node.places.iter().map(move |place| (id, *place, (node.address.to_string(), *place))))
            .collect();
        for (later, at, run) in &runs {
            for (earlier, there, other) in &runs {
                let expected = order[run].contains(other);
                prop_assert_eq!(reachable(&graph, (*earlier, *there), (*later, *at)), expected, "{:?} {:?}", other, run);
            }
        }
    }

    #[test]
    fn batches_never_interleave(numbers in numbers()) {
        let words = random::program(&numbers, Taste { rollouts: true, ..ALL });
        let parsed = text::parse(&words);
        let Ok(graph) = build(&parsed.program) else { return Ok(()) };
        sound(&graph);
        let order = order(&graph);
        for play in &parsed.program.plays {
            let Some(rollout) = &play.rollout else { continue };
            let batch = |place: u32| rollout.batches.iter().position(|batch| batch.contains(&place));
            let inside = |run: &&Instance| run.0.starts_with(&format!("{}/", play.name));
            let runs: Vec<(&Instance, usize)> =
                order.keys().filter(inside).filter_map(|run| Some((run, batch(run.1)?))).collect();
            for (run, number) in &runs {
                for (other, former) in &runs {
                    prop_assert_eq!(former < number, order[*run].contains(*other) && former != number, "{}\n{:?} {:?}", words, run, other);
                }
            }
        }
    }

    #[test]
    fn within_a_batch_the_rule_holds(numbers in numbers()) {
        let taste = Taste { rollouts: true, cluster: false, tags: false, once: false };
        let words = random::program(&numbers, taste);
        let mut parsed = text::parse(&words);
        let Ok(graph) = build(&parsed.program) else { return Ok(()) };
        let rolled = order(&graph);
        let rollouts: Vec<_> = parsed.program.plays.iter_mut().map(|play| play.rollout.take()).collect();
        let Ok(graph) = build(&parsed.program) else { return Ok(()) };
        // Of a batch, what goes by way of other batches does not count: an earlier one cannot wait for this one.
        let batches = rollouts.iter().flatten().flat_map(|rollout| &rollout.batches);
        let plain: BTreeMap<_, _> = batches.map(|batch| (batch, order_among(&graph, |place| batch.contains(&place)))).collect();
        for (run, before) in &rolled {
            let play = parsed.program.plays.iter().position(|play| run.0.starts_with(&format!("{}/", play.name))).unwrap();
            let Some(rollout) = &rollouts[play] else { continue };
            let batch = rollout.batches.iter().find(|batch| batch.contains(&run.1)).unwrap();
            let plain = &plain[batch];
            let near = |other: &&Instance| {
                other.0.starts_with(&format!("{}/", parsed.program.plays[play].name)) && batch.contains(&other.1)
                    && !other.0.contains("/between/") && plain.contains_key(*other)
            };
            if run.0.contains("/between/") || !plain.contains_key(run) {
                continue;
            }
            let ours: BTreeSet<&Instance> = before.iter().filter(near).collect();
            let theirs: BTreeSet<&Instance> = plain[run].iter().filter(near).filter(|other| rolled.contains_key(*other)).collect();
            prop_assert_eq!(&ours, &theirs, "{}\n{:?}", words, run);
        }
    }

    #[test]
    fn a_selection_keeps_order_and_needs(numbers in numbers(), tag in 0..3_u8, hosts in 1..16_u8) {
        let rollouts = numbers.len() % 2 == 0;
        let words = random::program(&numbers, Taste { rollouts, cluster: true, tags: true, once: !rollouts });
        let parsed = text::parse(&words);
        let Ok(whole) = build(&parsed.program) else { return Ok(()) };
        let names = parsed.program.environment.hosts.iter().enumerate();
        let limit: Vec<String> = names.filter(|(at, _)| hosts >> at & 1 == 1).map(|(_, host)| host.name.to_string()).collect();
        let selections = [
            Selection::default(),
            Selection { tags: vec![format!("g{tag}")], ..Selection::default() },
            Selection { component: Some("p0".into()), ..Selection::default() },
            Selection { limit: limit.clone(), ..Selection::default() },
            Selection { limit: limit.into_iter().chain(["cluster".into()]).collect(), ..Selection::default() },
        ];
        let all = order(&whole);
        for selection in selections {
            // A tag that nothing bears, a register that is left out.
            let Ok(graph) = select(&parsed.program, &selection) else { continue };
            sound(&graph);
            let some = order(&graph);
            // With fewer hosts, `run_once` may run at another one, and batches have other numbers.
            let once = parsed.program.tasks.iter().any(|task| task.run_once);
            if !selection.limit.is_empty() && (once || words.contains("cluster look")) {
                continue;
            }
            for (run, before) in &some {
                prop_assert!(all.contains_key(run), "{words}\n{selection:?}\n{run:?} is new");
                for other in before {
                    prop_assert!(all[run].contains(other), "{words}\n{selection:?}\n{run:?} need not wait for {other:?}");
                }
                let play = |run: &Instance| run.0.split('/').next().map(str::to_owned);
                let here = |other: &&Instance| other.1 == run.1 && play(other) == play(run) && some.contains_key(*other);
                for other in all[run].iter().filter(here) {
                    prop_assert!(before.contains(other), "{words}\n{selection:?}\n{run:?} must wait for {other:?}");
                }
            }
            if selection.tags.is_empty() && selection.component.is_none() {
                continue;
            }
            let there: BTreeSet<&str> = some.keys().map(|(address, _)| address.as_str()).collect();
            // A handler comes when one of several notifies it.
            let task = |node: &&Node| matches!(node.kind, NodeKind::Task { .. });
            for node in whole.nodes.iter().filter(|node| there.contains(node.address.as_str())).filter(task) {
                for edge in node.after.iter().filter(|edge| edge.selects) {
                    let from = &whole.nodes[edge.from as usize];
                    let needed = from.address.as_str();
                    let below = |address: &&str| address.starts_with(&format!("{needed}/"));
                    let empty = !all.keys().any(|(address, _)| below(&address.as_str()));
                    let found = if matches!(from.kind, NodeKind::Join { .. }) {
                        empty || there.iter().any(below)
                    } else {
                        there.contains(needed)
                    };
                    prop_assert!(found, "{words}\n{selection:?}\n{} needs {needed}", node.address);
                }
            }
        }
    }
}

/// What random programs found once.
#[test]
fn found_once() {
    // A part that does nothing names what its block waits for already: those after it wait for that all the same.
    let words = "
play p0 on=h1
  cluster t2
play p1 on=h3,h4 needs=
  block t5 hosts= needs=p0/t2
    task t6
    cluster t7 needs=p1/t5/t6,p0/t2 loop=
    cluster t9
";
    let parsed = text::parse(words);
    let graph = build(&parsed.program).unwrap();
    assert_eq!(differences(&parsed.program, &order(&graph)), Vec::<String>::new());
}
