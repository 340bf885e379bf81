//! What `/usage` shows: counts, never lists that grow with the queue. Boards come from `scheduler_state`, all else from
//! the tables.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{PagesStore, Viewer};
use crate::store::StoreError;

/// Groups that are shown, at most.
const GROUPS: i64 = 500;
/// Waiting jobs that are named, at most.
const LONGEST: i64 = 8;
/// Alerts that are shown, at most.
const ALERTS: i64 = 30;

/// When the leader wrote last, and what. The whole of it is read for `/usage` only.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) now: DateTime<Utc>,
    pub(crate) at: Option<DateTime<Utc>>,
    pub(crate) state: Option<Value>,
}

/// Jobs or workers of one account with the same labels in one pool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) k8s_pool: String,
    pub(crate) entity_id: i64,
    pub(crate) entity_name: String,
    pub(crate) job_labels: Value,
    pub(crate) pending: i64,
    pub(crate) running: i64,
    /// Since when the oldest of its jobs waits.
    pub(crate) oldest: Option<DateTime<Utc>>,
}

/// Jobs of a pool that wait for the same kind of reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) k8s_pool: String,
    /// The reason's code; empty when none is written yet.
    pub(crate) reason: String,
    pub(crate) jobs: i64,
    pub(crate) oldest: DateTime<Utc>,
}

/// A job that has waited for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) job_id: i64,
    pub(crate) job_name: Option<String>,
    pub(crate) repo_full_name: String,
    pub(crate) k8s_pool: String,
    pub(crate) html_url: Option<String>,
    pub(crate) waiting_reason: Option<String>,
    pub(crate) since: DateTime<Utc>,
}

/// An alert that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenAlert {
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) opened_at: DateTime<Utc>,
}

impl PagesStore {
    /// When the leader wrote last, without what.
    pub(crate) async fn last_written(&self) -> Result<Written, StoreError> {
        Ok(sqlx::query_as!(
            Written,
            r#"SELECT clock_timestamp() AS "now!", s.at AS "at?", NULL::jsonb AS state
               FROM (SELECT 1) AS always LEFT JOIN scheduler_state s ON true"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// When the leader wrote last, and what.
    pub(crate) async fn all_written(&self) -> Result<Written, StoreError> {
        Ok(sqlx::query_as!(
            Written,
            r#"SELECT clock_timestamp() AS "now!", s.at AS "at?", s.state AS "state?"
               FROM (SELECT 1) AS always LEFT JOIN scheduler_state s ON true"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Live jobs by pool, account and labels; who waits longest first.
    pub(crate) async fn job_groups(&self, viewer: Viewer) -> Result<Vec<Group>, StoreError> {
        Ok(sqlx::query_as!(
            Group,
            r#"SELECT k8s_pool, entity_id, min(entity_name) AS "entity_name!", job_labels,
                      count(*) FILTER (WHERE status = 'pending') AS "pending!",
                      count(*) FILTER (WHERE status = 'running') AS "running!",
                      min(coalesce(queued_at, created_at)) FILTER (WHERE status = 'pending') AS oldest
               FROM jobs WHERE status IN ('pending', 'running') AND ($1 OR private IS FALSE)
               GROUP BY k8s_pool, entity_id, job_labels
               ORDER BY k8s_pool, 7 NULLS LAST, 3, job_labels LIMIT $2"#,
            viewer.sees_all(),
            GROUPS
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Live workers by pool, account and labels.
    pub(crate) async fn worker_groups(&self, viewer: Viewer) -> Result<Vec<Group>, StoreError> {
        Ok(sqlx::query_as!(
            Group,
            r#"SELECT k8s_pool, entity_id, min(entity_name) AS "entity_name!", job_labels,
                      count(*) FILTER (WHERE status = 'pending') AS "pending!",
                      count(*) FILTER (WHERE status = 'running') AS "running!",
                      NULL::timestamptz AS oldest
               FROM workers w WHERE status IN ('pending', 'running')
                 AND ($1 OR w.repo_full_name IS NULL OR EXISTS
                   (SELECT FROM jobs j WHERE j.k8s_pod = w.pod_name AND j.private IS FALSE))
               GROUP BY k8s_pool, entity_id, job_labels
               ORDER BY k8s_pool, 3, job_labels LIMIT $2"#,
            viewer.sees_all(),
            GROUPS
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// All waiting jobs by pool and kind of reason: a count names nobody.
    pub(crate) async fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        Ok(sqlx::query_as!(
            Queue,
            r#"SELECT k8s_pool, split_part(coalesce(waiting_reason, ''), ':', 1) AS "reason!",
                      count(*) AS "jobs!", min(coalesce(queued_at, created_at)) AS "oldest!"
               FROM jobs WHERE status IN ('pending', 'running') AND status = 'pending'
               GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2 LIMIT $1"#,
            GROUPS
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The jobs that wait longest.
    pub(crate) async fn longest_waiting(&self, viewer: Viewer) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query_as!(
            Waiting,
            r#"SELECT job_id, job_name, repo_full_name, k8s_pool, html_url, waiting_reason,
                      coalesce(queued_at, created_at) AS "since!"
               FROM jobs WHERE status IN ('pending', 'running') AND status = 'pending' AND ($1 OR private IS FALSE)
               ORDER BY coalesce(queued_at, created_at), job_id LIMIT $2"#,
            viewer.sees_all(),
            LONGEST
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Live jobs that this page does not name to everybody.
    pub(crate) async fn unnamed_jobs(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM jobs
               WHERE status IN ('pending', 'running') AND private IS NOT FALSE"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Workers that failed in the last hour, by the index rise_workers_failed.
    pub(crate) async fn failed_lately(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM workers
               WHERE status = 'failed' AND completed_at > now() - interval '1 hour'"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Alerts that are open, the oldest first.
    pub(crate) async fn open_alerts(&self) -> Result<Vec<OpenAlert>, StoreError> {
        Ok(sqlx::query_as!(
            OpenAlert,
            "SELECT name, subject, text, opened_at FROM alerts WHERE closed_at IS NULL ORDER BY opened_at LIMIT $1",
            ALERTS
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
