//! Why a job has no board yet: one vocabulary for tables, pages, the terminal and traces.

use std::fmt;

use crate::settings::Scope;
use crate::{EntityId, NodeName, PoolName};

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
            Self::Starting(Some(node)) => write!(f, "{code}:{node}"),
            Self::Starting(None)
            | Self::BackingOff
            | Self::ClusterUnreachable
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
        "starting" if subject.is_empty() => "a runner is being made".to_owned(),
        "starting" => format!("a runner is starting on {subject}"),
        "runner_ready" => "a runner is up; GitHub has not handed out the job".to_owned(),
        _ => written.to_owned(),
    }
}
