//! The small enums that everything else speaks in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EntityId, RepoId};

/// What kind of GitHub account an entity is. The kind decides which of the two Apps serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntityKind {
    /// An organisation: the organisation App, runners of the organisation.
    Organization,
    /// A personal account: the personal App, runners of one repository each.
    User,
}

impl EntityKind {
    /// GitHub's own word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "Organization",
            Self::User => "User",
        }
    }

    /// Reads GitHub's word; anything else (`Bot`, `Enterprise`) is none of ours.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "Organization" => Some(Self::Organization),
            "User" => Some(Self::User),
            _ => None,
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a job or a worker stands. Moves forward only; the last two are terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A job waits; a worker's pod is not running yet.
    Pending,
    /// A runner has the job; a worker's container runs.
    Running,
    /// Over, as it should be.
    Completed,
    /// Over, by trouble that has a name.
    Failed,
}

impl Status {
    /// The word in the database's `status_enum`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Reads the database's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "pending" => Some(Self::Pending),
            "running" => Some(Self::Running),
            "completed" => Some(Self::Completed),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }

    /// Completed or failed.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where GitHub registers a runner; it takes jobs from there only. The key is an id, never a name, except for rows that
/// have none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKey {
    /// Every repository of an organisation.
    Organization(EntityId),
    /// One repository of a personal account.
    Repository(RepoId),
    /// The same, for rows of the replaced service that have no repository id.
    RepositoryName(String),
}

impl ScopeKey {
    /// The scope of a job or worker row.
    #[must_use]
    pub fn of(
        kind: EntityKind,
        entity: EntityId,
        repo: Option<RepoId>,
        repo_full_name: &str,
    ) -> Self {
        match (kind, repo) {
            (EntityKind::Organization, _) => Self::Organization(entity),
            (EntityKind::User, Some(repo)) => Self::Repository(repo),
            (EntityKind::User, None) => Self::RepositoryName(repo_full_name.to_lowercase()),
        }
    }
}

impl fmt::Display for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(id) => write!(f, "organization:{id}"),
            Self::Repository(id) => write!(f, "repository:{id}"),
            Self::RepositoryName(name) => write!(f, "repository:{name}"),
        }
    }
}

/// A scope as GitHub's URLs name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeName {
    /// An organisation's login.
    Organization(String),
    /// `owner/name`.
    Repository(String),
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(name) | Self::Repository(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_account_has_one_scope_a_repository() {
        let user = EntityId(7);
        let a = ScopeKey::of(EntityKind::User, user, Some(RepoId(1)), "u/a");
        let b = ScopeKey::of(EntityKind::User, user, Some(RepoId(2)), "u/b");
        assert_ne!(a, b);
        let org = ScopeKey::of(EntityKind::Organization, user, Some(RepoId(1)), "o/a");
        assert_eq!(
            org,
            ScopeKey::of(EntityKind::Organization, user, None, "o/b")
        );
    }

    #[test]
    fn status_words_are_those_of_the_database() {
        for status in [
            Status::Pending,
            Status::Running,
            Status::Completed,
            Status::Failed,
        ] {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("done"), None);
    }
}
