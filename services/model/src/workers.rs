//! How one worker goes on: one table, from what is known of its row, its pod and its log to one verdict.
//!
//! Two invariants stand above the rules: a worker that a job may still be running on is never touched, and what is
//! unknown keeps.

use serde::{Deserialize, Serialize};

use crate::boards::is_dead;
use crate::cluster::{ContainerState, Phase, Pod, Termination};
use crate::config::Rules;
use crate::ending::running;
use crate::log::{ExitCause, LogEvidence, LoggedJob};
use crate::rows::WorkerRow;
use crate::runners::RunnerHistory;
use crate::view::Knowledge;
use crate::{NodeName, Status, Time};

/// Why a worker failed: `reason` of its failure_info.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// Its runner or its pod could not be made.
    PodAllocationFailure,
    /// Its pod failed.
    PodFailed,
    /// Its pod was there and is not any more.
    PodLost,
    /// Its pod never began to run.
    PodStuckPending,
    /// Its image could not be pulled.
    ImagePullFailed,
    /// Its runner stopped without a job.
    RunnerExitedWithoutJob,
    /// GitHub removed its idle runner although a job was waiting.
    RunnerRemovedByGithub,
    /// GitHub refuses the runner's version.
    RunnerVersionRefused,
    /// GitHub refused the registration.
    RegistrationRefused,
    /// The Docker daemon in the pod did not come up.
    DockerNotReady,
    /// Its runner never came online.
    RunnerNeverRegistered,
    /// Its runner was there and is not any more.
    RunnerVanished,
    /// Its job is over and its pod runs on.
    RunnerHung,
    /// Its runner was idle while a job was waiting.
    RunnerIdle,
    /// Its board is dead.
    NodeUnreachable,
}

impl FailureReason {
    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PodAllocationFailure => "pod_allocation_failure",
            Self::PodFailed => "pod_failed",
            Self::PodLost => "pod_lost",
            Self::PodStuckPending => "pod_stuck_pending",
            Self::ImagePullFailed => "image_pull_failed",
            Self::RunnerExitedWithoutJob => "runner_exited_without_job",
            Self::RunnerRemovedByGithub => "runner_removed_by_github",
            Self::RunnerVersionRefused => "runner_version_refused",
            Self::RegistrationRefused => "registration_refused",
            Self::DockerNotReady => "docker_not_ready",
            Self::RunnerNeverRegistered => "runner_never_registered",
            Self::RunnerVanished => "runner_vanished",
            Self::RunnerHung => "runner_hung",
            Self::RunnerIdle => "runner_idle",
            Self::NodeUnreachable => "node_unreachable",
        }
    }
}

/// Every reason, for reading the table's words.
const REASONS: [FailureReason; 15] = [
    FailureReason::PodAllocationFailure,
    FailureReason::PodFailed,
    FailureReason::PodLost,
    FailureReason::PodStuckPending,
    FailureReason::ImagePullFailed,
    FailureReason::RunnerExitedWithoutJob,
    FailureReason::RunnerRemovedByGithub,
    FailureReason::RunnerVersionRefused,
    FailureReason::RegistrationRefused,
    FailureReason::DockerNotReady,
    FailureReason::RunnerNeverRegistered,
    FailureReason::RunnerVanished,
    FailureReason::RunnerHung,
    FailureReason::RunnerIdle,
    FailureReason::NodeUnreachable,
];

/// Why a worker is ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CondemnReason {
    /// Trouble.
    Failure(FailureReason),
    /// Other jobs wait for its board, and no job of its key needs it.
    Surplus,
    /// Nobody had a job for it.
    Idle,
    /// GitHub lets us see its account or repository no more.
    ScopeGone,
    /// No row, annotation or job tells of its pod.
    UnknownPod,
}

impl CondemnReason {
    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure(reason) => reason.as_str(),
            Self::Surplus => "surplus",
            Self::Idle => "idle",
            Self::ScopeGone => "scope_gone",
            Self::UnknownPod => "unknown_pod",
        }
    }

    /// Reads the table's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "surplus" => Some(Self::Surplus),
            "idle" => Some(Self::Idle),
            "scope_gone" => Some(Self::ScopeGone),
            "unknown_pod" => Some(Self::UnknownPod),
            _ => REASONS
                .into_iter()
                .find(|reason| reason.as_str() == word)
                .map(Self::Failure),
        }
    }

    /// Only trouble is a failure; a board that is given back is not.
    #[must_use]
    pub fn failure(self) -> Option<FailureReason> {
        match self {
            Self::Failure(reason) => Some(reason),
            Self::Surplus | Self::Idle | Self::ScopeGone | Self::UnknownPod => None,
        }
    }

    /// GitHub cannot be asked about it: its log decides.
    #[must_use]
    pub fn goes_by_log(self) -> bool {
        match self {
            Self::ScopeGone | Self::UnknownPod => true,
            Self::Failure(_) | Self::Surplus | Self::Idle => false,
        }
    }
}

/// How a worker's row is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// Completed, or failed with a reason.
    pub failure: Option<(FailureReason, String)>,
    /// Its board.
    pub node: Option<NodeName>,
    /// When its container ended, where Kubernetes tells.
    pub ended_at: Option<Time>,
}

impl Finish {
    fn completed(pod: &Pod) -> Self {
        Self {
            failure: None,
            node: pod.node.clone(),
            ended_at: pod.container_finished_at(),
        }
    }

    /// As it was decided when it was condemned; the message was written then.
    pub(crate) fn condemned(row: &WorkerRow, node: Option<NodeName>) -> Self {
        let reason = row.condemned.and_then(CondemnReason::failure);
        Self {
            failure: reason.map(|reason| (reason, "it was ended".to_owned())),
            node,
            ended_at: None,
        }
    }

    fn failed(pod: &Pod, reason: FailureReason, message: impl Into<String>) -> Self {
        Self {
            failure: Some((reason, message.into())),
            ..Self::completed(pod)
        }
    }
}

/// What becomes of a worker now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Keep,
    /// It has no pod yet: go on making one.
    Provision,
    /// Its pod runs.
    MarkRunning,
    /// Its log decides.
    ReadLog,
    /// Its row is closed.
    Finish(Finish),
    /// It is to be ended: no supply any more.
    Condemn(CondemnReason, String),
    /// It was condemned: its runner goes first.
    Deregister,
    /// Its row is closed: its pod is ended, its log stays.
    Kill,
    /// Its pod was ended and goes on: it is deleted.
    DeleteHung,
    /// It was condemned and its pod has not started: delete the pod, as it was seen.
    DeleteUnstarted,
    /// It was condemned, but its pod started after all.
    TakeBack,
    /// Its board is dead: the pod is deleted without grace, as nobody is there to end it.
    DropPod,
}

/// What one verdict is made from.
#[derive(Debug, Clone, Copy)]
pub struct WorkerFacts<'a> {
    /// Its row.
    pub row: &'a WorkerRow,
    /// Its pod.
    pub pod: Knowledge<'a>,
    /// What its log said when it was last read.
    pub log: Option<&'a LogEvidence>,
    /// When that reading was begun.
    pub log_read_at: Option<Time>,
    /// Since when its readings agree that no job is unfinished.
    pub log_free_since: Option<Time>,
    /// What GitHub's lists said of its runner.
    pub runner: &'a RunnerHistory,
    /// Its board is wanted by others, and no job of its key needs it.
    pub surplus: bool,
    /// Since when a job of its key is pending.
    pub waiting_since: Option<Time>,
    /// Idle runners while jobs wait, for several entities at once: the trouble is GitHub's.
    pub github_not_assigning: bool,
    /// Its log could not be read for so long that it counts as gone.
    pub log_gone: bool,
    /// Its board cannot be heard: what its pod looks like is old.
    pub board_silent: bool,
    /// Since when its board has not been Ready, unless the boards are not to blame.
    pub board_silent_since: Option<Time>,
    /// GitHub said of every pending job of its key, since its runner was seen offline, that no runner has it.
    pub jobs_asked: bool,
    /// GitHub lets us see its account or repository no more.
    pub scope_gone: bool,
    /// Many running workers lost their pods in one list: nobody believes it.
    pub pods_vanished: bool,
    /// What making it needs is out of reach, or was lately.
    pub hindered: bool,
    /// The time of the decision.
    pub now: Time,
    /// The limits.
    pub rules: &'a Rules,
}

/// Decides over a worker whose row is pending or running.
#[must_use]
pub fn judge(facts: WorkerFacts<'_>) -> Verdict {
    match facts.pod {
        Knowledge::Unknown => Verdict::Keep,
        Knowledge::Absent if !facts.row.is_live() => Verdict::Keep,
        Knowledge::Absent => without_pod(facts),
        Knowledge::Present(pod) if !pod.phase.has_ended() && is_dead(facts) => {
            on_dead_board(facts, pod)
        }
        Knowledge::Present(pod) => match pod.phase {
            Phase::Running if facts.row.status == Status::Pending => started(facts),
            Phase::Running => running(facts, pod),
            Phase::Unknown => Verdict::Keep,
            Phase::Pending => not_started(facts, pod),
            Phase::Failed | Phase::Succeeded if !facts.row.is_live() => Verdict::Keep,
            Phase::Failed => {
                let message = pod.message.clone().or_else(|| pod.reason.clone());
                let told = message.unwrap_or_else(|| ended_with(pod));
                Verdict::Finish(Finish::failed(pod, FailureReason::PodFailed, told))
            }
            Phase::Succeeded => succeeded(facts, pod),
        },
    }
}

/// Rule 8. Marked first, then the pod goes.
fn on_dead_board(facts: WorkerFacts<'_>, pod: &Pod) -> Verdict {
    if !facts.row.is_live() {
        return Verdict::DropPod;
    }
    if facts.row.condemned.is_some() {
        return Verdict::Finish(Finish::condemned(facts.row, pod.node.clone()));
    }
    let message = "its board does not answer, and GitHub has no job on it";
    Verdict::Finish(Finish::failed(pod, FailureReason::NodeUnreachable, message))
}

fn age(facts: WorkerFacts<'_>) -> chrono::TimeDelta {
    facts.now - facts.row.created_at
}

/// Its container began. One that was condemned while it had not is taken back: what it does now is decided anew.
fn started(facts: WorkerFacts<'_>) -> Verdict {
    match facts.row.condemned {
        Some(reason) if !reason.goes_by_log() => Verdict::TakeBack,
        Some(_) | None => Verdict::MarkRunning,
    }
}

/// Rule 1.
fn without_pod(facts: WorkerFacts<'_>) -> Verdict {
    let row = facts.row;
    if row.is_bound() {
        // Its job's conclusion decides.
        return Verdict::Keep;
    }
    let had_a_pod = row.status == Status::Running || row.pod_created_at.is_some();
    let finish = |failure| {
        Verdict::Finish(Finish {
            failure,
            node: row.node.clone(),
            ended_at: None,
        })
    };
    if !row.named_by.is_empty() {
        return finish(None);
    }
    if row.condemned.is_some() {
        return Verdict::Finish(Finish::condemned(row, row.node.clone()));
    }
    if facts.surplus {
        let message = "other jobs wait for its board".to_owned();
        return Verdict::Condemn(CondemnReason::Surplus, message);
    }
    if had_a_pod {
        if facts.pods_vanished {
            return Verdict::Keep;
        }
        let message = "its pod is gone and nobody asked for that".to_owned();
        return finish(Some((FailureReason::PodLost, message)));
    }
    if age(facts) < facts.rules.provision_within.delta() {
        return Verdict::Provision;
    }
    if age(facts) < facts.rules.pod_expected_within.delta() {
        return Verdict::Keep;
    }
    let message = format!("no pod was made within {}", facts.rules.pod_expected_within);
    if facts.hindered {
        // Not its fault, nor its key's: its slot is given back, and the job gets another one.
        return Verdict::Condemn(CondemnReason::Surplus, message);
    }
    finish(Some((FailureReason::PodAllocationFailure, message)))
}

/// Waiting reasons that never pass by themselves.
const HOPELESS: [&str; 3] = [
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
];
/// Waiting reasons that tell of a pull that failed and is tried again.
const PULL_TROUBLE: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

/// Rule 3.
fn not_started(facts: WorkerFacts<'_>, pod: &Pod) -> Verdict {
    if pod.deletion_at.is_some() || facts.row.is_bound() {
        return Verdict::Keep;
    }
    if facts.row.condemned.is_some() || !facts.row.is_live() {
        // A board that cannot be heard may have started it, and a job may run.
        return if facts.board_silent {
            Verdict::Keep
        } else {
            Verdict::DeleteUnstarted
        };
    }
    if facts.scope_gone {
        let message = "GitHub lets us see its account or repository no more".to_owned();
        return Verdict::Condemn(CondemnReason::ScopeGone, message);
    }
    if facts.surplus {
        let message = "other jobs wait for its board".to_owned();
        return Verdict::Condemn(CondemnReason::Surplus, message);
    }
    let condemn = |reason, message| Verdict::Condemn(CondemnReason::Failure(reason), message);
    let (reason, message) = match &pod.container {
        ContainerState::Waiting { reason, message } => (
            reason.as_deref().unwrap_or_default(),
            message.as_deref().unwrap_or_default(),
        ),
        ContainerState::Unreported
        | ContainerState::Running { .. }
        | ContainerState::Terminated(_) => ("", ""),
    };
    let told = if message.is_empty() { reason } else { message };
    if HOPELESS.contains(&reason) {
        let failure = if reason == "CreateContainerConfigError" {
            FailureReason::PodStuckPending
        } else {
            FailureReason::ImagePullFailed
        };
        return condemn(failure, told.to_owned());
    }
    let since_scheduled = pod
        .scheduled_at
        .or(pod.start_time)
        .unwrap_or(pod.created_at);
    if PULL_TROUBLE.contains(&reason)
        && facts.now - since_scheduled >= facts.rules.image_pull_within.delta()
    {
        return condemn(FailureReason::ImagePullFailed, told.to_owned());
    }
    if facts.now - pod.created_at >= facts.rules.pod_running_within.delta() {
        let told = pod.unschedulable.clone().unwrap_or_else(|| told.to_owned());
        return condemn(FailureReason::PodStuckPending, told);
    }
    Verdict::Keep
}

/// Rule 2, exit code 0: the image's entrypoint swallows the runner's exit code, so the log is asked.
fn succeeded(facts: WorkerFacts<'_>, pod: &Pod) -> Verdict {
    let row = facts.row;
    if row.is_bound() && !facts.scope_gone {
        return Verdict::Keep;
    }
    if !row.named_by.is_empty() {
        return Verdict::Finish(Finish::completed(pod));
    }
    // What was read while it ran may lack its last lines.
    let ended = pod.container_finished_at();
    let read_after_its_end = facts
        .log_read_at
        .is_some_and(|read| ended.is_none_or(|end| read >= end));
    let Some(log) = facts.log.filter(|_| read_after_its_end) else {
        if !facts.log_gone {
            return Verdict::ReadLog;
        }
        let message = "the log is gone and no job names it";
        return Verdict::Finish(Finish::failed(pod, FailureReason::PodFailed, message));
    };
    match log.job {
        LoggedJob::Completed { .. } => Verdict::Finish(Finish::completed(pod)),
        LoggedJob::Running { .. } => {
            // The delivery that names it may be on its way.
            let ended = pod.container_finished_at().unwrap_or(pod.created_at);
            if facts.now - ended < facts.rules.pod_expected_within.delta() {
                return Verdict::Keep;
            }
            let message = "the runner took a job and ended without a result; no job names it";
            Verdict::Finish(Finish::failed(pod, FailureReason::PodFailed, message))
        }
        LoggedJob::None => match log.exit_cause() {
            Some(ExitCause::RunnerRemovedByGithub) if facts.waiting_since.is_none() => {
                Verdict::Finish(Finish::completed(pod))
            }
            cause => {
                let (reason, message) = without_job(cause);
                Verdict::Finish(Finish::failed(pod, reason, message))
            }
        },
    }
}

fn without_job(cause: Option<ExitCause>) -> (FailureReason, &'static str) {
    match cause {
        None => (
            FailureReason::RunnerExitedWithoutJob,
            "the runner ended without having had a job",
        ),
        Some(ExitCause::RunnerRemovedByGithub) => (
            FailureReason::RunnerRemovedByGithub,
            "GitHub removed the idle runner while a job was waiting",
        ),
        Some(ExitCause::RunnerVersionRefused) => (
            FailureReason::RunnerVersionRefused,
            "GitHub refuses this version of the runner",
        ),
        Some(ExitCause::RegistrationRefused) => (
            FailureReason::RegistrationRefused,
            "GitHub refused the runner's registration",
        ),
        Some(ExitCause::DockerNotReady) => (
            FailureReason::DockerNotReady,
            "the container engine in the pod did not come up",
        ),
    }
}

fn ended_with(pod: &Pod) -> String {
    match &pod.container {
        ContainerState::Terminated(Termination {
            exit_code,
            reason,
            message,
            ..
        }) => {
            let told = message
                .as_deref()
                .or(reason.as_deref())
                .unwrap_or("no reason given");
            format!("the container ended with exit code {exit_code}: {told}")
        }
        ContainerState::Waiting { reason, .. } => {
            format!(
                "the container waited: {}",
                reason.as_deref().unwrap_or("no reason given")
            )
        }
        ContainerState::Unreported | ContainerState::Running { .. } => "the pod failed".to_owned(),
    }
}
