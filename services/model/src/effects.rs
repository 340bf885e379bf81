//! What the scheduler does to the outside, as data: each effect is one remote call or one statement, each outcome
//! what came of it.

use serde::Serialize;
use serde_json::Value;

use crate::alerts::Alert;
use crate::cluster::Pod;
use crate::deliveries::{DeliveryEffect, DeliveryOutcome};
use crate::dependencies::{Hindrance, Party};
use crate::github::{Job, Run, Runner};
use crate::jobs::JobChange;
use crate::log::LogEvidence;
use crate::plan::Ask;
use crate::rows::{Demand, WorkerRow};
use crate::workers::{CondemnReason, Finish};
use crate::{
    AppId, EntityId, InstallationId, JobId, NodeName, PodName, PodUid, ResourceVersion, RunId,
    RunnerGroupId, RunnerId, ScopeKey, Time,
};

/// Numbers an action within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ActionId(pub u64);

/// Stands for a JIT configuration, which is a secret and stays where the calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct JitHandle(pub u64);

/// What an action is about. A key with an action in flight is left out of new decisions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// New rows.
    Reserve,
    /// The waiting reasons of jobs.
    Waiting,
    /// One worker: its row, its runner, its pod.
    Worker(PodName),
    /// The runners of a scope.
    Scope(ScopeKey),
    /// One job.
    Job(JobId),
    /// One installation.
    Installation(Party),
    /// The log of tokens of an installation that could not be had.
    AuthAttempt(Party),
    /// What a person should look at.
    Alerts,
    /// The deliveries of an App.
    Deliveries(AppId),
}

/// An effect with its address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Action {
    /// Which one.
    pub id: ActionId,
    /// What it is about.
    pub key: Key,
    /// What is done.
    pub effect: Effect,
}

/// One remote call or one statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Insert worker rows, as far as slots and caps still allow.
    Reserve {
        /// The rows wanted, in order.
        asks: Vec<Ask>,
        /// The active rows that the plan knew.
        known: Vec<PodName>,
    },
    /// Find or create the runner group of an organisation.
    EnsureRunnerGroup {
        /// For whom.
        demand: Demand,
    },
    /// Register a just-in-time runner.
    CreateJitConfig {
        /// Its name.
        worker: PodName,
        /// For whom.
        demand: Demand,
        /// Its group; repository runners have none.
        group: Option<RunnerGroupId>,
    },
    /// Look a runner up by its name.
    FindRunner {
        /// Its name.
        worker: PodName,
        /// Where.
        demand: Demand,
    },
    /// Remove a runner's registration.
    DeleteRunner {
        /// Its name.
        worker: PodName,
        /// Where.
        demand: Demand,
        /// Its id.
        runner: RunnerId,
    },
    /// Ask GitHub about a job.
    GetJob {
        /// Which.
        job: JobId,
        /// Whose.
        demand: Demand,
    },
    /// Ask GitHub about a run.
    GetRun {
        /// Which.
        run: RunId,
        /// Whose.
        demand: Demand,
    },
    /// Write what GitHub said of a job.
    RecordJob {
        /// Which.
        job: JobId,
        /// What changes; `None`: only that it was asked about.
        change: Option<JobChange>,
    },
    /// List the runners of a scope.
    ListRunners {
        /// Where.
        demand: Demand,
        /// Our group there, where it is known.
        group: Option<RunnerGroupId>,
    },
    /// Ask GitHub about an installation, with the App's own key.
    AskInstallation {
        /// Whose.
        demand: Demand,
        /// By what.
        by: LookUp,
    },
    /// Let everything of an account that is not over go on with another installation.
    MoveInstallation {
        /// The account.
        entity: EntityId,
        /// The one that GitHub does not know.
        from: InstallationId,
        /// The present one.
        to: InstallationId,
    },
    /// Read whether the log tells of an installation's end.
    ReadInstallationLog {
        /// Whose.
        demand: Demand,
    },
    /// Write that no token could be had.
    LogAuthAttempt {
        /// What was tried.
        attempt: Box<AuthAttempt>,
    },
    /// End a pod so that its log stays.
    KillPod {
        /// Which.
        worker: PodName,
    },
    /// Make the pod.
    CreatePod {
        /// The row, from which the pod is made.
        worker: Box<WorkerRow>,
        /// Its JIT configuration.
        jit: JitHandle,
        /// Boards that it must not run on.
        quarantined: Vec<NodeName>,
    },
    /// Read one pod.
    GetPod {
        /// Which.
        worker: PodName,
    },
    /// Delete a pod, if it is still as it was seen.
    DeletePod {
        /// Which.
        worker: PodName,
        /// The object that was seen.
        uid: PodUid,
        /// The version that was seen; `None` where only the object matters.
        resource_version: Option<ResourceVersion>,
    },
    /// Delete a pod of a dead board, without grace.
    DropPod {
        /// Which.
        worker: PodName,
        /// The object that was seen.
        uid: PodUid,
    },
    /// Look for the job that names a pod.
    FindJobOf {
        /// Which pod.
        worker: PodName,
    },
    /// Write the row of a pod that has none.
    AdoptWorker {
        /// The row.
        row: Box<WorkerRow>,
    },
    /// Read a pod's log for the runner's marks.
    ReadLog {
        /// Which.
        worker: PodName,
    },
    /// Read what tells why a pod failed.
    Diagnose {
        /// Which.
        worker: PodName,
    },
    /// Write what was read to the failed row.
    RecordDiagnostics {
        /// Which.
        worker: PodName,
        /// What goes into its failure_info.
        diagnostics: Value,
    },
    /// Write that the runner and the pod were made.
    RecordPod {
        /// Which.
        worker: PodName,
        /// Its runner.
        runner: Option<RunnerId>,
        /// When the pod was made.
        pod_created_at: Time,
    },
    /// Write that the pod runs.
    MarkRunning {
        /// Which.
        worker: PodName,
        /// What its pod tells.
        facts: PodFacts,
    },
    /// Close a row.
    MarkFinished {
        /// Which.
        worker: PodName,
        /// How.
        finish: Finish,
    },
    /// Write that a worker is to be ended.
    Condemn {
        /// Which.
        worker: PodName,
        /// Why.
        reason: CondemnReason,
        /// The same for people.
        message: String,
    },
    /// Write that it is not to be ended after all.
    TakeBack {
        /// Which.
        worker: PodName,
    },
    /// Write that GitHub no longer has the runner of a finished row.
    RecordDeregistered {
        /// Which.
        worker: PodName,
    },
    /// Write which alerts are open: all others are closed.
    SetAlerts {
        /// The open ones.
        alerts: Vec<Alert>,
    },
    /// A step of recovering an App's deliveries.
    Deliveries(AppId, DeliveryEffect),
    /// Write why jobs wait.
    SetWaiting {
        /// The reasons that changed; `None` clears.
        reasons: Vec<(JobId, Option<String>)>,
    },
}

/// How an installation is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LookUp {
    /// The one of that id: whose is it?
    Id,
    /// The account's present one.
    Account,
}

/// What GitHub says of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstallationFacts {
    /// Its id.
    pub id: InstallationId,
    /// The present name of its account.
    pub login: String,
    /// The account suspended it.
    pub suspended: bool,
}

/// A token that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthAttempt {
    /// For whom.
    pub demand: Demand,
    /// The job that was to be asked about, if it was for one.
    pub job: Option<JobId>,
    /// GitHub's status.
    pub status: u16,
    /// What was said.
    pub message: String,
    /// How often since the last row.
    pub count: u32,
}

/// What a running pod tells for its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodFacts {
    /// Its board.
    pub node: Option<NodeName>,
    /// When its container began.
    pub running_at: Option<Time>,
    /// When it was bound to its board.
    pub scheduled_at: Option<Time>,
    /// The digest of its image.
    pub image_digest: Option<String>,
}

impl PodFacts {
    /// Reads them off a pod.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        Self {
            node: pod.node.clone(),
            running_at: pod.container_started_at(),
            scheduled_at: pod.scheduled_at,
            image_digest: pod.image_digest.clone(),
        }
    }
}

/// Which part of the outside made trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dependency {
    /// PostgreSQL.
    Database,
    /// GitHub's API.
    GitHub,
    /// The Kubernetes API.
    Kubernetes,
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// These rows were inserted.
    Reserved(Vec<WorkerRow>),
    /// The group of an organisation's runners.
    RunnerGroup(RunnerGroupId),
    /// The runner is registered.
    JitConfig {
        /// Its id.
        runner: RunnerId,
        /// Its configuration.
        jit: JitHandle,
    },
    /// A runner of that name is registered already.
    NameTaken,
    /// The runner of that name, if there is one.
    Runner(Option<RunnerId>),
    /// What GitHub says of a job.
    Job(Box<Job>),
    /// What GitHub says of a run.
    Run(Run),
    /// GitHub does not have it, or does not let us see it.
    NotThere,
    /// GitHub knows no account or repository of the name that the call used.
    ScopeNotFound {
        /// What was said.
        message: String,
    },
    /// An installation.
    Installation(InstallationFacts),
    /// Whether the log tells of an installation's end.
    InstallationDeleted(bool),
    /// All runners of a scope.
    Runners(Vec<Runner>),
    /// What the job asked for that names a pod, if one does.
    JobOf(Option<Box<Demand>>),
    /// GitHub does not have the runner (any more).
    RunnerGone,
    /// GitHub says that the runner has a job.
    RunnerBusy,
    /// The pod is there: made now, or read.
    Pod(Box<Pod>),
    /// A pod of that name was there already.
    PodExists,
    /// There is no such pod.
    NoPod,
    /// The pod is deleted, at once or after its grace.
    PodDeleted,
    /// The pod is no longer as it was seen.
    PodChanged,
    /// What the log says.
    Log(LogEvidence),
    /// What tells why a pod failed.
    Diagnostics(Value),
    /// Somebody else holds a lock on all workers' rows; nothing was written.
    Locked,
    /// What came of a step of recovering deliveries.
    Deliveries(DeliveryOutcome),
    /// The statement changed its row.
    Written,
    /// The row was not as expected; somebody else was there first.
    NotWritten,
    /// Another scheduler leads.
    Deposed,
    /// A definite no.
    Refused {
        /// Who said it.
        by: Dependency,
        /// What was said.
        message: String,
    },
    /// It was not done, and what was asked is not to blame: GitHub or the cluster cannot do it now.
    NotNow {
        /// Who, and why.
        hindrance: Hindrance,
        /// What was said.
        message: String,
    },
    /// No answer: it may have happened or not.
    NoAnswer {
        /// Who was asked.
        from: Dependency,
        /// What is known.
        message: String,
    },
}

impl Effect {
    /// Whom it asks, if it needs somebody who may be out of reach. Logs come from boards: they tell nothing of the API
    /// server, and it is asked for them in any case.
    #[must_use]
    pub fn party(&self) -> Option<Party> {
        match self {
            Self::EnsureRunnerGroup { demand }
            | Self::CreateJitConfig { demand, .. }
            | Self::FindRunner { demand, .. }
            | Self::DeleteRunner { demand, .. }
            | Self::GetJob { demand, .. }
            | Self::GetRun { demand, .. }
            | Self::ListRunners { demand, .. } => Some(Party::of(demand)),
            Self::AskInstallation { demand, .. } => Some(Party::App(demand.kind)),
            Self::KillPod { .. }
            | Self::CreatePod { .. }
            | Self::GetPod { .. }
            | Self::DeletePod { .. }
            | Self::DropPod { .. } => Some(Party::Kubernetes),
            Self::Reserve { .. }
            | Self::MoveInstallation { .. }
            | Self::ReadInstallationLog { .. }
            | Self::LogAuthAttempt { .. }
            | Self::FindJobOf { .. }
            | Self::AdoptWorker { .. }
            | Self::SetAlerts { .. }
            | Self::RecordJob { .. }
            | Self::ReadLog { .. }
            | Self::Diagnose { .. }
            | Self::RecordDiagnostics { .. }
            | Self::RecordPod { .. }
            | Self::MarkRunning { .. }
            | Self::MarkFinished { .. }
            | Self::Condemn { .. }
            | Self::TakeBack { .. }
            | Self::RecordDeregistered { .. }
            // Asked seldom and by an App's key, it waits by itself when that is in trouble.
            | Self::Deliveries(..)
            | Self::SetWaiting { .. } => None,
        }
    }

    /// For whom it asks GitHub, if it does.
    #[must_use]
    pub fn demand(&self) -> Option<&Demand> {
        match self {
            Self::EnsureRunnerGroup { demand }
            | Self::CreateJitConfig { demand, .. }
            | Self::FindRunner { demand, .. }
            | Self::DeleteRunner { demand, .. }
            | Self::GetJob { demand, .. }
            | Self::GetRun { demand, .. }
            | Self::ListRunners { demand, .. }
            | Self::AskInstallation { demand, .. } => Some(demand),
            _ => None,
        }
    }

    /// The same, to give it the present name.
    pub(crate) fn demand_mut(&mut self) -> Option<&mut Demand> {
        match self {
            Self::EnsureRunnerGroup { demand }
            | Self::CreateJitConfig { demand, .. }
            | Self::FindRunner { demand, .. }
            | Self::DeleteRunner { demand, .. }
            | Self::GetJob { demand, .. }
            | Self::GetRun { demand, .. }
            | Self::ListRunners { demand, .. }
            | Self::AskInstallation { demand, .. } => Some(demand),
            _ => None,
        }
    }
}
