//! How demand meets supply: which workers should be reserved, and why every other pending job waits.
//!
//! Demand and supply meet per demand key, never per pool: a runner takes jobs of its own scope and labels only. GitHub
//! chooses which job of a key a runner gets.

mod share;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cluster::Phase;
use crate::config::{BOARD_LABEL, Caps, Pool, Sharing};
use crate::dependencies::{Breakers, Party};
use crate::rows::{Demand, DemandKey, JobRow, WorkerRow};
use crate::settings::{InForce, Scope};
use crate::view::{ClusterView, Knowledge};
use crate::waiting::WaitingReason;
use crate::{EntityId, Image, JobId, NodeName, PodName, Status};

use share::share;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// Pending and running jobs.
    pub jobs: &'a [JobRow],
    /// Every worker row that is known.
    pub workers: &'a BTreeMap<PodName, WorkerRow>,
    /// Pods and nodes.
    pub cluster: &'a ClusterView,
    /// Whether pods and nodes were read lately.
    pub cluster_fresh: bool,
    /// Workers whose log shows that they took a job.
    pub took_a_job: &'a BTreeSet<PodName>,
    /// Keys that are not tried for a while.
    pub backing_off: &'a BTreeSet<DemandKey>,
    /// What may be called.
    pub breakers: &'a Breakers,
    /// How many more runners GitHub would register now; who is not in it has no limit.
    pub rooms: &'a BTreeMap<Party, usize>,
    /// The pools.
    pub pools: &'a [Pool],
    /// The images, by their names in the configuration.
    pub images: &'a BTreeMap<String, Image>,
    /// The caps of the configuration.
    pub caps: &'a Caps,
    /// How boards are shared.
    pub sharing: &'a Sharing,
    /// Entities with few finished jobs behind them.
    pub newcomers: &'a BTreeSet<EntityId>,
    /// What operators set.
    pub in_force: &'a InForce,
    /// Workers in one plan, at most.
    pub at_most: usize,
}

/// A worker that should be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ask {
    /// What it is for.
    pub demand: Demand,
    /// Free slots of its pool as the plan saw them, before this plan.
    pub pool_free: usize,
    /// What the entity's cap leaves, before this plan; `None` is without limit.
    pub cap_left: Option<usize>,
}

/// What should be reserved, and why the others wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Workers to reserve, in order.
    pub asks: Vec<Ask>,
    /// A reason for every pending job.
    pub waiting: BTreeMap<JobId, WaitingReason>,
}

impl Plan {
    /// Nothing is planned beside a scheduler of another kind.
    pub(crate) fn beside_another(jobs: &[JobRow]) -> Self {
        let pending = jobs.iter().filter(|job| job.status == Status::Pending);
        Self {
            asks: Vec::new(),
            waiting: pending
                .map(|job| (job.id, WaitingReason::OtherScheduler))
                .collect(),
        }
    }
}

/// A pool's boards, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolSlots {
    /// Slots on boards that take pods, used or not.
    pub takes_pods: usize,
    /// Slots that are free and not spoken for.
    pub free: usize,
}

/// Whether a worker can still take a job.
#[must_use]
pub fn is_available(worker: &WorkerRow, cluster: &ClusterView, took: &BTreeSet<PodName>) -> bool {
    let pod_ended = match cluster.pod(&worker.name) {
        Knowledge::Present(pod) => pod.phase.has_ended() || pod.deletion_at.is_some(),
        // A pod that was there and is not any more takes no job; one that is not there yet will.
        Knowledge::Absent => worker.status == Status::Running || worker.pod_created_at.is_some(),
        Knowledge::Unknown => false,
    };
    worker.is_live()
        && worker.named_by.is_empty()
        && worker.condemned.is_none()
        && !took.contains(&worker.name)
        && !pod_ended
}

/// Counts a pool's slots: what its boards offer, less our pods without a board and rows without a pod.
#[must_use]
pub fn slots(
    pool: &Pool,
    workers: &BTreeMap<PodName, WorkerRow>,
    cluster: &ClusterView,
    in_force: &InForce,
) -> PoolSlots {
    let used_on = used_by_node(cluster);
    let mut counted = PoolSlots::default();
    let boards = cluster
        .nodes()
        .filter(|node| pool.selects(&node.labels) && node.takes_pods())
        .filter(|node| !in_force.is_quarantined(&node.name));
    for node in boards {
        let all = usize::try_from(node.allocatable_slots).unwrap_or(usize::MAX);
        counted.takes_pods += all;
        counted.free += all.saturating_sub(used_on.get(&node.name).copied().unwrap_or(0));
    }
    let unscheduled = cluster
        .pods()
        .filter(|pod| pod.node.is_none() && !pod.phase.has_ended())
        .filter(|pod| {
            pod.labels
                .get(BOARD_LABEL)
                .is_some_and(|p| p == pool.name.as_str())
        })
        .count();
    let reserved = workers
        .values()
        .filter(|w| w.status == Status::Pending && w.demand.pool == pool.name)
        .filter(|w| !matches!(cluster.pod(&w.name), Knowledge::Present(_)))
        .count();
    counted.free = counted.free.saturating_sub(unscheduled + reserved);
    counted
}

/// A pod takes one slot.
fn used_by_node(cluster: &ClusterView) -> BTreeMap<&NodeName, usize> {
    let mut used = BTreeMap::new();
    for node in cluster
        .pods()
        .filter(|pod| pod.holds_slot())
        .filter_map(|pod| pod.node.as_ref())
    {
        *used.entry(node).or_default() += 1;
    }
    used
}

/// The plan, within free slots and caps. Jobs that a runner can take already are supplied for, oldest first; the rest is
/// shared among entities.
#[must_use]
pub fn plan(input: PlanInput<'_>) -> Plan {
    let mut pending: Vec<&JobRow> = input
        .jobs
        .iter()
        .filter(|job| job.status == Status::Pending)
        .collect();
    pending.sort_by_key(|job| (job.queued_at, job.id));
    let mut supply = Supply::of(&input);
    let mut plan = Plan::default();
    let mut unsupplied = Vec::new();
    for job in pending {
        if let Some(worker) = supply.take(&job.demand.key()) {
            plan.waiting
                .insert(job.id, why_not_yet(&input, worker, job));
        } else if let Some(reason) = why_not_begun(&input, job) {
            plan.waiting.insert(job.id, reason);
        } else {
            unsupplied.push(job);
        }
    }
    share(&input, &unsupplied, &mut plan);
    plan
}

/// Workers that can take a job, per key.
struct Supply<'a>(BTreeMap<DemandKey, Vec<&'a WorkerRow>>);

impl<'a> Supply<'a> {
    fn of(input: &PlanInput<'a>) -> Self {
        let mut supply: BTreeMap<DemandKey, Vec<&WorkerRow>> = BTreeMap::new();
        for worker in input.workers.values() {
            if is_available(worker, input.cluster, input.took_a_job) {
                supply.entry(worker.demand.key()).or_default().push(worker);
            }
        }
        for available in supply.values_mut() {
            // Popped from the end: running before pending, older before newer.
            available.sort_by_key(|w| (w.status, std::cmp::Reverse(w.created_at)));
        }
        Self(supply)
    }

    fn take(&mut self, key: &DemandKey) -> Option<&'a WorkerRow> {
        self.0.get_mut(key).and_then(Vec::pop)
    }
}

fn why_not_yet(input: &PlanInput<'_>, worker: &WorkerRow, job: &JobRow) -> WaitingReason {
    match input.cluster.pod(&worker.name) {
        Knowledge::Present(pod) if pod.phase == Phase::Running => WaitingReason::RunnerReady,
        Knowledge::Present(pod) => WaitingReason::Starting(pod.node.clone()),
        Knowledge::Absent | Knowledge::Unknown => {
            let hinder = input.breakers.hinder(&job.demand);
            hinder.unwrap_or_else(|| WaitingReason::Starting(worker.node.clone()))
        }
    }
}

/// Why nothing is begun for a job, however many boards are free.
fn why_not_begun(input: &PlanInput<'_>, job: &JobRow) -> Option<WaitingReason> {
    let Demand {
        entity,
        pool,
        image,
        ..
    } = &job.demand;
    if !input.cluster_fresh {
        return Some(WaitingReason::ClusterUnreachable);
    }
    if input.in_force.is_banned(*entity) {
        return Some(WaitingReason::Banned(Scope::Entity(*entity)));
    }
    if let Some(sender) = job.sender
        && input.in_force.is_banned_sender(sender)
    {
        return Some(WaitingReason::Banned(Scope::Sender(sender)));
    }
    let pause = input.in_force.pause(*entity, pool, image, input.images);
    if let Some(scope) = pause {
        return Some(WaitingReason::Paused(scope));
    }
    let hinder = input.breakers.hinder(&job.demand);
    if hinder.is_some() {
        return hinder;
    }
    let backs_off = input.backing_off.contains(&job.demand.key());
    backs_off.then_some(WaitingReason::BackingOff)
}

impl Demand {
    /// A worker of an organisation belongs to no repository.
    pub(crate) fn normalise(&mut self) {
        if self.kind == crate::EntityKind::Organization {
            self.repo_full_name = None;
            self.repo = None;
        }
    }
}
