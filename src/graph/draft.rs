//! What the passes hand on to each other, and the few questions that all of them ask of it.

use crate::language::program::{Program, Rollout};
use crate::source::{Problems, Span};

use super::order::{Moment, Moments};
use super::outline::{Kind, Part, PartId};
use super::places::{self, Places};
use super::{Graph, PlaceId};

/// A graph in the making.
#[derive(Debug)]
pub(super) struct Draft<'p> {
    pub(super) program: &'p Program,
    /// The tree of the text; parents stand before their children, and all in the order of the text.
    pub(super) parts: Vec<Part<'p>>,
    /// The parts that are plays.
    pub(super) plays: Vec<PartId>,
    /// What the text orders by name.
    pub(super) links: Vec<Link>,
    /// Starts and ends of parts, numbered by the text.
    pub(super) moments: Moments,
    /// The same, sorted.
    pub(super) order: Vec<Moment>,
    /// Of a rollout: does a cluster task in that part come after the hosts?
    pub(super) behind: Vec<bool>,
    /// Which tasks and handlers are selected.
    pub(super) chosen: Vec<bool>,
    /// Which hosts are selected; all, if there is no limit.
    pub(super) limit: Option<Places>,
    /// Is the cluster selected?
    pub(super) cluster: bool,
    pub(super) graph: Graph,
    pub(super) problems: Problems,
}

/// `to` comes after `from` because the text names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: PartId,
    pub(super) to: PartId,
    pub(super) why: Why,
    pub(super) span: Span,
}

/// How the text names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// In `needs`.
    Needs,
    /// By reading its register.
    Reads,
    /// In its `notify`.
    Notifies,
}

impl<'p> Draft<'p> {
    pub(super) fn new(program: &'p Program) -> Self {
        let cluster = PlaceId::try_from(program.environment.hosts.len()).unwrap_or(PlaceId::MAX);
        Self {
            program,
            parts: Vec::new(),
            plays: Vec::new(),
            links: Vec::new(),
            moments: Moments::default(),
            order: Vec::new(),
            behind: Vec::new(),
            chosen: Vec::new(),
            limit: None,
            cluster: true,
            graph: Graph { cluster, ..Graph::default() },
            problems: Problems::default(),
        }
    }

    /// Is `inner` a part of `outer` (and not the same)?
    pub(super) fn holds(&self, outer: PartId, inner: PartId) -> bool {
        let mut at = self.parts[inner].parent;
        while let Some(part) = at {
            if part == outer {
                return true;
            }
            // Parents stand before their children.
            at = if part < outer { None } else { self.parts[part].parent };
        }
        false
    }

    /// The role (or else the play) that a part belongs to: it holds its registers and handlers.
    pub(super) fn owner(&self, id: PartId) -> PartId {
        let mut at = id;
        loop {
            match (self.parts[at].kind, self.parts[at].parent) {
                (Kind::Role | Kind::Play, _) | (_, None) => return at,
                (_, Some(parent)) => at = parent,
            }
        }
    }

    /// The rollout of a play, if it has one.
    pub(super) fn rollout(&self, play: u32) -> Option<&'p Rollout> {
        self.program.plays[play as usize].rollout.as_ref()
    }

    /// Those of `hosts` that are selected.
    pub(super) fn limited(&self, hosts: &Places) -> Places {
        self.limit.as_ref().map_or_else(|| Places::clone(hosts), |limit| places::common(hosts, limit))
    }
}
