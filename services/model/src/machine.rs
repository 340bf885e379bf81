//! All of the scheduler's memory, and what it makes of it: `observe` takes what was read, `decide` returns what should
//! be done, `outcome` takes what came of it and returns the next step of the same thing.
//!
//! Nothing in here must survive: where a worker stands is in its row. Losing the memory only delays.

mod asking;
#[cfg(test)]
mod budget_tests;
mod deliveries;
#[cfg(test)]
mod deliveries_tests;
mod dependencies;
#[cfg(test)]
mod dependencies_tests;
#[cfg(test)]
mod ending_tests;
mod installations;
#[cfg(test)]
mod installations_tests;
mod outcomes;
mod reads;
mod rounds;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::budget::{Budget, Budgets};
use crate::cluster::{Node, Pod};
use crate::config::{Caps, Pool, Rules};
use crate::deliveries::{Recoveries, Recovery};
use crate::dependencies::{Breakers, Party};
use crate::effects::{Action, ActionId, Effect, Key};
use crate::jobs::JobChange;
use crate::log::LogEvidence;
use crate::plan::Plan;
use crate::provision::Provision;
use crate::rows::{DemandKey, JobRow, WorkerRow};
use crate::runners::RunnerHistory;
use crate::view::ClusterView;
use crate::{EntityId, JobId, NodeName, PodName, RunnerGroupId, ScopeKey, Status, Time};

/// What the scheduler is told to do; does not change while it runs.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// The pools.
    pub pools: Vec<Pool>,
    /// The caps.
    pub caps: Caps,
    /// Times and limits.
    pub rules: Rules,
    /// How missed deliveries are recovered, if they are here.
    pub recovery: Option<Recovery>,
}

/// Something that was read of the outside.
#[derive(Debug, Clone)]
pub enum Observation {
    /// Live jobs, and workers with something left to do, read together.
    Rows {
        /// Jobs that are pending or running.
        jobs: Vec<JobRow>,
        /// Workers that are pending or running, or finished with something left to do.
        workers: Vec<WorkerRow>,
        /// When the read was begun.
        begun: Time,
    },
    /// All of our pods.
    Pods {
        /// The pods.
        pods: Vec<Pod>,
        /// When the list was begun.
        begun: Time,
    },
    /// All nodes.
    Nodes {
        /// The nodes.
        nodes: Vec<Node>,
        /// When the list was begun.
        begun: Time,
    },
    /// What is left of GitHub's hourly calls.
    Budgets(Vec<(Party, Budget)>),
    /// A watch shows a pod.
    Pod(Box<Pod>, Time),
    /// A watch says that a pod is gone.
    PodGone(PodName, Time),
    /// A watch shows a node.
    Node(Box<Node>, Time),
    /// A watch says that a node is gone.
    NodeGone(NodeName, Time),
}

/// A demand key that is not tried for a while.
#[derive(Debug, Clone, Copy)]
struct BackOff {
    until: Time,
    step: u32,
}

/// What was read of an ended pod's log.
#[derive(Debug, Clone, Default)]
struct LogRead {
    evidence: Option<LogEvidence>,
    /// When that reading was begun.
    begun: Option<Time>,
    failing_since: Option<Time>,
}

/// An action without an answer yet.
#[derive(Debug, Clone)]
struct InFlight {
    key: Key,
    effect: Effect,
    begun: Time,
}

/// Half of the running workers' pods gone in one list, and at least so many: nobody believes it.
const VANISHED_AT_LEAST: usize = 3;

/// The scheduler's memory. See the module's text.
#[derive(Debug)]
pub struct Machine {
    config: MachineConfig,
    jobs: Vec<JobRow>,
    workers: BTreeMap<PodName, WorkerRow>,
    /// When our last write to a worker's row was answered: rows read before say nothing about it.
    written: BTreeMap<PodName, Time>,
    rows_as_of: Option<Time>,
    /// When the first read of rows was begun: calls of earlier leaders are older.
    began: Option<Time>,
    waiting_written: Option<Time>,
    /// When a reservation ended without an answer.
    reserve_open: Option<Time>,
    cluster: ClusterView,
    in_flight: BTreeMap<ActionId, InFlight>,
    busy_keys: BTreeSet<Key>,
    next_id: u64,
    provisions: BTreeMap<PodName, Provision>,
    groups: BTreeMap<EntityId, RunnerGroupId>,
    logs: BTreeMap<PodName, LogRead>,
    retry_at: BTreeMap<Key, Time>,
    back_offs: BTreeMap<DemandKey, BackOff>,
    /// Keys with a pending job, and since when the oldest of them waits.
    waiting_keys: BTreeMap<DemandKey, Time>,
    /// What GitHub's lists said of the runners of running pods.
    runners: BTreeMap<PodName, RunnerHistory>,
    /// When GitHub was last asked about a job.
    asked: BTreeMap<JobId, Time>,
    /// Whom it is no use to call.
    breakers: Breakers,
    /// What GitHub lets us do.
    budgets: Budgets,
    /// Installations that are not found.
    missing: BTreeMap<Party, installations::Missing>,
    /// The newest names of accounts.
    names: BTreeMap<EntityId, installations::Named>,
    /// When an account's name was last asked for.
    names_asked: BTreeMap<Party, Time>,
    /// Tokens that could not be had, by whether they were not found.
    refusals: BTreeMap<(Party, bool), installations::Refusals>,
    /// Jobs that GitHub called queued, and whose run it then called over: they are asked about once more.
    runs_over: BTreeMap<JobId, JobChange>,
    /// When the last list of a scope's runners was begun.
    listed: BTreeMap<ScopeKey, Time>,
    /// Workers that may be given up in this round.
    surplus: BTreeSet<PodName>,
    github_not_assigning: bool,
    /// Where the recovery of deliveries stands.
    recoveries: Recoveries,
    decided_at: Option<Time>,
    round: u64,
    plan: Plan,
    deposed: bool,
}

impl Machine {
    /// A machine that knows nothing yet.
    #[must_use]
    pub fn new(config: MachineConfig) -> Self {
        Self {
            config,
            jobs: Vec::new(),
            workers: BTreeMap::new(),
            written: BTreeMap::new(),
            rows_as_of: None,
            began: None,
            waiting_written: None,
            reserve_open: None,
            cluster: ClusterView::default(),
            in_flight: BTreeMap::new(),
            busy_keys: BTreeSet::new(),
            next_id: 1,
            provisions: BTreeMap::new(),
            groups: BTreeMap::new(),
            logs: BTreeMap::new(),
            retry_at: BTreeMap::new(),
            back_offs: BTreeMap::new(),
            waiting_keys: BTreeMap::new(),
            runners: BTreeMap::new(),
            asked: BTreeMap::new(),
            breakers: Breakers::default(),
            budgets: Budgets::default(),
            missing: BTreeMap::new(),
            names: BTreeMap::new(),
            names_asked: BTreeMap::new(),
            refusals: BTreeMap::new(),
            runs_over: BTreeMap::new(),
            listed: BTreeMap::new(),
            surplus: BTreeSet::new(),
            github_not_assigning: false,
            recoveries: Recoveries::new(),
            round: 0,
            decided_at: None,
            plan: Plan::default(),
            deposed: false,
        }
    }

    /// Takes what was read.
    pub fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Rows {
                jobs,
                workers,
                begun,
            } => self.observe_rows(jobs, workers, begun),
            Observation::Pods { pods, begun } => {
                let before = self.cluster.as_of();
                self.cluster.pods_listed(pods, begun);
                self.cluster_listed(before, begun);
            }
            Observation::Nodes { nodes, begun } => self.cluster.nodes_listed(nodes, begun),
            Observation::Budgets(told) => self.budgets.told(told),
            Observation::Pod(pod, at) => self.cluster.pod_seen(*pod, at),
            Observation::PodGone(name, at) => self.cluster.pod_gone(&name, at),
            Observation::Node(node, at) => self.cluster.node_seen(*node, at),
            Observation::NodeGone(name, at) => self.cluster.node_gone(&name, at),
        }
    }

    fn observe_rows(&mut self, jobs: Vec<JobRow>, workers: Vec<WorkerRow>, begun: Time) {
        if self.rows_as_of.is_some_and(|as_of| as_of > begun) {
            return;
        }
        self.began.get_or_insert(begun);
        let mut old = std::mem::take(&mut self.workers);
        let newer = |name: &PodName| self.written.get(name).is_some_and(|at| *at >= begun);
        for mut row in workers {
            // A job came for one: its key works again. One that had its job long ago tells nothing of today.
            let has_a_job_now = !row.named_by.is_empty()
                && old
                    .get(&row.name)
                    .is_some_and(|before| before.named_by.is_empty());
            if newer(&row.name) {
                // Our own write is newer than this read; which jobs name it is not ours to know.
                if let Some(mut ours) = old.remove(&row.name) {
                    ours.named_by = std::mem::take(&mut row.named_by);
                    row = ours;
                }
            }
            if has_a_job_now {
                self.back_offs.remove(&row.demand.key());
            }
            self.workers.insert(row.name.clone(), row);
        }
        self.workers
            .extend(old.into_iter().filter(|(name, _)| newer(name)));
        self.written.retain(|_, at| *at >= begun);
        self.provisions
            .retain(|name, _| self.workers.get(name).is_some_and(WorkerRow::is_live));
        self.logs.retain(|name, _| self.workers.contains_key(name));
        self.waiting_keys.clear();
        for job in jobs.iter().filter(|job| job.status == Status::Pending) {
            let oldest = self
                .waiting_keys
                .entry(job.demand.key())
                .or_insert(job.queued_at);
            *oldest = job.queued_at.min(*oldest);
        }
        self.runners
            .retain(|name, _| self.workers.contains_key(name));
        self.jobs = jobs;
        self.rows_as_of = Some(begun);
        self.learn_names();
    }

    /// One round: what should be done now. Keys with an action in flight are left out.
    pub fn decide(&mut self, now: Time) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.rows_as_of.is_none() || self.deposed {
            return actions;
        }
        self.round += 1;
        self.decided_at = Some(now);
        self.retry_at.retain(|_, at| *at > now);
        let fresh = self.cluster_fresh(now);
        // What to give up follows from who would wait: the plan comes first, and again when rows are about to change.
        self.plan = self.make_plan(now, fresh);
        self.decide_probes(now, &mut actions);
        if fresh {
            self.find_surplus(now);
            self.decide_workers(now, &mut actions);
            self.decide_finished_pods(now, &mut actions);
            self.decide_lists(now, &mut actions);
            self.decide_gone(now, &mut actions);
            self.decide_jobs(now, &mut actions);
            self.plan = self.make_plan(now, fresh);
        }
        self.decide_reserve(now, &mut actions);
        self.decide_waiting(now, &mut actions);
        self.decide_deliveries(now, &mut actions);
        actions
    }

    fn may_begin(&self, key: &Key, now: Time) -> bool {
        !self.busy_keys.contains(key)
            && self.in_flight.len() < self.config.rules.effects_at_once
            && self.retry_at.get(key).is_none_or(|at| *at <= now)
    }

    /// Begins an effect, unless whom it asks is out of reach: then it is wanted again in a later round.
    fn begin(&mut self, key: Key, effect: Effect, now: Time, actions: &mut Vec<Action>) {
        if self.admits(&effect) {
            self.begin_unasked(key, effect, now, actions);
        }
    }

    fn begin_unasked(&mut self, key: Key, effect: Effect, now: Time, actions: &mut Vec<Action>) {
        self.spend(&effect, now);
        let id = ActionId(self.next_id);
        self.next_id += 1;
        self.busy_keys.insert(key.clone());
        let in_flight = InFlight {
            key: key.clone(),
            effect: effect.clone(),
            begun: now,
        };
        self.in_flight.insert(id, in_flight);
        actions.push(Action { id, key, effect });
    }

    /// Rounds so far.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Actions in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What they are about.
    pub fn keys_in_flight(&self) -> impl Iterator<Item = &Key> {
        self.busy_keys.iter()
    }

    /// Another scheduler leads: nothing is begun any more.
    #[must_use]
    pub fn is_deposed(&self) -> bool {
        self.deposed
    }

    /// The earliest time after the last round at which something that waits for time to pass is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        let open = self.provisions.values().filter_map(Provision::waits_until);
        let back_offs = self.back_offs.values().map(|back_off| back_off.until);
        open.chain(self.retry_at.values().copied())
            .chain(back_offs)
            .chain(self.deliveries_due())
            .chain(self.breakers.next_probe())
            .chain(self.room_again_at())
            .filter(|at| self.decided_at.is_none_or(|decided| *at > decided))
            .min()
    }

    /// What the last round planned.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What is out of reach.
    #[must_use]
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// What GitHub lets us do.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// What is known of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &ClusterView {
        &self.cluster
    }

    /// The jobs that are known.
    #[must_use]
    pub fn jobs(&self) -> &[JobRow] {
        &self.jobs
    }

    /// The workers that are known.
    #[must_use]
    pub fn workers(&self) -> &BTreeMap<PodName, WorkerRow> {
        &self.workers
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &MachineConfig {
        &self.config
    }
}
