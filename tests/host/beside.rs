//! Hosts of a run that look at each other: whoever asks, all are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use lions::model::{Fault, Halt, PlaceName, Stream};
use lions::targets::host::guard::{Order, Switch};
use lions::targets::host::memory::MemoryHost;
use lions::targets::host::probe::{HostPlace, HostProbe, Street};
use lions::targets::host::{Answer, Claim, Link, Output, Privilege, Question, Step, Together};

/// A way that answers at some time.
struct Dawdling {
    link: Arc<dyn Link>,
    dice: AtomicU64,
}

impl Link for Dawdling {
    fn ask<'a>(&'a self, questions: &'a [Question]) -> BoxFuture<'a, Result<Vec<Result<Answer, Fault>>, Fault>> {
        Box::pin(async move {
            let drawn =
                self.dice.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_mul(0xD129_0DDB_53C4_3E49);
            for _ in 0..drawn >> 61 {
                tokio::task::yield_now().await;
            }
            self.link.ask(questions).await
        })
    }

    fn perform<'a>(
        &'a self,
        step: &'a Step,
        told: &'a (dyn Fn(Stream, &str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Option<Output>, Fault>> {
        self.link.perform(step, told)
    }

    fn make_together<'a>(&'a self, all: &'a Together) -> BoxFuture<'a, Result<bool, Fault>> {
        self.link.make_together(all)
    }

    fn guard<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Switch, Fault>> {
        self.link.guard(order)
    }

    fn prove(&self) -> BoxFuture<'_, Result<(), Fault>> {
        self.link.prove()
    }

    fn hold<'a>(&'a self, claim: &'a Claim, notes: &'a [String]) -> BoxFuture<'a, Result<(), Fault>> {
        self.link.hold(claim, notes)
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), Fault>> {
        self.link.release(claim)
    }
}

/// One thing after the other: each question is asked when the one before is answered.
async fn look(probe: HostProbe, paths: [&str; 2]) -> Result<usize, Halt> {
    let mut there = 0;
    for path in paths {
        there += usize::from(probe.stat(path).await?.is_some());
    }
    Ok(there)
}

#[test]
fn hosts_that_look_at_each_other_are_all_answered() {
    const NAMES: [&str; 3] = ["h1", "h2", "h3"];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for round in 0..300 {
        let street = Arc::new(Street::default());
        let places = NAMES.map(|name| {
            let host = MemoryHost::new().file("/etc/a", "a").file("/srv/b/c", "c");
            let link = host.link(&Privilege::Login);
            let way: Arc<dyn Link> =
                Arc::new(Dawdling { link, dice: AtomicU64::new(round * 3 + u64::from(name.as_bytes()[1])) });
            HostPlace::new(PlaceName::new(name), [(Privilege::Login, way)]).on(&street)
        });
        let runs = places.into_iter().map(|place| {
            tokio::spawn(async move {
                let reads = (0..3).map(|at| {
                    let probe = place.probe(&Privilege::Login);
                    async move {
                        let mut there = look(probe.clone(), ["/etc/a", "/srv/none"]).await?;
                        // Its own name, too: a host may look at itself as at the others.
                        for name in NAMES.iter().cycle().skip(at).take(3) {
                            there += probe.beside(name, |other| look(other, ["/srv/b/c", "/etc/none"])).await?;
                        }
                        look(probe, ["/tmp/none", "/srv/b"]).await.map(|own| there + own)
                    }
                });
                place.drive(reads).await
            })
        });
        let all = async { tokio::time::timeout(Duration::from_mins(1), join_all(runs)).await };
        let all = runtime.block_on(all).unwrap_or_else(|_| panic!("round {round}: they wait for each other"));
        for found in all.into_iter().flat_map(Result::unwrap) {
            assert_eq!(found.unwrap(), 5);
        }
    }
}
