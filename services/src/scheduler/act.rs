//! Performs effects: one remote call or one statement each, and what came of it as data. JIT configurations stay in
//! here behind a handle.

mod deliveries;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng;
use rise_model::cluster::{PodSpecInput, WorkerNote};
use rise_model::effects::{Dependency, Effect, JitHandle, Outcome};
use rise_model::rows::{Demand, WorkerRow};
use rise_model::{NodeName, PodName, RunnerGroupId};
use secrecy::SecretString;
use serde_json::json;

use crate::github::{Access, GitHub, GitHubErrorKind, RunnerDeletion};
use crate::kubernetes::{Grace, Kubernetes, PodCreation, PodDeletion, PodKill, PodSeen};
use crate::store::{Lease, Reserved, Store, Write};

use super::SchedulerConfig;
use super::clock::Clock;
use super::installations;
use super::metrics::Counters;
use super::trouble;

/// GitHub's default group, and the only one that a repository has.
const DEFAULT_GROUP: RunnerGroupId = RunnerGroupId(1);
/// What a runner's name ends with.
const NAME_LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const NAME_LENGTH: usize = 9;

/// Everything outside that the scheduler touches.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) config: SchedulerConfig,
    pub(super) store: Store,
    pub(super) github: GitHub,
    pub(super) kubernetes: Kubernetes,
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    jits: Jits,
}

impl Doors {
    pub(super) fn new(
        config: SchedulerConfig,
        store: Store,
        github: GitHub,
        kubernetes: Kubernetes,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            config,
            store,
            github,
            kubernetes,
            clock: Clock::default(),
            counters,
            jits: Jits::default(),
        }
    }
}

/// The JIT configurations between their making and the pod's. A newer one of a worker replaces the older.
#[derive(Debug, Default)]
struct Jits(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    made: u64,
    secrets: BTreeMap<JitHandle, (PodName, SecretString)>,
}

impl Jits {
    fn keep(&self, worker: &PodName, jit: SecretString) -> JitHandle {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.made += 1;
        let handle = JitHandle(held.made);
        held.secrets.retain(|_, (of, _)| of != worker);
        held.secrets.insert(handle, (worker.clone(), jit));
        handle
    }

    fn get(&self, handle: JitHandle) -> Option<SecretString> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.secrets.get(&handle).map(|(_, jit)| jit.clone())
    }

    fn forget(&self, worker: &PodName) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.secrets.retain(|_, (of, _)| of != worker);
    }
}

/// Performs one effect. Every await in here may be the last: each effect is one call, and the rows tell the rest.
pub(super) async fn perform(doors: &Doors, lease: Lease, effect: Effect) -> Outcome {
    let (store, github, kubernetes) = (&doors.store, &doors.github, &doors.kubernetes);
    match effect {
        Effect::Reserve { asks, known } => {
            let prefix = &doors.config.environment.runner_prefix;
            let names: Vec<PodName> = asks.iter().map(|_| fresh_name(prefix)).collect();
            match store.reserve(lease, &asks, &known, &names).await {
                Ok(Reserved::Rows(rows)) => {
                    for row in &rows {
                        told_reserved(row);
                    }
                    Outcome::Reserved(rows)
                }
                Ok(Reserved::Deposed) => Outcome::Deposed,
                Ok(Reserved::Locked) => Outcome::Locked,
                Err(error) => trouble::database(&error),
            }
        }
        Effect::EnsureRunnerGroup { demand } => {
            let group = &doors.config.environment.runner_group;
            match github
                .ensure_runner_group(access(&demand), &demand.entity_name, group)
                .await
            {
                Ok(group) => Outcome::RunnerGroup(group.id),
                Err(error) => trouble::by_name(&doors.clock, access(&demand), &error),
            }
        }
        Effect::CreateJitConfig {
            worker,
            demand,
            group,
        } => create_jit_config(doors, &worker, &demand, group).await,
        Effect::FindRunner { worker, demand } => {
            match github
                .find_runner(access(&demand), &demand.scope_name(), &worker)
                .await
            {
                Ok(runner) => Outcome::Runner(runner.map(|runner| runner.id)),
                Err(error) => trouble::by_name(&doors.clock, access(&demand), &error),
            }
        }
        Effect::DeleteRunner { demand, runner, .. } => {
            match github
                .delete_runner(access(&demand), &demand.scope_name(), runner)
                .await
            {
                Ok(RunnerDeletion::Deleted) => Outcome::RunnerGone,
                Ok(RunnerDeletion::Absent) => Outcome::NotThere,
                Ok(RunnerDeletion::Busy) => Outcome::RunnerBusy,
                Err(error) => trouble::by_name(&doors.clock, access(&demand), &error),
            }
        }
        Effect::GetJob { job, demand } => {
            let repository = demand.repo_full_name.as_deref().unwrap_or_default();
            match github.get_job(access(&demand), repository, job).await {
                Ok(job) => Outcome::Job(Box::new(job)),
                Err(error) => trouble::missing_or(&doors.clock, access(&demand), &error),
            }
        }
        Effect::GetRun { run, demand } => {
            let repository = demand.repo_full_name.as_deref().unwrap_or_default();
            match github.get_run(access(&demand), repository, run).await {
                Ok(run) => Outcome::Run(run),
                Err(error) => trouble::missing_or(&doors.clock, access(&demand), &error),
            }
        }
        Effect::ListRunners { demand, group } => {
            let scope = demand.scope_name();
            match github.list_runners(access(&demand), &scope, group).await {
                Ok(runners) => Outcome::Runners(runners),
                Err(error) => trouble::by_name(&doors.clock, access(&demand), &error),
            }
        }
        Effect::AskInstallation { demand, by } => installations::ask(doors, &demand, by).await,
        Effect::ReadInstallationLog { demand } => installations::read_log(doors, &demand).await,
        Effect::KillPod { worker } => match kubernetes.kill_pod(&worker).await {
            Ok(PodKill::Ordered(pod)) => Outcome::Pod(pod),
            Ok(PodKill::Absent) => Outcome::NoPod,
            Err(error) => trouble::kubernetes(&error),
        },
        Effect::CreatePod {
            worker,
            jit,
            quarantined,
        } => create_pod(doors, &worker, jit, quarantined).await,
        Effect::GetPod { worker } => match kubernetes.get_pod(&worker).await {
            Ok(Some(pod)) => Outcome::Pod(Box::new(pod)),
            Ok(None) => Outcome::NoPod,
            Err(error) => trouble::kubernetes(&error),
        },
        Effect::DeletePod {
            worker,
            uid,
            resource_version,
        } => {
            match kubernetes
                .delete_pod(
                    &worker,
                    &PodSeen {
                        uid: Some(uid),
                        resource_version,
                    },
                    Grace::Own,
                )
                .await
            {
                Ok(PodDeletion::Deleted) => Outcome::PodDeleted,
                Ok(PodDeletion::Absent) => Outcome::NoPod,
                Ok(PodDeletion::Changed) => Outcome::PodChanged,
                Err(error) => trouble::kubernetes(&error),
            }
        }
        Effect::DropPod { worker, uid } => {
            let seen = PodSeen {
                uid: Some(uid),
                resource_version: None,
            };
            match kubernetes.delete_pod(&worker, &seen, Grace::None).await {
                Ok(PodDeletion::Deleted) => Outcome::PodDeleted,
                Ok(PodDeletion::Absent) => Outcome::NoPod,
                Ok(PodDeletion::Changed) => Outcome::PodChanged,
                Err(error) => trouble::kubernetes(&error),
            }
        }
        Effect::FindJobOf { worker } => match store.job_of(&worker).await {
            Ok(demand) => Outcome::JobOf(demand.map(Box::new)),
            Err(error) => trouble::database(&error),
        },
        Effect::ReadLog { worker } => match kubernetes.read_log_marks(&worker).await {
            Ok(log) => Outcome::Log(log),
            Err(error) => trouble::kubernetes(&error),
        },
        Effect::Diagnose { worker } => {
            Outcome::Diagnostics(json!(kubernetes.diagnostics(&worker).await))
        }
        Effect::Deliveries(app, effect) => deliveries::perform(doors, lease, app, effect).await,
        write => perform_write(doors, lease, write).await,
    }
}

/// Effects that are one statement.
async fn perform_write(doors: &Doors, lease: Lease, write: Effect) -> Outcome {
    let store = &doors.store;
    let written = match &write {
        Effect::RecordPod {
            worker,
            runner,
            pod_created_at,
        } => {
            doors.jits.forget(worker);
            store
                .record_pod(lease, worker, *runner, *pod_created_at)
                .await
        }
        Effect::MarkRunning { worker, facts } => {
            store.mark_worker_running(lease, worker, facts).await
        }
        Effect::MarkFinished { worker, finish } => {
            doors.jits.forget(worker);
            store.mark_worker_finished(lease, worker, finish).await
        }
        Effect::Condemn {
            worker,
            reason,
            message,
        } => store.condemn_worker(lease, worker, *reason, message).await,
        Effect::TakeBack { worker } => store.take_back_worker(lease, worker).await,
        Effect::RecordDiagnostics {
            worker,
            diagnostics,
        } => store.record_diagnostics(lease, worker, diagnostics).await,
        Effect::RecordDeregistered { worker } => store.record_deregistered(lease, worker).await,
        Effect::RecordJob { job, change } => store.record_told(lease, *job, change.as_ref()).await,
        Effect::SetWaiting { reasons } => store.set_waiting(lease, reasons).await,
        Effect::MoveInstallation { entity, from, to } => {
            store.move_installation(lease, *entity, *from, *to).await
        }
        Effect::LogAuthAttempt { attempt } => {
            installations::log_attempt(doors, lease, attempt).await
        }
        Effect::SetAlerts { alerts } => store.set_alerts(lease, alerts).await,
        Effect::AdoptWorker { row } => store.adopt_worker(lease, row).await,
        Effect::Reserve { .. }
        | Effect::EnsureRunnerGroup { .. }
        | Effect::CreateJitConfig { .. }
        | Effect::FindRunner { .. }
        | Effect::GetJob { .. }
        | Effect::GetRun { .. }
        | Effect::ListRunners { .. }
        | Effect::AskInstallation { .. }
        | Effect::ReadInstallationLog { .. }
        | Effect::KillPod { .. }
        | Effect::DeleteRunner { .. }
        | Effect::CreatePod { .. }
        | Effect::GetPod { .. }
        | Effect::DeletePod { .. }
        | Effect::DropPod { .. }
        | Effect::FindJobOf { .. }
        | Effect::ReadLog { .. }
        | Effect::Deliveries(..)
        | Effect::Diagnose { .. } => Ok(Write::NotWritten),
    };
    match written {
        Ok(Write::Written) => {
            told_written(&write);
            Outcome::Written
        }
        Ok(Write::NotWritten) => Outcome::NotWritten,
        Ok(Write::Deposed) => Outcome::Deposed,
        Err(error) => trouble::database(&error),
    }
}

async fn create_jit_config(
    doors: &Doors,
    worker: &PodName,
    demand: &Demand,
    group: Option<RunnerGroupId>,
) -> Outcome {
    let scope = demand.scope_name();
    let group = group.unwrap_or(DEFAULT_GROUP);
    let made = doors
        .github
        .create_jit_config(access(demand), &scope, worker, group, &demand.labels)
        .await;
    match made {
        Ok(made) => Outcome::JitConfig {
            runner: made.runner_id,
            jit: doors.jits.keep(worker, made.encoded),
        },
        Err(error) if matches!(error.kind(), GitHubErrorKind::Conflict { .. }) => {
            Outcome::NameTaken
        }
        Err(error) => trouble::by_name(&doors.clock, access(demand), &error),
    }
}

async fn create_pod(
    doors: &Doors,
    worker: &WorkerRow,
    jit: JitHandle,
    quarantined: Vec<NodeName>,
) -> Outcome {
    let Some(secret) = doors.jits.get(jit) else {
        let message = "the JIT configuration is no longer at hand".to_owned();
        return Outcome::Refused {
            by: Dependency::Kubernetes,
            message,
        };
    };
    let demand = &worker.demand;
    let Some(pool) = doors.config.pool(&demand.pool) else {
        let message = format!("the configuration has no pool `{}`", demand.pool);
        return Outcome::Refused {
            by: Dependency::Kubernetes,
            message,
        };
    };
    let input = PodSpecInput {
        name: worker.name.clone(),
        worker: WorkerNote {
            entity_id: demand.entity,
            entity_name: demand.entity_name.clone(),
            entity_type: demand.kind,
            installation_id: demand.installation,
            repo_id: demand.repo,
            repo_full_name: demand.repo_full_name.clone(),
            job_labels: demand.labels.clone(),
            k8s_pool: demand.pool.clone(),
            k8s_image: demand.image.clone(),
        },
        node_selector: pool.selector(),
        quarantined,
        ephemeral_storage: pool.ephemeral_storage.clone(),
        image: demand.image.clone(),
    };
    match doors.kubernetes.create_pod(&input, &secret).await {
        Ok(PodCreation::Created(pod)) => Outcome::Pod(pod),
        Ok(PodCreation::AlreadyExists) => Outcome::PodExists,
        Err(error) => trouble::kubernetes(&error),
    }
}

fn access(demand: &Demand) -> Access {
    Access {
        kind: demand.kind,
        installation: demand.installation,
    }
}

fn fresh_name(prefix: &str) -> PodName {
    let mut rng = rand::rng();
    let letter = |_| char::from(NAME_LETTERS[rng.random_range(0..NAME_LETTERS.len())]);
    let tail: String = (0..NAME_LENGTH).map(letter).collect();
    PodName::new(format!("{prefix}{tail}"))
}

fn told_reserved(row: &WorkerRow) {
    tracing::info!(
        worker.name = %row.name,
        entity.id = row.demand.entity.0,
        entity.name = row.demand.entity_name,
        pool.name = %row.demand.pool,
        "worker {} is reserved for {} in pool {}",
        row.name,
        row.demand.entity_name,
        row.demand.pool
    );
}

fn told_written(write: &Effect) {
    match write {
        Effect::RecordPod { worker, .. } => {
            tracing::info!(worker.name = %worker, "the pod of worker {worker} is made");
        }
        Effect::MarkRunning { worker, facts } => {
            let node = facts.node.as_ref().map_or("", |node| node.as_str());
            tracing::info!(worker.name = %worker, node.name = node, "worker {worker} runs on {node}");
        }
        Effect::AdoptWorker { row } => {
            tracing::warn!(worker.name = %row.name, "pod {} has no row; it is made again", row.name);
        }
        Effect::MarkFinished { worker, finish } => match &finish.failure {
            None => tracing::info!(worker.name = %worker, "worker {worker} is done"),
            Some((reason, message)) => tracing::warn!(
                worker.name = %worker,
                failure.reason = reason.as_str(),
                failure.message = message,
                "worker {worker} failed: {}",
                reason.as_str()
            ),
        },
        Effect::Condemn {
            worker,
            reason,
            message,
        } => tracing::warn!(
            worker.name = %worker,
            failure.reason = reason.as_str(),
            failure.message = message,
            "worker {worker} is given up: {}",
            reason.as_str()
        ),
        _ => {}
    }
}
