//! The tables as the scheduler and intake meet them: the same statements with the same conditions as in
//! `services/src/store`, on maps. A status that would move back is kept as a violation, not made.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rise_model::alerts::Alert;
use rise_model::effects::PodFacts;
use rise_model::intake::{JobAction, JobRow as Told};
use rise_model::jobs::JobChange;
use rise_model::plan::Ask;
use rise_model::rows::{Demand, JobRow, NamedBy, WorkerRow};
use rise_model::workers::{CondemnReason, Finish};
use rise_model::{
    AppId, EntityId, Epoch, InstallationId, JobId, PodName, RunnerId, ScopeKey, Status, Time,
};

use crate::recovery::Deliveries;

/// A scheduler process: which one, and how often it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder(pub(crate) usize, pub(crate) u64);

/// A process' hold on the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) holder: Holder,
    pub(crate) epoch: Epoch,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Written,
    NotWritten,
    Deposed,
}

/// A row of `jobs`.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) status: Status,
    pub(crate) demand: Demand,
    pub(crate) pod: Option<PodName>,
    pub(crate) queued_at: Time,
    pub(crate) started_at: Option<Time>,
    pub(crate) finished_at: Option<Time>,
    pub(crate) conclusion: Option<String>,
    pub(crate) waiting_reason: Option<String>,
    pub(crate) changed_at: Time,
    pub(crate) last_checked_at: Option<Time>,
}

/// A row of `workers`, `named_by` left empty.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) row: WorkerRow,
    pub(crate) failure: Option<String>,
}

/// A row of `installation_events` about an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstallationEvent {
    pub(crate) event: String,
    pub(crate) installation: InstallationId,
    pub(crate) entity: Option<EntityId>,
    pub(crate) app: AppId,
    pub(crate) received_at: Time,
}

#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) workers: BTreeMap<PodName, Worker>,
    /// The open ones.
    pub(crate) alerts: Vec<Alert>,
    /// What was delivered of installations, in order.
    events: Vec<InstallationEvent>,
    epoch: Epoch,
    holder: Option<Holder>,
    expires_at: Option<Time>,
    pub(crate) deliveries: Deliveries,
}

impl Tables {
    pub(crate) fn new() -> Self {
        Self {
            jobs: BTreeMap::new(),
            workers: BTreeMap::new(),
            alerts: Vec::new(),
            events: Vec::new(),
            epoch: Epoch(0),
            holder: None,
            expires_at: None,
            deliveries: Deliveries::default(),
        }
    }

    // --- the lease ---------------------------------------------------------------------------------------------------

    /// Takes or renews the lease; tells who has it and until when.
    pub(crate) fn renew(
        &mut self,
        holder: Holder,
        lasts: TimeDelta,
        now: Time,
    ) -> (Option<Lease>, Time) {
        let expired = self.expires_at.is_none_or(|at| at < now);
        if self.holder == Some(holder) || expired {
            if self.holder != Some(holder) {
                self.epoch = Epoch(self.epoch.0 + 1);
            }
            self.holder = Some(holder);
            let until = now + lasts;
            self.expires_at = Some(until);
            let epoch = self.epoch;
            return (Some(Lease { holder, epoch }), until);
        }
        (None, self.expires_at.unwrap_or(now))
    }

    pub(crate) fn release(&mut self, lease: Lease) {
        if self.leads(lease) {
            self.holder = None;
            self.expires_at = None;
        }
    }

    pub(crate) fn leads(&self, lease: Lease) -> bool {
        self.holder == Some(lease.holder) && self.epoch == lease.epoch
    }

    /// Whether somebody holds a lease that has not expired.
    pub(crate) fn led(&self, now: Time) -> bool {
        self.holder.is_some() && self.expires_at.is_some_and(|at| at >= now)
    }

    // --- what a round reads ------------------------------------------------------------------------------------------

    pub(crate) fn named_by(&self, name: &PodName) -> Vec<NamedBy> {
        let naming = self
            .jobs
            .iter()
            .filter(|(_, job)| job.pod.as_ref() == Some(name));
        naming
            .map(|(id, job)| NamedBy {
                job: *id,
                status: job.status,
                concluded_at: (job.conclusion.is_some() || job.status == Status::Completed)
                    .then(|| job.finished_at.unwrap_or(job.changed_at)),
            })
            .collect()
    }

    pub(crate) fn read_workers(
        &self,
        pods: &BTreeSet<PodName>,
        within: TimeDelta,
        now: Time,
    ) -> Vec<WorkerRow> {
        let wanted = self.workers.values().filter(|worker| {
            let row = &worker.row;
            let to_deregister = row.status.is_terminal()
                && row.deregistered_at.is_none()
                && row.epoch.is_some()
                && row.completed_at.is_some_and(|at| at > now - within);
            row.is_live() || to_deregister || pods.contains(&row.name)
        });
        wanted
            .map(|worker| WorkerRow {
                named_by: self.named_by(&worker.row.name),
                ..worker.row.clone()
            })
            .collect()
    }

    pub(crate) fn read_jobs(&self) -> Vec<JobRow> {
        let live = self
            .jobs
            .iter()
            .filter(|(_, job)| !job.status.is_terminal());
        live.map(|(id, job)| JobRow {
            id: *id,
            status: job.status,
            demand: job.demand.clone(),
            sender: None,
            pod: job.pod.clone(),
            queued_at: job.queued_at,
            waiting_reason: job.waiting_reason.clone(),
            changed_at: job.changed_at,
            last_checked_at: job.last_checked_at,
        })
        .collect()
    }

    // --- intake ------------------------------------------------------------------------------------------------------

    /// One delivery of a job, as `record_job.sql` has it. Returns whether the row is another one now.
    pub(crate) fn record_job(&mut self, action: JobAction, told: &Told, now: Time) -> bool {
        let status = action.status();
        let Some(job) = self.jobs.get_mut(&told.id) else {
            let demand = Demand {
                entity: told.entity,
                entity_name: told.entity_name.clone(),
                kind: told.entity_kind,
                installation: told.installation,
                repo_full_name: Some(told.repository_name.clone()),
                repo: Some(told.repository),
                labels: told.labels.clone(),
                pool: told.pool.clone(),
                image: told.image.clone(),
            };
            let job = Job {
                status,
                demand,
                pod: told.runner.clone(),
                queued_at: told.queued_at.unwrap_or(now),
                started_at: told.started_at,
                finished_at: told.finished_at,
                conclusion: told.conclusion.clone(),
                waiting_reason: None,
                changed_at: now,
                last_checked_at: None,
            };
            self.jobs.insert(told.id, job);
            return true;
        };
        let moves = !job.status.is_terminal() && status > job.status;
        let tells = moves
            || (job.pod.is_none() && told.runner.is_some())
            || (job.started_at.is_none() && told.started_at.is_some())
            || (job.finished_at.is_none() && told.finished_at.is_some())
            || (job.conclusion.is_none() && told.conclusion.is_some());
        if status == Status::Pending || !tells {
            return false;
        }
        if moves {
            job.status = status;
        }
        job.changed_at = now;
        job.pod = job.pod.take().or_else(|| told.runner.clone());
        job.started_at = job.started_at.or(told.started_at);
        job.finished_at = job.finished_at.or(told.finished_at);
        job.conclusion = job.conclusion.take().or_else(|| told.conclusion.clone());
        true
    }

    // --- the scheduler's writes --------------------------------------------------------------------------------------

    /// Inserts rows as far as slots and caps still allow; `None` when another scheduler leads.
    pub(crate) fn reserve(
        &mut self,
        lease: Lease,
        asks: &[Ask],
        known: &[PodName],
        names: &[PodName],
        now: Time,
    ) -> Option<Vec<WorkerRow>> {
        if !self.leads(lease) {
            return None;
        }
        let fresh: Vec<Demand> = self
            .workers
            .values()
            .filter(|worker| worker.row.is_live() && !known.contains(&worker.row.name))
            .map(|worker| worker.row.demand.clone())
            .collect();
        let mut made = Vec::new();
        for (ord, (ask, name)) in asks.iter().zip(names).enumerate() {
            let before = &asks[..ord];
            let place_in_pool = 1 + before
                .iter()
                .filter(|other| other.demand.pool == ask.demand.pool)
                .count();
            let place_of_entity = 1 + before
                .iter()
                .filter(|other| other.demand.entity == ask.demand.entity)
                .count();
            let fresh_in_pool = fresh.iter().filter(|d| d.pool == ask.demand.pool).count();
            let fresh_of_entity = fresh
                .iter()
                .filter(|d| d.entity == ask.demand.entity)
                .count();
            let fits_pool = place_in_pool + fresh_in_pool <= ask.pool_free;
            let fits_cap = ask
                .cap_left
                .is_none_or(|left| place_of_entity + fresh_of_entity <= left);
            if !fits_pool || !fits_cap || self.workers.contains_key(name) {
                continue;
            }
            let row = WorkerRow {
                name: name.clone(),
                status: Status::Pending,
                demand: ask.demand.clone(),
                node: None,
                created_at: now,
                running_at: None,
                completed_at: None,
                runner: None,
                epoch: Some(lease.epoch),
                condemned: None,
                deregistered_at: None,
                pod_created_at: None,
                named_by: Vec::new(),
            };
            let worker = Worker {
                row: row.clone(),
                failure: None,
            };
            self.workers.insert(name.clone(), worker);
            made.push(row);
        }
        Some(made)
    }

    /// Changes a row on which `holds`, while the lease is the row's.
    fn update(
        &mut self,
        lease: Lease,
        name: &PodName,
        holds: impl FnOnce(&Worker) -> bool,
        change: impl FnOnce(&mut Worker),
    ) -> Write {
        if !self.leads(lease) {
            return Write::Deposed;
        }
        match self.workers.get_mut(name).filter(|worker| holds(worker)) {
            Some(worker) => {
                change(worker);
                Write::Written
            }
            None => Write::NotWritten,
        }
    }

    pub(crate) fn record_pod(
        &mut self,
        lease: Lease,
        name: &PodName,
        runner: Option<RunnerId>,
        created_at: Time,
    ) -> Write {
        self.update(
            lease,
            name,
            |_| true,
            |worker| {
                worker.row.runner = runner.or(worker.row.runner);
                worker.row.pod_created_at.get_or_insert(created_at);
            },
        )
    }

    pub(crate) fn mark_running(
        &mut self,
        lease: Lease,
        name: &PodName,
        facts: &PodFacts,
        now: Time,
    ) -> Write {
        self.update(
            lease,
            name,
            |worker| worker.row.status == Status::Pending,
            |worker| {
                let row = &mut worker.row;
                row.status = Status::Running;
                row.node = facts.node.clone().or_else(|| row.node.take());
                row.running_at = row.running_at.or(facts.running_at).or(Some(now));
            },
        )
    }

    pub(crate) fn mark_finished(
        &mut self,
        lease: Lease,
        name: &PodName,
        finish: &Finish,
        now: Time,
    ) -> Write {
        self.update(
            lease,
            name,
            |worker| worker.row.is_live(),
            |worker| {
                let row = &mut worker.row;
                row.status = if finish.failure.is_some() {
                    Status::Failed
                } else {
                    Status::Completed
                };
                row.node = finish.node.clone().or_else(|| row.node.take());
                row.completed_at = row.completed_at.or(finish.ended_at).or(Some(now));
                if let Some((reason, _)) = &finish.failure {
                    worker
                        .failure
                        .get_or_insert_with(|| reason.as_str().to_owned());
                }
            },
        )
    }

    pub(crate) fn condemn(&mut self, lease: Lease, name: &PodName, reason: CondemnReason) -> Write {
        self.update(
            lease,
            name,
            |_| true,
            |worker| {
                worker.row.condemned = Some(reason);
                if worker.row.is_live()
                    && let Some(failure) = reason.failure()
                {
                    worker
                        .failure
                        .get_or_insert_with(|| failure.as_str().to_owned());
                }
            },
        )
    }

    pub(crate) fn take_back(&mut self, lease: Lease, name: &PodName) -> Write {
        self.update(
            lease,
            name,
            |_| true,
            |worker| {
                worker.row.condemned = None;
                if worker.row.is_live() {
                    worker.failure = None;
                }
            },
        )
    }

    /// What GitHub said when it was asked about a job.
    pub(crate) fn record_told(
        &mut self,
        lease: Lease,
        id: JobId,
        change: Option<&JobChange>,
        now: Time,
    ) -> Write {
        if !self.leads(lease) {
            return Write::Deposed;
        }
        let Some(job) = self
            .jobs
            .get_mut(&id)
            .filter(|job| !job.status.is_terminal())
        else {
            return Write::NotWritten;
        };
        job.last_checked_at = Some(now);
        let (status, pod) = match change {
            None => return Write::Written,
            Some(JobChange::Running { pod, started_at }) => {
                job.started_at = job.started_at.or(*started_at);
                (Status::Running, pod.clone())
            }
            Some(JobChange::Completed {
                pod,
                conclusion,
                started_at,
                finished_at,
            }) => {
                job.started_at = job.started_at.or(*started_at);
                job.finished_at = job.finished_at.or(*finished_at);
                job.conclusion = job.conclusion.take().or_else(|| conclusion.clone());
                (Status::Completed, pod.clone())
            }
            Some(JobChange::Failed(_)) => (Status::Failed, None),
        };
        job.pod = job.pod.take().or(pod);
        if status > job.status {
            job.status = status;
            job.changed_at = now;
        }
        Write::Written
    }

    /// Everything of an account that is not over goes on with its present installation.
    pub(crate) fn move_installation(
        &mut self,
        lease: Lease,
        entity: EntityId,
        from: InstallationId,
        to: InstallationId,
    ) -> Write {
        if !self.leads(lease) {
            return Write::Deposed;
        }
        let jobs = self.jobs.values_mut();
        let jobs = jobs.filter(|job| !job.status.is_terminal());
        let workers = self.workers.values_mut();
        let workers = workers.filter(|w| w.row.is_live() || w.row.deregistered_at.is_none());
        let demands = jobs
            .map(|job| &mut job.demand)
            .chain(workers.map(|worker| &mut worker.row.demand));
        let mut written = Write::NotWritten;
        for demand in demands.filter(|d| d.entity == entity && d.installation == from) {
            demand.installation = to;
            written = Write::Written;
        }
        written
    }

    /// The log is not kept here.
    pub(crate) fn log_auth_attempt(&self, lease: Lease) -> Write {
        if self.leads(lease) {
            Write::Written
        } else {
            Write::Deposed
        }
    }

    pub(crate) fn record_diagnostics(&mut self, lease: Lease, name: &PodName) -> Write {
        self.update(lease, name, |worker| worker.failure.is_some(), |_| {})
    }

    pub(crate) fn record_deregistered(&mut self, lease: Lease, name: &PodName, now: Time) -> Write {
        self.update(
            lease,
            name,
            |_| true,
            |worker| {
                worker.row.deregistered_at.get_or_insert(now);
            },
        )
    }

    /// The newest demand of each scope.
    pub(crate) fn recent_scopes(&self) -> Vec<Demand> {
        let mut newest: BTreeMap<ScopeKey, &WorkerRow> = BTreeMap::new();
        for worker in self.workers.values() {
            let row = newest
                .entry(worker.row.demand.key().scope)
                .or_insert(&worker.row);
            if worker.row.created_at > row.created_at {
                *row = &worker.row;
            }
        }
        newest.values().map(|row| row.demand.clone()).collect()
    }

    /// What the job asked for that names a pod.
    pub(crate) fn job_of(&self, pod: &PodName) -> Option<Demand> {
        let mut naming = self
            .jobs
            .values()
            .filter(|job| job.pod.as_ref() == Some(pod));
        naming.next().map(|job| job.demand.clone())
    }

    /// Inserts the row of a pod that has none.
    pub(crate) fn adopt(&mut self, lease: Lease, row: &WorkerRow) -> Write {
        if !self.leads(lease) {
            return Write::Deposed;
        }
        if self.workers.contains_key(&row.name) {
            return Write::NotWritten;
        }
        let row = WorkerRow {
            epoch: Some(lease.epoch),
            ..row.clone()
        };
        self.workers
            .insert(row.name.clone(), Worker { row, failure: None });
        Write::Written
    }

    /// An installation event was delivered.
    pub(crate) fn record_event(&mut self, event: InstallationEvent) {
        self.events.push(event);
    }

    /// The scopes of workers whose installation is deleted or suspended and no newer one is there.
    pub(crate) fn gone_scopes(&self) -> Vec<(ScopeKey, Time)> {
        let gone = |demand: &Demand| {
            let of_it = |event: &&InstallationEvent| event.installation == demand.installation;
            let last = self.events.iter().rev().find(of_it)?;
            let ends = ["installation.deleted", "installation.suspend"];
            let later = self.events.iter().rev().take_while(|event| *event != last);
            // Deliveries overtake each other; ids grow.
            let newer = self.events.iter();
            let newer = newer.filter(|event| event.installation > demand.installation);
            let mut again = later.chain(newer).filter(|event| {
                event.entity == Some(demand.entity)
                    && event.app == last.app
                    && ["installation.created", "installation.unsuspend"]
                        .contains(&event.event.as_str())
            });
            (ends.contains(&last.event.as_str()) && again.next().is_none())
                .then(|| (demand.key().scope, last.received_at))
        };
        let rows = self.workers.values().map(|worker| &worker.row);
        rows.filter_map(|row| gone(&row.demand)).collect()
    }

    /// Which alerts are open.
    pub(crate) fn set_alerts(&mut self, lease: Lease, alerts: &[Alert]) -> Write {
        if !self.leads(lease) {
            return Write::Deposed;
        }
        self.alerts = alerts.to_vec();
        Write::Written
    }

    /// Jobs that moved on meanwhile are no trouble.
    pub(crate) fn set_waiting(
        &mut self,
        lease: Lease,
        reasons: &[(JobId, Option<String>)],
    ) -> Write {
        if !self.leads(lease) {
            return Write::Deposed;
        }
        for (id, reason) in reasons {
            if let Some(job) = self.jobs.get_mut(id) {
                job.waiting_reason.clone_from(reason);
            }
        }
        Write::Written
    }
}
