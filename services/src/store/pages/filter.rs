//! Which rows a page shows, and to whom.

use chrono::{DateTime, Utc};
use rise_model::Status;

use crate::store::operator::EntityFilter;

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// Everything may be shown: no token is set, or it was brought.
    Trusted,
    /// A token is set and was not brought: nothing of private repositories (unknown counts as private), no senders, logs
    /// or events.
    Anybody,
}

impl Viewer {
    /// As the queries take it.
    pub(crate) fn sees_all(self) -> bool {
        match self {
            Self::Trusted => true,
            Self::Anybody => false,
        }
    }
}

/// Rows created in a stretch of time: from the first moment on, before the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) before: Option<DateTime<Utc>>,
}

/// A part of a list: how many rows are passed over, how many are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

/// Which rows. What is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Made then.
    pub(crate) created: Created,
    /// In one of these states; empty: in any.
    pub(crate) statuses: Vec<Status>,
    /// Of this account.
    pub(crate) entity: Option<EntityFilter>,
    /// Of this repository, `owner/name`.
    pub(crate) repository: Option<String>,
    /// Of this pool.
    pub(crate) pool: Option<String>,
    /// This worker, or the jobs that name it.
    pub(crate) worker: Option<String>,
    /// This job; workers are not asked for by it.
    pub(crate) job: Option<i64>,
}

impl Filter {
    pub(super) fn status_words(&self) -> Vec<String> {
        let words = self.statuses.iter().map(|status| status.as_str());
        words.map(str::to_owned).collect()
    }

    pub(super) fn entity_id(&self) -> Option<i64> {
        match &self.entity {
            Some(EntityFilter::Id(id)) => Some(id.0),
            Some(EntityFilter::Login(_)) | None => None,
        }
    }

    pub(super) fn entity_login(&self) -> Option<&str> {
        match &self.entity {
            Some(EntityFilter::Login(login)) => Some(login),
            Some(EntityFilter::Id(_)) | None => None,
        }
    }
}
