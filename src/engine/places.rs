//! The places of an environment, whatever their sort: the one door of the engine to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;

use super::coming::Awaited;
use super::context::Events;
use crate::graph::PlaceId;
use crate::model::{After, Event, Fault, Halt, Map, Patience, PlaceName, Stream, Thing, Verdict};
use crate::resources::{Planned, Probe, Step};
use crate::targets::Said;
use crate::targets::cluster::{Absent, ApplySet, ClusterPlace, ClusterProbe, LeaseName};
use crate::targets::host::guard::{Order, Switch};
use crate::targets::host::ledger::{self, Ledger};
use crate::targets::host::probe::HostPlace;
use crate::targets::host::{Link, Privilege, Question, Together};

/// The ways to a host, by privilege. A way may connect only when it is first used.
pub type Ways = BTreeMap<Privilege, Arc<dyn Link>>;

/// A place of either sort.
pub enum Place {
    /// A host.
    Host {
        /// Its name.
        name: PlaceName,
        /// The ways to it.
        ways: Ways,
    },
    /// The cluster.
    Cluster {
        /// The way to it.
        way: ToCluster,
        /// What keeps other writers from it; without one nobody is.
        lease: Option<LeaseName>,
        /// The set that what is made there belongs to; without one nobody's.
        set: Option<Box<ApplySet>>,
    },
    /// The environment has no cluster.
    NoCluster,
}

/// The way to a cluster.
pub enum ToCluster {
    /// Its API.
    There(kube::Client),
    /// The same through one of these hosts. A plan may bring it up there when it is down.
    Through(kube::Client, Vec<PlaceId>),
    /// It is not there yet, but a plan may bring it up on these hosts.
    Absent(Absent, Vec<PlaceId>),
}

/// All places: hosts in the order of the inventory, then the cluster.
pub struct Places {
    all: Vec<Place>,
    /// What was asked and planned there so far.
    seen: Mutex<Vec<Arc<Seen>>>,
    /// What is there already, and is waited for.
    pub(super) awaited: Awaited,
}

/// What was asked of a place, and its shadow.
pub(super) enum Seen {
    Host(HostPlace),
    Cluster(ClusterPlace),
    Nothing,
}

/// What a look sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The place with what is planned so far on top.
    Shadow,
    /// The place as it is now.
    Fresh,
}

impl Places {
    /// These, in the order of the inventory, the cluster (or [`Place::NoCluster`]) last.
    #[must_use]
    pub fn new(places: Vec<Place>) -> Self {
        let places = Self { all: places, seen: Mutex::default(), awaited: Awaited::default() };
        places.forget();
        places
    }

    pub(super) fn all(&self) -> &[Place] {
        &self.all
    }

    pub(super) fn place(&self, place: PlaceId) -> Option<&Place> {
        self.all.get(place as usize)
    }

    /// Does a planned step decide what is at `thing` of a host?
    pub(super) fn touches(&self, place: PlaceId, thing: &Thing) -> bool {
        matches!(&*self.seen(place), Seen::Host(host) if host.touched(thing))
    }

    /// All names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<PlaceName> {
        self.all
            .iter()
            .map(|place| match place {
                Place::Host { name, .. } => name.clone(),
                Place::Cluster { .. } | Place::NoCluster => PlaceName::new(PlaceName::CLUSTER),
            })
            .collect()
    }

    /// The name of one.
    #[must_use]
    pub fn name(&self, place: PlaceId) -> PlaceName {
        match self.all.get(place as usize) {
            Some(Place::Host { name, .. }) => name.clone(),
            _ => PlaceName::new(PlaceName::CLUSTER),
        }
    }

    /// Round trips (to a host) or requests (to the cluster) made for looking since all was last forgotten.
    #[must_use]
    pub fn questions(&self, place: PlaceId) -> u64 {
        match &*self.seen(place) {
            Seen::Host(host) => host.batches() as u64,
            Seen::Cluster(cluster) => {
                let requests = cluster.requests();
                requests.reads + requests.dry_runs
            }
            Seen::Nothing => 0,
        }
    }

    /// From now on `events` is told what a place is waited for.
    pub fn tell(&self, events: &Events) {
        for seen in self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Seen::Cluster(cluster) = &**seen {
                let events = events.clone();
                cluster.listen(move |what| events.tell(|| Event::Warning { what: what.to_owned() }));
            }
        }
    }

    /// Forgets all that was asked and planned: the next look is a new one.
    pub(super) fn forget(&self) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let street = Arc::default();
        let seen = (0..).zip(&self.all).map(|(at, place): (usize, _)| {
            Arc::new(match (place, all.get(at).map(|seen| &**seen)) {
                (Place::Host { name, ways }, _) => Seen::Host(HostPlace::new(name.clone(), ways.clone()).on(&street)),
                (Place::Cluster { set, .. }, Some(Seen::Cluster(cluster))) => {
                    Seen::Cluster(cluster.anew().in_set(set.as_deref().cloned()))
                }
                (Place::Cluster { way, lease, set }, _) => {
                    Seen::Cluster(way.place().locked_by(lease.clone()).in_set(set.as_deref().cloned()))
                }
                (Place::NoCluster, _) => Seen::Nothing,
            })
        });
        *all = seen.collect();
        self.awaited.forget();
    }

    /// Forgets what was planned, not what was answered.
    pub(super) fn forget_shadows(&self) {
        self.awaited.forget();
        for seen in self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            match &**seen {
                Seen::Host(host) => host.reset_shadow(),
                Seen::Cluster(cluster) => cluster.reset_shadow(),
                Seen::Nothing => {}
            }
        }
    }

    pub(super) fn seen(&self, place: PlaceId) -> Arc<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(place as usize).cloned().unwrap_or_else(|| Arc::new(Seen::Nothing))
    }

    /// Facts of a host.
    pub(super) async fn facts(&self, place: PlaceId) -> Result<Map, Fault> {
        match &*self.seen(place) {
            Seen::Host(host) => {
                let probe = host.probe(&Privilege::Login);
                let mut facts = host.drive([probe.facts()]).await;
                match facts.pop() {
                    Some(Ok(facts)) => Ok(facts),
                    Some(Err(Halt::Fault(fault))) => Err(fault),
                    Some(Err(Halt::Later(after))) => Err(Fault::failed(format!("facts are not known {after}"))),
                    None => Ok(Map::new()),
                }
            }
            _ => Err(no_place()),
        }
    }

    /// Asks all that `looks` want to know first, in as few batches as they allow. What they find is kept; a fault
    /// of one look comes again when its turn comes.
    pub(super) async fn prefetch(&self, place: PlaceId, looks: Vec<(Arc<dyn Planned>, Privilege)>) {
        match &*self.seen(place) {
            Seen::Host(host) => {
                let reads = looks.iter().map(|(planned, privilege)| {
                    let probe = host.probe(privilege);
                    async move { planned.look(Probe::Host(&probe)).await }
                });
                host.drive(reads).await;
            }
            Seen::Cluster(_) if self.cluster_way(place).is_some_and(ToCluster::is_down) => {}
            Seen::Cluster(cluster) => {
                let probe: ClusterProbe = cluster.probe();
                futures::future::join_all(looks.iter().map(|(planned, _)| planned.look(Probe::Cluster(&probe)))).await;
            }
            Seen::Nothing => {}
        }
    }

    /// What a typed task says of its place.
    pub(super) async fn judge(
        &self,
        place: PlaceId,
        planned: &dyn Planned,
        privilege: &Privilege,
        look: Look,
    ) -> Result<Verdict<Step>, Halt> {
        match &*self.seen(place) {
            Seen::Host(host) => {
                let probe = if look == Look::Shadow { host.probe(privilege) } else { host.fresh(privilege) };
                probe.look(planned.judge(Probe::Host(&probe))).await
            }
            Seen::Cluster(cluster) if look == Look::Shadow => {
                self.comes(place)?;
                let verdict = planned.judge(Probe::Cluster(&cluster.probe())).await;
                verdict.map_err(|halt| self.or_brought_up(place, halt))
            }
            Seen::Cluster(cluster) => planned.judge(Probe::Cluster(&cluster.again())).await,
            Seen::Nothing => Err(no_place().into()),
        }
    }

    /// What a typed task says of its host as that was a moment ago, with what was done there since; `None` where nobody
    /// looked so lately.
    pub(super) async fn judge_recent(
        &self,
        place: PlaceId,
        planned: &dyn Planned,
        privilege: &Privilege,
    ) -> Option<Result<Verdict<Step>, Halt>> {
        let seen = self.seen(place);
        let Seen::Host(host) = &*seen else { return None };
        let probe = host.recent(privilege)?;
        Some(probe.look(planned.judge(Probe::Host(&probe))).await)
    }

    /// The same, as far as it is known without asking.
    pub(super) fn judge_known(
        &self,
        place: PlaceId,
        planned: &dyn Planned,
        privilege: &Privilege,
    ) -> Option<Result<Verdict<Step>, Halt>> {
        let seen = self.seen(place);
        let Seen::Host(host) = &*seen else { return None };
        let probe = host.recent(privilege)?;
        planned.judge(Probe::Host(&probe)).now_or_never()
    }

    /// Notes for [`Self::judge_recent`] what is being done.
    pub(super) fn did(&self, place: PlaceId, steps: &[Step]) {
        if let Seen::Host(host) = &*self.seen(place) {
            for step in steps {
                host.did(if let Step::Host(step) = step { Some(step) } else { None });
            }
        }
    }

    /// Makes new things on a host, all of them or none: `false`.
    pub(super) async fn make_together(
        &self,
        place: PlaceId,
        all: &Together,
        privilege: &Privilege,
    ) -> Result<bool, Fault> {
        let seen = self.seen(place);
        let Seen::Host(host) = &*seen else { return Err(no_place()) };
        let Some(link) = host.link(privilege) else {
            return Err(Fault::failed(format!("there is no way to `{}` as {privilege}", host.name())));
        };
        let made = link.make_together(all).await;
        // What comes next looks again, together.
        host.did(None);
        made
    }

    /// Was all asked for together, a moment ago?
    pub(super) fn looked_lately(&self, place: PlaceId) -> bool {
        matches!(&*self.seen(place), Seen::Host(host) if host.recent(&Privilege::Login).is_some())
    }

    /// Looks at all that `looks` want to know, in as few batches as they allow, for [`Self::judge_recent`].
    pub(super) async fn look_ahead(&self, place: PlaceId, looks: &[(Arc<dyn Planned>, Privilege)]) {
        let (seen, Some((_, first))) = (self.seen(place), looks.first()) else { return };
        let Seen::Host(host) = &*seen else { return };
        let probe = host.look_ahead(first);
        let reads = looks.iter().map(|(planned, privilege)| {
            let probe = probe.as_of(privilege);
            async move { planned.look(Probe::Host(&probe)).await }
        });
        probe.look(futures::future::join_all(reads)).await;
    }

    /// What a typed task that has nothing to do says is not ready, with what is planned so far on top.
    pub(super) async fn unready(
        &self,
        place: PlaceId,
        planned: &dyn Planned,
        privilege: &Privilege,
    ) -> Result<Option<String>, Halt> {
        match &*self.seen(place) {
            Seen::Host(host) => {
                let probe = host.probe(privilege);
                probe.look(planned.unready(Probe::Host(&probe))).await
            }
            Seen::Cluster(cluster) => {
                let unready = planned.unready(Probe::Cluster(&cluster.probe())).await;
                unready.map_err(|halt| self.or_brought_up(place, halt))
            }
            Seen::Nothing => Ok(None),
        }
    }

    /// Waits until what a typed task keeps is ready, as the place is now.
    pub(super) async fn settle(
        &self,
        place: PlaceId,
        planned: &dyn Planned,
        privilege: &Privilege,
        patience: &Patience<'_>,
    ) -> Result<(), Fault> {
        match &*self.seen(place) {
            Seen::Host(host) => {
                let probe = host.fresh(privilege);
                probe.look(planned.settle(Probe::Host(&probe), patience)).await
            }
            Seen::Cluster(cluster) => planned.settle(Probe::Cluster(&cluster.watching()), patience).await,
            Seen::Nothing => Ok(()),
        }
    }

    /// Takes a planned step into the shadow.
    pub(super) fn imitate(&self, place: PlaceId, step: &Step, after: &After) {
        match (&*self.seen(place), step) {
            (Seen::Host(host), Step::Host(step)) => host.imitate(step, after),
            (Seen::Cluster(cluster), Step::Cluster(step)) => cluster.imitate(step, after),
            _ => {}
        }
    }

    /// Notes that the task `after` may change those things in a way that cannot be foreseen.
    pub(super) fn leave_open(&self, place: PlaceId, things: &[Thing], after: &After) {
        match &*self.seen(place) {
            Seen::Host(host) => host.leave_open(things, after),
            Seen::Cluster(cluster) => cluster.leave_open(things, after),
            Seen::Nothing => {}
        }
    }

    /// Do all planned steps together leave `thing` as the place has it now?
    pub(super) async fn same_as_place(&self, place: PlaceId, privilege: &Privilege, thing: &Thing) -> bool {
        match &*self.seen(place) {
            // A place that cannot say is no reason to call anything right.
            Seen::Host(host) => matches!(host.same_as_place(privilege, thing).await, Ok(true)),
            Seen::Cluster(cluster) => matches!(cluster.same_as_place(thing).await, Ok(true)),
            Seen::Nothing => false,
        }
    }

    /// Asks of a switch on a host that undoes a change.
    pub(super) async fn guard(&self, place: PlaceId, privilege: &Privilege, order: &Order) -> Result<Switch, Fault> {
        match &*self.seen(place) {
            Seen::Host(host) => match host.link(privilege) {
                Some(link) => {
                    host.did(None);
                    link.guard(order).await
                }
                None => Err(Fault::failed(format!("there is no way to `{}` as {privilege}", host.name()))),
            },
            _ => Err(no_place()),
        }
    }

    /// Can one get in to a host anew?
    pub(super) async fn prove(&self, place: PlaceId, privilege: &Privilege) -> Result<(), Fault> {
        match &*self.seen(place) {
            Seen::Host(host) => match host.link(privilege) {
                Some(link) => link.prove().await,
                None => Err(Fault::failed(format!("there is no way to `{}` as {privilege}", host.name()))),
            },
            _ => Err(no_place()),
        }
    }

    /// The way to a host as the one who keeps what `lions` notes there: root, where anything is done as root.
    pub(super) fn keeper(&self, place: PlaceId) -> Option<(&Privilege, &Arc<dyn Link>)> {
        let Some(Place::Host { ways, .. }) = self.all.get(place as usize) else { return None };
        let root = Privilege::Become("root".into());
        ways.get_key_value(&root).or_else(|| ways.get_key_value(&Privilege::Login))
    }

    /// As whom what `lions` noted is read and taken away.
    pub(super) fn keeps_as(&self, place: PlaceId) -> Option<Privilege> {
        match &*self.seen(place) {
            Seen::Cluster(_) => Some(Privilege::Login),
            _ => self.keeper(place).map(|(privilege, _)| privilege.clone()),
        }
    }

    /// Asks for the ledger of a host together with the first questions.
    pub(super) fn ledger_soon(&self, place: PlaceId) {
        if let (Seen::Host(host), Some(privilege)) = (&*self.seen(place), self.keeps_as(place)) {
            // The folders above it too: the way to it is looked at before it is read.
            let above = ledger::PATH.match_indices('/').skip(1).map(|(at, _)| &ledger::PATH[..at]);
            let way = above.chain([ledger::PATH]).map(|path| Question::Stat(path.to_owned()));
            let read = [Question::Identity, Question::Content(ledger::PATH.to_owned())];
            host.probe(&privilege).soon(way.chain(read));
        }
    }

    /// What `lions` noted there.
    pub(super) async fn ledger(&self, place: PlaceId, look: Look) -> Result<Ledger, Fault> {
        if let Seen::Cluster(cluster) = &*self.seen(place) {
            return cluster.ledger().await;
        }
        let (Seen::Host(host), Some(privilege)) = (&*self.seen(place), self.keeps_as(place)) else {
            return Ok(Ledger::default());
        };
        let probe = if look == Look::Shadow { host.probe(&privilege) } else { host.fresh(&privilege) };
        let text = async {
            // Only what root did is noted, and only root may read it.
            if probe.identity().await?.user == "root" { probe.content(ledger::PATH).await } else { Ok(None) }
        };
        match probe.look(text).await {
            Ok(text) => Ok(text.map(|text| Ledger::read(text.bytes())).unwrap_or_default()),
            Err(Halt::Fault(fault)) => Err(fault),
            Err(Halt::Later(after)) => Err(Fault::failed(format!("`{}` is not known {after}", ledger::PATH))),
        }
    }

    /// Does one step.
    pub(super) async fn perform(
        &self,
        place: PlaceId,
        step: &Step,
        privilege: &Privilege,
        output: &(dyn Fn(Stream, &str) + Send + Sync),
    ) -> Result<Option<Said>, Fault> {
        match (&*self.seen(place), step) {
            (Seen::Host(host), Step::Host(step)) => match host.link(privilege) {
                Some(link) => {
                    let said = link.perform(step, output).await;
                    host.did(Some(step).filter(|_| said.is_ok()));
                    Ok(said?.map(Said::Output))
                }
                None => Err(Fault::failed(format!("there is no way to `{}` as {privilege:?}", host.name()))),
            },
            (Seen::Cluster(cluster), Step::Cluster(step)) => cluster.perform(step, output).await,
            _ => Err(no_place()),
        }
    }
}

fn no_place() -> Fault {
    Fault::failed("this environment has no cluster")
        .help("name it in `environment.yml`: `cluster: { kubeconfig: path }`")
}
