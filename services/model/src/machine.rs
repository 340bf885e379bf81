//! All of the scheduler's memory, and what it makes of it: `observe` takes what was read, `decide` returns what should
//! be done, `outcome` takes what came of it and returns the next step of the same thing.
//!
//! Nothing in here must survive: where a worker stands is in its row. Losing the memory only delays.

mod outcomes;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Node, Pod};
use crate::config::{Caps, Pool, Rules};
use crate::effects::{Action, ActionId, Effect, Key, PodFacts};
use crate::log::{LogEvidence, LoggedJob};
use crate::plan::{Plan, PlanInput, plan};
use crate::provision::Provision;
use crate::rows::{DemandKey, JobRow, WorkerRow};
use crate::view::{ClusterView, Knowledge};
use crate::workers::{Verdict, WorkerFacts, judge};
use crate::{EntityId, JobId, NodeName, PodName, RunnerGroupId, Status, Time};

/// What the scheduler is told to do; does not change while it runs.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// The pools.
    pub pools: Vec<Pool>,
    /// The caps.
    pub caps: Caps,
    /// Times and limits.
    pub rules: Rules,
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
    failing_since: Option<Time>,
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
    waiting_written: Option<Time>,
    /// When a reservation ended without an answer.
    reserve_open: Option<Time>,
    cluster: ClusterView,
    in_flight: BTreeMap<ActionId, (Key, Effect)>,
    busy_keys: BTreeSet<Key>,
    next_id: u64,
    provisions: BTreeMap<PodName, Provision>,
    groups: BTreeMap<EntityId, RunnerGroupId>,
    logs: BTreeMap<PodName, LogRead>,
    retry_at: BTreeMap<Key, Time>,
    back_offs: BTreeMap<DemandKey, BackOff>,
    /// Keys with a pending job.
    waiting_keys: BTreeSet<DemandKey>,
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
            waiting_keys: BTreeSet::new(),
            decided_at: None,
            round: 0,
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
            Observation::Pods { pods, begun } => self.cluster.pods_listed(pods, begun),
            Observation::Nodes { nodes, begun } => self.cluster.nodes_listed(nodes, begun),
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
        let mut old = std::mem::take(&mut self.workers);
        let newer = |name: &PodName| self.written.get(name).is_some_and(|at| *at >= begun);
        for mut row in workers {
            if newer(&row.name) {
                // Our own write is newer than this read; which jobs name it is not ours to know.
                if let Some(mut ours) = old.remove(&row.name) {
                    ours.named_by = std::mem::take(&mut row.named_by);
                    row = ours;
                }
            }
            if !row.named_by.is_empty() {
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
        let pending = jobs.iter().filter(|job| job.status == Status::Pending);
        self.waiting_keys = pending.map(|job| job.demand.key()).collect();
        self.jobs = jobs;
        self.rows_as_of = Some(begun);
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
        if fresh {
            self.decide_workers(now, &mut actions);
            self.decide_finished_pods(now, &mut actions);
        }
        self.plan = self.make_plan(now, fresh);
        self.decide_reserve(now, &mut actions);
        self.decide_waiting(now, &mut actions);
        actions
    }

    fn cluster_fresh(&self, now: Time) -> bool {
        let stale_after = self.config.rules.cluster_stale_after.delta();
        self.cluster
            .as_of()
            .is_some_and(|as_of| now - as_of < stale_after)
    }

    fn make_plan(&self, now: Time, cluster_fresh: bool) -> Plan {
        let took_a_job = self
            .logs
            .iter()
            .filter(|(_, read)| {
                read.evidence
                    .as_ref()
                    .is_some_and(|log| log.job != LoggedJob::None)
            })
            .map(|(name, _)| name.clone())
            .collect();
        let backing_off = self
            .back_offs
            .iter()
            .filter(|(_, back_off)| back_off.until > now)
            .map(|(key, _)| key.clone())
            .collect();
        plan(PlanInput {
            jobs: &self.jobs,
            workers: &self.workers,
            cluster: &self.cluster,
            cluster_fresh,
            took_a_job: &took_a_job,
            backing_off: &backing_off,
            pools: &self.config.pools,
            caps: &self.config.caps,
            at_most: self.config.rules.reserve_at_once,
        })
    }

    fn decide_reserve(&mut self, now: Time, actions: &mut Vec<Action>) {
        // A reservation whose answer is open may have made rows: only a later read tells.
        let unsure = self
            .reserve_open
            .is_some_and(|at| self.rows_as_of.is_none_or(|r| r <= at));
        if self.plan.asks.is_empty() || unsure || !self.may_begin(&Key::Reserve, now) {
            return;
        }
        let known = self
            .workers
            .values()
            .filter(|w| w.is_live())
            .map(|w| w.name.clone())
            .collect();
        let asks = self.plan.asks.clone();
        self.begin(Key::Reserve, Effect::Reserve { asks, known }, actions);
    }

    fn decide_waiting(&mut self, now: Time, actions: &mut Vec<Action>) {
        // A read begun before our last write was answered shows old reasons.
        let stale = match (self.rows_as_of, self.waiting_written) {
            (Some(as_of), Some(written)) => as_of <= written,
            (_, None) => false,
            (None, Some(_)) => true,
        };
        if stale || !self.may_begin(&Key::Waiting, now) {
            return;
        }
        let reasons: Vec<(JobId, Option<String>)> = self
            .jobs
            .iter()
            .map(|job| (job, self.plan.waiting.get(&job.id).map(ToString::to_string)))
            .filter(|(job, reason)| job.waiting_reason != *reason)
            .map(|(job, reason)| (job.id, reason))
            .collect();
        if !reasons.is_empty() {
            self.begin(Key::Waiting, Effect::SetWaiting { reasons }, actions);
        }
    }

    fn decide_workers(&mut self, now: Time, actions: &mut Vec<Action>) {
        let names: Vec<PodName> = self.workers.keys().cloned().collect();
        let vanished = self.pods_vanished();
        for name in names {
            if let Some(effect) = self.next_effect(&name, now, vanished) {
                self.begin(Key::Worker(name), effect, actions);
            }
        }
    }

    /// The next effect for one worker, if there is one and its key is free.
    fn next_effect(&mut self, name: &PodName, now: Time, vanished: bool) -> Option<Effect> {
        if !self.may_begin(&Key::Worker(name.clone()), now) {
            return None;
        }
        let row = self.workers.get(name)?;
        if !row.is_live() {
            return self.next_for_finished(row);
        }
        let open = self.provisions.get(name).is_some_and(Provision::is_open);
        let pod = self.cluster.pod(name);
        if open && !matches!(pod, Knowledge::Present(_)) {
            // Nobody knows whether the pod was made: its own reads decide, not the list.
            return self.next_provision_step(name, now);
        }
        if let Knowledge::Present(pod) = pod
            && row.pod_created_at.is_none()
        {
            let runner = self.provisions.get(name).and_then(|p| p.runner);
            let (worker, pod_created_at) = (name.clone(), pod.created_at);
            return Some(Effect::RecordPod {
                worker,
                runner,
                pod_created_at,
            });
        }
        let log = self.logs.get(name);
        let log_gone_after = self.config.rules.log_gone_after.delta();
        let verdict = judge(WorkerFacts {
            row,
            pod,
            log: log.and_then(|read| read.evidence.as_ref()),
            log_gone: log
                .and_then(|read| read.failing_since)
                .is_some_and(|since| now - since >= log_gone_after),
            demand_waits: self.waiting_keys.contains(&row.demand.key()),
            pods_vanished: vanished,
            now,
            rules: &self.config.rules,
        });
        let worker = name.clone();
        // A pod that is there is copied where it is needed, so that the memory below may change.
        let pod_facts = match pod {
            Knowledge::Present(pod) => Some(PodFacts::of(pod)),
            Knowledge::Absent | Knowledge::Unknown => None,
        };
        let delete = delete_as_seen(pod);
        match verdict {
            Verdict::Keep => None,
            Verdict::Provision => self.next_provision_step(name, now),
            Verdict::MarkRunning => pod_facts.map(|facts| Effect::MarkRunning { worker, facts }),
            Verdict::ReadLog => Some(Effect::ReadLog { worker }),
            Verdict::Finish(finish) => {
                if finish.failure.is_some() {
                    self.back_off_for(&worker, now);
                }
                Some(Effect::MarkFinished { worker, finish })
            }
            Verdict::Condemn(reason, message) => {
                self.back_off_for(&worker, now);
                Some(Effect::Condemn {
                    worker,
                    reason,
                    message,
                })
            }
            Verdict::DeleteUnstarted => delete,
            Verdict::TakeBack => Some(Effect::TakeBack { worker }),
        }
    }

    /// A finished row: its pod, if it never started, and its runner must go.
    fn next_for_finished(&self, row: &WorkerRow) -> Option<Effect> {
        let worker = row.name.clone();
        match self.cluster.pod(&row.name) {
            Knowledge::Unknown => None,
            Knowledge::Present(pod) if !pod.phase.has_ended() => {
                let untouched = !pod.has_started() && !row.is_bound() && pod.deletion_at.is_none();
                if untouched {
                    delete_as_seen(self.cluster.pod(&row.name))
                } else {
                    None
                }
            }
            Knowledge::Present(_) | Knowledge::Absent => {
                if row.deregistered || row.epoch.is_none() || row.is_bound() {
                    return None;
                }
                let demand = row.demand.clone();
                Some(match row.runner {
                    Some(runner) => Effect::DeleteRunner {
                        worker,
                        demand,
                        runner,
                    },
                    None => Effect::FindRunner { worker, demand },
                })
            }
        }
    }

    fn next_provision_step(&mut self, name: &PodName, now: Time) -> Option<Effect> {
        let row = self.workers.get(name)?;
        let group = self.groups.get(&row.demand.entity).copied();
        let provision = self
            .provisions
            .entry(name.clone())
            .or_insert_with(Provision::new);
        provision.next(row, group, now)
    }

    /// Pods that ended stay for their logs, within limits.
    fn decide_finished_pods(&mut self, now: Time, actions: &mut Vec<Action>) {
        let rules = self.config.rules;
        let mut finished: Vec<(Time, &Pod)> = self
            .cluster
            .pods()
            .filter(|pod| pod.phase.has_ended() && pod.deletion_at.is_none())
            // A live row has not seen the end yet.
            .filter(|pod| self.workers.get(&pod.name).is_none_or(|row| !row.is_live()))
            .map(|pod| (pod.container_finished_at().unwrap_or(pod.created_at), pod))
            .collect();
        finished.sort_by_key(|(ended, pod)| (std::cmp::Reverse(*ended), pod.name.clone()));
        let mut on_board: BTreeMap<&NodeName, usize> = BTreeMap::new();
        let mut due = Vec::new();
        for (index, (ended, pod)) in finished.into_iter().enumerate() {
            let mut too_many = index >= rules.finished_pods;
            if let Some(node) = &pod.node {
                let kept = on_board.entry(node).or_default();
                *kept += 1;
                too_many |= *kept > rules.finished_pods_per_board;
            }
            if too_many || now - ended >= rules.pod_grace.delta() {
                due.push((pod.name.clone(), pod.uid.clone()));
            }
        }
        for (worker, uid) in due {
            let key = Key::Worker(worker.clone());
            if self.may_begin(&key, now) {
                self.begin(
                    key,
                    Effect::DeletePod {
                        worker,
                        uid,
                        resource_version: None,
                    },
                    actions,
                );
            }
        }
    }

    fn pods_vanished(&self) -> bool {
        let running: Vec<&WorkerRow> = self
            .workers
            .values()
            .filter(|w| w.status == Status::Running)
            .collect();
        let gone = running
            .iter()
            .filter(|w| self.cluster.pod(&w.name) == Knowledge::Absent)
            .count();
        gone >= VANISHED_AT_LEAST && gone * 2 >= running.len()
    }

    fn may_begin(&self, key: &Key, now: Time) -> bool {
        !self.busy_keys.contains(key)
            && self.in_flight.len() < self.config.rules.effects_at_once
            && self.retry_at.get(key).is_none_or(|at| *at <= now)
    }

    fn begin(&mut self, key: Key, effect: Effect, actions: &mut Vec<Action>) {
        let id = ActionId(self.next_id);
        self.next_id += 1;
        self.busy_keys.insert(key.clone());
        self.in_flight.insert(id, (key.clone(), effect.clone()));
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

    /// Another scheduler leads: nothing is begun any more.
    #[must_use]
    pub fn is_deposed(&self) -> bool {
        self.deposed
    }

    /// The earliest time after the last round at which something that waits for time to pass is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        let open = self.provisions.values().filter_map(Provision::asks_at);
        let back_offs = self.back_offs.values().map(|back_off| back_off.until);
        open.chain(self.retry_at.values().copied())
            .chain(back_offs)
            .filter(|at| self.decided_at.is_none_or(|decided| *at > decided))
            .min()
    }

    /// What the last round planned.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
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

fn delete_as_seen(pod: Knowledge<'_>) -> Option<Effect> {
    match pod {
        Knowledge::Present(pod) => Some(Effect::DeletePod {
            worker: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: Some(pod.resource_version.clone()),
        }),
        Knowledge::Absent | Knowledge::Unknown => None,
    }
}
