//! What operators look at: lists of jobs and workers, and one screen of everything. Reads only, bounded, never a whole
//! table. Ages are told by the database's clock, which every answer carries.

mod boards;
mod overview;

pub use boards::BoardOutcomes;
pub use overview::{
    Alert, FailureGroup, FailureKind, LiveCount, LiveKind, Overview, SchedulerRow, WaitingJob,
};

use rise_model::span::Span;
use rise_model::{EntityId, Status, Time};
use serde::Serialize;

use super::{Store, StoreError};

/// Which rows are listed. What is not said does not matter.
#[derive(Debug, Clone, Default)]
pub struct RowFilter {
    /// Of this account.
    pub entity: Option<EntityFilter>,
    /// Of this repository, `owner/name`.
    pub repository: Option<String>,
    /// In one of these states; empty: in any.
    pub statuses: Vec<Status>,
    /// Of this pool.
    pub pool: Option<String>,
    /// Made since then.
    pub since: Option<Since>,
    /// At most this many.
    pub limit: u32,
}

/// An account as an operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityFilter {
    /// By its id.
    Id(EntityId),
    /// By the login that the rows carry, in any case.
    Login(String),
}

/// The beginning of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// A moment.
    At(Time),
    /// So long ago, by the database's clock.
    Ago(Span),
}

/// Rows, and when they were read.
#[derive(Debug, Clone, Serialize)]
pub struct Listing<T> {
    /// The database's clock.
    pub now: Time,
    /// The rows, the newest first.
    pub rows: Vec<T>,
}

/// A job, as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobRow {
    /// GitHub's id of the job.
    pub job_id: i64,
    /// Where it stands.
    pub status: String,
    /// The account's id.
    pub entity_id: i64,
    /// The account's login.
    pub entity_name: String,
    /// The account's kind.
    pub entity_type: String,
    /// `owner/name`.
    pub repo_full_name: String,
    /// The labels as sent.
    pub job_labels: serde_json::Value,
    /// The pool.
    pub k8s_pool: String,
    /// The image.
    pub k8s_image: String,
    /// The worker that took it.
    pub k8s_pod: Option<String>,
    /// Its page.
    pub html_url: Option<String>,
    /// Its name in the workflow.
    pub job_name: Option<String>,
    /// Why it waits, as code and subject.
    pub waiting_reason: Option<String>,
    /// Since when for this reason.
    pub waiting_since: Option<Time>,
    /// How GitHub says it ended.
    pub conclusion: Option<String>,
    /// Why it failed.
    pub failure_info: Option<serde_json::Value>,
    /// When the row was made.
    pub created_at: Time,
    /// When GitHub queued it.
    pub queued_at: Option<Time>,
    /// When GitHub says it began.
    pub started_at: Option<Time>,
    /// When GitHub says it ended.
    pub finished_at: Option<Time>,
    /// When the row changed.
    pub updated_at: Time,
}

/// A worker, as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerRow {
    /// The pod's name, which is the runner's too.
    pub pod_name: String,
    /// Where it stands.
    pub status: String,
    /// The account's id.
    pub entity_id: i64,
    /// The account's login.
    pub entity_name: String,
    /// The account's kind.
    pub entity_type: String,
    /// The repository, for a personal account's worker.
    pub repo_full_name: Option<String>,
    /// The labels as sent.
    pub job_labels: serde_json::Value,
    /// The pool.
    pub k8s_pool: String,
    /// The image.
    pub k8s_image: String,
    /// The board.
    pub k8s_node: Option<String>,
    /// Why it failed.
    pub failure_info: Option<serde_json::Value>,
    /// Why it was given up before it ended.
    pub condemned_reason: Option<String>,
    /// When the row was made.
    pub created_at: Time,
    /// When its container ran.
    pub running_at: Option<Time>,
    /// When it ended.
    pub completed_at: Option<Time>,
    /// When the row changed.
    pub updated_at: Time,
}

/// The filter as the queries take it.
struct Parameters {
    entity_id: Option<i64>,
    entity_name: Option<String>,
    statuses: Vec<String>,
    since: Option<Time>,
    ago_seconds: Option<f64>,
    limit: i64,
}

impl From<&RowFilter> for Parameters {
    fn from(filter: &RowFilter) -> Self {
        let (entity_id, entity_name) = match &filter.entity {
            None => (None, None),
            Some(EntityFilter::Id(id)) => (Some(id.0), None),
            Some(EntityFilter::Login(login)) => (None, Some(login.clone())),
        };
        let (since, ago_seconds) = match filter.since {
            None => (None, None),
            Some(Since::At(time)) => (Some(time), None),
            Some(Since::Ago(span)) => (None, Some(span.std().as_secs_f64())),
        };
        Self {
            entity_id,
            entity_name,
            statuses: filter
                .statuses
                .iter()
                .map(|status| status.as_str().to_owned())
                .collect(),
            since,
            ago_seconds,
            limit: i64::from(filter.limit),
        }
    }
}

impl Store {
    /// Jobs, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_jobs(&self, filter: &RowFilter) -> Result<Listing<JobRow>, StoreError> {
        let by = Parameters::from(filter);
        let now = self.now().await?;
        let rows = sqlx::query_as!(
            JobRow,
            r#"SELECT job_id, status::text AS "status!", entity_id, entity_name, entity_type, repo_full_name, job_labels,
                      k8s_pool, k8s_image, nullif(k8s_pod, '') AS k8s_pod, html_url, job_name, waiting_reason,
                      waiting_since, conclusion, failure_info, created_at, queued_at, started_at, finished_at, updated_at
               FROM jobs
               WHERE ($1::bigint IS NULL OR entity_id = $1)
                 AND ($2::text IS NULL OR lower(entity_name) = lower($2))
                 AND ($3::text IS NULL OR lower(repo_full_name) = lower($3))
                 AND (cardinality($4::text[]) = 0 OR status::text = ANY ($4))
                 AND ($5::text IS NULL OR k8s_pool = $5)
                 AND created_at >= coalesce($6::timestamptz, now() - make_interval(secs => $7::float8), '-infinity')
               ORDER BY created_at DESC, job_id DESC
               LIMIT $8"#,
            by.entity_id,
            by.entity_name,
            filter.repository,
            &by.statuses,
            filter.pool,
            by.since,
            by.ago_seconds,
            by.limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Listing { now, rows })
    }

    /// Workers, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_workers(&self, filter: &RowFilter) -> Result<Listing<WorkerRow>, StoreError> {
        let by = Parameters::from(filter);
        let now = self.now().await?;
        // An organisation's worker serves every repository of its owner, so that it belongs to none of them.
        let rows = sqlx::query_as!(
            WorkerRow,
            r#"SELECT pod_name, status::text AS "status!", entity_id, entity_name, entity_type, repo_full_name, job_labels,
                      k8s_pool, k8s_image, k8s_node, failure_info, condemned_reason, created_at, running_at, completed_at,
                      updated_at
               FROM workers
               WHERE ($1::bigint IS NULL OR entity_id = $1)
                 AND ($2::text IS NULL OR lower(entity_name) = lower($2))
                 AND ($3::text IS NULL OR lower(repo_full_name) = lower($3))
                 AND (cardinality($4::text[]) = 0 OR status::text = ANY ($4))
                 AND ($5::text IS NULL OR k8s_pool = $5)
                 AND created_at >= coalesce($6::timestamptz, now() - make_interval(secs => $7::float8), '-infinity')
               ORDER BY created_at DESC, pod_name DESC
               LIMIT $8"#,
            by.entity_id,
            by.entity_name,
            filter.repository,
            &by.statuses,
            filter.pool,
            by.since,
            by.ago_seconds,
            by.limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Listing { now, rows })
    }

    /// The database's clock.
    pub(super) async fn now(&self) -> Result<Time, StoreError> {
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&self.pool)
            .await?;
        Ok(now)
    }
}
