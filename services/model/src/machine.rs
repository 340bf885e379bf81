//! All of the scheduler's memory, and what it makes of it: `observe` takes what was read, `decide` returns what should
//! be done, `outcome` takes what came of it and returns the next step of the same thing.
//!
//! Nothing in here must survive: where a worker stands is in its row. Losing the memory only delays.

mod adopt;
mod alerts;
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
mod leftovers;
#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod other_tests;
mod outcomes;
mod reads;
mod rounds;
mod set;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::alerts::Alert;
use crate::boards::{Suspicion, suspicion};
use crate::budget::{Budget, Budgets};
use crate::cluster::{Node, Pod};
use crate::config::{Caps, Pool, Rules, Sharing};
use crate::deliveries::{Recoveries, Recovery};
use crate::dependencies::{Breakers, Party};
use crate::effects::{Action, ActionId, Effect, Key};
use crate::jobs::JobChange;
use crate::log::LogEvidence;
use crate::other::{Lookout, OtherScheduler};
use crate::plan::Plan;
use crate::provision::Provision;
use crate::rows::{Demand, DemandKey, JobRow, WorkerRow};
use crate::runners::RunnerHistory;
use crate::settings::{InForce, Setting, Settings};
use crate::state::SettingsReport;
use crate::view::ClusterView;
use crate::{EntityId, Image, JobId, NodeName, PodName, RunnerGroupId, ScopeKey, Status, Time};

/// What the scheduler is told to do; does not change while it runs.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// The pools.
    pub pools: Vec<Pool>,
    /// The images, by their names in the configuration.
    pub images: BTreeMap<String, Image>,
    /// The caps, as long as no setting says otherwise.
    pub caps: Caps,
    /// How boards are shared.
    pub sharing: Sharing,
    /// Times and limits.
    pub rules: Rules,
    /// What the names of this environment's runners begin with.
    pub runner_prefix: String,
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
    /// What operators set, read before the rows of the same round.
    Settings {
        /// Those that nobody ended.
        settings: Vec<Setting>,
        /// Entities with few finished jobs behind them; empty where that makes no difference.
        newcomers: BTreeSet<EntityId>,
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
    /// The alerts that are open in the table.
    Alerts(Vec<Alert>),
    /// The scopes that had a worker in the last days.
    Scopes(Vec<Demand>),
    /// The scopes of present workers that GitHub lets us see no more, by what it delivered.
    /// Each with the time at which that was heard.
    GoneScopes(Vec<(ScopeKey, Time)>),
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
    /// Since when every reading was whole and without an unfinished job.
    free_since: Option<Time>,
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
    settings: Settings,
    settings_as_of: Option<Time>,
    newcomers: BTreeSet<EntityId>,
    /// What the settings come to in this round.
    in_force: InForce,
    settings_report: SettingsReport,
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
    /// The alerts that the table has open, once they were read.
    open_alerts: Option<alerts::Open>,
    leftovers: leftovers::Leftovers,
    /// Since when pods are seen that have no row.
    rowless: BTreeMap<PodName, Time>,
    /// When it was heard that a scope is gone.
    gone: BTreeMap<ScopeKey, Time>,
    /// When a call was begun that showed a scope to be there: deliveries may come in any order.
    scopes_answered: BTreeMap<ScopeKey, Time>,
    /// Since when the API server answers again after a silence that this leader saw.
    answering_since: Option<Time>,
    suspicion: Suspicion,
    /// Whether a scheduler of another kind is at work.
    lookout: Lookout,
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
            settings: Settings::default(),
            settings_as_of: None,
            newcomers: BTreeSet::new(),
            in_force: InForce::default(),
            settings_report: SettingsReport::default(),
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
            open_alerts: None,
            leftovers: leftovers::Leftovers::default(),
            rowless: BTreeMap::new(),
            gone: BTreeMap::new(),
            scopes_answered: BTreeMap::new(),
            answering_since: None,
            suspicion: Suspicion::None,
            lookout: Lookout::default(),
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
            Observation::Settings {
                settings,
                newcomers,
                begun,
            } => self.observe_settings(settings, newcomers, begun),
            Observation::Pods { pods, begun } => {
                self.look_at_pods(&pods);
                let before = self.cluster.as_of();
                self.cluster.pods_listed(pods, begun);
                self.cluster_listed(before, begun);
            }
            Observation::Budgets(told) => self.budgets.told(told),
            Observation::Nodes { nodes, begun } => {
                self.note_answer(begun);
                self.cluster.nodes_listed(nodes, begun);
            }
            Observation::Pod(pod, at) => {
                self.look_at_pods(std::slice::from_ref(&*pod));
                self.cluster.pod_seen(*pod, at);
            }
            Observation::PodGone(name, at) => self.cluster.pod_gone(&name, at),
            Observation::Node(node, at) => self.cluster.node_seen(*node, at),
            Observation::NodeGone(name, at) => self.cluster.node_gone(&name, at),
            Observation::Alerts(alerts) => self.alerts_read(alerts),
            Observation::Scopes(demands) => self.scopes_read(demands),
            Observation::GoneScopes(scopes) => self.gone = scopes.into_iter().collect(),
        }
    }

    fn observe_rows(&mut self, jobs: Vec<JobRow>, workers: Vec<WorkerRow>, begun: Time) {
        if self.rows_as_of.is_some_and(|as_of| as_of > begun) {
            return;
        }
        self.began.get_or_insert(begun);
        // A row that ended since the last read may be missing from this one.
        self.note_scopes();
        self.lookout.see_rows(&workers, begun);
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
        self.note_scopes();
    }

    /// Whether GitHub lets us see a scope no more.
    fn is_gone(&self, scope: &ScopeKey) -> bool {
        let answered = self.scopes_answered.get(scope);
        self.gone
            .get(scope)
            .is_some_and(|told| answered.is_none_or(|answered| answered < told))
    }

    /// A list that comes long after the one before tells that the API server was away.
    fn note_answer(&mut self, begun: Time) {
        let stale_after = self.config.rules.cluster_stale_after.delta();
        let before = self.cluster.as_of();
        if before.is_some_and(|before| begun - before >= stale_after) {
            self.answering_since = Some(begun);
        }
    }

    /// One round: what should be done now. Keys with an action in flight are left out.
    pub fn decide(&mut self, now: Time) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.rows_as_of.is_none() || self.deposed {
            return actions;
        }
        self.round += 1;
        self.decided_at = Some(now);
        self.apply_settings(now);
        self.retry_at.retain(|_, at| *at > now);
        if self.other_scheduler(now).is_some() {
            self.plan = Plan::beside_another(&self.jobs);
            self.decide_waiting(now, &mut actions);
            self.decide_deliveries(now, &mut actions);
            return actions;
        }
        let fresh = self.cluster_fresh(now);
        // What to give up follows from who would wait: the plan comes first, and again when rows are about to change.
        self.plan = self.make_plan(now, fresh);
        self.decide_probes(now, &mut actions);
        if fresh {
            let answering = self.answering_since;
            self.suspicion = suspicion(&self.cluster, answering, now, &self.config.rules);
            self.find_surplus(now);
            self.decide_adoptions(now, &mut actions);
            self.decide_workers(now, &mut actions);
            self.decide_finished_pods(now, &mut actions);
            self.decide_leftovers(now, &mut actions);
            self.decide_lists(now, &mut actions);
            self.decide_gone(now, &mut actions);
            self.decide_alerts(now, &mut actions);
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

    fn begin_unasked(
        &mut self,
        key: Key,
        mut effect: Effect,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.name(&mut effect);
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

    fn look_at_pods(&mut self, pods: &[Pod]) {
        if let Some(began) = self.began {
            // A note can be lost; a row of ours tells as well.
            let ours = |pod: &&Pod| {
                let row = self.workers.get(&pod.name);
                row.is_some_and(|row| row.epoch.is_some())
            };
            let foreign: Vec<&Pod> = pods.iter().filter(|pod| !ours(pod)).collect();
            self.lookout.see_pods(foreign, began);
        }
    }

    /// A scheduler of another kind that is at work on the same tables: nothing is begun or ended beside it.
    #[must_use]
    pub fn other_scheduler(&self, now: Time) -> Option<OtherScheduler> {
        self.lookout
            .at_work(now, self.config.rules.other_scheduler_lasts)
    }

    /// The same as the last round found it.
    #[must_use]
    pub fn other_scheduler_then(&self) -> Option<OtherScheduler> {
        self.other_scheduler(self.decided_at?)
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
        let decided_at = self.decided_at.or(self.settings_as_of);
        let setting_ends = decided_at.and_then(|at| self.settings.next_end(at));
        let other = self.other_scheduler_then();
        open.chain(self.retry_at.values().copied())
            .chain(back_offs)
            .chain(setting_ends)
            .chain(other.map(|other| other.until))
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
