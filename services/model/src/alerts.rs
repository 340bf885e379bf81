//! What a person should look at: conditions that the scheduler sees and cannot mend, or mends in a way that somebody should
//! know of. An alert is open as long as its condition holds.

use std::fmt;

use serde::Serialize;

/// The conditions. Whoever adds one adds it to [`AlertName::ALL`] too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertName {
    /// A runner took a job that nobody told us of, and left; its pod runs on. The subject is the worker.
    JobUnaccounted,
    /// A running pod's log cannot be read. The subject is the worker.
    LogUnreadable,
    /// Runners of several accounts are idle beside jobs that wait for them.
    GithubNotAssigning,
    /// Many running workers lost their pods in one list.
    PodsVanished,
    /// A pod does not end. The subject is the board.
    KillStuck,
    /// So many boards went silent at once that it is not the boards.
    BoardsSuspect,
    /// A pod of ours of which no row, annotation or job tells. The subject is the pod.
    UnknownPod,
}

impl AlertName {
    /// Every name: an open row of another name is somebody else's.
    pub const ALL: [Self; 7] = [
        Self::JobUnaccounted,
        Self::LogUnreadable,
        Self::GithubNotAssigning,
        Self::PodsVanished,
        Self::KillStuck,
        Self::BoardsSuspect,
        Self::UnknownPod,
    ];

    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobUnaccounted => "job_unaccounted",
            Self::LogUnreadable => "log_unreadable",
            Self::GithubNotAssigning => "github_not_assigning",
            Self::PodsVanished => "pods_vanished",
            Self::KillStuck => "kill_stuck",
            Self::BoardsSuspect => "boards_suspect",
            Self::UnknownPod => "unknown_pod",
        }
    }

    /// Reads the table's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == word)
    }

    /// Whether a new leader needs a while before it can tell that the condition is over.
    #[must_use]
    pub(crate) fn takes_time(self) -> bool {
        match self {
            Self::JobUnaccounted
            | Self::LogUnreadable
            | Self::GithubNotAssigning
            | Self::BoardsSuspect => true,
            Self::PodsVanished | Self::KillStuck | Self::UnknownPod => false,
        }
    }
}

impl fmt::Display for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an alert is known by while it is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AlertKey {
    /// The condition.
    pub name: AlertName,
    /// What it is about; empty where the name says all.
    pub subject: String,
}

/// An open alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What it is known by.
    pub key: AlertKey,
    /// What is the matter and what to do, for people.
    pub text: String,
}

impl Alert {
    /// An alert about something.
    #[must_use]
    pub fn new(name: AlertName, subject: impl fmt::Display, text: impl Into<String>) -> Self {
        let subject = subject.to_string();
        Self {
            key: AlertKey { name, subject },
            text: text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for name in AlertName::ALL {
            assert_eq!(AlertName::parse(name.as_str()), Some(name));
        }
        assert_eq!(AlertName::parse("disk_full"), None);
    }
}
