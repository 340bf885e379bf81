//! Why a job has no board yet: one vocabulary for tables, pages, the terminal and traces.

use std::fmt;

use crate::dependencies::Party;
use crate::settings::Scope;
use crate::{EntityId, InstallationId, NodeName, PoolName};

/// Why a pending job waits. Written as `code` or `code:subject`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitingReason {
    /// Every board of the pool has work.
    NoFreeBoard(PoolName),
    /// The pool has no board that could take a pod.
    NoBoardInPool(PoolName),
    /// The entity has as many workers as it may.
    AtCap(EntityId),
    /// An operator paused it: everything, its pool, its entity or its image.
    Paused(Scope),
    /// An operator banned whose it is, or who caused it.
    Banned(Scope),
    /// Making a runner for it failed lately; it is tried again.
    BackingOff,
    /// The cluster cannot be read; nothing is begun.
    ClusterUnreachable,
    /// GitHub does not answer, or does not know the installation; nothing is begun for it.
    GithubUnreachable(Party),
    /// GitHub's limit is reached; it goes on when GitHub says.
    GithubBudget(Party),
    /// The account suspended the App.
    InstallationSuspended(InstallationId),
    /// A scheduler of another kind works on the same tables; nothing is begun beside it.
    OtherScheduler,
    /// A runner for it is starting, on that board once it has one.
    Starting(Option<NodeName>),
    /// A runner for it is up; GitHub has not handed out the job.
    RunnerReady,
}

impl WaitingReason {
    /// The code without its subject.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFreeBoard(_) => "no_free_board",
            Self::NoBoardInPool(_) => "no_board_in_pool",
            Self::AtCap(_) => "at_cap",
            Self::Paused(_) => "paused",
            Self::Banned(_) => "banned",
            Self::BackingOff => "backing_off",
            Self::ClusterUnreachable => "cluster_unreachable",
            Self::GithubUnreachable(_) => "github_unreachable",
            Self::GithubBudget(_) => "github_budget",
            Self::InstallationSuspended(_) => "installation_suspended",
            Self::OtherScheduler => "other_scheduler",
            Self::Starting(_) => "starting",
            Self::RunnerReady => "runner_ready",
        }
    }
}

impl fmt::Display for WaitingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code();
        match self {
            Self::NoFreeBoard(pool) | Self::NoBoardInPool(pool) => write!(f, "{code}:{pool}"),
            Self::AtCap(entity) => write!(f, "{code}:entity:{entity}"),
            Self::Paused(Scope::Global) => write!(f, "{code}:all"),
            Self::Paused(scope) | Self::Banned(scope) => write!(f, "{code}:{scope}"),
            Self::GithubUnreachable(party) | Self::GithubBudget(party) => {
                write!(f, "{code}:{party}")
            }
            Self::InstallationSuspended(installation) => write!(f, "{code}:{installation}"),
            Self::Starting(Some(node)) => write!(f, "{code}:{node}"),
            Self::Starting(None)
            | Self::BackingOff
            | Self::ClusterUnreachable
            | Self::OtherScheduler
            | Self::RunnerReady => f.write_str(code),
        }
    }
}

/// A sentence for people about a reason as it is written in the table.
#[must_use]
pub fn explain(written: &str) -> String {
    let (code, subject) = written.split_once(':').unwrap_or((written, ""));
    match code {
        "no_free_board" => format!("every board of pool {subject} has work"),
        "no_board_in_pool" => format!("pool {subject} has no board that could take it"),
        "at_cap" => format!(
            "{} has as many workers as it may",
            subject.replacen(':', " ", 1)
        ),
        "paused" if subject == "all" => "everything is paused".to_owned(),
        "paused" => format!("{} is paused", subject.replacen(':', " ", 1)),
        "banned" => format!("{} is banned", subject.replacen(':', " ", 1)),
        "backing_off" => "making a runner failed lately; it is tried again".to_owned(),
        "cluster_unreachable" => "the cluster cannot be read".to_owned(),
        "github_unreachable" => format!("GitHub does not answer for {}", party(subject)),
        "github_budget" => format!("GitHub's limit is reached for {}", party(subject)),
        "installation_suspended" => {
            format!("the account suspended the App (installation {subject})")
        }
        "other_scheduler" => "a scheduler of another kind works on the same tables".to_owned(),
        "starting" if subject.is_empty() => "a runner is being made".to_owned(),
        "starting" => format!("a runner is starting on {subject}"),
        "runner_ready" => "a runner is up; GitHub has not handed out the job".to_owned(),
        _ => written.to_owned(),
    }
}

/// A party as it is written in a subject, for people.
fn party(subject: &str) -> String {
    match subject.split_once(':') {
        Some(("app", kind)) => format!("the {kind} App"),
        Some((what, id)) => format!("{what} {id}"),
        None => subject.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntityKind;

    #[test]
    fn reasons_that_lie_in_github_are_told_to_people() {
        let installation = Party::Installation(EntityKind::User, InstallationId(5));
        for (reason, told) in [
            (
                WaitingReason::GithubUnreachable(installation),
                "GitHub does not answer for installation 5",
            ),
            (
                WaitingReason::GithubBudget(Party::App(EntityKind::User)),
                "GitHub's limit is reached for the personal App",
            ),
            (
                WaitingReason::InstallationSuspended(InstallationId(5)),
                "the account suspended the App (installation 5)",
            ),
            (
                WaitingReason::OtherScheduler,
                "a scheduler of another kind works on the same tables",
            ),
        ] {
            assert_eq!(explain(&reason.to_string()), told);
        }
    }
}
