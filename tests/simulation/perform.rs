//! What an effect does to the worlds and the tables at the moment in which it lands: what `services/src/scheduler/act.rs`
//! does over the wire.

use rise_model::dependencies::{Hindrance, Trouble};
use rise_model::effects::{Dependency, Effect, InstallationFacts, JitHandle, LookUp, Outcome};
use rise_model::github::{Runner, RunnerStatus};
use rise_model::log::LogScan;
use rise_model::rows::{Demand, WorkerRow};
use rise_model::{EntityKind, JobId, NodeName, PodName, RunId, RunnerGroupId, RunnerId, ScopeName};
use sandbox::world::cluster::{ApiError, DeleteOptions, Kind, PatchType, Preconditions, Reason};
use sandbox::world::github::{
    AccountId, Conclusion, DeleteRefused, GroupId, GroupRefused, GroupVisibility, InstallationId,
    InstallationState, JitRefused, JitRequest, JobId as GitHubJobId, RunId as GitHubRunId,
    RunnerId as GitHubRunnerId, Scope,
};
use serde_json::json;

use crate::history::{Call, What};
use crate::objects;
use crate::setup::{PREFIX, RUNNER_GROUP};
use crate::sim::{NAMESPACE, Sim};
use crate::tables::{Lease, Write};

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Which call an effect is.
pub(crate) fn call_of(effect: &Effect) -> Call {
    match effect {
        Effect::Reserve { .. } => Call::Reserve,
        Effect::EnsureRunnerGroup { .. } => Call::RunnerGroup,
        Effect::CreateJitConfig { .. } => Call::JitConfig,
        Effect::FindRunner { .. } => Call::FindRunner,
        Effect::ListRunners { .. } => Call::ListRunners,
        Effect::AskInstallation { .. } => Call::AskInstallation,
        Effect::MoveInstallation { .. } => Call::WriteJob,
        Effect::ReadInstallationLog { .. } => Call::ReadRows,
        Effect::LogAuthAttempt { .. } => Call::SetWaiting,
        Effect::GetJob { .. } | Effect::GetRun { .. } => Call::GetJob,
        Effect::KillPod { .. } => Call::KillPod,
        Effect::RecordJob { .. } => Call::WriteJob,
        Effect::DeleteRunner { .. } => Call::DeleteRunner,
        Effect::CreatePod { .. } => Call::CreatePod,
        Effect::GetPod { .. } => Call::GetPod,
        Effect::DeletePod { .. } => Call::DeletePod,
        Effect::ReadLog { .. } | Effect::Diagnose { .. } => Call::ReadLog,
        Effect::Deliveries(_, effect) => crate::recovery::call_of(effect),
        Effect::SetWaiting { .. } => Call::SetWaiting,
        Effect::SetAlerts { .. } => Call::SetAlerts,
        Effect::DropPod { .. } => Call::DeletePod,
        Effect::FindJobOf { .. } => Call::ReadRows,
        Effect::AdoptWorker { .. } => Call::WriteWorker,
        Effect::RecordDiagnostics { .. }
        | Effect::RecordPod { .. }
        | Effect::MarkRunning { .. }
        | Effect::MarkFinished { .. }
        | Effect::Condemn { .. }
        | Effect::TakeBack { .. }
        | Effect::RecordDeregistered { .. } => Call::WriteWorker,
    }
}

pub(crate) fn dependency(call: Call) -> Dependency {
    match call.whom() {
        Call::AllOfGitHub => Dependency::GitHub,
        Call::AllOfKubernetes => Dependency::Kubernetes,
        _ => Dependency::Database,
    }
}

impl Sim {
    /// Does it, now.
    pub(crate) fn perform(&mut self, lease: Lease, effect: &Effect) -> Outcome {
        match effect {
            Effect::Reserve { asks, known } => {
                let names: Vec<PodName> = asks.iter().map(|_| self.fresh_name()).collect();
                let made = self.tables.reserve(lease, asks, known, &names, self.now);
                made.map_or(Outcome::Deposed, Outcome::Reserved)
            }
            Effect::EnsureRunnerGroup { demand } => self.ensure_group(demand),
            Effect::CreateJitConfig {
                worker,
                demand,
                group,
            } => self.create_jit_config(lease, worker, demand, *group),
            Effect::FindRunner { worker, demand } => {
                if self.lying() {
                    return Outcome::RunnerGone;
                }
                let scope = match self.scope(demand) {
                    Ok(scope) => scope,
                    Err(refused) => return refused,
                };
                let found = self
                    .world
                    .github
                    .runners_of(scope)
                    .find(|runner| runner.name == worker.as_str());
                Outcome::Runner(found.map(|runner| RunnerId(runner.id.0)))
            }
            Effect::DeleteRunner { demand, runner, .. } => self.delete_runner(demand, *runner),
            Effect::ListRunners { demand, .. } => self.list_runners(demand),
            Effect::AskInstallation { demand, by } => self.ask_installation(demand, *by),
            Effect::ReadInstallationLog { demand } => {
                let id = InstallationId(demand.installation.0);
                Outcome::InstallationDeleted(self.deleted.contains(&id))
            }
            Effect::GetJob { job, demand } => self.get_job(*job, demand),
            Effect::GetRun { run, demand } => self.get_run(*run, demand),
            Effect::KillPod { worker } => self.kill_pod(worker),
            Effect::CreatePod {
                worker,
                jit,
                quarantined,
            } => self.create_pod(lease, worker, *jit, quarantined),
            Effect::GetPod { worker } => {
                let found = self
                    .world
                    .cluster
                    .get(Kind::Pod, NAMESPACE, worker.as_str());
                found.map_or(Outcome::NoPod, |pod| {
                    Outcome::Pod(Box::new(objects::pod(&pod)))
                })
            }
            Effect::DeletePod {
                worker,
                uid,
                resource_version,
            } => {
                let preconditions = Preconditions {
                    uid: Some(uid.as_str().to_owned()),
                    resource_version: resource_version.as_ref().map(|v| v.as_str().to_owned()),
                };
                let options = DeleteOptions {
                    preconditions,
                    ..DeleteOptions::default()
                };
                let name = worker.as_str();
                match self
                    .world
                    .cluster
                    .delete_pod(NAMESPACE, name, &options, self.now)
                {
                    Ok(_) => Outcome::PodDeleted,
                    Err(error) if error.reason == Reason::NotFound => Outcome::NoPod,
                    Err(error) if error.reason == Reason::Conflict => Outcome::PodChanged,
                    Err(error) => kubernetes(&error),
                }
            }
            Effect::DropPod { worker, uid } => self.drop_pod(worker, uid.as_str()),
            Effect::FindJobOf { worker } => {
                Outcome::JobOf(self.tables.job_of(worker).map(Box::new))
            }
            Effect::ReadLog { worker } => self.read_log(worker),
            Effect::Diagnose { .. } => Outcome::Diagnostics(json!({"collected": true})),
            Effect::Deliveries(app, effect) => self.recover(lease, *app, effect),
            write => self.write(lease, write),
        }
    }

    fn write(&mut self, lease: Lease, write: &Effect) -> Outcome {
        let (tables, now) = (&mut self.tables, self.now);
        let written = match write {
            Effect::RecordPod {
                worker,
                runner,
                pod_created_at,
            } => tables.record_pod(lease, worker, *runner, *pod_created_at),
            Effect::MarkRunning { worker, facts } => tables.mark_running(lease, worker, facts, now),
            Effect::MarkFinished { worker, finish } => {
                tables.mark_finished(lease, worker, finish, now)
            }
            Effect::Condemn { worker, reason, .. } => tables.condemn(lease, worker, *reason),
            Effect::TakeBack { worker } => tables.take_back(lease, worker),
            Effect::RecordDiagnostics { worker, .. } => tables.record_diagnostics(lease, worker),
            Effect::RecordDeregistered { worker } => tables.record_deregistered(lease, worker, now),
            Effect::RecordJob { job, change } => {
                tables.record_told(lease, *job, change.as_ref(), now)
            }
            Effect::SetWaiting { reasons } => tables.set_waiting(lease, reasons),
            Effect::MoveInstallation { entity, from, to } => {
                tables.move_installation(lease, *entity, *from, *to)
            }
            Effect::LogAuthAttempt { .. } => tables.log_auth_attempt(lease),
            Effect::SetAlerts { alerts } => tables.set_alerts(lease, alerts),
            Effect::AdoptWorker { row } => tables.adopt(lease, row),
            _ => Write::NotWritten,
        };
        match written {
            Write::Written => Outcome::Written,
            Write::NotWritten => Outcome::NotWritten,
            Write::Deposed => Outcome::Deposed,
        }
    }

    fn fresh_name(&mut self) -> PodName {
        self.names += 1;
        let mut draw = self.chance.of("name", self.names);
        let mut letter = || char::from(draw.one_of(LETTERS));
        let tail: String = (0..9).map(|_| letter()).collect();
        PodName::new(format!("{PREFIX}{tail}"))
    }

    /// GitHub lies about runners now.
    fn lying(&self) -> bool {
        self.active()
            .any(|what| matches!(what, What::LyingNotFound { .. }))
    }

    /// The scope, as far as the installation may see it.
    fn scope(&self, demand: &Demand) -> Result<Scope, Outcome> {
        let not_now = |trouble| Outcome::NotNow {
            hindrance: Hindrance::of(demand, trouble),
            message: "no token".to_owned(),
        };
        let github = &self.world.github;
        let app = self.apps.serving(demand.kind);
        let installation = github
            .installation(InstallationId(demand.installation.0))
            .filter(|installation| installation.app_id == app.0)
            .ok_or_else(|| not_now(Trouble::NotFound))?;
        if !matches!(installation.state, InstallationState::Active) {
            return Err(not_now(Trouble::Suspended));
        }
        let not_found = || Outcome::ScopeNotFound {
            message: "not found".to_owned(),
        };
        match (demand.kind, demand.scope_name()) {
            (EntityKind::Organization, _) => github
                .account(&demand.entity_name)
                .map(|account| Scope::Organization(account.id))
                .ok_or_else(not_found),
            (EntityKind::User, ScopeName::Repository(name)) => github
                .repository(&name)
                .map(|repository| Scope::Repository(repository.id))
                .ok_or_else(not_found),
            (EntityKind::User, ScopeName::Organization(_)) => Err(not_found()),
        }
    }

    /// With the App's own key.
    fn ask_installation(&self, demand: &Demand, by: LookUp) -> Outcome {
        let github = &self.world.github;
        let app = self.apps.serving(demand.kind);
        let found = match by {
            LookUp::Id => github
                .installation(InstallationId(demand.installation.0))
                .filter(|installation| installation.app_id == app.0),
            LookUp::Account => github
                .account(&demand.entity_name)
                .and_then(|account| github.installation_on(account.id, app.0)),
        };
        let Some(installation) = found else {
            return Outcome::NotThere;
        };
        let account = github.account_by_id(installation.account);
        Outcome::Installation(InstallationFacts {
            id: rise_model::InstallationId(installation.id.0),
            login: account
                .map(|account| account.login.clone())
                .unwrap_or_default(),
            suspended: !matches!(installation.state, InstallationState::Active),
        })
    }

    fn ensure_group(&mut self, demand: &Demand) -> Outcome {
        if let Err(refused) = self.scope(demand) {
            return refused;
        }
        let organization = AccountId(demand.entity.0);
        let github = &mut self.world.github;
        let found = |groups: Vec<sandbox::world::github::RunnerGroup>| {
            groups.into_iter().find(|group| group.name == RUNNER_GROUP)
        };
        if let Some(group) = found(github.groups(organization)) {
            return Outcome::RunnerGroup(RunnerGroupId(group.id.0));
        }
        match github.create_group(organization, RUNNER_GROUP, GroupVisibility::All, true) {
            Ok(group) => Outcome::RunnerGroup(RunnerGroupId(group.id.0)),
            Err(GroupRefused::NotInPlan | GroupRefused::NameTaken) => {
                Outcome::RunnerGroup(RunnerGroupId(1))
            }
        }
    }

    fn create_jit_config(
        &mut self,
        lease: Lease,
        worker: &PodName,
        demand: &Demand,
        group: Option<RunnerGroupId>,
    ) -> Outcome {
        let scope = match self.scope(demand) {
            Ok(scope) => scope,
            Err(refused) => return refused,
        };
        let group = match scope {
            Scope::Organization(_) => group.map_or(1, |group| group.0),
            Scope::Repository(_) => 1,
        };
        let request = JitRequest {
            name: worker.to_string(),
            group: GroupId(group),
            labels: demand.labels.as_slice().to_vec(),
        };
        match self.world.github.register_jit(scope, request, self.now) {
            Ok((runner, encoded)) => Outcome::JitConfig {
                runner: RunnerId(runner.0),
                jit: self.keep_jit(lease.holder, worker, encoded),
            },
            Err(JitRefused::NameTaken) => Outcome::NameTaken,
            Err(other) => Outcome::Refused {
                by: Dependency::GitHub,
                message: other.to_string(),
            },
        }
    }

    fn delete_runner(&mut self, demand: &Demand, runner: RunnerId) -> Outcome {
        if self.lying() {
            return Outcome::RunnerGone;
        }
        let scope = match self.scope(demand) {
            Ok(scope) => scope,
            // A path of another name: the same 404.
            Err(Outcome::ScopeNotFound { .. }) => return Outcome::NotThere,
            Err(refused) => return refused,
        };
        let id = GitHubRunnerId(runner.0);
        match self.world.github.delete_runner(scope, id, self.now) {
            Ok(()) => Outcome::RunnerGone,
            Err(DeleteRefused::NotFound) => Outcome::NotThere,
            Err(DeleteRefused::Busy(_)) => Outcome::RunnerBusy,
        }
    }

    fn list_runners(&self, demand: &Demand) -> Outcome {
        let scope = match self.scope(demand) {
            Ok(scope) => scope,
            Err(refused) => return refused,
        };
        let lag = self.world.github.rules().busy_lag;
        let listed = self.world.github.runners_of(scope).map(|runner| Runner {
            id: RunnerId(runner.id.0),
            name: runner.name.clone(),
            status: if runner.online() {
                RunnerStatus::Online
            } else {
                RunnerStatus::Offline
            },
            busy: runner.reported_busy(lag, self.now),
            labels: runner.labels.clone(),
        });
        Outcome::Runners(listed.collect())
    }

    /// Reads follow a repository to its new name.
    fn redirected(&self, demand: &Demand) -> Result<(), Outcome> {
        match self.scope(demand) {
            Err(Outcome::ScopeNotFound { .. }) | Ok(_) => Ok(()),
            Err(refused) => Err(refused),
        }
    }

    fn get_job(&self, id: JobId, demand: &Demand) -> Outcome {
        if let Err(refused) = self.redirected(demand) {
            return refused;
        }
        let Some(job) = self.world.github.job(GitHubJobId(id.0)) else {
            return Outcome::NotThere;
        };
        let told = serde_json::from_value(json!({
            "id": job.id.0, "run_id": job.run.0, "name": job.name, "status": job.state.status(),
            "conclusion": job.state.conclusion().map(Conclusion::as_str), "labels": job.labels,
            "runner_name": job.runner.as_ref().map(|runner| runner.name.clone()),
            "created_at": job.created_at, "started_at": job.started_at, "completed_at": job.completed_at,
        }));
        told.map_or(Outcome::NotThere, |told| Outcome::Job(Box::new(told)))
    }

    fn get_run(&self, id: RunId, demand: &Demand) -> Outcome {
        if let Err(refused) = self.redirected(demand) {
            return refused;
        }
        let github = &self.world.github;
        let Some(run) = github.run(GitHubRunId(id.0)) else {
            return Outcome::NotThere;
        };
        let state = github.run_state(run);
        let told = serde_json::from_value(json!({
            "id": run.id.0, "status": state.status(),
            "conclusion": state.conclusion().map(Conclusion::as_str), "created_at": run.created_at,
        }));
        told.map_or(Outcome::NotThere, Outcome::Run)
    }

    fn kill_pod(&mut self, worker: &PodName) -> Outcome {
        let patch = json!({ "spec": { "activeDeadlineSeconds": 1 } });
        let (kind, name, now) = (Kind::Pod, worker.as_str(), self.now);
        let cluster = &mut self.world.cluster;
        match cluster.patch(kind, NAMESPACE, name, PatchType::Strategic, &patch, now) {
            Ok(pod) => Outcome::Pod(Box::new(objects::pod(&pod))),
            Err(error) if error.reason == Reason::NotFound => Outcome::NoPod,
            Err(error) => kubernetes(&error),
        }
    }

    fn create_pod(
        &mut self,
        lease: Lease,
        worker: &WorkerRow,
        jit: JitHandle,
        quarantined: &[NodeName],
    ) -> Outcome {
        let refused = |message: &str| Outcome::Refused {
            by: Dependency::Kubernetes,
            message: message.to_owned(),
        };
        let Some(encoded) = self.jit(lease.holder, jit) else {
            return refused("the JIT configuration is no longer at hand");
        };
        let pool = self
            .config
            .pools
            .iter()
            .find(|pool| pool.name == worker.demand.pool);
        let Some(pool) = pool else {
            return refused("no such pool");
        };
        let document = objects::runner_pod(worker, pool, quarantined, &encoded);
        match self
            .world
            .cluster
            .create_pod(NAMESPACE, document, false, self.now)
        {
            Ok(pod) => {
                if self.misbehaving_to_come > 0 {
                    // The fault begins now, whenever it was asked for.
                    self.misbehaving_to_come -= 1;
                    self.disturbed_until = self.disturbed_until.max(self.now);
                }
                Outcome::Pod(Box::new(objects::pod(&pod)))
            }
            Err(error) if error.reason == Reason::AlreadyExists => Outcome::PodExists,
            Err(error) => kubernetes(&error),
        }
    }

    fn drop_pod(&mut self, worker: &PodName, uid: &str) -> Outcome {
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            preconditions: Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            },
            ..DeleteOptions::default()
        };
        let name = worker.as_str();
        let cluster = &mut self.world.cluster;
        match cluster.delete_pod(NAMESPACE, name, &options, self.now) {
            Ok(_) => Outcome::PodDeleted,
            Err(error) if error.reason == Reason::NotFound => Outcome::NoPod,
            Err(error) if error.reason == Reason::Conflict => Outcome::PodChanged,
            Err(error) => kubernetes(&error),
        }
    }

    fn read_log(&self, worker: &PodName) -> Outcome {
        let container = Some(rise_model::cluster::CONTAINER);
        let read = self
            .world
            .cluster
            .pod_log(NAMESPACE, worker.as_str(), container, 0);
        match read {
            Ok(view) => {
                let mut scan = LogScan::default();
                for line in view.lines {
                    scan.feed(line.render(true).as_bytes());
                }
                Outcome::Log(scan.finish())
            }
            Err(error) => kubernetes(&error),
        }
    }
}

/// A 5xx is no answer.
fn kubernetes(error: &ApiError) -> Outcome {
    let message = error.to_string();
    if error.reason == Reason::None {
        let from = Dependency::Kubernetes;
        return Outcome::NoAnswer { from, message };
    }
    let by = Dependency::Kubernetes;
    Outcome::Refused { by, message }
}
