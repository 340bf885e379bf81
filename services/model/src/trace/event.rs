//! A row of the log, and what its payload says of an installation.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AppId, EntityId, EntityKind, EventId, InstallationId, JobId, RepoId, Time};

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The row.
    pub id: EventId,
    /// When it was written.
    pub at: Time,
    /// `webhook`, `scheduler` or `operator`.
    pub source: String,
    /// What happened, as `event.action`.
    pub event: String,
    /// What it came to.
    pub outcome: String,
    /// The installation.
    pub installation: Option<InstallationId>,
    /// The App.
    pub app: Option<AppId>,
    /// The account.
    pub entity: Option<EntityId>,
    /// The account's kind.
    pub kind: Option<EntityKind>,
    /// Its login at that time.
    pub login: Option<String>,
    /// The job.
    pub job: Option<JobId>,
    /// The job's repository, `owner/name`.
    pub repository: Option<String>,
    /// What its payload says.
    pub facts: Facts,
}

/// Which repositories an installation covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Every one, also those to come.
    All,
    /// Those that were selected.
    Selected,
}

/// A repository as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedRepository {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RepoId>,
    /// `owner/name`.
    pub full_name: String,
}

/// What a payload says; nothing of what it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Which repositories are covered from now on.
    pub selection: Option<Selection>,
    /// Repositories that are covered from now on.
    pub added: Vec<NamedRepository>,
    /// Repositories that are not any more.
    pub removed: Vec<NamedRepository>,
    /// The login before a rename.
    pub renamed_from: Option<String>,
    /// The labels that a job asked for.
    pub labels: Vec<String>,
}

impl Facts {
    /// Reads them off a payload as it is stored. What is not as GitHub documents it is passed over: a log must be
    /// readable whatever is in it.
    #[must_use]
    pub fn of(payload: &Value) -> Self {
        // A change of the selection is said at the top, the present one below the installation.
        let selection = [
            &payload["repository_selection"],
            &payload["installation"]["repository_selection"],
        ];
        let mut added = repositories(&payload["repositories"]);
        added.extend(repositories(&payload["repositories_added"]));
        Self {
            selection: selection.into_iter().find_map(|word| match word.as_str()? {
                "all" => Some(Selection::All),
                "selected" => Some(Selection::Selected),
                _ => None,
            }),
            added,
            removed: repositories(&payload["repositories_removed"]),
            renamed_from: payload["changes"]["login"]["from"]
                .as_str()
                .map(str::to_owned),
            labels: payload["workflow_job"]["labels"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|label| label.as_str().map(str::to_owned))
                .collect(),
        }
    }
}

fn repositories(list: &Value) -> Vec<NamedRepository> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| serde_json::from_value(one.clone()).ok())
        .collect()
}
