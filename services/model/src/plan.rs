//! How demand meets supply: which workers should be reserved, and why every other pending job waits.
//!
//! Demand and supply meet per demand key, never per pool: a runner takes jobs of its own scope and labels only. GitHub
//! chooses which job of a key a runner gets.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cluster::Phase;
use crate::config::{BOARD_LABEL, Caps, Pool};
use crate::dependencies::{Breakers, Party};
use crate::rows::{Demand, DemandKey, JobRow, WorkerRow};
use crate::view::{ClusterView, Knowledge};
use crate::waiting::WaitingReason;
use crate::{EntityId, JobId, NodeName, PodName, PoolName, Status};

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
    /// The caps.
    pub caps: &'a Caps,
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
) -> PoolSlots {
    let used_on = used_by_node(cluster);
    let mut counted = PoolSlots::default();
    for node in cluster
        .nodes()
        .filter(|node| pool.selects(&node.labels) && node.takes_pods())
    {
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

/// The plan: oldest job first, within free slots and caps.
#[must_use]
pub fn plan(input: PlanInput<'_>) -> Plan {
    let mut pending: Vec<&JobRow> = input
        .jobs
        .iter()
        .filter(|job| job.status == Status::Pending)
        .collect();
    pending.sort_by_key(|job| (job.queued_at, job.id));
    let mut planner = Planner::new(input);
    for job in pending {
        let reason = planner.place(job);
        planner.plan.waiting.insert(job.id, reason);
    }
    planner.plan
}

struct Planner<'a> {
    input: PlanInput<'a>,
    /// Workers that can take a job, soonest first, per key.
    supply: BTreeMap<DemandKey, Vec<&'a WorkerRow>>,
    slots: BTreeMap<&'a PoolName, PoolSlots>,
    granted_of_pool: BTreeMap<&'a PoolName, usize>,
    held: BTreeMap<EntityId, usize>,
    granted_to: BTreeMap<EntityId, usize>,
    granted_through: BTreeMap<Party, usize>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(input: PlanInput<'a>) -> Self {
        let mut supply: BTreeMap<DemandKey, Vec<&WorkerRow>> = BTreeMap::new();
        let mut held: BTreeMap<EntityId, usize> = BTreeMap::new();
        for worker in input.workers.values().filter(|worker| worker.is_live()) {
            *held.entry(worker.demand.entity).or_default() += 1;
            if is_available(worker, input.cluster, input.took_a_job) {
                supply.entry(worker.demand.key()).or_default().push(worker);
            }
        }
        for available in supply.values_mut() {
            // Popped from the end: running before pending, older before newer.
            available.sort_by_key(|w| (w.status, std::cmp::Reverse(w.created_at)));
        }
        let slots = input
            .pools
            .iter()
            .map(|pool| (&pool.name, slots(pool, input.workers, input.cluster)))
            .collect();
        Self {
            input,
            supply,
            slots,
            granted_of_pool: BTreeMap::new(),
            held,
            granted_to: BTreeMap::new(),
            granted_through: BTreeMap::new(),
            plan: Plan::default(),
        }
    }

    /// Finds a worker for a job, or asks for one, or says why not.
    fn place(&mut self, job: &'a JobRow) -> WaitingReason {
        let key = job.demand.key();
        if let Some(worker) = self.supply.get_mut(&key).and_then(Vec::pop) {
            return self.why_not_yet(worker, job);
        }
        if !self.input.cluster_fresh {
            return WaitingReason::ClusterUnreachable;
        }
        if let Some(reason) = self.input.breakers.hinder(&job.demand) {
            return reason;
        }
        if self.input.backing_off.contains(&key) {
            return WaitingReason::BackingOff;
        }
        let entity = job.demand.entity;
        let cap_left = self
            .input
            .caps
            .of(entity)
            .left(self.held.get(&entity).copied().unwrap_or(0));
        let granted_to = self.granted_to.get(&entity).copied().unwrap_or(0);
        if cap_left.is_some_and(|left| granted_to >= left) {
            return WaitingReason::AtCap(entity);
        }
        let pool = &job.demand.pool;
        let slots = self.slots.get(pool).copied().unwrap_or_default();
        if slots.takes_pods == 0 {
            return WaitingReason::NoBoardInPool(pool.clone());
        }
        let granted_of_pool = self.granted_of_pool.get(pool).copied().unwrap_or(0);
        if granted_of_pool >= slots.free {
            return WaitingReason::NoFreeBoard(pool.clone());
        }
        if let Some(party) = self.out_of_room(&job.demand) {
            return WaitingReason::GithubBudget(party);
        }
        if self.plan.asks.len() < self.input.at_most {
            for party in [Party::App(job.demand.kind), Party::of(&job.demand)] {
                *self.granted_through.entry(party).or_default() += 1;
            }
            *self.granted_of_pool.entry(pool).or_default() += 1;
            *self.granted_to.entry(entity).or_default() += 1;
            let mut demand = job.demand.clone();
            demand.normalise();
            self.plan.asks.push(Ask {
                demand,
                pool_free: slots.free,
                cap_left,
            });
        }
        WaitingReason::Starting(None)
    }

    /// Whose runners GitHub would not register any more of now.
    fn out_of_room(&self, demand: &Demand) -> Option<Party> {
        [Party::App(demand.kind), Party::of(demand)]
            .into_iter()
            .find(|party| {
                let granted = self.granted_through.get(party).copied().unwrap_or(0);
                self.input
                    .rooms
                    .get(party)
                    .is_some_and(|room| granted >= *room)
            })
    }

    fn why_not_yet(&self, worker: &WorkerRow, job: &JobRow) -> WaitingReason {
        match self.input.cluster.pod(&worker.name) {
            Knowledge::Present(pod) if pod.phase == Phase::Running => WaitingReason::RunnerReady,
            Knowledge::Present(pod) => WaitingReason::Starting(pod.node.clone()),
            Knowledge::Absent | Knowledge::Unknown => {
                let hinder = self.input.breakers.hinder(&job.demand);
                hinder.unwrap_or_else(|| WaitingReason::Starting(worker.node.clone()))
            }
        }
    }
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
