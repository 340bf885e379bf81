//! Workers that no job of their own key needs while others wait for their board.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Phase;
use crate::plan::{Plan, is_available};
use crate::rows::{DemandKey, JobRow, WorkerRow};
use crate::runners::{RunnerHistory, RunnerState};
use crate::view::{ClusterView, Knowledge};
use crate::waiting::WaitingReason;
use crate::{NodeName, PodName, PoolName, Status, Time};

/// How little is lost when a worker is ended: the earlier, the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    NoPod,
    Unscheduled,
    NotStarted,
    NeverOnline,
    /// Since when; the longest first.
    Idle(Time),
}

/// What the choice is made from.
pub(crate) struct SurplusInput<'a> {
    pub(crate) jobs: &'a [JobRow],
    pub(crate) workers: &'a BTreeMap<PodName, WorkerRow>,
    pub(crate) cluster: &'a ClusterView,
    pub(crate) runners: &'a BTreeMap<PodName, RunnerHistory>,
    pub(crate) took_a_job: &'a BTreeSet<PodName>,
    pub(crate) plan: &'a Plan,
}

/// The workers that may be given up in this round: of each key no more than it has too many, of each pool no more than
/// jobs wait for it, those first of which least is lost. On a cordoned board every available worker is surplus.
pub(crate) fn surplus(input: &SurplusInput<'_>) -> BTreeSet<PodName> {
    let mut available: BTreeMap<DemandKey, Vec<&WorkerRow>> = BTreeMap::new();
    for worker in input.workers.values() {
        if is_available(worker, input.cluster, input.took_a_job) {
            available
                .entry(worker.demand.key())
                .or_default()
                .push(worker);
        }
    }
    let cordoned: BTreeSet<&NodeName> = input
        .cluster
        .nodes()
        .filter(|node| node.unschedulable)
        .map(|node| &node.name)
        .collect();
    let mut chosen = BTreeSet::new();
    let mut candidates: Vec<(Standing, &WorkerRow)> = Vec::new();
    for (key, workers) in &available {
        let pending = input
            .jobs
            .iter()
            .filter(|job| job.status == Status::Pending && job.demand.key() == *key)
            .count();
        let mut of_key: Vec<(Standing, &WorkerRow)> = workers
            .iter()
            .filter_map(|worker| Some((standing(input, worker)?, *worker)))
            .collect();
        of_key.sort_by_key(|(standing, worker)| (*standing, worker.name.clone()));
        for (_, worker) in &of_key {
            if board(input, worker).is_some_and(|board| cordoned.contains(board)) {
                chosen.insert(worker.name.clone());
            }
        }
        candidates.extend(
            of_key
                .into_iter()
                .take(workers.len().saturating_sub(pending)),
        );
    }
    candidates.sort_by_key(|(standing, worker)| (*standing, worker.name.clone()));
    let mut wanted = wanted(input.plan);
    for (_, worker) in candidates {
        if let Some(left) = wanted
            .get_mut(&worker.demand.pool)
            .filter(|left| **left > 0)
        {
            *left -= 1;
            chosen.insert(worker.name.clone());
        }
    }
    chosen
}

/// How many jobs wait for a board of each pool. A job whose own key has a worker too many does not wait for a board.
fn wanted(plan: &Plan) -> BTreeMap<PoolName, usize> {
    let mut wanted = BTreeMap::new();
    for reason in plan.waiting.values() {
        if let WaitingReason::NoFreeBoard(pool) = reason {
            *wanted.entry(pool.clone()).or_default() += 1;
        }
    }
    wanted
}

fn board<'a>(input: &SurplusInput<'a>, worker: &WorkerRow) -> Option<&'a NodeName> {
    match input.cluster.pod(&worker.name) {
        Knowledge::Present(pod) => pod.node.as_ref(),
        Knowledge::Absent | Knowledge::Unknown => None,
    }
}

fn standing(input: &SurplusInput<'_>, worker: &WorkerRow) -> Option<Standing> {
    match input.cluster.pod(&worker.name) {
        Knowledge::Unknown => None,
        Knowledge::Absent => Some(Standing::NoPod),
        Knowledge::Present(pod) => match pod.phase {
            Phase::Pending if pod.node.is_none() => Some(Standing::Unscheduled),
            Phase::Pending => Some(Standing::NotStarted),
            Phase::Running => {
                let runner = input.runners.get(&worker.name)?;
                match runner.state()? {
                    RunnerState::Offline if !runner.ever_online() => Some(Standing::NeverOnline),
                    RunnerState::Idle => Some(Standing::Idle(runner.since()?)),
                    RunnerState::Offline | RunnerState::Busy | RunnerState::Absent => None,
                }
            }
            Phase::Succeeded | Phase::Failed | Phase::Unknown => None,
        },
    }
}
