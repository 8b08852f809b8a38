//! Exit codes: the one place that decides them.

use std::collections::HashSet;
use std::process::ExitCode;

use crate::model::{Decision, Fault, FaultKind, Outcome, Plan, Report};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// A problem in the text, or a fault that belongs to no host.
    Fault = 1,
    /// Changes are pending (`plan --detailed-exitcode`, `drift`).
    Pending = 2,
    /// The place is not what the plan was made on.
    Stale = 3,
    /// Tasks failed on some hosts.
    Failed = 4,
    /// Hosts could not be reached.
    Unreachable = 5,
    /// A guard undid a change that would have locked one out.
    Undone = 6,
    /// Another run holds the place.
    Locked = 7,
    /// The command line is wrong.
    Usage = 64,
    /// The user stopped it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Of a fault that belongs to no task.
    pub(super) fn of_fault(fault: &Fault) -> Self {
        match fault.kind {
            FaultKind::Failed | FaultKind::TimedOut | FaultKind::Refused => Self::Fault,
            FaultKind::Unreachable => Self::Unreachable,
            FaultKind::Interrupted => Self::Interrupted,
            FaultKind::Stale => Self::Stale,
            FaultKind::Locked => Self::Locked,
            FaultKind::Undone => Self::Undone,
        }
    }

    /// Of the faults of tasks: the one sort that all are of, else that some failed.
    fn of_faults<'a>(faults: impl Iterator<Item = &'a Fault>) -> Self {
        let kinds: HashSet<FaultKind> = faults.map(|fault| fault.kind).collect();
        // Whatever else failed: this one nearly locked somebody out.
        if kinds.contains(&FaultKind::Undone) {
            return Self::Undone;
        }
        let mut kinds = kinds.into_iter();
        match (kinds.next(), kinds.next()) {
            (None, _) => Self::Done,
            (Some(FaultKind::Unreachable), None) => Self::Unreachable,
            (Some(FaultKind::Stale), None) => Self::Stale,
            (Some(FaultKind::Locked), None) => Self::Locked,
            (Some(FaultKind::Interrupted), None) => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// Of hosts that were looked at.
    pub(super) fn of_hosts<'a>(faults: impl Iterator<Item = &'a Fault>) -> Self {
        Self::of_faults(faults)
    }

    /// Of a plan that was shown; `pending`: do changes count?
    pub(super) fn of_plan(plan: &Plan, pending: bool) -> Self {
        let faults = Self::of_faults(plan.rows.iter().filter_map(|row| match &row.decision {
            Decision::Failed(fault) => Some(&**fault),
            _ => None,
        }));
        match faults {
            Self::Done if pending && !plan.is_empty() => Self::Pending,
            faults => faults,
        }
    }

    /// Of a run.
    pub(super) fn of_report(report: &Report) -> Self {
        if report.interrupted {
            return Self::Interrupted;
        }
        Self::of_faults(report.rows.iter().filter_map(|(_, _, outcome)| match outcome {
            Outcome::Failed(fault) => Some(&**fault),
            _ => None,
        }))
    }
}
