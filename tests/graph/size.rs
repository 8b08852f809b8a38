//! Large programs: nodes and edges grow with the text, not with the hosts; places are shared.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use lions::graph::{Graph, build};

use super::text;

fn hosts(count: usize) -> String {
    (0..count).map(|at| format!("h{at:05}")).collect::<Vec<_>>().join(",")
}

fn built(words: &str) -> Graph {
    let parsed = text::parse(words);
    build(&parsed.program).expect("a graph")
}

fn edges(graph: &Graph) -> usize {
    graph.nodes.iter().map(|node| node.after.len()).sum()
}

#[test]
fn hosts_cost_nothing() {
    let of = |count: usize| {
        let mut words = format!("play site on={}\n", hosts(count));
        for at in 0..100 {
            writeln!(words, "  task t{at}").unwrap();
        }
        built(&words)
    };
    let (few, many) = (of(10), of(1000));
    assert_eq!((few.nodes.len(), edges(&few)), (101, 100));
    assert_eq!((many.nodes.len(), edges(&many)), (101, 100));
    let sets: BTreeSet<*const u32> = many.nodes.iter().map(|node| Arc::as_ptr(&node.places).cast()).collect();
    assert_eq!(sets.len(), 1, "one set of places for all");
}

#[test]
fn many_after_many_go_through_a_barrier() {
    let of = |count: usize| {
        let mut words = String::from("play site on=h1,h2\n");
        for role in ["a", "b", "c", "d"] {
            writeln!(words, "  role {role}{}", if role == "d" { " needs=a,b,c" } else { " needs=" }).unwrap();
            for at in 0..count {
                writeln!(words, "    task t{at} needs=").unwrap();
            }
        }
        built(&words)
    };
    let (few, many) = (of(50), of(500));
    assert_eq!(many.nodes.len() - few.nodes.len(), 4 * 450);
    // One to the barrier that closes each role; in `d` one from the barrier that opens it, too.
    assert_eq!(edges(&many) - edges(&few), 5 * 450);
}

#[test]
fn cluster_tasks_between_host_tasks_stay_linear() {
    let of = |count: usize| {
        let mut words = format!("play site on={}\n", hosts(100));
        for at in 0..count {
            writeln!(words, "  role r{at}\n    task a\n    task b hosts=h00001\n    cluster k").unwrap();
        }
        built(&words)
    };
    let (few, many) = (of(20), of(200));
    assert!(edges(&many) <= edges(&few) * 11, "{} and {}", edges(&few), edges(&many));
}

#[test]
fn rollouts_grow_with_their_batches() {
    let of = |batches: usize| {
        let mut words = format!("play site on={} batch=1 max_failures=0\n", hosts(batches));
        words.push_str("  role r\n    task a notify=h\n    task b\n    task once run_once\n    cluster k per_host\n");
        words.push_str("    handler h\n  cluster behind\n  between\n    task check\n    cluster look\n");
        writeln!(words, "play next on=h00000,h00001 batch=1\n  task n needs=site/r/a\n  task m needs=site/r/a")
            .unwrap();
        built(&words)
    };
    let (few, many) = (of(20), of(200));
    assert!(many.nodes.len() <= few.nodes.len() * 10, "{} and {}", few.nodes.len(), many.nodes.len());
    assert!(edges(&many) <= edges(&few) * 11, "{} and {}", edges(&few), edges(&many));
}

/// A slip here costs minutes, so a bound far above what is needed (0.05 s) tells it, even on a slow machine.
#[test]
fn a_thousand_batches_take_no_time() {
    let mut words = format!("play site on={} batch=1\n", hosts(1000));
    (0..20).for_each(|at| writeln!(words, "  task t{at}").unwrap());
    let start = std::time::Instant::now();
    let graph = built(&words);
    assert_eq!(graph.nodes.len(), 22_000);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
