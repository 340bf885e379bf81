//! Rows of `jobs` and `workers` as decisions see them.

use serde::{Deserialize, Serialize};

use crate::workers::CondemnReason;
use crate::{
    EntityId, EntityKind, Epoch, Image, InstallationId, JobId, LabelSet, NodeName, PodName,
    PoolName, RepoId, RunnerId, ScopeKey, ScopeName, SentLabels, Status, Time,
};

/// For whom and how a runner is made; the same for a job that asks and a worker that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The account.
    pub entity: EntityId,
    /// Its login, for names and URLs.
    pub entity_name: String,
    /// Organisation or personal account.
    pub kind: EntityKind,
    /// The App's installation there.
    pub installation: InstallationId,
    /// `owner/name`; a worker of an organisation has none.
    pub repo_full_name: Option<String>,
    /// The repository's id, where it is known.
    pub repo: Option<RepoId>,
    /// The labels as sent.
    pub labels: SentLabels,
    /// The pool.
    pub pool: PoolName,
    /// The image.
    pub image: Image,
}

/// What demand and supply must agree in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DemandKey {
    /// Where the runner is registered.
    pub scope: ScopeKey,
    /// Which labels it carries.
    pub labels: LabelSet,
}

impl std::fmt::Display for DemandKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.scope, self.labels)
    }
}

impl Demand {
    /// What demand and supply must agree in.
    #[must_use]
    pub fn key(&self) -> DemandKey {
        let repo_name = self.repo_full_name.as_deref().unwrap_or_default();
        DemandKey {
            scope: ScopeKey::of(self.kind, self.entity, self.repo, repo_name),
            labels: self.labels.set(),
        }
    }

    /// Whether it is known where its runner is registered: not so for a pod of which only labels tell.
    #[must_use]
    pub fn scope_is_known(&self) -> bool {
        self.installation != InstallationId(0)
    }

    /// The scope as GitHub's URLs name it.
    #[must_use]
    pub fn scope_name(&self) -> ScopeName {
        match (self.kind, &self.repo_full_name) {
            (EntityKind::User, Some(repo)) => ScopeName::Repository(repo.clone()),
            (EntityKind::User, None) | (EntityKind::Organization, _) => {
                ScopeName::Organization(self.entity_name.clone())
            }
        }
    }
}

/// A job that is pending or running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub status: Status,
    /// What it asks for.
    pub demand: Demand,
    /// Who caused it.
    pub sender: Option<EntityId>,
    /// The worker that it is bound to.
    pub pod: Option<PodName>,
    /// Its place in the queue: when GitHub queued it, else when we heard of it.
    pub queued_at: Time,
    /// What was last written of why it waits.
    pub waiting_reason: Option<String>,
    /// When anything was last heard of it.
    pub changed_at: Time,
    /// When GitHub was last asked about it.
    pub last_checked_at: Option<Time>,
}

/// A job that names a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NamedBy {
    /// The job.
    pub job: JobId,
    /// Where it stands.
    pub status: Status,
    /// When GitHub said how it ended, if it has.
    pub concluded_at: Option<Time>,
}

impl NamedBy {
    /// The job may still run.
    #[must_use]
    pub fn is_open(self) -> bool {
        !self.status.is_terminal() && self.concluded_at.is_none()
    }
}

/// A worker: pending, running, or finished with something left to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerRow {
    /// The pod's and the runner's name.
    pub name: PodName,
    /// Where it stands.
    pub status: Status,
    /// What it is for.
    pub demand: Demand,
    /// Its board, once known.
    pub node: Option<NodeName>,
    /// When it was reserved.
    pub created_at: Time,
    /// When its container began.
    pub running_at: Option<Time>,
    /// When it was finished.
    pub completed_at: Option<Time>,
    /// Its runner on GitHub, once known.
    pub runner: Option<RunnerId>,
    /// Which leader reserved it; rows of the replaced service have none.
    pub epoch: Option<Epoch>,
    /// Why it is being ended, if it is.
    pub condemned: Option<CondemnReason>,
    /// Since when GitHub no longer has its runner.
    pub deregistered_at: Option<Time>,
    /// When its pod was made, as far as we were told.
    pub pod_created_at: Option<Time>,
    /// Every job that names it.
    pub named_by: Vec<NamedBy>,
}

impl WorkerRow {
    /// A job that may still run names it: it is never touched.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.named_by.iter().any(|job| job.is_open())
    }

    /// Pending or running.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.status.is_terminal()
    }
}
