//! The outcomes that the log knows, and what a job's delivery is answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{JobId, Status};

/// What a delivery came to. The words are those of the replaced service, with ours after them; the column is text, so
/// that a new word needs no migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookOutcome {
    /// Logged.
    Ok,
    /// A new job.
    JobStored,
    /// A job that was there before.
    JobAlreadyExists,
    /// A runner has the job.
    JobMarkedRunning,
    /// The job is over.
    JobMarkedCompleted,
    /// A job that was given up runs after all.
    JobRanAfterFailed,
    /// An action that means nothing to us.
    IgnoredAction,
    /// A job with labels that no route takes.
    IgnoredNoLabel,
    /// An event that means nothing to us.
    IgnoredEvent,
    /// A job of a private repository while only public ones are served.
    IgnoredPrivate,
    /// A job whose labels are for others.
    NotAllowed,
    /// A job of an account whose jobs are not taken.
    BannedEntity,
    /// A job that somebody caused whose jobs are not taken.
    BannedSender,
    /// A delivery for an App that is neither of ours.
    UnknownApp,
    /// Handed to staging, whose answer was passed on.
    ProxiedToStaging,
    /// Staging could not be reached.
    ProxyFailed,
}

impl WebhookOutcome {
    /// The word in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::JobStored => "job_stored",
            Self::JobAlreadyExists => "job_already_exists",
            Self::JobMarkedRunning => "job_marked_running",
            Self::JobMarkedCompleted => "job_marked_completed",
            Self::JobRanAfterFailed => "job_ran_after_failed",
            Self::IgnoredAction => "ignored_action",
            Self::IgnoredNoLabel => "ignored_no_label",
            Self::IgnoredEvent => "ignored_event",
            Self::IgnoredPrivate => "ignored_private",
            Self::NotAllowed => "not_allowed",
            Self::BannedEntity => "banned_entity",
            Self::BannedSender => "banned_sender",
            Self::UnknownApp => "unknown_app",
            Self::ProxiedToStaging => "proxied_to_staging",
            Self::ProxyFailed => "proxy_failed",
        }
    }
}

impl fmt::Display for WebhookOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to a job. Other actions mean nothing to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobAction {
    /// It waits for a runner.
    Queued,
    /// A runner has it.
    InProgress,
    /// It is over, whatever the conclusion.
    Completed,
}

/// The outcome of a job's delivery in each case that the database may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeWords {
    /// The job was not there.
    pub new: WebhookOutcome,
    /// It was there.
    pub known: WebhookOutcome,
    /// It was there and given up.
    pub failed: WebhookOutcome,
}

impl JobAction {
    /// Reads GitHub's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "queued" => Some(Self::Queued),
            "in_progress" => Some(Self::InProgress),
            "completed" => Some(Self::Completed),
            _ => None,
        }
    }

    /// Where the job stands after it.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Queued => Status::Pending,
            Self::InProgress => Status::Running,
            Self::Completed => Status::Completed,
        }
    }

    /// The outcomes it may have.
    #[must_use]
    pub fn outcomes(self) -> OutcomeWords {
        match self {
            Self::Queued => OutcomeWords {
                new: WebhookOutcome::JobStored,
                known: WebhookOutcome::JobAlreadyExists,
                failed: WebhookOutcome::JobAlreadyExists,
            },
            Self::InProgress => OutcomeWords {
                new: WebhookOutcome::JobMarkedRunning,
                known: WebhookOutcome::JobMarkedRunning,
                failed: WebhookOutcome::JobRanAfterFailed,
            },
            Self::Completed => OutcomeWords {
                new: WebhookOutcome::JobMarkedCompleted,
                known: WebhookOutcome::JobMarkedCompleted,
                failed: WebhookOutcome::JobRanAfterFailed,
            },
        }
    }
}

/// What the database found when it wrote a job's delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The job was not there; it is now.
    New,
    /// It stood there before, and moved or not.
    Was(Status),
}

impl Recorded {
    /// The outcome, as the statement writes it.
    #[must_use]
    pub fn outcome(self, action: JobAction) -> WebhookOutcome {
        let words = action.outcomes();
        match self {
            Self::New => words.new,
            Self::Was(Status::Failed) => words.failed,
            Self::Was(Status::Pending | Status::Running | Status::Completed) => words.known,
        }
    }

    /// The answer, in the words of the replaced service.
    #[must_use]
    pub fn answer(self, action: JobAction, job: JobId) -> String {
        let was = match self {
            Self::New => "unknown",
            Self::Was(status) => status.as_str(),
        };
        match (action, self) {
            (JobAction::Queued, Self::New) => format!("Job {job} stored."),
            (JobAction::Queued, Self::Was(_)) => format!("Job {job} already exists."),
            (JobAction::InProgress, _) => format!("Job {job} marked running (was {was})."),
            (JobAction::Completed, _) => format!("Job {job} completed (was {was})."),
        }
    }
}
