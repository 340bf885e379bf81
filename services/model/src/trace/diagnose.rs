//! The diagnosis: the first rule that can prove its cause speaks.

use serde::Serialize;

use super::case::Case;
use super::rules;
use crate::{EventId, JobId};

/// Why something is as it is. One word, the same in JSON, in tests and in what people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It ran and is over.
    Finished,
    /// It runs.
    Running,
    /// The App was uninstalled.
    Uninstalled,
    /// The App was uninstalled and installed again, and this belongs to the time before.
    Reinstalled,
    /// The account suspended the App.
    Suspended,
    /// The repository is no longer selected.
    RepositoryRemoved,
    /// The repository was never selected.
    RepositoryNeverSelected,
    /// The account has another login now.
    Renamed,
    /// The App of the other kind of account is installed.
    WrongApp,
    /// No route has its labels.
    LabelNotRouted,
    /// Its labels are for other accounts.
    NotAllowed,
    /// Private repositories are not served.
    Private,
    /// The account or the sender is banned.
    Banned,
    /// Staging has it.
    Staging,
    /// The account has as many workers as it may.
    AtCap,
    /// Somebody paused it.
    Paused,
    /// Every board has work.
    NoFreeBoard,
    /// No board could take it.
    NoBoardInPool,
    /// Making a runner failed and is tried again.
    BackingOff,
    /// Its image makes trouble.
    ImageTrouble,
    /// A runner is there and gets nothing: its group does not admit the repository, or GitHub is slow.
    RunnerGroup,
    /// A runner starts.
    Starting,
    /// The cluster cannot be read.
    ClusterTrouble,
    /// GitHub does not answer, or lets us ask no more for a while.
    GitHubTrouble,
    /// Nobody schedules.
    SchedulerSilent,
    /// Another scheduler is at work.
    OtherScheduler,
    /// It was given up.
    Failed,
    /// GitHub could not bring the delivery.
    MissedDelivery,
    /// Nothing was ever heard of the job.
    JobUnknown,
    /// Nothing was ever heard of the account.
    NotInstalled,
    /// Nothing stands in the way.
    NothingFound,
}

/// Where a statement can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A row of the log.
    Event(EventId),
    /// The row of a job.
    Job(JobId),
    /// A setting, as `scope key`.
    Setting(String),
    /// A delivery that did not arrive, by GitHub's id of it.
    Delivery(String),
    /// What the scheduler last wrote of itself.
    Scheduler,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The cause.
    pub cause: Cause,
    /// In a sentence, for whoever asks.
    pub headline: String,
    /// What proves it.
    pub proof: Vec<Proof>,
    /// What to answer the user, ready to be sent.
    pub answer: String,
    /// What was looked at before, without finding anything.
    pub looked_at: Vec<&'static str>,
}

/// Names the cause. Rules are asked in an order in which an earlier one, where it holds, makes later ones moot.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Verdict {
    let mut looked_at = Vec::new();
    for rule in rules::ALL {
        if let Some(found) = (rule.find)(case) {
            return Verdict { looked_at, ..found };
        }
        looked_at.push(rule.looks_at);
    }
    Verdict {
        looked_at,
        ..rules::nothing_found(case)
    }
}
