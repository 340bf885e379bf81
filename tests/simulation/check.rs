//! What must be true: after every event, and when all is quiet again.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rise_model::effects::{Effect, Key, Outcome};
use rise_model::machine::Machine;
use rise_model::rows::{DemandKey, NamedBy, WorkerRow};
use rise_model::{EntityId, JobId, PodName, PoolName, Status, Time};
use sandbox::world::cluster::{Kind, Phase, PodView, Selection};
use sandbox::world::github::{
    AccountId, InstallationState, JobId as GitHubJobId, JobState, RepositoryId,
    RunnerId as GitHubRunnerId, RunnerState, Scope,
};

use crate::objects;
use crate::process::Process;
use crate::setup::{self, PREFIX};
use crate::sim::Sim;

/// The rules that end workers which nobody needs any more. Whoever makes one turns it to true here: what it ends is then
/// no longer excused.
mod rules {
    /// Rules 6 and 7: an idle runner without demand.
    pub(super) const IDLE_RUNNERS_END: bool = true;
    /// Leftovers: a runner that a deposed leader registered, in a call that nothing can fence.
    pub(super) const LEFTOVERS_GO: bool = true;
}

/// What is asked of jobs at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    AreOver,
    /// A slow board may still work on one.
    MayRun,
}

/// What was true just before an effect landed.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// A job runs in the pod, or with the runner, that is about to be touched.
    busy: bool,
    /// A job that may still run names the worker.
    bound: bool,
    /// Whether the pod has not ended.
    pod_lives: bool,
    /// Whether the API server shows that its container began and did not end.
    pod_runs: bool,
}

impl Sim {
    pub(crate) fn before(&self, effect: &Effect) -> Before {
        let of = |name: &PodName, busy: bool| {
            let pod = self.world.cluster.pod(name.as_str());
            Before {
                busy,
                bound: self.tables.named_by(name).iter().any(|job| job.is_open())
                    && !self.is_out_of_sight(name),
                pod_lives: pod.as_ref().is_some_and(|pod| !pod.is_terminal()),
                pod_runs: pod.is_some_and(|pod| pod.phase == Phase::Running),
            }
        };
        match effect {
            Effect::DeletePod { worker, .. }
            | Effect::KillPod { worker }
            | Effect::MarkFinished { worker, .. } => {
                let pod = self.world.cluster.pod(worker.as_str());
                of(worker, pod.is_some_and(|pod| pod.job.is_some()))
            }
            Effect::DeleteRunner { worker, runner, .. } => {
                let job = self.world.github.job_of(GitHubRunnerId(runner.0));
                of(worker, job.is_some())
            }
            _ => Before::default(),
        }
    }

    /// Remembers that a worker is given up, which excuses a back-off of its key.
    pub(crate) fn remember_failure(&mut self, effect: &Effect) {
        let worker = match effect {
            Effect::MarkFinished { worker, finish } if finish.failure.is_some() => worker,
            Effect::Condemn { worker, .. } => worker,
            _ => return,
        };
        if let Some(row) = self.tables.workers.get(worker) {
            self.failed.insert(row.row.demand.key(), self.now);
        }
    }

    /// An account does not let the App see it: nobody hears how its jobs end.
    fn hides(&self, account: AccountId) -> bool {
        let mut all = self.world.github.installations();
        !all.any(|it| it.account == account && it.state == InstallationState::Active)
    }

    /// Jobs of an account that removed the App are tried again and again, until they fail.
    pub(crate) fn anybody_hides(&self) -> bool {
        let mut all = self.world.github.accounts();
        all.any(|account| self.hides(account.id))
    }

    fn is_out_of_sight(&self, worker: &PodName) -> bool {
        let row = self.tables.workers.get(worker);
        row.is_some_and(|worker| self.hides(AccountId(worker.row.demand.entity.0)))
    }

    fn owner_hides(&self, repository: RepositoryId) -> bool {
        let repository = self.world.github.repository_by_id(repository);
        repository.is_some_and(|repository| self.hides(repository.owner))
    }

    /// A row that a machine knows to be bound is closed only when its pod has ended.
    pub(crate) fn check_begun(&mut self, effect: &Effect, machine_knows: Option<&WorkerRow>) {
        let Effect::MarkFinished { worker, .. } = effect else {
            return;
        };
        let pod = self.world.cluster.pod(worker.as_str());
        let ended = pod.is_some_and(|pod| pod.is_terminal()) || self.is_out_of_sight(worker);
        if machine_knows.is_some_and(WorkerRow::is_bound) && !ended {
            self.violated(format!(
                "the row of {worker} is to be closed, which has a job"
            ));
        }
    }

    /// After every event.
    pub(crate) fn check_always(&mut self) {
        let killed = self.world.cluster.killed_while_busy();
        let ours = killed
            .iter()
            .find(|kill| !self.deleted_by_others.contains(&kill.pod));
        if let Some(kill) = ours {
            let text = format!("pod {} was killed while job {} ran", kill.pod, kill.job_id);
            self.violated(text);
        }
        let over = self.world.cluster.over_capacity();
        if over > 0 {
            self.violated(format!("a board was used {over} slots over its capacity"));
        }
    }

    pub(crate) fn check_landing(
        &mut self,
        effect: &Effect,
        outcome: &Outcome,
        before: &Before,
        wanted: &BTreeMap<DemandKey, usize>,
    ) {
        match (effect, outcome) {
            (Effect::DeletePod { worker, .. }, Outcome::PodDeleted)
                if before.pod_lives && (before.busy || before.bound) =>
            {
                self.violated(format!("the pod of {worker} was deleted, which has a job"));
            }
            (Effect::KillPod { worker }, Outcome::Pod(_))
                if before.pod_lives && (before.busy || before.bound) =>
            {
                self.violated(format!("the pod of {worker} was killed, which has a job"));
            }
            // One that runs is deleted only when it was to end and did not.
            (
                Effect::DeletePod {
                    worker,
                    resource_version: Some(_),
                    ..
                },
                Outcome::PodDeleted,
            ) if before.pod_runs => {
                self.violated(format!(
                    "the pod of {worker} was deleted, which had started"
                ));
            }
            // GitHub may say so of one that it still has.
            (Effect::DeleteRunner { worker, runner, .. }, Outcome::RunnerGone)
                if before.busy && self.world.github.runner(GitHubRunnerId(runner.0)).is_none() =>
            {
                self.violated(format!("the runner {worker} was removed, which has a job"));
            }
            (Effect::MarkFinished { worker, .. }, Outcome::Written)
                if before.pod_lives && before.busy =>
            {
                self.violated(format!("the row of {worker} was closed, whose job runs"));
            }
            (Effect::CreatePod { worker, .. }, Outcome::Pod(_)) => {
                self.remember_quarantine(&worker.name);
            }
            (Effect::Reserve { .. }, Outcome::Reserved(rows)) => {
                self.check_reserved(rows, wanted);
            }
            _ => {}
        }
        self.check_quarantine();
        self.check_statuses();
    }

    /// Statuses move forward only; a worker has one open job at most.
    pub(crate) fn check_statuses(&mut self) {
        let mut back = Vec::new();
        for (id, job) in &self.tables.jobs {
            let old = self.job_statuses.insert(*id, job.status);
            if old.is_some_and(|old| old > job.status) {
                back.push(format!("job {id} moved back to {}", job.status));
            }
        }
        for (name, worker) in &self.tables.workers {
            let status = worker.row.status;
            let old = self.worker_statuses.insert(name.clone(), status);
            let moved_back =
                old.is_some_and(|old| old > status || (old.is_terminal() && old != status));
            if moved_back {
                back.push(format!("worker {name} moved back to {status}"));
            }
        }
        let mut open: BTreeMap<&PodName, usize> = BTreeMap::new();
        for job in self.tables.jobs.values() {
            if let Some(pod) = job.pod.as_ref().filter(|_| !job.status.is_terminal()) {
                *open.entry(pod).or_default() += 1;
            }
        }
        for (name, jobs) in open {
            if jobs > 1 {
                back.push(format!("{jobs} open jobs name worker {name}"));
            }
        }
        if let Some(first) = back.into_iter().next() {
            self.violated(first);
        }
    }

    // --- reservations ------------------------------------------------------------------------------------------------

    fn check_reserved(&mut self, rows: &[WorkerRow], wanted: &BTreeMap<DemandKey, usize>) {
        for row in rows {
            let entity = row.demand.entity;
            let held = self.held_by(entity);
            if self.must_be_paused(&row.demand) {
                self.violated(format!("worker {} was reserved in a pause", row.name));
            }
            let cap = self.cap_lately(entity);
            if cap.is_some_and(|cap| held > cap) {
                self.violated(format!(
                    "entity {entity} holds {held} workers, over its cap"
                ));
            }
            let pool = &row.demand.pool;
            let (used, slots) = (self.spoken_for(pool), self.slots_of(pool));
            if used > slots {
                self.violated(format!("{used} of {slots} slots of {pool} are spoken for"));
            }
            let key = row.demand.key();
            let supply = self.supply(&key);
            let waiting = wanted.get(&key).copied().unwrap_or_default();
            // One whose row was lost may have got it back meanwhile.
            if supply > waiting && !self.history.loses_rows() {
                let text = format!("{supply} workers of {key} can take a job and {waiting} wait");
                self.violated(text);
            }
        }
    }

    fn held_by(&self, entity: EntityId) -> usize {
        let live = self.tables.workers.values().filter(|w| w.row.is_live());
        live.filter(|w| w.row.demand.entity == entity).count()
    }

    /// Pods that have not ended, and live rows that have no pod yet.
    fn spoken_for(&self, pool: &PoolName) -> usize {
        let mut used = 0;
        for worker in self.tables.workers.values() {
            if worker.row.demand.pool != *pool {
                continue;
            }
            let pod = self.world.cluster.pod(worker.row.name.as_str());
            let holds = match pod {
                Some(pod) => !pod.is_terminal(),
                None => worker.row.status == Status::Pending && worker.row.pod_created_at.is_none(),
            };
            used += usize::from(holds);
        }
        used
    }

    fn slots_of(&self, pool: &PoolName) -> usize {
        let nodes = self.world.cluster.list(Kind::Node, &Selection::default());
        let of_pool = nodes.iter().filter(|node| {
            node["metadata"]["labels"][rise_model::config::BOARD_LABEL] == pool.as_str()
        });
        of_pool.count()
    }

    /// Live workers of a key that could still take a job.
    fn supply(&self, key: &DemandKey) -> usize {
        let of_key = self
            .tables
            .workers
            .values()
            .filter(|w| w.row.is_live() && w.row.demand.key() == *key);
        of_key
            .filter(|worker| {
                let row = &worker.row;
                let pod = self.world.cluster.pod(row.name.as_str());
                let pod_may = match &pod {
                    Some(pod) => !pod.is_terminal() && !pod.deleting,
                    None => row.pod_created_at.is_none() && row.status == Status::Pending,
                };
                // A row may not have heard yet of the pod that it had.
                let lost = self.deleted_by_others.contains(row.name.as_str());
                pod_may
                    && !lost
                    && row.condemned.is_none()
                    && self.tables.named_by(&row.name).is_empty()
                    && self.may_take_a_job(&row.name, pod.is_some())
            })
            .count()
    }

    /// GitHub has its runner, without a job, or it is still being made.
    fn may_take_a_job(&self, name: &PodName, has_a_pod: bool) -> bool {
        let mut runners = self.world.github.runners();
        match runners.find(|runner| runner.name == name.as_str()) {
            Some(runner) => !matches!(runner.state, RunnerState::Busy(..) | RunnerState::Lost(_)),
            None => !has_a_pod,
        }
    }

    // --- waiting reasons ---------------------------------------------------------------------------------------------

    /// Whether every routed job that GitHub still offers has a reason, and each reason is true.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn reasons_are_true(&self) -> Result<(), String> {
        for (number, job) in &self.jobs {
            let Some(offered) = self.world.github.job(*job) else {
                continue;
            };
            let routed = offered.labels.iter().all(|label| label != setup::LABELS[2]);
            let hidden = self.owner_hides(offered.repository);
            if offered.state != JobState::Queued || !routed || hidden {
                continue;
            }
            let id = JobId(job.0);
            if self.nobody_was_told_of(*job) {
                continue;
            }
            let row = self
                .tables
                .jobs
                .get(&id)
                .ok_or_else(|| format!("nobody heard of job {number}"))?;
            if row.status != Status::Pending {
                return Err(format!("job {id} is queued and its row is {}", row.status));
            }
            let Some(reason) = &row.waiting_reason else {
                return Err(format!("job {id} waits without a reason"));
            };
            let demand = &row.demand;
            let paused = reason.starts_with("paused:");
            if paused && self.is_paused(demand) {
                continue;
            }
            self.reason_is_true(reason, &demand.key(), demand.entity, &demand.pool)
                .map_err(|why| format!("job {id} waits for `{reason}`, but {why}"))?;
        }
        Ok(())
    }

    fn reason_is_true(
        &self,
        reason: &str,
        key: &DemandKey,
        entity: EntityId,
        pool: &PoolName,
    ) -> Result<(), String> {
        let (code, subject) = reason.split_once(':').unwrap_or((reason, ""));
        let of_key: Vec<_> = self
            .tables
            .workers
            .values()
            .filter(|w| w.row.is_live() && w.row.demand.key() == *key)
            .collect();
        let must = |holds: bool, why: &str| holds.then_some(()).ok_or_else(|| why.to_owned());
        match code {
            "starting" => must(!of_key.is_empty(), "no worker of its key lives"),
            "runner_ready" => {
                let runs = |name: &PodName| {
                    let pod = self.world.cluster.pod(name.as_str());
                    pod.is_some_and(|pod| !pod.is_terminal())
                };
                let any = of_key.iter().any(|w| runs(&w.row.name));
                must(any, "no pod of its key runs")
            }
            "no_free_board" => {
                must(subject == pool.as_str(), "that is another pool")?;
                must(self.free_slots(pool) == 0, "a board is free")
            }
            "no_board_in_pool" => must(self.usable(pool).is_empty(), "the pool has a board"),
            "at_cap" => {
                let cap = self.in_force().cap(entity, &self.config.caps).left(0);
                let reached = cap.is_some_and(|cap| self.held_by(entity) >= cap);
                must(reached, "the cap is not reached")
            }
            "backing_off" => {
                let longest = self.config.rules.back_off_to.delta() + TimeDelta::seconds(20);
                let failed = self.failed.get(key);
                let lately = failed.is_some_and(|at| self.now - *at <= longest);
                must(lately, "no worker of its key failed lately")
            }
            "paused" => Err("nothing is paused for it".to_owned()),
            "other_scheduler" => {
                let looks_like_one = self.history.looks_foreign();
                must(looks_like_one, "there is none")
            }
            "cluster_unreachable" => Err("the cluster can be read".to_owned()),
            "github_unreachable" | "github_budget" | "installation_suspended" => {
                Err("GitHub answers".to_owned())
            }
            other => Err(format!("`{other}` is no reason")),
        }
    }

    fn usable(&self, pool: &PoolName) -> Vec<(String, usize)> {
        let nodes = self.world.cluster.list(Kind::Node, &Selection::default());
        let nodes = nodes.iter().map(|node| objects::node(node));
        let in_force = self.in_force();
        nodes
            .filter(|node| {
                node.takes_pods()
                    && !in_force.is_quarantined(&node.name)
                    && node
                        .labels
                        .get(rise_model::config::BOARD_LABEL)
                        .map(String::as_str)
                        == Some(pool.as_str())
            })
            .map(|node| {
                let slots = usize::try_from(node.allocatable_slots).unwrap_or_default();
                (node.name.to_string(), slots)
            })
            .collect()
    }

    fn free_slots(&self, pool: &PoolName) -> usize {
        let pods = self.world.cluster.pods();
        let live: Vec<&PodView> = pods.iter().filter(|pod| !pod.is_terminal()).collect();
        let free: usize = self
            .usable(pool)
            .into_iter()
            .map(|(name, slots)| {
                let used = live.iter().filter(|p| p.node.as_deref() == Some(&name));
                slots.saturating_sub(used.count())
            })
            .sum();
        let in_pool = |pod: &PodView| {
            pod.labels
                .get(rise_model::config::BOARD_LABEL)
                .map(String::as_str)
                == Some(pool.as_str())
        };
        let unscheduled = live
            .iter()
            .filter(|pod| pod.node.is_none() && in_pool(pod))
            .count();
        let without_pod = self
            .tables
            .workers
            .values()
            .filter(|w| w.row.status == Status::Pending && w.row.demand.pool == *pool)
            .filter(|w| self.world.cluster.pod(w.row.name.as_str()).is_none())
            .count();
        free.saturating_sub(unscheduled + without_pod)
    }

    /// When the last job that was run ended, as far as any did.
    pub(crate) fn last_job_over(&self) -> Time {
        let ended = self.world.github.jobs().filter_map(|job| job.completed_at);
        ended.max().unwrap_or_else(setup::beginning)
    }

    // --- the end -----------------------------------------------------------------------------------------------------

    /// Whether everything has come to where it should be; jobs that run must be over, or may go on.
    ///
    /// # Errors
    /// The first thing that has not.
    pub(crate) fn settled(&self, jobs: Jobs) -> Result<(), String> {
        if self.on_the_way > 0 {
            return Err(format!("{} deliveries are on their way", self.on_the_way));
        }
        self.deliveries_arrived()?;
        if !self.tables.led(self.now) {
            return Err("nobody leads".to_owned());
        }
        let machines = self.processes.iter().filter_map(Process::machine);
        // Questions to GitHub and looks at its log of deliveries go on for a while after all is over.
        let asks = |key: &Key| matches!(key, Key::Scope(_) | Key::Job(_) | Key::Deliveries(_));
        let busy = machines
            .flat_map(Machine::keys_in_flight)
            .any(|key| !asks(key));
        if busy && !self.anybody_hides() {
            return Err("effects are in flight".to_owned());
        }
        for job in self.jobs.values() {
            self.job_settled(JobId(job.0), jobs)?;
        }
        self.reasons_are_true()?;
        for worker in self.tables.workers.values() {
            self.worker_settled(&worker.row, jobs)?;
        }
        for pod in self.world.cluster.pods() {
            let name = PodName::new(pod.name.clone());
            let row = self.tables.workers.get(&name);
            if !pod.is_terminal() && row.is_none_or(|worker| !worker.row.is_live()) {
                return Err(format!("pod {name} lives without a live row"));
            }
        }
        for runner in self.world.github.runners() {
            let name = PodName::new(runner.name.clone());
            let row = self.tables.workers.get(&name);
            let excused = !rules::LEFTOVERS_GO && self.leftovers.contains(&runner.id);
            let live = row.is_some_and(|worker| worker.row.is_live());
            let hidden = match runner.scope {
                Scope::Organization(account) => self.hides(account),
                Scope::Repository(repository) => self.owner_hides(repository),
            };
            if !live && !hidden && !excused && runner.name.starts_with(PREFIX) {
                return Err(format!("runner {name} is registered without a live row"));
            }
        }
        Ok(())
    }

    /// No delivery told of it, and it is looked for by another rule, if at all.
    fn nobody_was_told_of(&self, job: GitHubJobId) -> bool {
        self.unheard.contains(&job) && !self.tables.jobs.contains_key(&JobId(job.0))
    }

    fn job_settled(&self, id: JobId, jobs: Jobs) -> Result<(), String> {
        let Some(job) = self.world.github.job(sandbox::world::github::JobId(id.0)) else {
            return Ok(());
        };
        if self.owner_hides(job.repository) {
            return Ok(());
        }
        let routed = job.labels.iter().all(|label| label != setup::LABELS[2]);
        let row = self.tables.jobs.get(&id);
        if self.nobody_was_told_of(job.id) {
            return Ok(());
        }
        match (job.state, row) {
            (_, None) if !routed => Ok(()),
            (_, Some(_)) if !routed => Err(format!("job {id} has a row but no route")),
            (JobState::Completed(_), Some(row)) if row.status == Status::Completed => Ok(()),
            (JobState::InProgress, Some(row))
                if row.status == Status::Running && jobs == Jobs::MayRun =>
            {
                let pod = row
                    .pod
                    .as_ref()
                    .and_then(|pod| self.world.cluster.pod(pod.as_str()));
                let runs = pod.is_some_and(|pod| pod.job == Some(id.0));
                runs.then_some(())
                    .ok_or_else(|| format!("job {id} runs nowhere"))
            }
            // Whether its reason is true is looked at elsewhere; what passes by itself is no place to stay.
            (JobState::Queued, Some(row)) => {
                let reason = row.waiting_reason.as_deref().unwrap_or_default();
                let code = reason.split(':').next().unwrap_or_default();
                match code {
                    "no_free_board" | "at_cap" if self.excuses_waiting(jobs) => Ok(()),
                    "no_board_in_pool" | "paused" => Ok(()),
                    _ => Err(format!("job {id} still waits for `{reason}`")),
                }
            }
            (state, row) => {
                let row = row.map(|row| row.status);
                Err(format!("job {id} is {state:?} and its row {row:?}"))
            }
        }
    }

    /// Whether boards may be held for ever by runners that nobody needs, or by a job on a slow board.
    fn excuses_waiting(&self, jobs: Jobs) -> bool {
        let stay = !rules::IDLE_RUNNERS_END && self.history.setting.idle_runner_after.is_none();
        let mut all = self.world.github.jobs();
        stay || (jobs == Jobs::MayRun && all.any(|job| job.state == JobState::InProgress))
    }

    fn worker_settled(&self, row: &WorkerRow, jobs: Jobs) -> Result<(), String> {
        let name = &row.name;
        let pod = self.world.cluster.pod(name.as_str());
        if pod.is_none() && self.is_out_of_sight(name) {
            // Jobs of an account that removed the App are tried until they fail.
            return Ok(());
        }
        if !row.is_live() {
            // Its pod and its runner are looked at from their side.
            let told = format!("worker {name} ended and is not written as deregistered");
            let before_us = row.epoch.is_none();
            let done = before_us || row.deregistered_at.is_some();
            return done.then_some(()).ok_or(told);
        }
        let Some(pod) = pod.filter(|pod| !pod.is_terminal()) else {
            return Err(format!(
                "worker {name} is {} without a live pod",
                row.status
            ));
        };
        let idle = self
            .world
            .github
            .runners()
            .find(|runner| runner.name == name.as_str())
            .is_some_and(|runner| runner.state == RunnerState::Idle);
        let stays = self.history.setting.idle_runner_after.is_none() || jobs == Jobs::MayRun;
        if idle && stays && row.status == Status::Running && !rules::IDLE_RUNNERS_END {
            return Ok(());
        }
        let bound = self.tables.named_by(name);
        let works = |job: &NamedBy| job.is_open() && pod.job == Some(job.job.0);
        if jobs == Jobs::MayRun && bound.iter().any(works) {
            return Ok(());
        }
        let status = row.status;
        Err(format!(
            "worker {name} is {status} without a cause: {pod:?}"
        ))
    }
}
